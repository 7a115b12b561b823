// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_load.h"

#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/config/last_good.h"

#include <errno.h>
#include <stdio.h>

#define KEYS_MAX (1u << 20)

struct loading {
    const struct gw_config *c;
    const struct gw_config_policy *policy;
    enum gw_policy_role role;
    const struct pki_jwks *keys;
    struct gw_last_good last_good;
};

// -------------------------------------------------------------------------------------------------------- reading

static struct gw_policy_bundle *read_pair(const char *archive_path, const char *signature_path,
                                          const struct pki_jwks *keys, struct diags *diags)
{
    struct gw_policy_bundle *b = NULL;
    struct buf archive, signature;
    buf_init(&archive, 0);
    buf_init(&signature, 0);
    int rc = file_read(archive_path, GW_ARCHIVE_MAX, &archive);
    if (rc != 0)
        diag_error(diags, span_str(archive_path), 0, 0, "%s", strerror(-rc));
    int signature_rc = file_read(signature_path, GW_BUNDLE_SIGNATURE_MAX, &signature);
    if (signature_rc != 0)
        diag_error(diags, span_str(signature_path), 0, 0, "%s%s", strerror(-signature_rc),
                   signature_rc == -ENOENT ? "; a bundle is not used without its signature" : "");
    if (rc == 0 && signature_rc == 0)
        b = gw_policy_bundle_open(span_str(archive_path), &archive, &signature, keys, diags);
    buf_fini(&archive);
    buf_fini(&signature);
    return b;
}

struct gw_policy_bundle *gw_policy_bundle_read(const char *file, const struct pki_jwks *keys, struct diags *diags)
{
    char signature[4096];
    int n = snprintf(signature, sizeof signature, "%s.sig", file);
    if (n > 0 && (size_t)n < sizeof signature)
        return read_pair(file, signature, keys, diags);
    diag_error(diags, span_str(file), 0, 0, "the path is too long");
    return NULL;
}

static struct pki_jwks *read_keys(const struct gw_config *c, const struct gw_config_text *path, struct diags *diags)
{
    struct pki_jwks *keys = NULL;
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read(path->v.p, KEYS_MAX, &text);
    if (rc != 0)
        gw_config_error(c, path->at, diags, "%s: %s", path->v.p, strerror(-rc));
    else
        keys = pki_jwks_read(buf_span(&text), gw_bundle_algs(), path->v, diags);
    buf_fini(&text);
    return keys;
}

// --------------------------------------------------------------------------------------------------------- judging

// Against what is kept: nothing older than that, and of its version nothing else.
static bool not_before(const struct loading *l, const struct gw_policy_bundle *b, struct diags *diags)
{
    unsigned long long version = b->manifest.version, kept = l->last_good.version;
    struct span file = l->policy->bundle.file.v;
    struct buf bytes;
    if (version < kept)
        diag_error(diags, file, 0, 0,
                   "its version %llu is older than %llu, which was in force; to go back, sign the old policies as a "
                   "newer version",
                   version, kept);
    if (version != kept)
        return version > kept;
    buf_init(&bytes, 0);
    int rc = file_read(l->last_good.archive, GW_ARCHIVE_MAX, &bytes);
    bool same = rc == 0 && span_eq(buf_span(&bytes), buf_span(&b->archive));
    buf_fini(&bytes);
    if (rc != 0)
        diag_error(diags, span_str(l->last_good.archive), 0, 0, "%s", strerror(-rc));
    else if (!same)
        diag_error(diags, file, 0, 0, "another bundle of version %llu was in force; give this one a newer version",
                   version);
    return same;
}

// Its name is what later bundles are compared with: an older one under it would be an old one played again.
static bool is_what_it_is_kept_as(const struct loading *l, const struct gw_policy_bundle *b, struct diags *diags)
{
    bool same = b->manifest.version == l->last_good.version;
    if (!same)
        diag_error(diags, span_str(l->last_good.archive), 0, 0, "it is version %llu, not what its name says",
                   (unsigned long long)b->manifest.version);
    return same;
}

static struct pol_set *compile(const struct loading *l, const struct gw_policy_bundle *b, struct diags *diags)
{
    struct gw_policy_texts texts;
    struct pol_set *set = NULL;
    gw_policy_texts_init(&texts);
    if (gw_policy_bundle_texts(b, &texts, diags))
        set = gw_policy_texts_compile(&texts, l->role, l->policy->validate, diags);
    gw_policy_texts_fini(&texts);
    return set;
}

static struct pol_set *load_pair(const struct loading *l, bool last_good, struct gw_policy_bundle **out,
                                 struct diags *diags)
{
    const char *file = l->policy->bundle.file.v.p;
    struct gw_policy_bundle *b = last_good ? read_pair(l->last_good.archive, l->last_good.signature, l->keys, diags)
                                           : gw_policy_bundle_read(file, l->keys, diags);
    if (!b)
        return NULL;
    bool follows = last_good ? is_what_it_is_kept_as(l, b, diags) : not_before(l, b, diags);
    struct pol_set *set = follows ? compile(l, b, diags) : NULL;
    if (set) {
        b->last_good = last_good;
        *out = b;
        return set;
    }
    // Complaints about policies name members; this says of what.
    diag_error(diags, span_str(last_good ? l->last_good.archive : file), 0, 0, "bundle version %llu is not used",
               (unsigned long long)b->manifest.version);
    gw_policy_bundle_free(b);
    return NULL;
}

