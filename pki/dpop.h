// SPDX-License-Identifier: GPL-3.0-or-later
// DPoP proofs (RFC 9449 §4.3, §7, §8; checklist 2–12): checking one, and making one. Cheap checks come first, the signature last. The
// replay store is not touched here: the caller inserts (replay.h) when everything else about the request's binding held.
//
//   rc = pki_dpop_verify(&params, &request, text, cache, arena, NULL, &proof);   // refuses, or all rules but 16 held
//   pki_proof_keep(&proof, cache, workload);                                     // once the workload link held too
//   rc = pki_replay_insert(replay, &(struct pki_replay_entry){ … proof … }, now); // rule 16
//   pki_proof_fini(&proof);
#ifndef SALLYPORT_PKI_DPOP_H
#define SALLYPORT_PKI_DPOP_H

#include "gateway/base/arena.h"
#include "pki/nonce.h"
#include "pki/proof_cache.h"
#include "pki/trace.h"

#define PKI_PROOF_MAX 8192 // bytes of a compact proof

// Of the configuration.
struct pki_dpop_params {
    unsigned algs;     // PKI_ALG_BIT mask; HS* are ignored
    int64_t window_ms; // how old iat may be
    int64_t ahead_ms;  // how far ahead
    bool nonce_required;
    bool nonce_ours; // one that is not required, but there, is one that we made, fresh or not
};

// The request that the proof is for.
struct pki_dpop_request {
    struct span method;
    struct span htu; // through pki_htu_normalise; scheme and authority from configuration
    const uint8_t *
        ath; // SHA-256 of the access token, 32 bytes; NULL where there is none (token endpoint): then `ath` is not asked for
    const uint8_t *jkt; // cnf.jkt of the token, 32 bytes; NULL where there is none
    int64_t now_ms;
    const struct pki_nonce_keys *nonces; // needed with nonce_required and nonce_ours
};

// A proof that held. `jti` lives in the arena.
struct pki_proof {
    uint8_t jkt[32];
    enum pki_alg alg;
    struct span jti;
    int64_t iat_ms;
    int64_t keep_until_ms;          // replay entry: max(iat + window, nonce expiry) + skew (`ahead`)
    bool nonce_due;                 // answer with a new DPoP-Nonce: the proof's is not of the present bucket
    struct pki_proof_header *fresh; // parsed for this proof and not in the cache yet; else NULL
};

// `field` is the value of the one DPoP field (rule 1 is the HTTP side's). `cache` and `trace` may be NULL. 0, or ERR_PROOF_*, ERR_NOMEM.
int pki_dpop_verify(const struct pki_dpop_params *params, const struct pki_dpop_request *request, struct span field,
                    struct pki_proof_cache *cache, struct arena *arena, const struct pki_trace *trace,
                    struct pki_proof *out);
// Remembers a fresh header; nothing when it was known.
void pki_proof_keep(struct pki_proof *proof, struct pki_proof_cache *cache, struct span workload);
void pki_proof_fini(struct pki_proof *proof);

// Makes a proof and appends it. `ath` (32 bytes) and `nonce` may be NULL / SPAN_NONE. `htu` goes in without query and fragment. `alg`
// PKI_ALG_NONE: the key's usual one. 0 or ERR_INTERNAL, ERR_NOMEM.
int pki_dpop_make(const struct pki_key *key, enum pki_alg alg, struct span method, struct span uri, const uint8_t *ath,
                  struct span nonce, int64_t now_s, struct buf *out);

#endif
