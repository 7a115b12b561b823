// SPDX-License-Identifier: GPL-3.0-or-later
// A set of revocations that changes: entries come, last longer, are lifted. What requests are held against is a copy of it (pki_revoked), made now and
// then, that never changes. For one thread.
#ifndef SALLYPORT_CONFIG_REVOKED_LEDGER_H
#define SALLYPORT_CONFIG_REVOKED_LEDGER_H

#include "pki/revoked_log.h"

struct gw_revoked_ledger;

struct gw_revoked_ledger *gw_revoked_ledger_new(void);    // NULL: out of memory
void gw_revoked_ledger_free(struct gw_revoked_ledger *l); // NULL is fine
// Enters, replaces or lifts one; lifting what is not there is fine, so that changes may be gone through again. 0, ERR_NOMEM, ERR_STORE_FAILED: over
// PKI_REVOKED_MAX. After an error it is as it was.
int gw_revoked_ledger_apply(struct gw_revoked_ledger *l, const struct pki_revoked_change *c);
size_t gw_revoked_ledger_count(const struct gw_revoked_ledger *l); // NULL: 0
// A copy of what has not expired, one reference; what has is dropped on the way. NULL: out of memory.
struct pki_revoked *gw_revoked_ledger_copy(struct gw_revoked_ledger *l, int64_t now_s);

#endif
