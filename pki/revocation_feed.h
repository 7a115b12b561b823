// SPDX-License-Identifier: GPL-3.0-or-later
// The revocation feed: what an authority tells its gateways about its registry, batch by batch. A batch is a compact JWS
// (typ "sallyport-revocations+jwt") signed with the authority's active token key, so that it says the same whatever carried it:
//
//   { "iss": …, "iat": …, "feed": 32 hex digits, "from": 7, "to": 9, "mark": 16 hex digits, "head": 9,
//     "nonce": that of the question, 16 hex digits,
//     "changes": [ { "kind": "jti", "value": "0b3c…", "issuer": …, "before": …, "expires": …, "revoked": …, "reason": … },
//                  { "kind": "subject", "value": …, "lifted": true } ] }
//
// Changes have the numbers from + 1 … to, none left out: who has everything up to `from` has everything up to `to` afterwards. With no
// change it says that `from` is still the newest. With `"reset": true` it is a part of the whole set instead: entries, none lifted, which with all other
// parts are the set at the point `to`; `from` is the place of the part and `next` that of the following one, 0 after the last.
//
// A batch never says less than was asked for because of its size: what does not fit comes with the next one.
#ifndef SALLYPORT_PKI_REVOCATION_FEED_H
#define SALLYPORT_PKI_REVOCATION_FEED_H

#include "pki/issuer.h"
#include "pki/revoked_log.h"

#define PKI_FEED_TYP SPAN("sallyport-revocations+jwt")
#define PKI_FEED_CHANGES 1000         // of a batch
#define PKI_FEED_PAYLOAD (512u << 10) // bytes behind which nothing more is put in
#define PKI_FEED_MOST (1u << 20)      // bytes of a batch, encoded, that a reader accepts

// What a follower asks for. The authority puts `nonce` into its answer, so that an answer to another question is none to this one.
struct pki_feed_ask {
    bool reset;                     // the whole set, from `place` on
    uint64_t place;                 // 0: its beginning; then `after` does not matter
    struct pki_revoked_point after; // of what he has; or, with a place, of the set that he is being given
    uint64_t nonce;
    unsigned wait_s; // for something to happen
};

// As the query of a URL, without the '?': "feed=…&after=…&mark=…&nonce=…&wait=…". Read strictly: nothing twice, nothing unknown, nothing without the rest.
void pki_feed_ask_write(const struct pki_feed_ask *ask, struct buf *query);
bool pki_feed_ask_read(struct span query, struct pki_feed_ask *out);

struct pki_feed_signer {
    struct span iss;
    const struct pki_key *key;
    enum pki_alg alg;
    struct span kid;
};

// Appends the batch that answers `ask`; one that cannot be answered (the point is not known, or too old) gets the beginning of the whole set. `*changes`
// (may be NULL): how many are in it. 0, ERR_STORE_*, ERR_INTERNAL (the key cannot sign), ERR_NOMEM.
int pki_feed_make(struct pki_revoked_store *s, const struct pki_feed_ask *ask, const struct pki_feed_signer *signer,
                  int64_t now_s, struct buf *out, size_t *changes);

// Who may have signed, and when.
struct pki_feed_rules {
    struct span iss; // exact
    unsigned algs;   // PKI_ALG_BIT
    const struct pki_jwks *keys;
    // Whether the key is still there (pki_key_view_check); both may be NULL.
    const struct pki_issuer *issuer;
    const struct pki_key_view *view;
    int64_t skew_s;   // of clocks: how far in the future `iat` may be
    int64_t oldest_s; // `iat` before this is refused, and so is another nonce: an old batch, played again
    uint64_t nonce;
};

struct pki_feed_batch {
    bool reset;
    int64_t iat_s;
    uint64_t from, next, head;
    struct pki_revoked_point to;
    const struct pki_revoked_change *changes;
    size_t n;
    uint8_t key_thumbprint[32]; // of the key that signed
};

// Verifies and reads one, strictly: nothing unknown in it, numbers without a gap, entries without a fault. `*out` lives in `arena`. 0; ERR_TOKEN_MALFORMED, _TYP, _ALG, _CRIT,
// _HEADER_KEY, _KEY, _SIGNATURE, _ISSUER, _CLAIM, ERR_TOKEN_NOT_YET (from the future), ERR_TOKEN_EXPIRED (too old, or the answer to
// another question), ERR_TOKEN_REVOKED and ERR_KEYS_STALE (the key), ERR_NOMEM.
int pki_feed_read(struct span compact, const struct pki_feed_rules *rules, int64_t now_s, struct arena *arena,
                  struct pki_feed_batch *out);

#endif
