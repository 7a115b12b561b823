// SPDX-License-Identifier: GPL-3.0-or-later
// GET and POST /revocations: who may, who waits how long, what is committed before it is answered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/endpoint/feed.h"
#include "pki/revocation_feed.h"
#include "tests/support/token_bench.h"

#define GATEWAY "spiffe://prod.example/gateway/node-7"
#define REVOKER "spiffe://prod.example/ns/security/sa/revoker"

struct bench {
    struct token_bench t;
    struct gw_config_text revokers[1];
    struct pki_identity gateway, revoker;
    struct gw_request request;
    struct arena arena; // of the visit
    struct pki_jwks *keys;
    struct arena batches;
    struct pki_feed_batch batch;
};

static struct pki_identity named(const char *id)
{
    return (struct pki_identity){ .spiffe_id = span_str(id), .trust_domain = SPAN("prod.example") };
}

static void bench_init(struct bench *b)
{
    struct diags diags;
    struct buf set;
    *b = (struct bench){ .gateway = named(GATEWAY), .revoker = named(REVOKER) };
    token_bench_init(&b->t, token_bench_permissive);
    b->revokers[0] = (struct gw_config_text){ .v = SPAN("spiffe://prod.example/ns/security/*") };
    b->t.config.authority.feed = true;
    b->t.config.authority.revokers = (struct gw_config_texts){ .v = b->revokers, .n = 1 };
    diags_init(&diags);
    buf_init(&set, 0);
    assert_int_equal(0, pki_signing_keys_publish(b->t.a.keys, &set));
    b->keys = pki_jwks_read(buf_span(&set), PKI_ALG_BIT(PKI_ES256), SPAN("k"), &diags);
    assert_non_null(b->keys);
    buf_fini(&set);
    diags_fini(&diags);
}

static void bench_fini(struct bench *b)
{
    pki_jwks_free(b->keys);
    arena_fini(&b->arena);
    arena_fini(&b->batches);
    token_bench_fini(&b->t);
}

static int visit(struct bench *b, enum gw_method method, const struct pki_identity *who, struct span query,
                 const char *body)
{
    arena_fini(&b->arena);
    b->request = (struct gw_request){ .method = method, .minor = 1 };
    b->t.v = (struct gw_visit){ .arena = &b->arena,
                                .request = &b->request,
                                .to = { .path = GW_FEED_PATH, .query = query },
                                .body = span_str(body),
                                .certificate = who,
                                .remote = "192.0.2.1:1",
                                .now = { .wall_ms = b->t.now_ms, .mono_ms = 1000 } };
    return gw_feed_visit(&b->t.a, &b->t.v);
}

static int again(struct bench *b, int64_t mono_ms)
{
    b->t.v.again = true;
    b->t.v.now.mono_ms = mono_ms;
    return gw_feed_visit(&b->t.a, &b->t.v);
}

static int get(struct bench *b, const struct pki_feed_ask *ask)
{
    static char text[256];
    struct buf query;
    buf_init(&query, sizeof text - 1);
    pki_feed_ask_write(ask, &query);
    snprintf(text, sizeof text, "%.*s", SPAN_FMT(buf_span(&query)));
    buf_fini(&query);
    return visit(b, GW_METHOD_GET, &b->gateway, span_str(text), "");
}

static void read_batch(struct bench *b, uint64_t nonce)
{
    struct pki_feed_rules rules = {
        .iss = SPAN(BENCH_ISSUER), .algs = PKI_ALG_BIT(PKI_ES256), .keys = b->keys, .nonce = nonce
    };
    assert_int_equal(200, b->t.v.status);
    assert_true(span_eq(b->t.v.content_type, SPAN("application/jwt")) && b->t.v.no_store);
    assert_int_equal(0, pki_feed_read(b->t.v.answer, &rules, BENCH_NOW, &b->batches, &b->batch));
}

static unsigned post(struct bench *b, const char *body)
{
    assert_int_equal(0, visit(b, GW_METHOD_POST, &b->revoker, SPAN_NONE, body));
    return b->t.v.status;
}

static uint64_t sequence(struct bench *b)
{
    struct pki_revoked_point head;
    assert_int_equal(0, pki_revoked_log_head(b->t.a.revoked, &head));
    return head.sequence;
}

// ---- followers

