// SPDX-License-Identifier: GPL-3.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/p256_table.h"
#include "tests/support/jose.h"

struct pair {
    struct pki_key *key;
    struct pki_p256_table *table;
};

static struct pair pair(void)
{
    struct pair p = { .key = pki_key_generate(PKI_KEY_P256, 0) };
    char *jwk = jose_jwk(p.key, false);
    struct json_doc *doc = json_parse(span_str(jwk), NULL, NULL);
    uint8_t point[64];
    size_t n;
    assert_true(base64url_decode(json_string(json_get(json_root(doc), SPAN("x"))), point, &n));
    assert_true(base64url_decode(json_string(json_get(json_root(doc), SPAN("y"))), point + 32, &n));
    assert_int_equal(pki_p256_table_new(point, &p.table), 0);
    point[63] ^= 1;
    struct pki_p256_table *bad = NULL;
    assert_int_equal(pki_p256_table_new(point, &bad), ERR_PROOF_KEY);
    assert_null(bad);
    json_free(doc);
    free(jwk);
    return p;
}

static void verify(const struct pair *p, const struct pair *other)
{
    uint8_t hash[32];
    struct buf signature;
    buf_init(&signature, 0);
    assert_int_equal(pki_key_sign(p->key, PKI_ES256, SPAN("m"), &signature), 0);
    uint8_t *s = (uint8_t *)(uintptr_t)buf_span(&signature).p;
    pki_sha256(SPAN("m"), hash);
    assert_int_equal(pki_p256_table_verify(p->table, hash, s), 0);
    assert_int_equal(pki_p256_table_verify(other->table, hash, s), ERR_TOKEN_SIGNATURE);
    s[5] ^= 1;
    assert_int_equal(pki_p256_table_verify(p->table, hash, s), ERR_TOKEN_SIGNATURE);
    s[5] ^= 1;
    hash[5] ^= 1;
    assert_int_equal(pki_p256_table_verify(p->table, hash, s), ERR_TOKEN_SIGNATURE);
    buf_fini(&signature);
}

// Cold, when the table is built, warm, and pushed out by other keys: the answer is the same. More keys than wolfSSL has tables.
static void table_answers_as_the_key_does(void **state)
{
    (void)state;
    enum { N = 80 };
    static struct pair pairs[N];
    for (int i = 0; i < N; i++)
        pairs[i] = pair();
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++)
            for (int use = 0; use < 3; use++)
                verify(&pairs[i], &pairs[(i + 1) % N]);
    for (int i = 0; i < N; i++) {
        pki_p256_table_free(pairs[i].table);
        pki_key_free(pairs[i].key);
    }
}

static void *in_a_thread(void *ctx)
{
    struct pair *pairs = ctx;
    for (int i = 0; i < 50; i++)
        verify(&pairs[i % 2], &pairs[1 - i % 2]);
    return NULL;
}

static void loops_have_tables_of_their_own(void **state)
{
    (void)state;
    struct pair pairs[2][2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pairs[i][0] = pair();
        pairs[i][1] = pair();
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, in_a_thread, pairs[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        pki_p256_table_free(pairs[i / 2][i % 2].table);
        pki_key_free(pairs[i / 2][i % 2].key);
    }
}

static void *shared_key(void *ctx)
{
    struct pki_key *key = ctx;
    struct buf signature;
    buf_init(&signature, 0);
    struct span text = SPAN("m");
    for (int i = 0; i < 100; i++)
        assert_int_equal(pki_key_verify_shared(key, PKI_ES256, text, SPAN("no signature")), ERR_TOKEN_SIGNATURE);
    buf_fini(&signature);
    return NULL;
}

// An issuer's key is in the snapshot, which every loop reads.
static void issuer_key_is_verified_with_by_several_loops(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shared_key, key), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    pki_key_free(key);
}

#if defined(__x86_64__)
#include <cpuid.h>

// XINUSE (xgetbv with ECX = 1): bit 2 is set while the upper half of an AVX register holds something.
static bool upper_halves_dirty(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
    return low & 4;
}

static bool can_tell(void)
{
    uint32_t a, b, c, d;
    if (!__builtin_cpu_supports("avx") || !__get_cpuid_count(13, 1, &a, &b, &c, &d) || !(a & 4))
        return false;
    __asm__ volatile("vzeroupper" ::: "memory");
    bool clean = !upper_halves_dirty();
    __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\tvinsertf128 $1, %%xmm0, %%ymm0, %%ymm0" ::: "xmm0", "memory");
    bool dirty = upper_halves_dirty();
    __asm__ volatile("vzeroupper" ::: "memory");
    return clean && dirty;
}
#else
static bool upper_halves_dirty(void)
{
    return false;
}
static bool can_tell(void)
{
    return false;
}
#endif

// Dirty upper halves make the SHA-256 that follows a verification a hundred times slower (deploy/wolfssl-vector-registers.h). Told by
// the processor, not by a clock; `bench/micro/run sha256 sha256-after-p256` measures it.
static void vector_registers_are_clean_after_a_verification(void **state)
{
    (void)state;
    if (!can_tell())
        skip();
    static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_P521, PKI_KEY_ED25519, PKI_KEY_RSA };
    static const enum pki_alg algs[] = { PKI_ES256, PKI_ES384, PKI_ES512, PKI_EDDSA, PKI_PS256 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct pki_key *key = pki_key_generate(types[i], 2048);
        bool dirty = upper_halves_dirty();
        struct buf signature;
        buf_init(&signature, 0);
        assert_int_equal(pki_key_sign(key, algs[i], SPAN("m"), &signature), 0);
        dirty = upper_halves_dirty() || dirty;
        for (int use = 0; use < 4; use++) { // cold, table built, warm
            assert_int_equal(pki_key_verify(key, algs[i], SPAN("m"), buf_span(&signature)), 0);
            dirty = upper_halves_dirty() || dirty;
        }
        assert_false(dirty);
        buf_fini(&signature);
        pki_key_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_answers_as_the_key_does),
        cmocka_unit_test(loops_have_tables_of_their_own),
        cmocka_unit_test(issuer_key_is_verified_with_by_several_loops),
        cmocka_unit_test(vector_registers_are_clean_after_a_verification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
