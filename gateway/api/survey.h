// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a shard is what confining requests to records takes it to be (confine.h, docs/tenancy.md): what to ask it, and what its answers
// mean. A filter holds whatever the answer is; but on a field without an index it is slow, or finds less than there is, and on some servers
// it is no filter at all: a text that is compared by its words, a condition that an old server leaves out.
//
//   subject                                       question
//   FIELD   a field that a filter names, in one   qdrant    GET /collections/{c}        payload_schema, strict mode
//           collection                            weaviate  GET /v1/schema/{class}      the property, multi-tenancy
//                                                 milvus    POST …/collections/describe the field, its type and index
//                                                 chroma    GET …/collections/{name}    what its schema does not index
//   SERVER  its version                           qdrant    GET /                       writes under a filter need 1.16
//                                                 weaviate  GET /v1/meta
//                                                 chroma    GET /api/v2/version
//   IDS     who makes the primary keys            milvus    POST …/collections/describe `assures: [assigned_ids]`
//
// Milvus has no question for its version on the port of its REST API. The gateway asks in the background (net/surveyor.h), `sallyport check
// --live` for an operator; both by this. Pure: no I/O, everything is in the arena.
#ifndef SALLYPORT_API_SURVEY_H
#define SALLYPORT_API_SURVEY_H

#include "gateway/api/confine.h"
#include "gateway/http/request.h"

enum gw_survey_aspect { GW_SURVEY_FIELD, GW_SURVEY_SERVER, GW_SURVEY_IDS, GW_SURVEY_ASPECTS };

// What is asked about. SPAN_NONE where the API has no such name; of SERVER no name counts.
struct gw_survey_subject {
    struct span api;
    enum gw_survey_aspect aspect;
    struct span database, tenant, collection;
    struct span field;         // FIELD
    bool any_kind;             // FIELD: what the values are is not known
    enum gw_api_value_kind of; // FIELD: else they are of this kind
    bool confined_writes;      // SERVER: writes are to be confined there
};

struct gw_survey_question {
    enum gw_method method;
    struct span target, body; // body: SPAN_NONE: none
};

enum gw_survey_weight {
    GW_SURVEY_NOTE,    // could be better
    GW_SURVEY_WARNING, // slow, or less is found than there is
    GW_SURVEY_ERROR,   // requests fail, or what is promised does not hold
};

// X(NAME, its name in metrics and JSON)
#define GW_FINDING_TABLE(X)                                                               \
    X(UNSEEN, "unseen")               /* the question was refused, or nothing is there */ \
    X(UNINDEXED, "unindexed")         /* no index serves the filter */                    \
    X(NOT_BY_TENANT, "not_by_tenant") /* an index, not laid out by tenant */              \
    X(UNFILTERABLE, "unfilterable")   /* the server refuses to filter by it */            \
    X(MISSING, "missing")             /* no such field */                                 \
    X(MISTYPED, "mistyped")           /* values of another type are in it */              \
    X(BY_WORDS, "by_words")           /* its texts are compared by their words */         \
    X(NO_TENANTS, "no_tenants")       /* the class has no tenants of its own */           \
    X(CHOSEN_IDS, "chosen_ids")       /* clients may choose primary keys */               \
    X(OLD_SERVER, "old_server")       /* it does not know what is relied on */
enum gw_finding {
#define X(name, text) GW_FINDING_##name,
    GW_FINDING_TABLE(X)
#undef X
        GW_FINDING_COUNT
};
struct span gw_finding_name(enum gw_finding f);

struct gw_survey_finding {
    enum gw_finding kind;
    enum gw_survey_weight weight;
    struct span text; // "what; what to do"
};

#define GW_SURVEY_FINDINGS_MAX 3
#define GW_SURVEY_ANSWER_MAX (4u << 20) // bytes of an answer that is looked at

// What is to be known of a shard because a request with this action was confined by `filter`: bits, 1 << aspect. 0: nothing.
unsigned gw_survey_aspects(struct span api, enum gw_action action);

// 0; ERR_API_UNKNOWN: there is nothing to ask (an operator's own table, Milvus's version); ERR_NOMEM.
int gw_survey_ask(const struct gw_survey_subject *subject, struct arena *arena, struct gw_survey_question *q);

// What the answer to that question means: how many findings were written into `out`. 0, or
//   ERR_SHARD_ANSWER  the server is in trouble (429, 5xx), or it is no answer to this question: nothing is concluded
//   ERR_NOMEM
int gw_survey_read(const struct gw_survey_subject *subject, unsigned status, struct span body, struct arena *arena,
                   struct gw_survey_finding out[static GW_SURVEY_FINDINGS_MAX], size_t *n);

// The version in an answer about SERVER, "1.16.0"; SPAN_NONE: none is there. In the arena.
struct span gw_survey_version(struct span api, struct span body, struct arena *arena);

#endif
