// SPDX-License-Identifier: GPL-3.0-or-later
// Which classes a Weaviate query touches. Weaviate's searches are GraphQL (October 2021) in a string of the body; this reads the part of the language
// that its clients write, and refuses the rest, so that nothing in the text can mean to the server what it did not mean to us: one query,
// no fragments but `... on Class`, no variables, directives, comments or block strings. What goes on is written anew, token by token.
//
//   { Get { Docs(tenant: "acme", limit: 5, where: { path: ["inCity", "City", "name"], … }) { title inCity { ... on City { name } } } } }
//           ^ a class that is searched                                ^ one that is referred to                     ^ likewise
//
// Classes that are referred to stand in inline fragments, at every second place of a `path`, and in beacons. `Explore` searches all classes, and
// `__schema` names them: both are refused.
//
// Pure. Spans of the result are borrowed from `text`.
#ifndef SALLYPORT_API_GRAPHQL_H
#define SALLYPORT_API_GRAPHQL_H

#include "gateway/base/buf.h"

#define GW_GRAPHQL_DEPTH 32u
#define GW_GRAPHQL_REFERENCES 64u // of one class

struct gw_graphql_class {
    struct span name; // as written
    struct span tenant;
    bool has_limit;
    uint64_t limit;
    bool has_filter;                               // `where`
    bool by_id;                                    // an object is named as the query, or as what to move it towards
    bool with_vectors;                             // the answer has them
    bool with_payload;                             // it has properties
    struct span references[GW_GRAPHQL_REFERENCES]; // class names as written, some of them several times
    size_t n_references;
};

// Called once for each class that is searched. 0, or an error that ends the reading.
typedef int (*gw_graphql_on_class)(void *ctx, const struct gw_graphql_class *c);

// Appends the query as it may go on to `out`. 0, ERR_API_BODY with static text in `*problem`, ERR_NOMEM, or what on_class returned.
int gw_graphql_read(struct span text, gw_graphql_on_class on_class, void *ctx, struct buf *out, const char **problem);

// What every search of a class is confined to: `text` is `n` objects of a `where`, with spaces between. n 0: not confined.
struct gw_graphql_condition {
    struct span text;
    size_t n;
};
// 0 with `*condition` filled (n 0 before), or an error that ends the reading. `class` as written.
typedef int (*gw_graphql_on_where)(void *ctx, struct span class, struct gw_graphql_condition *condition);

// As gw_graphql_read of a text that it wrote, with each class's condition in its `where`: alone, or beside the client's own as operands of one And.
int gw_graphql_confine(struct span text, gw_graphql_on_where on_where, void *ctx, struct buf *out,
                       const char **problem);

// Of a class: letters, digits and '_', beginning with a letter.
bool gw_graphql_is_class(struct span name);
// The class in "weaviate://localhost/Class/id" or, for `with_property`, "weaviate://localhost/Class/id/property"; SPAN_NONE: it names none. With a
// part less the first one is the id of an object of any class.
struct span gw_graphql_beacon(struct span beacon, bool with_property);

#endif
