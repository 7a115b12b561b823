// SPDX-License-Identifier: GPL-3.0-or-later
// The table of an API that an operator describes: rows of method, path and action, and for each row where a request says which database, tenant
// and collection it is about, in its path, in a member of its body or in a parameter of its query. Compiled into the same struct
// gw_api_def that the built-in tables are, with one inspector for all rows.
//
// It is as strict as those. A body that says something is a JSON object and is written anew. Members on the way to one that is named, and beside it,
// are known ones, or the row takes any: but none that is a case variant of a named one, or, as a decoder might fold it, not ASCII. A name
// that is missing is refused, since the server's default is not known. Of records nothing is known that is not named: they may come with
// vectors and all their fields. No filter can be put into such a request, so one that would have to be confined is refused (confine.h).
#ifndef SALLYPORT_API_CUSTOM_H
#define SALLYPORT_API_CUSTOM_H

#include "gateway/api/api.h"

#define GW_API_CUSTOM_STEPS 8  // from the body's root to a member
#define GW_API_CUSTOM_ROWS 256 // of one API

enum gw_api_custom_fact {
    GW_API_CUSTOM_DATABASE,
    GW_API_CUSTOM_TENANT,
    GW_API_CUSTOM_COLLECTION,     // a name, or a list of names: each is authorised
    GW_API_CUSTOM_NEW_COLLECTION, // a second one, that will exist: of a rename, a copy, an alias
    GW_API_CUSTOM_LIMIT,
    GW_API_CUSTOM_FILTER,  // an object, list or string; there is one when it is not empty
    GW_API_CUSTOM_POINTS,  // a list of records or ids, counted
    GW_API_CUSTOM_QUERIES, // a list of queries, counted
    GW_API_CUSTOM_FACTS
};

// "$.member.member" in the body, "?parameter" of the query, or SPAN_NONE.
struct gw_api_custom_row {
    struct span method, path;
    enum gw_action action;
    bool is_new; // the collection need not exist yet
    struct span where[GW_API_CUSTOM_FACTS];
    const struct span *members; // others that the body may have: "member.member"; the value of one is not looked into
    size_t n_members;
    bool any_member;
};

struct gw_api_custom {
    struct span name;
    const struct span *query; // other parameters that there are
    size_t n_query;
    const struct gw_api_custom_row *rows;
    size_t n_rows;
};

// What is wrong with a path, a place or a member, as static text; NULL: nothing.
const char *gw_api_custom_path_fault(struct span path);
const char *gw_api_custom_place_fault(struct span place);
const char *gw_api_custom_member_fault(struct span member);
// What is wrong with a row whose parts are in order: a name in two places, a GET with a body, a list of collections.
const char *gw_api_custom_row_fault(const struct gw_api_custom_row *row);
// True when there is no request that one of the two takes and the other does not: placeholders are all alike.
bool gw_api_custom_same(const struct gw_api_custom_row *a, const struct gw_api_custom_row *b);

// Compiles what has no fault and no two rows that are the same, into the arena; `spec` and what it points to must outlive it. NULL: out of memory.
const struct gw_api_def *gw_api_custom_def(const struct gw_api_custom *spec, struct arena *arena);

#endif
