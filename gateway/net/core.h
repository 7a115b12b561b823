// SPDX-License-Identifier: GPL-3.0-or-later
// One event loop's share of the gateway, without the event loop: its clock, deadlines, caches, connections and its view of the snapshot.
// client, flow, gather and upstream stand on this and on sockets, so all of them run in a test over memory; loop.h puts libuv underneath.
//
// A `gw_view` is a loop's use of one snapshot: the TLS contexts and connection pools made from it. Exchanges count on the view they began
// under; a newer snapshot makes a newer view, and the old one goes when its last exchange and its last connection are gone.
#ifndef SALLYPORT_NET_CORE_H
#define SALLYPORT_NET_CORE_H

#include "gateway/audit/writer.h"
#include "gateway/config/own_certificate.h"
#include "gateway/net/directory.h"
#include "gateway/net/fetch.h"
#include "gateway/stages/exchange.h"

struct gw_core;

struct gw_view_shard {
    const struct gw_shard *shard;
    struct gw_origin origin;
    struct gw_fetch_field credential; // of fetches, with n_credential
    size_t n_credential;              // 1, or 0: none
};

struct gw_view {
    unsigned refs; // exchanges, and the core while it is the present one
    struct gw_core *core;
    struct gw_snapshot *snapshot;
    struct gw_tls_context *tls; // of the listener
    struct gw_services services;
    struct gw_view_shard *shards;
    size_t n_shards;
    struct gw_origin *introspectors; // numbered as the snapshot's
    size_t n_introspectors;
    struct gw_flow *waiting; // flows that wait for a listing
    size_t busy_origins;     // still holding connections, once retired
    bool retired;
};

struct gw_client;
struct gw_flow;

// What the process shares among its loops; outlives them.
struct gw_shared {
    struct log *log;
    struct pki_replay *replay;
    const struct pki_nonce_keys *nonces;
    struct pki_nonce_demands *demands;
    struct gw_quota *quota;
    struct gw_failures *failures; // may be NULL: nobody counts them
    struct gw_tls_ticket_keys *tickets;
    struct gw_tls_peers *peers;
    struct gw_audit *audit;
    struct gw_name_news *names;     // may be NULL: the loops then hear nothing of each other's changes
    struct gw_health_board *health; // may be NULL: every endpoint counts as ready
    struct gw_own_certificate *own; // the listener's at the start, when it was enrolled; NULL: it is in files
    struct gw_sightings *sightings; // may be NULL: nobody asks how shards take filters
    struct gw_exporter *exporter;   // may be NULL: no spans are made
};

#define GW_CORE_SOURCES 4096

struct gw_core {
    const struct gw_shared *shared;
    struct gw_own_certificate *own; // counted: the listener's now
    unsigned index;                 // of the loop: the audit writer's producer
    size_t loops;                   // how many share the configured bounds
    struct gw_dialler dialler;
    struct clock_now now; // refreshed at each wake-up
    struct gw_wheel wheel;
    struct gw_deadline sweep; // sweep.h
    struct gw_metrics *metrics;
    struct gw_present present;
    struct gw_revocations *revocations;
    struct gw_directory *directory; // NULL: nothing was found out yet
    struct gw_view *view;           // present
    struct pki_token_cache *tokens;
    struct pki_proof_cache *proofs;
    struct gw_client *clients;
    size_t n_clients;
    struct buf record;           // for the one that is being written
    struct gw_flow *awaiting;    // flows that wait for the audit writer
    struct gw_flow *keyless;     // flows that wait for a key of an issuer
    struct gw_listing *listings; // under way
    struct gw_turns *turns;      // of handshakes; NULL: each goes on as its bytes come
    uint32_t *handshakes;        // under way, by address: GW_CORE_SOURCES counters, which addresses may share
    uint64_t source_key[2];
    int64_t turned_away_ms;                // when the audit log was last told of connections that were turned away …
    uint64_t turned_away;                  // … how many were since …
    char turned_away_from[GW_SOCKET_PEER]; // … and where the last of them came from
    struct gw_inquiry *inquiries;          // likewise
    char *room;                            // plaintext on its way from a client (accepted.h)
    uint8_t randoms[1024];
    size_t randoms_left;
    bool draining;
    void (*on_idle)(struct gw_core *c); // draining, and the last client is gone
    void *owner;
};

// Both references are taken over. 0, or an error after which nothing is held.
int gw_core_init(struct gw_core *c, const struct gw_shared *shared, unsigned index, size_t loops,
                 struct gw_dialler dialler, struct gw_metrics *metrics, struct gw_snapshot *snapshot,
                 struct gw_revocations *revocations);
// After the last client is gone. Pools close their connections; on_empty-style callbacks still run, so the loop runs once more after it.
void gw_core_fini(struct gw_core *c);
// Takes up a newer generation (the reference is taken over). When the snapshot cannot be used the old one stays: ERR_*.
int gw_core_adopt(struct gw_core *c, struct gw_snapshot *snapshot);
void gw_core_adopt_revocations(struct gw_core *c, struct gw_revocations *revocations);
// Shards whose endpoints are found out are there from now on (the reference is taken over).
void gw_core_adopt_directory(struct gw_core *c, struct gw_directory *directory);
// The listener's certificate from now on (the reference is taken over), for new handshakes; connections stay. One that cannot be used is logged, and the
// old one stays.
void gw_core_adopt_own(struct gw_core *c, struct gw_own_certificate *own);
// What origins of this loop stand on.
struct gw_origin_ground gw_core_ground(struct gw_core *c);
void gw_core_random_id(struct gw_core *c, char out[static 33]);
static inline int64_t gw_core_now_s(const struct gw_core *c)
{
    return c->now.wall_ms / 1000;
}

struct gw_view *gw_view_ref(struct gw_view *v);
void gw_view_unref(struct gw_view *v);

#endif
