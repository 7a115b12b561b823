// SPDX-License-Identifier: GPL-3.0-or-later
// Requests as JSON: for the command line, tests, and audit records from which a decision can be replayed.
//
//   { "principal": "Workload::\"spiffe://…\"" or {"type":"Workload","id":"spiffe://…"},
//     "action": …, "resource": …, "context": { … }, "entities": [ {"uid":…, "attrs":{…}, "tags":{…}, "parents":[…]} ] }
//
// `context` and `entities` may be absent. Values are Cedar's: entity references as {"__entity":{"type","id"}}, extension
// types as {"__extn":{"fn","arg"}}; no null, no fractions.
#ifndef SALLYPORT_POLICY_REQUEST_JSON_H
#define SALLYPORT_POLICY_REQUEST_JSON_H

#include "gateway/base/json.h"
#include "policy/request.h"

// Fills an initialised, empty request; strings are copied into its arena. `file` is for errors. Unknown members are
// errors, unless `lenient` (test files carry description, decision, ...). False with errors in `diags`.
bool pol_request_from_json(struct pol_request *r, struct span file, struct span text, bool lenient,
                           struct diags *diags);
// The same from a value of a document that is already parsed (errors then have no line).
bool pol_request_from_value(struct pol_request *r, struct span file, json v, bool lenient, struct diags *diags);
// Its parts, where one is made from something else (partial.h): all but the context; and a context, as a value of the request's.
bool pol_request_entities_from_value(struct pol_request *r, struct span file, json v, struct diags *diags);
bool pol_request_record_from_value(struct pol_request *r, struct span file, json v, struct pol_value *record,
                                   struct diags *diags);

// Appends the request as one JSON object in the format above, with everything the decision could see: the declared
// entities with the attributes of request and file merged and all their ancestors as parents, and those entities of the
// file that evaluation looked at. So it answers the same without the file. Call after pol_decide. False when the buffer
// failed.
bool pol_request_to_json(struct pol_request *r, struct buf *out);

#endif
