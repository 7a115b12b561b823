// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a hostile client nests, what is sent selects exactly the records that the client's own filter selects and that are the tenant's: none of another's,
// and none less. Random requests with random filters, over two tenants' records and some of nobody's; a failure prints its request.
//
// With SALLYPORT_PAIRS=FILE the filters of Qdrant's scrolls go there, as asked and as sent, behind the records they are over: tests/e2e/qdrant_engine.test.mjs runs
// both on Qdrant's own engine.
#include "tests/unit/api/confined.h"
#include "tests/unit/api/filters.h"

#define TRIALS 100000 // of each database

static const char *const RECORDS[] = {
    "{\"tenant\":\"a\",\"n\":1,\"tags\":[\"x\",\"y\"],\"o\":[{\"n\":1},{\"n\":2}]}",
    "{\"tenant\":\"a\",\"n\":2,\"tags\":[],\"open\":true}",
    "{\"tenant\":\"a\",\"n\":3,\"tags\":null,\"o\":[{\"n\":3,\"tenant\":\"b\"}]}",
    "{\"tenant\":\"a\",\"n\":0}",
    "{\"tenant\":\"a\",\"n\":2,\"owner\":\"b\",\"Tenant\":\"b\"}",
    "{\"tenant\":\"b\",\"n\":1,\"tags\":[\"x\"],\"o\":[{\"n\":1,\"tenant\":\"a\"}]}",
    "{\"tenant\":\"b\",\"n\":2,\"tags\":[\"a\"],\"open\":false}",
    "{\"tenant\":\"b\",\"n\":3,\"owner\":\"a\",\"Tenant\":\"a\"}",
    "{\"tenant\":\"b\"}",
    "{\"tenant\":\"A\",\"n\":1}",
    "{\"tenant\":\"\"}",
    "{\"tenant\":null,\"n\":1}",
    "{\"tenant\":1,\"n\":2}",
    "{\"n\":1,\"o\":[{\"tenant\":\"a\"}]}",
    "{}",
};
#define N_RECORDS (sizeof(RECORDS) / sizeof(RECORDS[0]))

struct world {
    struct confined confined;
    struct json_doc *records[N_RECORDS], *ids;
    struct buf text;
    FILE *pairs; // NULL: nobody asked
    uint64_t seed;
    size_t compared, selected; // pairs of filter and record, and how many of them the client's own filter selects
};

static unsigned below(struct world *w, unsigned n)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (unsigned)((w->seed >> 20) % n);
}

static void put(struct world *w, const char *text)
{
    buf_append(&w->text, span_str(text));
}

static const char *pick(struct world *w, const char *const *list, unsigned n)
{
    return list[below(w, n)];
}
#define PICK(w, list) pick((w), (list), sizeof(list) / sizeof((list)[0]))

static const char *const values[] = { "\"a\"", "\"b\"", "\"x\"", "1", "2", "3", "true", "false", "\"\"" };
static const char *const keys[] = { "tenant", "n", "tags", "open", "owner", "Tenant" };

static void list_of(struct world *w, unsigned most, void (*one)(struct world *w, unsigned depth), unsigned depth)
{
    unsigned n = below(w, most + 1);
    put(w, "[");
    for (unsigned i = 0; i < n; i++) {
        put(w, i ? "," : "");
        one(w, depth);
    }
    put(w, "]");
}

static void a_value(struct world *w, unsigned depth)
{
    (void)depth;
    put(w, PICK(w, values));
}

static void an_id(struct world *w, unsigned depth)
{
    (void)depth;
    buf_printf(&w->text, "%u", below(w, N_RECORDS + 1));
}

// ---------------------------------------------------------------------------------------------------------------- Qdrant

static void a_filter(struct world *w, unsigned depth);

static void a_condition(struct world *w, unsigned depth)
{
    static const char *const bounds[] = { "gt", "gte", "lt", "lte" }, *const lists[] = { "any", "except" };
    switch (below(w, depth > 0 ? 9 : 6)) {
    case 0:
    case 1: buf_printf(&w->text, "{\"key\":\"%s\",\"match\":{\"value\":%s}}", PICK(w, keys), PICK(w, values)); break;
    case 2:
        buf_printf(&w->text, "{\"key\":\"%s\",\"match\":{\"%s\":", PICK(w, keys), PICK(w, lists));
        list_of(w, 3, a_value, 0);
        put(w, "}}");
        break;
    case 3: buf_printf(&w->text, "{\"key\":\"n\",\"range\":{\"%s\":%u}}", PICK(w, bounds), below(w, 4)); break;
    case 4:
        buf_printf(&w->text, "{\"%s\":{\"key\":\"%s\"}}", below(w, 2) ? "is_empty" : "is_null", PICK(w, keys));
        break;
    case 5:
        put(w, "{\"has_id\":");
        list_of(w, 8, an_id, 0);
        put(w, "}");
        break;
    case 6:
        put(w, "{\"nested\":{\"key\":\"o\",\"filter\":");
        a_filter(w, depth - 1);
        put(w, "}}");
        break;
    default: a_filter(w, depth - 1);
    }
}

