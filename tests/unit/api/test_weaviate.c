// SPDX-License-Identifier: GPL-3.0-or-later
// Weaviate's table, and what its GraphQL touches.
#include "ask.h"

#include "gateway/base/json.h"

#define ID "3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f"
#define DOCS "{\"class\":\"Docs\",\"properties\":{\"title\":\"a\"}}"
#define TO(class) "{\"beacon\":\"weaviate://localhost/" class "/" ID "\"}"

static void every_row_of_the_specification_has_its_action(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/v1/meta", NULL, "meta -" },
        { "GET", "/v1/.well-known/ready", NULL, "meta -" },
        { "GET", "/v1/objects/Docs/" ID, NULL, "read Docs" },
        { "GET", "/v1/objects/docs/" ID "?tenant=acme&include=vector", NULL, "read acme/Docs" },
        { "HEAD", "/v1/objects/Docs/" ID, NULL, "read Docs" },
        { "GET", "/v1/objects?class=docs&limit=3", NULL, "read Docs" },
        { "POST", "/v1/objects", DOCS, "write Docs" },
        { "POST", "/v1/objects", "{\"class\":\"docs\",\"tenant\":\"acme\"}", "write acme/Docs" },
        { "PUT", "/v1/objects/docs/" ID, DOCS, "write Docs" },
        { "PATCH", "/v1/objects/Docs/" ID, "{\"class\":\"docs\"}", "write Docs" },
        { "DELETE", "/v1/objects/Docs/" ID "?tenant=acme", NULL, "delete acme/Docs" },
        { "POST", "/v1/batch/objects", "{\"objects\":[" DOCS ",{\"class\":\"letters\",\"tenant\":\"acme\"}," DOCS "]}",
          "write Docs, write acme/Letters" },
        { "DELETE", "/v1/batch/objects?tenant=acme",
          "{\"match\":{\"class\":\"Docs\",\"where\":{\"path\":[\"title\"],\"operator\":\"Equal\",\"valueText\":\"a\"}}"
          "}",
          "delete acme/Docs" },
        { "GET", "/v1/schema", NULL, "list -" },
        { "GET", "/v1/schema/docs", NULL, "meta Docs" },
        { "POST", "/v1/schema", "{\"class\":\"docs\",\"vectorizer\":\"none\"}", "create +Docs" },
        { "PUT", "/v1/schema/Docs", "{\"class\":\"Docs\"}", "alter Docs" },
        { "DELETE", "/v1/schema/Docs", NULL, "drop Docs" },
        { "POST", "/v1/schema/Docs/properties", "{}", "alter Docs" },
        { "GET", "/v1/schema/Docs/tenants", NULL, "meta Docs" },
        { "GET", "/v1/schema/Docs/tenants/acme", NULL, "meta acme/Docs" },
        { "POST", "/v1/schema/Docs/tenants", "[{\"name\":\"acme\"}]", "alter Docs" },
        { "DELETE", "/v1/schema/Docs/tenants", "[\"acme\"]", "alter Docs" },
        { "POST", "/v1/backups/s3", "{}", "export -" },
        { "POST", "/v1/backups/s3/b1/restore", "{}", "ops -" },
        { "GET", "/v1/aliases", NULL, "list -" },
        { "GET", "/v1/aliases?class=docs", NULL, "list Docs" },
        { "GET", "/v1/aliases/papers", NULL, "meta Papers" },
        { "POST", "/v1/aliases", "{\"class\":\"docs\",\"alias\":\"papers\"}", "create Docs, create +Papers" },
        { "PUT", "/v1/aliases/papers", "{\"class\":\"theirs\"}", "alter Papers, alter Theirs" },
        { "DELETE", "/v1/aliases/Papers", NULL, "drop Papers" },
        { "POST", "/v1/objects/validate", DOCS, "read Docs" },
        { "POST", "/v1/tokenize", "{}", "meta -" },
        { "GET", "/v1/schema/docs/indexes", NULL, "meta Docs" },
        { "DELETE", "/v1/schema/docs/vectors/title/index", NULL, "alter Docs" },
        { "GET", "/v1/nodes", NULL, "ops -" },
        { "GET", "/v1/authz/roles", NULL, "ops -" },
    };
    ASK_ROWS("weaviate", rows);
}

