// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/placement.h"

#include "gateway/base/err.h"
#include "gateway/base/map.h"

#include <assert.h>

#define PATTERN_STARS_MAX 8

// Backtracks to the last star only, so the cost is at most the product of both lengths.
bool gw_placement_glob(struct span pattern, struct span text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool gw_placement_pattern_valid(struct span pattern)
{
    size_t stars = 0;
    if (pattern.n == 0 || pattern.n > GW_API_NAME_MAX)
        return false;
    for (size_t i = 0; i < pattern.n; i++) {
        unsigned char c = (unsigned char)pattern.p[i];
        if (c < 0x20 || c == 0x7f)
            return false;
        stars += c == '*';
    }
    return stars <= PATTERN_STARS_MAX;
}

static bool everything(struct span pattern)
{
    return span_is_none(pattern) || span_eq(pattern, SPAN("*"));
}

static bool matches(struct span pattern, struct span name)
{
    return everything(pattern) || (!span_is_none(name) && gw_placement_glob(pattern, name));
}

// What a name is hashed as: each part with its length and whether it is there, so that no two triples look alike.
static size_t encode_part(unsigned char *out, struct span s)
{
    out[0] = span_is_none(s) ? 0 : 1;
    out[1] = (unsigned char)(s.n & 0xff);
    out[2] = (unsigned char)(s.n >> 8 & 0xff);
    if (s.n > 0)
        memcpy(out + 3, s.p, s.n);
    return 3 + s.n;
}

// The shard's key comes from its name: two fixed keys make two halves. These constants are part of what places data; they never change.
static uint64_t score(struct span shard_name, struct span what)
{
    static const uint64_t left[2] = { 0x73616c6c79706f72, 0x74706c6163656d65 };
    static const uint64_t right[2] = { 0x6e742d72656e6465, 0x7a766f75732d7631 };
    const uint64_t key[2] = { siphash24(left, shard_name), siphash24(right, shard_name) };
    return siphash24(key, what);
}

static unsigned rendezvous(const struct gw_placement *p, const struct gw_placement_rule *rule, struct span what)
{
    unsigned best = rule->shards[0];
    uint64_t best_score = 0;
    for (size_t i = 0; i < rule->n_shards; i++) {
        unsigned shard = rule->shards[i];
        assert(shard < p->n_names);
        uint64_t s = score(p->names[shard], what);
        // On a tie the name decides, not the order in which the shards are listed.
        if (i == 0 || s > best_score || (s == best_score && span_cmp(p->names[shard], p->names[best]) < 0)) {
            best = shard;
            best_score = s;
        }
    }
    return best;
}

int gw_placement_find(const struct gw_placement *p, struct span database, struct span tenant, struct span collection,
                      unsigned *shard)
{
    if (database.n > GW_API_NAME_MAX || tenant.n > GW_API_NAME_MAX || collection.n > GW_API_NAME_MAX)
        return ERR_ROUTE_NONE;
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct gw_placement_rule *r = &p->rules[i];
        if (!matches(r->database, database) || !matches(r->tenant, tenant) || !matches(r->collection, collection))
            continue;
        assert(r->n_shards > 0 && r->shards[0] < p->n_names);
        if (r->n_shards == 1) {
            *shard = r->shards[0];
            return 0;
        }
        unsigned char what[3 * (3 + GW_API_NAME_MAX)];
        size_t n = encode_part(what, database);
        n += encode_part(what + n, tenant);
        n += encode_part(what + n, collection);
        *shard = rendezvous(p, r, span_of(what, n));
        return 0;
    }
    return ERR_ROUTE_NONE;
}

size_t gw_placement_candidates(const struct gw_placement *p, struct span database, struct span tenant,
                               struct gw_shard_set *set)
{
    size_t n = 0;
    *set = (struct gw_shard_set){ 0 };
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct gw_placement_rule *r = &p->rules[i];
        // A request that names no tenant or database (health) may go wherever there is one.
        if ((!span_is_none(database) && !matches(r->database, database)) ||
            (!span_is_none(tenant) && !matches(r->tenant, tenant)))
            continue;
        for (size_t k = 0; k < r->n_shards; k++) {
            unsigned s = r->shards[k];
            assert(s < p->n_names && s < GW_PLACEMENT_SHARDS_MAX);
            if (!gw_shard_set_has(set, s)) {
                gw_shard_set_add(set, s);
                n++;
            }
        }
        bool all = everything(r->collection) && (!span_is_none(database) || everything(r->database)) &&
                   (!span_is_none(tenant) || everything(r->tenant));
        if (all)
            break; // nothing gets past it
    }
    return n;
}

int gw_placement_shard(const struct gw_placement *p, const struct gw_api_meaning *meaning, unsigned *shard)
{
    bool found = false;
    unsigned it = 0;
    for (size_t i = 0; i < meaning->n_authorisations; i++) {
        const struct gw_api_authorisation *a = &meaning->authorisations[i];
        if (span_is_none(a->collection))
            continue;
        assert(!a->collection_is_uuid);
        unsigned s;
        int rc = gw_placement_find(p, a->database, a->tenant, a->collection, &s);
        if (rc < 0)
            return rc;
        if (found && s != it)
            return ERR_ROUTE_SPLIT;
        found = true;
        it = s;
    }
    if (!found) {
        struct gw_shard_set set;
        const struct gw_api_authorisation *a = &meaning->authorisations[0];
        if (gw_placement_candidates(p, a->database, a->tenant, &set) == 0)
            return ERR_ROUTE_NONE;
        while (!gw_shard_set_has(&set, it))
            it++;
    }
    *shard = it;
    return 0;
}
