// SPDX-License-Identifier: GPL-3.0-or-later
// Conditions → instructions. What depends on nothing is evaluated here and now, by the same machine that decides; what
// fails there is left as it was written, so that it fails in the decision as Cedar has it.
#include "policy/eval.h"
#include "policy/ext.h"

enum { FOLD_STEPS = 16000000 };

struct emit {
    struct pol_set *set;
    struct diags *diags;
    struct span file;
    uint32_t depth; // values on the stack at this point
    uint32_t fold_steps;
    bool failed; // reported
};

// A point that a fold returns to.
struct mark {
    uint32_t insns, consts;
};

static bool emit_node(struct emit *e, const struct pol_node *n);

static bool fail(struct emit *e, struct pol_place at, const char *what)
{
    if (!e->failed)
        diag_error(e->diags, e->file, at.line, at.column, "%s", what);
    e->failed = true;
    return false;
}

static bool no_memory(struct emit *e, struct pol_place at)
{
    return fail(e, at, "out of memory while compiling policies");
}

static struct mark mark(const struct emit *e)
{
    return (struct mark){ e->set->code.insns.n, e->set->code.consts.n };
}

static bool insn(struct emit *e, enum pol_op op, uint32_t arg, struct pol_place at)
{
    struct pol_insn *i = pol_vec_add(&e->set->code.insns);

    if (!i)
        return no_memory(e, at);
    i->op = (uint32_t)op & 0xff;
    i->column = (at.column < 0xffffff ? at.column : 0xffffffu) & 0xffffff;
    i->line = at.line;
    i->arg = arg;
    return true;
}

static void pushed(struct emit *e)
{
    if (++e->depth > e->set->code.stack_most)
        e->set->code.stack_most = e->depth;
}

static bool constant(struct emit *e, struct pol_value v, struct pol_place at)
{
    struct pol_value *c = pol_vec_add(&e->set->code.consts);

    if (!c)
        return no_memory(e, at);
    *c = v;
    return insn(e, OP_CONST, e->set->code.consts.n - 1, at);
}

// The constant that everything since the mark is, or NULL.
static const struct pol_value *constant_since(const struct emit *e, struct mark m)
{
    const struct pol_code *c = &e->set->code;

    return c->insns.n == m.insns + 1 && c->insns.at[m.insns].op == OP_CONST ? &c->consts.at[c->insns.at[m.insns].arg]
                                                                            : NULL;
}

static void rewind_to(struct emit *e, struct mark m)
{
    e->set->code.insns.n = m.insns;
    e->set->code.consts.n = m.consts;
}

// All operands since the mark are constants: so is the whole, unless it fails. False only when out of memory.
static bool fold(struct emit *e, struct mark m, struct pol_place at)
{
    struct pol_eval machine = { .set = e->set, .arena = &e->set->arena, .steps = e->fold_steps, .quiet = true };
    struct pol_value v;
    enum pol_outcome outcome;

    machine.stack = calloc(e->set->code.stack_most + 1, sizeof *machine.stack);
    if (!machine.stack)
        return no_memory(e, at);
    outcome = e->fold_steps ? pol_eval_run(&machine, m.insns, e->set->code.insns.n, &v) : POL_SPENT;
    free(machine.stack);
    e->fold_steps = machine.steps;
    if (outcome == POL_MEMORY)
        return no_memory(e, at);
    if (outcome != POL_DONE)
        return true;
    rewind_to(e, m);
    return constant(e, v, at);
}

static uint32_t attribute(struct emit *e, struct span name, struct pol_place at)
{
    uint32_t i = pol_uids_add_type(&e->set->names, name);

    if (i == POL_ID_NONE)
        no_memory(e, at);
    return i;
}

// -------------------------------------------------------------------------------------------------- && || if

// Jumps that all go to one place are chained through their args until it is known.
static void land(struct emit *e, uint32_t chain)
{
    struct pol_insn *insns = e->set->code.insns.at;

    while (chain != POL_ID_NONE) {
        uint32_t next = insns[chain].arg;

        insns[chain].arg = e->set->code.insns.n;
        chain = next;
    }
}

// Whether the expression's value can only be a boolean.
static bool yields_bool(const struct pol_node *n)
{
    switch (n->kind) {
    case NODE_BOOL:
    case NODE_AND:
    case NODE_OR:
    case NODE_NOT:
    case NODE_RELATION:
    case NODE_HAS:
    case NODE_LIKE:
    case NODE_IS: return true;
    default: return false;
    }
}

// The operands of && (absorbing: false) or || (true), one call each.
struct logical {
    enum pol_op op;
    bool absorbing;
    uint32_t jumps;
    bool settled; // an operand is constantly absorbing: what follows is never evaluated
};

