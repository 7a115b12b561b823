// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/dpop.h"
#include "pki/proof_cache.h"
#include "tests/support/jose.h"

static struct pki_key *key;

static struct pki_proof_header *unprepared(int number)
{
    char *jwk = jose_jwk(key, false), *text;
    assert_true(asprintf(&text, "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"n\":%d,\"jwk\":%s}", number, jwk) > 0);
    char *segment = jose_b64(span_str(text));
    struct pki_proof_header *h;
    assert_int_equal(pki_proof_header_read(span_str(segment), PKI_ALG_BIT(PKI_ES256), &h), 0);
    free(segment);
    free(text);
    free(jwk);
    return h;
}

static struct pki_proof_header *header(int number)
{
    struct pki_proof_header *h = unprepared(number);
    assert_int_equal(pki_proof_header_prepare(h), 0);
    return h;
}

// Whoever sends a new key with each proof, and no signature of worth, has no tables made: they are for proofs of which all else holds.
static void a_header_that_is_only_read_costs_no_table(void **state)
{
    (void)state;
    struct pki_proof_header *h = unprepared(1);
    assert_null(h->table);
    assert_non_null(h->key);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pki_proof_header_prepare(h), 0);
        assert_non_null(h->table);
        assert_null(h->key);
    }
    pki_proof_header_free(h);
}

static bool there(struct pki_proof_cache *c, int number)
{
    struct pki_proof_header *h = header(number);
    const struct pki_proof_header *got = pki_proof_cache_get(c, h->segment);
    if (got)
        assert_memory_equal(got->thumbprint, h->thumbprint, 32);
    pki_proof_header_free(h);
    return got != NULL;
}

static void header_is_found_by_all_its_bytes(void **state)
{
    (void)state;
    struct pki_proof_cache *c = pki_proof_cache_new(100, 1 << 20, 0);
    struct pki_proof_header *h = header(1);
    char *segment = malloc(h->segment.n + 1);
    assert_non_null(segment);
    memcpy(segment, h->segment.p, h->segment.n);
    segment[h->segment.n] = '\0';
    pki_proof_cache_add(c, h, SPAN("w"));
    assert_true(there(c, 1));
    assert_false(there(c, 2)); // the same key in other bytes
    assert_null(pki_proof_cache_get(c, span_of(segment, strlen(segment) - 1)));
    pki_proof_cache_add(c, header(1), SPAN("w"));
    assert_int_equal(pki_proof_cache_count(c), 1);
    free(segment);
    pki_proof_cache_free(c);
}

static void proof_keys_are_free_workloads_are_not(void **state)
{
    (void)state;
    struct pki_proof_cache *c = pki_proof_cache_new(100, 1 << 20, 20);
    for (int i = 0; i < 10; i++)
        pki_proof_cache_add(c, header(i), SPAN("modest"));
    for (int i = 100; i < 500; i++)
        pki_proof_cache_add(c, header(i), SPAN("greedy"));
    assert_int_equal(pki_proof_cache_count(c), 100);
    for (int i = 0; i < 10; i++)
        assert_true(there(c, i));
    assert_true(there(c, 499) && there(c, 410));
    assert_false(there(c, 409));
    // Room for others comes from what the greedy one has above its share.
    for (int i = 1000; i < 1020; i++)
        pki_proof_cache_add(c, header(i), SPAN("late"));
    for (int i = 0; i < 10; i++)
        assert_true(there(c, i));
    for (int i = 1000; i < 1020; i++)
        assert_true(there(c, i));
    assert_false(there(c, 429));
    assert_true(there(c, 499));
    pki_proof_cache_free(c);
}

// Tables of keys are most of it, and bounded: as many stay warm as were promised, and what is used stays.
static void bytes_are_bounded_and_what_is_used_stays(void **state)
{
    (void)state;
    struct pki_proof_cache *c = pki_proof_cache_new(10000, 100 * PKI_PROOF_HEADER_BYTES, 0);
    for (int i = 0; i < 100; i++)
        pki_proof_cache_add(c, header(i), SPAN("w"));
    assert_int_equal(pki_proof_cache_count(c), 100);
    size_t bytes = pki_proof_cache_bytes(c);
    assert_true(bytes > 0 && bytes <= 100 * PKI_PROOF_HEADER_BYTES);
    for (int i = 100; i < 1000; i++) {
        assert_true(there(c, 0)); // in use: never the oldest
        pki_proof_cache_add(c, header(i), SPAN("w"));
        assert_true(pki_proof_cache_bytes(c) <= 100 * PKI_PROOF_HEADER_BYTES);
    }
    assert_true(there(c, 0) && there(c, 999));
    assert_false(there(c, 1));
    pki_proof_cache_free(c);
}

