// SPDX-License-Identifier: GPL-3.0-or-later
// Weaviate's requests under a filter, by what a hostile tenant would try: tenants told apart by a property, and Weaviate's own.
#include "tests/unit/api/confined.h"

#define E GW_API_EXACT_TEXT
#define G "/v1/graphql"
#define ID "00000000-0000-4000-8000-000000000001"
#define OURS "{ path : [ \\\"tenant\\\" ] operator : Equal valueText : \\\"a\\\" }"
#define OURS_JSON "{\"path\":[\"tenant\"],\"operator\":\"Equal\",\"valueText\":\"a\"}"
#define DENIED "!POLICY_OBLIGATION"
#define REFUSED "!API_BODY"
#define Q(text) "{\"query\":\"" text "\"}"

static const struct confined_by own_tenant[] = { { "$tenant", { TEXT("a") }, 1, -1 }, { .field = NULL } };
static const struct confined_by searches_only[] = { { "tenant", { TEXT("a") }, 1, GW_ACTION_SEARCH },
                                                    { .field = NULL } };

static void the_filter_is_put_where_there_was_none(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", G, Q("{ Get { Docs { t } } }"), Q("{ Get { Docs ( where : " OURS " ) { t } } } ") },
        { "POST", G, Q("{ Get { Docs() { t } } }"), Q("{ Get { Docs ( where : " OURS " ) { t } } } ") },
        { "POST", G, Q("{ Get { x: docs(limit: 1, nearVector: {vector: [1.5]}) { t } } }"),
          Q("{ Get { x : docs ( limit : 1 nearVector : { vector : [ 1.5 ] } where : " OURS " ) { t } } } ") },
        { "POST", G, Q("{ Aggregate { Docs { meta { count } } } }"),
          Q("{ Aggregate { Docs ( where : " OURS " ) { meta { count } } } } ") },
        { "POST", G, Q("{ Get { A { t } B(limit: 2) { t } } Aggregate { A { meta { count } } } }"),
          Q("{ Get { A ( where : " OURS " ) { t } B ( limit : 2 where : " OURS
            " ) { t } } Aggregate { A ( where : " OURS " ) { meta { count } } } } ") },
        { "POST", G "/batch", "[" Q("{ Get { A { t } } }") "," Q("{ Get { B { t } } }") "]",
          "[" Q("{ Get { A ( where : " OURS " ) { t } } } ") "," Q("{ Get { B ( where : " OURS " ) { t } } } ") "]" },
        // What only looks like an argument.
        { "POST", G, Q("{ Get { Docs { where(where: {operator: And}) } } }"),
          Q("{ Get { Docs ( where : " OURS " ) { where ( where : { operator : And } ) } } } ") },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, rows);
}

static void a_clients_filter_cannot_widen_it(void **state)
{
    (void)state;
#define WITH(f, sent)                                                                                    \
    {                                                                                                    \
        "POST", G, Q("{ Get { Docs(where: " f ") { t } } }"),                                            \
            Q("{ Get { Docs ( where : { operator : And operands : [ " OURS " " sent " ] } ) { t } } } ") \
    }
#define WITHOUT(args)                                             \
    {                                                             \
        "POST", G, Q("{ Get { Docs(" args ") { t } } }"), REFUSED \
    }
    static const struct confined_row rows[] = {
        WITH("{operator: Or, operands: [{path: [\\\"n\\\"], operator: GreaterThan, valueInt: 0}]}",
             "{ operator : Or operands : [ { path : [ \\\"n\\\" ] operator : GreaterThan valueInt : 0 } ] }"),
        WITH("{path: [\\\"tenant\\\"], operator: NotEqual, valueText: \\\"a\\\"}",
             "{ path : [ \\\"tenant\\\" ] operator : NotEqual valueText : \\\"a\\\" }"),
        WITH("{path: \\\"t\\\", operator: Equal, valueText: \\\"] } ) { t } x: Docs { t\\\"}",
             "{ path : \\\"t\\\" operator : Equal valueText : \\\"] } ) { t } x: Docs { t\\\" }"),
        WITH("{}", "{ }"),
        WITHOUT("where: [{operator: Or}]"),
        WITHOUT("where: null"),
        WITHOUT("where: \\\"x\\\""),
        WITHOUT("where: {operator: Or}, where: {operator: And}"),
        WITHOUT("where: {operator: Or]}"),
        WITHOUT("where: $w"),
        { "POST", G, Q("{ Get { Docs(where: {operator: Or}) { t } } } # { "), REFUSED },
        { "POST", G, "{\"query\":\"{ Get { Docs { t } } }\",\"Query\":\"x\"}", REFUSED },
        { "POST", G, "[[\"{ Get { Docs { t } } }\"]]", REFUSED },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, rows);
}

