// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the process share, in the order of its life: process_generations.c (what is in force: read, read again, handed out),
// process_start.c (listeners, stores, loops), process.c (the main thread: signals, timers, what operators see) and process_end.c. Not for
// other files.
#ifndef SALLYPORT_NET_PROCESS_INSIDE_H
#define SALLYPORT_NET_PROCESS_INSIDE_H

#include "gateway/audit/chain.h"
#include "gateway/config/key_registry.h"
#include "gateway/config/revoked_source.h"
#include "gateway/endpoint/limit_rows.h"
#include "gateway/endpoint/policy_rows.h"
#include "gateway/endpoint/shard_rows.h"
#include "gateway/net/authority.h"
#include "gateway/net/control.h"
#include "gateway/net/discovery.h"
#include "gateway/net/enrolment.h"
#include "gateway/net/exporter.h"
#include "gateway/net/follower.h"
#include "gateway/net/handover.h"
#include "gateway/net/issuer_keys.h"
#include "gateway/net/loop.h"
#include "gateway/net/operations.h"
#include "gateway/net/prober.h"
#include "gateway/net/readiness.h"
#include "gateway/net/shipper.h"
#include "gateway/net/surveyor.h"

#define GW_PROCESS_ISSUER_ROWS 64 // of metrics
#define GW_PROCESS_ENDPOINT_ROWS 1024

struct gw_process_socket {
    enum gw_handover_of of;
    size_t loop;   // of the gateway's
    char *address; // owned
    int fd;
};

struct gw_process {
    const char *path;
    struct log log;
    struct gw_shared shared;
    struct pki_key *audit_key; // NULL: nobody signs
    struct gw_chain_key audit_signer;
    struct pki_nonce_keys nonces;
    struct gw_name_news names;
    struct gw_snapshot *snapshot;
    struct gw_revocations *revocations;
    struct gw_revoked_source *revoked;
    bool revoked_due; // its sets, or fetched keys, are newer than those in `revocations`
    struct gw_issuer_keys *issuer_keys;
    struct gw_follower *follower;
    struct gw_own_certificate *own; // counted: the listener's, when it is enrolled; NULL: it is in files
    struct gw_enrolment *enrolment; // renews it
    struct gw_exporter *exporter;
    struct gw_shipper *shipper; // of the audit log
    struct gw_discovery *discovery;
    struct gw_metrics_shard shard_rows[GW_PLACEMENT_SHARDS_MAX];
    struct gw_prober *prober;
    struct gw_metrics_endpoint endpoint_rows[GW_PROCESS_ENDPOINT_ROWS];
    struct gw_surveyor *surveyor;
    struct gw_metrics_survey survey_rows[GW_PLACEMENT_SHARDS_MAX];
    struct gw_metrics_issuer issuer_rows[GW_PROCESS_ISSUER_ROWS];
    struct gw_key_registry keys;
    struct gw_loop *loops;
    struct gw_authority_server *authority; // NULL: not a role of this process
    struct gw_policy_rows policy_rows;
    struct gw_named_rows limit_names, shard_names;
    struct gw_metrics **metrics; // of the loops and of the authority
    size_t n_metrics;
    size_t n_loops, n_made;            // configured; set up so far
    struct gw_process_socket *sockets; // listening
    size_t n_sockets;
    struct gw_handover inherited; // what the process before this one gave
    int predecessor, successor;   // connections to them; -1: none
    char *handover_path;
    int handover_fd;                                 // where the next one may come; -1: nowhere
    uv_poll_t *before_ends, *next_comes, *next_says; // owned by the control loop; NULL: nobody looks
    bool takes_over, hands_over;                     // from the one before; to the next one, which serves already
    bool left;                                       // the audit file is the next one's, which does not serve yet
    bool told;                                       // to end, by a signal
    bool flushes;                                    // drained: the last spans go out
    uv_loop_t uv;
    struct gw_control control;
    uv_signal_t signals[5];
    uv_timer_t watch, revoked_watch, deadline;
    uv_async_t drained, rung;
    struct gw_operations_listener operations;
    int64_t modes_ms;        // until when it was looked whose day of observing is over
    uint64_t replay_refused; // with ERR_REPLAY_FULL, when it was last told; and when that was, on the monotonic clock
    int64_t replay_told_ms;
    uint64_t look;        // fingerprint of the files that were read
    int64_t refreshed_ms; // when the revocations were last read
    uint64_t reloads_ok, reloads_failed;
    int64_t start_s, open_ms;
    bool draining, controls; // `controls`: the control loop is there
    char not_ready[GW_READINESS_TEXT];
};

// ---- process.c

void gw_process_print(struct gw_process *p, const struct diags *diags);
// The log as the configuration in force wants it.
void gw_process_set_log(struct gw_process *p);

// ---- process_generations.c: everything here happens on the main thread

// The first generation. False: the reasons are in the log.
bool gw_process_load(struct gw_process *p);
// Takes up what the files say now, or says why not; `why` is what made it look.
void gw_process_reload(struct gw_process *p, const char *why);
// A fingerprint of the files that the configuration in force was read from.
uint64_t gw_process_look(const struct gw_process *p);
// Where shards are is looked up from now on. False: out of memory.
bool gw_process_discover(struct gw_process *p);
// Tells every loop where shards are.
void gw_process_publish_directory(struct gw_process *p);
// From now on files, registries and fetched keys are watched.
void gw_process_watch(struct gw_process *p);
// When API keys were last used, and how much of their quotas; `now`: whatever has not been written, at once.
void gw_process_write_back(struct gw_process *p, bool now);

// The loops are to use p->own.
void gw_process_publish_own(struct gw_process *p);

// ---- process_enrol.c

// Waits for the listener's first certificate, where the authority issues it. False: it cannot, and the log says why.
bool gw_process_enrol_first(struct gw_process *p, const struct gw_config *c);
// From now on it is renewed.
bool gw_process_enrol(struct gw_process *p);

// ---- process_start.c

void gw_process_harden(void);
// Why it does not serve yet, or not any more; SPAN_NONE: it is ready.
struct span gw_process_not_ready(struct gw_process *p);

// ---- process_start.c, on

// Every listening socket, inherited or bound. False: the log says why not.
bool gw_process_listen(struct gw_process *p);
// What the loops share, the loops and the authority. False: the log says why, and gw_process_finish takes down what there is.
bool gw_process_start(struct gw_process *p);

// ---- process_handover.c

// Asks whether a process is there that this one could take over from, and for what it has. False: there is one, and it gives nothing; the log says why.
bool gw_process_inherit(struct gw_process *p);
// Once everything is there that a request is decided by: the process before leaves, or has ended by itself. False: the log says why, and that one goes on.
bool gw_process_relieve(struct gw_process *p);
// This one serves: the process before ends.
void gw_process_up(struct gw_process *p);
// Once the process before is gone, what it left of the audit log is sent on, and then this one's.
void gw_process_await_end_of_predecessor(struct gw_process *p);
// From now on the next process may come.
void gw_process_await_next(struct gw_process *p);
// Whatever of it is open is closed.
void gw_process_forget_others(struct gw_process *p);

// ---- process_end.c

// Makes the handles that the end is told by.
void gw_process_await_end(struct gw_process *p);
// A loop, or the authority, has nothing left to do. From any thread.
void gw_process_on_drained(void *ctx);
// No new connections; what is under way may end. A second time: ends at once.
void gw_process_drain(struct gw_process *p);
// Takes everything down, also of a process that could not be started whole.
void gw_process_finish(struct gw_process *p);

#endif
