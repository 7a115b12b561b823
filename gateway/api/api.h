// SPDX-License-Identifier: GPL-3.0-or-later
// What a vector database request means. A table for each database turns method, path, query and, where the API hides
// something there, body into a list of authorisations {action, database, tenant, collection} and a few facts. What no row
// knows is denied; a row exists only for what the server's own router has.
//
// The order of things, once a request:
//   1. gw_api_match with no body. Most requests are done here.
//   2. If it says GW_API_NEED_BODY, the caller buffers the body (it bounds the bytes: 413) and calls again with it.
//   3. Every authorisation must be allowed, or none is (rule 38). A collection may still be a UUID: gateway/api/resolve.h
//      turns it into a name first.
//   4. What is forwarded is `method`, `target` and `body` of the meaning where they are set, else what the client sent. With
//      `body` goes one Content-Type, application/json, and its own length, whatever the client's fields were.
//
// Bodies that decide an authorisation are parsed under bounds with no tolerance, since the server's reading of them must be
// ours: JSON objects only, where the API does not have a list (the Rust servers' deserialiser also takes a struct as an array of its fields, in which a
// collection's name has no key), no repeated member, no member that the table does not name (so no case variant and no
// alias of a known one), no Content-Encoding, no content type but JSON. They are re-serialised from the parsed values.
// Bodies in which nothing can hide (upserts) stream untouched unless `inspect_writes` asks for their facts.
//
// Pure: no clock, no I/O; a compiled table is immutable and may be shared by threads.
#ifndef SALLYPORT_API_API_H
#define SALLYPORT_API_API_H

#include "gateway/api/action.h"
#include "gateway/base/arena.h"

#define GW_API_SEGMENTS_MAX 16       // longer paths match nothing
#define GW_API_AUTHORISATIONS_MAX 64 // a request that needs more is refused (ERR_API_BODY)
#define GW_API_SHARD_KEYS_MAX 64     // likewise
#define GW_API_NAME_MAX 512          // bytes in a database's, tenant's or collection's name
#define GW_API_NEED_BODY 1           // see gw_api_match

// What no request shows, and confining some requests depends on (docs/tenancy.md).
enum gw_api_assurance {
    GW_API_EXACT_TEXT = 1 << 0,  // Weaviate: the texts that filters name are compared as a whole, not by their words
    GW_API_ASSIGNED_IDS = 1 << 1 // Milvus: the server makes every primary key; no client chooses one
};

// One request as HTTP understood it. All spans are borrowed and must live as long as the meaning.
struct gw_api_request {
    struct span method;          // as sent: "GET"; compared case-sensitively
    const struct span *segments; // decoded path segments; "/" has none. An empty one (a trailing slash) matches nothing
    size_t n_segments;
    struct span query;            // raw, without '?'; SPAN_NONE or empty: none
    struct span content_type;     // SPAN_NONE: no field
    struct span content_encoding; // SPAN_NONE: no field
    bool has_body;                // a body follows: Transfer-Encoding, or Content-Length above 0
    bool body_ready;              // `body` holds all of it
    struct span body;
    bool inspect_writes; // read bodies of writes for their facts too, instead of letting them stream
    unsigned assured;    // enum gw_api_assurance: what an operator says of the collections, for gw_api_confine
};

// One thing that must be allowed. Names are spans in the arena or borrowed from the request; SPAN_NONE where the API or the
// request has none.
struct gw_api_authorisation {
    enum gw_action action;
    struct span database, tenant;
    struct span collection;
    bool collection_is_uuid; // `collection` is a UUID in lower case, still to be resolved to a name
    // The collection is named as the one that will exist (created, renamed to, forked to, alias made): it need not exist yet.
    bool collection_is_new;
};

// Facts for a policy's context. A count that was not looked at, or has no bound, is absent (`has_…` false), so that a policy that
// compares it errs and does not permit.
struct gw_api_facts {
    bool
        unread; // the body streams unread, and could say otherwise: nothing of what follows is known, false and empty included
    bool has_limit; // false also for "everything there is" (Chroma get without limit)
    uint64_t
        limit; // most records that one query of the request can return; the server's default where the body has none
    bool has_queries;
    uint64_t queries; // how many queries the request is: batch elements, query embeddings
    bool has_points;
    uint64_t points; // records named or carried by a write, delete or read by id
    bool has_filter; // every query in the request carries a non-empty filter (where, where_document)
    bool by_id;      // records are named by id: read, deleted, or used as the query
    bool with_vectors;
    bool with_payload;
    struct span *shard_keys; // Qdrant; integers as decimal text
    size_t n_shard_keys;
};

