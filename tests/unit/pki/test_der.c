// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/err.h"
#include "pki/der.h"
#include "pki/pem.h"
#include "pki/x509_make.h"

#include <stdlib.h>

static void expect(const struct buf *b, struct span want)
{
    assert_int_equal(want.n, buf_len(b));
    assert_memory_equal(want.p, buf_span(b).p, want.n);
}

static void nested_lengths_are_shortest(void **state)
{
    struct buf b;
    (void)state;
    for (size_t n = 0; n < 70000; n = n < 300 ? n + 1 : n + 9973) {
        char *content = calloc(1, n + 1);
        struct span rest, outer, inner, got;
        buf_init(&b, 0);
        struct pki_der d = pki_der(&b);
        pki_der_begin(&d, PKI_DER_SEQUENCE);
        pki_der_begin(&d, PKI_DER_SEQUENCE);
        pki_der_put(&d, PKI_DER_OCTET_STRING, span_of(content, n));
        pki_der_end(&d);
        pki_der_end(&d);
        rest = buf_span(&b);
        // The reader takes the shortest form only, so this also checks the writer.
        assert_true(pki_der_take(&rest, PKI_DER_SEQUENCE, &outer));
        assert_int_equal(0, rest.n);
        assert_true(pki_der_take(&outer, PKI_DER_SEQUENCE, &inner));
        assert_true(pki_der_take(&inner, PKI_DER_OCTET_STRING, &got));
        assert_int_equal(n, got.n);
        assert_int_equal(0, inner.n);
        buf_fini(&b);
        free(content);
    }
}

static void integers_are_minimal_and_positive(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    struct pki_der d = pki_der(&b);
    pki_der_int(&d, 0);
    pki_der_int(&d, 127);
    pki_der_int(&d, 128);
    pki_der_int(&d, 65535);
    pki_der_uint(&d, SPAN("\x00\x00\x80\x01"));
    pki_der_uint(&d, SPAN("\x7f"));
    expect(&b, SPAN("\x02\x01\x00\x02\x01\x7f\x02\x02\x00\x80\x02\x03\x00\xff\xff\x02\x03\x00\x80\x01\x02\x01\x7f"));
    buf_fini(&b);
    struct span m;
    assert_true(pki_der_positive(SPAN("\x00\x80"), &m));
    assert_int_equal(1, m.n);
    assert_false(pki_der_positive(SPAN("\x80"), &m));     // negative
    assert_false(pki_der_positive(SPAN("\x00\x7f"), &m)); // a zero too many
    assert_false(pki_der_positive(SPAN(""), &m));
}

static void malformed_elements_are_refused(void **state)
{
    static const struct span bad[] = {
        SPAN(""),
        SPAN("\x30"),
        SPAN("\x30\x01"),
        SPAN("\x30\x80\x00\x00"), // indefinite
        SPAN("\x30\x81\x01\x00"), // long form of a short length
        SPAN("\x30\x82\x00\x81"),
        SPAN("\x1f\x81\x00\x00"), // leading zero; high tag number
        SPAN("\x30\x85\x01\x00\x00\x00\x00"),
        SPAN("\x30\x84\xff\xff\xff\xff"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct span rest = bad[i], content;
        int tag;
        assert_false(pki_der_next(&rest, &tag, &content, NULL));
        assert_ptr_equal(bad[i].p, rest.p);
        assert_int_equal(bad[i].n, rest.n);
    }
}

static void check_time(int64_t seconds, struct span want)
{
    struct buf b;
    struct span rest, content;
    int tag;
    int64_t back = -1;
    buf_init(&b, 0);
    struct pki_der d = pki_der(&b);
    pki_der_time(&d, seconds);
    rest = buf_span(&b);
    assert_true(pki_der_next(&rest, &tag, &content, NULL));
    assert_true(span_eq(content, want));
    assert_int_equal(want.n == 13 ? PKI_DER_UTC_TIME : PKI_DER_GENERALIZED_TIME, tag);
    assert_true(pki_der_read_time(tag, content, &back));
    assert_int_equal(seconds, back);
    buf_fini(&b);
}

static void dates_turn_generalized_in_2050(void **state)
{
    (void)state;
    check_time(0, SPAN("700101000000Z"));
    check_time(951782399, SPAN("000228235959Z"));
    check_time(951782400, SPAN("000229000000Z")); // a leap day in a year divisible by 400
    check_time(1800000000, SPAN("270115080000Z"));
    check_time(2524607999, SPAN("491231235959Z"));
    check_time(2524608000, SPAN("20500101000000Z"));
    check_time(4107542400, SPAN("21000301000000Z")); // 2100 has no leap day
    check_time(253402300799, SPAN("99991231235959Z"));
}

static void dates_that_do_not_exist_are_refused(void **state)
{
    static const struct span bad[] = { SPAN("230229000000Z"),     SPAN("231301000000Z"),
                                       SPAN("230100000000Z"),     SPAN("230101240000Z"),
                                       SPAN("230101006000Z"),     SPAN("2301010000Z"),
                                       SPAN("230101000000+0000"), SPAN("2301010000a0Z"),
                                       SPAN("690101000000Z"),     SPAN("") };
    int64_t out = 42;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(pki_der_read_time(PKI_DER_UTC_TIME, bad[i], &out));
    }
    assert_false(pki_der_read_time(PKI_DER_GENERALIZED_TIME, SPAN("20500230000000Z"), &out));
    assert_false(pki_der_read_time(PKI_DER_GENERALIZED_TIME, SPAN("20500101000000.5Z"), &out));
    assert_false(pki_der_read_time(PKI_DER_OCTET_STRING, SPAN("230101000000Z"), &out));
    assert_int_equal(42, out);
}

