// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot.h"

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "pki/digest.h"

#include <stdatomic.h>
#include <stdlib.h>

#define STORE_BUSY_MS 2000
#define REVOCATION_MAX (64u << 20) // bytes of one CRL, bundle or key file
#define SECRET_MAX (64u << 10)

struct gw_revocation_text {
    struct span path, text;
    int64_t read_s;
    struct gw_revocation_text *next;
};

struct load {
    const struct gw_config *config;
    const struct gw_revocations *previous;
    struct gw_revocations *out;
    int64_t now_s;
    struct diags *diags;
};

// Takes one text for what it is; negative when it cannot be used.
typedef int (*take_text)(struct load *l, const void *what, const struct gw_config_text *path, struct span text,
                         int64_t read_s, struct diags *diags);

static bool keep(struct load *l, struct span path, struct span text, int64_t read_s)
{
    struct gw_revocation_text *t = arena_alloc(&l->out->arena, sizeof *t);
    if (!t)
        return false;
    *t = (struct gw_revocation_text){ arena_dup(&l->out->arena, path), arena_dup(&l->out->arena, text), read_s,
                                      l->out->texts };
    l->out->texts = t;
    return true;
}

static const struct gw_revocation_text *last_good(const struct load *l, struct span path)
{
    for (const struct gw_revocation_text *t = l->previous ? l->previous->texts : NULL; t; t = t->next)
        if (span_eq(t->path, path))
            return t;
    return NULL;
}

static void load_text(struct load *l, const struct gw_config_text *path, take_text take, const void *what)
{
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read(path->v.p, REVOCATION_MAX, &text);
    if (rc != 0)
        gw_config_error(l->config, path->at, l->diags, "%.*s: %s", SPAN_FMT(path->v), strerror(-rc));
    else
        rc = take(l, what, path, buf_span(&text), l->now_s, l->diags);
    const struct gw_revocation_text *old;
    if (rc == 0) {
        keep(l, path->v, buf_span(&text), l->now_s);
    } else if ((old = last_good(l, path->v)) != NULL) {
        struct diags ignored; // it was complained about, or not, when it was new
        diags_init(&ignored);
        take(l, what, path, old->text, old->read_s, &ignored);
        keep(l, path->v, old->text, old->read_s);
        diags_fini(&ignored);
    } else {
        l->out->whole = false;
    }
    buf_fini(&text);
}

static int take_crl(struct load *l, const void *what, const struct gw_config_text *path, struct span text,
                    int64_t read_s, struct diags *diags)
{
    const struct gw_config_trust_domain *d = what;
    (void)read_s;
    return pki_revocation_add_crl(l->out->certificates, d->name.v, text, path->v, diags);
}

static int take_bundle(struct load *l, const void *what, const struct gw_config_text *path, struct span text,
                       int64_t read_s, struct diags *diags)
{
    const struct gw_config_trust_domain *d = what;
    (void)read_s;
    return pki_revocation_keep_cas(l->out->certificates, d->name.v, text, path->v, diags);
}

static int take_keys(struct load *l, const void *what, const struct gw_config_text *path, struct span text,
                     int64_t read_s, struct diags *diags)
{
    const struct gw_config_issuer *i = what;
    // A set that is well formed and empty takes every key away; it is no configuration, but it is a revocation.
    struct json_doc *doc = json_parse(text, NULL, NULL);
    json list = json_get(json_root(doc), SPAN("keys"));
    bool emptied = json_type(list) == JSON_ARRAY && json_count(list) == 0;
    json_free(doc);
    struct pki_jwks *keys = emptied ? NULL : pki_jwks_read(text, i->algorithms, path->v, diags);
    if (!keys && !emptied) {
        // The configuration with this set is refused, but what somebody took out of it is out.
        pki_key_view_narrow(l->out->keys, i->issuer.v, text);
        return ERR_TOKEN_KEY;
    }
    int rc = pki_key_view_add(l->out->keys, i->issuer.v, keys, read_s);
    pki_jwks_free(keys);
    return rc;
}

// What cannot be read stays as it was, with the age it has.
static void load_api_keys(struct load *l)
{
    const struct gw_config_api_keys *a = &l->config->api_keys;
    struct pki_api_keys *previous = l->previous ? l->previous->api_keys : NULL;
    struct pki_api_key_store *store = NULL;
    if (!a->present)
        return;
    int rc = pki_api_key_store_open(a->file.v.p, STORE_BUSY_MS, &store);
    if (rc == 0)
        rc = pki_api_keys_load(store, previous, l->now_s, &l->out->api_keys);
    if (rc == ERR_STORE_ABSENT)
        gw_config_error(l->config, a->file.at, l->diags,
                        "%.*s: there is no such file; sallyport apikey create makes it", SPAN_FMT(a->file.v));
    else if (rc == ERR_OVERLOADED)
        gw_config_error(l->config, a->file.at, l->diags, "%.*s: more than %u API keys", SPAN_FMT(a->file.v),
                        PKI_API_KEYS_MOST);
    else if (rc != 0)
        gw_config_error(l->config, a->file.at, l->diags, "%.*s: %s", SPAN_FMT(a->file.v),
                        pki_api_key_store_what(store));
    if (rc != 0 && previous)
        l->out->api_keys = pki_api_keys_ref(previous);
    else if (rc != 0)
        l->out->whole = false;
    pki_api_key_store_close(store);
}

