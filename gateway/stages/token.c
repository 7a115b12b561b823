// SPDX-License-Identifier: GPL-3.0-or-later
// Gate two: `Authorization` becomes a token whose signature and claims held, now or within this snapshot, or for which its issuer answered
// (checklist 17, 21–26b).
#include "gateway/http/query.h"
#include "gateway/stages/api_key.h"
#include "gateway/stages/opaque.h"
#include "gateway/stages/pipeline.h"
#include "pki/digest.h"

// 0, an error, or GW_API_KEY when an API key came in a field of its own.
// RFC 9110 §11.6.2: scheme, one or more spaces, credentials. The scheme is case-insensitive.
static int read_credentials(struct gw_exchange *x, struct span *credentials)
{
    const struct gw_headers *h = &x->request.headers;
    if (gw_headers_count(h, GW_FIELD_AUTHORIZATION) > 1)
        return gw_refuse(x, ERR_TOKEN_WAYS, SPAN("Authorization is there more than once"));
    // RFC 6750 §2.3: a token in the query ends up in logs; it is refused even where it is the only one.
    struct span parameter = SPAN_NONE;
    if (!span_is_none(x->to.query) && gw_query_get(x->to.query, SPAN("access_token"), &x->arena, &parameter) != 0)
        return gw_refuse(x, ERR_API_QUERY, SPAN_NONE);
    if (!span_is_none(parameter))
        return gw_refuse(x, ERR_TOKEN_WAYS, SPAN("access_token is in the query"));
    int rc = gw_api_key_in_field(x, credentials);
    if (rc != 0)
        return rc;
    struct span value = gw_headers_get(h, GW_FIELD_AUTHORIZATION);
    if (span_is_none(value))
        return ERR_TOKEN_MISSING;
    struct span scheme = span_cut(&value, ' ');
    if (span_ieq(scheme, SPAN("DPoP")))
        x->scheme = PKI_SCHEME_DPOP;
    else if (span_ieq(scheme, SPAN("Bearer")))
        x->scheme = PKI_SCHEME_BEARER;
    else
        return ERR_TOKEN_SCHEME;
    while (value.n > 0 && value.p[0] == ' ')
        value = span_sub(value, 1, value.n);
    if (span_is_none(value) || value.n == 0)
        return gw_refuse(x, ERR_TOKEN_WAYS, SPAN("Authorization has a scheme and no credentials"));
    *credentials = value;
    return 0;
}

// The issuer's keys are fetched, and the token names one that is not among them: perhaps it is newer than they are.
static int await_key(struct gw_exchange *x, struct span compact)
{
    const struct gw_present *p = x->services->present;
    const struct pki_issuer *issuer =
        x->key_wait.ticket == 0 ? pki_token_unknown_key(x->snapshot->issuers, p->keys, compact) : NULL;
    for (size_t i = 0; issuer && i < p->n_bells; i++) {
        if (!span_eq(p->bells[i].iss, issuer->iss))
            continue;
        x->key_wait.ticket = gw_key_bell_ring(p->bells[i].bell, p->bells[i].answered, x->now.mono_ms);
        x->key_wait.iss = issuer->iss;
        x->waits_for = GW_WAIT_KEYS;
        return x->key_wait.ticket > 0 ? GW_WAIT : ERR_TOKEN_KEY;
    }
    return ERR_TOKEN_KEY;
}

int gw_stage_token(struct gw_exchange *x)
{
    const struct gw_services *s = x->services;
    struct span compact;
    if (x->asked.answered)
        return gw_opaque_take(x);
    int rc = read_credentials(x, &compact);
    if (rc < 0)
        return rc;
    if (rc == GW_API_KEY || gw_api_key_is_one(x, compact))
        return gw_api_key_use(x, compact);
    if (compact.n > PKI_TOKEN_MAX)
        return gw_refuse(x, ERR_TOKEN_MALFORMED, SPAN("the token is too long"));
    int64_t now_s = x->now.wall_ms / 1000;
    uint8_t sha256[PKI_SHA256];
    pki_sha256(compact, sha256);
    x->token = pki_token_cache_get(s->tokens, sha256, x->snapshot->generation, now_s);
    x->token_cached = x->token != NULL;
    gw_count(s->metrics, x->token_cached ? GW_METRIC_TOKEN_HIT : GW_METRIC_TOKEN_MISS, 1);
    if (x->token_cached && x->token->introspected)
        gw_count(s->metrics, GW_METRIC_INTROSPECTION_CACHED, 1);
    if (x->token_cached)
        return GW_PASS;
    const struct gw_introspector *asked_at = gw_opaque_asked_at(x, compact);
    if (asked_at)
        return gw_opaque_ask(x, asked_at, compact, sha256);
    rc = pki_token_verify(x->snapshot->issuers, s->present->keys, compact, sha256, now_s, NULL, &x->token);
    return rc == ERR_TOKEN_KEY ? await_key(x, compact) : rc;
}
