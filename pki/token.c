// SPDX-License-Identifier: GPL-3.0-or-later
// The half of a token's check that may be remembered. token_check.c has the other.
#include "pki/token.h"

#include <stdlib.h>

#include "pki/assertion.h"
#include "pki/claims.h"
#include "pki/jws.h"
#include "pki/token_check.h"

// What a verification works on.
#define SCRATCH (256u * 1024)

struct verification {
    const struct pki_issuers *issuers;
    const struct pki_key_view *keys;
    struct pki_jws jws;
    struct pki_jws_header header;
    struct json_doc *payload_doc;
    bool timed; // its times are read
    struct pki_assertion a;
};

static int hold(const struct verification *v, bool ok, int error, const char *rule, const char *what)
{
    return pki_assertion_hold(&v->a, ok, error, rule, what);
}

static bool is_hmac(enum pki_alg alg)
{
    return alg == PKI_HS256 || alg == PKI_HS384 || alg == PKI_HS512;
}

static int read_header(struct verification *v, struct span compact)
{
    int rc = pki_jws_split(compact, PKI_TOKEN_MAX, &v->jws);
    if (rc == 0)
        rc = pki_jws_header_read(v->jws.header, &v->header);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc != ERR_TOKEN_CRIT &&
        hold(v, rc == 0, rc, "26", "one compact JWS in strict base64url with a JSON header") != 0)
        return rc;
    if (hold(v, rc == 0, rc, "23", "no critical header parameter that is not understood") != 0)
        return rc;
    rc = hold(v, !v->header.brings_key, ERR_TOKEN_HEADER_KEY, "23",
              "the header brings no key of its own (jwk, jku, x5u, x5c)");
    if (rc != 0)
        return rc;
    // Whose token it is is not known yet, but what nobody signs with need not be read on.
    unsigned served = pki_issuers_algs(v->issuers);
    bool known = v->header.alg != PKI_ALG_NONE && (!is_hmac(v->header.alg) || (served & PKI_ALG_BIT(v->header.alg)));
    return hold(v, known, ERR_TOKEN_ALG, "21",
                "alg is known, not none, and HS* only where a symmetric key is configured");
}

static int read_payload(struct verification *v)
{
    struct json_limits limits = { .bytes = PKI_TOKEN_MAX, .depth = 16 };
    int rc = pki_jws_decode(v->jws.payload, &v->a.arena, &v->a.token.claims);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc == 0) {
        v->payload_doc = json_parse(v->a.token.claims, &limits, NULL);
        v->a.claims = v->payload_doc ? json_root(v->payload_doc) : NULL;
    }
    return hold(v, json_type(v->a.claims) == JSON_OBJECT, ERR_TOKEN_MALFORMED, "23",
                "the payload is one JSON object without duplicate members");
}

// "at+jwt" and "application/at+jwt" are the same media type, in any case (RFC 7515 §4.1.9).
static bool typ_is(struct span typ, struct span want)
{
    struct span prefix = SPAN("application/");
    if (span_ieq(span_sub(typ, 0, prefix.n), prefix))
        typ = span_sub(typ, prefix.n, typ.n);
    if (span_ieq(span_sub(want, 0, prefix.n), prefix))
        want = span_sub(want, prefix.n, want.n);
    return span_ieq(typ, want);
}

static bool read_times(struct verification *v)
{
    int64_t iat, exp, nbf = 0;
    json not_before = json_get(v->a.claims, SPAN("nbf"));
    if (!pki_claim_date(json_get(v->a.claims, SPAN("iat")), &iat) ||
        !pki_claim_date(json_get(v->a.claims, SPAN("exp")), &exp) || (not_before && !pki_claim_date(not_before, &nbf)))
        return false;
    // Fractions are rounded to the narrower side.
    v->a.token.iat = (iat + 999) / 1000;
    v->a.token.exp = exp / 1000;
    v->a.token.nbf = (nbf + 999) / 1000;
    v->timed = v->a.token.exp > v->a.token.iat;
    return v->timed;
}

// A token that is over, or not there yet, is refused without a verification: a whole fleet's may run out at once, and be sent until they are renewed.
// With a trace everything goes in the order of the rules.
static int check_time_early(struct verification *v)
{
    if (v->a.trace || !read_times(v))
        return 0;
    return pki_token_check_time_(&v->a.token, v->a.now_s, NULL);
}

