// SPDX-License-Identifier: GPL-3.0-or-later
// What servers answer to the question whether they are made for a filter, in the shape in which they answer it, and what follows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/api/survey.h"
#include "gateway/base/err.h"

struct row {
    const char *field;
    enum gw_api_value_kind of;
    const char *body;
    const char *found; // kinds in order, with ! for an error and ? for a note
    const char *says;  // part of the first one's text
};

static struct gw_survey_subject subject(const char *api, enum gw_survey_aspect aspect)
{
    return (struct gw_survey_subject){ .api = span_str(api),
                                       .aspect = aspect,
                                       .database = SPAN("main"),
                                       .tenant = SPAN("acme"),
                                       .collection = SPAN("Docs"),
                                       .field = SPAN("tenant") };
}

// The findings as text; NULL: nothing was concluded.
static const char *read_as_text(const struct gw_survey_subject *s, unsigned status, const char *body,
                                struct arena *arena, struct span *says)
{
    struct gw_survey_finding f[GW_SURVEY_FINDINGS_MAX];
    size_t n = 77;
    int rc = gw_survey_read(s, status, span_str(body), arena, f, &n);
    if (rc != 0) {
        assert_int_equal(rc, ERR_SHARD_ANSWER);
        assert_int_equal(n, 77);
        return NULL;
    }
    struct span text = SPAN("");
    for (size_t i = 0; i < n; i++)
        text = arena_printf(arena, "%.*s%s%.*s%s", SPAN_FMT(text), i ? " " : "", SPAN_FMT(gw_finding_name(f[i].kind)),
                            f[i].weight == GW_SURVEY_ERROR  ? "!"
                            : f[i].weight == GW_SURVEY_NOTE ? "?"
                                                            : "");
    *says = n > 0 ? f[0].text : SPAN("");
    return arena_printf(arena, "%.*s", SPAN_FMT(text)).p;
}

static void check(const char *api, enum gw_survey_aspect aspect, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct arena arena;
        struct span says = SPAN("");
        arena_init(&arena, 0);
        struct gw_survey_subject s = subject(api, aspect);
        s.field = span_str(rows[i].field);
        s.of = rows[i].of;
        const char *found = read_as_text(&s, 200, rows[i].body, &arena, &says);
        if (!found || strcmp(found, rows[i].found) != 0)
            fail_msg("%s %zu: %s, not %s", api, i, found ? found : "(nothing concluded)", rows[i].found);
        if (rows[i].says && !memmem(says.p, says.n, rows[i].says, strlen(rows[i].says)))
            fail_msg("%s %zu: %.*s", api, i, SPAN_FMT(says));
        arena_fini(&arena);
    }
}
#define CHECK(api, aspect, rows) check(api, aspect, rows, sizeof(rows) / sizeof *(rows))

#define QDRANT(strict, schema)                                                                                        \
    "{\"result\":{\"status\":\"green\",\"points_count\":12345678901,\"config\":{\"params\":{\"vectors\":{\"size\":4," \
    "\"distance\":\"Cosine\"}},\"strict_mode_config\":" strict "},\"payload_schema\":" schema                         \
    "},\"status\":\"ok\",\"time\":0.0001}"
#define OFF "{\"enabled\":false,\"unindexed_filtering_retrieve\":false}"
#define STRICT "{\"enabled\":true,\"unindexed_filtering_retrieve\":false}"
#define INDEX(type, more) \
    "{\"tenant\":{\"data_type\":\"" type "\",\"params\":{\"type\":\"" type "\"" more "},\"points\":3}}"

