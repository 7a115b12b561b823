// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/relay.h"

#include "gateway/api/api.h"
#include "gateway/connect/caller.h"
#include "gateway/connect/explain.h"
#include "gateway/connect/outgoing.h"
#include "gateway/http/answer.h"
#include "pki/digest.h"

#include <stdlib.h>

#define ARENA_MAX (4u << 20)
#define PROBLEM_MAX (64u << 10)
#define UP_HIGH (64u << 10)
#define DISCARD_MAX (256u << 10)
#define HOPELESS 3 // attempts to get a token that failed in a row, after which nobody waits for one

static const struct gw_h1_limits limits = {
    .line = 16384,
    .header_bytes = 65536,
    .header_count = 200,
    .body = 0, // the gateway has a bound of its own
    .chunk_line = 256,
    .extensions = 16384,
    .trailer_bytes = 4096,
    .trailer_count = 16,
};

const struct gw_h1_limits *gw_relay_limits(void)
{
    return &limits;
}

static struct gw_connector *connector_of(const struct gw_relay *r)
{
    return r->local->connector;
}

// ---------------------------------------------------------------------------------------------------- being over

static void unlink_relay(struct gw_relay *r)
{
    if (r->link) {
        *r->link = r->next;
        if (r->next)
            r->next->link = r->link;
        r->link = NULL;
    }
    gw_deadline_remove(&r->patience);
}

void gw_relay_free(struct gw_relay *r)
{
    unlink_relay(r);
    gw_call_abort(&r->call);
    gw_links_unref(r->links);
    buf_wipe(&r->up);
    buf_fini(&r->kept);
    buf_fini(&r->problem);
    arena_fini(&r->arena);
    free(r);
}

// The answer is queued whole.
static void conclude(struct gw_relay *r)
{
    if (!r->whole && r->keep_alive) {
        r->state = GW_RELAY_DISCARD;
        return;
    }
    gw_local_done(r->local, !r->keep_alive);
}

static void answer(struct gw_relay *r, unsigned status, struct span body, struct span request_id,
                   unsigned retry_after_s, bool close)
{
    struct buf out;
    buf_init(&out, 0);
    struct gw_answer a = {
        .status = status,
        .content_type = SPAN("application/problem+json"),
        .body = body,
        .request_id = request_id,
        .dpop_nonce = SPAN_NONE,
        .retry_after_s = retry_after_s,
        .wall_ms = connector_of(r)->ground.now->wall_ms,
        .head = r->request.method == GW_METHOD_HEAD,
        .close = close,
        .no_store = true,
    };
    if (gw_answer_write(&a, &out) == 0) {
        r->answered = true;
        r->keep_alive = !close;
        gw_local_send(r->local, buf_span(&out));
        conclude(r);
    } else {
        gw_local_cut(r->local);
    }
    buf_fini(&out);
}

// An error of ours: answered, or a cut when the gateway's answer has begun.
static void refuse(struct gw_relay *r, int err, const char *what)
{
    struct gw_connector *c = connector_of(r);
    unsigned status = (unsigned)err_info(err)->status;
    struct buf body;
    unlink_relay(r);
    gw_call_abort(&r->call);
    c->refused++;
    if (r->answered) {
        gw_local_cut(r->local);
        return;
    }
    log_debug(c->log, "request %s: %.*s%s%s", r->id, SPAN_FMT(err_info(err)->reason), what ? ": " : "",
              what ? what : "");
    buf_init(&body, 0);
    bool close = !r->request.keep_alive || gw_problem_must_close(err);
    if (gw_explain_own(err, span_str(r->id), what, &body) == 0)
        answer(r, status, buf_span(&body), span_str(r->id), status == 503, close);
    else
        gw_local_cut(r->local);
    buf_fini(&body);
}

static void refuse_late(struct gw_relay *r, int err, const char *what)
{
    struct gw_local *l = r->local;
    refuse(r, err, what);
    gw_local_resume(l);
}

static void pass_problem(struct gw_relay *r);

// ------------------------------------------------------------------------------------------------------- waiting

