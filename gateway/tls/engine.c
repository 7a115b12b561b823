// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/tls/engine_inside.h"

#include <assert.h>
#include <limits.h>

#include <wolfssl/error-ssl.h>

#define IN_HIGH (64u << 10)   // ciphertext that waits to be read
#define IN_MAX (1u << 20)     // what feed takes from an owner who does not ask wants_input
#define OUT_HIGH (256u << 10) // ciphertext that waits to be sent
#define RECORD (16u << 10)    // plaintext of one record
#define RECORD_MORE 64        // and what is around it
#define HELLO_MAX 1024        // of a ServerHello, for TLS 1.2

int gw_tls_fail(struct gw_tls_engine *e, int error, const char *detail)
{
    if (e->state != GW_TLS_FAILED && e->error == 0) {
        e->error = error;
        e->detail = detail;
    }
    e->state = GW_TLS_FAILED;
    WOLFSSL_ALERT_HISTORY history;
    if (wolfSSL_get_alert_history(e->ssl, &history) == WOLFSSL_SUCCESS && history.last_rx.code >= 0)
        e->alert = history.last_rx.code;
    return e->error;
}

// ---- bytes to and from wolfSSL

// The start of what the server says, kept until the handshake is over where TLS 1.2 is possible.
static void keep_hello(struct gw_tls_engine *e, const char *bytes, size_t n)
{
    if (e->state != GW_TLS_HANDSHAKE || e->context->min_version != GW_TLS_1_2 || buf_len(&e->hello) >= HELLO_MAX)
        return;
    size_t room = HELLO_MAX - buf_len(&e->hello);
    buf_append(&e->hello, span_of(bytes, n < room ? n : room));
}

int gw_tls_on_recv(WOLFSSL *ssl, char *out, int n, void *engine)
{
    struct gw_tls_engine *e = engine;
    struct span from = e->lent.n > 0 ? e->lent : buf_span(&e->in);
    size_t have = from.n, want = n > 0 ? (size_t)n : 0;
    (void)ssl;
    if (have == 0)
        return e->eof ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_WANT_READ;
    size_t take = have < want ? have : want;
    memcpy(out, from.p, take);
    if (!e->server)
        keep_hello(e, out, take);
    if (e->lent.n > 0)
        e->lent = span_sub(from, take, from.n);
    else
        buf_consume(&e->in, take);
    return (int)take;
}

int gw_tls_on_send(WOLFSSL *ssl, char *bytes, int n, void *engine)
{
    struct gw_tls_engine *e = engine;
    (void)ssl;
    if (n < 0 || !buf_append(&e->out, span_of(bytes, (size_t)n)))
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (e->server)
        keep_hello(e, bytes, (size_t)n);
    return n;
}

// ---- life

static int init(struct gw_tls_engine *e, struct gw_tls_context *c, const struct gw_tls_trust *trust)
{
    assert(c && trust);
    *e = (struct gw_tls_engine){ .state = GW_TLS_HANDSHAKE, .alert = -1, .trust = trust, .server = c->server };
    e->facts = (struct gw_tls_facts){ SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, false };
    e->ssl = wolfSSL_new(c->ctx);
    if (!e->ssl)
        return ERR_NOMEM;
    buf_init(&e->in, IN_MAX);
    buf_init(&e->out, 0);
    buf_init(&e->hello, HELLO_MAX);
    wolfSSL_SetIOReadCtx(e->ssl, e);
    wolfSSL_SetIOWriteCtx(e->ssl, e);
    wolfSSL_SetCertCbCtx(e->ssl, e);
    if (wolfSSL_UseALPN(e->ssl, c->alpn_list, (unsigned)strlen(c->alpn_list), WOLFSSL_ALPN_FAILED_ON_MISMATCH) !=
        WOLFSSL_SUCCESS) {
        wolfSSL_free(e->ssl);
        e->ssl = NULL;
        return ERR_NOMEM;
    }
    e->context = gw_tls_context_ref(c);
    return 0;
}

int gw_tls_server_init(struct gw_tls_engine *e, struct gw_tls_context *c, const struct gw_tls_trust *trust)
{
    assert(c->server);
    return init(e, c, trust);
}

