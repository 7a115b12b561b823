// SPDX-License-Identifier: GPL-3.0-or-later
// What is made of an audit log: a report of what enforcing would break, the policies that the traffic needs and no others, and why one request was
// refused. The log may hold names that somebody else chose.
#include "tests/unit/cli/cmd_run.h"

#define RAG "spiffe://a/ns/t/sa/rag"
#define BOT "spiffe://a/ns/t/sa/bot"
#define NOBODY ""
#define OBSERVED(gate, code, rule) \
    "{\"gate\":\"" gate "\",\"code\":\"" code "\",\"rule\":\"" rule "\",\"reason\":\"r\"}"
#define NO_TOKEN OBSERVED("token", "token_missing", "TOKEN_MISSING")
#define DENIED OBSERVED("policy", "denied", "POLICY_NO_PERMIT")

static FILE *log_file;

// One request to a collection of Chroma's. `token` of tenants: NULL none.
static void put(const char *kind, const char *id, const char *workload, const char *action, const char *tenant,
                const char *collection, const char *token_tenant, const char *decision, const char *observed)
{
    char token[128] = "";
    if (token_tenant)
        snprintf(token, sizeof token, ",\"tenant\":\"%s\"", token_tenant);
    fprintf(
        log_file,
        "{\"time\":\"2026-11-22T04:00:0%d.000Z\",\"kind\":\"%s\",\"request_id\":\"%s\",\"workload\":\"%s\",\"method\":"
        "\"POST\","
        "\"path\":\"/"
        "p\",\"api\":\"chroma\",\"operation\":\"op\",\"accesses\":[{\"action\":\"%s\",\"database\":\"main\",\"tenant\":"
        "\"%s\",\"collection\":\"%s\"}],"
        "\"decision\":\"%s\",%s%s%s\"status\":200,\"inputs\":[{\"principal\":{\"type\":\"Workload\",\"id\":\"%s\"},"
        "\"action\":{\"type\":\"Action\",\"id\":\"%s\"},\"resource\":{\"type\":\"Collection\",\"id\":\"%s/main/%s\"},"
        "\"context\":{\"token\":{\"bound_to\":\"dpop\"%s}},\"entities\":["
        "{\"uid\":{\"type\":\"Workload\",\"id\":\"%s\"},\"attrs\":{\"trust_domain\":\"a\",\"path\":\"%s\"},\"parents\":"
        "[]},"
        "{\"uid\":{\"type\":\"Collection\",\"id\":\"%s/main/"
        "%s\"},\"attrs\":{\"name\":\"%s\",\"database\":\"main\",\"tenant\":\"%s\"},"
        "\"parents\":[{\"type\":\"Tenant\",\"id\":\"%s\"}]}]}]}\n",
        (int)(ftell(log_file) / 100 % 10), kind, id, workload, action, tenant, collection, decision,
        observed ? "\"observed\":[" : "", observed ? observed : "", observed ? "]," : "", workload, action, tenant,
        collection, token, workload, workload + 10, tenant, collection, collection, tenant, tenant);
}

static void begin(void)
{
    log_file = fopen("audit.jsonl", "w");
    assert_non_null(log_file);
}

static void seen(const char *id, const char *workload, const char *action, const char *tenant, const char *collection,
                 const char *token_tenant)
{
    put("request", id, workload, action, tenant, collection, token_tenant, "observed", NO_TOKEN "," DENIED);
}

static void end(void)
{
    fclose(log_file);
}

static void suggest(const char *options)
{
    cmd_expect(0, "policy suggest audit.jsonl%s", options);
    cmd_keep_output("s.cedar");
}

