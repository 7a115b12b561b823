// SPDX-License-Identifier: GPL-3.0-or-later
// The order in which a request is judged: the table in pipeline.c is the security architecture on one page. Every stage must
// say yes; the only line of the program that writes GW_ALLOW stands behind the last of them.
#ifndef SALLYPORT_STAGES_PIPELINE_H
#define SALLYPORT_STAGES_PIPELINE_H

#include "gateway/stages/exchange.h"

enum {
    GW_PASS = 0,
    GW_WAIT = 1, // x->waits_for says for what; run again with the answer in place
    GW_BODY = 2, // run again when x->body holds all of the request's body (bounded by the caller)
};

// Runs from x->stage on. GW_PASS: x->verdict is GW_ALLOW. GW_WAIT, GW_BODY: suspended. Negative: refused with that error, in x->error too.
int gw_pipeline_run(struct gw_exchange *x);
// Frees what the exchange holds: token, proof, arena.
void gw_exchange_fini(struct gw_exchange *x);
// Of gw_exchange_fini, and of the policy stage before it decides anew: the decisions are gone.
void gw_decisions_release(struct gw_exchange *x);

struct span gw_stage_name(unsigned stage);

// For the entries of a list answer: whether the same subject may `list` this collection (SPAN_NONE: this database). Uses the exchange's arena.
bool gw_policy_shows(struct gw_exchange *x, struct span database, struct span tenant, struct span collection);

// Of a request that goes on although policies refused it (observe.h): what was not decided yet is, and what holds is confined. GW_PASS, GW_BODY, or
// a refusal that is no policy's.
int gw_policy_rest(struct gw_exchange *x);
// Whether the token's scopes cover the action: 0 or ERR_SCOPE.
int gw_scope_check(const struct gw_exchange *x, enum gw_action action);

// The cheap half of the binding stage: expiry, revocation, binding to the certificate, workload link, at x->now.
int gw_binding_check(struct gw_exchange *x);

// The exchange's request as the tables of the APIs are asked about it.
struct gw_api_request gw_api_question(const struct gw_exchange *x);
// GW_BODY, or ERR_HTTP_BODY_SIZE: it is known to be longer than what is kept.
int gw_api_need_body(struct gw_exchange *x);

// The stages. Each returns GW_PASS or an error, `token` and `api` also GW_WAIT, `api` and `policy` also GW_BODY.
#define X(name) int gw_stage_##name(struct gw_exchange *x);
GW_STAGE_TABLE(X)
#undef X

#endif
