// SPDX-License-Identifier: GPL-3.0-or-later
// What somebody does to a vector database, in the eleven words that policies, scopes and audit records use. Every
// request the API tables know is one or several of these, on a collection or on none; a set of them is a mask of bits,
// so that a scope's ceiling or a token's grant is one AND.
//
//   search  similarity queries           create  a collection, tenant or database comes to be
//   read    records by id, filter, count alter   settings, indexes, names, aliases, shards of a collection
//   list    which collections there are  drop    a collection, tenant or database is gone
//   meta    facts about one, health      export  a copy of a whole collection leaves it (snapshot, fork)
//   write   records added or changed     ops     the server itself: telemetry, cluster, reset
//   delete  records or fields removed
//
// Groups: `readonly` = search read list meta, `readwrite` = readonly write delete, `admin` = create alter drop export.
// `ops` is in no group: only its own name grants it.
#ifndef SALLYPORT_API_ACTION_H
#define SALLYPORT_API_ACTION_H

#include "gateway/base/span.h"

// The words, and below the three groups, once for everything that reads or writes them: X(constant, "word").
// clang-format off
#define GW_ACTION_WORDS(X) \
    X(SEARCH, "search") X(READ, "read") X(LIST, "list") X(META, "meta") X(WRITE, "write") X(DELETE, "delete") \
    X(CREATE, "create") X(ALTER, "alter") X(DROP, "drop") X(EXPORT, "export") X(OPS, "ops")
// clang-format on
#define GW_ACTION_GROUP_WORDS(X) X(READONLY, "readonly") X(READWRITE, "readwrite") X(ADMIN, "admin")

#define GW_ACTION_CONSTANT(action, word) GW_ACTION_##action,
enum gw_action { GW_ACTION_WORDS(GW_ACTION_CONSTANT) GW_ACTION_COUNT };
#undef GW_ACTION_CONSTANT

#define GW_ACTION_BIT(action) (1u << (unsigned)(action))

#define GW_ACTIONS_READONLY                                                                            \
    (GW_ACTION_BIT(GW_ACTION_SEARCH) | GW_ACTION_BIT(GW_ACTION_READ) | GW_ACTION_BIT(GW_ACTION_LIST) | \
     GW_ACTION_BIT(GW_ACTION_META))
#define GW_ACTIONS_READWRITE (GW_ACTIONS_READONLY | GW_ACTION_BIT(GW_ACTION_WRITE) | GW_ACTION_BIT(GW_ACTION_DELETE))
#define GW_ACTIONS_ADMIN                                                                                \
    (GW_ACTION_BIT(GW_ACTION_CREATE) | GW_ACTION_BIT(GW_ACTION_ALTER) | GW_ACTION_BIT(GW_ACTION_DROP) | \
     GW_ACTION_BIT(GW_ACTION_EXPORT))

// The names of the three groups, for entity hierarchies and suggestions.
struct gw_action_group {
    struct span name;
    unsigned mask;
};
#define GW_ACTION_GROUPS 3
extern const struct gw_action_group gw_action_groups[GW_ACTION_GROUPS];

// "search" ... ; `action` is below GW_ACTION_COUNT.
struct span gw_action_name(enum gw_action action);
// An action or a group by its exact name → its mask; 0 when it is neither.
unsigned gw_action_mask(struct span name);
// True for actions that leave the data as it was: search read list meta.
static inline bool gw_action_reads(enum gw_action action)
{
    return (GW_ACTION_BIT(action) & GW_ACTIONS_READONLY) != 0;
}

#endif