static void qdrant_says_which_payload_keys_have_an_index(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "tenant", GW_API_TEXT, QDRANT("null", INDEX("keyword", ",\"is_tenant\":true")), "", NULL },
        { "tenant", GW_API_TEXT, QDRANT("null", INDEX("keyword", "")), "not_by_tenant?", "is_tenant" },
        { "tenant", GW_API_TEXT, QDRANT("null", "{}"), "unindexed",
          "PUT /collections/Docs/index "
          "{\"field_name\":\"tenant\",\"field_schema\":{\"type\":\"keyword\",\"is_tenant\":true}}" },
        { "tenant", GW_API_TEXT, QDRANT("null", "{\"tenant_id\":{\"data_type\":\"keyword\"}}"), "unindexed",
          "'tenant'" },
        { "tenant", GW_API_TEXT, QDRANT("null", INDEX("uuid", ",\"is_tenant\":true")), "", NULL },
        { "tenant", GW_API_TEXT, QDRANT("null", INDEX("text", "")), "unindexed", "index of type text" },
        { "tenant", GW_API_TEXT, QDRANT("null", INDEX("integer", "")), "unindexed", "index of type integer" },
        { "tenant", GW_API_NUMBER, QDRANT("null", INDEX("integer", ",\"is_tenant\":true")), "", NULL },
        { "tenant", GW_API_NUMBER, QDRANT("null", INDEX("integer", ",\"lookup\":false,\"range\":true")), "unindexed",
          "\"lookup\":true" },
        { "tenant", GW_API_NUMBER, QDRANT("null", INDEX("keyword", "")), "unindexed", NULL },
        { "tenant", GW_API_FLAG, QDRANT("null", INDEX("bool", "")), "", NULL },
        { "owner.tenant", GW_API_TEXT,
          QDRANT("null", "{\"owner.tenant\":{\"data_type\":\"keyword\",\"params\":{\"is_tenant\":true}}}"), "", NULL },
        // Strict mode refuses what is only slow otherwise.
        { "tenant", GW_API_TEXT, QDRANT(STRICT, "{}"), "unfilterable!", "strict mode" },
        { "tenant", GW_API_TEXT, QDRANT(STRICT, INDEX("keyword", ",\"is_tenant\":true")), "", NULL },
        { "tenant", GW_API_TEXT, QDRANT(OFF, "{}"), "unindexed", NULL },
    };
    CHECK("qdrant", GW_SURVEY_FIELD, rows);
}

static void a_qdrant_that_ignores_update_filter_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *body, *writes, *reads;
    } rows[] = {
        { "{\"title\":\"qdrant - vector search engine\",\"version\":\"1.16.0\",\"commit\":\"x\"}", "", "" },
        { "{\"title\":\"qdrant - vector search engine\",\"version\":\"1.15.5\"}", "old_server!", "old_server?" },
        { "{\"version\":\"1.9.0-dev\"}", "old_server!", "old_server?" },
        { "{\"version\":\"2.0.0\"}", "", "" },
        { "{\"version\":\"99999999999999999999.1\"}", "", "" },
        { "{\"version\":\"1\"}", "old_server!", "old_server?" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int writes = 0; writes < 2; writes++) {
            struct arena arena;
            struct span says;
            arena_init(&arena, 0);
            struct gw_survey_subject s = subject("qdrant", GW_SURVEY_SERVER);
            s.confined_writes = writes;
            const char *found = read_as_text(&s, 200, rows[i].body, &arena, &says);
            assert_non_null(found);
            assert_string_equal(found, writes ? rows[i].writes : rows[i].reads);
            arena_fini(&arena);
        }
}

#define CLASS(more, properties)                                                                              \
    "{\"class\":\"Docs\",\"invertedIndexConfig\":{\"bm25\":{\"b\":0.75}}" more ",\"properties\":" properties \
    ",\"replicationConfig\":{\"factor\":1},\"vectorizer\":\"none\"}"
#define PROPERTY(type, tokens, more)                                                                         \
    CLASS("", "[{\"name\":\"body\",\"dataType\":[\"text\"],\"tokenization\":\"word\"},{\"name\":\"tenant\"," \
              "\"dataType\":[\"" type "\"],\"indexFilterable\":true,\"indexSearchable\":true" tokens more "}]")
#define TOKENS(t) ",\"tokenization\":\"" t "\""

