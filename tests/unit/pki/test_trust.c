// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate's way to a workload: profile, names, path (checklist 27–30). The certificates are OpenSSL's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "tests/support/trust_bench.h"

#define ID TRUST_BENCH_ID

static struct certs certs;
static int64_t now;

// A leaf of `ca` with just these extensions, against the bundle of one.test.
static int verify_leaf_with(const char *extensions)
{
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    certs_make(&certs, "made", "ca", "/O=SPIRE", extensions, 0);
    int e = trust_bench_verify(&b, "made", NULL);
    trust_bench_fini(&b);
    return e;
}

#define BASIC "basicConstraints=critical,CA:FALSE\n"
#define USAGE "keyUsage=critical,digitalSignature\n"

// ---- the identity

static void a_good_certificate_names_its_workload(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN(ID)));
    assert_true(span_eq(b.id.trust_domain, SPAN("one.test")));
    assert_true(span_eq(b.id.path, SPAN("/ns/rag/sa/search")));
    assert_true(span_eq(b.id.issuer, SPAN("O=ca")));
    assert_true(span_is_none(b.id.dns));
    assert_int_equal(b.id.steps_n, 2);
    assert_true(b.id.not_before <= now && b.id.not_after > now && b.id.path_not_after <= b.id.not_after);
    assert_int_equal(trust_bench_recheck(&b), 0);
    trust_bench_fini(&b);
}

static void intermediates_are_used_in_any_order_and_number(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "below", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(trust_bench_verify(&b, "below", "issuing"), 0);
    assert_int_equal(b.id.steps_n, 3);
    struct buf leaf = certs_der(&certs, "below"), good = certs_der(&certs, "issuing"),
               other = certs_der(&certs, "evil");
    struct span sent[10];
    for (size_t i = 0; i < 10; i++)
        sent[i] = i == 5 ? buf_span(&good) : i == 2 ? SPAN("not a certificate") : buf_span(&other);
    assert_int_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&leaf), sent, 10, now, &b.arena, &b.id), 0);
    buf_fini(&leaf), buf_fini(&good), buf_fini(&other);
    trust_bench_fini(&b);
}

// ---- rule 27

static void rule_27_no_bundle_for_the_trust_domain_is_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "two.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_TRUST_DOMAIN);
    trust_bench_fini(&b);
}

