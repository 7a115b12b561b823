// SPDX-License-Identifier: GPL-3.0-or-later
// A TLS client made of wolfSSL itself, for what our own engine would never do: resume with any ticket, offer psk_ke only, switch extended
// master secret off, send no certificate, ask for key updates.
#ifndef SALLYPORT_TESTS_RAW_CLIENT_H
#define SALLYPORT_TESTS_RAW_CLIENT_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include "tests/support/tls_pair.h"

struct raw_client {
    WOLFSSL_CTX *ctx;
    WOLFSSL *ssl;
    WOLFSSL_SESSION *session; // of the last connection
    struct buf in, out;
    bool open;
    int error;         // wolfSSL's
    int64_t server_ns; // that the server's engine took; the caller's to set to 0
};

// `name` NULL: no certificate. It does not verify the server.
void raw_client_init(struct raw_client *r, struct certs *c, const char *name, const char *chain,
                     enum gw_tls_version version);
void raw_client_fini(struct raw_client *r);
// A new connection; with `resume`, the last session is offered. Change `r->ssl` as wanted, then raw_client_run.
void raw_client_begin(struct raw_client *r, bool resume);
// Handshakes against `server` until nothing moves, reads what the server sent (tickets), keeps the session.
void raw_client_run(struct raw_client *r, struct gw_tls_engine *server, int64_t now_s);
// begin + a fresh server engine of `side` + run. The engine is the caller's to end.
void raw_client_meet(struct raw_client *r, struct gw_tls_engine *server, struct tls_side *side, bool resume,
                     int64_t now_s);
// Only moves the bytes there are, once each way; true when any moved.
bool raw_client_exchange(struct raw_client *r, struct gw_tls_engine *server, int64_t now_s);

#endif
