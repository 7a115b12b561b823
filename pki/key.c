// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/key_wc.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/memory.h>

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/secret.h"

struct curve {
    int id;
    unsigned octets;
};
static const struct curve curves[] = {
    [PKI_KEY_P256] = { ECC_SECP256R1, 32 },
    [PKI_KEY_P384] = { ECC_SECP384R1, 48 },
    [PKI_KEY_P521] = { ECC_SECP521R1, 66 },
    [PKI_KEY_SYMMETRIC] = { 0, 0 },
};

int pki_key_curve_(enum pki_key_type type)
{
    return curves[type].id;
}
unsigned pki_key_octets_(enum pki_key_type type)
{
    return curves[type].octets;
}

static const unsigned key_algs[] = {
    [PKI_KEY_P256] = PKI_ALG_BIT(PKI_ES256),
    [PKI_KEY_P384] = PKI_ALG_BIT(PKI_ES384),
    [PKI_KEY_P521] = PKI_ALG_BIT(PKI_ES512),
    [PKI_KEY_ED25519] = PKI_ALG_BIT(PKI_EDDSA),
    [PKI_KEY_RSA] = PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_RS384) | PKI_ALG_BIT(PKI_RS512) | PKI_ALG_BIT(PKI_PS256) |
                    PKI_ALG_BIT(PKI_PS384) | PKI_ALG_BIT(PKI_PS512),
    [PKI_KEY_SYMMETRIC] = 0, // by length: symmetric_algs
};

struct pki_key *pki_key_alloc_(enum pki_key_type type, bool is_private)
{
    struct pki_key *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->type = type;
    k->is_private = is_private;
    bool ok = true;
    if (is_private) {
        k->rng = calloc(1, sizeof *k->rng);
        if (k->rng && wc_InitRng(k->rng) != 0) {
            free(k->rng);
            k->rng = NULL;
        }
        ok = k->rng != NULL;
    }
    if (curves[type].id != 0) {
        k->ec = calloc(1, sizeof *k->ec);
        ok = ok && k->ec && wc_ecc_init(k->ec) == 0;
    } else if (type == PKI_KEY_ED25519) {
        k->ed = calloc(1, sizeof *k->ed);
        ok = ok && k->ed && wc_ed25519_init(k->ed) == 0;
    } else {
        assert(type == PKI_KEY_RSA);
        k->rsa = calloc(1, sizeof *k->rsa);
        ok = ok && k->rsa && wc_InitRsaKey(k->rsa, NULL) == 0 && (!k->rng || wc_RsaSetRNG(k->rsa, k->rng) == 0);
    }
    if (!ok) {
        pki_key_free(k);
        return NULL;
    }
    return k;
}

void pki_key_free(struct pki_key *k)
{
    if (!k)
        return;
    if (k->ec) {
        wc_ecc_free(k->ec);
        secret_wipe(k->ec, sizeof *k->ec);
        free(k->ec);
    }
    if (k->ed) {
        wc_ed25519_free(k->ed);
        secret_wipe(k->ed, sizeof *k->ed);
        free(k->ed);
    }
    if (k->rsa) {
        wc_FreeRsaKey(k->rsa);
        secret_wipe(k->rsa, sizeof *k->rsa);
        free(k->rsa);
    }
    if (k->rng) {
        wc_FreeRng(k->rng);
        free(k->rng);
    }
    if (k->secret) {
        secret_wipe(k->secret, k->secret_n);
        free(k->secret);
    }
    pki_hsm_key_free_(k->hsm);
    free(k);
}

int pki_key_symmetric(struct span secret, struct pki_key **out)
{
    if (secret.n < PKI_KEY_SECRET_MIN)
        return ERR_CERT_WEAK;
    if (secret.n > PKI_KEY_SECRET_MAX)
        return ERR_CERT_MALFORMED;
    struct pki_key *k = calloc(1, sizeof *k);
    if (!k || !(k->secret = malloc(secret.n))) {
        free(k);
        return ERR_NOMEM;
    }
    k->type = PKI_KEY_SYMMETRIC;
    k->is_private = true;
    memcpy(k->secret, secret.p, secret.n);
    k->secret_n = secret.n;
    *out = k;
    return 0;
}

