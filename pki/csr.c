// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/csr.h"
#include "gateway/base/err.h"
#include "pki/der.h"
#include "pki/key_wc.h"
#include "pki/pem.h"
#include <wolfssl/wolfcrypt/hash.h>

// What a request may be signed with. EC keys may use any SHA-2: OpenSSL signs with SHA-256 whatever the curve.
static const struct proof {
    const struct span *oid;
    enum wc_HashType hash; // for EC
    enum pki_alg alg;      // for the others
} proofs[] = {
    { &pki_oid_ec_sha256, WC_HASH_TYPE_SHA256, PKI_ALG_NONE },
    { &pki_oid_ec_sha384, WC_HASH_TYPE_SHA384, PKI_ALG_NONE },
    { &pki_oid_ec_sha512, WC_HASH_TYPE_SHA512, PKI_ALG_NONE },
    { &pki_oid_ed25519, WC_HASH_TYPE_NONE, PKI_EDDSA },
    { &pki_oid_rsa_sha256, WC_HASH_TYPE_NONE, PKI_RS256 },
    { &pki_oid_rsa_sha384, WC_HASH_TYPE_NONE, PKI_RS384 },
    { &pki_oid_rsa_sha512, WC_HASH_TYPE_NONE, PKI_RS512 },
};

struct request { // spans into the DER
    struct span info, subject, spki, attributes, algorithm, parameters, signature;
};

static bool take_whole(struct span *rest, int want, struct span *whole)
{
    int tag;
    struct span content;
    return pki_der_peek(*rest, want) && pki_der_next(rest, &tag, &content, whole);
}

static bool split(struct span der, struct request *r)
{
    struct span outer, info, version, algorithm, bits;
    return pki_der_take(&der, PKI_DER_SEQUENCE, &outer) && der.n == 0 &&
           take_whole(&outer, PKI_DER_SEQUENCE, &r->info) && pki_der_take(&outer, PKI_DER_SEQUENCE, &algorithm) &&
           pki_der_take(&outer, PKI_DER_BIT_STRING, &bits) && outer.n == 0 && pki_der_bit_bytes(bits, &r->signature) &&
           pki_der_take(&algorithm, PKI_DER_OID, &r->algorithm) && (r->parameters = algorithm, true) &&
           pki_der_take(&(struct span){ r->info.p, r->info.n }, PKI_DER_SEQUENCE, &info) &&
           pki_der_take(&info, PKI_DER_INTEGER, &version) && span_eq(version, span_of("", 1)) &&
           pki_der_take(&info, PKI_DER_SEQUENCE, &r->subject) && take_whole(&info, PKI_DER_SEQUENCE, &r->spki) &&
           pki_der_take(&info, PKI_DER_CONTEXT_CONSTRUCTED(0), &r->attributes) && info.n == 0;
}

// ---- proof of possession

static int verify_ec(const struct pki_key *k, enum wc_HashType type, const struct request *r)
{
    byte hash[WC_MAX_DIGEST_SIZE];
    int n = wc_HashGetDigestSize(type), good = 0;
    if (n <= 0 || wc_Hash(type, (const byte *)r->info.p, (word32)r->info.n, hash, (word32)n) != 0 ||
        wc_ecc_verify_hash((const byte *)r->signature.p, (word32)r->signature.n, hash, (word32)n, &good, k->ec) != 0) {
        return ERR_CERT_MALFORMED;
    }
    return good == 1 ? 0 : ERR_CERT_MALFORMED;
}

static int verify(const struct pki_key *k, const struct request *r, const char **why)
{
    for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
        if (!span_eq(*proofs[i].oid, r->algorithm)) {
            continue;
        }
        *why = "the request's signature does not verify with its own key";
        if (r->parameters.n != 0 && !span_eq(r->parameters, SPAN("\x05\x00"))) { // absent, or NULL for RSA
            return ERR_CERT_MALFORMED;
        }
        if (proofs[i].alg == PKI_ALG_NONE) {
            return k->ec ? verify_ec(k, proofs[i].hash, r) : ERR_CERT_MALFORMED;
        }
        return pki_key_verify(k, proofs[i].alg, r->info, r->signature) == 0 ? 0 : ERR_CERT_MALFORMED;
    }
    *why = "the request is signed with an algorithm that is not accepted; use ECDSA, Ed25519 or RSA (PKCS #1 v1.5) "
           "with SHA-2";
    return ERR_CERT_WEAK;
}

