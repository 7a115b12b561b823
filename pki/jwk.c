// SPDX-License-Identifier: GPL-3.0-or-later
// JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2) in and out, and thumbprints (RFC 7638).
#include "pki/key_wc.h"

#include <wolfssl/wolfcrypt/memory.h>

#include <assert.h>
#include <stdio.h>

#include "gateway/base/base64url.h"
#include "gateway/base/secret.h"
#include "pki/digest.h"

static const struct {
    struct span crv;
    enum pki_key_type type;
} ec_curves[] = {
    { { "P-256", 5 }, PKI_KEY_P256 },
    { { "P-384", 5 }, PKI_KEY_P384 },
    { { "P-521", 5 }, PKI_KEY_P521 },
};

static const struct span private_members[] = {
    { "d", 1 }, { "p", 1 }, { "q", 1 }, { "dp", 2 }, { "dq", 2 }, { "qi", 2 }, { "oth", 3 }, { "k", 1 },
};

// One binary member, decoded.
struct part {
    uint8_t at[PKI_KEY_RSA_OCTETS_MAX];
    size_t n;
};

static bool get_part(json jwk, const char *name, struct part *out)
{
    struct span text = json_string(json_get(jwk, span_str(name)));
    if (span_is_none(text) || text.n == 0 || BASE64URL_DECODED(text.n) > sizeof out->at)
        return false;
    return base64url_decode(text, out->at, &out->n);
}

// A Base64urlUInt has no leading zero octets (RFC 7518 §2): one key, one spelling.
static bool get_uint(json jwk, const char *name, struct part *out)
{
    return get_part(jwk, name, out) && out->at[0] != 0;
}

static struct span part_span(const struct part *p)
{
    return span_of(p->at, p->n);
}

static int from_ec(json jwk, bool with_private, struct pki_key **out, const char **what)
{
    struct span crv = json_string(json_get(jwk, SPAN("crv")));
    enum pki_key_type type = 0;
    for (size_t i = 0; i < sizeof ec_curves / sizeof *ec_curves; i++)
        if (span_eq(crv, ec_curves[i].crv))
            type = ec_curves[i].type;
    if (type == 0) {
        *what = "crv";
        return ERR_PROOF_KEY;
    }
    struct part x, y, d;
    if (!get_part(jwk, "x", &x) || x.n != pki_key_octets_(type)) {
        *what = "x";
        return ERR_PROOF_KEY;
    }
    if (!get_part(jwk, "y", &y) || y.n != pki_key_octets_(type)) {
        *what = "y";
        return ERR_PROOF_KEY;
    }
    if (with_private && (!get_part(jwk, "d", &d) || d.n != pki_key_octets_(type))) {
        *what = "d";
        return ERR_PROOF_KEY;
    }
    struct pki_key *k = pki_key_alloc_(type, with_private);
    if (!k)
        return ERR_NOMEM;
    int rc = pki_key_set_ec_(k, part_span(&x), part_span(&y), true);
    *what = "x, y: not a point of the curve";
    if (rc == 0 && with_private) {
        // The public half is computed, then compared: a pair that does not match must not sign.
        *what = "d: not the private key of x, y";
        uint8_t qx[PKI_KEY_EC_OCTETS_MAX], qy[PKI_KEY_EC_OCTETS_MAX];
        size_t n;
        wc_ecc_free(k->ec);
        rc = wc_ecc_init(k->ec) == 0 &&
                     wc_ecc_import_private_key_ex(d.at, (word32)d.n, NULL, 0, k->ec, pki_key_curve_(type)) == 0 &&
                     wc_ecc_make_pub_ex(k->ec, NULL, k->rng) == 0
                 ? 0
                 : ERR_CERT_MALFORMED;
        if (rc == 0) {
            pki_key_get_ec_(k, qx, qy, &n);
            if (memcmp(qx, x.at, n) != 0 || memcmp(qy, y.at, n) != 0)
                rc = ERR_CERT_MALFORMED;
        }
    }
    if (with_private)
        secret_wipe(&d, sizeof d);
    if (rc != 0) {
        pki_key_free(k);
        return ERR_PROOF_KEY;
    }
    *out = k;
    return 0;
}

static int from_okp(json jwk, bool with_private, struct pki_key **out, const char **what)
{
    struct part x, d;
    if (!span_eq(json_string(json_get(jwk, SPAN("crv"))), SPAN("Ed25519"))) {
        *what = "crv";
        return ERR_PROOF_KEY;
    }
    if (!get_part(jwk, "x", &x) || x.n != ED25519_PUB_KEY_SIZE) {
        *what = "x";
        return ERR_PROOF_KEY;
    }
    if (with_private && (!get_part(jwk, "d", &d) || d.n != ED25519_KEY_SIZE)) {
        *what = "d";
        return ERR_PROOF_KEY;
    }
    struct pki_key *k = pki_key_alloc_(PKI_KEY_ED25519, with_private);
    if (!k)
        return ERR_NOMEM;
    int rc;
    if (with_private) {
        *what = "d: not the private key of x";
        rc = wc_ed25519_import_private_key_ex(d.at, (word32)d.n, x.at, (word32)x.n, k->ed, 0);
        secret_wipe(&d, sizeof d);
    } else {
        *what = "x: not a point of the curve";
        rc = pki_key_set_ed_(k, part_span(&x), true);
    }
    if (rc != 0) {
        pki_key_free(k);
        return ERR_PROOF_KEY;
    }
    *out = k;
    return 0;
}

