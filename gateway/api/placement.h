// SPDX-License-Identifier: GPL-3.0-or-later
// Which shard a collection lives on. A shard is an independent deployment, so the answer must be the same in every gateway process
// and after every restart: it depends on the configured rules and shard names only, never on their order in a hash table or
// on a random key. Rules are tried in order; the first whose patterns all match decides, by naming one shard or
// by hashing the collection over a set. The hash is rendezvous hashing (each shard of the set scores SipHash of the name under a key made
// from the shard's own name; the highest wins), so a set that gains or loses a shard moves only what it must.
//
// Patterns are globs: '*' any run of bytes, '?' one byte, all else itself. SPAN_NONE and "*" match everything, also an absent
// name; any other pattern needs a name to be there. There is one placement for each API: its shards all speak it.
//
// With thousands of rules a request looks at few of them: gw_placement_init sorts the rules by what their patterns begin with, each under the pattern
// that begins with most, and a name is compared with those rules alone whose beginning it has.
//
// Plain arrays owned by the caller (the configuration snapshot); immutable after gw_placement_init.
#ifndef SALLYPORT_API_PLACEMENT_H
#define SALLYPORT_API_PLACEMENT_H

#include "gateway/api/api.h"
#include "gateway/base/arena.h"

#define GW_PLACEMENT_SHARDS_MAX 1024

struct gw_placement_rule {
    struct span database, tenant, collection; // globs
    const unsigned *shards;                   // indexes into the names; one: that shard; several: by hash
    size_t n_shards;
};

struct gw_placement {
    const struct span *names; // of all shards
    size_t n_names;
    const struct gw_placement_rule *rules;
    size_t n_rules;
    const struct gw_placement_index *index; // NULL: rules are looked at one after the other
};

struct gw_shard_set {
    uint64_t bits[GW_PLACEMENT_SHARDS_MAX / 64];
};
static inline bool gw_shard_set_has(const struct gw_shard_set *s, unsigned i)
{
    return (s->bits[i / 64] >> (i % 64) & 1) != 0;
}
static inline void gw_shard_set_add(struct gw_shard_set *s, unsigned i)
{
    s->bits[i / 64] |= (uint64_t)1 << (i % 64);
}

// Makes the index of the rules that are there; names, rules and arena outlive it. False: out of memory.
bool gw_placement_init(struct gw_placement *p, struct arena *arena);
// The shard of one collection: 0, or ERR_ROUTE_NONE (no rule matches).
int gw_placement_find(const struct gw_placement *p, struct span database, struct span tenant, struct span collection,
                      unsigned *shard);
// Every shard on which the tenant and database may have a collection. Returns how many.
size_t gw_placement_candidates(const struct gw_placement *p, struct span database, struct span tenant,
                               struct gw_shard_set *set);
// The one shard of a request of fan ONE whose names are all resolved: that of its collections, else the lowest candidate of its tenant and
// database. 0, ERR_ROUTE_NONE, or ERR_ROUTE_SPLIT when it names collections that live on different shards (a rename, fork or lookup across
// shards cannot be carried out).
int gw_placement_shard(const struct gw_placement *p, const struct gw_api_meaning *meaning, unsigned *shard);
// True when the pattern is a valid one to configure: at most 512 bytes, no control characters, at most 8 stars.
bool gw_placement_pattern_valid(struct span pattern);
bool gw_placement_glob(struct span pattern, struct span text);

#endif
