// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/introspected.h"

#include "gateway/base/base64url.h"
#include "pki/api_key.h"
#include "pki/assertion.h"
#include "pki/claims.h"
#include "pki/jws.h"
#include "pki/token_check.h"

#define DEPTH_MAX 16
#define ECHO "sha256:" // before the hash that stands for a repeated token

// ---- whose token it is

static bool is_token68(struct span s)
{
    size_t i = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && !memchr("-._~+/", c, 6))
            break;
    }
    if (i == 0)
        return false;
    while (i < s.n && s.p[i] == '=')
        i++;
    return i == s.n;
}

// The form of a JWT, whether it would be accepted or not.
static bool is_jwt_shaped(struct span token, struct pki_jws *jws)
{
    struct pki_jws_header header;
    int rc = pki_jws_split(token, PKI_TOKEN_MAX, jws);
    bool encrypted = rc == ERR_TOKEN_ENCRYPTED;
    if (rc != 0 && !encrypted)
        return false;
    struct span rest = token, first = span_cut(&rest, '.');
    rc = pki_jws_header_read(encrypted ? first : jws->header, &header);
    if (rc == 0)
        pki_jws_header_fini(&header);
    if (encrypted)
        *jws = (struct pki_jws){ .header = first };
    return rc == 0 || rc == ERR_TOKEN_CRIT;
}

static const struct pki_issuer *by_claimed_issuer(const struct pki_issuers *issuers, const struct pki_jws *jws)
{
    struct json_limits limits = { .bytes = PKI_TOKEN_MAX, .depth = DEPTH_MAX };
    const struct pki_issuer *issuer = NULL;
    struct arena arena;
    struct span payload;
    arena_init(&arena, 64 * 1024);
    if (jws->payload.n > 0 && pki_jws_decode(jws->payload, &arena, &payload) == 0) {
        struct json_doc *doc = json_parse(payload, &limits, NULL);
        issuer = pki_issuers_find(issuers, json_string(json_get(doc ? json_root(doc) : NULL, SPAN("iss"))));
        json_free(doc);
    }
    arena_fini(&arena);
    return issuer && issuer->introspection.enabled && issuer->introspection.alone ? issuer : NULL;
}

static bool any_without_keys(const struct pki_issuers *issuers)
{
    for (size_t i = 0; i < pki_issuers_count(issuers); i++) {
        const struct pki_issuer *issuer = pki_issuers_at(issuers, i);
        if (issuer->introspection.enabled && issuer->introspection.alone)
            return true;
    }
    return false;
}

const struct pki_issuer *pki_introspected_by(const struct pki_issuers *issuers, struct span token)
{
    struct pki_jws jws;
    if (is_jwt_shaped(token, &jws))
        return any_without_keys(issuers) ? by_claimed_issuer(issuers, &jws) : NULL;
    if (token.n < PKI_OPAQUE_MIN || token.n > PKI_OPAQUE_MAX || !is_token68(token) || pki_api_key_looks_like(token))
        return NULL;
    const struct pki_issuer *found = NULL;
    for (size_t i = 0; i < pki_issuers_count(issuers); i++) {
        const struct pki_issuer *issuer = pki_issuers_at(issuers, i);
        const struct pki_introspection *how = &issuer->introspection;
        if (!how->enabled || !span_starts(token, how->prefix))
            continue;
        if (!found || how->prefix.n > found->introspection.prefix.n)
            found = issuer;
    }
    return found;
}

// ---- the answer without the token

struct scrub {
    struct span token, name; // what is looked for, and what is put in its place
    struct json_writer w;
    bool found, in_name;
};

static bool holds(struct span s, struct span part)
{
    return part.n > 0 && s.n >= part.n && memmem(s.p, s.n, part.p, part.n) != NULL;
}