static void rule_27_another_domains_ca_does_not_vouch(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add(&b, "evil.test", "evil"), 0);
    // evil.test's CA, trusted for its own, signs an ID of one.test.
    assert_int_equal(trust_bench_verify(&b, "forged", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(trust_bench_verify(&b, "forged", "evil"), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&b);
}

static void rule_27_look_alike_cas_of_two_domains_stay_apart(void **state)
{
    (void)state;
    // The same subject and the same subject key identifier, two keys: what a store keyed by them would confuse.
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(&certs, "twin1", NULL, "/O=Twin",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=01020304\n", 0);
    certs_make(&certs, "twin2", NULL, "/O=Twin",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=01020304\n", 0);
    certs_workload(&certs, "of1", "twin1", "spiffe://one.test/a");
    certs_workload(&certs, "of2", "twin2", "spiffe://two.test/a");
    certs_workload(&certs, "cross", "twin2", "spiffe://one.test/a");
    assert_int_equal(trust_bench_add(&b, "one.test", "twin1"), 0);
    assert_int_equal(trust_bench_add(&b, "two.test", "twin2"), 0);
    assert_int_equal(trust_bench_verify(&b, "of1", NULL), 0);
    assert_int_equal(trust_bench_verify(&b, "of2", NULL), 0);
    assert_int_equal(trust_bench_verify(&b, "cross", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(trust_bench_verify(&b, "cross", "twin2"), ERR_CERT_UNTRUSTED);
    // Both in one bundle (a key rolled over under the same name): either may sign.
    assert_int_equal(trust_bench_add(&b, "one.test", "twin2"), 0);
    assert_int_equal(trust_bench_verify(&b, "cross", NULL), 0);
    trust_bench_fini(&b);
}

static void rule_27_a_leaf_in_the_bundle_is_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(trust_bench_add(&b, "one.test", "leaf"), 0);
    assert_int_equal(b.diags.errors, 1);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_TRUST_DOMAIN);
    trust_bench_fini(&b);
}

static void path_a_workload_cannot_issue(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    certs_workload(&certs, "child", "leaf", "spiffe://one.test/admin");
    assert_int_equal(trust_bench_verify(&b, "child", "leaf"), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&b);
}

static void path_length_is_kept(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(
        &certs, "short", NULL, "/O=Short",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n", 0);
    certs_make(&certs, "toolong", "short", "/O=Too long", CERTS_CA, 0);
    certs_workload(&certs, "under", "toolong", "spiffe://one.test/a");
    certs_workload(&certs, "direct", "short", "spiffe://one.test/a");
    assert_int_equal(trust_bench_add(&b, "one.test", "short"), 0);
    assert_int_equal(trust_bench_verify(&b, "direct", NULL), 0);
    assert_int_equal(trust_bench_verify(&b, "under", "toolong"), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&b);
}

static void path_name_constraints_of_every_ca_hold(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(&certs, "bounded", NULL, "/O=Bounded",
               CERTS_CA "nameConstraints=critical,permitted;URI:one.test,excluded;DNS:bad.test\n", 0);
    certs_make(&certs, "mid", "bounded", "/O=Mid", CERTS_CA, 0);
    certs_make(&certs, "in", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:good.test\n", 0);
    certs_make(&certs, "out", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://two.test/a\n", 0);
    certs_make(&certs, "dns", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:x.bad.test\n", 0);
    certs_make(&certs, "star", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:*.test\n", 0);
    assert_int_equal(trust_bench_add(&b, "one.test", "bounded"), 0);
    assert_int_equal(trust_bench_add(&b, "two.test", "bounded"), 0);
    assert_int_equal(trust_bench_verify(&b, "in", "mid"), 0);
    assert_true(span_eq(b.id.dns, SPAN("good.test")));
    // Two levels up: wolfSSL would apply the direct signer's only.
    assert_int_equal(trust_bench_verify(&b, "out", "mid"), ERR_CERT_NAME_CONSTRAINT);
    assert_int_equal(trust_bench_verify(&b, "dns", "mid"), ERR_CERT_NAME_CONSTRAINT);
    assert_int_equal(trust_bench_verify(&b, "star", "mid"), ERR_CERT_NAME_CONSTRAINT);
    trust_bench_fini(&b);
}

static void path_dates_of_leaf_and_ca_are_looked_at(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(&certs, "longlived", "ca", "/O=x", CERTS_LEAF CERTS_URI(ID), 30);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), 0);
    b.now_s = now + 2 * 86400; // the CA's day is over, the leaf's month is not
    assert_int_equal(trust_bench_recheck(&b), ERR_CERT_EXPIRED);
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), ERR_CERT_EXPIRED);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_EXPIRED);
    b.now_s = now - 2 * 86400;
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_NOT_YET);
    trust_bench_fini(&b);
}

static void path_search_is_bounded_against_look_alikes(void **state)
{
    (void)state;
    // Six CAs that have signed each other, under one name: the ways through them are many, and none ends in the bundle.
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    struct buf der[6];
    struct span sent[6];
    for (int i = 0; i < 6; i++) {
        char name[16], by[16];
        snprintf(name, sizeof name, "ring%d", i);
        snprintf(by, sizeof by, "ring%d", i ? i - 1 : 0);
        certs_make(&certs, name, i ? by : NULL, "/O=Ring",
                   "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n", 0);
        der[i] = certs_der(&certs, name);
        sent[i] = buf_span(&der[i]);
    }
    certs_workload(&certs, "lost", "ring5", "spiffe://one.test/a");
    struct buf leaf = certs_der(&certs, "lost");
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    clock_t start = clock();
    assert_int_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&leaf), sent, 6, now, &b.arena, &b.id),
                     ERR_CERT_UNTRUSTED);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 1.0);
    for (int i = 0; i < 6; i++)
        buf_fini(&der[i]);
    buf_fini(&leaf);
    trust_bench_fini(&b);
}

// ---- rules 28 and 29

static void rule_28_exactly_one_uri_san(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:" ID "\n"), 0);
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:" ID ",URI:spiffe://one.test/b\n"), ERR_CERT_SAN);
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:" ID ",URI:https://one.test/\n"), ERR_CERT_SAN);
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:https://one.test/,URI:" ID "\n"), ERR_CERT_SAN);
    assert_int_equal(verify_leaf_with(BASIC USAGE), ERR_CERT_UNMAPPED);
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:https://one.test/a\n"), ERR_CERT_UNMAPPED);
}

