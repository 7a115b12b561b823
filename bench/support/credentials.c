// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/credentials.h"

#include "bench/support/stop.h"
#include "bench/support/workloads.h"
#include "gateway/base/base64url.h"
#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/mint.h"
#include "pki/token.h"

#include <stdio.h>
#include <stdlib.h>

#define JTI 16        // characters of it that are replaced
#define THUMBPRINT 43 // characters of 32 bytes

static struct span nth(const struct buf *all, const size_t *ends, long i)
{
    return span_sub(buf_span(all), i > 0 ? ends[i - 1] : 0, ends[i]);
}

static struct pki_key *read_key(const char *file)
{
    struct pki_key *key;
    if (pki_key_read_private(read_file(file), SPAN_NONE, &key) != 0)
        stop(2, "%s: not a private key, or it is encrypted", file);
    return key;
}

static struct pki_key **make_keys(long n)
{
    struct pki_key **keys = calloc((size_t)n, sizeof *keys);
    for (long i = 0; keys && i < n; i++)
        if (!(keys[i] = pki_key_generate(PKI_KEY_P256, 0)))
            keys = NULL;
    if (!keys)
        stop(2, "a key cannot be made");
    return keys;
}

// Where the value of a text claim begins, of at least n characters.
static uint8_t *find_claim(const struct credentials *c, uint8_t *claims, size_t claims_n, const char *name, size_t n)
{
    char text[32];
    size_t text_n = (size_t)snprintf(text, sizeof text, "\"%s\":\"", name);
    uint8_t *at = memmem(claims, claims_n, text, text_n);
    if (!at || (size_t)(claims + claims_n - at) < text_n + n)
        stop(2, "%s: no claim %s of %zu characters", c->token_file, name, n);
    return at + text_n;
}

// The number of its workload, wherever the token's claims name that.
static void rename_workload(const struct credentials *c, uint8_t *claims, size_t claims_n, long i)
{
    size_t n = strlen(c->workload_id);
    uint8_t *end = claims + claims_n, *from = claims;
    for (uint8_t *at; (at = memmem(from, (size_t)(end - from), c->workload_id, n - WORKLOAD_DIGITS)); from = at + n) {
        if ((size_t)(end - at) < n)
            return;
        workload_number((char *)at + n - WORKLOAD_DIGITS, i);
    }
}

// The given token with another jti, and with `keys` bound to one of them each; signed by the issuer's key.
static void mint(struct credentials *c, struct pki_key *const *keys)
{
    struct span rest = c->token, header = span_cut(&rest, '.'), payload = span_cut(&rest, '.');
    uint8_t claims[PKI_TOKEN_MAX], print[32];
    char text[BASE64URL_ENCODED(PKI_TOKEN_MAX)], signature[256];
    size_t n;
    if (c->token.n > PKI_TOKEN_MAX || !base64url_decode(payload, claims, &n))
        stop(2, "%s: not a JWT", c->token_file);
    uint8_t *jti = find_claim(c, claims, n, "jti", JTI);
    uint8_t *jkt = keys ? find_claim(c, claims, n, "jkt", THUMBPRINT) : NULL;
    struct pki_key *issuer = read_key(c->issuer_file);
    for (long i = 0; i < c->tokens_n; i++) {
        struct buf raw;
        buf_init(&raw, 0);
        snprintf(text, sizeof text, "%016lx", (unsigned long)i);
        memcpy(jti, text, JTI);
        if (keys) {
            pki_key_thumbprint(keys[i], print);
            base64url_encode(span_of(print, sizeof print), text);
            memcpy(jkt, text, THUMBPRINT);
        }
        if (c->workload_id)
            rename_workload(c, claims, n, i);
        size_t from = buf_len(&c->tokens);
        buf_printf(&c->tokens, "%.*s.%.*s", SPAN_FMT(header), (int)base64url_encode(span_of(claims, n), text), text);
        struct span signed_part = span_sub(buf_span(&c->tokens), from, buf_len(&c->tokens));
        if (pki_key_sign(issuer, pki_mint_alg(issuer), signed_part, &raw) != 0)
            stop(2, "a token cannot be made");
        buf_printf(&c->tokens, ".%.*s", (int)base64url_encode(buf_span(&raw), signature), signature);
        c->token_ends[i] = buf_len(&c->tokens);
        buf_fini(&raw);
    }
    pki_key_free(issuer);
}

static void prove(struct credentials *c, struct pki_key *const *keys, long keys_n, struct span method, struct span uri,
                  long n)
{
    for (long i = 0; i < n; i++) {
        uint8_t ath[PKI_SHA256];
        pki_sha256(credentials_token(c, i), ath);
        if (pki_dpop_make(keys[i % keys_n], PKI_ALG_NONE, method, uri, ath, SPAN_NONE, clock_read().wall_ms / 1000,
                          &c->proofs) != 0)
            stop(2, "a proof cannot be made");
        c->proof_ends[i] = buf_len(&c->proofs);
    }
}

void credentials_make(struct credentials *c, struct span method, struct span uri, long n)
{
    struct pki_key *one = NULL, **many = NULL;
    c->token = SPAN_NONE;
    if (!c->token_file)
        return;
    c->token = read_file(c->token_file);
    while (c->token.n > 0 && c->token.p[c->token.n - 1] <= ' ')
        c->token.n--;
    if (c->keys > 0 && !c->issuer_file)
        stop(2, "--keys needs --issuer-key");
    if (c->keys > 0)
        many = make_keys(c->keys);
    else if (c->dpop_file)
        one = read_key(c->dpop_file);
    if (c->issuer_file) {
        c->tokens_n = c->keys > 0 ? c->keys : n;
        if (!(c->token_ends = calloc((size_t)c->tokens_n, sizeof *c->token_ends)))
            stop(2, "out of memory");
        mint(c, many);
    }
    if (one || many) {
        if (!(c->proof_ends = calloc((size_t)n, sizeof *c->proof_ends)))
            stop(2, "out of memory");
        prove(c, many ? many : &one, many ? c->keys : 1, method, uri, n);
    }
    for (long i = 0; i < c->keys; i++)
        pki_key_free(many[i]);
    free(many);
    pki_key_free(one);
}

struct span credentials_token(const struct credentials *c, long i)
{
    return c->token_ends ? nth(&c->tokens, c->token_ends, i % c->tokens_n) : c->token;
}

struct span credentials_proof(const struct credentials *c, long i)
{
    return c->proof_ends ? nth(&c->proofs, c->proof_ends, i) : SPAN_NONE;
}
