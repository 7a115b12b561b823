// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest_memo.h"

static struct span numbered(char text[static 64], int number)
{
    snprintf(text, 64, "header.payload-%d.signature-%d-end", number, number * 7919);
    return span_str(text);
}

static void what_was_put_is_found_with_its_digest(void **state)
{
    (void)state;
    struct pki_digest_memo *m = pki_digest_memo_new();
    uint8_t put[PKI_SHA256], got[PKI_SHA256] = { 0 };
    struct span text = SPAN("header.payload.signature");
    assert_false(pki_digest_memo_get(m, text, got));
    pki_sha256(text, put);
    pki_digest_memo_put(m, text, put);
    assert_true(pki_digest_memo_get(m, text, got));
    assert_memory_equal(got, put, sizeof put);
    pki_digest_memo_free(m);
}

static void a_changed_token_with_the_same_signature_has_no_digest(void **state)
{
    (void)state;
    struct pki_digest_memo *m = pki_digest_memo_new();
    uint8_t sha256[PKI_SHA256] = { 1 }, got[PKI_SHA256] = { 9 };
    pki_digest_memo_put(m, SPAN("header.payload-1.signature"), sha256);
    assert_false(pki_digest_memo_get(m, SPAN("header.payload-2.signature"), got));
    assert_false(pki_digest_memo_get(m, SPAN("xheader.payload-1.signature"), got));
    assert_false(pki_digest_memo_get(m, SPAN("eader.payload-1.signature"), got));
    assert_int_equal(got[0], 9);
    pki_digest_memo_free(m);
}

static void what_is_too_short_or_too_long_is_not_kept(void **state)
{
    (void)state;
    struct pki_digest_memo *m = pki_digest_memo_new();
    uint8_t sha256[PKI_SHA256] = { 1 }, got[PKI_SHA256];
    char *text = malloc(PKI_DIGEST_MEMO_TEXT + 1);
    memset(text, 'a', PKI_DIGEST_MEMO_TEXT + 1);
    size_t lengths[] = { 0, 1, 7, PKI_DIGEST_MEMO_TEXT + 1 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        pki_digest_memo_put(m, span_of(text, lengths[i]), sha256);
        assert_false(pki_digest_memo_get(m, span_of(text, lengths[i]), got));
    }
    pki_digest_memo_put(m, span_of(text, PKI_DIGEST_MEMO_TEXT), sha256);
    assert_true(pki_digest_memo_get(m, span_of(text, PKI_DIGEST_MEMO_TEXT), got));
    free(text);
    pki_digest_memo_free(m);
}

static void many_tokens_never_get_each_others_digest(void **state)
{
    (void)state;
    struct pki_digest_memo *m = pki_digest_memo_new();
    char text[64];
    uint8_t sha256[PKI_SHA256], got[PKI_SHA256];
    int found = 0;
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 2000; i++) {
            struct span s = numbered(text, i % 300);
            pki_sha256(s, sha256);
            if (!pki_digest_memo_get(m, s, got)) {
                pki_digest_memo_put(m, s, sha256);
                continue;
            }
            found++;
            assert_memory_equal(got, sha256, sizeof sha256);
        }
    assert_true(found > 0);
    pki_digest_memo_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_with_its_digest),
        cmocka_unit_test(a_changed_token_with_the_same_signature_has_no_digest),
        cmocka_unit_test(what_is_too_short_or_too_long_is_not_kept),
        cmocka_unit_test(many_tokens_never_get_each_others_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
