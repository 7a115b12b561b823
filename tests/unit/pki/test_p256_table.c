// SPDX-License-Identifier: GPL-3.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "pki/p256_table.h"
#include "tests/support/p256.h"

struct pair {
    struct pki_key *key;
    struct pki_p256_table *table;
};

static struct pair pair(void)
{
    struct pair p = { .key = pki_key_generate(PKI_KEY_P256, 0) };
    uint8_t point[64];
    p256_point_of(p.key, point);
    assert_int_equal(pki_p256_table_new(point, &p.table), 0);
    point[63] ^= 1;
    struct pki_p256_table *bad = NULL;
    assert_int_equal(pki_p256_table_new(point, &bad), ERR_PROOF_KEY);
    assert_null(bad);
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

// Again and again, and between other keys: the answer is the same.
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

// The first key of the process makes the generator's table: here several threads try it at once.
static void *in_a_thread(void *ctx)
{
    (void)ctx;
    struct pair pairs[2] = { pair(), pair() };
    for (int i = 0; i < 50; i++)
        verify(&pairs[i % 2], &pairs[1 - i % 2]);
    for (int i = 0; i < 2; i++) {
        pki_p256_table_free(pairs[i].table);
        pki_key_free(pairs[i].key);
    }
    return NULL;
}

static void loops_have_tables_of_their_own(void **state)
{
    (void)state;
    pthread_t threads[3];
    // wolfSSL chooses its hashes at their first use, which in a process is before there are threads. No table is made here.
    struct pki_key *first = pki_key_generate(PKI_KEY_P256, 0);
    struct buf signature;
    buf_init(&signature, 0);
    assert_int_equal(pki_key_sign(first, PKI_ES256, SPAN("m"), &signature), 0);
    assert_int_equal(pki_key_verify(first, PKI_ES256, SPAN("m"), buf_span(&signature)), 0);
    buf_fini(&signature);
    pki_key_free(first);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, in_a_thread, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

// ---- against wolfSSL's verification

static uint64_t chance(void)
{
    uint64_t v;
    pki_random(&v, sizeof v);
    return v;
}

// Where the first of a failing test's claims is seen.
static void must_agree(const struct p256_claim *c, int line)
{
    int ours = p256_verify_table(c), theirs = p256_verify_wolfssl(c);
    if (ours == theirs)
        return;
    for (size_t i = 0; i < sizeof *c; i++)
        print_error("%02x%s", ((const uint8_t *)c)[i], i % 32 == 31 ? "\n" : "");
    fail_msg("line %d: ours %d, wolfSSL's %d", line, ours, theirs);
}

static void number(uint8_t out[static 32], uint64_t v)
{
    memset(out, 0, 32);
    for (int i = 0; i < 8; i++)
        out[31 - i] = (uint8_t)(v >> 8 * i);
}

static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                   0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

// out = n - v, v below n.
static void minus(uint8_t out[static 32], const uint8_t v[static 32])
{
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int d = order[i] - v[i] - borrow;
        borrow = d < 0;
        out[i] = (uint8_t)d;
    }
}

static void corrupt(struct p256_claim *c)
{
    static const uint8_t zero[32];
    uint8_t *part = (uint8_t *)c + 64 + 32 * (chance() % 3);
    uint64_t how = chance() % 8;
    if (how < 4)
        ((uint8_t *)c)[64 + chance() % 96] ^= (uint8_t)(1u << chance() % 8);
    else if (how == 4)
        memcpy(part, zero, 32);
    else if (how == 5)
        memcpy(part, order, 32);
    else if (how == 6)
        memset(part, 0xff, 32);
    else
        minus(c->signature + 32, c->signature + 32); // high s for low s: holds
}

static void answers_are_wolfssls_on_thousands_of_signatures(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct p256_claim c;
        assert_true(p256_forge_random(&c));
        assert_int_equal(p256_verify_table(&c), 0);
        corrupt(&c);
        must_agree(&c, __LINE__);
    }
}

// Keys that are small multiples of the generator, or powers of two of it as the combs have them, and scalars that make the sum run into the
// same point, the opposite one, and nothing: u1 = u2 with Q = G does so in the first column.
static void sums_that_meet_themselves_are_right(void **state)
{
    (void)state;
    static const unsigned shifts[] = { 0, 1, 22, 44, 110, 131, 132, 133, 154, 242, 255 };
    enum { SMALL = 4, SHIFTS = sizeof shifts / sizeof *shifts, EACH = SMALL + SHIFTS, N = 2 * EACH };
    static uint8_t values[N][32];
    for (unsigned i = 0; i < SMALL; i++)
        number(values[i], i);
    for (unsigned i = 0; i < SHIFTS; i++)
        values[SMALL + i][31 - shifts[i] / 8] = (uint8_t)(1u << shifts[i] % 8);
    for (unsigned i = 0; i < EACH; i++)
        minus(values[EACH + i], values[i]); // n - 0 is n, which is taken as 0 again
    unsigned nothing = 0;
    for (int d = 0; d < N; d++)
        for (int u1 = 0; u1 < N; u1++)
            for (int u2 = 0; u2 < N; u2++) {
                // What must come out is known; wolfSSL, which takes most of the time, is asked of some.
                struct p256_claim c;
                if (chance() % 8 != 0 && !(d < SMALL || u1 == u2))
                    continue;
                bool finite = p256_forge(values[d], values[u1], values[u2], &c);
                assert_int_equal(p256_verify_table(&c), finite ? 0 : ERR_TOKEN_SIGNATURE);
                nothing += !finite;
                if (chance() % 16 == 0 || !finite)
                    must_agree(&c, __LINE__);
            }
    assert_true(nothing > 20);
}

// The ends of the range of r and s. (An x ≥ n, whose r is x - n, is in Wycheproof's file: tests/vectors.)
static void bounds_of_r_and_s_are_kept(void **state)
{
    (void)state;
    static const uint8_t zero[32];
    struct p256_claim c, bad;
    uint8_t d[32], u[32], over[32];
    pki_random(d, 32);
    pki_random(u, 32);
    assert_true(p256_forge(d, u, u, &c));
    memcpy(over, order, 32);
    for (int part = 0; part < 2; part++)
        for (int how = 0; how < 5; how++) {
            bad = c;
            over[31] = (uint8_t)(order[31] + how - 2);
            memcpy(bad.signature + 32 * part, how == 4 ? zero : over, 32);
            assert_int_equal(p256_verify_table(&bad), ERR_TOKEN_SIGNATURE);
            must_agree(&bad, __LINE__);
        }
    bad = c;
    memset(bad.hash, 0, sizeof bad.hash);
    assert_int_equal(p256_verify_table(&bad), ERR_TOKEN_SIGNATURE);
    must_agree(&bad, __LINE__);
    minus(c.signature + 32, c.signature + 32);
    assert_int_equal(p256_verify_table(&c), 0); // high or low, as ever
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
        cmocka_unit_test(loops_have_tables_of_their_own),
        cmocka_unit_test(table_answers_as_the_key_does),
        cmocka_unit_test(answers_are_wolfssls_on_thousands_of_signatures),
        cmocka_unit_test(sums_that_meet_themselves_are_right),
        cmocka_unit_test(bounds_of_r_and_s_are_kept),
        cmocka_unit_test(issuer_key_is_verified_with_by_several_loops),
        cmocka_unit_test(vector_registers_are_clean_after_a_verification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
