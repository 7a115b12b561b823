// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport check` reads what `run` would, says what is wrong and where; `verify token --config` judges as that gateway does.
#include "tests/unit/cli/cmd_run.h"

#include "tests/support/certs.h"

static struct certs certs;

#define GATEWAY                                                                           \
    "listener:\n  addresses: [\"127.0.0.1:8443\"]\n  authorities: [\"localhost:8443\"]\n" \
    "  tls: {certificate: gateway.pem, key: gateway.key}\n"                               \
    "trust_domains:\n  - name: example.org\n    bundle: ca.pem\n    crls: [crl.crl]\n"
#define ISSUER                                                                                    \
    "issuers:\n  - name: local\n    issuer: https://issuer.example\n    jwks: issuer.jwks.json\n" \
    "    audiences: [vectors]\n    max_lifetime: 10m\n    scopes: none\n"                         \
    "    asserts: {roles: [reader], trust_domains: [example.org]}\n"
#define REST                                                                            \
    "policy: {files: [policies]}\n"                                                     \
    "shards:\n  - {name: alpha, api: qdrant, endpoints: [\"http://127.0.0.1:6333\"]}\n" \
    "routes:\n  - shard: alpha\naudit: {file: audit.log}\n"

static int setup(void **state)
{
    certs_init(&certs);
    certs_ca(&certs, "ca");
    certs_workload(&certs, "gateway", "ca", "spiffe://example.org/gateway");
    certs_crl(&certs, "crl", "ca", 1, (const char *const[]){ NULL });
    if (cmd_init(state) != 0 || chdir(certs.dir) != 0 || mkdir("policies", 0700) != 0)
        return -1;
    cmd_put("policies/all.cedar", "permit(principal, action, resource);\n", 0644);
    cmd_put("gw.yaml", GATEWAY ISSUER REST, 0644);
    cmd_expect(0, "token keygen --out issuer.pem --no-passphrase");
    cmd_expect(0, "token keygen --out client/ --no-passphrase");
    return 0;
}