static void rule_28_a_path_is_needed(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=URI:spiffe://one.test\n"), ERR_CERT_SPIFFE_ID);
}

static void rule_28_dns_name_holding_spiffe_is_no_uri(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=DNS:" ID "\n"), ERR_CERT_UNMAPPED);
    // Beside a real one it is what it is, a DNS name.
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=DNS:spiffe://one.test/admin,URI:" ID "\n"), 0);
    assert_int_equal(verify_leaf_with(BASIC USAGE "subjectAltName=email:spiffe://one.test/admin\n"), ERR_CERT_UNMAPPED);
}

static void rule_30_bad_ids_in_certificates_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "spiffe://One.test/a",    "spiffe://one.test:8443/a", "spiffe://one.test/a/",
                                       "spiffe://one.test/a//b", "spiffe://one.test/../b",   "spiffe://one.test/a%41",
                                       "SPIFFE://one.test/a",    "spiffe://one.test/a?x=y" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char extensions[512];
        snprintf(extensions, sizeof extensions, BASIC USAGE "subjectAltName=URI:%s\n", bad[i]);
        if (verify_leaf_with(extensions) != ERR_CERT_SPIFFE_ID)
            fail_msg("%s was not refused as it should be", bad[i]);
    }
}

static void rule_29_a_ca_or_signing_key_usage_is_refused(void **state)
{
    (void)state;
#define NAME "subjectAltName=URI:" ID "\n"
    assert_int_equal(verify_leaf_with("basicConstraints=critical,CA:TRUE\n" USAGE NAME), ERR_CERT_IS_CA);
    assert_int_equal(verify_leaf_with(BASIC "keyUsage=critical,digitalSignature,keyCertSign\n" NAME), ERR_CERT_IS_CA);
    assert_int_equal(verify_leaf_with(BASIC "keyUsage=critical,digitalSignature,cRLSign\n" NAME), ERR_CERT_IS_CA);
    assert_int_equal(verify_leaf_with(USAGE NAME), 0); // basicConstraints may be absent
}

static void rule_29_key_usage_is_critical_with_digital_signature(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC "keyUsage=digitalSignature\n" NAME), ERR_CERT_USAGE);
    assert_int_equal(verify_leaf_with(BASIC "keyUsage=critical,keyAgreement\n" NAME), ERR_CERT_USAGE);
    assert_int_equal(verify_leaf_with(BASIC NAME), ERR_CERT_USAGE);
}

static void rule_29_extended_key_usage_has_client_auth(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC USAGE "extendedKeyUsage=clientAuth\n" NAME), 0);
    assert_int_equal(verify_leaf_with(BASIC USAGE "extendedKeyUsage=serverAuth\n" NAME), ERR_CERT_USAGE);
    assert_int_equal(verify_leaf_with(BASIC USAGE "extendedKeyUsage=codeSigning\n" NAME), ERR_CERT_USAGE);
    assert_int_equal(verify_leaf_with(BASIC USAGE "extendedKeyUsage=anyExtendedKeyUsage\n" NAME), ERR_CERT_USAGE);
}

static void an_unknown_critical_extension_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verify_leaf_with(BASIC USAGE NAME "1.2.3.4=critical,ASN1:NULL\n"), ERR_CERT_MALFORMED);
    assert_int_equal(verify_leaf_with(BASIC USAGE NAME "1.2.3.4=ASN1:NULL\n"), 0);
}

static void bytes_that_are_not_der_are_refused(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    struct buf der = certs_der(&certs, "leaf");
    struct span whole = buf_span(&der);
    for (size_t n = 0; n < whole.n; n += 7)
        assert_int_not_equal(
            pki_trust_verify(b.trust, NULL, &b.options, span_sub(whole, 0, n), NULL, 0, now, &b.arena, &b.id), 0);
    buf_byte(&der, 0);
    assert_int_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&der), NULL, 0, now, &b.arena, &b.id),
                     ERR_CERT_MALFORMED);
    // Any flipped bit breaks the signature, or the certificate.
    der.end--;
    for (size_t i = 0; i < whole.n; i += 11) {
        der.base[der.start + i] ^= 4;
        assert_int_not_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&der), NULL, 0, now, &b.arena, &b.id),
                             0);
        der.base[der.start + i] ^= 4;
    }
    buf_fini(&der);
    trust_bench_fini(&b);
}

// ---- mapping