static void a_follower_gets_the_whole_set_and_then_what_changes(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(200, post(&b, "{\"revocations\":[{\"jti\":\"a\"}]}"));
    assert_int_equal(0, get(&b, &(struct pki_feed_ask){ .reset = true, .nonce = 1 }));
    read_batch(&b, 1);
    assert_true(b.batch.reset && b.batch.n == 1 && b.batch.to.sequence == 1);
    assert_int_equal(200, post(&b, "{\"revocations\":[{\"jti\":\"b\"}]}"));
    assert_int_equal(0, get(&b, &(struct pki_feed_ask){ .after = b.batch.to, .nonce = 2, .wait_s = 30 }));
    read_batch(&b, 2);
    assert_true(!b.batch.reset && b.batch.n == 1 && b.batch.to.sequence == 2);
    assert_true(span_eq(b.batch.changes[0].entry.value, SPAN("b")));
    assert_false(b.t.v.audited);
    bench_fini(&b);
}

static void a_long_poll_ends_with_a_change_or_with_a_sign_of_life(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct pki_feed_ask ask = { .nonce = 7, .wait_s = 10 };
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_JTI, .value = SPAN("a"), .revoked_s = BENCH_NOW };
    assert_int_equal(0, pki_revoked_log_head(b.t.a.revoked, &ask.after));
    assert_int_equal(GW_VISIT_WAITS, get(&b, &ask));
    assert_int_equal(11000, b.t.v.wait_until_ms);
    assert_int_equal(GW_VISIT_WAITS, again(&b, 10999));
    assert_int_equal(11000, b.t.v.wait_until_ms);
    assert_int_equal(0, again(&b, 11000));
    read_batch(&b, 7);
    assert_true(b.batch.n == 0 && b.batch.to.sequence == 0 && !b.batch.reset);
    assert_int_equal(GW_VISIT_WAITS, get(&b, &ask));
    assert_int_equal(0, pki_revoked_store_add(b.t.a.revoked, &e, 1, BENCH_NOW));
    assert_int_equal(0, again(&b, 2000));
    read_batch(&b, 7);
    assert_int_equal(1, b.batch.n);
    ask.wait_s = 3000; // more than is granted
    ask.after = b.batch.to;
    assert_int_equal(GW_VISIT_WAITS, get(&b, &ask));
    assert_int_equal(31000, b.t.v.wait_until_ms);
    bench_fini(&b);
}

static void a_follower_without_permission_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    const struct span whole = SPAN("nonce=0000000000000001");
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.t.rag, whole, ""));
    assert_int_equal(403, b.t.v.status);
    assert_int_equal(ERR_POLICY_NO_PERMIT, b.t.v.record.err);
    assert_true(b.t.v.audited && !b.t.v.record.allowed);
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.revoker, whole, ""));
    assert_int_equal(403, b.t.v.status);
    assert_int_equal(0, visit(&b, GW_METHOD_GET, NULL, whole, ""));
    assert_int_equal(403, b.t.v.status);
    assert_int_equal(ERR_CERT_MISSING, b.t.v.record.err);
    b.t.config.authority.followers.n = 0; // an empty list: nobody
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.gateway, whole, ""));
    assert_int_equal(403, b.t.v.status);
    bench_fini(&b);
}

static void without_a_feed_there_is_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    b.t.config.authority.feed = false;
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.gateway, SPAN("nonce=0000000000000001"), ""));
    assert_int_equal(404, b.t.v.status);
    assert_int_equal(404, post(&b, "{\"revocations\":[{\"jti\":\"a\"}]}"));
    assert_int_equal(0, sequence(&b));
    bench_fini(&b);
}

static void a_question_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.gateway, SPAN("after=1"), ""));
    assert_int_equal(400, b.t.v.status);
    assert_int_equal(0, visit(&b, GW_METHOD_GET, &b.gateway, SPAN_NONE, ""));
    assert_int_equal(400, b.t.v.status);
    bench_fini(&b);
}

// ---- revokers

static int keep_last(void *ctx, const struct pki_revoked_entry *e)
{
    struct pki_revoked_entry *out = ctx;
    *out = *e;
    out->value = out->issuer = out->reason = SPAN_NONE;
    return 0;
}

