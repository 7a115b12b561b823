// SPDX-License-Identifier: GPL-3.0-or-later
// Follows Cedar's typechecker rule by rule, including what it does after a fault: it goes on with the type that the
// expression would have had, so that one run finds them all.
#include "policy/ext.h"
#include "policy/validate_fault.h"

static struct pol_typed check(struct pol_check *c, struct pol_core *e, const struct pol_known *known);

// --------------------------------------------------------------------------------------------------------------- answers

static struct pol_typed success(const struct pol_type_of *type)
{
    return (struct pol_typed){ .type = type, .ok = true };
}

static struct pol_typed plain(enum pol_type_kind kind)
{
    return success(pol_type_plain(kind));
}

static struct pol_typed knowing(enum pol_type_kind kind, const struct pol_known *known)
{
    return (struct pol_typed){ .type = pol_type_plain(kind), .known = known, .ok = true };
}

static struct pol_typed failure(const struct pol_type_of *type)
{
    return (struct pol_typed){ .type = type };
}

// What follows from a failure fails, too, but keeps its type.
static struct pol_typed after(struct pol_typed before, struct pol_typed t)
{
    return before.ok ? t : failure(t.type);
}

static bool is(struct pol_typed t, enum pol_type_kind kind)
{
    return t.type && t.type->kind == kind;
}

static enum pol_type_kind truth(bool b)
{
    return b ? TYPE_TRUE : TYPE_FALSE;
}

static struct pol_typed expect(struct pol_check *c, struct pol_core *op, struct pol_core *operand, enum pol_fault kind,
                               struct pol_typed t, unsigned takes)
{
    if (!t.type)
        return failure(NULL);
    if (takes & TAKES(t.type->kind) ||
        (takes & TAKES_ENTITIES && t.type->kind == TYPE_SET && t.type->element->kind == TYPE_ENTITY))
        return t.ok ? t : failure(t.type);
    pol_fault_type(c, op, operand, kind, t.type, takes);
    return failure(NULL);
}

static struct pol_typed expect_a(struct pol_check *c, struct pol_core *e, struct pol_typed a, unsigned takes)
{
    return expect(c, e, e->a, FAULT_TYPE_A, a, takes);
}

static struct pol_typed expect_b(struct pol_check *c, struct pol_core *e, const struct pol_known *known, unsigned takes)
{
    return expect(c, e, e->b, FAULT_TYPE_B, check(c, e->b, known), takes);
}

// The type above both, or a complaint.
static const struct pol_type_of *join(struct pol_check *c, struct pol_core *e, const struct pol_type_of *x,
                                      const struct pol_type_of *y, const char *what)
{
    const struct pol_type_of *t = pol_type_join(c->scratch, x, y);

    if (!t && !c->scratch->failed)
        pol_fault_join(c, e, x, y, what);
    return t;
}

// ---------------------------------------------------------------------------------------------------------- what is known

static uint32_t attr_key(struct pol_check *c, const struct pol_core *of, struct span name)
{
    return pol_shapes_add(c->shapes, (struct pol_shape){ .kind = CORE_KNOWN_ATTR, .a = of->shape, .text = name });
}

static uint32_t tag_key(struct pol_check *c, const struct pol_core *of, const struct pol_core *tag)
{
    return pol_shapes_add(c->shapes, (struct pol_shape){ .kind = CORE_KNOWN_TAG, .a = of->shape, .b = tag->shape });
}

static const struct pol_known *both(struct pol_check *c, const struct pol_known *x, const struct pol_known *y)
{
    return pol_known_both(c->scratch, x, y);
}

// -------------------------------------------------------------------------------------------------------------- operands

static const struct pol_schema_entity *entity_of(const struct pol_check *c, const struct pol_type_of *t)
{
    return &c->s->entities[t->entity];
}

static const struct pol_type_of *record_of(const struct pol_check *c, const struct pol_type_of *t)
{
    return t->kind == TYPE_RECORD ? t : entity_of(c, t)->attrs;
}

