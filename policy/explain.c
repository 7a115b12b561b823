// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/explain.h"

#include "policy/eval.h"
#include "policy/facts.h"
#include "policy/parse.h"
#include "policy/print.h"
#include "policy/scope.h"

enum { VALUE_MAX = 160, EXPR_MAX = 400, ANCESTORS_SHOWN = 12 };

struct explain {
    struct pol_set *set;
    struct pol_request *r;
    struct arena *arena;
    struct diags diags; // of compiling what compiled before: stays empty
    bool no_memory;
    bool constant; // what was evaluated last
    // the policy at work
    struct pol_because *because;
    size_t n_because;
    struct pol_because *at; // whose values are collected
    struct pol_saw *saw;
};

// -------------------------------------------------------------------------------------------------------------- texts

static struct span text_of(struct explain *e, struct buf *b, size_t max)
{
    struct span all = buf_span(b), text;
    size_t n = all.n < max ? all.n : max;

    while (n > 0 && n < all.n && ((unsigned char)all.p[n] & 0xc0) == 0x80)
        n--;
    text = n < all.n ? arena_printf(e->arena, "%.*s…", (int)n, all.p) : arena_dup(e->arena, all);
    e->no_memory = e->no_memory || b->failed || span_is_none(text);
    buf_fini(b);
    return text;
}

static struct span expr_text(struct explain *e, const struct pol_node *n)
{
    struct buf b;

    buf_init(&b, 0);
    pol_print_expr(&b, n);
    return text_of(e, &b, EXPR_MAX);
}

static struct span value_text(struct explain *e, const struct pol_value *v)
{
    struct buf b;

    buf_init(&b, 0);
    pol_print_value(&b, e->r, v, VALUE_MAX);
    return text_of(e, &b, VALUE_MAX * 4);
}

static struct span ancestors_text(struct explain *e, uint32_t entity)
{
    const struct pol_entity *d = pol_facts_declared(e->r, entity);
    bool known = entity < e->set->uids.uids.n;
    const uint32_t *ids = d ? d->ancestors : known ? e->set->facts[entity].ancestors : NULL;
    uint32_t n = d ? d->n_ancestors : known ? e->set->facts[entity].n_ancestors : 0;
    struct buf b;

    buf_init(&b, 0);
    buf_byte(&b, '[');
    for (uint32_t i = 0; i < n && i < ANCESTORS_SHOWN; i++) {
        if (i > 0)
            buf_append(&b, SPAN(", "));
        pol_print_uid(&b, e->r, ids[i]);
    }
    buf_append(&b, n > ANCESTORS_SHOWN ? SPAN(", …]") : SPAN("]"));
    return text_of(e, &b, 2000);
}

// -------------------------------------------------------------------------------------------------------------- values

// The value of one expression, by the machine that decides. The code is taken back at once.
static enum pol_outcome evaluate(struct explain *e, const struct pol_node *n, struct pol_value *v, struct span *failed)
{
    struct pol_code *code = &e->set->code;
    uint32_t insns = code->insns.n, consts = code->consts.n, patterns = code->patterns.n, from, to;
    uint32_t uids = e->set->uids.uids.n;
    struct pol_eval machine = { .set = e->set, .request = e->r, .arena = e->arena, .steps = POL_STEPS_DEFAULT };
    enum pol_outcome o = POL_MEMORY;

    // The request's own entities are numbered from the end of the set's, so there may be no more of these: nothing is evaluated that the
    // compiler left out.
    if (pol_compile_value(e->set, n, SPAN("explain"), &from, &to, &e->diags) && e->set->uids.uids.n == uids &&
        (machine.stack = arena_array(e->arena, (size_t)code->stack_most + 1, sizeof *machine.stack)))
        o = pol_eval_run(&machine, from, to, v);
    e->constant = o != POL_MEMORY && to == from + 1 && code->insns.at[from].op == OP_CONST;
    code->insns.n = insns;
    code->consts.n = consts;
    code->patterns.n = patterns;
    *failed = o == POL_FAILED ? machine.what : o == POL_SPENT ? SPAN("went over the step budget") : SPAN_NONE;
    e->no_memory = e->no_memory || o == POL_MEMORY;
    return o;
}

static bool is_bool(struct explain *e, const struct pol_node *n, bool *out)
{
    struct pol_value v;
    struct span failed;

    if (evaluate(e, n, &v, &failed) != POL_DONE || v.kind != POL_BOOL)
        return false;
    *out = v.b;
    return true;
}

