// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/process.h"

#include "gateway/config/key_registry.h"
#include "gateway/config/revoked_source.h"
#include "gateway/net/authority.h"
#include "gateway/net/control.h"
#include "gateway/net/cores.h"
#include "gateway/net/fixed.h"
#include "gateway/net/follower.h"
#include "gateway/net/issuer_keys.h"
#include "gateway/net/loop.h"
#include "gateway/net/operations.h"
#include "gateway/net/readiness.h"
#include "gateway/net/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define WATCH_MS 1000
#define REVOKED_MS 200 // revocations are in force within a second: this to notice, the rest to read a large registry
#define PEERS 65536
#define AUDIT_PATIENCE_MS 5000
#define ISSUER_ROWS 64  // of metrics
#define DRAIN_MS 30000  // where there is no listener to say
#define NONCE_BUCKETS 4 // nonces roll this often within their life

struct process {
    const char *path;
    struct log log;
    struct gw_shared shared;
    struct pki_nonce_keys nonces;
    struct gw_name_news names;
    struct gw_snapshot *snapshot;
    struct gw_revocations *revocations;
    struct gw_revoked_source *revoked;
    bool revoked_due; // its sets, or fetched keys, are newer than those in `revocations`
    struct gw_issuer_keys *issuer_keys;
    struct gw_follower *follower;
    struct gw_metrics_issuer issuer_rows[ISSUER_ROWS];
    struct gw_key_registry keys;
    struct gw_loop *loops;
    struct gw_authority_server *authority; // NULL: not a role of this process
    struct gw_metrics **metrics;           // of the loops and of the authority
    size_t n_metrics;
    size_t n_loops, n_made; // configured; set up so far
    uv_loop_t uv;
    struct gw_control control;
    uv_signal_t signals[4];
    uv_timer_t watch, revoked_watch, deadline;
    uv_async_t drained, rung;
    struct gw_operations_listener operations;
    uint64_t look;        // fingerprint of the files that were read
    int64_t refreshed_ms; // when the revocations were last read
    uint64_t reloads_ok, reloads_failed;
    int64_t start_s, open_ms;
    bool draining, controls; // `controls`: the control loop is there
    char not_ready[GW_READINESS_TEXT];
};

// ---------------------------------------------------------------------------------------------------------- words

static void print_diags(struct process *p, const struct diags *diags)
{
    struct arena arena;
    arena_init(&arena, 0);
    for (const struct diag *d = diags->first; d; d = d->next)
        log_write(&p->log, d->warning ? LOG_WARN : LOG_ERROR, "%.*s", SPAN_FMT(diag_format(&arena, d)));
    if (diags->dropped > 0)
        log_error(&p->log, "and %zu more", diags->dropped);
    arena_fini(&arena);
}

static void set_log(struct process *p)
{
    atomic_store(&p->log.level, (int)p->snapshot->config->log.level);
    p->log.json = p->snapshot->config->log.json;
}

// --------------------------------------------------------------------------------------------------------- reload

static struct gw_generation *generation(struct process *p, bool snapshot)
{
    struct gw_generation *g = calloc(1, sizeof *g);
    if (!g) {
        log_error(&p->log, "out of memory: not everybody has the newest configuration or revocations");
        p->revoked_due = true; // revocations at least are tried again
        return NULL;
    }
    g->snapshot = snapshot ? gw_snapshot_ref(p->snapshot) : NULL;
    g->revocations = gw_revocations_ref(p->revocations);
    return g;
}

static void publish(struct process *p, bool snapshot)
{
    struct gw_generation *g;
    gw_control_trust(&p->control, p->snapshot, p->revocations);
    for (size_t i = 0; i < p->n_loops; i++)
        if ((g = generation(p, snapshot)))
            gw_loop_adopt(&p->loops[i], g);
    if (p->authority && (g = generation(p, snapshot)))
        gw_authority_server_adopt(p->authority, g);
}

