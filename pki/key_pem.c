// SPDX-License-Identifier: GPL-3.0-or-later
// Keys in PEM and DER: PKCS#8 (RFC 5958), encrypted with PBES2 (RFC 8018) as AES-256-CBC under PBKDF2-HMAC-SHA-256, SEC1 (RFC 5915),
// PKCS#1 (RFC 8017 A.1), SPKI (RFC 5280 §4.1.2.7).
#include "pki/key_wc.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <stdlib.h>

#include "gateway/base/secret.h"
#include "pki/pem.h"

// OWASP's figure for PBKDF2-HMAC-SHA-256; a fifth of a second on the machines of the day.
#define ITERATIONS 600000
#define SALT 16
// The largest private key is under 5 KiB of DER.
#define DER_MAX 16384

static int decode_ec(struct span der, struct pki_key **out)
{
    ecc_key probe;
    word32 at = 0;
    if (wc_ecc_init(&probe) != 0)
        return ERR_NOMEM;
    int rc = wc_EccPrivateKeyDecode((const byte *)der.p, &at, &probe, (word32)der.n);
    int curve = rc == 0 ? wc_ecc_get_curve_id(probe.idx) : ECC_CURVE_INVALID;
    wc_ecc_free(&probe);
    secret_wipe(&probe, sizeof probe);
    if (rc != 0)
        return ERR_CERT_MALFORMED;
    for (enum pki_key_type type = PKI_KEY_P256; type <= PKI_KEY_P521; type++) {
        if (pki_key_curve_(type) != curve)
            continue;
        struct pki_key *k = pki_key_alloc_(type, true);
        if (!k)
            return ERR_NOMEM;
        at = 0;
        // SEC1's public key is optional; when it is there it must be the private key's.
        rc = wc_EccPrivateKeyDecode((const byte *)der.p, &at, k->ec, (word32)der.n);
        if (rc == 0 && k->ec->type == ECC_PRIVATEKEY_ONLY)
            rc = wc_ecc_make_pub_ex(k->ec, NULL, k->rng);
        else if (rc == 0)
            rc = wc_ecc_set_rng(k->ec, k->rng) == 0 ? wc_ecc_check_key(k->ec) : -1;
        if (rc != 0) {
            pki_key_free(k);
            return ERR_CERT_MALFORMED;
        }
        *out = k;
        return 0;
    }
    return ERR_CERT_WEAK;
}

static int decode_ed(struct span der, struct pki_key **out)
{
    struct pki_key *k = pki_key_alloc_(PKI_KEY_ED25519, true);
    if (!k)
        return ERR_NOMEM;
    word32 at = 0;
    byte public_key[ED25519_PUB_KEY_SIZE];
    int rc = wc_Ed25519PrivateKeyDecode((const byte *)der.p, &at, k->ed, (word32)der.n);
    // RFC 8410's form carries the seed alone; a public half that comes along must be the seed's.
    bool had_public = rc == 0 && k->ed->pubKeySet;
    if (rc == 0)
        rc = had_public ? wc_ed25519_check_key(k->ed) : wc_ed25519_make_public(k->ed, public_key, sizeof public_key);
    if (rc == 0 && !had_public)
        rc = wc_ed25519_import_public_ex(public_key, sizeof public_key, k->ed, 1);
    if (rc != 0) {
        pki_key_free(k);
        return ERR_CERT_MALFORMED;
    }
    *out = k;
    return 0;
}

static int decode_rsa(struct span der, struct pki_key **out)
{
    struct pki_key *k = pki_key_alloc_(PKI_KEY_RSA, true);
    if (!k)
        return ERR_NOMEM;
    word32 at = 0;
    int rc = 0;
    if (wc_RsaPrivateKeyDecode((const byte *)der.p, &at, k->rsa, (word32)der.n) != 0)
        rc = ERR_CERT_MALFORMED;
    if (rc == 0)
        rc = pki_key_check_rsa_(k->rsa);
    if (rc == 0 && !pki_key_pair_works_(k))
        rc = ERR_CERT_MALFORMED;
    if (rc != 0) {
        pki_key_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

static int decode_private(struct span der, struct pki_key **out)
{
    static int (*const decoders[])(struct span, struct pki_key **) = { decode_ec, decode_ed, decode_rsa };
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        int rc = decoders[i](der, out);
        if (rc != ERR_CERT_MALFORMED)
            return rc;
    }
    return ERR_CERT_MALFORMED;
}

// EncryptedPrivateKeyInfo, in a copy, since wolfSSL decrypts in place.
static int decode_encrypted(struct span der, struct span passphrase, struct pki_key **out)
{
    if (span_is_none(passphrase) || passphrase.n > INT32_MAX)
        return ERR_CERT_MALFORMED;
    byte *copy = malloc(der.n);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, der.p, der.n);
    int n = wc_DecryptPKCS8Key(copy, (word32)der.n, passphrase.p, (int)passphrase.n);
    int rc = n > 0 ? decode_private(span_of(copy, (size_t)n), out) : ERR_CERT_MALFORMED;
    secret_wipe(copy, der.n);
    free(copy);
    return rc;
}

