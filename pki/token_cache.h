// SPDX-License-Identifier: GPL-3.0-or-later
// Verified tokens of one loop, by SHA-256 of the compact form; no lock. A hit saves signature and claims, nothing else: the caller
// still owes pki_token_check. Entries belong to a snapshot generation; under another they are dropped when met.
// Bounded in entries and bytes. Each entry counts for the workload that presented it, which has a share (lru.h): a workload that brings
// ever new tokens costs the others at most that.
#ifndef SALLYPORT_PKI_TOKEN_CACHE_H
#define SALLYPORT_PKI_TOKEN_CACHE_H

#include "pki/token.h"

struct pki_token_cache;

// `share` in entries a workload (0: an eighth, at least 16).
struct pki_token_cache *pki_token_cache_new(size_t entries, size_t bytes, size_t share);
void pki_token_cache_free(struct pki_token_cache *c);
// A new reference, or NULL. An expired entry is dropped, and an introspected one that is due to be asked about again.
struct pki_token *pki_token_cache_get(struct pki_token_cache *c, const uint8_t sha256[static 32], uint64_t generation,
                                      int64_t now_s);
// Put after pki_token_check held for `workload`. Takes its own reference; false when it was not kept (too large, out of memory).
bool pki_token_cache_put(struct pki_token_cache *c, struct pki_token *t, struct span workload, uint64_t generation);
// Gives the token `extra`, of so many bytes, which then count for its entry. False when it is not taken: the cache does not hold the token
// (any more), it has one already, or `bytes` are over PKI_TOKEN_EXTRA_MAX or find no room. The extra then stays the caller's.
#define PKI_TOKEN_EXTRA_MAX (64u << 10)
bool pki_token_cache_attach(struct pki_token_cache *c, struct pki_token *t, struct pki_token_extra *extra,
                            size_t bytes);
size_t pki_token_cache_count(const struct pki_token_cache *c);
size_t pki_token_cache_bytes(const struct pki_token_cache *c);

#endif
