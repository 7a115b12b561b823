// SPDX-License-Identifier: GPL-3.0-or-later
// Whole connections to the authority's server over memory: clients that are slow, large, early, gone, anonymous or revoked, and visits that wait.
// The endpoints are a script of the test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/net/visitor.h"
#include "tests/support/tls_pair.h"

#define ID "spiffe://one.test/a"
#define HOST "authority.test"
#define SERVER_ID "spiffe://one.test/authority"

static struct certs certs;
static struct tls_config own;
static const struct span authorities[] = { SPAN(HOST) };
static const struct gw_target_options target = { .scheme = SPAN("https"),
                                                 .authorities = authorities,
                                                 .n_authorities = 1 };

// The server of a test, and what its endpoints are told to do.
struct place {
    struct tls_side side;
    struct gw_visitors visitors;
    // what was asked for
    unsigned asked, idle, handshakes, refusals, answered;
    int last_error;
    char path[128], body[256], workload[128];
    size_t body_n;
    bool again;
    unsigned records;
    int record_err; // of the last record
    unsigned record_status;
    // what to do
    int standing;    // of every certificate
    bool disk_full;  // no record is taken
    bool disk_slow;  // none is on the disk
    bool disk_fails; // and none will be
    bool waits;      // until `ready`, or its time
    bool ready;
    struct span answer;
};

static int on_visit(void *ctx, struct gw_visit *v)
{
    struct place *p = ctx;
    p->asked++;
    p->again = v->again;
    snprintf(p->path, sizeof p->path, "%.*s", SPAN_FMT(v->to.path));
    snprintf(p->body, sizeof p->body, "%.*s", SPAN_FMT(span_sub(v->body, 0, 200)));
    snprintf(p->workload, sizeof p->workload, "%.*s",
             SPAN_FMT(v->certificate ? v->certificate->spiffe_id : SPAN("nobody")));
    p->body_n = v->body.n;
    assert_int_equal(v->request->method == GW_METHOD_HEAD, 0);
    if (p->waits && !p->ready) {
        if (!v->again)
            v->wait_until_ms = v->now.mono_ms + 30000;
        if (v->now.mono_ms < v->wait_until_ms)
            return GW_VISIT_WAITS;
    }
    v->status = 200;
    v->content_type = SPAN("text/plain");
    v->answer = p->answer;
    v->no_store = true;
    v->audited = true;
    v->record.allowed = true;
    v->fields[v->n_fields++] = (struct gw_visit_field){ SPAN("x-own"), SPAN("yes") };
    return 0;
}

static int on_standing(void *ctx, const struct gw_tls_peer *peer)
{
    struct place *p = ctx;
    assert_non_null(peer);
    return p->standing ? p->standing : gw_tls_peer_recheck(peer, &p->side.trust, p->visitors.now.wall_ms / 1000);
}

static int on_record(void *ctx, const struct gw_visit *v, uint64_t *ticket)
{
    struct place *p = ctx;
    if (p->disk_full)
        return ERR_AUDIT_FULL;
    p->records++;
    p->record_err = v->record.err;
    p->record_status = v->record.status;
    assert_int_equal(v->record.request_id.n, 32);
    *ticket = p->disk_slow ? 7 : 0;
    return 0;
}

static int on_recorded(void *ctx, uint64_t ticket)
{
    struct place *p = ctx;
    assert_int_equal(ticket, 7);
    return p->disk_fails ? ERR_AUDIT_FULL : !p->disk_slow;
}

static void on_answered(void *ctx, const struct gw_visit *v)
{
    struct place *p = ctx;
    (void)v;
    p->answered++;
}

static void on_handshake(void *ctx, const char *remote, int err, const char *detail, bool resumed)
{
    struct place *p = ctx;
    (void)detail;
    (void)resumed;
    assert_string_equal(remote, "192.0.2.7:4711");
    if (err == 0)
        p->handshakes++;
    else
        p->refusals++;
    p->last_error = err;
}