static int from_rsa_pair(json jwk, const struct part *n, const struct part *e, struct pki_key *k, const char **what)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi" };
    struct part parts[6];
    int rc = 0;
    if (json_get(jwk, SPAN("oth"))) {
        *what = "oth: keys of more than two primes are not accepted";
        return ERR_PROOF_KEY;
    }
    for (size_t i = 0; rc == 0 && i < 6; i++)
        if (!get_part(jwk, names[i], &parts[i])) {
            *what = names[i];
            rc = ERR_PROOF_KEY;
        }
    if (rc == 0) {
        *what = "d, p, q, dp, dq, qi: not the private key of n, e";
        if (wc_RsaPrivateKeyDecodeRaw(n->at, (word32)n->n, e->at, (word32)e->n, parts[0].at, (word32)parts[0].n,
                                      parts[5].at, (word32)parts[5].n, parts[1].at, (word32)parts[1].n, parts[2].at,
                                      (word32)parts[2].n, parts[3].at, (word32)parts[3].n, parts[4].at,
                                      (word32)parts[4].n, k->rsa) != 0 ||
            pki_key_check_rsa_(k->rsa) != 0 || !pki_key_pair_works_(k))
            rc = ERR_PROOF_KEY;
    }
    secret_wipe(parts, sizeof parts);
    return rc;
}

static int from_rsa(json jwk, bool with_private, struct pki_key **out, const char **what)
{
    struct part n, e;
    if (!get_uint(jwk, "n", &n)) {
        *what = "n";
        return ERR_PROOF_KEY;
    }
    if (!get_uint(jwk, "e", &e)) {
        *what = "e";
        return ERR_PROOF_KEY;
    }
    struct pki_key *k = pki_key_alloc_(PKI_KEY_RSA, with_private);
    if (!k)
        return ERR_NOMEM;
    int rc;
    if (with_private) {
        rc = from_rsa_pair(jwk, &n, &e, k, what);
    } else {
        *what = "n, e: not an RSA key of 2,048 to 8,192 bits with an odd exponent of 65537 or more";
        rc = pki_key_set_rsa_(k, part_span(&n), part_span(&e));
    }
    if (rc != 0) {
        pki_key_free(k);
        return ERR_PROOF_KEY;
    }
    *out = k;
    return 0;
}

static int from_oct(json jwk, struct pki_key **out, const char **what)
{
    struct part k;
    *what = "k";
    if (!get_part(jwk, "k", &k))
        return ERR_PROOF_KEY;
    *what = "k: not 32 to 512 octets";
    int rc = pki_key_symmetric(part_span(&k), out);
    secret_wipe(&k, sizeof k);
    return rc == 0 || rc == ERR_NOMEM ? rc : ERR_PROOF_KEY;
}

int pki_key_from_jwk(json jwk, bool public_only, struct pki_key **out, const char **what)
{
    const char *ignored;
    if (!what)
        what = &ignored;
    if (json_type(jwk) != JSON_OBJECT) {
        *what = "not an object";
        return ERR_PROOF_KEY;
    }
    struct span kty = json_string(json_get(jwk, SPAN("kty")));
    if (public_only) {
        for (size_t i = 0; i < sizeof private_members / sizeof *private_members; i++)
            if (json_get(jwk, private_members[i])) {
                *what = "a private or symmetric member";
                return ERR_PROOF_PRIVATE;
            }
        if (span_eq(kty, SPAN("oct"))) {
            *what = "kty: a symmetric key";
            return ERR_PROOF_PRIVATE;
        }
    }
    bool with_private = !public_only && json_get(jwk, SPAN("d")) != NULL;
    if (span_eq(kty, SPAN("oct")))
        return from_oct(jwk, out, what);
    if (span_eq(kty, SPAN("EC")))
        return from_ec(jwk, with_private, out, what);
    if (span_eq(kty, SPAN("OKP")))
        return from_okp(jwk, with_private, out, what);
    if (span_eq(kty, SPAN("RSA")))
        return from_rsa(jwk, with_private, out, what);
    *what = "kty";
    return ERR_PROOF_KEY;
}

// ---- out

static void put(struct json_writer *w, const char *name, const uint8_t *p, size_t n)
{
    char text[BASE64URL_ENCODED(PKI_KEY_RSA_OCTETS_MAX)];
    assert(n <= PKI_KEY_RSA_OCTETS_MAX);
    size_t length = base64url_encode(span_of(p, n), text);
    json_w_key(w, span_str(name));
    json_w_string(w, span_of(text, length));
    secret_wipe(text, sizeof text);
}

static void put_text(struct json_writer *w, const char *name, const char *value)
{
    json_w_key(w, span_str(name));
    json_w_string(w, span_str(value));
}

