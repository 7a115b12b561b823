// SPDX-License-Identifier: GPL-3.0-or-later
// The registry of API keys: one SQLite file. It holds hashes, never keys, so whoever reads it can use none. What a function reports as done
// is committed (WAL, synchronous=FULL): a kill at any moment loses no key that was printed and no revocation that was confirmed. Any number
// of processes may write; each takes the write lock at the start of its transaction and waits up to `busy_ms` for it.
//
// A gateway reads it whole (api_keys.h) whenever `version` has grown: every change of what a key may do counts one, the bookkeeping of
// its use does not. Every function returns 0 or ERR_STORE_BUSY, ERR_STORE_FAILED, ERR_NOMEM and what else it says;
// pki_api_key_store_what tells a person more.
#ifndef SALLYPORT_PKI_API_KEY_STORE_H
#define SALLYPORT_PKI_API_KEY_STORE_H

#include "pki/api_key.h"

struct pki_api_key_store;

// One key. Moments are seconds since the epoch.
struct pki_api_key_record {
    struct span id, env;
    uint8_t hash[PKI_SHA256];
    struct span owner;  // SPIFFE ID of the workload that may use it; empty: any workload
    struct span scopes; // with a space between them; empty: none
    struct span roles;  // with '\n' between them; empty: none
    struct span tenant; // empty: none
    struct span note;   // for people
    int64_t created_at, not_before;
    int64_t expires_at;      // from then on it is no good; after a rotation the end of the overlap
    int64_t revoked_at;      // 0: not revoked
    struct span replaced_by; // id of the key it was rotated to; empty: none
    uint64_t quota;          // requests in a period; 0: no bound
    int64_t quota_period;    // seconds; periods are counted from the epoch, so a day's begins at midnight UTC
    // Written back by gateways, seconds late.
    int64_t last_used;    // 0: never
    int64_t quota_window; // number of the period that quota_used counts
    uint64_t quota_used;
};

// `busy_ms` is how long a lock is waited for. _open gives ERR_STORE_ABSENT when there is no such file; _create makes it, with mode 0600,
// whole or not at all (ERR_STORE_EXISTS: somebody was faster). On failure `*out` may be set all the same: it has the reason, and
// wants closing.
int pki_api_key_store_create(const char *path, struct pki_api_key_store **out);
int pki_api_key_store_open(const char *path, int busy_ms, struct pki_api_key_store **out);
void pki_api_key_store_close(struct pki_api_key_store *s); // NULL is fine
// Text for people about the last failure: static or owned by the store, valid until its next call.
const char *pki_api_key_store_what(const struct pki_api_key_store *s);

// Grows with every key that is added, rotated or revoked.
int pki_api_key_store_version(struct pki_api_key_store *s, uint64_t *out);
// ERR_STORE_EXISTS when the id is taken.
int pki_api_key_store_add(struct pki_api_key_store *s, const struct pki_api_key_record *r);

struct pki_api_key_query {
    struct span id;        // SPAN_NONE: any
    struct span owner;     // SPAN_NONE: any; empty: keys for any workload
    int64_t expires_after; // only those that end after this; 0: any
};
// Calls `on_record` for each, oldest first, until it returns non-zero, which is returned. The record lives during the call.
int pki_api_key_store_each(struct pki_api_key_store *s, const struct pki_api_key_query *query,
                           int (*on_record)(void *ctx, const struct pki_api_key_record *r), void *ctx);
// Adds `fresh`, and the key `id` ends at `overlap_until`, or at its own end if that is sooner: both or neither. ERR_STORE_ABSENT: no such key;
// ERR_APIKEY_REVOKED; ERR_APIKEY_EXPIRED, at `now_s`; ERR_STORE_EXISTS: it was replaced already.
int pki_api_key_store_rotate(struct pki_api_key_store *s, struct span id, const struct pki_api_key_record *fresh,
                             int64_t overlap_until, int64_t now_s);
// All or none, with one commit. ERR_STORE_ABSENT: no such key; one that is revoked already stays as it was.
int pki_api_key_store_revoke(struct pki_api_key_store *s, const struct span *ids, size_t n, int64_t at);

// What a gateway saw of a key since it last wrote.
struct pki_api_key_seen {
    struct span id;
    int64_t last_used;
    int64_t quota_window;
    uint64_t quota_used; // requests to add to that period's
};
// All in one transaction; ids that are gone are passed over.
int pki_api_key_store_seen(struct pki_api_key_store *s, const struct pki_api_key_seen *seen, size_t n);

#endif