static void add_saw(struct explain *e, struct span expr, struct span value)
{
    if (!e->saw)
        e->saw = arena_array(e->arena, POL_SAW_MAX, sizeof *e->saw);
    if (!e->saw) {
        e->no_memory = true;
        return;
    }
    for (size_t i = 0; i < e->at->n_saw; i++)
        if (span_eq(e->saw[i].expr, expr))
            return;
    if (e->at->n_saw < POL_SAW_MAX)
        e->saw[e->at->n_saw++] = (struct pol_saw){ expr, value };
    e->at->saw = e->saw;
}

static void saw_expr(struct explain *e, const struct pol_node *n)
{
    struct pol_value v;
    struct span failed;

    if (evaluate(e, n, &v, &failed) == POL_DONE)
        add_saw(e, expr_text(e, n), value_text(e, &v));
    else if (!span_is_none(failed))
        add_saw(e, expr_text(e, n), arena_printf(e->arena, "error: %.*s", SPAN_FMT(failed)));
}

static void saw_ancestors(struct explain *e, const struct pol_node *n)
{
    struct pol_value v;
    struct span failed, of = expr_text(e, n);

    if (evaluate(e, n, &v, &failed) == POL_DONE && v.kind == POL_ENTITY)
        add_saw(e, arena_printf(e->arena, "ancestors of %.*s", SPAN_FMT(of)), ancestors_text(e, v.entity));
}

static void collect(struct explain *e, const struct pol_node *n);

// principal.team.lead of principal.team.lead.contains(x): what is before the first call, and what the calls are given.
static void collect_member(struct explain *e, const struct pol_node *n)
{
    struct pol_node prefix = *n, *last = NULL;
    const struct pol_node *c;

    if (n->first->kind != NODE_VAR) {
        collect(e, n->first);
    } else {
        prefix.first = NULL;
        prefix.n = 0;
        for (c = n->first; c && (c == n->first || c->kind == NODE_GET); c = c->next) {
            struct pol_node *copy = arena_alloc(e->arena, sizeof *copy);

            if (!copy) {
                e->no_memory = true;
                return;
            }
            *copy = *c;
            copy->next = NULL;
            if (last)
                last->next = copy;
            else
                prefix.first = copy;
            last = copy;
            prefix.n++;
        }
        saw_expr(e, prefix.n > 1 ? &prefix : prefix.first);
    }
    for (c = n->first->next; c; c = c->next) {
        if (c->kind != NODE_METHOD)
            continue;
        for (const struct pol_node *a = c->first; a; a = a->next)
            collect(e, a);
    }
}

// The variables and attributes that an expression reads.
static void collect(struct explain *e, const struct pol_node *n)
{
    if (n->kind == NODE_MEMBER) {
        collect_member(e, n);
        return;
    }
    if (n->kind == NODE_VAR) {
        // All of the context would say nothing.
        if (n->var != VAR_CONTEXT)
            saw_expr(e, n);
        return;
    }
    for (const struct pol_node *c = n->first; c; c = c->next)
        collect(e, n->kind == NODE_RECORD ? c->first : c);
    if (((n->kind == NODE_RELATION && n->op == OPERATOR_IN) || (n->kind == NODE_IS && n->n == 2)) &&
        (n->first->kind == NODE_VAR || n->first->kind == NODE_MEMBER))
        saw_ancestors(e, n->first);
}

// ---------------------------------------------------------------------------------------------------------- conditions

static struct pol_because *add_because(struct explain *e)
{
    if (e->n_because == POL_BECAUSE_MAX)
        return NULL;
    if (!e->because && !(e->because = arena_array(e->arena, POL_BECAUSE_MAX, sizeof *e->because))) {
        e->no_memory = true;
        return NULL;
    }
    e->at = &e->because[e->n_because++];
    *e->at = (struct pol_because){ .failed = SPAN_NONE };
    e->saw = NULL;
    return e->at;
}

static void leaf(struct explain *e, const struct pol_node *n)
{
    struct pol_because *b = add_because(e);
    struct pol_value v;
    struct span failed;

    if (!b)
        return;
    b->expr = expr_text(e, n);
    b->line = n->place.line;
    b->column = n->place.column;
    switch (evaluate(e, n, &v, &failed)) {
    case POL_DONE:
        b->is = v.kind == POL_BOOL && v.b;
        if (v.kind != POL_BOOL)
            b->failed = arena_printf(e->arena, "expected bool, got %s", pol_kind_name(v.kind));
        break;
    case POL_MEMORY: return;
    default: b->failed = failed; break;
    }
    collect(e, n);
}

