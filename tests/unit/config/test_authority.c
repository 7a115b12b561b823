// SPDX-License-Identifier: GPL-3.0-or-later
// The authority's part of a configuration: which parts a file has, every way its part can be wrong, each with its place, and what its files make.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/fixed.h"
#include "gateway/tls/context.h"
#include "tests/support/certs.h"

#define F "/etc/f.yaml:"
#define BESIDE                                                  \
    "trust_domains:\n  - {name: example.org, bundle: ca.pem}\n" \
    "audit: {file: audit.jsonl}\n"

// authority: stands in line 1, its first key in line 2; line 10 and what follows is the test's.
#define OWN                                     \
    "authority:\n"                              \
    "  issuer: https://auth.example.org\n"      \
    "  addresses: [\"127.0.0.1:8444\"]\n"       \
    "  tls: {certificate: a.pem, key: a.key}\n" \
    "  state: state\n"                          \
    "  audiences: [sallyport]\n"                \
    "  policy: {files: [issue.cedar]}\n"
#define SIGNING "  signing: {passphrase_file: passphrase}\n"
#define LISTENER "listener: {addresses: [\"127.0.0.1:1\"], authorities: [h], tls: {certificate: c, key: k}}\n"
#define ISSUERS                                                                                                      \
    "issuers:\n  - {name: i, issuer: \"https://i.example\", jwks: j, audiences: [a], scopes: {s: [read]}, asserts: " \
    "{trust_domains: [example.org]}}\n"
#define POLICY "policy: {files: [p.cedar]}\n"
#define SHARDS "shards:\n  - {name: s, api: qdrant, endpoints: [\"http://127.0.0.1:2\"]}\n"
#define ROUTES "routes:\n  - {shard: s}\n"

static bool parse(const char *text, struct gw_config **c, struct diags *diags)
{
    return gw_config_parse(span_str(text), SPAN("/etc/f.yaml"), c, diags) == 0;
}

static void expect(const char *text, const char *expected, size_t errors)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct arena a;
    bool found = false;
    arena_init(&a, 0);
    diags_init(&diags);
    bool ok = parse(text, &c, &diags);
    for (const struct diag *d = diags.first; d; d = d->next)
        found |= span_starts(diag_format(&a, d), span_str(expected));
    if (ok != (errors == 0) || !found || diags.errors != errors) {
        for (const struct diag *d = diags.first; d; d = d->next)
            print_error("  got: %s\n", diag_format(&a, d).p);
        fail_msg("%s", expected);
    }
    gw_config_free(c);
    diags_fini(&diags);
    arena_fini(&a);
}

static struct gw_config *good(const char *text)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct arena a;
    arena_init(&a, 0);
    diags_init(&diags);
    if (!parse(text, &c, &diags))
        fail_msg("%s", diag_format(&a, diags.first).p);
    diags_fini(&diags);
    arena_fini(&a);
    return c;
}

static void a_file_may_have_the_authority_alone(void **state)
{
    (void)state;
    struct gw_config *c = good(OWN SIGNING BESIDE);
    const struct gw_config_authority *a = &c->authority;
    assert_true(a->present);
    assert_false(c->listener.present);
    assert_false(c->policy.present);
    assert_int_equal(c->shards_n, 0);
    assert_true(a->certificates_required);
    assert_int_equal(a->signing.algorithm, PKI_ES256);
    assert_int_equal(a->signing.rotate, (int64_t)30 * 86400 * 1000);
    assert_int_equal(a->signing.publish, 3600 * 1000);
    assert_int_equal(a->lifetime, 300 * 1000);
    assert_int_equal(a->refresh_lifetime, 86400 * 1000);
    assert_false(a->nonce_required);
    assert_false(a->feed);
    assert_string_equal(a->state.v.p, "/etc/state");
    assert_true(a->tls.tickets.enabled);
    gw_config_free(c);
}