// ---- names

static void add_name(struct pki_csr *csr, struct arena *a, const char *prefix, struct span text)
{
    if (csr->n_names == sizeof csr->names / sizeof *csr->names) {
        csr->more_names = true;
        return;
    }
    struct span s = arena_printf(a, "%s%.*s", prefix, SPAN_FMT(text));
    if (span_is_none(s)) {
        return; // the arena is marked
    }
    // Somebody else's text, on its way to a terminal. (arena_printf stops at a NUL, so the length is its own.)
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
            ((char *)(uintptr_t)s.p)[i] = '?';
        }
    }
    csr->names[csr->n_names++] = s;
}

static void add_address(struct pki_csr *csr, struct arena *a, struct span ip)
{
    struct span text = SPAN("(malformed)");
    const unsigned char *p = (const unsigned char *)ip.p;
    if (ip.n == 4) {
        text = arena_printf(a, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    } else if (ip.n == 16) {
        text = arena_printf(a, "%x:%x:%x:%x:%x:%x:%x:%x", p[0] << 8 | p[1], p[2] << 8 | p[3], p[4] << 8 | p[5],
                            p[6] << 8 | p[7], p[8] << 8 | p[9], p[10] << 8 | p[11], p[12] << 8 | p[13],
                            p[14] << 8 | p[15]);
    }
    add_name(csr, a, "IP:", text);
}

static bool add_alt_names(struct pki_csr *csr, struct arena *a, struct span value)
{
    struct span list, content;
    int tag;
    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list) || value.n != 0) {
        return false;
    }
    while (list.n > 0) {
        if (!pki_der_next(&list, &tag, &content, NULL)) {
            return false;
        }
        switch (tag) {
        case PKI_DER_CONTEXT(1): add_name(csr, a, "email:", content); break;
        case PKI_DER_CONTEXT(2): add_name(csr, a, "DNS:", content); break;
        case PKI_DER_CONTEXT(6): add_name(csr, a, "URI:", content); break;
        case PKI_DER_CONTEXT(7): add_address(csr, a, content); break;
        default: add_name(csr, a, "other", SPAN(" name")); break;
        }
    }
    return true;
}

// A workload is a TLS client and a server; what else a key may be used for is another kind of certificate.
static bool is_usage_of_workload(struct span value)
{
    struct span list, oid;
    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list))
        return false;
    while (list.n > 0)
        if (!pki_der_take(&list, PKI_DER_OID, &oid) ||
            !(span_eq(oid, pki_oid_client_auth) || span_eq(oid, pki_oid_server_auth)))
            return false;
    return true;
}

// Only reported, as the names are: a certificate's extensions are the CA's to say.
static void note_extension(struct pki_csr *csr, struct span oid, struct span value)
{
    struct span in;
    if (span_eq(oid, pki_oid_basic_constraints)) {
        csr->asks_ca |= !pki_der_take(&value, PKI_DER_SEQUENCE, &in) || pki_der_peek(in, PKI_DER_BOOLEAN);
    } else if (span_eq(oid, pki_oid_key_usage)) {
        // keyCertSign and cRLSign are bits 5 and 6 (RFC 5280 §4.2.1.3); the first byte counts unused ones.
        csr->asks_ca |= !pki_der_take(&value, PKI_DER_BIT_STRING, &in) || (in.n > 1 && (in.p[1] & 0x06) != 0);
    } else if (span_eq(oid, pki_oid_ext_key_usage)) {
        csr->asks_other |= !is_usage_of_workload(value);
    } else {
        csr->asks_other |= !span_eq(oid, pki_oid_san) && !span_eq(oid, pki_oid_skid);
    }
}

static bool add_extensions(struct pki_csr *csr, struct arena *a, struct span list)
{
    while (list.n > 0) {
        struct span extension, oid, critical, value;
        if (!pki_der_take(&list, PKI_DER_SEQUENCE, &extension) || !pki_der_take(&extension, PKI_DER_OID, &oid) ||
            (pki_der_peek(extension, PKI_DER_BOOLEAN) && !pki_der_take(&extension, PKI_DER_BOOLEAN, &critical)) ||
            !pki_der_take(&extension, PKI_DER_OCTET_STRING, &value) || extension.n != 0) {
            return false;
        }
        if (span_eq(oid, pki_oid_san) && !add_alt_names(csr, a, value)) {
            return false;
        }
        note_extension(csr, oid, value);
    }
    return true;
}

