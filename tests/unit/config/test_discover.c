// SPDX-License-Identifier: GPL-3.0-or-later
// Sets of endpoints, files of them, and what the configuration may say about finding them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/discover.h"
#include "tests/unit/config/least.h"

static struct gw_endpoint at(const char *host, uint16_t port)
{
    return (struct gw_endpoint){ host, port, span_str(host), span_str(host) };
}

static void a_set_owns_its_texts_and_has_each_once(void **state)
{
    (void)state;
    char host[] = "10.0.0.1";
    const struct gw_endpoint v[] = { at(host, 1), at("b", 2), at(host, 1), at(host, 3) };
    struct gw_endpoints *e = gw_endpoints_new(v, 4);
    host[0] = 'x';
    assert_int_equal(e->n, 3);
    assert_string_equal(e->v[0].host, "10.0.0.1");
    assert_true(span_eq(e->v[0].authority, SPAN("10.0.0.1")));
    assert_int_equal(e->v[2].port, 3);
    gw_endpoints_unref(gw_endpoints_ref(e));
    gw_endpoints_unref(e);
}

static void a_set_is_bounded(void **state)
{
    (void)state;
    struct gw_endpoint v[GW_ENDPOINTS_MAX + 5];
    for (size_t i = 0; i < GW_ENDPOINTS_MAX + 5; i++)
        v[i] = at("h", (uint16_t)(i + 1));
    struct gw_endpoints *e = gw_endpoints_new(v, GW_ENDPOINTS_MAX + 5);
    assert_int_equal(e->n, GW_ENDPOINTS_MAX);
    gw_endpoints_unref(e);
}

static void sets_are_the_same_in_any_order_and_differ_by_anything(void **state)
{
    (void)state;
    struct gw_endpoint one[] = { at("a", 1), at("b", 1) }, two[] = { at("b", 1), at("a", 1) };
    struct gw_endpoints *x = gw_endpoints_new(one, 2), *y = gw_endpoints_new(two, 2), *z = gw_endpoints_new(two, 1);
    two[0].name = SPAN("other");
    struct gw_endpoints *named = gw_endpoints_new(two, 2);
    assert_true(gw_endpoints_same(x, y));
    assert_false(gw_endpoints_same(x, z));
    assert_false(gw_endpoints_same(z, x));
    assert_false(gw_endpoints_same(x, named));
    assert_true(gw_endpoints_same(NULL, NULL));
    assert_false(gw_endpoints_same(x, NULL) || gw_endpoints_same(NULL, x));
    gw_endpoints_unref(x);
    gw_endpoints_unref(y);
    gw_endpoints_unref(z);
    gw_endpoints_unref(named);
}

static void a_file_names_endpoints_line_by_line(void **state)
{
    (void)state;
    char what[GW_ENDPOINT_FILE_WHAT];
    struct gw_endpoints *e = gw_endpoint_file_parse(
        SPAN("# pods\n10.0.0.1:6333\r\n\n  db-2.internal:443 # the second\n\t[2001:db8::1]:6333\n10.0.0.1:6333"), true,
        what);
    assert_non_null(e);
    assert_int_equal(e->n, 3);
    assert_string_equal(e->v[0].host, "10.0.0.1");
    assert_true(span_eq(e->v[0].authority, SPAN("10.0.0.1:6333")));
    assert_true(span_eq(e->v[1].authority, SPAN("db-2.internal"))); // https's own port
    assert_true(span_eq(e->v[1].name, SPAN("db-2.internal")));
    assert_string_equal(e->v[2].host, "2001:db8::1");
    assert_true(span_eq(e->v[2].authority, SPAN("[2001:db8::1]:6333")));
    gw_endpoints_unref(e);
}

static void a_file_with_anything_else_in_it_is_refused_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "", "it names no endpoint" },
        { "\n# 10.0.0.1:1\n", "it names no endpoint" },
        { "10.0.0.1:1\n10.0.0.2\n", "line 2: host:port is expected" },
        { "10.0.0.1:0\n", "line 1: host:port is expected" },
        { "10.0.0.1:65536\n", "line 1: host:port is expected" },
        { "http://10.0.0.1:1\n", "line 1: host:port is expected" },
        { "10.0.0.1:1/\n", "line 1: host:port is expected" },
        { "user@10.0.0.1:1\n", "line 1: host:port is expected" },
        { "2001:db8::1:6333\n", "line 1: host:port is expected" },
        { "[2001:db8::1]\n", "line 1: host:port is expected" },
        { "10.0.0.1:1 10.0.0.2:1\n", "line 1: host:port is expected" },
        { ":1\n", "line 1: host:port is expected" },
    };
    char what[GW_ENDPOINT_FILE_WHAT];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(gw_endpoint_file_parse(span_str(bad[i].text), false, what));
        assert_string_equal(what, bad[i].what);
    }
    assert_null(gw_endpoint_file_parse(span_of("10.0.0.1\0:1", 11), false, what));
    char many[(GW_ENDPOINTS_MAX + 1) * 16];
    size_t n = 0;
    for (int i = 0; i <= GW_ENDPOINTS_MAX; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "10.0.0.1:%d\n", i + 1);
    assert_null(gw_endpoint_file_parse(span_of(many, n), false, what));
    assert_string_equal(what, "line 65: more than 64 endpoints");
    assert_null(gw_endpoint_file_read("/nonexistent/endpoints", false, what));
    assert_string_equal(what, "No such file or directory");
}

