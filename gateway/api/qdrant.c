// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant's REST router (1.19), row by row. Its internal and debugging routes (a node's local shards, partial snapshots between
// peers, write-ahead logs) have no row: they are not for clients. An alias in the path is just a name: whoever may make an
// alias had to be allowed both names.
#include "gateway/api/qdrant.h"

#define C "/collections/{c}"
#define P "/collections/{c}/points"
#define S "/collections/{c}/shards/{x}"

// clang-format off
static const struct gw_api_row rows[] = {
    { "GET", "/",        GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/healthz", GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/livez",   GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/readyz",  GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },

    { "GET", "/collections", GW_ACTION_LIST, GW_API_BODY_NONE, 0, GW_API_LIST_QDRANT_COLLECTIONS, NULL, NULL },
    { "GET", "/aliases",     GW_ACTION_LIST, GW_API_BODY_NONE, 0, GW_API_LIST_QDRANT_ALIASES, NULL, NULL },

    { "GET", C,                  GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/exists",        GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/aliases",       GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/cluster",       GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/shards",        GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/optimizations", GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", C "/memory",        GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },

    { "GET",  P "/{x}",    GW_ACTION_READ, GW_API_BODY_NONE, 0, 0, NULL, gw_qdrant_point },
    { "POST", P,           GW_ACTION_READ, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_points, NULL },
    { "POST", P "/scroll", GW_ACTION_READ, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_scroll, NULL },
    { "POST", P "/count",  GW_ACTION_READ, GW_API_BODY_INSPECT, GW_API_COUNTS, 0, gw_qdrant_count, NULL },
    { "POST", C "/facet",  GW_ACTION_READ, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_facet, NULL },

    { "POST", P "/query",                 GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_query, NULL },
    { "POST", P "/query/batch",           GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_query_batch, NULL },
    { "POST", P "/query/groups",          GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_query_groups, NULL },
    { "POST", P "/search",                GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_search, NULL },
    { "POST", P "/search/batch",          GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_search_batch, NULL },
    { "POST", P "/search/groups",         GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_search_groups, NULL },
    { "POST", P "/search/matrix/pairs",   GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_matrix, NULL },
    { "POST", P "/search/matrix/offsets", GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_matrix, NULL },
    { "POST", P "/recommend",             GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_recommend, NULL },
    { "POST", P "/recommend/batch",       GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_recommend_batch, NULL },
    { "POST", P "/recommend/groups",      GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_recommend_groups, NULL },
    { "POST", P "/discover",              GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_discover, NULL },
    { "POST", P "/discover/batch",        GW_ACTION_SEARCH, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_discover_batch, NULL },

    { "PUT",  P,            GW_ACTION_WRITE, GW_API_BODY_FACTS, 0, 0, gw_qdrant_upsert, NULL },
    { "PUT",  P "/vectors", GW_ACTION_WRITE, GW_API_BODY_FACTS, 0, 0, gw_qdrant_update_vectors, NULL },
    { "PUT",  P "/payload", GW_ACTION_WRITE, GW_API_BODY_FACTS, 0, 0, gw_qdrant_set_payload, NULL },
    { "POST", P "/payload", GW_ACTION_WRITE, GW_API_BODY_FACTS, 0, 0, gw_qdrant_set_payload, NULL },
    { "POST", P "/batch",   GW_ACTION_WRITE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, gw_qdrant_batch, NULL },

    { "POST", P "/delete",         GW_ACTION_DELETE, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_select, NULL },
    { "POST", P "/payload/clear",  GW_ACTION_DELETE, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_select, NULL },
    { "POST", P "/payload/delete", GW_ACTION_DELETE, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_delete_payload, NULL },
    { "POST", P "/vectors/delete", GW_ACTION_DELETE, GW_API_BODY_INSPECT, 0, 0, gw_qdrant_delete_vectors, NULL },

    { "PUT",    C, GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_NEW, 0, gw_qdrant_create, NULL },
    { "PATCH",  C, GW_ACTION_ALTER,  GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "DELETE", C, GW_ACTION_DROP,   GW_API_BODY_NONE, 0, 0, NULL, NULL },

    { "PUT",    C "/index",         GW_ACTION_ALTER, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "DELETE", C "/index/{x}",     GW_ACTION_ALTER, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "PUT",    C "/vectors/{x}",   GW_ACTION_ALTER, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "DELETE", C "/vectors/{x}",   GW_ACTION_ALTER, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   C "/cluster",       GW_ACTION_ALTER, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "PUT",    C "/shards",        GW_ACTION_ALTER, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "POST",   C "/shards/delete", GW_ACTION_ALTER, GW_API_BODY_STREAM, 0, 0, NULL, NULL },

    { "POST", "/collections/aliases", GW_ACTION_ALTER, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, gw_qdrant_aliases, NULL },

    // A snapshot is the whole collection. To recover from a location means to read a file or URL with the server's own rights, another
    // collection's snapshot among them: that is `ops` too. Deleting a snapshot destroys a copy of the collection.
    { "GET",    C "/snapshots",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   C "/snapshots",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    C "/snapshots/{x}",     GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", C "/snapshots/{x}",     GW_ACTION_DROP,   GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   C "/snapshots/upload",  GW_ACTION_ALTER,  GW_API_BODY_STREAM, GW_API_NEW, 0, NULL, NULL },
    { "PUT",    C "/snapshots/recover", GW_ACTION_ALTER,  GW_API_BODY_INSPECT, GW_API_NEW, 0, gw_qdrant_recover, NULL },
    { "GET",    S "/snapshots",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   S "/snapshots",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    S "/snapshot",          GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    S "/snapshots/{x}",     GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", S "/snapshots/{x}",     GW_ACTION_DROP,   GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   S "/snapshots/upload",  GW_ACTION_ALTER,  GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "PUT",    S "/snapshots/recover", GW_ACTION_ALTER,  GW_API_BODY_INSPECT, 0, 0, gw_qdrant_recover, NULL },

    { "GET",    "/telemetry",                 GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/metrics",                   GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/issues",                    GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", "/issues",                    GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/cluster",                   GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/cluster/telemetry",         GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/cluster/recover",           GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", "/cluster/peer/{x}",          GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/cluster/metadata/keys",     GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/cluster/metadata/keys/{x}", GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "PUT",    "/cluster/metadata/keys/{x}", GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "DELETE", "/cluster/metadata/keys/{x}", GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/snapshots",                 GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/snapshots",                 GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/snapshots/{x}",             GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", "/snapshots/{x}",             GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/locks",                     GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/locks",                     GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "GET",    "/quotas",                    GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "PUT",    "/quotas",                    GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "GET",    "/logger",                    GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/logger",                    GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "GET",    "/stacktrace",                GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/profiler/slow_requests",    GW_ACTION_OPS, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/audit/logs",                GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
};
// clang-format on

static const char *const query[] = { "wait",     "ordering",        "timeout",       "consistency", "priority",
                                     "checksum", "force",           "details_level", "anonymize",   "per_collection",
                                     "with",     "completed_limit", "limit",         "request",     NULL };

const struct gw_api_def gw_api_qdrant = {
    .name = "qdrant",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
    .query = query,
    .timeout = "timeout",
};
