// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate's way to a workload: profile, names, path, revocation (checklist 27–30). The certificates are OpenSSL's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "pki/trust.h"
#include "tests/support/certs.h"

#define ID "spiffe://one.test/ns/rag/sa/search"

static struct certs certs;
static int64_t now;

struct bench {
    struct pki_trust *trust;
    struct pki_revocation *revocation;
    struct pki_verify_options options;
    struct diags diags;
    struct arena arena;
    struct pki_identity id;
    int64_t now_s;
};

static void bench_init(struct bench *b)
{
    *b = (struct bench){ .trust = pki_trust_new(), .revocation = pki_revocation_new(), .now_s = now };
    diags_init(&b->diags);
    arena_init(&b->arena, 0);
}

static void bench_fini(struct bench *b)
{
    pki_trust_free(b->trust);
    pki_revocation_free(b->revocation);
    diags_fini(&b->diags);
    arena_fini(&b->arena);
}

static int add(struct bench *b, const char *domain, const char *ca)
{
    struct buf pem = certs_pem(&certs, ca);
    int e = pki_trust_add_pem(b->trust, span_str(domain), buf_span(&pem), span_str(ca), &b->diags);
    buf_fini(&pem);
    return e;
}

static int add_crl(struct bench *b, const char *domain, const char *crl)
{
    struct buf pem = certs_read_crl(&certs, crl);
    int e = pki_revocation_add_crl(b->revocation, span_str(domain), buf_span(&pem), span_str(crl), &b->diags);
    buf_fini(&pem);
    return e;
}

static int keep(struct bench *b, const char *domain, const char *ca)
{
    struct buf pem = certs_pem(&certs, ca);
    int e = pki_revocation_keep_cas(b->revocation, span_str(domain), buf_span(&pem), span_str(ca), &b->diags);
    buf_fini(&pem);
    return e;
}

static int verify(struct bench *b, const char *leaf, const char *intermediate)
{
    struct buf der = certs_der(&certs, leaf),
               above = intermediate ? certs_der(&certs, intermediate) : (struct buf){ 0 };
    struct span sent[1] = { buf_span(&above) };
    int e = pki_trust_verify(b->trust, b->revocation, &b->options, buf_span(&der), sent, intermediate ? 1 : 0, b->now_s,
                             &b->arena, &b->id);
    buf_fini(&der);
    buf_fini(&above);
    return e;
}

static int recheck(struct bench *b)
{
    return pki_trust_recheck(b->trust, b->revocation, &b->options, &b->id, b->now_s);
}

// A leaf of `ca` with just these extensions, against the bundle of one.test.
static int verify_leaf_with(const char *extensions)
{
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    certs_make(&certs, "made", "ca", "/O=SPIRE", extensions, 0);
    int e = verify(&b, "made", NULL);
    bench_fini(&b);
    return e;
}

#define BASIC "basicConstraints=critical,CA:FALSE\n"
#define USAGE "keyUsage=critical,digitalSignature\n"

// ---- the identity

static void a_good_certificate_names_its_workload(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN(ID)));
    assert_true(span_eq(b.id.trust_domain, SPAN("one.test")));
    assert_true(span_eq(b.id.path, SPAN("/ns/rag/sa/search")));
    assert_true(span_eq(b.id.issuer, SPAN("O=ca")));
    assert_true(span_is_none(b.id.dns));
    assert_int_equal(b.id.steps_n, 2);
    assert_true(b.id.not_before <= now && b.id.not_after > now && b.id.path_not_after <= b.id.not_after);
    assert_int_equal(recheck(&b), 0);
    bench_fini(&b);
}

static void intermediates_are_used_in_any_order_and_number(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "below", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(verify(&b, "below", "issuing"), 0);
    assert_int_equal(b.id.steps_n, 3);
    struct buf leaf = certs_der(&certs, "below"), good = certs_der(&certs, "issuing"),
               other = certs_der(&certs, "evil");
    struct span sent[10];
    for (size_t i = 0; i < 10; i++)
        sent[i] = i == 5 ? buf_span(&good) : i == 2 ? SPAN("not a certificate") : buf_span(&other);
    assert_int_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&leaf), sent, 10, now, &b.arena, &b.id), 0);
    buf_fini(&leaf), buf_fini(&good), buf_fini(&other);
    bench_fini(&b);
}

// ---- rule 27

static void rule_27_no_bundle_for_the_trust_domain_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "two.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_TRUST_DOMAIN);
    bench_fini(&b);
}