static void a_file_may_have_both_or_the_gateway_alone(void **state)
{
    (void)state;
    struct gw_config *c = good(OWN SIGNING BESIDE LISTENER ISSUERS POLICY SHARDS ROUTES);
    assert_true(c->authority.present && c->listener.present && c->policy.present);
    gw_config_free(c);
    c = good(BESIDE LISTENER ISSUERS POLICY SHARDS ROUTES);
    assert_true(!c->authority.present && c->listener.present);
    gw_config_free(c);
}

static void half_a_gateway_is_refused(void **state)
{
    (void)state;
    expect(OWN SIGNING BESIDE LISTENER POLICY SHARDS ROUTES,
           F "12:11: error: 'issuers' is missing, and there is a listener", 1);
    expect(OWN SIGNING BESIDE LISTENER ISSUERS SHARDS ROUTES,
           F "12:11: error: 'policy' is missing, and there is a listener", 1);
    expect(OWN SIGNING BESIDE POLICY, F "12:9: error: 'policy' is a gateway's, and there is no listener", 1);
    expect(OWN SIGNING BESIDE SHARDS ROUTES, F "13:5: error: 'shards' is a gateway's, and there is no listener", 2);
    // And without an authority all is as it was.
    expect(BESIDE LISTENER ISSUERS POLICY SHARDS, F "1:1: error: 'routes' is missing; add it: ", 1);
    expect(BESIDE, F "1:1: error: 'listener' is missing; add it: ", 5);
}

static void missing_keys_of_the_authority_are_named(void **state)
{
    (void)state;
    expect("authority: {issuer: \"https://a\"}\n" BESIDE, F "1:12: error: 'state' is missing; add it: ", 6);
    expect(OWN BESIDE, F "2:3: error: 'signing' is missing; add it: ", 1);
    expect(OWN SIGNING "  isuer: x\n" BESIDE, F "9:3: error: unknown key 'isuer'; did you mean 'issuer'?", 1);
}

static void an_issuer_is_a_bare_https_url(void **state)
{
    (void)state;
    static const char *const bad[] = { "http://a.example",
                                       "https://a.example/path",
                                       "https://a.example?q=1",
                                       "https://a.example#f",
                                       "https://u@a.example",
                                       "a.example",
                                       "https://",
                                       "https://a:0" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[2048], expected[256];
        snprintf(text, sizeof text,
                 "authority:\n  issuer: \"%s\"\n  addresses: [\"127.0.0.1:1\"]\n  tls: {certificate: a, key: b}\n  "
                 "state: s\n"
                 "  audiences: [x]\n  policy: {files: [p]}\n" SIGNING BESIDE,
                 bad[i]);
        snprintf(expected, sizeof expected, F "2:11: error: '%s' for 'issuer': https://host or https://host:port",
                 bad[i]);
        expect(text, expected, 1);
    }
}

static void values_out_of_their_bounds_are_refused(void **state)
{
    (void)state;
    expect(OWN SIGNING "  lifetime: 2h\n" BESIDE, F "9:13: error: '2h' for 'lifetime' is out of range; write 10s to 1h",
           1);
    expect(OWN SIGNING "  refresh_lifetime: 1s\n" BESIDE, F "9:21: error: '1s' for 'refresh_lifetime' is out of range",
           1);
    expect(OWN SIGNING "  client_certificates: maybe\n" BESIDE,
           F "9:24: error: 'maybe' is not a value of 'client_certificates'", 1);
    expect(OWN SIGNING "  nonce: always\n" BESIDE, F "9:10: error: 'always' is not a value of 'nonce'", 1);
    expect(OWN "  signing: {passphrase_file: p, algorithm: RS256}\n" BESIDE,
           F "8:44: error: 'RS256' is not a value of 'algorithm'", 1);
    expect(OWN SIGNING "  followers: [\"*********\"]\n" BESIDE,
           F "9:15: error: '*********' for 'followers': a pattern has", 1);
}

