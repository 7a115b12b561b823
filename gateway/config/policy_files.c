// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_files.h"

#include "gateway/api/action.h"
#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/config/yaml.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

struct texts {
    struct arena arena;
    struct pol_source *v;
    size_t n, cap;
};

static bool texts_add(struct texts *t, struct span name, struct span text)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct pol_source *v = realloc(t->v, cap * sizeof *v);
        if (!v)
            return false;
        t->v = v;
        t->cap = cap;
    }
    struct pol_source s = { arena_dup(&t->arena, name), arena_dup(&t->arena, text) };
    t->v[t->n++] = s;
    return !t->arena.failed;
}

static bool read_text(const struct gw_config *c, struct gw_config_place at, const char *path, struct buf *out,
                      struct diags *diags)
{
    int rc = file_read(path, POL_TEXT_MAX, out);
    if (rc != 0)
        gw_config_error(c, at, diags, "%s: %s", path, strerror(-rc));
    return rc == 0;
}

static void add_policy(const struct gw_config *c, const struct gw_config_text *entry, const char *path, struct texts *t,
                       struct diags *diags)
{
    struct buf text;
    buf_init(&text, 0);
    if (read_text(c, entry->at, path, &text, diags) && !texts_add(t, span_str(path), buf_span(&text)))
        gw_config_error(c, entry->at, diags, "out of memory");
    buf_fini(&text);
}

// "folder/*.cedar", where the folder's name stands for itself. False: too long.
static bool folder_pattern(const char *folder, char *out, size_t cap)
{
    static const char tail[] = "/*.cedar";
    size_t n = 0;
    for (const char *p = folder; *p; p++) {
        if (n + 2 + sizeof tail > cap)
            return false;
        if (strchr("*?[\\", *p))
            out[n++] = '\\';
        out[n++] = *p;
    }
    memcpy(out + n, tail, sizeof tail);
    return true;
}

static void add_policies(const struct gw_config *c, const struct gw_config_text *entry, gw_on_file on_file, void *ctx,
                         struct texts *t, struct diags *diags)
{
    struct stat st;
    char pattern[4096];
    bool folder = stat(entry->v.p, &st) == 0 && S_ISDIR(st.st_mode);
    if (folder)
        on_file(ctx, entry->v.p);
    if (folder && !folder_pattern(entry->v.p, pattern, sizeof pattern)) {
        gw_config_error(c, entry->at, diags, "the path is too long");
        return;
    }
    glob_t found = { 0 };
    // Sorted. A folder that cannot be listed is an error: there may be a forbid in it.
    int rc = glob(folder ? pattern : entry->v.p, GLOB_ERR, NULL, &found);
    if (rc == GLOB_NOMATCH)
        gw_config_error(c, entry->at, diags, folder ? "%s: no .cedar file in this folder" : "%s: no such file",
                        entry->v.p);
    else if (rc != 0)
        gw_config_error(c, entry->at, diags, "%s: cannot be listed; check the folder and who may read it", entry->v.p);
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        on_file(ctx, found.gl_pathv[i]);
        add_policy(c, entry, found.gl_pathv[i], t, diags);
    }
    globfree(&found);
}

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

// The actions and their groups, as entities: `action in Action::"readonly"` then means what docs/policy.md says. `own` NULL: those on databases.
static bool add_actions(struct texts *t, const struct span *own, size_t n)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_array(&w);
    // One row an action, then one a group; only `readwrite` contains another group.
    for (unsigned i = 0; !own && i < GW_ACTION_COUNT; i++)
        write_action(&w, gw_action_name((enum gw_action)i), GW_ACTION_BIT(i));
    for (unsigned i = 0; !own && i < GW_ACTION_GROUPS; i++)
        write_action(&w, gw_action_groups[i].name, gw_action_groups[i].mask);
    for (size_t i = 0; own && i < n; i++)
        write_action(&w, own[i], 0);
    json_w_end(&w);
    bool ok = !out.failed && texts_add(t, SPAN("built-in actions"), buf_span(&out));
    buf_fini(&out);
    return ok;
}

static void add_entities(const struct gw_config *c, const struct gw_config_policy *policy, gw_on_file on_file,
                         void *ctx, struct texts *t, struct diags *diags)
{
    const struct gw_config_text *entry = &policy->entities;
    if (span_is_none(entry->v))
        return;
    struct buf text, converted;
    buf_init(&text, 0);
    buf_init(&converted, 0);
    on_file(ctx, entry->v.p);
    if (read_text(c, entry->at, entry->v.p, &text, diags)) {
        bool ok = !policy->entities_is_yaml || gw_yaml_to_json(buf_span(&text), entry->v, &converted, diags) == 0;
        if (ok && !texts_add(t, entry->v, buf_span(policy->entities_is_yaml ? &converted : &text)))
            gw_config_error(c, entry->at, diags, "out of memory");
    }
    buf_fini(&text);
    buf_fini(&converted);
}

struct pol_set *gw_policy_files_load_part(const struct gw_config *c, const struct gw_config_policy *policy,
                                          const struct span *actions, size_t n, gw_on_file on_file, void *ctx,
                                          struct diags *diags)
{
    struct texts policies = { 0 }, entities = { 0 };
    struct pol_options options = { .strict_annotations = true, .declared_actions = true, .linked_templates = true };
    struct pol_set *set = NULL;
    size_t errors = diags->errors;
    arena_init(&policies.arena, POL_TEXTS_MAX);
    arena_init(&entities.arena, POL_TEXTS_MAX);
    if (getrandom(&options.hash_key, sizeof options.hash_key, 0) != sizeof options.hash_key)
        gw_config_error(c, policy->files.at, diags, "the system gives no random bytes");
    for (size_t i = 0; i < policy->files.n; i++)
        add_policies(c, &policy->files.v[i], on_file, ctx, &policies, diags);
    if (!add_actions(&entities, actions, n))
        gw_config_error(c, policy->files.at, diags, "out of memory");
    add_entities(c, policy, on_file, ctx, &entities, diags);
    if (diags->errors == errors)
        set = pol_set_new(policies.v, policies.n, entities.v, entities.n, &options, diags);
    arena_fini(&policies.arena);
    arena_fini(&entities.arena);
    free(policies.v);
    free(entities.v);
    return set;
}

struct pol_set *gw_policy_files_load(const struct gw_config *c, gw_on_file on_file, void *ctx, struct diags *diags)
{
    return gw_policy_files_load_part(c, &c->policy, NULL, 0, on_file, ctx, diags);
}
