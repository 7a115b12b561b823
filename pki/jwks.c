// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/jwks.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/base64url.h"
#include "gateway/base/secret.h"

#define KEYS_MAX 128

struct pki_jwks {
    _Atomic(unsigned) more_refs; // than the first
    struct arena arena;          // kids
    bool symmetric;              // one secret, and nothing else
    size_t n;
    struct pki_jwks_key at[KEYS_MAX];
};

struct pki_jwks *pki_jwks_ref(struct pki_jwks *s)
{
    atomic_fetch_add_explicit(&s->more_refs, 1, memory_order_relaxed);
    return s;
}

void pki_jwks_free(struct pki_jwks *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->more_refs, 1, memory_order_acq_rel) != 0)
        return;
    for (size_t i = 0; i < s->n; i++)
        pki_key_free((struct pki_key *)(uintptr_t)s->at[i].key);
    arena_fini(&s->arena);
    free(s);
}

size_t pki_jwks_count(const struct pki_jwks *s)
{
    return s->n;
}
const struct pki_jwks_key *pki_jwks_at(const struct pki_jwks *s, size_t i)
{
    return i < s->n ? &s->at[i] : NULL;
}

const struct pki_jwks_key *pki_jwks_find(const struct pki_jwks *s, struct span kid, enum pki_alg alg)
{
    const struct pki_jwks_key *found = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct pki_jwks_key *k = &s->at[i];
        bool by_kid = !span_is_none(kid) && !(s->symmetric && span_is_none(k->kid));
        if (k->alg != alg || (by_kid && (span_is_none(k->kid) || !span_eq(k->kid, kid))))
            continue;
        if (found)
            return NULL;
        found = k;
    }
    return found;
}

bool pki_jwks_has_kid(const struct pki_jwks *s, struct span kid)
{
    for (size_t i = 0; i < s->n; i++)
        if (!span_is_none(s->at[i].kid) && span_eq(s->at[i].kid, kid))
            return true;
    return false;
}

// Where in the file, for every message.
struct place {
    struct span file;
    struct diags *diags;
    size_t index;
};
static void say(const struct place *where, bool warning, const char *fmt, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    if (warning)
        diag_warning(where->diags, where->file, 0, 0, "keys[%zu]: %s", where->index, text);
    else
        diag_error(where->diags, where->file, 0, 0, "keys[%zu]: %s", where->index, text);
}

__attribute__((format(printf, 2, 3))) static void complain(const struct place *where, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(where, false, fmt, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void remark(const struct place *where, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(where, true, fmt, args);
    va_end(args);
}

static bool known_kty(json jwk)
{
    static const struct span known[] = { { "EC", 2 }, { "RSA", 3 }, { "OKP", 3 }, { "oct", 3 } };
    struct span kty = json_string(json_get(jwk, SPAN("kty")));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_eq(kty, known[i]))
            return true;
    return false;
}

static bool known_crv(json jwk)
{
    static const struct span known[] = { { "P-256", 5 }, { "P-384", 5 }, { "P-521", 5 }, { "Ed25519", 7 } };
    struct span crv = json_string(json_get(jwk, SPAN("crv")));
    if (span_is_none(crv))
        return true; // RSA, or a fault that the import reports
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_eq(crv, known[i]))
            return true;
    return false;
}

// Keys for something else are no fault of the file (RFC 7517 §5). False: leave it out, a remark was made where one is due.
static bool is_for_us(json jwk, const struct place *where)
{
    json use = json_get(jwk, SPAN("use")), ops = json_get(jwk, SPAN("key_ops"));
    if (use && !span_eq(json_string(use), SPAN("sig"))) {
        remark(where, "`use` is not \"sig\": the key is left out");
        return false;
    }
    if (ops) {
        bool verifies = false;
        json op;
        struct span name;
        for (struct json_iter it = json_iter(ops); json_next(&it, &name, &op);)
            verifies = verifies || span_eq(json_string(op), SPAN("verify"));
        if (!verifies) {
            remark(where, "`key_ops` has no \"verify\": the key is left out");
            return false;
        }
    }
    if (!known_kty(jwk) && json_type(json_get(jwk, SPAN("kty"))) == JSON_STRING) {
        remark(where, "`kty` is not known: the key is left out");
        return false;
    }
    if (!known_crv(jwk)) {
        remark(where, "`crv` is not known: the key is left out");
        return false;
    }
    return true;
}