// Decided by the suggestion.
static void ask(int expected, const char *workload, const char *action, const char *tenant, const char *collection,
                const char *token_tenant)
{
    char token[64] = "", request[1024];
    if (token_tenant)
        snprintf(token, sizeof token, ",\"tenant\":\"%s\"", token_tenant);
    snprintf(request, sizeof request,
             "{\"principal\":{\"type\":\"Workload\",\"id\":\"%s\"},\"action\":{\"type\":\"Action\",\"id\":\"%s\"},"
             "\"resource\":{\"type\":\"Collection\",\"id\":\"%s/main/"
             "%s\"},\"context\":{\"token\":{\"bound_to\":\"dpop\"%s}},"
             "\"entities\":[{\"uid\":{\"type\":\"Workload\",\"id\":\"%s\"},\"attrs\":{\"trust_domain\":\"a\",\"path\":"
             "\"%s\"},\"parents\":[]},"
             "{\"uid\":{\"type\":\"Collection\",\"id\":\"%s/main/"
             "%s\"},\"attrs\":{\"tenant\":\"%s\"},\"parents\":[{\"type\":\"Tenant\",\"id\":\"%s\"}]}]}",
             workload, action, tenant, collection, token, workload, workload + 10, tenant, collection, tenant, tenant);
    cmd_put("r.json", request, 0600);
    cmd_expect(expected, "policy authorize --policies s.cedar --gateway --request r.json");
}

static void a_suggestion_permits_what_was_seen_and_no_near_miss(void **state)
{
    (void)state;
    begin();
    seen("r1", RAG, "search", "acme", "docs", NULL);
    seen("r2", RAG, "read", "acme", "docs", NULL);
    seen("r3", RAG, "search", "acme", "faq", NULL);
    seen("r4", RAG, "read", "acme", "faq", NULL);
    seen("r5", RAG, "write", "acme", "faq", NULL);
    seen("r6", BOT, "search", "acme", "docs", NULL);
    put("request", "r7", BOT, "read", "acme", "docs", NULL, "allow", NULL);
    end();
    suggest("");
    cmd_expect(0, "policy check s.cedar");
    cmd_expect(0, "policy format --check s.cedar");
    ask(0, RAG, "search", "acme", "docs", NULL);
    ask(0, RAG, "read", "acme", "faq", NULL);
    ask(0, RAG, "write", "acme", "faq", NULL);
    ask(0, BOT, "read", "acme", "docs", NULL);
    ask(1, RAG, "write", "acme", "docs", NULL);
    ask(1, RAG, "delete", "acme", "faq", NULL);
    ask(1, RAG, "meta", "acme", "docs", NULL);
    ask(1, BOT, "read", "acme", "faq", NULL);
    ask(1, RAG, "search", "acme", "docs2", NULL);
    ask(1, RAG, "search", "globex", "docs", NULL);
    ask(1, RAG "2", "search", "acme", "docs", NULL);
    // Reading and changing can be reviewed apart.
    char *text = cmd_get("s.cedar");
    assert_non_null(strstr(text, "rag-reads-"));
    assert_non_null(strstr(text, "rag-writes-"));
    assert_null(strstr(text, "readonly"));
    free(text);
    // What policies permit already is left out where that is wanted.
    suggest(" --missing");
    ask(1, BOT, "read", "acme", "docs", NULL);
    ask(0, BOT, "search", "acme", "docs", NULL);
}

static void it_is_wider_only_where_it_was_told_to_be(void **state)
{
    (void)state;
    begin();
    seen("r1", RAG, "search", "acme", "docs", NULL);
    end();
    suggest(" --by-tenant");
    ask(0, RAG, "search", "acme", "other", NULL);
    ask(1, RAG, "search", "globex", "docs", NULL);
    ask(1, BOT, "search", "acme", "docs", NULL);
    suggest(" --by-folder");
    cmd_expect(0, "policy check s.cedar");
    ask(0, BOT, "search", "acme", "docs", NULL);
    ask(1, BOT, "search", "acme", "other", NULL);
    ask(1, "spiffe://a/ns/t2/sa/rag", "search", "acme", "docs", NULL);
    ask(1, "spiffe://a/ns/t", "search", "acme", "docs", NULL);
}

