// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar values as JSON: booleans, integers, strings, arrays (sets), objects (records), {"__entity": {"type", "id"}},
// {"__extn": {"fn", "arg"}}. An object with one of these names that is not of this form is an error (Cedar takes it for a
// record): a misspelt reference would not match.
// The same reader serves entities texts (uids get numbers of the set) and requests (numbers of the request).
#ifndef SALLYPORT_POLICY_VALUE_JSON_H
#define SALLYPORT_POLICY_VALUE_JSON_H

#include "gateway/base/json.h"
#include "policy/obligation.h"
#include "policy/request.h"

struct pol_json {
    struct arena *arena; // gets copies of all strings
    // The number of a uid; POL_ID_NONE when out of memory.
    uint32_t (*number)(void *ctx, struct span type, struct span id);
    void *ctx;
    struct span wrong; // after a failure: "what; what to do", in the arena
    unsigned depth;
    struct {
        struct span name; // SPAN_NONE: an element
        size_t index;
    } path[POL_VALUE_DEPTH + 1];
};

// False with j->wrong set.
bool pol_json_value(struct pol_json *j, json v, struct pol_value *out);
bool pol_json_record(struct pol_json *j, json v, struct pol_value *out); // v must be an object
// {"type","id"}, {"__entity":{"type","id"}} or, if `text`, "Type::\"id\"". `out` in the arena.
bool pol_json_uid(struct pol_json *j, json v, bool text, struct span *type, struct span *id);
// Type::"id", as policies write it.
bool pol_json_uid_text(struct pol_json *j, struct span s, struct span *type, struct span *id);

// Whether a type is one of actions: Action, or N::Action.
bool pol_json_action_type(struct span type);

// Writes a value; entity numbers are those of set and request.
void pol_json_write(struct json_writer *w, const struct pol_request *r, const struct pol_value *v);
void pol_json_write_uid(struct json_writer *w, const struct pol_request *r, uint32_t entity);
// An obligation of an answer: {"policy","filter","value"}, {"policy","limit":"1000/min"} or {"policy","audit":"full"}.
void pol_json_write_obligation(struct json_writer *w, const struct pol_request *r, const struct pol_obligation *o);

#endif
