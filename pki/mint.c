// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/mint.h"

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/jws.h"

enum pki_alg pki_mint_alg(const struct pki_key *key)
{
    switch (pki_key_type(key)) {
    case PKI_KEY_P256: return PKI_ES256;
    case PKI_KEY_P384: return PKI_ES384;
    case PKI_KEY_P521: return PKI_ES512;
    case PKI_KEY_ED25519: return PKI_EDDSA;
    case PKI_KEY_RSA: return PKI_RS256;
    case PKI_KEY_SYMMETRIC: break;
    }
    return PKI_ALG_NONE;
}

static void put(struct json_writer *w, struct span name, struct span value)
{
    if (span_is_none(value) || span_is_none(name))
        return;
    json_w_key(w, name);
    json_w_string(w, value);
}

static void put_time(struct json_writer *w, struct span name, int64_t seconds)
{
    json_w_key(w, name);
    json_w_int(w, seconds);
}

static void put_list(struct json_writer *w, struct span name, struct pki_names values)
{
    if (span_is_none(name) || values.n == 0)
        return;
    json_w_key(w, name);
    json_w_array(w);
    for (size_t i = 0; i < values.n; i++)
        json_w_string(w, values.at[i]);
    json_w_end(w);
}

static void put_hash(struct json_writer *w, struct span name, const uint8_t *hash)
{
    char text[BASE64URL_ENCODED(32)];
    if (hash)
        put(w, name, span_of(text, base64url_encode(span_of(hash, 32), text)));
}

static void put_payload(const struct pki_mint *m, struct json_writer *w)
{
    uint8_t random[16];
    char jti[BASE64URL_ENCODED(sizeof random)];
    pki_random(random, sizeof random);
    size_t jti_n = base64url_encode(span_of(random, sizeof random), jti);

    put(w, SPAN("iss"), m->iss);
    put(w, SPAN("sub"), m->subject);
    put(w, SPAN("client_id"), m->client_id);
    if (m->audiences.n == 1)
        put(w, SPAN("aud"), m->audiences.at[0]);
    else
        put_list(w, SPAN("aud"), m->audiences);
    put(w, SPAN("jti"), span_is_none(m->jti) ? span_of(jti, jti_n) : m->jti);
    put_time(w, SPAN("iat"), m->iat_s);
    if (m->nbf_s != 0)
        put_time(w, SPAN("nbf"), m->nbf_s);
    put_time(w, SPAN("exp"), m->iat_s + m->lifetime_s);
    put(w, SPAN("scope"), m->scope);
    put_list(w, m->roles_claim, m->roles);
    put_list(w, m->groups_claim, m->groups);
    put(w, m->tenant_claim, m->tenant);
    put(w, m->workload_claim, m->workload);
    if (!m->jkt && !m->x5t)
        return;
    json_w_key(w, SPAN("cnf"));
    json_w_object(w);
    put_hash(w, SPAN("jkt"), m->jkt);
    put_hash(w, SPAN("x5t#S256"), m->x5t);
    json_w_end(w);
}

// Members of `extra`; a repeated name is found when the whole is parsed.
static bool put_extra(struct span extra, struct json_writer *w)
{
    if (span_is_none(extra))
        return true;
    struct json_doc *doc = json_parse(extra, NULL, NULL);
    json root = doc ? json_root(doc) : NULL, value;
    bool ok = json_type(root) == JSON_OBJECT;
    struct span name;
    for (struct json_iter it = json_iter(ok ? root : NULL); json_next(&it, &name, &value);) {
        json_w_key(w, name);
        json_w_value(w, value);
    }
    json_free(doc);
    return ok;
}

static bool complete(const struct pki_mint *m)
{
    return m->iss.n > 0 && m->subject.n > 0 && m->client_id.n > 0 && m->audiences.n > 0 && m->iat_s > 0 &&
           m->lifetime_s > 0;
}

int pki_mint_token(const struct pki_mint *m, const struct pki_key *key, enum pki_alg alg, struct buf *out)
{
    if (!complete(m))
        return ERR_TOKEN_CLAIM;
    if (alg == PKI_ALG_NONE)
        alg = pki_mint_alg(key);
    struct buf header, payload;
    buf_init(&header, 0);
    buf_init(&payload, 0);

    uint8_t thumbprint[32];
    char kid[BASE64URL_ENCODED(32)];
    pki_key_thumbprint(key, thumbprint);
    size_t kid_n = base64url_encode(span_of(thumbprint, sizeof thumbprint), kid);
    // A hash of the secret must not travel.
    bool symmetric = pki_key_type(key) == PKI_KEY_SYMMETRIC;
    struct json_writer w = json_writer(&header);
    json_w_object(&w);
    put(&w, SPAN("typ"), SPAN("at+jwt"));
    put(&w, SPAN("alg"), pki_alg_name(alg));
    put(&w, SPAN("kid"), span_is_none(m->kid) && !symmetric ? span_of(kid, kid_n) : m->kid);
    json_w_end(&w);

    w = json_writer(&payload);
    json_w_object(&w);
    put_payload(m, &w);
    bool ok = put_extra(m->extra, &w);
    json_w_end(&w);

    int rc = ok ? 0 : ERR_TOKEN_CLAIM;
    if (rc == 0 && (header.failed || payload.failed))
        rc = ERR_NOMEM;
    if (rc == 0) {
        // What the strict parser refuses must not be signed: a claim given twice, above all.
        struct json_doc *doc = json_parse(buf_span(&payload), NULL, NULL);
        rc = doc ? pki_jws_sign(buf_span(&header), buf_span(&payload), key, alg, out) : ERR_TOKEN_CLAIM;
        json_free(doc);
    }
    buf_fini(&header);
    buf_fini(&payload);
    return rc;
}
