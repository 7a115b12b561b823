// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/oauth_bound.h"

#include "gateway/endpoint/oauth.h"
#include "pki/htu.h"

static int refuse_proof(struct gw_oauth *o, int err)
{
    bool nonce = span_eq(err_info(err)->oauth, SPAN("use_dpop_nonce"));
    if (nonce)
        o->nonce_due = true;
    return gw_oauth_refuse(o, nonce ? GW_OAUTH_USE_DPOP_NONCE : GW_OAUTH_INVALID_DPOP_PROOF, err, NULL);
}

static int verify(struct gw_oauth *o, struct span field)
{
    struct gw_oauth_bound *b = &o->bound;
    const struct pki_dpop_params *params = &o->a->snapshot->authority.dpop;
    b->htu = pki_htu_normalise_dup(o->v->arena, gw_oauth_url(o, "/oauth2/token"));
    if (span_is_none(b->htu))
        return gw_oauth_refuse(o, GW_OAUTH_UNAVAILABLE, ERR_NOMEM, NULL);
    struct pki_dpop_request request = {
        .method = SPAN("POST"), .htu = b->htu, .now_ms = o->v->now.wall_ms, .nonces = o->a->nonces
    };
    int rc = pki_dpop_verify(params, &request, field, o->a->proofs, o->v->arena, NULL, &b->proof);
    if (rc != 0)
        return refuse_proof(o, rc);
    b->proven = true;
    o->nonce_due = params->nonce_required && b->proof.nonce_due;
    return 0;
}

// RFC 9449 §10: whoever names the key beforehand means this one.
static int check_named(struct gw_oauth *o)
{
    struct span named = o->form.v[GW_FORM_DPOP_JKT];
    if (span_is_none(named))
        return 0;
    if (!o->bound.proven)
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_PROOF_MISSING, "dpop_jkt comes with a DPoP proof");
    return span_eq(named, gw_oauth_thumbprint(o, o->bound.proof.jkt)) ? 0 : refuse_proof(o, ERR_PROOF_JKT);
}

int gw_oauth_bind(struct gw_oauth *o)
{
    const struct gw_headers *h = &o->v->request->headers;
    const struct pki_identity *certificate = o->v->certificate;
    struct gw_oauth_bound *b = &o->bound;
    size_t fields = gw_headers_count(h, GW_FIELD_DPOP);
    if (fields > 1)
        return refuse_proof(o, ERR_PROOF_REPEATED);
    int rc = fields == 1 ? verify(o, gw_headers_get(h, GW_FIELD_DPOP)) : 0;
    if (rc == 0)
        rc = check_named(o);
    if (rc != 0)
        return rc;
    bool both = gw_oauth_config(o)->bind_both;
    if (both && (!b->proven || !certificate))
        return gw_oauth_refuse(
            o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_UNBOUND,
            "tokens are bound to a key and to a certificate: send a DPoP proof, and come with a certificate");
    if (b->proven)
        b->jkt = b->proof.jkt;
    if (certificate && (both || !b->proven))
        b->x5t = certificate->leaf_sha256;
    if (!b->jkt && !b->x5t)
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_UNBOUND,
                               "tokens are bound: send a DPoP proof, or come with a certificate");
    return 0;
}

int gw_oauth_bound_use_up(struct gw_oauth *o)
{
    struct gw_oauth_bound *b = &o->bound;
    if (!b->proven)
        return 0;
    struct span workload = span_is_none(o->client.workload) ? o->client.id : o->client.workload;
    pki_proof_keep(&b->proof, o->a->proofs, workload);
    struct pki_replay_entry entry = {
        .jkt = b->proof.jkt,
        .jti = b->proof.jti,
        .htm = SPAN("POST"),
        .htu = b->htu,
        .workload = workload,
        .iat_ms = b->proof.iat_ms,
        .keep_until_ms = b->proof.keep_until_ms,
    };
    int rc = pki_replay_insert(o->a->replay, &entry, o->v->now.wall_ms);
    return rc == 0 ? 0 : refuse_proof(o, rc);
}

void gw_oauth_bound_fini(struct gw_oauth_bound *b)
{
    if (b->proven)
        pki_proof_fini(&b->proof);
}

bool gw_oauth_proves(const struct gw_oauth *o, const uint8_t *jkt, const uint8_t *x5t)
{
    const struct pki_identity *certificate = o->v->certificate;
    if (jkt && !(o->bound.proven && memcmp(jkt, o->bound.proof.jkt, 32) == 0))
        return false;
    return !x5t || (certificate && memcmp(x5t, certificate->leaf_sha256, 32) == 0);
}
