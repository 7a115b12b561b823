// SPDX-License-Identifier: GPL-3.0-or-later
// Weaviate's searches: GraphQL in a member of the body.
#include "gateway/api/graphql.h"
#include "gateway/api/weaviate.h"

static const struct gw_api_member members[] = { { "query", 1 }, { "operationName", 1 }, { "variables", 1 } };

static int searched(void *ctx, const struct gw_graphql_class *c)
{
    struct gw_api_build *b = ctx;
    struct gw_api_facts *f = &b->meaning.facts;
    struct span tenant = c->tenant.n > 0 ? arena_dup(b->arena, c->tenant) : SPAN_NONE;
    if (c->tenant.n > 0 && (span_is_none(tenant) || !gw_api_name_ok(tenant)))
        return gw_api_refuse(b, ERR_API_BODY, "a tenant that cannot be one", SPAN_NONE);
    // One without a limit makes it unknown for all: the server's default is configured there.
    if (c->has_limit && (!f->has_queries || f->has_limit))
        gw_api_fact_limit(b, c->limit);
    else
        f->has_limit = false;
    f->has_filter = c->has_filter && (!f->has_queries || f->has_filter);
    f->has_queries = true;
    f->queries++;
    f->by_id |= c->by_id;
    f->with_vectors |= c->with_vectors;
    f->with_payload |= c->with_payload;
    int rc = gw_weaviate_authorise(b, GW_ACTION_SEARCH, tenant, c->name, ERR_API_BODY);
    for (size_t i = 0; i < c->n_references && rc == 0; i++)
        rc = gw_weaviate_authorise(b, GW_ACTION_READ, tenant, c->references[i], ERR_API_BODY);
    return rc;
}

// Writes what goes on: the query as it was understood, and nothing beside it.
static int one_query(struct gw_api_build *b, json v, struct json_writer *w)
{
    struct buf text;
    const char *problem = NULL;
    int rc = GW_API_MEMBERS(b, v, members, 1);
    if (rc != 0)
        return rc;
    struct span query = json_string(json_get(v, SPAN("query")));
    if (span_is_none(query))
        return gw_api_refuse(b, ERR_API_BODY, "no query", SPAN_NONE);
    buf_init(&text, 0);
    rc = gw_graphql_read(query, searched, b, &text, &problem);
    if (problem)
        rc = gw_api_refuse(b, rc, problem, SPAN_NONE);
    json_w_object(w);
    json_w_key(w, SPAN("query"));
    json_w_string(w, buf_span(&text));
    json_w_end(w);
    buf_fini(&text);
    return rc;
}

int gw_weaviate_graphql(struct gw_api_build *b, json body)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    struct json_iter it = json_iter(body);
    struct span name;
    json v;
    int rc = 0;
    bool batch = json_type(body) == JSON_ARRAY;
    if (batch)
        json_w_array(&w);
    else
        rc = one_query(b, body, &w);
    while (rc == 0 && batch && json_next(&it, &name, &v))
        rc = one_query(b, v, &w);
    if (batch)
        json_w_end(&w);
    if (rc == 0) {
        b->meaning.body = out.failed ? SPAN_NONE : arena_dup(b->arena, buf_span(&out));
        rc = span_is_none(b->meaning.body) ? ERR_NOMEM : 0;
    }
    buf_fini(&out);
    return rc;
}
