// SPDX-License-Identifier: GPL-3.0-or-later
// ES256 verification with the tables of pki/p256_table: making a key's table, and a verification with few keys, all in the nearest caches, and with
// very many in turn, of which none is. Beside it wolfSSL's own verification of one key again and again, which is its best case.
#include "bench/support/micro.h"
#include "pki/digest.h"
#include "pki/key.h"
#include "pki/p256_table.h"
#include "tests/support/p256.h"

#include <string.h>

enum { KEYS = 10000, SIGNERS = 64, SIGNATURES = 32 };

struct signer {
    struct pki_key *key;
    uint8_t point[64], hash[32], signature[SIGNATURES][64];
};

struct setting {
    struct signer signers[SIGNERS];
    struct pki_p256_table *tables[KEYS], *made;
    size_t next;
};

static void set_up(void *ctx)
{
    struct setting *s = ctx;
    for (size_t i = 0; i < SIGNERS; i++) {
        struct signer *one = &s->signers[i];
        one->key = pki_key_generate(PKI_KEY_P256, 0);
        micro_must(one->key != NULL, "key");
        pki_sha256(SPAN("m"), one->hash);
        p256_point_of(one->key, one->point);
        // Of several each, so that no branch is foreseen which would not be in life.
        for (size_t k = 0; k < SIGNATURES; k++) {
            struct buf signature;
            buf_init(&signature, 0);
            micro_must(pki_key_sign(one->key, PKI_ES256, SPAN("m"), &signature) == 0, "signature");
            memcpy(one->signature[k], buf_span(&signature).p, sizeof one->signature[k]);
            buf_fini(&signature);
        }
    }
    // Many share a signer, but each has a table of its own, which is what the caches see.
    for (size_t i = 0; i < KEYS; i++)
        micro_must(pki_p256_table_new(s->signers[i % SIGNERS].point, &s->tables[i]) == 0, "table");
}

static void tear_down(void *ctx)
{
    struct setting *s = ctx;
    for (size_t i = 0; i < KEYS; i++)
        pki_p256_table_free(s->tables[i]);
    for (size_t i = 0; i < SIGNERS; i++)
        pki_key_free(s->signers[i].key);
}

static void make(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    micro_must(pki_p256_table_new(s->signers[s->next++ % SIGNERS].point, &s->made) == 0, "table");
}

static void unmake(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    (void)unused;
    pki_p256_table_free(s->made);
}

static void verify(void *ctx, unsigned keys)
{
    struct setting *s = ctx;
    size_t n = s->next++, i = n % keys;
    const struct signer *one = &s->signers[i % SIGNERS];
    micro_must(pki_p256_table_verify(s->tables[i], one->hash, one->signature[n / keys % SIGNATURES]) == 0, "signature");
}

static void verify_wolfssl(void *ctx, unsigned unused)
{
    struct setting *s = ctx;
    const struct signer *one = &s->signers[0];
    (void)unused;
    micro_must(pki_key_verify(one->key, PKI_ES256, SPAN("m"),
                              span_of((const char *)one->signature[s->next++ % SIGNATURES], 64)) == 0,
               "signature");
}

int main(int argc, char **argv)
{
    static struct setting s;
    static const struct micro all[] = {
        { .name = "p256-table", .what = "the table of a key, made", .run = make, .after = unmake },
        { .name = "p256-1", .what = "a verification, always by the same table", .arg = 1, .run = verify },
        { .name = "p256-64", .what = "by 64 in turn", .arg = 64, .run = verify },
        { .name = "p256-1000", .what = "by 1,000", .arg = 1000, .run = verify },
        { .name = "p256-10000", .what = "by 10,000, more than the caches hold", .arg = KEYS, .run = verify },
        { .name = "p256-wolfssl", .what = "wolfSSL's own, always by the same key", .run = verify_wolfssl },
    };
    return micro_main(
        argc, argv,
        &(struct micro_program){
            .stages = all, .n = sizeof all / sizeof *all, .ctx = &s, .set_up = set_up, .tear_down = tear_down });
}
