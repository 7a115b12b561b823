// SPDX-License-Identifier: GPL-3.0-or-later
// What is in force: configuration, policies, revocations and keys are read here, put together as generations, and handed to every loop.
//
//   files ──────────────► snapshot ─────┐
//   revocations, feed ──► revocations ──┼──► publish ──► every loop, the authority, the main thread's own requests
//   fetched keys ───────► revocations ──┘
#include "gateway/config/modes.h"
#include "gateway/config/policy_load.h"
#include "gateway/config/routing.h"
#include "gateway/net/fixed.h"
#include "gateway/net/process_inside.h"
#include "gateway/net/watch.h"

#include <stdlib.h>
#include <string.h>

#define WATCH_MS 1000
#define REPLAY_TOLD_MS 60000 // between two lines about a full store of used proofs
#define REVOKED_MS 200 // revocations are in force within a second: this to notice, the rest to read a large registry

// ------------------------------------------------------------------------------------------------------ handed out

static struct gw_generation *generation(struct gw_process *p, bool snapshot)
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

static void publish(struct gw_process *p, bool snapshot)
{
    struct gw_generation *g;
    gw_control_trust(&p->control, p->snapshot, p->revocations);
    for (size_t i = 0; i < p->n_made; i++)
        if ((g = generation(p, snapshot)))
            gw_loop_adopt(&p->loops[i], g);
    if (p->authority && (g = generation(p, snapshot)))
        gw_authority_server_adopt(p->authority, g);
}

void gw_process_publish_directory(struct gw_process *p)
{
    struct gw_directory *all = gw_discovery_directory(p->discovery);
    for (size_t i = 0; all && i < p->n_made; i++) {
        struct gw_generation *g = calloc(1, sizeof *g);
        if (!g)
            break;
        g->directory = gw_directory_ref(all);
        gw_loop_adopt(&p->loops[i], g);
    }
    if (all)
        gw_surveyor_find(p->surveyor, all);
    if (all && !gw_prober_find(p->prober, all))
        log_error(&p->log, "out of memory: some endpoints of shards are not checked and count as ready");
    if (!all)
        log_error(&p->log, "out of memory: not every loop knows the newest endpoints of shards");
    gw_directory_unref(all);
}

void gw_process_publish_own(struct gw_process *p)
{
    for (size_t i = 0; i < p->n_made; i++) {
        struct gw_generation *g = calloc(1, sizeof *g);
        if (!g) {
            log_error(&p->log, "out of memory: not every loop has the listener's new certificate");
            break;
        }
        g->own = gw_own_certificate_ref(p->own);
        gw_loop_adopt(&p->loops[i], g);
    }
}

static void on_endpoints(void *ctx)
{
    gw_process_publish_directory(ctx);
}

bool gw_process_discover(struct gw_process *p)
{
    const struct gw_discovery_options options = { &p->uv, &p->log, on_endpoints, p };
    p->discovery = gw_discovery_new(&options);
    if (p->discovery)
        gw_discovery_adopt(p->discovery, p->snapshot);
    return p->discovery != NULL;
}

// Revocations take effect whatever becomes of the rest.
// Of a configuration that is not in force yet, `all`: only with every file it names. Else false, and the old ones stay.
static bool refresh_revocations(struct gw_process *p, const struct gw_config *config, bool all, struct diags *diags)
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
static void renew(struct gw_process *p)
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

// ------------------------------------------------------------------------------------------------ first, and again

static bool same_files(const struct gw_snapshot *a, const struct gw_snapshot *b)
{
    for (size_t i = 0; i < a->n_files && i < b->n_files; i++)
        if (strcmp(a->files[i], b->files[i]) != 0)
            return false;
    return a->n_files == b->n_files;
}

// Before anybody else sees the snapshot.
static void number(struct gw_process *p, struct gw_snapshot *s)
{
    s->limit_rows = gw_limit_rows_take(&p->limit_names, &s->config->limits, &s->arena);
    s->shard_rows = gw_shard_rows_take(&p->shard_names, s->config, &s->arena);
    if (s->policies)
        s->policy_rows = gw_policy_rows_take(&p->policy_rows, s->policies, &s->arena);
    if (s->authority.policies)
        s->authority.policy_rows = gw_policy_rows_take(&p->policy_rows, s->authority.policies, &s->arena);
}

