// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/process.h"

#include "gateway/config/policy_bundle.h"
#include "gateway/net/cores.h"
#include "gateway/net/lookup.h"
#include "gateway/net/notify.h"
#include "gateway/net/privileges.h"
#include "gateway/net/process_inside.h"
#include "gateway/net/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void gw_process_print(struct gw_process *p, const struct diags *diags)
{
    struct arena arena;
    arena_init(&arena, 0);
    for (const struct diag *d = diags->first; d; d = d->next)
        log_write(&p->log, d->warning ? LOG_WARN : LOG_ERROR, "%.*s", SPAN_FMT(diag_format(&arena, d)));
    if (diags->dropped > 0)
        log_error(&p->log, "and %zu more", diags->dropped);
    arena_fini(&arena);
}

void gw_process_set_log(struct gw_process *p)
{
    atomic_store(&p->log.level, (int)p->snapshot->config->log.level);
    p->log.json = p->snapshot->config->log.json;
}

// ---------------------------------------------------------------------------------------------- what operators see

// When the first of the process's own certificates ends; 0: it has none.
static int64_t first_end(const struct gw_process *p)
{
    int64_t a = p->own ? p->own->e.not_after_s : p->snapshot->certificate_not_after_s;
    int64_t b = p->snapshot->authority.certificate_not_after_s;
    return a != 0 && (b == 0 || a < b) ? a : b;
}

static struct gw_bundle_state bundle_state(const char *role, const struct gw_policy_bundle *b)
{
    return b ? (struct gw_bundle_state){ role, b->manifest.version, b->last_good }
             : (struct gw_bundle_state){ .role = NULL };
}

struct span gw_process_not_ready(struct gw_process *p)
{
    const struct gw_readiness readiness = {
        .snapshot = p->snapshot,
        .own_not_after_s = p->own ? p->own->e.not_after_s : 0,
        .revocations = p->revocations,
        .audit = p->shared.audit,
        .revoked = p->revoked,
        .issuer_keys = p->issuer_keys,
        .follower = p->follower,
        .draining = p->draining,
    };
    struct clock_now now = clock_read();
    struct span why = gw_not_ready(&readiness, now.wall_ms / 1000, p->not_ready);
    return span_is_none(why) && p->authority ? gw_authority_server_fault(p->authority, now.mono_ms) : why;
}

static void describe(void *ctx, struct gw_operations_state *state)
{
    struct gw_process *p = ctx;
    size_t n_issuers = gw_issuer_keys_count(p->issuer_keys, p->issuer_rows, GW_PROCESS_ISSUER_ROWS);
    size_t n_endpoints = gw_prober_count(p->prober, p->endpoint_rows, GW_PROCESS_ENDPOINT_ROWS);
    state->loops = p->metrics;
    state->n_loops = p->n_metrics;
    state->not_ready = gw_process_not_ready(p);
    state->process = (struct gw_metrics_state){
        .loops = p->n_loops,
        .configuration_generation = p->snapshot->generation,
        .revocation_generation = p->revocations->generation,
        .reloads_ok = p->reloads_ok,
        .reloads_failed = p->reloads_failed,
        .replay_entries = pki_replay_count(p->shared.replay),
        .replay_capacity = pki_replay_capacity(p->shared.replay),
        .audit_dropped = gw_audit_dropped(p->shared.audit),
        .audit_failing = gw_audit_failing(p->shared.audit),
        .certificate_expires_s = first_end(p),
        .start_s = p->start_s,
        .ready = span_is_none(state->not_ready),
        .policies = &p->policy_rows,
        .limits = &p->limit_names,
        .shard_names = &p->shard_names,
        .limit_buckets = p->shared.quota ? gw_quota_buckets(p->shared.quota) : 0,
        .limit_buckets_used = p->shared.quota ? gw_quota_used(p->shared.quota) : 0,
        .bundles = { bundle_state("gateway", p->snapshot->policy_bundle),
                     bundle_state("authority", p->snapshot->authority.policy_bundle) },
        .issuers = p->issuer_rows,
        .shards = p->shard_rows,
        .n_shards = gw_discovery_describe(p->discovery, p->shard_rows, GW_PLACEMENT_SHARDS_MAX),
        .n_issuers = n_issuers < GW_PROCESS_ISSUER_ROWS ? n_issuers : GW_PROCESS_ISSUER_ROWS,
        .endpoints = p->endpoint_rows,
        .n_endpoints = n_endpoints < GW_PROCESS_ENDPOINT_ROWS ? n_endpoints : GW_PROCESS_ENDPOINT_ROWS,
        .surveys = p->survey_rows,
        .n_surveys = gw_surveyor_count(p->surveyor, p->survey_rows, GW_PLACEMENT_SHARDS_MAX),
    };
    gw_exporter_count(p->exporter, &state->process.spans_taken, &state->process.spans_lost);
    gw_surveyor_totals(p->surveyor, &state->process.surveyor);
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        state->process.gates[g].observers = gw_gate_observers(p->snapshot->config, (enum gw_gate)g,
                                                              clock_read().wall_ms, &state->process.gates[g].until_ms);
    gw_follower_describe(p->follower, &state->process.feed);
}