// Behind the operand's code, which started at m.
static bool operand(struct emit *e, struct logical *l, struct mark m, bool last, bool is_bool, struct pol_place at)
{
    const struct pol_value *v = constant_since(e, m);

    if (v && v->kind == POL_BOOL) {
        if (v->b == l->absorbing)
            l->settled = true;
        if (last || l->settled)
            return true;
        rewind_to(e, m);
        e->depth--;
        return true;
    }
    if (last)
        return is_bool || insn(e, OP_BOOL, 0, at);
    if (!insn(e, l->op, l->jumps, at))
        return false;
    l->jumps = e->set->code.insns.n - 1;
    e->depth--;
    return true;
}

static bool emit_logical(struct emit *e, const struct pol_node *n)
{
    struct logical l = { n->kind == NODE_AND ? OP_AND : OP_OR, n->kind == NODE_OR, POL_ID_NONE, false };

    for (const struct pol_node *c = n->first; c && !l.settled; c = c->next) {
        struct mark m = mark(e);

        if (!emit_node(e, c) || !operand(e, &l, m, !c->next, yields_bool(c), c->place))
            return false;
    }
    land(e, l.jumps);
    return true;
}

static bool emit_if(struct emit *e, const struct pol_node *n)
{
    const struct pol_node *test = n->first, *yes = test->next, *no = yes->next;
    struct mark m = mark(e);
    const struct pol_value *v;
    uint32_t to_else, to_end;

    if (!emit_node(e, test))
        return false;
    e->depth--;
    v = constant_since(e, m);
    if (v && v->kind == POL_BOOL) {
        bool chosen = v->b;

        rewind_to(e, m);
        return emit_node(e, chosen ? yes : no);
    }
    if (!insn(e, OP_UNLESS_JUMP, POL_ID_NONE, test->place))
        return false;
    to_else = e->set->code.insns.n - 1;
    if (!emit_node(e, yes) || !insn(e, OP_JUMP, POL_ID_NONE, n->place))
        return false;
    to_end = e->set->code.insns.n - 1;
    land(e, to_else);
    e->depth--;
    if (!emit_node(e, no))
        return false;
    land(e, to_end);
    return true;
}

// ----------------------------------------------------------------------------------------------- the other nodes

static enum pol_op op_of(uint8_t operator)
{
    static const uint8_t ops[] = {
        [OPERATOR_EQ] = OP_EQ,
        [OPERATOR_NE] = OP_NE,
        [OPERATOR_LT] = OP_LT,
        [OPERATOR_LE] = OP_LE,
        [OPERATOR_GT] = OP_GT,
        [OPERATOR_GE] = OP_GE,
        [OPERATOR_IN] = OP_IN,
        [OPERATOR_ADD] = OP_ADD,
        [OPERATOR_SUB] = OP_SUB,
        [OPERATOR_MUL] = OP_MUL,
        [OPERATOR_CONTAINS] = OP_CONTAINS,
        [OPERATOR_CONTAINS_ALL] = OP_CONTAINS_ALL,
        [OPERATOR_CONTAINS_ANY] = OP_CONTAINS_ANY,
        [OPERATOR_IS_EMPTY] = OP_IS_EMPTY,
        [OPERATOR_GET_TAG] = OP_GET_TAG,
        [OPERATOR_HAS_TAG] = OP_HAS_TAG,
    };

    return ops[operator];
}

// One child and an instruction for it.
static bool emit_unary(struct emit *e, const struct pol_node *n, enum pol_op op, uint32_t arg)
{
    struct mark m = mark(e);
    bool is_constant;

    if (!emit_node(e, n->first))
        return false;
    is_constant = constant_since(e, m) != NULL;
    return insn(e, op, arg, n->place) && (!is_constant || fold(e, m, n->place));
}

// A right operand and its instruction, behind a left one that started at m and is constant or not.
static bool join(struct emit *e, struct mark m, bool *is_constant, const struct pol_node *right, enum pol_op op,
                 uint32_t arg, struct pol_place at)
{
    struct mark r = mark(e);

    if (!emit_node(e, right))
        return false;
    *is_constant = *is_constant && constant_since(e, r);
    e->depth--;
    if (!insn(e, op, arg, at) || (*is_constant && !fold(e, m, at)))
        return false;
    *is_constant = *is_constant && constant_since(e, m);
    return true;
}

// A relation or a chain of + - *.
static bool emit_joined(struct emit *e, const struct pol_node *n)
{
    struct mark m = mark(e);
    bool is_constant;

    if (!emit_node(e, n->first))
        return false;
    is_constant = constant_since(e, m) != NULL;
    for (const struct pol_node *c = n->first->next; c; c = c->next)
        if (!join(e, m, &is_constant, c, op_of(n->kind == NODE_CHAIN ? c->joint : n->op), 0, n->place))
            return false;
    return true;
}

