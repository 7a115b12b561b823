// SPDX-License-Identifier: GPL-3.0-or-later
// Proof headers of one loop: a client's proofs share their JOSE header byte for byte, so its bytes lead to the parsed key, its
// thumbprint and its prepared table. What is found here was signed with at least once by a workload that the token belongs to: entries
// are made by pki_proof_cache_keep, after signature, cnf and workload held. Algorithm allow list, signature and payload are checked
// each time all the same. Bounded, in entries and in bytes, with a share per workload, as the token cache: what is not used goes (lru.h).
#ifndef SALLYPORT_PKI_PROOF_CACHE_H
#define SALLYPORT_PKI_PROOF_CACHE_H

#include "pki/key.h"

struct pki_p256_table;

// One header, parsed. Immutable, once it is prepared.
struct pki_proof_header {
    struct span segment; // encoded, its own copy
    enum pki_alg alg;
    struct pki_key *key;          // NULL when there is a table
    struct pki_p256_table *table; // of ES256, once prepared
    uint8_t thumbprint[32];
};

struct pki_proof_cache;
// What an ES256 header takes in the cache at most, as clients make them: nearly all of it is the key's table. For those who choose a bound.
#define PKI_PROOF_HEADER_BYTES 5120
// `share` in entries a workload (0: an eighth, at least 16), and that part of the bytes.
struct pki_proof_cache *pki_proof_cache_new(size_t entries, size_t bytes, size_t share);
void pki_proof_cache_free(struct pki_proof_cache *c);
// Borrowed until the next pki_proof_cache_keep or free; NULL: not known.
const struct pki_proof_header *pki_proof_cache_get(struct pki_proof_cache *c, struct span segment);
size_t pki_proof_cache_count(const struct pki_proof_cache *c);
size_t pki_proof_cache_bytes(const struct pki_proof_cache *c);

// Parses a header segment: typ, crit, alg (known and asymmetric), jwk. 0 and a header that the caller owns, or ERR_PROOF_MALFORMED,
// ERR_PROOF_TYP, ERR_PROOF_ALG (also when not in `algs`), ERR_PROOF_CRIT, ERR_PROOF_KEY, ERR_PROOF_PRIVATE, ERR_NOMEM.
int pki_proof_header_read(struct span segment, unsigned algs, struct pki_proof_header **out);
// Makes what signatures are verified with, an ES256 key's table: as much work as three verifications, so not before all that is cheaper to check
// held, or anybody could have it done with a new key each time. 0, ERR_NOMEM.
int pki_proof_header_prepare(struct pki_proof_header *h);
void pki_proof_header_free(struct pki_proof_header *h);
// Takes `h` (frees it when it cannot be kept).
void pki_proof_cache_add(struct pki_proof_cache *c, struct pki_proof_header *h, struct span workload);

#endif
