// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/audit/record.h"
#include "gateway/base/json.h"

static const struct gw_audit_access accesses[] = {
    { { "search", 6 }, { "db", 2 }, { "acme", 4 }, { "docs", 4 } },
    { { "list", 4 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
};
static const struct gw_audit_latency latencies[] = { { { "token", 5 }, 12 }, { { "policy", 6 }, 3 } };
static const struct span policies[] = { { "readers", 7 }, { "policy7", 7 } };

static struct gw_audit_record full(void)
{
    return (struct gw_audit_record){
        .kind = GW_AUDIT_REQUEST,
        .wall_ms = 1763769600123,
        .request_id = SPAN("0123abcd"),
        .remote = SPAN("127.0.0.1:5000"),
        .workload = SPAN("spiffe://example.org/search"),
        .certificate_serial = SPAN("4f"),
        .certificate_sha256 = SPAN("aa"),
        .subject = SPAN("sub"),
        .issuer = SPAN("https://issuer.example"),
        .client_id = SPAN("c"),
        .jti = SPAN("j"),
        .proof_thumbprint = SPAN("t"),
        .method = SPAN("POST"),
        .path = SPAN("/collections/docs/points/search"),
        .api = SPAN("qdrant"),
        .operation = SPAN("/collections/{c}/points/search"),
        .accesses = accesses,
        .accesses_n = 2,
        .err = ERR_POLICY_NO_PERMIT,
        .detail = "more",
        .policies = policies,
        .policies_n = 2,
        .shadow_differs = true,
        .shadow_allows = true,
        .shadow_policies = policies,
        .shadow_policies_n = 1,
        .policy_errors = SPAN("[]"),
        .policy_set = SPAN("7"),
        .inputs = SPAN("[{\"principal\":\n\"x\"}]"),
        .shard = SPAN("a"),
        .status = 403,
        .bytes_in = 10,
        .bytes_out = 20,
        .latencies = latencies,
        .latencies_n = 2,
    };
}

// Writes the record and gives its line back parsed; it is one line of valid JSON, whatever was in it.
static struct json_doc *parsed(const struct gw_audit_record *r)
{
    struct json_doc *doc;
    struct span line;
    struct buf b;

    buf_init(&b, 0);
    assert_true(gw_audit_record_write(r, &b));
    line = buf_span(&b);
    assert_int_equal(span_find(line, '\n'), line.n - 1);
    doc = json_parse(span_sub(line, 0, line.n - 1), NULL, NULL);
    assert_non_null(doc);
    buf_fini(&b);
    return doc;
}

static void assert_text(const struct json_doc *doc, const char *name, const char *expected)
{
    struct span s = json_string(json_get(json_root(doc), span_str(name)));

    assert_int_equal(s.n, strlen(expected));
    assert_memory_equal(s.p, expected, s.n);
}

static void a_record_holds_who_what_why_and_where(void **state)
{
    struct gw_audit_record r = full();
    struct json_doc *doc = parsed(&r);
    int64_t v = 0;

    (void)state;
    assert_text(doc, "time", "2025-11-22T00:00:00.123Z");
    assert_text(doc, "kind", "request");
    assert_text(doc, "request_id", "0123abcd");
    assert_text(doc, "workload", "spiffe://example.org/search");
    assert_text(doc, "decision", "deny");
    assert_text(doc, "error", "POLICY_NO_PERMIT");
    assert_text(doc, "code", "denied");
    assert_text(doc, "reason", "no policy permits the request");
    assert_text(doc, "shard", "a");
    assert_text(doc, "jti", "j");
    assert_text(doc, "proof_thumbprint", "t");
    assert_int_equal(json_count(json_get(json_root(doc), SPAN("accesses"))), 2);
    assert_int_equal(json_count(json_at(json_get(json_root(doc), SPAN("accesses")), 1)), 1);
    assert_int_equal(json_count(json_get(json_root(doc), SPAN("policies"))), 2);
    assert_true(
        span_eq(json_string(json_get(json_get(json_root(doc), SPAN("shadow")), SPAN("decision"))), SPAN("allow")));
    assert_int_equal(json_count(json_get(json_get(json_root(doc), SPAN("shadow")), SPAN("policies"))), 1);
    assert_true(json_i64(json_get(json_get(json_root(doc), SPAN("latency_us")), SPAN("token")), &v));
    assert_int_equal(v, 12);
    assert_true(json_i64(json_get(json_root(doc), SPAN("status")), &v));
    assert_int_equal(v, 403);
    assert_int_equal(json_type(json_get(json_root(doc), SPAN("inputs"))), JSON_ARRAY);
    json_free(doc);
}

// The promise of the header: there is nowhere to put a token, proof, key, body, cookie or query. A new member has to be thought about here.
static void the_members_of_a_record_are_an_allow_list(void **state)
{
    static const struct span allowed[] = {
        { "time", 4 },
        { "kind", 4 },
        { "request_id", 10 },
        { "remote", 6 },
        { "workload", 8 },
        { "issuer", 6 },
        { "client_id", 9 },
        { "certificate_serial", 18 },
        { "certificate_sha256", 18 },
        { "subject", 7 },
        { "jti", 3 },
        { "method", 6 },
        { "proof_thumbprint", 16 },
        { "path", 4 },
        { "api", 3 },
        { "operation", 9 },
        { "accesses", 8 },
        { "decision", 8 },
        { "error", 5 },
        { "code", 4 },
        { "reason", 6 },
        { "detail", 6 },
        { "policies", 8 },
        { "shadow", 6 },
        { "policy_errors", 13 },
        { "policy_set", 10 },
        { "shard", 5 },
        { "status", 6 },
        { "bytes_in", 8 },
        { "bytes_out", 9 },
        { "latency_us", 10 },
        { "inputs", 6 },
    };
    struct gw_audit_record r = full();
    struct json_doc *doc = parsed(&r);
    struct json_iter it = json_iter(json_root(doc));
    struct span name;
    json value;

    (void)state;
    assert_int_equal(json_count(json_root(doc)), sizeof allowed / sizeof *allowed);
    while (json_next(&it, &name, &value)) {
        bool found = false;
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
            found |= span_eq(allowed[i], name);
        assert_true(found);
    }
    json_free(doc);
}

static void a_query_string_never_reaches_the_log(void **state)
{
    struct gw_audit_record r = { .path = SPAN("/a/b?access_token=secret") };
    struct json_doc *doc = parsed(&r);

    (void)state;
    assert_text(doc, "path", "/a/b");
    json_free(doc);
}

static void input_cannot_forge_or_split_a_record(void **state)
{
    struct gw_audit_record r = full();
    struct json_doc *doc;

    (void)state;
    r.subject = SPAN("a\",\"decision\":\"allow\n{\"x\":1}\r\xff\x00\x1b");
    r.inputs = SPAN("[1,\n2,\r\n 3]");
    r.path = SPAN("/\xc0\x80");
    doc = parsed(&r);
    assert_text(doc, "decision", "deny");
    assert_int_equal(json_count(json_get(json_root(doc), SPAN("inputs"))), 3);
    json_free(doc);
}

static void what_is_absent_is_left_out(void **state)
{
    struct gw_audit_record r = { .kind = GW_AUDIT_HANDSHAKE, .err = ERR_CERT_REVOKED, .remote = SPAN("x") };
    struct json_doc *doc = parsed(&r);

    (void)state;
    assert_text(doc, "kind", "handshake");
    assert_text(doc, "error", "CERT_REVOKED");
    assert_null(json_get(json_root(doc), SPAN("workload")));
    assert_null(json_get(json_root(doc), SPAN("accesses")));
    assert_null(json_get(json_root(doc), SPAN("status")));
    json_free(doc);
}

static void the_zero_record_is_a_denial(void **state)
{
    struct gw_audit_record r = { 0 };
    struct json_doc *doc = parsed(&r);

    (void)state;
    assert_text(doc, "decision", "deny");
    json_free(doc);
}

static void a_record_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    struct gw_audit_record r = full();
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_append(&b, SPAN("before"));
    assert_false(gw_audit_record_write(&r, &b));
    assert_true(span_eq(buf_span(&b), SPAN("before")));
    assert_false(b.failed);
    buf_fini(&b);
}

static bool appends(const void *ctx, struct buf *out)
{
    return buf_append(out, *(const struct span *)ctx);
}

static bool fails(const void *ctx, struct buf *out)
{
    (void)ctx;
    buf_append(out, SPAN("[{\"a\":"));
    return false;
}

static void inputs_come_as_text_or_are_appended(void **state)
{
    struct gw_audit_record r = full();
    struct buf given, appended;

    (void)state;
    buf_init(&given, 0);
    buf_init(&appended, 0);
    r.inputs = SPAN("[{\"principal\": \"x\"}]");
    assert_true(gw_audit_record_write(&r, &given));
    r.inputs_ctx = &(struct span){ r.inputs.p, r.inputs.n };
    r.inputs = SPAN_NONE;
    r.write_inputs = appends;
    assert_true(gw_audit_record_write(&r, &appended));
    assert_true(span_eq(buf_span(&given), buf_span(&appended)));
    r.write_inputs = fails;
    assert_false(gw_audit_record_write(&r, &appended));
    assert_true(span_eq(buf_span(&given), buf_span(&appended)));
    assert_false(appended.failed);
    buf_fini(&given);
    buf_fini(&appended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_holds_who_what_why_and_where),
        cmocka_unit_test(the_members_of_a_record_are_an_allow_list),
        cmocka_unit_test(a_query_string_never_reaches_the_log),
        cmocka_unit_test(input_cannot_forge_or_split_a_record),
        cmocka_unit_test(what_is_absent_is_left_out),
        cmocka_unit_test(the_zero_record_is_a_denial),
        cmocka_unit_test(inputs_come_as_text_or_are_appended),
        cmocka_unit_test(a_record_that_does_not_fit_leaves_the_buffer_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
