// SPDX-License-Identifier: GPL-3.0-or-later
// What is being issued: a grant states what it stands for, the request narrows it, the policies decide, and only then is a token made.
//
// Two things are asked for by name, always: a scope (RFC 6749 §3.3: one that is left out is refused, there is no default; a refresh means the
// grant's) and an audience (`audience` or `resource`, RFC 8693 §2.1, RFC 8707), which may be left out where the service issues for only one.
// `offline_access` is no scope of a token: it asks for a refresh token, which only token exchange gives.
#ifndef SALLYPORT_ENDPOINT_ISSUE_H
#define SALLYPORT_ENDPOINT_ISSUE_H

#include "gateway/endpoint/oauth.h"

#define GW_GRANT_CREDENTIALS SPAN("client_credentials")
#define GW_GRANT_REFRESH SPAN("refresh_token")
#define GW_GRANT_EXCHANGE SPAN("urn:ietf:params:oauth:grant-type:token-exchange")
#define GW_TYPE_ACCESS SPAN("urn:ietf:params:oauth:token-type:access_token")
#define GW_TYPE_REFRESH SPAN("urn:ietf:params:oauth:token-type:refresh_token")
#define GW_TYPE_JWT SPAN("urn:ietf:params:oauth:token-type:jwt")

#define GW_SCOPES_MAX 64

struct gw_issue {
    struct span grant; // grant_type
    // What is asked for.
    struct pki_names scopes; // without offline_access
    bool offline;            // offline_access was among them
    struct pki_names audiences;
    // What it will say.
    struct span subject;
    struct span tenant; // of a subject token; SPAN_NONE: the client's own
    struct span act;    // JSON object; SPAN_NONE: nobody acts for another
    int64_t ends_s;     // the access token ends no later; 0: no bound
    // Of an exchange, and of the refreshes that follow one: for the policies.
    bool exchanged;
    struct span subject_issuer, actor, actor_issuer; // SPAN_NONE: none
    bool impersonates;                               // without proof of the subject's or actor's binding
};

// A scope as text, at most GW_SCOPES_MAX tokens of it, each once: 0, ERR_OAUTH_SCOPE (RFC 6749 §3.3's grammar, to the letter), ERR_NOMEM.
int gw_scope_read(struct arena *a, struct span text, struct pki_names *out);
struct span gw_scope_text(struct arena *a, struct pki_names scopes); // joined with spaces; SPAN_NONE: out of memory
bool gw_scope_has(struct pki_names scopes, struct span scope);
bool gw_scope_within(struct pki_names scopes, struct pki_names ceiling);

// Reads the form's scope into `i`, and holds it against the ceiling of an API key. `fallback` counts where the form has none; SPAN_NONE: it must.
int gw_issue_scope(struct gw_oauth *o, struct gw_issue *i, struct span fallback);
// Reads the form's targets: each is among `allowed` (of the configuration, or of the grant). With none in the form: all of them if `all`, else the
// only one there is.
int gw_issue_audience(struct gw_oauth *o, struct gw_issue *i, struct pki_names allowed, bool all);
// All that tokens may be issued for.
struct pki_names gw_issue_audiences(struct gw_oauth *o);

// issue_policy.c. Asks the policies about each audience: token:issue; token:exchange too where one was exchanged; token:impersonate too where
// `impersonates`. All must permit (checklist 36, 38). Refuses with unauthorized_client. Fills the record's policies and inputs.
int gw_issue_decide(struct gw_oauth *o, const struct gw_issue *i);

// Makes the access token and appends it; `*lifetime_s` of it. Fills the record's subject and jti.
int gw_issue_mint(struct gw_oauth *o, const struct gw_issue *i, struct buf *token, int64_t *lifetime_s);
// What is answered. SPAN_NONE members are left out.
struct gw_issued {
    struct span access_token, refresh_token;
    struct span type;   // issued_token_type, of an exchange
    bool refresh_only;  // the token that was asked for is the refresh token itself (RFC 8693 §2.2.1)
    int64_t lifetime_s; // of access_token
};
int gw_issue_answer(struct gw_oauth *o, const struct gw_issue *i, const struct gw_issued *issued);

// The grants, each a step's work: authenticated, bound, and used up is all that was before.
int gw_grant_credentials(struct gw_oauth *o);
int gw_grant_refresh(struct gw_oauth *o);  // grant_refresh.c
int gw_grant_exchange(struct gw_oauth *o); // grant_exchange.c
// grant_refresh.c: whether what a family stands for is revoked (its client, workload, key, subject, actor), now or since it began: 0,
// ERR_TOKEN_REVOKED with `*detail`, or ERR_NOMEM, ERR_INTERNAL.
int gw_grant_stands(struct gw_oauth *o, const struct pki_grant *g, struct span *detail);
// grant_refresh.c: begins a family for what is issued, and appends its first token.
int gw_grant_begin(struct gw_oauth *o, const struct gw_issue *i, struct buf *token);

#endif