// ---- with proofs

#define T INT64_C(1700000000)
#define HTU "https://gw.example/a"

static struct buf proof_of(const struct pki_key *signer)
{
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(pki_dpop_make(signer, PKI_ES256, SPAN("POST"), SPAN(HTU), NULL, SPAN_NONE, T, &out), 0);
    return out;
}

static int verify(unsigned algs, struct pki_proof_cache *c, struct span compact, bool keep)
{
    struct pki_dpop_params params = { .algs = algs, .window_ms = 60000, .ahead_ms = 5000 };
    struct pki_dpop_request request = { .method = SPAN("POST"), .htu = SPAN(HTU), .now_ms = T * 1000 };
    struct arena arena;
    struct pki_proof proof;
    arena_init(&arena, 0);
    int rc = pki_dpop_verify(&params, &request, compact, c, &arena, NULL, &proof);
    if (rc == 0 && keep)
        pki_proof_keep(&proof, c, SPAN("w"));
    if (rc == 0)
        pki_proof_fini(&proof);
    arena_fini(&arena);
    return rc;
}

static void remembered_header_still_needs_alg_and_signature(void **state)
{
    (void)state;
    const unsigned es256 = PKI_ALG_BIT(PKI_ES256);
    struct pki_proof_cache *c = pki_proof_cache_new(100, 1 << 20, 0);
    struct buf one = proof_of(key), two = proof_of(key);
    // It held, but the caller did not confirm: not remembered.
    assert_int_equal(verify(es256, c, buf_span(&one), false), 0);
    assert_int_equal(pki_proof_cache_count(c), 0);
    assert_int_equal(verify(es256, c, buf_span(&one), true), 0);
    assert_int_equal(pki_proof_cache_count(c), 1);
    assert_int_equal(verify(es256, c, buf_span(&two), true), 0); // from the cache
    assert_int_equal(pki_proof_cache_count(c), 1);
    struct span first = buf_span(&one), second = buf_span(&two);
    // The second's payload under the first's signature.
    struct buf mixed;
    buf_init(&mixed, 0);
    struct span signature = first, rest = second;
    span_cut(&signature, '.');
    span_cut(&signature, '.');
    span_cut(&rest, '.');
    struct span payload = span_cut(&rest, '.');
    buf_append(&mixed, span_of(second.p, (size_t)(payload.p + payload.n - second.p)));
    buf_byte(&mixed, '.');
    buf_append(&mixed, signature);
    assert_int_equal(verify(es256, c, buf_span(&mixed), true), ERR_PROOF_SIGNATURE);
    assert_int_equal(verify(PKI_ALG_BIT(PKI_EDDSA), c, first, true), ERR_PROOF_ALG);
    buf_fini(&mixed);
    buf_fini(&one);
    buf_fini(&two);
    pki_proof_cache_free(c);
}

static void refused_proof_leaves_nothing_in_the_cache(void **state)
{
    (void)state;
    struct pki_proof_cache *c = pki_proof_cache_new(100, 1 << 20, 0);
    struct buf proof = proof_of(key);
    // The signature's first character: 6 bits of R.
    char *dot = memrchr(buf_span(&proof).p, '.', buf_len(&proof));
    dot[1] = dot[1] == 'A' ? 'B' : 'A';
    assert_int_equal(verify(PKI_ALG_BIT(PKI_ES256), c, buf_span(&proof), true), ERR_PROOF_SIGNATURE);
    assert_int_equal(pki_proof_cache_count(c), 0);
    buf_fini(&proof);
    pki_proof_cache_free(c);
}

static int make_key(void **state)
{
    (void)state;
    key = pki_key_generate(PKI_KEY_P256, 0);
    return key ? 0 : -1;
}

static int free_key(void **state)
{
    (void)state;
    pki_key_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_that_is_only_read_costs_no_table),
        cmocka_unit_test(header_is_found_by_all_its_bytes),
        cmocka_unit_test(proof_keys_are_free_workloads_are_not),
        cmocka_unit_test(bytes_are_bounded_and_what_is_used_stays),
        cmocka_unit_test(remembered_header_still_needs_alg_and_signature),
        cmocka_unit_test(refused_proof_leaves_nothing_in_the_cache),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
