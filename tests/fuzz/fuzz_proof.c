// SPDX-License-Identifier: GPL-3.0-or-later
// DPoP proofs. A first byte 's' signs what follows (header, newline, payload); 'u' normalises a URI; anything else is a proof as it
// came. A proof that is accepted must be accepted again from the header cache, and a normal form must be its own.
#include <assert.h>
#include <stdlib.h>

#include "pki/dpop.h"
#include "pki/htu.h"
#include "pki/jws.h"
#include "pki/replay.h"

#define JWK                                                                                    \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"

static struct pki_key *key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct json_doc *doc = json_parse(SPAN(JWK), NULL, NULL);
    int rc = pki_key_from_jwk(json_root(doc), false, &key, NULL);
    assert(rc == 0);
    json_free(doc);
    return 0;
}

static void look(struct span field)
{
    struct pki_dpop_params params = { .algs = ~0u, .window_ms = 60000, .ahead_ms = 5000 };
    struct pki_dpop_request request = { .method = SPAN("GET"), .htu = SPAN("https://gw/a"), .now_ms = 1000000 };
    struct pki_proof_cache *cache = pki_proof_cache_new(4, 1 << 20, 4);
    struct pki_replay *replay =
        pki_replay_new(&(struct pki_replay_options){ .entries = 64, .stripes = 1, .share_percent = 100 });
    for (int round = 0; round < 2; round++) {
        struct arena arena;
        struct pki_proof proof;
        arena_init(&arena, 0);
        int rc = pki_dpop_verify(&params, &request, field, cache, &arena, NULL, &proof);
        assert(rc != 0 || round == 0 || !proof.fresh);
        if (rc == 0) {
            assert(proof.jti.n > 0 && proof.iat_ms >= 940000 && proof.iat_ms <= 1005000);
            pki_proof_keep(&proof, cache, SPAN("w"));
            struct pki_replay_entry e = { .jkt = proof.jkt,
                                          .jti = proof.jti,
                                          .htm = request.method,
                                          .htu = request.htu,
                                          .workload = SPAN("w"),
                                          .iat_ms = proof.iat_ms,
                                          .keep_until_ms = proof.keep_until_ms };
            rc = pki_replay_insert(replay, &e, request.now_ms);
            assert(rc == (round == 0 ? 0 : ERR_PROOF_REPLAYED));
            pki_proof_fini(&proof);
        } else {
            round = 2;
        }
        arena_fini(&arena);
    }
    pki_replay_free(replay);
    pki_proof_cache_free(cache);
}

static void normalise(struct span uri)
{
    char *once = malloc(uri.n + 1), *twice = malloc(uri.n + 2);
    size_t n = pki_htu_normalise(uri, once);
    assert(n <= uri.n + 1);
    if (n > 0) {
        size_t m = pki_htu_normalise(span_of(once, n), twice);
        assert((m == n && memcmp(once, twice, n) == 0) || n > PKI_HTU_MAX);
        assert(!memchr(once, '?', n) && !memchr(once, '#', n) && once[n - 1] != 0);
    }
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), rest = span_sub(in, 1, in.n);
    if (size > 0 && data[0] == 'u') {
        normalise(rest);
    } else if (size > 0 && data[0] == 's') {
        struct span header = span_cut(&rest, '\n');
        struct buf out;
        buf_init(&out, 0);
        if (!span_is_none(rest) && pki_jws_sign(header, rest, key, PKI_ES256, &out) == 0)
            look(buf_span(&out));
        buf_fini(&out);
    } else {
        look(in);
    }
    return 0;
}
