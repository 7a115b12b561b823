// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/pki/ca_fixture.h"

#include "gateway/base/file.h"
#include "pki/pem.h"
#include "pki/trust.h"

#include <sys/stat.h>

// ---- helpers

static unsigned mode_of(const struct place *p, const char *name)
{
    struct stat st;
    char path[400];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    assert_int_equal(0, stat(path, &st));
    return st.st_mode & 07777;
}

// What the gateway itself says of a certificate of this CA.
static int gateway_says(struct pki_ca *ca, const struct place *p, struct span leaf, bool with_crl,
                        struct pki_identity *id, struct arena *arena)
{
    struct buf bundle, crls, issuing = issuing_der(p);
    struct pki_trust *trust = pki_trust_new();
    struct pki_revocation *revocation = pki_revocation_new();
    struct pki_verify_options options = { .crl_required = with_crl };
    struct span intermediate = buf_span(&issuing);
    struct diags diags;
    diags_init(&diags);
    buf_init(&bundle, 0);
    buf_init(&crls, 0);
    assert_int_equal(0, pki_ca_bundle_pem(ca, &bundle));
    assert_int_equal(0, pki_trust_add_pem(trust, SPAN("example.org"), buf_span(&bundle), SPAN("bundle.pem"), &diags));
    if (with_crl) {
        assert_int_equal(0, pki_ca_crl_pem(ca, PKI_CA_ROOT | PKI_CA_ISSUING, NOW, &crls));
        assert_int_equal(
            0, pki_revocation_add_crl(revocation, SPAN("example.org"), buf_span(&crls), SPAN("crl.pem"), &diags));
    }
    int rc = pki_trust_verify(trust, with_crl ? revocation : NULL, &options, leaf, &intermediate, 1, NOW, arena, id);
    assert_int_equal(0, diags.errors);
    pki_revocation_free(revocation);
    pki_trust_free(trust);
    diags_fini(&diags);
    buf_fini(&issuing);
    buf_fini(&crls);
    buf_fini(&bundle);
    return rc;
}

// ---- init

static void folder_is_0700_and_keys_are_0600(void **state)
{
    struct place p;
    (void)state;
    pki_ca_close(new_ca(&p));
    assert_int_equal(0700, mode_of(&p, "."));
    assert_int_equal(0700, mode_of(&p, "root"));
    assert_int_equal(0700, mode_of(&p, "issuing"));
    assert_int_equal(0600, mode_of(&p, "root/key.pem"));
    assert_int_equal(0600, mode_of(&p, "issuing/key.pem"));
    assert_int_equal(0600, mode_of(&p, "ca.db"));
    place_fini(&p);
}

static void existing_ca_is_not_touched(void **state)
{
    struct place p;
    (void)state;
    pki_ca_close(new_ca(&p));
    struct buf before = file_of(&p, "root/key.pem");
    struct pki_ca_init init = plain_init(&p);
    assert_int_equal(ERR_STORE_EXISTS, pki_ca_init(&init, p.what, sizeof p.what));
    assert_non_null(strstr(p.what, "holds a CA already"));
    struct buf after = file_of(&p, "root/key.pem");
    assert_true(span_eq(buf_span(&before), buf_span(&after)));
    buf_fini(&before);
    buf_fini(&after);
    place_fini(&p);
}

static void folder_with_other_files_is_refused_and_an_empty_one_is_used(void **state)
{
    struct place p;
    char path[400];
    (void)state;
    place_init(&p);
    struct pki_ca_init init = plain_init(&p);
    assert_int_equal(0, mkdir(p.dir, 0755));
    snprintf(path, sizeof path, "%s/notes", p.dir);
    assert_int_equal(0, file_write(path, SPAN("mine"), 0644));
    assert_int_equal(ERR_STORE_EXISTS, pki_ca_init(&init, p.what, sizeof p.what));
    assert_int_equal(0, unlink(path));
    assert_int_equal(0, pki_ca_init(&init, p.what, sizeof p.what));
    assert_int_equal(0700, mode_of(&p, "."));
    place_fini(&p);
}

static void failed_init_leaves_nothing(void **state)
{
    struct place p;
    (void)state;
    place_init(&p);
    struct pki_ca_init init = plain_init(&p);
    init.trust_domain = SPAN("Example.ORG");
    assert_int_equal(ERR_CA_REFUSED, pki_ca_init(&init, p.what, sizeof p.what));
    init = plain_init(&p);
    init.root_ttl = DAY;
    init.issuing_ttl = 2 * DAY;
    assert_int_equal(ERR_CA_REFUSED, pki_ca_init(&init, p.what, sizeof p.what));
    assert_int_equal(0, rmdir(p.top)); // so it is empty
}