static struct pol_typed entity(const struct pol_check *c, const struct pol_core *e)
{
    const struct pol_schema_action *action;
    const struct pol_schema_entity *type;

    if (pol_schema_action_type(e->type)) {
        action = pol_schema_action(c->s, e->type, e->text);
        return action ? success(c->s->entities[action->type].self) : failure(NULL);
    }
    type = pol_schema_entity(c->s, e->type);
    return type ? success(type->self) : failure(NULL);
}

static struct pol_typed variable(const struct pol_check *c, const struct pol_core *e)
{
    switch (e->op) {
    case VAR_PRINCIPAL: return success(c->principal->self);
    case VAR_RESOURCE: return success(c->resource->self);
    case VAR_ACTION: return success(c->s->entities[c->action->type].self);
    default: return success(c->action->context);
    }
}

static struct pol_typed set(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    const struct pol_type_of *element = NULL;
    struct pol_type_of *t;
    bool ok = true, typed = true;

    for (struct pol_core *item = e->first; item; item = item->next) {
        struct pol_typed one = check(c, item, known);

        ok = ok && one.ok;
        if (!typed || !one.type) {
            typed = false;
            continue;
        }
        element = element ? join(c, e, element, one.type, "the elements of a set must be of one type") : one.type;
        typed = element != NULL;
    }
    if (!e->first)
        pol_fault(c, e, FAULT_EMPTY, "an empty set: nothing says of what; use isEmpty(), or leave the test out");
    if (!e->first || !typed || !(t = arena_alloc(c->scratch, sizeof *t)))
        return failure(NULL);
    *t = (struct pol_type_of){ .kind = TYPE_SET, .element = element };
    return ok ? success(t) : failure(t);
}

static struct pol_typed record(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    struct pol_type_field *fields = arena_array(c->scratch, e->n ? e->n : 1, sizeof *fields);
    struct pol_type_of *t = arena_alloc(c->scratch, sizeof *t);
    bool ok = true, typed = fields && t;
    uint32_t n = 0;

    for (struct pol_core *f = e->first; f; f = f->next) {
        struct pol_typed one = check(c, f->a, known);

        ok = ok && one.ok;
        typed = typed && one.type;
        if (typed)
            fields[n++] = (struct pol_type_field){ .name = f->text, .type = one.type };
    }
    if (!typed)
        return failure(NULL);
    *t = (struct pol_type_of){ .kind = TYPE_RECORD, .n = n, .fields = fields };
    return ok ? success(t) : failure(t);
}

static struct pol_typed operand(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    switch (e->kind) {
    case CORE_BOOL: return plain(truth(e->number != 0));
    case CORE_LONG: return plain(TYPE_LONG);
    case CORE_STRING: return plain(TYPE_STRING);
    case CORE_ENTITY: return entity(c, e);
    case CORE_VAR: return variable(c, e);
    case CORE_SET: return set(c, e, known);
    default: return record(c, e, known);
    }
}

// ------------------------------------------------------------------------------------------------------- && || ! if

static struct pol_typed and
    (struct pol_check * c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES_BOOL), r;

    if (is(l, TYPE_FALSE))
        return after(l, plain(TYPE_FALSE));
    r = expect_b(c, e, both(c, known, l.known), TAKES_BOOL);
    if (!l.type || !r.type)
        return failure(pol_type_plain(TYPE_BOOL));
    if (r.type->kind == TYPE_FALSE)
        return after(l, after(r, plain(TYPE_FALSE)));
    if (r.type->kind == TYPE_TRUE)
        return after(l, after(r, knowing((enum pol_type_kind)l.type->kind, both(c, l.known, r.known))));
    // Cedar forgets here what a left side of the type True tells; so must we.
    if (l.type->kind == TYPE_TRUE)
        return after(l, after(r, knowing((enum pol_type_kind)r.type->kind, r.known)));
    return after(l, after(r, knowing(TYPE_BOOL, both(c, l.known, r.known))));
}

