// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/pki/ca_fixture.h"

#include "gateway/base/json.h"
#include "gateway/config/config.h"
#include "gateway/config/enrolment.h"
#include "pki/csr.h"

#define ID SPAN("spiffe://example.org/ns/rag/sa/search")

// What an authority would answer to a question: a CA, and what it signs for the CSR.
struct desk {
    struct place p;
    struct pki_ca *ca;
    struct buf key, csr, chain, bundle;
};

static void desk_init(struct desk *d, struct span id, const struct span *dns, size_t n)
{
    struct pki_csr csr;
    struct pki_ca_issued issued;
    struct arena a;
    struct buf der;
    const char *why;
    struct buf *bufs[] = { &d->key, &d->csr, &d->chain, &d->bundle, &der };
    for (size_t i = 0; i < 5; i++)
        buf_init(bufs[i], 0);
    d->ca = new_ca(&d->p);
    assert_int_equal(0, gw_enrol_ask(id, dns, n, &d->key, &d->csr));
    arena_init(&a, 0);
    assert_int_equal(0, pki_csr_parse(buf_span(&d->csr), &a, &csr, &why));
    assert_int_equal(n + !span_is_none(id), csr.n_names);
    assert_false(csr.asks_ca || csr.asks_other);
    struct pki_ca_request request = request_for(span_is_none(id) ? ID : id, csr.key);
    request.ttl = 3600;
    assert_int_equal(0, pki_ca_issue(d->ca, &request, &der, &issued));
    pki_pem_write(&d->chain, SPAN("CERTIFICATE"), buf_span(&der));
    assert_int_equal(0, pki_ca_chain_pem(d->ca, &d->chain));
    assert_int_equal(0, pki_ca_bundle_pem(d->ca, &d->bundle));
    pki_csr_fini(&csr);
    buf_fini(&der);
    arena_fini(&a);
}

static void desk_fini(struct desk *d)
{
    pki_ca_close(d->ca);
    place_fini(&d->p);
    buf_wipe(&d->key);
    buf_fini(&d->csr);
    buf_fini(&d->chain);
    buf_fini(&d->bundle);
}

static int take(const struct desk *d, const struct buf *bundle, struct span key, struct span id, int64_t now_s,
                struct gw_enrolled *e)
{
    char what[512];
    struct buf body;
    buf_init(&body, 0);
    struct json_writer w = json_writer(&body);
    json_w_object(&w);
    json_w_key(&w, SPAN("certificate"));
    json_w_string(&w, buf_span(&d->chain));
    json_w_key(&w, SPAN("bundle"));
    json_w_string(&w, buf_span(bundle));
    json_w_end(&w);
    int rc = gw_enrol_take(200, buf_span(&body), key, id, now_s, e, what, sizeof what);
    buf_fini(&body);
    return rc;
}

static void an_answer_is_held_against_the_question(void **state)
{
    struct desk d, other;
    struct gw_enrolled e;
    (void)state;
    desk_init(&d, ID, NULL, 0);
    desk_init(&other, SPAN_NONE, &SPAN("a.example"), 1);
    assert_int_equal(0, take(&d, &d.bundle, buf_span(&d.key), ID, NOW, &e));
    assert_string_equal(ID.p, e.spiffe_id);
    assert_int_equal(NOW + 3600, e.not_after_s);
    assert_int_equal(NOW + 2400, e.renew_s);
    gw_enrolled_fini(&e);
    assert_int_equal(0, take(&d, &d.bundle, buf_span(&d.key), SPAN_NONE, NOW, &e));
    gw_enrolled_fini(&e);
    assert_int_equal(ERR_CERT_MALFORMED, take(&d, &d.bundle, buf_span(&other.key), ID, NOW, &e));
    assert_int_equal(ERR_CERT_SPIFFE_ID,
                     take(&d, &d.bundle, buf_span(&d.key), SPAN("spiffe://example.org/x"), NOW, &e));
    assert_int_not_equal(0, take(&d, &other.bundle, buf_span(&d.key), ID, NOW, &e));
    assert_int_equal(ERR_CERT_EXPIRED, take(&d, &d.bundle, buf_span(&d.key), ID, NOW + 3601, &e));
    desk_fini(&d);
    desk_fini(&other);
}

