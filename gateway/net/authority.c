// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/authority.h"

#include "gateway/stages/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND_MS 1000
#define STORE_BUSY_MS 2000
#define PROOFS 4096
#define ASSERTIONS (1u << 18)
#define LOOK_MS 100     // whether something was revoked that followers wait for
#define FAILED_MS 10000 // how long after its last failure a store counts as failing

static const struct gw_config_timeouts timeouts = { .handshake = 10000, .header = 10000, .body = 30000, .idle = 75000 };

// ------------------------------------------------------------------------------------------------------ the visits

// What a record could not be written of is not begun: it might change something.
static bool can_record(const struct gw_authority_server *s)
{
    return !gw_audit_refuses(s->shared->audit);
}

static void note_store(struct gw_authority_server *s, const struct gw_visit *v)
{
    if (v->status >= 500 &&
        (v->record.err == ERR_STORE_FAILED || v->record.err == ERR_STORE_BUSY || v->record.err == ERR_HSM))
        atomic_store(&s->failed_ms, v->now.mono_ms);
}

static int on_visit(void *ctx, struct gw_visit *v)
{
    struct gw_authority_server *s = ctx;
    if (!can_record(s)) {
        gw_visit_problem(v, ERR_AUDIT_FULL);
        v->audited = false;
        return 0;
    }
    int rc = gw_authority_visit(&s->endpoints, v);
    if (rc != GW_VISIT_WAITS)
        note_store(s, v);
    return rc;
}

static int on_standing(void *ctx, const struct gw_tls_peer *peer)
{
    struct gw_authority_server *s = ctx;
    int64_t now_s = s->visitors.now.wall_ms / 1000;
    int rc = gw_tls_peer_recheck(peer, &s->trust, now_s);
    for (size_t i = 0; rc == 0 && i < GW_REVOKED_FROM_COUNT; i++)
        rc = pki_revoked_certificate(s->revocations->revoked[i], &peer->identity, now_s, NULL);
    return rc;
}

static int submit(struct gw_authority_server *s, bool written, const struct buf *line, uint64_t *ticket)
{
    int rc = written ? gw_audit_submit(s->shared->audit, s->producer, buf_span(line), ticket) : ERR_AUDIT_FULL;
    gw_count(&s->metrics, rc == 0 ? GW_METRIC_AUDIT_WRITTEN : GW_METRIC_AUDIT_REFUSED, 1);
    return rc;
}

static int on_record(void *ctx, const struct gw_visit *v, uint64_t *ticket)
{
    struct gw_authority_server *s = ctx;
    struct buf line;
    buf_init(&line, 0);
    int rc = submit(s, gw_audit_record_write(&v->record, &line), &line, ticket);
    buf_fini(&line);
    if (rc == 0 && !s->snapshot->config->audit.sync_request)
        *ticket = 0;
    return rc == 0 || !s->snapshot->config->audit.drop_when_full ? rc : 0;
}

static int on_recorded(void *ctx, uint64_t ticket)
{
    struct gw_authority_server *s = ctx;
    if (gw_audit_acked(s->shared->audit, s->producer) >= ticket)
        return 1;
    if (!gw_audit_failing(s->shared->audit))
        return 0;
    return s->snapshot->config->audit.drop_when_full ? 1 : ERR_AUDIT_FULL;
}

static void on_answered(void *ctx, const struct gw_visit *v)
{
    struct gw_authority_server *s = ctx;
    gw_count_visit(&s->metrics, v->endpoint, v->status);
    if (v->record.err != 0)
        gw_count_refused(&s->metrics, v->record.err);
}

static void on_handshake(void *ctx, const char *remote, int err, const char *detail, bool resumed)
{
    struct gw_authority_server *s = ctx;
    if (err == 0) {
        gw_count(&s->metrics, resumed ? GW_METRIC_HANDSHAKE_RESUMED : GW_METRIC_HANDSHAKE_FULL, 1);
        return;
    }
    gw_count_refused(&s->metrics, err);
    if (err == ERR_OVERLOADED)
        return; // a flood must not fill the log, too
    gw_count(&s->metrics, GW_METRIC_HANDSHAKE_REFUSED, 1);
    struct buf line;
    buf_init(&line, 0);
    submit(s, gw_account_handshake(s->visitors.now.wall_ms, remote, err, detail, &line), &line, NULL);
    buf_fini(&line);
}

