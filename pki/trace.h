// SPDX-License-Identifier: GPL-3.0-or-later
// The account of a check, rule by rule, for `sallyport verify`: the same code that decides for the gateway calls `on_rule` for each
// rule of the checklist as it is looked at, in order, and stops at the first that does not hold. The gateway passes NULL.
#ifndef SALLYPORT_PKI_TRACE_H
#define SALLYPORT_PKI_TRACE_H

#include <stdbool.h>
#include <stddef.h>

struct pki_trace {
    // `rule` is the checklist's number ("4", "26c"), `what` the promise in words; both static. `detail` may be NULL; it never holds
    // token or proof bytes.
    void (*on_rule)(void *ctx, const char *rule, const char *what, bool ok, const char *detail);
    void *ctx;
};

// Reports and gives back `ok`.
static inline bool pki_trace_rule(const struct pki_trace *t, bool ok, const char *rule, const char *what)
{
    if (t)
        t->on_rule(t->ctx, rule, what, ok, NULL);
    return ok;
}

#endif
