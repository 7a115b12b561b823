// SPDX-License-Identifier: GPL-3.0-or-later
// Complaints about what a person wrote, as that person needs them: `file:line:column: what; what to do`.
// A list is collected whole (configuration, policies, entities), so that one run shows every error.
#ifndef SALLYPORT_BASE_DIAG_H
#define SALLYPORT_BASE_DIAG_H

#include "gateway/base/arena.h"

struct diag {
    struct span file;      // as the person named it
    unsigned line, column; // from 1; 0: unknown, not printed
    bool warning;
    struct span text; // "what; what to do"
    struct diag *next;
};

struct diags {
    struct arena arena;
    struct diag *first, *last;
    size_t errors, warnings;
    size_t dropped; // beyond 200 of either
};

void diags_init(struct diags *d);
void diags_fini(struct diags *d);
void diag_error(struct diags *d, struct span file, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void diag_warning(struct diags *d, struct span file, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
// "file:line:column: error: text"; into an arena, NUL-terminated.
struct span diag_format(struct arena *a, const struct diag *d);
// The candidate nearest to `word` by edit distance, if near enough to suggest (distance <= 1 + n/4); else SPAN_NONE.
struct span diag_suggest(struct span word, const struct span *candidates, size_t n);

#endif