static void what_names_no_class_is_denied(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/v1/objects/" ID, NULL, "!API_UNKNOWN" },
        { "DELETE", "/v1/objects/" ID, NULL, "!API_UNKNOWN" },
        { "GET", "/v1/objects", NULL, "!API_QUERY" },
        { "GET", "/v1/objects?class=", NULL, "!API_COLLECTION" },
        { "GET", "/v1/objects?class=Docs&class=Theirs", NULL, "!API_QUERY" },
        { "GET", "/v1/objects?class=Docs&Class=Theirs", NULL, "!API_QUERY" },
        { "GET", "/v1/objects/Do-cs/" ID, NULL, "!API_COLLECTION" },
        { "GET", "/v1/objects/\xc3\xa4rzte/" ID, NULL, "!API_COLLECTION" },
        { "GET", "/v1/objects/Docs/" ID, "{}", "!API_BODY" },
        { "HEAD", "/v1/objects/Docs/" ID, "{}", "!API_BODY" },
        { "POST", "/v1/objects", "{\"properties\":{}}", "!API_BODY" },
        { "POST", "/v1/classifications", "{\"class\":\"Docs\"}", "!API_UNKNOWN" },
        { "POST", "/v1/batch/objects", "{\"objects\":{}}", "!API_BODY" },
        { "POST", "/v1/batch/objects", "{\"objects\":[]}", "!API_BODY" },
        { "GET", "/v1/objects/Docs/" ID "?tenant=a&tenant=b", NULL, "!API_QUERY" },
    };
    ASK_ROWS("weaviate", rows);
}

// Go's decoder takes a member in any case, and the last of several.
static void the_server_cannot_read_another_class_than_we_did(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"Class\":\"Theirs\"}", "!API_BODY" },
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"cla\xc5\xbf\xc5\xbf\":\"Theirs\"}", "!API_BODY" },
        { "POST", "/v1/schema", "{\"class\":\"Docs\",\"CLASS\":\"Theirs\"}", "!API_BODY" },
        { "POST", "/v1/schema", "{\"class\":\"Docs\",\"cla\xc5\xbf\xc5\xbf\":\"Theirs\"}", "!API_BODY" },
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"class\":\"Theirs\"}", "!API_BODY" },
        { "PUT", "/v1/objects/Docs/" ID, "{\"class\":\"Theirs\"}", "!API_BODY" },
        { "PUT", "/v1/objects/Docs/" ID, "{}", "!API_BODY" },
        { "PUT", "/v1/schema/Docs", "{\"class\":\"Theirs\"}", "!API_BODY" },
        { "POST", "/v1/aliases", "{\"class\":\"Docs\",\"alias\":\"A\",\"Class\":\"Theirs\"}", "!API_BODY" },
        { "PUT", "/v1/aliases/A", "{\"class\":\"Docs\",\"alias\":\"B\"}", "!API_BODY" },
        { "POST", "/v1/objects", "[" DOCS "]", "!API_BODY" },
    };
    ASK_ROWS("weaviate", rows);
}

