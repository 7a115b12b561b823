// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "pki/api_key.h"

// Put together by hand: the checksum is zlib's crc32 of what stands before it, in base62.
#define KNOWN "sp_live_0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF"

static int parse(const char *text)
{
    struct pki_api_key key;
    return pki_api_key_parse(span_str(text), &key);
}

static void a_known_key_is_read(void **state)
{
    (void)state;
    struct pki_api_key key;
    assert_int_equal(pki_api_key_parse(SPAN(KNOWN), &key), 0);
    assert_true(span_eq(key.env, SPAN("live")));
    assert_true(span_eq(key.id, SPAN("0123456789abcdef")));
}

static void every_typing_error_is_told_without_a_look_up(void **state)
{
    (void)state;
    char text[] = KNOWN;
    // Each character replaced by each other, and each pair of neighbours exchanged.
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (char c = 0x20; c < 0x7f; c++) {
            if (c == KNOWN[i])
                continue;
            text[i] = c;
            assert_int_equal(parse(text), ERR_APIKEY_MALFORMED);
            text[i] = KNOWN[i];
        }
    for (size_t i = 0; i + 2 < sizeof text; i++) {
        if (text[i] == text[i + 1])
            continue;
        text[i] = KNOWN[i + 1];
        text[i + 1] = KNOWN[i];
        assert_int_equal(parse(text), ERR_APIKEY_MALFORMED);
        text[i] = KNOWN[i];
        text[i + 1] = KNOWN[i + 1];
    }
    assert_int_equal(parse(text), 0);
}

static void what_has_another_form_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "sp_",
        "sp__0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
        "sp_Live_0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
        "sp_live_0123456789abcde_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
        "sp_live_0123456789ABCDEF_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
        "sp_live_0123456789abcdef_",
        "sp_live_0123456789abcdef",
        "sp_live",
        "sk_live_0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
        KNOWN "x",
        KNOWN " ",
        " " KNOWN,
        KNOWN "_" KNOWN,
        "sp_abcdefghijklm_0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse(rows[i]) != ERR_APIKEY_MALFORMED)
            fail_msg("row %zu", i);
    // Every prefix, and a NUL inside.
    for (size_t n = 0; n < sizeof KNOWN - 1; n++) {
        struct pki_api_key key;
        assert_int_equal(pki_api_key_parse(span_of(KNOWN, n), &key), ERR_APIKEY_MALFORMED);
    }
    char text[] = KNOWN;
    text[30] = '\0';
    struct pki_api_key key = { SPAN("untouched"), SPAN_NONE };
    assert_int_equal(pki_api_key_parse(span_of(text, sizeof text - 1), &key), ERR_APIKEY_MALFORMED);
    assert_true(span_eq(key.env, SPAN("untouched")));
}

static void made_keys_have_the_form_and_differ_in_every_part(void **state)
{
    (void)state;
    enum { N = 2000 };
    static char keys[N][PKI_API_KEY_MAX + 1];
    bool used[128] = { false };
    size_t characters = 0;
    for (size_t i = 0; i < N; i++) {
        struct pki_api_key key;
        pki_api_key_make(i % 2 ? SPAN("live") : SPAN("abcdefghij12"), keys[i]);
        assert_int_equal(pki_api_key_parse(span_str(keys[i]), &key), 0);
        const char *secret = key.id.p + PKI_API_KEY_ID + 1;
        for (size_t k = 0; k < PKI_API_KEY_SECRET; k++)
            used[(unsigned char)secret[k]] = true;
        for (size_t k = i % 2; k < i; k += 2) {
            assert_memory_not_equal(strchr(keys[k] + 3, '_') + 1, key.id.p, PKI_API_KEY_ID);
            assert_memory_not_equal(strchr(keys[k] + 3, '_') + 2 + PKI_API_KEY_ID, secret, PKI_API_KEY_SECRET);
        }
    }
    for (size_t c = 0; c < sizeof used; c++)
        characters += used[c];
    assert_int_equal(characters, 62);
    assert_int_equal(strlen(keys[0]), PKI_API_KEY_MAX);
}

static void the_hash_is_of_the_whole_key(void **state)
{
    (void)state;
    uint8_t a[PKI_SHA256], b[PKI_SHA256], c[PKI_SHA256];
    pki_api_key_hash(SPAN(KNOWN), a);
    pki_sha256(SPAN(KNOWN), b);
    pki_api_key_hash(SPAN("sp_test_0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef3GH2MF"), c);
    assert_true(pki_api_key_matches(a, b));
    assert_false(pki_api_key_matches(a, c));
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] ^= 1;
        assert_false(pki_api_key_matches(a, b));
        b[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key_is_read),
        cmocka_unit_test(every_typing_error_is_told_without_a_look_up),
        cmocka_unit_test(what_has_another_form_is_refused),
        cmocka_unit_test(made_keys_have_the_form_and_differ_in_every_part),
        cmocka_unit_test(the_hash_is_of_the_whole_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
