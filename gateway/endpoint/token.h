// SPDX-License-Identifier: GPL-3.0-or-later
// POST /oauth2/token (RFC 6749 §3.2): a client that authenticated gets an access token that is bound to it, for one of these grants:
//
//   client_credentials                                   RFC 6749 §4.4    grant_credentials
//   refresh_token                                        RFC 6749 §6      grant_refresh, with pki/grants.h
//   urn:ietf:params:oauth:grant-type:token-exchange      RFC 8693         grant_exchange
//
// In this order, and each step refuses: the form (oauth_form.h), the client (client_auth.h), what the token will be bound to (token_bound.h), what
// the grant itself asks, the policies (issue_policy.h). Proofs, assertions and refresh tokens are used up behind all that can be refused before.
// Every refusal is one of RFC 6749 §5.2's (oauth_error.h); audit gets the reason.
#ifndef SALLYPORT_ENDPOINT_TOKEN_H
#define SALLYPORT_ENDPOINT_TOKEN_H

#include "gateway/endpoint/authority.h"

// Always 0: every fault is an answer. The dispatcher has looked at the path and the method.
int gw_token_visit(struct gw_authority *a, struct gw_visit *v);

#endif
