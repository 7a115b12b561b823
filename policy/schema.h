// SPDX-License-Identifier: GPL-3.0-or-later
// A Cedar schema: which entity types and actions there are, what attributes, tags and context they have, and what may be
// asked of what. With one, a policy that could never do what its author meant is an error when it is loaded, not a
// permit that does not permit.
//
// Both of Cedar's syntaxes are read – the one for people (`entity User in Group { name: String };`) and JSON – and any
// number of files make one schema; a text is JSON when it starts with a brace. Complaints are collected whole, each
// with its place and, for a near miss, what was probably meant.
//
// Policies are validated as Cedar's strict validator does it: for every action, principal type and resource type that
// the schema lets meet, the policy's condition must be of the type Bool, with attributes and tags accessed only where
// they are known to be. A policy that can never apply is a warning.
#ifndef SALLYPORT_POLICY_SCHEMA_H
#define SALLYPORT_POLICY_SCHEMA_H

#include "policy/set.h"

struct pol_schema;
struct pol_request;

#define POL_SCHEMA_TEXT_MAX (4u << 20)    // bytes of all texts of one schema
#define POL_SCHEMA_DEPTH 32u              // nesting of sets and records in a text
#define POL_SCHEMA_TYPES_MAX 16384u       // entity types
#define POL_SCHEMA_ACTIONS_MAX 65536u     // actions
#define POL_SCHEMA_RELATIONS_MAX 4000000u // descendants, summed over all types and actions

// The texts may go away after the call. NULL with errors in `diags` (warnings may be there on success).
struct pol_schema *pol_schema_new(const struct pol_source *texts, size_t n, struct diags *diags);
void pol_schema_free(struct pol_schema *s);

size_t pol_schema_types(const struct pol_schema *s);   // entity types declared
size_t pol_schema_actions(const struct pol_schema *s); // actions declared
bool pol_schema_has_action(const struct pol_schema *s, struct span type, struct span id);

// For who decides about some of the actions only, and is never asked about others: those whose id starts with one of the prefixes
// (or, without `with`, those whose does not) are known from now on, but apply to nothing.
void pol_schema_confine(struct pol_schema *s, const struct span *prefixes, size_t n, bool with);

// Parses the policies and validates each, and the links in `options`. True when there is no error; what does not parse
// is an error too.
bool pol_schema_validate(const struct pol_schema *s, const struct pol_source *policies, size_t n,
                         const struct pol_options *options, struct diags *diags);

// Entities texts: types, attributes, tags and parents as declared; actions as the schema has them. Without `whole`,
// attributes that the schema requires may be missing, since requests bring them. True without errors.
bool pol_schema_validate_entities(const struct pol_schema *s, const struct pol_source *entities, size_t n, bool whole,
                                  struct diags *diags);

// A request as it was built: principal, action and resource may meet, the context is what the action is declared with,
// and the entities that the request itself declares fit their types. Without `whole`, attributes that the schema
// requires may be missing of principal and resource, since the entities file has them. True without errors; these are
// of `file` and start with the member's path (`context.token.bound_to: …`).
bool pol_schema_validate_request(const struct pol_schema *s, struct pol_request *r, bool whole, struct span file,
                                 struct diags *diags);

// The schema of the gateway's and the authority's own entities, actions and context: policy/schema/sallyport.cedarschema.
extern const struct pol_source pol_schema_shipped;

#endif
