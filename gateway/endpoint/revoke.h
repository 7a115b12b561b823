// SPDX-License-Identifier: GPL-3.0-or-later
// POST /oauth2/revoke (RFC 7009): a client takes back what it was given. A refresh token ends with its family, an access token by its `jti` in the
// registry of revocations, committed before the answer; from there it reaches every gateway as any other revocation does. A token that is not
// ours, not well-formed or over already is 200 (§2.2): the client wanted it dead, and it is. Another client's is refused.
#ifndef SALLYPORT_ENDPOINT_REVOKE_H
#define SALLYPORT_ENDPOINT_REVOKE_H

#include "gateway/endpoint/authority.h"

// Always 0. The dispatcher has looked at the path and the method.
int gw_revoke_visit(struct gw_authority *a, struct gw_visit *v);

#endif
