// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/connect.h"

#include "gateway/base/file.h"
#include "gateway/net/connect_place.h"
#include "gateway/net/control.h"
#include "gateway/net/enrolment.h"
#include "gateway/net/fixed.h"
#include "gateway/net/links.h"
#include "gateway/net/local.h"
#include "gateway/net/operations.h"
#include "gateway/net/privileges.h"
#include "gateway/net/process_inside.h"
#include "gateway/net/sandbox.h"
#include "gateway/net/spare.h"
#include "gateway/net/unix_socket.h"
#include "gateway/net/watch.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MS 1000
#define LISTENERS 16
#define FILES 64
#define BACKLOG 128
#define REST_S 10   // without a request, after which it counts as at rest
#define THREADS "2" // that resolve names: few names are asked for, and each thread costs memory

struct listener {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    char *path; // of a Unix socket, unlinked in the end; NULL: TCP
};

struct connect {
    const char *path;
    struct log log;
    struct gw_config *config; // as it was at the start: what is fixed until the next
    struct gw_connector connector;
    struct pki_key *key;
    struct gw_enrolment *enrolment; // NULL: the certificate is in files
    uv_loop_t uv;
    struct gw_control control;
    uv_signal_t signals[3];
    uv_timer_t watch, deadline;
    struct listener listeners[LISTENERS];
    size_t n_listeners;
    struct gw_operations_listener operations;
    struct gw_metrics *metrics[1];
    uint64_t generation, look, token_look;
    uint64_t strangers;    // of other users, at a Unix socket
    pthread_barrier_t met; // of the threads that resolve names
    uv_work_t sparing[2];
    uint64_t seen, spared_at; // requests: at the last look; when memory was given back last
    unsigned quiet_s;
    bool draining, controls, spared;
};

// `later`: what was in force before stays, so an error is no end, and certificates that end soon are what is renewed here all the time.
static void print(struct connect *c, const struct diags *diags, bool later)
{
    struct arena arena;
    arena_init(&arena, 0);
    for (const struct diag *d = diags->first; d; d = d->next)
        log_write(&c->log,
                  d->warning ? (later ? LOG_DEBUG : LOG_WARN)
                  : later    ? LOG_WARN
                             : LOG_ERROR,
                  "%.*s", SPAN_FMT(diag_format(&arena, d)));
    arena_fini(&arena);
}

// -------------------------------------------------------------------------------------------------- what is in force

static const struct gw_config_connect *in_force(const struct connect *c)
{
    const struct gw_connector *k = &c->connector;
    const struct gw_links *l = k->coming ? k->coming : k->links;
    return l ? l->snapshot->connect.config : &c->config->connect;
}

static uint64_t look_at_files(const struct connect *c)
{
    const char *files[FILES] = { c->path };
    size_t n = 1 + gw_connect_files(in_force(c), files + 1, FILES - 1);
    return gw_watch_look(files, n);
}

static void read_token(struct connect *c)
{
    const struct gw_config_text *file = &in_force(c)->token.file;
    struct buf content;
    if (span_is_none(file->v) || (!c->connector.links && !c->connector.coming))
        return;
    buf_init(&content, 0);
    int rc = file_read(file->v.p, GW_TOKEN_BYTES + 64, &content);
    if (rc != 0)
        log_warn(&c->log, "%s: %s", file->v.p, strerror(-rc));
    struct gw_links *both[] = { c->connector.links, c->connector.coming };
    for (size_t i = 0; rc == 0 && i < 2; i++)
        if (both[i] && (both[i] == c->connector.links || both[i] == c->connector.coming))
            gw_links_read_token(both[i], buf_span(&content));
    buf_wipe(&content);
}

static void look_at_token(struct connect *c)
{
    const struct gw_config_text *file = &in_force(c)->token.file;
    if (span_is_none(file->v))
        return;
    uint64_t look = gw_watch_look(&(const char *){ file->v.p }, 1);
    if (look == c->token_look)
        return;
    c->token_look = look;
    read_token(c);
}

