// SPDX-License-Identifier: GPL-3.0-or-later
// Which opaque tokens are being asked about, which were refused a moment ago, and which servers do not answer: one loop's memory of its questions
// to introspection servers (RFC 7662), under one snapshot; a newer configuration begins with an empty one. Positive answers are in
// the token cache, once the binding held (pki/token_cache.h).
//
//   ask ─▶ refused at once: remembered │ the server's breaker is open │ too many questions or waiters
//       └▶ wait on a question: the first who asks sends it, all others share its answer ─▶ answered │ failed, for all of them
//
// Bounds, of one loop: `calls` questions a server, a quarter of them for one workload; GW_INTROSPECTION_WAITERS waiters in all, a quarter for one
// workload; GW_INTROSPECTION_REFUSALS refusals remembered, with a share for each workload (pki/lru.h). So a workload that brings
// ever new tokens keeps the others neither from asking nor from being remembered.
// The breaker: after `failures` questions in a row that the server failed (gw_question_fault) it is not asked for `open_ms`; then one question goes out,
// and its outcome decides.
// Pure: no socket, time is an argument. Who waits is an intrusive `gw_introspection_wait` in the exchange; the net sends what it says and reports.
#ifndef SALLYPORT_STAGES_INTROSPECTION_H
#define SALLYPORT_STAGES_INTROSPECTION_H

#include "gateway/endpoint/metrics.h"
#include "pki/token.h"

#define GW_INTROSPECTION_WAITERS 1024
#define GW_INTROSPECTION_REFUSALS 4096

// One server, for one loop.
struct gw_introspection_limits {
    size_t calls;
    int64_t refusal_ms; // how long a refusal is remembered; 0: not at all
    unsigned failures;
    int64_t open_ms;
};

struct gw_introspection;
struct gw_question;

// Zeroed before its first use; leave with gw_introspection_leave before its memory goes.
struct gw_introspection_wait {
    struct gw_question *question; // that is waited for; NULL: none
    bool begin;                   // it has to be sent first, by whoever sees this
    void *owner;                  // the net's, to find its way back
    bool answered;                // then: `error` 0 and `token` a reference, or a refusal
    int error;
    struct pki_token *token;
    uint64_t retry_after_s; // with ERR_INTROSPECTION and ERR_OVERLOADED
    struct span workload;
    struct gw_introspection_wait *next, **link;
};

// `limits` has a row a server, numbered as gw_snapshot.introspectors. NULL: out of memory.
struct gw_introspection *gw_introspection_new(const struct gw_introspection_limits *limits, size_t servers,
                                              struct gw_metrics *metrics);
// No question is left (asserted).
void gw_introspection_free(struct gw_introspection *in); // NULL is fine

// `sha256` of the token; `workload` lives as long as `w` waits. 0: `w` waits, w->question is set. Or the refusal that is remembered
// (ERR_TOKEN_*, ERR_CNF_UNKNOWN); ERR_INTROSPECTION: the breaker is open; ERR_OVERLOADED; ERR_NOMEM.
int gw_introspection_ask(struct gw_introspection *in, size_t server, const uint8_t sha256[static 32],
                         struct span workload, int64_t now_ms, struct gw_introspection_wait *w);
// Fine at any time, also when it never waited. Frees an answer that nobody took.
void gw_introspection_leave(struct gw_introspection_wait *w);

size_t gw_question_server(const struct gw_question *q);
const uint8_t *gw_question_sha256(const struct gw_question *q);

// The end of a question, which is freed. Whoever waited has its answer now and stands in the list, whose head is `*waiters`, until it leaves.
// The server answered: `error` 0 with the token (each waiter gets a reference of its own), or the refusal.
void gw_question_answered(struct gw_question *q, int error, struct pki_token *token, int64_t now_ms,
                          struct gw_introspection_wait **waiters);
// Whose fault it is that there is no answer. What a token provokes must not count against its server: whoever has one that it chokes on, or that
// something in front of it takes for an attack, would open the breaker for everybody else.
enum gw_question_fault { GW_FAULT_OURS, GW_FAULT_TOKEN, GW_FAULT_SERVER };
// There is no answer: `error` ERR_INTROSPECTION or ERR_NOMEM. The breaker counts GW_FAULT_SERVER, and a probe with GW_FAULT_TOKEN closes it: somebody
// is there.
void gw_question_failed(struct gw_question *q, int error, enum gw_question_fault fault, int64_t now_ms,
                        struct gw_introspection_wait **waiters);

#endif
