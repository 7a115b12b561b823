// SPDX-License-Identifier: GPL-3.0-or-later
// What a client sends to the token service: one application/x-www-form-urlencoded body (RFC 6749 §3.2, appendix B), read strictly. A
// parameter without a value counts as absent, one that nobody knows is ignored (§3.1, §3.2), and none may be there twice, known or not, but for
// `resource` and `audience` (RFC 8693 §2.1, RFC 8707 §2). Every value has a bound, and there are so many of them. A query string is refused whole:
// what is secret in a form would be in logs with it (§2.3.1).
#ifndef SALLYPORT_ENDPOINT_OAUTH_FORM_H
#define SALLYPORT_ENDPOINT_OAUTH_FORM_H

#include "gateway/endpoint/visit.h"

#define GW_FORM_BYTES 65536 // of a whole form
#define GW_FORM_PAIRS 32
#define GW_FORM_TARGETS 8 // resources and audiences together

// X(ID, "name", most bytes of the value)
#define GW_FORM_TABLE(X)                                   \
    X(GRANT_TYPE, "grant_type", 128)                       \
    X(CLIENT_ID, "client_id", 2048)                        \
    X(CLIENT_SECRET, "client_secret", 256)                 \
    X(CLIENT_ASSERTION, "client_assertion", 16384)         \
    X(CLIENT_ASSERTION_TYPE, "client_assertion_type", 128) \
    X(SCOPE, "scope", 4096)                                \
    X(REFRESH_TOKEN, "refresh_token", 512)                 \
    X(SUBJECT_TOKEN, "subject_token", 16384)               \
    X(SUBJECT_TOKEN_TYPE, "subject_token_type", 128)       \
    X(ACTOR_TOKEN, "actor_token", 16384)                   \
    X(ACTOR_TOKEN_TYPE, "actor_token_type", 128)           \
    X(REQUESTED_TOKEN_TYPE, "requested_token_type", 128)   \
    X(DPOP_JKT, "dpop_jkt", 128)                           \
    X(TOKEN, "token", 16384)                               \
    X(TOKEN_TYPE_HINT, "token_type_hint", 128)

enum gw_form_field {
#define X(id, name, most) GW_FORM_##id,
    GW_FORM_TABLE(X)
#undef X
        GW_FORM_COUNT
};

struct gw_oauth_form {
    struct span v[GW_FORM_COUNT];         // decoded; SPAN_NONE: absent
    struct span targets[GW_FORM_TARGETS]; // of `resource` and `audience`, each once
    size_t n_targets;
};

// 0, ERR_OAUTH_FORM with `*why` (static, for the client to read), or ERR_NOMEM. Values live in the visit's arena or borrow its body.
int gw_oauth_form_read(const struct gw_visit *v, struct gw_oauth_form *out, const char **why);

#endif
