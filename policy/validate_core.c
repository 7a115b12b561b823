// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/validate_core.h"

#include "policy/ext.h"
#include "policy/uid.h"

// --------------------------------------------------------------------------------------------------------------- shapes

void pol_shapes_init(struct pol_shapes *s, struct arena *arena)
{
    *s = (struct pol_shapes){ .arena = arena };
}

static uint32_t hash(const struct pol_shape *l)
{
    uint64_t parts[4] = { (uint64_t)l->kind << 8 | l->op, (uint64_t)l->a << 32 | l->b, (uint64_t)l->c,
                          (uint64_t)l->number };
    uint64_t h = pol_hash(0, span_of(parts, sizeof parts));

    return (uint32_t)(pol_hash(pol_hash(h, l->text), l->type) >> 32);
}

static bool equal(const struct pol_shape *x, const struct pol_shape *y)
{
    return x->hash == y->hash && x->kind == y->kind && x->op == y->op && x->a == y->a && x->b == y->b && x->c == y->c &&
           x->number == y->number && span_eq(x->text, y->text) && span_eq(x->type, y->type);
}

// Old tables stay in the arena; they halve, so they are less than the new one.
static bool roomy(struct pol_shapes *s)
{
    uint32_t want = s->n_slots ? s->n_slots * 2 : 64;
    struct pol_shape *at;
    uint32_t *slots;

    if (s->n < s->n_slots / 2)
        return true;
    at = want > s->n_slots ? arena_array(s->arena, want / 2, sizeof *at) : NULL;
    slots = at ? arena_array(s->arena, want, sizeof *slots) : NULL;
    if (!slots)
        return false;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t k = s->at[i].hash & (want - 1);

        at[i] = s->at[i];
        while (slots[k])
            k = (k + 1) & (want - 1);
        slots[k] = i + 1;
    }
    s->at = at;
    s->slots = slots;
    s->n_slots = want;
    return true;
}

uint32_t pol_shapes_add(struct pol_shapes *s, struct pol_shape like)
{
    uint32_t k;

    if (!roomy(s))
        return POL_SHAPE_NONE;
    like.hash = hash(&like);
    for (k = like.hash & (s->n_slots - 1); s->slots[k]; k = (k + 1) & (s->n_slots - 1))
        if (equal(&s->at[s->slots[k] - 1], &like))
            return s->slots[k] - 1;
    s->at[s->n] = like;
    s->slots[k] = ++s->n;
    return s->n - 1;
}

// ----------------------------------------------------------------------------------------------------------------- nodes

static uint32_t shape_of(const struct pol_core *c)
{
    return c ? c->shape : POL_SHAPE_NONE;
}

// Gives the node its shape, once its parts have theirs.
static struct pol_core *finish(struct pol_shapes *s, struct pol_core *c)
{
    struct pol_shape like = { .kind = c->kind,
                              .op = c->op,
                              .a = shape_of(c->a),
                              .b = shape_of(c->b),
                              .c = shape_of(c->c),
                              .number = c->number,
                              .text = c->text,
                              .type = c->type };
    uint32_t list = POL_SHAPE_NONE;

    for (const struct pol_core *item = c->first; item; item = item->next) {
        list = pol_shapes_add(s, (struct pol_shape){ .kind = CORE_ITEM, .a = list, .b = item->shape });
        if (list == POL_SHAPE_NONE)
            return NULL;
    }
    if (c->first)
        like.b = list;
    c->shape = pol_shapes_add(s, like);
    return c->shape == POL_SHAPE_NONE ? NULL : c;
}

static struct pol_core *bare(struct pol_shapes *s, enum pol_core_kind kind, struct pol_place place)
{
    struct pol_core *c = arena_alloc(s->arena, sizeof *c);

    if (c) {
        c->kind = (uint8_t)kind;
        c->place = place;
    }
    return c;
}

static struct pol_core *with(struct pol_shapes *s, enum pol_core_kind kind, uint8_t op, struct pol_place place,
                             struct pol_core *a, struct pol_core *b)
{
    struct pol_core *c = a ? bare(s, kind, place) : NULL;

    if (!c)
        return NULL;
    c->op = op;
    c->a = a;
    c->b = b;
    return finish(s, c);
}

struct pol_core *pol_core_not(struct pol_shapes *s, struct pol_core *inner)
{
    return inner ? with(s, CORE_NOT, 0, inner->place, inner, NULL) : NULL;
}

static struct pol_core *named(struct pol_shapes *s, enum pol_core_kind kind, struct pol_place place, struct pol_core *a,
                              struct span text, struct span type)
{
    struct pol_core *c = bare(s, kind, place);

    if (!c)
        return NULL;
    c->a = a;
    c->text = text;
    c->type = type;
    return finish(s, c);
}

struct maker {
    struct pol_shapes *s;
    const struct pol_node **wrong;
};