static int on_enrol(void *ctx, struct gw_visit *v)
{
    struct gw_authority_server *s = ctx;
    if (!can_record(s)) {
        gw_visit_problem(v, ERR_AUDIT_FULL);
        v->audited = false;
        return 0;
    }
    int rc = gw_enrol_visit(&s->desk.endpoints, v);
    if (rc != GW_VISIT_WAITS)
        note_store(s, v);
    return rc;
}

static void on_idle(void *ctx)
{
    struct gw_authority_server *s = ctx;
    bool idle = s->visitors.draining && s->visitors.n_open == 0 &&
                (!s->desk.open || (s->desk.visitors.draining && s->desk.visitors.n_open == 0));
    if (idle && !atomic_exchange(&s->drained, true) && s->on_drained)
        s->on_drained(s->ctx);
}

static const struct gw_visitors_ops ops = { .visit = on_visit,
                                            .standing = on_standing,
                                            .record = on_record,
                                            .recorded = on_recorded,
                                            .answered = on_answered,
                                            .handshake = on_handshake,
                                            .on_idle = on_idle };
static const struct gw_visitors_ops enrol_ops = { .visit = on_enrol,
                                                  .standing = on_standing,
                                                  .record = on_record,
                                                  .recorded = on_recorded,
                                                  .answered = on_answered,
                                                  .handshake = on_handshake,
                                                  .on_idle = on_idle };

// -------------------------------------------------------------------------------------------------- the generations

static void set_present(struct gw_authority_server *s)
{
    s->trust = (struct gw_tls_trust){
        .trust = s->snapshot->trust,
        .revocation = s->revocations->certificates,
        .options = s->snapshot->verify,
        .trust_generation = (uint32_t)s->snapshot->generation,
        .revocation_generation = (uint32_t)s->revocations->generation,
    };
    s->endpoints.snapshot = s->snapshot;
    s->endpoints.metrics = &s->metrics;
    s->endpoints.revocations = s->revocations;
    s->visitors.target = &s->snapshot->authority.target;
    gw_enrol_desk_adopt(&s->desk, s->snapshot, s->revocations, &s->metrics);
}

// The reference is taken over. False: the old one stays.
static bool use_snapshot(struct gw_authority_server *s, struct gw_snapshot *snapshot, struct diags *diags)
{
    struct gw_tls_context *tls = snapshot->authority.config
                                     ? gw_snapshot_authority_tls(snapshot, s->shared->tickets, s->shared->peers,
                                                                 s->visitors.now.wall_ms / 1000, diags)
                                     : NULL;
    if (!tls) {
        gw_snapshot_unref(snapshot);
        return false;
    }
    gw_tls_context_unref(s->visitors.tls);
    s->visitors.tls = tls;
    struct gw_snapshot *old = s->snapshot;
    s->snapshot = snapshot;
    set_present(s);
    gw_snapshot_unref(old);
    return true;
}

static void take_up(struct gw_authority_server *s)
{
    struct gw_generation *g = atomic_exchange(&s->next, NULL);
    struct diags diags;
    if (!g)
        return;
    diags_init(&diags);
    struct gw_revocations *old = s->revocations;
    s->revocations = g->revocations;
    set_present(s);
    if (g->snapshot && !use_snapshot(s, g->snapshot, &diags))
        log_error(s->shared->log, "the authority could not take up the new configuration; the old one stays");
    gw_revocations_unref(old);
    diags_fini(&diags);
    free(g);
    gw_visitors_changed(&s->visitors);
    if (s->desk.open)
        gw_visitors_changed(&s->desk.visitors);
}

// ------------------------------------------------------------------------------------------------------- the thread

static void wake_up(struct gw_authority_server *s)
{
    s->visitors.now = s->desk.visitors.now = clock_read();
}

static void on_wake_up(struct gw_tcp_loop *tcp)
{
    wake_up((struct gw_authority_server *)((char *)tcp - offsetof(struct gw_authority_server, tcp)));
}

static int accept_one(void *ctx, struct gw_socket *socket, char remote[static GW_SOCKET_PEER])
{
    uv_stream_t *listener = ctx;
    int rc = gw_tcp_accept(listener->loop->data, listener, socket);
    if (rc == 0)
        gw_tcp_peer(socket, remote);
    return rc;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct gw_authority_server *s = listener->data;
    if (status != 0)
        return;
    wake_up(s);
    bool own = (uv_tcp_t *)listener < s->listeners + s->n_own;
    gw_visitor_new(own ? &s->visitors : &s->desk.visitors, accept_one, listener);
}

