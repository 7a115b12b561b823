// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_texts.h"

#include "gateway/api/action.h"
#include "gateway/base/json.h"
#include "gateway/config/snapshot_authority.h"
#include "gateway/config/yaml.h"
#include "policy/links_json.h"
#include "policy/schema.h"
#include "policy/value_json.h"

#include <stdlib.h>
#include <sys/random.h>

void gw_policy_texts_init(struct gw_policy_texts *t)
{
    *t = (struct gw_policy_texts){ 0 };
    arena_init(&t->arena, 0);
}

void gw_policy_texts_fini(struct gw_policy_texts *t)
{
    arena_fini(&t->arena);
    free(t->policies.v);
    free(t->entities.v);
    free(t->schemas.v);
    free(t->links.v);
    free(t->owners);
}

bool gw_policy_texts_add(struct gw_policy_texts *t, struct gw_policy_list *list, struct span name, struct span text)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        struct pol_source *v = realloc(list->v, cap * sizeof *v);
        if (!v)
            return false;
        list->v = v;
        list->cap = cap;
    }
    struct pol_source s = { arena_dup(&t->arena, name), arena_dup(&t->arena, text) };
    list->v[list->n++] = s;
    return !t->arena.failed;
}

static bool no_memory(struct diags *diags)
{
    diag_error(diags, SPAN_NONE, 0, 0, "out of memory while reading policies; make the policy set smaller");
    return false;
}

static bool ends_in(struct span path, struct span suffix)
{
    return path.n > suffix.n && span_ieq(span_sub(path, path.n - suffix.n, path.n), suffix);
}

bool gw_policy_texts_add_entities(struct gw_policy_texts *t, struct span name, struct span text, struct diags *diags)
{
    struct buf converted;
    bool yaml = ends_in(name, SPAN(".yaml")) || ends_in(name, SPAN(".yml"));
    buf_init(&converted, 0);
    bool ok = !yaml || gw_yaml_to_json(text, name, &converted, diags) == 0;
    if (ok && !gw_policy_texts_add(t, &t->entities, name, yaml ? buf_span(&converted) : text))
        ok = no_memory(diags);
    buf_fini(&converted);
    return ok;
}

bool gw_policy_texts_owner(struct gw_policy_texts *t, struct span name, struct span within)
{
    struct pol_owner *v = realloc(t->owners, (t->owners_n + 1) * sizeof *v);
    if (!v)
        return false;
    t->owners = v;
    struct pol_owner o = { .name = arena_dup(&t->arena, name), .first = t->policies.n };
    struct pol_json j = { .arena = &t->arena };
    if (!pol_json_uid_text(&j, within, &o.within.type, &o.within.id) || t->arena.failed)
        return false;
    t->owners[t->owners_n++] = o;
    return true;
}

void gw_policy_texts_owned(struct gw_policy_texts *t)
{
    struct pol_owner *o = &t->owners[t->owners_n - 1];
    o->n = t->policies.n - o->first;
}

// ------------------------------------------------------------------------------------------------------------ actions

static void write_uid(struct json_writer *w, struct span action)
{
    json_w_object(w);
    json_w_key(w, SPAN("type"));
    json_w_string(w, SPAN("Action"));
    json_w_key(w, SPAN("id"));
    json_w_string(w, action);
    json_w_end(w);
}

// One action as an entity; `mask` says which groups it is in.
static void write_action(struct json_writer *w, struct span name, unsigned mask)
{
    json_w_object(w);
    json_w_key(w, SPAN("uid"));
    write_uid(w, name);
    json_w_key(w, SPAN("attrs"));
    json_w_object(w);
    json_w_end(w);
    json_w_key(w, SPAN("parents"));
    json_w_array(w);
    for (unsigned g = 0; mask != 0 && g < GW_ACTION_GROUPS; g++)
        if ((mask & ~gw_action_groups[g].mask) == 0 && !span_eq(name, gw_action_groups[g].name))
            write_uid(w, gw_action_groups[g].name);
    json_w_end(w);
    json_w_end(w);
}