// What stands between BEGIN and END decides; "RSA PRIVATE KEY" with DEK-Info (old OpenSSL encryption) is no base64 and refused.
static int read_private_block(struct span label, struct span der, struct span passphrase, struct pki_key **out)
{
    if (span_eq(label, SPAN("ENCRYPTED PRIVATE KEY")))
        return decode_encrypted(der, passphrase, out);
    if (span_eq(label, SPAN("PRIVATE KEY")))
        return decode_private(der, out);
    if (span_eq(label, SPAN("EC PRIVATE KEY")))
        return decode_ec(der, out);
    if (span_eq(label, SPAN("RSA PRIVATE KEY")))
        return decode_rsa(der, out);
    return 1; // some other block, such as EC PARAMETERS
}

int pki_key_read_private(struct span pem, struct span passphrase, struct pki_key **out)
{
    if (pem.n == 0)
        return ERR_CERT_MALFORMED;
    if (!pki_pem_looks_like(pem)) {
        if (pem.n > DER_MAX)
            return ERR_CERT_MALFORMED;
        int rc = decode_private(pem, out);
        return rc == ERR_CERT_MALFORMED ? decode_encrypted(pem, passphrase, out) : rc;
    }
    struct buf der;
    struct span label, rest = pem;
    int rc = ERR_CERT_MALFORMED, next;
    buf_init(&der, DER_MAX);
    while ((next = pki_pem_next(&rest, &label, &der)) == 1) {
        int block = read_private_block(label, buf_span(&der), passphrase, out);
        if (block <= 0) {
            rc = block;
            break;
        }
    }
    buf_wipe(&der);
    return next < 0 ? next : rc;
}

static int decode_spki(struct span der, struct pki_key **out)
{
    struct pki_key *k = NULL;
    word32 at = 0;
    int rc = ERR_CERT_MALFORMED;
    ecc_key *probe = calloc(1, sizeof *probe);
    if (!probe)
        return ERR_NOMEM;
    // Decoded once to learn the curve, then imported through the checks that every point goes through.
    if (wc_ecc_init(probe) == 0 && wc_EccPublicKeyDecode((const byte *)der.p, &at, probe, (word32)der.n) == 0) {
        int curve = wc_ecc_get_curve_id(probe->idx);
        rc = ERR_CERT_WEAK;
        for (enum pki_key_type type = PKI_KEY_P256; type <= PKI_KEY_P521; type++) {
            byte x[PKI_KEY_EC_OCTETS_MAX], y[PKI_KEY_EC_OCTETS_MAX];
            word32 x_n = sizeof x, y_n = sizeof y;
            if (pki_key_curve_(type) != curve)
                continue;
            k = pki_key_alloc_(type, false);
            if (!k)
                rc = ERR_NOMEM;
            else if (wc_ecc_export_public_raw(probe, x, &x_n, y, &y_n) == 0)
                rc = pki_key_set_ec_(k, span_of(x, x_n), span_of(y, y_n), true);
        }
        wc_ecc_free(probe);
        free(probe);
        goto done;
    }
    free(probe);
    if ((k = pki_key_alloc_(PKI_KEY_ED25519, false)) == NULL)
        return ERR_NOMEM;
    at = 0;
    if (wc_Ed25519PublicKeyDecode((const byte *)der.p, &at, k->ed, (word32)der.n) == 0) {
        byte x[ED25519_PUB_KEY_SIZE];
        memcpy(x, k->ed->p, sizeof x);
        rc = pki_key_set_ed_(k, span_of(x, sizeof x), true);
        goto done;
    }
    pki_key_free(k);
    if ((k = pki_key_alloc_(PKI_KEY_RSA, false)) == NULL)
        return ERR_NOMEM;
    at = 0;
    if (wc_RsaPublicKeyDecode((const byte *)der.p, &at, k->rsa, (word32)der.n) == 0)
        rc = pki_key_check_rsa_(k->rsa);
done:
    if (rc != 0)
        pki_key_free(k);
    else
        *out = k;
    return rc;
}

static int decode_certificate(struct span der, struct pki_key **out)
{
    byte *spki = malloc(DER_MAX);
    if (!spki)
        return ERR_NOMEM;
    word32 n = DER_MAX;
    int rc = ERR_CERT_MALFORMED;
    if (wc_GetSubjectPubKeyInfoDerFromCert((const byte *)der.p, (word32)der.n, spki, &n) == 0)
        rc = decode_spki(span_of(spki, n), out);
    free(spki);
    return rc;
}

