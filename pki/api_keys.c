// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/api_keys.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/arena.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"
#include "pki/spiffe.h"
#include "pki/token_check.h"

#define REMEMBERED_S (30 * 86400) // how long an expired key is refused as expired

// What changes about a key. Outlives the generations that share it.
struct meter {
    _Atomic(unsigned) refs;
    _Atomic(uint64_t) quota; // number of the period << 32 | requests in it
    _Atomic(int64_t) last_used;
    // The control thread's: as written to the registry.
    uint64_t written_quota;
    int64_t written_last_used;
};

struct entry {
    struct pki_token token; // all of it but `issuer` and `actions`
    struct span trust_domain;
    struct pki_names scopes;
    int64_t revoked_at;
    uint64_t quota;
    int64_t quota_period;
    struct meter *meter;
    struct entry *next;
};

struct pki_api_keys {
    _Atomic(unsigned) refs;
    struct arena arena;
    struct map by_id;
    struct entry *first;
    uint64_t version;
    int64_t read_s;
};

// ---- meters

static struct meter *meter_of(const struct pki_api_keys *previous, const struct pki_api_key_record *r)
{
    struct entry *e = previous ? map_get(&previous->by_id, r->id) : NULL;
    if (e) {
        atomic_fetch_add_explicit(&e->meter->refs, 1, memory_order_relaxed);
        return e->meter;
    }
    struct meter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->refs = 1;
    // A restart goes on counting where the registry was left.
    m->written_quota = (uint64_t)r->quota_window << 32 | (uint32_t)r->quota_used;
    m->written_last_used = r->last_used;
    m->quota = m->written_quota;
    m->last_used = r->last_used;
    return m;
}

static void meter_unref(struct meter *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        free(m);
}