// ------------------------------------------------------------------------------------------------------ both ways

// `from`'s complaints go to `to`; `errors`: as they are, else all as warnings.
static void hand_over(const struct diags *from, bool errors, struct diags *to)
{
    for (const struct diag *d = from->first; d; d = d->next)
        (errors && !d->warning ? diag_error : diag_warning)(to, d->file, d->line, d->column, "%.*s", SPAN_FMT(d->text));
}

static struct pol_set *load_bundle(struct loading *l, enum gw_policy_when when, struct gw_policy_bundle **out,
                                   struct diags *diags)
{
    const struct gw_config_policy_bundle *config = &l->policy->bundle;
    struct diags tried, second;
    int rc = span_is_none(config->last_good.v) ? 0 : gw_last_good_look(config->last_good.v.p, &l->last_good);
    if (rc != 0) {
        // Which versions are too old is not known.
        gw_config_error(l->c, config->last_good.at, diags, "%s: %s", config->last_good.v.p, strerror(-rc));
        return NULL;
    }
    diags_init(&tried);
    diags_init(&second);
    struct pol_set *set = load_pair(l, false, out, &tried);
    bool first = set != NULL;
    if (!set && when == GW_POLICY_START && l->last_good.version > 0)
        set = load_pair(l, true, out, &second);
    hand_over(&tried, !set, diags);
    hand_over(&second, !set, diags);
    if (set && !first)
        diag_warning(diags, l->c->file, config->file.at.line, config->file.at.column,
                     "the policy bundle %s does not load; the last good one, version %llu, is in force",
                     config->file.v.p, (unsigned long long)(*out)->manifest.version);
    diags_fini(&tried);
    diags_fini(&second);
    return set;
}

struct pol_set *gw_policy_load(const struct gw_config *c, const struct gw_config_policy *policy,
                               enum gw_policy_role role, enum gw_policy_when when, gw_on_file on_file, void *ctx,
                               struct gw_policy_bundle **bundle, struct diags *diags)
{
    const struct gw_config_policy_bundle *config = &policy->bundle;
    char signature[4096];
    *bundle = NULL;
    if (!config->present)
        return gw_policy_files_load(c, policy, role, on_file, ctx, diags);
    on_file(ctx, config->file.v.p);
    on_file(ctx, config->keys.v.p);
    if (snprintf(signature, sizeof signature, "%s.sig", config->file.v.p) < (int)sizeof signature)
        on_file(ctx, signature);
    struct pki_jwks *keys = read_keys(c, &config->keys, diags);
    struct loading l = { .c = c, .policy = policy, .role = role, .keys = keys };
    struct pol_set *set = keys ? load_bundle(&l, when, bundle, diags) : NULL;
    pki_jwks_free(keys);
    return set;
}

bool gw_policy_read(const struct gw_config *c, const struct gw_config_policy *policy, gw_on_file on_file, void *ctx,
                    struct gw_policy_texts *t, struct diags *diags)
{
    if (!policy->bundle.present)
        return gw_policy_files_read(c, policy, on_file, ctx, t, diags);
    struct pki_jwks *keys = read_keys(c, &policy->bundle.keys, diags);
    struct gw_policy_bundle *b = keys ? gw_policy_bundle_read(policy->bundle.file.v.p, keys, diags) : NULL;
    bool ok = b && gw_policy_bundle_texts(b, t, diags);
    gw_policy_bundle_free(b);
    pki_jwks_free(keys);
    return ok;
}

// ------------------------------------------------------------------------------------------------------- in force

bool gw_policy_follows(const struct gw_config *c, const struct gw_config_policy *policy,
                       const struct gw_policy_bundle *now, const struct gw_config_policy *next_policy,
                       const struct gw_policy_bundle *next, struct diags *diags)
{
    const struct gw_config_text *file = &next_policy->bundle.file;
    if (!now || !next || !span_eq(policy->bundle.file.v, file->v))
        return true;
    unsigned long long was = now->manifest.version, is = next->manifest.version;
    if (is < was)
        gw_config_error(c, file->at, diags, "%s: its version %llu is older than %llu, which is in force", file->v.p, is,
                        was);
    else if (is == was && memcmp(now->digest, next->digest, sizeof now->digest) != 0)
        gw_config_error(c, file->at, diags, "%s: another bundle of version %llu is in force", file->v.p, is);
    else
        return true;
    return false;
}

void gw_policy_keep(const struct gw_config_policy *policy, struct gw_policy_bundle *bundle, struct log *log)
{
    const struct gw_config_text *folder = &policy->bundle.last_good;
    if (!bundle)
        return;
    int rc = bundle->last_good || span_is_none(folder->v) ? 0 : gw_last_good_keep(folder->v.p, bundle);
    if (rc != 0)
        log_error(log, "%s: the policy bundle in force, version %llu, cannot be kept as the last good one: %s",
                  folder->v.p, (unsigned long long)bundle->manifest.version, strerror(-rc));
    gw_policy_bundle_release(bundle);
}
