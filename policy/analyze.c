// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/analyze.h"

#include "policy/table.h"

POL_VEC(findings, struct pol_finding);

struct analyzer {
    const struct pol_set *s;
    struct pol_analysis *a;
    struct findings found;
    struct arena *arena;
    uint64_t pairs;
    bool failed;
};

static void found(struct analyzer *z, struct pol_finding f)
{
    struct pol_finding *to = pol_vec_add(&z->found);

    if (to)
        *to = f;
    else
        z->failed = true;
}

// --------------------------------------------------------------------------------------------------------------- scopes

static bool is_in(const struct pol_set *s, uint32_t entity, uint32_t other)
{
    return entity == other || pol_ids_have(s->facts[entity].ancestors, s->facts[entity].n_ancestors, other);
}

static uint32_t type_of(const struct pol_set *s, uint32_t entity)
{
    return s->uids.uids.at[entity].type;
}

// Whether whatever fits b fits a.
static bool scope_covers(const struct pol_set *s, const struct pol_scope *a, const struct pol_scope *b)
{
    bool b_below = b->op == SCOPE_EQ || b->op == SCOPE_IN || b->op == SCOPE_IS_IN;
    uint32_t b_type = b->op == SCOPE_EQ                           ? type_of(s, b->entity)
                      : b->op == SCOPE_IS || b->op == SCOPE_IS_IN ? b->type
                                                                  : POL_ID_NONE;

    switch ((enum pol_scope_op)a->op) {
    case SCOPE_ANY: return true;
    case SCOPE_EQ: return b->op == SCOPE_EQ && a->entity == b->entity;
    case SCOPE_IN: return b_below && is_in(s, b->entity, a->entity);
    case SCOPE_IS: return b_type == a->type;
    case SCOPE_IS_IN: return b_type == a->type && b_below && is_in(s, b->entity, a->entity);
    }
    return false;
}

static bool actions_cover(const struct pol_set *s, const struct pol_policy *a, const struct pol_policy *b)
{
    if (a->action_op == SCOPE_ANY)
        return true;
    if (b->action_op == SCOPE_ANY)
        return false;
    if (a->action_op == SCOPE_EQ)
        return b->action_op == SCOPE_EQ && a->actions[0] == b->actions[0];
    for (uint32_t i = 0; i < b->n_actions; i++) {
        bool in = false;

        for (uint32_t k = 0; k < a->n_actions && !in; k++)
            in = is_in(s, b->actions[i], a->actions[k]);
        if (!in)
            return false;
    }
    return true;
}

// ----------------------------------------------------------------------------------------------------------- conditions

static bool same_pattern(const struct pol_pattern *a, const struct pol_pattern *b)
{
    bool same = a->n == b->n;

    for (uint32_t i = 0; same && i < a->n; i++)
        same = span_eq(a->runs[i], b->runs[i]);
    return same;
}

// The same instructions; jumps are compared by how far they go.
static bool same_condition(const struct pol_set *s, const struct pol_policy *a, const struct pol_policy *b)
{
    uint32_t n = a->code_end - a->code, steps = 1000000;
    const struct pol_insn *x = s->code.insns.at + a->code, *y = s->code.insns.at + b->code;

    if (b->code_end - b->code != n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        bool same = x[i].op == y[i].op;

        if (!same)
            return false;
        switch ((enum pol_op)x[i].op) {
        case OP_CONST:
            same = pol_value_cmp(&s->code.consts.at[x[i].arg], &s->code.consts.at[y[i].arg], &steps) == 0 && steps;
            break;
        case OP_LIKE: same = same_pattern(&s->code.patterns.at[x[i].arg], &s->code.patterns.at[y[i].arg]); break;
        case OP_AND:
        case OP_OR:
        case OP_UNLESS_JUMP:
        case OP_JUMP: same = x[i].arg - a->code == y[i].arg - b->code; break;
        default: same = x[i].arg == y[i].arg; break;
        }
        if (!same)
            return false;
    }
    return true;
}

// Whether a holds whenever b does.
static bool covers(const struct pol_set *s, const struct pol_policy *a, const struct pol_policy *b)
{
    if (!actions_cover(s, a, b) || !scope_covers(s, &a->principal, &b->principal) ||
        !scope_covers(s, &a->resource, &b->resource))
        return false;
    return a->code == a->code_end || same_condition(s, a, b);
}

static bool nothing(const struct pol_policy *p)
{
    return p->never || (p->action_op == SCOPE_IN && p->n_actions == 0);
}

