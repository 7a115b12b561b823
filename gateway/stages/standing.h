// SPDX-License-Identifier: GPL-3.0-or-later
// Whether that by which an exchange was allowed still stands: its certificate and its token. The stages ask before they allow (standing_revoked);
// net/sweep.h asks again while the answer streams (standing).
#ifndef SALLYPORT_STAGES_STANDING_H
#define SALLYPORT_STAGES_STANDING_H

#include "gateway/stages/exchange.h"

// The revocations of single things (and of API keys), at x->now. 0, or ERR_CERT_REVOKED, ERR_TOKEN_REVOKED, or what pki_api_keys_stands says, with x->detail saying by what kind of entry. Costs a few hash
// look-ups.
int gw_standing_certificate(struct gw_exchange *x);
int gw_standing_token(struct gw_exchange *x);

// All of it at `now`, for an exchange that was allowed: those, CRLs, removed CAs and issuer keys; and expiry, which counts `grace_ms` later than for a new
// request. 0, or ERR_CERT_REVOKED, ERR_CERT_UNTRUSTED, ERR_CERT_EXPIRED, ERR_TOKEN_REVOKED, ERR_TOKEN_EXPIRED. What is only stale (a CRL, keys) refuses
// new requests and does not end one: nobody took anything back.
int gw_standing(struct gw_exchange *x, struct clock_now now, int64_t grace_ms);

#endif