int pki_key_read_public(struct span pem, struct pki_key **out)
{
    if (pem.n == 0)
        return ERR_CERT_MALFORMED;
    if (!pki_pem_looks_like(pem)) {
        if (pem.n > DER_MAX)
            return ERR_CERT_MALFORMED;
        int rc = decode_spki(pem, out);
        return rc == ERR_CERT_MALFORMED ? decode_certificate(pem, out) : rc;
    }
    struct buf der;
    struct span label, rest = pem;
    int rc = ERR_CERT_MALFORMED, next;
    buf_init(&der, DER_MAX);
    while ((next = pki_pem_next(&rest, &label, &der)) == 1) {
        bool spki = span_eq(label, SPAN("PUBLIC KEY"));
        if (!spki && !span_eq(label, SPAN("CERTIFICATE")))
            continue;
        rc = spki ? decode_spki(buf_span(&der), out) : decode_certificate(buf_span(&der), out);
        break;
    }
    buf_wipe(&der);
    return next < 0 ? next : rc;
}

// ---- out

static int private_der(const struct pki_key *k, byte *der, word32 *n)
{
    if (k->ec)
        return wc_EccKeyToPKCS8(k->ec, der, n) > 0 ? 0 : ERR_INTERNAL;
    if (k->ed) {
        int got = wc_Ed25519PrivateKeyToDer(k->ed, der, *n);
        *n = (word32)got;
        return got > 0 ? 0 : ERR_INTERNAL;
    }
    byte *inner = malloc(DER_MAX);
    if (!inner)
        return ERR_NOMEM;
    int inner_n = wc_RsaKeyToDer(k->rsa, inner, DER_MAX), rc = ERR_INTERNAL;
    if (inner_n > 0 && wc_CreatePKCS8Key(der, n, inner, (word32)inner_n, RSAk, NULL, 0) > 0)
        rc = 0;
    secret_wipe(inner, DER_MAX);
    free(inner);
    return rc;
}

int pki_key_write_private(const struct pki_key *k, struct span passphrase, struct buf *out)
{
    if (k->hsm)
        return ERR_HSM;
    if (!k->is_private || k->secret)
        return ERR_INTERNAL;
    byte *der = malloc(2 * DER_MAX);
    if (!der)
        return ERR_NOMEM;
    byte *sealed = der + DER_MAX;
    word32 n = DER_MAX - WC_AES_BLOCK_SIZE;
    int rc = private_der(k, der, &n);
    if (rc == 0 && span_is_none(passphrase)) {
        pki_pem_write(out, SPAN("PRIVATE KEY"), span_of(der, n));
    } else if (rc == 0) {
        // RFC 8018 §6.1.1 pads always, by a whole block where none is due; wolfSSL leaves that block out, and others then cannot
        // read the key. A plaintext that is padded already needs none of its own.
        word32 pad = WC_AES_BLOCK_SIZE - n % WC_AES_BLOCK_SIZE;
        memset(der + n, (int)pad, pad);
        n += pad;
        byte salt[SALT];
        word32 sealed_n = DER_MAX;
        int got = -1;
        if (passphrase.n <= INT32_MAX && wc_RNG_GenerateBlock(k->rng, salt, sizeof salt) == 0)
            got = wc_EncryptPKCS8Key_ex(der, n, sealed, &sealed_n, passphrase.p, (int)passphrase.n, PKCS5, PBES2,
                                        AES256CBCb, salt, sizeof salt, ITERATIONS, HMAC_SHA256_OID, k->rng, NULL);
        if (got > 0)
            pki_pem_write(out, SPAN("ENCRYPTED PRIVATE KEY"), span_of(sealed, (size_t)got));
        else
            rc = ERR_INTERNAL;
    }
    secret_wipe(der, 2 * DER_MAX);
    free(der);
    if (rc == 0 && out->failed)
        rc = ERR_NOMEM;
    return rc;
}

int pki_key_spki(const struct pki_key *k, struct buf *out)
{
    if (k->secret)
        return ERR_INTERNAL;
    byte *p = (byte *)buf_reserve(out, 2048);
    if (!p)
        return ERR_NOMEM;
    int n;
    if (k->ec)
        n = wc_EccPublicKeyToDer(k->ec, p, 2048, 1);
    else if (k->ed)
        n = wc_Ed25519PublicKeyToDer(k->ed, p, 2048, 1);
    else
        n = wc_RsaKeyToPublicDer(k->rsa, p, 2048);
    if (n <= 0)
        return ERR_INTERNAL;
    buf_commit(out, (size_t)n);
    return 0;
}

int pki_key_write_public(const struct pki_key *k, struct buf *out)
{
    struct buf der;
    buf_init(&der, 0);
    int rc = pki_key_spki(k, &der);
    if (rc == 0)
        pki_pem_write(out, SPAN("PUBLIC KEY"), buf_span(&der));
    buf_fini(&der);
    if (rc == 0 && out->failed)
        rc = ERR_NOMEM;
    return rc;
}
