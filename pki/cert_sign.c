// SPDX-License-Identifier: GPL-3.0-or-later
// Signatures over certificates and CRLs, verified with the key of the certificate that issued them.
#include "pki/cert.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/rsa.h>

enum family { FAMILY_NONE, FAMILY_EC, FAMILY_RSA, FAMILY_ED25519 };

static const struct {
    enum family family;
    enum wc_HashType hash;
    int oid; // wolfSSL's name of the hash inside a PKCS #1 signature
    unsigned bytes;
} signatures[] = {
    [PKI_SIG_UNKNOWN] = { FAMILY_NONE, WC_HASH_TYPE_NONE, 0, 0 },
    [PKI_SIG_ECDSA_SHA256] = { FAMILY_EC, WC_HASH_TYPE_SHA256, 0, 32 },
    [PKI_SIG_ECDSA_SHA384] = { FAMILY_EC, WC_HASH_TYPE_SHA384, 0, 48 },
    [PKI_SIG_ECDSA_SHA512] = { FAMILY_EC, WC_HASH_TYPE_SHA512, 0, 64 },
    [PKI_SIG_RSA_SHA256] = { FAMILY_RSA, WC_HASH_TYPE_SHA256, SHA256h, 32 },
    [PKI_SIG_RSA_SHA384] = { FAMILY_RSA, WC_HASH_TYPE_SHA384, SHA384h, 48 },
    [PKI_SIG_RSA_SHA512] = { FAMILY_RSA, WC_HASH_TYPE_SHA512, SHA512h, 64 },
    [PKI_SIG_ED25519] = { FAMILY_ED25519, WC_HASH_TYPE_NONE, 0, 0 },
};

static const struct {
    enum family family;
    int curve;
} keys[] = {
    [PKI_SPKI_UNKNOWN] = { FAMILY_NONE, 0 },
    [PKI_SPKI_P256] = { FAMILY_EC, ECC_SECP256R1 },
    [PKI_SPKI_P384] = { FAMILY_EC, ECC_SECP384R1 },
    [PKI_SPKI_P521] = { FAMILY_EC, ECC_SECP521R1 },
    [PKI_SPKI_RSA] = { FAMILY_RSA, 0 },
    [PKI_SPKI_ED25519] = { FAMILY_ED25519, 0 },
};

static const byte *bytes_of(struct span s)
{
    return (const byte *)s.p;
}

static bool ec_verifies(struct span point, int curve, const byte *hash, unsigned hash_n, struct span sig)
{
    ecc_key key;
    int valid = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    // untrusted = 1: the point is checked to be on the curve.
    bool ok = wc_ecc_import_x963_ex2(bytes_of(point), (word32)point.n, &key, curve, 1) == 0 &&
              wc_ecc_verify_hash(bytes_of(sig), (word32)sig.n, hash, hash_n, &valid, &key) == 0 && valid == 1;
    wc_ecc_free(&key);
    return ok;
}

// PKCS #1 v1.5: the signature is opened and its whole content compared, so nothing can hide behind the hash.
static bool rsa_verifies(struct span der, int oid, const byte *hash, unsigned hash_n, struct span sig)
{
    RsaKey key;
    byte opened[1024], expected[128];
    word32 at = 0;
    if (sig.n > sizeof opened || wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool ok = false;
    if (wc_RsaPublicKeyDecode(bytes_of(der), &at, &key, (word32)der.n) == 0) {
        int n = wc_RsaSSL_Verify(bytes_of(sig), (word32)sig.n, opened, sizeof opened, &key);
        word32 want = wc_EncodeSignature(expected, hash, hash_n, oid);
        ok = n > 0 && want > 0 && (word32)n == want && memcmp(opened, expected, want) == 0;
    }
    wc_FreeRsaKey(&key);
    return ok;
}

static bool ed25519_verifies(struct span public, struct span message, struct span sig)
{
    ed25519_key key;
    int valid = 0;
    if (wc_ed25519_init(&key) != 0)
        return false;
    bool ok =
        wc_ed25519_import_public(bytes_of(public), (word32) public.n, &key) == 0 &&
        wc_ed25519_verify_msg(bytes_of(sig), (word32)sig.n, bytes_of(message), (word32)message.n, &valid, &key) == 0 &&
        valid == 1;
    wc_ed25519_free(&key);
    return ok;
}

int pki_cert_verify(const struct pki_cert *issuer, enum pki_sig type, struct span tbs, struct span sig)
{
    enum family family = signatures[type].family;
    if (family == FAMILY_NONE)
        return ERR_CERT_WEAK;
    if (family != keys[issuer->key_type].family || tbs.n > UINT32_MAX || sig.n > 1024)
        return ERR_CERT_UNTRUSTED;
    bool ok = false;
    if (family == FAMILY_ED25519) {
        ok = ed25519_verifies(issuer->key, tbs, sig);
    } else {
        byte hash[WC_MAX_DIGEST_SIZE];
        if (wc_Hash(signatures[type].hash, bytes_of(tbs), (word32)tbs.n, hash, signatures[type].bytes) != 0)
            return ERR_CERT_UNTRUSTED;
        ok = family == FAMILY_EC
                 ? ec_verifies(issuer->key, keys[issuer->key_type].curve, hash, signatures[type].bytes, sig)
                 : rsa_verifies(issuer->key, signatures[type].oid, hash, signatures[type].bytes, sig);
    }
    return ok ? 0 : ERR_CERT_UNTRUSTED;
}

int pki_cert_signed_by(const struct pki_cert *cert, const struct pki_cert *issuer)
{
    return pki_cert_verify(issuer, cert->sig_type, cert->tbs, cert->sig);
}
