// SPDX-License-Identifier: GPL-3.0-or-later
// Partial evaluation. What of a decision depends on nothing but its principal, action and resource – and on what the
// caller knows of the context when it knows these – is the same each time they come together. It is decided once and
// kept, with the entities as they were built; a request that brings the same key gets both, and pays for the rest: for
// conditions from the first operand of && on that reads a part of the context nobody knew.
//
// A key says everything that entities, and the known part of the context, are made from: questions with equal keys would
// have built the same. Keys are compared byte by byte; a hash only says where to look. What is too long to be compared
// each time, and never changes, may be the key's `owner` instead: compared by its address, and held as long as the key is.
//
// Answers are the ones that pol_decide would give without it: decision, determining policies, failures with their places
// and texts, and steps. What was decided beforehand is charged its steps again, and a request that would go over its
// budget is decided from the beginning: whether it does never depends on what was kept.
//
// Of one set, and gone with it; of one thread. A table of fixed size, four places a key may be at: when they are taken,
// the one goes that was used longest ago. A key is kept when it is met for the second time. Nothing is kept that takes more
// than POL_PARTIAL_MAX bytes, its owner included.
#ifndef SALLYPORT_POLICY_PARTIAL_H
#define SALLYPORT_POLICY_PARTIAL_H

#include "policy/request.h"

#define POL_PARTIAL_MAX 16384u

// What is counted by who holds it. One thread.
struct pol_counted {
    unsigned refs;
    size_t bytes; // counted with everything that is kept for it
    void (*free)(struct pol_counted *c);
};
void pol_counted_unref(struct pol_counted *c); // NULL is fine

struct pol_partial_key {
    struct pol_counted *owner; // may be NULL
    const struct span *parts;  // SPAN_NONE and an empty part differ
    size_t n;
};

struct pol_partials;

// `most`: how many are kept at a time, rounded up to a power of two. The set must outlive it. NULL when out of memory.
struct pol_partials *pol_partials_new(const struct pol_set *set, size_t most, uint64_t hash_key);
void pol_partials_free(struct pol_partials *c); // NULL is fine; requests that were given something keep it
// Most requests are written as JSON after the decision (request_json.h): what is kept from now on has its entities as text, too, up to 4 KiB of it.
void pol_partials_keep_text(struct pol_partials *c);
const struct pol_set *pol_partials_set(const struct pol_partials *c);
size_t pol_partials_count(const struct pol_partials *c);
size_t pol_partials_bytes(const struct pol_partials *c); // of what is kept, and of the table

enum pol_partial_found {
    POL_PARTIAL_NEW,   // not there, and perhaps never to come again: build the request as ever
    POL_PARTIAL_AGAIN, // not there, but met before: build its entities, then pol_partials_keep
    POL_PARTIAL_FOUND, // the request has its entities; it takes no others, nor attributes: only the context is missing
};
// Initialises `r` like pol_request_init.
enum pol_partial_found pol_partials_get(struct pol_partials *c, const struct pol_partial_key *key,
                                        struct pol_request *r, struct arena *arena);
// `r` has its entities, whole, and no context: decides what can be decided. `known` is a record of those members of the context that the key
// stands for, or NULL; they must be put into the context all the same. Afterwards `r` is as after POL_PARTIAL_FOUND; or, when
// nothing could be kept, as it was.
void pol_partials_keep(struct pol_partials *c, const struct pol_partial_key *key, const struct pol_value *known,
                       struct pol_request *r);
// Before the request's arena goes, for every request that went through pol_partials_get. Answers to it are void then. Twice is fine, and so is a request of zeroes.
void pol_partial_release(struct pol_request *r);

#endif