// The first that makes the policy superfluous, and the first forbid that makes a permit vain.
static void compare(struct analyzer *z, uint32_t i)
{
    const struct pol_policy *all = z->s->policies.at, *p = &all[i];
    // What obliges to something changes something, whatever else permits the same.
    bool superfluous = p->n_duties > 0, vain = p->effect == POL_FORBID;

    for (uint32_t k = 0; k < z->s->policies.n && !(superfluous && vain); k++) {
        bool same_effect = all[k].effect == p->effect;

        if (k == i || all[k].shadow || nothing(&all[k]) ||
            (same_effect ? superfluous : vain || all[k].effect != POL_FORBID))
            continue;
        if (z->pairs == 0) {
            z->a->bounded = true;
            return;
        }
        z->pairs--;
        if (!covers(z->s, &all[k], p))
            continue;
        if (!same_effect) {
            vain = true;
            found(z, (struct pol_finding){ .kind = POL_FORBIDDEN, .policy = i, .other = k });
        } else if (!covers(z->s, p, &all[k])) {
            superfluous = true;
            found(z, (struct pol_finding){ .kind = POL_COVERED, .policy = i, .other = k });
        } else if (k < i) {
            // Of two that say the same the later one is told.
            superfluous = true;
            found(z, (struct pol_finding){ .kind = POL_SAME, .policy = i, .other = k });
        }
    }
}

// ----------------------------------------------------------------------------------------------------------- everybody

// The actions that its scope lets in, as bits of the analysis' list.
static uint32_t actions_of(const struct analyzer *z, const struct pol_policy *p)
{
    uint32_t mask = 0;

    for (size_t k = 0; k < z->a->n_actions; k++) {
        uint32_t hash, action = pol_uids_find(&z->s->uids, SPAN("Action"), z->a->actions[k], &hash);
        bool fits = p->action_op == SCOPE_ANY;

        for (uint32_t m = 0; m < p->n_actions && action != POL_ID_NONE && !fits; m++)
            fits = p->action_op == SCOPE_EQ ? p->actions[m] == action : is_in(z->s, action, p->actions[m]);
        mask |= (uint32_t)fits << k;
    }
    return mask;
}

static bool unconfined(const struct pol_scope *s)
{
    return s->op == SCOPE_ANY || s->op == SCOPE_IS;
}

// Whether some part of the condition can depend on who asks: the principal, the token, the connection. What a resource says of principals
// needs one of them to be compared with.
static bool asks_who(const struct pol_set *s, const struct pol_policy *p)
{
    for (uint32_t k = p->code; k < p->code_end; k++) {
        const struct pol_insn *n = &s->code.insns.at[k];
        struct span name;

        if (n->op != OP_VAR || n->arg == VAR_ACTION || n->arg == VAR_RESOURCE)
            continue;
        if (n->arg != VAR_CONTEXT || k + 1 == p->code_end ||
            (n[1].op != OP_GET && n[1].op != OP_HAS && n[1].op != OP_HAS_STEP))
            return true;
        name = s->names.types.at[n[1].arg].name;
        if (!span_eq(name, SPAN("request")) && !span_eq(name, SPAN("http")) && !span_eq(name, SPAN("time")))
            return true;
    }
    return false;
}

static bool listed(const struct span *list, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(list[i], name))
            return true;
    return false;
}

// The resource of the scope, and what is known to be in it.
static void name_resource(struct analyzer *z, const struct pol_scope *s, struct pol_finding *f)
{
    struct span *within;

    if (unconfined(s))
        return;
    f->type = z->s->uids.types.at[type_of(z->s, s->entity)].name;
    f->id = z->s->uids.uids.at[s->entity].id;
    within = arena_array(z->arena, POL_WITHIN_MAX, sizeof *within);
    f->within = within;
    for (uint32_t e = 0; within && s->op != SCOPE_EQ && e < z->s->uids.uids.n; e++) {
        bool fits = s->op != SCOPE_IS_IN || type_of(z->s, e) == s->type;

        if (e == s->entity || !fits || !is_in(z->s, e, s->entity) ||
            !listed(z->a->resources, z->a->n_resources, z->s->uids.types.at[type_of(z->s, e)].name))
            continue;
        if (f->n_within < POL_WITHIN_MAX)
            within[f->n_within] = z->s->uids.uids.at[e].id;
        f->n_within++;
    }
    z->failed |= within == NULL;
}

static void everybody(struct analyzer *z, uint32_t i)
{
    const struct pol_policy *p = &z->s->policies.at[i];
    const struct pol_scope *who = &p->principal;
    bool domain = who->op == SCOPE_IN || who->op == SCOPE_IS_IN;
    struct pol_finding f = { .policy = i, .conditions = p->code != p->code_end };

    if (p->effect != POL_PERMIT || asks_who(z->s, p))
        return;
    f.actions = actions_of(z, p);
    if (unconfined(who) && !f.conditions && unconfined(&p->resource)) {
        f.kind = POL_EVERYBODY;
    } else if (unconfined(who)) {
        f.kind = POL_ANYBODY;
        f.actions &= z->a->changing;
    } else if (domain && span_eq(z->s->uids.types.at[type_of(z->s, who->entity)].name, SPAN("TrustDomain"))) {
        f.kind = POL_DOMAIN;
        f.actions &= z->a->administrative;
        f.role = z->s->uids.uids.at[who->entity].id;
    } else {
        return;
    }
    if (!f.actions)
        return;
    if (f.kind != POL_EVERYBODY)
        name_resource(z, &p->resource, &f);
    found(z, f);
}