static struct pol_core *make(struct maker *m, const struct pol_node *n);

static struct pol_core *leaf(struct maker *m, const struct pol_node *n, enum pol_core_kind kind)
{
    struct pol_core *c = bare(m->s, kind, n->place);

    if (!c)
        return NULL;
    c->number = kind == CORE_BOOL || kind == CORE_LONG ? n->number : 0;
    c->op = kind == CORE_VAR ? n->var : 0;
    c->text = n->text;
    c->type = n->type;
    return finish(m->s, c);
}

// The rest of the arguments, or elements.
static bool list(struct maker *m, const struct pol_node *first, struct pol_core *c)
{
    struct pol_core **tail = &c->first;

    for (const struct pol_node *n = first; n; n = n->next) {
        if (!(*tail = make(m, n)))
            return false;
        tail = &(*tail)->next;
        c->n++;
    }
    return true;
}

static struct pol_core *set(struct maker *m, const struct pol_node *n)
{
    struct pol_core *c = bare(m->s, CORE_SET, n->place);

    return c && list(m, n->first, c) ? finish(m->s, c) : NULL;
}

static struct pol_core *record(struct maker *m, const struct pol_node *n)
{
    struct pol_core *c = bare(m->s, CORE_RECORD, n->place), **tail = c ? &c->first : NULL;

    if (!c)
        return NULL;
    for (const struct pol_node *f = n->first; f; f = f->next) {
        struct pol_core *value = make(m, f->first);

        if (!value || !(*tail = named(m->s, CORE_FIELD, f->place, value, f->text, SPAN_NONE)))
            return NULL;
        tail = &(*tail)->next;
        c->n++;
    }
    return finish(m->s, c);
}

// Of two literals Cedar makes one where it reads them, and what is compared with a literal is judged by that.
static struct pol_core *folded(struct pol_shapes *s, enum pol_core_kind kind, const struct pol_core *l,
                               const struct pol_core *r, struct pol_place place)
{
    struct pol_core *c = bare(s, CORE_BOOL, place);

    if (!c)
        return NULL;
    c->number = kind == CORE_AND ? l->number && r->number : l->number || r->number;
    return finish(s, c);
}

// a && b && c is (a && b) && c.
static struct pol_core *joined(struct maker *m, const struct pol_node *n, enum pol_core_kind kind)
{
    struct pol_core *c = make(m, n->first);

    for (const struct pol_node *k = n->first->next; c && k; k = k->next) {
        struct pol_core *right = make(m, k);

        if (right && kind != CORE_ARITHMETIC && c->kind == CORE_BOOL && right->kind == CORE_BOOL)
            c = folded(m->s, kind, c, right, n->place);
        else
            c = right ? with(m->s, kind, kind == CORE_ARITHMETIC ? k->joint : 0, n->place, c, right) : NULL;
    }
    return c;
}

static struct pol_core *relation(struct maker *m, const struct pol_node *n)
{
    struct pol_core *a = make(m, n->first), *b = a ? make(m, n->first->next) : NULL, *c;

    if (!b)
        return NULL;
    switch (n->op) {
    case OPERATOR_EQ: return with(m->s, CORE_EQ, 0, n->place, a, b);
    case OPERATOR_NE: c = with(m->s, CORE_EQ, 0, n->place, a, b); break;
    case OPERATOR_LT: return with(m->s, CORE_LESS, 0, n->place, a, b);
    case OPERATOR_LE: return with(m->s, CORE_LESS, 1, n->place, a, b);
    case OPERATOR_GT: c = with(m->s, CORE_LESS, 1, n->place, a, b); break;
    case OPERATOR_GE: c = with(m->s, CORE_LESS, 0, n->place, a, b); break;
    default: return with(m->s, CORE_IN, 0, n->place, a, b);
    }
    return pol_core_not(m->s, c);
}

static struct pol_core *call(struct maker *m, const struct pol_node *n, struct pol_core *receiver)
{
    struct pol_core *c = bare(m->s, CORE_CALL, n->place);

    if (!c)
        return NULL;
    c->op = n->fn;
    c->a = receiver ? receiver : n->first ? make(m, n->first) : NULL;
    if (!receiver && n->first && !c->a)
        return NULL;
    return list(m, receiver ? n->first : n->first ? n->first->next : NULL, c) ? finish(m->s, c) : NULL;
}

static struct pol_core *method(struct maker *m, const struct pol_node *n, struct pol_core *receiver)
{
    static const uint8_t kinds[] = {
        [OPERATOR_CONTAINS] = CORE_CONTAINS,         [OPERATOR_CONTAINS_ALL] = CORE_CONTAINS_ALL,
        [OPERATOR_CONTAINS_ANY] = CORE_CONTAINS_ANY, [OPERATOR_IS_EMPTY] = CORE_IS_EMPTY,
        [OPERATOR_GET_TAG] = CORE_GET_TAG,           [OPERATOR_HAS_TAG] = CORE_HAS_TAG,
    };
    struct pol_core *argument = NULL;

