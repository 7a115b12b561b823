// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant's table: every method and path, then the places where a second collection hides.
#include "ask.h"

#define Q "{\"query\":[0.1,0.2],\"limit\":5}"

static void every_row_of_the_specification_has_its_action(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/", NULL, "meta -" },
        { "GET", "/healthz", NULL, "meta -" },
        { "GET", "/livez", NULL, "meta -" },
        { "GET", "/readyz", NULL, "meta -" },
        { "GET", "/collections", NULL, "list -" },
        { "GET", "/aliases", NULL, "list -" },
        { "GET", "/collections/docs", NULL, "meta docs" },
        { "GET", "/collections/docs/exists", NULL, "meta docs" },
        { "GET", "/collections/docs/aliases", NULL, "meta docs" },
        { "GET", "/collections/docs/cluster", NULL, "meta docs" },
        { "GET", "/collections/docs/shards", NULL, "meta docs" },
        { "GET", "/collections/docs/optimizations?with=queued&completed_limit=3", NULL, "meta docs" },
        { "GET", "/collections/docs/memory", NULL, "meta docs" },
        { "GET", "/collections/docs/points/42", NULL, "read docs" },
        { "POST", "/collections/docs/points", "{\"ids\":[1,2]}", "read docs" },
        { "POST", "/collections/docs/points/scroll?consistency=all&timeout=3", "{}", "read docs" },
        { "POST", "/collections/docs/points/count", "{\"exact\":true}", "read docs" },
        { "POST", "/collections/docs/facet", "{\"key\":\"a\"}", "read docs" },
        { "POST", "/collections/docs/points/query", Q, "search docs" },
        { "POST", "/collections/docs/points/query/batch", "{\"searches\":[" Q "," Q "]}", "search docs" },
        { "POST", "/collections/docs/points/query/groups", "{\"query\":1,\"group_by\":\"a\"}", "search docs" },
        { "POST", "/collections/docs/points/search", "{\"vector\":[1],\"limit\":3}", "search docs" },
        { "POST", "/collections/docs/points/search/batch", "{\"searches\":[{\"vector\":[1],\"top\":3}]}",
          "search docs" },
        { "POST", "/collections/docs/points/search/groups", "{\"vector\":[1],\"group_by\":\"a\"}", "search docs" },
        { "POST", "/collections/docs/points/search/matrix/pairs", "{\"sample\":3}", "search docs" },
        { "POST", "/collections/docs/points/search/matrix/offsets", "{\"using\":\"a\"}", "search docs" },
        { "POST", "/collections/docs/points/recommend", "{\"positive\":[1],\"limit\":3}", "search docs" },
        { "POST", "/collections/docs/points/recommend/batch", "{\"searches\":[{\"positive\":[1]}]}", "search docs" },
        { "POST", "/collections/docs/points/recommend/groups", "{\"positive\":[1],\"group_by\":\"a\"}", "search docs" },
        { "POST", "/collections/docs/points/discover", "{\"target\":1,\"limit\":3}", "search docs" },
        { "POST", "/collections/docs/points/discover/batch", "{\"searches\":[{\"target\":1}]}", "search docs" },
        { "PUT", "/collections/docs/points?wait=true&ordering=strong", "{\"points\":[]}", "write docs" },
        { "PUT", "/collections/docs/points/vectors", "{\"points\":[]}", "write docs" },
        { "PUT", "/collections/docs/points/payload", "{\"payload\":{}}", "write docs" },
        { "POST", "/collections/docs/points/payload", "{\"payload\":{}}", "write docs" },
        { "POST", "/collections/docs/points/delete", "{\"points\":[1]}", "delete docs" },
        { "POST", "/collections/docs/points/vectors/delete", "{\"points\":[1],\"vectors\":[\"a\"]}", "delete docs" },
        { "POST", "/collections/docs/points/payload/delete", "{\"keys\":[\"a\"],\"points\":[1]}", "delete docs" },
        { "POST", "/collections/docs/points/payload/clear", "{\"filter\":{}}", "delete docs" },
        { "PUT", "/collections/docs", "{\"vectors\":{\"size\":4,\"distance\":\"Dot\"}}", "create +docs" },
        { "PATCH", "/collections/docs?timeout=5", "{}", "alter docs" },
        { "DELETE", "/collections/docs", NULL, "drop docs" },
        { "DELETE", "/collections/docs", "{}", "drop docs" },
        { "PUT", "/collections/docs/index", "{\"field_name\":\"a\"}", "alter docs" },
        { "DELETE", "/collections/docs/index/a", NULL, "alter docs" },
        { "PUT", "/collections/docs/vectors/v", "{}", "alter docs" },
        { "DELETE", "/collections/docs/vectors/v", NULL, "alter docs" },
        { "POST", "/collections/docs/cluster", "{}", "alter docs" },
        { "PUT", "/collections/docs/shards", "{}", "alter docs" },
        { "POST", "/collections/docs/shards/delete", "{}", "alter docs" },
        { "GET", "/collections/docs/snapshots", NULL, "export docs" },
        { "POST", "/collections/docs/snapshots?wait=true", NULL, "export docs" },
        { "GET", "/collections/docs/snapshots/s1", NULL, "export docs" },
        { "DELETE", "/collections/docs/snapshots/s1", NULL, "drop docs" },
        { "POST", "/collections/docs/snapshots/upload?priority=snapshot&checksum=a", "x", "alter +docs" },
        { "GET", "/collections/docs/shards/0/snapshots", NULL, "export docs" },
        { "POST", "/collections/docs/shards/0/snapshots", NULL, "export docs" },
        { "GET", "/collections/docs/shards/0/snapshot", NULL, "export docs" },
        { "GET", "/collections/docs/shards/0/snapshots/s", NULL, "export docs" },
        { "DELETE", "/collections/docs/shards/0/snapshots/s", NULL, "drop docs" },
        { "POST", "/collections/docs/shards/0/snapshots/upload", "x", "alter docs" },
        { "GET", "/telemetry?anonymize=true&details_level=3", NULL, "ops -" },
        { "GET", "/metrics", NULL, "ops -" },
        { "GET", "/issues", NULL, "ops -" },
        { "DELETE", "/issues", NULL, "ops -" },
        { "GET", "/cluster", NULL, "ops -" },
        { "GET", "/cluster/telemetry", NULL, "ops -" },
        { "POST", "/cluster/recover", NULL, "ops -" },
        { "DELETE", "/cluster/peer/7?force=true", NULL, "ops -" },
        { "GET", "/cluster/metadata/keys", NULL, "ops -" },
        { "GET", "/cluster/metadata/keys/k", NULL, "ops -" },
        { "PUT", "/cluster/metadata/keys/k", "1", "ops -" },
        { "DELETE", "/cluster/metadata/keys/k", NULL, "ops -" },
        { "GET", "/snapshots", NULL, "ops -" },
        { "POST", "/snapshots", NULL, "ops -" },
        { "GET", "/snapshots/s", NULL, "ops -" },
        { "DELETE", "/snapshots/s", NULL, "ops -" },
        { "GET", "/locks", NULL, "ops -" },
        { "POST", "/locks", "{}", "ops -" },
        { "GET", "/quotas", NULL, "ops -" },
        { "PUT", "/quotas", "{}", "ops -" },
    };
    ASK_ROWS("qdrant", rows);
}