static void on_idle(void *ctx)
{
    struct place *p = ctx;
    p->idle++;
}

static const struct gw_visitors_ops ops = { on_visit,    on_standing,  on_record, on_recorded,
                                            on_answered, on_handshake, on_idle };

static void place_init(struct place *p, bool optional)
{
    *p = (struct place){ .answer = SPAN("hello") };
    struct gw_tls_config config = own.config;
    config.certificate_optional = optional;
    tls_side_init(&p->side, true, &config);
    tls_side_trust(&p->side, &certs, "one.test", "ca");
    p->visitors = (struct gw_visitors){
        .ops = &ops,
        .ctx = p,
        .now = clock_read(),
        .tls = p->side.context,
        .trust = &p->side.trust,
        .target = &target,
        .limits = gw_visitors_limits(),
        .timeouts = { .handshake = 10000, .header = 10000, .body = 30000, .idle = 75000 },
        .max_open = 8,
        .max_waiting = 2,
    };
    gw_wheel_init(&p->visitors.wheel, p->visitors.now.mono_ms);
}

// --------------------------------------------------------------------------------------------------------- clients

struct caller {
    struct place *place;
    struct tls_side side;
    struct tls_config config;
    struct gw_tls_target target;
    struct gw_tls_engine tls;
    struct gw_socket *socket; // NULL once closed
    struct buf to, from, plain;
    bool near_end, far_end, told_end, stuck;
};

static void mem_write(struct gw_socket *s, struct span bytes)
{
    struct caller *c = s->impl;
    if (!c->near_end)
        buf_append(&c->from, bytes);
    if (c->stuck && buf_len(&c->from) > GW_SOCKET_HIGH) {
        s->queued = buf_len(&c->from);
        s->congested = true;
    }
}

static void mem_nothing(struct gw_socket *s)
{
    (void)s;
}

static void mem_end(struct gw_socket *s)
{
    struct caller *c = s->impl;
    c->near_end = true;
}

static const struct gw_socket_ops mem = { mem_write, mem_nothing, mem_nothing, mem_end, mem_end, NULL };

static int accept_caller(void *ctx, struct gw_socket *s, char remote[static GW_SOCKET_PEER])
{
    struct caller *c = ctx;
    c->socket = s;
    s->ops = &mem;
    s->impl = c;
    strcpy(remote, "192.0.2.7:4711");
    return 0;
}

static bool step(struct caller *c)
{
    struct gw_socket *s = c->socket;
    int64_t now_s = c->place->visitors.now.wall_ms / 1000;
    bool moved = false;
    char plain[4096];
    ssize_t n;
    if (s && s->closing) {
        c->socket = NULL;
        s->on_closed(s);
        return true;
    }
    struct span out = gw_tls_output(&c->tls);
    if (out.n > 0) {
        buf_append(&c->to, out);
        gw_tls_sent(&c->tls, out.n);
        moved = true;
    }
    if (s && s->reading && buf_len(&c->to) > 0) {
        struct buf in = c->to;
        buf_init(&c->to, 0);
        s->on_bytes(s, buf_span(&in));
        buf_fini(&in);
        return true;
    }
    if (s && s->reading && c->far_end && !c->told_end) {
        c->told_end = true;
        s->reading = false;
        s->on_end(s);
        return true;
    }
    if (!c->stuck && buf_len(&c->from) > 0) {
        gw_tls_feed(&c->tls, span_sub(buf_span(&c->from), 0, 16384), now_s);
        buf_consume(&c->from, buf_len(&c->from) < 16384 ? buf_len(&c->from) : 16384);
        moved = true;
    }
    while ((n = gw_tls_read(&c->tls, plain, sizeof plain)) > 0)
        buf_append(&c->plain, span_of(plain, (size_t)n));
    if (c->near_end && buf_len(&c->from) == 0 && !c->far_end) {
        c->far_end = true;
        moved = true;
    }
    return moved;
}

