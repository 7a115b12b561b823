// SPDX-License-Identifier: GPL-3.0-or-later
// A CA whose keys are in a PKCS#11 token, SoftHSM here: what it leaves on the disk, what it leaves in the token, what it refuses.
#include "ca_fixture.h"
#include "pki/hsm.h"
#include "tests/support/softhsm.h"

static struct softhsm hsm;
static bool installed;

static int make_token(void **state)
{
    (void)state;
    installed = softhsm_init(&hsm);
    if (!installed) {
        print_message("SoftHSM is not installed; deploy/deps --tests installs it\n");
    }
    return 0;
}

static int remove_token(void **state)
{
    (void)state;
    softhsm_fini(&hsm);
    return 0;
}

static void need_softhsm(void)
{
    if (!installed) {
        skip();
    }
}

// Files in the token's folder: one for each object, and what the token itself has.
static size_t counted;
static int count_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    counted += type == FTW_F && strstr(path, ".object") != NULL;
    return 0;
}

static size_t objects(void)
{
    counted = 0;
    nftw(hsm.folder, count_entry, 8, FTW_PHYS);
    return counted;
}

static bool there(const struct place *p, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    return access(path, F_OK) == 0;
}

static void unlock(struct pki_ca *ca, enum pki_ca_kind kind)
{
    bool encrypted = true;
    assert_int_equal(pki_ca_key_encrypted(ca, kind, NULL, &encrypted), 0);
    assert_false(encrypted);
    if (pki_ca_unlock(ca, kind, NULL, SPAN_NONE, NOW) != 0) {
        fail_msg("%s", pki_ca_what(ca));
    }
}

static int issue(struct pki_ca *ca, struct buf *der)
{
    struct pki_ca_issued issued;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    int rc = pki_ca_issue(
        ca,
        &(struct pki_ca_request){ .spiffe_id = SPAN("spiffe://example.org/a"), .ttl = DAY, .key = key, .now_s = NOW },
        der, &issued);
    pki_key_free(key);
    return rc;
}

static void no_private_key_is_on_the_disk_and_every_signature_is_made(void **state)
{
    (void)state;
    need_softhsm();
    struct place p;
    struct buf leaf;
    place_init(&p);
    char *uri = softhsm_uri(&hsm, NULL);
    struct pki_ca_init o = plain_init(&p);
    o.root_token = o.issuing_token = span_str(uri);
    if (pki_ca_init(&o, p.what, sizeof p.what) != 0) {
        fail_msg("%s", p.what);
    }
    assert_false(there(&p, "root/key.pem"));
    assert_false(there(&p, "issuing/key.pem"));
    assert_true(there(&p, "root/cert.pem"));
    assert_true(there(&p, "issuing/cert.pem"));
    struct pki_ca *ca = open_ca(&p, 0);
    buf_init(&leaf, 0);
    assert_int_equal(issue(ca, &leaf), ERR_INTERNAL); // locked
    unlock(ca, PKI_CA_ISSUING);
    unlock(ca, PKI_CA_ROOT);
    assert_int_equal(issue(ca, &leaf), 0);
    assert_int_equal(pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW), 0);
    assert_int_equal(pki_ca_sign_crl(ca, PKI_CA_ROOT, DAY, NOW), 0);

    // A new issuing CA: another key in the token, and both still sign.
    size_t before = objects();
    if (pki_ca_renew_issuing(ca, 100 * DAY, SPAN_NONE, NOW) != 0) {
        fail_msg("%s", pki_ca_what(ca));
    }
    assert_int_equal(objects(), before + 2);
    buf_clear(&leaf);
    assert_int_equal(issue(ca, &leaf), 0);
    assert_int_equal(pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW), 0);
    pki_ca_close(ca);

    // Found again by what the registry has.
    ca = open_ca(&p, 0);
    unlock(ca, PKI_CA_ISSUING);
    buf_clear(&leaf);
    assert_int_equal(issue(ca, &leaf), 0);
    pki_ca_close(ca);
    buf_fini(&leaf);
    free(uri);
    place_fini(&p);
}

