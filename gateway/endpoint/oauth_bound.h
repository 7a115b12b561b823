// SPDX-License-Identifier: GPL-3.0-or-later
// What a token will be bound to, and by what the bearer of another one proves that it is his: the key of this request's DPoP proof
// (RFC 9449 §5), and the certificate of this connection (RFC 8705 §3). A token is bound to the proof's key when there is a proof, and else to the
// certificate; never to nothing. (Not to both, unless the configuration says so: certificates are renewed by the hour, keys need not be, and the
// gateway asks for the workload's certificate in any case.)
#ifndef SALLYPORT_ENDPOINT_OAUTH_BOUND_H
#define SALLYPORT_ENDPOINT_OAUTH_BOUND_H

#include "pki/dpop.h"
#include "pki/token.h"

struct gw_oauth;

struct gw_oauth_bound {
    bool proven; // `proof` holds
    struct pki_proof proof;
    struct span htu;          // of the token endpoint, normalised
    const uint8_t *jkt, *x5t; // of the token that is to be issued: one of them, or with `authority.binding: both` both
};

// A step: verifies the proof, if there is one, against POST and the configured URL of the token endpoint. Refuses with invalid_dpop_proof,
// use_dpop_nonce, or invalid_request when there is nothing to bind to. The proof is not used up.
int gw_oauth_bind(struct gw_oauth *o);
// A step: the proof is used up (checklist 16). To come when everything else about who asks held.
int gw_oauth_bound_use_up(struct gw_oauth *o);
void gw_oauth_bound_fini(struct gw_oauth_bound *b);

// Whether this request proves each binding that a token (or a grant) has: the proof's key is `jkt`, the connection's certificate `x5t`. NULL: not
// bound to it.
bool gw_oauth_proves(const struct gw_oauth *o, const uint8_t *jkt, const uint8_t *x5t);

#endif
