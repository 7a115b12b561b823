// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/raw_client.h"

#include "gateway/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "raw_client: %s\n", what);
    abort();
}

static int on_recv(WOLFSSL *ssl, char *out, int n, void *ctx)
{
    struct raw_client *r = ctx;
    size_t take = buf_len(&r->in) < (size_t)n ? buf_len(&r->in) : (size_t)n;
    (void)ssl;
    if (take == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(out, buf_span(&r->in).p, take);
    buf_consume(&r->in, take);
    return (int)take;
}

static int on_send(WOLFSSL *ssl, char *bytes, int n, void *ctx)
{
    struct raw_client *r = ctx;
    (void)ssl;
    buf_append(&r->out, span_of(bytes, (size_t)n));
    return n;
}

void raw_client_init(struct raw_client *r, struct certs *c, const char *name, const char *chain,
                     enum gw_tls_version version)
{
    *r = (struct raw_client){ 0 };
    r->ctx = wolfSSL_CTX_new(version == GW_TLS_1_2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    require(r->ctx, "no context");
    wolfSSL_CTX_SetIORecv(r->ctx, on_recv);
    wolfSSL_CTX_SetIOSend(r->ctx, on_send);
    wolfSSL_CTX_set_verify(r->ctx, WOLFSSL_VERIFY_NONE, NULL);
    if (!name)
        return;
    struct buf pem = chain ? certs_chain(c, name, chain) : certs_pem(c, name), key = certs_key(c, name);
    struct span cert = buf_span(&pem), secret = buf_span(&key);
    require(wolfSSL_CTX_use_certificate_chain_buffer(r->ctx, (const unsigned char *)cert.p, (long)cert.n) ==
                    WOLFSSL_SUCCESS &&
                wolfSSL_CTX_use_PrivateKey_buffer(r->ctx, (const unsigned char *)secret.p, (long)secret.n,
                                                  WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS,
            "certificate");
    buf_fini(&pem);
    buf_fini(&key);
}

static void end(struct raw_client *r)
{
    if (r->ssl)
        wolfSSL_free(r->ssl);
    r->ssl = NULL;
    buf_fini(&r->in);
    buf_fini(&r->out);
    r->open = false;
    r->error = 0;
}

void raw_client_fini(struct raw_client *r)
{
    end(r);
    if (r->session)
        wolfSSL_SESSION_free(r->session);
    wolfSSL_CTX_free(r->ctx);
}

void raw_client_begin(struct raw_client *r, bool resume)
{
    end(r);
    buf_init(&r->in, 0);
    buf_init(&r->out, 0);
    r->ssl = wolfSSL_new(r->ctx);
    require(r->ssl, "no connection");
    wolfSSL_SetIOReadCtx(r->ssl, r);
    wolfSSL_SetIOWriteCtx(r->ssl, r);
    char alpn[] = "http/1.1";
    wolfSSL_UseALPN(r->ssl, alpn, 8, WOLFSSL_ALPN_FAILED_ON_MISMATCH);
    if (resume)
        require(r->session && wolfSSL_set_session(r->ssl, r->session) == WOLFSSL_SUCCESS, "no session to resume");
}

bool raw_client_exchange(struct raw_client *r, struct gw_tls_engine *server, int64_t now_s)
{
    bool moved = false;
    struct span out = buf_span(&r->out);
    if (out.n) {
        int64_t began = clock_mono_ns();
        gw_tls_feed(server, out, now_s);
        r->server_ns += clock_mono_ns() - began;
        buf_consume(&r->out, out.n);
        moved = true;
    }
    out = gw_tls_output(server);
    if (out.n) {
        buf_append(&r->in, out);
        gw_tls_sent(server, out.n);
        moved = true;
    }
    return moved;
}

void raw_client_run(struct raw_client *r, struct gw_tls_engine *server, int64_t now_s)
{
    char drop[256];
    bool moved = true;
    for (int i = 0; moved && i < 64; i++) {
        if (!r->open && r->error == 0) {
            int e = wolfSSL_connect(r->ssl);
            r->open = e == WOLFSSL_SUCCESS;
            int why = r->open ? 0 : wolfSSL_get_error(r->ssl, e);
            r->error = why == WOLFSSL_ERROR_WANT_READ ? 0 : why;
        } else if (r->open) {
            while (wolfSSL_read(r->ssl, drop, sizeof drop) > 0)
                ;
        }
        moved = raw_client_exchange(r, server, now_s);
    }
    if (!r->open)
        return;
    if (r->session)
        wolfSSL_SESSION_free(r->session);
    r->session = wolfSSL_get1_session(r->ssl);
}

void raw_client_meet(struct raw_client *r, struct gw_tls_engine *server, struct tls_side *side, bool resume,
                     int64_t now_s)
{
    require(gw_tls_server_init(server, side->context, &side->trust) == 0, "server_init");
    raw_client_begin(r, resume);
    raw_client_run(r, server, now_s);
}
