// SPDX-License-Identifier: GPL-3.0-or-later
// What an issuer asserts about a token, by signing it (token.c) or by answering for it (introspected.c): one JSON object of claims, and the
// rules that hold for it either way: types, audience, cnf, containment (checklist 18, 25, 26b, 26c). Who it is that asserts, and
// since when and until when, is the caller's to find out. Inside pki only.
#ifndef SALLYPORT_PKI_ASSERTION_H
#define SALLYPORT_PKI_ASSERTION_H

#include "gateway/base/json.h"
#include "pki/token.h"

// Spans of `token` borrow from `claims` and `arena`; pki_token_seal_ copies them.
struct pki_assertion {
    const struct pki_trace *trace; // may be NULL
    int64_t now_s;
    struct arena arena; // scratch
    json claims;
    struct pki_token token; // its issuer is set before any of these
};

// `return hold(…)` or `if ((rc = hold(…)) != 0)`: one rule, reported and turned into its error.
static inline int pki_assertion_hold(const struct pki_assertion *a, bool ok, int error, const char *rule,
                                     const char *what)
{
    return pki_trace_rule(a->trace, ok, rule, what) ? 0 : error;
}

// The issuer's required claims are there, and what is read of names, roles, groups and scopes has the right types; then `token` has them. False:
// not so, or the arena failed.
bool pki_assertion_read(struct pki_assertion *a);
// A member of `aud` is an audience of the issuer's. Likewise.
bool pki_assertion_audience(struct pki_assertion *a);
// 0, ERR_CNF_UNKNOWN, ERR_TOKEN_CLAIM, ERR_TOKEN_UNBOUND.
int pki_assertion_cnf(struct pki_assertion *a);
// 0, ERR_TOKEN_CLAIM, ERR_TOKEN_ASSERTS.
int pki_assertion_containment(struct pki_assertion *a);

#endif