static void weaviates_texts_that_are_compared_by_words_are_found(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "tenant", GW_API_TEXT, PROPERTY("text", TOKENS("field"), ""), "", NULL },
        { "tenant", GW_API_TEXT, PROPERTY("text[]", TOKENS("field"), ""), "", NULL },
        { "tenant", GW_API_TEXT, PROPERTY("text", TOKENS("word"), ""), "by_words!", "exact_text" },
        { "tenant", GW_API_TEXT, PROPERTY("text", TOKENS("lowercase"), ""), "by_words!", "'lowercase'" },
        { "tenant", GW_API_TEXT, PROPERTY("text", TOKENS("trigram"), ""), "by_words!", NULL },
        { "tenant", GW_API_TEXT, PROPERTY("text", "", ""), "by_words!", "'word'" }, // the default
        { "tenant", GW_API_TEXT, PROPERTY("uuid", "", ""), "", NULL },
        { "tenant", GW_API_TEXT, PROPERTY("int", "", ""), "mistyped!", "type int" },
        { "tenant", GW_API_NUMBER, PROPERTY("int", "", ""), "", NULL },
        { "tenant", GW_API_NUMBER, PROPERTY("text", TOKENS("field"), ""), "mistyped!", "integers" },
        { "tenant", GW_API_NUMBER, PROPERTY("number", "", ""), "mistyped!", NULL }, // valueInt does not go with it
        { "tenant", GW_API_FLAG, PROPERTY("boolean", "", ""), "", NULL },
        { "tenant", GW_API_TEXT,
          CLASS("",
                "[{\"name\":\"tenant\",\"dataType\":[\"text\"],\"tokenization\":\"field\",\"indexFilterable\":false}]"),
          "unfilterable!", "indexFilterable" },
        { "tenant", GW_API_TEXT,
          CLASS("",
                "[{\"name\":\"tenant\",\"dataType\":[\"text\"],\"tokenization\":\"word\",\"indexInverted\":false}]"),
          "by_words! unfilterable!", NULL },
        { "tenant", GW_API_TEXT, CLASS("", "[{\"name\":\"tenants\",\"dataType\":[\"text\"]}]"), "missing!",
          "POST /v1/schema/Docs/properties" },
        { "tenant", GW_API_TEXT, CLASS("", "null"), "missing!", NULL },
        { "$tenant", GW_API_TEXT, CLASS(",\"multiTenancyConfig\":{\"enabled\":true}", "[]"), "", NULL },
        { "$tenant", GW_API_TEXT, CLASS(",\"multiTenancyConfig\":{\"enabled\":false}", "[]"), "no_tenants!",
          "multi-tenancy" },
        { "$tenant", GW_API_TEXT, CLASS("", "[]"), "no_tenants!", NULL },
    };
    CHECK("weaviate", GW_SURVEY_FIELD, rows);
}

#define MILVUS(dynamic, auto_id, field, indexes, properties)                                                  \
    "{\"code\":0,\"data\":{\"aliases\":[],\"autoId\":" auto_id                                                \
    ",\"collectionID\":448707763883002014,\"collectionName\":\"Docs\","                                       \
    "\"consistencyLevel\":\"Bounded\",\"enableDynamicField\":" dynamic ",\"fields\":[{\"autoId\":" auto_id    \
    ",\"id\":100,\"name\":\"pk\",\"partitionKey\":false,\"primaryKey\":true,\"type\":\"Int64\"}," field       \
    "{\"id\":102,\"name\":\"vector\",\"params\":[{\"key\":\"dim\",\"value\":\"5\"}],\"partitionKey\":false,"  \
    "\"primaryKey\":false,\"type\":\"FloatVector\"}],"                                                        \
    "\"indexes\":[" indexes "{\"fieldName\":\"vector\",\"indexName\":\"vector\",\"metricType\":\"COSINE\"}]," \
    "\"load\":\"LoadStateLoaded\",\"partitionsNum\":1,\"properties\":" properties                             \
    ",\"shardsNum\":1},\"message\":\"\"}"
#define FIELD(type, key)                                                                                              \
    "{\"autoId\":false,\"id\":101,\"name\":\"tenant\",\"partitionKey\":" key ",\"primaryKey\":false,\"type\":\"" type \
    "\"},"
#define ON_TENANT "{\"fieldName\":\"tenant\",\"indexName\":\"tenant\",\"metricType\":\"\"},"

static void milvus_says_how_a_field_is_made(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "tenant", GW_API_TEXT, MILVUS("false", "true", FIELD("VarChar", "true"), "", "[]"), "", NULL },
        { "tenant", GW_API_TEXT, MILVUS("false", "true", FIELD("VarChar", "false"), ON_TENANT, "[]"), "", NULL },
        { "tenant", GW_API_TEXT, MILVUS("false", "true", FIELD("VarChar", "false"), "", "[]"), "unindexed",
          "POST /v2/vectordb/indexes/create {\"dbName\":\"main\",\"collectionName\":\"Docs\"" },
        { "tenant", GW_API_TEXT, MILVUS("true", "true", "", "", "[]"), "unindexed", "dynamic field" },
        { "tenant", GW_API_TEXT, MILVUS("false", "true", "", "", "[]"), "missing!", "no field 'tenant'" },
        { "tenant", GW_API_TEXT, MILVUS("true", "true", FIELD("Int64", "true"), "", "[]"), "mistyped!", "Int64" },
        { "tenant", GW_API_NUMBER, MILVUS("false", "true", FIELD("Int32", "true"), "", "[]"), "", NULL },
        { "tenant", GW_API_FLAG, MILVUS("false", "true", FIELD("Bool", "false"), ON_TENANT, "[]"), "", NULL },
        { "tenant", GW_API_FLAG, MILVUS("false", "true", FIELD("VarChar", "true"), ON_TENANT, "[]"), "mistyped!",
          NULL },
    };
    CHECK("milvus", GW_SURVEY_FIELD, rows);
}