// Revocations take effect whatever becomes of the rest.
// Of a configuration that is not in force yet, `all`: only with every file it names. Else false, and the old ones stay.
static bool refresh_revocations(struct process *p, const struct gw_config *config, bool all, struct diags *diags)
{
    struct clock_now now = clock_read();
    struct gw_revocations *r = gw_revocations_load(
        config, p->revocations, p->revocations ? p->revocations->generation + 1 : 1, now.wall_ms / 1000, diags);
    // A configuration that is refused for its other files must not take the registry's place.
    if (r && (!all || r->whole)) {
        gw_revoked_source_look(p->revoked, config, now.wall_ms / 1000, diags);
        gw_revoked_source_give(p->revoked, r);
    }
    if (r && !gw_issuer_keys_give(p->issuer_keys, config, r))
        diag_error(diags, config->file, 0, 0, "out of memory: fetched keys are missing");
    if (r && all && !r->whole) {
        gw_revocations_unref(r);
        r = NULL;
    }
    if (!r)
        return false;
    gw_revocations_unref(p->revocations);
    p->revocations = r;
    p->refreshed_ms = now.mono_ms;
    p->revoked_due = false;
    return true;
}

// A generation of the files as they were read, with what changed beside them.
static void renew(struct process *p)
{
    struct gw_revocations *r = gw_revocations_derive(p->revocations, p->revocations->generation + 1);
    p->revoked_due = true;
    if (!r)
        return;
    gw_revoked_source_give(p->revoked, r);
    p->revoked_due = !gw_issuer_keys_give(p->issuer_keys, p->snapshot->config, r);
    gw_revocations_unref(p->revocations);
    p->revocations = r;
    publish(p, false);
}

static void on_keys(void *ctx)
{
    renew(ctx);
}

static void on_rung(void *ctx)
{
    struct process *p = ctx;
    uv_async_send(&p->rung);
}

static void on_rung_here(uv_async_t *a)
{
    struct process *p = a->data;
    p->control.now = clock_read();
    gw_issuer_keys_rung(p->issuer_keys);
}

// The registry and the file of revocations, which do not wait for a reload.
static void on_revoked_watch(uv_timer_t *t)
{
    struct process *p = t->data;
    struct diags diags;
    diags_init(&diags);
    if (gw_revoked_source_look(p->revoked, p->snapshot->config, clock_read().wall_ms / 1000, &diags))
        p->revoked_due = true;
    struct pki_revoked *fed;
    struct gw_revoked_term *fresh;
    if (gw_follower_look(p->follower, &fed, &fresh)) {
        gw_revoked_source_put_feed(p->revoked, fed, fresh);
        p->revoked_due = true;
    }
    print_diags(p, &diags);
    diags_fini(&diags);
    if (p->revoked_due)
        renew(p);
}

static uint64_t look(const struct process *p)
{
    return gw_watch_look(p->snapshot->files, p->snapshot->n_files);
}

static bool same_files(const struct gw_snapshot *a, const struct gw_snapshot *b)
{
    for (size_t i = 0; i < a->n_files && i < b->n_files; i++)
        if (strcmp(a->files[i], b->files[i]) != 0)
            return false;
    return a->n_files == b->n_files;
}

static void reload(struct process *p, const char *why)
{
    // From before anything is read: what changes while it is being read is read again. A refused file is not, before it changes.
    p->look = look(p);
    struct diags diags;
    diags_init(&diags);
    int64_t now_s = clock_read().wall_ms / 1000;
    struct gw_snapshot *fresh = gw_snapshot_load(p->path, p->snapshot->generation + 1, now_s, &diags);
    print_diags(p, &diags);
    diags_fini(&diags);
    diags_init(&diags);
    bool taken = fresh && gw_fixed_roles(p->snapshot->config, fresh->config, &diags) &&
                 refresh_revocations(p, fresh->config, true, &diags);
    if (fresh) {
        print_diags(p, &diags);
        diags_fini(&diags);
        diags_init(&diags);
    }
    if (!taken) {
        gw_snapshot_unref(fresh);
        fresh = NULL;
        refresh_revocations(p, p->snapshot->config, false, &diags);
    }
    if (fresh) {
        gw_fixed_warn(&p->log, p->snapshot->config, fresh->config);
        bool same = same_files(p->snapshot, fresh);
        gw_snapshot_unref(p->snapshot);
        p->snapshot = fresh;
        p->control.now = clock_read();
        if (!gw_issuer_keys_adopt(p->issuer_keys, fresh))
            log_error(&p->log, "out of memory: the keys of some issuers are not fetched");
        gw_follower_adopt(p->follower, fresh);
        if (!same)
            p->look = look(p);
        p->reloads_ok++;
        set_log(p);
        log_info(&p->log, "%s: configuration %llu is in force", why, (unsigned long long)fresh->generation);
    } else {
        p->reloads_failed++;
        log_error(&p->log,
                  "%s: the configuration was refused, number %llu stays in force; revocations, CRLs and removals were "
                  "applied",
                  why, (unsigned long long)p->snapshot->generation);
    }
    diags_fini(&diags);
    publish(p, fresh != NULL);
}

