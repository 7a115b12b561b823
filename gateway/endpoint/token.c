// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/token.h"

#include "gateway/endpoint/issue.h"

static const struct {
    struct span name;
    struct span operation; // in the record
    gw_oauth_step issue;
} grants[] = {
    { { "client_credentials", 18 }, { "client_credentials", 18 }, gw_grant_credentials },
    { { "refresh_token", 13 }, { "refresh_token", 13 }, gw_grant_refresh },
    { { "urn:ietf:params:oauth:grant-type:token-exchange", 47 }, { "token_exchange", 14 }, gw_grant_exchange },
};

static size_t find_grant(struct gw_oauth *o)
{
    size_t i = 0;
    while (i < sizeof grants / sizeof *grants && !span_eq(grants[i].name, o->form.v[GW_FORM_GRANT_TYPE]))
        i++;
    return i;
}

// Before anything is used up: a grant that is not offered costs a client neither proof nor assertion.
static int check_grant(struct gw_oauth *o)
{
    if (span_is_none(o->form.v[GW_FORM_GRANT_TYPE]))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_FORM, "grant_type is missing");
    size_t i = find_grant(o);
    if (i == sizeof grants / sizeof *grants)
        return gw_oauth_refuse(o, GW_OAUTH_UNSUPPORTED_GRANT_TYPE, ERR_OAUTH_GRANT_TYPE, NULL);
    o->v->record.operation = grants[i].operation;
    return 0;
}

static int issue(struct gw_oauth *o)
{
    return grants[find_grant(o)].issue(o);
}

int gw_grant_credentials(struct gw_oauth *o)
{
    struct gw_issue i = { .grant = GW_GRANT_CREDENTIALS };
    struct buf token;
    struct gw_issued issued = { .type = SPAN_NONE };
    i.subject = span_is_none(o->client.workload) ? o->client.id : o->client.workload;
    int rc = gw_issue_scope(o, &i, SPAN_NONE);
    // RFC 6749 §4.4.3: it has its credentials, and needs no refresh token.
    if (rc == 0 && i.offline)
        rc = gw_oauth_refuse(o, GW_OAUTH_INVALID_SCOPE, ERR_OAUTH_SCOPE, "offline_access is for token exchange");
    if (rc == 0)
        rc = gw_issue_audience(o, &i, gw_issue_audiences(o), false);
    if (rc == 0)
        rc = gw_issue_decide(o, &i);
    if (rc != 0)
        return rc;
    buf_init(&token, 0);
    rc = gw_issue_mint(o, &i, &token, &issued.lifetime_s);
    if (rc == 0) {
        issued.access_token = buf_span(&token);
        rc = gw_issue_answer(o, &i, &issued);
    }
    buf_wipe(&token);
    return rc;
}

int gw_token_visit(struct gw_authority *a, struct gw_visit *v)
{
    static const gw_oauth_step steps[] = { gw_oauth_read,    gw_client_authenticate, check_grant, gw_oauth_bind,
                                           gw_client_use_up, gw_oauth_bound_use_up,  issue };
    return gw_oauth_run(a, v, SPAN("token"), steps, sizeof steps / sizeof *steps);
}