static void run(struct caller *c)
{
    while (step(c))
        ;
}

static void sleep_ms(struct caller *c, int64_t ms)
{
    struct gw_visitors *v = &c->place->visitors;
    for (int64_t part; ms > 0; ms -= part) {
        part = ms < 1000 ? ms : 1000;
        v->now.mono_ms += part;
        v->now.wall_ms += part;
        gw_wheel_advance(&v->wheel, v->now.mono_ms);
        run(c);
    }
}

// Not a byte has moved yet.
static void caller_begin(struct caller *c, struct place *p, const char *name)
{
    *c = (struct caller){ .place = p };
    tls_config_init(&c->config, &certs, name);
    tls_side_init(&c->side, false, &c->config.config);
    tls_side_trust(&c->side, &certs, "one.test", "ca");
    c->target = (struct gw_tls_target){ .spiffe_id = SPAN(SERVER_ID), .dns = SPAN_NONE, .sni = SPAN_NONE };
    buf_init(&c->to, 0);
    buf_init(&c->from, 0);
    buf_init(&c->plain, 0);
    assert_int_equal(gw_tls_client_init(&c->tls, c->side.context, &c->side.trust, &c->target, tls_now()), 0);
    assert_non_null(gw_visitor_new(&p->visitors, accept_caller, c));
}

static void caller_init(struct caller *c, struct place *p, const char *name)
{
    caller_begin(c, p, name);
    run(c);
}

static void caller_fini(struct caller *c)
{
    if (c->socket) {
        c->far_end = true;
        if (!c->socket->closing)
            c->socket->on_error(c->socket, -104);
        run(c);
    }
    assert_null(c->socket);
    gw_tls_fini(&c->tls);
    tls_side_fini(&c->side);
    tls_config_fini(&c->config);
    buf_fini(&c->to);
    buf_fini(&c->from);
    buf_fini(&c->plain);
}

static void say_span(struct caller *c, struct span s)
{
    while (s.n > 0) {
        ssize_t n = gw_tls_write(&c->tls, s);
        assert_true(n >= 0);
        s = span_sub(s, (size_t)n, s.n);
        run(c);
        if (n == 0)
            break;
    }
    run(c);
}

static void say(struct caller *c, const char *text)
{
    say_span(c, span_str(text));
}

static const char *heard(struct caller *c)
{
    buf_byte(&c->plain, '\0');
    c->plain.end--;
    return buf_span(&c->plain).p;
}

static void forget(struct caller *c)
{
    buf_clear(&c->plain);
}

static bool heard_has(struct caller *c, const char *text)
{
    return strstr(heard(c), text) != NULL;
}

static void place_fini(struct place *p)
{
    assert_int_equal(p->visitors.n_open, 0);
    assert_int_equal(p->visitors.n_waiting, 0);
    tls_side_fini(&p->side);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: " HOST "\r\n\r\n"

// ----------------------------------------------------------------------------------------------------------- tests

static void a_request_is_answered_and_the_connection_kept(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, GET("/oauth2/jwks"));
    assert_true(heard_has(&c, "HTTP/1.1 200 OK\r\n"));
    assert_true(heard_has(&c, "\r\nx-own: yes\r\n"));
    assert_true(heard_has(&c, "\r\ndate: "));
    assert_true(heard_has(&c, "\r\nx-request-id: "));
    assert_true(heard_has(&c, "\r\ncache-control: no-store\r\n"));
    assert_true(heard_has(&c, "\r\n\r\nhello"));
    assert_string_equal(p.path, "/oauth2/jwks");
    assert_string_equal(p.workload, ID);
    forget(&c);
    say(&c, "POST /oauth2/token HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 3\r\n\r\na=b");
    assert_true(heard_has(&c, "HTTP/1.1 200 OK\r\n"));
    assert_string_equal(p.body, "a=b");
    assert_int_equal(p.asked, 2);
    assert_int_equal(p.records, 2);
    assert_int_equal(p.answered, 2);
    assert_int_equal(p.record_status, 200);
    assert_non_null(c.socket);
    caller_fini(&c);
    place_fini(&p);
}

