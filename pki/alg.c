// SPDX-License-Identifier: GPL-3.0-or-later
// Signing and verifying with the JWS algorithms (RFC 7518 §3, RFC 8037 §3.1): one table row an algorithm.
#include "pki/key_wc.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/secret.h"

enum family { FAMILY_NONE, FAMILY_EC, FAMILY_ED, FAMILY_RSA_PKCS1, FAMILY_RSA_PSS, FAMILY_HMAC };

struct row {
    struct span name;
    enum family family;
    enum wc_HashType hash;
    int hash_oid, mgf;
};
static const struct row rows[PKI_ALG_COUNT] = {
    [PKI_ALG_NONE] = { SPAN_NONE, FAMILY_NONE, WC_HASH_TYPE_NONE, 0, 0 },
    [PKI_ES256] = { { "ES256", 5 }, FAMILY_EC, WC_HASH_TYPE_SHA256, 0, 0 },
    [PKI_ES384] = { { "ES384", 5 }, FAMILY_EC, WC_HASH_TYPE_SHA384, 0, 0 },
    [PKI_ES512] = { { "ES512", 5 }, FAMILY_EC, WC_HASH_TYPE_SHA512, 0, 0 },
    [PKI_EDDSA] = { { "EdDSA", 5 }, FAMILY_ED, WC_HASH_TYPE_NONE, 0, 0 },
    [PKI_RS256] = { { "RS256", 5 }, FAMILY_RSA_PKCS1, WC_HASH_TYPE_SHA256, SHA256h, 0 },
    [PKI_RS384] = { { "RS384", 5 }, FAMILY_RSA_PKCS1, WC_HASH_TYPE_SHA384, SHA384h, 0 },
    [PKI_RS512] = { { "RS512", 5 }, FAMILY_RSA_PKCS1, WC_HASH_TYPE_SHA512, SHA512h, 0 },
    [PKI_PS256] = { { "PS256", 5 }, FAMILY_RSA_PSS, WC_HASH_TYPE_SHA256, 0, WC_MGF1SHA256 },
    [PKI_PS384] = { { "PS384", 5 }, FAMILY_RSA_PSS, WC_HASH_TYPE_SHA384, 0, WC_MGF1SHA384 },
    [PKI_PS512] = { { "PS512", 5 }, FAMILY_RSA_PSS, WC_HASH_TYPE_SHA512, 0, WC_MGF1SHA512 },
    // Only symmetric keys are of these, and they are of no other: a public key cannot be taken for a MAC key (RFC 8725 §2.1).
    [PKI_HS256] = { { "HS256", 5 }, FAMILY_HMAC, WC_HASH_TYPE_SHA256, 0, 0 },
    [PKI_HS384] = { { "HS384", 5 }, FAMILY_HMAC, WC_HASH_TYPE_SHA384, 0, 0 },
    [PKI_HS512] = { { "HS512", 5 }, FAMILY_HMAC, WC_HASH_TYPE_SHA512, 0, 0 },
};

struct span pki_alg_name(enum pki_alg alg)
{
    return (unsigned)alg < PKI_ALG_COUNT ? rows[alg].name : SPAN_NONE;
}

enum pki_alg pki_alg_parse(struct span name)
{
    for (unsigned i = PKI_ALG_NONE + 1; i < PKI_ALG_COUNT; i++)
        if (span_eq(rows[i].name, name))
            return (enum pki_alg)i;
    return PKI_ALG_NONE;
}

static bool usable(const struct pki_key *k, enum pki_alg alg)
{
    return alg > PKI_ALG_NONE && alg < PKI_ALG_COUNT && (pki_key_algs(k) & PKI_ALG_BIT(alg)) != 0;
}

static bool digest(const struct row *row, struct span message, byte out[static WC_MAX_DIGEST_SIZE], word32 *n)
{
    int size = wc_HashGetDigestSize(row->hash);
    if (size <= 0 || message.n > UINT32_MAX)
        return false;
    *n = (word32)size;
    return wc_Hash(row->hash, (const byte *)message.p, (word32)message.n, out, *n) == 0;
}

static bool mac(const struct pki_key *k, const struct row *row, struct span message,
                byte out[static WC_MAX_DIGEST_SIZE], word32 *n)
{
    Hmac h;
    int size = wc_HashGetDigestSize(row->hash);
    if (size <= 0 || message.n > UINT32_MAX || wc_HmacInit(&h, NULL, INVALID_DEVID) != 0)
        return false;
    bool ok = wc_HmacSetKey(&h, (int)row->hash, k->secret, (word32)k->secret_n) == 0 &&
              wc_HmacUpdate(&h, (const byte *)message.p, (word32)message.n) == 0 && wc_HmacFinal(&h, out) == 0;
    wc_HmacFree(&h);
    secret_wipe(&h, sizeof h);
    *n = (word32)size;
    return ok;
}

