// SPDX-License-Identifier: GPL-3.0-or-later
// SPIFFE IDs: go-spiffe's own table of cases, and the bounds it does not try.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "pki/spiffe.h"
#include "tests/support/jose.h"

static bool accepted(struct span s)
{
    struct pki_spiffe id;
    const char *why = NULL;
    int e = pki_spiffe_parse(s, &id, &why);
    assert_true(e == 0 || (e == ERR_CERT_SPIFFE_ID && why));
    return e == 0;
}

static void rule_30_go_spiffe_cases(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("spiffe/spiffe-id-cases.json");
    if (!doc)
        skip();
    json cases = json_get(json_root(doc), SPAN("cases")), item;
    struct json_iter it = json_iter(cases);
    struct span name;
    size_t n = 0;
    while (json_next(&it, &name, &item)) {
        struct pki_spiffe id;
        bool want = false;
        assert_true(json_bool(json_get(item, SPAN("ok")), &want));
        struct span input = json_string(json_get(item, SPAN("input")));
        bool got = pki_spiffe_parse(input, &id, NULL) == 0;
        if (got != want)
            fail_msg("%.*s: accepted %d, should be %d", SPAN_FMT(input), got, want);
        if (got) {
            struct span td = json_string(json_get(item, SPAN("td"))), path = json_string(json_get(item, SPAN("path")));
            assert_true(span_eq(id.id, input));
            assert_true(span_is_none(td) || span_eq(id.trust_domain, td));
            assert_true(span_is_none(path) || span_eq(id.path, path));
        }
        n++;
    }
    assert_true(n > 500);
    json_free(doc);
}

static void rule_30_port_userinfo_query_fragment_percent_are_refused(void **state)
{
    (void)state;
    assert_true(accepted(SPAN("spiffe://example.org/ns/a/sa/b")));
    assert_false(accepted(SPAN("spiffe://example.org:443/a")));
    assert_false(accepted(SPAN("spiffe://me@example.org/a")));
    assert_false(accepted(SPAN("spiffe://example.org/a?b")));
    assert_false(accepted(SPAN("spiffe://example.org/a#b")));
    assert_false(accepted(SPAN("spiffe://example.org/a%2fb")));
    assert_false(accepted(SPAN("spiffe://Example.org/a")));
    assert_false(accepted(SPAN("Spiffe://example.org/a")));
}

static void rule_30_empty_and_dot_segments_are_refused(void **state)
{
    (void)state;
    assert_false(accepted(SPAN("spiffe://example.org/")));
    assert_false(accepted(SPAN("spiffe://example.org/a/")));
    assert_false(accepted(SPAN("spiffe://example.org//a")));
    assert_false(accepted(SPAN("spiffe://example.org/a/./b")));
    assert_false(accepted(SPAN("spiffe://example.org/a/../b")));
    assert_false(accepted(SPAN("spiffe://example.org/..")));
    assert_true(accepted(SPAN("spiffe://example.org/...")));
    assert_true(accepted(SPAN("spiffe://example.org/.a")));
}

static void rule_30_longer_than_2048_bytes_is_refused(void **state)
{
    (void)state;
    char text[2049];
    memset(text, 'a', sizeof text);
    memcpy(text, "spiffe://example.org/", 21);
    assert_true(accepted(span_of(text, 2048)));
    assert_false(accepted(span_of(text, 2049)));
    char domain[300] = "spiffe://";
    memset(domain + 9, 'd', 256);
    assert_true(accepted(span_of(domain, 9 + 255)));
    assert_false(accepted(span_of(domain, 9 + 256)));
}

static void rule_28_a_trust_domain_alone_is_no_workload(void **state)
{
    (void)state;
    struct pki_spiffe id = { .id = SPAN("untouched") };
    assert_int_equal(pki_spiffe_parse(SPAN("spiffe://example.org"), &id, NULL), 0);
    id.id = SPAN("untouched");
    assert_int_equal(pki_spiffe_parse_workload(SPAN("spiffe://example.org"), &id, NULL), ERR_CERT_SPIFFE_ID);
    assert_true(span_eq(id.id, SPAN("untouched")));
    assert_int_equal(pki_spiffe_parse_workload(SPAN("spiffe://example.org/x"), &id, NULL), 0);
    assert_true(span_eq(id.trust_domain, SPAN("example.org")) && span_eq(id.path, SPAN("/x")));
}

static void a_broken_id_is_told_from_another_uri(void **state)
{
    (void)state;
    assert_true(pki_spiffe_looks_like(SPAN("SPIFFE:x")));
    assert_true(pki_spiffe_looks_like(SPAN("spiffe://")));
    assert_false(pki_spiffe_looks_like(SPAN("https://spiffe://x")));
    assert_false(pki_spiffe_looks_like(SPAN("spiff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_30_go_spiffe_cases),
        cmocka_unit_test(rule_30_port_userinfo_query_fragment_percent_are_refused),
        cmocka_unit_test(rule_30_empty_and_dot_segments_are_refused),
        cmocka_unit_test(rule_30_longer_than_2048_bytes_is_refused),
        cmocka_unit_test(rule_28_a_trust_domain_alone_is_no_workload),
        cmocka_unit_test(a_broken_id_is_told_from_another_uri),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
