// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/parse.h"

// What an annotation may be called under strict_annotations. An obligation changes what the gateway does with a
// permitted request: loading a policy whose obligation nobody enforces would grant more than its author wrote, and so
// would a misspelt one.
// `value`: the only one it may have; what it then does is in set.h.
static const struct {
    struct span name;
    bool obligation;
    struct span value;
} known[] = {
    { SPAN("id"), false, SPAN_NONE },     { SPAN("description"), false, SPAN_NONE },
    { SPAN("owner"), false, SPAN_NONE },  { SPAN("advice"), false, SPAN_NONE },
    { SPAN("reason"), false, SPAN_NONE }, { SPAN("ticket"), false, SPAN_NONE },
    { SPAN("filter"), true, SPAN_NONE },  { SPAN("limit"), true, SPAN_NONE },
    { SPAN("audit"), true, SPAN_NONE },   { SPAN("mode"), false, SPAN("shadow") },
};

enum { KNOWN = sizeof known / sizeof *known };

bool pol_annotation_obliges(struct span name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].obligation && span_eq(name, known[i].name))
            return true;
    return false;
}

bool pol_annotation_check(const struct pol_ast_annotation *a, struct span file, struct diags *diags)
{
    struct span names[KNOWN], near;

    for (size_t i = 0; i < KNOWN; i++) {
        names[i] = known[i].name;
        if (span_eq(a->name, known[i].name))
            return true;
    }
    near = diag_suggest(a->name, names, KNOWN);
    if (span_is_none(near))
        diag_error(diags, file, a->place.line, a->place.column,
                   "unknown annotation @%.*s; accepted are @id, @description, @owner, @advice, @reason, @ticket, "
                   "@filter, @limit, @audit, @mode",
                   SPAN_FMT(span_sub(a->name, 0, 64)));
    else
        diag_error(diags, file, a->place.line, a->place.column, "unknown annotation @%.*s; did you mean @%.*s?",
                   SPAN_FMT(span_sub(a->name, 0, 64)), SPAN_FMT(near));
    return false;
}

void pol_annotation_check_value(const struct pol_ast_annotation *a, struct span file, struct diags *diags)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (span_eq(a->name, known[i].name) && !span_is_none(known[i].value) && !span_eq(a->value, known[i].value))
            diag_error(diags, file, a->place.line, a->place.column,
                       "@%.*s(\"%.*s\") is not understood; write @%.*s(\"%.*s\") or remove it", SPAN_FMT(a->name),
                       SPAN_FMT(span_sub(a->value, 0, 64)), SPAN_FMT(a->name), SPAN_FMT(known[i].value));
}
