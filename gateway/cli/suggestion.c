// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/suggestion.h"

#include "gateway/api/action.h"
#include "pki/spiffe.h"
#include "policy/print.h"

#include <stdlib.h>
#include <string.h>

// What a reviewer takes or leaves as one.
enum kind { READS, WRITES, MANAGES, RUNS };
static const char *const kind_names[] = { "reads", "writes", "manages", "runs" };

// What the tokens of the requests said of a tenant, in all of them.
enum tenancy {
    UNSEEN,
    ITS_OWN, // each the tenant of the resource
    ALWAYS,  // the same one
    NONE,    // nothing, or this and that
};

// What one workload did of one kind to one resource.
struct gw_suggestion_item {
    struct span principal, type, id, tenant; // tenant: of the resource; empty: it has none
    enum kind kind;
    unsigned actions;
    size_t count[GW_ACTION_COUNT], requests;
    char first[CLOCK_TEXT], last[CLOCK_TEXT];
    struct span examples[GW_SUGGESTION_EXAMPLES];
    size_t n_examples;
    enum tenancy tenancy;
    struct span token_tenant;
};

static const uint64_t any_key[2] = { 0x5a11, 0x5066 }; // a log is the operator's own

void gw_suggestions_init(struct gw_suggestions *s, struct arena *arena)
{
    *s = (struct gw_suggestions){ .arena = arena };
    map_init(&s->by, any_key);
}

void gw_suggestions_fini(struct gw_suggestions *s)
{
    map_fini(&s->by);
}

// ------------------------------------------------------------------------------------------------------------ seeing

static enum kind kind_of(enum gw_action a)
{
    if (gw_action_reads(a))
        return READS;
    if (GW_ACTION_BIT(a) & GW_ACTIONS_READWRITE)
        return WRITES;
    return GW_ACTION_BIT(a) & GW_ACTIONS_ADMIN ? MANAGES : RUNS;
}

static bool is_resource(struct span type)
{
    return span_eq(type, SPAN("Collection")) || span_eq(type, SPAN("Database")) || span_eq(type, SPAN("Tenant")) ||
           span_eq(type, SPAN("Server"));
}

static struct span uid(json request, const char *of, const char *part)
{
    return json_string(json_get(json_get(request, span_str(of)), span_str(part)));
}

// Attributes of the resource, among the entities that go with the request.
static struct span tenant_of(json request, struct span type, struct span id)
{
    json entities = json_get(request, SPAN("entities")), e;
    struct span none;

    for (struct json_iter it = json_iter(entities); json_next(&it, &none, &e);)
        if (span_eq(uid(e, "uid", "type"), type) && span_eq(uid(e, "uid", "id"), id))
            return json_string(json_get(json_get(e, SPAN("attrs")), SPAN("tenant")));
    return SPAN_NONE;
}

static struct span empty_or(struct span s)
{
    return span_is_none(s) ? SPAN("") : s;
}

// "spiffe://example.org/ns/team-a/sa/" of "spiffe://example.org/ns/team-a/sa/rag".
static struct span folder_of(struct span id)
{
    size_t n = id.n;
    while (n > 0 && id.p[n - 1] != '/')
        n--;
    return span_sub(id, 0, n);
}

static struct gw_suggestion_item *item_of(struct gw_suggestions *s, const struct gw_suggestion_item *like)
{
    struct buf key;
    struct gw_suggestion_item *it;

    buf_init(&key, 0);
    buf_printf(&key, "%.*s\n%d\n%.*s\n%.*s", SPAN_FMT(like->principal), (int)like->kind, SPAN_FMT(like->type),
               SPAN_FMT(like->id));
    it = key.failed ? NULL : map_get(&s->by, buf_span(&key));
    if (!it && !key.failed) {
        struct span kept = arena_dup(s->arena, buf_span(&key));
        if (s->n == s->cap) {
            size_t cap = s->cap ? 2 * s->cap : 32;
            struct gw_suggestion_item **more = arena_array(s->arena, cap, sizeof *more);
            if (more && s->n > 0)
                memcpy(more, s->items, s->n * sizeof *more);
            s->items = more ? more : s->items;
            s->cap = more ? cap : s->cap;
        }
        it = arena_alloc(s->arena, sizeof *it);
        if (it) {
            *it = *like;
            it->principal = arena_dup(s->arena, like->principal);
            it->type = arena_dup(s->arena, like->type);
            it->id = arena_dup(s->arena, like->id);
            it->tenant = arena_dup(s->arena, like->tenant);
            it->token_tenant = SPAN("");
        }
        if (s->arena->failed || !map_put(&s->by, kept, it, NULL))
            it = NULL;
        else
            s->items[s->n++] = it;
    }
    buf_fini(&key);
    return it;
}