static void head_gets_the_head_alone(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, "HEAD /oauth2/jwks HTTP/1.1\r\nHost: " HOST "\r\n\r\n");
    assert_true(heard_has(&c, "content-length: 5\r\n"));
    assert_false(heard_has(&c, "hello"));
    caller_fini(&c);
    place_fini(&p);
}

static void another_authority_is_421_and_asks_nobody(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, "GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n");
    assert_true(heard_has(&c, "HTTP/1.1 421 "));
    assert_int_equal(p.asked, 0);
    assert_int_equal(p.record_err, ERR_HTTP_AUTHORITY);
    // It is whole, so the next one on the same connection is served.
    forget(&c);
    say(&c, GET("/a"));
    assert_true(heard_has(&c, "HTTP/1.1 200 OK\r\n"));
    caller_fini(&c);
    place_fini(&p);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, GET("/1") "POST /2 HTTP/1.1\r\nHost: " HOST "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
                      "GET /3 HTTP/1.1\r\nHost: " HOST "\r\nConnection: close\r\n\r\n" GET("/4"));
    assert_int_equal(p.asked, 3);
    assert_string_equal(p.path, "/3");
    assert_int_equal(c.tls.state, GW_TLS_PEER_CLOSED);
    caller_fini(&c);
    place_fini(&p);
}

static void a_request_behind_one_that_waits_waits_too(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    p.waits = true;
    say(&c, GET("/revocations") GET("/2"));
    assert_int_equal(p.asked, 1);
    assert_string_equal(heard(&c), "");
    p.ready = true;
    gw_visitors_changed(&p.visitors);
    run(&c);
    assert_int_equal(p.asked, 3);
    assert_string_equal(p.path, "/2");
    caller_fini(&c);
    place_fini(&p);
}

static void a_body_over_the_bound_is_413(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 65537\r\n\r\n");
    assert_true(heard_has(&c, "HTTP/1.1 413 "));
    assert_true(heard_has(&c, "connection: close"));
    caller_fini(&c);
    // The same where it does not say its size.
    caller_init(&c, &p, "client");
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[4102 + 3];
    memcpy(chunk, "1000\r\n", 6);
    memset(chunk + 6, 'x', 4096);
    memcpy(chunk + 6 + 4096, "\r\n", 2);
    for (int i = 0; i < 17 && c.tls.state == GW_TLS_OPEN; i++)
        say_span(&c, span_of(chunk, 6 + 4096 + 2));
    assert_true(heard_has(&c, "HTTP/1.1 413 "));
    assert_int_equal(p.asked, 0);
    caller_fini(&c);
    // And one at the bound is whole.
    caller_init(&c, &p, "client");
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 16; i++)
        say_span(&c, span_of(chunk, 6 + 4096 + 2));
    say(&c, "0\r\n\r\n");
    assert_true(heard_has(&c, "HTTP/1.1 200 "));
    assert_int_equal(p.body_n, 65536);
    caller_fini(&c);
    place_fini(&p);
}

static void a_head_over_the_bound_is_431(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    char line[300];
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, "GET /t HTTP/1.1\r\nHost: " HOST "\r\n");
    memset(line, 'x', sizeof line);
    memcpy(line, "a: ", 3);
    memcpy(line + 298, "\r\n", 2);
    for (int i = 0; i < 70 && c.tls.state == GW_TLS_OPEN; i++)
        say_span(&c, span_of(line, 300));
    assert_true(heard_has(&c, "HTTP/1.1 431 "));
    assert_int_equal(p.asked, 0);
    caller_fini(&c);
    place_fini(&p);
}