static struct pol_typed or (struct pol_check * c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES_BOOL), r;

    if (is(l, TYPE_TRUE))
        return l;
    r = expect_b(c, e, known, TAKES_BOOL);
    if (!l.type || !r.type)
        return failure(pol_type_plain(TYPE_BOOL));
    if (r.type->kind == TYPE_TRUE)
        return after(l, after(r, knowing(TYPE_TRUE, r.known)));
    if (r.type->kind == TYPE_FALSE)
        return after(l, after(r, knowing((enum pol_type_kind)l.type->kind, l.known)));
    if (l.type->kind == TYPE_FALSE)
        return after(l, after(r, knowing((enum pol_type_kind)r.type->kind, r.known)));
    return after(l, after(r, knowing(TYPE_BOOL, pol_known_common(c->scratch, l.known, r.known))));
}

static struct pol_typed not(struct pol_check * c, struct pol_core *e, struct pol_typed a)
{
    struct pol_typed t = expect_a(c, e, a, TAKES_BOOL);

    if (!t.type)
        return failure(pol_type_plain(TYPE_BOOL));
    return after(t, plain(t.type->kind == TYPE_TRUE ? TYPE_FALSE : t.type->kind == TYPE_FALSE ? TYPE_TRUE : TYPE_BOOL));
}

static struct pol_typed conditional(struct pol_check *c, struct pol_core *e, struct pol_typed a,
                                    const struct pol_known *known)
{
    struct pol_typed test = expect_a(c, e, a, TAKES_BOOL), x, y;
    const struct pol_type_of *t;

    if (is(test, TYPE_FALSE))
        return after(test, check(c, e->c, known));
    x = check(c, e->b, both(c, known, test.known));
    if (x.ok)
        x.known = both(c, x.known, test.known);
    if (is(test, TYPE_TRUE))
        return after(test, x);
    y = check(c, e->c, known);
    t = x.type && y.type ? join(c, e, x.type, y.type, "both branches of an 'if' must be of one type") : NULL;
    if (!t || !x.ok || !y.ok)
        return failure(t);
    return after(test,
                 (struct pol_typed){ .type = t, .known = pol_known_common(c->scratch, x.known, y.known), .ok = true });
}

// ------------------------------------------------------------------------------------------------------------- comparisons

// The action is as good as its name.
static const struct pol_core *as_literal(const struct pol_check *c, const struct pol_core *e, struct pol_core *space)
{
    if (e->kind == CORE_VAR && e->op == VAR_ACTION) {
        *space = (struct pol_core){ .kind = CORE_ENTITY,
                                    .type = c->s->entities[c->action->type].name,
                                    .text = c->action->id };
        return space;
    }
    return e->kind <= CORE_ENTITY ? e : NULL;
}

static bool same_literal(const struct pol_core *x, const struct pol_core *y)
{
    return x->kind == y->kind && x->number == y->number && span_eq(x->text, y->text) && span_eq(x->type, y->type);
}

static struct pol_typed equality(struct pol_check *c, struct pol_core *e, struct pol_typed l,
                                 const struct pol_known *known)
{
    struct pol_typed r = check(c, e->b, known), t = plain(TYPE_BOOL);
    struct pol_core x_space, y_space;
    const struct pol_core *x = as_literal(c, e->a, &x_space), *y = as_literal(c, e->b, &y_space);

    if (l.type && r.type && l.type->kind == TYPE_ENTITY && r.type->kind == TYPE_ENTITY &&
        l.type->entity != r.type->entity)
        t = plain(TYPE_FALSE);
    else if (x && y)
        t = plain(truth(same_literal(x, y)));
    else if (l.type && r.type && !join(c, e, l.type, r.type, "what is compared must be of one type"))
        t = failure(pol_type_plain(TYPE_BOOL));
    return after(l, after(r, t));
}

static bool ordered(const struct pol_type_of *t)
{
    return t->kind == TYPE_LONG || t->kind == TYPE_DATETIME || t->kind == TYPE_DURATION;
}

static struct pol_typed less(struct pol_check *c, struct pol_core *e, struct pol_typed l, const struct pol_known *known)
{
    struct pol_typed r = check(c, e->b, known);