enum pki_key_type pki_key_type(const struct pki_key *k)
{
    return k->type;
}
bool pki_key_is_private(const struct pki_key *k)
{
    return k->is_private;
}

// RFC 7518 §3.2: a key of the same size as the hash output or larger.
static unsigned symmetric_algs(const struct pki_key *k)
{
    return (k->secret_n >= 32 ? PKI_ALG_BIT(PKI_HS256) : 0) | (k->secret_n >= 48 ? PKI_ALG_BIT(PKI_HS384) : 0) |
           (k->secret_n >= 64 ? PKI_ALG_BIT(PKI_HS512) : 0);
}

unsigned pki_key_algs(const struct pki_key *k)
{
    return k->type == PKI_KEY_SYMMETRIC ? symmetric_algs(k) : key_algs[k->type];
}

struct pki_key *pki_key_generate(enum pki_key_type type, unsigned bits)
{
    if (bits == 0)
        bits = 3072;
    if (type == PKI_KEY_SYMMETRIC || (type == PKI_KEY_RSA && (bits < 2048 || bits > PKI_KEY_RSA_OCTETS_MAX * 8)))
        return NULL;
    struct pki_key *k = pki_key_alloc_(type, true);
    if (!k)
        return NULL;
    int rc;
    if (k->ec)
        rc = wc_ecc_make_key_ex(k->rng, (int)curves[type].octets, k->ec, curves[type].id);
    else if (k->ed)
        rc = wc_ed25519_make_key(k->rng, ED25519_KEY_SIZE, k->ed);
    else
        rc = wc_MakeRsaKey(k->rsa, (int)bits, WC_RSA_EXPONENT, k->rng);
    if (rc != 0) {
        pki_key_free(k);
        return NULL;
    }
    return k;
}

// ---- public parts

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

// A coordinate has one encoding: below the field's prime (SEC 1 §2.3.6). wolfSSL would reduce it silently.
static bool below_prime(const struct pki_key *k, struct span coordinate)
{
    int index = wc_ecc_get_curve_idx(curves[k->type].id);
    const ecc_set_type *set = wc_ecc_get_curve_params(index);
    struct span prime = span_str(set->prime);
    for (size_t i = 0; i < coordinate.n; i++) {
        // The prime's text may lack leading zeros: counted from the right.
        size_t from_end = 2 * (coordinate.n - i);
        int high = from_end <= prime.n ? hex_digit(prime.p[prime.n - from_end]) : 0;
        int low = from_end - 1 <= prime.n ? hex_digit(prime.p[prime.n - from_end + 1]) : 0;
        int want = high * 16 + low, have = (uint8_t)coordinate.p[i];
        if (have != want)
            return have < want;
    }
    return false;
}

int pki_key_set_ec_(struct pki_key *k, struct span x, struct span y, bool untrusted)
{
    size_t n = curves[k->type].octets;
    if (x.n != n || y.n != n)
        return ERR_CERT_MALFORMED;
    if (untrusted && (!below_prime(k, x) || !below_prime(k, y)))
        return ERR_CERT_MALFORMED;
    uint8_t point[1 + 2 * PKI_KEY_EC_OCTETS_MAX] = { 0x04 };
    memcpy(point + 1, x.p, n);
    memcpy(point + 1 + n, y.p, n);
    if (wc_ecc_import_x963_ex2(point, (word32)(1 + 2 * n), k->ec, curves[k->type].id, untrusted) != 0)
        return ERR_CERT_MALFORMED;
    return 0;
}

int pki_key_set_ed_(struct pki_key *k, struct span x, bool untrusted)
{
    if (x.n != ED25519_PUB_KEY_SIZE ||
        wc_ed25519_import_public_ex((const byte *)x.p, (word32)x.n, k->ed, !untrusted) != 0)
        return ERR_CERT_MALFORMED;
    return 0;
}