bool gw_policy_actions(enum gw_policy_role role, struct buf *out)
{
    const struct span own[] = { GW_TOKEN_ISSUE, GW_TOKEN_EXCHANGE, GW_TOKEN_IMPERSONATE, GW_SVID_ISSUE };
    bool gateway = role == GW_POLICY_GATEWAY;
    struct json_writer w = json_writer(out);
    json_w_array(&w);
    // One row an action, then one a group; only `readwrite` contains another group.
    for (unsigned i = 0; gateway && i < GW_ACTION_COUNT; i++)
        write_action(&w, gw_action_name((enum gw_action)i), GW_ACTION_BIT(i));
    for (unsigned i = 0; gateway && i < GW_ACTION_GROUPS; i++)
        write_action(&w, gw_action_groups[i].name, gw_action_groups[i].mask);
    for (size_t i = 0; !gateway && i < sizeof own / sizeof *own; i++)
        write_action(&w, own[i], 0);
    json_w_end(&w);
    return !out->failed;
}

static bool add_actions(struct gw_policy_texts *t, enum gw_policy_role role)
{
    struct buf out;
    buf_init(&out, 0);
    bool ok = gw_policy_actions(role, &out) && gw_policy_texts_add(t, &t->entities, GW_POLICY_ACTIONS, buf_span(&out));
    buf_fini(&out);
    return ok;
}

// ------------------------------------------------------------------------------------------------------------ the set

static bool read_links(struct gw_policy_texts *t, struct diags *diags)
{
    for (size_t i = 0; i < t->links.n; i++) {
        const struct pol_link *some;
        size_t n;
        if (!pol_links_read(&t->links.v[i], &t->arena, &some, &n, diags))
            return false;
        struct pol_link *all = arena_array(&t->arena, t->linked_n + n + 1, sizeof *all);
        if (!all)
            return no_memory(diags);
        if (t->linked_n > 0)
            memcpy(all, t->linked, t->linked_n * sizeof *all);
        if (n > 0)
            memcpy(all + t->linked_n, some, n * sizeof *all);
        t->linked = all;
        t->linked_n += n;
    }
    return true;
}

bool gw_policy_texts_options(struct gw_policy_texts *t, enum gw_policy_role role, struct pol_options *out,
                             struct diags *diags)
{
    uint64_t key;
    if (getrandom(&key, sizeof key, 0) != sizeof key) {
        diag_error(diags, SPAN_NONE, 0, 0, "the system gives no random bytes");
        return false;
    }
    if (!add_actions(t, role))
        return no_memory(diags);
    if (!read_links(t, diags))
        return false;
    *out = (struct pol_options){
        .links = t->linked,
        .n_links = t->linked_n,
        .owners = t->owners,
        .n_owners = t->owners_n,
        .strict_annotations = true,
        .declared_actions = true,
        .linked_templates = true,
        .no_obligations = role == GW_POLICY_AUTHORITY,
        .hash_key = key,
    };
    return true;
}

void gw_policy_confine(struct pol_schema *s, enum gw_policy_role role)
{
    const struct span own[] = { SPAN("token:"), SPAN("svid:") };
    pol_schema_confine(s, own, sizeof own / sizeof *own, role == GW_POLICY_GATEWAY);
}

void gw_policy_texts_validate(const struct gw_policy_texts *t, enum gw_policy_role role,
                              const struct pol_options *options, struct diags *diags)
{
    bool own = t->schemas.n > 0;
    struct pol_schema *s = pol_schema_new(own ? t->schemas.v : &pol_schema_shipped, own ? t->schemas.n : 1, diags);
    if (!s)
        return;
    gw_policy_confine(s, role);
    pol_schema_validate(s, t->policies.v, t->policies.n, options, diags);
    // The built-in actions are made here, not by whoever wrote the schema.
    for (size_t i = 0; i < t->entities.n; i++)
        if (!span_eq(t->entities.v[i].name, GW_POLICY_ACTIONS))
            pol_schema_validate_entities(s, &t->entities.v[i], 1, false, diags);
    pol_schema_free(s);
}

struct pol_set *gw_policy_texts_compile(struct gw_policy_texts *t, enum gw_policy_role role, bool validate,
                                        struct diags *diags)
{
    struct pol_options options;
    size_t errors = diags->errors;
    if (!gw_policy_texts_options(t, role, &options, diags))
        return NULL;
    struct pol_set *set = pol_set_new(t->policies.v, t->policies.n, t->entities.v, t->entities.n, &options, diags);
    // What does not parse is not complained about twice.
    if (set && validate)
        gw_policy_texts_validate(t, role, &options, diags);
    if (set && diags->errors > errors) {
        pol_set_free(set);
        set = NULL;
    }
    return set;
}
