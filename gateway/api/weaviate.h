// SPDX-License-Identifier: GPL-3.0-or-later
// What Weaviate's table (weaviate.c: objects, references, the schema) and its searches (weaviate_query.c) share.
#ifndef SALLYPORT_API_WEAVIATE_H
#define SALLYPORT_API_WEAVIATE_H

#include "gateway/api/table.h"

// An authorisation for a class as the server writes it ("docs" is "Docs"); `tenant` may be SPAN_NONE. `error` when `name` cannot be one.
int gw_weaviate_authorise(struct gw_api_build *b, enum gw_action action, struct span tenant, struct span name,
                          int error);

// An inspector: {"query": "{ Get { … } }"}, or a list of those. What goes on is the query as it was understood, and nothing beside it.
int gw_weaviate_graphql(struct gw_api_build *b, json body);

#endif