static void continue_is_said_when_the_body_is_wanted(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(heard(&c), "HTTP/1.1 100 Continue\r\n\r\n");
    say(&c, "ab");
    assert_true(heard_has(&c, "HTTP/1.1 200 OK"));
    forget(&c);
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n");
    assert_false(heard_has(&c, "100 Continue"));
    assert_true(heard_has(&c, "HTTP/1.1 413 "));
    caller_fini(&c);
    place_fini(&p);
}

static void slow_loris_meets_its_deadlines(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    // In the handshake.
    caller_begin(&c, &p, "client");
    struct span hello = gw_tls_output(&c.tls);
    buf_append(&c.to, span_sub(hello, 0, 20));
    gw_tls_sent(&c.tls, hello.n);
    run(&c);
    sleep_ms(&c, 11000);
    assert_int_equal(p.refusals, 1);
    assert_int_equal(p.last_error, ERR_TLS);
    sleep_ms(&c, 3000);
    assert_null(c.socket);
    caller_fini(&c);
    // In the head, a byte a second.
    caller_init(&c, &p, "client");
    say(&c, "GET / HTTP/1.1\r\nHost: " HOST "\r\n");
    for (int i = 0; i < 12 && c.tls.state == GW_TLS_OPEN; i++) {
        say(&c, "a");
        sleep_ms(&c, 1000);
    }
    assert_true(heard_has(&c, "HTTP/1.1 408 "));
    caller_fini(&c);
    // In the body.
    caller_init(&c, &p, "client");
    say(&c, "POST / HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 32 && c.tls.state == GW_TLS_OPEN; i++) {
        say(&c, "a");
        sleep_ms(&c, 1000);
    }
    assert_true(heard_has(&c, "HTTP/1.1 408 "));
    caller_fini(&c);
    // Between requests.
    caller_init(&c, &p, "client");
    say(&c, GET("/"));
    sleep_ms(&c, 70000);
    assert_int_equal(c.tls.state, GW_TLS_OPEN);
    sleep_ms(&c, 10000);
    assert_int_equal(c.tls.state, GW_TLS_PEER_CLOSED);
    caller_fini(&c);
    assert_int_equal(p.asked, 1);
    place_fini(&p);
}

static void a_client_that_takes_nothing_is_cut(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    static char large[512 << 10];
    memset(large, 'x', sizeof large);
    place_init(&p, false);
    p.answer = span_of(large, sizeof large);
    caller_init(&c, &p, "client");
    c.stuck = true;
    say(&c, GET("/"));
    assert_true(c.socket && c.socket->congested);
    sleep_ms(&c, 80000);
    assert_null(c.socket);
    caller_fini(&c);
    place_fini(&p);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct place p;
    struct caller c[9];
    place_init(&p, false);
    for (size_t i = 0; i < 9; i++)
        caller_init(&c[i], &p, "client");
    run(&c[0]);
    assert_null(c[0].socket);
    assert_int_equal(p.visitors.n_open, 8);
    assert_int_equal(p.handshakes, 9);
    for (size_t i = 0; i < 9; i++)
        caller_fini(&c[i]);
    place_fini(&p);
}

// Else one machine that opens as many as there may be, and sends nothing, keeps everybody out.
static void idle_connections_give_way_to_new_ones(void **state)
{
    (void)state;
    struct place p;
    struct caller c[8], late[3];
    place_init(&p, false);
    caller_init(&c[0], &p, "client");
    p.waits = true;
    say(&c[0], GET("/"));
    p.waits = false;
    assert_int_equal(p.visitors.n_waiting, 1);
    for (size_t i = 1; i < 8; i++)
        caller_begin(&c[i], &p, "client"); // and no byte of a handshake
    for (size_t i = 0; i < 3; i++) {
        caller_init(&late[i], &p, "client");
        say(&late[i], GET("/"));
        assert_true(heard_has(&late[i], "HTTP/1.1 200 "));
        run(&c[1 + i]);
        assert_null(c[1 + i].socket);
    }
    assert_int_equal(p.refusals, 3);
    assert_non_null(c[0].socket); // it is being answered
    assert_int_equal(p.visitors.n_open, 8);
    for (size_t i = 0; i < 8; i++)
        caller_fini(&c[i]);
    for (size_t i = 0; i < 3; i++)
        caller_fini(&late[i]);
    place_fini(&p);
}

