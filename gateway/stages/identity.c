// SPDX-License-Identifier: GPL-3.0-or-later
// Gate one, again: a handshake may be hours old, so expiry and revocation are looked at on every request (checklist 27–30). The
// look costs no signature; what the handshake established about the path is in the peer.
#include "gateway/stages/pipeline.h"
#include "gateway/stages/standing.h"

#include <stdatomic.h>

// Who does not hear what is revoked must not decide. Answers under way go on: nobody took anything back.
static bool is_stale(const struct gw_exchange *x)
{
    const struct gw_revoked_term *f = x->services->present->fresh;
    return f && x->now.mono_ms >= atomic_load_explicit(&f->until_ms, memory_order_relaxed);
}

int gw_stage_identity(struct gw_exchange *x)
{
    if (!x->peer)
        return gw_refuse(x, ERR_CERT_MISSING, SPAN_NONE);
    int rc = gw_tls_peer_recheck(x->peer, &x->services->present->trust, x->now.wall_ms / 1000);
    if (rc == 0)
        rc = gw_standing_certificate(x);
    if (rc != 0)
        x->close = true;
    else if (is_stale(x))
        rc = gw_refuse(x, ERR_REVOCATIONS_STALE, SPAN_NONE);
    return rc;
}