// The one algorithm of a key. PKI_ALG_NONE with a message when there is none; `*fault` tells an error from a remark.
static enum pki_alg one_alg(json jwk, const struct pki_key *key, unsigned allowed, const struct place *where,
                            bool *fault)
{
    unsigned fits = pki_key_algs(key);
    json member = json_get(jwk, SPAN("alg"));
    *fault = true;
    if (member) {
        enum pki_alg alg = pki_alg_parse(json_string(member));
        if (alg == PKI_ALG_NONE) {
            *fault = json_type(member) != JSON_STRING || span_eq(json_string(member), SPAN("none"));
            if (*fault)
                complain(where, "`alg` is not a signature algorithm");
            else
                remark(where, "`alg` is not known: the key is left out");
        } else if (!(fits & PKI_ALG_BIT(alg))) {
            complain(where, "`alg` %.*s cannot be used with a key of this `kty` and `crv`",
                     SPAN_FMT(pki_alg_name(alg)));
            alg = PKI_ALG_NONE;
        } else if (!(allowed & PKI_ALG_BIT(alg))) {
            *fault = false;
            remark(where, "`alg` %.*s is not allowed for this issuer: the key is left out",
                   SPAN_FMT(pki_alg_name(alg)));
            alg = PKI_ALG_NONE;
        }
        return alg;
    }
    unsigned both = fits & allowed;
    if (both == 0) {
        *fault = false;
        remark(where, "no algorithm that is allowed for this issuer fits the key: it is left out");
        return PKI_ALG_NONE;
    }
    if (both & (both - 1)) {
        complain(where, "more than one allowed algorithm fits the key; add `alg` to it, or allow only one of its kind");
        return PKI_ALG_NONE;
    }
    return (enum pki_alg)__builtin_ctz(both);
}

// False after an error; a key that is left out is no error.
static bool add(struct pki_jwks *s, json jwk, unsigned algs, const struct place *where)
{
    if (json_type(jwk) != JSON_OBJECT) {
        complain(where, "a key is an object");
        return false;
    }
    json kid_member = json_get(jwk, SPAN("kid"));
    struct span kid = json_string(kid_member);
    if (kid_member && span_is_none(kid)) {
        complain(where, "`kid` is a string");
        return false;
    }
    if (!is_for_us(jwk, where))
        return true;

    struct pki_key *key;
    const char *what = "";
    int rc = pki_key_from_jwk(jwk, true, &key, &what);
    if (rc == ERR_PROOF_PRIVATE) {
        complain(where,
                 "the key is private or symmetric; an issuer's set holds public keys only, replace a private key that "
                 "was published");
        return false;
    }
    if (rc != 0) {
        complain(where, "not a key that can be used (%s)", rc == ERR_NOMEM ? "out of memory" : what);
        return false;
    }
    bool fault;
    enum pki_alg alg = one_alg(jwk, key, algs, where, &fault);
    if (alg == PKI_ALG_NONE) {
        pki_key_free(key);
        return !fault;
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct pki_jwks_key *other = &s->at[i];
        bool same_kid =
            span_is_none(kid) ? span_is_none(other->kid) : !span_is_none(other->kid) && span_eq(kid, other->kid);
        if (other->alg == alg && same_kid) {
            complain(where, "same `kid` and algorithm as an earlier key; give every key a `kid` of its own");
            pki_key_free(key);
            return false;
        }
    }
    struct pki_jwks_key *k = &s->at[s->n];
    *k = (struct pki_jwks_key){ .key = key, .kid = arena_dup(&s->arena, kid), .alg = alg };
    pki_key_thumbprint(key, k->thumbprint);
    s->n++;
    return true;
}

