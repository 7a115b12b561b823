// SPDX-License-Identifier: GPL-3.0-or-later
// WWW-Authenticate for a refusal: which schemes are served, with which error (RFC 6750 §3, RFC 9449 §7.1; checklist 13, 26).
#ifndef SALLYPORT_STAGES_CHALLENGE_H
#define SALLYPORT_STAGES_CHALLENGE_H

#include "gateway/stages/exchange.h"

// Fills at most two field values, in the exchange's arena, for x->error. Returns how many: none where the answer carries no challenge.
size_t gw_challenge(struct gw_exchange *x, struct span out[static 2]);

#endif
