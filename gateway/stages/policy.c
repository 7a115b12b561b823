// SPDX-License-Identifier: GPL-3.0-or-later
// The decision: for every authorisation the request needs, the token's scopes must cover the action (checklist 26a) and the policies
// must permit it (36, 38). All or nothing.
#include "gateway/stages/facts.h"
#include "gateway/stages/pipeline.h"

static int decide(struct gw_exchange *x, const struct gw_api_authorisation *a, struct gw_decision *d)
{
    int rc = pki_token_check_scope(x->token, GW_ACTION_BIT(a->action), NULL);
    if (rc != 0)
        return gw_refuse(x, rc, gw_action_name(a->action));
    d->authorisation = a;
    gw_facts(x, a, &d->request);
    rc = pol_decide(&d->request, POL_MODE_GATEWAY, x->snapshot->policy_budget, &d->answer);
    d->decided = true;
    if (d->answer.permit_errors > 0)
        gw_count(x->services->metrics, GW_METRIC_POLICY_ERROR, d->answer.permit_errors);
    return rc;
}

int gw_stage_policy(struct gw_exchange *x)
{
    struct gw_api_meaning *m = &x->meaning;
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

bool gw_policy_shows(struct gw_exchange *x, struct span database, struct span tenant, struct span collection)
{
    struct gw_api_authorisation a = {
        .action = GW_ACTION_LIST, .database = database, .tenant = tenant, .collection = collection
    };
    struct pol_request request;
    struct pol_answer answer;
    // In memory of its own: a list has thousands of entries, and nothing of the decision outlives it.
    struct arena of_exchange = x->arena;
    struct pol_value token_facts = x->token_facts;
    arena_init(&x->arena, of_exchange.limit);
    gw_facts(x, &a, &request);
    bool shown = pol_decide(&request, POL_MODE_GATEWAY, x->snapshot->policy_budget, &answer) == 0;
    of_exchange.failed |= x->arena.failed;
    arena_fini(&x->arena);
    x->arena = of_exchange;
    x->token_facts = token_facts;
    return shown;
}
