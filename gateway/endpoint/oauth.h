// SPDX-License-Identifier: GPL-3.0-or-later
// One request to an endpoint of the token service on its way: what it was made of, what was found out so far, and how it was refused. Each step
// takes it, returns 0 or a negative enum err, and has then said with gw_oauth_refuse what the client is to hear.
//
// The client hears one code of RFC 6749 §5.2 (and RFC 7009, 8693, 8707, 9449) and one fixed line. The reason, which may help whoever guesses, is
// for audit.
#ifndef SALLYPORT_ENDPOINT_OAUTH_H
#define SALLYPORT_ENDPOINT_OAUTH_H

#include "gateway/endpoint/authority.h"
#include "gateway/endpoint/client_auth.h"
#include "gateway/endpoint/oauth_bound.h"
#include "gateway/endpoint/oauth_form.h"

// X(ID, error, HTTP status, error_description where no better one is given)
#define GW_OAUTH_TABLE(X)                                                                            \
    X(INVALID_REQUEST, "invalid_request", 400, "the request is malformed")                           \
    X(INVALID_CLIENT, "invalid_client", 401, "client authentication failed")                         \
    X(INVALID_GRANT, "invalid_grant", 400, "the grant is not valid, not yours, or was revoked")      \
    X(UNAUTHORIZED_CLIENT, "unauthorized_client", 400, "the client is not permitted to do this")     \
    X(UNSUPPORTED_GRANT_TYPE, "unsupported_grant_type", 400, "this grant type is not offered")       \
    X(INVALID_SCOPE, "invalid_scope", 400, "the scope is missing, malformed, or more than is due")   \
    X(INVALID_TARGET, "invalid_target", 400, "no tokens are issued for this resource or audience")   \
    X(INVALID_DPOP_PROOF, "invalid_dpop_proof", 400, "the DPoP proof is not valid")                  \
    X(USE_DPOP_NONCE, "use_dpop_nonce", 400, "the DPoP proof must hold the nonce that is given")     \
    X(UNSUPPORTED_TOKEN_TYPE, "unsupported_token_type", 400, "this kind of token cannot be revoked") \
    X(SLOW_DOWN, "temporarily_unavailable", 429, "too many requests")                                \
    X(UNAVAILABLE, "temporarily_unavailable", 503, "try again in a moment")                          \
    X(SERVER_ERROR, "server_error", 500, "a fault of the token service")

enum gw_oauth_error {
#define X(id, code, status, text) GW_OAUTH_##id,
    GW_OAUTH_TABLE(X)
#undef X
};

struct gw_oauth_fault {
    enum gw_oauth_error error;
    int err;            // for audit; 0: nothing was refused
    const char *line;   // error_description; NULL: the table's
    struct span detail; // for audit; never a token or secret
    uint64_t retry_after_s;
};

struct gw_oauth {
    struct gw_authority *a;
    struct gw_visit *v;
    int64_t now_s;
    struct gw_oauth_form form;
    struct gw_client client;
    struct gw_oauth_bound bound;
    bool nonce_due; // answer with a DPoP-Nonce
    struct gw_oauth_fault fault;
};

// Says how it is refused, and returns `err`. What is our own fault (memory, stores, keys) is said as such, whatever `error` is.
int gw_oauth_refuse(struct gw_oauth *o, enum gw_oauth_error error, int err, const char *line);
// The same with a detail for audit.
int gw_oauth_refuse_with(struct gw_oauth *o, enum gw_oauth_error error, int err, const char *line, struct span detail);

// Runs the steps in order until one fails, and answers: with the fault, or, when none failed, with what the last one left in the visit. Fills the
// audit record. Always 0, as the endpoints.
typedef int (*gw_oauth_step)(struct gw_oauth *o);
int gw_oauth_run(struct gw_authority *a, struct gw_visit *v, struct span operation, const gw_oauth_step *steps,
                 size_t n);
// A step: reads the form.
int gw_oauth_read(struct gw_oauth *o);

// The answer of a step that is done: 200 and a JSON body, which is copied into the arena and wiped. 0, or refused: out of memory.
int gw_oauth_answer(struct gw_oauth *o, struct buf *body);
// Adds a field to the answer. `name` and `value` live as long as the visit.
void gw_visit_add(struct gw_visit *v, struct span name, struct span value);

static inline const struct gw_config_authority *gw_oauth_config(const struct gw_oauth *o)
{
    return o->a->snapshot->authority.config;
}
// The issuer without a trailing slash, and path; in the arena.
struct span gw_oauth_url(const struct gw_oauth *o, const char *path);

// Whether a token (or what would become one) is revoked: 0, or ERR_TOKEN_REVOKED with `*detail` saying by what, for audit.
int gw_oauth_revoked(const struct gw_oauth *o, const struct pki_token *t, struct span *detail);
// Whether `subject` of `iss`, as stated at `since_s`, is revoked: likewise. SPAN_NONE: nobody, 0.
int gw_oauth_subject_revoked(const struct gw_oauth *o, struct span iss, struct span subject, int64_t since_s,
                             struct span *detail);
// base64url of a SHA-256, in the arena.
struct span gw_oauth_thumbprint(const struct gw_oauth *o, const uint8_t hash[static 32]);

#endif
