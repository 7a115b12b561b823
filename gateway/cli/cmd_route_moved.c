// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cmd_route_moved.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/shard_listing.h"
#include "gateway/config/routing.h"
#include "gateway/tls/context.h"

#define LIST_MAX ((size_t)64 << 20)
#define TENANTS_MAX 1024
#define WITHIN_MS 60000

struct moved {
    struct gw_cli *cli;
    const struct gw_config *old, *next;
    struct gw_placement *before, *after; // by API of OLD
    size_t n_apis;
    struct json_writer w; // with --json
    size_t looked_at, moving, strays;
    unsigned asked; // the shard whose listing this is; UINT32_MAX: a list in a file
    size_t api;     // of OLD
};

#define NOBODY UINT32_MAX

static struct span shard_name(const struct gw_config *c, unsigned i)
{
    return i == NOBODY ? SPAN_NONE : c->shards[i].name.v;
}

static void json_text(struct json_writer *w, struct span key, struct span v)
{
    json_w_key(w, key);
    json_w_string(w, v);
}

static void json_row(struct moved *m, const struct gw_listed *c, struct span from, struct span to)
{
    json_w_object(&m->w);
    json_text(&m->w, SPAN("api"), gw_api_def_name(gw_config_api_at(m->old, m->api)));
    json_text(&m->w, SPAN("database"), c->database);
    json_text(&m->w, SPAN("tenant"), c->tenant);
    json_text(&m->w, SPAN("collection"), c->collection);
    json_text(&m->w, SPAN("from"), from);
    json_text(&m->w, SPAN("to"), to);
    json_w_end(&m->w);
}

static void print_name(FILE *out, const struct gw_listed *c)
{
    if (!span_is_none(c->database) || !span_is_none(c->tenant)) {
        gw_cli_print(out, span_is_none(c->database) ? SPAN("") : c->database);
        fputc('/', out);
        gw_cli_print(out, span_is_none(c->tenant) ? SPAN("") : c->tenant);
        fputc('/', out);
    }
    gw_cli_print(out, c->collection);
}

static void report(struct moved *m, const struct gw_listed *c, struct span from, struct span to)
{
    FILE *out = m->cli->out;
    m->moving++;
    if (m->cli->json) {
        json_row(m, c, from, to);
        return;
    }
    print_name(out, c);
    fputs("  ", out);
    gw_cli_print(out, from);
    fputs(" -> ", out);
    gw_cli_print(out, span_is_none(to) ? SPAN("nowhere: no rule matches") : to);
    fputc('\n', out);
}

static void on_collection(void *ctx, const struct gw_listed *c)
{
    struct moved *m = ctx;
    unsigned before = NOBODY, after = NOBODY;
    gw_placement_find(&m->before[m->api], c->database, c->tenant, c->collection, &before);
    gw_placement_find(&m->after[m->api], c->database, c->tenant, c->collection, &after);
    m->looked_at++;
    if (before == NOBODY && m->asked == NOBODY)
        return; // nobody reaches it today
    if (m->asked != NOBODY && before != m->asked) {
        // A copy that the rules do not lead to: left behind by an earlier move, or brought here for the coming one.
        m->strays++;
        return;
    }
    struct span from = shard_name(m->old, before), to = shard_name(m->next, after);
    if (span_is_none(to) || !span_eq(from, to))
        report(m, c, from, to);
}

static void on_complaint(void *ctx, const char *what)
{
    const struct moved *m = ctx;
    gw_cli_usage(m->cli, "shard %.*s: %s", SPAN_FMT(shard_name(m->old, m->asked)), what);
}

// ------------------------------------------------------------------------------------------------- where names come from

// Each API of the configuration has rules of its own: a name in a list may be a collection of any of them.
static bool from_file(struct moved *m, const char *path)
{
    struct span text = gw_cli_read(m->cli, path, LIST_MAX);
    bool *used = arena_array(&m->cli->arena, m->n_apis, sizeof *used);
    unsigned number = 0;
    if (span_is_none(text) || !used)
        return false;
    for (size_t i = 0; i < m->old->shards_n; i++)
        used[m->old->shards[i].api] = true;
    m->asked = NOBODY;
    for (struct span rest = text; !span_is_none(rest);) {
        struct span line = span_trim(span_cut(&rest, '\n')), name = line;
        struct gw_listed c = { .database = SPAN_NONE, .tenant = SPAN_NONE };
        number++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (span_find(line, '/') < line.n) {
            struct span database = span_cut(&name, '/'), tenant = span_cut(&name, '/');
            c.database = database.n > 0 ? database : SPAN_NONE;
            c.tenant = tenant.n > 0 ? tenant : SPAN_NONE;
        }
        if (name.n == 0 || span_find(name, '/') < name.n) {
            gw_cli_usage(m->cli, "%s: line %u: database/tenant/collection is expected, or a collection", path, number);
            return false;
        }
        c.collection = name;
        for (m->api = 0; m->api < m->n_apis; m->api++)
            if (used[m->api])
                on_collection(m, &c);
    }
    return true;
}

