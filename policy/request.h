// SPDX-License-Identifier: GPL-3.0-or-later
// One question to a policy set: may this principal do this action on this resource, in this context? The caller states
// the facts it has verified – attributes and parents of the three, of further entities, and the context – into an
// arena; nothing else is allocated. Names and strings are borrowed and must live as long as the request.
//
// Facts of the request and of the entities file come together like this: an entity has the attributes of both, and
// where both name the same attribute (or tag) the request's wins, since it was verified for this request (certificate, token,
// API table). Parents are the union of both, and `in` is transitive over both: a role named by a token has the
// ancestors that the file gives that role.
//
// Errors stick (`err`): builders may be called without looking, pol_decide refuses a request that went wrong.
#ifndef SALLYPORT_POLICY_REQUEST_H
#define SALLYPORT_POLICY_REQUEST_H

#include "policy/set.h"
#include "policy/value.h"

#define POL_REQUEST_ENTITIES_MAX 4096u // entities declared or mentioned by one request

struct pol_entity;   // an entity that this request declares
struct pol_record;   // a record under construction
struct pol_local;    // uids the set does not know
struct pol_residual; // what was decided of it beforehand

// A small hash table of indexes, in the arena.
struct pol_slots {
    uint32_t *at; // index + 1; 0: free
    uint32_t n;   // a power of two
};

struct pol_request {
    const struct pol_set *set;
    struct arena *arena;
    // 0, ERR_NOMEM (arena or a bound), ERR_INTERNAL (misuse: two principals, a bad value, a repeated name, a cycle)
    int err;
    const char *why; // static text for `err`
    struct pol_entity *principal, *action, *resource;
    struct pol_record *context;
    // The rest is the implementation's.
    struct pol_entity **entities; // declared, in order
    uint32_t n_entities, cap_entities;
    uint32_t first_numbers[8]; // of the first entities: most requests declare no more
    struct pol_slots entity_slots;
    struct pol_local *locals;
    uint32_t n_locals, cap_locals;
    struct pol_slots local_slots;
    uint32_t *touched; // entities of the file that evaluation looked at
    uint32_t n_touched, cap_touched;
    struct pol_slots touched_slots;
    bool extends_set;                // a declared entity that the set knows got parents from the request
    bool closed;                     // it was decided
    bool sealed;                     // its entities are complete, and perhaps not its own (partial.h)
    struct pol_residual *residual;   // counted; NULL: none
    const struct pol_field *written; // of the record in the context whose JSON text is …
    struct span text;                // … this
};

// The set and the arena must outlive the request.
void pol_request_init(struct pol_request *r, const struct pol_set *set, struct arena *arena);

// Each declares an entity of this request, once for each of the three; declaring a uid again returns the same entity.
// The type is a Cedar name ("Workload", "Acme::User"). NULL after an error, which pol_request_attr and
// pol_request_parent take quietly.
struct pol_entity *pol_request_principal(struct pol_request *r, struct span type, struct span id);
struct pol_entity *pol_request_action(struct pol_request *r, struct span type, struct span id);
struct pol_entity *pol_request_resource(struct pol_request *r, struct span type, struct span id);
struct pol_entity *pol_request_entity(struct pol_request *r, struct span type, struct span id);
void pol_request_attr(struct pol_request *r, struct pol_entity *e, struct span name, struct pol_value v);
// A tag: what getTag and hasTag see, apart from attributes.
void pol_request_tag(struct pol_request *r, struct pol_entity *e, struct span name, struct pol_value v);
void pol_request_parent(struct pol_request *r, struct pol_entity *e, struct span type, struct span id);

// Adds a member to the context record.
void pol_request_context(struct pol_request *r, struct span name, struct pol_value v);
// Of one record that is a member of the context: its text, as pol_json_write would write it, for whoever writes the request (request_json.h). It must live
// as long as the request.
void pol_request_context_text(struct pol_request *r, struct pol_value record, struct span text);

// Values that need memory, from the request's arena. POL_NONE after an error (which sticks).
struct pol_value pol_request_ref(struct pol_request *r, struct span type, struct span id);
struct pol_value pol_request_set(struct pol_request *r, const struct pol_value *items, size_t n);
// An address or a range ("10.0.0.0/8", "::1"); one that cannot be read is an error.
struct pol_value pol_request_ip(struct pol_request *r, struct span text);
struct pol_value pol_request_strings(struct pol_request *r, const struct span *items, size_t n); // a set of strings
struct pol_record *pol_record_new(struct pol_request *r);
void pol_record_put(struct pol_request *r, struct pol_record *rec, struct span name, struct pol_value v);
struct pol_value pol_record_value(const struct pol_record *rec); // once it is complete; POL_NONE for NULL

#endif
