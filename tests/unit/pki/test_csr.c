// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pki/csr.h"
#include "pki/der.h"
#include "pki/pem.h"
#include "pki/x509_make.h"

// What goes into a request; what is zero is left as a good request has it.
struct recipe {
    enum pki_key_type type;
    unsigned bits;
    const char *cn, *uri, *dns;
    const struct span *oid;       // of one more extension …
    struct span extension;        // … and its value
    const struct pki_key *signer; // instead of the request's own key
    bool no_version, trailing;
};

static void put_san(struct pki_der *d, const struct recipe *r)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_ext_request);
    pki_der_begin(d, PKI_DER_SET);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_san);
    pki_der_begin(d, PKI_DER_OCTET_STRING);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    if (r->uri) {
        pki_der_put(d, PKI_DER_CONTEXT(6), span_str(r->uri));
    }
    if (r->dns) {
        pki_der_put(d, PKI_DER_CONTEXT(2), span_str(r->dns));
    }
    pki_der_put(d, PKI_DER_CONTEXT(7), SPAN("\x0a\x00\x00\x01"));
    for (int i = 0; i < 6; i++) {
        pki_der_end(d);
    }
}

static void put_extension(struct pki_der *d, const struct recipe *r)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_ext_request);
    pki_der_begin(d, PKI_DER_SET);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, *r->oid);
    pki_der_put(d, PKI_DER_OCTET_STRING, r->extension);
    for (int i = 0; i < 4; i++) {
        pki_der_end(d);
    }
}

// Appends the request, DER.
static void make(const struct recipe *r, struct buf *out)
{
    struct pki_key *key = pki_key_generate(r->type ? r->type : PKI_KEY_P256, r->bits);
    struct buf tbs;
    buf_init(&tbs, 0);
    assert_non_null(key);
    struct pki_der d = pki_der(&tbs);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    if (!r->no_version) {
        pki_der_int(&d, 0);
    }
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    if (r->cn) {
        pki_der_begin(&d, PKI_DER_SET);
        pki_der_begin(&d, PKI_DER_SEQUENCE);
        pki_der_oid(&d, pki_oid_common_name);
        pki_der_put(&d, PKI_DER_UTF8, span_str(r->cn));
        pki_der_end(&d);
        pki_der_end(&d);
    }
    pki_der_end(&d);
    assert_int_equal(0, pki_key_spki(key, &tbs));
    pki_der_begin(&d, PKI_DER_CONTEXT_CONSTRUCTED(0));
    if (r->uri || r->dns) {
        put_san(&d, r);
    }
    if (r->oid) {
        put_extension(&d, r);
    }
    pki_der_end(&d);
    pki_der_end(&d);
    assert_int_equal(0, pki_x509_sign(r->signer ? r->signer : key, buf_span(&tbs), out));
    if (r->trailing) {
        buf_byte(out, 0);
    }
    buf_fini(&tbs);
    pki_key_free(key);
}

static int parse(struct span text, struct arena *a, struct pki_csr *csr)
{
    const char *why = NULL;
    int rc = pki_csr_parse(text, a, csr, &why);
    assert_true(rc == 0 || (why && *why));
    return rc;
}

static int parse_recipe(const struct recipe *r)
{
    struct arena a;
    struct pki_csr csr;
    struct buf der;
    arena_init(&a, 0);
    buf_init(&der, 0);
    make(r, &der);
    int rc = parse(buf_span(&der), &a, &csr);
    if (rc == 0) {
        pki_csr_fini(&csr);
    }
    buf_fini(&der);
    arena_fini(&a);
    return rc;
}

static void every_kind_of_key_proves_possession(void **state)
{
    (void)state;
    assert_int_equal(0, parse_recipe(&(struct recipe){ .type = PKI_KEY_P256 }));
    assert_int_equal(0, parse_recipe(&(struct recipe){ .type = PKI_KEY_P384 }));
    assert_int_equal(0, parse_recipe(&(struct recipe){ .type = PKI_KEY_P521 }));
    assert_int_equal(0, parse_recipe(&(struct recipe){ .type = PKI_KEY_ED25519 }));
    assert_int_equal(0, parse_recipe(&(struct recipe){ .type = PKI_KEY_RSA, .bits = 2048 }));
}

static void request_signed_by_another_key_is_refused(void **state)
{
    static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_ED25519 };
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (size_t j = 0; j < sizeof types / sizeof *types; j++) {
            struct pki_key *other = pki_key_generate(types[j], 0);
            assert_int_equal(ERR_CERT_MALFORMED, parse_recipe(&(struct recipe){ .type = types[i], .signer = other }));
            pki_key_free(other);
        }
    }
}

// Names that are put in after signing, a key that is exchanged: nothing survives a changed bit.
static void every_changed_bit_is_refused(void **state)
{
    struct arena a;
    struct pki_csr csr;
    struct buf der;
    (void)state;
    buf_init(&der, 0);
    make(&(struct recipe){ .uri = "spiffe://example.org/a", .cn = "a" }, &der);
    for (size_t i = 0; i < buf_len(&der) * 8; i++) {
        char *at = der.base + der.start + i / 8;
        *at ^= (char)(1 << i % 8);
        arena_init(&a, 0);
        if (parse(buf_span(&der), &a, &csr) == 0) {
            fail_msg("bit %zu", i);
        }
        arena_fini(&a);
        *at ^= (char)(1 << i % 8);
    }
    arena_init(&a, 0);
    assert_int_equal(0, parse(buf_span(&der), &a, &csr));
    pki_csr_fini(&csr);
    arena_fini(&a);
    buf_fini(&der);
}

