// SPDX-License-Identifier: GPL-3.0-or-later
// API keys as requests meet them: the registry's records in memory, looked up by id, with no I/O and no lock. The set is immutable and belongs
// to the *revocation* generation: the control thread reads it anew when the registry changed, so a revoked key is refused within a second,
// also while a new configuration is refused. Loops share it, counted with atomics. Expiry is looked at on each use.
//
// What does change is a key's meter: the requests of the running period, and when it was last used. Meters are atomics of the process,
// handed on from one generation to the next, so a reload resets no quota. A request is leased from the meter one at a time: a key has one
// workload and a request costs one compare-and-swap; larger leases would strand a small quota in loops that do not need it.
//
// What is found ends as the same `struct pki_token` that a JWT does, so binding, scopes, policy and audit need not know the difference.
// The issuer is a synthetic one for the registry: `api_keys` is set, `iss` is "apikey:<name>"; scopes and asserts are the configuration's. Its claims are
// `env`, `id` and `scope`.
#ifndef SALLYPORT_PKI_API_KEYS_H
#define SALLYPORT_PKI_API_KEYS_H

#include "pki/api_key_store.h"
#include "pki/token.h"

struct pki_api_keys;

#define PKI_API_KEYS_MOST (1u << 20)
// Reads the registry, without what expired more than 30 days ago: such a key is unknown. `previous` may be NULL; its meters are taken
// over. 0 and one reference, or ERR_STORE_*, ERR_NOMEM, ERR_OVERLOADED for more than PKI_API_KEYS_MOST.
int pki_api_keys_load(struct pki_api_key_store *store, const struct pki_api_keys *previous, int64_t now_s,
                      struct pki_api_keys **out);
struct pki_api_keys *pki_api_keys_ref(struct pki_api_keys *k);
void pki_api_keys_unref(struct pki_api_keys *k); // NULL is fine
size_t pki_api_keys_count(const struct pki_api_keys *k);
uint64_t pki_api_keys_version(const struct pki_api_keys *k); // of the registry, as read
int64_t pki_api_keys_read_s(const struct pki_api_keys *k);   // when that was

// One presentation of a key.
struct pki_api_key_use {
    struct span text;
    struct span workload; // SPIFFE ID of the presenting workload
    int64_t now_s;
    int64_t max_stale_s; // a registry read longer ago than this refuses everything; 0: no bound
};
struct pki_api_key_result {
    struct pki_token *token; // with 0: one reference
    struct span id;          // borrowed from the text, once it is well formed; else SPAN_NONE
    bool known;              // the secret was right
    uint64_t retry_after_s;  // with ERR_APIKEY_QUOTA
};
// 0; ERR_APIKEY_MALFORMED, ERR_APIKEY_UNKNOWN, ERR_APIKEY_REVOKED, ERR_APIKEY_EXPIRED, ERR_TOKEN_NOT_YET, ERR_APIKEY_WORKLOAD,
// ERR_TOKEN_ASSERTS, ERR_APIKEY_QUOTA, ERR_KEYS_STALE (also for keys == NULL), ERR_NOMEM. Only a use that gets as far as the quota
// counts towards it. workload_match of the issuer: EXACT demands an owner; UNCHECKED also takes keys that have none.
int pki_api_keys_use(const struct pki_api_keys *keys, const struct pki_issuer *issuer,
                     const struct pki_api_key_use *use, struct pki_api_key_result *result);

// Whether the key that became this token is still there and not revoked: 0, ERR_APIKEY_UNKNOWN, ERR_APIKEY_REVOKED, or ERR_KEYS_STALE for
// keys == NULL. For what is under way.
int pki_api_keys_stands(const struct pki_api_keys *keys, const struct pki_token *t);

// What happened since the last call, for the registry: the control thread's only. Writes through to the store; what could not be written is
// kept for the next time.
int pki_api_keys_flush(const struct pki_api_keys *keys, struct pki_api_key_store *store);

#endif
