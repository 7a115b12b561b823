// SPDX-License-Identifier: GPL-3.0-or-later
// The token is bound to what is here now: the key that signed this request's proof, the certificate of this connection, and the
// workload that the certificate names (checklist 1–18, 26c). Caches are filled only behind all of that, and a proof counts as used
// only when everything else about it held.
#include "gateway/stages/pipeline.h"
#include "gateway/stages/standing.h"
#include "pki/htu.h"

#include <assert.h>

static int check_proof(struct gw_exchange *x, const struct pki_dpop_params *params)
{
    const struct gw_services *s = x->services;
    const struct gw_headers *h = &x->request.headers;
    size_t fields = gw_headers_count(h, GW_FIELD_DPOP);
    // A client that has not shown a proof yet is told the nonce with its first refusal, not with its second.
    x->nonce_due = params->nonce_required;
    if (fields == 0)
        return ERR_PROOF_MISSING;
    if (fields > 1)
        return ERR_PROOF_REPEATED;
    struct pki_dpop_request request = {
        .method = gw_method_name(x->request.method),
        .htu = pki_htu_normalise_dup(&x->arena, gw_target_htu(&x->to, x->snapshot->target.scheme, &x->arena)),
        .ath = x->token->sha256,
        .jkt = x->token->jkt,
        .now_ms = x->now.wall_ms,
        .nonces = s->nonces,
    };
    if (span_is_none(request.htu))
        return x->to.path.n + x->to.authority.n + 16 > PKI_HTU_MAX
                   ? gw_refuse(x, ERR_HTTP_LINE_SIZE, SPAN("the path is too long for a proof"))
                   : ERR_NOMEM;
    int rc = pki_dpop_verify(params, &request, gw_headers_get(h, GW_FIELD_DPOP), s->proofs, &x->arena, NULL, &x->proof);
    if (rc != 0)
        return rc;
    x->proven = true;
    gw_count(s->metrics, x->proof.fresh ? GW_METRIC_PROOF_MISS : GW_METRIC_PROOF_HIT, 1);
    x->nonce_due = params->nonce_required && x->proof.nonce_due;
    struct span workload = x->peer->identity.spiffe_id;
    pki_proof_keep(&x->proof, s->proofs, workload);
    struct pki_replay_entry entry = {
        .jkt = x->proof.jkt,
        .jti = x->proof.jti,
        .htm = request.method,
        .htu = request.htu,
        .workload = workload,
        .iat_ms = x->proof.iat_ms,
        .keep_until_ms = x->proof.keep_until_ms,
    };
    return pki_replay_insert(s->replay, &entry, x->now.wall_ms);
}

// What a proof that was stolen, copied or made up looks like, and a clock that is wrong. Not: what a client's bug looks like, or a nonce
// that is missing or old, which says no more than that the client has yet to hear of the demand.
static bool is_suspicious(int rc)
{
    return rc == ERR_PROOF_REPLAYED || rc == ERR_PROOF_SIGNATURE || rc == ERR_PROOF_JKT || rc == ERR_PROOF_IAT ||
           rc == ERR_PROOF_NONCE_INVENTED;
}

// Adaptive nonces: the certificate of the connection says whose proof it is, so nobody can have one demanded of somebody else.
static int check_proof_adaptively(struct gw_exchange *x)
{
    struct pki_nonce_demands *demands = x->services->demands;
    struct span workload = x->peer->identity.spiffe_id;
    struct pki_dpop_params params = x->snapshot->dpop;
    params.nonce_required = pki_nonce_demanded(demands, workload, x->now.mono_ms);
    int rc = check_proof(x, &params);
    if (!is_suspicious(rc))
        return rc;
    pki_nonce_demand(demands, workload, x->now.mono_ms + x->snapshot->config->dpop.nonce_adaptive);
    x->nonce_due = true;
    // A client that hears of the nonce tries again at once, and with the nonce it hears of its clock (rule 11).
    if (rc == ERR_PROOF_IAT && !params.nonce_required)
        return gw_refuse(x, ERR_PROOF_NONCE, err_info(rc)->reason);
    return rc;
}

int gw_binding_check(struct gw_exchange *x)
{
    struct pki_token_use use = {
        .now_s = x->now.wall_ms / 1000,
        .scheme = x->scheme,
        .certificate_sha256 = x->peer->identity.leaf_sha256,
        .workload = x->peer->identity.spiffe_id,
        .keys = x->services->present->keys,
    };
    int rc = pki_token_check(x->token, &use, NULL);
    return rc != 0 ? rc : gw_standing_token(x);
}

int gw_stage_binding(struct gw_exchange *x)
{
    struct span workload = x->peer->identity.spiffe_id;
    if (!x->token) {
        assert(x->observed[GW_GATE_TOKEN].error != 0);
        return GW_PASS;
    }
    int rc = gw_binding_check(x);
    if (rc != 0)
        return rc;
    if (x->token->has_jkt) {
        rc = x->snapshot->config->dpop.nonce == GW_NONCE_ADAPTIVE ? check_proof_adaptively(x)
                                                                  : check_proof(x, &x->snapshot->dpop);
        if (rc != 0)
            return rc;
    }
    if (!x->token_cached)
        pki_token_cache_put(x->services->tokens, x->token, workload, x->snapshot->generation);
    return GW_PASS;
}