// How often revocations are read again although no file changed, so that keys which are still there do not count as stale.
static int64_t refresh_interval_ms(const struct process *p)
{
    int64_t shortest = INT64_MAX;
    for (size_t i = 0; i < p->snapshot->config->issuers_n; i++) {
        int64_t stale = p->snapshot->config->issuers[i].max_stale;
        bool in_file = p->snapshot->key_servers[i].n_endpoints == 0; // what is fetched has a time of its own
        if (in_file && stale > 0 && stale < shortest)
            shortest = stale;
    }
    const struct gw_config_api_keys *keys = &p->snapshot->config->api_keys;
    if (keys->present && keys->max_stale > 0 && keys->max_stale < shortest)
        shortest = keys->max_stale;
    return shortest == INT64_MAX ? INT64_MAX : shortest / 3 > WATCH_MS ? shortest / 3 : WATCH_MS;
}

// When API keys were last used, and how much of their quotas.
static void write_back(struct process *p, bool now)
{
    const char *what = gw_key_registry_flush(&p->keys, p->snapshot->config, p->revocations, clock_read().mono_ms, now);
    if (what)
        log_warn(&p->log, "%s: the use of API keys cannot be written back: %s", p->snapshot->config->api_keys.file.v.p,
                 what);
}

static void on_watch(uv_timer_t *t)
{
    struct process *p = t->data;
    write_back(p, false);
    if (look(p) != p->look) {
        reload(p, "a file changed");
        return;
    }
    int64_t interval = refresh_interval_ms(p);
    if (gw_key_registry_changed(&p->keys, p->snapshot->config, p->revocations) ||
        (interval != INT64_MAX && clock_read().mono_ms - p->refreshed_ms >= interval)) {
        struct diags diags;
        diags_init(&diags);
        if (refresh_revocations(p, p->snapshot->config, false, &diags))
            publish(p, false);
        print_diags(p, &diags);
        diags_fini(&diags);
    }
}

// -------------------------------------------------------------------------------------------------- what operators see

// When the first of the process's own certificates ends; 0: it has none.
static int64_t first_end(const struct gw_snapshot *s)
{
    int64_t a = s->certificate_not_after_s, b = s->authority.certificate_not_after_s;
    return a != 0 && (b == 0 || a < b) ? a : b;
}

static void describe(void *ctx, struct gw_operations_state *state)
{
    struct process *p = ctx;
    const struct gw_readiness readiness = {
        .snapshot = p->snapshot,
        .revocations = p->revocations,
        .audit = p->shared.audit,
        .revoked = p->revoked,
        .issuer_keys = p->issuer_keys,
        .follower = p->follower,
        .draining = p->draining,
    };
    size_t n_issuers = gw_issuer_keys_count(p->issuer_keys, p->issuer_rows, ISSUER_ROWS);
    state->loops = p->metrics;
    state->n_loops = p->n_metrics;
    state->not_ready = gw_not_ready(&readiness, clock_read().wall_ms / 1000, p->not_ready);
    if (span_is_none(state->not_ready) && p->authority)
        state->not_ready = gw_authority_server_fault(p->authority, clock_read().mono_ms);
    state->process = (struct gw_metrics_state){
        .loops = p->n_loops,
        .configuration_generation = p->snapshot->generation,
        .revocation_generation = p->revocations->generation,
        .reloads_ok = p->reloads_ok,
        .reloads_failed = p->reloads_failed,
        .replay_entries = pki_replay_count(p->shared.replay),
        .replay_capacity = pki_replay_capacity(p->shared.replay),
        .audit_dropped = gw_audit_dropped(p->shared.audit),
        .certificate_expires_s = first_end(p->snapshot),
        .start_s = p->start_s,
        .ready = span_is_none(state->not_ready),
        .issuers = p->issuer_rows,
        .n_issuers = n_issuers < ISSUER_ROWS ? n_issuers : ISSUER_ROWS,
    };
    gw_follower_describe(p->follower, &state->process.feed);
}

// -------------------------------------------------------------------------------------------------------- the end

static void on_deadline(uv_timer_t *t)
{
    struct process *p = t->data;
    log_warn(&p->log, "the drain took too long; what is left is cut");
    uv_stop(&p->uv);
}