static void a_reference_needs_the_right_to_read_its_target(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", "/v1/objects/Docs/" ID "/references/author?tenant=acme", TO("authors"),
          "write acme/Docs, read acme/Authors" },
        { "DELETE", "/v1/objects/Docs/" ID "/references/author", TO("Authors"), "write Docs, read Authors" },
        { "PUT", "/v1/objects/Docs/" ID "/references/author", "[" TO("Authors") "," TO("Cities") "]",
          "write Docs, read Authors, read Cities" },
        { "PUT", "/v1/objects/Docs/" ID "/references/author", TO("Authors"), "!API_BODY" },
        { "POST", "/v1/objects/Docs/" ID "/references/author", "{\"beacon\":\"weaviate://localhost/" ID "\"}",
          "!API_BODY" },
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"properties\":{\"author\":[" TO("Authors") "]}}",
          "write Docs, read Authors" },
        { "POST", "/v1/batch/references",
          "[{\"from\":\"weaviate://localhost/Docs/" ID "/author\",\"to\":\"weaviate://localhost/Authors/" ID
          "\",\"tenant\":\"acme\"}]",
          "write acme/Docs, read acme/Authors" },
        // 32 digits without hyphens are a UUID to the server too, and one that can look like a class.
        { "POST", "/v1/batch/references",
          "[{\"from\":\"weaviate://localhost/abcdef0123456789abcdef0123456789/author\",\"to\":\"weaviate://localhost/"
          "Authors/" ID "\"}]",
          "!API_BODY" },
        { "POST", "/v1/objects/Docs/" ID "/references/author",
          "{\"beacon\":\"weaviate://localhost/Authors/" ID "/name\"}", "!API_BODY" },
        { "POST", "/v1/objects/Docs/" ID "/references/author", "{\"beacon\":\"weaviate://localhost/Authors/\"}",
          "!API_BODY" },
        { "POST", "/v1/batch/references", "{}", "!API_BODY" },
        { "DELETE", "/v1/batch/objects",
          "{\"match\":{\"class\":\"Docs\",\"where\":{\"operator\":\"And\",\"operands\":[{\"path\":"
          "[\"author\",\"Authors\",\"name\"],\"operator\":\"Equal\",\"valueText\":\"a\"}]}}}",
          "delete Docs, read Authors" },
        { "DELETE", "/v1/batch/objects",
          "{\"match\":{\"class\":\"Docs\",\"where\":{\"Path\":[\"author\",\"Authors\",\"name\"]}}}",
          "delete Docs, read Authors" },
    };
    ASK_ROWS("weaviate", rows);
}

// `query` in quotes for JSON.
static const char *query(struct asked *a, const char *text)
{
    char *body = malloc(6 * strlen(text) + 64), *out = body + sprintf(body, "{\"query\":\"");
    for (const char *p = text; *p; p++)
        out += sprintf(out, (unsigned char)*p < 0x20 || *p == '"' || *p == '\\' ? "\\u%04x" : "%c", (unsigned char)*p);
    strcpy(out, "\"}");
    const char *line = ask(a, "POST", "/v1/graphql", body);
    free(body);
    return line;
}

struct query_row {
    const char *text, *expected;
};

static void query_rows(const struct query_row *rows, size_t n)
{
    struct asked a;
    size_t wrong = 0;
    asked_init(&a, "weaviate");
    for (size_t i = 0; i < n; i++) {
        const char *got = query(&a, rows[i].text);
        if (strcmp(got, rows[i].expected) == 0)
            continue;
        print_message("%s\n  expected %s\n  got      %s (%.*s)\n", rows[i].text, rows[i].expected, got,
                      SPAN_FMT(a.why));
        wrong++;
    }
    asked_fini(&a);
    assert_int_equal(wrong, 0);
}
#define QUERY_ROWS(rows) query_rows(rows, sizeof(rows) / sizeof(rows[0]))

// The server drops the class, whatever tenant is said beside it; policies would have seen the tenant's.
static void a_tenant_beside_a_request_about_the_whole_class_is_refused(void **state)
{
    static const struct ask_row rows[] = {
        { "DELETE", "/v1/schema/Docs?tenant=acme", NULL, "!API_QUERY" },
        { "POST", "/v1/schema/Docs/properties?tenant=acme", "{}", "!API_QUERY" },
        { "PUT", "/v1/schema/Docs/shards/x?tenant=acme", "{}", "!API_QUERY" },
        { "DELETE", "/v1/schema/Docs/tenants?tenant=acme", "[\"globex\"]", "!API_QUERY" },
        { "GET", "/v1/schema/Docs/tenants/globex?tenant=acme", NULL, "!API_QUERY" },
        { "DELETE", "/v1/aliases/Docs?tenant=acme", NULL, "!API_QUERY" },
        { "GET", "/v1/schema/Docs/shards?tenant=acme", NULL, "meta acme/Docs" },
    };
    (void)state;
    ASK_ROWS("weaviate", rows);
}

