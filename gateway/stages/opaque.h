// SPDX-License-Identifier: GPL-3.0-or-later
// The token stage's third credential: an opaque token, which its issuer is asked about (RFC 7662, checklist 17). The stage waits for the answer and is
// entered again with it; what it then has is a token like any other, for the binding stage to hold to its cnf. Of an opaque token nothing but its SHA-256
// is kept anywhere.
#ifndef SALLYPORT_STAGES_OPAQUE_H
#define SALLYPORT_STAGES_OPAQUE_H

#include "gateway/stages/exchange.h"

// Who is to be asked about `token`; NULL: nobody, it is a JWT or nothing.
const struct gw_introspector *gw_opaque_asked_at(const struct gw_exchange *x, struct span token);
// GW_WAIT, x->asked and x->opaque say for what; or the refusal that is remembered, ERR_INTROSPECTION, ERR_OVERLOADED, ERR_NOMEM.
int gw_opaque_ask(struct gw_exchange *x, const struct gw_introspector *at, struct span token,
                  const uint8_t sha256[static 32]);
// With x->asked.answered: x->token, or what the answer was.
int gw_opaque_take(struct gw_exchange *x);

#endif