static void an_object_as_the_query_is_denied(void **state)
{
    (void)state;
#define NEAR(args)                                               \
    {                                                            \
        "POST", G, Q("{ Get { Docs(" args ") { t } } }"), DENIED \
    }
    static const struct confined_row rows[] = {
        NEAR("nearObject: {id: \\\"" ID "\\\"}"),
        NEAR("nearObject: {beacon: \\\"weaviate://localhost/Docs/" ID "\\\"}"),
        NEAR("nearText: {concepts: [\\\"x\\\"], moveTo: {force: 0.9, objects: [{id: \\\"" ID "\\\"}]}}"),
        NEAR("hybrid: {searches: [{nearText: {concepts: [\\\"x\\\"], moveAwayFrom: {objects: [{id: \\\"" ID
             "\\\"}]}}}]}"),
        { "POST", G "/batch",
          "[" Q("{ Get { A { t } } }") "," Q("{ Get { B(nearObject: {id: \\\"" ID "\\\"}) { t } } }") "]", DENIED },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, searches_only, rows);
}

static void what_is_referred_to_is_denied_unless_it_may_be_read_without_a_filter(void **state)
{
    (void)state;
    static const struct confined_row denied[] = {
        { "POST", G, Q("{ Get { Docs { in { ... on City { name } } } } }"), DENIED },
        { "POST", G, Q("{ Get { Docs { in { ... on Docs { t } } } } }"), DENIED },
        { "POST", G,
          Q("{ Get { Docs(where: {path: [\\\"in\\\", \\\"City\\\", \\\"n\\\"], operator: Equal, valueInt: 1}) { t } } "
            "}"),
          DENIED },
        { "POST", "/v1/objects",
          "{\"class\":\"Docs\",\"properties\":{\"in\":[{\"beacon\":\"weaviate://localhost/City/" ID "\"}]}}", DENIED },
    };
    static const struct confined_row rows[] = {
        { "POST", G, Q("{ Get { Docs { in { ... on City { name } } } } }"),
          Q("{ Get { Docs ( where : " OURS " ) { in { ... on City { name } } } } } ") },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, denied);
    CONFINED_ROWS_ASSURED("weaviate", E, searches_only, rows);
}

static void values_keep_their_type_and_stay_values(void **state)
{
    (void)state;
    static const struct confined_by texts[] = { { "tenant", { TEXT("a"), TEXT("b\" } ] } x\\") }, 2, -1 },
                                                { .field = NULL } };
    static const struct confined_by mixed[] = { { "n", { NUMBER(-7) }, 1, -1 },
                                                { "open", { FLAG(true) }, 1, -1 },
                                                { .field = NULL } };
    static const struct confined_row with_texts[] = {
        { "POST", G, Q("{ Get { Docs { t } } }"),
          Q("{ Get { Docs ( where : { operator : Or operands : [ " OURS
            " { path : [ \\\"tenant\\\" ] operator : Equal valueText : \\\"b\\\\\\\" } ] } x\\\\\\\\\\\" } ] } ) { t } "
            "} } ") },
    };
#define MIXED                                                                                                          \
    "{ path : [ \\\"n\\\" ] operator : Equal valueInt : -7 } { path : [ \\\"open\\\" ] operator : Equal valueBoolean " \
    ": true }"
    static const struct confined_row with_mixed[] = {
        { "POST", G, Q("{ Get { Docs { t } } }"),
          Q("{ Get { Docs ( where : { operator : And operands : [ " MIXED " ] } ) { t } } } ") },
        { "POST", G, Q("{ Get { Docs(where: {operator: Or}) { t } } }"),
          Q("{ Get { Docs ( where : { operator : And operands : [ " MIXED " { operator : Or } ] } ) { t } } } ") },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, texts, with_texts);
    CONFINED_ROWS("weaviate", mixed, with_mixed);
}

