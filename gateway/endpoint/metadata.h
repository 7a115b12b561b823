// SPDX-License-Identifier: GPL-3.0-or-later
// What anybody may know about the token service: the keys that it signs with (GET /oauth2/jwks, RFC 7517 §5) and what it can do
// (GET /.well-known/oauth-authorization-server, RFC 8414). It is no OpenID provider, so /.well-known/openid-configuration is not there.
// Both may be cached, for at most half the time that a key is published before it signs.
#ifndef SALLYPORT_ENDPOINT_METADATA_H
#define SALLYPORT_ENDPOINT_METADATA_H

#include "gateway/endpoint/authority.h"

// Always 0. The dispatcher has looked at the path and the method (GET; HEAD is the listener's business).
int gw_jwks_visit(struct gw_authority *a, struct gw_visit *v);
int gw_metadata_visit(struct gw_authority *a, struct gw_visit *v);

#endif