    if (!l.type || !r.type)
        return failure(pol_type_plain(TYPE_BOOL));
    if (ordered(l.type) && l.type == r.type)
        return after(l, after(r, plain(TYPE_BOOL)));
    pol_fault_join(c, e, l.type, r.type, NULL);
    return failure(pol_type_plain(TYPE_BOOL));
}

static struct pol_typed arithmetic(struct pol_check *c, struct pol_core *e, struct pol_typed a,
                                   const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES(TYPE_LONG)), r = expect_b(c, e, known, TAKES(TYPE_LONG));

    return after(l, after(r, plain(TYPE_LONG)));
}

static const struct pol_schema_action *action_named(const struct pol_check *c, const struct pol_core *e)
{
    return pol_schema_action(c->s, e->type, e->text);
}

static bool action_in(const struct pol_check *c, const struct pol_schema_action *inner,
                      const struct pol_schema_action *outer)
{
    return inner == outer || pol_numbers_have(&inner->ancestors, (uint32_t)(outer - c->s->actions));
}

// Of an action in actions that are named, it is known here and now. TYPE_BOOL: this is another case.
static enum pol_type_kind action_membership(const struct pol_check *c, const struct pol_core *e)
{
    struct pol_core space, item_space;
    const struct pol_core *inner = as_literal(c, e->a, &space), *item;
    const struct pol_core *list = e->b->kind == CORE_SET ? e->b->first : e->b;
    const struct pol_schema_action *action;
    bool found = false;

    if (!inner || inner->kind != CORE_ENTITY || !pol_schema_action_type(inner->type))
        return TYPE_BOOL;
    action = action_named(c, inner);
    for (; list; list = e->b->kind == CORE_SET ? list->next : NULL) {
        item = as_literal(c, list, &item_space);
        if (!item || item->kind != CORE_ENTITY)
            return TYPE_BOOL;
        if (pol_schema_action_type(item->type))
            found = found || action_in(c, action, action_named(c, item));
    }
    return truth(found);
}

static struct pol_typed in(struct pol_check *c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES(TYPE_ENTITY));
    struct pol_typed r = expect_b(c, e, known, TAKES(TYPE_ENTITY) | TAKES_ENTITIES);
    const struct pol_type_of *outer;
    enum pol_type_kind kind;

    if (!l.ok || !r.ok)
        return failure(pol_type_plain(TYPE_BOOL));
    kind = action_membership(c, e);
    outer = r.type->kind == TYPE_SET ? r.type->element : r.type;
    if (kind == TYPE_BOOL && !pol_schema_type_in(c->s, l.type->entity, outer->entity))
        kind = TYPE_FALSE;
    return plain(kind);
}

static struct pol_typed contains(struct pol_check *c, struct pol_core *e, struct pol_typed a,
                                 const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES(TYPE_SET)), r, t = plain(TYPE_BOOL);

    if (e->kind == CORE_CONTAINS) {
        r = check(c, e->b, known);
        if (l.type && r.type && !join(c, e, l.type->element, r.type, "contains() of something the set cannot hold"))
            t = failure(t.type);
    } else {
        r = expect_b(c, e, known, TAKES(TYPE_SET));
        if (l.type && r.type && !join(c, e, l.type, r.type, "sets of different types have nothing in common"))
            t = failure(t.type);
    }
    return after(l, after(r, t));
}

// ------------------------------------------------------------------------------------------------- attributes and tags

static struct pol_typed get(struct pol_check *c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed t = expect_a(c, e, a, TAKES_FIELDS);
    const struct pol_type_field *f;

    if (!t.type)
        return failure(NULL);
    f = pol_type_field(record_of(c, t.type), e->text);
    if (!f) {
        pol_fault_attr(c, e, t.type, record_of(c, t.type));
        return failure(NULL);
    }
    if (f->optional && !pol_known_has(known, attr_key(c, e->a, e->text))) {
        pol_fault(c, e, FAULT_OPTIONAL, "the attribute '%.*s' may be absent; ask with 'has' first",
                  SPAN_FMT(span_sub(e->text, 0, 96)));
        return failure(f->type);
    }
    return after(t, success(f->type));
}