static int check_signature(struct verification *v)
{
    const struct pki_issuer *issuer = pki_issuers_find(v->issuers, json_string(json_get(v->a.claims, SPAN("iss"))));
    int rc = hold(v, issuer != NULL, ERR_TOKEN_ISSUER, "25", "iss is exactly that of a configured issuer");
    if (rc != 0)
        return rc;
    v->a.token.issuer = issuer;
    enum pki_alg alg = v->header.alg;
    rc = hold(v, (issuer->algs & PKI_ALG_BIT(alg)) != 0, ERR_TOKEN_ALG, "21", "alg is on the issuer's allow list");
    if (rc != 0)
        return rc;
    bool typed = span_is_none(issuer->typ) ||
                 (issuer->typ.n == 0 ? span_is_none(v->header.typ) : typ_is(v->header.typ, issuer->typ));
    rc = hold(v, typed, ERR_TOKEN_TYP, "24", "typ is the one its issuer uses");
    if (rc != 0)
        return rc;
    if (issuer->fetched) {
        bool fresh = !pki_key_view_stale(v->keys, issuer, v->a.now_s);
        rc = hold(v, fresh, ERR_KEYS_STALE, "caches", "the issuer's keys were fetched, within max_stale");
        if (rc != 0)
            return rc;
    }
    const struct pki_jwks *keys = pki_key_view_keys(v->keys, issuer);
    const struct pki_jwks_key *key = keys ? pki_jwks_find(keys, v->header.kid, alg) : NULL;
    rc = hold(v, key != NULL, ERR_TOKEN_KEY, "21", "one key of the issuer has this kid and this alg");
    if (rc != 0)
        return rc;
    memcpy(v->a.token.key_thumbprint, key->thumbprint, sizeof key->thumbprint);
    v->a.token.kid = v->header.kid;
    rc = pki_key_view_check(v->keys, issuer, key->thumbprint, v->a.now_s);
    if (hold(v, rc == 0, rc, "caches", "the key is still published and was read within max_stale") != 0)
        return rc;
    rc = check_time_early(v);
    if (rc != 0)
        return rc;
    rc = pki_jws_verify(&v->jws, key->key, alg);
    if (rc == ERR_NOMEM)
        return rc;
    return hold(v, rc == 0, rc, "22", "the signature verifies with that key");
}

// ---- claims

// RFC 9068 §2.2.
static bool rfc9068_are_there(const struct verification *v)
{
    static const struct span rfc9068[] = { { "sub", 3 }, { "client_id", 9 }, { "jti", 3 } };
    const struct pki_issuer *issuer = v->a.token.issuer;
    if (!span_is_none(issuer->typ) && typ_is(issuer->typ, SPAN("at+jwt")))
        for (size_t i = 0; i < sizeof rfc9068 / sizeof *rfc9068; i++)
            if (json_string(json_get(v->a.claims, rfc9068[i])).n == 0)
                return false;
    return true;
}

static int check_claims(struct verification *v)
{
    const struct pki_issuer *issuer = v->a.token.issuer;
    bool typed = rfc9068_are_there(v) && (v->timed || read_times(v)) && pki_assertion_read(&v->a);
    if (v->a.arena.failed)
        return ERR_NOMEM;
    int rc = hold(v, typed, ERR_TOKEN_CLAIM, "25", "exp, iat and the required claims are there, with the right types");
    if (rc != 0)
        return rc;
    bool aud = pki_assertion_audience(&v->a);
    if (v->a.arena.failed)
        return ERR_NOMEM;
    rc = hold(v, aud, ERR_TOKEN_AUDIENCE, "25", "aud contains an audience of this gateway");
    if (rc != 0)
        return rc;
    rc = pki_token_check_time_(&v->a.token, v->a.now_s, v->a.trace);
    if (rc != 0)
        return rc;
    bool short_enough = issuer->max_lifetime_s <= 0 || v->a.token.exp - v->a.token.iat <= issuer->max_lifetime_s;
    return hold(v, short_enough, ERR_TOKEN_LIFETIME, "25", "it lives no longer than its issuer may grant");
}

// ---- the result