static void a_filter(struct world *w, unsigned depth)
{
    static const char *const clauses[] = { "must", "must_not", "should", "min_should" };
    unsigned which = below(w, 16);
    bool first = true;
    put(w, "{");
    for (unsigned i = 0; i < 4; i++) {
        if ((which & (1U << i)) == 0)
            continue;
        buf_printf(&w->text, "%s\"%s\":", first ? "" : ",", clauses[i]);
        first = false;
        if (i == 3) {
            buf_printf(&w->text, "{\"min_count\":%u,\"conditions\":", 1 + below(w, 3));
            list_of(w, 4, a_condition, depth);
            put(w, "}");
        } else if (below(w, 5) == 0) {
            a_condition(w, depth);
        } else {
            list_of(w, 3, a_condition, depth);
        }
    }
    put(w, "}");
}

static void a_query(struct world *w, unsigned depth)
{
    bool filtered = below(w, 5) > 0;
    put(w, "{");
    if (filtered) {
        put(w, "\"filter\":");
        a_filter(w, 3);
    }
    if (depth > 0 && below(w, 2) == 0) {
        put(w, filtered ? ",\"prefetch\":" : "\"prefetch\":");
        if (below(w, 3) == 0)
            a_query(w, depth - 1);
        else
            list_of(w, 2, a_query, depth - 1);
    }
    put(w, "}");
}

static void same_records(struct world *w, json asked, json sent, bool (*selects)(json filter, json id, json record))
{
    if (!is_given(sent))
        fail_msg("a query without a filter");
    for (size_t i = 0; i < N_RECORDS; i++) {
        json record = json_root(w->records[i]), id = json_at(json_root(w->ids), i);
        bool wanted = !is_given(asked) || selects(asked, id, record);
        bool is_a = span_eq(json_string(json_get(record, SPAN("tenant"))), SPAN("a"));
        w->compared++;
        w->selected += wanted;
        if (selects(sent, id, record) != (wanted && is_a))
            fail_msg("%s %s", wanted && is_a ? "lost" : "leaked", RECORDS[i]);
    }
}

static void same_queries(struct world *w, json asked, json sent)
{
    json below_asked = json_get(asked, SPAN("prefetch")), below_sent = json_get(sent, SPAN("prefetch"));
    same_records(w, json_get(asked, SPAN("filter")), json_get(sent, SPAN("filter")), qdrant_filter);
    assert_int_equal(json_type(below_asked), json_type(below_sent));
    if (json_type(below_asked) == JSON_OBJECT)
        same_queries(w, below_asked, below_sent);
    if (json_type(below_asked) != JSON_ARRAY)
        return;
    assert_int_equal(json_count(below_asked), json_count(below_sent));
    for (size_t i = 0; i < json_count(below_asked); i++)
        same_queries(w, json_at(below_asked, i), json_at(below_sent, i));
}

static void qdrant_trial(struct world *w, const char **target)
{
    switch (below(w, 4)) {
    case 0: *target = "/collections/docs/points/query"; return a_query(w, 3);
    case 1:
        *target = "/collections/docs/points/query/batch";
        put(w, "{\"searches\":");
        list_of(w, 3, a_query, 2);
        return put(w, "}");
    case 2:
        *target = "/collections/docs/points/delete";
        put(w, "{\"filter\":");
        a_filter(w, 3);
        return put(w, "}");
    default: *target = "/collections/docs/points/scroll"; return a_query(w, 0);
    }
}

static void qdrant_compare(struct world *w, json asked, json sent)
{
    json many = json_get(asked, SPAN("searches")), sent_many = json_get(sent, SPAN("searches"));
    if (!many)
        return same_queries(w, asked, sent);
    assert_int_equal(json_count(many), json_count(sent_many));
    for (size_t i = 0; i < json_count(many); i++)
        same_queries(w, json_at(many, i), json_at(sent_many, i));
}

// ---------------------------------------------------------------------------------------------------------------- Chroma