static void serials_are_read_as_people_write_them(void **state)
{
    char out[PKI_SERIAL_TEXT];
    (void)state;
    assert_true(pki_serial_parse(SPAN("0A:bC:ff"), out));
    assert_string_equal("abcff", out);
    assert_true(pki_serial_parse(SPAN("0x00ff"), out));
    assert_string_equal("ff", out);
    assert_true(pki_serial_parse(SPAN("00ffffffffffffffffffffffffffffffff"), out));
    assert_false(pki_serial_parse(SPAN("1ffffffffffffffffffffffffffffffff"), out));
    assert_false(pki_serial_parse(SPAN("xyz"), out));
    assert_false(pki_serial_parse(SPAN("000"), out));
    assert_false(pki_serial_parse(SPAN(""), out));
    assert_false(pki_serial_parse(SPAN(":ff"), out));
    assert_string_equal("ffffffffffffffffffffffffffffffff", out);
}

static void serials_are_random_and_have_one_length(void **state)
{
    uint8_t seen[64][PKI_SERIAL];
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        pki_serial_new(seen[i]);
        assert_true(seen[i][0] >= 0x10);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(seen[i], seen[j], PKI_SERIAL);
        }
    }
}

// ---- PEM

static void pem_survives_the_round_trip_at_every_length(void **state)
{
    struct buf pem, der;
    char bytes[200];
    (void)state;
    buf_init(&pem, 0);
    buf_init(&der, 0);
    for (size_t n = 1; n < sizeof bytes; n++) {
        struct span rest, label;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(i * 37 + n);
        }
        buf_clear(&pem);
        pki_pem_write(&pem, SPAN("X"), span_of(bytes, n));
        rest = buf_span(&pem);
        assert_int_equal(1, pki_pem_next(&rest, &label, &der));
        assert_true(span_eq(label, SPAN("X")));
        expect(&der, span_of(bytes, n));
        assert_int_equal(0, pki_pem_next(&rest, &label, &der));
    }
    buf_fini(&pem);
    buf_fini(&der);
}

static void broken_pem_is_refused(void **state)
{
    static const struct span bad[] = {
        SPAN("-----BEGIN X-----\nAAAA\n"),                      // no end
        SPAN("-----BEGIN X-----\nAAAA\n-----END Y-----\n"),     // another end
        SPAN("-----BEGIN X-----\nAAA\n-----END X-----\n"),      // not whole groups
        SPAN("-----BEGIN X-----\nAA=A\n-----END X-----\n"),     // padding inside
        SPAN("-----BEGIN X-----\nAA==AAAA\n-----END X-----\n"), // more after the padding
        SPAN("-----BEGIN X-----\nAB==\n-----END X-----\n"),     // stray bits
        SPAN("-----BEGIN X-----\nA*AA\n-----END X-----\n"),
        SPAN("-----BEGIN X-----\nProc-Type: 4\n\nAAAA\n-----END X-----\n"),
        SPAN("-----BEGIN X\nAAAA\n-----END X-----\n"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct span rest = bad[i], label;
        struct buf der;
        buf_init(&der, 0);
        if (pki_pem_next(&rest, &label, &der) != ERR_CERT_MALFORMED) {
            fail_msg("%zu", i);
        }
        buf_fini(&der);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_lengths_are_shortest),
        cmocka_unit_test(integers_are_minimal_and_positive),
        cmocka_unit_test(malformed_elements_are_refused),
        cmocka_unit_test(dates_turn_generalized_in_2050),
        cmocka_unit_test(dates_that_do_not_exist_are_refused),
        cmocka_unit_test(serials_are_read_as_people_write_them),
        cmocka_unit_test(serials_are_random_and_have_one_length),
        cmocka_unit_test(pem_survives_the_round_trip_at_every_length),
        cmocka_unit_test(broken_pem_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
