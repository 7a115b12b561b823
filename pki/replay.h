// SPDX-License-Identifier: GPL-3.0-or-later
// Proofs that were used (RFC 9449 §11.1, checklist 16): a keyed 128-bit hash of (thumbprint, jti, normalised htm and htu), kept until the
// proof could no longer be accepted. The one structure on the request path with locks: stripes, each with its own. It outlives
// configuration snapshots, and lives in memory that another process can have as well (memfd_create(2)): at an upgrade the next one adopts it while this
// one still serves, so that a proof counts once among the two. One that is killed in the middle of a change costs others a stripe, never a replay.
// Bounded: 32 bytes an entry and 4 a bucket. Each entry counts for a workload; a workload over its share, or a full stripe, is refused
// (ERR_REPLAY_FULL), nothing is ever evicted early. Proofs from before `not_before_ms` are refused: the store cannot know them. Nor can
// it know again what it let go of, so a proof no younger than the latest of those counts as used: a clock that is set back and a window
// that a reload makes wider bring nothing back.
#ifndef SALLYPORT_PKI_REPLAY_H
#define SALLYPORT_PKI_REPLAY_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

struct pki_replay;

struct pki_replay_options {
    size_t entries;         // 0: 1 << 20
    unsigned share_percent; // of the store, a workload; 0: 10
    unsigned stripes;       // 0: 64; rounded up to a power of two, and fewer when the store is small
    int64_t
        not_before_ms; // wall clock: start of the process. A proof made by a clock that is ahead may carry a later iat: add the
    // `ahead` of pki_dpop_params to close that gap too, at the price of refusing everyone so long after a start
};

struct pki_replay *pki_replay_new(const struct pki_replay_options *o); // NULL: out of memory
// The memory behind it, for another process; the store's own.
int pki_replay_fd(const struct pki_replay *r);
// The store of another process, with all it knows, its capacity and its `not_before_ms`. Takes `fd`. NULL: out of memory, or it was made by a version that
// lays it out in another way. Whoever gives the descriptor is trusted with what is in it: only its sizes are looked at.
struct pki_replay *pki_replay_adopt(int fd);
void pki_replay_free(struct pki_replay *r); // of this process; NULL is fine

struct pki_replay_entry {
    const uint8_t *jkt; // 32 bytes
    struct span jti;
    struct span htm, htu; // normalised
    struct span workload; // whose share it counts for
    int64_t iat_ms;
    int64_t keep_until_ms; // pki_proof.keep_until_ms
};
// The last step of a proof's check. 0: first use, remembered. ERR_PROOF_REPLAYED (used, or too old to tell), ERR_PROOF_BEFORE_START,
// ERR_REPLAY_FULL. Any thread.
int pki_replay_insert(struct pki_replay *r, const struct pki_replay_entry *e, int64_t now_ms);
// Live entries, for metrics (a snapshot; expired ones are counted until their stripe is next used).
size_t pki_replay_count(const struct pki_replay *r);
size_t pki_replay_capacity(const struct pki_replay *r);

#endif
