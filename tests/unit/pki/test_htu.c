// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/htu.h"

static const struct {
    const char *in, *want; // NULL: no HTTP URI
} cases[] = {
    { "https://gw.example/collections/docs", "https://gw.example/collections/docs" },
    // case of scheme and host (RFC 3986 §6.2.2.1), not of the path
    { "HTTPS://GW.Example/Collections", "https://gw.example/Collections" },
    { "https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a" },
    // ports (§6.2.3)
    { "https://gw.example:443/a", "https://gw.example/a" },
    { "https://gw.example:/a", "https://gw.example/a" },
    { "https://gw.example:0443/a", "https://gw.example/a" },
    { "https://gw.example:08443/a", "https://gw.example:8443/a" },
    { "https://gw.example:80/a", "https://gw.example:80/a" },
    { "http://gw.example:80/a", "http://gw.example/a" },
    { "http://gw.example:443/a", "http://gw.example:443/a" },
    { "https://gw.example:65536/a", NULL },
    { "https://gw.example:1e3/a", NULL },
    { "https://[2001:db8::1]:443/", "https://[2001:db8::1]/" },
    // percent-encoding (§6.2.2.1, §6.2.2.2)
    { "https://gw.example/%7euser/%41%2d%2E%5f", "https://gw.example/~user/A-._" },
    { "https://gw.example/a%2fb%3a%3D", "https://gw.example/a%2Fb%3A%3D" },
    { "https://gw.example/%c3%a9", "https://gw.example/%C3%A9" },
    { "https://gw.example/%", NULL },
    { "https://gw.example/%2", NULL },
    { "https://gw.example/%g0", NULL },
    { "https://gw.example/%2541", "https://gw.example/%2541" }, // undone once
    // dot segments (§6.2.2.3), also encoded
    { "https://gw.example/a/./b/../c", "https://gw.example/a/c" },
    { "https://gw.example/a/%2e%2E/b", "https://gw.example/b" },
    { "https://gw.example/../../a", "https://gw.example/a" },
    { "https://gw.example/a/..", "https://gw.example/" },
    { "https://gw.example/a/.", "https://gw.example/a/" },
    { "https://gw.example/a/b/..", "https://gw.example/a/" },
    { "https://gw.example/.", "https://gw.example/" },
    { "https://gw.example/..", "https://gw.example/" },
    { "https://gw.example/a//../b", "https://gw.example/a/b" },
    { "https://gw.example//a", "https://gw.example//a" }, // an empty segment is a segment
    { "https://gw.example/...", "https://gw.example/..." },
    { "https://gw.example/.a/..b", "https://gw.example/.a/..b" },
    { "https://gw.example/a/b/c/./../../g", "https://gw.example/a/g" }, // §5.2.4's example
    { "https://gw.example/mid/content=5/../6", "https://gw.example/mid/6" },
    // empty path (§6.2.3)
    { "https://gw.example", "https://gw.example/" },
    { "https://gw.example?x", "https://gw.example/" },
    { "https://gw.example#x", "https://gw.example/" },
    // query and fragment are no part of it (RFC 9449 §4.3 (9))
    { "https://gw.example/a?b=/../c#d", "https://gw.example/a" },
    { "https://gw.example/a#b?c", "https://gw.example/a" },
    { "https://gw.example/a?", "https://gw.example/a" },
    // what is no URI of ours
    { "", NULL },
    { "/a", NULL },
    { "gw.example/a", NULL },
    { "ftp://gw.example/a", NULL },
    { "https:/gw.example/a", NULL },
    { "https:///a", NULL },
    { "https://:443/a", NULL },
    { "https://user@gw.example/a", NULL },
    { "https://user:pw@gw.example/a", NULL },
    { "https://gw%2eexample/a", NULL },
    { "https://gw.example\\@evil/a", NULL },
    { "https://gw.example/a b", NULL },
    { "https://gw.example/a\tb", NULL },
    { "https://gw.example/\xc3\xa9", NULL },
    { "https://gw.example/a\\b", NULL },
    { "https://gw.example/a\"b", NULL },
    { "https://gw.example/a[b", NULL },
    { "https://[::1/a", NULL },
    { "https://[]/a", NULL },
    { " https://gw.example/a", NULL },
};

static void rule_9_htu_is_normalised(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span in = span_str(cases[i].in);
        char *out = malloc(in.n + 1); // exactly what the header allows, so that a sanitizer sees an overrun
        size_t n = pki_htu_normalise(in, out);
        struct span want = cases[i].want ? span_str(cases[i].want) : SPAN("");
        if (!span_eq(span_of(out, n), want))
            fail_msg("%s: got %.*s", cases[i].in, (int)n, out);
        if (n > 0) { // a normal form is its own
            char again[200];
            assert_int_equal(pki_htu_normalise(span_of(out, n), again), n);
            assert_memory_equal(again, out, n);
        }
        free(out);
    }
}

static void htu_over_its_bound_is_refused(void **state)
{
    (void)state;
    static char uri[PKI_HTU_MAX + 2], out[PKI_HTU_MAX + 3];
    memset(uri, 'a', sizeof uri);
    memcpy(uri, "https://a/", 10);
    assert_int_equal(pki_htu_normalise(span_of(uri, PKI_HTU_MAX), out), PKI_HTU_MAX);
    assert_int_equal(pki_htu_normalise(span_of(uri, PKI_HTU_MAX + 1), out), 0);
    struct arena a;
    arena_init(&a, 0);
    assert_true(span_is_none(pki_htu_normalise_dup(&a, span_of(uri, PKI_HTU_MAX + 1))));
    assert_true(span_eq(pki_htu_normalise_dup(&a, SPAN("HTTP://A")), SPAN("http://a/")));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_9_htu_is_normalised),
        cmocka_unit_test(htu_over_its_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