static void only_the_issuing_key_in_a_token(void **state)
{
    (void)state;
    need_softhsm();
    struct place p;
    struct buf leaf;
    place_init(&p);
    char *uri = softhsm_uri(&hsm, NULL);
    struct pki_ca_init o = plain_init(&p);
    o.issuing_token = span_str(uri);
    assert_int_equal(pki_ca_init(&o, p.what, sizeof p.what), 0);
    assert_true(there(&p, "root/key.pem"));
    assert_false(there(&p, "issuing/key.pem"));
    struct pki_ca *ca = open_ca(&p, 0);
    buf_init(&leaf, 0);
    unlock(ca, PKI_CA_ISSUING);
    assert_int_equal(issue(ca, &leaf), 0);
    buf_fini(&leaf);
    pki_ca_close(ca);
    free(uri);
    place_fini(&p);
}

static void a_failed_init_leaves_no_keys_in_the_token(void **state)
{
    (void)state;
    need_softhsm();
    struct place p;
    place_init(&p);
    char *uri = softhsm_uri(&hsm, NULL), *broken = NULL;
    size_t before = objects();
    assert_true(asprintf(&broken, "pkcs11:token=nowhere?module-path=%s&pin-source=%s", hsm.module, hsm.pin_file) > 0);
    struct pki_ca_init o = plain_init(&p);
    o.root_token = span_str(uri);
    o.issuing_token = span_str(broken); // the root's key was made when this is found
    assert_int_equal(pki_ca_init(&o, p.what, sizeof p.what), ERR_HSM);
    assert_non_null(strstr(p.what, "no such token"));
    assert_int_equal(objects(), before);
    assert_int_equal(access(p.dir, F_OK), -1);
    free(uri);
    free(broken);
    place_fini(&p);
}

static void a_token_uri_that_names_a_key_is_refused_by_init(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct pki_ca_init o = plain_init(&p);
    o.root_token = SPAN("pkcs11:token=t;object=mine?module-path=/lib/p11.so");
    assert_int_equal(pki_ca_init(&o, p.what, sizeof p.what), ERR_HSM);
    assert_non_null(strstr(p.what, "token only"));
    o.root_token = SPAN("pkcs11:token=t?module-path=/lib/p11.so&pin-value=2718");
    assert_int_equal(pki_ca_init(&o, p.what, sizeof p.what), ERR_HSM);
    assert_non_null(strstr(p.what, "pin-value is refused"));
    assert_null(strstr(p.what, "2718"));
    assert_int_equal(access(p.dir, F_OK), -1);
    place_fini(&p);
}

static void another_key_of_the_token_is_not_the_cas(void **state)
{
    (void)state;
    need_softhsm();
    struct place p;
    place_init(&p);
    char *uri = softhsm_uri(&hsm, NULL), *other = softhsm_uri(&hsm, "not-the-root");
    struct pki_ca_init o = plain_init(&p);
    struct pki_key *key = NULL;
    const char *why = "";
    o.root_token = o.issuing_token = span_str(uri);
    assert_int_equal(pki_ca_init(&o, p.what, sizeof p.what), 0);
    assert_int_equal(pki_hsm_generate(span_str(other), PKI_KEY_P256, &key, &why), 0);
    pki_key_free(key);
    struct pki_ca *ca = open_ca(&p, 0);
    assert_int_equal(pki_ca_unlock(ca, PKI_CA_ROOT, other, SPAN_NONE, NOW), ERR_CERT_MALFORMED);
    assert_non_null(strstr(pki_ca_what(ca), "not the key of this CA"));
    unlock(ca, PKI_CA_ROOT);
    pki_ca_close(ca);
    free(uri);
    free(other);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_private_key_is_on_the_disk_and_every_signature_is_made),
        cmocka_unit_test(only_the_issuing_key_in_a_token),
        cmocka_unit_test(a_failed_init_leaves_no_keys_in_the_token),
        cmocka_unit_test(a_token_uri_that_names_a_key_is_refused_by_init),
        cmocka_unit_test(another_key_of_the_token_is_not_the_cas),
    };
    return cmocka_run_group_tests(tests, make_token, remove_token);
}