static void warn_of_fixed(struct connect *c, const struct gw_config_connect *now)
{
    const struct gw_config_connect *then = &c->config->connect;
    bool same = then->listen.n == now->listen.n && then->connections == now->connections && then->buffer == now->buffer;
    for (size_t i = 0; same && i < now->listen.n; i++)
        same = span_eq(then->listen.v[i].v, now->listen.v[i].v);
    same = same && gw_fixed_same_enrol(&then->enrol, &now->enrol);
    if (!same)
        log_warn(&c->log, "%s: connect.listen, connections, buffer or enrol changed; it takes effect at the next start",
                 c->path);
}

static void keep_why(struct connect *c, const struct diags *diags)
{
    const struct diag *d = diags->first;
    while (d && d->warning)
        d = d->next;
    struct span why = d ? d->text : SPAN("out of memory");
    snprintf(c->connector.why, sizeof c->connector.why, "%.*s", SPAN_FMT(why));
}

// Reads configuration and certificate, and puts them into force. What cannot be used is said, and what was in force stays.
static void load(struct connect *c)
{
    struct diags diags;
    const struct gw_enrolled *enrolled = c->enrolment ? gw_enrolment_held(c->enrolment) : NULL;
    if (c->enrolment && !enrolled)
        return; // comes back with the certificate
    diags_init(&diags);
    int64_t now_s = c->control.now.wall_ms / 1000;
    struct gw_snapshot *s = gw_snapshot_load_enrolled(c->path, ++c->generation, enrolled, now_s, &diags);
    if (s && !s->connect.config) {
        diag_error(&diags, span_str(c->path), 0, 0, "'connect' was removed; restart the process");
        gw_snapshot_unref(s);
        s = NULL;
    }
    struct gw_links *l = s ? gw_links_new(&c->connector, s, &diags) : NULL;
    print(c, &diags, true);
    if (!l) {
        keep_why(c, &diags);
        log_warn(&c->log, "%s",
                 c->connector.links ? "what was read before stays in force"
                                    : "waiting for a certificate that can be used");
        diags_fini(&diags);
        return;
    }
    diags_fini(&diags);
    c->connector.why[0] = '\0';
    atomic_store(&c->log.level, (int)l->snapshot->config->log.level);
    warn_of_fixed(c, l->snapshot->connect.config);
    log_info(&c->log, "certificate taken up, good for %lld s",
             (long long)(l->snapshot->connect.certificate_not_after_s - now_s));
    gw_connector_adopt(&c->connector, l);
    c->token_look = 0;
    look_at_token(c);
}

static void on_certificate(void *ctx, const struct gw_enrolled *e)
{
    struct connect *c = ctx;
    log_info(&c->log, "enrolled as %s", e->spiffe_id);
    load(c);
}

static void on_not_enrolled(void *ctx, const char *what)
{
    struct connect *c = ctx;
    snprintf(c->connector.why, sizeof c->connector.why, "%s", what);
}

static bool enrol(struct connect *c)
{
    const struct gw_config_enrol *e = &c->config->connect.enrol;
    char what[GW_ENROLMENT_WHAT] = "";
    if (!e->present)
        return true;
    struct gw_enrolment_options options = { .ground = gw_control_ground(&c->control),
                                            .log = &c->log,
                                            .on_certificate = on_certificate,
                                            .on_failed = on_not_enrolled,
                                            .ctx = c };
    struct span dns[GW_ENROLMENT_DNS];
    gw_enrolment_configure(&options, e, dns);
    c->enrolment = gw_enrolment_new(&options, what, sizeof what);
    if (c->enrolment)
        gw_enrolment_start(c->enrolment);
    else
        log_error(&c->log, "connect.enrol: %s", what);
    return c->enrolment != NULL;
}

// When it can work for the first time, and later when nobody has asked anything for a while.
static void spare_at_rest(struct connect *c)
{
    uint64_t requests = c->connector.requests;
    bool works = span_is_none(gw_connector_missing(&c->connector));
    c->quiet_s = requests == c->seen ? c->quiet_s + 1 : 0;
    c->seen = requests;
    if (!works || (c->spared && (requests == c->spared_at || c->quiet_s < REST_S)))
        return;
    c->spared = true;
    c->spared_at = requests;
    gw_spare_program();
    log_debug(&c->log, "gave memory back");
}