static void every_class_and_tenant_of_a_query_is_authorised(void **state)
{
    (void)state;
    static const struct query_row rows[] = {
        { "{ Get { Docs(limit: 3) { title } } }", "search Docs" },
        { "query { Get { docs { title } } }", "search Docs" },
        { "query Mine { Get { Docs { title } } }", "search Docs" },
        { "{Get{Docs(tenant:\"acme\",nearVector:{vector:[0.1,-2e-3]}){title,_additional{id distance}}}}",
          "search acme/Docs" },
        { "{ Get { a: Docs { title } b: Letters(tenant: \"beta\") { title } } }", "search Docs, search beta/Letters" },
        { "{ Get { Docs { title } } Aggregate { Letters { meta { count } } } }", "search Docs, search Letters" },
        { "{ Get { Docs(tenant: \"acme\") { title author { ... on Authors { name city { ... on Cities { name } } } } } "
          "} }",
          "search acme/Docs, read acme/Authors, read acme/Cities" },
        { "{ Get { Docs(where: {operator: And, operands: [{path: [\"author\", \"Authors\", \"city\", \"Cities\", "
          "\"name\"], "
          "operator: Equal, valueText: \"x\"}]}, tenant: \"acme\") { title } } }",
          "search acme/Docs, read acme/Authors, read acme/Cities" },
        { "{ Get { Docs(sort: [{path: [\"title\"], order: asc}], where: {path: \"title\", operator: Equal, valueText: "
          "\"x\"}) "
          "{ title } } }",
          "search Docs" },
        { "{ Get { Docs(nearObject: {beacon: \"weaviate://localhost/Letters/" ID "\"}) { title } } }",
          "search Docs, read Letters" },
        { "{ Get { Docs(nearText: {concepts: [\"a\"], moveTo: {objects: [{beacon: \"weaviate://localhost/Letters/" ID
          "\"}], force: 0.5}}) { title } } }",
          "search Docs, read Letters" },
        { "{ Aggregate { Docs(groupBy: [\"title\"]) { groupedBy { value path } meta { count } } } }", "search Docs" },
        { "{ Get { Docs { title(p: {path: [\"a\", \"Authors\"]}) } } }", "search Docs, read Authors" },
        { "{ __typename Get { __typename Docs { __typename title } } }", "search Docs" },
    };
    QUERY_ROWS(rows);
}

