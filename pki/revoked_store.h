// SPDX-License-Identifier: GPL-3.0-or-later
// The registry of revocations: one SQLite file that outlives every gateway which reads it. What a function reports as done is committed (WAL,
// synchronous=FULL): a kill at any moment loses no revocation that was confirmed, and a restart forgets none. Any number of processes may
// write; each takes the write lock at the start of its transaction and waits up to `busy_ms` for it.
//
// A gateway keeps it open, asks `changed` a few times a second (which reads no row) and reads it whole when the answer is yes. Every
// function returns 0 or ERR_STORE_BUSY, ERR_STORE_FAILED, ERR_NOMEM and what else it says; pki_revoked_store_what tells a person more.
// What changes in it is also written to its log (revoked_log.h), by which other nodes follow it. A store of an earlier format is brought up to date when it is opened.
#ifndef SALLYPORT_PKI_REVOKED_STORE_H
#define SALLYPORT_PKI_REVOKED_STORE_H

#include "pki/revoked.h"

#define PKI_REVOKED_STORE_MAX (1u << 18) // entries; when full, nothing more is confirmed

struct pki_revoked_store;

// _open gives ERR_STORE_ABSENT when there is no such file; _create makes it, with mode 0600, whole or not at all (ERR_STORE_EXISTS: it is there).
// On failure `*out` may be set all the same: it has the reason, and wants closing.
int pki_revoked_store_create(const char *path, struct pki_revoked_store **out);
int pki_revoked_store_open(const char *path, int busy_ms, struct pki_revoked_store **out);
void pki_revoked_store_close(struct pki_revoked_store *s); // NULL is fine
// Text for people about the last failure: static or owned by the store, valid until its next call.
const char *pki_revoked_store_what(const struct pki_revoked_store *s);

// Enters `n`, all or none. One that is there already (same kind, value, issuer and before_s) stays at least as long as the longer of the two,
// with the new reason. Entries that expired are dropped on the way. An entry has no fault (asserted). ERR_STORE_FAILED also when it is full.
int pki_revoked_store_add(struct pki_revoked_store *s, const struct pki_revoked_entry *entries, size_t n,
                          int64_t now_s);
// Takes one back: the entry with the same kind, value, issuer and before_s. ERR_STORE_ABSENT.
int pki_revoked_store_lift(struct pki_revoked_store *s, const struct pki_revoked_entry *e);
// Calls `on_entry` for each that has not expired at `now_s` (0: for all), oldest first, until it returns non-zero, which is returned. The entry lives during
// the call. One read transaction: what is seen is what was there at one moment.
int pki_revoked_store_each(struct pki_revoked_store *s, int64_t now_s,
                           int (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx);
// Whether its path leads to another file by now, or to none: it is to be opened again, and nothing more is confirmed.
bool pki_revoked_store_moved(struct pki_revoked_store *s);
// Whether it was changed, by this connection or another one, since the last call; also true for the first call on a store.
int pki_revoked_store_changed(struct pki_revoked_store *s, bool *changed);

#endif
