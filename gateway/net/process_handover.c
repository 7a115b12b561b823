// SPDX-License-Identifier: GPL-3.0-or-later
// From one process to the next (handover.h): how this one takes over, and how it lets another one do so.
#include "gateway/net/process_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READY_MS 60000 // for all that has to be fetched
#define LOOK_MS 20
#define LEAVE_MS 3000 // for the audit's disk

static const char *path_of(const struct gw_process *p)
{
    return p->snapshot->config->process.handover.v.p;
}

// ------------------------------------------------------------------------------------------------ from the one before

bool gw_process_inherit(struct gw_process *p)
{
    const char *path = path_of(p);
    if (!path) {
        log_error(&p->log, "--take-over: process.handover names no socket to take over by; set it, and start without "
                           "this option once");
        return false;
    }
    p->predecessor = gw_handover_connect(path);
    if (p->predecessor == -ENOENT) {
        log_info(&p->log, "no process listens at %s: there is nobody to take over from", path);
        p->predecessor = -1;
        return true;
    }
    int rc = p->predecessor < 0 ? p->predecessor : gw_handover_receive(p->predecessor, &p->inherited);
    if (rc != 0) {
        log_error(&p->log, "the process at %s gives nothing: %s", path,
                  rc == -EPROTO   ? "it is of a version that hands over in another way"
                  : rc == -EACCES ? "it is another user's"
                                  : strerror(-rc));
        return false;
    }
    p->takes_over = true;
    log_info(&p->log, "taking over %zu sockets from the process at %s", p->inherited.n, path);
    return true;
}

static void on_look(uv_timer_t *t)
{
    (void)t;
}

bool gw_process_relieve(struct gw_process *p)
{
    uv_timer_t look;
    int64_t until = clock_read().mono_ms + READY_MS;
    struct span why;
    uv_timer_init(&p->uv, &look);
    uv_timer_start(&look, on_look, LOOK_MS, LOOK_MS);
    while (why = gw_process_not_ready(p), !span_is_none(why) && !p->draining && clock_read().mono_ms < until)
        uv_run(&p->uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&look, NULL);
    uv_run(&p->uv, UV_RUN_NOWAIT);
    int rc = 0;
    if (p->draining)
        log_error(&p->log, "told to end before it took over; the process before goes on");
    else if (!span_is_none(why))
        log_error(&p->log, "not ready to take over: %.*s; the process before goes on", SPAN_FMT(why));
    else if ((rc = gw_handover_say(p->predecessor, SPAN("go"))) != 0 ||
             (rc = gw_handover_hear(p->predecessor, SPAN("gone"))) != 0)
        log_error(&p->log, "the process before does not leave: %s", strerror(-rc));
    else
        return true;
    return false;
}

static void forget(int *fd, uv_poll_t *poll)
{
    if (*fd < 0)
        return;
    // It may never have been looked at.
    if (poll->data && !uv_is_closing((uv_handle_t *)poll)) {
        uv_poll_stop(poll);
        uv_close((uv_handle_t *)poll, NULL);
    }
    close(*fd);
    *fd = -1;
}

static void on_before_ends(uv_poll_t *h, int status, int events)
{
    struct gw_process *p = h->data;
    (void)status;
    (void)events;
    forget(&p->predecessor, &p->before_ends);
    log_info(&p->log, "the process before has ended");
    gw_shipper_adopt(p->shipper, p->snapshot);
}

void gw_process_await_end_of_predecessor(struct gw_process *p)
{
    // Nothing that it left is deleted meanwhile.
    gw_audit_need(p->shared.audit, p->snapshot->config->audit.http.present ? 1 : UINT32_MAX, false);
    if (uv_poll_init(&p->uv, &p->before_ends, p->predecessor) != 0) {
        gw_shipper_adopt(p->shipper, p->snapshot);
        return;
    }
    p->before_ends.data = p;
    uv_poll_start(&p->before_ends, UV_READABLE | UV_DISCONNECT, on_before_ends);
}