static const char *crv_of(enum pki_key_type type)
{
    switch (type) {
    case PKI_KEY_P256: return "P-256";
    case PKI_KEY_P384: return "P-384";
    case PKI_KEY_P521: return "P-521";
    default: return "Ed25519";
    }
}

static void put_rsa_private(struct json_writer *w, RsaKey *rsa)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi" };
    mp_int *const parts[] = { &rsa->d, &rsa->p, &rsa->q, &rsa->dP, &rsa->dQ, &rsa->u };
    uint8_t bytes[PKI_KEY_RSA_OCTETS_MAX];
    for (size_t i = 0; i < 6; i++) {
        int n = mp_unsigned_bin_size(parts[i]);
        if (n > 0 && (size_t)n <= sizeof bytes && mp_to_unsigned_bin_len(parts[i], bytes, n) == MP_OKAY)
            put(w, names[i], bytes, (size_t)n);
    }
    secret_wipe(bytes, sizeof bytes);
}

void pki_key_to_jwk(const struct pki_key *k, bool private_members_too, struct json_writer *w)
{
    bool with_private = private_members_too && k->is_private && !k->hsm;
    if (k->ec) {
        uint8_t x[PKI_KEY_EC_OCTETS_MAX], y[PKI_KEY_EC_OCTETS_MAX], d[PKI_KEY_EC_OCTETS_MAX];
        size_t n;
        pki_key_get_ec_(k, x, y, &n);
        put_text(w, "kty", "EC");
        put_text(w, "crv", crv_of(k->type));
        put(w, "x", x, n);
        put(w, "y", y, n);
        word32 d_n = sizeof d;
        if (with_private && wc_ecc_export_private_only(k->ec, d, &d_n) == 0)
            put(w, "d", d, d_n);
        secret_wipe(d, sizeof d);
    } else if (k->ed) {
        put_text(w, "kty", "OKP");
        put_text(w, "crv", crv_of(k->type));
        put(w, "x", k->ed->p, ED25519_PUB_KEY_SIZE);
        if (with_private)
            put(w, "d", k->ed->k, ED25519_KEY_SIZE);
    } else if (k->secret) {
        put_text(w, "kty", "oct");
        if (with_private)
            put(w, "k", k->secret, k->secret_n);
    } else {
        uint8_t n[PKI_KEY_RSA_OCTETS_MAX], e[PKI_KEY_RSA_OCTETS_MAX];
        size_t n_n, e_n;
        pki_key_get_rsa_(k, n, &n_n, e, &e_n);
        put_text(w, "kty", "RSA");
        put(w, "n", n, n_n);
        put(w, "e", e, e_n);
        if (with_private)
            put_rsa_private(w, k->rsa);
    }
}

void pki_key_thumbprint(const struct pki_key *k, uint8_t out[static 32])
{
    // The required members only, in lexicographic order, without white space (RFC 7638 §3, RFC 8037 §2).
    char text[64 + BASE64URL_ENCODED(PKI_KEY_RSA_OCTETS_MAX) + BASE64URL_ENCODED(8)];
    char a[BASE64URL_ENCODED(PKI_KEY_RSA_OCTETS_MAX)], b[BASE64URL_ENCODED(PKI_KEY_RSA_OCTETS_MAX)];
    int n;
    if (k->ec) {
        uint8_t x[PKI_KEY_EC_OCTETS_MAX], y[PKI_KEY_EC_OCTETS_MAX];
        size_t octets;
        pki_key_get_ec_(k, x, y, &octets);
        size_t x_n = base64url_encode(span_of(x, octets), a), y_n = base64url_encode(span_of(y, octets), b);
        n = snprintf(text, sizeof text, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
                     crv_of(k->type), (int)x_n, a, (int)y_n, b);
    } else if (k->ed) {
        size_t x_n = base64url_encode(span_of(k->ed->p, ED25519_PUB_KEY_SIZE), a);
        n = snprintf(text, sizeof text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%.*s\"}", (int)x_n, a);
    } else if (k->secret) {
        size_t k_n = base64url_encode(span_of(k->secret, k->secret_n), a);
        n = snprintf(text, sizeof text, "{\"k\":\"%.*s\",\"kty\":\"oct\"}", (int)k_n, a);
    } else {
        uint8_t modulus[PKI_KEY_RSA_OCTETS_MAX], exponent[PKI_KEY_RSA_OCTETS_MAX];
        size_t modulus_n, exponent_n;
        pki_key_get_rsa_(k, modulus, &modulus_n, exponent, &exponent_n);
        size_t n_n = base64url_encode(span_of(modulus, modulus_n), a);
        size_t e_n = base64url_encode(span_of(exponent, exponent_n), b);
        n = snprintf(text, sizeof text, "{\"e\":\"%.*s\",\"kty\":\"RSA\",\"n\":\"%.*s\"}", (int)e_n, b, (int)n_n, a);
    }
    assert(n > 0 && (size_t)n < sizeof text);
    pki_sha256(span_of(text, (size_t)n), out);
    if (k->secret) {
        secret_wipe(text, sizeof text);
        secret_wipe(a, sizeof a);
    }
}
