// SPDX-License-Identifier: GPL-3.0-or-later
// DPoP nonces without memory (RFC 9449 §8, checklist 10 and 15): a nonce is a time bucket and a keyed MAC of it, so any loop, and any
// process that holds the keys, can tell its own. Unpredictable without the key. Two key generations are held, so that a rotation
// refuses nobody. A nonce is made for the bucket of `now` and accepted until `life` after that bucket began.
#ifndef SALLYPORT_PKI_NONCE_H
#define SALLYPORT_PKI_NONCE_H

#include "gateway/base/span.h"

#define PKI_NONCE_TEXT 31 // characters

// Plain data: shared read-only, replaced whole by the control thread, handed to the next process at an upgrade.
struct pki_nonce_keys {
    uint8_t key[2][32]; // current, previous
    uint8_t id[2];
    bool has_previous;
    int64_t bucket_ms; // a new nonce this often
    int64_t life_ms;   // at least bucket_ms
};

// Draws the first key. life_ms < bucket_ms is raised to it.
void pki_nonce_keys_init(struct pki_nonce_keys *k, int64_t bucket_ms, int64_t life_ms);
// The current key becomes the previous. Rotate no more often than life_ms.
void pki_nonce_keys_rotate(const struct pki_nonce_keys *old, struct pki_nonce_keys *out);
void pki_nonce_make(const struct pki_nonce_keys *k, int64_t now_ms, char out[static PKI_NONCE_TEXT]);
// Ours and fresh: true, `*expires_ms` (may be NULL) is when it stops being, `*rolled` (may be NULL) whether a newer one is due.
bool pki_nonce_check(const struct pki_nonce_keys *k, struct span nonce, int64_t now_ms, int64_t *expires_ms,
                     bool *rolled);
// Ours, however old: made with one of the two keys.
bool pki_nonce_is_ours(const struct pki_nonce_keys *k, struct span nonce);

#endif