// ----------------------------------------------------------------------------------------------------- to the next one

static void on_next_says(uv_poll_t *h, int status, int events)
{
    struct gw_process *p = h->data;
    (void)events;
    int rc = status == 0 ? gw_handover_hear(p->successor, SPAN("go")) : -ECONNRESET;
    if (rc == 0 && (rc = gw_audit_leave(p->shared.audit, LEAVE_MS)) != 0)
        log_error(&p->log, "the audit file cannot be left to the next process: %s", strerror(-rc));
    if (rc == -ECONNRESET)
        log_warn(&p->log, "the next process went away before it was ready; this one goes on");
    if (rc != 0) {
        forget(&p->successor, &p->next_says);
        return;
    }
    // Whoever comes to the path from here on meets the next process.
    forget(&p->handover_fd, &p->next_comes);
    p->hands_over = true;
    gw_shipper_retire(p->shipper);
    gw_operations_close(&p->operations);
    log_info(&p->log, "another process serves from now on");
    gw_process_drain(p);
    (void)gw_handover_say(p->successor, SPAN("gone"));
    // The end of this connection is the end of this process.
    uv_poll_stop(&p->next_says);
}

static bool give(struct gw_process *p)
{
    struct gw_handover_socket sockets[GW_HANDOVER_SOCKETS];
    struct gw_handover h = { .sockets = sockets,
                             .n = p->n_sockets,
                             .replay = pki_replay_fd(p->shared.replay),
                             .nonces = p->nonces,
                             .log = gw_audit_end(p->shared.audit) };
    if (p->n_sockets > GW_HANDOVER_SOCKETS)
        return false;
    for (size_t i = 0; i < p->n_sockets; i++)
        sockets[i] = (struct gw_handover_socket){ p->sockets[i].of, span_str(p->sockets[i].address), p->sockets[i].fd };
    int rc = gw_handover_send(p->successor, &h);
    if (rc != 0)
        log_warn(&p->log, "the next process could not be given what this one has: %s", strerror(-rc));
    return rc == 0;
}

static void on_next_comes(uv_poll_t *h, int status, int events)
{
    struct gw_process *p = h->data;
    (void)events;
    int peer = status == 0 ? gw_handover_accept(p->handover_fd) : status;
    if (peer == -EACCES)
        log_warn(&p->log, "somebody who is neither root nor this user wants to take over, and may not");
    if (peer < 0)
        return;
    // One at a time; what drains has nothing to give.
    if (p->successor >= 0 || p->draining) {
        close(peer);
        return;
    }
    p->successor = peer;
    if (!give(p) || uv_poll_init(&p->uv, &p->next_says, peer) != 0) {
        close(peer);
        p->successor = -1;
        return;
    }
    p->next_says.data = p;
    uv_poll_start(&p->next_says, UV_READABLE | UV_DISCONNECT, on_next_says);
}

void gw_process_await_next(struct gw_process *p)
{
    const char *path = path_of(p);
    int fd = -1, rc = path ? gw_handover_listen(path, &fd) : 0;
    if (rc == 0 && path)
        rc = uv_poll_init(&p->uv, &p->next_comes, fd);
    if (rc != 0 && fd >= 0)
        close(fd);
    if (rc != 0)
        log_error(&p->log, "process.handover: %s: %s; no other process can take over from this one", path,
                  rc == -EADDRINUSE ? "another process is there; one path serves one gateway" : strerror(-rc));
    if (rc != 0 || !path)
        return;
    p->handover_path = strdup(path);
    p->handover_fd = fd;
    p->next_comes.data = p;
    uv_poll_start(&p->next_comes, UV_READABLE, on_next_comes);
}

void gw_process_forget_others(struct gw_process *p)
{
    if (p->handover_fd >= 0 && p->handover_path)
        unlink(p->handover_path);
    forget(&p->handover_fd, &p->next_comes);
    forget(&p->successor, &p->next_says);
    forget(&p->predecessor, &p->before_ends);
    gw_handover_fini(&p->inherited);
}
