// SPDX-License-Identifier: GPL-3.0-or-later
// Checking a proof. dpop_make.c makes one.
#include "pki/dpop.h"

#include "gateway/base/base64url.h"
#include "pki/claims.h"
#include "pki/digest.h"
#include "pki/htu.h"
#include "pki/jws.h"
#include "pki/p256_table.h"

#define SIGNATURE_MAX 1024

struct check {
    const struct pki_dpop_params *params;
    const struct pki_dpop_request *request;
    const struct pki_trace *trace;
    struct arena *arena;
    struct pki_jws jws;
    const struct pki_proof_header *header;
    json claims;
    struct pki_proof proof;
    int64_t nonce_end_ms; // 0: none that counts
};

static int hold(const struct check *c, bool ok, int error, const char *rule, const char *what)
{
    return pki_trace_rule(c->trace, ok, rule, what) ? 0 : error;
}

// What pki_proof_header_read looks at, in its order; also told of a header from the cache, which has been through it.
static int hold_header(const struct check *c, int rc)
{
    static const struct {
        int error;
        const char *rule, *what;
    } rules[] = {
        { ERR_PROOF_MALFORMED, "2", "one compact JWS in strict base64url with a JSON header" },
        { ERR_PROOF_CRIT, "2", "no critical header parameter that is not understood" },
        { ERR_PROOF_TYP, "4", "typ is dpop+jwt" },
        { ERR_PROOF_ALG, "5", "alg is asymmetric, on the allow list, and of the jwk's kind" },
        { ERR_PROOF_PRIVATE, "7", "jwk holds no private or symmetric member" },
        { ERR_PROOF_KEY, "22", "jwk is a sound public key" },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (hold(c, rc != rules[i].error, rc, rules[i].rule, rules[i].what) != 0)
            return rc;
    return rc;
}

static int read_header(struct check *c, struct pki_proof_cache *cache)
{
    c->header = cache ? pki_proof_cache_get(cache, c->jws.header) : NULL;
    if (c->header)
        return hold_header(c, c->params->algs & PKI_ALG_BIT(c->header->alg) ? 0 : ERR_PROOF_ALG);
    int rc = pki_proof_header_read(c->jws.header, c->params->algs, &c->proof.fresh);
    c->header = c->proof.fresh;
    return hold_header(c, rc);
}

static int read_payload(struct check *c)
{
    struct json_limits limits = { .bytes = PKI_PROOF_MAX, .depth = 8 };
    struct span text;
    int rc = pki_jws_decode(c->jws.payload, c->arena, &text);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc == 0) {
        c->claims = json_root(json_parse_in(c->arena, text, &limits, NULL));
        if (c->arena->failed)
            return ERR_NOMEM;
    }
    return hold(c, json_type(c->claims) == JSON_OBJECT, ERR_PROOF_MALFORMED, "2",
                "the payload is one JSON object without duplicate members");
}

static bool htu_is(struct check *c, struct span htu)
{
    // Most clients send the normal form, which normalises to itself.
    if (span_eq(htu, c->request->htu))
        return true;
    struct span normal = pki_htu_normalise_dup(c->arena, htu);
    return !span_is_none(normal) && span_eq(normal, c->request->htu);
}

static int check_claims(struct check *c)
{
    struct span jti, htm, htu;
    int64_t iat;
    bool typed = pki_claim_string(json_get(c->claims, SPAN("jti")), &jti) && jti.n > 0 &&
                 pki_claim_string(json_get(c->claims, SPAN("htm")), &htm) && !span_is_none(htm) &&
                 pki_claim_string(json_get(c->claims, SPAN("htu")), &htu) && !span_is_none(htu) &&
                 pki_claim_date(json_get(c->claims, SPAN("iat")), &iat);
    int rc = hold(c, typed, ERR_PROOF_CLAIM, "3", "jti, htm, htu and iat are there, with the right types");
    if (rc != 0)
        return rc;
    rc = hold(c, span_eq(htm, c->request->method), ERR_PROOF_HTM, "8", "htm is the method, in its case");
    if (rc != 0)
        return rc;
    bool same_htu = htu_is(c, htu);
    if (c->arena->failed)
        return ERR_NOMEM;
    rc = hold(c, same_htu, ERR_PROOF_HTU, "9", "htu is the request's URI without query and fragment, normalised");
    if (rc != 0)
        return rc;
    bool in_window =
        iat >= c->request->now_ms - c->params->window_ms && iat <= c->request->now_ms + c->params->ahead_ms;
    rc = hold(c, in_window, ERR_PROOF_IAT, "11", "iat is inside the window");
    if (rc != 0)
        return rc;
    c->proof.jti = jti; // in the arena, as all of the claims
    c->proof.iat_ms = iat;
    c->proof.keep_until_ms = iat + c->params->window_ms;
    if (c->nonce_end_ms > c->proof.keep_until_ms)
        c->proof.keep_until_ms = c->nonce_end_ms;
    return 0;
}

