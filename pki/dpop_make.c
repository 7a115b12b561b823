// SPDX-License-Identifier: GPL-3.0-or-later
// Making a proof (RFC 9449 §4.2): for `connect`, `call` and tests.
#include "pki/dpop.h"

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/jws.h"
#include "pki/mint.h"

static void put(struct json_writer *w, struct span name, struct span value)
{
    json_w_key(w, name);
    json_w_string(w, value);
}

static void put_bytes(struct json_writer *w, struct span name, const uint8_t *p, size_t n)
{
    char text[BASE64URL_ENCODED(32)];
    put(w, name, span_of(text, base64url_encode(span_of(p, n), text)));
}

int pki_dpop_make(const struct pki_key *key, enum pki_alg alg, struct span method, struct span uri, const uint8_t *ath,
                  struct span nonce, int64_t now_s, struct buf *out)
{
    uint8_t jti[16];
    struct buf header, payload;
    buf_init(&header, 0);
    buf_init(&payload, 0);
    if (alg == PKI_ALG_NONE)
        alg = pki_mint_alg(key);

    // Nothing in the header varies from proof to proof: its bytes are the key of the gateway's header cache.
    struct json_writer w = json_writer(&header);
    json_w_object(&w);
    put(&w, SPAN("typ"), SPAN("dpop+jwt"));
    put(&w, SPAN("alg"), pki_alg_name(alg));
    json_w_key(&w, SPAN("jwk"));
    json_w_object(&w);
    pki_key_to_jwk(key, false, &w);
    json_w_end(&w);
    json_w_end(&w);

    size_t end = 0;
    while (end < uri.n && uri.p[end] != '?' && uri.p[end] != '#')
        end++;
    pki_random(jti, sizeof jti);
    w = json_writer(&payload);
    json_w_object(&w);
    put_bytes(&w, SPAN("jti"), jti, sizeof jti);
    put(&w, SPAN("htm"), method);
    put(&w, SPAN("htu"), span_sub(uri, 0, end));
    json_w_key(&w, SPAN("iat"));
    json_w_int(&w, now_s);
    if (ath)
        put_bytes(&w, SPAN("ath"), ath, 32);
    if (!span_is_none(nonce))
        put(&w, SPAN("nonce"), nonce);
    json_w_end(&w);

    int rc = header.failed || payload.failed ? ERR_NOMEM
                                             : pki_jws_sign(buf_span(&header), buf_span(&payload), key, alg, out);
    buf_fini(&header);
    buf_fini(&payload);
    return rc;
}