static void what_is_posted_is_committed_before_it_is_answered(void **state)
{
    (void)state;
    struct bench b;
    struct pki_revoked_entry last;
    bench_init(&b);
    assert_int_equal(200, post(&b, "{\"revocations\":[{\"jti\":\"a\",\"issuer\":\"https://i.test\",\"reason\":\"log\"},"
                                   "{\"serial\":\"0A:bc\"},{\"subject\":\"alice\",\"issued_before\":1700000000}]}"));
    assert_true(span_eq(b.t.v.answer, SPAN("{\"revoked\":3,\"sequence\":3}")));
    assert_true(b.t.v.audited && b.t.v.record.allowed && b.t.v.record.err == 0);
    assert_true(span_eq(b.t.v.record.operation, SPAN("revocations:write")));
    assert_int_equal(0, pki_revoked_store_each(b.t.a.revoked, BENCH_NOW, keep_last, &last));
    assert_int_equal(PKI_REVOKED_SUBJECT, last.kind);
    assert_int_equal(1700000000, last.before_s);
    assert_int_equal(BENCH_NOW + PKI_REVOKED_LINGER_S, last.expires_s); // as long as such a token can live
    assert_int_equal(BENCH_NOW, last.revoked_s);
    assert_int_equal(200, post(&b, "{\"revocations\":[{\"jti\":\"one\",\"until\":1800000100}]}"));
    assert_true(span_eq(b.t.v.record.jti, SPAN("one")));
    bench_fini(&b);
}

static void only_a_revoker_revokes(void **state)
{
    (void)state;
    static const char body[] = "{\"revocations\":[{\"jti\":\"a\"}]}";
    struct bench b;
    bench_init(&b);
    const struct pki_identity *const others[] = { &b.gateway, &b.t.rag, NULL };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(0, visit(&b, GW_METHOD_POST, others[i], SPAN_NONE, body));
        assert_int_equal(403, b.t.v.status);
        assert_true(b.t.v.audited);
    }
    b.t.config.authority.revokers.n = 0;
    assert_int_equal(403, post(&b, body));
    assert_int_equal(0, sequence(&b));
    bench_fini(&b);
}

static void a_list_with_one_mistake_revokes_nothing_and_says_which(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } rows[] = {
        { "", "no JSON" },
        { "[]", "nothing else" },
        { "{}", "nothing else" },
        { "{\"revocations\":{}}", "nothing else" },
        { "{\"revocations\":[]}", "1 to 1000" },
        { "{\"revocations\":[{\"jti\":\"a\"}],\"x\":1}", "nothing else" },
        { "{\"revocations\":[{\"jti\":\"a\"},7]}", "revocation 2: not a JSON object" },
        { "{\"revocations\":[{\"jti\":\"a\"},{}]}", "revocation 2: " },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"jtii\":\"b\"}]}", "did you mean 'jti'" },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"jti\":\"b\",\"jti\":\"c\"}]}", "no JSON" },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"jti\":\"b\",\"subject\":\"c\"}]}", "make it two" },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"serial\":\"xyz\"}]}", "serial number" },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"jti\":5}]}", "no text" },
        { "{\"revocations\":[{\"jti\":\"a\"},{\"subject\":\"x\",\"issued_before\":\"yesterday\"}]}", "no moment" },
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(400, post(&b, rows[i].body));
        char text[1024];
        snprintf(text, sizeof text, "%.*s", SPAN_FMT(b.t.v.answer));
        if (!strstr(text, rows[i].says))
            fail_msg("%s: %s", rows[i].body, text);
        assert_true(span_eq(b.t.v.content_type, SPAN("application/problem+json")));
        assert_true(b.t.v.audited && b.t.v.record.err == ERR_API_BODY);
    }
    struct buf many;
    buf_init(&many, 0);
    buf_printf(&many, "{\"revocations\":[{\"jti\":\"a\"}");
    for (size_t i = 0; i < GW_FEED_REVOCATIONS; i++)
        buf_printf(&many, ",{\"jti\":\"a\"}");
    buf_printf(&many, "]}");
    buf_byte(&many, 0);
    assert_int_equal(400, post(&b, buf_span(&many).p));
    buf_fini(&many);
    assert_int_equal(0, sequence(&b));
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_gets_the_whole_set_and_then_what_changes),
        cmocka_unit_test(a_long_poll_ends_with_a_change_or_with_a_sign_of_life),
        cmocka_unit_test(a_follower_without_permission_is_refused),
        cmocka_unit_test(without_a_feed_there_is_nothing),
        cmocka_unit_test(a_question_that_cannot_be_read_is_refused),
        cmocka_unit_test(what_is_posted_is_committed_before_it_is_answered),
        cmocka_unit_test(only_a_revoker_revokes),
        cmocka_unit_test(a_list_with_one_mistake_revokes_nothing_and_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
