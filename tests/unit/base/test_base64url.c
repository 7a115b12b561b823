// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void rfc4648_examples_hold(void **state)
{
    static const char *const rows[][2] = {
        { "", "" },           { "f", "Zg" },          { "fo", "Zm8" },          { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "-__-" },
    };
    char out[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        n = base64url_encode(span_str(rows[i][0]), out);
        assert_int_equal(n, BASE64URL_ENCODED(strlen(rows[i][0])));
        assert_int_equal(n, strlen(rows[i][1]));
        assert_memory_equal(out, rows[i][1], n);
        assert_true(base64url_decode(span_str(rows[i][1]), out, &n));
        assert_int_equal(n, strlen(rows[i][0]));
        assert_memory_equal(out, rows[i][0], n);
    }
}

static void every_character_outside_the_alphabet_is_refused(void **state)
{
    char in[4], out[3];
    size_t n;

    (void)state;
    for (int c = 0; c < 256; c++)
        for (int at = 0; at < 4; at++) {
            bool inside = c && strchr(alphabet, c);
            memcpy(in, "AAAA", 4);
            in[at] = (char)c;
            assert_int_equal(base64url_decode(span_of(in, 4), out, &n), inside);
        }
}

// Long texts are decoded in runs: the same holds in every place of them.
static void runs_decode_as_single_characters_do(void **state)
{
    char in[72], out[54], back[72];
    size_t n;

    (void)state;
    for (int at = 0; at < 72; at++)
        for (int c = 0; c < 256; c++) {
            bool inside = c && strchr(alphabet, c);
            memset(in, 'z', sizeof in);
            in[at] = (char)c;
            assert_int_equal(base64url_decode(span_of(in, sizeof in), out, &n), inside);
            if (!inside)
                continue;
            assert_int_equal(n, 54);
            assert_int_equal(base64url_encode(span_of(out, n), back), sizeof back);
            assert_memory_equal(back, in, sizeof in);
        }
}

static void every_letter_has_its_value(void **state)
{
    char in[2], out[1];
    size_t n;

    (void)state;
    for (unsigned v = 0; v < 64; v++) {
        in[0] = alphabet[v];
        in[1] = 'A';
        assert_true(base64url_decode(span_of(in, 2), out, &n));
        assert_int_equal((unsigned char)out[0], v << 2);
    }
}

static void stray_bits_padding_white_space_and_odd_length_are_refused(void **state)
{
    static const char *const bad[] = { "Zh",  "Zm9", "Zg==",   "Zm8=",   "Zg=",  "Z",   "Zm9vY",
                                       " Zg", "Zg ", "Zm\n9v", "Zm9v\n", "Zm+v", "Zm/v" };
    char out[16];
    size_t n = 99;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(base64url_decode(span_str(bad[i]), out, &n));
    assert_int_equal(n, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648_examples_hold),
        cmocka_unit_test(every_character_outside_the_alphabet_is_refused),
        cmocka_unit_test(runs_decode_as_single_characters_do),
        cmocka_unit_test(every_letter_has_its_value),
        cmocka_unit_test(stray_bits_padding_white_space_and_odd_length_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
