// SPDX-License-Identifier: GPL-3.0-or-later
// What is known about entities during one decision: the entities texts and the request, seen as one. Numbers below the
// set's count of uids are the set's; those from there on belong to the request. request == NULL (constants are being
// folded) knows the set's names only.
#ifndef SALLYPORT_POLICY_FACTS_H
#define SALLYPORT_POLICY_FACTS_H

#include "policy/request.h"
#include "policy/table.h"

struct pol_local {
    struct span type, id;
    uint32_t hash;
    uint32_t type_number; // POL_ID_NONE: the set does not know it
};

struct pol_record {
    struct pol_field *fields; // sorted
    uint32_t n, cap;
};

struct pol_entity {
    uint32_t number;
    uint32_t visited; // by the closure of which entity
    struct pol_record attrs, tags;
    uint32_t *parents;
    uint32_t n_parents, cap_parents;
    const uint32_t *ancestors; // transitive over request and set, ascending; once closed
    uint32_t n_ancestors;
    struct pol_entity *pending;
};

// Records the first error of a request.
void pol_request_fail(struct pol_request *r, int err, const char *why);
// Room for one more of n elements in an arena array; false (and r->err) when there is none.
bool pol_request_grow(struct pol_request *r, void **at, uint32_t n, uint32_t *cap, size_t size);
static inline bool pol_request_room(struct pol_request *r, void **at, uint32_t n, uint32_t *cap, size_t size)
{
    return n < *cap || pol_request_grow(r, at, n, cap, size);
}
// Sets r->context; the record is the request's.
bool pol_request_context_is(struct pol_request *r, struct pol_value record);

// A small table from hashes to indexes. get: the first index from `*at` on that may be it, or POL_ID_NONE; start with
// *at = hash.
uint32_t pol_slots_get(const struct pol_slots *s, uint32_t *at);
// Whether there is room for n entries; if not, the caller makes a fresh table (cleared) and puts all.
bool pol_slots_make(struct pol_request *r, struct pol_slots *s, uint32_t n, bool *fresh);
void pol_slots_put(struct pol_slots *s, uint32_t hash, uint32_t index);
static inline uint32_t pol_number_hash(uint32_t n)
{
    return (n * 0x9e3779b1u) ^ (n >> 15);
}

static inline uint32_t pol_facts_number(const struct pol_entity *e)
{
    return e->number;
}

struct span pol_facts_type_name(const struct pol_set *s, const struct pol_request *r, uint32_t entity);
struct span pol_facts_id(const struct pol_set *s, const struct pol_request *r, uint32_t entity);
// The number of the entity's type, POL_ID_NONE when no policy can ask for it.
uint32_t pol_facts_type(const struct pol_set *s, const struct pol_request *r, uint32_t entity);

// The declared entity of this number, or NULL. Few are found by looking at each.
#define POL_FACTS_FEW 8u
struct pol_entity *pol_facts_declared_many(const struct pol_request *r, uint32_t entity);
static inline struct pol_entity *pol_facts_declared(const struct pol_request *r, uint32_t entity)
{
    if (r->n_entities > POL_FACTS_FEW)
        return pol_facts_declared_many(r, entity);
    for (uint32_t i = 0; i < r->n_entities; i++)
        if (r->first_numbers[i] == entity)
            return r->entities[i];
    return NULL;
}
bool pol_facts_exists(const struct pol_request *r, uint32_t entity);
// The request's attribute, else the file's, else NULL.
const struct pol_value *pol_facts_attr(struct pol_request *r, uint32_t entity, struct span name);
// The same of tags.
const struct pol_value *pol_facts_tag(struct pol_request *r, uint32_t entity, struct span name);
// Whether `entity` is `other` or has it among its ancestors.
bool pol_facts_in(struct pol_request *r, uint32_t entity, uint32_t other);
// Computes the ancestors of every declared entity. Once; false when r->err got set.
bool pol_facts_close(struct pol_request *r);

#endif
