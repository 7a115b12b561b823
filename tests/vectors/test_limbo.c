// SPDX-License-Identifier: GPL-3.0-or-later
// x509-limbo (https://x509-limbo.com): hundreds of ways to build a path wrongly, held against `sallyport verify cert`. Where we are
// stricter than its verdict, or looser, the case is in a table with the reason; everything else must come out as it says.
#include "tests/unit/cli/cmd_run.h"

#include "tests/support/jose.h"

#include <time.h>

// Cases whose verdict we do not share, by reason. Most are the Web PKI's own rules (CA/Browser Forum), which private CAs are not held to.
#define CRL_NUMBER "a CRL's number is not used, so neither its absence nor its being critical matters"
#define STRICT_CA_LEAF \
    "a server that is a CA is refused: nobody needs one, and the key of a CA does not belong on a server"
#define DEPTH "a depth for one call is not something we offer; PKI_PATH_MAX bounds it"
#define KEY_ID "key identifiers help to find an issuer; whether it is the issuer, the signature says"
#define CRITICAL "whether the extension is critical changes nothing for us: it is understood, and applied"
#define PERIOD "a leading dot in a DNS constraint is read as \"names below\", as everybody does"
#define UNDERSCORE "underscores are in the names of services inside clusters"
#define CN "the subject is never looked at for a host name, so what is in it cannot mislead"
#define EKU "the Web PKI's profile of extended key usage; RFC 5280 leaves it out"
#define SUFFIX "there is no list of public suffixes: a private CA answers for the names it signs"
#define RSA8 "the Web PKI's profile; the size is checked to the bit"
#define SVID_USAGE \
    "a workload's certificate has a critical key usage (X.509-SVID §4.3), and these clients' have none that is"
static const struct {
    const char *id, *reason;
} differs[] = {
    { "crl::crlnumber-missing", CRL_NUMBER },
    { "crl::crlnumber-critical", CRL_NUMBER },
    { "pathlen::validation-ignores-pathlen-in-leaf", STRICT_CA_LEAF },
    { "pathlen::max-chain-depth-0-exhausted", DEPTH },
    { "pathlen::max-chain-depth-1-exhausted", DEPTH },
    { "rfc5280::aki::leaf-missing-aki", KEY_ID },
    { "rfc5280::aki::intermediate-missing-aki", KEY_ID },
    { "rfc5280::aki::cross-signed-root-missing-aki", KEY_ID },
    { "rfc5280::nc::nc-permits-email-exact", SVID_USAGE },
    { "rfc5280::nc::nc-permits-email-domain", SVID_USAGE },
    { "rfc5280::nc::nc-permits-email-literal-asterisk-exact-match", SVID_USAGE },
    { "rfc5280::nc::nc-permits-email-literal-double-asterisk", SVID_USAGE },
    { "rfc5280::nc::nc-permits-email-literal-mid-asterisk", SVID_USAGE },
    { "rfc5280::nc::permitted-dns-match-noncritical", CRITICAL },
    { "rfc5280::nc::invalid-dnsname-leading-period", PERIOD },
    { "rfc5280::pc::ica-noncritical-pc", CRITICAL },
    { "rfc5280::san::noncritical-with-empty-subject", CRITICAL },
    { "rfc5280::san::underscore-dns", UNDERSCORE },
    { "rfc5280::ski::root-missing-ski", KEY_ID },
    { "rfc5280::ski::intermediate-missing-ski", KEY_ID },
    { "rfc5280::root-non-critical-basic-constraints", CRITICAL },
    { "rfc5280::ca-as-leaf", STRICT_CA_LEAF },
    { "webpki::aki::root-with-aki-missing-keyidentifier", KEY_ID },
    { "webpki::aki::root-with-aki-authoritycertissuer", KEY_ID },
    { "webpki::aki::root-with-aki-authoritycertserialnumber", KEY_ID },
    { "webpki::aki::root-with-aki-all-fields", KEY_ID },
    { "webpki::aki::root-with-aki-ski-mismatch", KEY_ID },
    { "webpki::cn::ipv4-hex-mismatch", CN },
    { "webpki::cn::ipv4-leading-zeros-mismatch", CN },
    { "webpki::cn::ipv6-uppercase-mismatch", CN },
    { "webpki::cn::ipv6-uncompressed-mismatch", CN },
    { "webpki::cn::ipv6-non-rfc5952-mismatch", CN },
    { "webpki::cn::punycode-not-in-san", CN },
    { "webpki::cn::utf8-vs-punycode-mismatch", CN },
    { "webpki::cn::not-in-san", CN },
    { "webpki::cn::case-mismatch", CN },
    { "webpki::eku::ee-anyeku", EKU },
    { "webpki::eku::ee-critical-eku", EKU },
    { "webpki::eku::ee-without-eku", EKU },
    { "webpki::eku::root-has-eku", EKU },
    { "webpki::san::public-suffix-wildcard-san", SUFFIX },
    { "webpki::san::public-suffix-multi-label-wildcard-san", SUFFIX },
    { "webpki::san::public-suffix-private-namespace-wildcard-san", SUFFIX },
    { "webpki::san::san-critical-with-nonempty-subject", CRITICAL },
    { "webpki::forbidden-rsa-not-divisible-by-8-in-root", RSA8 },
    { "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf", RSA8 },
};