static void the_tenant_of_tokens_is_asked_for_where_all_had_it(void **state)
{
    (void)state;
    begin();
    seen("r1", RAG, "search", "acme", "docs", "acme");
    seen("r2", RAG, "search", "globex", "docs", "globex");
    seen("r3", RAG, "write", "acme", "shared", "globex");
    seen("r4", BOT, "search", "acme", "docs", "acme");
    seen("r5", BOT, "search", "acme", "docs", NULL);
    end();
    suggest("");
    cmd_expect(0, "policy check s.cedar");
    ask(0, RAG, "search", "acme", "docs", "acme");
    ask(0, RAG, "search", "globex", "docs", "globex");
    ask(1, RAG, "search", "globex", "docs", "acme");
    ask(1, RAG, "search", "acme", "docs", NULL);
    ask(0, RAG, "write", "acme", "shared", "globex");
    ask(1, RAG, "write", "acme", "shared", "acme");
    ask(0, BOT, "search", "acme", "docs", NULL);
}

static void nothing_is_suggested_for_the_refused_the_forbidden_and_thieves(void **state)
{
    (void)state;
    begin();
    put("request", "r1", RAG, "drop", "acme", "a", NULL, "deny", NULL);
    put("request", "r2", RAG, "drop", "acme", "b", NULL, "observed",
        OBSERVED("token", "token_not_yours", "TOKEN_WORKLOAD"));
    put("request", "r3", RAG, "drop", "acme", "c", NULL, "observed", OBSERVED("policy", "denied", "POLICY_FORBID"));
    put("intent", "r4", RAG, "drop", "acme", "d", NULL, "allow", NULL);
    put("request", "r5", NOBODY "          ", "drop", "acme", "e", NULL, "allow", NULL);
    fputs("{\"time\":\"2026-11-22T04:00:00.000Z\",\"kind\":\"handshake\",\"decision\":\"deny\",\"error\":\"CERT_"
          "EXPIRED\"}\n{\"signature\":\"x\"}\n",
          log_file);
    end();
    suggest("");
    cmd_complains("1 request passed over: they were refused");
    cmd_complains("--bad-tokens takes them");
    cmd_complains("a policy forbids them");
    for (const char *c = "abcd"; *c; c++) {
        char name[2] = { *c, 0 };
        ask(1, RAG, "drop", "acme", name, NULL);
    }
    suggest(" --bad-tokens");
    ask(0, RAG, "drop", "acme", "b", NULL);
    ask(1, RAG, "drop", "acme", "a", NULL);
}

