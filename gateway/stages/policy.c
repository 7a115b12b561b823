// SPDX-License-Identifier: GPL-3.0-or-later
// The decision: for every authorisation the request needs, the token's scopes must cover the action (checklist 26a) and the policies
// must permit it (36, 38). All or nothing. Then the request is made to be what they oblige to (37).
#include "gateway/stages/confine.h"
#include "gateway/stages/facts.h"
#include "gateway/stages/observe.h"
#include "gateway/stages/pipeline.h"

void gw_decisions_release(struct gw_exchange *x)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        pol_partial_release(&x->decisions[i].request);
    x->n_decisions = 0;
}

// For metrics: who determined it, and which of those that are tried out would have.
static void count(struct gw_exchange *x, const struct pol_answer *a)
{
    struct gw_metrics *m = x->services->metrics;
    const uint16_t *rows = x->snapshot->policy_rows;
    if (a->permit_errors > 0)
        gw_count(m, GW_METRIC_POLICY_ERROR, a->permit_errors);
    if (a->shadow.errors > 0)
        gw_count(m, GW_METRIC_SHADOW_ERROR, a->shadow.errors);
    for (size_t i = 0; rows && i < a->n_determining; i++)
        gw_count_policy(m, rows[a->determining[i]]);
    for (size_t i = 0; rows && i < a->shadow.n; i++)
        gw_count_policy(m, rows[a->shadow.policies[i]]);
}

int gw_scope_check(const struct gw_exchange *x, enum gw_action action)
{
    return !x->token || x->unscoped ? 0 : pki_token_check_scope(x->token, GW_ACTION_BIT(action), NULL);
}

static int decide(struct gw_exchange *x, const struct gw_api_authorisation *a, struct gw_decision *d)
{
    int rc = gw_scope_check(x, a->action);
    if (rc != 0)
        return gw_refuse(x, rc, gw_action_name(a->action));
    d->authorisation = a;
    gw_facts_partial(x, a, &d->request);
    rc = pol_decide(&d->request, POL_MODE_GATEWAY, x->snapshot->policy_budget, &d->answer);
    d->decided = true;
    count(x, &d->answer);
    return rc;
}

// A decision of which only the answer counts. In memory of its own: a list has thousands of entries, and nothing of it outlives it.
static struct pol_answer decide_aside(struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    struct pol_request request;
    struct pol_answer answer;
    struct arena of_exchange = x->arena;
    const struct gw_token_facts *token_facts = x->token_facts;
    arena_init(&x->arena, of_exchange.limit);
    gw_facts(x, a, &request);
    pol_decide(&request, POL_MODE_GATEWAY, x->snapshot->policy_budget, &answer);
    of_exchange.failed |= x->arena.failed;
    arena_fini(&x->arena);
    x->arena = of_exchange;
    x->token_facts = token_facts;
    // What they point at is gone.
    return (struct pol_answer){ .allow = answer.allow, .shadow.differs = answer.shadow.differs };
}

// ------------------------------------------------------------------------------------------------------------- shadows

// Whether it would have been authorised with the shadow policies in force. What was not asked, because the answer was settled, is asked now.
static bool would_allow(struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        if (x->decisions[i].authorisation == a)
            return pol_answer_would_allow(&x->decisions[i].answer);
    struct pol_answer answer;
    bool failed = x->arena.failed,
         would = gw_scope_check(x, a->action) == 0 && (answer = decide_aside(x, a), pol_answer_would_allow(&answer));
    x->arena.failed = failed;
    return would;
}

static bool any_differs(const struct gw_exchange *x)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        if (x->decisions[i].answer.shadow.differs)
            return true;
    return false;
}

// The whole request as it would have been decided: all that it needs, or else the lesser one.
static void compare_shadow(struct gw_exchange *x, bool allowed, const struct gw_api_authorisation *all, size_t n)
{
    bool would = true;
    if (!any_differs(x))
        return;
    for (size_t i = 0; i < n && would; i++)
        would = would_allow(x, &all[i]);
    if (!would && x->meaning.alternative.present)
        would = would_allow(x, &x->meaning.alternative.authorisation);
    x->shadow_differs = would != allowed;
    x->shadow_allows = would;
    // A request that is only observed comes here again when its body is there.
    if (x->shadow_differs && x->observed[GW_GATE_POLICY].error == 0)
        gw_count(x->services->metrics, would ? GW_METRIC_SHADOW_ALLOW : GW_METRIC_SHADOW_DENY, 1);
}

static int decide_all(struct gw_exchange *x)
{
    struct gw_api_meaning *m = &x->meaning;
    gw_decisions_release(x);
    // One more for the alternative.
    x->decisions = arena_array(&x->arena, m->n_authorisations + 1, sizeof *x->decisions);
    if (!x->decisions)
        return ERR_NOMEM;
    int rc = 0;
    for (size_t i = 0; i < m->n_authorisations && rc == 0; i++) {
        rc = decide(x, &m->authorisations[i], &x->decisions[x->n_decisions]);
        x->n_decisions += x->decisions[x->n_decisions].decided;
    }
    if (rc == 0 || !m->alternative.present)
        return rc;
    // The lesser request that does for somebody who may not make the whole one; the refusal of the whole stays if this is refused too.
    struct span detail = x->detail;
    if (decide(x, &m->alternative.authorisation, &x->decisions[x->n_decisions]) != 0) {
        x->n_decisions += x->decisions[x->n_decisions].decided;
        x->detail = detail;
        return rc;
    }
    x->n_decisions++;
    x->detail = SPAN_NONE;
    m->authorisations = &m->alternative.authorisation;
    m->n_authorisations = 1;
    m->method = m->alternative.method;
    m->target = m->alternative.target;
    m->body = SPAN("");
    m->changes_data = false;
    m->idempotent = true;
    return 0;
}

int gw_stage_policy(struct gw_exchange *x)
{
    const struct gw_api_authorisation *all = x->meaning.authorisations;
    size_t n = x->meaning.n_authorisations;
    int rc = x->permitted ? 0 : decide_all(x);
    x->permitted = rc == 0;
    if (rc == 0)
        rc = gw_confine(x);
    if (rc == GW_BODY)
        return rc;
    if (x->n_decisions > 0 && pol_set_shadows(x->snapshot->policies) > 0)
        compare_shadow(x, rc == 0, all, n);
    return rc;
}

static bool is_decided(const struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        if (x->decisions[i].authorisation == a)
            return true;
    return false;
}

int gw_policy_rest(struct gw_exchange *x)
{
    struct gw_api_meaning *m = &x->meaning;
    // The lesser request does not take the place of the whole one.
    if (x->n_decisions > 0 && x->decisions[x->n_decisions - 1].authorisation == &m->alternative.authorisation)
        pol_partial_release(&x->decisions[--x->n_decisions].request);
    for (size_t i = 0; i < m->n_authorisations; i++) {
        struct gw_decision *d = &x->decisions[x->n_decisions];
        if (is_decided(x, &m->authorisations[i]))
            continue;
        *d = (struct gw_decision){ .decided = false };
        int rc = decide(x, &m->authorisations[i], d);
        x->n_decisions += d->decided;
        if (rc < 0 && gw_refusal_gate(rc) != GW_GATE_POLICY)
            return rc;
    }
    return gw_confine(x);
}

bool gw_policy_shows(struct gw_exchange *x, struct span database, struct span tenant, struct span collection)
{
    struct gw_api_authorisation a = {
        .action = GW_ACTION_LIST, .database = database, .tenant = tenant, .collection = collection
    };
    return decide_aside(x, &a).allow || gw_observe_hidden(x);
}
