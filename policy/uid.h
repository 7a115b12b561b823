// SPDX-License-Identifier: GPL-3.0-or-later
// Names as numbers. Every entity type and every entity uid that policies or entities files mention gets a number when a
// set is built; a request's uids are looked up by hash and from then on compared as integers.
#ifndef SALLYPORT_POLICY_UID_H
#define SALLYPORT_POLICY_UID_H

#include "gateway/base/arena.h"
#include "policy/vec.h"

#define POL_ID_NONE UINT32_MAX

struct pol_uid {
    struct span id;
    uint32_t type;
    uint32_t hash;
};

struct pol_type {
    struct span name;
    uint32_t hash;
};

POL_VEC(pol_uid_vec, struct pol_uid);
POL_VEC(pol_type_vec, struct pol_type);

// Read-only once built. The vectors and slots are heap memory, the strings are the arena's.
struct pol_uids {
    struct pol_uid_vec uids;
    struct pol_type_vec types;
    uint32_t *slots, *type_slots;   // number + 1; 0: free
    uint32_t n_slots, n_type_slots; // powers of two
    uint64_t key;
    struct arena *arena;
};

void pol_uids_init(struct pol_uids *u, struct arena *arena, uint64_t key);
void pol_uids_fini(struct pol_uids *u);

// Adds what is not there yet; POL_ID_NONE when out of memory. The strings are copied.
uint32_t pol_uids_add_type(struct pol_uids *u, struct span name);
uint32_t pol_uids_add(struct pol_uids *u, struct span type, struct span id);

// POL_ID_NONE when unknown. `*hash` gets the uid's hash, for tables of those that are not known.
uint32_t pol_uids_find_type(const struct pol_uids *u, struct span name);
uint32_t pol_uids_find(const struct pol_uids *u, struct span type, struct span id, uint32_t *hash);

uint64_t pol_hash(uint64_t key, struct span s);
// IDENT {"::" IDENT} without reserved words.
bool pol_name_valid(struct span name);
// "true", "in", "__cedar", ...: not to be used as an identifier.
bool pol_name_reserved(struct span ident);

#endif
