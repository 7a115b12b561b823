// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/attest.h"

#include <stdio.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

#define POD "\"pod\":{\"name\":\"search-1\",\"uid\":\"0a-1B\"}"
#define ACCOUNT "\"serviceaccount\":{\"name\":\"search\",\"uid\":\"u1\"}"

static int claims(const char *kubernetes, const char *sub, struct gw_attested *out)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"sub\":\"%s\",\"kubernetes.io\":%s}", sub, kubernetes);
    return gw_attest_claims(span_str(text), &arena, out);
}

static void facts_come_from_the_claim_and_agree_with_the_subject(void **state)
{
    struct gw_attested at;
    (void)state;
    assert_int_equal(0, claims("{\"namespace\":\"rag\"," POD "," ACCOUNT ",\"node\":{\"name\":\"n.a\"}}",
                               "system:serviceaccount:rag:search", &at));
    assert_true(span_eq(at.namespace, SPAN("rag")) && span_eq(at.account_name, SPAN("search")));
    assert_true(span_eq(at.pod, SPAN("search-1")) && span_eq(at.pod_uid, SPAN("0a-1B")));
    assert_true(span_eq(at.node, SPAN("n.a")) && span_eq(at.account_uid, SPAN("u1")));
    assert_int_equal(0, claims("{\"namespace\":\"rag\"," ACCOUNT "}", "system:serviceaccount:rag:search", &at));
    assert_true(span_is_none(at.pod) && span_is_none(at.pod_uid));
    assert_int_equal(ERR_ENROL_CLAIMS,
                     claims("{\"namespace\":\"rag\"," ACCOUNT "}", "system:serviceaccount:rag:ingest", &at));
    assert_int_equal(ERR_ENROL_CLAIMS,
                     claims("{\"namespace\":\"rag\"," ACCOUNT "}", "system:serviceaccount:team:search", &at));
    assert_int_equal(ERR_ENROL_CLAIMS, claims("{\"namespace\":\"rag\"," ACCOUNT "}", "system:node:a", &at));
    assert_int_equal(ERR_ENROL_CLAIMS,
                     gw_attest_claims(SPAN("{\"sub\":\"system:serviceaccount:rag:search\"}"), &arena, &at));
    assert_int_equal(ERR_ENROL_CLAIMS, gw_attest_claims(SPAN("[]"), &arena, &at));
}

// A name goes into a SPIFFE ID, an entity and a log.
static void names_that_kubernetes_would_not_have_are_refused(void **state)
{
    static const char *const bad[] = { "", "a/b", "..", "A", "a..b", "-a", "a-", "a_b", "a\\n", "a:b", "{cluster}" };
    struct gw_attested at;
    char text[512], sub[256];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "{\"namespace\":\"rag\",\"serviceaccount\":{\"name\":\"%s\"}}", bad[i]);
        snprintf(sub, sizeof sub, "system:serviceaccount:rag:%s", bad[i]);
        assert_int_equal(ERR_ENROL_CLAIMS, claims(text, sub, &at));
        snprintf(text, sizeof text, "{\"namespace\":\"%s\",\"serviceaccount\":{\"name\":\"a\"}}", bad[i]);
        snprintf(sub, sizeof sub, "system:serviceaccount:%s:a", bad[i]);
        assert_int_equal(ERR_ENROL_CLAIMS, claims(text, sub, &at));
    }
    assert_int_equal(ERR_ENROL_CLAIMS, claims("{\"namespace\":\"a.b\",\"serviceaccount\":{\"name\":\"a\"}}",
                                              "system:serviceaccount:a.b:a", &at));
    assert_int_equal(ERR_ENROL_CLAIMS, claims("{\"namespace\":\"rag\"," ACCOUNT ",\"pod\":{\"name\":7}}",
                                              "system:serviceaccount:rag:search", &at));
}

#define USER                                                                                 \
    "\"user\":{\"username\":\"system:serviceaccount:rag:search\",\"uid\":\"u1\",\"extra\":{" \
    "\"authentication.kubernetes.io/pod-name\":[\"search-1\"],"                              \
    "\"authentication.kubernetes.io/pod-uid\":[\"uid-1\"]}}"

static int review(const char *status, struct gw_attested *out)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"kind\":\"TokenReview\",\"status\":{%s}}", status);
    return gw_attest_review(span_str(text), SPAN("sallyport"), &arena, out);
}