static void mapping_dns_first_then_subject_against_the_mapped_domain(void **state)
{
    (void)state;
    static const struct pki_identity_rule rules[] = {
        { .subject = SPAN("CN=job,O=Legacy"), .spiffe_id = SPAN("spiffe://one.test/by-subject") },
        { .dns = SPAN("*.legacy.test"), .spiffe_id = SPAN("spiffe://one.test/by-dns") },
        { .dns = SPAN("other.test"), .spiffe_id = SPAN("spiffe://two.test/x") },
    };
    static const struct pki_identity_map map = { rules, 3 };
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    b.options.map = &map;
    for (size_t i = 0; i < map.n; i++) {
        struct pki_identity_rule r = rules[i];
        if (!r.dns.p)
            r.dns = SPAN_NONE;
        assert_null(pki_identity_rule_fault(&r));
    }
    certs_make(&certs, "m1", "ca", "/O=Legacy/CN=job", BASIC USAGE "subjectAltName=DNS:search.legacy.test\n", 0);
    certs_make(&certs, "m2", "ca", "/O=Legacy/CN=job", BASIC USAGE, 0);
    certs_make(&certs, "m3", "ca", "/O=Legacy/CN=nobody", BASIC USAGE "subjectAltName=DNS:a.b.legacy.test\n", 0);
    certs_make(&certs, "m4", "ca", "/O=x", BASIC USAGE "subjectAltName=DNS:other.test\n", 0);
    certs_make(&certs, "m5", "ca", "/O=Legacy/CN=job", BASIC USAGE "subjectAltName=URI:spiffe://One.test/a\n", 0);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add(&b, "two.test", "evil"), 0);
    assert_int_equal(trust_bench_verify(&b, "m1", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN("spiffe://one.test/by-dns")));
    assert_true(span_eq(b.id.path, SPAN("/by-dns")));
    assert_int_equal(trust_bench_verify(&b, "m2", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN("spiffe://one.test/by-subject")));
    assert_int_equal(trust_bench_verify(&b, "m3", NULL), ERR_CERT_UNMAPPED);
    // The rule names two.test, whose bundle does not have this CA.
    assert_int_equal(trust_bench_verify(&b, "m4", NULL), ERR_CERT_UNTRUSTED);
    // Whatever looks like a SPIFFE ID is not mapped around.
    assert_int_equal(trust_bench_verify(&b, "m5", NULL), ERR_CERT_SPIFFE_ID);
    trust_bench_fini(&b);
}

// ---- servers and bundles

static void server_by_dns_name_has_it_among_its_sans(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(&certs, "webca", NULL, "/O=Web", "basicConstraints=CA:TRUE\nsubjectKeyIdentifier=hash\n", 0);
    certs_make(&certs, "web", "webca", "/CN=only.in.subject",
               "subjectAltName=DNS:shard.test,DNS:*.shards.test,IP:127.0.0.1,IP:::1\n", 0);
    certs_make(&certs, "clientonly", "webca", "/CN=x", "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:shard.test\n",
               0);
    struct buf pem = certs_pem(&certs, "webca");
    assert_int_equal(pki_trust_add_pem(b.trust, PKI_TRUST_SERVERS, buf_span(&pem), SPAN("f"), &b.diags), 0);
    buf_fini(&pem);
    struct buf der = certs_der(&certs, "web"), other = certs_der(&certs, "clientonly");
#define AS(name, cert) \
    pki_trust_verify_server(b.trust, NULL, &b.options, SPAN(name), buf_span(&cert), NULL, 0, now, &b.arena, &b.id)
    assert_int_equal(AS("shard.test", der), 0);
    assert_true(span_is_none(b.id.spiffe_id) && span_eq(b.id.dns, SPAN("shard.test")));
    assert_int_equal(pki_trust_recheck(b.trust, NULL, &b.options, &b.id, now), 0);
    assert_int_equal(AS("SHARD.test", der), 0);
    assert_int_equal(AS("a.shards.test", der), 0);
    assert_int_equal(AS("127.0.0.1", der), 0);
    assert_int_equal(AS("::1", der), 0);
    assert_int_equal(AS("a.b.shards.test", der), ERR_CERT_SAN);
    assert_int_equal(AS("shards.test", der), ERR_CERT_SAN);
    assert_int_equal(AS("only.in.subject", der), ERR_CERT_SAN);
    assert_int_equal(AS("127.0.0.2", der), ERR_CERT_SAN);
    assert_int_equal(AS("", der), ERR_CERT_SAN);
    assert_int_equal(AS("shard.test", other), ERR_CERT_USAGE);
    buf_fini(&der), buf_fini(&other);
    trust_bench_fini(&b);
}