static void names_that_somebody_chose_stay_names(void **state)
{
    (void)state;
    begin();
    // As JSON: a quote, a line break, a comment's end, and a permit of everything.
    seen("x\\n permit(principal,action,resource);//", RAG, "search", "acme",
         "d\\\"]) ;\\npermit(principal, action, resource);\\n//", NULL);
    seen("r2", "spiffe://a/\\\"\\n;permit(principal,action,resource);//", "search", "acme", "docs", NULL);
    end();
    suggest("");
    cmd_expect(0, "policy check s.cedar");
    ask(1, BOT, "drop", "acme", "docs", NULL);
    suggest(" --by-folder");
    ask(1, BOT, "drop", "acme", "docs", NULL);
    suggest(" --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_int_equal(json_count(json_get(json_root(doc), SPAN("policies"))), 1); // the other is no workload
    json_free(doc);
    cmd_expect(1, "report observe audit.jsonl");
    assert_null(strchr(cmd.out, '\033'));
}

static void a_token_that_was_not_believed_is_found_by_its_jti(void **state)
{
    (void)state;
    begin();
    put("request", "r1", RAG, "search", "acme", "docs", NULL, "observed",
        "{\"gate\":\"token\",\"code\":\"token_not_yours\",\"rule\":\"TOKEN_WORKLOAD\",\"jti\":\"leaked\"}");
    seen("r2", BOT, "search", "acme", "docs", NULL);
    end();
    cmd_expect(0, "audit trace audit.jsonl --jti leaked");
    cmd_says("1 use, 1 allowed");
    cmd_says(RAG);
    cmd_keeps_quiet_of(BOT);
}

static void the_report_says_what_would_break_and_its_status_whether(void **state)
{
    (void)state;
    begin();
    seen("r1", RAG, "search", "acme", "docs", NULL);
    seen("r2", RAG, "search", "acme", "docs", NULL);
    put("request", "r3", RAG, "drop", "acme", "docs", NULL, "deny", NO_TOKEN);
    put("request", "r4", BOT, "read", "acme", "docs", NULL, "allow", NULL);
    put("intent", "r5", BOT, "write", "acme", "docs", NULL, "observed", DENIED);
    end();
    cmd_expect(1, "report observe audit.jsonl");
    cmd_says(RAG "\n  3 requests: 2 would be refused, 1 is refused already\n");
    cmd_says("2  policy gate: denied (POLICY_NO_PERMIT)  search acme/main/docs");
    cmd_says("2  token gate: token_missing (TOKEN_MISSING)\n");
    cmd_says("4 requests of 2 workloads: enforcing would refuse 2, and break 1 workload\n");
    cmd_expect(0, "report observe audit.jsonl --workload " BOT);
    cmd_expect(1, "report observe audit.jsonl --workload spiffe://a/ns/t/");
    cmd_expect(0, "report observe audit.jsonl --workload spiffe://a/ns/t");
    cmd_complains("nothing is known");
    cmd_expect(2, "report observe absent.jsonl");
    cmd_put("bad.jsonl", "{\"kind\":\n", 0600);
    cmd_expect(2, "report observe bad.jsonl");
    cmd_complains("bad.jsonl:1:");
}

static void a_request_is_explained_by_its_id_alone(void **state)
{
    (void)state;
    begin();
    seen("r1", RAG, "search", "acme", "docs", NULL);
    put("intent", "r2", RAG, "drop", "acme", "docs", NULL, "allow", NULL);
    fprintf(log_file,
            "{\"time\":\"2026-11-22T04:00:00.000Z\",\"kind\":\"request\",\"request_id\":\"r3\",\"workload\":\"" RAG
            "\",\"decision\":\"deny\","
            "\"error\":\"RATE\",\"code\":\"rate_limited\",\"reason\":\"over the rate\",\"detail\":\"limit per-minute "
            "\\u001b[2J\",\"status\":429}\n");
    end();
    cmd_put("p.cedar",
            "@id(\"only-faq\") permit(principal, action == Action::\"search\", resource == "
            "Collection::\"acme/main/faq\");\n",
            0600);
    cmd_expect(0, "explain r1 --audit audit.jsonl --policies p.cedar");
    cmd_says("let through, observed");
    cmd_says("TOKEN_MISSING");
    cmd_says("nearest to permitting:\n  permit only-faq");
    cmd_expect(1, "explain r3 --audit audit.jsonl");
    cmd_says("refused, answered 429 rate_limited");
    cmd_says("  gate        limits\n  rule        RATE: over the rate\n  value       limit per-minute \\u001b[2J\n");
    cmd_expect(2, "explain r2 --audit audit.jsonl");
    cmd_expect(2, "explain r9 --audit audit.jsonl");
    cmd_complains("no record of request r9");
    cmd_expect(1, "explain r3 --audit audit.jsonl --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_true(
        span_eq(json_string(json_get(json_get(json_root(doc), SPAN("refused")), SPAN("gate"))), SPAN("limits")));
    json_free(doc);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, cmd_init, cmd_fini)
    const struct CMUnitTest tests[] = {
        CASE(a_suggestion_permits_what_was_seen_and_no_near_miss),
        CASE(it_is_wider_only_where_it_was_told_to_be),
        CASE(the_tenant_of_tokens_is_asked_for_where_all_had_it),
        CASE(nothing_is_suggested_for_the_refused_the_forbidden_and_thieves),
        CASE(names_that_somebody_chose_stay_names),
        CASE(a_token_that_was_not_believed_is_found_by_its_jti),
        CASE(the_report_says_what_would_break_and_its_status_whether),
        CASE(a_request_is_explained_by_its_id_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