static void a_review_is_for_us_and_says_so(void **state)
{
    struct gw_attested at;
    (void)state;
    assert_int_equal(0, review("\"authenticated\":true," USER ",\"audiences\":[\"x\",\"sallyport\"]", &at));
    assert_true(span_eq(at.pod_uid, SPAN("uid-1")) && span_eq(at.account_name, SPAN("search")));
    assert_int_equal(ERR_REVIEW_REFUSED, review(USER ",\"audiences\":[\"sallyport\"]", &at));
    assert_int_equal(ERR_REVIEW_REFUSED, review("\"authenticated\":false," USER ",\"audiences\":[\"sallyport\"]", &at));
    assert_int_equal(ERR_REVIEW_REFUSED,
                     review("\"authenticated\":\"true\"," USER ",\"audiences\":[\"sallyport\"]", &at));
    assert_int_equal(ERR_REVIEW_REFUSED, review("\"authenticated\":true," USER, &at));
    assert_int_equal(ERR_REVIEW_REFUSED, review("\"authenticated\":true," USER ",\"audiences\":[\"x\"]", &at));
    assert_int_equal(ERR_REVIEW_REFUSED, review("\"authenticated\":true," USER ",\"audiences\":[null]", &at));
    assert_int_equal(
        ERR_REVIEW_REFUSED,
        review("\"authenticated\":true,\"user\":{\"username\":\"admin\"},\"audiences\":[\"sallyport\"]", &at));
    assert_int_equal(ERR_REVIEW_FAILED,
                     gw_attest_review(SPAN("{\"kind\":\"Status\"}"), SPAN("sallyport"), &arena, &at));
    assert_int_equal(ERR_REVIEW_FAILED, gw_attest_review(SPAN("<html>"), SPAN("sallyport"), &arena, &at));
}

static void the_question_holds_token_and_audience(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 0);
    assert_true(gw_attest_ask(SPAN("a.b\"c"), SPAN("us"), &out));
    assert_true(
        span_eq(buf_span(&out), SPAN("{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"spec\":{"
                                     "\"token\":\"a.b\\\"c\",\"audiences\":[\"us\"]}}")));
    buf_fini(&out);
}

static struct gw_config_cluster cluster(void)
{
    static const struct gw_config_text namespaces[] = { { { "rag", 3 }, { 0, 0 } }, { { "team-*", 6 }, { 0, 0 } } },
                                       any[] = { { { "*", 1 }, { 0, 0 } } },
                                       dns[] = { { { "{service_account}.{namespace}.svc", 33 }, { 0, 0 } } };
    return (struct gw_config_cluster){ .name = { SPAN("main"), { 0, 0 } },
                                       .namespaces = { namespaces, 2, { 0, 0 } },
                                       .service_accounts = { any, 1, { 0, 0 } },
                                       .dns = { dns, 1, { 0, 0 } },
                                       .id = { SPAN_NONE, { 0, 0 } } };
}

static void the_configuration_says_who_may_enrol_and_what_follows(void **state)
{
    struct gw_config_cluster c = cluster();
    struct gw_attested at = { .namespace = SPAN("team-a"),
                              .account_name = SPAN("search"),
                              .pod = SPAN("p"),
                              .pod_uid = SPAN("u"),
                              .node = SPAN_NONE };
    (void)state;
    assert_int_equal(0, gw_attest_check(&c, &at));
    at.namespace = SPAN("kube-system");
    assert_int_equal(ERR_ENROL_ACCOUNT, gw_attest_check(&c, &at));
    at.namespace = SPAN("rag");
    at.pod_uid = SPAN_NONE;
    assert_int_equal(ERR_ENROL_POD, gw_attest_check(&c, &at));
    c.pod_optional = true;
    assert_int_equal(0, gw_attest_check(&c, &at));
    assert_true(
        span_eq(gw_attest_id(&c, &at, SPAN("example.org"), &arena), SPAN("spiffe://example.org/ns/rag/sa/search")));
    c.id.v = SPAN("spiffe://example.org/{cluster}/{namespace}/{service_account}");
    assert_true(span_eq(gw_attest_id(&c, &at, SPAN("x"), &arena), SPAN("spiffe://example.org/main/rag/search")));
    assert_true(gw_attest_dns(&c, &at, SPAN("search.rag.svc"), &arena));
    assert_false(gw_attest_dns(&c, &at, SPAN("ingest.rag.svc"), &arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_from_the_claim_and_agree_with_the_subject),
        cmocka_unit_test(names_that_kubernetes_would_not_have_are_refused),
        cmocka_unit_test(a_review_is_for_us_and_says_so),
        cmocka_unit_test(the_question_holds_token_and_audience),
        cmocka_unit_test(the_configuration_says_who_may_enrol_and_what_follows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