static void bundle_complaints_have_a_file(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_not_equal(pki_trust_add_pem(b.trust, SPAN("one.test"), SPAN(""), SPAN("empty.pem"), &b.diags), 0);
    assert_int_not_equal(pki_trust_add_pem(b.trust, SPAN("One.test"), SPAN(""), SPAN("f"), &b.diags), 0);
    assert_int_not_equal(pki_trust_add_jwks(b.trust, SPAN("one.test"), SPAN("{\"keys\":[]}"), SPAN("f"), &b.diags), 0);
    assert_int_not_equal(pki_trust_add_jwks(b.trust, SPAN("one.test"), SPAN("{\"keys\":[{\"use\":\"x509-svid\"}]}"),
                                            SPAN("f"), &b.diags),
                         0);
    assert_int_not_equal(pki_revocation_add_crl(b.revocation, SPAN("one.test"), SPAN("nonsense"), SPAN("f"), &b.diags),
                         0);
    assert_true(b.diags.errors >= 5);
    assert_true(span_eq(b.diags.first->file, SPAN("empty.pem")));
    trust_bench_fini(&b);
}

static void bundle_as_spiffe_jwks(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    struct buf pem = certs_pem(&certs, "ca"), text;
    buf_init(&text, 0);
    buf_append(
        &text,
        SPAN("{\"keys\":[{\"use\":\"jwt-svid\",\"kty\":\"EC\"},{\"use\":\"x509-svid\",\"kty\":\"EC\",\"x5c\":[\""));
    struct span lines = buf_span(&pem);
    while (!span_is_none(lines)) {
        struct span line = span_cut(&lines, '\n');
        if (!span_starts(line, SPAN("-----")))
            buf_append(&text, line);
    }
    buf_append(&text, SPAN("\"]}]}"));
    assert_int_equal(pki_trust_add_jwks(b.trust, SPAN("one.test"), buf_span(&text), SPAN("f"), &b.diags), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    assert_int_equal(pki_revocation_keep_cas(b.revocation, SPAN("one.test"), buf_span(&text), SPAN("f"), &b.diags), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    buf_fini(&pem), buf_fini(&text);
    trust_bench_fini(&b);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    trust_bench_make(&certs);
    now = (int64_t)time(NULL) + 120;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_names_its_workload),
        cmocka_unit_test(intermediates_are_used_in_any_order_and_number),
        cmocka_unit_test(rule_27_no_bundle_for_the_trust_domain_is_refused),
        cmocka_unit_test(rule_27_another_domains_ca_does_not_vouch),
        cmocka_unit_test(rule_27_look_alike_cas_of_two_domains_stay_apart),
        cmocka_unit_test(rule_27_a_leaf_in_the_bundle_is_refused),
        cmocka_unit_test(path_a_workload_cannot_issue),
        cmocka_unit_test(path_length_is_kept),
        cmocka_unit_test(path_name_constraints_of_every_ca_hold),
        cmocka_unit_test(path_dates_of_leaf_and_ca_are_looked_at),
        cmocka_unit_test(path_search_is_bounded_against_look_alikes),
        cmocka_unit_test(rule_28_exactly_one_uri_san),
        cmocka_unit_test(rule_28_a_path_is_needed),
        cmocka_unit_test(rule_28_dns_name_holding_spiffe_is_no_uri),
        cmocka_unit_test(rule_30_bad_ids_in_certificates_are_refused),
        cmocka_unit_test(rule_29_a_ca_or_signing_key_usage_is_refused),
        cmocka_unit_test(rule_29_key_usage_is_critical_with_digital_signature),
        cmocka_unit_test(rule_29_extended_key_usage_has_client_auth),
        cmocka_unit_test(an_unknown_critical_extension_is_refused),
        cmocka_unit_test(bytes_that_are_not_der_are_refused),
        cmocka_unit_test(mapping_dns_first_then_subject_against_the_mapped_domain),
        cmocka_unit_test(server_by_dns_name_has_it_among_its_sans),
        cmocka_unit_test(bundle_complaints_have_a_file),
        cmocka_unit_test(bundle_as_spiffe_jwks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