static void see_tenancy(struct gw_suggestions *s, struct gw_suggestion_item *it, struct span token_tenant)
{
    bool own = it->tenant.n > 0 && span_eq(token_tenant, it->tenant);

    if (it->tenancy == UNSEEN) {
        it->tenancy = own ? ITS_OWN : span_is_none(token_tenant) ? NONE : ALWAYS;
        it->token_tenant = empty_or(arena_dup(s->arena, token_tenant));
    } else if (span_is_none(token_tenant) || !span_eq(token_tenant, it->token_tenant)) {
        it->tenancy = NONE;
    }
}

static void see_time(struct gw_suggestion_item *it, struct span time)
{
    char at[CLOCK_TEXT] = "";

    if (time.n != CLOCK_TEXT - 1)
        return;
    memcpy(at, time.p, time.n);
    if (!it->first[0] || strcmp(at, it->first) < 0)
        memcpy(it->first, at, sizeof at);
    if (strcmp(at, it->last) > 0)
        memcpy(it->last, at, sizeof at);
}

static void see_example(struct gw_suggestions *s, struct gw_suggestion_item *it, struct span id)
{
    size_t n = it->n_examples;

    if (n == GW_SUGGESTION_EXAMPLES || (n > 0 && span_eq(it->examples[n - 1], id)))
        return;
    // Ids are of this alphabet; what is not could end the comment that it is to stand in.
    for (size_t i = 0; i < id.n; i++)
        if (!memchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_", id.p[i], 64))
            return;
    it->examples[n] = arena_dup(s->arena, id);
    it->n_examples += !span_is_none(it->examples[n]);
}

bool gw_suggestions_see(struct gw_suggestions *s, json request, struct span time, struct span id)
{
    struct gw_suggestion_item like = {
        .principal = uid(request, "principal", "id"),
        .type = uid(request, "resource", "type"),
        .id = uid(request, "resource", "id"),
    };
    struct span word = uid(request, "action", "id");
    struct pki_spiffe workload;
    unsigned action = 0;

    while (action < GW_ACTION_COUNT && !span_eq(gw_action_name((enum gw_action)action), word))
        action++;
    // A pattern is made of its path, which in a SPIFFE ID is of letters that mean themselves.
    if (!span_eq(uid(request, "principal", "type"), SPAN("Workload")) || span_is_none(like.principal) ||
        pki_spiffe_parse_workload(like.principal, &workload, NULL) != 0 || !is_resource(like.type) ||
        span_is_none(like.id) || action == GW_ACTION_COUNT) {
        s->foreign++;
        return true;
    }
    like.kind = kind_of((enum gw_action)action);
    like.tenant = empty_or(tenant_of(request, like.type, like.id));
    if (s->by_folder)
        like.principal = folder_of(like.principal);
    struct gw_suggestion_item *it = item_of(s, &like);
    if (!it)
        return false;
    it->actions |= GW_ACTION_BIT(action);
    it->count[action]++;
    it->requests++;
    see_tenancy(s, it,
                json_string(json_get(json_get(json_get(request, SPAN("context")), SPAN("token")), SPAN("tenant"))));
    see_time(it, time);
    see_example(s, it, id);
    return !s->arena->failed;
}

// ----------------------------------------------------------------------------------------------------------- permits

static int order(long a, long b)
{
    return (a > b) - (a < b);
}

// Items that one permit may say stand together: all but the last comparison.
static int compare_group(const struct gw_suggestion_item *a, const struct gw_suggestion_item *b)
{
    int c = span_cmp(a->principal, b->principal);
    c = c ? c : order(a->kind, b->kind);
    c = c ? c : span_cmp(a->type, b->type);
    c = c ? c : order(a->actions, b->actions);
    c = c ? c : order(a->tenancy, b->tenancy);
    return c || a->tenancy != ALWAYS ? c : span_cmp(a->token_tenant, b->token_tenant);
}

static int compare(const void *a, const void *b)
{
    const struct gw_suggestion_item *x = *(struct gw_suggestion_item *const *)a,
                                    *y = *(struct gw_suggestion_item *const *)b;
    int c = compare_group(x, y);
    c = c ? c : span_cmp(x->tenant, y->tenant);
    return c ? c : span_cmp(x->id, y->id);
}

void gw_suggestions_close(struct gw_suggestions *s)
{
    if (s->n > 0)
        qsort(s->items, s->n, sizeof *s->items, compare);
}

static bool is_wide(const struct gw_suggestions *s, const struct gw_suggestion_item *it)
{
    return s->by_tenant && it->tenant.n > 0 && span_eq(it->type, SPAN("Collection"));
}

// The end of the permit that begins with item i.
static size_t end_of(const struct gw_suggestions *s, size_t i)
{
    size_t n = i + 1;
    while (n < s->n && compare_group(s->items[i], s->items[n]) == 0 &&
           is_wide(s, s->items[i]) == is_wide(s, s->items[n]) &&
           (!is_wide(s, s->items[i]) || span_eq(s->items[i]->tenant, s->items[n]->tenant)))
        n++;
    return n;
}

size_t gw_suggestions_count(const struct gw_suggestions *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i = end_of(s, i))
        n++;
    return n;
}