// One request more in the running period, if there is room.
static bool meter_lease(struct meter *m, uint64_t quota, int64_t period, int64_t now_s, uint64_t *retry_after_s)
{
    uint64_t now = (uint64_t)(now_s / period), old = atomic_load_explicit(&m->quota, memory_order_relaxed), next;
    do {
        uint64_t running = old >> 32, used = old & UINT32_MAX;
        // A clock that was set back begins no period anew.
        if (running >= now && used >= quota) {
            uint64_t left = (running + 1) * (uint64_t)period - (uint64_t)now_s;
            *retry_after_s = left < (uint64_t)period ? left : (uint64_t)period;
            return false;
        }
        next = running >= now ? old + 1 : now << 32 | 1;
    } while (!atomic_compare_exchange_weak_explicit(&m->quota, &old, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void meter_used(struct meter *m, int64_t now_s)
{
    // Written once a second at most, so that loops seldom share the line.
    if (atomic_load_explicit(&m->last_used, memory_order_relaxed) < now_s)
        atomic_store_explicit(&m->last_used, now_s, memory_order_relaxed);
}

// ---- reading

static struct pki_names words(struct arena *a, struct span text, char sep)
{
    struct span *at = arena_array(a, text.n / 2 + 1, sizeof *at);
    size_t n = 0;
    for (struct span rest = text, one; at && !span_is_none(rest);)
        if ((one = span_cut(&rest, sep)).n > 0)
            at[n++] = one;
    return (struct pki_names){ at, n };
}

// What policies see as the claims of a token.
static struct span claims(struct arena *a, const struct pki_api_key_record *r)
{
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("env"));
    json_w_string(&w, r->env);
    json_w_key(&w, SPAN("id"));
    json_w_string(&w, r->id);
    json_w_key(&w, SPAN("scope"));
    json_w_string(&w, r->scopes);
    json_w_end(&w);
    struct span copy = b.failed ? SPAN_NONE : arena_dup(a, buf_span(&b));
    buf_fini(&b);
    return copy;
}

static struct span dup_or_none(struct arena *a, struct span s)
{
    return s.n > 0 ? arena_dup(a, s) : SPAN_NONE;
}

static void fill(struct entry *e, struct arena *a, const struct pki_api_key_record *r)
{
    struct pki_spiffe owner;
    struct pki_token *t = &e->token;
    t->client_id = arena_dup(a, r->id);
    t->workload = dup_or_none(a, r->owner);
    t->subject = t->workload;
    t->tenant = dup_or_none(a, r->tenant);
    t->scope = dup_or_none(a, r->scopes);
    t->roles = words(a, arena_dup(a, r->roles), '\n');
    t->claims = claims(a, r);
    t->iat = r->created_at < r->not_before ? r->created_at : r->not_before;
    t->nbf = r->not_before;
    t->exp = r->expires_at;
    memcpy(t->sha256, r->hash, sizeof t->sha256);
    memcpy(t->key_thumbprint, r->hash, sizeof t->key_thumbprint);
    e->scopes = words(a, span_is_none(t->scope) ? SPAN("") : t->scope, ' ');
    if (!span_is_none(t->workload) && pki_spiffe_parse_workload(t->workload, &owner, NULL) == 0)
        e->trust_domain = owner.trust_domain;
    e->revoked_at = r->revoked_at;
    e->quota = r->quota < UINT32_MAX ? r->quota : UINT32_MAX;
    e->quota_period = r->quota_period > 0 ? r->quota_period : 1;
}

struct loading {
    struct pki_api_keys *keys;
    const struct pki_api_keys *previous;
    size_t n;
};

static int take(void *ctx, const struct pki_api_key_record *r)
{
    struct loading *l = ctx;
    struct pki_api_keys *k = l->keys;
    if (l->n++ == PKI_API_KEYS_MOST)
        return ERR_OVERLOADED;
    struct entry *e = arena_alloc(&k->arena, sizeof *e);
    if (!e || !(e->meter = meter_of(l->previous, r)))
        return ERR_NOMEM;
    e->next = k->first;
    k->first = e;
    fill(e, &k->arena, r);
    return k->arena.failed || !map_put(&k->by_id, e->token.client_id, e, NULL) ? ERR_NOMEM : 0;
}

static void keys_free(struct pki_api_keys *k)
{
    for (struct entry *e = k->first; e; e = e->next)
        meter_unref(e->meter);
    map_fini(&k->by_id);
    arena_fini(&k->arena);
    free(k);
}

int pki_api_keys_load(struct pki_api_key_store *store, const struct pki_api_keys *previous, int64_t now_s,
                      struct pki_api_keys **out)
{
    uint64_t key[2];
    struct pki_api_keys *k = calloc(1, sizeof *k);
    if (!k)
        return ERR_NOMEM;
    k->refs = 1;
    k->read_s = now_s;
    arena_init(&k->arena, 0);
    pki_random(key, sizeof key);
    map_init(&k->by_id, key);
    struct loading l = { k, previous, 0 };
    struct pki_api_key_query query = { .id = SPAN_NONE, .owner = SPAN_NONE, .expires_after = now_s - REMEMBERED_S };
    // The version first: what changes while we read is read again.
    int rc = pki_api_key_store_version(store, &k->version);
    if (rc == 0)
        rc = pki_api_key_store_each(store, &query, take, &l);
    if (rc == 0)
        *out = k;
    else
        keys_free(k);
    return rc;
}

struct pki_api_keys *pki_api_keys_ref(struct pki_api_keys *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void pki_api_keys_unref(struct pki_api_keys *k)
{
    if (k && atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) == 1)
        keys_free(k);
}

size_t pki_api_keys_count(const struct pki_api_keys *k)
{
    return k->by_id.len;
}

uint64_t pki_api_keys_version(const struct pki_api_keys *k)
{
    return k->version;
}

int64_t pki_api_keys_read_s(const struct pki_api_keys *k)
{
    return k->read_s;
}

// ---- use

static bool listed(struct pki_names patterns, struct span s)
{
    for (size_t i = 0; i < patterns.n; i++)
        if (pki_pattern_match(patterns.at[i], s))
            return true;
    return false;
}

static int check_times(const struct entry *e, int64_t now_s)
{
    // A revocation that is known counts, whatever the clock says.
    if (e->revoked_at != 0)
        return ERR_APIKEY_REVOKED;
    if (now_s >= e->token.exp)
        return ERR_APIKEY_EXPIRED;
    return now_s < e->token.nbf ? ERR_TOKEN_NOT_YET : 0;
}

// Checklist 26b and 26c, as for a token.
static int check_owner(const struct entry *e, const struct pki_issuer *issuer, struct span workload)
{
    const struct pki_token *t = &e->token;
    bool owned = !span_is_none(t->workload);
    if (owned ? !span_eq(t->workload, workload) : issuer->workload_match != PKI_WORKLOAD_UNCHECKED)
        return ERR_APIKEY_WORKLOAD;
    if (owned && !listed(issuer->assert_trust_domains, e->trust_domain))
        return ERR_TOKEN_ASSERTS;
    for (size_t i = 0; i < t->roles.n; i++)
        if (!listed(issuer->assert_roles, t->roles.at[i]))
            return ERR_TOKEN_ASSERTS;
    return span_is_none(t->tenant) || listed(issuer->assert_tenants, t->tenant) ? 0 : ERR_TOKEN_ASSERTS;
}

static uint64_t ceiling(const struct entry *e, const struct pki_issuer *issuer)
{
    uint64_t actions = issuer->scopeless ? UINT64_MAX : 0;
    for (size_t i = 0; i < e->scopes.n; i++)
        for (size_t k = 0; k < issuer->scopes_n; k++)
            if (span_eq(e->scopes.at[i], issuer->scopes[k].name))
                actions |= issuer->scopes[k].actions;
    return actions;
}

static struct pki_token *as_token(const struct entry *e, const struct pki_issuer *issuer)
{
    struct pki_token t = e->token;
    t.issuer = issuer;
    t.actions = ceiling(e, issuer);
    return pki_token_seal_(&t);
}

// The key's entry, when the text is the key.
static const struct entry *find(const struct pki_api_keys *keys, struct span text, struct span id)
{
    static const uint8_t nobody[PKI_SHA256] = { 0 };
    uint8_t hash[PKI_SHA256];
    const struct entry *e = map_get(&keys->by_id, id);
    pki_api_key_hash(text, hash);
    return pki_api_key_matches(hash, e ? e->token.sha256 : nobody) ? e : NULL;
}

int pki_api_keys_use(const struct pki_api_keys *keys, const struct pki_issuer *issuer,
                     const struct pki_api_key_use *use, struct pki_api_key_result *result)
{
    struct pki_api_key key;
    *result = (struct pki_api_key_result){ .id = SPAN_NONE };
    int rc = pki_api_key_parse(use->text, &key);
    if (rc != 0)
        return rc;
    result->id = key.id;
    if (!keys || (use->max_stale_s > 0 && use->now_s - keys->read_s > use->max_stale_s))
        return ERR_KEYS_STALE;
    const struct entry *e = find(keys, use->text, key.id);
    if (!e)
        return ERR_APIKEY_UNKNOWN;
    result->known = true;
    if ((rc = check_times(e, use->now_s)) != 0 || (rc = check_owner(e, issuer, use->workload)) != 0)
        return rc;
    if (e->quota > 0 && !meter_lease(e->meter, e->quota, e->quota_period, use->now_s, &result->retry_after_s))
        return ERR_APIKEY_QUOTA;
    meter_used(e->meter, use->now_s);
    result->token = as_token(e, issuer);
    return result->token ? 0 : ERR_NOMEM;
}

int pki_api_keys_stands(const struct pki_api_keys *keys, const struct pki_token *t)
{
    if (!keys)
        return ERR_KEYS_STALE;
    const struct entry *e = map_get(&keys->by_id, t->client_id);
    if (!e || !pki_api_key_matches(t->sha256, e->token.sha256))
        return ERR_APIKEY_UNKNOWN;
    return e->revoked_at != 0 ? ERR_APIKEY_REVOKED : 0;
}

// ---- what the registry is told

static bool is_behind(const struct entry *e, struct pki_api_key_seen *seen, uint64_t *quota)
{
    struct meter *m = e->meter;
    uint64_t written = m->written_quota;
    *quota = atomic_load_explicit(&m->quota, memory_order_relaxed);
    seen->id = e->token.client_id;
    seen->last_used = atomic_load_explicit(&m->last_used, memory_order_relaxed);
    seen->quota_window = (int64_t)(*quota >> 32);
    seen->quota_used = *quota >> 32 == written >> 32 ? *quota - written : *quota & UINT32_MAX;
    return *quota != written || seen->last_used != m->written_last_used;
}

int pki_api_keys_flush(const struct pki_api_keys *keys, struct pki_api_key_store *store)
{
    size_t n = 0, at = 0;
    struct pki_api_key_seen one;
    uint64_t quota;
    for (const struct entry *e = keys->first; e; e = e->next)
        n += is_behind(e, &one, &quota);
    if (n == 0)
        return 0;
    struct pki_api_key_seen *seen = calloc(n, sizeof *seen);
    const struct entry **entries = calloc(n, sizeof *entries);
    uint64_t *quotas = calloc(n, sizeof *quotas);
    int rc = seen && entries && quotas ? 0 : ERR_NOMEM;
    // Keys that were used since they were counted come with the next call.
    for (const struct entry *e = keys->first; rc == 0 && e && at < n; e = e->next)
        if (is_behind(e, &seen[at], &quotas[at]))
            entries[at++] = e;
    if (rc == 0 && (rc = pki_api_key_store_seen(store, seen, at)) == 0)
        for (size_t i = 0; i < at; i++) {
            entries[i]->meter->written_quota = quotas[i];
            entries[i]->meter->written_last_used = seen[i].last_used;
        }
    free(seen);
    free(entries);
    free(quotas);
    return rc;
}