static bool from_shards(struct moved *m, struct gw_snapshot *s, const struct gw_revocations *r)
{
    struct span tenants[TENANTS_MAX];
    size_t n = 0;
    const char *name;
    for (size_t i = 0; (name = gw_cli_next(m->cli, "tenant", &i)) && n < TENANTS_MAX;)
        tenants[n++] = span_str(name);
    if (n == 0)
        tenants[n++] = SPAN("default_tenant");
    const struct gw_tls_trust bundles = {
        .trust = s->trust, .revocation = r->certificates, .options = s->verify, .trust_generation = 1
    };
    bool all = true;
    for (unsigned i = 0; i < s->n_shards; i++) {
        const struct gw_shard_listing listing = {
            .arena = &m->cli->arena,
            .snapshot = s,
            .shard = &s->shards[i],
            .api = gw_api_def_name(gw_config_api_at(m->old, s->shards[i].config->api)),
            .bundles = &bundles,
            .tenants = tenants,
            .n_tenants = n,
            .within_ms = WITHIN_MS,
            .on_collection = on_collection,
            .on_complaint = on_complaint,
            .ctx = m,
        };
        m->asked = i;
        m->api = s->shards[i].config->api;
        all = gw_shard_list(&listing) && all;
    }
    return all;
}

// ------------------------------------------------------------------------------------------------------------ command

static int conclude(struct moved *m, struct buf *out, bool all)
{
    struct gw_cli *cli = m->cli;
    if (cli->json) {
        json_w_end(&m->w);
        json_w_key(&m->w, SPAN("collections"));
        json_w_uint(&m->w, m->looked_at);
        json_w_key(&m->w, SPAN("strays"));
        json_w_uint(&m->w, m->strays);
        json_w_key(&m->w, SPAN("complete"));
        json_w_bool(&m->w, all);
        json_w_end(&m->w);
        if (out->failed)
            return gw_cli_usage(cli, "out of memory");
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(out)));
    } else {
        if (m->strays > 0)
            gw_cli_note(cli, "%zu more are on shards where no rule of OLD looks for them: copies, or left behind",
                        m->strays);
        gw_cli_note(cli, "%zu of %zu have to move%s", m->moving, m->looked_at,
                    all ? "" : ", as far as could be found out");
    }
    return !all ? GW_EXIT_USAGE : m->moving > 0 ? GW_EXIT_NO : GW_EXIT_OK;
}

static bool placements(struct moved *m)
{
    const struct gw_api_def *def, *other;
    while (gw_config_api_at(m->old, m->n_apis))
        m->n_apis++;
    m->before = arena_array(&m->cli->arena, m->n_apis, sizeof *m->before);
    m->after = arena_array(&m->cli->arena, m->n_apis, sizeof *m->after);
    if (!m->before || !m->after)
        return false;
    for (size_t i = 0; (def = gw_config_api_at(m->old, i)); i++) {
        if (gw_config_placement(m->old, i, &m->cli->arena, &m->before[i]) != 0)
            return false;
        // Numbers of an operator's own tables are each configuration's.
        for (size_t k = 0; (other = gw_config_api_at(m->next, k)); k++)
            if (span_eq(gw_api_def_name(other), gw_api_def_name(def)) &&
                gw_config_placement(m->next, k, &m->cli->arena, &m->after[i]) != 0)
                return false;
    }
    return true;
}

static int compare(struct moved *m, struct gw_snapshot *s, const struct gw_revocations *r)
{
    const char *list = gw_cli_get(m->cli, "collections");
    struct buf out;
    if (!placements(m))
        return gw_cli_usage(m->cli, "out of memory");
    buf_init(&out, 0);
    m->w = json_writer(&out);
    json_w_object(&m->w);
    json_w_key(&m->w, SPAN("moved"));
    json_w_array(&m->w);
    bool all = list ? from_file(m, list) : from_shards(m, s, r);
    int rc = conclude(m, &out, all);
    buf_fini(&out);
    return rc;
}

int gw_cmd_route_moved(struct gw_cli *cli)
{
    struct moved m = { .cli = cli };
    struct gw_config *old = NULL, *next = NULL;
    struct gw_snapshot *s = NULL;
    struct gw_revocations *r = NULL;
    struct diags diags;
    int64_t now_s = clock_read().wall_ms / 1000;
    diags_init(&diags);
    bool ok = gw_config_load(cli->args[1], &next, &diags) == 0;
    if (ok && gw_cli_has(cli, "collections")) {
        ok = gw_config_load(cli->args[0], &old, &diags) == 0;
        m.old = old;
    } else if (ok) { // with the keys and secrets that it names
        ok = gw_tls_process_init() == 0 && (s = gw_snapshot_load(cli->args[0], 1, now_s, &diags)) != NULL &&
             (r = gw_revocations_load(s->config, NULL, 1, now_s, &diags)) != NULL;
        m.old = s ? s->config : NULL;
    }
    m.next = next;
    // Warnings about either file are for `check`.
    if (!ok)
        gw_cli_diags(cli, cli->err, &diags);
    diags_fini(&diags);
    int rc = ok ? compare(&m, s, r) : GW_EXIT_USAGE;
    gw_revocations_unref(r);
    gw_snapshot_unref(s);
    gw_config_free(old);
    gw_config_free(next);
    return rc;
}
