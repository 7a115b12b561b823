// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/scope.h"

#include "policy/facts.h"

bool pol_scope_fits(struct pol_request *r, const struct pol_scope *s, uint32_t entity)
{
    bool type = s->op != SCOPE_IS && s->op != SCOPE_IS_IN ? true : pol_facts_type(r->set, r, entity) == s->type;

    switch ((enum pol_scope_op)s->op) {
    case SCOPE_EQ: return entity == s->entity;
    case SCOPE_IN:
    case SCOPE_IS_IN: return type && pol_facts_in(r, entity, s->entity);
    default: return type;
    }
}

bool pol_scope_action_fits(struct pol_request *r, const struct pol_policy *p, uint32_t action)
{
    for (uint32_t i = 0; i < p->n_actions; i++)
        if (p->action_op == SCOPE_EQ ? action == p->actions[i] : pol_facts_in(r, action, p->actions[i]))
            return true;
    return p->action_op == SCOPE_ANY;
}

// Of a value that is written as one; else POL_NONE.
static enum pol_kind kind_of(const struct pol_set *s, const struct pol_duty *d)
{
    const struct pol_insn *first = &s->code.insns.at[d->code];
    const struct pol_value *v;

    if (d->code_end != d->code + 1 || first->op != OP_CONST)
        return POL_NONE;
    v = &s->code.consts.at[first->arg];
    if (v->kind == POL_SET)
        return v->n > 0 ? v->items[0].kind : POL_NONE;
    return v->kind;
}

bool pol_filter_at(const struct pol_set *s, uint32_t policy, size_t i, struct pol_filter *out)
{
    const struct pol_policy *p = &s->policies.at[policy];

    if (p->shadow || p->never)
        return false;
    for (uint32_t k = 0; k < p->n_duties; k++) {
        const struct pol_duty *d = &p->duties[k];

        if (d->kind != POL_OBLIGATION_FILTER || i-- > 0)
            continue;
        *out = (struct pol_filter){ .field = d->field,
                                    .kind = kind_of(s, d),
                                    .line = d->place.line,
                                    .column = d->place.column,
                                    .one_resource = p->resource.op == SCOPE_EQ };
        return true;
    }
    return false;
}

bool pol_filter_may_hold(struct pol_request *r, uint32_t policy)
{
    const struct pol_policy *p = &r->set->policies.at[policy];

    if (r->err || !r->action || !r->resource || !pol_facts_close(r))
        return false;
    return pol_scope_action_fits(r, p, r->action->number) && pol_scope_fits(r, &p->resource, r->resource->number);
}