static void on_watch(uv_timer_t *t)
{
    struct connect *c = t->data;
    c->control.now = clock_read();
    uint64_t look = look_at_files(c);
    if (look != c->look) {
        c->look = look; // before they are read: a change in between is seen the next time
        load(c);
    }
    look_at_token(c);
    gw_connector_progress(&c->connector); // the certificate in force may have ended
    spare_at_rest(c);
}

// ------------------------------------------------------------------------------------------------------- listeners

struct accepting {
    struct connect *c;
    struct listener *listener;
};

static int accept_one(void *ctx, struct gw_socket *s, char remote[static GW_SOCKET_PEER])
{
    const struct accepting *a = ctx;
    remote[0] = '\0';
    return gw_tcp_accept(&a->c->control.tcp, &a->listener->stream, s);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct connect *c = stream->data;
    struct accepting a = { c, (struct listener *)stream };
    if (status != 0)
        return;
    c->control.now = clock_read();
    struct gw_local *l = gw_local_new(&c->connector, accept_one, &a);
    if (!l || !a.listener->path || gw_unix_peer_is(gw_tcp_descriptor(&l->socket), geteuid()))
        return;
    gw_local_cut(l);
    if (c->strangers++ % 100 == 0)
        log_warn(&c->log, "%s: a process of another user was refused", a.listener->path);
}

// The path goes while somebody still listens there: as soon as nobody does, the next process may put its own there.
static void close_listeners(struct connect *c)
{
    for (size_t i = 0; i < c->n_listeners; i++) {
        struct listener *l = &c->listeners[i];
        if (l->path)
            unlink(l->path);
        free(l->path);
        l->path = NULL;
        if (!uv_is_closing((uv_handle_t *)&l->stream))
            uv_close((uv_handle_t *)&l->stream, NULL);
    }
}

static bool listen_on(struct connect *c, struct span address, struct gw_config_place at)
{
    struct listener *l = &c->listeners[c->n_listeners];
    const char *what = "";
    struct diags diags;
    int fd = -1;
    bool local = span_starts(address, SPAN("unix:"));
    char *path = local ? strndup(address.p + 5, address.n - 5) : NULL;
    int rc = local ? (path ? gw_unix_bind(path, &fd, &what) : -1) : gw_tcp_bind(address, false, &fd, &what);
    if (rc == 0) {
        if (local)
            uv_pipe_init(&c->uv, &l->pipe, 0);
        else
            uv_tcp_init(&c->uv, &l->tcp);
        l->stream.data = c;
        l->path = path;
        c->n_listeners++;
        rc = local ? uv_pipe_open(&l->pipe, fd) : uv_tcp_open(&l->tcp, fd);
        if (rc == 0)
            rc = uv_listen(&l->stream, BACKLOG, on_connection);
        if (rc != 0)
            what = uv_strerror(rc);
    } else {
        free(path);
    }
    if (rc == 0) {
        log_info(&c->log, "listening on %.*s", SPAN_FMT(address));
        return true;
    }
    diags_init(&diags);
    gw_config_error(c->config, at, &diags, "%.*s %s; choose another or stop what listens there", SPAN_FMT(address),
                    what);
    print(c, &diags, false);
    diags_fini(&diags);
    return false;
}

static const char *variable(const char *name)
{
    return getenv(name);
}

