// SPDX-License-Identifier: GPL-3.0-or-later
// SHA-256 of 1,024 bytes before and after a P-256 verification. Where wolfSSL's assembly leaves the vector registers dirty, hashing
// afterwards is a hundred times slower (deploy/wolfssl-vector-registers.h is the cure). Exits 1 when it is more than twice as slow.
// Each figure is the fastest of many short runs, so that a busy machine does not fail it.
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/key.h"

enum { HASHES = 20, ROUNDS = 500 };

static char block[1024];

static int64_t hash_run(void)
{
    uint8_t out[PKI_SHA256];
    int64_t start = clock_mono_ns();
    for (int i = 0; i < HASHES; i++) {
        pki_sha256(span_of(block, sizeof block), out);
        block[0] = (char)out[0];
    }
    return (clock_mono_ns() - start) / HASHES;
}

int main(void)
{
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct span text = SPAN("header.payload");
    struct buf signature;
    buf_init(&signature, 0);
    if (!key || pki_key_sign(key, PKI_ES256, text, &signature) != 0) {
        fputs("sha_after_p256: cannot make a key\n", stderr);
        return 2;
    }
    int64_t before = INT64_MAX, after = INT64_MAX, verify = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx"))
            __asm__ volatile("vzeroupper" ::: "memory");
#endif
        int64_t ns = hash_run();
        before = ns < before ? ns : before;

        int64_t start = clock_mono_ns();
        if (pki_key_verify(key, PKI_ES256, text, buf_span(&signature)) != 0)
            abort();
        ns = clock_mono_ns() - start;
        verify = ns < verify ? ns : verify;

        ns = hash_run();
        after = ns < after ? ns : after;
    }
    double ratio = (double)after / (double)before;
    printf("p256 verify, warm: %lld ns\nsha256 of 1024 bytes: %lld ns before, %lld ns after, ratio %.2f\n",
           (long long)verify, (long long)before, (long long)after, ratio);
    buf_fini(&signature);
    pki_key_free(key);
    return ratio > 2 ? 1 : 0;
}
