// SPDX-License-Identifier: GPL-3.0-or-later
// POST /oauth2/introspect (RFC 7662): what one of our own tokens says, to those who may know: workloads that match `authority.followers`, and the
// client it was issued to. Everything else is {"active":false}, whatever the reason: a token of somebody else, one that is over, revoked, malformed, or
// none at all, so that nobody can find out about tokens that are not his.
#ifndef SALLYPORT_ENDPOINT_INTROSPECT_H
#define SALLYPORT_ENDPOINT_INTROSPECT_H

#include "gateway/endpoint/authority.h"

// Always 0. The dispatcher has looked at the path and the method.
int gw_introspect_visit(struct gw_authority *a, struct gw_visit *v);

#endif