// Depth is bounded by the parser.
static void scrub_value(struct scrub *s, json v)
{
    struct span name;
    json item;
    switch (json_type(v)) {
    case JSON_OBJECT:
        json_w_object(&s->w);
        for (struct json_iter it = json_iter(v); json_next(&it, &name, &item);) {
            s->in_name = s->in_name || holds(name, s->token);
            json_w_key(&s->w, name);
            scrub_value(s, item);
        }
        json_w_end(&s->w);
        break;
    case JSON_ARRAY:
        json_w_array(&s->w);
        for (struct json_iter it = json_iter(v); json_next(&it, &name, &item);)
            scrub_value(s, item);
        json_w_end(&s->w);
        break;
    case JSON_STRING:
        if (holds(json_string(v), s->token)) {
            s->found = true;
            json_w_string(&s->w, s->name);
            break;
        }
        json_w_value(&s->w, v);
        break;
    default: json_w_value(&s->w, v); break;
    }
}

// What a reading works on.
struct reading {
    struct json_doc *doc;
    struct buf scrubbed;
    struct pki_assertion a;
};

static json parse(struct reading *r, struct span answer)
{
    struct json_limits limits = { .bytes = PKI_INTROSPECTED_MAX, .depth = DEPTH_MAX };
    json_free(r->doc);
    r->doc = json_parse(answer, &limits, NULL);
    r->a.claims = r->doc ? json_root(r->doc) : NULL;
    return r->a.claims;
}

// 0, ERR_INTROSPECTION, ERR_NOMEM. Claims that repeat the token would carry it into the policy's context and the audit record.
static int scrub(struct reading *r, struct span token)
{
    char name[sizeof ECHO - 1 + BASE64URL_ENCODED(32)];
    memcpy(name, ECHO, sizeof ECHO - 1);
    base64url_encode(span_of(r->a.token.sha256, sizeof r->a.token.sha256), name + sizeof ECHO - 1);
    struct scrub s = { .token = token, .name = span_of(name, sizeof name), .w = json_writer(&r->scrubbed) };
    scrub_value(&s, r->a.claims);
    if (r->scrubbed.failed)
        return ERR_NOMEM;
    if (s.in_name)
        return ERR_INTROSPECTION;
    if (!s.found)
        return 0;
    r->a.token.claims = buf_span(&r->scrubbed);
    // A short token that is repeated often can make it longer than the bound: then it is refused.
    return json_type(parse(r, r->a.token.claims)) == JSON_OBJECT ? 0 : ERR_INTROSPECTION;
}

// ---- what it says

static bool read_date(json v, int64_t round_ms, int64_t *out)
{
    int64_t ms;
    *out = 0;
    if (!v)
        return true;
    if (!pki_claim_date(v, &ms))
        return false;
    *out = (ms + round_ms) / 1000;
    return true;
}

// iat, exp, nbf as the configuration wants them; what is missing becomes what is held to instead. Fractions go to the narrower side.
static bool read_times(struct reading *r)
{
    struct pki_token *t = &r->a.token;
    const struct pki_issuer *issuer = t->issuer;
    json iat = json_get(r->a.claims, SPAN("iat")), exp = json_get(r->a.claims, SPAN("exp"));
    if (!read_date(iat, 999, &t->iat) || !read_date(exp, 0, &t->exp) ||
        !read_date(json_get(r->a.claims, SPAN("nbf")), 999, &t->nbf))
        return false;
    if ((!exp || !iat) && !issuer->introspection.expiry_optional)
        return false;
    if (!iat && issuer->max_age_s > 0)
        return false;
    if (!exp)
        t->exp = (iat ? t->iat : r->a.now_s) + issuer->max_lifetime_s;
    return t->exp > t->iat;
}

static bool short_enough(const struct reading *r)
{
    const struct pki_token *t = &r->a.token;
    int64_t from = t->iat > 0 ? t->iat : r->a.now_s;
    return t->issuer->max_lifetime_s <= 0 || t->exp - from <= t->issuer->max_lifetime_s;
}

