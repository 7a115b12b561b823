// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/revoke.h"

#include "gateway/endpoint/own_token.h"

// How long after its end a revoked token's entry stays: twice what gateways forgive clocks at most (`leeway`). No longer, since any client may
// enter as many as it gets tokens, into a registry that is bounded and everybody's.
#define LINGER_S 600

static int refuse_other(struct gw_oauth *o)
{
    // RFC 7009 §2.1: "the request is refused and the client is informed of the error".
    return gw_oauth_refuse(o, GW_OAUTH_UNAUTHORIZED_CLIENT, ERR_GRANT_SENDER, "the token is another client's");
}

static int revoke_grant(struct gw_oauth *o, struct span token, bool *found)
{
    struct pki_grant g;
    int rc = pki_grants_look(o->a->grants, token, o->now_s, o->v->arena, &g, NULL);
    *found = rc != ERR_GRANT_UNKNOWN;
    // One that was replaced ends its family too: the client means to be rid of it.
    if (rc == ERR_GRANT_UNKNOWN || rc == ERR_GRANT_EXPIRED || rc == ERR_GRANT_REVOKED)
        return 0;
    if (rc != 0 && rc != ERR_GRANT_REUSED)
        return gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
    if (!span_eq(g.client_id, o->client.id))
        return refuse_other(o);
    o->v->record.subject = g.subject;
    rc = pki_grants_revoke(o->a->grants, token, o->now_s);
    return rc == 0 ? 0 : gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
}

static int revoke_token(struct gw_oauth *o, const struct pki_token *t)
{
    if (!span_eq(t->client_id, o->client.id))
        return refuse_other(o);
    // RFC 7009 §2.2.1: without a registry nobody would hear of it, and to say otherwise would be a lie.
    if (!o->a->revoked)
        return gw_oauth_refuse(o, GW_OAUTH_UNSUPPORTED_TOKEN_TYPE, ERR_STORE_ABSENT,
                               "access tokens are not revoked here");
    struct pki_revoked_entry e = {
        .kind = PKI_REVOKED_JTI,
        .value = t->jti,
        .issuer = t->issuer->iss,
        .expires_s = t->exp + LINGER_S,
        .revoked_s = o->now_s,
        .reason = SPAN("by its client"),
    };
    o->v->record.jti = arena_dup(o->v->arena, t->jti);
    o->v->record.subject = arena_dup(o->v->arena, t->subject);
    int rc = pki_revoked_fault(&e) ? ERR_INTERNAL : pki_revoked_store_add(o->a->revoked, &e, 1, o->now_s);
    return rc == 0 ? 0 : gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
}

static int revoke(struct gw_oauth *o)
{
    struct span text = o->form.v[GW_FORM_TOKEN], detail = SPAN_NONE;
    struct pki_token *token = NULL;
    bool found = false;
    if (span_is_none(text))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_FORM, "token is missing");
    // The hint is not needed: our two kinds of tokens cannot be taken for each other.
    int rc = revoke_grant(o, text, &found);
    if (rc == 0 && !found) {
        rc = gw_own_token(o, text, &token, &detail);
        // What is no token of ours, or no good any more, is as revoked as it can be (§2.2).
        if (rc == ERR_NOMEM)
            rc = gw_oauth_refuse(o, GW_OAUTH_UNAVAILABLE, rc, NULL);
        else
            rc = rc == 0 ? revoke_token(o, token) : 0;
        pki_token_unref(token);
    }
    if (rc == 0)
        o->v->status = 200;
    return rc;
}

int gw_revoke_visit(struct gw_authority *a, struct gw_visit *v)
{
    static const gw_oauth_step steps[] = { gw_oauth_read, gw_client_authenticate, gw_client_use_up, revoke };
    return gw_oauth_run(a, v, SPAN("revoke"), steps, sizeof steps / sizeof *steps);
}