    if (n->op == OPERATOR_EXTENSION)
        return call(m, n, receiver);
    if (n->first && !(argument = make(m, n->first)))
        return NULL;
    return with(m->s, (enum pol_core_kind)kinds[n->op], 0, n->place, receiver, argument);
}

static struct pol_core *member(struct maker *m, const struct pol_node *n)
{
    struct pol_core *c = make(m, n->first);

    for (const struct pol_node *k = n->first->next; c && k; k = k->next)
        c = k->kind == NODE_GET ? named(m->s, CORE_GET, k->place, c, k->text, SPAN_NONE) : method(m, k, c);
    return c;
}

// Every step asks for what is before it again, so the work grows with the square.
enum { HAS_PATH_MOST = 256 };

static struct pol_core *has(struct maker *m, const struct pol_node *n)
{
    struct pol_core *of = make(m, n->first), *c = NULL;
    unsigned steps = 0;

    for (const struct pol_name_list *p = n->path; of && p; p = p->next) {
        struct pol_core *test;

        if (++steps > HAS_PATH_MOST) {
            *m->wrong = n;
            return NULL;
        }
        test = named(m->s, CORE_HAS, n->place, of, p->name, SPAN_NONE);
        c = !test ? NULL : c ? with(m->s, CORE_AND, 0, n->place, c, test) : test;
        if (!c)
            return NULL;
        of = p->next ? named(m->s, CORE_GET, n->place, of, p->name, SPAN_NONE) : of;
    }
    return of ? c : NULL;
}

// The pattern's text is told from others by its wildcards, too.
static struct pol_core *like(struct maker *m, const struct pol_node *n)
{
    struct pol_core *of = make(m, n->first);
    char *text = of ? arena_alloc(m->s->arena, 2 * n->text.n + 1) : NULL;

    if (!text)
        return NULL;
    for (size_t i = 0; i < n->text.n; i++) {
        text[2 * i] = n->text.p[i];
        text[2 * i + 1] = n->wild && n->wild[i] ? '*' : ' ';
    }
    return named(m->s, CORE_LIKE, n->place, of, span_of(text, 2 * n->text.n), SPAN_NONE);
}

static struct pol_core *is(struct maker *m, const struct pol_node *n)
{
    struct pol_core *of = make(m, n->first), *c, *in;

    if (!of || !(c = named(m->s, CORE_IS, n->place, of, SPAN_NONE, n->type)) || n->n < 2)
        return of ? c : NULL;
    in = make(m, n->first->next);
    in = in ? with(m->s, CORE_IN, 0, n->place, of, in) : NULL;
    return in ? with(m->s, CORE_AND, 0, n->place, c, in) : NULL;
}

static struct pol_core *conditional(struct maker *m, const struct pol_node *n)
{
    struct pol_core *c = bare(m->s, CORE_IF, n->place);

    if (!c || !(c->a = make(m, n->first)) || !(c->b = make(m, n->first->next)) ||
        !(c->c = make(m, n->first->next->next)))
        return NULL;
    return finish(m->s, c);
}

static struct pol_core *make(struct maker *m, const struct pol_node *n)
{
    switch ((enum pol_node_kind)n->kind) {
    case NODE_BOOL: return leaf(m, n, CORE_BOOL);
    case NODE_LONG: return leaf(m, n, CORE_LONG);
    case NODE_STRING: return leaf(m, n, CORE_STRING);
    case NODE_ENTITY: return leaf(m, n, CORE_ENTITY);
    case NODE_VAR: return leaf(m, n, CORE_VAR);
    case NODE_SET: return set(m, n);
    case NODE_RECORD: return record(m, n);
    case NODE_AND: return joined(m, n, CORE_AND);
    case NODE_OR: return joined(m, n, CORE_OR);
    case NODE_CHAIN: return joined(m, n, CORE_ARITHMETIC);
    case NODE_NOT: return pol_core_not(m->s, make(m, n->first));
    case NODE_NEG: return with(m->s, CORE_NEG, 0, n->place, make(m, n->first), NULL);
    case NODE_RELATION: return relation(m, n);
    case NODE_MEMBER: return member(m, n);
    case NODE_IF: return conditional(m, n);
    case NODE_HAS: return has(m, n);
    case NODE_LIKE: return like(m, n);
    case NODE_IS: return is(m, n);
    case NODE_CALL: return call(m, n, NULL);
    case NODE_GET:
    case NODE_METHOD: break;
    }
    return NULL;
}

struct pol_core *pol_core_make(struct pol_shapes *s, const struct pol_node *node, const struct pol_node **wrong)
{
    struct maker m = { s, wrong };

    *wrong = NULL;
    return make(&m, node);
}