int pki_key_check_rsa_(const RsaKey *rsa)
{
    int bits = mp_count_bits(&rsa->n), exponent_bits = mp_count_bits(&rsa->e);
    if (bits < 2048 || bits > PKI_KEY_RSA_OCTETS_MAX * 8 || !mp_isodd(&rsa->n))
        return ERR_CERT_WEAK;
    // At least 65537; FIPS 186-5 §5.4 (e) allows up to 256 bits, nobody needs more than a word.
    if (exponent_bits < 17 || exponent_bits > 64 || !mp_isodd(&rsa->e))
        return ERR_CERT_WEAK;
    return 0;
}

int pki_key_set_rsa_(struct pki_key *k, struct span n, struct span e)
{
    if (n.n == 0 || n.n > PKI_KEY_RSA_OCTETS_MAX || e.n == 0 || e.n > 8)
        return ERR_CERT_WEAK;
    if (wc_RsaPublicKeyDecodeRaw((const byte *)n.p, (word32)n.n, (const byte *)e.p, (word32)e.n, k->rsa) != 0)
        return ERR_CERT_MALFORMED;
    return pki_key_check_rsa_(k->rsa);
}

void pki_key_get_ec_(const struct pki_key *k, uint8_t x[static PKI_KEY_EC_OCTETS_MAX],
                     uint8_t y[static PKI_KEY_EC_OCTETS_MAX], size_t *n)
{
    word32 nx = PKI_KEY_EC_OCTETS_MAX, ny = PKI_KEY_EC_OCTETS_MAX;
    int rc = wc_ecc_export_public_raw(k->ec, x, &nx, y, &ny);
    assert(rc == 0 && nx == curves[k->type].octets && ny == nx);
    (void)rc;
    *n = nx;
}

void pki_key_get_rsa_(const struct pki_key *k, uint8_t *modulus, size_t *modulus_n, uint8_t *exponent,
                      size_t *exponent_n)
{
    word32 n = PKI_KEY_RSA_OCTETS_MAX, e = PKI_KEY_RSA_OCTETS_MAX;
    int rc = wc_RsaFlattenPublicKey(k->rsa, exponent, &e, modulus, &n);
    assert(rc == 0);
    (void)rc;
    *modulus_n = n;
    *exponent_n = e;
}

// A public copy, of parts that were checked when they came in.
static struct pki_key *public_copy(const struct pki_key *k)
{
    struct pki_key *copy = pki_key_alloc_(k->type, false);
    if (!copy)
        return NULL;
    int rc;
    if (k->ec) {
        uint8_t x[PKI_KEY_EC_OCTETS_MAX], y[PKI_KEY_EC_OCTETS_MAX];
        size_t n;
        pki_key_get_ec_(k, x, y, &n);
        rc = pki_key_set_ec_(copy, span_of(x, n), span_of(y, n), false);
    } else if (k->ed) {
        rc = pki_key_set_ed_(copy, span_of(k->ed->p, ED25519_PUB_KEY_SIZE), false);
    } else {
        uint8_t n[PKI_KEY_RSA_OCTETS_MAX], e[PKI_KEY_RSA_OCTETS_MAX];
        size_t n_n, e_n;
        pki_key_get_rsa_(k, n, &n_n, e, &e_n);
        rc = pki_key_set_rsa_(copy, span_of(n, n_n), span_of(e, e_n));
    }
    if (rc != 0) {
        pki_key_free(copy);
        return NULL;
    }
    return copy;
}

int pki_key_verify_shared(const struct pki_key *k, enum pki_alg alg, struct span message, struct span signature)
{
    // A MAC keeps no state in its key.
    if (k->type == PKI_KEY_SYMMETRIC)
        return pki_key_verify(k, alg, message, signature);
    struct pki_key *copy = public_copy(k);
    if (!copy)
        return ERR_NOMEM;
    int rc = pki_key_verify(copy, alg, message, signature);
    pki_key_free(copy);
    return rc;
}
