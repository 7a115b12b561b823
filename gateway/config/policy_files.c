// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_files.h"

#include "gateway/base/file.h"
#include "policy/schema.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

static bool read_text(const struct gw_config *c, struct gw_config_place at, const char *path, size_t max,
                      struct buf *out, struct diags *diags)
{
    int rc = file_read(path, max, out);
    if (rc != 0)
        gw_config_error(c, at, diags, "%s: %s", path, strerror(-rc));
    return rc == 0;
}

static void add_file(const struct gw_config *c, const struct gw_config_text *entry, const char *path, size_t max,
                     struct gw_policy_texts *t, struct gw_policy_list *list, struct diags *diags)
{
    struct buf text;
    buf_init(&text, 0);
    if (read_text(c, entry->at, path, max, &text, diags)) {
        if (list == &t->entities)
            gw_policy_texts_add_entities(t, span_str(path), buf_span(&text), diags);
        else if (!gw_policy_texts_add(t, list, span_str(path), buf_span(&text)))
            gw_config_error(c, entry->at, diags, "out of memory");
    }
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
                         struct gw_policy_texts *t, struct diags *diags)
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
        add_file(c, entry, found.gl_pathv[i], POL_TEXT_MAX, t, &t->policies, diags);
    }
    globfree(&found);
}

static void add_owner(const struct gw_config *c, const struct gw_config_policy_owner *owner, gw_on_file on_file,
                      void *ctx, struct gw_policy_texts *t, struct diags *diags)
{
    if (!gw_policy_texts_owner(t, owner->name.v, owner->scope.v)) {
        gw_config_error(c, owner->at, diags, "out of memory");
        return;
    }
    for (size_t i = 0; i < owner->files.n; i++)
        add_policies(c, &owner->files.v[i], on_file, ctx, t, diags);
    gw_policy_texts_owned(t);
}

static void add_files(const struct gw_config *c, const struct gw_config_texts *entries, size_t max, gw_on_file on_file,
                      void *ctx, struct gw_policy_texts *t, struct gw_policy_list *list, struct diags *diags)
{
    for (size_t i = 0; i < entries->n; i++) {
        on_file(ctx, entries->v[i].v.p);
        add_file(c, &entries->v[i], entries->v[i].v.p, max, t, list, diags);
    }
}

bool gw_policy_files_read(const struct gw_config *c, const struct gw_config_policy *policy, gw_on_file on_file,
                          void *ctx, struct gw_policy_texts *t, struct diags *diags)
{
    const struct gw_config_texts entities = { &policy->entities, !span_is_none(policy->entities.v),
                                              policy->entities.at };
    size_t errors = diags->errors;
    for (size_t i = 0; i < policy->files.n; i++)
        add_policies(c, &policy->files.v[i], on_file, ctx, t, diags);
    for (size_t i = 0; i < policy->owners_n; i++)
        add_owner(c, &policy->owners[i], on_file, ctx, t, diags);
    add_files(c, &entities, POL_TEXT_MAX, on_file, ctx, t, &t->entities, diags);
    add_files(c, &policy->links, POL_TEXT_MAX, on_file, ctx, t, &t->links, diags);
    add_files(c, &policy->schema, POL_SCHEMA_TEXT_MAX, on_file, ctx, t, &t->schemas, diags);
    return diags->errors == errors;
}

struct pol_set *gw_policy_files_load(const struct gw_config *c, const struct gw_config_policy *policy,
                                     enum gw_policy_role role, gw_on_file on_file, void *ctx, struct diags *diags)
{
    struct gw_policy_texts texts;
    struct pol_set *set = NULL;
    gw_policy_texts_init(&texts);
    if (gw_policy_files_read(c, policy, on_file, ctx, &texts, diags))
        set = gw_policy_texts_compile(&texts, role, policy->validate, diags);
    gw_policy_texts_fini(&texts);
    return set;
}