void gw_tls_fini(struct gw_tls_engine *e)
{
    if (e->ssl)
        wolfSSL_free(e->ssl);
    e->ssl = NULL;
    gw_tls_peer_unref(e->peer);
    gw_tls_peer_unref(e->verified);
    gw_tls_peer_unref(e->resumed);
    e->peer = e->verified = e->resumed = NULL;
    buf_wipe(&e->in);
    buf_wipe(&e->out);
    buf_fini(&e->hello);
    gw_tls_context_unref(e->context);
    e->context = NULL;
}

// ---- the handshake

static int handshake(struct gw_tls_engine *e)
{
    int r = e->server ? wolfSSL_accept(e->ssl) : wolfSSL_connect(e->ssl);
    if (r == WOLFSSL_SUCCESS)
        return gw_tls_handshake_done(e);
    int wolf = wolfSSL_get_error(e->ssl, r);
    if (wolf == WOLFSSL_ERROR_WANT_READ || wolf == WOLFSSL_ERROR_WANT_WRITE) {
        // The callback may have refused where wolfSSL went on; nothing of that may open later.
        return e->error ? gw_tls_fail(e, e->error, e->detail) : 0;
    }
    const char *detail = NULL;
    int error = gw_tls_error_of(wolf, &detail);
    return gw_tls_fail(e, error, detail);
}

static bool is_address(struct span name)
{
    if (span_find(name, ':') < name.n)
        return true;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] != '.' && (name.p[i] < '0' || name.p[i] > '9'))
            return false;
    return true;
}

int gw_tls_client_init(struct gw_tls_engine *e, struct gw_tls_context *c, const struct gw_tls_trust *trust,
                       const struct gw_tls_target *target, int64_t now_s)
{
    assert(!c->server);
    if (span_is_none(target->dns) == span_is_none(target->spiffe_id))
        return ERR_INTERNAL;
    int error = init(e, c, trust);
    if (error)
        return error;
    e->target = target;
    e->now_s = now_s;
    struct span sni = span_is_none(target->sni) ? target->dns : target->sni;
    if (!span_is_none(sni) && !is_address(sni) && sni.n < 256 &&
        wolfSSL_UseSNI(e->ssl, WOLFSSL_SNI_HOST_NAME, sni.p, (unsigned short)sni.n) != WOLFSSL_SUCCESS)
        error = ERR_NOMEM;
    if (!error)
        error = handshake(e);
    if (error)
        gw_tls_fini(e);
    return error;
}

int gw_tls_feed(struct gw_tls_engine *e, struct span ciphertext, int64_t now_s)
{
    assert(e->lent.n == 0);
    e->now_s = now_s;
    if (e->state == GW_TLS_FAILED)
        return e->error;
    if (e->state == GW_TLS_CLOSED || e->state == GW_TLS_PEER_CLOSED)
        return 0; // what comes after a close is nobody's (RFC 8446 §6.1)
    if (!buf_append(&e->in, ciphertext))
        return gw_tls_fail(e, ERR_NOMEM, "more ciphertext than the engine holds");
    int error = e->state == GW_TLS_HANDSHAKE ? handshake(e) : 0;
    if (buf_len(&e->in) == 0)
        buf_release(&e->in);
    return error;
}

int gw_tls_lend(struct gw_tls_engine *e, struct span ciphertext, int64_t now_s)
{
    if (e->state != GW_TLS_OPEN || buf_len(&e->in) > 0)
        return gw_tls_feed(e, ciphertext, now_s);
    assert(e->lent.n == 0);
    e->now_s = now_s;
    e->lent = ciphertext;
    return 0;
}

int gw_tls_keep(struct gw_tls_engine *e)
{
    struct span left = e->lent;
    e->lent = SPAN_NONE;
    if (e->state == GW_TLS_FAILED)
        return e->error;
    if (left.n == 0 || e->state != GW_TLS_OPEN || buf_append(&e->in, left))
        return 0;
    return gw_tls_fail(e, ERR_NOMEM, "more ciphertext than the engine holds");
}

int gw_tls_feed_eof(struct gw_tls_engine *e)
{
    char first;
    e->eof = true;
    switch (e->state) {
    case GW_TLS_FAILED: return e->error;
    case GW_TLS_HANDSHAKE: return gw_tls_fail(e, ERR_TLS, "the connection ended during the handshake");
    case GW_TLS_PEER_CLOSED:
    case GW_TLS_CLOSED: return 0;
    case GW_TLS_OPEN: break;
    }
    int r = wolfSSL_peek(e->ssl, &first, 1);
    if (r > 0)
        return 0; // read() gives it, and then the verdict
    if (wolfSSL_get_error(e->ssl, r) == WOLFSSL_ERROR_ZERO_RETURN) {
        e->state = GW_TLS_PEER_CLOSED;
        return 0;
    }
    return gw_tls_fail(e, ERR_CLIENT_GONE, "the connection ended without close_notify");
}

