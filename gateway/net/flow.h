// SPDX-License-Identifier: GPL-3.0-or-later
// One exchange in motion: it runs the stages when the head is there, does what a suspended stage waits for, moves the bodies between the client
// and the shard with back-pressure both ways, and leaves exactly one audit record on every exit.
//
//   client: new ─▶ head ─▶ body* ─▶ end                 shard: ready ─▶ head ─▶ body* ─▶ end
//                   └ stages: refuse │ wait │ collect the body │ forward │ gather (several shards)
//
// The record leaves before the answer's last byte: what an answer ends with is only sent behind gw_flow's submit, and with
// `sync: request` behind the writer's acknowledgement. A request that changes data leaves a record of its intent before
// the shard hears of it.
#ifndef SALLYPORT_NET_FLOW_H
#define SALLYPORT_NET_FLOW_H

#include "gateway/http/body.h"
#include "gateway/net/client.h"
#include "gateway/net/gather.h"

enum gw_flow_state {
    GW_FLOW_HEAD,    // the request's head is coming
    GW_FLOW_DECIDE,  // the stages run
    GW_FLOW_COLLECT, // a stage asked for the body
    GW_FLOW_WAIT,    // a stage waits: x.waits_for
    GW_FLOW_INTENT,  // the record of intent is on its way to the disk
    GW_FLOW_CONNECT, // allowed; no connection to the shard yet
    GW_FLOW_FORWARD, // bytes move
    GW_FLOW_GATHER,  // several shards are asked
    GW_FLOW_RECORD,  // the answer is whole but for its last bytes; its record is on its way to the disk
    GW_FLOW_DISCARD, // the answer went out; the rest of the request is thrown away
};

struct gw_flow {
    struct gw_exchange x;
    struct gw_client *client;
    struct gw_view *view;
    enum gw_flow_state state;
    struct gw_call call;
    struct gw_gather *gather;
    struct gw_body up_body, down_body;
    struct buf up;        // for the shard, at the end of the wake-up
    struct buf collected; // the request's body, when a stage asked for it
    struct buf lesson;    // a copy of the answer, when it names collections
    uint64_t discarded;
    uint64_t ticket;              // of the audit record that is waited for
    struct gw_flow *next, **link; // among core->awaiting, core->keyless, or the view's waiting
    struct gw_deadline patience;  // until which a stage waits; it looks again then
    bool whole;                   // the request is
    bool answered;                // the head of the answer was queued
    bool recorded;
    bool learns, keep_alive;
};

struct gw_flow *gw_flow_new(struct gw_client *c); // NULL: out of memory
// Ends it wherever it stands. What was not recorded yet is, as cut by the client.
void gw_flow_free(struct gw_flow *f);

// From the client. Each may end the flow (client->flow is NULL then).
void gw_flow_head(struct gw_flow *f);
void gw_flow_body(struct gw_flow *f, struct span piece);
void gw_flow_end(struct gw_flow *f);
// The request is not HTTP, too large or too slow: answered, recorded, and the connection closes.
void gw_flow_bad(struct gw_flow *f, int err, const char *what);
void gw_flow_drained(struct gw_flow *f);
// Whether a body is passed on while it comes, to a shard that takes it as fast.
bool gw_flow_streams(const struct gw_flow *f);
// Whether body bytes can be taken now.
bool gw_flow_takes(const struct gw_flow *f);
// What was written for the shard during this wake-up goes out.
void gw_flow_flush(struct gw_flow *f);

// What a stage waited for is there, or will not come: the stages go on. The flow may be gone afterwards.
void gw_flow_again(struct gw_flow *f);
// It waits no longer than this.
void gw_flow_wait_at_most(struct gw_flow *f, int64_t ms);
// Another revocation generation is in force: flows whose issuer's keys were looked at meanwhile go on.
void gw_flow_keys_came(struct gw_core *core);
// A listing brought a page, or failed: flows that wait for one look again.
void gw_flow_listed(struct gw_view *view);
// The audit writer made progress: flows whose record is on the disk go on.
void gw_flow_audit_progress(struct gw_core *core);

#endif
