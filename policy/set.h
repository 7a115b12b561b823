// SPDX-License-Identifier: GPL-3.0-or-later
// A policy set: Cedar policies and entities, compiled once into tables that never change. Many threads read one at the
// same time; it is replaced whole by a newer one and freed when nobody uses it (the caller counts).
//
// Loading collects every complaint (`file:line:column: what; what to do`) and yields a set only when there is none.
// It is bounded: bytes of text, nesting, policies, entities, elements of a set.
//
// Templates (policies with ?principal or ?resource in their scope) are no policies until a link gives their slots
// values: each link is a policy of its own, under its own id.
//
// Not in this version: schemas.
#ifndef SALLYPORT_POLICY_SET_H
#define SALLYPORT_POLICY_SET_H

#include "gateway/base/diag.h"
#include "policy/value.h"

struct pol_set;

// `name` is what errors call it; `text` may go away after the call.
struct pol_source {
    struct span name, text;
};

#define POL_TEXT_MAX (16u << 20)  // bytes of one policy or entities text
#define POL_TEXTS_MAX (64u << 20) // of all together
#define POL_DEPTH_MAX 128u        // nesting of expressions
#define POL_POLICIES_MAX 1000000u
#define POL_SHADOWS_MAX 1024u // policies that are tried out: each is looked at in every decision
#define POL_ENTITIES_MAX 1000000u
#define POL_ANCESTORS_MAX 16000000u // summed over all entities

// A policy made from a template. Ids and values are copied.
struct pol_link {
    struct span template_id, id;
    struct {
        struct span type, id; // both absent: no value
    } principal, resource;    // for ?principal, ?resource; just those slots that the template has
    struct span file;         // where errors say the link stands
    unsigned line, column;
};

// A team that writes some of the policy texts. Each of their policies must be confined to resources that are in the entity `within` (or are it), by
// what stands in its scope and by the entities texts; else it is an error.
struct pol_owner {
    struct span name;
    struct {
        struct span type, id;
    } within;
    size_t first, n; // of the texts, which stand together
};

struct pol_options {
    const struct pol_link *links; // as pol_links_read yields them; NULL if there are none
    size_t n_links;
    const struct pol_owner *owners; // NULL if there are none
    size_t n_owners;
    // Only annotations of the known list are accepted (id, description, owner, advice, reason, ticket, mode, and the
    // obligations: obligation.h); names nobody knows, and obligations that cannot be read, are errors (checklist rule
    // 37), and @mode("shadow") makes a policy one that is tried out (decide.h). Off: any annotation, without effect, as
    // Cedar has it.
    bool strict_annotations;
    // Obligations are errors: whoever decides by this set can meet none.
    bool no_obligations;
    // A template that no link uses is an error; off, as Cedar has it, it has no effect, which is a warning.
    bool linked_templates;
    // Actions in scopes must be defined by an entities text: a misspelt one would match nothing, and a forbid of it permit.
    bool declared_actions;
    // Policies are always called policy0, policy1, ... in order of appearance, whatever @id says (Cedar's test format).
    bool ids_by_position;
    // Any number; drawn at random by the caller it keeps the choosers of names from choosing hash collisions.
    uint64_t hash_key;
};

enum pol_effect { POL_PERMIT, POL_FORBID };

struct pol_annotation {
    struct span name, value;
    struct span second; // of @filter with two texts; else SPAN_NONE
};

// What a decision names. Lives as long as the set.
struct pol_policy_info {
    struct span id;          // @id; else "policyN", with "file#" before it when there are several files; a link's own
    struct span template_id; // of which this is a link; else SPAN_NONE
    struct span file;        // as its source was named
    unsigned line, column;
    enum pol_effect effect;
    bool shadow; // tried out: it never decides
    const struct pol_annotation *annotations;
    size_t n_annotations;
};

// Compiles. `policies` and `entities` (Cedar's entities JSON, e.g. a built-in one with the action groups and the
// user's) may be empty lists. An entity may stand in several texts only if it is the same in all. NULL with errors in
// `diags` (warnings may be there on success).
struct pol_set *pol_set_new(const struct pol_source *policies, size_t n_policies, const struct pol_source *entities,
                            size_t n_entities, const struct pol_options *options, struct diags *diags);
void pol_set_free(struct pol_set *s);

size_t pol_set_count(const struct pol_set *s);
size_t pol_set_shadows(const struct pol_set *s); // of them, that are tried out
const struct pol_policy_info *pol_set_policy(const struct pol_set *s, uint32_t index);
size_t pol_set_entities(const struct pol_set *s); // that the entities texts define
size_t pol_set_bytes(const struct pol_set *s);    // memory held

// What the entities texts say of one entity, for who hands it on. Borrowed from the set.
// A string attribute; SPAN_NONE: not defined, no such attribute, or not a string.
struct span pol_set_text(const struct pol_set *s, struct span type, struct span id, struct span attr);
// The ids of the parents of type `parent_type` that it was given itself (not those that they have in turn): writes at most `cap`, returns how
// many there are.
size_t pol_set_parents(const struct pol_set *s, struct span type, struct span id, struct span parent_type,
                       struct span *out, size_t cap);

#endif