static void settle(struct explain *e, const struct pol_node *n);

// The operands that made && false or || true; when none did, all of them made it what it is. One that cannot be evaluated behind the one that
// settled it never is.
static void logical(struct explain *e, const struct pol_node *n)
{
    bool absorbing = n->kind == NODE_OR, settled = false, v;

    for (const struct pol_node *c = n->first; c; c = c->next) {
        if (is_bool(e, c, &v)) {
            bool constant = e->constant;

            if (v != absorbing)
                continue;
            settled = true;
            settle(e, c);
            if (constant)
                return;
        } else if (!settled) {
            // Evaluation ended here.
            settle(e, c);
            return;
        }
    }
    for (const struct pol_node *c = n->first; c && !settled; c = c->next)
        settle(e, c);
}

// Recursion follows the nesting of the tree, which the parser bounds.
static void settle(struct explain *e, const struct pol_node *n)
{
    bool test;

    if (e->no_memory)
        return;
    if (n->kind == NODE_AND || n->kind == NODE_OR) {
        logical(e, n);
    } else if (n->kind == NODE_NOT) {
        settle(e, n->first);
    } else if (n->kind == NODE_IF) {
        settle(e, n->first);
        if (is_bool(e, n->first, &test))
            settle(e, test ? n->first->next : n->first->next->next);
    } else {
        leaf(e, n);
    }
}

// The conditions are one &&, with the `unless` negated.
static void conditions(struct explain *e, const struct pol_ast_policy *p, bool held)
{
    bool v, settled = false;

    for (const struct pol_ast_condition *c = p->conditions; c; c = c->next) {
        if (is_bool(e, c->expr, &v)) {
            bool constant = e->constant;

            if (!held && v != c->unless)
                continue;
            settle(e, c->expr);
            settled = true;
            if (constant && !held)
                return;
        } else if (!settled) {
            settle(e, c->expr);
            return;
        }
    }
}

// -------------------------------------------------------------------------------------------------------------- scopes

static void uid_saw(struct explain *e, const char *variable, uint32_t entity, bool ancestors)
{
    struct buf b;

    buf_init(&b, 0);
    pol_print_uid(&b, e->r, entity);
    add_saw(e, span_str(variable), text_of(e, &b, EXPR_MAX));
    if (ancestors)
        add_saw(e, arena_printf(e->arena, "ancestors of %s", variable), ancestors_text(e, entity));
}

static void scope_because(struct explain *e, const char *variable, const struct pol_scope *s, uint32_t entity)
{
    struct pol_because *because = add_because(e);
    struct buf b;

    if (!because)
        return;
    buf_init(&b, 0);
    buf_append(&b, span_str(variable));
    if (s->op == SCOPE_IS || s->op == SCOPE_IS_IN)
        buf_printf(&b, " is %.*s", SPAN_FMT(e->set->uids.types.at[s->type].name));
    if (s->op == SCOPE_EQ || s->op == SCOPE_IN || s->op == SCOPE_IS_IN) {
        buf_append(&b, s->op == SCOPE_EQ ? SPAN(" == ") : SPAN(" in "));
        pol_print_uid(&b, e->r, s->entity);
    }
    because->expr = text_of(e, &b, EXPR_MAX);
    uid_saw(e, variable, entity, s->op == SCOPE_IN || s->op == SCOPE_IS_IN);
}

static void action_because(struct explain *e, const struct pol_policy *p, uint32_t action)
{
    struct pol_because *because = add_because(e);
    bool list = p->action_op == SCOPE_IN && p->n_actions != 1;
    struct buf b;

    if (!because)
        return;
    buf_init(&b, 0);
    buf_append(&b, p->action_op == SCOPE_EQ ? SPAN("action == ") : SPAN("action in "));
    buf_append(&b, list ? SPAN("[") : SPAN(""));
    for (uint32_t i = 0; i < p->n_actions && buf_len(&b) < EXPR_MAX; i++) {
        if (i > 0)
            buf_append(&b, SPAN(", "));
        pol_print_uid(&b, e->r, p->actions[i]);
    }
    buf_append(&b, list ? SPAN("]") : SPAN(""));
    because->expr = text_of(e, &b, EXPR_MAX);
    uid_saw(e, "action", action, p->action_op == SCOPE_IN);
}