// All that the items of a permit are, as one.
static struct gw_suggestion_item sum(const struct gw_suggestions *s, size_t from, size_t to)
{
    struct gw_suggestion_item all = *s->items[from];

    for (size_t i = from + 1; i < to; i++) {
        const struct gw_suggestion_item *it = s->items[i];
        for (size_t a = 0; a < GW_ACTION_COUNT; a++)
            all.count[a] += it->count[a];
        all.requests += it->requests;
        see_time(&all, span_str(it->first));
        see_time(&all, span_str(it->last));
        for (size_t k = 0; k < it->n_examples && all.n_examples < GW_SUGGESTION_EXAMPLES; k++)
            all.examples[all.n_examples++] = it->examples[k];
    }
    return all;
}

// "rag-reads", with a number where there are several. Of letters that need no quoting.
static void write_id(struct buf *out, const struct gw_suggestion_item *it, size_t number)
{
    struct span name = it->principal;
    bool folder = span_ends(name, SPAN("/"));

    if (folder)
        name = span_sub(name, 0, name.n - 1);
    name = span_sub(name, folder_of(name).n, name.n);
    for (size_t i = 0; i < name.n; i++)
        buf_byte(out, memchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.", name.p[i], 65)
                          ? (char)name.p[i]
                          : '-');
    buf_printf(out, "-%s-%zu", kind_names[it->kind], number);
}

static void write_uid(struct buf *out, struct span type, struct span id)
{
    buf_printf(out, "%.*s::", SPAN_FMT(type));
    pol_print_string(out, id);
}

static void write_comment(struct buf *out, const struct gw_suggestions *s, const struct gw_suggestion_item *all,
                          size_t n)
{
    const char *comma = " (";

    buf_printf(out, "// %zu decision%s", all->requests, all->requests == 1 ? "" : "s");
    for (unsigned a = 0; a < GW_ACTION_COUNT; a++)
        if (all->count[a] > 0) {
            buf_printf(out, "%s%.*s %zu", comma, SPAN_FMT(gw_action_name((enum gw_action)a)), all->count[a]);
            comma = ", ";
        }
    buf_printf(out, "), %s to %s", all->first[0] ? all->first : "some time", all->last[0] ? all->last : "some time");
    for (size_t i = 0; i < all->n_examples; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "\n// in requests such as " : ", ", SPAN_FMT(all->examples[i]));
    buf_byte(out, '\n');
    if (is_wide(s, all))
        buf_printf(out, "// Wider than what was seen: %zu collection%s of the tenant %s used, all are permitted.\n", n,
                   n == 1 ? "" : "s", n == 1 ? "was" : "were");
    if (s->by_folder)
        buf_printf(out, "// Wider than what was seen: every workload whose SPIFFE ID begins like this.\n");
}

static void write_principal(struct buf *out, const struct gw_suggestions *s, const struct gw_suggestion_item *all)
{
    if (s->by_folder) {
        buf_printf(out, "principal is Workload");
        return;
    }
    buf_printf(out, "principal == ");
    write_uid(out, SPAN("Workload"), all->principal);
}

static void write_resource(struct buf *out, const struct gw_suggestions *s, const struct gw_suggestion_item *all,
                           size_t n)
{
    if (is_wide(s, all)) {
        buf_printf(out, "resource is Collection in ");
        write_uid(out, SPAN("Tenant"), all->tenant);
    } else if (n == 1) {
        buf_printf(out, "resource == ");
        write_uid(out, all->type, all->id);
    } else {
        buf_printf(out, "resource is %.*s", SPAN_FMT(all->type));
    }
}

