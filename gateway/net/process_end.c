// SPDX-License-Identifier: GPL-3.0-or-later
// How the process goes down: drained first, then taken apart in the reverse of how it was put together.
#include "gateway/net/notify.h"
#include "gateway/net/process_inside.h"

#include <stdlib.h>

#define AUDIT_PATIENCE_MS 5000
#define DRAIN_MS 30000 // where there is no listener to say

static void on_deadline(uv_timer_t *t)
{
    struct gw_process *p = t->data;
    log_warn(&p->log, "the drain took too long; what is left is cut");
    uv_stop(&p->uv);
}

static void on_flushed(void *ctx)
{
    struct gw_process *p = ctx;
    uv_stop(&p->uv);
}

static void on_drained(uv_async_t *a)
{
    struct gw_process *p = a->data;
    size_t n = 0;
    for (size_t i = 0; i < p->n_made; i++)
        n += atomic_load(&p->loops[i].drained);
    // The next process takes this one's end for that of all who write audit files before it, so the one before ends first.
    if (n != p->n_made || (p->authority && !atomic_load(&p->authority->drained)) ||
        (p->hands_over && p->predecessor >= 0) || p->flushes)
        return;
    p->flushes = true;
    gw_exporter_flush(p->exporter, on_flushed, p);
}

void gw_process_on_drained(void *ctx)
{
    struct gw_process *p = ctx;
    uv_async_send(&p->drained);
}

void gw_process_await_end(struct gw_process *p)
{
    uv_timer_init(&p->uv, &p->deadline);
    uv_async_init(&p->uv, &p->drained, on_drained);
    p->deadline.data = p->drained.data = p;
}

void gw_process_drain(struct gw_process *p)
{
    if (p->draining) {
        uv_stop(&p->uv);
        return;
    }
    p->draining = true;
    log_info(&p->log, "draining: no new connections, present requests end");
    if (!p->hands_over)
        gw_notify("STOPPING=1");
    for (size_t i = 0; i < p->n_made; i++)
        gw_loop_drain(&p->loops[i]);
    if (p->authority)
        gw_authority_server_drain(p->authority);
    const struct gw_config_listener *listener = &p->snapshot->config->listener;
    uv_timer_start(&p->deadline, on_deadline, listener->present ? (uint64_t)listener->timeouts.drain : DRAIN_MS, 0);
}

static void close_handle(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

// Also of a process that could not be started whole.
void gw_process_finish(struct gw_process *p)
{
    for (size_t i = 0; i < p->n_made; i++)
        gw_loop_stop(&p->loops[i]);
    if (p->authority)
        gw_authority_server_stop(p->authority);
    if (p->snapshot && p->revocations)
        gw_process_write_back(p, true);
    gw_key_registry_fini(&p->keys);
    gw_shipper_retire(p->shipper);
    gw_exporter_retire(p->exporter);
    uint64_t lost = gw_audit_close(p->shared.audit, AUDIT_PATIENCE_MS);
    if (lost > 0)
        log_error(&p->log, "%llu audit records could not be written", (unsigned long long)lost);
    pki_key_free(p->audit_key);
    for (size_t i = 0; i < p->n_made; i++)
        gw_loop_fini(&p->loops[i]);
    if (p->authority)
        gw_authority_server_fini(p->authority);
    gw_enrolment_free(p->enrolment);
    gw_issuer_keys_free(p->issuer_keys);
    gw_follower_retire(p->follower);
    gw_discovery_retire(p->discovery);
    gw_prober_free(p->prober);
    gw_surveyor_free(p->surveyor);
    gw_process_forget_others(p);
    if (p->controls) {
        gw_operations_end(&p->operations);
        uv_walk(&p->uv, close_handle, NULL);
        uv_run(&p->uv, UV_RUN_DEFAULT);
        uv_loop_close(&p->uv);
        gw_control_fini(&p->control);
    }
    gw_follower_free(p->follower);
    gw_shipper_free(p->shipper);
    gw_exporter_free(p->exporter);
    gw_discovery_free(p->discovery);
    gw_revocations_unref(p->revocations);
    gw_revoked_source_free(p->revoked);
    gw_snapshot_unref(p->snapshot);
    gw_own_certificate_unref(p->own);
    gw_policy_rows_fini(&p->policy_rows);
    pki_replay_free(p->shared.replay);
    pki_nonce_demands_free(p->shared.demands);
    gw_quota_free(p->shared.quota);
    gw_failures_free(p->shared.failures);
    gw_tls_ticket_keys_free(p->shared.tickets);
    gw_tls_peers_free(p->shared.peers);
    gw_health_board_free(p->shared.health);
    gw_sightings_free(p->shared.sightings);
    for (size_t i = 0; i < p->n_sockets; i++)
        free(p->sockets[i].address);
    free(p->sockets);
    free(p->handover_path);
    free(p->loops);
    free(p->authority);
    free(p->metrics);
    gw_tls_process_fini();
}