static struct pol_typed has(struct pol_check *c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed t = expect_a(c, e, a, TAKES_FIELDS);
    const struct pol_type_field *f;
    uint32_t key;
    bool sure;

    if (!t.type)
        return failure(pol_type_plain(TYPE_BOOL));
    f = pol_type_field(record_of(c, t.type), e->text);
    if (!f)
        return after(t, plain(TYPE_FALSE));
    key = attr_key(c, e->a, e->text);
    // An entity may be missing, and then has nothing, whatever its type says.
    sure = pol_known_has(known, key) || (!f->optional && t.type->kind == TYPE_RECORD);
    return after(t, knowing(sure ? TYPE_TRUE : TYPE_BOOL, pol_known_one(c->scratch, key)));
}

static struct pol_typed tag(struct pol_check *c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    struct pol_typed l = expect_a(c, e, a, TAKES(TYPE_ENTITY)), r = expect_b(c, e, known, TAKES(TYPE_STRING));
    uint32_t key = tag_key(c, e->a, e->b);
    const struct pol_type_of *type;
    bool sure = pol_known_has(known, key);

    if (!l.type)
        return failure(NULL);
    type = entity_of(c, l.type)->tags;
    if (e->kind == CORE_HAS_TAG)
        return after(l, after(r, knowing(!type  ? TYPE_FALSE
                                         : sure ? TYPE_TRUE
                                                : TYPE_BOOL,
                                         pol_known_one(c->scratch, key))));
    if (!sure) {
        pol_fault(c, e, FAULT_OPTIONAL, "the tag may be absent; ask with hasTag() first");
        return failure(NULL);
    }
    if (!type) {
        pol_fault(c, e, FAULT_ATTR, "%.*s has no tags; declare them in the schema",
                  SPAN_FMT(span_sub(l.type->name, 0, 96)));
        return failure(NULL);
    }
    return after(l, after(r, success(type)));
}

static struct pol_typed type_test(struct pol_check *c, struct pol_core *e, struct pol_typed a)
{
    struct pol_typed t = expect_a(c, e, a, TAKES(TYPE_ENTITY));

    if (!t.type)
        return failure(pol_type_plain(TYPE_BOOL));
    return after(t, plain(truth(span_eq(t.type->name, e->type))));
}

// ------------------------------------------------------------------------------------------------------- extension types

// A constructor takes a literal, and one it can read.
static bool constructs(struct pol_check *c, struct pol_core *e)
{
    struct span name = pol_ext_function((enum pol_ext_fn)e->op)->name;
    struct pol_value text, out;
    struct pol_ext_error error;

    if (e->op > EXT_DURATION || !e->a)
        return true;
    if (e->a->kind > CORE_ENTITY) {
        pol_fault(c, e, FAULT_LITERAL,
                  "%.*s() takes a string that stands here; with anything else it may fail when evaluated",
                  SPAN_FMT(name));
        return false;
    }
    if (e->a->kind != CORE_STRING || e->n)
        return true;
    text = pol_string(e->a->text);
    error.what = "a string of this length";
    if (text.kind == POL_STRING && pol_ext_call((enum pol_ext_fn)e->op, &text, c->scratch, &out, &error))
        return true;
    pol_fault(c, e, FAULT_LITERAL, "%.*s() cannot read \"%.*s\": %s", SPAN_FMT(name),
              SPAN_FMT(span_sub(e->a->text, 0, 64)), error.what ? error.what : "not of this type");
    return false;
}

static struct pol_typed call(struct pol_check *c, struct pol_core *e, struct pol_typed a, const struct pol_known *known)
{
    const struct pol_ext_function *f = pol_ext_function((enum pol_ext_fn)e->op);
    const struct pol_type_signature *s = pol_type_signature((enum pol_ext_fn)e->op);
    const struct pol_type_of *result = pol_type_plain((enum pol_type_kind)s->result);
    unsigned arguments = (e->a ? 1 : 0) + e->n;
    bool good = constructs(c, e);
    struct pol_typed x, y;