static void on_patience(struct gw_deadline *d)
{
    struct gw_relay *r = (struct gw_relay *)((char *)d - offsetof(struct gw_relay, patience));
    const struct gw_connector *c = connector_of(r);
    struct gw_local *l = r->local;
    if (r->waits_for_token) { // there is no better one: what the gateway said of it stands
        unlink_relay(r);
        pass_problem(r);
        gw_local_resume(l);
    } else if (c->links) {
        refuse_late(r, ERR_CONNECT_TOKEN, c->links->source.why);
    } else {
        refuse_late(r, ERR_CONNECT_CERTIFICATE, c->why);
    }
}

static void wait(struct gw_relay *r)
{
    struct gw_connector *c = connector_of(r);
    r->state = GW_RELAY_WAIT;
    if (c->wait_ms == 0 || (c->links && c->links->source.failures >= HOPELESS)) {
        on_patience(&r->patience);
        return;
    }
    r->next = c->waiting;
    if (r->next)
        r->next->link = &r->next;
    r->link = &c->waiting;
    c->waiting = r;
    r->patience.on_due = on_patience;
    // Whoever looked and has to wait on does not wait longer for it.
    if (r->until_ms == 0)
        r->until_ms = gw_connector_mono(c) + c->wait_ms;
    gw_deadline_set(c->ground.wheel, &r->patience, r->until_ms);
}

// ---------------------------------------------------------------------------------------------------- being sent

// Whether all that was sent of it can be sent again.
static bool can_repeat(const struct gw_relay *r)
{
    return !r->answered && !r->long_body;
}

static bool next_gateway(struct gw_relay *r)
{
    r->tried |= (uint32_t)1 << r->at;
    for (size_t i = 0; i < r->links->n; i++)
        if (!(r->tried >> i & 1)) {
            r->at = i;
            return true;
        }
    return false;
}

static void send_it(struct gw_relay *r);

// From the beginning, with the first gateway.
static void start(struct gw_relay *r)
{
    struct gw_connector *c = connector_of(r);
    gw_links_unref(r->links);
    r->links = c->links ? gw_links_ref(c->links) : NULL;
    r->tried = 0;
    r->at = 0;
    r->waits_for_token = false;
    if (!r->links || span_is_none(gw_links_token(r->links)))
        wait(r);
    else
        send_it(r);
}

void gw_relay_again(struct gw_relay *r)
{
    struct gw_local *l = r->local;
    const struct gw_token_source *s = r->links ? &r->links->source : NULL;
    unlink_relay(r);
    if (!r->waits_for_token || r->links != connector_of(r)->links || s->serial != r->serial)
        start(r);
    else if (s->failures > r->failures)
        on_patience(&r->patience);
    else
        wait(r);
    gw_local_resume(l);
}

void gw_relay_flush(struct gw_relay *r)
{
    if (buf_len(&r->up) == 0)
        return;
    gw_call_write(&r->call, buf_span(&r->up));
    buf_wipe(&r->up);
}

static void request_ended(struct gw_relay *r)
{
    if (gw_body_end(&r->up_body, &r->up) != 0) {
        refuse_late(r, ERR_INTERNAL, "the request's body did not end where it should");
        return;
    }
    gw_relay_flush(r);
    gw_call_sent(&r->call);
}

static void on_ready(struct gw_call *call)
{
    struct gw_relay *r = call->owner;
    struct gw_connector *c = connector_of(r);
    const struct gw_link *link = &r->links->gateways[r->at];
    struct gw_outgoing o = {
        .request = &r->request,
        .target = &r->target,
        .host = gw_call_authority(call),
        .token = gw_links_token(r->links),
        .ath = r->links->source.ath,
        .key = gw_links_prove(r->links) ? c->key : NULL,
        .nonce = buf_len(&link->nonce) > 0 ? buf_span(&link->nonce) : SPAN_NONE,
        .now_s = c->ground.now->wall_ms / 1000,
    };
    r->serial = r->links->source.serial;
    if (span_is_none(o.token)) { // it ended while a connection was made
        struct gw_local *l = r->local;
        gw_call_abort(call);
        start(r);
        gw_local_resume(l);
        return;
    }
    buf_wipe(&r->up);
    int rc = gw_outgoing_write(&o, &r->arena, &r->up, &r->up_body);
    if (rc == 0 && buf_len(&r->kept) > 0)
        rc = gw_body_write(&r->up_body, buf_span(&r->kept), &r->up);
    if (rc != 0) {
        refuse_late(r, rc, "the request for the gateway could not be written");
        return;
    }
    r->state = GW_RELAY_FORWARD;
    if (r->whole)
        request_ended(r);
    else
        gw_local_resume(r->local); // takes what is there of the body, then flushes it together with the head
}

