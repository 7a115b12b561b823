// SPDX-License-Identifier: GPL-3.0-or-later
// What ES256 verification costs with the tables of pki/p256_table: making a key's table, and a verification with few keys (all in the nearest
// caches) and with very many in turn (none is). Beside it wolfSSL's own verification of one key again and again, which is its best case. Each
// figure is the least mean of several short runs: the machine may be busy.
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/key.h"
#include "pki/p256_table.h"
#include "tests/support/p256.h"

enum { KEYS = 10000, SIGNERS = 64, RUNS = 9 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct signer {
    struct pki_key *key;
    uint8_t point[64], hash[32], signature[64];
};

static struct signer signers[SIGNERS];
static struct pki_p256_table *tables[KEYS];

// `n` keys in turn. Many share a signer, but each has a table of its own, which is what the caches see.
static double verify(size_t n)
{
    double least = 1e9;
    for (int run = 0; run < RUNS; run++) {
        size_t rounds = n < 1000 ? 2000 : n;
        int64_t start = clock_mono_ns();
        for (size_t i = 0; i < rounds; i++) {
            const struct signer *s = &signers[i % n % SIGNERS];
            must(pki_p256_table_verify(tables[i % n], s->hash, s->signature) == 0);
        }
        double each = (double)(clock_mono_ns() - start) / (double)rounds / 1000;
        if (each < least)
            least = each;
    }
    return least;
}

static double make(void)
{
    double least = 1e9;
    for (int run = 0; run < RUNS; run++) {
        int64_t start = clock_mono_ns();
        for (int i = 0; i < SIGNERS; i++) {
            struct pki_p256_table *t;
            must(pki_p256_table_new(signers[i].point, &t) == 0);
            pki_p256_table_free(t);
        }
        double each = (double)(clock_mono_ns() - start) / SIGNERS / 1000;
        if (each < least)
            least = each;
    }
    return least;
}

static double verify_wolfssl(void)
{
    double least = 1e9;
    for (int run = 0; run < RUNS; run++) {
        int64_t start = clock_mono_ns();
        for (int i = 0; i < 500; i++)
            must(pki_key_verify(signers[0].key, PKI_ES256, SPAN("m"), span_of(signers[0].signature, 64)) == 0);
        double each = (double)(clock_mono_ns() - start) / 500 / 1000;
        if (each < least)
            least = each;
    }
    return least;
}

int main(void)
{
    for (int i = 0; i < SIGNERS; i++) {
        struct signer *s = &signers[i];
        struct buf signature;
        buf_init(&signature, 0);
        s->key = pki_key_generate(PKI_KEY_P256, 0);
        must(s->key && pki_key_sign(s->key, PKI_ES256, SPAN("m"), &signature) == 0);
        memcpy(s->signature, buf_span(&signature).p, sizeof s->signature);
        pki_sha256(SPAN("m"), s->hash);
        p256_point_of(s->key, s->point);
        buf_fini(&signature);
    }
    int64_t start = clock_mono_ns();
    must(pki_p256_table_new(signers[0].point, &tables[0]) == 0);
    printf("first key of all:           %7.2f us\n", (double)(clock_mono_ns() - start) / 1000);
    for (int i = 1; i < KEYS; i++)
        must(pki_p256_table_new(signers[i % SIGNERS].point, &tables[i]) == 0);
    printf("a key's table (%zu bytes): %7.2f us\n", pki_p256_table_bytes(tables[0]), make());
    static const size_t numbers[] = { 1, 64, 1000, KEYS };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("verification, %5zu keys:   %7.2f us\n", numbers[i], verify(numbers[i]));
    printf("wolfSSL's own, one key:     %7.2f us\n", verify_wolfssl());
    for (int i = 0; i < KEYS; i++)
        pki_p256_table_free(tables[i]);
    for (int i = 0; i < SIGNERS; i++)
        pki_key_free(signers[i].key);
    return 0;
}
