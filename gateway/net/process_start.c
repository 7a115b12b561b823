// SPDX-License-Identifier: GPL-3.0-or-later
// How the process comes up: hardened, bound, with what the loops share, and the loops and the authority running.
#include "gateway/net/process_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS 65536
#define QUOTA_SHARE_PERCENT 25
#define NONCE_BUCKETS 4 // nonces roll this often within their life

void gw_process_harden(void)
{
    // Keys and tokens are in memory: no core dump, no ptrace by others.
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file at its limit is an error of write(2), and handled there
}

// Whether somebody else listens there already: SO_REUSEPORT alone would let two gateways share the port without a word.
static bool bind_to(struct gw_process *p, const struct gw_config_text *address, bool reuse_port, int *fd)
{
    const char *what = "";
    struct diags diags;
    diags_init(&diags);
    int rc = gw_tcp_bind(address->v, reuse_port, fd, &what);
    if (rc != 0) {
        gw_config_error(p->snapshot->config, address->at, &diags, "%.*s %s; choose another or stop what listens there",
                        SPAN_FMT(address->v), what);
        gw_process_print(p, &diags);
    }
    diags_fini(&diags);
    return rc == 0;
}

static bool add_socket(struct gw_process *p, enum gw_handover_of of, struct span address, size_t loop, int fd)
{
    struct gw_process_socket *more = realloc(p->sockets, (p->n_sockets + 1) * sizeof *more);
    char *text = more ? strndup(address.p, address.n) : NULL; // the configuration may go before the socket
    p->sockets = more ? more : p->sockets;
    if (!text) {
        close(fd);
        return false;
    }
    p->sockets[p->n_sockets++] = (struct gw_process_socket){ of, loop, text, fd };
    return true;
}

// Those that the process before has on this address: whoever waits in one of them must find somebody, so all are taken, whatever the number of loops.
static bool take_sockets(struct gw_process *p, enum gw_handover_of of, struct span address, size_t *n)
{
    for (int fd; (fd = gw_handover_take(&p->inherited, of, address)) >= 0; (*n)++)
        if (!add_socket(p, of, address, *n % (p->n_loops ? p->n_loops : 1), fd))
            return false;
    return true;
}

static bool is_reusable(int fd)
{
    int on = 0;
    socklen_t n = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &n) == 0 && on != 0;
}

static bool copy(struct gw_process *p, int fd, int *out)
{
    int rc = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (rc < 0)
        log_error(&p->log, "a listening socket cannot be shared by two loops: %s", strerror(errno));
    else
        *out = rc;
    return rc >= 0;
}

static bool listen_on(struct gw_process *p, enum gw_handover_of of, const struct gw_config_text *address, size_t n)
{
    size_t have = 0;
    int fd;
    if (!take_sockets(p, of, address->v, &have))
        return false;
    if (have == 0 && n > 1) {
        // Whether somebody else is there is only seen without sharing.
        if (!bind_to(p, address, false, &fd))
            return false;
        close(fd);
    }
    // Beside one that was bound for a single loop, the kernel lets nobody bind: then loops share it.
    const int shared = have > 0 && !is_reusable(p->sockets[p->n_sockets - 1].fd) ? p->sockets[p->n_sockets - 1].fd : -1;
    for (; have < n; have++)
        if (!(shared >= 0 ? copy(p, shared, &fd) : bind_to(p, address, n > 1, &fd)) ||
            !add_socket(p, of, address->v, have, fd))
            return false;
    return true;
}

bool gw_process_listen(struct gw_process *p)
{
    const struct gw_config *c = p->snapshot->config;
    const struct gw_config_texts *addresses = &c->listener.addresses, *own = &c->authority.addresses,
                                 *enrolment = &c->authority.enrolment.addresses;
    bool ok = true;
    for (size_t a = 0; ok && a < addresses->n; a++)
        ok = listen_on(p, GW_HANDOVER_LISTENER, &addresses->v[a], p->n_loops);
    for (size_t a = 0; ok && a < own->n; a++)
        ok = listen_on(p, GW_HANDOVER_AUTHORITY, &own->v[a], 1);
    for (size_t a = 0; ok && a < enrolment->n; a++)
        ok = listen_on(p, GW_HANDOVER_ENROLMENT, &enrolment->v[a], 1);
    ok = ok && (!c->operations.enabled || listen_on(p, GW_HANDOVER_OPERATIONS, &c->operations.listen, 1));
    gw_handover_close_rest(&p->inherited);
    return ok;
}