bool gw_tls_wants_input(const struct gw_tls_engine *e)
{
    return (e->state == GW_TLS_HANDSHAKE || e->state == GW_TLS_OPEN) && buf_len(&e->in) + e->lent.n < IN_HIGH &&
           buf_len(&e->out) < OUT_HIGH;
}

// ---- plaintext

// Whether wolfSSL could come to anything; it never holds a whole record that it has not opened.
static bool has_input(const struct gw_tls_engine *e)
{
    return e->lent.n > 0 || buf_len(&e->in) > 0 || e->eof || wolfSSL_pending(e->ssl) > 0;
}

ssize_t gw_tls_read(struct gw_tls_engine *e, void *out, size_t n)
{
    if (e->state == GW_TLS_FAILED)
        return e->error;
    if (e->state != GW_TLS_OPEN || n == 0 || buf_len(&e->out) >= OUT_HIGH) // answers to KeyUpdates would pile up
        return 0;
    if (!has_input(e))
        return 0;
    int r = wolfSSL_read(e->ssl, out, n > INT_MAX ? INT_MAX : (int)n);
    int wolf = r > 0 ? 0 : wolfSSL_get_error(e->ssl, r);
    if (buf_len(&e->in) == 0)
        buf_release(&e->in);
    if (r > 0)
        return r;
    if (wolf == WOLFSSL_ERROR_WANT_READ || wolf == WOLFSSL_ERROR_WANT_WRITE)
        return 0;
    if (wolf == WOLFSSL_ERROR_ZERO_RETURN) {
        e->state = GW_TLS_PEER_CLOSED;
        buf_fini(&e->in);
        return 0;
    }
    if (e->eof && wolf == SOCKET_PEER_CLOSED_E)
        return gw_tls_fail(e, ERR_CLIENT_GONE, "the connection ended without close_notify");
    const char *detail = NULL;
    gw_tls_error_of(wolf, &detail);
    return gw_tls_fail(e, ERR_TLS, detail);
}

size_t gw_tls_pending(const struct gw_tls_engine *e)
{
    int n = e->state == GW_TLS_OPEN ? wolfSSL_pending(e->ssl) : 0;
    return n > 0 ? (size_t)n : 0;
}

ssize_t gw_tls_write(struct gw_tls_engine *e, struct span plaintext)
{
    size_t taken = 0;
    if (e->state == GW_TLS_FAILED)
        return e->error;
    if (e->state != GW_TLS_OPEN && e->state != GW_TLS_PEER_CLOSED)
        return ERR_TLS;
    size_t most = plaintext.n < OUT_HIGH ? plaintext.n : OUT_HIGH;
    buf_reserve(&e->out, most + (most / RECORD + 1) * RECORD_MORE); // at once: growing copies
    while (taken < plaintext.n && buf_len(&e->out) < OUT_HIGH) {
        size_t n = plaintext.n - taken < RECORD ? plaintext.n - taken : RECORD;
        int r = wolfSSL_write(e->ssl, plaintext.p + taken, (int)n);
        if (r <= 0) {
            const char *detail = NULL;
            gw_tls_error_of(wolfSSL_get_error(e->ssl, r), &detail);
            return gw_tls_fail(e, e->out.failed ? ERR_NOMEM : ERR_TLS, detail);
        }
        taken += (size_t)r;
    }
    return (ssize_t)taken;
}

struct span gw_tls_output(const struct gw_tls_engine *e)
{
    return buf_span(&e->out);
}

void gw_tls_sent(struct gw_tls_engine *e, size_t n)
{
    buf_consume(&e->out, n);
    if (buf_len(&e->out) == 0)
        buf_release(&e->out);
}

void gw_tls_shutdown(struct gw_tls_engine *e)
{
    if (e->state != GW_TLS_OPEN && e->state != GW_TLS_PEER_CLOSED)
        return;
    wolfSSL_shutdown(e->ssl);
    e->state = GW_TLS_CLOSED;
    buf_fini(&e->in);
}

int gw_tls_recheck(const struct gw_tls_engine *e, int64_t now_s)
{
    return e->peer ? gw_tls_peer_recheck(e->peer, e->trust, now_s) : ERR_CERT_MISSING;
}
