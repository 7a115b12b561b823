// SPDX-License-Identifier: GPL-3.0-or-later
// What engine.c and handshake.c share. Not for other folders.
#ifndef SALLYPORT_TLS_ENGINE_INSIDE_H
#define SALLYPORT_TLS_ENGINE_INSIDE_H

#include "gateway/tls/context_inside.h"
#include "gateway/tls/engine.h"

// The state becomes FAILED; the first error stays. Returns it.
int gw_tls_fail(struct gw_tls_engine *e, int error, const char *detail);
// An error number of wolfSSL's as ours; `detail` gets static text.
int gw_tls_error_of(int wolf_error, const char **detail);
// wolfSSL says that the handshake is over: decides whether the connection opens, and with whom. 0 or the error.
int gw_tls_handshake_done(struct gw_tls_engine *e);

// Whether a ticket that was opened may be resumed by this engine at its present time: on success `e->resumed` and `e->chain` are set. One
// ticket a handshake: wolfSSL tries identities more than once, in an order of its own, and does not say which it took.
bool gw_tls_ticket_accept(struct gw_tls_engine *e, const struct gw_tls_ticket_facts *facts,
                          const uint8_t tag[static GW_TLS_TICKET_TAG]);

#endif
