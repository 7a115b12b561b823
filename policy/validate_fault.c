// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/validate_fault.h"

#include <stdarg.h>
#include <stdio.h>

void pol_fault(struct pol_check *c, struct pol_core *e, enum pol_fault kind, const char *fmt, ...)
{
    char text[640];
    va_list ap;

    if (e->told & kind)
        return;
    e->told |= (uint8_t)kind;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(c->diags, c->file, e->place.line, e->place.column, "%s (when %.*s asks for %.*s::\"%.*s\" on %.*s)",
               text, SPAN_FMT(span_sub(c->principal->name, 0, 64)),
               SPAN_FMT(span_sub(c->s->entities[c->action->type].name, 0, 64)),
               SPAN_FMT(span_sub(c->action->id, 0, 64)), SPAN_FMT(span_sub(c->resource->name, 0, 64)));
}

static const char *wanted(unsigned takes)
{
    return takes == TAKES_BOOL                              ? "a Bool"
           : takes == TAKES_FIELDS                          ? "an entity or a record"
           : takes == TAKES(TYPE_ENTITY)                    ? "an entity"
           : takes == (TAKES(TYPE_ENTITY) | TAKES_ENTITIES) ? "an entity or a set of entities"
           : takes == TAKES(TYPE_SET)                       ? "a set"
           : takes == TAKES(TYPE_STRING)                    ? "a String"
           : takes == TAKES(TYPE_LONG)                      ? "a Long"
           : takes == TAKES(TYPE_DECIMAL)                   ? "a decimal"
           : takes == TAKES(TYPE_IP)                        ? "an ipaddr"
           : takes == TAKES(TYPE_DATETIME)                  ? "a datetime"
                                                            : "a duration";
}

// What is often meant instead.
static const char *hint(const struct pol_core *op, unsigned takes, const struct pol_type_of *got)
{
    if (op->kind == CORE_ARITHMETIC)
        return got->kind == TYPE_STRING ? "; strings cannot be joined"
               : got->kind == TYPE_SET  ? "; use contains()"
                                        : "";
    if (op->kind == CORE_HAS && got->kind == TYPE_SET)
        return "; use contains()";
    if (op->kind == CORE_HAS && got->kind == TYPE_STRING)
        return "; use like";
    if (op->kind == CORE_IN && got->kind == TYPE_SET)
        return "; use contains()";
    if ((op->kind == CORE_CONTAINS || op->kind == CORE_CONTAINS_ALL) && got->kind == TYPE_ENTITY)
        return "; use in";
    if (op->kind == CORE_LIKE && got->kind == TYPE_ENTITY)
        return "; use is, or ==";
    return takes == TAKES_BOOL ? "; compare it with something" : "";
}

void pol_fault_type(struct pol_check *c, struct pol_core *op, struct pol_core *operand, enum pol_fault kind,
                    const struct pol_type_of *type, unsigned takes)
{
    char text[POL_TYPE_TEXT];

    pol_type_text(type, text);
    pol_fault(c, operand, kind, "this is of the type %s, where %s is due%s", text, wanted(takes),
              hint(op, takes, type));
}

void pol_fault_join(struct pol_check *c, struct pol_core *e, const struct pol_type_of *x, const struct pol_type_of *y,
                    const char *what)
{
    char a[POL_TYPE_TEXT], b[POL_TYPE_TEXT];

    pol_type_text(x, a);
    pol_type_text(y, b);
    if (what)
        pol_fault(c, e, FAULT_JOIN, "%s: one is %s, the other %s", what, a, b);
    else
        pol_fault(c, e, FAULT_JOIN, "%s and %s cannot be ordered; compare two Longs, two datetimes or two durations", a,
                  b);
}

void pol_fault_attr(struct pol_check *c, struct pol_core *e, const struct pol_type_of *t,
                    const struct pol_type_of *record)
{
    struct span names[128], near;
    char text[POL_TYPE_TEXT];
    size_t n = 0;

    while (n < record->n && n < sizeof names / sizeof *names) {
        names[n] = record->fields[n].name;
        n++;
    }
    near = diag_suggest(e->text, names, n);
    pol_type_text(t, text);
    if (span_is_none(near))
        pol_fault(c, e, FAULT_ATTR, "%s has no attribute '%.*s'; declare it in the schema", text,
                  SPAN_FMT(span_sub(e->text, 0, 96)));
    else
        pol_fault(c, e, FAULT_ATTR, "%s has no attribute '%.*s'; did you mean '%.*s'?", text,
                  SPAN_FMT(span_sub(e->text, 0, 96)), SPAN_FMT(span_sub(near, 0, 96)));
}