// One accessor, behind what started at m.
static bool access(struct emit *e, struct mark m, bool *is_constant, const struct pol_node *c)
{
    bool ext = c->kind == NODE_METHOD && c->op == OPERATOR_EXTENSION;
    uint32_t arg = ext ? c->fn : 0;
    enum pol_op op = OP_GET;

    // Cedar counts arguments when it evaluates; whatever they are, the call fails.
    if (ext && c->n + 1 != pol_ext_function((enum pol_ext_fn)c->fn)->arguments) {
        *is_constant = false;
        return insn(e, OP_ARITY, arg | c->n << 8, c->place);
    }
    if (c->kind == NODE_METHOD && c->first)
        return join(e, m, is_constant, c->first, ext ? OP_CALL_TWO : op_of(c->op), arg, c->place);
    if (c->kind == NODE_GET && (arg = attribute(e, c->text, c->place)) == POL_ID_NONE)
        return false;
    if (c->kind == NODE_METHOD)
        op = ext ? OP_CALL : op_of(c->op);
    if (!insn(e, op, arg, c->place) || (*is_constant && !fold(e, m, c->place)))
        return false;
    *is_constant = *is_constant && constant_since(e, m);
    return true;
}

static bool emit_member(struct emit *e, const struct pol_node *n)
{
    struct mark m = mark(e);
    bool is_constant;

    if (!emit_node(e, n->first))
        return false;
    is_constant = constant_since(e, m) != NULL;
    for (const struct pol_node *c = n->first->next; c; c = c->next)
        if (!access(e, m, &is_constant, c))
            return false;
    return true;
}

static bool emit_call(struct emit *e, const struct pol_node *n)
{
    if (n->n == 1)
        return emit_unary(e, n, OP_CALL, n->fn);
    pushed(e);
    return insn(e, OP_ARITY, n->fn | n->n << 8, n->place);
}

static bool emit_has(struct emit *e, const struct pol_node *n)
{
    struct mark m = mark(e);
    uint32_t jumps = POL_ID_NONE;
    bool is_constant;

    if (!emit_node(e, n->first))
        return false;
    is_constant = constant_since(e, m) != NULL;
    for (const struct pol_name_list *p = n->path; p; p = p->next) {
        uint32_t name = attribute(e, p->name, n->place);

        if (name == POL_ID_NONE || !insn(e, p->next ? OP_HAS_STEP : OP_HAS, name, n->place))
            return false;
        if (p->next) {
            if (!insn(e, OP_JUMP, jumps, n->place))
                return false;
            jumps = e->set->code.insns.n - 1;
        }
    }
    land(e, jumps);
    return !is_constant || fold(e, m, n->place);
}

static bool emit_is(struct emit *e, const struct pol_node *n)
{
    const struct pol_node *in = n->first->next;
    uint32_t type = pol_uids_add_type(&e->set->uids, n->type), jump;

    if (type == POL_ID_NONE)
        return no_memory(e, n->place);
    if (!in)
        return emit_unary(e, n, OP_IS, type);
    if (!emit_node(e, n->first) || !insn(e, OP_IS_STEP, type, n->place) || !insn(e, OP_JUMP, POL_ID_NONE, n->place))
        return false;
    jump = e->set->code.insns.n - 1;
    if (!emit_node(e, in) || !insn(e, OP_IN, 0, n->place))
        return false;
    e->depth--;
    land(e, jump);
    return true;
}

// The runs between wildcards; neighbouring wildcards are one.
static bool emit_like(struct emit *e, const struct pol_node *n)
{
    struct pol_pattern *p = pol_vec_add(&e->set->code.patterns);
    struct span text = arena_dup(&e->set->arena, n->text);
    struct span *runs;
    uint32_t count = 1;
    size_t start = 0;

    for (size_t i = 0; i < n->text.n; i++)
        count += n->wild[i];
    runs = arena_array(&e->set->arena, count, sizeof *runs);
    if (!p || span_is_none(text) || !runs)
        return no_memory(e, n->place);
    count = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (!n->wild[i])
            continue;
        if (i == start && count > 0) {
            start = i + 1;
            continue;
        }
        runs[count++] = span_of(text.p + start, i - start);
        start = i + 1;
    }
    runs[count++] = span_of(text.p + start, text.n - start);
    *p = (struct pol_pattern){ runs, count };
    return emit_unary(e, n, OP_LIKE, e->set->code.patterns.n - 1);
}

