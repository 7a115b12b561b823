// SPDX-License-Identifier: GPL-3.0-or-later
// What a client may send to the token service, and in which form.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/oauth_form.h"

#include <stdio.h>
#include <stdlib.h>

struct posted {
    struct arena arena;
    struct gw_oauth_form form;
    const char *why;
    int rc;
};

static int post(struct posted *p, const char *type, const char *encoding, const char *query, struct span body)
{
    struct gw_header fields[2];
    struct gw_request request = { .method = GW_METHOD_POST, .headers = { .v = fields } };
    struct gw_headers *h = &request.headers;
    arena_init(&p->arena, 1u << 20);
    if (type) {
        fields[h->n++] = (struct gw_header){ SPAN("content-type"), span_str(type), GW_FIELD_CONTENT_TYPE, false };
        h->present |= UINT64_C(1) << GW_FIELD_CONTENT_TYPE;
    }
    if (encoding) {
        fields[h->n++] =
            (struct gw_header){ SPAN("content-encoding"), span_str(encoding), GW_FIELD_CONTENT_ENCODING, false };
        h->present |= UINT64_C(1) << GW_FIELD_CONTENT_ENCODING;
    }
    struct gw_visit v = { .arena = &p->arena, .request = &request, .to = { .query = span_str(query) }, .body = body };
    p->why = NULL;
    return p->rc = gw_oauth_form_read(&v, &p->form, &p->why);
}

#define FORM "application/x-www-form-urlencoded"

static void assert_refused(const char *body)
{
    struct posted p;
    assert_int_equal(post(&p, FORM, NULL, NULL, span_str(body)), ERR_OAUTH_FORM);
    assert_non_null(p.why);
    arena_fini(&p.arena);
}

static void parameters_are_decoded_and_empty_ones_are_absent(void **state)
{
    (void)state;
    struct posted p;
    assert_int_equal(
        post(&p, FORM, NULL, NULL,
             SPAN("grant_type=a%3Ab&scope=x+y&client_id=&token&unheard=1&resource=r1&audience=r2&resource=r1")),
        0);
    assert_true(span_eq(p.form.v[GW_FORM_GRANT_TYPE], SPAN("a:b")));
    assert_true(span_eq(p.form.v[GW_FORM_SCOPE], SPAN("x y")));
    assert_true(span_is_none(p.form.v[GW_FORM_CLIENT_ID]));
    assert_true(span_is_none(p.form.v[GW_FORM_TOKEN]));
    assert_int_equal(p.form.n_targets, 2);
    assert_true(span_eq(p.form.targets[0], SPAN("r1")) && span_eq(p.form.targets[1], SPAN("r2")));
    arena_fini(&p.arena);
    assert_int_equal(post(&p, FORM, NULL, NULL, SPAN("")), 0);
    arena_fini(&p.arena);
}

static void a_repeated_parameter_is_refused_known_or_not(void **state)
{
    (void)state;
    assert_refused("scope=a&scope=a");
    assert_refused("client_id=a&client%5Fid=b");
    assert_refused("grant_type=&grant_type=a");
    assert_refused("x=1&x=2");
}

static void malformed_forms_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "&",
                                       "a=1&&b=2",
                                       "=1",
                                       "a=%",
                                       "a=%zz",
                                       "a=%00",
                                       "a=%c0%80",
                                       "a=1;b=2",
                                       "a=%0a",
                                       "a=1&",
                                       "{\"grant_type\":\"x\"}&",
                                       "a=\x01" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i]);
}

static void only_a_form_in_the_body_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *type, *encoding, *query;
        bool ok;
    } cases[] = {
        { FORM, NULL, NULL, true },
        { "Application/X-WWW-Form-Urlencoded; charset=UTF-8", NULL, NULL, true },
        { FORM ";charset=iso-8859-1", NULL, NULL, false },
        { "application/json", NULL, NULL, false },
        { "multipart/form-data", NULL, NULL, false },
        { NULL, NULL, NULL, false },
        { FORM, "gzip", NULL, false },
        // RFC 6749 §2.3.1: what is secret is never in a URL.
        { FORM, NULL, "client_secret=x", false },
        { FORM, NULL, "x=1", false },
        { FORM, NULL, "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct posted p;
        assert_int_equal(post(&p, cases[i].type, cases[i].encoding, cases[i].query, SPAN("grant_type=a")),
                         cases[i].ok ? 0 : ERR_OAUTH_FORM);
        arena_fini(&p.arena);
    }
}

static void every_size_is_bounded(void **state)
{
    (void)state;
    struct posted p;
    char *text = malloc(GW_FORM_BYTES + 2);
    memset(text, 'a', GW_FORM_BYTES + 1);
    memcpy(text, "unheard=", 8);
    assert_int_equal(post(&p, FORM, NULL, NULL, span_of(text, GW_FORM_BYTES)), 0);
    arena_fini(&p.arena);
    assert_int_equal(post(&p, FORM, NULL, NULL, span_of(text, GW_FORM_BYTES + 1)), ERR_OAUTH_FORM);
    arena_fini(&p.arena);
#define X(id, name, most)                                                                                  \
    memset(text, 'a', GW_FORM_BYTES);                                                                      \
    memcpy(text, name "=", sizeof name);                                                                   \
    assert_int_equal(post(&p, FORM, NULL, NULL, span_of(text, sizeof name + (most))), 0);                  \
    arena_fini(&p.arena);                                                                                  \
    assert_int_equal(post(&p, FORM, NULL, NULL, span_of(text, sizeof name + (most) + 1)), ERR_OAUTH_FORM); \
    arena_fini(&p.arena);
    GW_FORM_TABLE(X)
#undef X
    size_t n = 0;
    for (unsigned i = 0; i < GW_FORM_PAIRS; i++)
        n += (size_t)sprintf(text + n, "%sp%u=1", i ? "&" : "", i);
    assert_int_equal(post(&p, FORM, NULL, NULL, span_of(text, n)), 0);
    arena_fini(&p.arena);
    n += (size_t)sprintf(text + n, "&q=1");
    assert_refused(text);
    n = 0;
    for (unsigned i = 0; i <= GW_FORM_TARGETS; i++)
        n += (size_t)sprintf(text + n, "%saudience=%u", i ? "&" : "", i);
    assert_refused(text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_decoded_and_empty_ones_are_absent),
        cmocka_unit_test(a_repeated_parameter_is_refused_known_or_not),
        cmocka_unit_test(malformed_forms_are_refused),
        cmocka_unit_test(only_a_form_in_the_body_is_read),
        cmocka_unit_test(every_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
