// SPDX-License-Identifier: GPL-3.0-or-later
// CRLs, removals of CAs, and the look at every request.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "pki/crl.h"
#include "pki/pem.h"
#include "tests/support/trust_bench.h"

#define ID TRUST_BENCH_ID

#define BASIC "basicConstraints=critical,CA:FALSE\n"
#define USAGE "keyUsage=critical,digitalSignature\n"
#define NAME "subjectAltName=URI:" ID "\n"

static struct certs certs;
static int64_t now;

static void revoked_by_crl_is_refused_at_once_and_later(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    const char *const names[] = { "leaf", NULL };
    certs_crl(&certs, "crl1", "ca", 1, names);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "crl1"), 0);
    assert_int_equal(trust_bench_recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_verify(&b, "leaf2", NULL), 0);
    // A CRL of another domain's folder says nothing here.
    struct trust_bench other;
    trust_bench_init(&other, &certs, now);
    assert_int_equal(trust_bench_add(&other, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add_crl(&other, "two.test", "crl1"), 0);
    assert_int_equal(trust_bench_verify(&other, "leaf", NULL), 0);
    trust_bench_fini(&other);
    trust_bench_fini(&b);
}

static void revoked_intermediate_takes_its_workloads_with_it(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "below", "issuing"), 0);
    const char *const names[] = { "issuing", NULL };
    certs_crl(&certs, "crl2", "ca", 1, names);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "crl2"), 0);
    assert_int_equal(trust_bench_recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_verify(&b, "below", "issuing"), ERR_CERT_REVOKED);
    trust_bench_fini(&b);
}

static void crl_stale_or_missing_fails_closed(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    certs_make(&certs, "longlived", "ca", "/O=x", CERTS_LEAF CERTS_URI(ID), 30);
    const char *const none[] = { NULL };
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    b.options.crl_required = true;
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), ERR_CRL_STALE);
    certs_crl(&certs, "crl3", "ca", 1, none);
    certs_make_with_key(&certs, "ca30", "ca", NULL, "/O=ca", CERTS_CA, 30);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca30"), 0); // the same key, valid for a month
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "crl3"), 0);
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), 0);
    b.now_s = now + 2 * 86400; // past nextUpdate
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), ERR_CRL_STALE);
    b.options.crl_max_stale_s = 3 * 86400;
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), 0);
    assert_int_equal(trust_bench_recheck(&b), 0);
    b.now_s = now + 5 * 86400;
    assert_int_equal(trust_bench_recheck(&b), ERR_CRL_STALE);
    // A CRL that is there and stale refuses, whether one is required or not.
    b.options.crl_required = false;
    assert_int_equal(trust_bench_verify(&b, "longlived", NULL), ERR_CRL_STALE);
    trust_bench_fini(&b);
}

static void crl_forged_under_the_cas_name_is_not_believed(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    const char *const none[] = { NULL };
    certs_make(&certs, "fake", NULL, "/O=ca",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none\n",
               0);
    certs_make(&certs, "nakedca", NULL, "/O=ca",
               "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none\n",
               0);
    certs_make(&certs, "naked", "nakedca", "/O=x", BASIC USAGE NAME, 0);
    certs_make(&certs, "fakes", "fake", "/O=x", BASIC USAGE NAME, 0);
    assert_int_equal(trust_bench_add(&b, "one.test", "nakedca"), 0);
    assert_int_equal(trust_bench_verify(&b, "naked", NULL), 0);
    // Without key identifiers only the signature tells the two apart. A CRL that is there and does not verify is no CRL.
    certs_crl(&certs, "fakecrl", "fake", 1, none);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "fakecrl"), 0);
    assert_int_equal(trust_bench_verify(&b, "naked", NULL), ERR_CRL_STALE);
    assert_int_equal(trust_bench_verify(&b, "naked", NULL), ERR_CRL_STALE); // the same from memory
    certs_crl(&certs, "truecrl", "nakedca", 1, none);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "truecrl"), 0);
    assert_int_equal(trust_bench_verify(&b, "naked", NULL), 0);
    trust_bench_fini(&b);
}