struct pki_jwks *pki_jwks_read(struct span text, unsigned algs, struct span file, struct diags *diags)
{
    struct json_error error = { .what = "" };
    struct json_doc *doc = json_parse(text, NULL, &error);
    if (!doc) {
        diag_error(diags, file, error.line, error.column, "not a JWK set: %s", error.what);
        return NULL;
    }
    json keys = json_get(json_root(doc), SPAN("keys"));
    struct pki_jwks *s = NULL;
    bool ok = false;
    if (json_type(keys) != JSON_ARRAY) {
        diag_error(diags, file, 0, 0, "not a JWK set: `keys` is missing or no array (RFC 7517 section 5)");
        goto done;
    }
    if (json_count(keys) > KEYS_MAX) {
        diag_error(diags, file, 0, 0, "more than %d keys", KEYS_MAX);
        goto done;
    }
    s = calloc(1, sizeof *s);
    if (!s) {
        diag_error(diags, file, 0, 0, "out of memory");
        goto done;
    }
    arena_init(&s->arena, 0);
    ok = true;
    struct place where = { file, diags, 0 };
    struct span name;
    json jwk;
    for (struct json_iter it = json_iter(keys); json_next(&it, &name, &jwk); where.index++)
        ok = add(s, jwk, algs, &where) && ok;
    if (ok && s->arena.failed) {
        diag_error(diags, file, 0, 0, "out of memory");
        ok = false;
    }
    if (ok && s->n == 0) {
        diag_error(diags, file, 0, 0, "no key in the set can verify a token of this issuer");
        ok = false;
    }
done:
    json_free(doc);
    if (!ok) {
        pki_jwks_free(s);
        return NULL;
    }
    return s;
}

// ---- a secret

static bool is_text(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static int secret_of_line(struct span text, struct pki_key **out, struct span file, struct diags *diags)
{
    struct span line = text;
    if (span_ends(line, SPAN("\n")))
        line.n--;
    if (span_ends(line, SPAN("\r")))
        line.n--;
    if (!is_text(line)) {
        diag_error(diags, file, 0, 0,
                   "not one line of text; write a binary key as a JWK, {\"kty\":\"oct\",\"k\":\"...\"}");
        return ERR_TOKEN_KEY;
    }
    int rc = pki_key_symmetric(line, out);
    if (rc == ERR_CERT_WEAK)
        diag_error(diags, file, 0, 0, "a key of %zu octets; HS256 needs 32, HS384 48, HS512 64", line.n);
    else if (rc != 0)
        diag_error(diags, file, 0, 0, rc == ERR_NOMEM ? "out of memory" : "a key has at most 512 octets");
    return rc;
}

static int secret_of_jwk(struct span text, unsigned algs, struct pki_key **out, struct pki_jwks *s, struct span file,
                         struct diags *diags)
{
    struct json_error error = { .what = "" };
    struct json_doc *doc = json_parse(text, NULL, &error);
    json jwk = json_root(doc), use = json_get(jwk, SPAN("use")), alg = json_get(jwk, SPAN("alg"));
    struct span kid = json_string(json_get(jwk, SPAN("kid"))), k = json_string(json_get(jwk, SPAN("k")));
    const char *what = "";
    int rc = ERR_TOKEN_KEY;
    if (!doc) {
        diag_error(diags, file, error.line, error.column, "not a JWK: %s", error.what);
        return rc;
    }
    if (!span_eq(json_string(json_get(jwk, SPAN("kty"))), SPAN("oct")))
        diag_error(diags, file, 0, 0, "`kty` is not \"oct\"; public keys belong into `jwks`");
    else if (use && !span_eq(json_string(use), SPAN("sig")))
        diag_error(diags, file, 0, 0, "`use` is not \"sig\"");
    else if (json_get(jwk, SPAN("kid")) && span_is_none(kid))
        diag_error(diags, file, 0, 0, "`kid` is a string");
    else if (alg && !(algs & PKI_ALG_BIT(pki_alg_parse(json_string(alg)))))
        diag_error(diags, file, 0, 0, "`alg` is not the algorithm that the issuer is configured with");
    else if ((rc = pki_key_from_jwk(jwk, false, out, &what)) != 0)
        diag_error(diags, file, 0, 0, "not a key that can be used (%s)", rc == ERR_NOMEM ? "out of memory" : what);
    else
        s->at[0].kid = arena_dup(&s->arena, kid);
    secret_wipe((void *)(uintptr_t)k.p, k.n);
    json_free(doc);
    return rc;
}

struct pki_jwks *pki_jwks_read_symmetric(struct span text, unsigned algs, struct span file, struct diags *diags)
{
    const unsigned symmetric = PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512);
    if (algs == 0 || (algs & ~symmetric) || (algs & (algs - 1))) {
        diag_error(diags, file, 0, 0, "a symmetric key is used with exactly one of HS256, HS384, HS512");
        return NULL;
    }
    enum pki_alg alg = (enum pki_alg)__builtin_ctz(algs);
    struct pki_key *key = NULL;
    struct pki_jwks *s = calloc(1, sizeof *s);
    if (!s) {
        diag_error(diags, file, 0, 0, "out of memory");
        return NULL;
    }
    arena_init(&s->arena, 0);
    s->symmetric = true;
    int rc = span_starts(span_trim(text), SPAN("{")) ? secret_of_jwk(text, algs, &key, s, file, diags)
                                                     : secret_of_line(text, &key, file, diags);
    if (rc == 0 && !(pki_key_algs(key) & algs)) {
        diag_error(diags, file, 0, 0, "the key is too short for %.*s; HS256 needs 32 octets, HS384 48, HS512 64",
                   SPAN_FMT(pki_alg_name(alg)));
        rc = ERR_TOKEN_KEY;
    } else if (rc == 0 && s->arena.failed) {
        diag_error(diags, file, 0, 0, "out of memory");
        rc = ERR_NOMEM;
    }
    if (rc != 0) {
        pki_key_free(key);
        pki_jwks_free(s);
        return NULL;
    }
    s->at[0].key = key;
    s->at[0].alg = alg;
    pki_key_thumbprint(key, s->at[0].thumbprint);
    s->n = 1;
    return s;
}