// The sockets of a loop, or of a role without loops; `fds` has room for all.
static size_t sockets_of(const struct gw_process *p, enum gw_handover_of of, size_t loop, int *fds)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_sockets; i++)
        if (p->sockets[i].of == of && p->sockets[i].loop == loop)
            fds[n++] = p->sockets[i].fd;
    return n;
}

// A store keeps its size from process to process.
static void tell_capacity(struct gw_process *p)
{
    size_t has = p->shared.replay ? pki_replay_capacity(p->shared.replay) : 0,
           wants = (size_t)p->snapshot->config->dpop.replay.capacity;
    // It is rounded up to so many for each stripe.
    if (has > 0 && (has < wants || has - wants > wants / 8 + 64))
        log_warn(&p->log,
                 "dpop.replay.capacity: the store of used proofs is the one of the process before, for %zu; another "
                 "capacity takes effect at a start without --take-over",
                 has);
}

// Proofs from before the start are refused, since nobody knows which were used (checklist 16), and a proof tells its time in whole
// seconds only. So the gateway opens on a full second: whoever meets it open can make a proof that counts.
// With the store of the process before, it is known.
static void await_full_second(struct gw_process *p)
{
    p->shared.replay = p->inherited.replay >= 0 ? pki_replay_adopt(p->inherited.replay) : NULL;
    if (p->inherited.replay >= 0 && !p->shared.replay)
        log_warn(&p->log,
                 "the store of used proofs is of another version: proofs that were made before now are refused");
    p->inherited.replay = -1;
    tell_capacity(p);
    p->open_ms = clock_read().wall_ms;
    if (!p->shared.replay)
        p->open_ms = (p->open_ms / 1000 + 1) * 1000;
    for (int64_t left; (left = p->open_ms - clock_read().wall_ms) > 0;)
        uv_sleep((unsigned)left);
    p->start_s = p->open_ms / 1000;
}

// Clients go on with the nonces that they have, if these live as long as the configuration now says.
static void make_nonces(struct gw_process *p)
{
    int64_t life = p->snapshot->config->dpop.nonce_lifetime;
    if (p->inherited.nonces.life_ms == life && p->inherited.nonces.bucket_ms == life / NONCE_BUCKETS)
        p->nonces = p->inherited.nonces;
    else
        pki_nonce_keys_init(&p->nonces, life / NONCE_BUCKETS, life);
}

// The log, and the key that signs it. False: the log of the process says why not.
static bool open_audit(struct gw_process *p)
{
    const struct gw_config *c = p->snapshot->config;
    const struct gw_config_audit *a = &c->audit;
    struct diags diags;
    diags_init(&diags);
    if (a->signing.present) {
        p->audit_key = gw_snapshot_audit_key(p->snapshot, &diags);
        if (p->audit_key)
            gw_chain_key_init(&p->audit_signer, p->audit_key);
    }
    struct gw_audit_options audit = {
        .journal = { .file = a->file.v.p,
                     .copy = a->to_stdout && a->file.v.p,
                     .stream_fd = STDOUT_FILENO,
                     .key = p->audit_key ? &p->audit_signer : NULL,
                     .sign_every_ms = a->signing.every,
                     .sign_lines = a->signing.records,
                     .rotate_size = a->rotate.size,
                     .rotate_every_ms = a->rotate.every,
                     .keep = (uint32_t)a->rotate.keep,
                     .beside = p->takes_over ? &p->inherited.log : NULL,
                     .log = &p->log },
        .sync = a->sync_request ? GW_AUDIT_SYNC_REQUEST : GW_AUDIT_SYNC_BATCH,
        .on_full = a->drop_when_full ? GW_AUDIT_DROP : GW_AUDIT_REFUSE,
        .queue = (size_t)a->queue,
        .interval_ms = a->interval,
        .producers = (unsigned)p->n_loops + c->authority.present,
        .sent_on = a->http.present,
    };
    int rc = diags.errors ? -EINVAL : gw_audit_open(&audit, &p->shared.audit);
    if (rc != 0 && diags.errors == 0)
        gw_config_error(c, a->file.at, &diags, "%.*s: %s", SPAN_FMT(a->file.v), strerror(-rc));
    gw_process_print(p, &diags);
    diags_fini(&diags);
    return rc == 0;
}