static void on_drained(uv_async_t *a)
{
    struct process *p = a->data;
    size_t n = 0;
    for (size_t i = 0; i < p->n_loops; i++)
        n += atomic_load(&p->loops[i].drained);
    if (n == p->n_loops && (!p->authority || atomic_load(&p->authority->drained)))
        uv_stop(&p->uv);
}

static void on_loop_drained(void *ctx)
{
    struct process *p = ctx;
    uv_async_send(&p->drained);
}

static void drain(struct process *p)
{
    if (p->draining) {
        uv_stop(&p->uv);
        return;
    }
    p->draining = true;
    log_info(&p->log, "draining: no new connections, present requests end");
    for (size_t i = 0; i < p->n_loops; i++)
        gw_loop_drain(&p->loops[i]);
    if (p->authority)
        gw_authority_server_drain(p->authority);
    const struct gw_config_listener *listener = &p->snapshot->config->listener;
    uv_timer_start(&p->deadline, on_deadline, listener->present ? (uint64_t)listener->timeouts.drain : DRAIN_MS, 0);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct process *p = s->data;
    switch (number) {
    case SIGHUP: reload(p, "SIGHUP"); break;
    case SIGUSR1: gw_audit_reopen(p->shared.audit); break;
    default: drain(p); break;
    }
}

// -------------------------------------------------------------------------------------------------------- the start

static void harden(void)
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
static bool bind_one(struct process *p, const struct gw_config_text *address, bool reuse_port, int *fd)
{
    const char *what = "";
    struct diags diags;
    diags_init(&diags);
    int rc = gw_tcp_bind(address->v, reuse_port, fd, &what);
    if (rc != 0) {
        gw_config_error(p->snapshot->config, address->at, &diags, "%.*s %s; choose another or stop what listens there",
                        SPAN_FMT(address->v), what);
        print_diags(p, &diags);
    }
    diags_fini(&diags);
    return rc == 0;
}

static bool bind_listeners(struct process *p, int *fds)
{
    const struct gw_config_texts *addresses = &p->snapshot->config->listener.addresses;
    for (size_t a = 0; a < addresses->n; a++) {
        int probe;
        if (!bind_one(p, &addresses->v[a], false, &probe))
            return false;
        close(probe);
        for (size_t i = 0; i < p->n_loops; i++)
            if (!bind_one(p, &addresses->v[a], true, &fds[i * addresses->n + a]))
                return false;
    }
    const struct gw_config_texts *own = &p->snapshot->config->authority.addresses;
    for (size_t a = 0; a < own->n; a++)
        if (!bind_one(p, &own->v[a], false, &fds[p->n_loops * addresses->n + a]))
            return false;
    return true;
}

static bool make_shared(struct process *p)
{
    const struct gw_config *c = p->snapshot->config;
    pki_nonce_keys_init(&p->nonces, c->dpop.nonce_lifetime / NONCE_BUCKETS, c->dpop.nonce_lifetime);
    struct pki_replay_options replay = {
        .entries = (size_t)c->dpop.replay.capacity,
        .share_percent = c->dpop.replay.share_percent,
        .not_before_ms = p->open_ms,
    };
    p->shared = (struct gw_shared){
        .log = &p->log,
        .replay = pki_replay_new(&replay),
        .nonces = &p->nonces,
        .demands = pki_nonce_demands_new(),
        .tickets =
            gw_tls_ticket_keys_new((c->listener.present ? c->listener.tls : c->authority.tls).tickets.lifetime / 1000),
        .peers = gw_tls_peers_new(PEERS),
        .names = &p->names,
    };
    if (!p->shared.replay || !p->shared.demands || !p->shared.tickets || !p->shared.peers) {
        log_error(&p->log, "out of memory; lower dpop.replay.capacity");
        return false;
    }
    struct gw_audit_options audit = {
        .file = c->audit.file.v.p,
        .sync = c->audit.sync_request ? GW_AUDIT_SYNC_REQUEST : GW_AUDIT_SYNC_BATCH,
        .on_full = c->audit.drop_when_full ? GW_AUDIT_DROP : GW_AUDIT_REFUSE,
        .queue = (size_t)c->audit.queue,
        .interval_ms = c->audit.interval,
        .producers = (unsigned)p->n_loops + c->authority.present,
        .log = &p->log,
    };
    int rc = gw_audit_open(&audit, &p->shared.audit);
    if (rc != 0) {
        struct diags diags;
        diags_init(&diags);
        gw_config_error(c, c->audit.file.at, &diags, "%.*s: %s", SPAN_FMT(c->audit.file.v), strerror(-rc));
        print_diags(p, &diags);
        diags_fini(&diags);
    }
    return rc == 0;
}

