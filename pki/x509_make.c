// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/x509_make.h"
#include "gateway/base/err.h"
#include "pki/der.h"
#include "pki/digest.h"
#include <assert.h>

#define NAME_MAX_BYTES 64 // ub-organization-name and ub-common-name (RFC 5280 appendix A.1)

static const struct signer {
    enum pki_key_type type;
    enum pki_alg alg;
    const struct span *oid;
    size_t coordinate; // octets of R and of S; 0: the signature is used as it is
    bool null;         // RSA identifiers carry a NULL (RFC 4055 §5)
} signers[] = {
    { PKI_KEY_P256, PKI_ES256, &pki_oid_ec_sha256, 32, false },
    { PKI_KEY_P384, PKI_ES384, &pki_oid_ec_sha384, 48, false },
    { PKI_KEY_P521, PKI_ES512, &pki_oid_ec_sha512, 66, false },
    { PKI_KEY_ED25519, PKI_EDDSA, &pki_oid_ed25519, 0, false },
    { PKI_KEY_RSA, PKI_RS256, &pki_oid_rsa_sha256, 0, true },
};

static const struct signer *signer_of(const struct pki_key *k)
{
    for (size_t i = 0; i < sizeof signers / sizeof *signers; i++) {
        if (signers[i].type == pki_key_type(k)) {
            return &signers[i];
        }
    }
    return NULL;
}

// ---- identifiers

static bool spki_bits(struct span spki, struct span *bytes)
{
    struct span in, algorithm, bits;
    return pki_der_take(&spki, PKI_DER_SEQUENCE, &in) && pki_der_take(&in, PKI_DER_SEQUENCE, &algorithm) &&
           pki_der_take(&in, PKI_DER_BIT_STRING, &bits) && pki_der_bit_bytes(bits, bytes);
}

int pki_x509_key_id(const struct pki_key *k, uint8_t out[static PKI_KEY_ID])
{
    struct buf spki;
    struct span bits;
    uint8_t hash[PKI_SHA256];
    buf_init(&spki, 0);
    int rc = pki_key_spki(k, &spki);
    if (!rc) {
        bool ok = spki_bits(buf_span(&spki), &bits);
        assert(ok);
        pki_sha256(bits, hash);
        memcpy(out, hash, PKI_KEY_ID);
    }
    buf_fini(&spki);
    return rc;
}

void pki_serial_new(uint8_t out[static PKI_SERIAL])
{
    do {
        pki_random(out, PKI_SERIAL);
    } while (out[0] < 0x10);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool pki_serial_parse(struct span text, char out[static PKI_SERIAL_TEXT])
{
    char hex[PKI_SERIAL_TEXT];
    size_t n = 0;
    bool any = false;
    if (text.n > 2 && text.p[0] == '0' && (text.p[1] | 0x20) == 'x') {
        text = span_sub(text, 2, text.n);
    }
    for (size_t i = 0; i < text.n; i++) {
        int d = hex_digit(text.p[i]);
        if (text.p[i] == ':' && any) {
            continue;
        }
        if (d < 0 || n == PKI_SERIAL_TEXT - 1) {
            return false;
        }
        any = true;
        if (n > 0 || d > 0) {
            hex[n++] = "0123456789abcdef"[d];
        }
    }
    if (n == 0) {
        return false;
    }
    memcpy(out, hex, n);
    out[n] = '\0';
    return true;
}

// ---- signing

bool pki_x509_algorithm(const struct pki_key *k, struct buf *out)
{
    const struct signer *s = signer_of(k);
    if (!s || !pki_key_is_private(k)) {
        return false;
    }
    struct pki_der d = pki_der(out);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_oid(&d, *s->oid);
    if (s->null) {
        pki_der_put(&d, PKI_DER_NULL, SPAN(""));
    }
    pki_der_end(&d);
    return true;
}

// JWS signatures are R || S; X.509 wants SEQUENCE { R, S } (RFC 3279 §2.2.3).
static void put_signature(struct pki_der *d, const struct signer *s, struct span raw)
{
    if (s->coordinate == 0) {
        pki_der_bits(d, raw);
        return;
    }
    pki_der_begin(d, PKI_DER_BIT_STRING);
    buf_byte(d->out, 0);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_uint(d, span_sub(raw, 0, s->coordinate));
    pki_der_uint(d, span_sub(raw, s->coordinate, raw.n));
    pki_der_end(d);
    pki_der_end(d);
}

int pki_x509_sign(const struct pki_key *k, struct span tbs, struct buf *out)
{
    const struct signer *s = signer_of(k);
    struct buf raw, whole;
    buf_init(&raw, 0);
    buf_init(&whole, 0);
    int rc = s ? pki_key_sign(k, s->alg, tbs, &raw) : ERR_INTERNAL;
    if (!rc) {
        struct pki_der d = pki_der(&whole);
        pki_der_begin(&d, PKI_DER_SEQUENCE);
        pki_der_raw(&d, tbs);
        pki_x509_algorithm(k, &whole);
        put_signature(&d, s, buf_span(&raw));
        pki_der_end(&d);
        rc = !whole.failed && buf_append(out, buf_span(&whole)) ? 0 : ERR_NOMEM;
    }
    buf_fini(&whole);
    buf_fini(&raw);
    return rc;
}

// ---- the certificate

static void put_attribute(struct pki_der *d, struct span oid, struct span value)
{
    pki_der_begin(d, PKI_DER_SET);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, oid);
    pki_der_put(d, PKI_DER_UTF8, span_sub(value, 0, NAME_MAX_BYTES));
    pki_der_end(d);
    pki_der_end(d);
}