static void an_optional_certificate_is_nobody_when_it_is_not_there(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, true);
    caller_init(&c, &p, NULL);
    say(&c, GET("/"));
    assert_true(heard_has(&c, "HTTP/1.1 200 "));
    assert_string_equal(p.workload, "nobody");
    caller_fini(&c);
    caller_init(&c, &p, "client");
    say(&c, GET("/"));
    assert_string_equal(p.workload, ID);
    caller_fini(&c);
    caller_init(&c, &p, "forged");
    assert_int_equal(p.last_error, ERR_CERT_UNTRUSTED);
    caller_fini(&c);
    place_fini(&p);
}

static void a_certificate_that_is_demanded_and_not_there_is_refused(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, NULL);
    assert_int_equal(p.refusals, 1);
    assert_int_equal(p.last_error, ERR_CERT_MISSING);
    assert_int_equal(p.asked, 0);
    caller_fini(&c);
    place_fini(&p);
}

static void a_revoked_certificate_is_refused_on_every_request(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c, GET("/"));
    assert_int_equal(p.asked, 1);
    forget(&c);
    p.standing = ERR_CERT_REVOKED;
    say(&c, GET("/"));
    assert_true(heard_has(&c, "HTTP/1.1 403 "));
    assert_true(heard_has(&c, "certificate_revoked"));
    assert_int_equal(p.asked, 1);
    assert_int_equal(p.record_err, ERR_CERT_REVOKED);
    assert_int_equal(c.tls.state, GW_TLS_PEER_CLOSED);
    caller_fini(&c);
    place_fini(&p);
}