static void milvus_collections_whose_clients_choose_keys_are_found(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", GW_API_TEXT, MILVUS("false", "true", "", "", "[]"), "", NULL },
        { "", GW_API_TEXT, MILVUS("false", "false", "", "", "[]"), "chosen_ids!", "autoID is off" },
        { "", GW_API_TEXT, MILVUS("false", "true", "", "", "[{\"key\":\"allow_insert_auto_id\",\"value\":\"true\"}]"),
          "chosen_ids!", "allow_insert_auto_id" },
        { "", GW_API_TEXT, MILVUS("false", "true", "", "", "[{\"key\":\"allow_insert_auto_id\",\"value\":\"false\"}]"),
          "", NULL },
    };
    CHECK("milvus", GW_SURVEY_IDS, rows);
}

#define CHROMA(schema)                                                                                                \
    "{\"id\":\"04cd65d6-b004-47ff-923e-31125239aa65\",\"name\":\"Docs\",\"configuration_json\":{\"hnsw\":{\"space\":" \
    "\"l2\"}},"                                                                                                       \
    "\"schema\":" schema                                                                                              \
    ",\"metadata\":null,\"dimension\":null,\"tenant\":\"acme\",\"database\":\"main\",\"version\":0}"
#define INVERTED(type, on) "{\"" type "\":{\"" type "_inverted_index\":{\"enabled\":" on ",\"config\":{}}}}"

static void a_chroma_schema_without_the_index_is_found(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "tenant", GW_API_TEXT, CHROMA("null"), "", NULL }, // servers before schemas index everything
        { "tenant", GW_API_TEXT, CHROMA("{\"defaults\":" INVERTED("string", "true") ",\"keys\":{}}"), "", NULL },
        { "tenant", GW_API_TEXT, CHROMA("{\"defaults\":" INVERTED("string", "false") ",\"keys\":{}}"), "unfilterable!",
          "'tenant'" },
        { "tenant", GW_API_TEXT,
          CHROMA("{\"defaults\":" INVERTED("string", "true") ",\"keys\":{\"tenant\":" INVERTED("string", "false") "}}"),
          "unfilterable!", NULL },
        { "tenant", GW_API_TEXT,
          CHROMA("{\"defaults\":" INVERTED("string", "false") ",\"keys\":{\"tenant\":" INVERTED("string", "true") "}}"),
          "", NULL },
        { "tenant", GW_API_NUMBER, CHROMA("{\"defaults\":" INVERTED("string", "false") ",\"keys\":{}}"), "", NULL },
        { "tenant", GW_API_NUMBER, CHROMA("{\"defaults\":" INVERTED("int", "false") ",\"keys\":{}}"), "unfilterable!",
          NULL },
        { "tenant", GW_API_FLAG, CHROMA("{\"defaults\":" INVERTED("bool", "false") ",\"keys\":{}}"), "unfilterable!",
          NULL },
    };
    CHECK("chroma", GW_SURVEY_FIELD, rows);
}

