// SPDX-License-Identifier: GPL-3.0-or-later
// The token service's own access tokens, verified as any other issuer's: by the keys that it publishes, with its own `iss`, for the audiences
// that it issues for, always bound. For tokens that are exchanged, revoked or asked about.
#ifndef SALLYPORT_ENDPOINT_OWN_TOKEN_H
#define SALLYPORT_ENDPOINT_OWN_TOKEN_H

#include "gateway/endpoint/oauth.h"

#define GW_OWN_WORKLOAD "workload" // claims of our tokens
#define GW_OWN_ROLES "roles"
#define GW_OWN_TENANT "tenant"
// Whose subject it is, where an exchange took him from another issuer: two issuers may both know an "alice", and one of them a workload's name.
#define GW_OWN_SUBJECT_ISSUER "subject_issuer"

// Signature, claims, time, revocations; not the binding. 0 and one reference, which must go before the request does (pki_token_unref); or ERR_TOKEN_*,
// ERR_NOMEM. `*detail` as of gw_oauth_revoked. Nothing is refused here.
int gw_own_token(struct gw_oauth *o, struct span compact, struct pki_token **out, struct span *detail);

#endif
