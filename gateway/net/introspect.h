// SPDX-License-Identifier: GPL-3.0-or-later
// Asks introspection servers (RFC 7662 §2.1): a POST over the loop's connections to the issuer's server, the token in its body and nowhere else. What is
// asked, and who gets the answer, gw_introspection keeps; this only sends and reads. A question ends within the configured timeout, however the server
// behaves, and it is not given up when those who waited have gone: its answer counts for the breaker and for who comes next.
#ifndef SALLYPORT_NET_INTROSPECT_H
#define SALLYPORT_NET_INTROSPECT_H

#include "gateway/net/core.h"

struct gw_inquiry; // a question under way

// The flow's exchange waits for an answer; the question is sent when it is the first to wait. Afterwards the flow may have gone on already, or be gone.
void gw_introspect(struct gw_flow *f);
// Ends all that are under way, when nobody waits for them any more.
void gw_inquiries_end(struct gw_core *core);

#endif