static const char *exempt(struct span id)
{
    for (size_t i = 0; i < sizeof differs / sizeof differs[0]; i++)
        if (span_eq(id, span_str(differs[i].id)))
            return differs[i].reason;
    return NULL;
}

static void put(const char *name, json pems)
{
    FILE *f = fopen(name, "w");
    struct json_iter it = json_iter(pems);
    struct span member;
    json item;
    assert_non_null(f);
    if (json_type(pems) == JSON_STRING)
        fprintf(f, "%.*s\n", SPAN_FMT(json_string(pems)));
    else
        while (json_next(&it, &member, &item))
            fprintf(f, "%.*s\n", SPAN_FMT(json_string(item)));
    assert_int_equal(fclose(f), 0);
}

static long long seconds(struct span text)
{
    struct tm tm = { 0 };
    char copy[64];
    snprintf(copy, sizeof copy, "%.*s", SPAN_FMT(text));
    assert_non_null(strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm)); // all are in UTC
    return (long long)timegm(&tm);
}

// What the command says: its exit status, 0 or 1; 2 where it cannot use the CAs that are to be trusted, which is a refusal as well.
static int judge(json test, const char *who)
{
    json crls = json_get(test, SPAN("crls"));
    struct span moment = json_string(json_get(test, SPAN("validation_time")));
    char at[32] = "";
    if (!span_is_none(moment))
        snprintf(at, sizeof at, " --at %lld", seconds(moment));
    bool chain = json_count(json_get(test, SPAN("untrusted_intermediates"))) > 0, revocation = json_count(crls) > 0;
    put("leaf.pem", json_get(test, SPAN("peer_certificate")));
    put("chain.pem", json_get(test, SPAN("untrusted_intermediates")));
    put("ca.pem", json_get(test, SPAN("trusted_certs")));
    put("crl.pem", crls);
    return cmd_run("verify cert leaf.pem --bundle ca.pem %s%s%s%s", who, chain ? " --chain chain.pem" : "",
                   revocation ? " --crl crl.pem --crl-required" : "", at);
}

// Of this kind, each against its verdict; how a case is told who the peer is, "" where it cannot be asked so.
static void hold(const char *kind, void (*who)(json test, char *out, size_t cap), size_t least)
{
    struct json_doc *doc = jose_vectors("x509-limbo/limbo-compiled-nobettertls.json");
    if (!doc)
        skip();
    struct json_iter it = json_iter(json_get(json_root(doc), SPAN("testcases")));
    struct span name;
    json test;
    size_t run = 0, wrong = 0, exempted = 0, aside = 0;
    while (json_next(&it, &name, &test)) {
        struct span id = json_string(json_get(test, SPAN("id")));
        char words[512] = "";
        if (!span_eq(json_string(json_get(test, SPAN("validation_kind"))), span_str(kind)))
            continue;
        who(test, words, sizeof words);
        if (!words[0]) {
            aside++;
            continue;
        }
        bool want = span_eq(json_string(json_get(test, SPAN("expected_result"))), SPAN("SUCCESS"));
        int status = judge(test, words);
        run++;
        if (exempt(id)) {
            exempted++;
            if ((status == 0) == want) {
                print_error("%.*s: is in the table and need not be\n", SPAN_FMT(id));
                wrong++;
            }
        } else if ((status == 0) != want) {
            print_error("%.*s: should be %s\n%s%s", SPAN_FMT(id), want ? "accepted" : "refused", cmd.out, cmd.err);
            wrong++;
        }
    }
    print_message("%s: %zu cases, %zu of them with another verdict for a reason; %zu without a name to ask for\n", kind,
                  run, exempted, aside);
    json_free(doc);
    assert_int_equal(wrong, 0);
    assert_true(run >= least);
}

static void as_server(json test, char *out, size_t cap)
{
    struct span name = json_string(json_get(json_get(test, SPAN("expected_peer_name")), SPAN("value")));
    if (!span_is_none(name))
        snprintf(out, cap, "--server-name '%.*s'", SPAN_FMT(name));
}

// None of them has a SPIFFE ID: they are clients as a rule of `identities` makes them. Whether the path holds is what they are about.
static void as_client(json test, char *out, size_t cap)
{
    (void)test;
    snprintf(out, cap, "--trust-domain example.org --identity spiffe://example.org/limbo");
}

static void limbo_verdicts_on_servers_are_ours(void **state)
{
    (void)state;
    hold("SERVER", as_server, 150);
}

static void limbo_verdicts_on_clients_are_ours(void **state)
{
    (void)state;
    hold("CLIENT", as_client, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limbo_verdicts_on_servers_are_ours, cmd_init, cmd_fini),
        cmocka_unit_test_setup_teardown(limbo_verdicts_on_clients_are_ours, cmd_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
