// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/obligation.h"

#include "gateway/base/err.h"
#include "policy/facts.h"
#include "policy/oblige.h"

// ----------------------------------------------------------------------------------------------------------- compiling

static bool no_memory(struct span file, const struct pol_ast_policy *ast, struct diags *diags)
{
    diag_error(diags, file, ast->place.line, ast->place.column, "out of memory while compiling policies");
    return false;
}

bool pol_duties_compile(struct pol_set *s, const struct pol_ast_policy *ast, struct span file, struct pol_policy *out,
                        struct diags *diags)
{
    struct pol_duty *list;
    uint32_t n = 0;

    if (!ast->obligations)
        return true;
    list = arena_array(&s->arena, ast->n_obligations, sizeof *list);
    if (!list)
        return no_memory(file, ast, diags);
    for (const struct pol_ast_obligation *o = ast->obligations; o; o = o->next) {
        struct pol_duty *d = &list[n++];

        *d = (struct pol_duty){
            .kind = o->kind, .field = SPAN_NONE, .place = o->place, .count = o->count, .period_ms = o->period_ms
        };
        if (o->kind != POL_OBLIGATION_FILTER)
            continue;
        d->field = arena_dup(&s->arena, o->field);
        d->place = o->value->place;
        if (span_is_none(d->field))
            return no_memory(file, ast, diags);
        if (!pol_compile_value(s, o->value, file, &d->code, &d->code_end, diags))
            return false;
    }
    out->duties = list;
    out->n_duties = n;
    s->obliges = s->obliges || !out->shadow;
    return true;
}

// ------------------------------------------------------------------------------------------------------------ deciding

struct gathering {
    struct pol_eval *eval;
    struct pol_answer *answer;
    struct pol_obligation *at;
    uint32_t n, cap;
};

// With a failure of the permit `policy` put where it belongs.
static int refuse(struct gathering *g, uint32_t policy, struct pol_place at, struct span text)
{
    struct pol_answer *a = g->answer;
    struct pol_failure *list = arena_array(g->eval->arena, a->n_failures + 1, sizeof *list);
    size_t n = 0;

    if (!list) {
        pol_request_fail(g->eval->request, ERR_NOMEM, "out of memory for the decision");
        return ERR_NOMEM;
    }
    while (n < a->n_failures && a->failures[n].policy < policy) {
        list[n] = a->failures[n];
        n++;
    }
    list[n] = (struct pol_failure){ .policy = policy, .line = at.line, .column = at.column, .text = text };
    if (n < a->n_failures)
        memcpy(&list[n + 1], &a->failures[n], (a->n_failures - n) * sizeof *list);
    a->failures = list;
    a->n_failures++;
    a->permit_errors++;
    return ERR_POLICY_OBLIGATION;
}

static bool scalar(const struct pol_value *v)
{
    return v->kind == POL_STRING || v->kind == POL_LONG || v->kind == POL_BOOL;
}

// What a field can be asked to be; NULL: this.
static const char *unfit(const struct pol_value *v)
{
    if (v->kind != POL_SET)
        return scalar(v) ? NULL : pol_kind_name(v->kind);
    if (v->n == 0)
        return NULL;
    // Sorted by kind first: the ends tell of all.
    if (v->items[0].kind != v->items[v->n - 1].kind)
        return "set of elements of several kinds";
    return scalar(&v->items[0]) ? NULL : "set of something else";
}

// `*found`: the answer has this filter already, of another policy or of this one.
static int known(struct gathering *g, const struct pol_obligation *o, bool *found)
{
    *found = false;
    for (uint32_t i = 0; i < g->n && !*found; i++) {
        if (g->eval->steps <= 1)
            return ERR_POLICY_BUDGET;
        g->eval->steps--;
        if (g->at[i].kind != POL_OBLIGATION_FILTER || !span_eq(g->at[i].field, o->field))
            continue;
        *found = pol_value_cmp(&g->at[i].value, &o->value, &g->eval->steps) == 0;
        if (g->eval->steps == 0)
            return ERR_POLICY_BUDGET;
    }
    return 0;
}

static int evaluate(struct gathering *g, const struct pol_duty *d, struct pol_obligation *o)
{
    const char *what;
    struct span text;

    switch (pol_eval_run(g->eval, d->code, d->code_end, &o->value)) {
    case POL_DONE: break;
    case POL_FAILED: return refuse(g, o->policy, g->eval->at, g->eval->what);
    case POL_SPENT: return ERR_POLICY_BUDGET;
    case POL_PAUSED: // of pol_eval_pause only
    case POL_MEMORY: pol_request_fail(g->eval->request, ERR_NOMEM, "out of memory for the decision"); return ERR_NOMEM;
    }
    what = unfit(&o->value);
    if (!what)
        return 0;
    text = arena_printf(g->eval->arena, "@filter: expected string, long, bool or a set of one of them, got %s", what);
    return refuse(g, o->policy, d->place, span_is_none(text) ? SPAN("") : text);
}

static int gather(struct gathering *g, uint32_t policy, const struct pol_duty *d)
{
    struct pol_obligation o = { .kind = d->kind,
                                .policy = policy,
                                .field = d->field,
                                .value = { .kind = POL_NONE },
                                .count = d->count,
                                .period_ms = d->period_ms };
    bool found = false;
    int rc = 0;

    if (d->kind == POL_OBLIGATION_FILTER && (rc = evaluate(g, d, &o)) == 0)
        rc = known(g, &o, &found);
    if (rc != 0 || found)
        return rc;
    if (!pol_request_room(g->eval->request, (void **)&g->at, g->n, &g->cap, sizeof *g->at))
        return ERR_NOMEM;
    g->at[g->n++] = o;
    return 0;
}

int pol_oblige(struct pol_eval *e, struct pol_answer *a)
{
    struct gathering g = { .eval = e, .answer = a };
    int rc = 0;

    for (size_t i = 0; i < a->n_determining && rc == 0; i++) {
        const struct pol_policy *p = &e->set->policies.at[a->determining[i]];

        for (uint32_t k = 0; k < p->n_duties && rc == 0; k++) {
            if (e->steps > 1)
                e->steps--;
            else
                rc = ERR_POLICY_BUDGET;
            if (rc == 0)
                rc = gather(&g, a->determining[i], &p->duties[k]);
        }
    }
    if (rc == 0) {
        a->obligations = g.at;
        a->n_obligations = g.n;
        return 0;
    }
    a->allow = false;
    a->err = rc;
    // As elsewhere: who goes over the budget is answered as if nothing had been found.
    if (rc == ERR_POLICY_BUDGET)
        a->n_determining = 0;
    return rc;
}
