// SPDX-License-Identifier: GPL-3.0-or-later
// Confines a request to the records that it may see: what `@filter` obliges to (policy/obligation.h). A filter says that a field of every record
// which the request reads, changes or deletes has one of some values. It is AND-ed to whatever the client asks for, wherever the API lets a
// query stand – so nothing that the client writes beside it (should, $or, must_not) can widen it –, written into what the client stores, or
// the request is refused: never let through unconfined.
//
// Which requests of which database can be confined, and how, is docs/tenancy.md. Pure, as api.h.
#ifndef SALLYPORT_API_CONFINE_H
#define SALLYPORT_API_CONFINE_H

#include "gateway/api/api.h"

enum gw_api_value_kind { GW_API_TEXT, GW_API_NUMBER, GW_API_FLAG };

struct gw_api_value {
    enum gw_api_value_kind kind;
    struct span text; // UTF-8
    int64_t number;
    bool flag;
};

// Borrowed. `values` are of one kind, none twice; none at all: nothing is ever seen.
struct gw_api_filter {
    size_t authorisation; // of the meaning: the collection that it holds for
    struct span field;
    const struct gw_api_value *values;
    size_t n_values;
};

// After gw_api_match gave `*meaning` and every authorisation was allowed. Changes what the meaning sends (method, target, body). 0, or
// GW_API_NEED_BODY (call again with body_ready; `*meaning` untouched), or
//   ERR_POLICY_OBLIGATION  this request cannot be confined
//   ERR_API_BODY           its body is not acceptable: a record of another tenant's among what it writes, a form that cannot be read
//   ERR_HTTP_BODY_SIZE     with a filter in each of its queries it would be too long to be sent
//   ERR_API_ENCODING, ERR_NOMEM
// `why` as with gw_api_match.
int gw_api_confine(const struct gw_api *api, const struct gw_api_request *request, const struct gw_api_filter *filters,
                   size_t n, struct arena *arena, struct gw_api_meaning *meaning, struct span *why);

#endif