static void a_value_that_the_server_would_take_for_another_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = { { "POST", G, Q("{ Get { Docs { t } } }"), DENIED } };
    static const struct confined_by values[][2] = {
        { { "tenant", { TEXT("") }, 1, -1 }, { .field = NULL } },
        { { "tenant", { TEXT("a ") }, 1, -1 }, { .field = NULL } },
        { { "tenant", { TEXT("a"), TEXT("\tb") }, 2, -1 }, { .field = NULL } },
        { { "tenant", { TEXT("a\xc2\xa0") }, 1, -1 }, { .field = NULL } },
        { { "tenant",
            { TEXT("\xe2\x80\x83"
                   "a") },
            1,
            -1 },
          { .field = NULL } },
        { { "tenant", { TEXT("a\xe3\x80\x80") }, 1, -1 }, { .field = NULL } },
        { { "n", { NUMBER(INT64_C(9007199254740993)) }, 1, -1 }, { .field = NULL } },
        { { "n", { NUMBER(INT64_MIN) }, 1, -1 }, { .field = NULL } },
        { { "Tenant", { TEXT("a") }, 1, -1 }, { .field = NULL } },
        { { "id", { TEXT("a") }, 1, -1 }, { .field = NULL } },
        { { "_id", { TEXT("a") }, 1, -1 }, { .field = NULL } },
        { { "len(tenant)", { NUMBER(1) }, 1, -1 }, { .field = NULL } },
        { { "owner.tenant", { TEXT("a") }, 1, -1 }, { .field = NULL } },
        { { "", { TEXT("a") }, 1, -1 }, { .field = NULL } },
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        CONFINED_ROWS_ASSURED("weaviate", E, values[i], rows);
    // Nobody said that texts are compared as a whole.
    CONFINED_ROWS("weaviate", tenant_a, rows);
}

static void what_is_written_carries_the_tenant(void **state)
{
    (void)state;
#define OBJECT(members, sent)                                          \
    {                                                                  \
        "POST", "/v1/objects", "{\"class\":\"docs\"" members "}", sent \
    }
#define BATCH(object, sent)                                             \
    {                                                                   \
        "POST", "/v1/batch/objects", "{\"objects\":[" object "]}", sent \
    }
    static const struct confined_row rows[] = {
        OBJECT("", "{\"class\":\"docs\",\"properties\":{\"tenant\":\"a\"}}"),
        OBJECT(",\"id\":\"" ID "\",\"properties\":{\"n\":1.50,\"tenant\":\"a\"}", "unchanged"),
        OBJECT(",\"properties\":{\"tenant\":\"b\"}", REFUSED),
        OBJECT(",\"properties\":{\"tenant\":[\"a\"]}", REFUSED),
        OBJECT(",\"properties\":{\"tenant\":\"a\",\"Tenant\":\"b\"}", REFUSED),
        OBJECT(",\"properties\":{\"Tenant\":\"b\"}", REFUSED),
        OBJECT(",\"properties\":{\"TENANT\":\"b\"}", REFUSED),
        OBJECT(",\"properties\":[]", REFUSED),
        OBJECT(",\"Properties\":{\"tenant\":\"b\"}", REFUSED),
        BATCH("{\"class\":\"A\"},{\"class\":\"B\",\"properties\":{\"n\":1}}",
              "{\"objects\":[{\"class\":\"A\",\"properties\":{\"tenant\":\"a\"}},{\"class\":\"B\",\"properties\":{"
              "\"n\":1,"
              "\"tenant\":\"a\"}}]}"),
        BATCH("{\"class\":\"A\"},{\"class\":\"A\",\"properties\":{\"tenant\":\"b\"}}", REFUSED),
        // It would replace whatever has the id.
        BATCH("{\"class\":\"A\"},{\"class\":\"A\",\"id\":\"" ID "\"}", DENIED),
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, rows);
}

