// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of a flow share: flow.c (its course), flow_record.c (how it ends: refusal, record, acknowledgement), flow_shard.c (one
// shard, streamed) and flow_gather.c (several shards, merged).
#ifndef SALLYPORT_NET_FLOW_INSIDE_H
#define SALLYPORT_NET_FLOW_INSIDE_H

#include "gateway/audit/record.h"
#include "gateway/net/flow.h"

// What is read and thrown away behind a refusal so that the connection can be kept; a longer rest closes it.
#define DISCARD_MAX (256u << 10)
// Pieces of a body that are passed on by themselves, without a copy; smaller ones are gathered, so that one write has many.
#define PASS_MIN (32u << 10)

static inline struct gw_core *core_of(const struct gw_flow *f)
{
    return f->client->core;
}

static inline const struct gw_placement *placement_of(const struct gw_flow *f)
{
    return &f->x.snapshot->apis[f->x.api].placement;
}

// A list of flows that wait for the same thing.
void gw_flow_link(struct gw_flow **head, struct gw_flow *f);
void gw_flow_unlink(struct gw_flow *f); // fine when it is in none; its patience ends as well

// Hands a record over. 0 or ERR_AUDIT_FULL; `f->ticket` is set.
int gw_flow_submit(struct gw_flow *f, enum gw_audit_kind kind);
// Whether the record must be on the disk first, and is not yet.
bool gw_flow_must_wait(const struct gw_flow *f);
// The record of the request; once.
int gw_flow_record(struct gw_flow *f);

// Each of these may free the flow: nothing of it may be touched afterwards.
// The answer is queued whole. Its record goes first; then, at once or with the acknowledgement, the answer.
void gw_flow_conclude(struct gw_flow *f);
// The error's answer, or a cut when another has begun.
void gw_flow_refuse(struct gw_flow *f, int err);
// An error of ours or the shard's, after the request was allowed. `what` is static, or in the exchange's arena.
void gw_flow_fail(struct gw_flow *f, int err, const char *what);
// Allowed and, if it must be, recorded: on to the shard or the shards.
void gw_flow_start(struct gw_flow *f);
void gw_flow_call(struct gw_flow *f);
// The request came whole: so it ends for the shard.
void gw_flow_request_ended(struct gw_flow *f);
void gw_flow_gather(struct gw_flow *f);

// ---- flow_trace.c

// The head is here: where the request stands in a trace.
void gw_flow_trace(struct gw_flow *f);
// What a shard is told of it, in the exchange's arena; SPAN_NONE: nothing.
struct span gw_flow_traceparent(struct gw_flow *f);
// It has ended: its spans, if it is to have any.
void gw_flow_trace_end(struct gw_flow *f);

// The request's body when the gateway sends it whole: re-serialised, or as it was collected. SPAN_NONE: it streams.
struct span gw_flow_whole_body(const struct gw_flow *f);

// What the shard refused is the gateway's own credential. Passed on, it would send the client off to mend its token.
static inline bool is_refusal(unsigned status)
{
    return status == 401 || status == 403 || status == 407;
}
#define GW_FLOW_REFUSAL "the shard refused the gateway's credential"

#endif