int pki_key_verify_ec_(const struct pki_key *k, struct span hash, struct span signature)
{
    unsigned octets = pki_key_octets_(k->type);
    if (signature.n != 2 * octets)
        return ERR_TOKEN_SIGNATURE;
    mp_int r, s;
    int ok = 0;
    if (mp_init_multi(&r, &s, NULL, NULL, NULL, NULL) != MP_OKAY)
        return ERR_NOMEM;
    int rc = mp_read_unsigned_bin(&r, (const byte *)signature.p, octets);
    if (rc == MP_OKAY)
        rc = mp_read_unsigned_bin(&s, (const byte *)signature.p + octets, octets);
    if (rc == MP_OKAY)
        rc = wc_ecc_verify_hash_ex(&r, &s, (const byte *)hash.p, (word32)hash.n, &ok, k->ec);
    return rc == 0 && ok == 1 ? 0 : ERR_TOKEN_SIGNATURE;
}

static int verify_ed(const struct pki_key *k, struct span message, struct span signature)
{
    int ok = 0;
    if (signature.n != ED25519_SIG_SIZE || message.n > UINT32_MAX)
        return ERR_TOKEN_SIGNATURE;
    int rc = wc_ed25519_verify_msg((const byte *)signature.p, (word32)signature.n, (const byte *)message.p,
                                   (word32)message.n, &ok, k->ed);
    return rc == 0 && ok == 1 ? 0 : ERR_TOKEN_SIGNATURE;
}

// The opened signature must be the one DigestInfo that an encoder would make: nothing is parsed (RFC 8017 §8.2.2 by comparison).
static int verify_pkcs1(const struct pki_key *k, const struct row *row, const byte *hash, word32 hash_n,
                        struct span signature)
{
    byte want[MAX_DER_DIGEST_SZ], opened[PKI_KEY_RSA_OCTETS_MAX];
    word32 want_n = wc_EncodeSignature(want, hash, hash_n, row->hash_oid);
    int n = wc_RsaSSL_Verify((const byte *)signature.p, (word32)signature.n, opened, sizeof opened, k->rsa);
    return n > 0 && span_eq(span_of(opened, (size_t)n), span_of(want, want_n)) ? 0 : ERR_TOKEN_SIGNATURE;
}

static int verify_pss(const struct pki_key *k, const struct row *row, const byte *hash, word32 hash_n,
                      struct span signature)
{
    byte opened[PKI_KEY_RSA_OCTETS_MAX];
    byte copy[PKI_KEY_RSA_OCTETS_MAX];
    memcpy(copy, signature.p, signature.n);
    // The salt is as long as the hash (RFC 7518 §3.5): what VerifyCheck demands.
    int n = wc_RsaPSS_VerifyCheck(copy, (word32)signature.n, opened, sizeof opened, hash, hash_n, row->hash, row->mgf,
                                  k->rsa);
    return n > 0 ? 0 : ERR_TOKEN_SIGNATURE;
}

int pki_key_verify(const struct pki_key *k, enum pki_alg alg, struct span message, struct span signature)
{
    if (!usable(k, alg))
        return ERR_TOKEN_SIGNATURE;
    const struct row *row = &rows[alg];
    if (row->family == FAMILY_ED)
        return verify_ed(k, message, signature);

    byte hash[WC_MAX_DIGEST_SIZE];
    word32 hash_n;
    if (row->family == FAMILY_HMAC) {
        // The whole MAC: a shortened one is another algorithm (RFC 7518 §3.2).
        bool same = mac(k, row, message, hash, &hash_n) && secret_eq(span_of(hash, hash_n), signature);
        secret_wipe(hash, sizeof hash);
        return same ? 0 : ERR_TOKEN_SIGNATURE;
    }
    if (!digest(row, message, hash, &hash_n))
        return ERR_TOKEN_SIGNATURE;
    if (row->family == FAMILY_EC)
        return pki_key_verify_ec_(k, span_of(hash, hash_n), signature);
    if (signature.n != (size_t)wc_RsaEncryptSize(k->rsa) || signature.n > PKI_KEY_RSA_OCTETS_MAX)
        return ERR_TOKEN_SIGNATURE;
    return row->family == FAMILY_RSA_PKCS1 ? verify_pkcs1(k, row, hash, hash_n, signature)
                                           : verify_pss(k, row, hash, hash_n, signature);
}