// --------------------------------------------------------------------------------------------------------------- nowhere

static bool impossible(struct analyzer *z, const struct pol_scope *s, const struct span *types, size_t n,
                       struct pol_finding *f)
{
    uint32_t type = s->op == SCOPE_EQ                           ? type_of(z->s, s->entity)
                    : s->op == SCOPE_IS || s->op == SCOPE_IS_IN ? s->type
                                                                : POL_ID_NONE;

    if (n == 0 || type == POL_ID_NONE || listed(types, n, z->s->uids.types.at[type].name))
        return false;
    f->type = z->s->uids.types.at[type].name;
    return true;
}

static bool nowhere(struct analyzer *z, uint32_t i)
{
    const struct pol_policy *p = &z->s->policies.at[i];
    struct pol_finding f = { .kind = POL_NOWHERE, .policy = i };

    if (impossible(z, &p->principal, z->a->principals, z->a->n_principals, &f) ||
        impossible(z, &p->resource, z->a->resources, z->a->n_resources, &f)) {
        found(z, f);
        return true;
    }
    if (z->a->n_actions == 0 || p->action_op == SCOPE_ANY || actions_of(z, p))
        return false;
    f.type = SPAN("Action");
    f.id = z->s->uids.uids.at[p->actions[0]].id;
    found(z, f);
    return true;
}

// --------------------------------------------------------------------------------------------------------------- roles

static bool is_role(const struct pol_set *s, uint32_t entity)
{
    return span_eq(s->uids.types.at[type_of(s, entity)].name, SPAN("Role"));
}

static bool brought(const struct pol_analysis *a, struct span role)
{
    struct span issuer = span_sub(role, 0, span_find(role, '/'));

    for (size_t i = 0; i < a->n_issuers; i++)
        if (span_eq(a->issuers[i], issuer))
            return true;
    return false;
}

// Whether anybody can be in the role: an entity that is no role, or by a token that brings it or one below it.
static bool somebody(const struct analyzer *z, uint32_t role)
{
    const struct pol_set *s = z->s;

    for (uint32_t e = 0; e < s->uids.uids.n; e++) {
        if (!is_in(s, e, role))
            continue;
        if (is_role(s, e) ? z->a->issuers && brought(z->a, s->uids.uids.at[e].id) : s->facts[e].exists)
            return true;
    }
    return false;
}

static void role(struct analyzer *z, uint8_t *seen, uint32_t i, uint32_t entity)
{
    if (entity == POL_ID_NONE || seen[entity] || !is_role(z->s, entity))
        return;
    seen[entity] = 1;
    if (!somebody(z, entity))
        found(z, (struct pol_finding){ .kind = POL_ROLE, .policy = i, .role = z->s->uids.uids.at[entity].id });
}

static void roles(struct analyzer *z, uint8_t *seen, uint32_t i)
{
    const struct pol_policy *p = &z->s->policies.at[i];

    role(z, seen, i, p->principal.entity);
    for (uint32_t k = p->code; k < p->code_end; k++) {
        const struct pol_insn *n = &z->s->code.insns.at[k];
        const struct pol_value *v = n->op == OP_CONST ? &z->s->code.consts.at[n->arg] : NULL;

        if (v && v->kind == POL_ENTITY)
            role(z, seen, i, v->entity);
        for (uint32_t m = 0; v && v->kind == POL_SET && m < v->n; m++)
            if (v->items[m].kind == POL_ENTITY)
                role(z, seen, i, v->items[m].entity);
    }
}

// --------------------------------------------------------------------------------------------------------------- whole

bool pol_analyze(const struct pol_set *set, struct pol_analysis *a, struct arena *arena)
{
    struct analyzer z = {
        .s = set, .a = a, .arena = arena, .pairs = a->pairs_most ? a->pairs_most : POL_PAIRS_DEFAULT
    };
    uint8_t *seen = arena_array(arena, (size_t)set->uids.uids.n + 1, sizeof *seen);
    struct pol_finding *list;

    if (!seen)
        return false;
    a->bounded = false;
    for (uint32_t i = 0; i < set->policies.n && !z.failed; i++) {
        const struct pol_policy *p = &set->policies.at[i];

        if (nothing(p)) {
            found(&z, (struct pol_finding){ .kind = p->never ? POL_NEVER : POL_NO_ACTION, .policy = i });
            continue;
        }
        if (nowhere(&z, i))
            continue;
        // What is only tried out grants nothing, and takes nothing from the others.
        if (!p->shadow) {
            compare(&z, i);
            everybody(&z, i);
        }
        roles(&z, seen, i);
    }
    list = arena_array(arena, (size_t)z.found.n + 1, sizeof *list);
    if (list && z.found.n)
        memcpy(list, z.found.at, z.found.n * sizeof *list);
    a->findings = list;
    a->n = z.found.n;
    pol_vec_free(&z.found);
    return list && !z.failed;
}
