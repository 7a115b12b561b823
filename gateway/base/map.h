// SPDX-License-Identifier: GPL-3.0-or-later
// A hash map from byte strings to pointers: open addressing, SipHash-2-4 with a key drawn per map, so that names chosen
// by an attacker cannot be made to collide. Keys are borrowed: they must outlive their entry. Not for more than one thread.
#ifndef SALLYPORT_BASE_MAP_H
#define SALLYPORT_BASE_MAP_H

#include "gateway/base/span.h"

struct map {
    struct map_slot *slots;
    size_t cap, len;
    uint64_t key[2];
};

void map_init(struct map *m, const uint64_t key[static 2]);
void map_fini(struct map *m); // values are the caller's
void *map_get(const struct map *m, struct span key);
// Adds or replaces; `*old` (may be NULL) gets the replaced value. False when out of memory, nothing changed.
bool map_put(struct map *m, struct span key, void *value, void **old);
void *map_del(struct map *m, struct span key);
// Nothing may be put or deleted between the steps: for (size_t i = 0; map_each(m, &i, &k, &v);)
bool map_each(const struct map *m, size_t *i, struct span *key, void **value);

uint64_t siphash24(const uint64_t key[static 2], struct span s);

#endif
