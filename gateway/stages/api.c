// SPDX-License-Identifier: GPL-3.0-or-later
// What the request means: the tables of the APIs that are served are asked in the order of the configuration, and the one that knows the
// method and path decides. Unknown to all is denied. UUIDs become names here, which may take a question to a shard (GW_WAIT).
#include "gateway/stages/pipeline.h"

struct gw_api_request gw_api_question(const struct gw_exchange *x)
{
    // HEAD is GET without the body of the answer (RFC 9110 §9.3.2); who may have the one may have the other.
    enum gw_method method = x->request.method == GW_METHOD_HEAD ? GW_METHOD_GET : x->request.method;
    return (struct gw_api_request){
        .method = gw_method_name(method),
        .segments = x->to.segments,
        .n_segments = x->to.n_segments,
        .query = x->to.query,
        .content_type = gw_headers_get(&x->request.headers, GW_FIELD_CONTENT_TYPE),
        .content_encoding = gw_headers_get(&x->request.headers, GW_FIELD_CONTENT_ENCODING),
        .has_body = x->request.framing == GW_FRAMING_CHUNKED || x->request.content_length > 0,
        .body_ready = x->body_asked,
        .body = x->body,
    };
}

int gw_api_need_body(struct gw_exchange *x)
{
    if (x->request.content_length > x->snapshot->inspected_body)
        return gw_refuse(x, ERR_HTTP_BODY_SIZE, SPAN("a body that has to be read is over inspected_body_bytes"));
    x->body_asked = true;
    return GW_BODY;
}

static int match(struct gw_exchange *x)
{
    struct gw_api_request request = gw_api_question(x);
    int rc = ERR_API_UNKNOWN;
    for (x->api = 0; x->api < x->snapshot->n_apis; x->api++) {
        rc = gw_api_match(x->snapshot->apis[x->api].api, &request, &x->arena, &x->meaning, &x->detail);
        if (rc != ERR_API_UNKNOWN)
            break;
    }
    if (rc == GW_API_NEED_BODY)
        return gw_api_need_body(x);
    x->meant = rc == 0;
    return rc;
}

// A name is looked up with the gateway's own credential, and whether there is one is an answer too: not for a token whose scopes rule the
// request out whatever the name is.
static int may_look_up(struct gw_exchange *x)
{
    for (size_t i = 0; i < x->meaning.n_authorisations; i++) {
        const struct gw_api_authorisation *a = &x->meaning.authorisations[i];
        int rc = a->collection_is_uuid ? gw_scope_check(x, a->action) : 0;
        if (rc != 0)
            return gw_refuse(x, rc, gw_action_name(a->action));
    }
    return 0;
}

int gw_stage_api(struct gw_exchange *x)
{
    if (x->to.asterisk)
        return ERR_API_UNKNOWN;
    if (!x->meant) {
        int rc = match(x);
        if (rc != 0)
            return rc;
    }
    if (x->meaning.fan != GW_API_FAN_ONE)
        return GW_PASS;
    int rc = may_look_up(x);
    if (rc != 0)
        return rc;
    rc = gw_api_resolve(x->services->names, &x->snapshot->apis[x->api].placement, &x->meaning, x->now.mono_ms,
                        &x->arena, &x->shard, &x->wait);
    x->waits_for = GW_WAIT_LISTING;
    return rc == GW_RESOLVE_WAIT ? GW_WAIT : rc;
}