static void what_cannot_be_judged_is_refused(void **state)
{
    (void)state;
    static const struct query_row rows[] = {
        { "{ Explore(nearText: {concepts: [\"a\"]}) { beacon } }", "!API_BODY" },
        { "{ x: Explore { beacon } }", "!API_BODY" },
        { "{ __schema { types { name } } }", "!API_BODY" },
        { "{ Get { Docs { title __schema { types { name } } } } }", "!API_BODY" },
        { "{ __type(name: \"Docs\") { name } }", "!API_BODY" },
        { "mutation { Get { Docs { title } } }", "!API_BODY" },
        { "{ Get { Docs { title } } } { Get { Theirs { title } } }", "!API_BODY" },
        { "query A { Get { Docs { title } } } query B { Get { Theirs { title } } }", "!API_BODY" },
        { "query($t: String) { Get { Docs(tenant: $t) { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: $t) { title } } }", "!API_BODY" },
        { "{ Get { Docs @include(if: true) { title } } }", "!API_BODY" },
        { "{ Get { Docs { ...F } } } fragment F on Docs { title }", "!API_BODY" },
        { "{ Get { Docs { ... { title } } } }", "!API_BODY" },
        { "{ Get { ... on GetObjectsObj { Theirs { title } } } }", "!API_BODY" },
        { "{ ... on WeaviateObj { Get { Theirs { title } } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: \"acme\", tenant: \"beta\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: acme) { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: [\"acme\"]) { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: \"ac\\u006de\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: \"a/b\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(tenant: \"\"\"acme\"\"\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(where: {path: [\"author\", \"Auth\\u006frs\", \"name\"]}) { title } } }", "!API_BODY" },
        { "{ Get { Docs(where: {path: [\"author\", [\"Authors\"], \"name\"]}) { title } } }", "!API_BODY" },
        { "{ Get { Docs(where: {path: {a: 1}}) { title } } }", "!API_BODY" },
        { "{ Get { Docs(nearObject: {beacon: \"weaviate://localhost/" ID "\"}) { title } } }", "!API_BODY" },
        { "{ Get { Docs(limit: \"3\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(limit: 03) { title } } }", "!API_BODY" },
        { "{ Get { Docs { } } }", "!API_BODY" },
        { "{ Get { Docs } }", "!API_BODY" },
        { "{ Get { } }", "!API_BODY" },
        { "{ Get { Docs { title } }", "!API_BODY" },
        { "{ Get { Docs { title } } } }", "!API_BODY" },
        { "{ Get { Docs { title } } # }\n{ Get { Theirs { title } } }", "!API_BODY" },
        { "{ Get { Docs { title } } }\xef\xbb\xbf", "!API_BODY" },
        { "{ Get { Docs(a: \"x\ny\") { title } } }", "!API_BODY" },
        { "{ Get { Docs(a: \"x) { title } } }", "!API_BODY" },
        { "{ Get { Docs(a: 1x) { title } } }", "!API_BODY" },
        { "{ Get { Docs(a: .5) { title } } }", "!API_BODY" },
        { "", "!API_BODY" },
    };
    QUERY_ROWS(rows);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    static const char *const opened[] = { "[", "{a:", "{ x" };
    struct asked a;
    asked_init(&a, "weaviate");
    for (size_t k = 0; k < 3; k++) {
        char *text = malloc(70000), *out = text + sprintf(text, k < 2 ? "{ Get { Docs(a: " : "{ Get { Docs ");
        for (unsigned i = 0; i < 10000; i++)
            out += sprintf(out, "%s", opened[k]);
        assert_string_equal(query(&a, text), "!API_BODY");
        assert_true(span_starts(a.why, SPAN("the query is nested too deep")));
        free(text);
    }
    asked_fini(&a);
}

// What the server reads is what was understood, and nothing beside it.
static void the_query_is_written_anew(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "weaviate");
    ask(&a, "POST", "/v1/graphql",
        "{\"operationName\":null,\"variables\":{\"t\":\"x\"},\"query\":\"query  {\\n Get { Docs ( limit:3 , "
        "a:\\\"\\\\n\\\" ) "
        "{title} } }\"}");
    assert_int_equal(a.rc, 0);
    assert_true(span_eq(a.meaning.body,
                        SPAN("{\"query\":\"query { Get { Docs ( limit : 3 a : \\\"\\\\n\\\" ) { title } } } \"}")));
    ask(&a, "POST", "/v1/graphql/batch",
        "[{\"query\":\"{Get{Docs{a}}}\"},{\"query\":\"{Get{Letters(tenant:\\\"t\\\"){a}}}\"}]");
    assert_string_equal(a.line, "search Docs, search t/Letters");
    assert_true(span_eq(a.meaning.body, SPAN("[{\"query\":\"{ Get { Docs { a } } } \"},{\"query\":\"{ Get { Letters ( "
                                             "tenant : \\\"t\\\" ) { a } } } \"}]")));
    asked_fini(&a);
}

