// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/eval.h"

#include "policy/ext.h"
#include "policy/facts.h"

#include <stdarg.h>
#include <stdio.h>

// ---------------------------------------------------------------------------------------------------------- errors

static enum pol_outcome failed(struct pol_eval *e, const struct pol_insn *i, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum pol_outcome failed(struct pol_eval *e, const struct pol_insn *i, const char *fmt, ...)
{
    char text[512];
    va_list args;

    e->what = SPAN("");
    e->at = (struct pol_place){ i->line, i->column };
    if (e->quiet)
        return POL_FAILED;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    e->what = arena_dup(e->arena, span_str(text));
    return span_is_none(e->what) ? POL_MEMORY : POL_FAILED;
}

static enum pol_outcome wrong_type(struct pol_eval *e, const struct pol_insn *i, const char *wanted,
                                   const struct pol_value *v)
{
    return failed(e, i, "expected %s, got %s", wanted, pol_kind_name(v->kind));
}

// What an error calls an entity: its name, shortened.
static struct span type_of(const struct pol_eval *e, uint32_t entity)
{
    return span_sub(pol_facts_type_name(e->set, e->request, entity), 0, 96);
}

static struct span id_of(const struct pol_eval *e, uint32_t entity)
{
    return span_sub(pol_facts_id(e->set, e->request, entity), 0, 160);
}

// ------------------------------------------------------------------------------------------------------ attributes

static struct span name_of(const struct pol_eval *e, const struct pol_insn *i)
{
    return e->set->names.types.at[i->arg].name;
}

// The attribute of a record or an entity; `*v` NULL where it has none. An error for every other kind.
static enum pol_outcome find(struct pol_eval *e, const struct pol_insn *i, const struct pol_value *top,
                             const struct pol_value **v)
{
    if (top->kind == POL_RECORD) {
        *v = pol_record_get(top, name_of(e, i));
        return POL_DONE;
    }
    if (top->kind != POL_ENTITY)
        return wrong_type(e, i, "entity or record", top);
    if (!e->request)
        return failed(e, i, "not constant");
    *v = pol_facts_attr(e->request, top->entity, name_of(e, i));
    return e->request->err ? POL_MEMORY : POL_DONE;
}

static enum pol_outcome missing(struct pol_eval *e, const struct pol_insn *i, const struct pol_value *top)
{
    struct span name = span_sub(name_of(e, i), 0, 96);

    if (top->kind == POL_RECORD)
        return failed(e, i, "the record has no attribute '%.*s'", SPAN_FMT(name));
    if (!pol_facts_exists(e->request, top->entity))
        return failed(e, i, "the entity %.*s::\"%.*s\" does not exist", SPAN_FMT(type_of(e, top->entity)),
                      SPAN_FMT(id_of(e, top->entity)));
    return failed(e, i, "%.*s::\"%.*s\" has no attribute '%.*s'", SPAN_FMT(type_of(e, top->entity)),
                  SPAN_FMT(id_of(e, top->entity)), SPAN_FMT(name));
}

static enum pol_outcome get(struct pol_eval *e, const struct pol_insn *i, struct pol_value *top)
{
    const struct pol_value *v;
    enum pol_outcome o = find(e, i, top, &v);

    if (o != POL_DONE)
        return o;
    if (!v)
        return missing(e, i, top);
    *top = *v;
    return POL_DONE;
}

static enum pol_outcome has(struct pol_eval *e, const struct pol_insn *i, struct pol_value *top)
{
    const struct pol_value *v;
    enum pol_outcome o = find(e, i, top, &v);

    if (o == POL_DONE)
        *top = pol_bool(v != NULL);
    return o;
}

// ------------------------------------------------------------------------------------------------------- operators

static enum pol_outcome arithmetic(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a,
                                   const struct pol_value *b)
{
    bool over;

    if (a->kind != POL_LONG)
        return wrong_type(e, i, "long", a);
    if (b->kind != POL_LONG)
        return wrong_type(e, i, "long", b);
    over = i->op == OP_ADD   ? __builtin_add_overflow(a->i, b->i, &a->i)
           : i->op == OP_SUB ? __builtin_sub_overflow(a->i, b->i, &a->i)
                             : __builtin_mul_overflow(a->i, b->i, &a->i);
    return over ? failed(e, i, "integer overflow") : POL_DONE;
}

static enum pol_outcome compare(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a,
                                const struct pol_value *b)
{
    bool yes;

    if (a->kind != POL_LONG && a->kind != POL_DATETIME && a->kind != POL_DURATION)
        return wrong_type(e, i, b->kind == POL_LONG ? "long" : "long, datetime or duration", a);
    if (b->kind != a->kind)
        return wrong_type(e, i, pol_kind_name(a->kind), b);
    yes = i->op == OP_LT ? a->i < b->i : i->op == OP_LE ? a->i <= b->i : i->op == OP_GT ? a->i > b->i : a->i >= b->i;
    *a = pol_bool(yes);
    return POL_DONE;
}

// The arguments start at *a; the result replaces the first.
static enum pol_outcome call(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a)
{
    struct pol_ext_error error;
    struct pol_value result;

    // Reading a text is linear in it.
    if (a->kind == POL_STRING && a->n >= 64) {
        if (e->steps <= a->n / 64)
            return POL_SPENT;
        e->steps -= a->n / 64;
    }
    if (pol_ext_call((enum pol_ext_fn)i->arg, a, e->arena, &result, &error)) {
        *a = result;
        return POL_DONE;
    }
    if (e->arena->failed)
        return POL_MEMORY;
    if (error.what)
        return failed(e, i, "%s", error.what);
    return failed(e, i, "expected %s, got %s", pol_kind_name(error.wanted), pol_kind_name(error.got));
}

static enum pol_outcome arity(struct pol_eval *e, const struct pol_insn *i)
{
    const struct pol_ext_function *f = pol_ext_function((enum pol_ext_fn)(i->arg & 0xff));
    unsigned due = f->arguments - (unsigned)f->method;

    return failed(e, i, "%.*s() takes %s, got %u", SPAN_FMT(f->name), due ? "one argument" : "no arguments",
                  i->arg >> 8);
}

static enum pol_outcome tag(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a,
                            const struct pol_value *b)
{
    const struct pol_value *v;

    if (a->kind != POL_ENTITY)
        return wrong_type(e, i, "entity", a);
    if (b->kind != POL_STRING)
        return wrong_type(e, i, "string", b);
    if (!e->request)
        return failed(e, i, "not constant");
    // Tags are searched for by name; comparing names is linear in them. Whatever a check asks for is spent, so that the sum of all steps tells whether a
    // budget covers them, in whatever order they are taken (partial.h).
    if (e->steps <= b->n / 64)
        return POL_SPENT;
    e->steps -= b->n / 64;
    v = pol_facts_tag(e->request, a->entity, pol_value_span(*b));
    if (e->request->err)
        return POL_MEMORY;
    if (i->op == OP_HAS_TAG) {
        *a = pol_bool(v != NULL);
        return POL_DONE;
    }
    if (v) {
        *a = *v;
        return POL_DONE;
    }
    if (!pol_facts_exists(e->request, a->entity))
        return failed(e, i, "the entity %.*s::\"%.*s\" does not exist", SPAN_FMT(type_of(e, a->entity)),
                      SPAN_FMT(id_of(e, a->entity)));
    return failed(e, i, "%.*s::\"%.*s\" has no such tag", SPAN_FMT(type_of(e, a->entity)),
                  SPAN_FMT(id_of(e, a->entity)));
}

static enum pol_outcome in(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a, const struct pol_value *b)
{
    uint32_t cost;
    bool yes = false;

    if (a->kind != POL_ENTITY)
        return wrong_type(e, i, "entity", a);
    if (b->kind != POL_ENTITY && b->kind != POL_SET)
        return wrong_type(e, i, "entity or set of entities", b);
    if (!e->request)
        return failed(e, i, "not constant");
    cost = 1 + (e->request->extends_set ? e->request->n_entities : 0);
    if (b->kind == POL_ENTITY) {
        if (e->steps <= cost)
            return POL_SPENT;
        e->steps -= cost;
        yes = pol_facts_in(e->request, a->entity, b->entity);
    } else {
        // Sorted by kind first: the ends tell whether all are entities.
        if (b->n && b->items[0].kind != POL_ENTITY)
            return failed(e, i, "expected set of entities, an element is a %s", pol_kind_name(b->items[0].kind));
        if (b->n && b->items[b->n - 1].kind != POL_ENTITY)
            return failed(e, i, "expected set of entities, an element is a %s", pol_kind_name(b->items[b->n - 1].kind));
        for (uint32_t k = 0; k < b->n && !yes; k++) {
            if (e->steps <= cost)
                return POL_SPENT;
            e->steps -= cost;
            yes = pol_facts_in(e->request, a->entity, b->items[k].entity);
        }
    }
    *a = pol_bool(yes);
    return e->request->err ? POL_MEMORY : POL_DONE;
}

// Walks the smaller set where either may be walked.
static bool contains_any(struct pol_eval *e, const struct pol_value *a, const struct pol_value *b)
{
    const struct pol_value *few = a->n < b->n ? a : b, *many = few == a ? b : a;

    for (uint32_t k = 0; k < few->n && e->steps; k++)
        if (pol_set_has(many, &few->items[k], &e->steps))
            return true;
    return false;
}

static bool contains_all(struct pol_eval *e, const struct pol_value *a, const struct pol_value *b)
{
    if (b->n > a->n)
        return false;
    for (uint32_t k = 0; k < b->n && e->steps; k++)
        if (!pol_set_has(a, &b->items[k], &e->steps))
            return false;
    return true;
}

static enum pol_outcome containment(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a,
                                    const struct pol_value *b)
{
    bool yes;

    if (a->kind != POL_SET)
        return wrong_type(e, i, "set", a);
    if (i->op != OP_CONTAINS && b->kind != POL_SET)
        return wrong_type(e, i, "set", b);
    yes = i->op == OP_CONTAINS       ? pol_set_has(a, b, &e->steps)
          : i->op == OP_CONTAINS_ALL ? contains_all(e, a, b)
                                     : contains_any(e, a, b);
    *a = pol_bool(yes);
    return e->steps ? POL_DONE : POL_SPENT;
}

static enum pol_outcome binary(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a,
                               const struct pol_value *b)
{
    switch ((enum pol_op)i->op) {
    case OP_EQ:
    case OP_NE:
        *a = pol_bool((pol_value_cmp(a, b, &e->steps) == 0) == (i->op == OP_EQ));
        return e->steps ? POL_DONE : POL_SPENT;
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: return compare(e, i, a, b);
    case OP_IN: return in(e, i, a, b);
    case OP_GET_TAG:
    case OP_HAS_TAG: return tag(e, i, a, b);
    case OP_CALL_TWO: return call(e, i, a); // b is behind a
    case OP_CONTAINS:
    case OP_CONTAINS_ALL:
    case OP_CONTAINS_ANY: return containment(e, i, a, b);
    default: return arithmetic(e, i, a, b);
    }
}

static enum pol_outcome unary(struct pol_eval *e, const struct pol_insn *i, struct pol_value *a)
{
    switch ((enum pol_op)i->op) {
    case OP_NOT:
        if (a->kind != POL_BOOL)
            return wrong_type(e, i, "bool", a);
        a->b = !a->b;
        return POL_DONE;
    case OP_NEG:
        if (a->kind != POL_LONG)
            return wrong_type(e, i, "long", a);
        return __builtin_sub_overflow((int64_t)0, a->i, &a->i) ? failed(e, i, "integer overflow") : POL_DONE;
    case OP_IS_EMPTY:
        if (a->kind != POL_SET)
            return wrong_type(e, i, "set", a);
        *a = pol_bool(a->n == 0);
        return POL_DONE;
    case OP_LIKE:
        if (a->kind != POL_STRING)
            return wrong_type(e, i, "string", a);
        // Searching is linear in the text for each run.
        if (e->steps <= a->n / 64 * e->set->code.patterns.at[i->arg].n)
            return POL_SPENT;
        e->steps -= a->n / 64 * e->set->code.patterns.at[i->arg].n;
        *a = pol_bool(pol_like(&e->set->code.patterns.at[i->arg], pol_value_span(*a)));
        return POL_DONE;
    case OP_IS:
        if (a->kind != POL_ENTITY)
            return wrong_type(e, i, "entity", a);
        *a = pol_bool(pol_facts_type(e->set, e->request, a->entity) == i->arg);
        return POL_DONE;
    default: return a->kind == POL_BOOL ? POL_DONE : wrong_type(e, i, "bool", a);
    }
}

// ----------------------------------------------------------------------------------------------------- collections

static enum pol_outcome collect(struct pol_eval *e, const struct pol_insn *i, struct pol_value *sp)
{
    bool set = i->op == OP_SET_NEW;
    void *room = arena_array(e->arena, i->arg ? i->arg : 1, set ? sizeof(struct pol_value) : sizeof(struct pol_field));

    if (!room)
        return POL_MEMORY;
    *sp = (struct pol_value){ .kind = set ? POL_SET : POL_RECORD };
    if (set)
        sp->items = room;
    else
        sp->fields = room;
    return POL_DONE;
}

static enum pol_outcome put(struct pol_eval *e, const struct pol_insn *i, struct pol_value *into,
                            const struct pol_value *v)
{
    // The room was made by collect() for this very value; nothing else points to it yet.
    if (i->op == OP_SET_ADD)
        ((struct pol_value *)(uintptr_t)into->items)[into->n++] = *v;
    else
        ((struct pol_field *)(uintptr_t)into->fields)[into->n++] = (struct pol_field){ name_of(e, i), *v };
    return POL_DONE;
}

// ---------------------------------------------------------------------------------------------------------- machine

static struct pol_value variable(const struct pol_request *r, uint32_t which)
{
    const struct pol_entity *e;

    if (which == VAR_CONTEXT)
        return r->context ? pol_record_value(r->context) : (struct pol_value){ .kind = POL_RECORD };
    e = which == VAR_PRINCIPAL ? r->principal : which == VAR_ACTION ? r->action : r->resource;
    return (struct pol_value){ .kind = POL_ENTITY, .entity = e->number };
}

// Steps that keep the value and go on, or replace it by false and jump.
static enum pol_outcome step(struct pol_eval *e, const struct pol_insn *i, struct pol_value *top, bool *jump)
{
    const struct pol_value *v;
    enum pol_outcome o;

    if (i->op == OP_IS_STEP) {
        if (top->kind != POL_ENTITY)
            return wrong_type(e, i, "entity", top);
        *jump = pol_facts_type(e->set, e->request, top->entity) != i->arg;
    } else {
        o = find(e, i, top, &v);
        if (o != POL_DONE)
            return o;
        *jump = v == NULL;
        if (v)
            *top = *v;
    }
    if (*jump)
        *top = pol_bool(false);
    return POL_DONE;
}

// Whether the context is read only for a member that is known.
static bool is_known(const struct pol_eval *e, const struct pol_insn *next)
{
    return (next->op == OP_GET || next->op == OP_HAS || next->op == OP_HAS_STEP) &&
           pol_record_get(e->known, name_of(e, next));
}

static inline __attribute__((always_inline)) enum pol_outcome run(struct pol_eval *e, uint32_t from, uint32_t to,
                                                                  struct pol_value *out, const bool pausing)
{
    const struct pol_insn *insns = e->set->code.insns.at;
    struct pol_value *sp = e->stack; // the first free one; sp[-1] is the top
    uint32_t pc = from;

    while (pc < to) {
        const struct pol_insn *i = &insns[pc++];
        enum pol_outcome o = POL_DONE;
        bool jump = false;

        if (pausing && sp == e->stack) {
            e->left_at = pc - 1;
            e->left_steps = e->steps;
        }
        if (e->steps <= 1)
            return POL_SPENT;
        e->steps--;
        switch ((enum pol_op)i->op) {
        case OP_CONST: *sp++ = e->set->code.consts.at[i->arg]; break;
        case OP_VAR:
            if (pausing && i->arg == VAR_CONTEXT && (pc == to || !is_known(e, &insns[pc])))
                return POL_PAUSED;
            *sp++ = pausing && i->arg == VAR_CONTEXT ? *e->known : variable(e->request, i->arg);
            break;
        case OP_GET: o = get(e, i, &sp[-1]); break;
        case OP_HAS: o = has(e, i, &sp[-1]); break;
        case OP_HAS_STEP:
        case OP_IS_STEP:
            o = step(e, i, &sp[-1], &jump);
            pc = jump ? insns[pc].arg : pc + 1;
            break;
        case OP_AND:
        case OP_OR:
            if (sp[-1].kind != POL_BOOL)
                return wrong_type(e, i, "bool", &sp[-1]);
            if (sp[-1].b == (i->op == OP_OR))
                pc = i->arg;
            else
                sp--;
            break;
        case OP_UNLESS_JUMP:
            if (sp[-1].kind != POL_BOOL)
                return wrong_type(e, i, "bool", &sp[-1]);
            if (!(--sp)->b)
                pc = i->arg;
            break;
        case OP_JUMP: pc = i->arg; break;
        case OP_SET_NEW:
        case OP_RECORD_NEW: o = collect(e, i, sp++); break;
        case OP_SET_ADD:
        case OP_RECORD_ADD:
            sp--;
            o = put(e, i, &sp[-1], sp);
            break;
        case OP_SET_END:
            sp[-1] = pol_value_set((struct pol_value *)(uintptr_t)sp[-1].items, sp[-1].n, &e->steps);
            if (sp[-1].kind == POL_NONE)
                return POL_SPENT;
            break;
        case OP_BOOL:
        case OP_NOT:
        case OP_NEG:
        case OP_IS_EMPTY:
        case OP_LIKE:
        case OP_IS: o = unary(e, i, &sp[-1]); break;
        case OP_CALL: o = call(e, i, &sp[-1]); break;
        case OP_ARITY: return arity(e, i);
        default:
            sp--;
            o = binary(e, i, &sp[-1], sp);
            break;
        }
        if (o != POL_DONE)
            return o;
    }
    *out = sp[-1];
    return POL_DONE;
}

enum pol_outcome pol_eval_run(struct pol_eval *e, uint32_t from, uint32_t to, struct pol_value *out)
{
    return run(e, from, to, out, false);
}

enum pol_outcome pol_eval_pause(struct pol_eval *e, uint32_t from, uint32_t to, struct pol_value *out)
{
    return run(e, from, to, out, true);
}
