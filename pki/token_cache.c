// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/token_cache.h"

#include <stdlib.h>

#include "pki/lru.h"

struct entry {
    struct pki_lru_item item; // first: on_drop gets it back
    struct pki_token *token;
    uint64_t generation;
};

struct pki_token_cache {
    struct pki_lru lru;
};

static void on_drop(struct pki_lru_item *item)
{
    struct entry *e = (struct entry *)item;
    pki_token_unref(e->token);
    free(e);
}

struct pki_token_cache *pki_token_cache_new(size_t entries, size_t bytes, size_t share)
{
    struct pki_token_cache *c = malloc(sizeof *c);
    if (c)
        pki_lru_init(&c->lru, entries, bytes, share, on_drop);
    return c;
}

void pki_token_cache_free(struct pki_token_cache *c)
{
    if (!c)
        return;
    pki_lru_fini(&c->lru);
    free(c);
}

// Also when it is from further ahead than any can be: the clock was set back, and how old it is nobody knows.
static bool is_answer_over(const struct pki_token *t, int64_t now_s)
{
    return now_s >= t->recheck_s || now_s + t->issuer->introspection.cache_s < t->recheck_s;
}

struct pki_token *pki_token_cache_get(struct pki_token_cache *c, const uint8_t sha256[static 32], uint64_t generation,
                                      int64_t now_s)
{
    struct entry *e = (struct entry *)pki_lru_get(&c->lru, span_of(sha256, 32));
    if (!e)
        return NULL;
    // The generation first: an older snapshot's issuer may be gone, and nothing of the token may be followed to it.
    if (e->generation != generation || now_s >= e->token->exp + e->token->issuer->skew_s ||
        (e->token->introspected && is_answer_over(e->token, now_s))) {
        pki_lru_drop(&c->lru, &e->item);
        return NULL;
    }
    return pki_token_ref(e->token);
}

bool pki_token_cache_put(struct pki_token_cache *c, struct pki_token *t, struct span workload, uint64_t generation)
{
    struct entry *e = malloc(sizeof *e);
    if (!e)
        return false;
    *e = (struct entry){
        .item = { .key = span_of(t->sha256, sizeof t->sha256), .bytes = sizeof *e + t->bytes },
        .token = pki_token_ref(t),
        .generation = generation,
    };
    if (pki_lru_put(&c->lru, &e->item, workload))
        return true;
    on_drop(&e->item);
    return false;
}

bool pki_token_cache_attach(struct pki_token_cache *c, struct pki_token *t, struct pki_token_extra *extra, size_t bytes)
{
    if (t->extra || bytes > PKI_TOKEN_EXTRA_MAX)
        return false;
    struct entry *e = (struct entry *)pki_lru_get(&c->lru, span_of(t->sha256, sizeof t->sha256));
    if (!e || e->token != t || !pki_lru_grow(&c->lru, &e->item, bytes))
        return false;
    t->extra = extra;
    return true;
}

size_t pki_token_cache_count(const struct pki_token_cache *c)
{
    return c->lru.items.len;
}
size_t pki_token_cache_bytes(const struct pki_token_cache *c)
{
    return c->lru.used;
}