static void an_expired_certificate_gets_no_body_asked_for(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    p.visitors.now.wall_ms += (int64_t)3 * 86400 * 1000;
    say(&c, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_false(heard_has(&c, "100 Continue"));
    assert_true(heard_has(&c, "certificate_expired"));
    assert_int_equal(p.asked, 0);
    caller_fini(&c);
    place_fini(&p);
}

static void a_long_poll_ends_when_something_changed_or_its_time_came(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    p.waits = true;
    caller_init(&c, &p, "client");
    say(&c, GET("/revocations"));
    gw_visitors_changed(&p.visitors); // nothing for this one
    run(&c);
    assert_int_equal(p.visitors.n_waiting, 1);
    assert_int_equal(p.asked, 2);
    assert_true(p.again);
    sleep_ms(&c, 20000);
    assert_string_equal(heard(&c), "");
    p.ready = true;
    gw_visitors_changed(&p.visitors);
    run(&c);
    assert_true(heard_has(&c, "HTTP/1.1 200 "));
    forget(&c);
    p.ready = false;
    say(&c, GET("/revocations"));
    sleep_ms(&c, 29000);
    assert_string_equal(heard(&c), "");
    sleep_ms(&c, 2000);
    assert_true(heard_has(&c, "HTTP/1.1 200 "));
    assert_int_equal(p.visitors.n_waiting, 0);
    caller_fini(&c);
    place_fini(&p);
}

static void a_certificate_revoked_while_its_visit_waits_is_refused(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    p.waits = true;
    caller_init(&c, &p, "client");
    say(&c, GET("/revocations"));
    p.standing = ERR_CERT_REVOKED;
    p.ready = true;
    gw_visitors_changed(&p.visitors);
    run(&c);
    assert_true(heard_has(&c, "HTTP/1.1 403 "));
    assert_int_equal(p.asked, 1);
    caller_fini(&c);
    place_fini(&p);
}

static void who_leaves_while_he_waits_is_forgotten(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    p.waits = true;
    caller_init(&c, &p, "client");
    say(&c, GET("/revocations"));
    assert_int_equal(p.visitors.n_waiting, 1);
    gw_tls_shutdown(&c.tls);
    run(&c);
    assert_null(c.socket);
    assert_int_equal(p.visitors.n_waiting, 0);
    p.ready = true;
    gw_visitors_changed(&p.visitors);
    assert_int_equal(p.asked, 1);
    caller_fini(&c);
    // The same by a reset.
    p.ready = false;
    caller_init(&c, &p, "client");
    say(&c, GET("/revocations"));
    c.socket->on_error(c.socket, -104);
    run(&c);
    assert_int_equal(p.visitors.n_open, 0);
    caller_fini(&c);
    place_fini(&p);
}

static void one_more_than_may_wait_is_answered_at_once_and_not_cut_off(void **state)
{
    (void)state;
    struct place p;
    struct caller c[3];
    place_init(&p, false);
    p.waits = true;
    for (size_t i = 0; i < 3; i++) {
        caller_init(&c[i], &p, "client");
        say(&c[i], GET("/revocations"));
    }
    assert_int_equal(p.visitors.n_waiting, 2);
    assert_true(heard_has(&c[2], "HTTP/1.1 200 "));
    assert_true(!heard_has(&c[0], "HTTP/1.1 ") && !heard_has(&c[1], "HTTP/1.1 "));
    for (size_t i = 0; i < 3; i++)
        caller_fini(&c[i]);
    place_fini(&p);
}

static void without_a_record_there_is_no_answer(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    p.disk_full = true;
    caller_init(&c, &p, "client");
    say(&c, GET("/"));
    assert_true(heard_has(&c, "HTTP/1.1 503 "));
    assert_true(heard_has(&c, "audit_unavailable"));
    assert_false(heard_has(&c, "hello"));
    assert_false(heard_has(&c, "x-own"));
    caller_fini(&c);
    place_fini(&p);
}

static void an_answer_waits_for_its_record_on_the_disk(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    p.disk_slow = true;
    caller_init(&c, &p, "client");
    say(&c, GET("/"));
    assert_string_equal(heard(&c), "");
    gw_visitors_recorded(&p.visitors);
    run(&c);
    assert_string_equal(heard(&c), "");
    p.disk_slow = false;
    gw_visitors_recorded(&p.visitors);
    run(&c);
    assert_true(heard_has(&c, "hello"));
    // A disk that fails meanwhile: what was decided is not said.
    p.disk_slow = true;
    forget(&c);
    say(&c, GET("/"));
    p.disk_fails = true;
    gw_visitors_recorded(&p.visitors);
    run(&c);
    assert_true(heard_has(&c, "HTTP/1.1 503 "));
    assert_false(heard_has(&c, "hello"));
    p.disk_fails = false;
    // A disk that hangs: no answer, and the connection ends.
    p.disk_slow = true;
    forget(&c);
    say(&c, GET("/"));
    sleep_ms(&c, 20000);
    assert_string_equal(heard(&c), "");
    assert_null(c.socket);
    caller_fini(&c);
    place_fini(&p);
}

static void draining_ends_what_waits_and_takes_nothing_new(void **state)
{
    (void)state;
    struct place p;
    struct caller waiting, quiet, busy;
    place_init(&p, false);
    caller_init(&quiet, &p, "client");
    caller_init(&busy, &p, "client");
    say(&busy, "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 2\r\n\r\n");
    p.waits = true;
    caller_init(&waiting, &p, "client");
    say(&waiting, GET("/revocations"));
    gw_visitors_drain(&p.visitors);
    run(&waiting);
    run(&quiet);
    run(&busy);
    assert_true(heard_has(&waiting, "HTTP/1.1 200 "));
    assert_true(heard_has(&waiting, "connection: close"));
    assert_int_equal(waiting.tls.state, GW_TLS_PEER_CLOSED);
    assert_int_equal(quiet.tls.state, GW_TLS_PEER_CLOSED);
    assert_int_equal(p.idle, 0);
    p.waits = false;
    say(&busy, "ab");
    assert_true(heard_has(&busy, "HTTP/1.1 200 "));
    assert_int_equal(p.idle, 1);
    caller_fini(&waiting);
    caller_fini(&quiet);
    caller_fini(&busy);
    place_fini(&p);
}

static void bytes_one_at_a_time_are_the_same_request(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    static const char text[] =
        "POST /t HTTP/1.1\r\nHost: " HOST "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    place_init(&p, false);
    caller_init(&c, &p, "client");
    for (size_t i = 0; i < sizeof text - 1; i++)
        say_span(&c, span_of(text + i, 1));
    assert_int_equal(p.asked, 1);
    assert_string_equal(p.body, "abc");
    caller_fini(&c);
    place_fini(&p);
}

static void what_is_no_http_is_refused_and_cut(void **state)
{
    (void)state;
    struct place p;
    struct caller c;
    place_init(&p, false);
    caller_init(&c, &p, "client");
    say(&c,
        "POST /t HTTP/1.1\r\nHost: " HOST "\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nGET /smuggled");
    assert_true(heard_has(&c, "HTTP/1.1 400 "));
    assert_int_equal(p.asked, 0);
    assert_int_equal(p.records, 1);
    assert_int_equal(c.tls.state, GW_TLS_PEER_CLOSED);
    caller_fini(&c);
    place_fini(&p);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    if (gw_tls_process_init() != 0)
        return -1;
    certs_ca(&certs, "ca");
    certs_ca(&certs, "evil");
    certs_workload(&certs, "own", "ca", SERVER_ID);
    certs_workload(&certs, "client", "ca", ID);
    certs_workload(&certs, "forged", "evil", ID);
    tls_config_init(&own, &certs, "own");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_config_fini(&own);
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
        cmocka_unit_test(head_gets_the_head_alone),
        cmocka_unit_test(another_authority_is_421_and_asks_nobody),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_request_behind_one_that_waits_waits_too),
        cmocka_unit_test(a_body_over_the_bound_is_413),
        cmocka_unit_test(a_head_over_the_bound_is_431),
        cmocka_unit_test(continue_is_said_when_the_body_is_wanted),
        cmocka_unit_test(slow_loris_meets_its_deadlines),
        cmocka_unit_test(a_client_that_takes_nothing_is_cut),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(idle_connections_give_way_to_new_ones),
        cmocka_unit_test(an_optional_certificate_is_nobody_when_it_is_not_there),
        cmocka_unit_test(a_certificate_that_is_demanded_and_not_there_is_refused),
        cmocka_unit_test(a_revoked_certificate_is_refused_on_every_request),
        cmocka_unit_test(an_expired_certificate_gets_no_body_asked_for),
        cmocka_unit_test(a_long_poll_ends_when_something_changed_or_its_time_came),
        cmocka_unit_test(a_certificate_revoked_while_its_visit_waits_is_refused),
        cmocka_unit_test(who_leaves_while_he_waits_is_forgotten),
        cmocka_unit_test(one_more_than_may_wait_is_answered_at_once_and_not_cut_off),
        cmocka_unit_test(without_a_record_there_is_no_answer),
        cmocka_unit_test(an_answer_waits_for_its_record_on_the_disk),
        cmocka_unit_test(draining_ends_what_waits_and_takes_nothing_new),
        cmocka_unit_test(bytes_one_at_a_time_are_the_same_request),
        cmocka_unit_test(what_is_no_http_is_refused_and_cut),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