// How many shards a request concerns.
enum gw_api_fan {
    GW_API_FAN_ONE,   // the shard of its collection; without a collection, any shard of its tenant and database
    GW_API_FAN_MERGE, // every shard; the answers become one (gateway/api/list.h)
    GW_API_FAN_ALL    // every shard must carry it out: tenants and databases exist on all of them
};

enum gw_api_list {
    GW_API_LIST_NONE,
    GW_API_LIST_QDRANT_COLLECTIONS,
    GW_API_LIST_QDRANT_ALIASES,
    GW_API_LIST_CHROMA_COLLECTIONS,
    GW_API_LIST_CHROMA_COUNT, // answered by listing and counting what the subject may see
    GW_API_LIST_CHROMA_DATABASES,
    GW_API_LIST_MILVUS_NAMES, // of collections, or of aliases
    GW_API_LIST_WEAVIATE_SCHEMA,
    GW_API_LIST_WEAVIATE_ALIASES
};

// A lesser request that does for a subject who may not make the whole one: get_or_create by somebody who may only look becomes a GET, which can
// create nothing.
struct gw_api_alternative {
    bool present;
    struct gw_api_authorisation authorisation;
    struct span method, target; // no body
};

struct gw_api_meaning {
    struct span api;       // "qdrant"
    struct span operation; // the row's path pattern, for audit and metrics: "/collections/{c}/points/search"
    struct gw_api_authorisation *authorisations; // at least one; the first is the request's main one
    size_t n_authorisations;
    struct gw_api_facts facts;
    enum gw_api_fan fan;
    enum gw_api_list list;
    uint64_t list_limit, list_offset; // Chroma's own paging, applied after filtering; limit UINT64_MAX: none
    bool changes_data;                // audit goes first
    bool idempotent;                  // may be retried on another endpoint before an answer's first byte
    bool counts;                      // the answer is a number, not records
    bool teaches_names;               // a 200 answer holds Chroma collections: gw_name_map_learn
    bool codes;                       // the answer's body begins with a code: answer_code.h
    bool forgets_names;               // success changes a UUID's name or ends it: gw_name_map_forget
    struct span method;               // to send instead of the client's; SPAN_NONE: the client's own
    struct span target;               // path and query to send instead; SPAN_NONE: the client's own
    struct span body;    // to send as application/json: what json_write makes of the values read, which may be
                         // the very bytes of the request's body; SPAN_NONE: stream or none
    struct span timeout; // the query parameter that says how many whole seconds it may take; SPAN_NONE: there is none
    struct gw_api_alternative alternative;
};

struct gw_api_def; // a table's text: gateway/api/table.h
struct gw_api;     // compiled

// Whether a request only reads, whichever of the built-in APIs it is made to: some row knows it, and every row that could be it reads. For those who do
// not know which database they speak to, and only want to know what may be asked twice.
bool gw_api_only_reads(struct span method, const struct span *segments, size_t n);

// "qdrant", "chroma", "milvus", "weaviate"; NULL when unknown. gw_api_def_at: by index, NULL at the end.
const struct gw_api_def *gw_api_def_find(struct span name);
const struct gw_api_def *gw_api_def_at(size_t i);
struct span gw_api_def_name(const struct gw_api_def *def);

// Compiles a table; NULL when out of memory. Free with gw_api_free. `def` must outlive it.
struct gw_api *gw_api_new(const struct gw_api_def *def);
void gw_api_free(struct gw_api *api);
struct span gw_api_name(const struct gw_api *api);

// Fills `*meaning` and returns 0, or GW_API_NEED_BODY (call again with body_ready; `*meaning` untouched), or:
//   ERR_API_UNKNOWN     no row
//   ERR_API_BODY        the body is missing, unexpected (a GET with one) or not acceptable
//   ERR_API_QUERY       a parameter is repeated, unknown to the table or malformed
//   ERR_API_ENCODING    Content-Encoding, or a content type other than JSON, on an inspected body
//   ERR_API_COLLECTION  a path segment that has to be a UUID is none, or a name that cannot be one
//   ERR_NOMEM
// `why`, if not NULL, then gets a text for audit and people, in the arena (SPAN_NONE when there is nothing to add); it quotes member and
// parameter names, never values.
int gw_api_match(const struct gw_api *api, const struct gw_api_request *request, struct arena *arena,
                 struct gw_api_meaning *meaning, struct span *why);

// "/a%20b/c": segments percent-encoded (RFC 3986 §3.3, unreserved kept) and joined; "/" for none. SPAN_NONE when out of memory.
struct span gw_api_path(struct arena *arena, const struct span *segments, size_t n);

#endif