static void what_is_not_listed_is_denied(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "HEAD", "/collections", NULL, "!API_UNKNOWN" },
        { "get", "/collections", NULL, "!API_UNKNOWN" },
        { "OPTIONS", "/collections", NULL, "!API_UNKNOWN" },
        { "GET", "/Collections", NULL, "!API_UNKNOWN" },
        { "GET", "/collections/", NULL, "!API_UNKNOWN" },
        { "GET", "/collections/docs/", NULL, "!API_UNKNOWN" },
        { "GET", "/healthz/", NULL, "!API_UNKNOWN" },
        { "POST", "/collections", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/points/upsert", "{}", "!API_UNKNOWN" },
        { "GET", "/collections/docs/points", NULL, "!API_UNKNOWN" },
        { "PUT", "/collections/docs/points/batch", "{}", "!API_UNKNOWN" },
        { "PUT", "/collections/aliases", "[]", "!API_BODY" }, // a collection of that name
        { "POST", "/collections/docs/shards/0/points", "{\"ids\":[1]}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/shards/0/points/scroll", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/shards/0/cleanup", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/shards/0/snapshot/partial/create", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/shards/0/snapshot/partial/recover_from", "{}", "!API_UNKNOWN" },
        { "GET", "/collections/docs/shards/0/wal", NULL, "!API_UNKNOWN" },
        { "POST", "/collections/docs/truncate_unapplied_wal", "{}", "!API_UNKNOWN" },
        { "POST", "/collections/docs/debug", "{}", "!API_UNKNOWN" },
        { "PATCH", "/debugger", "{}", "!API_UNKNOWN" },
        { "GET", "/dashboard", NULL, "!API_UNKNOWN" },
        { "GET", "/api/v2/heartbeat", NULL, "!API_UNKNOWN" },
        { "GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", NULL, "!API_UNKNOWN" },
    };
    ASK_ROWS("qdrant", rows);
}

static void a_collection_called_aliases_is_only_a_name(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/collections/aliases", NULL, "meta aliases" },
        { "DELETE", "/collections/aliases", NULL, "drop aliases" },
        { "POST", "/collections/aliases/points/count", "{}", "read aliases" },
        { "POST", "/collections/aliases", "{\"actions\":[{\"delete_alias\":{\"alias_name\":\"a\"}}]}", "alter a" },
    };
    ASK_ROWS("qdrant", rows);
}

#define LOOKUP(name) "\"lookup_from\":{\"collection\":\"" name "\",\"vector\":\"v\"}"

