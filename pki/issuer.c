// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/issuer.h"

#include <stdlib.h>

struct pki_issuers {
    struct arena arena;
    struct pki_issuer **at;
    struct pki_jwks **keys;
    size_t n;
};

struct pki_issuers *pki_issuers_new(void)
{
    struct pki_issuers *s = calloc(1, sizeof *s);
    if (s)
        arena_init(&s->arena, 0);
    return s;
}

void pki_issuers_free(struct pki_issuers *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        pki_jwks_free(s->keys[i]);
    free(s->at);
    free(s->keys);
    arena_fini(&s->arena);
    free(s);
}

static struct pki_names dup_names(struct arena *a, struct pki_names names)
{
    struct span *copy = arena_array(a, names.n ? names.n : 1, sizeof *copy);
    if (!copy)
        return (struct pki_names){ NULL, 0 };
    for (size_t i = 0; i < names.n; i++)
        copy[i] = arena_dup(a, names.at[i]);
    return (struct pki_names){ copy, names.n };
}

static const struct pki_scope *dup_scopes(struct arena *a, const struct pki_scope *scopes, size_t n)
{
    struct pki_scope *copy = arena_array(a, n ? n : 1, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = (struct pki_scope){ .name = arena_dup(a, scopes[i].name), .actions = scopes[i].actions };
    return copy;
}

int pki_issuers_add(struct pki_issuers *s, const struct pki_issuer *issuer, struct pki_jwks *keys)
{
    struct arena *a = &s->arena;
    if (issuer->iss.n == 0 || pki_issuers_find(s, issuer->iss))
        return ERR_TOKEN_ISSUER;

    struct pki_issuer **at = realloc(s->at, (s->n + 1) * sizeof(*at));
    if (at)
        s->at = at;
    struct pki_jwks **all = realloc(s->keys, (s->n + 1) * sizeof(*all));
    if (all)
        s->keys = all;
    struct pki_issuer *copy = arena_alloc(a, sizeof *copy);
    if (!at || !all || !copy)
        return ERR_NOMEM;

    *copy = *issuer;
    copy->name = arena_dup(a, issuer->name);
    copy->iss = arena_dup(a, issuer->iss);
    copy->typ = arena_dup(a, issuer->typ);
    copy->audiences = dup_names(a, issuer->audiences);
    copy->required = dup_names(a, issuer->required);
    copy->claims.roles = arena_dup(a, issuer->claims.roles);
    copy->claims.groups = arena_dup(a, issuer->claims.groups);
    copy->claims.tenant = arena_dup(a, issuer->claims.tenant);
    copy->claims.workload = arena_dup(a, issuer->claims.workload);
    copy->claims.scope = span_is_none(issuer->claims.scope) ? SPAN("scope") : arena_dup(a, issuer->claims.scope);
    copy->scopes = dup_scopes(a, issuer->scopes, issuer->scopes_n);
    copy->assert_roles = dup_names(a, issuer->assert_roles);
    copy->assert_groups = dup_names(a, issuer->assert_groups);
    copy->assert_tenants = dup_names(a, issuer->assert_tenants);
    copy->assert_trust_domains = dup_names(a, issuer->assert_trust_domains);
    copy->introspection.prefix = arena_dup(a, issuer->introspection.prefix);
    if (a->failed)
        return ERR_NOMEM;
    // A symmetric algorithm with a key that everybody may read would let anybody sign (RFC 8725 §3.1).
    const unsigned symmetric = PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512);
    copy->algs &= pki_jwks_is_symmetric(keys) ? symmetric : ~(symmetric | PKI_ALG_BIT(PKI_ALG_NONE));
    if (copy->introspection.alone)
        copy->algs = 0;
    copy->keys = keys;
    copy->index = s->n;
    s->at[s->n] = copy;
    s->keys[s->n] = keys;
    s->n++;
    return 0;
}

size_t pki_issuers_count(const struct pki_issuers *s)
{
    return s->n;
}
const struct pki_issuer *pki_issuers_at(const struct pki_issuers *s, size_t i)
{
    return i < s->n ? s->at[i] : NULL;
}

// A handful: a loop beats a table.
const struct pki_issuer *pki_issuers_find(const struct pki_issuers *s, struct span iss)
{
    for (size_t i = 0; i < s->n; i++)
        if (span_eq(s->at[i]->iss, iss))
            return s->at[i];
    return NULL;
}

unsigned pki_issuers_algs(const struct pki_issuers *s)
{
    unsigned algs = 0;
    for (size_t i = 0; i < s->n; i++)
        algs |= s->at[i]->algs;
    return algs;
}

// ---- the revocation generation's view

struct view_issuer {
    struct span iss;
    uint8_t (*thumbprints)[32];
    size_t n;
    int64_t read_s;
    struct pki_jwks *keys; // counted; of a fetched set
    struct view_issuer *next;
};

struct pki_key_view {
    struct arena arena;
    struct view_issuer *first;
};

struct pki_key_view *pki_key_view_new(void)
{
    struct pki_key_view *v = calloc(1, sizeof *v);
    if (v)
        arena_init(&v->arena, 0);
    return v;
}

void pki_key_view_free(struct pki_key_view *v)
{
    if (!v)
        return;
    for (struct view_issuer *e = v->first; e; e = e->next)
        pki_jwks_free(e->keys);
    arena_fini(&v->arena);
    free(v);
}