static void on_drained(struct gw_call *call)
{
    struct gw_relay *r = call->owner;
    gw_local_resume(r->local);
}

// ----------------------------------------------------------------------------------------------- from the gateway

static bool is_problem(const struct gw_response *h)
{
    struct span type = gw_headers_get(&h->headers, GW_FIELD_CONTENT_TYPE);
    return h->status >= 400 && !span_is_none(type) && span_ieq(span_sub(type, 0, 24), SPAN("application/problem+json"));
}

static bool names_nonce(const struct gw_response *h)
{
    for (size_t i = 0; i < h->headers.n; i++) {
        const struct gw_header *f = &h->headers.v[i];
        for (size_t k = 0; f->id == GW_FIELD_WWW_AUTHENTICATE && k + 14 <= f->value.n; k++)
            if (memcmp(f->value.p + k, "use_dpop_nonce", 14) == 0)
                return true;
    }
    return false;
}

static void pass_head(struct gw_relay *r, const struct gw_response *h)
{
    struct buf out;
    buf_init(&out, 0);
    struct gw_to_client to = {
        .response = h,
        .method = r->request.method,
        .minor = r->request.minor,
        .keep_alive = r->request.keep_alive && !connector_of(r)->draining,
        .request_id = gw_headers_get(&h->headers, GW_FIELD_X_REQUEST_ID),
        .dpop_nonce = SPAN_NONE,
        .allow = gw_outgoing_answer_fields,
        .n_allow = gw_outgoing_answer_fields_n,
    };
    int rc = gw_forward_response(&to, &out, &r->down_body, &r->keep_alive);
    if (rc == 0) {
        r->answered = true;
        buf_fini(&r->kept);
        gw_local_send(r->local, buf_span(&out));
    }
    buf_fini(&out);
    if (rc != 0)
        refuse_late(r, ERR_CONNECT_GATEWAY_CUT, "the head of its answer cannot be passed on");
}

static void on_head(struct gw_call *call, const struct gw_response *h)
{
    struct gw_relay *r = call->owner;
    gw_link_learn(&r->links->gateways[r->at], gw_headers_get(&h->headers, GW_FIELD_DPOP_NONCE));
    r->collects = is_problem(h);
    r->wants_nonce = r->collects && names_nonce(h);
    buf_clear(&r->problem);
    if (!r->collects)
        pass_head(r, h);
}

static void on_body(struct gw_call *call, struct span piece)
{
    struct gw_relay *r = call->owner;
    struct buf out;
    if (r->collects) {
        buf_append(&r->problem, piece); // over its bound it is marked, and looked at in the end
        return;
    }
    buf_init(&out, 0);
    int rc = r->down_body.framing == GW_FRAMING_NONE ? 0 : gw_body_write(&r->down_body, piece, &out);
    if (rc == 0)
        gw_local_send(r->local, buf_span(&out));
    buf_fini(&out);
    if (rc != 0)
        refuse_late(r, ERR_CONNECT_GATEWAY_CUT, "more of an answer than it announced");
}

static void on_lull(struct gw_call *call)
{
    struct gw_relay *r = call->owner;
    struct gw_local *l = r->local;
    gw_local_resume(l); // sends what was queued, and may end the relay
    if (l->relay == r && gw_local_congested(l))
        gw_call_pause(call, true);
}

// The refusal is whole. True: it was sent again, or waits to be.
static bool mend(struct gw_relay *r, unsigned status)
{
    switch (can_repeat(r) ? gw_remedy_of(status, gw_problem_code(buf_span(&r->problem)), r->wants_nonce)
                          : GW_REMEDY_NONE) {
    case GW_REMEDY_PROOF:
        if (r->proof_again)
            return false;
        r->proof_again = true;
        send_it(r);
        return true;
    case GW_REMEDY_TOKEN:
        if (r->token_again || !gw_links_token_refused(r->links, r->serial))
            return false;
        r->token_again = true;
        // Another came already, or is on its way.
        if (r->links != connector_of(r)->links || r->links->source.serial != r->serial) {
            start(r);
        } else {
            r->waits_for_token = true;
            r->failures = r->links->source.failures;
            wait(r);
        }
        return true;
    case GW_REMEDY_GATEWAY:
        if (!next_gateway(r))
            return false;
        send_it(r);
        return true;
    case GW_REMEDY_NONE: break;
    }
    return false;
}