static void crl_newest_counts(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    const char *const none[] = { NULL };
    const char *const both[] = { "leaf", "leaf2", NULL };
    certs_crl(&certs, "old", "ca", 1, both);
    struct timespec wait = { 1, 100000000 };
    nanosleep(&wait, NULL);
    certs_crl(&certs, "new", "ca", 1, none);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "new"), 0);
    assert_int_equal(trust_bench_add_crl(&b, "one.test", "old"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    trust_bench_fini(&b);
}

static int64_t this_update(const char *name)
{
    struct arena arena;
    struct pki_crl crl;
    struct span label;
    struct buf pem = certs_read_crl(&certs, name), der;
    struct span rest = buf_span(&pem);
    arena_init(&arena, 0);
    buf_init(&der, 0);
    assert_int_equal(pki_pem_next(&rest, &label, &der), 1);
    assert_int_equal(pki_crl_parse(buf_span(&der), &arena, &crl, NULL), 0);
    buf_fini(&pem);
    buf_fini(&der);
    arena_fini(&arena);
    return crl.this_update;
}

// Two revocations in one second: thisUpdate does not say which list is the later one.
static void crls_of_the_same_second_count_together(void **state)
{
    (void)state;
    const char *const none[] = { NULL }, *const one[] = { "leaf", NULL };
    int tries = 0;
    do {
        assert_true(tries++ < 20);
        certs_crl(&certs, "empty", "ca", 1, none);
        certs_crl(&certs, "full", "ca", 1, one);
    } while (this_update("empty") != this_update("full"));
    for (int order = 0; order < 2; order++) {
        struct trust_bench b;
        trust_bench_init(&b, &certs, now);
        assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
        assert_int_equal(trust_bench_add_crl(&b, "one.test", order ? "full" : "empty"), 0);
        assert_int_equal(trust_bench_add_crl(&b, "one.test", order ? "empty" : "full"), 0);
        assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
        assert_int_equal(trust_bench_verify(&b, "leaf2", NULL), 0);
        trust_bench_fini(&b);
    }
}

static void removal_of_a_ca_works_while_the_bundle_is_still_old(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add(&b, "one.test", "evil"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    assert_int_equal(trust_bench_keep(&b, "one.test", "evil"), 0); // the file now holds this one only
    assert_int_equal(trust_bench_recheck(&b), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_keep(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    // A bundle file that cannot be read takes nothing away.
    struct trust_bench c;
    trust_bench_init(&c, &certs, now);
    assert_int_equal(trust_bench_add(&c, "one.test", "ca"), 0);
    assert_int_not_equal(pki_revocation_keep_cas(c.revocation, SPAN("one.test"),
                                                 SPAN("-----BEGIN CERTIFICATE-----\nMII"), SPAN("f"), &c.diags),
                         0);
    assert_int_equal(trust_bench_verify(&c, "leaf", NULL), 0);
    trust_bench_fini(&c);
    trust_bench_fini(&b);
}

// A bundle file that went bad counts as it was: the caller gives its last good text, and what that had removed stays removed.
static void removal_of_a_ca_survives_a_file_gone_bad(void **state)
{
    (void)state;
    struct trust_bench b;
    struct buf evil = certs_pem(&certs, "evil");
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_add(&b, "one.test", "evil"), 0);
    assert_int_not_equal(pki_revocation_keep_cas(b.revocation, SPAN("one.test"), SPAN("bad"), SPAN("f"), &b.diags), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0); // nothing is removed by what cannot be read
    struct span last_good = buf_span(&evil);
    assert_int_equal(pki_revocation_keep_cas(b.revocation, SPAN("one.test"), last_good, SPAN("f"), &b.diags), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), ERR_CERT_REVOKED);
    assert_int_equal(trust_bench_verify(&b, "forged", NULL), 0);
    // Of two files, one that is not known at all leaves every CA alone.
    assert_int_not_equal(pki_revocation_keep_cas(b.revocation, SPAN("one.test"), SPAN("bad"), SPAN("g"), &b.diags), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    buf_fini(&evil);
    trust_bench_fini(&b);
}

static void recheck_sees_a_ca_that_left_the_bundle(void **state)
{
    (void)state;
    struct trust_bench b, next;
    trust_bench_init(&b, &certs, now);
    trust_bench_init(&next, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    assert_int_equal(trust_bench_add(&next, "one.test", "evil"), 0);
    assert_int_equal(pki_trust_recheck(next.trust, NULL, &b.options, &b.id, now), ERR_CERT_UNTRUSTED);
    trust_bench_fini(&next);
    trust_bench_fini(&b);
}

static void recheck_sees_expiry(void **state)
{
    (void)state;
    struct trust_bench b;
    trust_bench_init(&b, &certs, now);
    assert_int_equal(trust_bench_add(&b, "one.test", "ca"), 0);
    assert_int_equal(trust_bench_verify(&b, "leaf", NULL), 0);
    b.now_s = b.id.not_after;
    assert_int_equal(trust_bench_recheck(&b), b.id.path_not_after < b.id.not_after ? ERR_CERT_EXPIRED : 0);
    b.now_s = b.id.not_after + 1;
    assert_int_equal(trust_bench_recheck(&b), ERR_CERT_EXPIRED);
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
        cmocka_unit_test(revoked_by_crl_is_refused_at_once_and_later),
        cmocka_unit_test(revoked_intermediate_takes_its_workloads_with_it),
        cmocka_unit_test(crl_stale_or_missing_fails_closed),
        cmocka_unit_test(crl_forged_under_the_cas_name_is_not_believed),
        cmocka_unit_test(crl_newest_counts),
        cmocka_unit_test(crls_of_the_same_second_count_together),
        cmocka_unit_test(removal_of_a_ca_works_while_the_bundle_is_still_old),
        cmocka_unit_test(removal_of_a_ca_survives_a_file_gone_bad),
        cmocka_unit_test(recheck_sees_a_ca_that_left_the_bundle),
        cmocka_unit_test(recheck_sees_expiry),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