static void a_collection_in_lookup_from_is_authorised_at_any_depth(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/collections/docs/points/query", "{\"query\":1," LOOKUP("secret") "}", "search docs, read secret" },
        { "POST", "/collections/docs/points/query", "{\"prefetch\":{\"query\":1," LOOKUP("secret") "}}",
          "search docs, read secret" },
        { "POST", "/collections/docs/points/query", "{\"prefetch\":[{},{\"query\":1," LOOKUP("secret") "}]}",
          "search docs, read secret" },
        { "POST", "/collections/docs/points/query",
          "{\"prefetch\":[{\"prefetch\":{\"prefetch\":[{\"query\":1," LOOKUP("deep") "}]}}]," LOOKUP("top") "}",
          "search docs, read top, read deep" },
        { "POST", "/collections/docs/points/query/batch",
          "{\"searches\":[" Q ",{\"query\":1," LOOKUP("a") "},{\"prefetch\":{\"query\":1," LOOKUP("b") "}}]}",
          "search docs, read a, read b" },
        { "POST", "/collections/docs/points/query/groups",
          "{\"query\":1,\"group_by\":\"g\"," LOOKUP("a") ",\"with_lookup\":\"b\"}", "search docs, read a, read b" },
        { "POST", "/collections/docs/points/recommend", "{\"positive\":[1]," LOOKUP("a") "}", "search docs, read a" },
        { "POST", "/collections/docs/points/recommend/batch", "{\"searches\":[{\"positive\":[1]," LOOKUP("a") "}]}",
          "search docs, read a" },
        { "POST", "/collections/docs/points/discover", "{\"target\":1," LOOKUP("a") "}", "search docs, read a" },
        { "POST", "/collections/docs/points/discover/batch", "{\"searches\":[{\"target\":1," LOOKUP("a") "}]}",
          "search docs, read a" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":null}", "search docs" },
        { "POST", "/collections/docs/points/query", "{\"query\":1," LOOKUP("docs") "}", "search docs, read docs" },
        // A search has none; the server would ignore it, we do not guess.
        { "POST", "/collections/docs/points/search", "{\"vector\":[1]," LOOKUP("a") "}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void a_collection_in_with_lookup_is_authorised(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/collections/docs/points/search/groups", "{\"vector\":[1],\"group_by\":\"g\",\"with_lookup\":\"s\"}",
          "search docs, read s" },
        { "POST", "/collections/docs/points/recommend/groups",
          "{\"positive\":[1],\"with_lookup\":{\"collection\":\"s\",\"with_payload\":[\"a\"],\"with_vectors\":true}}",
          "search docs, read s" },
        { "POST", "/collections/docs/points/query/groups", "{\"with_lookup\":{\"collection\":\"s\"}}",
          "search docs, read s" },
        { "POST", "/collections/docs/points/query/groups", "{\"with_lookup\":{\"collection\":5}}", "!API_BODY" },
        { "POST", "/collections/docs/points/query/groups", "{\"with_lookup\":{}}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"with_lookup\":\"s\"}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

// The server's deserialiser takes a structure as an array of its fields, in which the collection has no key.
static void a_structure_given_as_an_array_is_refused(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":[\"secret\",null]}", "!API_BODY" },
        { "POST", "/collections/docs/points/query/groups", "{\"with_lookup\":[\"secret\",true]}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"prefetch\":[[null,1,null,null,null,null,5,[\"secret\"]]]}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query/batch", "[[{\"query\":1}]]", "!API_BODY" },
        { "POST", "/collections/docs/points/query/batch", "{\"searches\":[[1]]}", "!API_BODY" },
        { "POST", "/collections/docs/points/search", "[[0.1],null,null,10]", "!API_BODY" },
        { "POST", "/collections/docs/points/batch", "{\"operations\":[[{\"points\":[1]}]]}", "!API_BODY" },
        { "POST", "/collections/docs/points/batch", "[[{\"delete\":{\"points\":[1]}}]]", "!API_BODY" },
        { "POST", "/collections/aliases", "[[{\"delete_alias\":{\"alias_name\":\"a\"}}]]", "!API_BODY" },
        { "POST", "/collections/aliases", "{\"actions\":[{\"create_alias\":[\"secret\",\"mine\"]}]}", "!API_BODY" },
        { "PUT", "/collections/docs", "{\"vectors\":{},\"init_from\":[\"secret\"]}", "!API_BODY" },
        { "POST", "/collections/docs/points/delete", "[[1,2]]", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"filter\":[{\"key\":\"a\"}]}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"prefetch\":{\"filter\":[1]}}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void duplicate_members_and_case_variants_are_refused(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/collections/docs/points/query", "{\"query\":1," LOOKUP("mine") "," LOOKUP("secret") "}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query",
          "{\"query\":1,\"lookup_from\":{\"collection\":\"mine\",\"collection\":\"secret\"}}", "!API_BODY" },
        // The same name, once escaped.
        { "POST", "/collections/docs/points/query",
          "{\"query\":1,\"lookup_from\":{\"collection\":\"mine\",\"\\u0063ollection\":\"secret\"}}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"Lookup_From\":{\"collection\":\"secret\"}}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"Collection\":\"secret\"}}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"Prefetch\":{\"query\":1," LOOKUP("secret") "}}", "!API_BODY" },
        { "POST", "/collections/docs/points/query/batch", "{\"Searches\":[]}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"filter\":{\"a\":1,\"a\":2}}", "!API_BODY" },
        // An escaped name is the same name, and is seen.
        { "POST", "/collections/docs/points/query",
          "{\"query\":1,\"\\u006cookup_from\":{\"collection\":\"s\\u0065cret\"}}", "search docs, read secret" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookupFrom\":{\"collection\":\"secret\"}}",
          "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void a_body_that_is_not_strict_json_is_refused(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/collections/docs/points/query", "", "!API_BODY" },
        { "POST", "/collections/docs/points/query", NULL, "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1}x", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1}{\"query\":2}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{'query':1}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":NaN}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "\xef\xbb\xbf{\"query\":1}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"using\":\"\xff\"}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"using\":\"\\ud800\"}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "null", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"collection\":\"a\\u0000b\"}}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"collection\":\"../x\"}}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"collection\":\"\"}}",
          "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{}}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"limit\":-1}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"limit\":1.5}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"limit\":\"10\"}", "!API_BODY" },
        { "POST", "/collections/docs/points/query", "{\"shard_key\":true}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void an_encoded_body_is_415(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    static const char *const encodings[] = { "gzip", "br", "identity", "", "deflate, gzip" };
    for (size_t i = 0; i < 5; i++) {
        a.encoding = span_str(encodings[i]);
        assert_string_equal(ask(&a, "POST", "/collections/docs/points/query", Q), "!API_ENCODING");
        assert_false(a.body_was_needed); // said before a byte of it is read
        assert_int_equal(err_info(a.rc)->status, 415);
    }
    // Nothing is read of an upsert.
    assert_string_equal(ask(&a, "PUT", "/collections/docs/points", Q), "write docs");
    a.encoding = SPAN_NONE;
    static const struct {
        const char *type, *expected;
    } types[] = {
        { "application/json", "search docs" },
        { "Application/JSON; charset=UTF-8", "search docs" },
        { "application/json;charset=\"utf-8\"", "search docs" },
        { "application/json; charset=utf-16", "!API_ENCODING" },
        { "application/json; charset=utf-8; charset=utf-7", "!API_ENCODING" },
        { "application/json-patch+json", "!API_ENCODING" },
        { "text/plain", "!API_ENCODING" },
        { "multipart/form-data; boundary=x", "!API_ENCODING" },
        { "", "!API_ENCODING" },
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        a.type = span_str(types[i].type);
        assert_string_equal(ask(&a, "POST", "/collections/docs/points/query", Q), types[i].expected);
    }
    asked_fini(&a);
}

static void a_batch_is_each_of_its_operations(void **state)
{
    (void)state;
#define B "/collections/docs/points/batch"
    static const struct ask_row rows[] = {
        { "POST", B, "{\"operations\":[{\"upsert\":{\"points\":[]}}]}", "write docs" },
        { "POST", B, "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"delete\":{\"points\":[1]}}]}",
          "write docs, delete docs" },
        { "POST", B, "{\"operations\":[{\"delete\":{\"filter\":{}}}]}", "delete docs" },
        { "POST", B, "{\"operations\":[{\"set_payload\":{\"payload\":{}}},{\"overwrite_payload\":{\"payload\":{}}}]}",
          "write docs" },
        { "POST", B, "{\"operations\":[{\"update_vectors\":{\"points\":[]}}]}", "write docs" },
        { "POST", B, "{\"operations\":[{\"delete_payload\":{\"keys\":[]}}]}", "delete docs" },
        { "POST", B, "{\"operations\":[{\"clear_payload\":{\"points\":[1]}}]}", "delete docs" },
        { "POST", B, "{\"operations\":[{\"delete_vectors\":{\"vector\":[]}}]}", "delete docs" },
        { "POST", B, "{\"operations\":[]}", "!API_BODY" },
        { "POST", B, "{\"operations\":[{}]}", "!API_BODY" },
        { "POST", B, "{}", "!API_BODY" },
        // The server would carry out the first it knows.
        { "POST", B, "{\"operations\":[{\"upsert\":{\"points\":[]},\"delete\":{\"points\":[1]}}]}", "!API_BODY" },
        { "POST", B, "{\"operations\":[{\"Delete\":{\"points\":[1]}}]}", "!API_BODY" },
        { "POST", B, "{\"operations\":[{\"drop\":{}}]}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void every_name_in_an_alias_request_is_authorised(void **state)
{
    (void)state;
#define A "/collections/aliases"
    static const struct ask_row rows[] = {
        { "POST", A, "{\"actions\":[{\"create_alias\":{\"collection_name\":\"secret\",\"alias_name\":\"mine\"}}]}",
          "alter secret, alter +mine" },
        { "POST", A, "{\"actions\":[{\"rename_alias\":{\"old_alias_name\":\"a\",\"new_alias_name\":\"b\"}}]}",
          "alter a, alter +b" },
        { "POST", A,
          "{\"actions\":[{\"delete_alias\":{\"alias_name\":\"a\"}},{\"create_alias\":{\"collection_name\":\"c\","
          "\"alias_name\":\"a\"}}]}",
          "alter a, alter c" },
        { "POST", A, "{\"actions\":[{\"create_alias\":{\"collection_name\":\"c\"}}]}", "!API_BODY" },
        { "POST", A,
          "{\"actions\":[{\"delete_alias\":{\"alias_name\":\"a\"},\"create_alias\":{\"collection_name\":\"secret\","
          "\"alias_name\":\"a\"}}]}",
          "!API_BODY" },
        { "POST", A, "{\"actions\":[{\"swap_alias\":{}}]}", "!API_BODY" },
        { "POST", A, "{\"actions\":[]}", "!API_BODY" },
        { "POST", A, "{\"actions\":{}}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void creating_from_another_collection_exports_it(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "PUT", "/collections/docs", "{\"vectors\":{},\"init_from\":{\"collection\":\"secret\"}}",
          "create +docs, export secret" },
        { "PUT", "/collections/docs", "{\"vectors\":{},\"init_from\":null}", "create +docs" },
        { "PUT", "/collections/docs", "{\"copy_from\":\"secret\"}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

// The location may be a file on the server or a URL that only the server can reach: any collection's snapshot.
static void recovering_from_a_location_is_ops(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "PUT", "/collections/docs/snapshots/recover?wait=true",
          "{\"location\":\"file:///qdrant/snapshots/secret/s\"}", "alter +docs, ops -" },
        { "PUT", "/collections/docs/shards/0/snapshots/recover", "{\"location\":\"http://localhost:6333/x\"}",
          "alter docs, ops -" },
        { "PUT", "/collections/docs/snapshots/recover", "[\"file:///x\"]", "!API_BODY" },
        { "PUT", "/collections/docs/snapshots/recover", "{}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void more_collections_than_the_bound_are_refused(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    for (unsigned n = 62; n <= 66; n++) {
        char body[8192] = "{\"searches\":[";
        for (unsigned i = 0; i < n; i++)
            snprintf(body + strlen(body), sizeof(body) - strlen(body),
                     "%s{\"query\":1,\"lookup_from\":{\"collection\":\"c%u\"}}", i ? "," : "", i);
        strcat(body, "]}");
        ask(&a, "POST", "/collections/docs/points/query/batch", body);
        if (n + 1 <= GW_API_AUTHORISATIONS_MAX)
            assert_int_equal(a.meaning.n_authorisations, n + 1);
        else
            assert_int_equal(a.rc, ERR_API_BODY);
    }
    // A deep nest ends before the stack does.
    char deep[4096] = "";
    for (unsigned i = 0; i < 30; i++)
        strcat(deep, "{\"prefetch\":");
    strcat(deep, "{}");
    for (unsigned i = 0; i < 30; i++)
        strcat(deep, "}");
    assert_string_equal(ask(&a, "POST", "/collections/docs/points/query", deep), "!API_BODY");
    asked_fini(&a);
}

static void the_body_that_goes_on_is_the_one_that_was_read(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    ask(&a, "POST", "/collections/docs/points/query",
        " { \"query\" : [ 0.5, -1, 1e3 ],\n \"limit\":5, "
        "\"filter\":{\"must\":[{\"key\":\"t\\u0061g\",\"match\":{\"value\":\"x\"}}]}, "
        "\"params\":{\"exact\":true}} ");
    assert_int_equal(a.rc, 0);
    assert_span(a.meaning.body, "{\"query\":[0.5,-1,1e3],\"limit\":5,\"filter\":{\"must\":[{\"key\":\"tag\",\"match\":{"
                                "\"value\":\"x\"}}]},\"params\":{\"exact\":true}}");
    ask(&a, "PUT", "/collections/docs/points", "{\"points\":[]}");
    assert_true(span_is_none(a.meaning.body));
    assert_false(a.body_was_needed);
    asked_fini(&a);
}

static void query_parameters_are_known_and_single(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "PUT", "/collections/docs/points?wait=true&wait=false", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?wait=true&w%61it=false", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?Wait=true", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?collection=secret", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?wait=%zz", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?api-key=x", "{}", "!API_QUERY" },
        { "PUT", "/collections/docs/points?", "{}", "write docs" },
    };
    ASK_ROWS("qdrant", rows);
}

static void a_get_with_a_body_is_refused(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/collections/docs", "{}", "!API_BODY" },
        { "GET", "/collections", "{\"collection\":\"x\"}", "!API_BODY" },
    };
    ASK_ROWS("qdrant", rows);
}

static void a_name_that_cannot_be_one_is_refused(void **state)
{
    (void)state;
    char longest[600] = "/collections/";
    memset(longest + 13, 'a', 512);
    struct asked a;
    asked_init(&a, "qdrant");
    assert_string_not_equal(ask(&a, "GET", longest, NULL), "!API_COLLECTION");
    longest[13 + 512] = 'a';
    assert_string_equal(ask(&a, "GET", longest, NULL), "!API_COLLECTION");
    assert_string_equal(ask(&a, "GET",
                            "/collections/a\x01"
                            "b",
                            NULL),
                        "!API_COLLECTION");
    assert_string_equal(ask(&a, "GET", "/collections/..", NULL), "!API_COLLECTION");
    assert_string_equal(ask(&a, "GET", "/collections/a\\b", NULL), "!API_COLLECTION");
    asked_fini(&a);
}

static void facts_say_how_much_is_asked_for(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    const struct gw_api_facts *f = &a.meaning.facts;

    ask(&a, "POST", "/collections/docs/points/query", "{\"query\":[1,2]}");
    assert_true(f->has_limit && f->limit == 10 && f->has_queries && f->queries == 1);
    assert_false(f->has_filter || f->by_id || f->with_vectors || f->with_payload || f->has_points);

    ask(&a, "POST", "/collections/docs/points/query",
        "{\"query\":[1],\"limit\":3,\"prefetch\":[{\"query\":[1],\"limit\":10000}],\"filter\":{\"must\":[{\"key\":"
        "\"a\"}]},"
        "\"with_vector\":true,\"with_payload\":[\"a\"],\"shard_key\":[\"eu\",7,\"eu\"]}");
    assert_true(f->limit == 10000 && f->has_filter && f->with_vectors && f->with_payload);
    assert_int_equal(f->n_shard_keys, 2);
    assert_span(f->shard_keys[0], "eu");
    assert_span(f->shard_keys[1], "7");

    ask(&a, "POST", "/collections/docs/points/query/groups",
        "{\"query\":[1],\"group_by\":\"a\",\"limit\":7,\"group_size\":9,\"shard_key\":{\"target\":\"x\",\"fallback\":"
        "\"y\"}}");
    assert_true(f->limit == 63 && f->n_shard_keys == 2);

    // Short for {"collection": "other"}, whose default is to bring the payload.
    ask(&a, "POST", "/collections/docs/points/query/groups",
        "{\"query\":[1],\"group_by\":\"a\",\"with_lookup\":\"other\"}");
    assert_true(f->with_payload && !f->with_vectors);

    ask(&a, "POST", "/collections/docs/points/query/batch",
        "{\"searches\":[{\"query\":[1],\"filter\":{\"must\":[{}]}},{\"query\":[1],\"limit\":50}]}");
    assert_true(f->queries == 2 && f->limit == 50 && !f->has_filter);
    ask(&a, "POST", "/collections/docs/points/query/batch",
        "{\"searches\":[{\"query\":[1]},{\"query\":[1],\"filter\":{\"must\":[{}]}}]}");
    assert_false(f->has_filter);
    ask(&a, "POST", "/collections/docs/points/query/batch",
        "{\"searches\":[{\"query\":[1],\"filter\":{\"must\":[{}]}},{\"query\":[1],\"filter\":{\"should\":[{}]}}]}");
    assert_true(f->has_filter);
    ask(&a, "POST", "/collections/docs/points/query", "{\"query\":[1],\"filter\":{\"must\":[],\"should\":null}}");
    assert_false(f->has_filter);
    ask(&a, "POST", "/collections/docs/points/search", "{\"vector\":[1],\"limit\":18446744073709551615}");
    assert_int_equal(a.rc, ERR_API_BODY); // more than the server's own integers hold

    ask(&a, "POST", "/collections/docs/points", "{\"ids\":[1,2,3],\"with_payload\":false}");
    assert_true(f->by_id && f->has_points && f->points == 3 && f->limit == 3 && !f->with_payload);
    ask(&a, "GET", "/collections/docs/points/1", NULL);
    assert_true(f->by_id && f->points == 1);
    ask(&a, "POST", "/collections/docs/points/scroll", "{}");
    assert_true(f->with_payload && f->limit == 10 && !f->has_queries);
    asked_fini(&a);
}

static void a_point_id_used_as_the_query_is_a_fact(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        bool by_id;
    } rows[] = {
        { "query", "{\"query\":42}", true },
        { "query", "{\"query\":\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\"}", true },
        { "query", "{\"query\":[42,43]}", false },
        { "query", "{\"query\":{\"nearest\":42}}", true },
        { "query", "{\"query\":{\"nearest\":[1,2]}}", false },
        { "query", "{\"query\":{\"nearest\":{\"indices\":[1],\"values\":[1]}}}", false },
        { "query", "{\"query\":{\"recommend\":{\"positive\":[42]}}}", true },
        { "query", "{\"query\":{\"recommend\":{\"negative\":[[1,2],42]}}}", true },
        { "query", "{\"query\":{\"recommend\":{\"positive\":[[1,2],[3,4]]}}}", false },
        { "query", "{\"query\":{\"discover\":{\"target\":42,\"context\":[]}}}", true },
        { "query", "{\"query\":{\"discover\":{\"target\":[1],\"context\":{\"positive\":42,\"negative\":[1]}}}}", true },
        { "query", "{\"query\":{\"context\":[{\"positive\":[1],\"negative\":42}]}}", true },
        { "query", "{\"query\":{\"relevance_feedback\":{\"target\":[1],\"feedback\":[{\"example\":42,\"score\":1}]}}}",
          true },
        { "query", "{\"query\":{\"fusion\":\"rrf\"},\"prefetch\":[{\"query\":[1]},{\"query\":42}]}", true },
        { "query", "{\"query\":{\"fusion\":\"rrf\"},\"prefetch\":[{\"query\":[1]}]}", false },
        { "query", "{\"query\":{\"order_by\":\"a\"}}", false },
        { "recommend", "{\"positive\":[42],\"limit\":1}", true },
        { "recommend", "{\"positive\":[[1,2]],\"limit\":1}", false },
        { "discover", "{\"target\":42,\"limit\":1}", true },
        { "discover", "{\"context\":[{\"positive\":[1],\"negative\":42}],\"limit\":1}", true },
        { "search", "{\"vector\":[1,2],\"limit\":1}", false },
        { "query", "{\"query\":[[1,2],[3,4]]}", false }, // a multivector
        { "query", "{\"query\":[[1e999,-0.0],[3,4]]}", false },
        // A struct is also taken as the list of its fields: {nearest}, {recommend}, a pair, {example, score}.
        { "query", "{\"query\":[\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\"]}", true },
        { "query", "{\"query\":[{\"positive\":[42]}]}", true },
        { "query", "{\"query\":[[[\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\"],null]]}", true },
        { "query", "{\"query\":{\"nearest\":[\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\"]}}", true },
        { "query", "{\"query\":{\"recommend\":[[42],null,null]}}", true },
        { "query", "{\"query\":{\"discover\":[42,[]]}}", true },
        { "query", "{\"query\":{\"context\":[[42,43]]}}", true },
        { "query", "{\"query\":{\"relevance_feedback\":{\"target\":[1],\"feedback\":[[42,0.9]]}}}", true },
        { "query", "{\"query\":{\"relevance_feedback\":{\"target\":[1],\"feedback\":[{\"example\":[1],\"score\":1}]}}}",
          false },
        { "query", "{\"query\":{\"fusion\":\"rrf\"},\"prefetch\":{\"query\":[\"a\"]}}", true },
        { "discover", "{\"context\":[[42,43]],\"limit\":1}", true },
    };
    struct asked a;
    asked_init(&a, "qdrant");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/collections/docs/points/%s", rows[i].path);
        ask(&a, "POST", path, rows[i].body);
        if (a.rc != 0 || a.meaning.facts.by_id != rows[i].by_id)
            fail_msg("%s: %d", rows[i].body, a.rc);
    }
    asked_fini(&a);
}

static void a_change_says_what_it_touches(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    const struct gw_api_facts *f = &a.meaning.facts;
    ask(&a, "POST", "/collections/docs/points/delete", "{\"points\":[1,2]}");
    assert_true(f->by_id && f->has_points && f->points == 2 && !f->has_filter);
    ask(&a, "POST", "/collections/docs/points/delete",
        "{\"filter\":{\"must\":[{\"key\":\"a\"}]},\"shard_key\":\"eu\"}");
    assert_true(!f->by_id && !f->has_points && f->has_filter && f->n_shard_keys == 1);
    ask(&a, "POST", "/collections/docs/points/delete", "{\"points\":[1],\"filter\":{\"must\":[{\"key\":\"a\"}]}}");
    assert_int_equal(a.rc, ERR_API_BODY);
    // The server deletes the vectors of both, so that the number of points would be no bound.
    static const char *const both[] = { "vectors/delete", "payload", "payload/delete", "payload/clear" };
    a.inspect_writes = true;
    for (size_t i = 0; i < 4; i++) {
        char path[64], body[160];
        const char *more = i == 0   ? ",\"vector\":[\"\"]"
                           : i == 1 ? ",\"payload\":{}"
                           : i == 2 ? ",\"keys\":[\"a\"]"
                                    : "";
        snprintf(path, sizeof path, "/collections/docs/points/%s", both[i]);
        snprintf(body, sizeof body, "{\"points\":[1],\"filter\":{}%s}", more);
        ask(&a, "POST", path, body);
        assert_int_equal(a.rc, ERR_API_BODY);
    }
    a.inspect_writes = false;
    ask(&a, "POST", "/collections/docs/points/batch",
        "{\"operations\":[{\"delete_vectors\":{\"points\":[1],\"filter\":{},\"vector\":[\"\"]}}]}");
    assert_int_equal(a.rc, ERR_API_BODY);
    ask(&a, "PUT", "/collections/docs/points", "{\"points\":[{\"id\":1,\"vector\":[1]}],\"shard_key\":\"other\"}");
    assert_true(a.rc == 0 && f->unread && f->n_shard_keys == 0);
    ask(&a, "POST", "/collections/docs/points/batch",
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1},{\"id\":2}]}},{\"upsert\":{\"batch\":{\"ids\":[3],"
        "\"vectors\":[[1]]}}}]}");
    assert_true(f->has_points && f->points == 3);
    ask(&a, "POST", "/collections/docs/points/batch",
        "{\"operations\":[{\"delete\":{\"filter\":{\"must\":[1]}}},{\"upsert\":{\"points\":[{\"id\":1}]}}]}");
    assert_false(f->has_points);
    // Upserts are read only when somebody wants the number.
    a.inspect_writes = true;
    ask(&a, "PUT", "/collections/docs/points", "{\"points\":[{\"id\":1,\"vector\":[1]},{\"id\":2,\"vector\":[1]}]}");
    assert_true(a.body_was_needed && f->has_points && f->points == 2);
    assert_false(span_is_none(a.meaning.body));
    asked_fini(&a);
}

static void only_reads_may_be_sent_twice(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    static const struct {
        const char *method, *target, *body;
        bool changes;
    } rows[] = {
        { "GET", "/collections", NULL, false },
        { "POST", "/collections/docs/points/query", Q, false },
        { "POST", "/collections/docs/points/scroll", "{}", false },
        { "PUT", "/collections/docs/points", "{}", true },
        { "DELETE", "/collections/docs", NULL, true },
        { "POST", "/collections/docs/snapshots", NULL, true },
        { "POST", "/collections/docs/points/delete", "{\"points\":[1]}", true },
        { "GET", "/collections/docs/snapshots/s", NULL, true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask(&a, rows[i].method, rows[i].target, rows[i].body);
        assert_int_equal(a.rc, 0);
        assert_int_equal(a.meaning.changes_data, rows[i].changes);
        assert_int_equal(a.meaning.idempotent, !rows[i].changes);
    }
    ask(&a, "GET", "/collections", NULL);
    assert_int_equal(a.meaning.fan, GW_API_FAN_MERGE);
    assert_int_equal(a.meaning.list, GW_API_LIST_QDRANT_COLLECTIONS);
    ask(&a, "GET", "/aliases", NULL);
    assert_int_equal(a.meaning.list, GW_API_LIST_QDRANT_ALIASES);
    asked_fini(&a);
}

static void the_reason_names_the_member_and_cannot_forge_a_terminal(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "qdrant");
    ask(&a, "POST", "/collections/docs/points/query", "{\"Lookup_from\":{\"collection\":\"s\"}}");
    assert_span(a.why, "a case variant of a known member: \"Lookup_from\"");
    ask(&a, "POST", "/collections/docs/points/query", "{\"a\\u001b[31m\\n\":1}");
    assert_span(a.why, "a member that is not known here: \"a?[31m?\"");
    ask(&a, "GET", "/collections/docs?x%1f=1", NULL);
    assert_int_equal(a.rc, ERR_API_QUERY);
    asked_fini(&a);
}

static void out_of_memory_leaves_the_meaning_alone(void **state)
{
    (void)state;
    struct gw_api *api = gw_api_new(gw_api_def_find(SPAN("qdrant")));
    const struct span segments[] = { SPAN("collections"), SPAN("docs"), SPAN("points"), SPAN("query") };
    struct gw_api_request q = { .method = SPAN("POST"),
                                .segments = segments,
                                .n_segments = 4,
                                .has_body = true,
                                .body_ready = true,
                                .body = SPAN("{\"query\":1," LOOKUP("a") ",\"shard_key\":[\"x\",1]}") };
    size_t limit = 1;
    for (;; limit += 7) {
        struct arena arena;
        struct gw_api_meaning m;
        memset(&m, 0x5a, sizeof(m));
        arena_init(&arena, limit);
        int rc = gw_api_match(api, &q, &arena, &m, NULL);
        if (rc == 0) {
            assert_int_equal(m.n_authorisations, 2);
            arena_fini(&arena);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        for (size_t i = 0; i < sizeof(m); i++)
            assert_int_equal(((unsigned char *)&m)[i], 0x5a);
        arena_fini(&arena);
    }
    assert_true(limit > 1);
    gw_api_free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_specification_has_its_action),
        cmocka_unit_test(what_is_not_listed_is_denied),
        cmocka_unit_test(a_collection_called_aliases_is_only_a_name),
        cmocka_unit_test(a_collection_in_lookup_from_is_authorised_at_any_depth),
        cmocka_unit_test(a_collection_in_with_lookup_is_authorised),
        cmocka_unit_test(a_structure_given_as_an_array_is_refused),
        cmocka_unit_test(duplicate_members_and_case_variants_are_refused),
        cmocka_unit_test(a_body_that_is_not_strict_json_is_refused),
        cmocka_unit_test(an_encoded_body_is_415),
        cmocka_unit_test(a_batch_is_each_of_its_operations),
        cmocka_unit_test(every_name_in_an_alias_request_is_authorised),
        cmocka_unit_test(creating_from_another_collection_exports_it),
        cmocka_unit_test(recovering_from_a_location_is_ops),
        cmocka_unit_test(more_collections_than_the_bound_are_refused),
        cmocka_unit_test(the_body_that_goes_on_is_the_one_that_was_read),
        cmocka_unit_test(query_parameters_are_known_and_single),
        cmocka_unit_test(a_get_with_a_body_is_refused),
        cmocka_unit_test(a_name_that_cannot_be_one_is_refused),
        cmocka_unit_test(facts_say_how_much_is_asked_for),
        cmocka_unit_test(a_point_id_used_as_the_query_is_a_fact),
        cmocka_unit_test(a_change_says_what_it_touches),
        cmocka_unit_test(only_reads_may_be_sent_twice),
        cmocka_unit_test(the_reason_names_the_member_and_cannot_forge_a_terminal),
        cmocka_unit_test(out_of_memory_leaves_the_meaning_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