// ------------------------------------------------------------------------------------------------- the main thread

// Between debug and what the configuration says. A line tells of it whatever the level is.
static void turn_log(struct gw_process *p)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
    };
    int configured = (int)p->snapshot->config->log.level;
    bool up = atomic_load(&p->log.level) == configured;
    atomic_store(&p->log.level, LOG_DEBUG);
    if (up) {
        log_write(&p->log, LOG_ERROR, "SIGUSR2: the log's level is debug, until SIGUSR2 comes again or a reload");
        return;
    }
    log_write(&p->log, LOG_ERROR, "SIGUSR2: the log's level is %s again", names[configured]);
    atomic_store(&p->log.level, configured);
}

static void reopen_audit(struct gw_process *p)
{
    if (p->shared.audit) // not before this process has taken over
        gw_audit_reopen(p->shared.audit);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct gw_process *p = s->data;
    switch (number) {
    case SIGHUP:
        gw_process_reload(p, "SIGHUP");
        reopen_audit(p); // only where the file was moved away
        break;
    case SIGUSR1: reopen_audit(p); break;
    case SIGUSR2: turn_log(p); break;
    default:
        // The first one says no more than what the next process has said already.
        if (!p->hands_over || p->told)
            gw_process_drain(p);
        p->told = true;
        break;
    }
}