// Of a secret only its thumbprint is kept for the next reading, and nothing when the file holds no key that can be used: other than of a set, it
// cannot be told what of it is still good, so that a file which can be read and is not that key takes the key away.
static void load_symmetric(struct load *l, const struct gw_config_issuer *i)
{
    const struct gw_config_text *path = &i->symmetric_key_file;
    const struct gw_revocation_text *old = last_good(l, path->v);
    struct span left = SPAN(""); // of it
    int64_t read_s = l->now_s;
    struct pki_jwks *keys = NULL;
    struct buf secret;
    buf_init(&secret, 0);
    int rc = file_read(path->v.p, SECRET_MAX, &secret);
    if (rc == 0) {
        keys = pki_jwks_read_symmetric(buf_span(&secret), i->algorithms, path->v, l->diags);
        if (keys)
            left = span_of(pki_jwks_at(keys, 0)->thumbprint, sizeof pki_jwks_at(keys, 0)->thumbprint);
    } else {
        gw_config_error(l->config, path->at, l->diags, "%.*s: %s", SPAN_FMT(path->v), strerror(-rc));
        // Another use of the same file, in an earlier configuration, left something else.
        if (old && (old->text.n == 0 || old->text.n == PKI_SHA256)) {
            left = old->text;
            read_s = old->read_s;
            rc = 0;
        }
    }
    if (rc == 0)
        rc = left.n > 0 ? pki_key_view_add_thumbprint(l->out->keys, i->issuer.v, (const uint8_t *)left.p, read_s)
                        : pki_key_view_add(l->out->keys, i->issuer.v, NULL, read_s);
    if (rc == 0)
        keep(l, path->v, left, read_s);
    else
        l->out->whole = false;
    pki_jwks_free(keys);
    buf_wipe(&secret);
}

static void revocations_free(struct gw_revocations *r)
{
    pki_api_keys_unref(r->api_keys);
    for (size_t i = 0; i < GW_REVOKED_FROM_COUNT; i++)
        pki_revoked_unref(r->revoked[i]);
    gw_revoked_term_unref(r->fresh);
    for (size_t i = 0; i < r->n_bells; i++)
        gw_key_bell_unref(r->bells[i].bell);
    gw_revocations_unref(r->base);
    if (!r->base)
        pki_revocation_free(r->certificates);
    pki_key_view_free(r->keys);
    arena_fini(&r->arena);
    free(r);
}

struct gw_revocations *gw_revocations_load(const struct gw_config *config, const struct gw_revocations *previous,
                                           uint64_t generation, int64_t now_s, struct diags *diags)
{
    struct gw_revocations *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->refs = 1;
    r->whole = true;
    r->generation = generation;
    r->certificates = pki_revocation_new();
    r->keys = pki_key_view_new();
    if (!r->certificates || !r->keys) {
        revocations_free(r);
        return NULL;
    }
    arena_init(&r->arena, 0);
    struct load l = { config, previous, r, now_s, diags };
    for (size_t i = 0; i < config->trust_domains_n; i++) {
        const struct gw_config_trust_domain *d = &config->trust_domains[i];
        pki_revocation_demand(r->certificates, d->name.v, d->crl_required, d->crl_max_stale / 1000);
        for (size_t k = 0; k < d->crls.n; k++)
            load_text(&l, &d->crls.v[k], take_crl, d);
        load_text(&l, &d->bundle, take_bundle, d);
    }
    for (size_t i = 0; i < config->issuers_n; i++) {
        const struct gw_config_issuer *issuer = &config->issuers[i];
        if (!span_is_none(issuer->symmetric_key_file.v))
            load_symmetric(&l, issuer);
        else if (!span_is_none(issuer->jwks.v))
            load_text(&l, &issuer->jwks, take_keys, issuer);
    }
    load_api_keys(&l);
    return r;
}

struct gw_revocations *gw_revocations_derive(struct gw_revocations *from, uint64_t generation)
{
    struct gw_revocations *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->refs = 1;
    r->generation = generation;
    // Never a chain: the files belong to one of them, and the others to it.
    r->base = gw_revocations_ref(from->base ? from->base : from);
    r->certificates = from->certificates;
    r->keys = pki_key_view_copy(from->keys);
    r->api_keys = from->api_keys ? pki_api_keys_ref(from->api_keys) : NULL;
    r->whole = from->whole;
    r->texts = from->texts;
    arena_init(&r->arena, 0);
    if (r->keys)
        return r;
    revocations_free(r);
    return NULL;
}

struct gw_revocations *gw_revocations_ref(struct gw_revocations *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void gw_revocations_unref(struct gw_revocations *r)
{
    if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
        revocations_free(r);
}