static bool make_shared(struct gw_process *p)
{
    const struct gw_config *c = p->snapshot->config;
    make_nonces(p);
    struct pki_replay_options replay = {
        .entries = (size_t)c->dpop.replay.capacity,
        .share_percent = c->dpop.replay.share_percent,
        .not_before_ms = p->open_ms,
    };
    const struct gw_origin_ground ground = gw_control_ground(&p->control);
    p->exporter = gw_exporter_new(&ground, &p->log, p->n_loops);
    struct gw_quota_options quota = { .buckets = (size_t)c->limits.buckets, .share_percent = QUOTA_SHARE_PERCENT };
    uint64_t failures_key[2];
    pki_random(quota.key, sizeof quota.key);
    pki_random(failures_key, sizeof failures_key);
    p->shared = (struct gw_shared){
        .log = &p->log,
        .replay = p->shared.replay ? p->shared.replay : pki_replay_new(&replay),
        .nonces = &p->nonces,
        .demands = pki_nonce_demands_new(),
        .quota = gw_quota_new(&quota),
        .failures = gw_failures_new(failures_key),
        .tickets =
            gw_tls_ticket_keys_new((c->listener.present ? c->listener.tls : c->authority.tls).tickets.lifetime / 1000),
        .peers = gw_tls_peers_new(PEERS),
        .names = &p->names,
        .own = p->own,
        .health = p->shared.health,
        .sightings = p->shared.sightings,
        .exporter = p->exporter,
    };
    if (!p->shared.replay || !p->shared.demands || !p->shared.quota || !p->shared.failures || !p->shared.tickets ||
        !p->shared.peers || !p->exporter) {
        log_error(&p->log, "out of memory; lower dpop.replay.capacity or limits.buckets");
        return false;
    }
    return open_audit(p);
}

static bool start_authority(struct gw_process *p, const int *fds, size_t n_fds)
{
    struct diags diags;
    if (!p->snapshot->config->authority.present)
        return true;
    diags_init(&diags);
    p->authority = calloc(1, sizeof *p->authority);
    bool ok = p->authority &&
              gw_authority_server_init(p->authority, &p->shared, (unsigned)p->n_loops, fds, n_fds,
                                       gw_snapshot_ref(p->snapshot), gw_revocations_ref(p->revocations), &diags) == 0;
    if (ok) {
        p->authority->on_drained = gw_process_on_drained;
        p->authority->ctx = p;
        p->metrics[p->n_metrics++] = &p->authority->metrics;
        ok = gw_authority_server_start(p->authority) == 0;
    }
    gw_process_print(p, &diags);
    diags_fini(&diags);
    if (!ok)
        log_error(&p->log, "the authority could not be set up");
    return ok;
}

bool gw_process_start(struct gw_process *p)
{
    int *fds = calloc(p->n_sockets + 1, sizeof *fds);
    size_t n = 0;
    // Not calloc: it does not know of what is on cache lines of its own in them.
    p->loops = aligned_alloc(_Alignof(struct gw_loop), (p->n_loops + 1) * sizeof *p->loops);
    if (p->loops)
        memset(p->loops, 0, (p->n_loops + 1) * sizeof *p->loops);
    p->metrics = calloc(p->n_loops + 1, sizeof *p->metrics);
    bool ok = fds && p->loops && p->metrics;
    if (ok)
        await_full_second(p);
    ok = ok && make_shared(p);
    for (size_t i = 0; ok && i < p->n_loops; i++) {
        p->metrics[p->n_metrics++] = &p->loops[i].metrics;
        n = sockets_of(p, GW_HANDOVER_LISTENER, i, fds);
        ok = gw_loop_init(&p->loops[i], &p->shared, (unsigned)i, p->n_loops, fds, n, gw_snapshot_ref(p->snapshot),
                          gw_revocations_ref(p->revocations)) == 0;
        p->n_made += ok;
        p->loops[i].on_drained = gw_process_on_drained;
        p->loops[i].ctx = p;
        if (!ok)
            log_error(&p->log, "event loop %zu could not be set up", i);
    }
    if (ok)
        gw_process_publish_directory(p);
    for (size_t i = 0; ok && i < p->n_loops; i++)
        ok = gw_loop_start(&p->loops[i]) == 0;
    if (ok) {
        n = sockets_of(p, GW_HANDOVER_AUTHORITY, 0, fds);
        n += sockets_of(p, GW_HANDOVER_ENROLMENT, 0, fds + n);
        ok = start_authority(p, fds, n);
    }
    if (ok) {
        struct gw_origin_ground ground = gw_control_ground(&p->control);
        p->shipper = gw_shipper_new(&ground, &p->log, p->shared.audit);
        ok = p->shipper != NULL;
        // Two cannot send from the same files: the process before sends no more, but may still be writing.
        if (ok && p->takes_over)
            gw_process_await_end_of_predecessor(p);
        else
            gw_shipper_adopt(p->shipper, p->snapshot);
        gw_exporter_adopt(p->exporter, p->snapshot);
    }
    free(fds);
    return ok;
}
