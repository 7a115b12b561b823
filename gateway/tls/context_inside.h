// SPDX-License-Identifier: GPL-3.0-or-later
// What context.c and engine.c share: the context's fields, and the callbacks that an engine answers. Not for other folders.
#ifndef SALLYPORT_TLS_CONTEXT_INSIDE_H
#define SALLYPORT_TLS_CONTEXT_INSIDE_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include "gateway/tls/context.h"

#define GW_TLS_ALPN_MAX 8

struct gw_tls_context {
    unsigned refs; // of one loop only
    WOLFSSL_CTX *ctx;
    bool server, certificate_optional;
    enum gw_tls_version min_version;
    struct arena arena;                // the names below
    struct span alpn[GW_TLS_ALPN_MAX]; // static for facts.alpn
    size_t alpn_n;
    char *alpn_list; // comma-separated, as wolfSSL wants it
    uint32_t listener;
    struct gw_tls_ticket_keys *tickets; // both or neither
    struct gw_tls_peers *peers;
    int64_t not_after;
};

// The engine is found through the connection's IO context.
int gw_tls_on_recv(WOLFSSL *ssl, char *buf, int n, void *engine);
int gw_tls_on_send(WOLFSSL *ssl, char *buf, int n, void *engine);
int gw_tls_on_verify(int preverified, WOLFSSL_X509_STORE_CTX *store);
int gw_tls_on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ], unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int encrypt, unsigned char *ticket, int n, int *out_n,
                     void *unused);

#endif