// The caller fills the thumbprints. NULL: out of memory.
static struct view_issuer *view_add(struct pki_key_view *v, struct span iss, size_t n, int64_t read_s)
{
    struct view_issuer *e = arena_alloc(&v->arena, sizeof *e);
    uint8_t(*thumbprints)[32] = arena_array(&v->arena, n + 1, sizeof *thumbprints);
    struct span copy = arena_dup(&v->arena, iss);
    if (!e || !thumbprints || span_is_none(copy))
        return NULL;
    *e = (struct view_issuer){ .iss = copy, .thumbprints = thumbprints, .n = n, .read_s = read_s, .next = v->first };
    v->first = e;
    return e;
}

int pki_key_view_add(struct pki_key_view *v, struct span iss, const struct pki_jwks *keys, int64_t read_s)
{
    size_t n = keys ? pki_jwks_count(keys) : 0;
    struct view_issuer *e = view_add(v, iss, n, read_s);
    if (!e)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        memcpy(e->thumbprints[i], pki_jwks_at(keys, i)->thumbprint, sizeof e->thumbprints[i]);
    return 0;
}

int pki_key_view_add_thumbprint(struct pki_key_view *v, struct span iss, const uint8_t thumbprint[static 32],
                                int64_t read_s)
{
    struct view_issuer *e = view_add(v, iss, 1, read_s);
    if (!e)
        return ERR_NOMEM;
    memcpy(e->thumbprints[0], thumbprint, sizeof e->thumbprints[0]);
    return 0;
}

int pki_key_view_narrow(struct pki_key_view *v, struct span iss, struct span text)
{
    uint8_t(*published)[32];
    size_t n;
    int rc = pki_jwks_published(text, &published, &n);
    if (rc != 0)
        return rc;
    struct view_issuer *e = view_add(v, iss, n, INT64_MIN);
    if (e)
        memcpy(e->thumbprints, published, n * sizeof *published);
    free(published);
    return e ? 0 : ERR_NOMEM;
}

static bool listed(const uint8_t (*list)[32], size_t n, const uint8_t thumbprint[static 32])
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(list[i], thumbprint, 32) == 0)
            return true;
    return false;
}

int pki_key_view_put(struct pki_key_view *v, struct span iss, struct pki_jwks *keys, const uint8_t (*published)[32],
                     size_t n, int64_t read_s)
{
    size_t all = pki_jwks_count(keys);
    struct view_issuer *e = view_add(v, iss, all, read_s);
    if (!e)
        return ERR_NOMEM;
    e->n = 0;
    for (size_t i = 0; i < all; i++) {
        const uint8_t *thumbprint = pki_jwks_at(keys, i)->thumbprint;
        if (!published || listed(published, n, thumbprint))
            memcpy(e->thumbprints[e->n++], thumbprint, 32);
    }
    e->keys = pki_jwks_ref(keys);
    return 0;
}

struct pki_key_view *pki_key_view_copy(const struct pki_key_view *v)
{
    struct pki_key_view *copy = pki_key_view_new();
    for (const struct view_issuer *e = copy ? v->first : NULL; e; e = e->next) {
        if (e->keys)
            continue;
        struct view_issuer *c = view_add(copy, e->iss, e->n, e->read_s);
        if (!c) {
            pki_key_view_free(copy);
            return NULL;
        }
        memcpy(c->thumbprints, e->thumbprints, e->n * sizeof *e->thumbprints);
    }
    return copy;
}

static const struct view_issuer *put_entry(const struct pki_key_view *v, const struct pki_issuer *issuer)
{
    for (const struct view_issuer *e = v ? v->first : NULL; e; e = e->next)
        if (e->keys && span_eq(e->iss, issuer->iss))
            return e;
    return NULL;
}

const struct pki_jwks *pki_key_view_keys(const struct pki_key_view *v, const struct pki_issuer *issuer)
{
    if (!issuer->fetched)
        return issuer->keys;
    const struct view_issuer *e = put_entry(v, issuer);
    return e ? e->keys : NULL;
}

static bool too_old(const struct pki_issuer *issuer, int64_t read_s, int64_t now_s)
{
    return issuer->max_stale_s > 0 && now_s - read_s > issuer->max_stale_s;
}

bool pki_key_view_stale(const struct pki_key_view *v, const struct pki_issuer *issuer, int64_t now_s)
{
    if (issuer->fetched) {
        const struct view_issuer *put = put_entry(v, issuer);
        return !put || too_old(issuer, put->read_s, now_s);
    }
    int64_t read_s = issuer->keys_read_s;
    for (const struct view_issuer *e = v ? v->first : NULL; e; e = e->next)
        if (span_eq(e->iss, issuer->iss) && e->read_s > read_s)
            read_s = e->read_s;
    return too_old(issuer, read_s, now_s);
}

int pki_key_view_check(const struct pki_key_view *v, const struct pki_issuer *issuer,
                       const uint8_t thumbprint[static 32], int64_t now_s)
{
    // What an issuer had in a file before its keys were fetched says nothing about them, nor the other way round.
    for (const struct view_issuer *e = v ? v->first : NULL; e; e = e->next)
        if (span_eq(e->iss, issuer->iss) && (e->keys != NULL) == issuer->fetched &&
            !listed((const uint8_t(*)[32])e->thumbprints, e->n, thumbprint))
            return ERR_TOKEN_REVOKED;
    return pki_key_view_stale(v, issuer, now_s) ? ERR_KEYS_STALE : 0;
}

bool pki_pattern_match(struct span pattern, struct span s)
{
    // The usual two fingers: on a mismatch, the last '*' takes one character more.
    size_t p = 0, i = 0, star = SIZE_MAX, resume = 0;
    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            resume = i;
        } else if (p < pattern.n && pattern.p[p] == s.p[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}
