// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/api_key.h"

#include "gateway/stages/pipeline.h"
#include "pki/api_keys.h"

static bool accepted_in(const struct gw_exchange *x, enum gw_config_api_key_header where)
{
    return x->snapshot->api_keys && (x->snapshot->config->api_keys.header & where);
}

int gw_api_key_in_field(struct gw_exchange *x, struct span *key)
{
    const struct gw_headers *h = &x->request.headers;
    size_t fields = gw_headers_count(h, GW_FIELD_API_KEY);
    if (fields == 0 || !accepted_in(x, GW_API_KEY_FIELD))
        return 0;
    if (fields > 1)
        return gw_refuse(x, ERR_TOKEN_WAYS, SPAN("api-key is there more than once"));
    if (gw_headers_has(h, GW_FIELD_AUTHORIZATION))
        return gw_refuse(x, ERR_TOKEN_WAYS, SPAN("both api-key and Authorization are there"));
    *key = gw_headers_get(h, GW_FIELD_API_KEY);
    x->scheme = PKI_SCHEME_BEARER;
    return GW_API_KEY;
}

bool gw_api_key_is_one(const struct gw_exchange *x, struct span credentials)
{
    return x->scheme == PKI_SCHEME_BEARER && accepted_in(x, GW_API_KEY_AUTHORIZATION) &&
           pki_api_key_looks_like(credentials);
}

int gw_api_key_use(struct gw_exchange *x, struct span key)
{
    struct pki_api_key_use use = {
        .text = key,
        .workload = x->peer->identity.spiffe_id,
        .now_s = x->now.wall_ms / 1000,
        .max_stale_s = x->snapshot->config->api_keys.max_stale / 1000,
    };
    struct pki_api_key_result result;
    int rc = pki_api_keys_use(x->services->present->api_keys, x->snapshot->api_keys, &use, &result);
    if (rc != 0) {
        x->retry_after_s = result.retry_after_s;
        // An id without the right secret is anybody's claim, and named as such.
        if (!span_is_none(result.id))
            x->detail = arena_printf(&x->arena, result.known ? "key %.*s" : "id %.*s", SPAN_FMT(result.id));
        return rc;
    }
    x->token = result.token;
    x->token_cached = true;
    return GW_PASS;
}