    if (arguments != f->arguments) {
        pol_fault(c, e, FAULT_CALL, "%.*s() takes %s", SPAN_FMT(f->name),
                  f->arguments - f->method == 1 ? "one argument" : "no arguments");
        good = false;
    }
    if (!good) {
        for (struct pol_core *rest = e->first; rest; rest = rest->next)
            check(c, rest, known);
        return failure(result);
    }
    x = expect_a(c, e, a, TAKES(s->argument));
    if (!e->first)
        return after(x, success(result));
    y = expect(c, e, e->first, FAULT_TYPE_B, check(c, e->first, known), TAKES(s->second));
    return after(x, after(y, success(result)));
}

// --------------------------------------------------------------------------------------------------------------- the whole

// The type of a node whose first operand's is `a`.
static struct pol_typed apply(struct pol_check *c, struct pol_core *e, struct pol_typed a,
                              const struct pol_known *known)
{
    switch (e->kind) {
    case CORE_AND: return and(c, e, a, known);
    case CORE_OR: return or (c, e, a, known);
    case CORE_NOT: return not(c, e, a);
    case CORE_NEG: return after(a = expect_a(c, e, a, TAKES(TYPE_LONG)), plain(TYPE_LONG));
    case CORE_EQ: return equality(c, e, a, known);
    case CORE_LESS: return less(c, e, a, known);
    case CORE_ARITHMETIC: return arithmetic(c, e, a, known);
    case CORE_IN: return in(c, e, a, known);
    case CORE_CONTAINS:
    case CORE_CONTAINS_ALL:
    case CORE_CONTAINS_ANY: return contains(c, e, a, known);
    case CORE_IS_EMPTY: return after(a = expect_a(c, e, a, TAKES(TYPE_SET)), plain(TYPE_BOOL));
    case CORE_HAS_TAG:
    case CORE_GET_TAG: return tag(c, e, a, known);
    case CORE_GET: return get(c, e, a, known);
    case CORE_HAS: return has(c, e, a, known);
    case CORE_LIKE: return after(a = expect_a(c, e, a, TAKES(TYPE_STRING)), plain(TYPE_BOOL));
    case CORE_IS: return type_test(c, e, a);
    case CORE_IF: return conditional(c, e, a, known);
    default: return call(c, e, a, known);
    }
}

static struct pol_typed check(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    struct pol_core **spine, *down = e;
    struct pol_typed t;
    size_t n = 0;

    while (down && down->kind > CORE_RECORD) {
        n++;
        down = down->a;
    }
    if (n == 0)
        return operand(c, e, known);
    if (!(spine = arena_array(c->scratch, n, sizeof *spine)))
        return failure(NULL);
    down = e;
    for (size_t i = n; i-- > 0; down = down->a)
        spine[i] = down;
    t = down ? operand(c, down, known) : failure(NULL);
    for (size_t i = 0; i < n; i++)
        t = apply(c, spine[i], t, known);
    return t;
}

struct pol_typed pol_check_condition(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    struct pol_typed t = check(c, e, known);

    return expect(c, e, e, FAULT_TYPE_A, t, TAKES_BOOL);
}

// Which a value in a record's field can have.
static bool of_field(const struct pol_type_of *t)
{
    return t->kind == TYPE_STRING || t->kind == TYPE_LONG || TAKES(t->kind) & TAKES_BOOL;
}

void pol_check_field_value(struct pol_check *c, struct pol_core *e, const struct pol_known *known)
{
    struct pol_typed t = check(c, e, known);
    char text[POL_TYPE_TEXT];

    if (!t.type || of_field(t.type) || (t.type->kind == TYPE_SET && of_field(t.type->element)))
        return;
    pol_type_text(t.type, text);
    pol_fault(c, e, FAULT_TYPE_A,
              "this is of the type %s, where @filter takes a String, a Long, a Bool or a set of those", text);
}