// Proofs from before the start are refused, since nobody knows which were used (checklist 16), and a proof tells its time in whole
// seconds only. So the gateway opens on a full second: whoever meets it open can make a proof that counts.
static void await_full_second(struct process *p)
{
    p->open_ms = (clock_read().wall_ms / 1000 + 1) * 1000;
    for (int64_t left; (left = p->open_ms - clock_read().wall_ms) > 0;)
        uv_sleep((unsigned)left);
    p->start_s = p->open_ms / 1000;
}

static bool start_authority(struct process *p, const int *fds)
{
    struct diags diags;
    if (!p->snapshot->config->authority.present)
        return true;
    diags_init(&diags);
    p->authority = calloc(1, sizeof *p->authority);
    bool ok = p->authority &&
              gw_authority_server_init(p->authority, &p->shared, (unsigned)p->n_loops, fds,
                                       p->snapshot->config->authority.addresses.n, gw_snapshot_ref(p->snapshot),
                                       gw_revocations_ref(p->revocations), &diags) == 0;
    if (ok) {
        p->authority->on_drained = on_loop_drained;
        p->authority->ctx = p;
        p->metrics[p->n_metrics++] = &p->authority->metrics;
        ok = gw_authority_server_start(p->authority) == 0;
    }
    print_diags(p, &diags);
    diags_fini(&diags);
    if (!ok)
        log_error(&p->log, "the authority could not be set up");
    return ok;
}

static bool start_loops(struct process *p)
{
    size_t n_addresses = p->snapshot->config->listener.addresses.n;
    size_t n_own = p->snapshot->config->authority.addresses.n;
    int *fds = calloc(p->n_loops * n_addresses + n_own + 1, sizeof *fds);
    p->loops = calloc(p->n_loops + 1, sizeof *p->loops);
    p->metrics = calloc(p->n_loops + 1, sizeof *p->metrics);
    bool ok = fds && p->loops && p->metrics && bind_listeners(p, fds);
    if (ok)
        await_full_second(p);
    ok = ok && make_shared(p);
    for (size_t i = 0; ok && i < p->n_loops; i++) {
        p->metrics[p->n_metrics++] = &p->loops[i].metrics;
        ok = gw_loop_init(&p->loops[i], &p->shared, (unsigned)i, p->n_loops, &fds[i * n_addresses], n_addresses,
                          gw_snapshot_ref(p->snapshot), gw_revocations_ref(p->revocations)) == 0;
        p->n_made += ok;
        p->loops[i].on_drained = on_loop_drained;
        p->loops[i].ctx = p;
        if (!ok)
            log_error(&p->log, "event loop %zu could not be set up", i);
    }
    for (size_t i = 0; ok && i < p->n_loops; i++)
        ok = gw_loop_start(&p->loops[i]) == 0;
    ok = ok && start_authority(p, fds + p->n_loops * n_addresses);
    free(fds);
    return ok;
}

static bool start_control(struct process *p)
{
    static const int numbers[] = { SIGHUP, SIGUSR1, SIGTERM, SIGINT };
    if (uv_loop_init(&p->uv) != 0 || gw_control_init(&p->control, &p->uv) != 0)
        return false;
    p->controls = true;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&p->uv, &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&p->uv, &p->watch);
    uv_timer_init(&p->uv, &p->revoked_watch);
    uv_timer_init(&p->uv, &p->deadline);
    uv_async_init(&p->uv, &p->drained, on_drained);
    uv_async_init(&p->uv, &p->rung, on_rung_here);
    p->watch.data = p->revoked_watch.data = p->deadline.data = p->drained.data = p->rung.data = p;
    uv_timer_start(&p->watch, on_watch, WATCH_MS, WATCH_MS);
    uv_timer_start(&p->revoked_watch, on_revoked_watch, REVOKED_MS, REVOKED_MS);
    gw_control_trust(&p->control, p->snapshot, p->revocations);
    if (!gw_issuer_keys_adopt(p->issuer_keys, p->snapshot))
        return false;
    gw_follower_adopt(p->follower, p->snapshot);
    const struct gw_config_operations *o = &p->snapshot->config->operations;
    if (!o->enabled)
        return true;
    int fd;
    p->operations.describe = describe;
    p->operations.ctx = p;
    return bind_one(p, &o->listen, false, &fd) && gw_operations_listen(&p->operations, &p->uv, fd) == 0;
}

