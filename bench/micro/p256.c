// SPDX-License-Identifier: GPL-3.0-or-later
// What ES256 verification costs with the tables of pki/p256_table: making a key's table, and a verification with few keys (all in the nearest
// caches) and with very many in turn (none is). Beside it wolfSSL's own verification of one key again and again, which is its best case. Each
// figure is the least mean of many short runs: the machine may be busy.
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/key.h"
#include "pki/p256_table.h"
#include "tests/support/p256.h"

enum { KEYS = 10000, SIGNERS = 64, SIGNATURES = 32, EACH = 50 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct signer {
    struct pki_key *key;
    uint8_t point[64], hash[32], signature[SIGNATURES][64];
};

static struct signer signers[SIGNERS];
static struct pki_p256_table *tables[KEYS];

// The least mean of runs of EACH calls: what others do on the machine meets only some of them.
static double least(void (*call)(size_t i, size_t n), size_t runs, size_t n)
{
    int64_t best = INT64_MAX;
    for (size_t run = 0; run < runs; run++) {
        int64_t start = clock_mono_ns();
        for (size_t i = 0; i < EACH; i++)
            call(run * EACH + i, n);
        int64_t took = clock_mono_ns() - start;
        if (took < best)
            best = took;
    }
    return (double)best / EACH / 1000;
}

// `n` keys in turn. Many share a signer, but each has a table of its own, which is what the caches see.
static void verify(size_t i, size_t n)
{
    const struct signer *s = &signers[i % n % SIGNERS];
    must(pki_p256_table_verify(tables[i % n], s->hash, s->signature[i / n % SIGNATURES]) == 0);
}

static void make(size_t i, size_t n)
{
    struct pki_p256_table *t;
    must(pki_p256_table_new(signers[i % n].point, &t) == 0);
    pki_p256_table_free(t);
}

static void verify_wolfssl(size_t i, size_t n)
{
    const uint8_t *signature = signers[i % n].signature[i / n % SIGNATURES];
    must(pki_key_verify(signers[i % n].key, PKI_ES256, SPAN("m"), span_of(signature, 64)) == 0);
}

int main(void)
{
    for (int i = 0; i < SIGNERS; i++) {
        struct signer *s = &signers[i];
        s->key = pki_key_generate(PKI_KEY_P256, 0);
        must(s->key);
        for (int j = 0; j < SIGNATURES; j++) {
            struct buf signature;
            buf_init(&signature, 0);
            must(pki_key_sign(s->key, PKI_ES256, SPAN("m"), &signature) == 0);
            memcpy(s->signature[j], buf_span(&signature).p, sizeof s->signature[j]);
            buf_fini(&signature);
        }
        pki_sha256(SPAN("m"), s->hash);
        p256_point_of(s->key, s->point);
    }
    int64_t start = clock_mono_ns();
    must(pki_p256_table_new(signers[0].point, &tables[0]) == 0);
    printf("first key of all:           %7.2f us\n", (double)(clock_mono_ns() - start) / 1000);
    for (int i = 1; i < KEYS; i++)
        must(pki_p256_table_new(signers[i % SIGNERS].point, &tables[i]) == 0);
    printf("a key's table (%zu bytes): %7.2f us\n", pki_p256_table_bytes(tables[0]), least(make, 50, SIGNERS));
    static const size_t numbers[] = { 1, 64, 1000, KEYS };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("verification, %5zu keys:   %7.2f us\n", numbers[i], least(verify, 600, numbers[i]));
    printf("wolfSSL's own, one key:     %7.2f us\n", least(verify_wolfssl, 100, 1));
    for (int i = 0; i < KEYS; i++)
        pki_p256_table_free(tables[i]);
    for (int i = 0; i < SIGNERS; i++)
        pki_key_free(signers[i].key);
    return 0;
}