bool pki_jwks_is_symmetric(const struct pki_jwks *s)
{
    return s && s->symmetric;
}

int pki_jwks_published(struct span text, uint8_t (**out)[32], size_t *n)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    json keys = json_get(json_root(doc), SPAN("keys")), jwk;
    struct span name;
    size_t found = 0;
    bool set = json_type(keys) == JSON_ARRAY && json_count(keys) <= KEYS_MAX;
    uint8_t(*thumbprints)[32] = set ? calloc(json_count(keys) + 1, sizeof *thumbprints) : NULL;
    int rc = !set ? ERR_TOKEN_KEY : thumbprints ? 0 : ERR_NOMEM;
    for (struct json_iter it = json_iter(rc == 0 ? keys : NULL); rc == 0 && json_next(&it, &name, &jwk);) {
        struct pki_key *key;
        int e = pki_key_from_jwk(jwk, true, &key, NULL);
        if (e == 0) {
            pki_key_thumbprint(key, thumbprints[found++]);
            pki_key_free(key);
        } else if (e == ERR_NOMEM) {
            rc = e;
        }
    }
    json_free(doc);
    if (rc == 0) {
        *out = thumbprints;
        *n = found;
    } else {
        free(thumbprints);
    }
    return rc;
}

int pki_jwks_write(const struct pki_key *const *keys, const enum pki_alg *algs, size_t n, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("keys"));
    json_w_array(&w);
    for (size_t i = 0; i < n; i++) {
        uint8_t thumbprint[32];
        char kid[BASE64URL_ENCODED(32)];
        pki_key_thumbprint(keys[i], thumbprint);
        size_t kid_n = base64url_encode(span_of(thumbprint, sizeof thumbprint), kid);
        json_w_object(&w);
        pki_key_to_jwk(keys[i], false, &w);
        json_w_key(&w, SPAN("kid"));
        json_w_string(&w, span_of(kid, kid_n));
        json_w_key(&w, SPAN("alg"));
        json_w_string(&w, pki_alg_name(algs[i]));
        json_w_key(&w, SPAN("use"));
        json_w_string(&w, SPAN("sig"));
        json_w_end(&w);
    }
    json_w_end(&w);
    json_w_end(&w);
    return out->failed ? ERR_NOMEM : 0;
}
