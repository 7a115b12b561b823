// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/cert_agree.h"

#include "pki/der.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

// wolfSSL prepends to its list, so it runs backwards; e-mail, directory and other names are kept elsewhere, X.400 and EDI names nowhere.
static bool same_names(const struct pki_cert *c, const DNS_entry *entry)
{
    for (size_t i = c->names_n; i-- > 0;) {
        const struct pki_general_name *n = &c->names[i];
        if (n->type != PKI_NAME_URI && n->type != PKI_NAME_DNS && n->type != PKI_NAME_IP && n->type != PKI_NAME_RID)
            continue;
        // The type is compared first: a dNSName that holds "spiffe://…" is no URI.
        if (!entry || entry->type != (int)n->type || entry->len < 0 ||
            !span_eq(span_of(entry->name, (size_t)entry->len), n->value))
            return false;
        entry = entry->next;
    }
    return entry == NULL;
}

// wolfSSL keeps the first octet's bits in place (digitalSignature 0x80 … cRLSign 0x02); ours count from bit 0 up.
static unsigned usage_of(const DecodedCert *d)
{
    unsigned usage = 0;
    for (unsigned bit = 0; bit < 8; bit++)
        if (d->extKeyUsage & (0x80u >> bit))
            usage |= 1u << bit;
    if (d->extKeyUsage & KEYUSE_DECIPHER_ONLY)
        usage |= 1u << 8;
    return usage;
}

// wolfSSL keeps a Name without its SEQUENCE's tag and length.
static bool same_dn(const byte *raw, int n, struct span name)
{
    struct span content;
    return n >= 0 && pki_der_take(&name, PKI_DER_SEQUENCE, &content) && span_eq(span_of(raw, (size_t)n), content);
}

static bool same_serial(const struct pki_cert *c, const DecodedCert *d)
{
    struct span theirs = span_of(d->serial, d->serialSz > 0 ? (size_t)d->serialSz : 0);
    while (theirs.n && theirs.p[0] == 0)
        theirs = span_sub(theirs, 1, theirs.n);
    struct span ours = c->serial;
    while (ours.n && ours.p[0] == 0)
        ours = span_sub(ours, 1, ours.n);
    return span_eq(ours, theirs);
}

// The key is the last thing in what wolfSSL points to: the bare key, or the whole SubjectPublicKeyInfo.
static bool same_key(const struct pki_cert *c, const DecodedCert *d)
{
    return d->publicKey && d->pubKeySize >= c->key.n &&
           memcmp(d->publicKey + d->pubKeySize - c->key.n, c->key.p, c->key.n) == 0;
}

static bool agrees(const struct pki_cert *c, const DecodedCert *d)
{
    return d->version == 2 && same_names(c, d->altNames) && (d->isCA != 0) == c->ca &&
           (d->extKeyUsageSet != 0) == c->has_usage && usage_of(d) == c->usage &&
           (d->extExtKeyUsageSet != 0) == c->has_eku && same_dn(d->subjectRaw, d->subjectRawLen, c->subject) &&
           same_dn(d->issuerRaw, d->issuerRawLen, c->issuer) && same_serial(c, d) && same_key(c, d);
}

static int agree_as(const struct pki_cert *c, int type)
{
    DecodedCert d;
    InitDecodedCert(&d, (const byte *)c->der.p, (word32)c->der.n, NULL);
    int r = ParseCert(&d, type, NO_VERIFY, NULL);
    int e = r == MEMORY_E ? ERR_NOMEM : r != 0 || !agrees(c, &d) ? ERR_CERT_MALFORMED : 0;
    FreeDecodedCert(&d);
    return e;
}

int pki_cert_agree(const struct pki_cert *c)
{
    return agree_as(c, CERT_TYPE);
}

int pki_cert_agree_anchor(const struct pki_cert *c)
{
    return agree_as(c, CA_TYPE);
}