static void a_key_is_encrypted_or_in_a_token(void **state)
{
    (void)state;
    expect(OWN "  signing: {algorithm: EdDSA}\n" BESIDE,
           F "2:3: error: signing has either 'passphrase_file' or 'pkcs11'; write one of them", 1);
    expect(OWN "  signing: {passphrase_file: p, pkcs11: \"pkcs11:token=t?module-path=/m.so\"}\n" BESIDE,
           F "8:41: error: signing has either 'passphrase_file' or 'pkcs11'", 1);
    expect(OWN "  signing: {pkcs11: \"/usr/lib/x.so\"}\n" BESIDE,
           F "8:21: error: signing.pkcs11: this is no pkcs11: URI", 1);
    expect(OWN "  signing: {passphrase_file: p, rotate: 1h, publish: 1h}\n" BESIDE,
           F "2:3: error: signing.rotate must be longer than signing.publish", 1);
}

static void clients_are_workloads_and_known_apart(void **state)
{
    (void)state;
    expect(OWN SIGNING "  clients:\n    - {id: ci}\n" BESIDE,
           F "10:12: error: client 'ci' is no workload; set 'workload' to the SPIFFE ID it acts as", 1);
    expect(OWN SIGNING "  clients:\n    - {id: ci, workload: \"spiffe://other.org/ci\"}\n" BESIDE,
           F "10:26: error: trust domain 'other.org' is not among trust_domains", 1);
    expect(OWN SIGNING
           "  clients:\n    - {id: \"spiffe://example.org/a\"}\n    - {id: \"spiffe://example.org/a\"}\n" BESIDE,
           F "11:12: error: client 'spiffe://example.org/a' is already in line 10", 1);
    expect(OWN SIGNING "  clients:\n    - {id: \"spiffe://example.org/a\", san_dns: a, subject: CN=a}\n" BESIDE,
           F "10:7: error: a client has one of 'san_dns', 'san_uri', 'subject'", 1);
    expect(OWN SIGNING "  clients:\n    - {id: \"spiffe://example.org/a\", algorithms: [HS256]}\n" BESIDE,
           F "10:51: error: 'HS256' is not a value of 'algorithms'", 1);
    expect(OWN SIGNING "  clients:\n    - {id: \"k\303\244se\", workload: \"spiffe://example.org/a\"}\n" BESIDE,
           F "10:12: error: 'k\303\244se' for 'id': a client_id of printable ASCII is expected", 1);
}

static void the_feed_has_a_registry_and_readers(void **state)
{
    (void)state;
    expect(OWN SIGNING "  feed: true\n  followers: [\"spiffe://example.org/gateway/*\"]\n" BESIDE,
           F "2:3: error: feed: true publishes revocations.store, which is not set; set it", 1);
    expect(OWN SIGNING "  feed: true\n" BESIDE "revocations: {store: r.db}\n",
           F "2:3: warning: nobody may read the feed", 0);
    expect(OWN SIGNING "  revokers: [\"spiffe://example.org/ops\"]\n" BESIDE,
           F "9:13: error: revokers write to the feed's endpoint, and feed is false", 1);
}

static void addresses_differ(void **state)
{
    (void)state;
    expect(OWN SIGNING BESIDE "operations: {listen: \"127.0.0.1:8444\"}\n",
           F "3:15: error: authority and operations have the same address '127.0.0.1:8444'; change one", 1);
    expect(OWN SIGNING BESIDE ISSUERS POLICY SHARDS ROUTES
           "listener: {addresses: [\"127.0.0.1:8444\"], authorities: [h], tls: {certificate: c, key: k}}\n",
           F "3:15: error: authority and listener have the same address '127.0.0.1:8444'; change one", 1);
}

static void roles_do_not_change_while_a_process_runs(void **state)
{
    (void)state;
    struct gw_config *own = good(OWN SIGNING BESIDE), *gateway = good(BESIDE LISTENER ISSUERS POLICY SHARDS ROUTES);
    struct diags diags;
    diags_init(&diags);
    assert_true(gw_fixed_roles(own, own, &diags));
    assert_int_equal(diags.errors, 0);
    assert_false(gw_fixed_roles(own, gateway, &diags));
    assert_int_equal(diags.errors, 2);
    diags_fini(&diags);
    gw_config_free(own);
    gw_config_free(gateway);
}

