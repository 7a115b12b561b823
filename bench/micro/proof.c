// SPDX-License-Identifier: GPL-3.0-or-later
// A DPoP proof: of a key whose table is kept, of one that no cache knows, and its place among the proofs that were used. And SHA-256 before and
// right after a P-256 verification: wolfSSL's assembly leaves the upper halves of the vector registers dirty, and SSE code then runs a hundred
// times slower, which would hit the hash of each token and each proof; deploy/deps builds wolfSSL with the cure, and bench/micro/run says when it
// is gone.
#include "bench/support/micro.h"
#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/replay.h"

#include <stdio.h>

#define WORKLOAD SPAN("spiffe://prod.example/ns/rag/sa/api")
#define HTU SPAN("https://gw.example/collections/docs/points/search")
#define FILLING 4096
#define KEYS 256 // more than there are tables

enum how { KNOWN_KEY, NEW_KEY };

struct setting {
    struct pki_key *keys[KEYS];
    unsigned next;
    struct pki_proof_cache *known, *unknown; // the latter is never filled
    struct pki_replay *replay;
    struct pki_dpop_params params;
    struct clock_now now;
    uint8_t ath[PKI_SHA256], jkt[PKI_SHA256], hash[PKI_SHA256];
    char kib[1024];
    struct buf signature;
    // of the present call
    struct arena arena;
    struct buf text;
    struct pki_proof proof;
    char jti[32];
};

static void verify(void *ctx, unsigned how)
{
    struct setting *s = ctx;
    struct pki_dpop_request request = {
        .method = SPAN("POST"), .htu = HTU, .ath = s->ath, .jkt = s->jkt, .now_ms = s->now.wall_ms
    };
    micro_must(pki_dpop_verify(&s->params, &request, buf_span(&s->text), how == NEW_KEY ? s->unknown : s->known,
                               &s->arena, NULL, &s->proof) == 0,
               "proof");
}

static void before_verify(void *ctx, unsigned how)
{
    struct setting *s = ctx;
    const struct pki_key *key = s->keys[how == NEW_KEY ? 1 + s->next++ % (KEYS - 1) : 0];
    buf_clear(&s->text);
    arena_init(&s->arena, 0);
    pki_key_thumbprint(key, s->jkt);
    micro_must(
        pki_dpop_make(key, PKI_ALG_NONE, SPAN("POST"), HTU, s->ath, SPAN_NONE, s->now.wall_ms / 1000, &s->text) == 0,
        "a proof's making");
}

static void after_verify(void *ctx, unsigned how)
{
    struct setting *s = ctx;
    if (how == KNOWN_KEY)
        pki_proof_keep(&s->proof, s->known, WORKLOAD);
    pki_proof_fini(&s->proof);
    arena_fini(&s->arena);
}

static void before_insert(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    snprintf(s->jti, sizeof s->jti, "proof number %08u", s->next++);
}

static void insert(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    struct pki_replay_entry e = { .jkt = s->jkt,
                                  .jti = span_str(s->jti),
                                  .htm = SPAN("POST"),
                                  .htu = HTU,
                                  .workload = WORKLOAD,
                                  .iat_ms = s->now.wall_ms,
                                  .keep_until_ms = s->now.wall_ms + 65000 };
    micro_must(pki_replay_insert(s->replay, &e, s->now.wall_ms) == 0, "replay");
}

static void hash(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    pki_sha256(span_of(s->kib, sizeof s->kib), s->hash);
}

static void before_hash(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    micro_must(pki_key_verify(s->keys[0], PKI_ES256, span_of(s->kib, sizeof s->kib), buf_span(&s->signature)) == 0,
               "signature");
}

static void set_up(void *ctx)
{
    struct setting *s = ctx;
    bool ok = true;
    for (int i = 0; i < KEYS; i++)
        ok = (s->keys[i] = pki_key_generate(PKI_KEY_P256, 0)) != NULL && ok;
    s->now = clock_read();
    s->params = (struct pki_dpop_params){ .algs = PKI_ALG_BIT(PKI_ES256), .window_ms = 60000, .ahead_ms = 5000 };
    s->known = pki_proof_cache_new(1024, 8 << 20, 0);
    s->unknown = pki_proof_cache_new(16, 1 << 20, 0);
    s->replay =
        pki_replay_new(&(struct pki_replay_options){ .share_percent = 100, .not_before_ms = s->now.wall_ms - 10000 });
    buf_init(&s->text, 0);
    buf_init(&s->signature, 0);
    micro_must(ok && s->known && s->unknown && s->replay &&
                   pki_key_sign(s->keys[0], PKI_ES256, span_of(s->kib, sizeof s->kib), &s->signature) == 0,
               "set up");
    // Each stripe of the store has been used: the first use of one takes longer.
    for (int i = 0; i < FILLING; i++) {
        before_insert(s, 0);
        insert(s, 0);
    }
}

static void tear_down(void *ctx)
{
    struct setting *s = ctx;
    for (int i = 0; i < KEYS; i++)
        pki_key_free(s->keys[i]);
    pki_proof_cache_free(s->known);
    pki_proof_cache_free(s->unknown);
    pki_replay_free(s->replay);
    buf_fini(&s->text);
    buf_fini(&s->signature);
}

int main(int argc, char **argv)
{
    static struct setting s;
    static const struct micro all[] = {
        { .name = "proof-known-key",
          .what = "a fresh proof of a key that was here before: one P-256 signature",
          .counted = 100,
          .arg = KNOWN_KEY,
          .before = before_verify,
          .run = verify,
          .after = after_verify },
        { .name = "proof-new-key",
          .what = "a fresh proof of a key that no cache knows",
          .counted = 100,
          .arg = NEW_KEY,
          .before = before_verify,
          .run = verify,
          .after = after_verify },
        { .name = "replay", .what = "a proof is used up", .counted = 1000, .before = before_insert, .run = insert },
        { .name = "sha256", .what = "of 1 KiB", .run = hash },
        { .name = "sha256-after-p256",
          .what = "the same after a P-256 verification",
          .before = before_hash,
          .run = hash },
    };
    return micro_main(
        argc, argv,
        &(struct micro_program){
            .stages = all, .n = sizeof all / sizeof *all, .ctx = &s, .set_up = set_up, .tear_down = tear_down });
}
