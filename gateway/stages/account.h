// SPDX-License-Identifier: GPL-3.0-or-later
// An exchange as an audit record: who, what, decided how and from which inputs, gone where, how long each stage took. Runs outside the
// stages, on every exit.
#ifndef SALLYPORT_STAGES_ACCOUNT_H
#define SALLYPORT_STAGES_ACCOUNT_H

#include "gateway/audit/record.h"
#include "gateway/stages/exchange.h"

// Whether a record of intent stands before the request is forwarded: it changes data, or a policy obliges to it by @audit("full").
bool gw_account_first(const struct gw_exchange *x);
// Appends the line to `out`. False when out of memory. Uses the exchange's arena for temporaries.
bool gw_account(struct gw_exchange *x, enum gw_audit_kind kind, struct buf *out);
// A connection that was refused before any request. `detail` may be NULL.
bool gw_account_handshake(int64_t wall_ms, const char *remote, int err, const char *detail, struct buf *out);

#endif
