// SPDX-License-Identifier: GPL-3.0-or-later
// RFC 7512 URIs: what is read from one, and what is refused before any module is loaded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "pki/hsm_uri.h"

#define MODULE "?module-path=/lib/p11.so"

static void everything_is_decoded(void **state)
{
    (void)state;
    struct pki_hsm_uri u;
    const char *what = NULL;
    struct span text =
        SPAN("pkcs11:token=My%20token;serial=1a;manufacturer=A%3bB;model=m;object=the%2Fkey;id=%00%ff;type=private"
             "?module-path=/lib/p11.so&pin-source=file:/etc/pin%20file");
    assert_int_equal(pki_hsm_uri_parse_(text, &u, &what), 0);
    assert_string_equal(u.token.p, "My token");
    assert_string_equal(u.serial.p, "1a");
    assert_string_equal(u.manufacturer.p, "A;B");
    assert_string_equal(u.model.p, "m");
    assert_string_equal(u.object.p, "the/key");
    assert_true(span_eq(u.id, SPAN("\0\xff")));
    assert_string_equal(u.module_path.p, "/lib/p11.so");
    assert_string_equal(u.pin_source.p, "/etc/pin file");
    pki_hsm_uri_fini_(&u);
}

static void a_pin_source_is_a_path_or_a_file_uri(void **state)
{
    (void)state;
    static const char *const same[] = { "/etc/pin", "file:/etc/pin", "file:///etc/pin" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char text[200];
        struct pki_hsm_uri u;
        const char *what = NULL;
        snprintf(text, sizeof text, "pkcs11:token=t" MODULE "&pin-source=%s", same[i]);
        assert_int_equal(pki_hsm_uri_parse_(span_str(text), &u, &what), 0);
        assert_string_equal(u.pin_source.p, "/etc/pin");
        pki_hsm_uri_fini_(&u);
    }
}

static void a_pin_value_in_a_uri_is_refused(void **state)
{
    (void)state;
    const char *what = NULL;
    struct pki_hsm_uri u;
    assert_int_equal(pki_hsm_uri_parse_(SPAN("pkcs11:token=t;object=k" MODULE "&pin-value=1234"), &u, &what), ERR_HSM);
    assert_non_null(strstr(what, "pin-value is refused"));
    assert_null(strstr(what, "1234"));
}

static void what_is_not_understood_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *what;
    } rows[] = {
        { "pkcs12:token=t" MODULE, "no pkcs11: URI" },
        { "PKCS11:token=t" MODULE, "no pkcs11: URI" },
        { "pkcs11:", "names no token" },
        { "pkcs11:?module-path=/lib/p11.so", "names no token" },
        { "pkcs11:object=k" MODULE, "names no token" },
        { "pkcs11:token=t", "no module-path" },
        { "pkcs11:token=t?", "no value" },
        { "pkcs11:token=t?module-path=p11.so", "not an absolute path" },
        { "pkcs11:token=t?module-name=p11", "module-name is not supported" },
        { "pkcs11:token=t;slot-id=3" MODULE, "slot-id is not supported" },
        { "pkcs11:token=t;colour=red" MODULE, "not known" },
        { "pkcs11:token=t;type=public" MODULE, "not known" },
        { "pkcs11:token=t;module-path=/lib/p11.so", "not known" },
        { "pkcs11:token=t" MODULE "&object=k", "not known" },
        { "pkcs11:token=t;token=u" MODULE, "twice" },
        { "pkcs11:token=t" MODULE "&module-path=/other.so", "twice" },
        { "pkcs11:token=" MODULE, "no value" },
        { "pkcs11:token" MODULE, "no value" },
        { "pkcs11:token=t;;object=k" MODULE, "no value" },
        { "pkcs11:token=a b" MODULE, "percent-encoded" },
        { "pkcs11:token=a%2" MODULE, "percent-encoded" },
        { "pkcs11:token=a%" MODULE, "percent-encoded" },
        { "pkcs11:token=a%zz" MODULE, "percent-encoded" },
        { "pkcs11:token=a%00b" MODULE, "percent-encoded" },
        { "pkcs11:token=\xc3\xa9" MODULE, "percent-encoded" },
        { "pkcs11:token=t?module-path=/lib/p%00.so", "percent-encoded" },
        { "pkcs11:token=123456789012345678901234567890123" MODULE, "at most 32 bytes" },
        { "pkcs11:serial=12345678901234567" MODULE, "at most 16 bytes" },
        { "pkcs11:token=t" MODULE "&pin-source=pin", "not the absolute path" },
        { "pkcs11:token=t" MODULE "&pin-source=file:pin", "not the absolute path" },
        { "pkcs11:token=t" MODULE "&pin-source=file://host/pin", "not the absolute path" },
        { "pkcs11:token=t" MODULE "&pin-source=%7c/bin/cat%20/etc/pin", "not the absolute path" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_hsm_uri u = { .store = (char *)(uintptr_t) "untouched" };
        const char *what = "";
        int rc = pki_hsm_uri_parse_(span_str(rows[i].uri), &u, &what);
        if (rc != ERR_HSM || !strstr(what, rows[i].what))
            fail_msg("%s: %d, %s", rows[i].uri, rc, what);
        assert_string_equal(u.store, "untouched");
    }
}