static void values_that_may_be_anything_go_with_every_index(void **state)
{
    (void)state;
    static const struct {
        const char *api, *body, *found;
    } rows[] = {
        { "qdrant", QDRANT("null", INDEX("integer", ",\"is_tenant\":true")), "" },
        { "qdrant", QDRANT("null", INDEX("keyword", ",\"is_tenant\":true")), "" },
        { "qdrant", QDRANT("null", INDEX("geo", "")), "unindexed" },
        { "weaviate", PROPERTY("int", "", ""), "" },
        { "weaviate", PROPERTY("text", TOKENS("word"), ""), "by_words!" }, // dangerous as soon as one is a text
        { "weaviate", PROPERTY("date", "", ""), "mistyped!" },
        { "milvus", MILVUS("false", "true", FIELD("Int64", "true"), "", "[]"), "" },
        { "milvus", MILVUS("false", "true", FIELD("JSON", "false"), "", "[]"), "mistyped!" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct span says;
        arena_init(&arena, 0);
        struct gw_survey_subject s = subject(rows[i].api, GW_SURVEY_FIELD);
        s.any_kind = true;
        const char *found = read_as_text(&s, 200, rows[i].body, &arena, &says);
        assert_non_null(found);
        assert_string_equal(found, rows[i].found);
        arena_fini(&arena);
    }
}

static void what_is_no_answer_concludes_nothing(void **state)
{
    (void)state;
    static const char *const apis[] = { "qdrant", "weaviate", "milvus", "chroma", "own" };
    static const char *const bodies[] = { "",
                                          "[]",
                                          "{}",
                                          "null",
                                          "\"x\"",
                                          "{\"result\":{}}",
                                          "{\"result\":null}",
                                          "not JSON",
                                          "{\"code\":0}",
                                          "{\"code\":0,\"data\":{}}",
                                          "{\"code\":1,\"message\":\"not ready\"}",
                                          "{\"class\":7}",
                                          "{\"class\":\"Docs\",\"properties\":[{\"name\":\"tenant\"}]}",
                                          "{\"a\":1,\"a\":2}" };
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++)
        for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
            struct arena arena;
            struct span says = SPAN("");
            arena_init(&arena, 0);
            const struct gw_survey_subject s = subject(apis[i], GW_SURVEY_FIELD);
            const char *found = read_as_text(&s, 200, bodies[b], &arena, &says);
            bool class = i == 1 && strstr(bodies[b], "Docs\"") && !strstr(bodies[b], "tenant");
            if (found && !class)
                fail_msg("%s: %s: %s", apis[i], bodies[b], found);
            for (unsigned status = 500; status < 600; status += 3)
                assert_null(read_as_text(&s, status, bodies[b], &arena, &says));
            assert_null(read_as_text(&s, 429, bodies[b], &arena, &says));
            arena_fini(&arena);
        }
}

static void a_collection_that_is_not_there_is_a_note_and_a_refusal_a_warning(void **state)
{
    (void)state;
    static const struct {
        const char *api;
        unsigned status;
        const char *body, *found;
    } rows[] = {
        { "qdrant", 404, "{\"status\":{\"error\":\"Not found\"}}", "unseen?" },
        { "chroma", 404, "{\"error\":\"NotFoundError\"}", "unseen?" },
        { "weaviate", 404, "", "unseen?" },
        { "milvus", 200, "{\"code\":100,\"message\":\"can't find collection\"}", "unseen?" },
        { "qdrant", 403, "{\"status\":{\"error\":\"forbidden\"}}", "unseen" },
        { "weaviate", 401, "", "unseen" },
        { "milvus", 200, "{\"code\":65535,\"message\":\"permission deny\"}", "unseen" },
        { "chroma", 302, "", "unseen" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct span says;
        arena_init(&arena, 0);
        const struct gw_survey_subject s = subject(rows[i].api, GW_SURVEY_FIELD);
        const char *found = read_as_text(&s, rows[i].status, rows[i].body, &arena, &says);
        assert_non_null(found);
        assert_string_equal(found, rows[i].found);
        arena_fini(&arena);
    }
}

static void a_name_in_a_question_is_one_segment_or_one_text(void **state)
{
    (void)state;
    static const struct {
        const char *api;
        enum gw_survey_aspect aspect;
        const char *target, *body;
    } rows[] = {
        { "qdrant", GW_SURVEY_FIELD, "/collections/a%2F..%3F%22b", NULL },
        { "qdrant", GW_SURVEY_SERVER, "/", NULL },
        { "weaviate", GW_SURVEY_FIELD, "/v1/schema/a%2F..%3F%22b", NULL },
        { "weaviate", GW_SURVEY_SERVER, "/v1/meta", NULL },
        { "chroma", GW_SURVEY_FIELD, "/api/v2/tenants/acme/databases/main/collections/a%2F..%3F%22b", NULL },
        { "chroma", GW_SURVEY_SERVER, "/api/v2/version", NULL },
        { "milvus", GW_SURVEY_FIELD, "/v2/vectordb/collections/describe",
          "{\"dbName\":\"main\",\"collectionName\":\"a/..?\\\"b\"}" },
        { "milvus", GW_SURVEY_IDS, "/v2/vectordb/collections/describe",
          "{\"dbName\":\"main\",\"collectionName\":\"a/..?\\\"b\"}" },
    };
    struct arena arena;
    struct gw_survey_question q;
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gw_survey_subject s = subject(rows[i].api, rows[i].aspect);
        s.collection = SPAN("a/..?\"b");
        assert_int_equal(gw_survey_ask(&s, &arena, &q), 0);
        assert_int_equal(q.method, rows[i].body ? GW_METHOD_POST : GW_METHOD_GET);
        assert_true(span_eq(q.target, span_str(rows[i].target)));
        assert_true(rows[i].body ? span_eq(q.body, span_str(rows[i].body)) : span_is_none(q.body));
    }
    struct gw_survey_subject s = subject("milvus", GW_SURVEY_SERVER);
    assert_int_equal(gw_survey_ask(&s, &arena, &q), ERR_API_UNKNOWN);
    s = subject("own", GW_SURVEY_FIELD);
    assert_int_equal(gw_survey_ask(&s, &arena, &q), ERR_API_UNKNOWN);
    s = subject("qdrant", GW_SURVEY_IDS);
    assert_int_equal(gw_survey_ask(&s, &arena, &q), ERR_API_UNKNOWN);
    arena_fini(&arena);
}