static void pass_problem(struct gw_relay *r)
{
    const struct gw_response *h = &r->call.response;
    struct span id = gw_headers_get(&h->headers, GW_FIELD_X_REQUEST_ID);
    struct span after = gw_headers_get(&h->headers, GW_FIELD_RETRY_AFTER);
    uint64_t after_s = 0;
    struct buf body;
    buf_init(&body, 0);
    if (!span_is_none(after))
        span_to_u64(after, &after_s);
    bool explained = gw_explain_answer(buf_span(&r->problem), r->links->source.why, &body);
    connector_of(r)->refused++;
    answer(r, h->status, explained ? buf_span(&body) : buf_span(&r->problem), id, (unsigned)after_s,
           !r->request.keep_alive);
    buf_fini(&body);
}

static void on_answered(struct gw_call *call)
{
    struct gw_relay *r = call->owner;
    struct gw_local *l = r->local;
    struct buf out;
    if (r->collects && r->problem.failed) {
        refuse_late(r, ERR_CONNECT_GATEWAY_CUT, "its refusal is too long");
        return;
    }
    if (r->collects) {
        if (!mend(r, call->response.status))
            pass_problem(r);
        gw_local_resume(l);
        return;
    }
    buf_init(&out, 0);
    int rc = r->down_body.framing == GW_FRAMING_NONE ? 0 : gw_body_end(&r->down_body, &out);
    if (rc == 0)
        gw_local_send(l, buf_span(&out));
    buf_fini(&out);
    if (rc != 0) {
        refuse_late(r, ERR_CONNECT_GATEWAY_CUT, "less of an answer than it announced");
        return;
    }
    conclude(r);
    gw_local_resume(l);
}

static int error_of(int err)
{
    switch (err) {
    case ERR_SHARD_TLS: return ERR_CONNECT_GATEWAY_TLS;
    case ERR_SHARD_BUSY: return ERR_CONNECT_GATEWAY_BUSY;
    case ERR_SHARD_TIMEOUT: return ERR_CONNECT_GATEWAY_TIMEOUT;
    case ERR_SHARD_ANSWER:
    case ERR_SHARD_CUT: return ERR_CONNECT_GATEWAY_CUT;
    case ERR_NOMEM: return ERR_NOMEM;
    default: return ERR_CONNECT_GATEWAY;
    }
}

// By its method, or because it is a search: those are POSTs in every vector database.
static bool changes_nothing_twice(const struct gw_relay *r)
{
    enum gw_method m = r->request.method;
    return gw_method_is_idempotent(m) || gw_api_only_reads(gw_method_name(m), r->target.segments, r->target.n_segments);
}

static void on_failed(struct gw_call *call, int err, const char *what)
{
    struct gw_relay *r = call->owner;
    bool unsent = call->sends == 0;
    bool harmless = unsent || call->unread || changes_nothing_twice(r);
    // That a resting gateway is not tried says less than why it rests.
    if (err != ERR_SHARD_DOWN || r->error == 0) {
        r->error = error_of(err);
        r->what = what;
    }
    if (!harmless || !can_repeat(r) || err == ERR_NOMEM) {
        refuse_late(r, r->error, r->what);
        return;
    }
    // One that only closed an old connection is as good as ever.
    if (!(call->unread && !r->call_again) && !next_gateway(r)) {
        refuse_late(r, r->error, r->what);
        return;
    }
    r->call_again = r->call_again || call->unread;
    send_it(r);
}

