// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/opaque.h"

#include "gateway/stages/pipeline.h"
#include "pki/introspected.h"

const struct gw_introspector *gw_opaque_asked_at(const struct gw_exchange *x, struct span token)
{
    const struct gw_snapshot *s = x->snapshot;
    if (s->n_introspectors == 0)
        return NULL;
    const struct pki_issuer *issuer = pki_introspected_by(s->issuers, token);
    for (size_t i = 0; issuer && i < s->n_introspectors; i++)
        if (s->introspectors[i].issuer == issuer)
            return &s->introspectors[i];
    return NULL;
}

int gw_opaque_ask(struct gw_exchange *x, const struct gw_introspector *at, struct span token,
                  const uint8_t sha256[static 32])
{
    int rc = gw_introspection_ask(x->services->introspection, (size_t)(at - x->snapshot->introspectors), sha256,
                                  x->peer->identity.spiffe_id, x->now.mono_ms, &x->asked);
    // Nobody has vouched for the token, so this is all that the record can say of whose it may be.
    x->detail = arena_printf(&x->arena, "asked at issuer %.*s", SPAN_FMT(at->issuer->name));
    if (rc != 0) {
        x->retry_after_s = x->asked.retry_after_s;
        return rc;
    }
    x->opaque = token;
    x->waits_for = GW_WAIT_INTROSPECTION;
    return GW_WAIT;
}

int gw_opaque_take(struct gw_exchange *x)
{
    int rc = x->asked.error;
    x->opaque = SPAN_NONE;
    if (rc == 0) {
        x->token = x->asked.token;
        x->asked.token = NULL;
        x->detail = SPAN_NONE;
    } else {
        x->retry_after_s = x->asked.retry_after_s;
    }
    gw_introspection_leave(&x->asked);
    return rc;
}