// Followers are not to wait for the control thread, which reads a large registry whole before it tells us: that takes longer than all the rest.
static void look_for_changes(struct gw_authority_server *s)
{
    bool changed = false;
    if (s->visitors.n_waiting == 0 || !s->endpoints.revoked || s->visitors.now.mono_ms < s->looked_ms + LOOK_MS)
        return;
    s->looked_ms = s->visitors.now.mono_ms;
    if (pki_revoked_store_changed(s->endpoints.revoked, &changed) == 0 && changed)
        gw_visitors_changed(&s->visitors);
}

static void on_tick(uv_timer_t *t)
{
    struct gw_authority_server *s = t->data;
    wake_up(s);
    gw_wheel_advance(&s->visitors.wheel, s->visitors.now.mono_ms);
    if (s->desk.open)
        gw_wheel_advance(&s->desk.visitors.wheel, s->visitors.now.mono_ms);
    look_for_changes(s);
}

// Another file in the registry's place, from a backup perhaps: followers are to hear of that one. While it cannot be opened nothing is confirmed.
static void look_at_registry(struct gw_authority_server *s)
{
    struct pki_revoked_store *fresh = NULL;
    const struct gw_config_text *path = &s->snapshot->config->revocations.store;
    if (!s->endpoints.revoked || span_is_none(path->v) || !pki_revoked_store_moved(s->endpoints.revoked))
        return;
    if (pki_revoked_store_open(path->v.p, STORE_BUSY_MS, &fresh) != 0) {
        pki_revoked_store_close(fresh);
        return; // the control thread says why it cannot be read
    }
    pki_revoked_store_close(s->endpoints.revoked);
    s->endpoints.revoked = fresh;
    log_warn(s->shared->log, "%s was replaced; the feed goes on with what is there now", path->v.p);
    gw_visitors_changed(&s->visitors);
}

static void on_second(uv_timer_t *t)
{
    struct gw_authority_server *s = t->data;
    wake_up(s);
    look_at_registry(s);
    gw_reviews_look(&s->desk.reviews);
    int rc = pki_signing_keys_look(s->endpoints.keys, s->visitors.now.wall_ms / 1000, NULL);
    const char *before = atomic_load(&s->keys_what);
    const char *what = rc == 0                ? NULL
                       : rc == ERR_STORE_BUSY ? "another process keeps the signing keys locked"
                       : rc == ERR_HSM        ? "the PKCS#11 token with the signing keys cannot be used"
                                              : "the signing keys cannot be looked after";
    atomic_store(&s->keys_what, what);
    if (what && !before)
        log_error(s->shared->log, "%s: %s: %s", s->snapshot->authority.keys_path, what,
                  pki_signing_keys_what(s->endpoints.keys));
    else if (before && !what)
        log_info(s->shared->log, "%s: the signing keys are looked after again", s->snapshot->authority.keys_path);
}

static void on_audit_progress(void *ctx)
{
    struct gw_authority_server *s = ctx;
    uv_async_send(&s->wake);
}

static void close_listeners(struct gw_authority_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        if (!uv_is_closing((uv_handle_t *)&s->listeners[i]))
            uv_close((uv_handle_t *)&s->listeners[i], NULL);
}

static void on_wake(uv_async_t *a)
{
    struct gw_authority_server *s = a->data;
    if (s->over)
        return;
    wake_up(s);
    take_up(s);
    gw_visitors_recorded(&s->visitors);
    if (s->desk.open)
        gw_visitors_recorded(&s->desk.visitors);
    if (atomic_load(&s->drain) && !s->visitors.draining) {
        close_listeners(s);
        if (s->desk.open)
            gw_visitors_drain(&s->desk.visitors);
        gw_visitors_drain(&s->visitors);
    }
    if (atomic_load(&s->stop))
        uv_stop(&s->uv);
}

static void close_stores(struct gw_authority_server *s)
{
    pki_signing_keys_close(s->endpoints.keys);
    pki_grants_close(s->endpoints.grants);
    pki_revoked_store_close(s->endpoints.revoked);
    pki_proof_cache_free(s->endpoints.proofs);
    pki_replay_free(s->endpoints.assertions);
    gw_authority_forget(&s->endpoints);
    s->endpoints = (struct gw_authority){ .keys = NULL };
}