static void send_it(struct gw_relay *r)
{
    r->state = GW_RELAY_CONNECT;
    r->collects = false;
    r->call = (struct gw_call){
        .owner = r,
        .pool = &r->links->gateways[r->at].origin.pool,
        .arena = &r->arena,
        .head_request = r->request.method == GW_METHOD_HEAD,
        .may_retry = gw_method_is_idempotent(r->request.method) && can_repeat(r),
        .on_ready = on_ready,
        .on_head = on_head,
        .on_body = on_body,
        .on_lull = on_lull,
        .on_end = on_answered,
        .on_failed = on_failed,
        .on_drained = on_drained,
    };
    gw_call_start(&r->call);
}

// ------------------------------------------------------------------------------------------- from the application

struct gw_relay *gw_relay_new(struct gw_local *l)
{
    static const char hex[] = "0123456789abcdef";
    struct gw_relay *r = calloc(1, sizeof *r);
    uint8_t random[16];
    if (!r)
        return NULL;
    r->local = l;
    arena_init(&r->arena, ARENA_MAX);
    buf_init(&r->up, 0);
    buf_init(&r->kept, 0);
    buf_init(&r->problem, PROBLEM_MAX);
    pki_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        r->id[2 * i] = hex[random[i] >> 4];
        r->id[2 * i + 1] = hex[random[i] & 15];
    }
    l->connector->requests++;
    return r;
}

void gw_relay_head(struct gw_relay *r)
{
    static const struct gw_target_options options = { .scheme = { "http", 4 }, .any_authority = true };
    const char *what = NULL;
    struct buf out;
    r->whole = r->request.framing == GW_FRAMING_NONE;
    int rc = gw_target_of(&r->request, &options, &r->arena, &r->target, &what);
    if (rc == 0)
        rc = gw_caller_check(&r->request, r->target.authority);
    if (rc != 0) {
        refuse(r, rc, what);
        return;
    }
    if (r->request.expect_continue) {
        buf_init(&out, 0);
        gw_forward_continue(&out);
        gw_local_send(r->local, buf_span(&out));
        buf_fini(&out);
    }
    start(r);
}

static void keep(struct gw_relay *r, struct span piece)
{
    size_t most = connector_of(r)->buffer;
    if (r->long_body || buf_len(&r->kept) + piece.n > most || !buf_append(&r->kept, piece)) {
        r->long_body = true;
        r->call.may_retry = false;
        buf_fini(&r->kept);
    }
}

void gw_relay_body(struct gw_relay *r, struct span piece)
{
    switch (r->state) {
    case GW_RELAY_WAIT:
    case GW_RELAY_CONNECT: // before anything was sent all of it is kept: nobody takes much more than fits
        if (!buf_append(&r->kept, piece))
            refuse(r, ERR_NOMEM, NULL);
        break;
    case GW_RELAY_FORWARD:
        if (!r->answered)
            keep(r, piece);
        if (gw_body_write(&r->up_body, piece, &r->up) != 0)
            refuse(r, ERR_INTERNAL, "the request's body could not be passed on");
        else if (buf_len(&r->up) >= UP_HIGH)
            gw_relay_flush(r);
        break;
    default:
        r->discarded += piece.n;
        if (r->discarded > DISCARD_MAX)
            gw_local_done(r->local, true);
        break;
    }
}

void gw_relay_end(struct gw_relay *r)
{
    bool was_whole = r->whole;
    r->whole = true;
    if (r->state == GW_RELAY_FORWARD && !was_whole)
        request_ended(r);
    else if (r->state == GW_RELAY_DISCARD)
        gw_local_done(r->local, false);
}

void gw_relay_bad(struct gw_relay *r, int err, const char *what)
{
    r->request.keep_alive = false;
    if (r->state == GW_RELAY_DISCARD)
        gw_local_done(r->local, true);
    else
        refuse(r, err, what);
}

void gw_relay_drained(struct gw_relay *r)
{
    if (r->state == GW_RELAY_FORWARD)
        gw_call_pause(&r->call, false);
}

bool gw_relay_takes(const struct gw_relay *r)
{
    switch (r->state) {
    case GW_RELAY_HEAD:
    case GW_RELAY_DISCARD: return true;
    case GW_RELAY_WAIT:
    case GW_RELAY_CONNECT: return !r->whole && !r->long_body && buf_len(&r->kept) < connector_of(r)->buffer;
    case GW_RELAY_FORWARD: return !r->whole && !gw_call_congested(&r->call);
    }
    return false;
}