static void put_subject(struct pki_der *d, const struct pki_x509_plan *p)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    put_attribute(d, pki_oid_organization, p->trust_domain);
    if (!span_is_none(p->common_name)) {
        put_attribute(d, pki_oid_common_name, p->common_name);
    }
    pki_der_end(d);
}

static void begin_extension(struct pki_der *d, struct span oid, bool critical)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, oid);
    if (critical) {
        pki_der_bool(d, true);
    }
    pki_der_begin(d, PKI_DER_OCTET_STRING);
}

static void end_extension(struct pki_der *d)
{
    pki_der_end(d);
    pki_der_end(d);
}

static void put_basic_constraints(struct pki_der *d, const struct pki_x509_plan *p)
{
    begin_extension(d, pki_oid_basic_constraints, true);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    if (p->ca) {
        pki_der_bool(d, true);
        pki_der_int(d, p->path_length);
    }
    pki_der_end(d);
    end_extension(d);
}

static void put_usage(struct pki_der *d, const struct pki_x509_plan *p)
{
    begin_extension(d, pki_oid_key_usage, true);
    // Named bits, the first is the top one; the leading byte counts the unused ones (X.690 §11.2.2).
    pki_der_put(d, PKI_DER_BIT_STRING, p->ca ? SPAN("\x01\x06") : SPAN("\x07\x80"));
    end_extension(d);
    if (!p->ca) {
        begin_extension(d, pki_oid_ext_key_usage, false);
        pki_der_begin(d, PKI_DER_SEQUENCE);
        pki_der_oid(d, pki_oid_client_auth);
        pki_der_oid(d, pki_oid_server_auth);
        pki_der_end(d);
        end_extension(d);
    }
}

static void put_alt_names(struct pki_der *d, const struct pki_x509_plan *p)
{
    begin_extension(d, pki_oid_san, false);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_put(d, PKI_DER_CONTEXT(6), p->uri);
    for (size_t i = 0; !p->ca && i < p->n_dns; i++) {
        pki_der_put(d, PKI_DER_CONTEXT(2), p->dns[i]);
    }
    pki_der_end(d);
    end_extension(d);
}

static void put_subtree(struct pki_der *d, int tag, struct span base)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_put(d, tag, base);
    pki_der_end(d);
}

// A URI constraint without a leading period is one exact host (RFC 5280 §4.2.1.10): the trust domain and nothing below
// it.
static void put_name_constraints(struct pki_der *d, const struct pki_x509_plan *p)
{
    begin_extension(d, pki_oid_name_constraints, true);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_begin(d, PKI_DER_CONTEXT_CONSTRUCTED(0));
    put_subtree(d, PKI_DER_CONTEXT(6), p->trust_domain);
    for (size_t i = 0; i < p->n_dns; i++) {
        put_subtree(d, PKI_DER_CONTEXT(2), p->dns[i]);
    }
    pki_der_end(d);
    pki_der_end(d);
    end_extension(d);
}