static void every_cut_is_refused(void **state)
{
    struct arena a;
    struct pki_csr csr;
    struct buf der;
    (void)state;
    buf_init(&der, 0);
    make(&(struct recipe){ .uri = "spiffe://example.org/a" }, &der);
    for (size_t n = 0; n < buf_len(&der); n++) {
        arena_init(&a, 0);
        assert_int_not_equal(0, parse(span_sub(buf_span(&der), 0, n), &a, &csr));
        arena_fini(&a);
    }
    buf_fini(&der);
    assert_int_equal(ERR_CERT_MALFORMED, parse_recipe(&(struct recipe){ .trailing = true }));
    assert_int_equal(ERR_CERT_MALFORMED, parse_recipe(&(struct recipe){ .no_version = true }));
}

// A P-256 request whose signature algorithm claims SHA-1 (1.2.840.10045.4.1).
static void sha1_is_refused_as_weak(void **state)
{
    struct arena a;
    struct pki_csr csr;
    struct buf der, other;
    struct pki_der d;
    struct span outer, rest, info, whole, algorithm, bits;
    int tag;
    (void)state;
    arena_init(&a, 0);
    buf_init(&der, 0);
    buf_init(&other, 0);
    make(&(struct recipe){ .cn = "a" }, &der);
    rest = buf_span(&der);
    assert_true(pki_der_take(&rest, PKI_DER_SEQUENCE, &outer));
    assert_true(pki_der_next(&outer, &tag, &info, &whole));
    assert_true(pki_der_take(&outer, PKI_DER_SEQUENCE, &algorithm));
    assert_true(pki_der_take(&outer, PKI_DER_BIT_STRING, &bits));
    d = pki_der(&other);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_raw(&d, whole);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_oid(&d, SPAN("\x2a\x86\x48\xce\x3d\x04\x01"));
    pki_der_end(&d);
    pki_der_put(&d, PKI_DER_BIT_STRING, bits);
    pki_der_end(&d);
    assert_int_equal(ERR_CERT_WEAK, parse(buf_span(&other), &a, &csr));
    buf_fini(&der);
    buf_fini(&other);
    arena_fini(&a);
}

static void requested_names_are_reported(void **state)
{
    static const struct span want[] = { SPAN("CN=root?[31m"), SPAN("URI:spiffe://example.org/admin"),
                                        SPAN("DNS:evil.example"), SPAN("IP:10.0.0.1") };
    struct arena a;
    struct pki_csr csr;
    struct buf der;
    (void)state;
    arena_init(&a, 0);
    buf_init(&der, 0);
    make(&(struct recipe){ .cn = "root\033[31m", .uri = "spiffe://example.org/admin", .dns = "evil.example" }, &der);
    assert_int_equal(0, parse(buf_span(&der), &a, &csr));
    assert_int_equal(4, csr.n_names);
    for (size_t i = 0; i < 4; i++) {
        assert_true(span_eq(want[i], csr.names[i])); // and nothing that a terminal would act on
    }
    pki_csr_fini(&csr);
    buf_fini(&der);
    arena_fini(&a);
}

static void pem_with_other_blocks_before_it_is_read(void **state)
{
    struct arena a;
    struct pki_csr csr;
    struct buf der, pem;
    (void)state;
    arena_init(&a, 0);
    buf_init(&der, 0);
    buf_init(&pem, 0);
    make(&(struct recipe){ .cn = "a" }, &der);
    pki_pem_write(&pem, SPAN("EC PARAMETERS"), SPAN("\x06\x00"));
    assert_int_equal(ERR_CERT_MALFORMED, parse(buf_span(&pem), &a, &csr));
    pki_pem_write(&pem, SPAN("NEW CERTIFICATE REQUEST"), buf_span(&der));
    assert_int_equal(0, parse(buf_span(&pem), &a, &csr));
    pki_csr_fini(&csr);
    buf_fini(&der);
    buf_fini(&pem);
    arena_fini(&a);
}

static void what_else_it_asks_for_is_reported(void **state)
{
    static const struct {
        const struct span *oid;
        struct span value;
        bool ca, other;
    } rows[] = {
        { &pki_oid_basic_constraints, { "\x30\x03\x01\x01\xff", 5 }, true, false },
        { &pki_oid_basic_constraints, { "\x30\x00", 2 }, false, false },
        { &pki_oid_key_usage, { "\x03\x02\x01\x06", 4 }, true, false },
        { &pki_oid_key_usage, { "\x03\x02\x07\x80", 4 }, false, false },
        { &pki_oid_name_constraints, { "\x30\x00", 2 }, false, true },
        { &pki_oid_ext_key_usage, { "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02", 12 }, false, false },
        { &pki_oid_ext_key_usage, { "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03", 12 }, false, true },
        { &pki_oid_ext_key_usage, { "\x30\x06\x06\x04\x55\x1d\x25\x00", 8 }, false, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct pki_csr csr;
        struct buf der;
        arena_init(&a, 0);
        buf_init(&der, 0);
        make(&(struct recipe){ .uri = "spiffe://example.org/a", .oid = rows[i].oid, .extension = rows[i].value }, &der);
        assert_int_equal(0, parse(buf_span(&der), &a, &csr));
        assert_true(csr.asks_ca == rows[i].ca && csr.asks_other == rows[i].other);
        pki_csr_fini(&csr);
        buf_fini(&der);
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_key_proves_possession),
        cmocka_unit_test(request_signed_by_another_key_is_refused),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(sha1_is_refused_as_weak),
        cmocka_unit_test(requested_names_are_reported),
        cmocka_unit_test(what_else_it_asks_for_is_reported),
        cmocka_unit_test(pem_with_other_blocks_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