static void a_uri_has_a_bound(void **state)
{
    (void)state;
    static char text[PKI_HSM_URI_MAX + 2];
    struct pki_hsm_uri u;
    const char *what = NULL;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "pkcs11:", 7);
    assert_int_equal(pki_hsm_uri_parse_(span_str(text), &u, &what), ERR_HSM);
    assert_non_null(strstr(what, "longer than"));
}

static void a_uri_names_a_key_or_a_token_only(void **state)
{
    (void)state;
    const char *what = NULL;
    assert_int_equal(pki_hsm_check_uri(SPAN("pkcs11:token=t;object=k" MODULE), true, &what), 0);
    assert_int_equal(pki_hsm_check_uri(SPAN("pkcs11:token=t;id=%01" MODULE), true, &what), 0);
    assert_int_equal(pki_hsm_check_uri(SPAN("pkcs11:token=t" MODULE), true, &what), ERR_HSM);
    assert_non_null(strstr(what, "names no key"));
    assert_int_equal(pki_hsm_check_uri(SPAN("pkcs11:token=t" MODULE), false, &what), 0);
    assert_int_equal(pki_hsm_check_uri(SPAN("pkcs11:token=t;object=k" MODULE), false, &what), ERR_HSM);
    assert_non_null(strstr(what, "token only"));
}

static void an_object_is_named_in_a_uri(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *object, *made;
    } rows[] = {
        { "pkcs11:token=t" MODULE, "k", "pkcs11:token=t;object=k" MODULE },
        { "pkcs11:object=old;token=t;id=%01" MODULE, "n", "pkcs11:token=t;object=n" MODULE },
        { "pkcs11:token=a%20b" MODULE "&pin-source=/p", "a b/c?d;e&f%g",
          "pkcs11:token=a%20b;object=a%20b%2Fc%3Fd%3Be%26f%25g" MODULE "&pin-source=/p" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf made;
        struct pki_hsm_uri u;
        const char *what = NULL;
        buf_init(&made, 0);
        assert_int_equal(pki_hsm_with_object(span_str(rows[i].uri), span_str(rows[i].object), &made, &what), 0);
        assert_true(span_eq(buf_span(&made), span_str(rows[i].made)));
        assert_int_equal(pki_hsm_uri_parse_(buf_span(&made), &u, &what), 0);
        assert_string_equal(u.object.p, rows[i].object);
        pki_hsm_uri_fini_(&u);
        buf_fini(&made);
    }
    struct buf made;
    const char *what = NULL;
    char longer[200] = { 0 };
    memset(longer, 'k', sizeof longer - 1);
    buf_init(&made, 0);
    assert_int_equal(pki_hsm_with_object(SPAN("pkcs11:token=t" MODULE), span_str(longer), &made, &what), ERR_HSM);
    assert_int_equal(pki_hsm_with_object(SPAN("pkcs11:token=t" MODULE), SPAN(""), &made, &what), ERR_HSM);
    assert_int_equal(buf_len(&made), 0);
    buf_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_decoded),
        cmocka_unit_test(a_pin_source_is_a_path_or_a_file_uri),
        cmocka_unit_test(a_pin_value_in_a_uri_is_refused),
        cmocka_unit_test(what_is_not_understood_is_refused_with_a_reason),
        cmocka_unit_test(a_uri_has_a_bound),
        cmocka_unit_test(a_uri_names_a_key_or_a_token_only),
        cmocka_unit_test(an_object_is_named_in_a_uri),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
