// SPDX-License-Identifier: GPL-3.0-or-later
// What an API table is made of, for the tables themselves (qdrant.c, chroma.c …) and for those that an operator adds (custom.h). A row is
// one method and path of the server's router; what its body may hold is read by an inspector, a function that gets the
// parsed body and adds authorisations and facts to the meaning that is being built.
//
// Path patterns: literal segments and {c} collection, {t} tenant, {d} database, {x} any one segment. A literal is preferred to a
// placeholder, segment by segment from the left, as the servers' routers do it.
#ifndef SALLYPORT_API_TABLE_H
#define SALLYPORT_API_TABLE_H

#include "gateway/api/api.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"

enum gw_api_body {
    GW_API_BODY_NONE,   // the server reads none: refused with GET, ignored (streamed) otherwise
    GW_API_BODY_STREAM, // nothing in it concerns an authorisation or a fact
    GW_API_BODY_FACTS,  // facts only, of writes: streams unless the request asks for `inspect_writes`
    GW_API_BODY_INSPECT // read, always
};

enum gw_api_flag {
    GW_API_UUID = 1 << 0,    // {c} is a UUID
    GW_API_NEW = 1 << 1,     // {c} need not exist yet
    GW_API_BY_BODY = 1 << 2, // the inspector adds all authorisations; the row's action is only what it is about
    GW_API_ALL = 1 << 3,     // fan ALL
    GW_API_TEACHES = 1 << 4, // see struct gw_api_meaning
    GW_API_FORGETS = 1 << 5,
    GW_API_COUNTS = 1 << 6,
    GW_API_ARRAY = 1 << 7, // the body is a list
};

struct gw_api_build;

// 0, or the error with gw_api_refuse. `body` is what was sent, an object (with GW_API_ARRAY a list). What goes on is the same again, unless it sets meaning.body to another.
typedef int (*gw_api_inspector)(struct gw_api_build *b, json body);

struct gw_api_row {
    const char *method, *path;
    enum gw_action action;
    enum gw_api_body body;
    unsigned flags;
    enum gw_api_list list;
    gw_api_inspector inspect;
    int (*finish)(struct gw_api_build *b); // last, with or without a body; may be NULL
};

struct gw_api_def {
    const char *name;
    const struct gw_api_row *rows;
    size_t n_rows;
    const char *const *query; // every parameter the API has, NULL-terminated
    const char *timeout; // parameter of reads that have a body: whole seconds that they may take; NULL: there is none
    bool codes;          // its answers begin with a code: answer_code.h
    bool plain;          // JSON may come as text/plain: a client of its own says so, and the server does not look
};

extern const struct gw_api_def gw_api_qdrant, gw_api_chroma, gw_api_milvus, gw_api_weaviate;

#define GW_API_PAIRS_MAX 32

// A meaning in the making.
struct gw_api_build {
    const struct gw_api_request *request;
    const struct gw_api_def *def;
    const struct gw_api_row *row; // one of the table's
    struct arena *arena;
    struct gw_api_meaning meaning;
    struct gw_api_authorisation authorisations[GW_API_AUTHORISATIONS_MAX];
    struct span shard_keys[GW_API_SHARD_KEYS_MAX];
    struct span database, tenant, collection; // of the path
    struct {
        struct span name, value;
    } query[GW_API_PAIRS_MAX];
    size_t n_query;
    bool seen_query;     // has_filter is an AND over queries: was there one?
    const char *problem; // for `why`
    struct span problem_name;
};

// Notes the reason (static text, "%s" of nothing; `name`, quoted behind it, may be SPAN_NONE) and returns `error`.
int gw_api_refuse(struct gw_api_build *b, int error, const char *problem, struct span name);

// Adds an authorisation unless it is there already. ERR_API_BODY over the bound.
int gw_api_authorise(struct gw_api_build *b, struct gw_api_authorisation a);
// The same, for a collection in the path's tenant and database.
int gw_api_authorise_collection(struct gw_api_build *b, enum gw_action action, struct span collection, bool is_new);

// The members that an object may have: `kinds` is a mask, so that one table serves several similar objects.
struct gw_api_member {
    const char *name;
    unsigned kinds;
};
// ERR_API_BODY unless `v` is an object and each of its members is in the table for `kind`.
int gw_api_members(struct gw_api_build *b, json v, const struct gw_api_member *members, size_t n, unsigned kind);
#define GW_API_MEMBERS(b, v, table, kind) gw_api_members((b), (v), (table), sizeof(table) / sizeof(table)[0], (kind))

// Present and not null.
static inline bool gw_api_given(json v)
{
    return json_type(v) != JSON_ABSENT && json_type(v) != JSON_NULL;
}
// A name in a body, copied into the arena: a string that could be a path segment of the API. ERR_API_BODY, ERR_NOMEM.
int gw_api_body_name(struct gw_api_build *b, json v, struct span *out);
// A non-negative integer; absent and null leave `*out`. ERR_API_BODY.
int gw_api_body_count(struct gw_api_build *b, json v, uint64_t *out);
// Raises facts.limit.
void gw_api_fact_limit(struct gw_api_build *b, uint64_t limit);
// One query more; `filter` is its filter (has_filter is true while every one has something in it). ERR_API_BODY when it is no object.
int gw_api_fact_filter(struct gw_api_build *b, json filter);

bool gw_api_name_ok(struct span name);

#endif
