// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/jws.h"

#include <assert.h>

#include "gateway/base/base64url.h"

// A header is a few hundred bytes; the longest one that makes sense holds a large RSA key.
#define HEADER_MAX 4096
#define SIGNATURE_MAX 1024

int pki_jws_split(struct span compact, size_t max, struct pki_jws *out)
{
    if (compact.n == 0 || compact.n > max)
        return ERR_TOKEN_MALFORMED;
    struct span parts[5] = { { NULL, 0 } };
    size_t n = 0;
    for (struct span rest = compact; !span_is_none(rest); n++) {
        if (n == 5)
            return ERR_TOKEN_MALFORMED;
        parts[n] = span_cut(&rest, '.');
    }
    // A JSON serialisation may have as many dots in it.
    if (n == 5)
        return compact.p[0] == '{' ? ERR_TOKEN_MALFORMED : ERR_TOKEN_ENCRYPTED;
    // An empty signature is what `none` has: no algorithm that is served makes one.
    if (n != 3 || parts[0].n == 0 || parts[1].n == 0 || parts[2].n == 0)
        return ERR_TOKEN_MALFORMED;
    *out = (struct pki_jws){
        .signing_input = span_of(compact.p, parts[0].n + 1 + parts[1].n),
        .header = parts[0],
        .payload = parts[1],
        .signature = parts[2],
    };
    return 0;
}

// Header members that must be strings when they are there.
static bool optional_string(json header, struct span name, struct span *out)
{
    json v = json_get(header, name);
    if (v && json_type(v) != JSON_STRING)
        return false;
    *out = json_string(v);
    return true;
}

int pki_jws_header_read(struct span segment, struct pki_jws_header *out)
{
    char text[BASE64URL_DECODED(HEADER_MAX)];
    size_t n;
    if (segment.n > HEADER_MAX || !base64url_decode(segment, text, &n))
        return ERR_TOKEN_MALFORMED;
    struct json_limits limits = { .bytes = sizeof text, .depth = 8 };
    struct json_doc *doc = json_parse(span_of(text, n), &limits, NULL);
    if (!doc)
        return ERR_TOKEN_MALFORMED;
    json root = json_root(doc);
    struct pki_jws_header h = { .doc = doc, .jwk = json_get(root, SPAN("jwk")) };
    struct span alg, ignored;
    int rc = ERR_TOKEN_MALFORMED;
    if (json_type(root) != JSON_OBJECT || !optional_string(root, SPAN("alg"), &alg) ||
        !optional_string(root, SPAN("typ"), &h.typ) || !optional_string(root, SPAN("kid"), &h.kid) ||
        !optional_string(root, SPAN("cty"), &ignored))
        goto fail;

    // Every extension is unknown here, and a `crit` that names none is malformed (RFC 7515 §4.1.11).
    rc = ERR_TOKEN_CRIT;
    if (json_get(root, SPAN("crit")))
        goto fail;
    // RFC 7797 §6: without `crit` a receiver that did not look would read an unencoded payload as encoded.
    json b64 = json_get(root, SPAN("b64"));
    bool encoded;
    if (b64 && (!json_bool(b64, &encoded) || !encoded))
        goto fail;

    h.alg = span_is_none(alg) ? PKI_ALG_NONE : pki_alg_parse(alg);
    h.brings_key = h.jwk || json_get(root, SPAN("jku")) || json_get(root, SPAN("x5u")) || json_get(root, SPAN("x5c"));
    *out = h;
    return 0;

fail:
    json_free(doc);
    return rc;
}

void pki_jws_header_fini(struct pki_jws_header *h)
{
    json_free(h->doc);
    *h = (struct pki_jws_header){ .doc = NULL };
}

int pki_jws_decode(struct span segment, struct arena *arena, struct span *out)
{
    char *p = arena_alloc(arena, BASE64URL_DECODED(segment.n) + 1);
    size_t n;
    if (!p)
        return ERR_NOMEM;
    if (!base64url_decode(segment, p, &n))
        return ERR_TOKEN_MALFORMED;
    *out = span_of(p, n);
    return 0;
}

static int verify(struct span encoded, struct span signing_input, const struct pki_key *key, enum pki_alg alg)
{
    char signature[SIGNATURE_MAX];
    size_t n;
    if (BASE64URL_DECODED(encoded.n) > sizeof signature || !base64url_decode(encoded, signature, &n))
        return ERR_TOKEN_MALFORMED;
    return pki_key_verify_shared(key, alg, signing_input, span_of(signature, n));
}

int pki_jws_verify(const struct pki_jws *jws, const struct pki_key *key, enum pki_alg alg)
{
    return verify(jws->signature, jws->signing_input, key, alg);
}

static bool append_encoded(struct buf *out, struct span s)
{
    char *p = buf_reserve(out, BASE64URL_ENCODED(s.n));
    if (!p)
        return false;
    buf_commit(out, base64url_encode(s, p));
    return true;
}

static int sign(struct span header_json, struct span payload, bool detached, const struct pki_key *key,
                enum pki_alg alg, struct buf *out)
{
    struct buf text, signature;
    buf_init(&text, 0);
    buf_init(&signature, SIGNATURE_MAX);
    size_t header = BASE64URL_ENCODED(header_json.n) + 1;
    int rc = ERR_NOMEM;
    if (append_encoded(&text, header_json) && buf_byte(&text, '.') && append_encoded(&text, payload))
        rc = pki_key_sign(key, alg, buf_span(&text), &signature);
    if (rc == 0 && !(buf_byte(&text, '.') && append_encoded(&text, buf_span(&signature))))
        rc = ERR_NOMEM;
    if (rc == 0 && detached)
        rc = buf_append(out, span_sub(buf_span(&text), 0, header)) &&
                     buf_append(out, span_sub(buf_span(&text), header + BASE64URL_ENCODED(payload.n), SIZE_MAX))
                 ? 0
                 : ERR_NOMEM;
    else if (rc == 0 && !buf_append(out, buf_span(&text)))
        rc = ERR_NOMEM;
    buf_fini(&signature);
    buf_fini(&text);
    return rc;
}

int pki_jws_sign(struct span header_json, struct span payload, const struct pki_key *key, enum pki_alg alg,
                 struct buf *out)
{
    return sign(header_json, payload, false, key, alg, out);
}

int pki_jws_sign_detached(struct span header_json, struct span payload, const struct pki_key *key, enum pki_alg alg,
                          struct buf *out)
{
    return sign(header_json, payload, true, key, alg, out);
}

int pki_jws_split_detached(struct span compact, size_t max, struct pki_jws *out)
{
    if (compact.n > max)
        return ERR_TOKEN_MALFORMED;
    struct span rest = compact, header = span_cut(&rest, '.'), payload = span_cut(&rest, '.');
    if (header.n == 0 || payload.n != 0 || rest.n == 0 || span_find(rest, '.') != rest.n)
        return ERR_TOKEN_MALFORMED;
    *out = (struct pki_jws){ .header = header, .payload = span_of(header.p, 0), .signature = rest };
    return 0;
}

int pki_jws_verify_detached(const struct pki_jws *jws, struct span payload, const struct pki_key *key, enum pki_alg alg)
{
    struct buf text;
    buf_init(&text, 0);
    // Held once, in one piece: archives are large.
    bool ok = buf_reserve(&text, jws->header.n + 1 + BASE64URL_ENCODED(payload.n)) && buf_append(&text, jws->header) &&
              buf_byte(&text, '.') && append_encoded(&text, payload);
    int rc = ok ? verify(jws->signature, buf_span(&text), key, alg) : ERR_NOMEM;
    buf_fini(&text);
    return rc;
}