static bool emit_collection(struct emit *e, const struct pol_node *n)
{
    bool set = n->kind == NODE_SET, is_constant = true;
    struct mark m = mark(e);

    if (!insn(e, set ? OP_SET_NEW : OP_RECORD_NEW, n->n, n->place))
        return false;
    pushed(e);
    for (const struct pol_node *c = n->first; c; c = c->next) {
        struct mark at = mark(e);
        uint32_t name = set ? 0 : attribute(e, c->text, c->place);

        if (name == POL_ID_NONE || !emit_node(e, set ? c : c->first))
            return false;
        is_constant = is_constant && constant_since(e, at);
        e->depth--;
        if (!insn(e, set ? OP_SET_ADD : OP_RECORD_ADD, name, c->place))
            return false;
    }
    if (set && !insn(e, OP_SET_END, 0, n->place))
        return false;
    return !is_constant || fold(e, m, n->place);
}

static bool emit_leaf(struct emit *e, const struct pol_node *n)
{
    struct pol_value v = { .kind = POL_NONE };

    pushed(e);
    if (n->kind == NODE_VAR)
        return insn(e, OP_VAR, n->var, n->place);
    if (n->kind == NODE_BOOL) {
        v = pol_bool(n->number != 0);
    } else if (n->kind == NODE_LONG) {
        v = pol_long(n->number);
    } else if (n->kind == NODE_STRING) {
        v = pol_string(arena_dup(&e->set->arena, n->text));
    } else {
        v.entity = pol_uids_add(&e->set->uids, n->type, n->text);
        v.kind = v.entity == POL_ID_NONE ? POL_NONE : POL_ENTITY;
    }
    return v.kind == POL_NONE ? no_memory(e, n->place) : constant(e, v, n->place);
}

// Recursion follows the nesting of the tree, which the parser bounds.
static bool emit_node(struct emit *e, const struct pol_node *n)
{
    switch ((enum pol_node_kind)n->kind) {
    case NODE_BOOL:
    case NODE_LONG:
    case NODE_STRING:
    case NODE_ENTITY:
    case NODE_VAR: return emit_leaf(e, n);
    case NODE_SET:
    case NODE_RECORD: return emit_collection(e, n);
    case NODE_AND:
    case NODE_OR: return emit_logical(e, n);
    case NODE_NOT: return emit_unary(e, n, OP_NOT, 0);
    case NODE_NEG: return emit_unary(e, n, OP_NEG, 0);
    case NODE_RELATION:
    case NODE_CHAIN: return emit_joined(e, n);
    case NODE_MEMBER: return emit_member(e, n);
    case NODE_IF: return emit_if(e, n);
    case NODE_HAS: return emit_has(e, n);
    case NODE_LIKE: return emit_like(e, n);
    case NODE_IS: return emit_is(e, n);
    case NODE_CALL: return emit_call(e, n);
    case NODE_GET:
    case NODE_METHOD: break; // handled by their parents
    }
    return fail(e, n->place, "an expression that the compiler does not know");
}

bool pol_compile(struct pol_set *s, const struct pol_ast_policy *ast, struct span file, struct pol_policy *out,
                 struct diags *diags)
{
    struct emit e = { .set = s, .diags = diags, .file = file, .fold_steps = FOLD_STEPS };
    struct logical l = { OP_AND, false, POL_ID_NONE, false };
    struct mark start = mark(&e);
    const struct pol_value *v;

    // The conditions are joined by &&, an `unless` negated, as Cedar does it.
    for (const struct pol_ast_condition *c = ast->conditions; c && !l.settled; c = c->next) {
        struct mark m = mark(&e);
        struct pol_node not = { .kind = NODE_NOT, .n = 1, .first = c->expr, .place = c->expr->place };
        const struct pol_node *n = c->unless ? &not : c->expr;

        if (!emit_node(&e, n) || !operand(&e, &l, m, !c->next, yields_bool(n), c->expr->place))
            return false;
    }
    land(&e, l.jumps);
    v = constant_since(&e, start);
    if (v && v->kind == POL_BOOL) {
        out->never = !v->b;
        rewind_to(&e, start);
    }
    out->code = start.insns;
    out->code_end = s->code.insns.n;
    return true;
}

bool pol_compile_value(struct pol_set *s, const struct pol_node *n, struct span file, uint32_t *from, uint32_t *to,
                       struct diags *diags)
{
    struct emit e = { .set = s, .diags = diags, .file = file, .fold_steps = FOLD_STEPS };
    uint32_t start = s->code.insns.n;

    if (!emit_node(&e, n))
        return false;
    *from = start;
    *to = s->code.insns.n;
    return true;
}