static bool add_attributes(struct pki_csr *csr, struct arena *a, struct span attributes)
{
    while (attributes.n > 0) {
        struct span attribute, oid, values, extensions;
        if (!pki_der_take(&attributes, PKI_DER_SEQUENCE, &attribute) || !pki_der_take(&attribute, PKI_DER_OID, &oid) ||
            !pki_der_take(&attribute, PKI_DER_SET, &values) || attribute.n != 0) {
            return false;
        }
        if (span_eq(oid, pki_oid_ext_request) &&
            (!pki_der_take(&values, PKI_DER_SEQUENCE, &extensions) || !add_extensions(csr, a, extensions))) {
            return false;
        }
    }
    return true;
}

static bool add_subject(struct pki_csr *csr, struct arena *a, struct span subject)
{
    while (subject.n > 0) {
        struct span set, pair, oid, text;
        int tag;
        if (!pki_der_take(&subject, PKI_DER_SET, &set) || !pki_der_take(&set, PKI_DER_SEQUENCE, &pair) ||
            !pki_der_take(&pair, PKI_DER_OID, &oid) || !pki_der_next(&pair, &tag, &text, NULL)) {
            return false;
        }
        if (span_eq(oid, pki_oid_common_name)) {
            add_name(csr, a, "CN=", text);
        }
    }
    return true;
}

// ---- public

// The DER of the first request in `text`, in the arena.
static int unarmour(struct span text, struct arena *a, struct span *der, const char **why)
{
    struct buf block;
    struct span rest = text, label;
    int rc = ERR_CERT_MALFORMED;
    if (!pki_pem_looks_like(text)) {
        *der = arena_dup(a, text);
        return span_is_none(*der) ? ERR_NOMEM : 0;
    }
    *why = "there is no CERTIFICATE REQUEST in the PEM text";
    buf_init(&block, PKI_CSR_MAX);
    while ((rc = pki_pem_next(&rest, &label, &block)) == 1) {
        if (span_eq(label, SPAN("CERTIFICATE REQUEST")) || span_eq(label, SPAN("NEW CERTIFICATE REQUEST"))) {
            *der = arena_dup(a, buf_span(&block));
            rc = span_is_none(*der) ? ERR_NOMEM : 0;
            buf_fini(&block);
            return rc;
        }
    }
    buf_fini(&block);
    return rc ? rc : ERR_CERT_MALFORMED;
}

int pki_csr_parse(struct span text, struct arena *arena, struct pki_csr *out, const char **why)
{
    struct pki_csr csr = { .n_names = 0 };
    struct request r;
    if (text.n > PKI_CSR_MAX) {
        *why = "the request is larger than 64 KiB";
        return ERR_CERT_MALFORMED;
    }
    int rc = unarmour(text, arena, &csr.der, why);
    if (rc) {
        return rc;
    }
    *why = "this is not a PKCS #10 certification request";
    if (!split(csr.der, &r)) {
        return ERR_CERT_MALFORMED;
    }
    if ((rc = pki_key_read_public(r.spki, &csr.key))) {
        *why = rc == ERR_CERT_WEAK
                   ? "the request's key is too weak; use P-256, P-384, P-521, Ed25519 or RSA from 2,048 bits"
                   : "the request's key is of a kind that is not accepted, or malformed";
        return rc;
    }
    if ((rc = verify(csr.key, &r, why)) == 0) {
        *why = "the names in the request are malformed";
        rc = add_subject(&csr, arena, r.subject) && add_attributes(&csr, arena, r.attributes) ? 0 : ERR_CERT_MALFORMED;
    }
    if (!rc && arena->failed) {
        *why = "out of memory";
        rc = ERR_NOMEM;
    }
    if (rc) {
        pki_key_free(csr.key);
        return rc;
    }
    *out = csr;
    return 0;
}

void pki_csr_fini(struct pki_csr *csr)
{
    pki_key_free(csr->key);
    csr->key = NULL;
}
