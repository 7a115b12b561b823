// SPDX-License-Identifier: GPL-3.0-or-later
// The registry of revocations as something to be followed from afar: every entry that is added, made longer or lifted is also a change with
// the next number, written in the same transaction. Whoever has the whole set as it was at some point needs only the changes after it.
//
// A point is the registry's random id, a change's number and the mark drawn for that change. The id tells a registry that was made anew, the
// mark one that was restored from a backup and went on from there: it has other marks under the same numbers. The last PKI_REVOKED_LOG
// changes are kept; who is further behind starts again with the whole set. Entries that expire by themselves are no change: whoever has
// them knows when that is.
//
// Errors as in revoked_store.h.
#ifndef SALLYPORT_PKI_REVOKED_LOG_H
#define SALLYPORT_PKI_REVOKED_LOG_H

#include "pki/revoked_store.h"

#define PKI_REVOKED_LOG (1u << 16)

struct pki_revoked_point {
    uint8_t feed[16];
    uint64_t sequence; // of the last change; 0: there was none yet
    uint64_t mark;     // 0 with sequence 0; below 2^63
};

struct pki_revoked_change {
    uint64_t sequence;
    bool lifted;                    // then the entry has kind, value, issuer and before_s only
    struct pki_revoked_entry entry; // as it stood in the registry after this change
};

bool pki_revoked_point_eq(const struct pki_revoked_point *a, const struct pki_revoked_point *b);

// Where the registry is now. Cheap.
int pki_revoked_log_head(struct pki_revoked_store *s, struct pki_revoked_point *out);
// Calls `on_change` for the changes after `after`, in order and without a gap, until it returns non-zero: then that change is not counted, and comes
// first the next time. `*reached` is the point of the last that counted, `*head` the number of the newest that there is. ERR_STORE_ABSENT: `after` is
// no point of this registry, or the changes behind it are not kept any more. The change lives during the call.
int pki_revoked_log_since(struct pki_revoked_store *s, const struct pki_revoked_point *after,
                          bool (*on_change)(void *ctx, const struct pki_revoked_change *c), void *ctx,
                          struct pki_revoked_point *reached, uint64_t *head);
// The whole set, in parts: entries behind the place `from` (0: the first), until `on_entry` returns true: that one is not counted. `*next` is the place to go on
// from, 0 behind the last. `at` is the point that the whole set stands for: given out when `from` is 0, else as it was then (ERR_STORE_ABSENT: it is no
// longer kept, start again). What changed since that point may or may not be seen in later parts; the changes after it, taken in order, make it right.
int pki_revoked_log_part(struct pki_revoked_store *s, uint64_t from, int64_t now_s, struct pki_revoked_point *at,
                         bool (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx, uint64_t *next,
                         uint64_t *head);

#endif
