// SPDX-License-Identifier: GPL-3.0-or-later
// The request target: rules 32 and 35 of the checklist.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/http/target.h"

#define S(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct span served[] = { S("gw.test"), S("gw.test:8443"), S("[::1]") };
static const struct gw_target_options options = { .scheme = S("https"), .authorities = served, .n_authorities = 3 };

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 0);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void path_becomes(struct arena *a, struct span target, struct span path, struct span query)
{
    struct gw_target t;
    const char *what = "";
    if (gw_target_parse(GW_METHOD_GET, target, SPAN("gw.test"), &options, a, &t, &what) || !span_eq(t.path, path) ||
        !span_eq(t.query, query) || span_is_none(t.query) != span_is_none(query))
        fail_msg("%.*s: %s", SPAN_FMT(target), what);
}

static void rule_35_the_path_is_normalised_once(void **state)
{
    path_becomes(*state, SPAN("/"), SPAN("/"), SPAN_NONE);
    path_becomes(*state, SPAN("/a/b"), SPAN("/a/b"), SPAN_NONE);
    path_becomes(*state, SPAN("/a/"), SPAN("/a/"), SPAN_NONE);
    path_becomes(*state, SPAN("/%41%7e%2D%5f%2e"), SPAN("/A~-_."), SPAN_NONE);
    path_becomes(*state, SPAN("/%c3%a9%3a%20"), SPAN("/%C3%A9%3A%20"), SPAN_NONE);
    path_becomes(*state, SPAN("/%25%32%46"), SPAN("/%252F"), SPAN_NONE);
    path_becomes(*state, SPAN("/a;b=c:@!$&'()*+,"), SPAN("/a;b=c:@!$&'()*+,"), SPAN_NONE);
    path_becomes(*state, SPAN("/a?b=c/d?e&%2f"), SPAN("/a"), SPAN("b=c/d?e&%2f"));
    path_becomes(*state, SPAN("/a?"), SPAN("/a"), SPAN(""));
    path_becomes(*state, SPAN("/..."), SPAN("/..."), SPAN_NONE);
}

