// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/pki/ca_fixture.h"

#include "gateway/base/json.h"
#include "pki/crl_make.h"
#include "pki/der.h"
#include "pki/trust.h"

// The number in the CRL's own extension.
static uint64_t number_in(struct span crl)
{
    const char *at = memmem(crl.p, crl.n, "\x06\x03\x55\x1d\x14\x04", 6);
    assert_non_null(at);
    struct span rest = span_of(at + 5, (size_t)(crl.p + crl.n - at - 5)), octets, v;
    assert_true(pki_der_take(&rest, PKI_DER_OCTET_STRING, &octets));
    assert_true(pki_der_take(&octets, PKI_DER_INTEGER, &v));
    assert_int_equal(1, v.n);
    return (unsigned char)v.p[0];
}

static void crl_number_grows_by_one(void **state)
{
    struct place p;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    for (uint64_t i = 1; i <= 5; i++) {
        struct buf der;
        buf_init(&der, 0);
        assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
        assert_int_equal(0, pki_ca_crl_der(ca, PKI_CA_ISSUING, &der));
        assert_int_equal(i, number_in(buf_span(&der)));
        buf_fini(&der);
    }
    assert_int_equal(ERR_CA_REFUSED, pki_ca_sign_crl(ca, PKI_CA_ISSUING, 5, NOW));
    pki_ca_close(ca);
    place_fini(&p);
}

static void crl_number_is_not_shared_by_two_that_sign_at_once(void **state)
{
    struct place p;
    struct buf der;
    (void)state;
    struct pki_ca *one = new_ca(&p), *two = open_unlocked(&p, 10000);
    buf_init(&der, 0);
    assert_int_equal(0, pki_ca_sign_crl(one, PKI_CA_ISSUING, DAY, NOW));
    assert_int_equal(0, pki_ca_sign_crl(two, PKI_CA_ISSUING, DAY, NOW)); // knew nothing of the first
    assert_int_equal(0, pki_ca_crl_der(one, PKI_CA_ISSUING, &der));
    assert_int_equal(2, number_in(buf_span(&der)));
    buf_fini(&der);
    pki_ca_close(one);
    pki_ca_close(two);
    place_fini(&p);
}

static size_t crl_size(struct pki_ca *ca, int64_t now_s)
{
    struct buf der;
    buf_init(&der, 0);
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, now_s));
    assert_int_equal(0, pki_ca_crl_der(ca, PKI_CA_ISSUING, &der));
    size_t n = buf_len(&der);
    buf_fini(&der);
    return n;
}

static void expired_revocations_leave_the_crl_after_a_week(void **state)
{
    struct place p;
    struct pki_ca_issued issued;
    struct buf der;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    buf_init(&der, 0);
    size_t empty = crl_size(ca, NOW);
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    struct span serial = span_str(issued.serial);
    assert_int_equal(0, pki_ca_revoke(ca, &serial, 1, 1, NOW));
    assert_true(crl_size(ca, NOW) > empty + 30);
    assert_true(crl_size(ca, issued.not_after + PKI_CA_CRL_KEEP) > empty + 30);
    assert_true(crl_size(ca, issued.not_after + PKI_CA_CRL_KEEP + 1) < empty + 10);
    buf_fini(&der);
    pki_ca_close(ca);
    place_fini(&p);
}

static void revoking_the_issuing_ca_makes_the_root_crl_due(void **state)
{
    struct place p;
    struct buf der;
    struct pki_x509_view view;
    char hex[2 * PKI_SERIAL + 1];
    bool due = true;
    int64_t next;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    der = issuing_der(&p);
    assert_int_equal(0, pki_x509_view(buf_span(&der), &view));
    for (size_t i = 0; i < view.serial.n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)view.serial.p[i]);
    }
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 1, &due, &next));
    assert_false(due);
    struct span serial = span_str(hex);
    assert_int_equal(0, pki_ca_revoke(ca, &serial, 1, 2, NOW + 1));
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 2, &due, &next));
    assert_true(due);
    assert_int_equal(0, pki_ca_unlock(ca, PKI_CA_ROOT, NULL, SPAN_NONE, NOW));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ROOT, 90 * DAY, NOW + 2));
    assert_int_equal(0, pki_ca_root_crl_due(ca, NOW + 3, &due, &next));
    assert_false(due);
    buf_fini(&der);
    pki_ca_close(ca);
    place_fini(&p);
}

static void bundle_jwks_is_read_by_the_gateway(void **state)
{
    struct place p;
    struct buf jwks;
    struct diags diags;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_trust *trust = pki_trust_new();
    diags_init(&diags);
    buf_init(&jwks, 0);
    assert_int_equal(0, pki_ca_bundle_jwks(ca, 300, &jwks));
    assert_int_equal(0, pki_trust_add_jwks(trust, SPAN("example.org"), buf_span(&jwks), SPAN("bundle.json"), &diags));
    assert_int_equal(0, diags.errors);
    struct json_doc *doc = json_parse(buf_span(&jwks), NULL, NULL);
    assert_non_null(doc);
    json root = json_root(doc), key = json_at(json_get(root, SPAN("keys")), 0);
    int64_t n = 0;
    assert_true(json_i64(json_get(root, SPAN("spiffe_sequence")), &n));
    assert_int_equal(1, n);
    assert_true(json_i64(json_get(root, SPAN("spiffe_refresh_hint")), &n));
    assert_int_equal(300, n);
    assert_true(span_eq(json_string(json_get(key, SPAN("use"))), SPAN("x509-svid")));
    assert_int_equal(1, json_count(json_get(key, SPAN("x5c"))));
    assert_null(json_get(key, SPAN("d")));
    json_free(doc);
    buf_fini(&jwks);
    diags_fini(&diags);
    pki_trust_free(trust);
    pki_ca_close(ca);
    place_fini(&p);
}

static void reasons_are_read_in_both_spellings(void **state)
{
    (void)state;
    assert_int_equal(1, pki_crl_reason_parse(SPAN("keyCompromise")));
    assert_int_equal(1, pki_crl_reason_parse(SPAN("key-compromise")));
    assert_int_equal(9, pki_crl_reason_parse(SPAN("privilegeWithdrawn")));
    assert_int_equal(-1, pki_crl_reason_parse(SPAN("certificateHold")));
    assert_int_equal(-1, pki_crl_reason_parse(SPAN("key")));
    assert_int_equal(-1, pki_crl_reason_parse(SPAN("")));
    for (size_t i = 0; pki_crl_reasons[i]; i++) {
        assert_string_equal(pki_crl_reasons[i],
                            pki_crl_reason_name(pki_crl_reason_parse(span_str(pki_crl_reasons[i]))));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crl_number_grows_by_one),
        cmocka_unit_test(crl_number_is_not_shared_by_two_that_sign_at_once),
        cmocka_unit_test(expired_revocations_leave_the_crl_after_a_week),
        cmocka_unit_test(revoking_the_issuing_ca_makes_the_root_crl_due),
        cmocka_unit_test(bundle_jwks_is_read_by_the_gateway),
        cmocka_unit_test(reasons_are_read_in_both_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