static void keys_are_encrypted_with_the_passphrase(void **state)
{
    struct place p;
    (void)state;
    place_init(&p);
    struct pki_ca_init init = plain_init(&p);
    init.passphrase = SPAN("correct horse");
    assert_int_equal(0, pki_ca_init(&init, p.what, sizeof p.what));
    struct buf key = file_of(&p, "issuing/key.pem");
    assert_true(span_starts(buf_span(&key), SPAN("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
    buf_fini(&key);
    struct pki_ca *ca = open_ca(&p, 1000);
    bool encrypted = false;
    assert_int_equal(0, pki_ca_key_encrypted(ca, PKI_CA_ROOT, NULL, &encrypted));
    assert_true(encrypted);
    assert_int_equal(ERR_CERT_MALFORMED, pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN("wrong horse"), NOW));
    assert_int_equal(ERR_CERT_MALFORMED, pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN_NONE, NOW));
    assert_null(strstr(pki_ca_what(ca), "horse"));
    assert_int_equal(0, pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN("correct horse"), NOW));
    pki_ca_close(ca);
    place_fini(&p);
}

static void key_of_another_ca_does_not_unlock(void **state)
{
    struct place p;
    char path[400];
    (void)state;
    pki_ca_close(new_ca(&p));
    struct pki_ca *ca = open_ca(&p, 1000);
    snprintf(path, sizeof path, "%s/root/key.pem", p.dir);
    assert_int_equal(ERR_CERT_MALFORMED, pki_ca_unlock(ca, PKI_CA_ISSUING, path, SPAN_NONE, NOW));
    pki_ca_close(ca);
    place_fini(&p);
}

static void root_can_be_kept_elsewhere(void **state)
{
    struct place p;
    char from[400], to[400];
    bool due;
    int64_t next;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    snprintf(from, sizeof from, "%s/root/key.pem", p.dir);
    snprintf(to, sizeof to, "%s/offline.pem", p.top);
    assert_int_equal(0, rename(from, to));
    struct buf crls, der;
    struct pki_ca_issued issued;
    buf_init(&crls, 0);
    buf_init(&der, 0);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    assert_int_equal(0, pki_ca_crl_pem(ca, PKI_CA_ROOT | PKI_CA_ISSUING, NOW, &crls)); // the root's is from init
    assert_int_equal(ERR_STORE_ABSENT, pki_ca_unlock(ca, PKI_CA_ROOT, NULL, SPAN_NONE, NOW));
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 44 * DAY, &due, &next));
    assert_false(due);
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 46 * DAY, &due, &next));
    assert_true(due);
    assert_int_equal(0, pki_ca_unlock(ca, PKI_CA_ROOT, to, SPAN_NONE, NOW));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ROOT, 90 * DAY, NOW + 46 * DAY));
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 46 * DAY, &due, &next));
    assert_false(due);
    assert_int_equal(NOW + 136 * DAY, next);
    buf_fini(&der);
    buf_fini(&crls);
    pki_ca_close(ca);
    place_fini(&p);
}

// ---- issuing

static void gateway_accepts_what_the_ca_issues(void **state)
{
    struct place p;
    struct arena arena;
    struct pki_identity id;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    arena_init(&arena, 0);
    buf_init(&der, 0);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/rag/retriever"), &der, &issued));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    assert_int_equal(0, gateway_says(ca, &p, buf_span(&der), true, &id, &arena));
    assert_true(span_eq(id.spiffe_id, SPAN("spiffe://example.org/rag/retriever")));
    assert_true(span_eq(id.serial, span_str(issued.serial)));
    assert_int_equal(issued.not_after, id.not_after);
    buf_fini(&der);
    arena_fini(&arena);
    pki_ca_close(ca);
    place_fini(&p);
}

static void every_kind_of_key_gets_a_certificate_that_the_gateway_accepts(void **state)
{
    static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_P521, PKI_KEY_ED25519, PKI_KEY_RSA };
    struct place p;
    struct arena arena;
    struct pki_identity id;
    struct pki_ca_issued issued;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct pki_key *key = pki_key_generate(types[i], types[i] == PKI_KEY_RSA ? 2048 : 0);
        struct pki_ca_request request = request_for(SPAN("spiffe://example.org/w"), key);
        struct buf der;
        buf_init(&der, 0);
        assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
        assert_int_equal(0, gateway_says(ca, &p, buf_span(&der), false, &id, &arena));
        buf_fini(&der);
        pki_key_free(key);
    }
    arena_fini(&arena);
    pki_ca_close(ca);
    place_fini(&p);
}

