// SPDX-License-Identifier: GPL-3.0-or-later
// What confining is made of, for the databases' own files (confine_qdrant.c, confine_chroma.c): a row says what becomes of a request under a filter,
// a rewriter writes the body that is sent instead. A request without a row is refused.
#ifndef SALLYPORT_API_CONFINE_TABLE_H
#define SALLYPORT_API_CONFINE_TABLE_H

#include "gateway/api/confine.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"

// Of every filter on one field what all of them allow: at least one value, none twice, all of one kind.
struct gw_confine_field {
    struct span name;
    struct gw_api_value *values;
    size_t n;
};

// What the filters for an action come to; `text`, where a database's own file keeps it, is them written out.
struct gw_confine_known {
    enum gw_action action;
    struct span collection; // SPAN_NONE: whatever the collection
    struct gw_confine_field *fields;
    size_t n;
    struct span text;
};

struct gw_confine {
    const struct gw_api_request *request;
    const struct gw_api_meaning *meaning;
    const struct gw_api_filter *filters;
    size_t n_filters;
    struct arena *arena;
    struct gw_confine_field *fields; // of the action at hand: gw_confine_action
    size_t n_fields;
    struct gw_confine_known *known; // what has been worked out already
    size_t n_known;
    struct buf out;
    struct json_writer w;
    const char *problem;
};

// What becomes of a request whose main action reads or changes records, and of `meta` and `list` where something has to be said about it.
struct gw_confine_row {
    const char *method, *path;
    int (*rewrite)(struct gw_confine *c, json body); // writes one JSON value to c->w; NULL: refused
    const char *why;                                 // the reason, when refused
    bool
        operations; // its authorisations are its operations, all on the collection of the path: no second collection among them
    bool
        several; // it is about several collections at once; those of its main action are confined each by its own filters
};

// Each ends with .method NULL.
extern const struct gw_confine_row gw_confine_qdrant[], gw_confine_chroma[], gw_confine_milvus[], gw_confine_weaviate[];
// NULL when the database can filter by the filter's field and its values, else why not.
const char *gw_confine_qdrant_field(const struct gw_confine *c, const struct gw_api_filter *f);
const char *gw_confine_chroma_field(const struct gw_confine *c, const struct gw_api_filter *f);
const char *gw_confine_milvus_field(const struct gw_confine *c, const struct gw_api_filter *f);
const char *gw_confine_weaviate_field(const struct gw_confine *c, const struct gw_api_filter *f);

// Notes the reason (static text) and returns `error`.
int gw_confine_refuse(struct gw_confine *c, int error, const char *problem);
// Sets c->fields to what the filters on authorisations for `action` come to; none: the action is not confined. With a `collection` (else SPAN_NONE) only
// those on that one count.
int gw_confine_action(struct gw_confine *c, enum gw_action action, struct span collection);
// The same; `*known` is what is kept of it, and may be given a text.
int gw_confine_collection(struct gw_confine *c, enum gw_action action, struct span collection,
                          struct gw_confine_known **known);
// The value as JSON.
void gw_confine_value(struct gw_confine *c, const struct gw_api_value *v);
// Copies the members of `v`, an object, that are not in `without` (NULL-terminated).
void gw_confine_copy(struct gw_confine *c, json v, const char *const *without);
// A record's fields (payload, metadata) as one object that carries what it has to: each field is there with one of its values – it is written by us, not
// copied –, or is added when there is only one that it can have. `v` absent or null: a record without any. ERR_API_BODY.
int gw_confine_record(struct gw_confine *c, json v);
// The same for some fields of a record that is there: none need be among them.
int gw_confine_fields(struct gw_confine *c, json v);

#endif