static int sign_ec(const struct pki_key *k, const byte *hash, word32 hash_n, struct buf *out)
{
    unsigned octets = pki_key_octets_(k->type);
    mp_int r, s;
    if (mp_init_multi(&r, &s, NULL, NULL, NULL, NULL) != MP_OKAY)
        return ERR_NOMEM;
    if (wc_ecc_sign_hash_ex(hash, hash_n, k->rng, k->ec, &r, &s) != 0)
        return ERR_INTERNAL;
    byte *p = (byte *)buf_reserve(out, 2 * (size_t)octets);
    if (!p)
        return ERR_NOMEM;
    if (mp_to_unsigned_bin_len(&r, p, (int)octets) != MP_OKAY ||
        mp_to_unsigned_bin_len(&s, p + octets, (int)octets) != MP_OKAY)
        return ERR_INTERNAL;
    buf_commit(out, 2 * (size_t)octets);
    return 0;
}

static int sign_ed(const struct pki_key *k, struct span message, struct buf *out)
{
    word32 n = ED25519_SIG_SIZE;
    byte *p = (byte *)buf_reserve(out, n);
    if (!p)
        return ERR_NOMEM;
    if (message.n > UINT32_MAX || wc_ed25519_sign_msg((const byte *)message.p, (word32)message.n, p, &n, k->ed) != 0)
        return ERR_INTERNAL;
    buf_commit(out, n);
    return 0;
}

static int sign_rsa(const struct pki_key *k, const struct row *row, const byte *hash, word32 hash_n, struct buf *out)
{
    word32 size = (word32)wc_RsaEncryptSize(k->rsa);
    byte *p = (byte *)buf_reserve(out, size);
    if (!p)
        return ERR_NOMEM;
    int n;
    if (row->family == FAMILY_RSA_PKCS1) {
        byte info[MAX_DER_DIGEST_SZ];
        word32 info_n = wc_EncodeSignature(info, hash, hash_n, row->hash_oid);
        n = wc_RsaSSL_Sign(info, info_n, p, size, k->rsa, k->rng);
    } else {
        n = wc_RsaPSS_Sign(hash, hash_n, p, size, row->hash, row->mgf, k->rsa, k->rng);
    }
    if (n <= 0 || (word32)n != size)
        return ERR_INTERNAL;
    buf_commit(out, size);
    return 0;
}

// A token's signature leaves here only when its public half, as we know it, verifies it.
static int sign_in_token(const struct pki_key *k, const struct row *row, enum pki_alg alg, struct span message,
                         struct buf *out)
{
    byte hash[WC_MAX_DIGEST_SIZE];
    word32 hash_n;
    struct buf signature;
    struct span data = message;
    size_t n = ED25519_SIG_SIZE;
    if (row->family == FAMILY_EC) {
        if (!digest(row, message, hash, &hash_n))
            return ERR_INTERNAL;
        data = span_of(hash, hash_n);
        n = 2 * (size_t)pki_key_octets_(k->type);
    }
    buf_init(&signature, 0);
    int rc = pki_hsm_sign_(k, data, n, &signature);
    if (rc == 0 && pki_key_verify(k, alg, message, buf_span(&signature)) != 0)
        rc = pki_hsm_refuse_(k, "the token's signature does not verify: another private key's, or faulty");
    if (rc == 0 && !buf_append(out, buf_span(&signature)))
        rc = ERR_NOMEM;
    buf_fini(&signature);
    return rc;
}

int pki_key_sign(const struct pki_key *k, enum pki_alg alg, struct span message, struct buf *out)
{
    if (!k->is_private || !usable(k, alg))
        return ERR_INTERNAL;
    const struct row *row = &rows[alg];
    if (k->hsm)
        return sign_in_token(k, row, alg, message, out);
    if (row->family == FAMILY_ED)
        return sign_ed(k, message, out);
    byte hash[WC_MAX_DIGEST_SIZE];
    word32 hash_n;
    if (row->family == FAMILY_HMAC) {
        if (!mac(k, row, message, hash, &hash_n))
            return ERR_INTERNAL;
        return buf_append(out, span_of(hash, hash_n)) ? 0 : ERR_NOMEM;
    }
    if (!digest(row, message, hash, &hash_n))
        return ERR_INTERNAL;
    return row->family == FAMILY_EC ? sign_ec(k, hash, hash_n, out) : sign_rsa(k, row, hash, hash_n, out);
}

bool pki_key_pair_works_(const struct pki_key *k)
{
    struct span text = SPAN("one key pair");
    struct buf signature;
    buf_init(&signature, 0);
    bool ok = pki_key_sign(k, PKI_RS256, text, &signature) == 0 &&
              pki_key_verify(k, PKI_RS256, text, buf_span(&signature)) == 0;
    buf_fini(&signature);
    return ok;
}
