// SPDX-License-Identifier: GPL-3.0-or-later
// What the policies of the authority see, and what they decide:
//
//   principal  Workload::"spiffe://…" with trust_domain, path and, when its certificate is here, serial and dns, in its TrustDomain, and in
//              Role::"registry/role" for the roles of an API key; Client::"id" for who is no workload
//   action     Action::"token:issue", "token:exchange", "token:impersonate"
//   resource   Audience::"…", one decision for each
//   context    grant_type, client_auth, client_id, scopes (with offline_access when it was asked for), bound_to ("dpop" or "certificate"),
//              subject, subject_issuer, actor, actor_issuer where there are any, time { now } in seconds
#include "gateway/endpoint/issue.h"

#include "pki/spiffe.h"
#include "policy/decide.h"
#include "policy/request_json.h"

#define ACTIONS 3

struct asking {
    struct gw_oauth *o;
    const struct gw_issue *issue;
    struct buf inputs;
    struct span *policies;
    size_t n_policies, cap_policies;
    size_t n;
};

static void add_text(struct pol_request *r, const char *name, struct span v)
{
    if (!span_is_none(v))
        pol_request_context(r, span_str(name), pol_string(v));
}

static void add_principal(struct gw_oauth *o, struct pol_request *r)
{
    const struct pki_identity *id = o->v->certificate;
    const struct gw_client *c = &o->client;
    struct pki_spiffe name;
    if (span_is_none(c->workload) || pki_spiffe_parse_workload(c->workload, &name, NULL) != 0) {
        pol_request_principal(r, SPAN("Client"), c->id);
        return;
    }
    struct pol_entity *p = pol_request_principal(r, SPAN("Workload"), c->workload);
    pol_request_attr(r, p, SPAN("trust_domain"), pol_string(name.trust_domain));
    pol_request_attr(r, p, SPAN("path"), pol_string(name.path));
    pol_request_parent(r, p, SPAN("TrustDomain"), name.trust_domain);
    if (id)
        pol_request_attr(r, p, SPAN("serial"), pol_string(id->serial));
    if (id && !span_is_none(id->dns))
        pol_request_attr(r, p, SPAN("dns"), pol_string(id->dns));
    for (size_t i = 0; c->key && i < c->key->roles.n; i++)
        pol_request_parent(
            r, p, SPAN("Role"),
            arena_printf(r->arena, "%.*s/%.*s", SPAN_FMT(c->key->issuer->name), SPAN_FMT(c->key->roles.at[i])));
}

static void add_context(struct gw_oauth *o, const struct gw_issue *i, struct pol_request *r)
{
    struct span *scopes = arena_array(r->arena, i->scopes.n + 1, sizeof *scopes);
    size_t n = 0;
    for (; scopes && n < i->scopes.n; n++)
        scopes[n] = i->scopes.at[n];
    if (scopes && i->offline)
        scopes[n++] = SPAN("offline_access");
    add_text(r, "grant_type", i->grant);
    add_text(r, "client_auth", gw_client_method_name(o->client.method));
    add_text(r, "client_id", o->client.id);
    // Without a value the request is refused.
    pol_request_context(r, SPAN("scopes"),
                        scopes ? pol_request_strings(r, scopes, n) : (struct pol_value){ .kind = POL_NONE });
    add_text(r, "bound_to", o->bound.jkt ? SPAN("dpop") : SPAN("certificate"));
    if (i->exchanged)
        add_text(r, "subject", i->subject);
    add_text(r, "subject_issuer", i->subject_issuer);
    add_text(r, "actor", i->actor);
    add_text(r, "actor_issuer", i->actor_issuer);
    struct pol_record *time = pol_record_new(r);
    pol_record_put(r, time, SPAN("now"), pol_long(o->now_s));
    pol_request_context(r, SPAN("time"), pol_record_value(time));
}

static void add_policies(struct asking *q, const struct pol_request *r, const struct pol_answer *answer)
{
    for (size_t i = 0; i < answer->n_determining && q->n_policies < q->cap_policies; i++)
        q->policies[q->n_policies++] = pol_answer_id(r, answer, i);
}

static int ask(struct asking *q, struct span action, struct span audience)
{
    struct gw_oauth *o = q->o;
    const struct gw_snapshot_authority *s = &o->a->snapshot->authority;
    struct pol_request r;
    struct pol_answer answer;
    pol_request_init(&r, s->policies, o->v->arena);
    add_principal(o, &r);
    pol_request_action(&r, SPAN("Action"), action);
    pol_request_resource(&r, SPAN("Audience"), audience);
    add_context(o, q->issue, &r);
    int rc = pol_decide(&r, POL_MODE_GATEWAY, s->policy_budget, &answer);
    add_policies(q, &r, &answer);
    buf_append(&q->inputs, q->n++ > 0 ? SPAN(",") : SPAN("["));
    if (r.err != 0 || !pol_request_to_json(&r, &q->inputs))
        buf_append(&q->inputs, SPAN("null"));
    if (rc != 0)
        gw_oauth_refuse_with(o, GW_OAUTH_UNAUTHORIZED_CLIENT, rc, NULL,
                             arena_printf(o->v->arena, "%.*s for %.*s", SPAN_FMT(action), SPAN_FMT(audience)));
    return rc;
}

int gw_issue_decide(struct gw_oauth *o, const struct gw_issue *i)
{
    const struct {
        struct span action;
        bool due;
    } actions[ACTIONS] = { { GW_TOKEN_IMPERSONATE, i->impersonates },
                           { GW_TOKEN_EXCHANGE, i->exchanged },
                           { GW_TOKEN_ISSUE, true } };
    struct asking q = { .o = o, .issue = i, .cap_policies = 256 };
    buf_init(&q.inputs, 0);
    q.policies = arena_array(o->v->arena, q.cap_policies, sizeof *q.policies);
    int rc = q.policies ? 0 : gw_oauth_refuse(o, GW_OAUTH_UNAVAILABLE, ERR_NOMEM, NULL);
    for (size_t a = 0; rc == 0 && a < i->audiences.n; a++)
        for (size_t k = 0; rc == 0 && k < ACTIONS; k++)
            if (actions[k].due)
                rc = ask(&q, actions[k].action, i->audiences.at[a]);
    if (q.n > 0 && buf_append(&q.inputs, SPAN("]")) && !q.inputs.failed)
        o->v->record.inputs = arena_dup(o->v->arena, buf_span(&q.inputs));
    o->v->record.policies = q.policies;
    o->v->record.policies_n = q.n_policies;
    buf_fini(&q.inputs);
    return rc;
}