static void rule_27_another_domains_ca_does_not_vouch(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(add(&b, "evil.test", "evil"), 0);
    // evil.test's CA, trusted for its own, signs an ID of one.test.
    assert_int_equal(verify(&b, "forged", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(verify(&b, "forged", "evil"), ERR_CERT_UNTRUSTED);
    bench_fini(&b);
}

static void rule_27_look_alike_cas_of_two_domains_stay_apart(void **state)
{
    (void)state;
    // The same subject and the same subject key identifier, two keys: what a store keyed by them would confuse.
    struct bench b;
    bench_init(&b);
    certs_make(&certs, "twin1", NULL, "/O=Twin",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=01020304\n", 0);
    certs_make(&certs, "twin2", NULL, "/O=Twin",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=01020304\n", 0);
    certs_workload(&certs, "of1", "twin1", "spiffe://one.test/a");
    certs_workload(&certs, "of2", "twin2", "spiffe://two.test/a");
    certs_workload(&certs, "cross", "twin2", "spiffe://one.test/a");
    assert_int_equal(add(&b, "one.test", "twin1"), 0);
    assert_int_equal(add(&b, "two.test", "twin2"), 0);
    assert_int_equal(verify(&b, "of1", NULL), 0);
    assert_int_equal(verify(&b, "of2", NULL), 0);
    assert_int_equal(verify(&b, "cross", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(verify(&b, "cross", "twin2"), ERR_CERT_UNTRUSTED);
    // Both in one bundle (a key rolled over under the same name): either may sign.
    assert_int_equal(add(&b, "one.test", "twin2"), 0);
    assert_int_equal(verify(&b, "cross", NULL), 0);
    bench_fini(&b);
}

static void rule_27_a_leaf_in_the_bundle_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_not_equal(add(&b, "one.test", "leaf"), 0);
    assert_int_equal(b.diags.errors, 1);
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_TRUST_DOMAIN);
    bench_fini(&b);
}

static void path_a_workload_cannot_issue(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    certs_workload(&certs, "child", "leaf", "spiffe://one.test/admin");
    assert_int_equal(verify(&b, "child", "leaf"), ERR_CERT_UNTRUSTED);
    bench_fini(&b);
}

static void path_length_is_kept(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    certs_make(
        &certs, "short", NULL, "/O=Short",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n", 0);
    certs_make(&certs, "toolong", "short", "/O=Too long", CERTS_CA, 0);
    certs_workload(&certs, "under", "toolong", "spiffe://one.test/a");
    certs_workload(&certs, "direct", "short", "spiffe://one.test/a");
    assert_int_equal(add(&b, "one.test", "short"), 0);
    assert_int_equal(verify(&b, "direct", NULL), 0);
    assert_int_equal(verify(&b, "under", "toolong"), ERR_CERT_UNTRUSTED);
    bench_fini(&b);
}

static void path_name_constraints_of_every_ca_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    certs_make(&certs, "bounded", NULL, "/O=Bounded",
               CERTS_CA "nameConstraints=critical,permitted;URI:one.test,excluded;DNS:bad.test\n", 0);
    certs_make(&certs, "mid", "bounded", "/O=Mid", CERTS_CA, 0);
    certs_make(&certs, "in", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:good.test\n", 0);
    certs_make(&certs, "out", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://two.test/a\n", 0);
    certs_make(&certs, "dns", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:x.bad.test\n", 0);
    certs_make(&certs, "star", "mid", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/a,DNS:*.test\n", 0);
    assert_int_equal(add(&b, "one.test", "bounded"), 0);
    assert_int_equal(add(&b, "two.test", "bounded"), 0);
    assert_int_equal(verify(&b, "in", "mid"), 0);
    assert_true(span_eq(b.id.dns, SPAN("good.test")));
    // Two levels up: wolfSSL would apply the direct signer's only.
    assert_int_equal(verify(&b, "out", "mid"), ERR_CERT_NAME_CONSTRAINT);
    assert_int_equal(verify(&b, "dns", "mid"), ERR_CERT_NAME_CONSTRAINT);
    assert_int_equal(verify(&b, "star", "mid"), ERR_CERT_NAME_CONSTRAINT);
    bench_fini(&b);
}

static void path_dates_of_leaf_and_ca_are_looked_at(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    certs_make(&certs, "longlived", "ca", "/O=x", CERTS_LEAF CERTS_URI(ID), 30);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "longlived", NULL), 0);
    b.now_s = now + 2 * 86400; // the CA's day is over, the leaf's month is not
    assert_int_equal(recheck(&b), ERR_CERT_EXPIRED);
    assert_int_equal(verify(&b, "longlived", NULL), ERR_CERT_EXPIRED);
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_EXPIRED);
    b.now_s = now - 2 * 86400;
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_NOT_YET);
    bench_fini(&b);
}

static void path_search_is_bounded_against_look_alikes(void **state)
{
    (void)state;
    // Six CAs that have signed each other, under one name: the ways through them are many, and none ends in the bundle.
    struct bench b;
    bench_init(&b);
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
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    clock_t start = clock();
    assert_int_equal(pki_trust_verify(b.trust, NULL, &b.options, buf_span(&leaf), sent, 6, now, &b.arena, &b.id),
                     ERR_CERT_UNTRUSTED);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 1.0);
    for (int i = 0; i < 6; i++)
        buf_fini(&der[i]);
    buf_fini(&leaf);
    bench_fini(&b);
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
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
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
    bench_fini(&b);
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
    struct bench b;
    bench_init(&b);
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
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(add(&b, "two.test", "evil"), 0);
    assert_int_equal(verify(&b, "m1", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN("spiffe://one.test/by-dns")));
    assert_true(span_eq(b.id.path, SPAN("/by-dns")));
    assert_int_equal(verify(&b, "m2", NULL), 0);
    assert_true(span_eq(b.id.spiffe_id, SPAN("spiffe://one.test/by-subject")));
    assert_int_equal(verify(&b, "m3", NULL), ERR_CERT_UNMAPPED);
    // The rule names two.test, whose bundle does not have this CA.
    assert_int_equal(verify(&b, "m4", NULL), ERR_CERT_UNTRUSTED);
    // Whatever looks like a SPIFFE ID is not mapped around.
    assert_int_equal(verify(&b, "m5", NULL), ERR_CERT_SPIFFE_ID);
    bench_fini(&b);
}

// ---- revocation

static void revoked_by_crl_is_refused_at_once_and_later(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    const char *const names[] = { "leaf", NULL };
    certs_crl(&certs, "crl1", "ca", 1, names);
    assert_int_equal(add_crl(&b, "one.test", "crl1"), 0);
    assert_int_equal(recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
    assert_int_equal(verify(&b, "leaf2", NULL), 0);
    // A CRL of another domain's folder says nothing here.
    struct bench other;
    bench_init(&other);
    assert_int_equal(add(&other, "one.test", "ca"), 0);
    assert_int_equal(add_crl(&other, "two.test", "crl1"), 0);
    assert_int_equal(verify(&other, "leaf", NULL), 0);
    bench_fini(&other);
    bench_fini(&b);
}

static void revoked_intermediate_takes_its_workloads_with_it(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "below", "issuing"), 0);
    const char *const names[] = { "issuing", NULL };
    certs_crl(&certs, "crl2", "ca", 1, names);
    assert_int_equal(add_crl(&b, "one.test", "crl2"), 0);
    assert_int_equal(recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(verify(&b, "below", "issuing"), ERR_CERT_REVOKED);
    bench_fini(&b);
}

static void crl_stale_or_missing_fails_closed(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    const char *const none[] = { NULL };
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    b.options.crl_required = true;
    assert_int_equal(verify(&b, "longlived", NULL), ERR_CRL_STALE);
    certs_crl(&certs, "crl3", "ca", 1, none);
    certs_make_with_key(&certs, "ca30", "ca", NULL, "/O=ca", CERTS_CA, 30);
    assert_int_equal(add(&b, "one.test", "ca30"), 0); // the same key, valid for a month
    assert_int_equal(add_crl(&b, "one.test", "crl3"), 0);
    assert_int_equal(verify(&b, "longlived", NULL), 0);
    b.now_s = now + 2 * 86400; // past nextUpdate
    assert_int_equal(verify(&b, "longlived", NULL), ERR_CRL_STALE);
    b.options.crl_max_stale_s = 3 * 86400;
    assert_int_equal(verify(&b, "longlived", NULL), 0);
    assert_int_equal(recheck(&b), 0);
    b.now_s = now + 5 * 86400;
    assert_int_equal(recheck(&b), ERR_CRL_STALE);
    // A CRL that is there and stale refuses, whether one is required or not.
    b.options.crl_required = false;
    assert_int_equal(verify(&b, "longlived", NULL), ERR_CRL_STALE);
    bench_fini(&b);
}

static void crl_forged_under_the_cas_name_is_not_believed(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    const char *const none[] = { NULL };
    certs_make(&certs, "fake", NULL, "/O=ca",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none\n",
               0);
    certs_make(&certs, "nakedca", NULL, "/O=ca",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none\n",
               0);
    certs_make(&certs, "naked", "nakedca", "/O=x", BASIC USAGE NAME, 0);
    certs_make(&certs, "fakes", "fake", "/O=x", BASIC USAGE NAME, 0);
    assert_int_equal(add(&b, "one.test", "nakedca"), 0);
    assert_int_equal(verify(&b, "naked", NULL), 0);
    // Without key identifiers only the signature tells the two apart. A CRL that is there and does not verify is no CRL.
    certs_crl(&certs, "fakecrl", "fake", 1, none);
    assert_int_equal(add_crl(&b, "one.test", "fakecrl"), 0);
    assert_int_equal(verify(&b, "naked", NULL), ERR_CRL_STALE);
    assert_int_equal(verify(&b, "naked", NULL), ERR_CRL_STALE); // the same from memory
    certs_crl(&certs, "truecrl", "nakedca", 1, none);
    assert_int_equal(add_crl(&b, "one.test", "truecrl"), 0);
    assert_int_equal(verify(&b, "naked", NULL), 0);
    bench_fini(&b);
}

static void crl_newest_counts(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    const char *const none[] = { NULL };
    const char *const both[] = { "leaf", "leaf2", NULL };
    certs_crl(&certs, "old", "ca", 1, both);
    struct timespec wait = { 1, 100000000 };
    nanosleep(&wait, NULL);
    certs_crl(&certs, "new", "ca", 1, none);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(add_crl(&b, "one.test", "new"), 0);
    assert_int_equal(add_crl(&b, "one.test", "old"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    bench_fini(&b);
}

static void removal_of_a_ca_works_while_the_bundle_is_still_old(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(add(&b, "one.test", "evil"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    assert_int_equal(keep(&b, "one.test", "evil"), 0); // the file now holds this one only
    assert_int_equal(recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
    assert_int_equal(keep(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    // A bundle file that cannot be read takes nothing away.
    struct bench c;
    bench_init(&c);
    assert_int_equal(add(&c, "one.test", "ca"), 0);
    assert_int_not_equal(pki_revocation_keep_cas(c.revocation, SPAN("one.test"),
                                                 SPAN("-----BEGIN CERTIFICATE-----\nMII"), SPAN("f"), &c.diags),
                         0);
    assert_int_equal(verify(&c, "leaf", NULL), 0);
    bench_fini(&c);
    bench_fini(&b);
}

static void recheck_sees_a_ca_that_left_the_bundle(void **state)
{
    (void)state;
    struct bench b, next;
    bench_init(&b);
    bench_init(&next);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    assert_int_equal(add(&next, "one.test", "evil"), 0);
    assert_int_equal(pki_trust_recheck(next.trust, NULL, &b.options, &b.id, now), ERR_CERT_UNTRUSTED);
    bench_fini(&next);
    bench_fini(&b);
}

static void recheck_sees_expiry(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(add(&b, "one.test", "ca"), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    b.now_s = b.id.not_after;
    assert_int_equal(recheck(&b), b.id.path_not_after < b.id.not_after ? ERR_CERT_EXPIRED : 0);
    b.now_s = b.id.not_after + 1;
    assert_int_equal(recheck(&b), ERR_CERT_EXPIRED);
    bench_fini(&b);
}

// ---- servers and bundles

static void server_by_dns_name_has_it_among_its_sans(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
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
    bench_fini(&b);
}

static void bundle_complaints_have_a_file(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
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
    bench_fini(&b);
}

static void bundle_as_spiffe_jwks(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
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
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    assert_int_equal(pki_revocation_keep_cas(b.revocation, SPAN("one.test"), buf_span(&text), SPAN("f"), &b.diags), 0);
    assert_int_equal(verify(&b, "leaf", NULL), 0);
    buf_fini(&pem), buf_fini(&text);
    bench_fini(&b);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    certs_ca(&certs, "ca");
    certs_ca(&certs, "evil");
    certs_workload(&certs, "leaf", "ca", ID);
    certs_workload(&certs, "leaf2", "ca", ID);
    certs_workload(&certs, "forged", "evil", ID);
    certs_make(&certs, "issuing", "ca", "/O=Issuing", CERTS_CA, 0);
    certs_workload(&certs, "below", "issuing", ID);
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
        cmocka_unit_test(revoked_by_crl_is_refused_at_once_and_later),
        cmocka_unit_test(revoked_intermediate_takes_its_workloads_with_it),
        cmocka_unit_test(crl_stale_or_missing_fails_closed),
        cmocka_unit_test(crl_forged_under_the_cas_name_is_not_believed),
        cmocka_unit_test(crl_newest_counts),
        cmocka_unit_test(removal_of_a_ca_works_while_the_bundle_is_still_old),
        cmocka_unit_test(recheck_sees_a_ca_that_left_the_bundle),
        cmocka_unit_test(recheck_sees_expiry),
        cmocka_unit_test(server_by_dns_name_has_it_among_its_sans),
        cmocka_unit_test(bundle_complaints_have_a_file),
        cmocka_unit_test(bundle_as_spiffe_jwks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