static void run(void *ctx)
{
    struct gw_authority_server *s = ctx;
    if (s->started)
        uv_run(&s->uv, UV_RUN_DEFAULT);
    wake_up(s);
    close_listeners(s);
    gw_visitors_cut(&s->visitors);
    if (s->desk.open)
        gw_visitors_cut(&s->desk.visitors);
    gw_reviews_end(&s->desk.reviews);
    // Callbacks of what was closed run before the things they belong to are gone.
    uv_run(&s->uv, UV_RUN_NOWAIT);
    s->over = true;
    close_stores(s);
    gw_enrol_desk_close(&s->desk);
    gw_tls_context_unref(s->visitors.tls);
    s->visitors.tls = NULL;
    gw_snapshot_unref(s->snapshot);
    gw_revocations_unref(s->revocations);
    s->snapshot = NULL;
    s->revocations = NULL;
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->second, NULL);
    // The audit's thread still reports progress: what it wakes us with stays open until the end.
    uv_unref((uv_handle_t *)&s->wake);
    uv_run(&s->uv, UV_RUN_DEFAULT);
}

// -------------------------------------------------------------------------------------------------------- the start

static void store_failed(struct gw_authority_server *s, struct gw_config_place at, const char *path, const char *what,
                         struct diags *diags)
{
    gw_config_error(s->snapshot->config, at, diags, "%s: %s", path, what);
}

static int open_stores(struct gw_authority_server *s, struct diags *diags)
{
    const struct gw_snapshot_authority *a = &s->snapshot->authority;
    const struct gw_config_signing *signing = &a->config->signing;
    const struct gw_config_text *registry = &s->snapshot->config->revocations.store;
    struct gw_authority *e = &s->endpoints;
    struct pki_signing_options options = {
        .path = a->keys_path,
        .use = PKI_SIGNING_SERVE,
        .alg = signing->algorithm,
        .passphrase = a->passphrase,
        .pkcs11 = signing->pkcs11.v,
        .rotate_s = signing->rotate / 1000,
        .publish_s = signing->publish / 1000,
        .linger_s = a->config->lifetime / 1000,
    };
    if (mkdir(a->config->state.v.p, 0700) != 0 && errno != EEXIST) {
        store_failed(s, a->config->state.at, a->config->state.v.p, strerror(errno), diags);
        return ERR_INTERNAL;
    }
    int rc = pki_signing_keys_open(&options, s->visitors.now.wall_ms / 1000, &e->keys);
    if (rc != 0) {
        store_failed(s, a->config->state.at, a->keys_path, e->keys ? pki_signing_keys_what(e->keys) : "out of memory",
                     diags);
        return rc;
    }
    rc = pki_grants_open(a->grants_path, STORE_BUSY_MS, &e->grants);
    if (rc != 0) {
        store_failed(s, a->config->state.at, a->grants_path, e->grants ? pki_grants_what(e->grants) : "out of memory",
                     diags);
        return rc;
    }
    if (!span_is_none(registry->v)) {
        rc = pki_revoked_store_open(registry->v.p, STORE_BUSY_MS, &e->revoked);
        if (rc != 0) {
            store_failed(s, registry->at, registry->v.p,
                         e->revoked ? pki_revoked_store_what(e->revoked) : "out of memory", diags);
            return rc;
        }
    }
    e->proofs = pki_proof_cache_new(PROOFS, PROOFS * PKI_PROOF_HEADER_BYTES, 0);
    // What was used before the process began is not known. The process began with a full second.
    e->assertions = pki_replay_new(&(struct pki_replay_options){
        .entries = ASSERTIONS, .not_before_ms = s->visitors.now.wall_ms / SECOND_MS * SECOND_MS });
    e->replay = s->shared->replay;
    e->nonces = s->shared->nonces;
    return e->proofs && e->assertions ? 0 : ERR_NOMEM;
}

static int open_desk(struct gw_authority_server *s, struct diags *diags)
{
    struct gw_visitors *v = &s->desk.visitors;
    *v = (struct gw_visitors){
        .ops = &enrol_ops,
        .ctx = s,
        .now = s->visitors.now,
        .trust = &s->trust,
        .limits = gw_visitors_limits(),
        .timeouts = timeouts,
        .max_open = GW_AUTHORITY_OPEN,
        .max_waiting = GW_AUTHORITY_WAITING,
    };
    gw_wheel_init(&v->wheel, v->now.mono_ms);
    const struct gw_origin_ground ground = {
        gw_tcp_dialler(&s->tcp), &v->wheel, &v->now, &s->metrics, &s->trust, NULL
    };
    int rc = gw_enrol_desk_open(&s->desk, &ground, s->shared->log, s->snapshot, diags);
    s->desk.endpoints.revocations = s->revocations;
    s->desk.endpoints.metrics = &s->metrics;
    return rc;
}