static void put_key_ids(struct pki_der *d, const uint8_t *subject, const uint8_t *issuer)
{
    begin_extension(d, pki_oid_skid, false);
    pki_der_put(d, PKI_DER_OCTET_STRING, span_of(subject, PKI_KEY_ID));
    end_extension(d);
    if (issuer) {
        begin_extension(d, pki_oid_akid, false);
        pki_der_begin(d, PKI_DER_SEQUENCE);
        pki_der_put(d, PKI_DER_CONTEXT(0), span_of(issuer, PKI_KEY_ID));
        pki_der_end(d);
        end_extension(d);
    }
}

static int put_tbs(struct buf *out, const struct pki_x509_plan *p)
{
    uint8_t subject_id[PKI_KEY_ID], issuer_id[PKI_KEY_ID];
    bool self_signed = span_is_none(p->issuer);
    int rc = pki_x509_key_id(p->subject_key, subject_id);
    if (rc || (rc = pki_x509_key_id(p->issuer_key, issuer_id))) {
        return rc;
    }
    struct pki_der d = pki_der(out);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_begin(&d, PKI_DER_CONTEXT_CONSTRUCTED(0));
    pki_der_int(&d, 2); // version 3
    pki_der_end(&d);
    pki_der_uint(&d, span_of(p->serial, PKI_SERIAL));
    if (!pki_x509_algorithm(p->issuer_key, out)) {
        return ERR_INTERNAL;
    }
    if (self_signed) {
        put_subject(&d, p);
    } else {
        pki_der_raw(&d, p->issuer);
    }
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_time(&d, p->not_before);
    pki_der_time(&d, p->not_after);
    pki_der_end(&d);
    put_subject(&d, p);
    if ((rc = pki_key_spki(p->subject_key, out))) {
        return rc;
    }
    pki_der_begin(&d, PKI_DER_CONTEXT_CONSTRUCTED(3));
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    put_basic_constraints(&d, p);
    put_usage(&d, p);
    if (p->ca) {
        put_name_constraints(&d, p);
    }
    put_alt_names(&d, p);
    put_key_ids(&d, subject_id, self_signed ? NULL : issuer_id);
    pki_der_end(&d);
    pki_der_end(&d);
    pki_der_end(&d);
    assert(out->failed || d.depth == 0);
    return out->failed ? ERR_NOMEM : 0;
}

int pki_x509_make(const struct pki_x509_plan *plan, struct buf *out)
{
    struct buf tbs;
    buf_init(&tbs, 0);
    int rc = put_tbs(&tbs, plan);
    if (!rc) {
        rc = pki_x509_sign(plan->issuer_key, buf_span(&tbs), out);
    }
    buf_fini(&tbs);
    return rc;
}

// ---- reading back

static bool view_time(struct span *rest, int64_t *out)
{
    int tag;
    struct span content;
    return pki_der_next(rest, &tag, &content, NULL) && pki_der_read_time(tag, content, out);
}

static bool take_whole(struct span *rest, int want, struct span *whole)
{
    int tag;
    struct span content;
    return pki_der_peek(*rest, want) && pki_der_next(rest, &tag, &content, whole);
}

int pki_x509_view(struct span der, struct pki_x509_view *out)
{
    struct pki_x509_view v;
    struct span certificate, tbs, skip, serial, validity;
    bool ok = pki_der_take(&der, PKI_DER_SEQUENCE, &certificate) && der.n == 0 &&
              pki_der_take(&certificate, PKI_DER_SEQUENCE, &tbs) &&
              (!pki_der_peek(tbs, PKI_DER_CONTEXT_CONSTRUCTED(0)) ||
               pki_der_take(&tbs, PKI_DER_CONTEXT_CONSTRUCTED(0), &skip)) &&
              pki_der_take(&tbs, PKI_DER_INTEGER, &serial) && pki_der_positive(serial, &v.serial) &&
              pki_der_take(&tbs, PKI_DER_SEQUENCE, &skip) && take_whole(&tbs, PKI_DER_SEQUENCE, &v.issuer) &&
              pki_der_take(&tbs, PKI_DER_SEQUENCE, &validity) && view_time(&validity, &v.not_before) &&
              view_time(&validity, &v.not_after) && validity.n == 0 && take_whole(&tbs, PKI_DER_SEQUENCE, &v.subject) &&
              take_whole(&tbs, PKI_DER_SEQUENCE, &v.spki);
    if (!ok) {
        return ERR_CERT_MALFORMED;
    }
    *out = v;
    return 0;
}
