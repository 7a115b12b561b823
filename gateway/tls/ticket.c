// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/tls/ticket.h"

#include "gateway/base/secret.h"
#include "pki/digest.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>

#include <pthread.h>
#include <stdlib.h>

#define KEY_BYTES 32
#define FACTS_VERSION 1

struct key {
    uint8_t name[GW_TLS_TICKET_NAME];
    uint8_t secret[KEY_BYTES];
    int64_t made_s; // 0: no key
};

struct gw_tls_ticket_keys {
    pthread_mutex_t lock;
    int64_t lifetime_s;
    struct key current, previous;
};

struct gw_tls_ticket_keys *gw_tls_ticket_keys_new(int64_t lifetime_s)
{
    struct gw_tls_ticket_keys *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->lifetime_s = lifetime_s > 0 ? lifetime_s : GW_TLS_TICKET_LIFETIME_S;
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void gw_tls_ticket_keys_free(struct gw_tls_ticket_keys *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    secret_wipe(k, sizeof *k);
    free(k);
}

int64_t gw_tls_ticket_keys_lifetime_s(const struct gw_tls_ticket_keys *k)
{
    return k->lifetime_s;
}

static void make(struct key *key, int64_t now_s)
{
    pki_random(key->name, sizeof key->name);
    pki_random(key->secret, sizeof key->secret);
    key->made_s = now_s;
}

// Locked. A clock that went backwards keeps the key in use; one that leapt ahead retires both.
static void rotate(struct gw_tls_ticket_keys *k, int64_t now_s)
{
    int64_t half = k->lifetime_s / 2 > 0 ? k->lifetime_s / 2 : 1;
    if (k->previous.made_s && now_s - k->previous.made_s >= 2 * half)
        secret_wipe(&k->previous, sizeof k->previous);
    if (k->current.made_s && now_s - k->current.made_s < half)
        return;
    if (k->current.made_s && now_s - k->current.made_s < 2 * half)
        k->previous = k->current;
    make(&k->current, now_s ? now_s : 1);
}

static void put_u64(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint64_t get_u64(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void write_facts(const struct gw_tls_ticket_facts *f, uint8_t out[static GW_TLS_TICKET_FACTS])
{
    memcpy(out, f->leaf_sha256, 32);
    put_u64(out + 32, (uint64_t)f->issued_s, 8);
    put_u64(out + 40, (uint64_t)f->until_s, 8);
    put_u64(out + 48, f->listener, 4);
    put_u64(out + 52, f->trust_generation, 4);
    put_u64(out + 56, f->chain, 2);
}

static void read_facts(const uint8_t in[static GW_TLS_TICKET_FACTS], struct gw_tls_ticket_facts *f)
{
    memcpy(f->leaf_sha256, in, 32);
    f->issued_s = (int64_t)get_u64(in + 32, 8);
    f->until_s = (int64_t)get_u64(in + 40, 8);
    f->listener = (uint32_t)get_u64(in + 48, 4);
    f->trust_generation = (uint32_t)get_u64(in + 52, 4);
    f->chain = (uint16_t)get_u64(in + 56, 2);
}

// The key's name is authenticated with the ticket, and a version, so that a later layout is told apart.
static bool aead(bool sealing, const uint8_t secret[static KEY_BYTES], uint8_t *data, size_t n,
                 const uint8_t name[static GW_TLS_TICKET_NAME], const uint8_t iv[static GW_TLS_TICKET_IV],
                 uint8_t tag[static GW_TLS_TICKET_TAG])
{
    Aes aes;
    uint8_t bound[GW_TLS_TICKET_NAME + 1];
    memcpy(bound, name, GW_TLS_TICKET_NAME);
    bound[GW_TLS_TICKET_NAME] = FACTS_VERSION;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    int r = wc_AesGcmSetKey(&aes, secret, KEY_BYTES);
    if (r == 0)
        r = sealing ? wc_AesGcmEncrypt(&aes, data, data, (word32)n, iv, GW_TLS_TICKET_IV, tag, GW_TLS_TICKET_TAG, bound,
                                       sizeof bound)
                    : wc_AesGcmDecrypt(&aes, data, data, (word32)n, iv, GW_TLS_TICKET_IV, tag, GW_TLS_TICKET_TAG, bound,
                                       sizeof bound);
    wc_AesFree(&aes);
    return r == 0;
}

int gw_tls_ticket_seal(struct gw_tls_ticket_keys *k, int64_t now_s, const struct gw_tls_ticket_facts *facts,
                       uint8_t *data, size_t state_n, uint8_t name[static GW_TLS_TICKET_NAME],
                       uint8_t iv[static GW_TLS_TICKET_IV], uint8_t tag[static GW_TLS_TICKET_TAG])
{
    uint8_t secret[KEY_BYTES];
    pthread_mutex_lock(&k->lock);
    rotate(k, now_s);
    memcpy(name, k->current.name, GW_TLS_TICKET_NAME);
    memcpy(secret, k->current.secret, KEY_BYTES);
    pthread_mutex_unlock(&k->lock);
    // Random nonces: far fewer than 2^32 tickets are made under one key in half a lifetime.
    pki_random(iv, GW_TLS_TICKET_IV);
    write_facts(facts, data + state_n);
    bool ok = aead(true, secret, data, state_n + GW_TLS_TICKET_FACTS, name, iv, tag);
    secret_wipe(secret, sizeof secret);
    return ok ? 0 : ERR_INTERNAL;
}

int gw_tls_ticket_open(struct gw_tls_ticket_keys *k, int64_t now_s, uint8_t *data, size_t n,
                       const uint8_t name[static GW_TLS_TICKET_NAME], const uint8_t iv[static GW_TLS_TICKET_IV],
                       const uint8_t tag[static GW_TLS_TICKET_TAG], struct gw_tls_ticket_facts *facts)
{
    uint8_t secret[KEY_BYTES], expected[GW_TLS_TICKET_TAG];
    if (n < GW_TLS_TICKET_FACTS)
        return ERR_TLS;
    pthread_mutex_lock(&k->lock);
    rotate(k, now_s);
    const struct key *key = NULL;
    if (k->current.made_s && memcmp(name, k->current.name, GW_TLS_TICKET_NAME) == 0)
        key = &k->current;
    else if (k->previous.made_s && memcmp(name, k->previous.name, GW_TLS_TICKET_NAME) == 0)
        key = &k->previous;
    if (key)
        memcpy(secret, key->secret, KEY_BYTES);
    pthread_mutex_unlock(&k->lock);
    if (!key)
        return ERR_TLS;
    memcpy(expected, tag, sizeof expected);
    bool ok = aead(false, secret, data, n, name, iv, expected);
    secret_wipe(secret, sizeof secret);
    if (!ok)
        return ERR_TLS;
    read_facts(data + n - GW_TLS_TICKET_FACTS, facts);
    return 0;
}
