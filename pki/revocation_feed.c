// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revocation_feed.h"

#include "pki/claims.h"
#include "pki/jws.h"

#define LAST_SECOND INT64_C(253402300799) // of the year 9999

struct member {
    struct span name;
    enum json_type type;
};

static const struct member batch_members[] = {
    { { "iss", 3 }, JSON_STRING },   { { "iat", 3 }, JSON_UINT },      { { "feed", 4 }, JSON_STRING },
    { { "reset", 5 }, JSON_BOOL },   { { "next", 4 }, JSON_UINT },     { { "from", 4 }, JSON_UINT },
    { { "to", 2 }, JSON_UINT },      { { "head", 4 }, JSON_UINT },     { { "mark", 4 }, JSON_STRING },
    { { "nonce", 5 }, JSON_STRING }, { { "changes", 7 }, JSON_ARRAY },
};

static const struct member change_members[] = {
    { { "kind", 4 }, JSON_STRING },   { { "value", 5 }, JSON_STRING }, { { "issuer", 6 }, JSON_STRING },
    { { "before", 6 }, JSON_UINT },   { { "expires", 7 }, JSON_UINT }, { { "revoked", 7 }, JSON_UINT },
    { { "reason", 6 }, JSON_STRING }, { { "lifted", 6 }, JSON_BOOL },
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

// An object of nothing but these members, each of its type.
static bool is_made_of(json object, const struct member *members, size_t n)
{
    struct span name;
    json v;
    if (json_type(object) != JSON_OBJECT)
        return false;
    for (struct json_iter it = json_iter(object); json_next(&it, &name, &v);) {
        size_t i = 0;
        while (i < n && !span_eq(members[i].name, name))
            i++;
        if (i == n || json_type(v) != members[i].type)
            return false;
    }
    return true;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(json v, uint8_t *out, size_t n)
{
    struct span s = json_string(v);
    if (s.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = nibble(s.p[2 * i]), low = nibble(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_hex64(json v, uint64_t *out)
{
    uint8_t bytes[8];
    if (!take_hex(v, bytes, sizeof bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *out = *out << 8 | bytes[i];
    return true;
}

// Numbers are SQLite's: below 2^63.
static bool take_number(json v, uint64_t *out)
{
    int64_t n;
    if (!json_i64(v, &n))
        return false;
    *out = (uint64_t)n;
    return true;
}

// Absent is 0.
static bool take_moment(json v, int64_t *out)
{
    *out = 0;
    return !v || (json_i64(v, out) && *out <= LAST_SECOND);
}

static bool take_text(json v, struct arena *arena, struct span *out)
{
    struct span s;
    if (!pki_claim_string(v, &s))
        return false;
    *out = span_is_none(s) ? SPAN("") : arena_dup(arena, s);
    return !span_is_none(*out);
}

static bool take_change(json v, struct arena *arena, struct pki_revoked_change *out)
{
    struct pki_revoked_entry *e = &out->entry;
    if (!is_made_of(v, change_members, COUNT(change_members)) ||
        !pki_revoked_kind_find(json_string(json_get(v, SPAN("kind"))), &e->kind) ||
        !take_text(json_get(v, SPAN("value")), arena, &e->value) ||
        !take_text(json_get(v, SPAN("issuer")), arena, &e->issuer) ||
        !take_text(json_get(v, SPAN("reason")), arena, &e->reason) ||
        !take_moment(json_get(v, SPAN("before")), &e->before_s) ||
        !take_moment(json_get(v, SPAN("expires")), &e->expires_s) ||
        !take_moment(json_get(v, SPAN("revoked")), &e->revoked_s))
        return false;
    json lifted = json_get(v, SPAN("lifted"));
    if (lifted && (!json_bool(lifted, &out->lifted) || !out->lifted || e->expires_s || e->revoked_s || e->reason.n))
        return false;
    return !pki_revoked_fault(e);
}

static bool take_changes(json list, struct arena *arena, struct pki_feed_batch *b)
{
    size_t n = json_count(list), i = 0;
    if (n > PKI_FEED_CHANGES || (!b->reset && (b->to.sequence < b->from || b->to.sequence - b->from != n)))
        return false;
    struct pki_revoked_change *changes = arena_array(arena, n + 1, sizeof *changes);
    struct span name;
    json v;
    if (!changes)
        return false;
    for (struct json_iter it = json_iter(list); json_next(&it, &name, &v); i++) {
        if (!take_change(v, arena, &changes[i]) || (b->reset && changes[i].lifted))
            return false;
        changes[i].sequence = b->reset ? 0 : b->from + 1 + i;
    }
    b->changes = changes;
    b->n = n;
    return true;
}

static bool take_batch(json root, struct arena *arena, struct pki_feed_batch *b)
{
    json reset = json_get(root, SPAN("reset")), next = json_get(root, SPAN("next"));
    if ((reset && (!json_bool(reset, &b->reset) || !b->reset)) || !b->reset != !next)
        return false;
    if (!take_hex(json_get(root, SPAN("feed")), b->to.feed, sizeof b->to.feed) ||
        !take_hex64(json_get(root, SPAN("mark")), &b->to.mark) || b->to.mark > INT64_MAX ||
        !take_number(json_get(root, SPAN("from")), &b->from) ||
        !take_number(json_get(root, SPAN("to")), &b->to.sequence) ||
        !take_number(json_get(root, SPAN("head")), &b->head) || (next && !take_number(next, &b->next)))
        return false;
    // A part that leads back to where it came from would never end.
    if (b->head < b->to.sequence || (b->next > 0 && b->next <= b->from) || (b->to.sequence == 0 && b->to.mark != 0))
        return false;
    return take_changes(json_get(root, SPAN("changes")), arena, b);
}

static int read_payload(struct span payload, const struct pki_feed_rules *rules, int64_t now_s, struct arena *arena,
                        struct pki_feed_batch *b)
{
    static const struct json_limits limits = { .bytes = PKI_FEED_MOST, .depth = 4 };
    struct json_doc *doc = json_parse(payload, &limits, NULL);
    json root = json_root(doc);
    uint64_t nonce;
    int rc = 0;
    if (!doc)
        return ERR_TOKEN_MALFORMED;
    if (!is_made_of(root, batch_members, COUNT(batch_members)) || !take_hex64(json_get(root, SPAN("nonce")), &nonce) ||
        !json_i64(json_get(root, SPAN("iat")), &b->iat_s) || b->iat_s > LAST_SECOND)
        rc = ERR_TOKEN_CLAIM;
    else if (!span_eq(json_string(json_get(root, SPAN("iss"))), rules->iss))
        rc = ERR_TOKEN_ISSUER;
    else if (b->iat_s > now_s + rules->skew_s)
        rc = ERR_TOKEN_NOT_YET;
    else if (b->iat_s < rules->oldest_s || nonce != rules->nonce)
        rc = ERR_TOKEN_EXPIRED;
    else if (!take_batch(root, arena, b))
        rc = arena->failed ? ERR_NOMEM : ERR_TOKEN_CLAIM;
    json_free(doc);
    return rc;
}

static int verify(const struct pki_jws *jws, const struct pki_feed_rules *rules, int64_t now_s,
                  uint8_t thumbprint[static 32])
{
    struct pki_jws_header h;
    int rc = pki_jws_header_read(jws->header, &h);
    if (rc != 0)
        return rc;
    const struct pki_jwks_key *key = NULL;
    if (!span_eq(h.typ, PKI_FEED_TYP))
        rc = ERR_TOKEN_TYP;
    else if (h.brings_key)
        rc = ERR_TOKEN_HEADER_KEY;
    else if (h.alg == PKI_ALG_NONE || !(rules->algs & PKI_ALG_BIT(h.alg)))
        rc = ERR_TOKEN_ALG;
    // With a secret every gateway could sign for the authority.
    else if (!rules->keys || pki_jwks_is_symmetric(rules->keys) || !(key = pki_jwks_find(rules->keys, h.kid, h.alg)))
        rc = ERR_TOKEN_KEY;
    else
        rc = pki_jws_verify(jws, key->key, h.alg);
    if (rc == 0 && rules->issuer)
        rc = pki_key_view_check(rules->view, rules->issuer, key->thumbprint, now_s);
    if (rc == 0)
        memcpy(thumbprint, key->thumbprint, sizeof key->thumbprint);
    pki_jws_header_fini(&h);
    return rc;
}

int pki_feed_read(struct span compact, const struct pki_feed_rules *rules, int64_t now_s, struct arena *arena,
                  struct pki_feed_batch *out)
{
    struct pki_jws jws;
    struct pki_feed_batch b = { .n = 0 };
    struct span payload;
    int rc = pki_jws_split(compact, PKI_FEED_MOST, &jws);
    if (rc == 0)
        rc = verify(&jws, rules, now_s, b.key_thumbprint);
    if (rc == 0)
        rc = pki_jws_decode(jws.payload, arena, &payload);
    if (rc == 0)
        rc = read_payload(payload, rules, now_s, arena, &b);
    if (rc == 0)
        *out = b;
    return rc;
}
