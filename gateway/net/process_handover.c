// SPDX-License-Identifier: GPL-3.0-or-later
// From one process to the next (handover.h): how this one takes over, and how it lets another one do so.
#include "gateway/net/process_inside.h"

#include <errno.h>
#include <stdlib.h>
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

// That the process before leaves.
static bool ask(struct gw_process *p)
{
    enum gw_handover_word word = GW_HANDOVER_WORDS;
    int rc = gw_handover_say(p->predecessor, GW_HANDOVER_GO);
    if (rc == 0)
        rc = gw_handover_hear(p->predecessor, &word);
    if (rc == 0 && word == GW_HANDOVER_GONE)
        return true;
    if (rc == -EPIPE || rc == -ECONNRESET) {
        // What it left of the audit log is gone on with, as after any other end.
        log_warn(&p->log, "the process before has ended by itself");
        close(p->predecessor);
        p->predecessor = -1;
        p->takes_over = false;
        return true;
    }
    log_error(&p->log, "the process before does not leave: %s", rc != 0 ? strerror(-rc) : "its log says why");
    return false;
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
    if (p->draining)
        log_error(&p->log, "told to end before it took over; the process before goes on");
    else if (!span_is_none(why))
        log_error(&p->log, "not ready to take over: %.*s; the process before goes on", SPAN_FMT(why));
    else
        return ask(p);
    return false;
}

void gw_process_up(struct gw_process *p)
{
    // Should it have ended, there is nobody to tell.
    if (p->predecessor >= 0)
        (void)gw_handover_say(p->predecessor, GW_HANDOVER_UP);
}

static void on_closed(uv_handle_t *h)
{
    free(h);
}

// A handle of its own each time: one that closes is the loop's until its next turn.
static int look_at(struct gw_process *p, int fd, int events, uv_poll_cb on_event, uv_poll_t **out)
{
    uv_poll_t *poll = calloc(1, sizeof *poll);
    int rc = poll ? uv_poll_init(&p->uv, poll, fd) : -ENOMEM;
    if (rc != 0) {
        free(poll);
        return rc;
    }
    poll->data = p;
    *out = poll;
    return uv_poll_start(poll, events, on_event);
}

static void look_away(uv_poll_t **poll)
{
    if (!*poll)
        return;
    uv_poll_stop(*poll);
    uv_close((uv_handle_t *)*poll, on_closed);
    *poll = NULL;
}

static void forget(int *fd, uv_poll_t **poll)
{
    look_away(poll);
    if (*fd >= 0)
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
    if (p->hands_over)
        gw_process_on_drained(p);
    else
        gw_shipper_adopt(p->shipper, p->snapshot);
}

void gw_process_await_end_of_predecessor(struct gw_process *p)
{
    // Nothing that it left is deleted meanwhile.
    gw_audit_need(p->shared.audit, p->snapshot->config->audit.http.present ? 1 : UINT32_MAX, false);
    if (look_at(p, p->predecessor, UV_READABLE | UV_DISCONNECT, on_before_ends, &p->before_ends) != 0)
        gw_shipper_adopt(p->shipper, p->snapshot);
}

// ----------------------------------------------------------------------------------------------------- to the next one

// The next one does not serve, and this one does.
static void dismiss(struct gw_process *p)
{
    // Or else it would take the end of the connection for that of this process.
    (void)gw_handover_say(p->successor, GW_HANDOVER_STAY);
    forget(&p->successor, &p->next_says);
    if (!p->left)
        return;
    p->left = false;
    gw_audit_come_back(p->shared.audit);
    gw_process_await_next(p);
}

static void leave(struct gw_process *p)
{
    int rc = gw_audit_leave(p->shared.audit, LEAVE_MS);
    if (rc != 0) {
        log_error(&p->log, "the audit file cannot be left to the next process: %s", strerror(-rc));
        dismiss(p);
        return;
    }
    // Whoever comes to the path from here on meets the next process.
    forget(&p->handover_fd, &p->next_comes);
    p->left = true;
    (void)gw_handover_say(p->successor, GW_HANDOVER_GONE);
}

static void hand_over(struct gw_process *p)
{
    p->left = false;
    p->hands_over = true;
    gw_shipper_retire(p->shipper);
    gw_operations_close(&p->operations);
    log_info(&p->log, "another process serves from now on");
    // Told to end before, it does so already, and not twice as fast.
    if (!p->draining)
        gw_process_drain(p);
    else
        gw_process_on_drained(p);
    // The end of this connection is the end of this process.
    look_away(&p->next_says);
}

static void on_next_says(uv_poll_t *h, int status, int events)
{
    struct gw_process *p = h->data;
    enum gw_handover_word word = GW_HANDOVER_WORDS;
    (void)events;
    int rc = status == 0 ? gw_handover_hear(p->successor, &word) : -ECONNRESET;
    if (rc == 0 && word == GW_HANDOVER_GO && !p->left) {
        leave(p);
    } else if (rc == 0 && word == GW_HANDOVER_UP && p->left) {
        hand_over(p);
    } else {
        log_warn(&p->log, rc == -ECONNRESET ? "the next process went away before it was ready; this one goes on"
                                            : "the next process does not speak as one; this one goes on");
        dismiss(p);
    }
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
    // What drains has nothing to give.
    if (p->draining) {
        close(peer);
        return;
    }
    // One at a time, and the last one counts: the one before may be stuck.
    if (p->successor >= 0) {
        log_warn(&p->log, "another process wants to take over; the one that came before it may not any more");
        dismiss(p);
    }
    p->successor = peer;
    if (!give(p) || look_at(p, peer, UV_READABLE | UV_DISCONNECT, on_next_says, &p->next_says) != 0)
        forget(&p->successor, &p->next_says);
}

void gw_process_await_next(struct gw_process *p)
{
    const char *path = path_of(p);
    int fd = -1, rc = path ? gw_handover_listen(path, &fd) : 0;
    if (rc == 0 && path)
        rc = look_at(p, fd, UV_READABLE, on_next_comes, &p->next_comes);
    if (rc != 0 && fd >= 0)
        forget(&fd, &p->next_comes);
    if (rc != 0)
        log_error(&p->log, "process.handover: %s: %s; no other process can take over from this one", path,
                  rc == -EADDRINUSE ? "another process is there; one path serves one gateway" : strerror(-rc));
    if (rc != 0 || !path)
        return;
    free(p->handover_path);
    p->handover_path = strdup(path);
    p->handover_fd = fd;
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
