// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/revoked_ledger.h"

#include "gateway/base/map.h"
#include "pki/digest.h"

#include <assert.h>
#include <stdlib.h>

// What makes two entries the same, in one run of bytes: the map's key. `text` is it, with the reason behind.
struct held {
    struct pki_revoked_entry entry; // its spans point into `text`
    size_t key_n;
    struct held *next_over; // while expired ones are taken out
    char text[];
};

struct gw_revoked_ledger {
    struct map entries;
};

// kind, before_s and the issuer's length, then issuer and value: no two entries can read the same.
#define FIXED (1 + sizeof(int64_t) + sizeof(uint32_t))
#define KEY_MOST (FIXED + 2 * PKI_REVOKED_VALUE)

static size_t make_key(const struct pki_revoked_entry *e, char *out)
{
    uint32_t issuer_n = (uint32_t)e->issuer.n;
    out[0] = (char)e->kind;
    memcpy(out + 1, &e->before_s, sizeof e->before_s);
    memcpy(out + 1 + sizeof e->before_s, &issuer_n, sizeof issuer_n);
    if (e->issuer.n > 0)
        memcpy(out + FIXED, e->issuer.p, e->issuer.n);
    if (e->value.n > 0)
        memcpy(out + FIXED + e->issuer.n, e->value.p, e->value.n);
    return FIXED + e->issuer.n + e->value.n;
}

struct gw_revoked_ledger *gw_revoked_ledger_new(void)
{
    struct gw_revoked_ledger *l = calloc(1, sizeof *l);
    uint64_t key[2];
    if (!l)
        return NULL;
    pki_random(key, sizeof key);
    map_init(&l->entries, key);
    return l;
}

void gw_revoked_ledger_free(struct gw_revoked_ledger *l)
{
    struct span key;
    void *v;
    if (!l)
        return;
    for (size_t i = 0; map_each(&l->entries, &i, &key, &v);)
        free(v);
    map_fini(&l->entries);
    free(l);
}

size_t gw_revoked_ledger_count(const struct gw_revoked_ledger *l)
{
    return l ? l->entries.len : 0;
}

static struct held *hold(const struct pki_revoked_entry *e, struct span key)
{
    struct held *h = malloc(sizeof *h + key.n + e->reason.n);
    if (!h)
        return NULL;
    memcpy(h->text, key.p, key.n);
    if (e->reason.n > 0)
        memcpy(h->text + key.n, e->reason.p, e->reason.n);
    h->entry = *e;
    h->entry.issuer = span_of(h->text + FIXED, e->issuer.n);
    h->entry.value = span_of(h->text + FIXED + e->issuer.n, e->value.n);
    h->entry.reason = span_of(h->text + key.n, e->reason.n);
    h->key_n = key.n;
    return h;
}

int gw_revoked_ledger_apply(struct gw_revoked_ledger *l, const struct pki_revoked_change *c)
{
    char text[KEY_MOST];
    assert(!pki_revoked_fault(&c->entry));
    struct span key = span_of(text, make_key(&c->entry, text));
    if (c->lifted) {
        free(map_del(&l->entries, key));
        return 0;
    }
    if (l->entries.len >= PKI_REVOKED_MAX && !map_get(&l->entries, key))
        return ERR_STORE_FAILED;
    struct held *h = hold(&c->entry, key);
    void *old = NULL;
    if (!h || !map_put(&l->entries, span_of(h->text, h->key_n), h, &old)) {
        free(h);
        return ERR_NOMEM;
    }
    free(old);
    return 0;
}

struct pki_revoked *gw_revoked_ledger_copy(struct gw_revoked_ledger *l, int64_t now_s)
{
    struct pki_revoked *set = pki_revoked_new();
    struct held *over = NULL;
    struct span key;
    void *v;
    bool ok = set != NULL;
    for (size_t i = 0; ok && map_each(&l->entries, &i, &key, &v);) {
        struct held *h = v;
        if (h->entry.expires_s == 0 || h->entry.expires_s > now_s) {
            ok = pki_revoked_add(set, &h->entry) == 0;
        } else {
            h->next_over = over;
            over = h;
        }
    }
    while (over) {
        struct held *next = over->next_over;
        free(map_del(&l->entries, span_of(over->text, over->key_n)));
        over = next;
    }
    if (ok)
        return set;
    pki_revoked_unref(set);
    return NULL;
}