static void only_what_a_request_depends_on_is_asked(void **state)
{
    (void)state;
    const unsigned field = 1u << GW_SURVEY_FIELD, server = 1u << GW_SURVEY_SERVER, ids = 1u << GW_SURVEY_IDS;
    assert_int_equal(gw_survey_aspects(SPAN("qdrant"), GW_ACTION_SEARCH), field);
    assert_int_equal(gw_survey_aspects(SPAN("qdrant"), GW_ACTION_WRITE), field | server);
    assert_int_equal(gw_survey_aspects(SPAN("qdrant"), GW_ACTION_DELETE), field);
    assert_int_equal(gw_survey_aspects(SPAN("milvus"), GW_ACTION_DELETE), field | ids);
    assert_int_equal(gw_survey_aspects(SPAN("milvus"), GW_ACTION_WRITE), field);
    assert_int_equal(gw_survey_aspects(SPAN("weaviate"), GW_ACTION_READ), field);
    assert_int_equal(gw_survey_aspects(SPAN("own"), GW_ACTION_READ), 0);
}

static void versions_are_read_as_each_server_writes_them(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    assert_true(span_eq(gw_survey_version(SPAN("qdrant"), SPAN("{\"title\":\"q\",\"version\":\"1.16.0\"}"), &arena),
                        SPAN("1.16.0")));
    assert_true(
        span_eq(gw_survey_version(SPAN("weaviate"), SPAN("{\"hostname\":\"h\",\"version\":\"1.33.1\"}"), &arena),
                SPAN("1.33.1")));
    assert_true(span_eq(gw_survey_version(SPAN("chroma"), SPAN("\"1.0.0\""), &arena), SPAN("1.0.0")));
    assert_true(span_is_none(gw_survey_version(SPAN("chroma"), SPAN("{}"), &arena)));
    assert_true(span_is_none(gw_survey_version(SPAN("qdrant"), SPAN("<html>"), &arena)));
    assert_true(span_is_none(gw_survey_version(SPAN("qdrant"), SPAN("{\"version\":\"\"}"), &arena)));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qdrant_says_which_payload_keys_have_an_index),
        cmocka_unit_test(a_qdrant_that_ignores_update_filter_is_found),
        cmocka_unit_test(weaviates_texts_that_are_compared_by_words_are_found),
        cmocka_unit_test(milvus_says_how_a_field_is_made),
        cmocka_unit_test(milvus_collections_whose_clients_choose_keys_are_found),
        cmocka_unit_test(a_chroma_schema_without_the_index_is_found),
        cmocka_unit_test(values_that_may_be_anything_go_with_every_index),
        cmocka_unit_test(what_is_no_answer_concludes_nothing),
        cmocka_unit_test(a_collection_that_is_not_there_is_a_note_and_a_refusal_a_warning),
        cmocka_unit_test(a_name_in_a_question_is_one_segment_or_one_text),
        cmocka_unit_test(only_what_a_request_depends_on_is_asked),
        cmocka_unit_test(versions_are_read_as_each_server_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
