// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport route, as a person runs it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const struct gw_cli_command gw_cmd_route;
static const struct gw_cli_command *const commands[] = { &gw_cmd_route, NULL };

static const char config[] =
    "listener:\n  addresses: [127.0.0.1:8443]\n  authorities: [gw.example]\n  tls: {certificate: c.pem, key: k.pem}\n"
    "trust_domains:\n  - {name: example.org, bundle: b.pem}\n"
    "issuers:\n  - {name: i, issuer: \"https://i\", jwks: j.json, audiences: [a], scopes: none, asserts: "
    "{trust_domains: [example.org]}}\n"
    "policy: {files: [p.cedar]}\naudit: {file: a.log}\n"
    "shards:\n"
    "  - {name: blue, api: chroma, endpoints: [\"http://127.0.0.1:8001\"]}\n"
    "  - {name: green, api: chroma, endpoints: [\"http://127.0.0.1:8002\"]}\n"
    "  - {name: q1, api: qdrant, endpoints: [\"http://127.0.0.1:6333\"]}\n"
    "routes:\n"
    "  - {collection: \"docs*\", shard: q1}\n"
    "  - {tenant: acme, shard: green}\n"
    "  - {hash: [blue, green]}\n";

struct told {
    char out[4096], err[4096];
    int status;
};

static void file(char path[static 32], const char *text)
{
    strcpy(path, "/tmp/route-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void run(struct told *t, const char *first, ...)
{
    char *argv[16] = { "sallyport", "route" };
    int argc = 2;
    va_list ap;
    va_start(ap, first);
    for (const char *a = first; a; a = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)a;
    va_end(ap);
    memset(t, 0, sizeof(*t));
    FILE *out = fmemopen(t->out, sizeof(t->out) - 1, "w"), *err = fmemopen(t->err, sizeof(t->err) - 1, "w");
    t->status = gw_cli_main("sallyport", "0", commands, argc, argv, out, err);
    fclose(out);
    fclose(err);
}

static void a_hidden_collection_is_shown(void **state)
{
    (void)state;
    struct told t;
    char body[32];
    file(body, "{\"query\":5,\"lookup_from\":{\"collection\":\"other\"}}");
    run(&t, "POST", "http://h/collections/docs/points/query?timeout=3", "--body", body, NULL);
    assert_int_equal(t.status, GW_EXIT_OK);
    assert_string_equal(t.out, "api         qdrant\n"
                               "operation   /collections/{c}/points/query\n"
                               "needs       search   collection docs\n"
                               "            read     collection other\n"
                               "facts       unfiltered  limit 10  queries 1  by id\n");
    run(&t, "POST", "/collections/docs/points/query", "--body", body, "--json", NULL);
    struct json_doc *doc = json_parse(span_str(t.out), NULL, NULL);
    assert_non_null(doc);
    json root = json_root(doc);
    assert_true(span_eq(json_string(json_get(root, SPAN("api"))), SPAN("qdrant")));
    assert_int_equal(json_count(json_get(root, SPAN("authorisations"))), 2);
    assert_true(span_eq(json_string(json_at(json_get(root, SPAN("collections")), 1)), SPAN("other")));
    json_free(doc);
    unlink(body);
}

static void what_is_denied_says_why_and_exits_1(void **state)
{
    (void)state;
    struct told t;
    char body[32];
    run(&t, "GET", "/nope", NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    assert_string_equal(t.out, "denied      no API table knows this method and path (403 api_unknown)\n");
    file(body, "{\"Lookup_from\":{\"collection\":\"other\"}}");
    run(&t, "POST", "/collections/docs/points/query", "--body", body, NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    assert_non_null(strstr(t.out, "because     a case variant of a known member: \"Lookup_from\"\n"));
    run(&t, "POST", "/collections/docs/points/query", NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    assert_non_null(strstr(t.out, "because     a body is required\n"));
    run(&t, "GET", "/collections/a%2fb", "--json", NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    assert_non_null(strstr(t.out, "\"error\":\"HTTP_TARGET\""));
    run(&t, "FOO", "/collections", NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    // A path of one API is unknown to the other.
    run(&t, "GET", "/collections/docs", "--api", "chroma", NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    unlink(body);
}

static void the_configuration_says_which_shard(void **state)
{
    (void)state;
    struct told t;
    char path[32], body[32];
    file(path, config);
    file(body, "{}");
#define P "/api/v2/tenants/acme/databases/main/collections"
    run(&t, "GET", "/collections/docs-1", "--config", path, NULL);
    assert_int_equal(t.status, GW_EXIT_OK);
    assert_non_null(strstr(t.out, "shard       q1\n"));
    run(&t, "GET", "/collections/other", "--config", path, NULL);
    assert_int_equal(t.status, GW_EXIT_NO);
    assert_non_null(strstr(t.out, "404 no_shard"));
    run(&t, "GET", P "/letters", "--config", path, NULL);
    assert_non_null(strstr(t.out, "shard       green\n"));
    run(&t, "GET", "/api/v2/tenants/x/databases/main/collections", "--config", path, NULL);
    assert_non_null(strstr(t.out, "shard       blue green (every one of them is asked, the answers are merged)\n"));
    run(&t, "POST", P "/00000000-0000-4000-8000-000000000001/get", "--body", body, "--config", path, NULL);
    assert_int_equal(t.status, GW_EXIT_OK);
    assert_non_null(strstr(t.out, "(a UUID; policy sees its name)"));
    assert_non_null(strstr(t.out, "shard       green (the one of them that has the UUID)\n"));
    run(&t, "GET", P, "--config", path, "--json", NULL);
    assert_non_null(strstr(t.out, "\"fan\":\"merge\",\"shards\":[\"green\"]"));
    unlink(path);
    unlink(body);
}

static void bad_usage_exits_2(void **state)
{
    (void)state;
    struct told t;
    char path[32];
    run(&t, "GET", "/collections", "--api", "pinecone", NULL);
    assert_int_equal(t.status, GW_EXIT_USAGE);
    run(&t, "POST", "/collections", "--body", "/nonexistent/file", NULL);
    assert_int_equal(t.status, GW_EXIT_USAGE);
    run(&t, "GET", NULL);
    assert_int_equal(t.status, GW_EXIT_USAGE);
    file(path, "nonsense: 1\n");
    run(&t, "GET", "/collections", "--config", path, NULL);
    assert_int_equal(t.status, GW_EXIT_USAGE);
    assert_non_null(strstr(t.err, "nonsense"));
    assert_string_equal(t.out, "");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hidden_collection_is_shown),
        cmocka_unit_test(what_is_denied_says_why_and_exits_1),
        cmocka_unit_test(the_configuration_says_which_shard),
        cmocka_unit_test(bad_usage_exits_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