static void a_refusal_is_told_without_what_could_fool_a_terminal(void **state)
{
    struct gw_enrolled e;
    char what[512];
    (void)state;
    assert_int_equal(ERR_CA_REFUSED, gw_enrol_take(403, SPAN("{\"code\":\"denied\",\"detail\":\"no \\u001b[31mway\"}"),
                                                   SPAN(""), SPAN_NONE, NOW, &e, what, sizeof what));
    assert_non_null(strstr(what, "403"));
    assert_non_null(strstr(what, "denied"));
    assert_null(strchr(what, '\x1b'));
    // Neither by its code.
    assert_int_equal(ERR_CA_REFUSED, gw_enrol_take(400, SPAN("{\"detail\":\"no\",\"code\":\"a\\u001b]0;b\\n\u00e9\"}"),
                                                   SPAN(""), SPAN_NONE, NOW, &e, what, sizeof what));
    assert_string_equal("the authority answered 400: no, a?]0;b???", what);
    assert_int_equal(ERR_CA_REFUSED, gw_enrol_take(403, SPAN("{\"code\":\"denied\"}"), SPAN(""), SPAN_NONE, NOW, &e,
                                                   what, sizeof what));
    assert_string_equal("the authority answered 403: denied", what);
    assert_int_equal(ERR_CA_REFUSED,
                     gw_enrol_take(502, SPAN("<html>"), SPAN(""), SPAN_NONE, NOW, &e, what, sizeof what));
    assert_int_equal(ERR_SHARD_ANSWER, gw_enrol_take(200, SPAN("{}"), SPAN(""), SPAN_NONE, NOW, &e, what, sizeof what));
}

static void what_was_written_counts_from_its_beginning(void **state)
{
    struct desk d;
    struct gw_enrolled e;
    char what[512];
    (void)state;
    desk_init(&d, ID, NULL, 0);
    assert_int_equal(0, gw_enrol_keep(buf_span(&d.chain), buf_span(&d.key), buf_span(&d.bundle), ID, NOW + 3000, &e,
                                      what, sizeof what));
    assert_int_equal(NOW + 3000, e.renew_s); // two thirds are over
    gw_enrolled_fini(&e);
    assert_int_not_equal(
        0, gw_enrol_keep(buf_span(&d.chain), SPAN("half a key"), buf_span(&d.bundle), ID, NOW, &e, what, sizeof what));
    desk_fini(&d);
}

// Else an authority is asked as fast as it can answer.
static void a_certificate_that_ends_at_once_is_not_asked_for_without_a_pause(void **state)
{
    (void)state;
    for (int64_t left = 0; left < 3; left++) {
        struct gw_enrolled e = { .not_after_s = NOW + left, .renew_s = NOW + left * 2 / 3 };
        for (uint64_t r = 0; r < 1000; r++)
            assert_true(gw_enrol_wait_ms(&e, 0, NOW, r * 7919) >= GW_ENROL_RETRY_MIN_MS);
    }
}

static void a_clock_that_jumps_ahead_makes_renewal_due(void **state)
{
    struct gw_enrolled e = { .not_after_s = NOW + 3600, .renew_s = NOW + 2400 };
    (void)state;
    assert_false(gw_enrol_overtaken(&e, 0, NOW));
    assert_false(gw_enrol_overtaken(&e, 0, NOW + 2400)); // the wait itself ends there
    assert_true(gw_enrol_overtaken(&e, 0, NOW + 2401));
    assert_true(gw_enrol_overtaken(&e, 0, NOW + 7200)); // slept beyond its end
    assert_false(gw_enrol_overtaken(&e, 1, NOW + 7200));
    assert_false(gw_enrol_overtaken(NULL, 0, NOW));
}

static void renewal_is_due_at_two_thirds_and_failures_back_off_within_what_is_left(void **state)
{
    struct gw_enrolled e = { .not_after_s = NOW + 3600, .renew_s = NOW + 2400 };
    (void)state;
    assert_int_equal(2400000, gw_enrol_wait_ms(&e, 0, NOW, 0));
    for (uint64_t r = 0; r < 1000; r++) {
        int64_t wait = gw_enrol_wait_ms(&e, 0, NOW, r * 7919);
        assert_true(wait > 2400000 * 9 / 10 - 1 && wait <= 2400000);
    }
    assert_int_equal(GW_ENROL_RETRY_MIN_MS, gw_enrol_wait_ms(&e, 0, NOW + 2400, 0));
    assert_int_equal(0, gw_enrol_wait_ms(NULL, 0, NOW, 0));
    int64_t before = 0;
    for (unsigned failures = 1; failures < 100; failures++) {
        int64_t wait = gw_enrol_wait_ms(&e, failures, NOW, 0);
        assert_true(wait >= before && wait <= GW_ENROL_RETRY_MAX_MS);
        before = wait;
    }
    assert_int_equal(GW_ENROL_RETRY_MAX_MS, before);
    // A life of seconds leaves no time for a minute of patience.
    e.not_after_s = NOW + 8;
    assert_int_equal(2000, gw_enrol_wait_ms(&e, 50, NOW, 0));
}

#define AUTHORITY                                                                                                     \
    "authority:\n  issuer: \"https://a\"\n  addresses: [\"127.0.0.1:1\"]\n  tls: {certificate: a, key: b}\n  state: " \
    "s\n"                                                                                                             \
    "  signing: {passphrase_file: p}\n  audiences: [x]\n  policy: {files: [p]}\n"
