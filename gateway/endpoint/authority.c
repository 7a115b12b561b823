// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/authority.h"

#include "gateway/endpoint/feed.h"
#include "gateway/endpoint/introspect.h"
#include "gateway/endpoint/metadata.h"
#include "gateway/endpoint/revoke.h"
#include "gateway/endpoint/token.h"

static const struct {
    struct span path;
    enum gw_visit_endpoint endpoint;
    bool get, post;
    struct span allow;
    int (*visit)(struct gw_authority *a, struct gw_visit *v);
} table[] = {
    { SPAN("/oauth2/token"), GW_VISIT_token, false, true, SPAN("POST"), gw_token_visit },
    { SPAN("/oauth2/introspect"), GW_VISIT_introspect, false, true, SPAN("POST"), gw_introspect_visit },
    { SPAN("/oauth2/revoke"), GW_VISIT_revoke, false, true, SPAN("POST"), gw_revoke_visit },
    { SPAN("/oauth2/jwks"), GW_VISIT_jwks, true, false, SPAN("GET, HEAD"), gw_jwks_visit },
    { SPAN("/.well-known/oauth-authorization-server"), GW_VISIT_metadata, true, false, SPAN("GET, HEAD"),
      gw_metadata_visit },
    { GW_FEED_PATH, GW_VISIT_revocations, true, true, SPAN("GET, HEAD, POST"), gw_feed_visit },
};

static int dispatch(struct gw_authority *a, struct gw_visit *v)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!span_eq(v->to.path, table[i].path))
            continue;
        v->endpoint = table[i].endpoint;
        if ((v->request->method == GW_METHOD_GET && table[i].get) ||
            (v->request->method == GW_METHOD_POST && table[i].post))
            return table[i].visit(a, v);
        v->fields[v->n_fields++] = (struct gw_visit_field){ SPAN("allow"), table[i].allow };
        gw_visit_problem(v, ERR_HTTP_NOT_ALLOWED);
        return 0;
    }
    gw_visit_problem(v, ERR_HTTP_NOT_FOUND);
    return 0;
}

void gw_authority_forget(struct gw_authority *a)
{
    pki_issuers_free(a->own.issuers);
    a->own = (struct gw_own_issuer){ .issuers = NULL };
}

int gw_authority_visit(struct gw_authority *a, struct gw_visit *v)
{
    // Asked again, it begins anew: nothing of the last time is in the answer.
    v->n_fields = 0;
    v->status = 0;
    v->audited = false;
    v->record = (struct gw_audit_record){ .kind = GW_AUDIT_REQUEST };
    return dispatch(a, v);
}
