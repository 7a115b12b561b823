// SPDX-License-Identifier: GPL-3.0-or-later
// A guard: SHA-256 must not be slower after a P-256 verification than before it. wolfSSL's P-256 assembly leaves the upper halves of the
// vector registers dirty, and the SSE code of SHA-256 then runs a hundred times slower, which would hit the hash of every token and every
// proof; deploy/deps builds wolfSSL with the cure. Exit status 1 when hashing after a verification takes more than twice the time.
#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/key.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 2001

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median(int64_t *of)
{
    qsort(of, ROUNDS, sizeof *of, compare);
    return of[ROUNDS / 2];
}

static int64_t hash_once(struct span text)
{
    uint8_t hash[PKI_SHA256];
    int64_t began = clock_mono_ns();
    pki_sha256(text, hash);
    return clock_mono_ns() - began;
}

int main(void)
{
    static char kib[1024];
    static int64_t before[ROUNDS], after[ROUNDS], verify[ROUNDS];
    struct span text = span_of(kib, sizeof kib);
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct buf signature;
    buf_init(&signature, 0);
    if (!key || pki_key_sign(key, PKI_ES256, text, &signature) != 0) {
        fprintf(stderr, "sha_after_p256: no key\n");
        return 2;
    }
    for (int i = 0; i < ROUNDS; i++)
        before[i] = hash_once(text);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t began = clock_mono_ns();
        if (pki_key_verify(key, PKI_ES256, text, buf_span(&signature)) != 0)
            abort();
        verify[i] = clock_mono_ns() - began;
        after[i] = hash_once(text);
    }
    int64_t b = median(before), a = median(after);
    printf("SHA-256 of 1 KiB: %lld ns; after a P-256 verification (%lld ns): %lld ns\n", (long long)b,
           (long long)median(verify), (long long)a);
    pki_key_free(key);
    buf_fini(&signature);
    if (a <= 2 * b)
        return 0;
    fprintf(stderr, "sha_after_p256: slower after a verification: was wolfSSL built without deploy/deps' cure?\n");
    return 1;
}
