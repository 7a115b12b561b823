// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/crl_make.h"
#include "gateway/base/err.h"
#include "pki/der.h"
#include "pki/x509_make.h"

// RFC 5280 §5.3.1. certificateHold (6) and removeFromCRL (8) are not for us: what is revoked stays revoked;
// aACompromise (10) is about attribute authorities.
static const struct {
    const char *word;
    int code;
} reasons[] = {
    { "unspecified", 0 }, { "keyCompromise", 1 },        { "cACompromise", 2 },       { "affiliationChanged", 3 },
    { "superseded", 4 },  { "cessationOfOperation", 5 }, { "privilegeWithdrawn", 9 },
};
#define N_REASONS (sizeof reasons / sizeof *reasons)

const char *const pki_crl_reasons[] = {
    "unspecified", "keyCompromise",        "cACompromise",       "affiliationChanged",
    "superseded",  "cessationOfOperation", "privilegeWithdrawn", NULL,
};

// Case and hyphens do not count: key-compromise is keyCompromise.
static bool same_word(const char *word, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-') {
            continue;
        }
        if (*word == '\0' || (*word | 0x20) != (s.p[i] | 0x20)) {
            return false;
        }
        word++;
    }
    return *word == '\0';
}

int pki_crl_reason_parse(struct span name)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (same_word(reasons[i].word, name)) {
            return reasons[i].code;
        }
    }
    return -1;
}

const char *pki_crl_reason_name(int reason)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (reasons[i].code == reason) {
            return reasons[i].word;
        }
    }
    return "unknown";
}

static int hex(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void put_serial(struct pki_der *d, struct span text)
{
    uint8_t bytes[PKI_SERIAL + 4] = { 0 };
    // Filled from the end, so that an odd number of digits needs no padding.
    for (size_t i = 0; i < text.n && i < 2 * sizeof bytes; i++) {
        int v = hex(text.p[text.n - 1 - i]);
        bytes[sizeof bytes - 1 - i / 2] |= (uint8_t)(i % 2 ? v << 4 : v);
    }
    pki_der_uint(d, span_of(bytes, sizeof bytes));
}

static void put_entry(struct pki_der *d, const struct pki_crl_entry *e)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    put_serial(d, e->serial);
    pki_der_time(d, e->revoked_at);
    if (e->reason != 0) { // "unspecified" should be absent
        uint8_t code = (uint8_t)e->reason;
        pki_der_begin(d, PKI_DER_SEQUENCE);
        pki_der_begin(d, PKI_DER_SEQUENCE);
        pki_der_oid(d, pki_oid_reason);
        pki_der_begin(d, PKI_DER_OCTET_STRING);
        pki_der_put(d, PKI_DER_ENUMERATED, span_of(&code, 1));
        pki_der_end(d);
        pki_der_end(d);
        pki_der_end(d);
    }
    pki_der_end(d);
}

static void put_extensions(struct pki_der *d, const uint8_t key_id[static PKI_KEY_ID], uint64_t number)
{
    pki_der_begin(d, PKI_DER_CONTEXT_CONSTRUCTED(0));
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_akid);
    pki_der_begin(d, PKI_DER_OCTET_STRING);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_put(d, PKI_DER_CONTEXT(0), span_of(key_id, PKI_KEY_ID));
    pki_der_end(d);
    pki_der_end(d);
    pki_der_end(d);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_crl_number);
    pki_der_begin(d, PKI_DER_OCTET_STRING);
    pki_der_int(d, number);
    pki_der_end(d);
    pki_der_end(d);
    pki_der_end(d);
    pki_der_end(d);
}

int pki_crl_make(const struct pki_crl_plan *p, struct buf *out)
{
    uint8_t key_id[PKI_KEY_ID];
    struct buf tbs;
    int rc = pki_x509_key_id(p->issuer_key, key_id);
    if (rc) {
        return rc;
    }
    buf_init(&tbs, 0);
    struct pki_der d = pki_der(&tbs);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_int(&d, 1); // version 2
    if (!pki_x509_algorithm(p->issuer_key, &tbs)) {
        rc = ERR_INTERNAL;
        goto done;
    }
    pki_der_raw(&d, p->issuer);
    pki_der_time(&d, p->this_update);
    pki_der_time(&d, p->next_update);
    if (p->n > 0) { // the list is absent when it is empty (RFC 5280 §5.1.2.6)
        pki_der_begin(&d, PKI_DER_SEQUENCE);
        for (size_t i = 0; i < p->n; i++) {
            put_entry(&d, &p->entries[i]);
        }
        pki_der_end(&d);
    }
    put_extensions(&d, key_id, p->number);
    pki_der_end(&d);
    rc = tbs.failed ? ERR_NOMEM : pki_x509_sign(p->issuer_key, buf_span(&tbs), out);
done:
    buf_fini(&tbs);
    return rc;
}