static bool listen_all(struct connect *c)
{
    const struct gw_config_connect *config = &c->config->connect;
    enum gw_place place = gw_place_find(variable, "/sys/class/net");
    if (place == GW_PLACE_POD_HOST_NETWORK && !config->host_network) {
        log_error(
            &c->log,
            "this pod is on the host's network: its loopback is the node's, and every such pod could speak as this "
            "workload; take hostNetwork away, or set connect.host_network: allow");
        return false;
    }
    if (config->listen.n == 0) {
        struct span address = gw_place_listen(place, variable, &c->config->arena);
        if (span_is_none(address))
            log_error(&c->log,
                      "connect.listen is not set, and neither is XDG_RUNTIME_DIR, where its socket would be; set one");
        return !span_is_none(address) && listen_on(c, address, config->at);
    }
    if (config->listen.n > LISTENERS) {
        log_error(&c->log, "connect.listen has more than %d addresses", LISTENERS);
        return false;
    }
    for (size_t i = 0; i < config->listen.n; i++) {
        const struct gw_config_text *t = &config->listen.v[i];
        if (!listen_on(c, t->v, t->at))
            return false;
        if (place != GW_PLACE_POD && !span_starts(t->v, SPAN("unix:")))
            log_warn(
                &c->log,
                "%.*s: every user and program of this machine can speak as this workload there; a unix: socket is for "
                "one user",
                SPAN_FMT(t->v));
    }
    return true;
}

// -------------------------------------------------------------------------------------------------- life of the process

static void describe(void *ctx, struct gw_operations_state *state)
{
    struct connect *c = ctx;
    state->loops = c->metrics;
    state->n_loops = 1;
    state->not_ready = c->draining ? SPAN("draining") : gw_connector_missing(&c->connector);
    const struct gw_links *l = c->connector.links;
    state->process.certificate_expires_s = l ? l->snapshot->connect.certificate_not_after_s : 0;
    state->process.ready = span_is_none(state->not_ready);
}

static bool serve_operations(struct connect *c)
{
    const struct gw_config_operations *o = &c->config->operations;
    const char *what = "";
    int fd;
    // Its default address is the gateway's, and pods are many on a machine: it is there when it was asked for.
    if (!o->enabled || o->listen.at.line == 0)
        return true;
    c->operations.describe = describe;
    c->operations.ctx = c;
    if (gw_tcp_bind(o->listen.v, false, &fd, &what) == 0 && gw_operations_listen(&c->operations, &c->uv, fd) == 0)
        return true;
    log_error(&c->log, "operations: %.*s %s", SPAN_FMT(o->listen.v), what);
    return false;
}

static void on_deadline(uv_timer_t *t)
{
    struct connect *c = t->data;
    log_warn(&c->log, "the drain took too long; what is left is cut");
    uv_stop(&c->uv);
}

static void on_idle(struct gw_connector *k)
{
    struct connect *c = k->owner;
    uv_stop(&c->uv);
}

static void drain(struct connect *c)
{
    if (c->draining) {
        uv_stop(&c->uv);
        return;
    }
    c->draining = true;
    log_info(&c->log, "draining: no new connections, present requests end");
    close_listeners(c);
    uv_timer_start(&c->deadline, on_deadline, (uint64_t)c->config->connect.drain, 0);
    gw_connector_drain(&c->connector);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct connect *c = s->data;
    c->control.now = clock_read();
    if (number == SIGHUP)
        load(c);
    else
        drain(c);
}

// Each thread takes one of these and waits for the other, so that no thread takes two.
static void spare_one(uv_work_t *w)
{
    struct connect *c = w->data;
    pthread_barrier_wait(&c->met);
    gw_spare_thread();
}

static void on_spared(uv_work_t *w, int status)
{
    (void)w;
    (void)status;
}

static void spare_threads(struct connect *c)
{
    const char *threads = getenv("UV_THREADPOOL_SIZE");
    size_t n = sizeof c->sparing / sizeof *c->sparing;
    gw_spare_thread();
    if (!threads || strcmp(threads, THREADS) != 0 || pthread_barrier_init(&c->met, NULL, (unsigned)n) != 0)
        return; // an operator's own number counts
    for (size_t i = 0; i < n; i++) {
        c->sparing[i].data = c;
        uv_queue_work(&c->uv, &c->sparing[i], spare_one, on_spared);
    }
}

