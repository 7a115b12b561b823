// SPDX-License-Identifier: GPL-3.0-or-later
// What the policies of the authority see of an enrolment:
//
//   principal  ServiceAccount::"cluster/namespace/name" with cluster, namespace, name and, where they are known, uid, pod, pod_uid, node, in its
//              KubernetesNamespace::"cluster/namespace" in KubernetesCluster::"cluster"; JoinToken::"id" with spiffe_id; or, with a certificate, the
//              Workload::"spiffe://…" that it is
//   action     Action::"svid:issue"
//   resource   Workload::"spiffe://…", whom the certificate is to be for, with trust_domain and path
//   context    attested_by ("service_account_token", "token_review", "join_token", "certificate"), derived (the ID is the one that follows from the
//              principal), dns, lifetime (seconds), time { now, weekday }
#include "gateway/endpoint/enrol_inside.h"

#include "pki/spiffe.h"
#include "policy/decide.h"
#include "policy/request_json.h"

#define WORKLOAD SPAN("Workload")

struct span gw_enrol_by_name(enum gw_enrol_by by)
{
    static const struct span names[] = { SPAN(""), SPAN("service_account_token"), SPAN("token_review"),
                                         SPAN("join_token"), SPAN("certificate") };
    return names[by];
}

static void add_workload(struct pol_request *r, struct pol_entity *e, struct span id)
{
    struct pki_spiffe name;
    if (pki_spiffe_parse_workload(id, &name, NULL) != 0)
        return; // it was looked at before
    pol_request_attr(r, e, SPAN("trust_domain"), pol_string(name.trust_domain));
    pol_request_attr(r, e, SPAN("path"), pol_string(name.path));
    pol_request_parent(r, e, SPAN("TrustDomain"), name.trust_domain);
}

static void add_known(struct pol_request *r, struct pol_entity *e, struct span name, struct span v)
{
    if (!span_is_none(v))
        pol_request_attr(r, e, name, pol_string(v));
}

static void add_account(struct gw_enrolling *x, struct pol_request *r)
{
    const struct gw_attested *at = &x->account;
    struct span cluster = x->cluster->name.v;
    struct span namespace = arena_printf(r->arena, "%.*s/%.*s", SPAN_FMT(cluster), SPAN_FMT(at->namespace));
    struct span id = arena_printf(r->arena, "%.*s/%.*s", SPAN_FMT(namespace), SPAN_FMT(at->account_name));
    struct pol_entity *p = pol_request_principal(r, SPAN("ServiceAccount"), id);
    pol_request_attr(r, p, SPAN("cluster"), pol_string(cluster));
    pol_request_attr(r, p, SPAN("namespace"), pol_string(at->namespace));
    pol_request_attr(r, p, SPAN("name"), pol_string(at->account_name));
    add_known(r, p, SPAN("uid"), at->account_uid);
    add_known(r, p, SPAN("pod"), at->pod);
    add_known(r, p, SPAN("pod_uid"), at->pod_uid);
    add_known(r, p, SPAN("node"), at->node);
    pol_request_parent(r, p, SPAN("KubernetesNamespace"), namespace);
    pol_request_parent(r, pol_request_entity(r, SPAN("KubernetesNamespace"), namespace), SPAN("KubernetesCluster"),
                       cluster);
}

static void add_principal(struct gw_enrolling *x, struct pol_request *r)
{
    switch (x->by) {
    case GW_ENROL_JOIN: {
        struct pol_entity *p = pol_request_principal(r, SPAN("JoinToken"), x->join.id);
        pol_request_attr(r, p, SPAN("spiffe_id"), pol_string(x->join.spiffe_id));
        break;
    }
    case GW_ENROL_CERTIFICATE:
        add_workload(r, pol_request_principal(r, WORKLOAD, x->v->certificate->spiffe_id), x->id);
        break;
    default: add_account(x, r); break;
    }
}

static void add_context(struct gw_enrolling *x, struct pol_request *r)
{
    struct pol_record *time = pol_record_new(r);
    pol_record_put(r, time, SPAN("now"), pol_datetime(x->now_s * 1000));
    pol_record_put(r, time, SPAN("weekday"), pol_string(clock_weekday(x->now_s * 1000)));
    pol_request_context(r, SPAN("attested_by"), pol_string(gw_enrol_by_name(x->by)));
    pol_request_context(r, SPAN("derived"), pol_bool(x->derived));
    pol_request_context(r, SPAN("dns"), pol_request_strings(r, x->dns, x->n_dns));
    pol_request_context(r, SPAN("lifetime"), pol_long(x->e->snapshot->authority.config->enrolment.lifetime / 1000));
    pol_request_context(r, SPAN("time"), pol_record_value(time));
}

// For metrics, as the gateway's policies are counted (stages/policy.c).
static void count(const struct gw_enrol *e, const struct pol_answer *answer)
{
    const uint16_t *rows = e->snapshot->authority.policy_rows;
    if (e->metrics && answer->permit_errors > 0)
        gw_count(e->metrics, GW_METRIC_POLICY_ERROR, answer->permit_errors);
    for (size_t i = 0; e->metrics && rows && i < answer->n_determining; i++)
        gw_count_policy(e->metrics, rows[answer->determining[i]]);
}

static void record(struct gw_enrolling *x, struct pol_request *r, const struct pol_answer *answer)
{
    struct gw_audit_record *record = &x->v->record;
    struct span *policies = arena_array(r->arena, answer->n_determining + 1, sizeof *policies);
    struct buf inputs;
    for (size_t i = 0; policies && i < answer->n_determining; i++)
        policies[i] = pol_answer_id(r, answer, i);
    record->policies = policies;
    record->policies_n = policies ? answer->n_determining : 0;
    buf_init(&inputs, 0);
    buf_append(&inputs, SPAN("["));
    if (r->err == 0 && pol_request_to_json(r, &inputs) && buf_append(&inputs, SPAN("]")))
        record->inputs = arena_dup(x->v->arena, buf_span(&inputs));
    buf_fini(&inputs);
}

int gw_enrol_decide(struct gw_enrolling *x)
{
    const struct gw_snapshot_authority *s = &x->e->snapshot->authority;
    struct pol_request r;
    struct pol_answer answer;
    pol_request_init(&r, s->policies, x->v->arena);
    add_principal(x, &r);
    pol_request_action(&r, SPAN("Action"), GW_SVID_ISSUE);
    struct pol_entity *to = pol_request_resource(&r, WORKLOAD, x->id);
    if (x->by != GW_ENROL_CERTIFICATE) // else it is the principal, and has them
        add_workload(&r, to, x->id);
    add_context(x, &r);
    int rc = pol_decide(&r, POL_MODE_GATEWAY, s->policy_budget, &answer);
    // There is nothing here that could be confined or counted (checklist 37).
    if (rc == 0 && answer.n_obligations > 0)
        rc = ERR_POLICY_OBLIGATION;
    count(x->e, &answer);
    record(x, &r, &answer);
    return rc;
}