static int listen_on(struct gw_authority_server *s, const int *fds, size_t n)
{
    s->listeners = calloc(n, sizeof *s->listeners);
    if (!s->listeners)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uv_tcp_init(&s->uv, &s->listeners[i]);
        s->listeners[i].data = s;
        s->n_listeners++;
        if (uv_tcp_open(&s->listeners[i], fds[i]) != 0 ||
            uv_listen((uv_stream_t *)&s->listeners[i], 512, on_connection) != 0)
            return ERR_INTERNAL;
    }
    return 0;
}

int gw_authority_server_init(struct gw_authority_server *s, const struct gw_shared *shared, unsigned producer,
                             const int *fds, size_t n_fds, struct gw_snapshot *snapshot,
                             struct gw_revocations *revocations, struct diags *diags)
{
    *s = (struct gw_authority_server){ .shared = shared, .producer = producer };
    s->visitors = (struct gw_visitors){
        .ops = &ops,
        .ctx = s,
        .trust = &s->trust,
        .limits = gw_visitors_limits(),
        .timeouts = timeouts,
        .max_open = GW_AUTHORITY_OPEN,
        .max_waiting = GW_AUTHORITY_WAITING,
    };
    wake_up(s);
    gw_wheel_init(&s->visitors.wheel, s->visitors.now.mono_ms);
    if (uv_loop_init(&s->uv) != 0)
        goto fail;
    if (gw_tcp_loop_init(&s->tcp, &s->uv) != 0) {
        uv_loop_close(&s->uv);
        goto fail;
    }
    s->made = true;
    s->tcp.on_wake = on_wake_up;
    uv_timer_init(&s->uv, &s->tick);
    uv_timer_init(&s->uv, &s->second);
    uv_async_init(&s->uv, &s->wake, on_wake);
    s->wake.data = s->tick.data = s->second.data = s;
    s->revocations = revocations;
    if (!use_snapshot(s, snapshot, diags))
        return ERR_CONFIG;
    int rc = open_stores(s, diags);
    if (rc == 0 && s->snapshot->authority.config->enrolment.present)
        rc = open_desk(s, diags);
    s->n_own = s->snapshot->authority.config->addresses.n;
    if (rc == 0)
        rc = listen_on(s, fds, n_fds);
    if (rc != 0)
        return rc; // without timers: what they look at is not there
    uv_timer_start(&s->tick, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
    uv_timer_start(&s->second, on_second, SECOND_MS, SECOND_MS);
    return 0;
fail:
    gw_snapshot_unref(snapshot);
    gw_revocations_unref(revocations);
    return ERR_NOMEM;
}

int gw_authority_server_start(struct gw_authority_server *s)
{
    gw_audit_listen(s->shared->audit, s->producer, on_audit_progress, s);
    s->started = true;
    if (uv_thread_create(&s->thread, run, s) == 0)
        return 0;
    s->started = false;
    return ERR_NOMEM;
}

void gw_authority_server_adopt(struct gw_authority_server *s, struct gw_generation *g)
{
    gw_generation_publish(&s->next, g);
    uv_async_send(&s->wake);
}

void gw_authority_server_drain(struct gw_authority_server *s)
{
    atomic_store(&s->drain, true);
    uv_async_send(&s->wake);
}

void gw_authority_server_stop(struct gw_authority_server *s)
{
    if (!s->made)
        return;
    if (s->started) {
        atomic_store(&s->stop, true);
        uv_async_send(&s->wake);
        uv_thread_join(&s->thread);
    } else {
        run(s);
    }
    gw_generation_free(atomic_exchange(&s->next, NULL));
}

static void close_handle(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void gw_authority_server_fini(struct gw_authority_server *s)
{
    if (!s->made)
        return;
    uv_walk(&s->uv, close_handle, NULL);
    uv_run(&s->uv, UV_RUN_DEFAULT);
    uv_loop_close(&s->uv);
    gw_tcp_loop_fini(&s->tcp);
    free(s->listeners);
    s->made = false;
}

struct span gw_authority_server_fault(struct gw_authority_server *s, int64_t mono_ms)
{
    const char *what = atomic_load(&s->keys_what);
    int64_t failed_ms = atomic_load(&s->failed_ms);
    if (what)
        return span_str(what);
    if (failed_ms != 0 && mono_ms - failed_ms < FAILED_MS)
        return SPAN("a store of the authority cannot be read or written");
    return SPAN_NONE;
}
