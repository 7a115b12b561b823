// SPDX-License-Identifier: GPL-3.0-or-later
// A nonce is 23 bytes in base64url: id of the key, number of the bucket (48 bits, big-endian: buckets may be of a millisecond), 16 bytes
// of HMAC over both.
#include "pki/nonce.h"

#include "gateway/base/base64url.h"
#include "gateway/base/secret.h"
#include "pki/digest.h"

enum { NUMBER = 6, HEAD = 1 + NUMBER, MAC = 16, RAW = HEAD + MAC };
_Static_assert(BASE64URL_ENCODED(RAW) == PKI_NONCE_TEXT, "PKI_NONCE_TEXT");

void pki_nonce_keys_init(struct pki_nonce_keys *k, int64_t bucket_ms, int64_t life_ms)
{
    *k = (struct pki_nonce_keys){ .bucket_ms = bucket_ms > 0 ? bucket_ms : 1 };
    k->life_ms = life_ms > k->bucket_ms ? life_ms : k->bucket_ms;
    pki_random(k->key[0], sizeof k->key[0]);
    // So that a nonce of an earlier process is most often told by its id alone.
    pki_random(k->id, 1);
}

void pki_nonce_keys_rotate(const struct pki_nonce_keys *old, struct pki_nonce_keys *out)
{
    struct pki_nonce_keys k = *old;
    memcpy(k.key[1], old->key[0], sizeof k.key[1]);
    k.id[1] = old->id[0];
    k.has_previous = true;
    pki_random(k.key[0], sizeof k.key[0]);
    k.id[0] = (uint8_t)(old->id[0] + 1);
    *out = k;
    secret_wipe(&k, sizeof k);
}

static void make(const uint8_t key[static 32], uint8_t id, int64_t bucket, uint8_t out[static RAW])
{
    static const char label[] = "dpop-nonce";
    uint8_t text[sizeof label + HEAD], mac[PKI_SHA256];
    out[0] = id;
    for (int i = 0; i < NUMBER; i++)
        out[1 + i] = (uint8_t)(bucket >> 8 * (NUMBER - 1 - i));
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, out, HEAD);
    pki_hmac_sha256(span_of(key, 32), span_of(text, sizeof text), mac);
    memcpy(out + HEAD, mac, MAC);
}

void pki_nonce_make(const struct pki_nonce_keys *k, int64_t now_ms, char out[static PKI_NONCE_TEXT])
{
    uint8_t raw[RAW];
    make(k->key[0], k->id[0], now_ms / k->bucket_ms, raw);
    base64url_encode(span_of(raw, sizeof raw), out);
}

// Which of the keys made it, and for which bucket; -1: neither.
static int read(const struct pki_nonce_keys *k, struct span nonce, int64_t *bucket)
{
    uint8_t raw[BASE64URL_DECODED(PKI_NONCE_TEXT)], want[RAW];
    size_t n;
    if (nonce.n != PKI_NONCE_TEXT || !base64url_decode(nonce, raw, &n) || n != RAW)
        return -1;
    *bucket = 0;
    for (int i = 0; i < NUMBER; i++)
        *bucket = *bucket << 8 | raw[1 + i];
    for (int i = 0; i < (k->has_previous ? 2 : 1); i++) {
        if (raw[0] != k->id[i])
            continue;
        make(k->key[i], k->id[i], *bucket, want);
        if (secret_eq(span_of(want, RAW), span_of(raw, RAW)))
            return i;
    }
    return -1;
}

bool pki_nonce_is_ours(const struct pki_nonce_keys *k, struct span nonce)
{
    int64_t bucket;
    return read(k, nonce, &bucket) >= 0;
}

bool pki_nonce_check(const struct pki_nonce_keys *k, struct span nonce, int64_t now_ms, int64_t *expires_ms,
                     bool *rolled)
{
    int64_t bucket = 0, present = now_ms / k->bucket_ms;
    int key = read(k, nonce, &bucket);
    // A bucket ahead cannot be ours, unless the clock was set back; then its nonces are as good as unknown.
    if (key < 0 || bucket > present)
        return false;
    int64_t end = bucket * k->bucket_ms + k->life_ms;
    if (now_ms >= end)
        return false;
    if (expires_ms)
        *expires_ms = end;
    if (rolled)
        *rolled = key > 0 || bucket != present;
    return true;
}
