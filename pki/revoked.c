// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revoked.h"

#include "gateway/base/base64url.h"
#include "gateway/base/map.h"
#include "pki/digest.h"
#include "pki/spiffe.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

static const struct span names[PKI_REVOKED_KINDS] = {
    [PKI_REVOKED_JTI] = { "jti", 3 },
    [PKI_REVOKED_SUBJECT] = { "subject", 7 },
    [PKI_REVOKED_CLIENT] = { "client", 6 },
    [PKI_REVOKED_WORKLOAD] = { "workload", 8 },
    [PKI_REVOKED_THUMBPRINT] = { "thumbprint", 10 },
    [PKI_REVOKED_SERIAL] = { "serial", 6 },
    [PKI_REVOKED_ALL] = { "all", 3 },
};

// Entries with the same kind and value; the map's key is the first one's value.
struct node {
    struct pki_revoked_entry entry;
    struct node *next;
};

struct pki_revoked {
    _Atomic(unsigned) refs;
    struct arena arena;
    struct map kinds[PKI_REVOKED_KINDS]; // value → struct node
    size_t n;
};

// -------------------------------------------------------------------------------------------------------- entries

struct span pki_revoked_kind_name(enum pki_revoked_kind kind)
{
    return kind > 0 && kind < PKI_REVOKED_KINDS ? names[kind] : SPAN_NONE;
}

bool pki_revoked_kind_find(struct span name, enum pki_revoked_kind *out)
{
    for (unsigned k = PKI_REVOKED_JTI; k < PKI_REVOKED_KINDS; k++)
        if (span_eq(names[k], name)) {
            *out = (enum pki_revoked_kind)k;
            return true;
        }
    return false;
}

static bool is_text(struct span s, size_t max)
{
    if (s.n > max)
        return false;
    for (size_t i = 0; i < s.n;) {
        size_t n = span_utf8(s, i);
        if (n == 0 || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
        i += n;
    }
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// In its one form: see pki_serial_text.
static bool is_serial(struct span s)
{
    bool ok = s.n > 0 && s.n <= 40 && (s.p[0] != '0' || s.n == 1);
    for (size_t i = 0; i < s.n; i++)
        ok = ok && is_hex(s.p[i]);
    return ok;
}

static bool is_thumbprint(struct span s)
{
    uint8_t hash[PKI_SHA256 + 1];
    size_t n = 0;
    return s.n == BASE64URL_ENCODED(PKI_SHA256) && base64url_decode(s, hash, &n) && n == PKI_SHA256;
}

static const char *value_fault(const struct pki_revoked_entry *e)
{
    struct pki_spiffe id;
    switch (e->kind) {
    case PKI_REVOKED_JTI:
    case PKI_REVOKED_SUBJECT:
    case PKI_REVOKED_CLIENT:
        return e->value.n > 0 && is_text(e->value, PKI_REVOKED_VALUE) ? NULL
                                                                      : "the value is empty, too long or no text";
    case PKI_REVOKED_WORKLOAD:
        return pki_spiffe_parse_workload(e->value, &id, NULL) == 0
                   ? NULL
                   : "the workload is not a SPIFFE ID such as spiffe://example.org/search";
    case PKI_REVOKED_THUMBPRINT:
        return is_thumbprint(e->value) ? NULL : "the thumbprint is not 43 characters of base64url (RFC 7638)";
    case PKI_REVOKED_SERIAL: return is_serial(e->value) ? NULL : "the serial number is not hex of at most 20 bytes";
    case PKI_REVOKED_ALL: return e->value.n == 0 ? NULL : "'all' has no value";
    case PKI_REVOKED_KINDS: break;
    }
    return "there is no such kind of revocation";
}

const char *pki_revoked_fault(const struct pki_revoked_entry *e)
{
    const char *fault = value_fault(e);
    bool dated = e->kind == PKI_REVOKED_SUBJECT || e->kind == PKI_REVOKED_CLIENT || e->kind == PKI_REVOKED_THUMBPRINT;
    if (fault)
        return fault;
    if (!is_text(e->issuer, PKI_REVOKED_VALUE))
        return "the issuer is too long or no text";
    if (!is_text(e->reason, PKI_REVOKED_REASON))
        return "the reason is too long or no text";
    if (e->kind == PKI_REVOKED_WORKLOAD && e->issuer.n > 0)
        return "a workload is revoked whoever issued its tokens; leave the issuer out";
    if (e->kind == PKI_REVOKED_ALL && e->before_s <= 0)
        return "without a moment it would revoke every token there will ever be";
    if (e->before_s < 0 || e->expires_s < 0)
        return "a moment before 1970";
    if (e->before_s > 0 && !dated && e->kind != PKI_REVOKED_ALL)
        return "a moment narrows only a subject, a client or a thumbprint; this is revoked whenever it was issued";
    return NULL;
}

struct span pki_revoked_serial(struct arena *a, struct span s)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++) {
        char c = s.p[i];
        if (c == ':' && i > 0 && i + 1 < s.n)
            continue;
        c = c >= 'A' && c <= 'F' ? (char)(c + ('a' - 'A')) : c;
        if (!is_hex(c))
            return SPAN_NONE;
        if (n == 1 && out[0] == '0')
            n = 0;
        out[n++] = c;
    }
    struct span serial = span_of(out, n);
    return out && is_serial(serial) ? serial : SPAN_NONE;
}