static bool load(struct process *p)
{
    struct diags diags;
    diags_init(&diags);
    p->snapshot = gw_snapshot_load(p->path, 1, clock_read().wall_ms / 1000, &diags);
    p->revoked = gw_revoked_source_new(true);
    const struct gw_issuer_keys_options keys = {
        .ground = gw_control_ground(&p->control), .log = &p->log, .on_news = on_keys, .on_rung = on_rung, .ctx = p
    };
    p->issuer_keys = gw_issuer_keys_new(&keys);
    p->follower = gw_follower_new(&keys.ground, &p->log, &p->revocations);
    if (p->follower && p->revoked)
        gw_revoked_source_put_feed(p->revoked, NULL, gw_follower_fresh(p->follower));
    bool ok = p->snapshot && p->revoked && p->issuer_keys && p->follower &&
              refresh_revocations(p, p->snapshot->config, true, &diags) && diags.errors == 0;
    print_diags(p, &diags);
    diags_fini(&diags);
    return ok;
}

static void close_handle(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

// Also of a process that could not be started whole.
static void finish(struct process *p)
{
    for (size_t i = 0; i < p->n_made; i++)
        gw_loop_stop(&p->loops[i]);
    if (p->authority)
        gw_authority_server_stop(p->authority);
    if (p->snapshot && p->revocations)
        write_back(p, true);
    gw_key_registry_fini(&p->keys);
    uint64_t lost = gw_audit_close(p->shared.audit, AUDIT_PATIENCE_MS);
    if (lost > 0)
        log_error(&p->log, "%llu audit records could not be written", (unsigned long long)lost);
    for (size_t i = 0; i < p->n_made; i++)
        gw_loop_fini(&p->loops[i]);
    if (p->authority)
        gw_authority_server_fini(p->authority);
    gw_issuer_keys_free(p->issuer_keys);
    gw_follower_retire(p->follower);
    if (p->controls) {
        gw_operations_end(&p->operations);
        uv_walk(&p->uv, close_handle, NULL);
        uv_run(&p->uv, UV_RUN_DEFAULT);
        uv_loop_close(&p->uv);
        gw_control_fini(&p->control);
    }
    gw_follower_free(p->follower);
    gw_revocations_unref(p->revocations);
    gw_revoked_source_free(p->revoked);
    gw_snapshot_unref(p->snapshot);
    pki_replay_free(p->shared.replay);
    pki_nonce_demands_free(p->shared.demands);
    gw_tls_ticket_keys_free(p->shared.tickets);
    gw_tls_peers_free(p->shared.peers);
    free(p->loops);
    free(p->authority);
    free(p->metrics);
    gw_tls_process_fini();
}

int gw_process_run(const struct gw_process_options *options)
{
    struct process *p = calloc(1, sizeof *p);
    if (!p)
        return 1;
    p->path = options->config;
    p->log.sink = log_to_stderr;
    atomic_store(&p->log.level, LOG_INFO);
    harden();
    setenv("UV_THREADPOOL_SIZE", GW_LOOKUP_THREADS, 0); // an operator's own counts
    if (gw_tls_process_init() != 0) {
        free(p);
        return 1;
    }
    bool ok = load(p);
    if (ok) {
        // What changes from here on, while the gateway starts, is read again.
        p->look = look(p);
        set_log(p);
        if (p->snapshot->config->listener.present)
            p->n_loops = p->snapshot->config->loops > 0 ? p->snapshot->config->loops : gw_usable_cores();
        ok = start_control(p) && start_loops(p);
    }
    if (!ok) {
        finish(p);
        free(p);
        return 1;
    }
    const struct gw_config_texts *addresses = &p->snapshot->config->listener.addresses;
    for (size_t i = 0; i < addresses->n; i++)
        log_info(&p->log, "listening on %.*s with %zu loops", SPAN_FMT(addresses->v[i].v), p->n_loops);
    addresses = &p->snapshot->config->authority.addresses;
    for (size_t i = 0; i < addresses->n; i++)
        log_info(&p->log, "the authority is listening on %.*s", SPAN_FMT(addresses->v[i].v));
    uv_run(&p->uv, UV_RUN_DEFAULT);
    finish(p);
    log_info(&p->log, "stopped");
    free(p);
    return 0;
}