static void revoked_certificate_is_refused_by_the_gateway(void **state)
{
    struct place p;
    struct arena arena;
    struct pki_identity id;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    arena_init(&arena, 0);
    buf_init(&der, 0);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    struct span serial = span_str(issued.serial);
    assert_int_equal(0, pki_ca_revoke(ca, &serial, 1, 1, NOW));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    assert_int_equal(ERR_CERT_REVOKED, gateway_says(ca, &p, buf_span(&der), true, &id, &arena));
    assert_int_equal(ERR_STORE_EXISTS, pki_ca_revoke(ca, &serial, 1, 1, NOW));
    struct span unknown = SPAN("1234");
    assert_int_equal(ERR_STORE_ABSENT, pki_ca_revoke(ca, &unknown, 1, 1, NOW));
    buf_fini(&der);
    arena_fini(&arena);
    pki_ca_close(ca);
    place_fini(&p);
}

static void revoking_several_is_all_or_nothing(void **state)
{
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    buf_init(&der, 0);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    struct span serials[] = { span_str(issued.serial), SPAN("1234") };
    assert_int_equal(ERR_STORE_ABSENT, pki_ca_revoke(ca, serials, 2, 0, NOW));
    assert_int_equal(0, count(ca, PKI_CA_REVOKED));
    buf_fini(&der);
    pki_ca_close(ca);
    place_fini(&p);
}

static void names_outside_the_trust_domain_are_refused(void **state)
{
    static const struct span bad[] = {
        SPAN("spiffe://other.org/a"),
        SPAN("spiffe://example.org"),
        SPAN("spiffe://example.org/"),
        SPAN("spiffe://example.org/a/../b"),
        SPAN("spiffe://sub.example.org/a"),
        SPAN("https://example.org/a"),
        SPAN("SPIFFE://example.org/a"),
        SPAN("spiffe://example.org/a%20b"),
        SPAN("spiffe://example.org/a\nspiffe://example.org/b"),
        SPAN(""),
    };
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    buf_init(&der, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ERR_CA_REFUSED, issue_to(ca, bad[i], &der, &issued));
    }
    assert_int_equal(0, buf_len(&der));
    assert_int_equal(1, count(ca, PKI_CA_ALL)); // the issuing CA
    buf_fini(&der);
    pki_ca_close(ca);
    place_fini(&p);
}

static void bad_dns_names_are_refused(void **state)
{
    static const struct span bad[] = { SPAN(""),         SPAN("*.example.org"), SPAN("Example.org"),
                                       SPAN("a..b"),     SPAN("-a.example"),    SPAN("a b"),
                                       SPAN("10.0.0.1"), SPAN("a\nb"),          SPAN("example.org."),
                                       SPAN("a/b") };
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(SPAN("spiffe://example.org/a"), key);
    buf_init(&der, 0);
    request.n_dns = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request.dns = &bad[i];
        assert_int_equal(ERR_CA_REFUSED, pki_ca_issue(ca, &request, &der, &issued));
    }
    request.dns = &SPAN("gateway_1.vectors.svc.cluster.local");
    assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
    buf_fini(&der);
    pki_key_free(key);
    pki_ca_close(ca);
    place_fini(&p);
}

static void dns_names_outside_the_zones_are_refused(void **state)
{
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    struct arena arena;
    struct pki_identity id;
    (void)state;
    place_init(&p);
    struct pki_ca_init init = plain_init(&p);
    init.dns_zones = &SPAN("svc.cluster.local");
    init.n_dns_zones = 1;
    assert_int_equal(0, pki_ca_init(&init, p.what, sizeof p.what));
    struct pki_ca *ca = open_unlocked(&p, 1000);
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(SPAN("spiffe://example.org/a"), key);
    buf_init(&der, 0);
    arena_init(&arena, 0);
    request.n_dns = 1;
    request.dns = &SPAN("evilsvc.cluster.local");
    assert_int_equal(ERR_CA_REFUSED, pki_ca_issue(ca, &request, &der, &issued));
    request.dns = &SPAN("gw.svc.cluster.local");
    assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
    assert_int_equal(0, gateway_says(ca, &p, buf_span(&der), false, &id, &arena));
    arena_fini(&arena);
    buf_fini(&der);
    pki_key_free(key);
    pki_ca_close(ca);
    place_fini(&p);
}

static void certificate_never_outlives_the_issuing_ca(void **state)
{
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(SPAN("spiffe://example.org/a"), key);
    buf_init(&der, 0);
    request.ttl = INT64_MAX;
    assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
    assert_true(issued.shortened);
    assert_int_equal(NOW + PKI_CA_ISSUING_TTL, issued.not_after);
    request.ttl = DAY;
    request.now_s = NOW + PKI_CA_ISSUING_TTL - PKI_CA_TTL_MIN / 2;
    assert_int_equal(ERR_CA_REFUSED, pki_ca_issue(ca, &request, &der, &issued));
    assert_non_null(strstr(pki_ca_what(ca), "renew --issuing"));
    request.now_s = NOW;
    request.ttl = PKI_CA_TTL_MIN - 1;
    assert_int_equal(ERR_CA_REFUSED, pki_ca_issue(ca, &request, &der, &issued));
    buf_fini(&der);
    pki_key_free(key);
    pki_ca_close(ca);
    place_fini(&p);
}

