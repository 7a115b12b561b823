// SPDX-License-Identifier: GPL-3.0-or-later
// What one event loop tells the others about collections: that one was made, or that one was renamed or dropped. Each loop has a name map
// of its own; without this, what was made over one connection would be unknown, and what was renamed still have its old name, to whoever
// comes in on another loop until its map grows old.
//
// Two counters for each slot, and a scope (shard, tenant, database) hashes to a slot: a scope that shares one with another is looked up
// anew without need, which costs a listing and nothing else. Shared by all loops, written and read without a lock. Zero is ready for use.
#ifndef SALLYPORT_API_NAME_NEWS_H
#define SALLYPORT_API_NAME_NEWS_H

#include <stdatomic.h>
#include <stdint.h>

#define GW_NAME_NEWS_SLOTS 1024

struct gw_name_news {
    _Atomic uint32_t made[GW_NAME_NEWS_SLOTS];
    _Atomic uint32_t changed[GW_NAME_NEWS_SLOTS];
};

#endif