static void a_where(struct world *w, unsigned depth)
{
    static const char *const ops[] = { "$eq", "$ne" }, *const sets[] = { "$in", "$nin" };
    static const char *const bounds[] = { "$gt", "$gte", "$lt", "$lte" };
    switch (below(w, depth > 0 ? 7 : 4)) {
    case 0: buf_printf(&w->text, "{\"%s\":%s}", PICK(w, keys), PICK(w, values)); break;
    case 1: buf_printf(&w->text, "{\"%s\":{\"%s\":%s}}", PICK(w, keys), PICK(w, ops), PICK(w, values)); break;
    case 2: buf_printf(&w->text, "{\"n\":{\"%s\":%u}}", PICK(w, bounds), below(w, 4)); break;
    case 3:
        buf_printf(&w->text, "{\"%s\":{\"%s\":[\"a\",\"%s\"]}}", PICK(w, keys), PICK(w, sets), below(w, 2) ? "b" : "x");
        break;
    default:
        buf_printf(&w->text, "{\"%s\":", below(w, 2) ? "$and" : "$or");
        list_of(w, 3, a_where, depth - 1);
        put(w, "}");
    }
}

#define U "/api/v2/tenants/t/databases/d/collections/00000000-0000-4000-8000-000000000001"

static void chroma_trial(struct world *w, const char **target)
{
    static const char *const begin[] = { "{\"where\":", "{\"query_embeddings\":[[1]],\"where\":",
                                         "{\"ids\":[\"1\"],\"where\":" };
    static const char *const targets[] = { U "/get", U "/query", U "/delete" };
    unsigned which = below(w, 3);
    *target = targets[which];
    put(w, begin[which]);
    a_where(w, 4);
    put(w, "}");
}

static bool chroma_selects(json where, json id, json record)
{
    (void)id;
    return chroma_where(where, record);
}

static void chroma_compare(struct world *w, json asked, json sent)
{
    same_records(w, json_get(asked, SPAN("where")), json_get(sent, SPAN("where")), chroma_selects);
}

// ------------------------------------------------------------------------------------------------------------------------

static void run(const char *api, void (*trial)(struct world *w, const char **target),
                void (*compare)(struct world *w, json asked, json sent))
{
    struct world w = { .seed = 0x5a11e9041 };
    confined_init(&w.confined, api);
    buf_init(&w.text, 0);
    put(&w, "[");
    for (size_t i = 0; i < N_RECORDS; i++) {
        assert_non_null(w.records[i] = json_parse(span_str(RECORDS[i]), NULL, NULL));
        buf_printf(&w.text, "%s%zu", i ? "," : "", i);
    }
    put(&w, "]");
    assert_non_null(w.ids = json_parse(buf_span(&w.text), NULL, NULL));
    const struct json_limits limits = { .depth = 64 };
    const char *file = api[0] == 'q' ? getenv("SALLYPORT_PAIRS") : NULL;
    w.pairs = file ? fopen(file, "w") : NULL;
    assert_true(w.pairs || !file);
    for (size_t i = 0; w.pairs && i < N_RECORDS; i++)
        fprintf(w.pairs, "%s\n", RECORDS[i]);
    for (size_t i = 0; i < TRIALS; i++) {
        const char *target;
        buf_clear(&w.text);
        trial(&w, &target);
        buf_byte(&w.text, '\0');
        const char *asked = buf_span(&w.text).p;
        const char *sent = confined(&w.confined, tenant_a, "POST", target, asked);
        if (strcmp(sent, "unchanged") == 0) // a batch of no queries
            sent = asked;
        // The generator makes nothing that is refused.
        if (sent[0] != '{')
            fail_msg("%s of %s", sent, asked);
        if (w.pairs && strstr(target, "/scroll"))
            fprintf(w.pairs, "%s\t%s\n", asked, sent);
        struct json_doc *asked_doc = json_parse(span_str(asked), &limits, NULL),
                        *sent_doc = json_parse(span_str(sent), &limits, NULL);
        assert_true(asked_doc && sent_doc);
        size_t before = w.compared;
        compare(&w, json_root(asked_doc), json_root(sent_doc));
        assert_true(w.compared > before || strstr(asked, "\"searches\":[]"));
        json_free(asked_doc);
        json_free(sent_doc);
    }
    // Neither everything nor nothing is selected: the generator tries something.
    assert_true(w.selected > w.compared / 10 && w.selected < w.compared * 9 / 10);
    print_message("%s: %d requests, %zu decisions about a record\n", api, TRIALS, w.compared);
    for (size_t i = 0; i < N_RECORDS; i++)
        json_free(w.records[i]);
    if (w.pairs)
        fclose(w.pairs);
    json_free(w.ids);
    buf_fini(&w.text);
    confined_fini(&w.confined);
}

static void qdrant_selects_what_is_asked_for_and_the_tenants(void **state)
{
    (void)state;
    run("qdrant", qdrant_trial, qdrant_compare);
}

static void chroma_selects_what_is_asked_for_and_the_tenants(void **state)
{
    (void)state;
    run("chroma", chroma_trial, chroma_compare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qdrant_selects_what_is_asked_for_and_the_tenants),
        cmocka_unit_test(chroma_selects_what_is_asked_for_and_the_tenants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
