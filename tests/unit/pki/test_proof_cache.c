// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/proof_cache.h"
#include "tests/support/jose.h"

static struct pki_key *key;

static struct pki_proof_header *header(int number)
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
    struct pki_proof_cache *c = pki_proof_cache_new(100, 0);
    struct pki_proof_header *h = header(1);
    char *segment = strndup(h->segment.p, h->segment.n);
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
    struct pki_proof_cache *c = pki_proof_cache_new(100, 20);
    for (int i = 0; i < 10; i++)
        pki_proof_cache_add(c, header(i), SPAN("modest"));
    for (int i = 100; i < 500; i++)
        pki_proof_cache_add(c, header(i), SPAN("greedy"));
    assert_int_equal(pki_proof_cache_count(c), 30);
    for (int i = 0; i < 10; i++)
        assert_true(there(c, i));
    assert_true(there(c, 499));
    assert_false(there(c, 479));
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
        cmocka_unit_test(header_is_found_by_all_its_bytes),
        cmocka_unit_test(proof_keys_are_free_workloads_are_not),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
