// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/parse.h"

// What an annotation may be called under strict_annotations. An obligation changes what the gateway does with a
// permitted request: loading a policy whose obligation nobody enforces would grant more than its author wrote.
static const struct {
    struct span name;
    bool obligation;
} known[] = {
    { SPAN("id"), false },     { SPAN("description"), false }, { SPAN("owner"), false }, { SPAN("advice"), false },
    { SPAN("reason"), false }, { SPAN("ticket"), false },      { SPAN("filter"), true }, { SPAN("limit"), true },
    { SPAN("audit"), true },   { SPAN("mode"), true },
};

enum { KNOWN = sizeof known / sizeof *known };

bool pol_annotation_check(const struct pol_ast_annotation *a, struct span file, struct diags *diags)
{
    struct span names[KNOWN], near;

    for (size_t i = 0; i < KNOWN; i++) {
        names[i] = known[i].name;
        if (!span_eq(a->name, known[i].name))
            continue;
        if (known[i].obligation)
            diag_error(diags, file, a->place.line, a->place.column,
                       "@%.*s is an obligation that this version does not enforce; remove it", SPAN_FMT(a->name));
        return !known[i].obligation;
    }
    near = diag_suggest(a->name, names, KNOWN);
    if (span_is_none(near))
        diag_error(diags, file, a->place.line, a->place.column,
                   "unknown annotation @%.*s; accepted are @id, @description, @owner, @advice, @reason, @ticket",
                   SPAN_FMT(span_sub(a->name, 0, 64)));
    else
        diag_error(diags, file, a->place.line, a->place.column, "unknown annotation @%.*s; did you mean @%.*s?",
                   SPAN_FMT(span_sub(a->name, 0, 64)), SPAN_FMT(near));
    return false;
}
