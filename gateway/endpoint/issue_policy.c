// SPDX-License-Identifier: GPL-3.0-or-later
// What the policies of the authority see, and what they decide:
//
//   principal  Workload::"spiffe://…" with trust_domain, path and, when its certificate is here, serial and dns, in its TrustDomain, and in
//              Role::"registry/role" for the roles of an API key; Client::"id" for who is no workload
//   action     Action::"token:issue", "token:exchange", "token:impersonate"
//   resource   Audience::"…", one decision for each
//   context    grant_type, client_auth, client_id, scopes (with offline_access when it was asked for), bound_to ("dpop" or "certificate"),
//              subject, subject_issuer, actor, actor_issuer where there are any, time { now, weekday }
#include "gateway/endpoint/issue.h"

#include "gateway/base/clock.h"
#include "pki/spiffe.h"
#include "policy/decide.h"
#include "policy/request_json.h"

#define ACTIONS 3
#define ASKED_POLICIES 256 // that a record names

struct asking {
    struct gw_oauth *o;
    const struct gw_issue *issue;
    struct buf inputs;
    struct span *policies, *shadow; // ASKED_POLICIES each
    size_t n_policies, n_shadow;
    bool differs; // some answer, with the shadow policies in force
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
    pol_record_put(r, time, SPAN("now"), pol_datetime(o->now_s * 1000));
    pol_record_put(r, time, SPAN("weekday"), pol_string(clock_weekday(o->now_s * 1000)));
    pol_request_context(r, SPAN("time"), pol_record_value(time));
}

static void add_policies(struct asking *q, const struct pol_request *r, const struct pol_answer *answer)
{
    for (size_t i = 0; i < answer->n_determining && q->n_policies < ASKED_POLICIES; i++)
        q->policies[q->n_policies++] = pol_answer_id(r, answer, i);
}

// Of the questions that would have been answered otherwise.
static void add_shadow(struct asking *q, const struct pol_request *r, const struct pol_answer *answer)
{
    q->differs |= answer->shadow.differs;
    for (size_t i = 0; answer->shadow.differs && i < answer->shadow.n && q->n_shadow < ASKED_POLICIES; i++)
        q->shadow[q->n_shadow++] = pol_set_policy(r->set, answer->shadow.policies[i])->id;
}

static int put(struct asking *q, struct span action, struct span audience, struct pol_request *r,
               struct pol_answer *answer)
{
    const struct gw_snapshot_authority *s = &q->o->a->snapshot->authority;
    pol_request_init(r, s->policies, q->o->v->arena);
    add_principal(q->o, r);
    pol_request_action(r, SPAN("Action"), action);
    pol_request_resource(r, SPAN("Audience"), audience);
    add_context(q->o, q->issue, r);
    int rc = pol_decide(r, POL_MODE_GATEWAY, s->policy_budget, answer);
    // There is nothing here that could be confined or counted (checklist 37).
    if (rc != 0 || answer->n_obligations == 0)
        return rc;
    answer->allow = false;
    return answer->err = ERR_POLICY_OBLIGATION;
}

// For metrics, as the gateway's policies are counted (stages/policy.c).
static void count(const struct gw_authority *a, const struct pol_answer *answer)
{
    const uint16_t *rows = a->snapshot->authority.policy_rows;
    if (!a->metrics)
        return;
    if (answer->permit_errors > 0)
        gw_count(a->metrics, GW_METRIC_POLICY_ERROR, answer->permit_errors);
    if (answer->shadow.errors > 0)
        gw_count(a->metrics, GW_METRIC_SHADOW_ERROR, answer->shadow.errors);
    for (size_t i = 0; rows && i < answer->n_determining; i++)
        gw_count_policy(a->metrics, rows[answer->determining[i]]);
    for (size_t i = 0; rows && i < answer->shadow.n; i++)
        gw_count_policy(a->metrics, rows[answer->shadow.policies[i]]);
}

static int ask(struct asking *q, struct span action, struct span audience)
{
    struct gw_oauth *o = q->o;
    struct pol_request r;
    struct pol_answer answer;
    int rc = put(q, action, audience, &r, &answer);
    count(o->a, &answer);
    add_policies(q, &r, &answer);
    add_shadow(q, &r, &answer);
    buf_append(&q->inputs, q->n++ > 0 ? SPAN(",") : SPAN("["));
    if (r.err != 0 || !pol_request_to_json(&r, &q->inputs))
        buf_append(&q->inputs, SPAN("null"));
    if (rc != 0)
        gw_oauth_refuse_with(o, GW_OAUTH_UNAUTHORIZED_CLIENT, rc, NULL,
                             arena_printf(o->v->arena, "%.*s for %.*s", SPAN_FMT(action), SPAN_FMT(audience)));
    return rc;
}

// What one issue has to be asked for each audience; SPAN_NONE: nothing.
struct due {
    struct span action[ACTIONS];
};

// Every question, as it would be answered with the shadow policies in force: some were not asked because an earlier one was refused.
static void compare_shadow(struct asking *q, const struct due *due, bool issued)
{
    struct gw_audit_record *record = &q->o->v->record;
    struct pol_request r;
    struct pol_answer answer;
    bool would = true;
    for (size_t a = 0; would && a < q->issue->audiences.n; a++)
        for (size_t k = 0; would && k < ACTIONS; k++)
            if (!span_is_none(due->action[k])) {
                put(q, due->action[k], q->issue->audiences.at[a], &r, &answer);
                would = pol_answer_would_allow(&answer);
            }
    record->shadow_differs = would != issued;
    if (q->o->a->metrics && would != issued)
        gw_count(q->o->a->metrics, would ? GW_METRIC_SHADOW_ALLOW : GW_METRIC_SHADOW_DENY, 1);
    record->shadow_allows = would;
    record->shadow_policies = q->shadow;
    record->shadow_policies_n = q->n_shadow;
}

int gw_issue_decide(struct gw_oauth *o, const struct gw_issue *i)
{
    const struct due due = { { i->impersonates ? GW_TOKEN_IMPERSONATE : SPAN_NONE,
                               i->exchanged ? GW_TOKEN_EXCHANGE : SPAN_NONE, GW_TOKEN_ISSUE } };
    struct asking q = { .o = o, .issue = i };
    buf_init(&q.inputs, 0);
    q.policies = arena_array(o->v->arena, ASKED_POLICIES, sizeof *q.policies);
    q.shadow = arena_array(o->v->arena, ASKED_POLICIES, sizeof *q.shadow);
    int rc = q.policies && q.shadow ? 0 : gw_oauth_refuse(o, GW_OAUTH_UNAVAILABLE, ERR_NOMEM, NULL);
    for (size_t a = 0; rc == 0 && a < i->audiences.n; a++)
        for (size_t k = 0; rc == 0 && k < ACTIONS; k++)
            if (!span_is_none(due.action[k]))
                rc = ask(&q, due.action[k], i->audiences.at[a]);
    if (q.differs)
        compare_shadow(&q, &due, rc == 0);
    if (q.n > 0 && buf_append(&q.inputs, SPAN("]")) && !q.inputs.failed)
        o->v->record.inputs = arena_dup(o->v->arena, buf_span(&q.inputs));
    o->v->record.policies = q.policies;
    o->v->record.policies_n = q.n_policies;
    buf_fini(&q.inputs);
    return rc;
}