static bool start_control(struct gw_process *p)
{
    static const int numbers[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };
    if (uv_loop_init(&p->uv) != 0 || gw_control_init(&p->control, &p->uv) != 0)
        return false;
    p->controls = true;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(&p->uv, &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
    gw_process_watch(p);
    gw_process_await_end(p);
    gw_control_trust(&p->control, p->snapshot, p->revocations);
    if (!gw_issuer_keys_adopt(p->issuer_keys, p->snapshot))
        return false;
    gw_follower_adopt(p->follower, p->snapshot);
    if (!gw_process_discover(p) || !gw_prober_adopt(p->prober, p->snapshot))
        return false;
    gw_surveyor_adopt(p->surveyor, p->snapshot);
    return gw_process_enrol(p);
}

static bool start_operations(struct gw_process *p)
{
    p->operations.describe = describe;
    p->operations.ctx = p;
    for (size_t i = 0; i < p->n_sockets; i++)
        if (p->sockets[i].of == GW_HANDOVER_OPERATIONS)
            return gw_operations_listen(&p->operations, &p->uv, p->sockets[i].fd) == 0;
    return true;
}

// Who the process is comes before all that it reads: what this user may not read shows now, and not at a reload.
static bool give_up_privileges(struct gw_process *p)
{
    struct gw_config *c = NULL;
    struct diags read, given;
    diags_init(&read);
    diags_init(&given);
    int rc = gw_config_load(p->path, &c, &read);
    if (rc != 0)
        gw_process_print(p, &read); // its warnings come again when it is loaded whole
    if (rc == 0)
        rc = gw_privileges_drop(c, &given);
    if (rc == 0)
        rc = gw_privileges_lock(c, &p->log, &given);
    gw_process_print(p, &given);
    if (rc == 0 && !gw_process_enrol_first(p, c))
        rc = ERR_CONFIG;
    gw_config_free(c);
    diags_fini(&read);
    diags_fini(&given);
    return rc == 0;
}

// The listeners are bound and no thread was started: from here on there is nothing that needs a capability.
static bool seal(struct gw_process *p)
{
    int rc = gw_privileges_seal(p->snapshot->config);
    if (rc != 0)
        log_error(&p->log, "capabilities could not be given up: %s", strerror(-rc));
    return rc == 0;
}

static bool enter_sandbox(struct gw_process *p)
{
    if (p->snapshot->config->process.unconfined)
        return true;
    int rc = gw_sandbox_enter();
    if (rc == -ENOSYS && !gw_sandbox_possible())
        return true;
    if (rc != 0)
        log_error(&p->log, "the system call filter could not be set: %s; process.seccomp: off goes without",
                  strerror(-rc));
    return rc == 0;
}

int gw_process_run(const struct gw_process_options *options)
{
    struct gw_process *p = calloc(1, sizeof *p);
    if (!p)
        return 1;
    p->path = options->config;
    p->log.sink = log_to_stderr;
    atomic_store(&p->log.level, LOG_INFO);
    gw_process_harden();
    setenv("UV_THREADPOOL_SIZE", GW_LOOKUP_THREADS, 0); // an operator's own counts
    p->predecessor = p->successor = p->handover_fd = p->inherited.replay = -1;
    if (gw_tls_process_init() != 0 || !give_up_privileges(p)) {
        gw_own_certificate_unref(p->own);
        free(p);
        return 1;
    }
    bool ok = gw_process_load(p);
    if (ok && p->snapshot->config->connect.present) {
        log_error(&p->log, "%s: this is a file of the connect role; use `sallyport connect --config %s`", p->path,
                  p->path);
        ok = false;
    }
    if (ok) {
        // What changes from here on, while the gateway starts, is read again.
        p->look = gw_process_look(p);
        gw_process_set_log(p);
        if (p->snapshot->config->listener.present)
            p->n_loops = p->snapshot->config->loops > 0 ? p->snapshot->config->loops : gw_usable_cores();
        ok = (!options->take_over || gw_process_inherit(p)) && gw_process_listen(p) && seal(p) && start_control(p) &&
             (!p->takes_over || gw_process_relieve(p)) && gw_process_start(p) && start_operations(p);
        if (ok) {
            gw_process_up(p);
            gw_process_await_next(p);
        }
        ok = ok && enter_sandbox(p);
    }
    if (!ok) {
        gw_process_finish(p);
        free(p);
        return 1;
    }
    const struct gw_config_texts *addresses = &p->snapshot->config->listener.addresses;
    for (size_t i = 0; i < addresses->n; i++)
        log_info(&p->log, "listening on %.*s with %zu loops", SPAN_FMT(addresses->v[i].v), p->n_loops);
    addresses = &p->snapshot->config->authority.addresses;
    for (size_t i = 0; i < addresses->n; i++)
        log_info(&p->log, "the authority is listening on %.*s", SPAN_FMT(addresses->v[i].v));
    addresses = &p->snapshot->config->authority.enrolment.addresses;
    for (size_t i = 0; i < addresses->n; i++)
        log_info(&p->log, "enrolment is listening on %.*s", SPAN_FMT(addresses->v[i].v));
    gw_notify("READY=1");
    uv_run(&p->uv, UV_RUN_DEFAULT);
    gw_process_finish(p);
    log_info(&p->log, "stopped");
    free(p);
    return 0;
}