static void queries_have_their_facts(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "weaviate");
    const struct gw_api_facts *f = &a.meaning.facts;
    query(&a, "{ Get { Docs(limit: 7, where: {path: [\"a\"]}) { title _additional { vector } } } }");
    assert_true(f->has_limit && f->limit == 7 && f->has_queries && f->queries == 1 && f->has_filter &&
                f->with_vectors && f->with_payload && !f->by_id);
    query(&a, "{ Get { Docs(limit: 7) { _additional { id } } Letters(nearObject: {id: \"" ID "\"}) { title } } }");
    assert_true(!f->has_limit && f->queries == 2 && !f->has_filter && !f->with_vectors && f->with_payload && f->by_id);
    query(&a, "{ Get { A { a } B(limit: 2) { a } } }");
    assert_false(f->has_limit);
    query(&a, "{ Get { A(limit: 0, bm25: {query: \"a\"}) { a } } }");
    assert_false(f->has_limit);
    query(&a, "{ Aggregate { Docs(limit: 9) { meta { count } } } }");
    assert_true(f->limit == 9 && !f->with_payload && !a.meaning.changes_data && a.meaning.idempotent);
    ask(&a, "GET", "/v1/objects/Docs/" ID "?include=vector", NULL);
    assert_true(f->by_id && f->points == 1 && f->with_vectors);
    asked_fini(&a);
}

// Where policies forbid with_payload: the hits of a group are objects with their properties, a group's value is a property's, and modules
// put properties into what they write.
static void an_objects_properties_are_not_smuggled_out_in_additional(void **state)
{
    (void)state;
    static const char *const payload[] = {
        "_additional { group { hits { title } } }",
        "_additional { group { hits { id _additional { distance } } } }",
        "_additional { group { hits { count: title } } }",
        "_additional { group { hits { score } } }",
        "_additional { group { groupedBy { value } } }",
        "_additional { generate(singleResult: {prompt: \"say {title}\"}) { singleResult } }",
        "_additional { id: answer { result } }",
        "_additional { summary(properties: [\"title\"]) { result } }",
        "meta { count }", // of Get it is a property like any other
        "... on Docs { title }",
        "... on Docs { ... on Docs { title } }",
    };
    static const char *const none[] = {
        "_additional { id distance certainty score explainScore creationTimeUnix lastUpdateTimeUnix isConsistent }",
        "_additional { group { id count minDistance maxDistance hits { _additional { id distance } } } }",
        "_additional { rerank(query: \"q\" property: \"title\") { score } }",
        "... on Docs { _additional { id } }",
        "__typename",
    };
    struct asked a;
    char text[512];
    asked_init(&a, "weaviate");
    for (size_t i = 0; i < sizeof(payload) / sizeof(payload[0]); i++) {
        snprintf(text, sizeof(text), "{ Get { Docs(limit: 1) { %s } } }", payload[i]);
        query(&a, text);
        assert_int_equal(a.rc, 0);
        assert_true(a.meaning.facts.with_payload);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        snprintf(text, sizeof(text), "{ Get { Docs(limit: 1) { %s } } }", none[i]);
        query(&a, text);
        assert_int_equal(a.rc, 0);
        assert_false(a.meaning.facts.with_payload || a.meaning.facts.with_vectors);
    }
    query(&a, "{ Get { Docs { _additional { vectors { title } } } } }");
    assert_true(a.meaning.facts.with_vectors && !a.meaning.facts.with_payload);
    query(&a, "{ Get { Docs { _additional { group { hits { _additional { vector } } } } } } }");
    assert_true(a.meaning.facts.with_vectors);
    query(&a, "{ Get { Docs { _additional { featureProjection(dimensions: 2) { position: path } } } } }");
    assert_true(a.meaning.facts.with_vectors);
    asked_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_specification_has_its_action),
        cmocka_unit_test(what_names_no_class_is_denied),
        cmocka_unit_test(the_server_cannot_read_another_class_than_we_did),
        cmocka_unit_test(a_reference_needs_the_right_to_read_its_target),
        cmocka_unit_test(a_tenant_beside_a_request_about_the_whole_class_is_refused),
        cmocka_unit_test(every_class_and_tenant_of_a_query_is_authorised),
        cmocka_unit_test(what_cannot_be_judged_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(the_query_is_written_anew),
        cmocka_unit_test(queries_have_their_facts),
        cmocka_unit_test(an_objects_properties_are_not_smuggled_out_in_additional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