// Before anybody else sees the snapshot, and after everything about it was found good.
static void keep_policies(struct gw_process *p, struct gw_snapshot *s)
{
    gw_policy_keep(&s->config->policy, s->policy_bundle, &p->log);
    gw_policy_keep(&s->config->authority.policy, s->authority.policy_bundle, &p->log);
}

static bool policies_follow(const struct gw_snapshot *now, const struct gw_snapshot *next, struct diags *diags)
{
    const struct gw_config *c = next->config;
    return gw_policy_follows(c, &now->config->policy, now->policy_bundle, &c->policy, next->policy_bundle, diags) &&
           gw_policy_follows(c, &now->config->authority.policy, now->authority.policy_bundle, &c->authority.policy,
                             next->authority.policy_bundle, diags);
}

uint64_t gw_process_look(const struct gw_process *p)
{
    return gw_watch_look(p->snapshot->files, p->snapshot->n_files);
}

void gw_process_reload(struct gw_process *p, const char *why)
{
    // From before anything is read: what changes while it is being read is read again. A refused file is not, before it changes.
    p->look = gw_process_look(p);
    struct diags diags;
    diags_init(&diags);
    int64_t now_s = clock_read().wall_ms / 1000;
    struct gw_snapshot *fresh = gw_snapshot_load(p->path, p->snapshot->generation + 1, now_s, &diags);
    gw_process_print(p, &diags);
    diags_fini(&diags);
    diags_init(&diags);
    bool taken = fresh && gw_fixed_roles(p->snapshot->config, fresh->config, &diags) &&
                 gw_config_hashes_follow(p->snapshot->config, fresh->config, &diags) &&
                 policies_follow(p->snapshot, fresh, &diags) && refresh_revocations(p, fresh->config, true, &diags);
    if (fresh) {
        gw_process_print(p, &diags);
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
        number(p, fresh);
        keep_policies(p, fresh);
        gw_snapshot_unref(p->snapshot);
        p->snapshot = fresh;
        p->control.now = clock_read();
        if (!gw_issuer_keys_adopt(p->issuer_keys, fresh))
            log_error(&p->log, "out of memory: the keys of some issuers are not fetched");
        gw_follower_adopt(p->follower, fresh);
        if (p->predecessor < 0 && !p->hands_over)
            gw_shipper_adopt(p->shipper, fresh);
        gw_exporter_adopt(p->exporter, fresh);
        if (!gw_prober_adopt(p->prober, fresh))
            log_error(&p->log, "out of memory: some endpoints of shards are not checked and count as ready");
        gw_surveyor_adopt(p->surveyor, fresh);
        gw_discovery_adopt(p->discovery, fresh);
        gw_process_publish_directory(p); // so that no request of the new snapshot finds its shard without endpoints
        if (!same)
            p->look = gw_process_look(p);
        p->reloads_ok++;
        gw_process_set_log(p);
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

static void on_keys(void *ctx)
{
    renew(ctx);
}

static void on_rung(void *ctx)
{
    struct gw_process *p = ctx;
    uv_async_send(&p->rung);
}

bool gw_process_load(struct gw_process *p)
{
    struct diags diags;
    diags_init(&diags);
    p->snapshot = gw_snapshot_start(p->path, clock_read().wall_ms / 1000, &diags);
    gw_policy_rows_init(&p->policy_rows);
    if (p->snapshot)
        number(p, p->snapshot);
    p->revoked = gw_revoked_source_new(true);
    const struct gw_issuer_keys_options keys = {
        .ground = gw_control_ground(&p->control), .log = &p->log, .on_news = on_keys, .on_rung = on_rung, .ctx = p
    };
    p->issuer_keys = gw_issuer_keys_new(&keys);
    p->follower = gw_follower_new(&keys.ground, &p->log, &p->revocations);
    p->shared.health = gw_health_board_new();
    p->prober = p->shared.health ? gw_prober_new(&keys.ground, &p->log, p->shared.health) : NULL;
    uint64_t key[2];
    pki_random(key, sizeof key);
    p->shared.sightings = gw_sightings_new(key);
    p->surveyor = p->shared.sightings ? gw_surveyor_new(&keys.ground, &p->log, p->shared.sightings) : NULL;
    if (p->follower && p->revoked)
        gw_revoked_source_put_feed(p->revoked, NULL, gw_follower_fresh(p->follower));
    bool ok = p->snapshot && p->revoked && p->issuer_keys && p->follower && p->prober && p->surveyor &&
              refresh_revocations(p, p->snapshot->config, true, &diags) && diags.errors == 0;
    gw_process_print(p, &diags);
    diags_fini(&diags);
    if (ok)
        keep_policies(p, p->snapshot);
    return ok;
}

// ------------------------------------------------------------------------------------------------- what is watched

static void on_rung_here(uv_async_t *a)
{
    struct gw_process *p = a->data;
    p->control.now = clock_read();
    gw_issuer_keys_rung(p->issuer_keys);
}

// The registry and the file of revocations, which do not wait for a reload.
static void on_revoked_watch(uv_timer_t *t)
{
    struct gw_process *p = t->data;
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
    gw_process_print(p, &diags);
    diags_fini(&diags);
    if (p->revoked_due)
        renew(p);
}

// How often revocations are read again although no file changed, so that keys which are still there do not count as stale.
static int64_t refresh_interval_ms(const struct gw_process *p)
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

void gw_process_write_back(struct gw_process *p, bool now)
{
    const char *what = gw_key_registry_flush(&p->keys, p->snapshot->config, p->revocations, clock_read().mono_ms, now);
    if (what)
        log_warn(&p->log, "%s: the use of API keys cannot be written back: %s", p->snapshot->config->api_keys.file.v.p,
                 what);
}

// The gates enforce by themselves; that they do so from now on is for people.
static void tell_ended_modes(struct gw_process *p)
{
    int64_t now_ms = clock_read().wall_ms;
    struct diags diags;
    diags_init(&diags);
    if (p->modes_ms > 0)
        gw_modes_warn_ended(p->snapshot->config, p->modes_ms, now_ms, &diags);
    p->modes_ms = now_ms;
    gw_process_print(p, &diags);
    diags_fini(&diags);
}

// A client sees 503 and a metric grows; whoever reads the log is to learn which bound it was, once a minute while it lasts.
static void tell_replay_full(struct gw_process *p)
{
    int64_t now_ms = clock_read().mono_ms;
    uint64_t refused = 0;
    for (size_t i = 0; i < p->n_metrics; i++)
        refused += atomic_load_explicit(&p->metrics[i]->refused[ERR_INDEX_REPLAY_FULL], memory_order_relaxed);
    if (refused == p->replay_refused || (p->replay_refused && now_ms - p->replay_told_ms < REPLAY_TOLD_MS))
        return;
    log_warn(
        &p->log,
        "dpop.replay: requests were refused with REPLAY_FULL (%llu): the store, or a workload's share of it, is full",
        (unsigned long long)(refused - p->replay_refused));
    p->replay_refused = refused;
    p->replay_told_ms = now_ms;
}

static void on_watch(uv_timer_t *t)
{
    struct gw_process *p = t->data;
    gw_process_write_back(p, false);
    tell_ended_modes(p);
    tell_replay_full(p);
    if (gw_process_look(p) != p->look) {
        gw_process_reload(p, "a file changed");
        return;
    }
    int64_t interval = refresh_interval_ms(p);
    if (gw_key_registry_changed(&p->keys, p->snapshot->config, p->revocations) ||
        (interval != INT64_MAX && clock_read().mono_ms - p->refreshed_ms >= interval)) {
        struct diags diags;
        diags_init(&diags);
        if (refresh_revocations(p, p->snapshot->config, false, &diags))
            publish(p, false);
        gw_process_print(p, &diags);
        diags_fini(&diags);
    }
}

void gw_process_watch(struct gw_process *p)
{
    uv_timer_init(&p->uv, &p->watch);
    uv_timer_init(&p->uv, &p->revoked_watch);
    uv_async_init(&p->uv, &p->rung, on_rung_here);
    p->watch.data = p->revoked_watch.data = p->rung.data = p;
    uv_timer_start(&p->watch, on_watch, WATCH_MS, WATCH_MS);
    uv_timer_start(&p->revoked_watch, on_revoked_watch, REVOKED_MS, REVOKED_MS);
}