static int check_nonce(struct check *c)
{
    const struct pki_nonce_keys *keys = c->request->nonces;
    json claim = json_get(c->claims, SPAN("nonce"));
    struct span nonce = SPAN_NONE;
    if (!c->params->nonce_required && (!c->params->nonce_ours || !claim))
        return 0;
    bool text = pki_claim_string(claim, &nonce) && !span_is_none(nonce);
    bool fresh =
        text && keys && pki_nonce_check(keys, nonce, c->request->now_ms, &c->nonce_end_ms, &c->proof.nonce_due);
    bool invented = claim && !fresh && !(text && keys && pki_nonce_is_ours(keys, nonce));
    int rc = hold(c, !invented, ERR_PROOF_NONCE_INVENTED, "10", "nonce is one of ours");
    if (rc != 0)
        return rc;
    return hold(c, fresh || !c->params->nonce_required, ERR_PROOF_NONCE, "10", "nonce is there, and fresh");
}

static int check_binding(struct check *c)
{
    char want[BASE64URL_ENCODED(32)];
    int rc = 0;
    if (c->request->ath) {
        size_t n = base64url_encode(span_of(c->request->ath, 32), want);
        bool same = span_eq(json_string(json_get(c->claims, SPAN("ath"))), span_of(want, n));
        rc = hold(c, same, ERR_PROOF_ATH, "12", "ath is the hash of the access token");
    }
    if (rc == 0 && c->request->jkt)
        rc = hold(c, memcmp(c->request->jkt, c->header->thumbprint, 32) == 0, ERR_PROOF_JKT, "12",
                  "the thumbprint of jwk is the token's cnf.jkt");
    return rc;
}

static int check_signature(struct check *c)
{
    uint8_t signature[SIGNATURE_MAX], hash[PKI_SHA256];
    size_t n = 0;
    bool encoded =
        BASE64URL_DECODED(c->jws.signature.n) <= sizeof signature && base64url_decode(c->jws.signature, signature, &n);
    int rc = hold(c, encoded, ERR_PROOF_MALFORMED, "2", "the signature is strict base64url");
    if (rc != 0)
        return rc;
    rc = c->proof.fresh ? pki_proof_header_prepare(c->proof.fresh) : 0;
    if (rc != 0)
        return rc;
    if (c->header->table) {
        pki_sha256(c->jws.signing_input, hash);
        rc = n == 64 ? pki_p256_table_verify(c->header->table, hash, signature) : ERR_TOKEN_SIGNATURE;
    } else {
        rc = pki_key_verify(c->header->key, c->header->alg, c->jws.signing_input, span_of(signature, n));
    }
    if (rc == ERR_NOMEM)
        return rc;
    return hold(c, rc == 0, ERR_PROOF_SIGNATURE, "6", "the signature verifies with the header's jwk");
}

int pki_dpop_verify(const struct pki_dpop_params *params, const struct pki_dpop_request *request, struct span field,
                    struct pki_proof_cache *cache, struct arena *arena, const struct pki_trace *trace,
                    struct pki_proof *out)
{
    static int (*const steps[])(struct check *) = { read_payload, check_nonce, check_claims, check_binding,
                                                    check_signature };
    struct check c = { .params = params, .request = request, .trace = trace, .arena = arena };
    int rc = pki_jws_split(field, PKI_PROOF_MAX, &c.jws);
    rc = rc == 0 ? read_header(&c, cache)
                 : hold(&c, false, ERR_PROOF_MALFORMED, "2", "three segments, separated by dots");
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
        rc = steps[i](&c);
    if (rc != 0) {
        pki_proof_header_free(c.proof.fresh);
        return rc == ERR_TOKEN_MALFORMED ? ERR_PROOF_MALFORMED : rc;
    }
    memcpy(c.proof.jkt, c.header->thumbprint, sizeof c.proof.jkt);
    c.proof.alg = c.header->alg;
    c.proof.keep_until_ms += params->ahead_ms;
    *out = c.proof;
    return 0;
}

void pki_proof_keep(struct pki_proof *proof, struct pki_proof_cache *cache, struct span workload)
{
    if (!proof->fresh || !cache)
        return;
    pki_proof_cache_add(cache, proof->fresh, workload);
    proof->fresh = NULL;
}

void pki_proof_fini(struct pki_proof *proof)
{
    pki_proof_header_free(proof->fresh);
    proof->fresh = NULL;
}