static void a_deletion_by_condition_is_confined(void **state)
{
    (void)state;
#define DELETE(match, sent)                                                              \
    {                                                                                    \
        "DELETE", "/v1/batch/objects", "{\"match\":{\"class\":\"Docs\"" match "}}", sent \
    }
#define CLIENTS "{\"operator\":\"Or\",\"operands\":[{\"path\":[\"n\"],\"operator\":\"GreaterThan\",\"valueInt\":0}]}"
    static const struct confined_row rows[] = {
        DELETE(",\"where\":" CLIENTS,
               "{\"match\":{\"class\":\"Docs\",\"where\":{\"operator\":\"And\",\"operands\":[" OURS_JSON "," CLIENTS
               "]}}}"),
        DELETE("", REFUSED),
        DELETE(",\"where\":null", REFUSED),
        DELETE(",\"where\":{}", REFUSED),
        DELETE(",\"where\":[" CLIENTS "]", REFUSED),
        DELETE(",\"where\":" CLIENTS ",\"Where\":{}", REFUSED),
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, rows);
}

static void what_goes_by_id_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "GET", "/v1/objects?class=Docs", NULL, DENIED },
        { "GET", "/v1/objects/Docs/" ID, NULL, DENIED },
        { "PUT", "/v1/objects/Docs/" ID, "{\"class\":\"Docs\"}", DENIED },
        { "PATCH", "/v1/objects/Docs/" ID, "{\"class\":\"Docs\"}", DENIED },
        { "DELETE", "/v1/objects/Docs/" ID, NULL, DENIED },
        { "GET", "/v1/schema/Docs/tenants", NULL, DENIED },
        { "GET", "/v1/schema/Docs/tenants/b", NULL, DENIED },
        { "GET", "/v1/schema/Docs/shards", NULL, DENIED },
        { "DELETE", "/v1/schema/Docs", NULL, DENIED },
        { "GET", "/v1/schema/Docs", NULL, "unchanged" },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, tenant_a, rows);
}

static void weaviates_own_tenant_has_to_be_named_and_the_right_one(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", G, Q("{ Get { Docs(tenant: \\\"a\\\", nearObject: {id: \\\"" ID "\\\"}) { t } } }"), "unchanged" },
        { "POST", G, Q("{ Get { Docs(tenant: \\\"b\\\") { t } } }"), DENIED },
        { "POST", G, Q("{ Get { Docs { t } } }"), DENIED },
        { "POST", G, Q("{ Get { A(tenant: \\\"a\\\") { t } B(tenant: \\\"b\\\") { t } } }"), DENIED },
        { "POST", G, Q("{ Get { A(tenant: \\\"a\\\") { t } B { t } } }"), DENIED },
        { "POST", G, Q("{ Get { x: A(tenant: \\\"a\\\") { t } y: A(tenant: \\\"b\\\") { t } } }"), DENIED },
        { "POST", G, Q("{ Get { A(tenant: \\\"a\\\") { t in { ... on B { t } } } } }"), DENIED },
        { "GET", "/v1/objects/Docs/" ID "?tenant=a", NULL, "unchanged" },
        { "GET", "/v1/objects/Docs/" ID "?tenant=b", NULL, DENIED },
        { "GET", "/v1/objects/Docs/" ID, NULL, DENIED },
        { "GET", "/v1/objects/Docs/" ID "?tenant=A", NULL, DENIED },
        { "GET", "/v1/objects?class=Docs&tenant=a", NULL, "unchanged" },
        { "DELETE", "/v1/objects/Docs/" ID "?tenant=a", NULL, "unchanged" },
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"tenant\":\"a\"}", "unchanged" },
        { "POST", "/v1/objects", "{\"class\":\"Docs\",\"tenant\":\"b\"}", DENIED },
        { "POST", "/v1/objects", "{\"class\":\"Docs\"}", DENIED },
        { "PUT", "/v1/objects/Docs/" ID "?tenant=a", "{\"class\":\"Docs\",\"tenant\":\"b\"}", DENIED },
        { "POST", "/v1/batch/objects", "{\"objects\":[{\"class\":\"A\",\"id\":\"" ID "\",\"tenant\":\"a\"}]}",
          "unchanged" },
        { "POST", "/v1/batch/objects",
          "{\"objects\":[{\"class\":\"A\",\"tenant\":\"a\"},{\"class\":\"A\",\"tenant\":\"b\"}]}", DENIED },
        { "POST", "/v1/batch/objects", "{\"objects\":[{\"class\":\"A\",\"tenant\":\"a\"},{\"class\":\"A\"}]}", DENIED },
        { "GET", "/v1/schema/Docs/tenants", NULL, DENIED },
        { "POST", "/v1/schema/Docs/tenants", "[{\"name\":\"x\"}]", DENIED },
        { "DELETE", "/v1/schema/Docs/tenants", "[\"b\"]", DENIED },
    };
    CONFINED_ROWS("weaviate", own_tenant, rows);
}