static bool type_agrees(const struct reading *r)
{
    json v = json_get(r->a.claims, SPAN("token_type"));
    if (!v)
        return true;
    return span_ieq(json_string(v), r->a.token.has_jkt ? SPAN("DPoP") : SPAN("Bearer"));
}

static int check_active(struct reading *r)
{
    const struct pki_issuer *issuer = r->a.token.issuer;
    bool active = false;
    bool said = json_type(r->a.claims) == JSON_OBJECT && json_bool(json_get(r->a.claims, SPAN("active")), &active);
    int rc = pki_assertion_hold(&r->a, said, ERR_INTROSPECTION, "17",
                                "the answer is one JSON object without duplicate members, with a boolean active");
    if (rc != 0)
        return rc;
    rc = pki_assertion_hold(&r->a, active, ERR_TOKEN_INACTIVE, "17", "active is true");
    if (rc != 0)
        return rc;
    json iss = json_get(r->a.claims, SPAN("iss"));
    return pki_assertion_hold(&r->a, !iss || span_eq(json_string(iss), issuer->iss), ERR_TOKEN_ISSUER, "25",
                              "iss, when there, is exactly the issuer's");
}

static int check_claims(struct reading *r)
{
    const struct pki_issuer *issuer = r->a.token.issuer;
    bool typed = read_times(r) && pki_assertion_read(&r->a);
    if (r->a.arena.failed)
        return ERR_NOMEM;
    int rc = pki_assertion_hold(&r->a, typed, ERR_TOKEN_CLAIM, "25",
                                "exp, iat and the required claims are there, with the right types");
    if (rc != 0)
        return rc;
    bool implied = issuer->introspection.audience_implied && !json_get(r->a.claims, SPAN("aud"));
    bool aud = implied || pki_assertion_audience(&r->a);
    if (r->a.arena.failed)
        return ERR_NOMEM;
    rc = pki_assertion_hold(&r->a, aud, ERR_TOKEN_AUDIENCE, "25", "aud contains an audience of this gateway");
    if (rc == 0)
        rc = pki_token_check_time_(&r->a.token, r->a.now_s, r->a.trace);
    if (rc != 0)
        return rc;
    return pki_assertion_hold(&r->a, short_enough(r), ERR_TOKEN_LIFETIME, "25",
                              "it lives no longer than its issuer may grant");
}

int pki_introspected_read(const struct pki_issuer *issuer, struct span token, const uint8_t sha256[static 32],
                          struct span answer, int64_t now_s, const struct pki_trace *trace, struct pki_token **out)
{
    struct reading r = { .a = { .trace = trace, .now_s = now_s, .token = { .issuer = issuer, .introspected = true } } };
    struct pki_token *t = &r.a.token;
    memcpy(t->sha256, sha256, sizeof t->sha256);
    t->claims = answer;
    arena_init(&r.a.arena, 256 * 1024);
    buf_init(&r.scrubbed, 0);
    parse(&r, answer);
    int rc = check_active(&r);
    if (rc == 0)
        rc = scrub(&r, token);
    if (rc == 0)
        rc = check_claims(&r);
    if (rc == 0)
        rc = pki_assertion_cnf(&r.a);
    if (rc == 0)
        rc = pki_assertion_hold(&r.a, type_agrees(&r), ERR_TOKEN_CLAIM, "17",
                                "token_type, when there, is DPoP for a token with cnf.jkt and Bearer for another");
    if (rc == 0)
        rc = pki_assertion_containment(&r.a);
    if (rc == 0) {
        t->recheck_s = now_s + issuer->introspection.cache_s;
        if (t->recheck_s > t->exp)
            t->recheck_s = t->exp;
        struct pki_token *sealed = pki_token_seal_(t);
        if (sealed)
            *out = sealed;
        else
            rc = ERR_NOMEM;
    }
    json_free(r.doc);
    buf_wipe(&r.scrubbed);
    arena_fini(&r.a.arena);
    return rc;
}