#define ENROLMENT "  enrolment:\n    url: \"https://a:2\"\n    addresses: [\"127.0.0.1:2\"]\n    ca: ca\n"
#define BESIDE "audit: {file: a}\ntrust_domains: [{name: example.org, bundle: b}]\n"
#define ISSUER(uses)                                                                                            \
    "issuers:\n  - {name: k, issuer: \"https://k\", " uses "jwks: j, audiences: [x], typ: none, scopes: none, " \
    "asserts: {trust_domains: [example.org]}}\n"

static void complains(const char *text, const char *expected)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct arena a;
    bool found = false;
    diags_init(&diags);
    arena_init(&a, 0);
    int rc = gw_config_parse(span_str(text), SPAN("/etc/f.yaml"), &c, &diags);
    for (const struct diag *d = diags.first; d; d = d->next)
        found |= expected && !d->warning && strstr(diag_format(&a, d).p, expected) != NULL;
    if ((rc == 0) != !expected || (expected && !found)) {
        for (const struct diag *d = diags.first; d; d = d->next)
            print_error("  got: %s\n", diag_format(&a, d).p);
        fail_msg("%s", expected ? expected : "no error");
    }
    gw_config_free(c);
    arena_fini(&a);
    diags_fini(&diags);
}

static void the_configuration_of_enrolment_is_checked(void **state)
{
    (void)state;
    complains(AUTHORITY ENROLMENT BESIDE, NULL);
    complains(ISSUER("uses: [enrolment], ") AUTHORITY ENROLMENT
              "    kubernetes: [{cluster: c, issuer: k, namespaces: [a]}]\n" BESIDE,
              NULL);
    complains(ISSUER("uses: [exchange], ") AUTHORITY ENROLMENT
              "    kubernetes: [{cluster: c, issuer: k, namespaces: [a]}]\n" BESIDE,
              "write 'uses: [enrolment]' there");
    complains(AUTHORITY ENROLMENT "    kubernetes: [{cluster: c, issuer: k, namespaces: [a]}]\n" BESIDE,
              "there is no issuer 'k'");
    complains(AUTHORITY ENROLMENT "    kubernetes: [{cluster: c, namespaces: [a]}]\n" BESIDE,
              "either 'issuer' or 'token_review'");
    complains(
        ISSUER("uses: [enrolment], ") AUTHORITY ENROLMENT
        "    kubernetes: [{cluster: c, issuer: k, namespaces: [a], id: \"spiffe://example.org/{namespace}\"}]\n" BESIDE,
        "gives several service accounts one ID");
    complains(ISSUER("uses: [enrolment], ") AUTHORITY ENROLMENT
              "    kubernetes: [{cluster: c, issuer: k, namespaces: [a], id: \"spiffe://e/{namespce}\"}]\n" BESIDE,
              "what stands in braces");
    complains(ISSUER("uses: [enrolment], ") AUTHORITY BESIDE, "there is no authority.enrolment");
    complains(AUTHORITY ENROLMENT "    join_tokens: false\n" BESIDE, "nobody could enrol");
    complains(AUTHORITY "  enrolment: {url: \"https://a:1\", addresses: [\"127.0.0.1:1\"], ca: ca}\n" BESIDE,
              "listens on '127.0.0.1:1' already");
}

#define TEMPLATE(id)                                                                                            \
    ISSUER("uses: [enrolment], ")                                                                               \
    AUTHORITY ENROLMENT "    kubernetes: [{cluster: c, issuer: k, namespaces: [a], id: \"spiffe://e/" id "\"}]" \
                        "\n" BESIDE

// Whoever may name service accounts in the namespace `team` would else be `search` of `team-a`, by calling one `a-search`.
static void no_template_lets_one_namespace_speak_as_another(void **state)
{
    (void)state;
    complains(TEMPLATE("{namespace}-{service_account}"), "could be the same for two service accounts");
    complains(TEMPLATE("{service_account}{namespace}"), "could be the same for two service accounts");
    complains(TEMPLATE("{cluster}{namespace}/{service_account}"), "could be the same for two service accounts");
    complains(TEMPLATE("{namespace}/{service_account}"), NULL);
    complains(TEMPLATE("{cluster}/ns/{namespace}/sa/{service_account}"), NULL);
    complains(TEMPLATE("{service_account}.{namespace}"), NULL);
    complains(TEMPLATE("{namespace}_{service_account}"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_template_lets_one_namespace_speak_as_another),
        cmocka_unit_test(an_answer_is_held_against_the_question),
        cmocka_unit_test(a_refusal_is_told_without_what_could_fool_a_terminal),
        cmocka_unit_test(what_was_written_counts_from_its_beginning),
        cmocka_unit_test(renewal_is_due_at_two_thirds_and_failures_back_off_within_what_is_left),
        cmocka_unit_test(a_certificate_that_ends_at_once_is_not_asked_for_without_a_pause),
        cmocka_unit_test(a_clock_that_jumps_ahead_makes_renewal_due),
        cmocka_unit_test(the_configuration_of_enrolment_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
