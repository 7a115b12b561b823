// SPDX-License-Identifier: GPL-3.0-or-later
// x509-limbo (https://x509-limbo.com): hundreds of ways to build a path wrongly, held against pki_trust_verify_server. Where we are
// stricter than its verdict, or looser, the case is in a table with the reason; everything else must come out as it says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pki/pem.h"
#include "pki/trust.h"
#include "tests/support/jose.h"

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

static struct buf der_of(struct span pem)
{
    struct buf der;
    struct span label;
    buf_init(&der, 0);
    assert_int_equal(pki_pem_next(&pem, &label, &der), 1);
    return der;
}

static int64_t seconds(struct span text)
{
    struct tm tm = { 0 };
    char copy[64];
    if (span_is_none(text))
        return (int64_t)time(NULL);
    snprintf(copy, sizeof copy, "%.*s", SPAN_FMT(text));
    assert_non_null(strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm));
    return (int64_t)timegm(&tm);
}

#define MOST 32

static int judge(json test)
{
    struct pki_trust *trust = pki_trust_new();
    struct pki_revocation *revocation = pki_revocation_new();
    struct diags diags;
    struct arena arena;
    struct buf ders[MOST], leaf = der_of(json_string(json_get(test, SPAN("peer_certificate"))));
    struct span sent[MOST], name;
    size_t n = 0;
    json item;
    int e = 0;
    diags_init(&diags);
    arena_init(&arena, 0);
    // Like ours, a bundle with a certificate in it that is no CA is not taken; the rest of it is.
    struct json_iter it = json_iter(json_get(test, SPAN("trusted_certs")));
    while (json_next(&it, &name, &item))
        pki_trust_add_pem(trust, PKI_TRUST_SERVERS, json_string(item), SPAN("f"), &diags);
    it = json_iter(json_get(test, SPAN("crls")));
    struct pki_verify_options options = { .crl_required = json_count(json_get(test, SPAN("crls"))) > 0 };
    while (json_next(&it, &name, &item))
        pki_revocation_add_crl(revocation, PKI_TRUST_SERVERS, json_string(item), SPAN("f"), &diags);
    it = json_iter(json_get(test, SPAN("untrusted_intermediates")));
    while (json_next(&it, &name, &item) && n < MOST) {
        ders[n] = der_of(json_string(item));
        sent[n] = buf_span(&ders[n]);
        n++;
    }
    struct pki_identity id;
    e = pki_trust_verify_server(
        trust, revocation, &options, json_string(json_get(json_get(test, SPAN("expected_peer_name")), SPAN("value"))),
        buf_span(&leaf), sent, n, seconds(json_string(json_get(test, SPAN("validation_time")))), &arena, &id);
    for (size_t i = 0; i < n; i++)
        buf_fini(&ders[i]);
    buf_fini(&leaf);
    arena_fini(&arena);
    diags_fini(&diags);
    pki_trust_free(trust);
    pki_revocation_free(revocation);
    return e;
}

static void limbo_verdicts_on_servers_are_ours(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("x509-limbo/limbo-compiled-nobettertls.json");
    if (!doc)
        skip();
    struct json_iter it = json_iter(json_get(json_root(doc), SPAN("testcases")));
    struct span name;
    json test;
    size_t run = 0, wrong = 0, exempted = 0;
    while (json_next(&it, &name, &test)) {
        struct span id = json_string(json_get(test, SPAN("id")));
        if (!span_eq(json_string(json_get(test, SPAN("validation_kind"))), SPAN("SERVER")) ||
            json_type(json_get(test, SPAN("expected_peer_name"))) != JSON_OBJECT)
            continue;
        bool want = span_eq(json_string(json_get(test, SPAN("expected_result"))), SPAN("SUCCESS"));
        int e = judge(test);
        run++;
        if (exempt(id)) {
            exempted++;
            if ((e == 0) == want) {
                print_error("%.*s: is in the table and need not be\n", SPAN_FMT(id));
                wrong++;
            }
        } else if ((e == 0) != want) {
            print_error("%.*s: %.*s, should be %s\n", SPAN_FMT(id), SPAN_FMT(e ? err_info(e)->name : SPAN("accepted")),
                        want ? "accepted" : "refused");
            wrong++;
        }
    }
    print_message("%zu cases, %zu of them with another verdict for a reason\n", run, exempted);
    json_free(doc);
    assert_int_equal(wrong, 0);
    assert_true(run > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limbo_verdicts_on_servers_are_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
