// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/connect/outgoing.h"

#include "gateway/base/secret.h"
#include "gateway/http/time_left.h"
#include "pki/dpop.h"

const struct span gw_outgoing_answer_fields[] = {
    { "ratelimit", 9 },
    { "ratelimit-policy", 16 },
    { "sallyport-observed", 18 },
};
const size_t gw_outgoing_answer_fields_n = sizeof gw_outgoing_answer_fields / sizeof *gw_outgoing_answer_fields;

static int make_proof(const struct gw_outgoing *o, struct arena *arena, struct buf *out)
{
    struct span uri = arena_printf(arena, "https://%.*s%.*s", SPAN_FMT(o->host), SPAN_FMT(o->target->path));
    if (span_is_none(uri))
        return ERR_NOMEM;
    return pki_dpop_make(o->key, PKI_ALG_NONE, gw_method_name(o->request->method), uri, o->ath, o->nonce, o->now_s,
                         out);
}

int gw_outgoing_write(const struct gw_outgoing *o, struct arena *arena, struct buf *out, struct gw_body *body)
{
    struct gw_answer_field fields[4] = { { SPAN("authorization"), SPAN_NONE }, { SPAN("dpop"), SPAN_NONE } };
    struct buf credential, proof;
    buf_init(&credential, 0);
    buf_init(&proof, 0);
    int rc = o->key ? make_proof(o, arena, &proof) : 0;
    if (rc == 0 &&
        (!buf_append(&credential, o->key ? SPAN("DPoP ") : SPAN("Bearer ")) || !buf_append(&credential, o->token)))
        rc = ERR_NOMEM;
    fields[0].value = buf_span(&credential);
    fields[1].value = buf_span(&proof);
    struct gw_to_shard to = gw_to_shard(o->request, o->target);
    to.host = o->host;
    to.fields = fields;
    to.n_fields = o->key ? 2 : 1;
    // How long the client waits is for the gateway to read, also that it says so twice.
    const struct gw_headers *h = &o->request->headers;
    for (size_t i = 0; i < h->n && to.n_fields < 4; i++)
        if (h->v[i].id == GW_FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS)
            fields[to.n_fields++] = (struct gw_answer_field){ SPAN(GW_TIME_LEFT_FIELD), h->v[i].value };
    if (rc == 0)
        rc = gw_forward_request(&to, out, body);
    buf_wipe(&credential);
    buf_wipe(&proof);
    return rc;
}