// What of the scope does not fit.
static void scope(struct explain *e, const struct pol_policy *p)
{
    const struct pol_request *r = e->r;

    if (!pol_scope_fits(e->r, &p->principal, r->principal->number))
        scope_because(e, "principal", &p->principal, r->principal->number);
    if (!pol_scope_action_fits(e->r, p, r->action->number))
        action_because(e, p, r->action->number);
    if (!pol_scope_fits(e->r, &p->resource, r->resource->number))
        scope_because(e, "resource", &p->resource, r->resource->number);
}

// ------------------------------------------------------------------------------------------------------------ policies

static void account(struct explain *e, const struct pol_ast_policy *ast, uint32_t i, struct pol_account *out)
{
    const struct pol_policy *p = &e->set->policies.at[i];
    bool held = true, v;

    e->because = NULL;
    e->n_because = 0;
    scope(e, p);
    if (e->n_because) {
        out->became = POL_ELSEWHERE;
    } else {
        out->became = POL_HELD;
        for (const struct pol_ast_condition *c = ast->conditions; c && held; c = c->next) {
            held = is_bool(e, c->expr, &v) && v != c->unless;
            if (!held)
                out->became = is_bool(e, c->expr, &v) ? POL_FALSE : POL_ERRED;
        }
        conditions(e, ast, held);
    }
    out->policy = i;
    out->because = e->because;
    out->n_because = e->n_because;
}

// The trees of the set's policies, in its order: `of[i]` is policy i's.
static bool trees(struct explain *e, const struct pol_source *sources, size_t n, const struct pol_options *options,
                  const struct pol_ast_policy **of)
{
    const struct pol_set *s = e->set;
    const struct pol_ast_policy **templates = arena_array(e->arena, s->templates.n + 1, sizeof *templates);
    uint32_t n_policies = 0, n_templates = 0;
    struct diags ignored;

    if (!templates)
        return false;
    diags_init(&ignored);
    for (size_t i = 0; i < n; i++) {
        for (const struct pol_ast_policy *p = pol_parse(e->arena, &sources[i], options, &ignored); p; p = p->next) {
            if (p->principal.slot || p->resource.slot) {
                if (n_templates < s->templates.n)
                    templates[n_templates++] = p;
            } else if (n_policies < s->policies.n) {
                of[n_policies++] = p;
            }
        }
    }
    diags_fini(&ignored);
    // What is left are links.
    for (; n_policies < s->policies.n; n_policies++) {
        for (uint32_t t = 0; t < n_templates; t++)
            if (span_eq(s->templates.at[t].info.id, s->policies.at[n_policies].info.template_id))
                of[n_policies] = templates[t];
        if (!of[n_policies])
            return false;
    }
    return true;
}

bool pol_explain(struct pol_set *set, const struct pol_source *policies, size_t n_policies,
                 const struct pol_options *options, struct pol_request *r, const struct pol_account **accounts)
{
    struct explain e = { .set = set, .r = r, .arena = r->arena };
    struct pol_account *all = arena_array(r->arena, (size_t)set->policies.n + 1, sizeof *all);
    const struct pol_ast_policy **of = arena_array(r->arena, (size_t)set->policies.n + 1, sizeof *of);

    if (!all || !of || !trees(&e, policies, n_policies, options, of))
        return false;
    diags_init(&e.diags);
    for (uint32_t i = 0; i < set->policies.n && !e.no_memory; i++)
        account(&e, of[i], i, &all[i]);
    diags_fini(&e.diags);
    if (e.no_memory || r->arena->failed)
        return false;
    *accounts = all;
    return true;
}

static size_t distance(const struct pol_account *a)
{
    return a->became == POL_ELSEWHERE ? 1000 * a->n_because : a->n_because ? a->n_because : 1;
}

size_t pol_nearest(const struct pol_set *set, const struct pol_account *accounts, uint32_t *out, size_t cap)
{
    size_t best = SIZE_MAX, n = 0;

    for (uint32_t i = 0; i < set->policies.n; i++) {
        const struct pol_policy *p = &set->policies.at[i];
        if (p->effect != POL_PERMIT || p->shadow || accounts[i].became == POL_HELD)
            continue;
        if (distance(&accounts[i]) < best) {
            best = distance(&accounts[i]);
            n = 0;
        }
        if (distance(&accounts[i]) == best && n < cap)
            out[n++] = i;
    }
    return n;
}
