// SPDX-License-Identifier: GPL-3.0-or-later
// Chroma addresses records by a collection's UUID, policies by its name. This is the map from (shard, tenant, database, UUID) to
// name, filled only from what the shard itself said: answers that pass through, and listings made with the gateway's own credential
// when a UUID is not known. The server ignores the tenant and database of a path that has a UUID, so the key's own
// tenant and database are what keeps a workload inside its own: a UUID learned under others is not found here.
//
// The maps of a process's loops hear from each other what was made, renamed or dropped (gateway/api/name_news.h). Of other gateways nobody
// hears, so what is known is short-lived: a name serves for `ttl_ms` after it was last seen. Unknown UUIDs are negative
// answers of a complete listing, good for `relist_ms`; so a flood of random UUIDs costs at most one listing of a scope (shard, tenant,
// database) in that time, however many ask. Bounded by scopes and entries; the least recently used scope leaves first. A
// scope that alone is larger than its share is marked, and a UUID not found in it is refused as overload rather than called absent.
//
// Shards are numbered as in the placement: a configuration that numbers them otherwise starts with an empty map.
// One object a loop, no locks, no I/O: `now_ms` is monotonic time; the caller sends the listing requests.
#ifndef SALLYPORT_API_NAME_MAP_H
#define SALLYPORT_API_NAME_MAP_H

#include "gateway/api/name_news.h"
#include "gateway/base/arena.h"

struct gw_name_map;

struct gw_name_map_limits { // 0: the default
    int64_t ttl_ms;         // 10,000
    int64_t relist_ms;      // 1,000
    int64_t
        unanswered_ms; // 100: the same after one that got no answer; a shard that starts again is heard as soon as it is back
    int64_t listing_ms;   // 10,000: a listing that did not report back by then is given up
    size_t scopes;        // 1,024
    size_t entries;       // 65,536 in all
    size_t scope_entries; // 16,384 of one scope
    size_t page;          // 1,000: `limit` of a listing request
};

// A scope: one (shard, tenant, database). Spans are borrowed for the call.
struct gw_name_scope {
    unsigned shard;
    struct span tenant, database;
};

enum gw_name_found {
    GW_NAME_KNOWN,   // `*name` set, valid until the map is next changed
    GW_NAME_ABSENT,  // a fresh complete listing does not have it: ERR_API_COLLECTION
    GW_NAME_MISS,    // list: gw_name_map_begin
    GW_NAME_LISTING, // somebody on this loop is listing this scope already: wait for that
    GW_NAME_FAILED,  // a listing failed a moment ago: ERR_SHARD_ANSWER
    GW_NAME_FULL     // the scope is larger than its share and does not hold it: ERR_NOMEM
};

// `key`: random, against chosen collisions. NULL when out of memory.
struct gw_name_map *gw_name_map_new(const struct gw_name_map_limits *limits, const uint64_t key[static 2]);
void gw_name_map_free(struct gw_name_map *m);
// Before the first use: the news that this map shares with others, which outlives it. Without it, it is alone.
void gw_name_map_share(struct gw_name_map *m, struct gw_name_news *news);

// `uuid` in lower case with hyphens (as gw_api_match gives it).
enum gw_name_found gw_name_map_lookup(struct gw_name_map *m, struct gw_name_scope scope, struct span uuid,
                                      int64_t now_ms, struct span *name);

// Starts the listing of a scope and writes the target of its first request ("/api/v2/tenants/…/collections?limit=…&offset=0",
// a GET) into `*target`. ERR_NOMEM, and nothing is begun; ERR_OVERLOADED when a listing is running or a fresh one is there.
int gw_name_map_begin(struct gw_name_map *m, struct gw_name_scope scope, int64_t now_ms, struct arena *arena,
                      struct span *target);
// Takes the answer to that request. 0: the listing is complete. 1: there is more: `*target` is the next request. Either way the
// UUIDs of the page can be looked up at once. A 404 is a complete listing of nothing. On an error the listing is over and
// nothing is concluded, but the next may not begin before relist_ms:
//   ERR_SHARD_ANSWER  another status, or not a list of collections, or one of another tenant or database
//   ERR_NOMEM
int gw_name_map_page(struct gw_name_map *m, struct gw_name_scope scope, int status, struct span body, int64_t now_ms,
                     struct arena *arena, struct span *target);
// The listing got no answer (no connection, timeout, cut); the next may not begin before unanswered_ms.
void gw_name_map_abandon(struct gw_name_map *m, struct gw_name_scope scope, int64_t now_ms);

// Learns from a 200 answer that passed through: one collection object or an array of them. Those whose own tenant or database
// differs from the scope's are left out; an unreadable body teaches nothing. Returns how many were learned.
size_t gw_name_map_learn(struct gw_name_map *m, struct gw_name_scope scope, struct span body, int64_t now_ms);
// A collection was made in the scope: nobody holds on to having listed it without that one.
void gw_name_map_made(struct gw_name_map *m, struct gw_name_scope scope);
// After a rename or drop: by UUID, or by name (the other SPAN_NONE); both SPAN_NONE: the whole scope. Call it before the request is
// forwarded and again when the answer has come.
void gw_name_map_forget(struct gw_name_map *m, struct gw_name_scope scope, struct span uuid, struct span name);

struct gw_name_map_stats {
    size_t scopes, entries;
    uint64_t hits, misses, absent, listings, evicted;
};
struct gw_name_map_stats gw_name_map_stats(const struct gw_name_map *m);

// 8-4-4-4-12 hex digits. The other spellings that the server's parser takes (no hyphens, braces, urn:uuid:) are not UUIDs here.
bool gw_name_is_uuid(struct span s);

#endif