static size_t names_size(struct pki_names names)
{
    size_t n = names.n * sizeof(struct span);
    for (size_t i = 0; i < names.n; i++)
        n += names.at[i].n;
    return n;
}

static struct span take(char **at, struct span s)
{
    if (span_is_none(s))
        return s;
    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return span_of(*at - s.n, s.n);
}

// The arrays come first, where alignment holds.
static struct span *take_array(char **at, struct pki_names names)
{
    struct span *array = (struct span *)(void *)*at;
    *at += names.n * sizeof *array;
    return array;
}

static struct pki_names take_names(char **at, struct span *array, struct pki_names names)
{
    for (size_t i = 0; i < names.n; i++)
        array[i] = take(at, names.at[i]);
    return (struct pki_names){ array, names.n };
}

// One block holds the token and all it points to.
struct pki_token *pki_token_seal_(const struct pki_token *t)
{
    size_t size = sizeof *t + names_size(t->roles) + names_size(t->groups) + t->subject.n + t->client_id.n + t->jti.n +
                  t->kid.n + t->scope.n + t->tenant.n + t->workload.n + t->claims.n;
    struct pki_token *s = malloc(size);
    if (!s)
        return NULL;
    *s = *t;
    char *at = (char *)(s + 1);
    struct span *roles = take_array(&at, t->roles), *groups = take_array(&at, t->groups);
    s->roles = take_names(&at, roles, t->roles);
    s->groups = take_names(&at, groups, t->groups);
    s->subject = take(&at, t->subject);
    s->client_id = take(&at, t->client_id);
    s->jti = take(&at, t->jti);
    s->kid = take(&at, t->kid);
    s->scope = take(&at, t->scope);
    s->tenant = take(&at, t->tenant);
    s->workload = take(&at, t->workload);
    s->claims = take(&at, t->claims);
    s->bytes = size;
    s->refs = 1;
    return s;
}

int pki_token_verify(const struct pki_issuers *issuers, const struct pki_key_view *keys, struct span compact,
                     const uint8_t sha256[static 32], int64_t now_s, const struct pki_trace *trace,
                     struct pki_token **out)
{
    static int (*const steps[])(struct verification *) = { read_payload, check_signature, check_claims };
    struct verification v = { .issuers = issuers, .keys = keys, .a = { .trace = trace, .now_s = now_s } };
    arena_init(&v.a.arena, SCRATCH);
    memcpy(v.a.token.sha256, sha256, sizeof v.a.token.sha256);
    int rc = read_header(&v, compact);
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
        rc = steps[i](&v);
    if (rc == 0)
        rc = pki_assertion_cnf(&v.a);
    if (rc == 0)
        rc = pki_assertion_containment(&v.a);
    if (rc == 0) {
        struct pki_token *token = pki_token_seal_(&v.a.token);
        if (token)
            *out = token;
        else
            rc = ERR_NOMEM;
    }
    json_free(v.payload_doc);
    pki_jws_header_fini(&v.header);
    arena_fini(&v.a.arena);
    return rc;
}

const struct pki_issuer *pki_token_unknown_key(const struct pki_issuers *issuers, const struct pki_key_view *keys,
                                               struct span compact)
{
    struct verification v = { .issuers = issuers, .keys = keys };
    const struct pki_issuer *issuer = NULL;
    arena_init(&v.a.arena, SCRATCH);
    if (read_header(&v, compact) == 0 && read_payload(&v) == 0)
        issuer = pki_issuers_find(issuers, json_string(json_get(v.a.claims, SPAN("iss"))));
    const struct pki_jwks *set = issuer && issuer->fetched ? pki_key_view_keys(keys, issuer) : NULL;
    bool unknown = set && !span_is_none(v.header.kid) && !pki_jwks_has_kid(set, v.header.kid);
    json_free(v.payload_doc);
    pki_jws_header_fini(&v.header);
    arena_fini(&v.a.arena);
    return unknown ? issuer : NULL;
}

struct pki_token *pki_token_ref(struct pki_token *t)
{
    t->refs++;
    return t;
}

void pki_token_unref(struct pki_token *t)
{
    if (!t || --t->refs > 0)
        return;
    if (t->extra)
        t->extra->on_drop(t->extra);
    free(t);
}