static int teardown(void **state)
{
    int rc = cmd_fini(state);
    certs_fini(&certs);
    return rc;
}
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void a_good_configuration_is_summed_up_in_a_line(void **state)
{
    (void)state;
    cmd_expect(0, "check --config gw.yaml");
    cmd_says("gw.yaml: ok: 1 trust domain, 1 issuer, 1 shard,");
    cmd_expect(0, "check --config gw.yaml --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    bool ok = false;
    assert_true(json_bool(json_get(json_root(doc), SPAN("ok")), &ok) && ok);
    assert_true(json_count(json_get(json_root(doc), SPAN("files"))) >= 6);
    json_free(doc);
}

static void every_fault_is_told_with_its_place(void **state)
{
    (void)state;
    cmd_put("gw.yaml", GATEWAY "lissuers: []\n" ISSUER "    bindin: dpop\n" REST, 0644);
    cmd_expect(1, "check --config gw.yaml");
    cmd_says("gw.yaml:9:1: error: ");
    cmd_says("gw.yaml:18:5: error: ");
    cmd_says("gw.yaml: not usable: 2 errors");
    cmd_expect(1, "check --config gw.yaml --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    json first = json_at(json_get(json_root(doc), SPAN("diagnostics")), 0);
    int64_t line = 0;
    assert_true(json_i64(json_get(first, SPAN("line")), &line));
    assert_int_equal(9, line);
    json_free(doc);
}

static void a_fault_in_a_file_it_names_is_told(void **state)
{
    (void)state;
    cmd_put("policies/bad.cedar", "permit(principal, action, resource)\nwhen { context.x === 1 };\n", 0644);
    cmd_expect(1, "check --config gw.yaml");
    cmd_says("policies/bad.cedar:2:");
    assert_int_equal(0, remove("policies/bad.cedar"));
    cmd_put("issuer.jwks.json", "{\"keys\":[]}", 0644);
    cmd_expect(1, "check --config gw.yaml");
    cmd_says("issuer.jwks.json: error: ");
    assert_int_equal(0, remove("issuer.jwks.json"));
    cmd_expect(1, "check --config gw.yaml");
    cmd_says("gw.yaml:12:");
    cmd_says("No such file");
}

static void a_crl_that_cannot_be_used_is_a_fault(void **state)
{
    (void)state;
    cmd_put("crl.crl", "hello", 0644);
    cmd_expect(1, "check --config gw.yaml");
    cmd_says("crl.crl");
}

static void a_certificate_that_will_have_expired_is_told(void **state)
{
    (void)state;
    cmd_expect(1, "check --config gw.yaml --at +30d");
    cmd_says("gateway.pem");
    cmd_expect(2, "check --config gw.yaml --at someday");
    cmd_expect(2, "check");
}

static void a_key_of_another_certificate_is_a_fault_and_is_not_printed(void **state)
{
    (void)state;
    assert_int_equal(0, rename("ca.key", "gateway.key"));
    cmd_expect(1, "check --config gw.yaml");
    char *key = cmd_get("gateway.key"), *line = strchr(key, '\n') + 1;
    line[strcspn(line, "\n")] = 0;
    cmd_keeps_quiet_of(line);
    free(key);
}

#define MINT                                                                                                      \
    "token mint --key issuer.pem --issuer https://issuer.example --audience vectors --dpop-key client/jwks.json " \
    "--subject spiffe://example.org/search "

static void tokens_are_judged_by_the_issuers_of_the_configuration(void **state)
{
    (void)state;
    cmd_expect(0, MINT "--role reader");
    cmd_keep_output("t");
    cmd_expect(0, "verify token @t --config gw.yaml --scheme dpop --workload spiffe://example.org/search");
    cmd_says("✓ 26b");
    cmd_says("✓ 26c");
    cmd_expect(0, "verify token @t --config gw.yaml");
    cmd_says("– 26c");
    cmd_expect(1, "verify token @t --config gw.yaml --workload spiffe://example.org/ingest");
    cmd_says("TOKEN_WORKLOAD");
    cmd_expect(1, "verify token @t --config gw.yaml --at +1h");
    cmd_says("TOKEN_EXPIRED");
}

static void rule_26b_a_role_or_trust_domain_that_is_not_the_issuers_is_refused(void **state)
{
    (void)state;
    cmd_expect(0, MINT "--role admin");
    cmd_keep_output("t");
    cmd_expect(1, "verify token @t --config gw.yaml");
    cmd_says("TOKEN_ASSERTS");
    cmd_says("✗ 26b");
    cmd_expect(
        0, "token mint --key issuer.pem --issuer https://issuer.example --audience vectors --dpop-key client/jwks.json "
           "--workload spiffe://other.org/search");
    cmd_keep_output("t");
    cmd_expect(1, "verify token @t --config gw.yaml");
    cmd_says("✗ 26b");
}

static void a_broken_configuration_is_unreadable_input_for_verify(void **state)
{
    (void)state;
    cmd_expect(0, MINT);
    cmd_keep_output("t");
    cmd_put("gw.yaml", "listener: 3\n", 0644);
    cmd_expect(2, "verify token @t --config gw.yaml");
    cmd_complains("gw.yaml:1:");
    assert_string_equal("", cmd.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_configuration_is_summed_up_in_a_line),
        TEST(every_fault_is_told_with_its_place),
        TEST(a_fault_in_a_file_it_names_is_told),
        TEST(a_crl_that_cannot_be_used_is_a_fault),
        TEST(a_certificate_that_will_have_expired_is_told),
        TEST(a_key_of_another_certificate_is_a_fault_and_is_not_printed),
        TEST(tokens_are_judged_by_the_issuers_of_the_configuration),
        TEST(rule_26b_a_role_or_trust_domain_that_is_not_the_issuers_is_refused),
        TEST(a_broken_configuration_is_unreadable_input_for_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