// Each class by the filters on it alone.
static void classes_have_their_own_filters(void **state)
{
    (void)state;
    static const struct gw_api_value a[] = { TEXT("a") }, b[] = { TEXT("b") };
    static const char body[] = Q("{ Get { A { t } b { t } C { t } x: A { t } } }");
    struct span segments[] = { SPAN("v1"), SPAN("graphql") }, why;
    struct gw_api_request q = { .method = SPAN("POST"),
                                .segments = segments,
                                .n_segments = 2,
                                .has_body = true,
                                .body_ready = true,
                                .body = span_str(body),
                                .assured = E };
    const struct gw_api_filter filters[] = { { 0, SPAN("tenant"), a, 1 }, { 1, SPAN("tenant"), b, 1 } };
    struct confined c;
    confined_init(&c, "weaviate");
    assert_int_equal(gw_api_match(c.api, &q, &c.arena, &c.meaning, &why), 0);
    assert_int_equal(c.meaning.n_authorisations, 3);
    assert_int_equal(gw_api_confine(c.api, &q, filters, 2, &c.arena, &c.meaning, &why), 0);
    static const char sent[] =
        Q("{ Get { A ( where : " OURS
          " ) { t } b ( where : { path : [ \\\"tenant\\\" ] operator : Equal valueText : \\\"b\\\" } "
          ") { t } C { t } x : A ( where : " OURS " ) { t } } } ");
    if (!span_eq(c.meaning.body, span_str(sent)))
        fail_msg("%.*s", SPAN_FMT(c.meaning.body));
    confined_fini(&c);
}

static void both_kinds_of_tenants_hold_together(void **state)
{
    (void)state;
    static const struct confined_by both[] = { { "$tenant", { TEXT("a") }, 1, -1 },
                                               { "tenant", { TEXT("a") }, 1, -1 },
                                               { .field = NULL } };
    static const struct confined_row rows[] = {
        { "POST", G, Q("{ Get { Docs(tenant: \\\"a\\\") { t } } }"),
          Q("{ Get { Docs ( tenant : \\\"a\\\" where : " OURS " ) { t } } } ") },
        { "POST", G, Q("{ Get { Docs { t } } }"), DENIED },
        { "GET", "/v1/objects/Docs/" ID "?tenant=a", NULL, DENIED },
    };
    CONFINED_ROWS_ASSURED("weaviate", E, both, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_put_where_there_was_none),
        cmocka_unit_test(a_clients_filter_cannot_widen_it),
        cmocka_unit_test(an_object_as_the_query_is_denied),
        cmocka_unit_test(what_is_referred_to_is_denied_unless_it_may_be_read_without_a_filter),
        cmocka_unit_test(values_keep_their_type_and_stay_values),
        cmocka_unit_test(a_value_that_the_server_would_take_for_another_is_denied),
        cmocka_unit_test(what_is_written_carries_the_tenant),
        cmocka_unit_test(a_deletion_by_condition_is_confined),
        cmocka_unit_test(what_goes_by_id_is_denied),
        cmocka_unit_test(weaviates_own_tenant_has_to_be_named_and_the_right_one),
        cmocka_unit_test(classes_have_their_own_filters),
        cmocka_unit_test(both_kinds_of_tenants_hold_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