int64_t pki_revoked_until(const struct pki_revoked_entry *e, int64_t now_s)
{
    bool lock_out = e->before_s == 0 && e->kind != PKI_REVOKED_JTI;
    if (lock_out || span_starts(e->issuer, SPAN("apikey:")))
        return 0;
    return (e->before_s > now_s ? e->before_s : now_s) + PKI_REVOKED_LINGER_S;
}

// ----------------------------------------------------------------------------------------------------------- set

struct pki_revoked *pki_revoked_new(void)
{
    struct pki_revoked *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    atomic_init(&r->refs, 1);
    arena_init(&r->arena, 0);
    for (size_t k = 0; k < PKI_REVOKED_KINDS; k++) {
        uint64_t key[2];
        pki_random(key, sizeof key);
        map_init(&r->kinds[k], key);
    }
    return r;
}

struct pki_revoked *pki_revoked_ref(struct pki_revoked *r)
{
    if (r)
        atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void pki_revoked_unref(struct pki_revoked *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t k = 0; k < PKI_REVOKED_KINDS; k++)
        map_fini(&r->kinds[k]);
    arena_fini(&r->arena);
    free(r);
}

size_t pki_revoked_count(const struct pki_revoked *r)
{
    return r ? r->n : 0;
}

int pki_revoked_add(struct pki_revoked *r, const struct pki_revoked_entry *e)
{
    assert(!pki_revoked_fault(e));
    if (r->n >= PKI_REVOKED_MAX)
        return ERR_STORE_FAILED;
    struct node *node = arena_alloc(&r->arena, sizeof *node);
    if (!node)
        return ERR_NOMEM;
    node->entry = *e;
    // The value of ALL may be SPAN_NONE; in the map it is the empty text.
    node->entry.value = arena_dup(&r->arena, span_of(e->value.n ? e->value.p : "", e->value.n));
    node->entry.issuer = arena_dup(&r->arena, span_of(e->issuer.n ? e->issuer.p : "", e->issuer.n));
    node->entry.reason = arena_dup(&r->arena, span_of(e->reason.n ? e->reason.p : "", e->reason.n));
    if (r->arena.failed)
        return ERR_NOMEM;
    struct map *m = &r->kinds[e->kind];
    struct node *first = map_get(m, node->entry.value);
    if (first) {
        node->next = first->next;
        first->next = node;
    } else if (!map_put(m, node->entry.value, node, NULL)) {
        return ERR_NOMEM;
    }
    r->n++;
    return 0;
}

// ---------------------------------------------------------------------------------------------------------- looks

// `issued_s` is meaningful where an entry of the kind may have before_s.
static bool hit(const struct pki_revoked *r, enum pki_revoked_kind kind, struct span value, struct span issuer,
                int64_t issued_s, int64_t now_s, const struct pki_revoked_entry **by)
{
    if (r->kinds[kind].len == 0 || span_is_none(value))
        return false;
    for (const struct node *n = map_get(&r->kinds[kind], value); n; n = n->next) {
        const struct pki_revoked_entry *e = &n->entry;
        bool in_force = e->expires_s == 0 || now_s < e->expires_s;
        bool of_issuer = e->issuer.n == 0 || span_eq(e->issuer, issuer);
        bool issued_before = e->before_s == 0 || issued_s < e->before_s;
        if (!in_force || !of_issuer || !issued_before)
            continue;
        if (by)
            *by = e;
        return true;
    }
    return false;
}

int pki_revoked_certificate(const struct pki_revoked *r, const struct pki_identity *id, int64_t now_s,
                            const struct pki_revoked_entry **by)
{
    if (!r || r->n == 0)
        return 0;
    bool revoked = hit(r, PKI_REVOKED_WORKLOAD, id->spiffe_id, SPAN_NONE, 0, now_s, by) ||
                   hit(r, PKI_REVOKED_SERIAL, id->serial, id->trust_domain, 0, now_s, by);
    return revoked ? ERR_CERT_REVOKED : 0;
}

int pki_revoked_token(const struct pki_revoked *r, const struct pki_token *t, int64_t now_s,
                      const struct pki_revoked_entry **by)
{
    if (!r || r->n == 0)
        return 0;
    struct span iss = t->issuer->iss;
    char text[BASE64URL_ENCODED(PKI_SHA256)];
    struct span jkt = SPAN_NONE;
    if (t->has_jkt && r->kinds[PKI_REVOKED_THUMBPRINT].len > 0)
        jkt = span_of(text, base64url_encode(span_of(t->jkt, sizeof t->jkt), text));
    bool revoked = hit(r, PKI_REVOKED_JTI, t->jti, iss, t->iat, now_s, by) ||
                   hit(r, PKI_REVOKED_SUBJECT, t->subject, iss, t->iat, now_s, by) ||
                   hit(r, PKI_REVOKED_CLIENT, t->client_id, iss, t->iat, now_s, by) ||
                   hit(r, PKI_REVOKED_WORKLOAD, t->workload, iss, t->iat, now_s, by) ||
                   hit(r, PKI_REVOKED_THUMBPRINT, jkt, iss, t->iat, now_s, by) ||
                   hit(r, PKI_REVOKED_ALL, SPAN(""), iss, t->iat, now_s, by);
    return revoked ? ERR_TOKEN_REVOKED : 0;
}