static void write_conditions(struct buf *out, const struct gw_suggestions *s, const struct gw_suggestion_item *all,
                             size_t from, size_t to)
{
    if (to - from > 1 && !is_wide(s, all)) {
        buf_printf(out, "\nwhen { [");
        for (size_t i = from; i < to; i++) {
            buf_printf(out, i > from ? ", " : "");
            write_uid(out, s->items[i]->type, s->items[i]->id);
        }
        buf_printf(out, "].contains(resource) }");
    }
    if (s->by_folder) {
        struct span domain = span_sub(all->principal, sizeof "spiffe://" - 1, all->principal.n);
        size_t at = span_find(domain, '/');
        buf_printf(out, "\nwhen { principal.trust_domain == ");
        pol_print_string(out, span_sub(domain, 0, at));
        buf_printf(out, " && principal.path like \"%.*s*\" }", SPAN_FMT(span_sub(domain, at, domain.n)));
    }
    if (all->tenancy == ITS_OWN)
        buf_printf(
            out,
            "\nwhen { context.token has tenant && resource has tenant && context.token.tenant == resource.tenant }");
    if (all->tenancy == ALWAYS) {
        buf_printf(out, "\nwhen { context.token has tenant && context.token.tenant == ");
        pol_print_string(out, all->token_tenant);
        buf_printf(out, " }");
    }
}

static void write_actions(struct buf *out, unsigned actions)
{
    bool one = (actions & (actions - 1)) == 0;
    const char *before = one ? "action == " : "action in [";

    for (unsigned a = 0; a < GW_ACTION_COUNT; a++)
        if (actions & GW_ACTION_BIT(a)) {
            buf_printf(out, "%sAction::\"%.*s\"", before, SPAN_FMT(gw_action_name((enum gw_action)a)));
            before = ", ";
        }
    buf_printf(out, "%s", one ? "" : "]");
}

static void write_permit(struct buf *out, const struct gw_suggestions *s, size_t from, size_t to, size_t number)
{
    const struct gw_suggestion_item all = sum(s, from, to);

    write_comment(out, s, &all, to - from);
    buf_printf(out, "@id(\"");
    write_id(out, &all, number);
    buf_printf(out, "\")\npermit (\n");
    write_principal(out, s, &all);
    buf_printf(out, ",\n");
    write_actions(out, all.actions);
    buf_printf(out, ",\n");
    write_resource(out, s, &all, to - from);
    buf_printf(out, ")");
    write_conditions(out, s, &all, from, to);
    buf_printf(out, ";\n\n");
}

void gw_suggestions_text(struct gw_suggestions *s, struct buf *out)
{
    size_t number = 1;
    for (size_t i = 0; i < s->n; i = end_of(s, i))
        write_permit(out, s, i, end_of(s, i), number++);
}

static void member(struct json_writer *w, const char *name, struct span v)
{
    json_w_key(w, span_str(name));
    json_w_string(w, v);
}

void gw_suggestions_json(struct gw_suggestions *s, struct json_writer *w)
{
    size_t number = 1, end;

    json_w_array(w);
    for (size_t i = 0; i < s->n; i = end) {
        end = end_of(s, i);
        const struct gw_suggestion_item all = sum(s, i, end);
        struct buf text;
        buf_init(&text, 0);
        json_w_object(w);
        write_id(&text, &all, number);
        member(w, "id", buf_span(&text));
        buf_fini(&text);
        member(w, s->by_folder ? "workloads" : "workload", all.principal);
        member(w, "kind", span_str(kind_names[all.kind]));
        json_w_key(w, SPAN("actions"));
        json_w_object(w);
        for (unsigned a = 0; a < GW_ACTION_COUNT; a++)
            if (all.count[a] > 0) {
                json_w_key(w, gw_action_name((enum gw_action)a));
                json_w_uint(w, all.count[a]);
            }
        json_w_end(w);
        json_w_key(w, SPAN("resources"));
        json_w_array(w);
        for (size_t k = i; k < end; k++) {
            json_w_object(w);
            member(w, "type", s->items[k]->type);
            member(w, "id", s->items[k]->id);
            json_w_end(w);
        }
        json_w_end(w);
        json_w_key(w, SPAN("decisions"));
        json_w_uint(w, all.requests);
        member(w, "first", span_str(all.first));
        member(w, "last", span_str(all.last));
        json_w_key(w, SPAN("requests"));
        json_w_array(w);
        for (size_t k = 0; k < all.n_examples; k++)
            json_w_string(w, all.examples[k]);
        json_w_end(w);
        buf_init(&text, 0);
        write_permit(&text, s, i, end, number++);
        member(w, "policy", buf_span(&text));
        w->out->failed |= text.failed;
        buf_fini(&text);
        json_w_end(w);
    }
    json_w_end(w);
}
