// SPDX-License-Identifier: GPL-3.0-or-later
// Random filters of a hostile client of Milvus and of Weaviate, over two tenants' records: what is sent selects what the client's own filter selects and is the
// tenant's, by an evaluator of each language that was written from its documentation alone.
//
// With SALLYPORT_PAIRS=FILE Milvus's filters go there, as asked and as sent, behind the records they are over: tests/e2e/milvus_engine.test.mjs runs both.
#include "tests/unit/api/confined.h"

#include "gateway/base/json.h"

#define TRIALS 50000 // of each database

static const struct record {
    const char *tenant, *owner;
    int n;
    bool open;
} records[] = {
    { "a", "b", 0, true },  { "a", "a", 1, false }, { "a", "x) or (y", 2, true },  { "a", "", 3, false },
    { "b", "a", 0, false }, { "b", "b", 1, true },  { "b", "x) or (y", 2, false }, { "b", "", 3, true },
    { "A", "a", 1, true },  { "", "a", 2, false },  { "a b", "a", 3, true },       { "b", "a", 2, true },
};
#define N_RECORDS (sizeof(records) / sizeof(records[0]))

struct world {
    struct confined confined;
    struct buf text;
    uint64_t seed;
    size_t compared, selected;
    FILE *pairs; // NULL: nobody asked
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

static const char *text_field(const struct record *r, struct span name)
{
    return span_eq(name, SPAN("tenant")) ? r->tenant : span_eq(name, SPAN("owner")) ? r->owner : NULL;
}

// --------------------------------------------------------------------------------------------- Milvus: what is asked for

static void an_expression(struct world *w, unsigned depth)
{
    static const char *const fields[] = { "tenant", "owner" }, *const equal[] = { "==", " == ", "!=", " != " };
    static const char *const texts[] = { "'a'", "\"b\"", "'x) or (y'", "\"\"", "'A'", "\"it's\"", "'\\''", "'\\\\'" };
    static const char *const bounds[] = { "<", " <= ", ">", " >= ", "==", " != " };
    static const char *const ands[] = { " and ", "&&", " AND " }, *const ors[] = { " or ", "||", " OR " };
    switch (below(w, depth > 0 ? 9 : 5)) {
    case 0:
    case 1: buf_printf(&w->text, "%s%s%s", PICK(w, fields), PICK(w, equal), PICK(w, texts)); break;
    case 2: buf_printf(&w->text, "n%s%u", PICK(w, bounds), below(w, 5)); break;
    case 3:
        buf_printf(&w->text, "%s%s in [%s, %s]", PICK(w, fields), below(w, 2) ? " not" : "", PICK(w, texts),
                   PICK(w, texts));
        break;
    case 4: buf_printf(&w->text, "open == %s", below(w, 2) ? "true" : "False"); break;
    case 5:
        put(w, below(w, 2) ? "not (" : "!(");
        an_expression(w, depth - 1);
        put(w, ")");
        break;
    case 6:
        put(w, "(");
        an_expression(w, depth - 1);
        put(w, " )");
        break;
    default:
        an_expression(w, depth - 1);
        put(w, below(w, 2) ? PICK(w, ands) : PICK(w, ors));
        an_expression(w, depth - 1);
    }
}

// ------------------------------------------------------------------------------------------------ Milvus: the evaluator

struct eval {
    const char *at;
    const struct record *r;
    json parameters;
};

static void blank(struct eval *e)
{
    while (*e->at == ' ')
        e->at++;
}

static bool sees(struct eval *e, const char *token)
{
    blank(e);
    size_t n = strlen(token);
    if (strncmp(e->at, token, n) != 0)
        return false;
    e->at += n;
    return true;
}

static void must(struct eval *e, const char *token)
{
    if (!sees(e, token))
        fail_msg("%s where %s has to be", e->at, token);
}

// A text, or of a parameter its value; into `out`.
static void a_text(struct eval *e, char out[64])
{
    size_t n = 0;
    if (sees(e, "{")) {
        blank(e);
        size_t len = strcspn(e->at, " }");
        struct span v = json_string(json_get(e->parameters, span_of(e->at, len)));
        assert_true(!span_is_none(v) && v.n < 64);
        memcpy(out, v.p, v.n);
        out[v.n] = '\0';
        e->at += len;
        must(e, "}");
        return;
    }
    blank(e);
    char quote = *e->at++;
    assert_true(quote == '\'' || quote == '"');
    while (*e->at != quote) {
        e->at += *e->at == '\\';
        out[n++] = *e->at++;
    }
    out[n] = '\0';
    e->at++;
}

static bool any_of(struct eval *e);

static bool compare(struct eval *e)
{
    char text[64];
    blank(e);
    size_t len = strspn(e->at, "abcdefghijklmnopqrstuvwxyz");
    struct span name = span_of(e->at, len);
    e->at += len;
    if (span_eq(name, SPAN("n"))) {
        static const char *const ops[] = { "<=", ">=", "==", "!=", "<", ">" };
        size_t i = 0;
        while (i < 6 && !sees(e, ops[i]))
            i++;
        int v = (int)strtol(e->at, (char **)(uintptr_t)&e->at, 10), n = e->r->n;
        return i == 0 ? n <= v : i == 1 ? n >= v : i == 2 ? n == v : i == 3 ? n != v : i == 4 ? n < v : n > v;
    }
    if (span_eq(name, SPAN("open"))) {
        must(e, "==");
        bool wanted = sees(e, "true");
        if (!wanted)
            must(e, "False");
        return e->r->open == wanted;
    }
    const char *value = text_field(e->r, name);
    assert_non_null(value);
    bool negative = sees(e, "not");
    if (sees(e, "in")) {
        bool found = false;
        must(e, "[");
        do {
            a_text(e, text);
            found = found || strcmp(text, value) == 0;
        } while (sees(e, ","));
        must(e, "]");
        return found != negative;
    }
    negative = sees(e, "!=");
    if (!negative)
        must(e, "==");
    a_text(e, text);
    return (strcmp(text, value) == 0) != negative;
}

static bool one_of(struct eval *e)
{
    if (sees(e, "not") || sees(e, "!"))
        return !one_of(e);
    if (!sees(e, "("))
        return compare(e);
    bool v = any_of(e);
    must(e, ")");
    return v;
}

static bool all_of(struct eval *e)
{
    bool v = one_of(e);
    while (sees(e, "and") || sees(e, "AND") || sees(e, "&&"))
        v = one_of(e) && v;
    return v;
}

static bool any_of(struct eval *e)
{
    bool v = all_of(e);
    while (sees(e, "or") || sees(e, "OR") || sees(e, "||"))
        v = all_of(e) || v;
    return v;
}

static bool milvus_selects(json body, const struct record *r)
{
    struct span filter = json_string(json_get(body, SPAN("filter")));
    char *text = strndup(filter.p, filter.n);
    struct eval e = { text, r, json_get(body, SPAN("exprParams")) };
    bool v = any_of(&e);
    blank(&e);
    assert_int_equal(*e.at, '\0');
    free(text);
    return v;
}

static void milvus_trial(struct world *w, const char **method, const char **target)
{
    struct buf inner;
    *method = "POST";
    *target = "/v2/vectordb/entities/query";
    an_expression(w, 4);
    inner = w->text;
    buf_init(&w->text, 0);
    struct json_writer j = json_writer(&w->text);
    json_w_object(&j);
    json_w_key(&j, SPAN("collectionName"));
    json_w_string(&j, SPAN("docs"));
    json_w_key(&j, SPAN("filter"));
    json_w_string(&j, buf_span(&inner));
    json_w_end(&j);
    buf_fini(&inner);
}

// ------------------------------------------------------------------------------------------- Weaviate: what is asked for

static void a_where(struct world *w, bool graphql, unsigned depth)
{
    static const char *const ops[] = { "Equal", "NotEqual" }, *const joins[] = { "And", "Or" };
    static const char *const bounds[] = { "GreaterThan", "LessThan", "GreaterThanEqual", "LessThanEqual" };
    static const char *const fields[] = { "tenant", "owner" }, *const texts[] = { "a", "b", "x) or (y", "A", "] } )" };
    const char *q = graphql ? "" : "\"";
    if (depth == 0 || below(w, 3) == 0) {
        switch (below(w, 3)) {
        case 0:
            buf_printf(&w->text, "{%spath%s: [\"%s\"], %soperator%s: %s%s%s, %svalueText%s: \"%s\"}", q, q,
                       PICK(w, fields), q, q, q, PICK(w, ops), q, q, q, PICK(w, texts));
            break;
        case 1:
            buf_printf(&w->text, "{%soperator%s: %s%s%s, %spath%s: [\"n\"], %svalueInt%s: %u}", q, q, q,
                       PICK(w, bounds), q, q, q, q, q, below(w, 5));
            break;
        default:
            buf_printf(&w->text, "{%spath%s: [\"open\"], %svalueBoolean%s: %s, %soperator%s: %sEqual%s}", q, q, q, q,
                       below(w, 2) ? "true" : "false", q, q, q, q);
        }
        return;
    }
    buf_printf(&w->text, "{%soperator%s: %s%s%s, %soperands%s: [", q, q, q, PICK(w, joins), q, q, q);
    for (unsigned i = 0, n = 1 + below(w, 3); i < n; i++) {
        put(w, i ? ", " : "");
        a_where(w, graphql, depth - 1);
    }
    put(w, "]}");
}

static void deletion_trial(struct world *w, const char **method, const char **target)
{
    *method = "DELETE";
    *target = "/v1/batch/objects";
    put(w, "{\"match\":{\"class\":\"Docs\",\"where\":");
    a_where(w, false, 4);
    put(w, "}}");
}

static void graphql_trial(struct world *w, const char **method, const char **target)
{
    *method = "POST";
    *target = "/v1/graphql";
    put(w, "{ Get { Docs(limit: 5, where: ");
    a_where(w, true, 4);
    put(w, ", offset: 1) { tenant } } }");
    struct buf inner = w->text;
    buf_init(&w->text, 0);
    struct json_writer j = json_writer(&w->text);
    json_w_object(&j);
    json_w_key(&j, SPAN("query"));
    json_w_string(&j, buf_span(&inner));
    json_w_end(&j);
    buf_fini(&inner);
}

// ---------------------------------------------------------------------------------------------- Weaviate: the evaluator

static bool where_selects(json where, const struct record *r)
{
    struct span op = json_string(json_get(where, SPAN("operator")));
    json operands = json_get(where, SPAN("operands"));
    bool all = span_eq(op, SPAN("And")), flag;
    if (all || span_eq(op, SPAN("Or"))) {
        bool v = all;
        assert_true(json_count(operands) > 0);
        for (size_t i = 0; i < json_count(operands); i++)
            v = all ? where_selects(json_at(operands, i), r) && v : where_selects(json_at(operands, i), r) || v;
        return v;
    }
    json path = json_get(where, SPAN("path"));
    assert_int_equal(json_count(path), 1);
    const char *text = text_field(r, json_string(json_at(path, 0)));
    int64_t n;
    if (text) {
        bool same = span_eq(json_string(json_get(where, SPAN("valueText"))), span_str(text));
        return span_eq(op, SPAN("Equal")) ? same : !same;
    }
    if (json_bool(json_get(where, SPAN("valueBoolean")), &flag))
        return flag == r->open;
    assert_true(json_i64(json_get(where, SPAN("valueInt")), &n));
    return span_eq(op, SPAN("GreaterThan"))        ? r->n > n
           : span_eq(op, SPAN("LessThan"))         ? r->n < n
           : span_eq(op, SPAN("GreaterThanEqual")) ? r->n >= n
                                                   : r->n <= n;
}

static bool deletion_selects(json body, const struct record *r)
{
    return where_selects(json_get(json_get(body, SPAN("match")), SPAN("where")), r);
}

// The one `where` of a query as JSON: names become strings, and commas are put where a member or an element ends.
static struct json_doc *graphql_where(struct span query)
{
    static const char word[] = "where";
    struct buf out;
    const char *p = memmem(query.p, query.n, word, 5), *end = query.p + query.n;
    unsigned depth = 0;
    bool ended = false; // a value has, so that a comma is due before the next
    assert_non_null(p);
    p = memchr(p, '{', (size_t)(end - p));
    buf_init(&out, 0);
    do {
        assert_true(p && p < end);
        if (strchr(" ,", *p)) {
            p++;
        } else if (strchr("]}:", *p)) {
            depth -= *p != ':';
            ended = *p != ':';
            buf_byte(&out, *p++);
        } else {
            if (ended)
                buf_byte(&out, ',');
            ended = !strchr("[{", *p);
            depth += !ended;
            size_t n = ended ? *p == '"' ? strcspn(p + 1, "\"") + 2 : strcspn(p, " ,:]}") : 1;
            bool name =
                ended && *p != '"' && !strchr("0123456789", *p) && strncmp(p, "true", 4) && strncmp(p, "false", 5);
            buf_append(&out, name ? SPAN("\"") : SPAN(""));
            buf_append(&out, span_of(p, n));
            buf_append(&out, name ? SPAN("\"") : SPAN(""));
            p += n;
        }
    } while (depth > 0);
    struct json_doc *doc = json_parse(buf_span(&out), NULL, NULL);
    if (!doc)
        fail_msg("%.*s", SPAN_FMT(buf_span(&out)));
    buf_fini(&out);
    return doc;
}

static bool graphql_selects(json body, const struct record *r)
{
    struct json_doc *doc = graphql_where(json_string(json_get(body, SPAN("query"))));
    bool v = where_selects(json_root(doc), r);
    json_free(doc);
    return v;
}

// ------------------------------------------------------------------------------------------------------------------------

static void run(const char *api, void (*trial)(struct world *w, const char **method, const char **target),
                bool (*selects)(json body, const struct record *r))
{
    static const struct json_limits limits = { .depth = 64 };
    struct world w = { .seed = 0x5a11e9042 };
    const char *file = api[0] == 'm' ? getenv("SALLYPORT_PAIRS") : NULL;
    confined_init(&w.confined, api);
    w.confined.assured = GW_API_EXACT_TEXT | GW_API_ASSIGNED_IDS;
    w.pairs = file ? fopen(file, "w") : NULL;
    assert_true(w.pairs || !file);
    for (size_t i = 0; w.pairs && i < N_RECORDS; i++)
        fprintf(w.pairs, "{\"tenant\":\"%s\",\"owner\":\"%s\",\"n\":%d,\"open\":%s}\n", records[i].tenant,
                records[i].owner, records[i].n, records[i].open ? "true" : "false");
    for (size_t i = 0; i < TRIALS; i++) {
        const char *method, *target;
        buf_init(&w.text, 0);
        trial(&w, &method, &target);
        buf_byte(&w.text, '\0');
        const char *asked = buf_span(&w.text).p, *sent = confined(&w.confined, tenant_a, method, target, asked);
        // The generator makes nothing that is refused.
        if (sent[0] != '{')
            fail_msg("%s (%.*s) of %s", sent, SPAN_FMT(w.confined.why), asked);
        if (w.pairs)
            fprintf(w.pairs, "%s\t%s\n", asked, sent);
        struct json_doc *before = json_parse(span_str(asked), &limits, NULL),
                        *after = json_parse(span_str(sent), &limits, NULL);
        assert_true(before && after);
        for (size_t k = 0; k < N_RECORDS; k++) {
            bool wanted = selects(json_root(before), &records[k]), is_a = strcmp(records[k].tenant, "a") == 0;
            w.compared++;
            w.selected += wanted;
            if (selects(json_root(after), &records[k]) != (wanted && is_a))
                fail_msg("%s record %zu: %s sent as %s", wanted && is_a ? "lost" : "leaked", k, asked, sent);
        }
        json_free(before);
        json_free(after);
        buf_fini(&w.text);
    }
    assert_true(w.selected > w.compared / 10 && w.selected < w.compared * 9 / 10);
    print_message("%s: %d requests, %zu decisions about a record\n", api, TRIALS, w.compared);
    if (w.pairs)
        fclose(w.pairs);
    confined_fini(&w.confined);
}

static void milvus_selects_what_is_asked_for_and_the_tenants(void **state)
{
    (void)state;
    run("milvus", milvus_trial, milvus_selects);
}

static void weaviate_deletes_what_is_asked_for_and_the_tenants(void **state)
{
    (void)state;
    run("weaviate", deletion_trial, deletion_selects);
}

static void weaviate_selects_what_is_asked_for_and_the_tenants(void **state)
{
    (void)state;
    run("weaviate", graphql_trial, graphql_selects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milvus_selects_what_is_asked_for_and_the_tenants),
        cmocka_unit_test(weaviate_deletes_what_is_asked_for_and_the_tenants),
        cmocka_unit_test(weaviate_selects_what_is_asked_for_and_the_tenants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
