// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/proof_cache.h"

#include <stdlib.h>

#include "pki/jws.h"
#include "pki/key_wc.h"
#include "pki/lru.h"
#include "pki/p256_table.h"

struct entry {
    struct pki_lru_item item; // first: on_drop gets it back
    struct pki_proof_header *header;
};

struct pki_proof_cache {
    struct pki_lru lru;
};

static void on_drop(struct pki_lru_item *item)
{
    struct entry *e = (struct entry *)item;
    pki_proof_header_free(e->header);
    free(e);
}

struct pki_proof_cache *pki_proof_cache_new(size_t entries, size_t bytes, size_t share)
{
    struct pki_proof_cache *c = malloc(sizeof *c);
    if (c)
        pki_lru_init(&c->lru, entries, bytes, share, on_drop);
    return c;
}

void pki_proof_cache_free(struct pki_proof_cache *c)
{
    if (!c)
        return;
    pki_lru_fini(&c->lru);
    free(c);
}

const struct pki_proof_header *pki_proof_cache_get(struct pki_proof_cache *c, struct span segment)
{
    struct entry *e = (struct entry *)pki_lru_get(&c->lru, segment);
    return e ? e->header : NULL;
}

size_t pki_proof_cache_count(const struct pki_proof_cache *c)
{
    return c->lru.items.len;
}

size_t pki_proof_cache_bytes(const struct pki_proof_cache *c)
{
    return c->lru.used;
}

static size_t size_of(const struct pki_proof_header *h)
{
    size_t key = h->table ? pki_p256_table_bytes(h->table) : pki_key_bytes_(h->key);
    return sizeof(struct entry) + sizeof *h + h->segment.n + key;
}

void pki_proof_cache_add(struct pki_proof_cache *c, struct pki_proof_header *h, struct span workload)
{
    struct entry *e = malloc(sizeof *e);
    if (!e) {
        pki_proof_header_free(h);
        return;
    }
    *e = (struct entry){ .item = { .key = h->segment, .bytes = size_of(h) }, .header = h };
    if (!pki_lru_put(&c->lru, &e->item, workload))
        on_drop(&e->item);
}

// ---- a header

int pki_proof_header_read(struct span segment, unsigned algs, struct pki_proof_header **out)
{
    struct pki_jws_header jose;
    int rc = pki_jws_header_read(segment, &jose);
    if (rc != 0)
        return rc == ERR_TOKEN_CRIT ? ERR_PROOF_CRIT : rc == ERR_NOMEM ? rc : ERR_PROOF_MALFORMED;
    struct pki_proof_header *h = NULL;
    unsigned asymmetric =
        algs & ~(PKI_ALG_BIT(PKI_ALG_NONE) | PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512));
    // "dpop+jwt" is a media type without its "application/" (RFC 9449 §4.2, RFC 7515 §4.1.9).
    rc = ERR_PROOF_TYP;
    if (!span_ieq(jose.typ, SPAN("dpop+jwt")) && !span_ieq(jose.typ, SPAN("application/dpop+jwt")))
        goto done;
    rc = ERR_PROOF_ALG;
    if (!(asymmetric & PKI_ALG_BIT(jose.alg)))
        goto done;
    rc = ERR_NOMEM;
    h = calloc(1, sizeof *h + segment.n);
    if (!h)
        goto done;
    memcpy(h + 1, segment.p, segment.n);
    h->segment = span_of(h + 1, segment.n);
    h->alg = jose.alg;
    rc = pki_key_from_jwk(jose.jwk, true, &h->key, NULL);
    if (rc != 0)
        goto done;
    rc = ERR_PROOF_ALG;
    if (!(pki_key_algs(h->key) & PKI_ALG_BIT(h->alg)))
        goto done;
    pki_key_thumbprint(h->key, h->thumbprint);
    rc = 0;
done:
    pki_jws_header_fini(&jose);
    if (rc == 0)
        *out = h;
    else
        pki_proof_header_free(h);
    return rc;
}

// ES256 keys go into a table and need no pki_key beside it.
int pki_proof_header_prepare(struct pki_proof_header *h)
{
    uint8_t point[2][PKI_KEY_EC_OCTETS_MAX], both[64];
    size_t n;
    if (h->alg != PKI_ES256 || h->table)
        return 0;
    pki_key_get_ec_(h->key, point[0], point[1], &n);
    memcpy(both, point[0], 32);
    memcpy(both + 32, point[1], 32);
    int rc = pki_p256_table_new(both, &h->table);
    if (rc == 0) {
        pki_key_free(h->key);
        h->key = NULL;
    }
    return rc;
}

void pki_proof_header_free(struct pki_proof_header *h)
{
    if (!h)
        return;
    pki_key_free(h->key);
    pki_p256_table_free(h->table);
    free(h);
}