static void dates_are_exact_to_the_second(void **state)
{
    struct place p;
    struct pki_ca_issued issued;
    struct pki_x509_view view;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(SPAN("spiffe://example.org/a"), key);
    buf_init(&der, 0);
    // Just after the CA was made, its own notBefore is the limit; a day later it is the backdating.
    assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
    assert_int_equal(0, pki_x509_view(buf_span(&der), &view));
    assert_int_equal(NOW - PKI_CA_BACKDATE, view.not_before);
    assert_int_equal(NOW + DAY, view.not_after);
    buf_clear(&der);
    request.now_s = NOW + DAY + 7;
    assert_int_equal(0, pki_ca_issue(ca, &request, &der, &issued));
    assert_int_equal(0, pki_x509_view(buf_span(&der), &view));
    assert_int_equal(NOW + DAY + 7 - PKI_CA_BACKDATE, view.not_before);
    assert_int_equal(NOW + 2 * DAY + 7, view.not_after);
    buf_fini(&der);
    pki_key_free(key);
    pki_ca_close(ca);
    place_fini(&p);
}

static void new_issuing_ca_signs_and_the_old_one_still_counts(void **state)
{
    struct place p;
    struct arena arena;
    struct pki_identity id;
    struct pki_ca_issued issued;
    struct buf old, fresh, crls;
    size_t blocks = 0;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    arena_init(&arena, 0);
    buf_init(&old, 0);
    buf_init(&fresh, 0);
    buf_init(&crls, 0);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &old, &issued));
    assert_int_equal(ERR_INTERNAL, pki_ca_renew_issuing(ca, 100 * DAY, SPAN_NONE, NOW)); // the root is locked
    assert_int_equal(0, pki_ca_unlock(ca, PKI_CA_ROOT, NULL, SPAN_NONE, NOW));
    assert_int_equal(0, pki_ca_renew_issuing(ca, 100 * DAY, SPAN_NONE, NOW));
    struct span serial = span_str(issued.serial);
    assert_int_equal(0, pki_ca_revoke(ca, &serial, 1, 0, NOW));
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &fresh, &issued));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    // The old certificate's revocation is on the old issuer's CRL, not lost with it.
    assert_int_equal(ERR_CERT_REVOKED, gateway_says(ca, &p, buf_span(&old), true, &id, &arena));
    assert_int_equal(0, pki_ca_crl_pem(ca, PKI_CA_ROOT | PKI_CA_ISSUING, NOW, &crls));
    struct buf der;
    struct span rest = buf_span(&crls), label;
    buf_init(&der, 0);
    while (pki_pem_next(&rest, &label, &der) == 1) {
        blocks++;
    }
    assert_int_equal(3, blocks);
    pki_ca_close(ca);
    ca = open_unlocked(&p, 1000); // both keys are found again
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    buf_fini(&der);
    buf_fini(&crls);
    buf_fini(&old);
    buf_fini(&fresh);
    arena_fini(&arena);
    pki_ca_close(ca);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_is_0700_and_keys_are_0600),
        cmocka_unit_test(existing_ca_is_not_touched),
        cmocka_unit_test(folder_with_other_files_is_refused_and_an_empty_one_is_used),
        cmocka_unit_test(failed_init_leaves_nothing),
        cmocka_unit_test(keys_are_encrypted_with_the_passphrase),
        cmocka_unit_test(key_of_another_ca_does_not_unlock),
        cmocka_unit_test(root_can_be_kept_elsewhere),
        cmocka_unit_test(gateway_accepts_what_the_ca_issues),
        cmocka_unit_test(every_kind_of_key_gets_a_certificate_that_the_gateway_accepts),
        cmocka_unit_test(revoked_certificate_is_refused_by_the_gateway),
        cmocka_unit_test(revoking_several_is_all_or_nothing),
        cmocka_unit_test(names_outside_the_trust_domain_are_refused),
        cmocka_unit_test(bad_dns_names_are_refused),
        cmocka_unit_test(dns_names_outside_the_zones_are_refused),
        cmocka_unit_test(certificate_never_outlives_the_issuing_ca),
        cmocka_unit_test(dates_are_exact_to_the_second),
        cmocka_unit_test(new_issuing_ca_signs_and_the_old_one_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