static void segments_are_decoded(void **state)
{
    struct gw_target t;
    assert_int_equal(
        gw_target_parse(GW_METHOD_GET, SPAN("/a%20b/%c3%a9/"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_int_equal(t.n_segments, 3);
    assert_true(span_eq(t.segments[0], SPAN("a b")) && span_eq(t.segments[1], SPAN("\xc3\xa9")) &&
                t.segments[2].n == 0);
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("/"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_int_equal(t.n_segments, 0);
}

static void rule_35_paths_with_two_meanings_are_refused(void **state)
{
    static const struct span cases[] = {
        S("/a%2fb"),      S("/a%2Fb"),     S("/a\\b"),         S("/a%5cb"),
        S("/a%5Cb"),      S("/."),         S("/.."),           S("/./a"),
        S("/../a"),       S("/a/.."),      S("/a/../b"),       S("/%2e"),
        S("/%2e%2e/a"),   S("/.%2E/a"),    S("/..;x/a"),       S("/.;/a"),
        S("//"),          S("//a"),        S("/a//b"),         S("/a//"),
        S("/%00"),        S("/a%0d%0ab"),  S("/%7f"),          S("/\x01"),
        S("/\x7f"),       S("/%c2%85"),    S("/%c0%ae"),       S("/%c0%af"),
        S("/%e0%80%af"),  S("/%ed%a0%80"), S("/%f4%90%80%80"), S("/%f8%88%80%80%80"),
        S("/%80"),        S("/%c3"),       S("/\xc3\xa9"),     S("/%"),
        S("/%4"),         S("/%zz"),       S("/%4g"),          S("/a%u002f"),
        S("/a#b"),        S("/#"),         S("/a b"),          S("/<a>"),
        S("/a\"b"),       S("/{a}"),       S("/a|b"),          S("/a^b"),
        S("/a`b"),        S("/[a]"),       S("/a?b#c"),        S("/a?b c"),
        S("/a?%"),        S("/a?\x01"),    S("/a?\\"),         S("/a?<b>"),
        S("/a?b[0]=1"),   S(""),           S("a/b"),           S("*"),
        S("gw.test:443"), S("?a"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_target t = { .n_segments = 99 };
        const char *what = NULL;
        int rc = gw_target_parse(GW_METHOD_GET, cases[i], SPAN("gw.test"), &options, *state, &t, &what);
        if (rc != ERR_HTTP_TARGET || !what || t.n_segments != 99)
            fail_msg("%.*s gave %d (%s)", SPAN_FMT(cases[i]), rc, what ? what : "no reason");
    }
}

static void rule_35_normalising_twice_changes_nothing(void **state)
{
    // All pairs of encoded bytes in one segment: whatever is accepted is a fixed point.
    for (unsigned i = 0; i < 65536; i += 7) {
        char text[] = "/x%00%00y";
        struct gw_target t, again;
        text[3] = "0123456789abcdef"[i >> 12];
        text[4] = "0123456789ABCDEF"[i >> 8 & 15];
        text[6] = "0123456789abcdef"[i >> 4 & 15];
        text[7] = "0123456789ABCDEF"[i & 15];
        struct arena a;
        arena_init(&a, 0);
        if (gw_target_parse(GW_METHOD_GET, span_str(text), SPAN("gw.test"), &options, &a, &t, NULL) == 0) {
            assert_int_equal(gw_target_parse(GW_METHOD_GET, t.path, SPAN("gw.test"), &options, &a, &again, NULL), 0);
            assert_true(span_eq(t.path, again.path));
        }
        arena_fini(&a);
    }
    (void)state;
}

static void rule_32_absolute_form_overrides_host(void **state)
{
    struct gw_target t;
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("HTTPS://GW.test:8443/a?b"), SPAN("other.test"), &options,
                                     *state, &t, NULL),
                     0);
    assert_true(span_eq(t.authority, SPAN("gw.test:8443")) && span_eq(t.path, SPAN("/a")) &&
                span_eq(t.query, SPAN("b")));
    assert_int_equal(
        gw_target_parse(GW_METHOD_GET, SPAN("https://gw.test"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_true(span_eq(t.path, SPAN("/")));
    assert_int_equal(
        gw_target_parse(GW_METHOD_GET, SPAN("https://gw.test?x"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_true(span_eq(t.path, SPAN("/")) && span_eq(t.query, SPAN("x")));
}

static void rule_32_an_authority_that_is_not_ours_is_421(void **state)
{
    static const struct {
        struct span target, host;
        int error;
    } cases[] = {
        { S("/"), S("other.test"), ERR_HTTP_AUTHORITY },
        { S("/"), S("gw.test:444"), ERR_HTTP_AUTHORITY },
        { S("/"), S("gw.test."), ERR_HTTP_AUTHORITY },
        { S("https://other.test/"), S("gw.test"), ERR_HTTP_AUTHORITY },
        { S("http://gw.test/"), S("gw.test"), ERR_HTTP_AUTHORITY },
        { S("/"), S("gw.test:443"), 0 },
        { S("/"), S("GW.Test"), 0 },
        { S("/"), S("gw.test:8443"), 0 },
        { S("/"), S("[0:0:0:0:0:0:0:1]:443"), 0 },
        { S("/"), S(""), ERR_HTTP_HOST },
        { S("/"), S("gw.test:"), ERR_HTTP_HOST },
        { S("/"), S("gw.test:0443"), ERR_HTTP_HOST },
        { S("/"), S("gw.test:65536"), ERR_HTTP_HOST },
        { S("/"), S("gw.test:443:443"), ERR_HTTP_HOST },
        { S("/"), S("user@gw.test"), ERR_HTTP_HOST },
        { S("/"), S("gw.test/x"), ERR_HTTP_HOST },
        { S("/"), S("gw.test, gw.test"), ERR_HTTP_HOST },
        { S("/"), S("gw%2etest"), ERR_HTTP_HOST },
        { S("/"), S("gw..test"), ERR_HTTP_HOST },
        { S("/"), S(".gw.test"), ERR_HTTP_HOST },
        { S("/"), S("[::1"), ERR_HTTP_HOST },
        { S("/"), S("[::1]x"), ERR_HTTP_HOST },
        { S("/"), S("[gw.test]"), ERR_HTTP_HOST },
        { S("/"), S("[fe80::1%25eth0]"), ERR_HTTP_HOST },
        { S("https://user@gw.test/"), S("gw.test"), ERR_HTTP_TARGET },
        { S("https:///a"), S("gw.test"), ERR_HTTP_TARGET },
        { S("https://gw.test/"), S("bad host"), ERR_HTTP_HOST },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_target t;
        int rc = gw_target_parse(GW_METHOD_GET, cases[i].target, cases[i].host, &options, *state, &t, NULL);
        if (rc != cases[i].error)
            fail_msg("%.*s with Host %.*s gave %d", SPAN_FMT(cases[i].target), SPAN_FMT(cases[i].host), rc);
    }
}

static void without_a_list_no_authority_is_served(void **state)
{
    struct gw_target t;
    struct gw_target_options none = { .scheme = SPAN("https") };
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("/"), SPAN("gw.test"), &none, *state, &t, NULL),
                     ERR_HTTP_AUTHORITY);
    none.any_authority = true;
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("/"), SPAN("anything"), &none, *state, &t, NULL), 0);
}

static void asterisk_is_for_options_alone(void **state)
{
    struct gw_target t;
    assert_int_equal(gw_target_parse(GW_METHOD_OPTIONS, SPAN("*"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_true(t.asterisk && t.n_segments == 0);
    assert_int_equal(
        gw_target_parse(GW_METHOD_OPTIONS, SPAN("https://gw.test"), SPAN("gw.test"), &options, *state, &t, NULL), 0);
    assert_true(t.asterisk);
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("*"), SPAN("gw.test"), &options, *state, &t, NULL),
                     ERR_HTTP_TARGET);
}

static void too_many_segments_are_refused(void **state)
{
    char text[2 * (GW_TARGET_SEGMENTS + 1)];
    struct gw_target t;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? 'a' : '/';
    assert_int_equal(
        gw_target_parse(GW_METHOD_GET, span_of(text, sizeof(text) - 2), SPAN("gw.test"), &options, *state, &t, NULL),
        0);
    assert_int_equal(
        gw_target_parse(GW_METHOD_GET, span_of(text, sizeof(text)), SPAN("gw.test"), &options, *state, &t, NULL),
        ERR_HTTP_TARGET);
}

static void htu_has_no_query(void **state)
{
    struct gw_target t;
    assert_int_equal(gw_target_parse(GW_METHOD_GET, SPAN("/%61?b"), SPAN("GW.test:443"), &options, *state, &t, NULL),
                     0);
    assert_true(span_eq(gw_target_htu(&t, SPAN("https"), *state), SPAN("https://gw.test/a")));
}

static void out_of_memory_is_not_another_authority(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 512; limit++) {
        struct arena a;
        struct gw_target t;
        arena_init(&a, limit);
        int rc =
            gw_target_parse(GW_METHOD_GET, SPAN("https://gw.test:8443/a"), SPAN("gw.test"), &options, &a, &t, NULL);
        assert_true(rc == ERR_NOMEM || (rc == 0 && span_eq(t.authority, SPAN("gw.test:8443"))));
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_35_the_path_is_normalised_once),
        cmocka_unit_test(segments_are_decoded),
        cmocka_unit_test(rule_35_paths_with_two_meanings_are_refused),
        cmocka_unit_test(rule_35_normalising_twice_changes_nothing),
        cmocka_unit_test(rule_32_absolute_form_overrides_host),
        cmocka_unit_test(rule_32_an_authority_that_is_not_ours_is_421),
        cmocka_unit_test(without_a_list_no_authority_is_served),
        cmocka_unit_test(asterisk_is_for_options_alone),
        cmocka_unit_test(too_many_segments_are_refused),
        cmocka_unit_test(htu_has_no_query),
        cmocka_unit_test(out_of_memory_is_not_another_authority),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