// Listeners are bound and no thread was started: from here on nothing needs a capability. The filter is for all threads that come.
static bool confine(struct connect *c)
{
    int rc = gw_privileges_seal(c->config);
    if (rc != 0) {
        log_error(&c->log, "capabilities could not be given up: %s", strerror(-rc));
        return false;
    }
    if (c->config->process.unconfined || !gw_sandbox_possible())
        return true;
    rc = gw_sandbox_enter();
    if (rc != 0)
        log_error(&c->log, "the system call filter could not be set: %s; process.seccomp: off goes without",
                  strerror(-rc));
    return rc == 0;
}

static bool start(struct connect *c)
{
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };
    if (uv_loop_init(&c->uv) != 0 || gw_control_init(&c->control, &c->uv) != 0)
        return false;
    c->controls = true;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&c->uv, &c->signals[i]);
        c->signals[i].data = c;
        uv_signal_start(&c->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&c->uv, &c->watch);
    uv_timer_init(&c->uv, &c->deadline);
    c->watch.data = c->deadline.data = c;
    c->metrics[0] = &c->control.metrics;
    c->connector = (struct gw_connector){
        .log = &c->log,
        .ground = gw_control_ground(&c->control),
        .key = c->key,
        .wait_ms = c->config->connect.wait,
        .max_locals = (size_t)c->config->connect.connections,
        .buffer = (size_t)c->config->connect.buffer,
        .on_idle = on_idle,
        .owner = c,
    };
    if (!listen_all(c) || !serve_operations(c) || !confine(c))
        return false;
    spare_threads(c);
    c->look = look_at_files(c);
    if (!enrol(c))
        return false;
    if (!c->enrolment)
        load(c);
    uv_timer_start(&c->watch, on_watch, WATCH_MS, WATCH_MS);
    return true;
}

static bool read_config(struct connect *c)
{
    struct diags diags;
    diags_init(&diags);
    bool ok = gw_config_load(c->path, &c->config, &diags) == 0;
    if (ok && !c->config->connect.present) {
        diag_error(&diags, span_str(c->path), 0, 0,
                   "there is no 'connect:' in this file; add it (docs/connect.md), or use `sallyport run`");
        ok = false;
    }
    // Before anything else is read: what this user may not read shows now. Memory is not locked: it would all stay resident.
    ok = ok && gw_privileges_drop(c->config, &diags) == 0;
    print(c, &diags, false);
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
static void finish(struct connect *c)
{
    if (c->controls) {
        c->connector.on_idle = NULL;
        gw_connector_cut(&c->connector);
        gw_enrolment_free(c->enrolment);
        gw_operations_end(&c->operations);
        close_listeners(c);
        uv_run(&c->uv, UV_RUN_NOWAIT); // what was closed says so before what it belongs to is gone
        uv_walk(&c->uv, close_handle, NULL);
        uv_run(&c->uv, UV_RUN_DEFAULT);
        uv_loop_close(&c->uv);
        gw_control_fini(&c->control);
    }
    pki_key_free(c->key);
    gw_config_free(c->config);
    gw_tls_process_fini();
}

int gw_connect_run(const struct gw_connect_options *options)
{
    struct connect *c = calloc(1, sizeof *c);
    if (!c)
        return 1;
    c->path = options->config;
    c->log.sink = log_to_stderr;
    atomic_store(&c->log.level, LOG_INFO);
    gw_process_harden();
    setenv("UV_THREADPOOL_SIZE", THREADS, 0);
    mallopt(M_ARENA_MAX, 1); // one thread allocates; those that resolve names need no memory of their own kept for them
    if (gw_tls_process_init() != 0) {
        log_error(&c->log, "the cryptographic library does not work on this machine");
        free(c);
        return 1;
    }
    bool ok = read_config(c);
    if (ok) {
        atomic_store(&c->log.level, (int)c->config->log.level);
        c->log.json = c->config->log.json;
        c->key = pki_key_generate(PKI_KEY_P256, 0);
        ok = c->key && start(c);
    }
    if (ok)
        uv_run(&c->uv, UV_RUN_DEFAULT);
    finish(c);
    if (ok)
        log_info(&c->log, "stopped");
    free(c);
    return ok ? 0 : 1;
}
