// SPDX-License-Identifier: GPL-3.0-or-later
// What a request costs between its two gates: the hash of the token, the look into the token cache and the every-time checks, a fresh
// ES256 proof against the header cache, the replay insert. One thread; figures are means over many proofs made beforehand.
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/mint.h"
#include "pki/replay.h"
#include "pki/token_cache.h"

#define WORKLOAD SPAN("spiffe://prod.example/ns/rag/sa/api")
#define HTU SPAN("https://gw.example/collections/docs/points/search")
enum { PROOFS = 5000 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct pki_issuers *issuer_of(const struct pki_key *key)
{
    static const struct span aud[] = { { "gw", 2 } }, any[] = { { "*", 1 } };
    const enum pki_alg alg = PKI_ES256;
    struct buf text;
    struct diags diags;
    buf_init(&text, 0);
    diags_init(&diags);
    must(pki_jwks_write(&key, &alg, 1, &text) == 0);
    struct pki_jwks *keys = pki_jwks_read(buf_span(&text), PKI_ALG_BIT(alg), SPAN("bench"), &diags);
    struct pki_issuers *issuers = pki_issuers_new();
    must(keys && issuers);
    struct pki_issuer issuer = { .iss = SPAN("https://idp"),
                                 .algs = PKI_ALG_BIT(alg),
                                 .audiences = { aud, 1 },
                                 .typ = SPAN("at+jwt"),
                                 .claims.workload = SPAN("workload"),
                                 .scopeless = true,
                                 .assert_trust_domains = { any, 1 } };
    must(pki_issuers_add(issuers, &issuer, keys) == 0);
    diags_fini(&diags);
    buf_fini(&text);
    return issuers;
}

int main(void)
{
    static const struct span aud[] = { { "gw", 2 } };
    struct pki_key *issuer_key = pki_key_generate(PKI_KEY_P256, 0), *key = pki_key_generate(PKI_KEY_P256, 0);
    must(issuer_key && key);
    struct pki_issuers *issuers = issuer_of(issuer_key);
    uint8_t jkt[32], sha256[32];
    pki_key_thumbprint(key, jkt);
    int64_t now_ms = clock_read().wall_ms, now_s = now_ms / 1000;
    struct buf token;
    buf_init(&token, 0);
    struct pki_mint mint = { .iss = SPAN("https://idp"),
                             .subject = SPAN("alice"),
                             .client_id = SPAN("rag"),
                             .audiences = { aud, 1 },
                             .iat_s = now_s,
                             .lifetime_s = 300,
                             .jkt = jkt,
                             .workload_claim = SPAN("workload"),
                             .workload = WORKLOAD };
    must(pki_mint_token(&mint, issuer_key, PKI_ALG_NONE, &token) == 0);
    pki_sha256(buf_span(&token), sha256);
    static struct buf proofs[PROOFS];
    for (int i = 0; i < PROOFS; i++) {
        buf_init(&proofs[i], 0);
        must(pki_dpop_make(key, PKI_ALG_NONE, SPAN("POST"), HTU, sha256, SPAN_NONE, now_s, &proofs[i]) == 0);
    }

    struct pki_token_cache *tokens = pki_token_cache_new(1024, 16 << 20, 0);
    struct pki_proof_cache *headers = pki_proof_cache_new(1024, 8 << 20, 0);
    struct pki_replay *replay = pki_replay_new(&(struct pki_replay_options){ .not_before_ms = now_ms - 10000 });
    struct pki_dpop_params params = { .algs = PKI_ALG_BIT(PKI_ES256), .window_ms = 60000, .ahead_ms = 5000 };
    must(tokens && headers && replay);

    struct pki_token *t;
    int64_t start = clock_mono_ns();
    for (int i = 0; i < 500; i++) {
        must(pki_token_verify(issuers, NULL, buf_span(&token), sha256, now_s, NULL, &t) == 0);
        pki_token_unref(t);
    }
    printf("token, not remembered: %6.2f us\n", (double)(clock_mono_ns() - start) / 500 / 1000);
    must(pki_token_verify(issuers, NULL, buf_span(&token), sha256, now_s, NULL, &t) == 0);
    pki_token_cache_put(tokens, t, WORKLOAD, 1);
    pki_token_unref(t);

    int64_t token_ns = 0, proof_ns = 0, replay_ns = 0;
    for (int i = 0; i < PROOFS; i++) {
        struct arena arena;
        struct pki_proof proof;
        arena_init(&arena, 0);
        int64_t a = clock_mono_ns();
        pki_sha256(buf_span(&token), sha256);
        t = pki_token_cache_get(tokens, sha256, 1, now_s);
        struct pki_token_use use = { .now_s = now_s, .scheme = PKI_SCHEME_DPOP, .workload = WORKLOAD };
        must(t && pki_token_check(t, &use, NULL) == 0);
        int64_t b = clock_mono_ns();
        struct pki_dpop_request request = {
            .method = SPAN("POST"), .htu = HTU, .ath = sha256, .jkt = t->jkt, .now_ms = now_ms
        };
        must(pki_dpop_verify(&params, &request, buf_span(&proofs[i]), headers, &arena, NULL, &proof) == 0);
        pki_proof_keep(&proof, headers, WORKLOAD);
        int64_t c = clock_mono_ns();
        struct pki_replay_entry e = { .jkt = proof.jkt,
                                      .jti = proof.jti,
                                      .htm = SPAN("POST"),
                                      .htu = HTU,
                                      .workload = WORKLOAD,
                                      .iat_ms = proof.iat_ms,
                                      .keep_until_ms = proof.keep_until_ms };
        must(pki_replay_insert(replay, &e, now_ms) == 0);
        int64_t d = clock_mono_ns();
        pki_proof_fini(&proof);
        pki_token_unref(t);
        arena_fini(&arena);
        token_ns += b - a;
        proof_ns += c - b;
        replay_ns += d - c;
    }
    printf("token, remembered:     %6.2f us\nproof, header known:   %6.2f us\nreplay insert:         %6.2f us\n",
           (double)token_ns / PROOFS / 1000, (double)proof_ns / PROOFS / 1000, (double)replay_ns / PROOFS / 1000);

    for (int i = 0; i < PROOFS; i++)
        buf_fini(&proofs[i]);
    pki_replay_free(replay);
    pki_proof_cache_free(headers);
    pki_token_cache_free(tokens);
    pki_issuers_free(issuers);
    pki_key_free(issuer_key);
    pki_key_free(key);
    buf_fini(&token);
    return 0;
}