// -------------------------------------------------------------------------------------------------------- the files

static struct certs certs;

static void put(const char *name, const char *content, unsigned mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", certs.dir, name);
    assert_int_equal(file_write(path, span_str(content), mode), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void set_mode(const char *name, unsigned mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", certs.dir, name);
    assert_int_equal(chmod(path, mode), 0);
}

// The file, with the authority's state there.
static void state_is(const char *folder)
{
    static const char before[] = "authority:\n"
                                 "  issuer: https://Auth.example.org:443/\n"
                                 "  addresses: [\"127.0.0.1:8444\"]\n"
                                 "  tls: {certificate: own.pem, key: own.key}\n"
                                 "  client_certificates: optional\n";
    static const char after[] = "  signing: {passphrase_file: passphrase}\n"
                                "  audiences: [sallyport]\n"
                                "  nonce: required\n"
                                "  clients:\n"
                                "    - {id: a, workload: \"spiffe://example.org/a\", san_dns: a.example.org}\n"
                                "    - {id: b, workload: \"spiffe://example.org/b\", jwks: client.jwks}\n"
                                "  policy: {files: [issue.cedar]}\n" BESIDE;
    char text[4096];
    snprintf(text, sizeof text, "%s  state: %s\n%s", before, folder, after);
    put("f.yaml", text, 0600);
}

static struct gw_snapshot *load(struct diags *diags)
{
    char path[128];
    snprintf(path, sizeof path, "%s/f.yaml", certs.dir);
    diags_init(diags);
    return gw_snapshot_load(path, 1, clock_read().wall_ms / 1000, diags);
}

static void expect_file(const char *expected)
{
    struct diags diags;
    struct arena a;
    bool found = false;
    struct gw_snapshot *s = load(&diags);
    arena_init(&a, 0);
    for (const struct diag *d = diags.first; d; d = d->next)
        found |= strstr(diag_format(&a, d).p, expected) != NULL;
    if (s || !found) {
        for (const struct diag *d = diags.first; d; d = d->next)
            print_error("  got: %s\n", diag_format(&a, d).p);
        fail_msg("%s", expected);
    }
    gw_snapshot_unref(s);
    diags_fini(&diags);
    arena_fini(&a);
}

static void its_files_become_a_part_of_the_snapshot(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_snapshot *s = load(&diags);
    assert_non_null(s);
    const struct gw_snapshot_authority *a = &s->authority;
    assert_true(span_eq(a->issuer, SPAN("https://Auth.example.org:443/")));
    assert_true(span_eq(a->base, SPAN("https://Auth.example.org:443")));
    assert_true(span_eq(a->target.authorities[0], SPAN("auth.example.org")));
    assert_true(span_eq(a->passphrase, SPAN("secret")));
    assert_true(a->certificate_not_after_s > clock_read().wall_ms / 1000);
    assert_non_null(strstr(a->keys_path, "/state/signing-keys.db"));
    assert_null(a->clients[0]);
    assert_int_equal(pki_jwks_count(a->clients[1]), 1);
    assert_true(a->dpop.nonce_required);
    assert_int_equal(a->dpop.window_ms, s->dpop.window_ms);
    assert_true(s->algs.n > 0);
    assert_null(s->policies);
    assert_non_null(a->policies);
    assert_int_equal(s->n_shards, 0);
    struct gw_tls_context *tls = gw_snapshot_authority_tls(s, NULL, NULL, clock_read().wall_ms / 1000, &diags);
    assert_non_null(tls);
    gw_tls_context_unref(tls);
    gw_snapshot_unref(s);
    diags_fini(&diags);
}

static void its_actions_are_those_of_the_token_service(void **state)
{
    (void)state;
    put("issue.cedar",
        "permit (principal, action == Action::\"token:issue\", resource);\n"
        "permit (principal, action in [Action::\"token:exchange\", Action::\"token:impersonate\"], resource);\n",
        0600);
    struct diags diags;
    struct gw_snapshot *s = load(&diags);
    assert_non_null(s);
    gw_snapshot_unref(s);
    diags_fini(&diags);
    put("issue.cedar", "permit (principal, action == Action::\"search\", resource);\n", 0600);
    expect_file("search");
    put("issue.cedar", "permit (principal, action == Action::\"token:isue\", resource);\n", 0600);
    expect_file("token:isue");
    put("issue.cedar", "permit (principal, action, resource);\n", 0600);
}

static void secrets_that_others_can_read_are_refused(void **state)
{
    (void)state;
    static const char *const secrets[] = { "passphrase", "own.key" };
    for (size_t i = 0; i < 2; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "%s: others may read it or write to it; chmod 600 it", secrets[i]);
        set_mode(secrets[i], 0644);
        expect_file(expected);
        set_mode(secrets[i], 0660);
        expect_file(expected);
        set_mode(secrets[i], 0640); // as a container's orchestrator mounts them
        struct diags diags;
        struct gw_snapshot *s = load(&diags);
        assert_non_null(s);
        gw_snapshot_unref(s);
        diags_fini(&diags);
        set_mode(secrets[i], 0600);
    }
}

static void a_state_folder_is_there_and_its_own(void **state)
{
    (void)state;
    char from[128], to[128];
    set_mode("state", 0755);
    expect_file("state: others may look into it or write to it; chmod 700 it");
    set_mode("state", 0700);
    snprintf(from, sizeof from, "%s/state", certs.dir);
    snprintf(to, sizeof to, "%s/moved", certs.dir);
    assert_int_equal(rename(from, to), 0);
    // The start makes it, in a folder that is there.
    struct diags diags;
    struct gw_snapshot *s = load(&diags);
    assert_non_null(s);
    gw_snapshot_unref(s);
    diags_fini(&diags);
    state_is("gone/state");
    expect_file("gone/state: No such file or directory; make the folder: mkdir -m 700");
    state_is("state");
    put("state", "", 0600);
    expect_file("state: this is no folder; name one");
    assert_int_equal(unlink(from), 0);
    assert_int_equal(rename(to, from), 0);
    if (geteuid() == 0)
        return; // to whom nothing is forbidden
    set_mode("state", 0500);
    expect_file("state: Permission denied; give it to the user");
    set_mode("state", 0700);
}

static void a_clients_private_key_is_refused(void **state)
{
    (void)state;
    put("client.jwks", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", 0600);
    expect_file("client.jwks");
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    if (gw_tls_process_init() != 0)
        return -1;
    certs_ca(&certs, "ca");
    certs_workload(&certs, "own", "ca", "spiffe://example.org/authority");
    put("passphrase", "secret\n", 0600);
    put("issue.cedar", "permit (principal, action, resource);\n", 0600);
    // RFC 7517 appendix A.1's EC key.
    put("client.jwks",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"alg\":\"ES256\"}]}",
        0600);
    set_mode("own.key", 0600);
    char path[128];
    snprintf(path, sizeof path, "%s/state", certs.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    state_is("state");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_may_have_the_authority_alone),
        cmocka_unit_test(a_file_may_have_both_or_the_gateway_alone),
        cmocka_unit_test(half_a_gateway_is_refused),
        cmocka_unit_test(missing_keys_of_the_authority_are_named),
        cmocka_unit_test(an_issuer_is_a_bare_https_url),
        cmocka_unit_test(values_out_of_their_bounds_are_refused),
        cmocka_unit_test(a_key_is_encrypted_or_in_a_token),
        cmocka_unit_test(clients_are_workloads_and_known_apart),
        cmocka_unit_test(the_feed_has_a_registry_and_readers),
        cmocka_unit_test(addresses_differ),
        cmocka_unit_test(roles_do_not_change_while_a_process_runs),
        cmocka_unit_test(its_files_become_a_part_of_the_snapshot),
        cmocka_unit_test(its_actions_are_those_of_the_token_service),
        cmocka_unit_test(secrets_that_others_can_read_are_refused),
        cmocka_unit_test(a_state_folder_is_there_and_its_own),
        cmocka_unit_test(a_clients_private_key_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