// What a configuration with this shard is complained about; NULL: nothing about the shard.
static char *complaint(const char *shard)
{
    char text[4096];
    struct gw_config *c = NULL;
    struct diags diags;
    static char found[512];
    diags_init(&diags);
    snprintf(text, sizeof text, LEAST_BUT_PLACES "shards:\n  - { name: s, api: qdrant, %s }\nroutes: [{ shard: s }]\n",
             shard);
    gw_config_parse(span_str(text), SPAN("t.yaml"), &c, &diags);
    found[0] = '\0';
    for (const struct diag *d = diags.first; d; d = d->next)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s\n", SPAN_FMT(d->text));
    diags_fini(&diags);
    gw_config_free(c);
    return found[0] ? found : NULL;
}

static void what_a_source_may_be(void **state)
{
    (void)state;
    assert_null(complaint("discover: { dns: \"http://db.internal:6333\" }"));
    assert_null(complaint("discover: { dns: \"https://db.internal\", servers: [\"10.0.0.53:53\", \"[::1]:53\"] }, "
                          "tls: { ca: c }"));
    assert_null(complaint("discover: { srv: \"http://_qdrant._tcp.db\" }"));
    assert_null(complaint("discover: { srv: \"https://_qdrant._tcp.db\" }, tls: { ca: c, server_name: db }"));
    assert_null(complaint("discover: { file: f }, tls: { ca: c }"));
    assert_null(complaint("discover: { file: f, scheme: http }"));
}

static void has(const char *shard, const char *part)
{
    char *found = complaint(shard);
    if (!found || !strstr(found, part))
        fail_msg("%s: '%s' instead of '%s'", shard, found ? found : "nothing", part);
}

static void what_a_source_may_not_be(void **state)
{
    (void)state;
    has("endpoints: [\"http://h:1\"], discover: { dns: \"http://h:1\" }", "exclude each other");
    has("timeouts: {}", "'endpoints' is missing");
    has("discover: {}", "write one of them");
    has("discover: { dns: \"http://h:1\", file: f }", "write one of them");
    has("discover: { dns: \"h:1\" }", "is expected");
    has("discover: { dns: \"http://10.0.0.1:1\" }", "an address needs no looking up");
    has("discover: { dns: \"http://[::1]:1\" }", "an address needs no looking up");
    has("discover: { srv: \"http://db:1\" }", "no port here");
    has("discover: { srv: \"http://db\" }", "begins with '_'");
    has("discover: { file: f, scheme: http, servers: [\"10.0.0.1:53\"] }", "remove it");
    has("discover: { dns: \"http://h:1\", servers: [\"ns.internal:53\"] }", "an IP address and a port are expected");
    has("discover: { dns: \"https://h:1\" }", "nothing vouches for it");
}

// Whoever forges an answer would name the server that is trusted.
static void a_service_behind_tls_needs_a_name_that_dns_did_not_give(void **state)
{
    (void)state;
    has("discover: { srv: \"https://_qdrant._tcp.db\" }, tls: { ca: c }",
        "whoever forges it would choose whom to trust");
}

static void a_credential_that_would_go_unencrypted_is_warned_of(void **state)
{
    (void)state;
    has("discover: { dns: \"http://db.internal:1\" }, credential: { header: api-key, file: f }", "unencrypted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_owns_its_texts_and_has_each_once),
        cmocka_unit_test(a_set_is_bounded),
        cmocka_unit_test(sets_are_the_same_in_any_order_and_differ_by_anything),
        cmocka_unit_test(a_file_names_endpoints_line_by_line),
        cmocka_unit_test(a_file_with_anything_else_in_it_is_refused_whole),
        cmocka_unit_test(what_a_source_may_be),
        cmocka_unit_test(what_a_source_may_not_be),
        cmocka_unit_test(a_service_behind_tls_needs_a_name_that_dns_did_not_give),
        cmocka_unit_test(a_credential_that_would_go_unencrypted_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
