// SPDX-License-Identifier: GPL-3.0-or-later
// One TLS connection over memory: ciphertext in, ciphertext out, plaintext read and written in between. No socket, no clock, no
// thread: the owner moves bytes and says what time it is.
//
//   feed(bytes from the socket) ─▶ state ─▶ read(plaintext) / write(plaintext) ─▶ output() … sent(n)
//
// Server: a client certificate is demanded. Before the state is GW_TLS_OPEN there is no plaintext in either direction, and when it is, `peer`
// is set: verified in this handshake, or resumed and judged again. Nothing else opens a connection (checklist 27–30a). The one exception is a context
// with `certificate_optional`: a client that presents none is open with `peer` NULL, which is nobody.
// Client: the server is verified by SPIFFE ID or by DNS name. TLS 1.3 early data, psk_ke, renegotiation: never.
#ifndef SALLYPORT_TLS_ENGINE_H
#define SALLYPORT_TLS_ENGINE_H

#include "gateway/base/buf.h"
#include "gateway/tls/context.h"

#include <sys/types.h>

enum gw_tls_state {
    GW_TLS_HANDSHAKE,
    GW_TLS_OPEN,
    GW_TLS_PEER_CLOSED, // the peer sent close_notify and everything before it was read; we may still write
    GW_TLS_CLOSED,      // we sent close_notify, too, or instead
    GW_TLS_FAILED       // `error` says why; output() may hold an alert that is worth sending
};

// Static text, for policy context and audit. SPAN_NONE until the handshake is over, or where there is none (ALPN not offered).
struct gw_tls_facts {
    struct span version; // "TLSv1.3", "TLSv1.2"
    struct span group;   // "X25519MLKEM768", "X25519" …
    struct span cipher;  // "TLS_AES_128_GCM_SHA256" …
    struct span alpn;    // "http/1.1"
    bool resumed;
};

// Who a client wants to talk to: exactly one of the two is set. Kept by reference until the handshake is over.
struct gw_tls_target {
    struct span spiffe_id; // a whole ID, compared exactly …
    struct span dns; // … or a DNS name or IP address, verified up to the CAs added to the trust under PKI_TRUST_SERVERS
    struct span sni; // server_name to send; SPAN_NONE: `dns` when that is a name, else none
};

// Embedded in its connection; must not move between init and fini. The fields are for reading only.
struct gw_tls_engine {
    enum gw_tls_state state;
    int error;          // enum err; 0 unless FAILED
    int alert;          // TLS alert number received from the peer, or -1
    const char *detail; // static text behind `error`, for audit; may be NULL
    struct gw_tls_peer *
        peer; // NULL before OPEN, and for a client without a certificate where that is allowed; for a server verified by DNS name too it is set; owned by the engine
    struct gw_tls_facts facts;

    struct WOLFSSL *ssl;
    struct gw_tls_context *context;
    const struct gw_tls_trust *trust;
    const struct gw_tls_target *target; // clients
    struct buf in, out;
    struct span lent; // ciphertext that is not ours; nothing is in `in` then
    int64_t now_s;
    struct gw_tls_peer *verified, *resumed; // found by the callbacks of this handshake
    uint8_t ticket_tag[GW_TLS_TICKET_TAG];  // of the ticket behind `resumed`
    uint16_t chain;                         // resumptions that led to `resumed`, this one included
    struct buf hello;                       // TLS 1.2: the start of the server's bytes
    bool server, callback_ran, eof;
};

// `trust` is the loop's slot: it must outlive the engine. 0, ERR_NOMEM, ERR_INTERNAL; after a failure nothing is held.
int gw_tls_server_init(struct gw_tls_engine *e, struct gw_tls_context *c, const struct gw_tls_trust *trust);
// The ClientHello is in output() afterwards.
int gw_tls_client_init(struct gw_tls_engine *e, struct gw_tls_context *c, const struct gw_tls_trust *trust,
                       const struct gw_tls_target *target, int64_t now_s);
void gw_tls_fini(struct gw_tls_engine *e);

// Takes ciphertext (all of it) and drives the handshake as far as it goes. 0, or the error that is now in `error`.
int gw_tls_feed(struct gw_tls_engine *e, struct span ciphertext, int64_t now_s);
// The same without a copy: the bytes stay the caller's, who reads what there is of plaintext and then calls gw_tls_keep, before they go. That copies what
// was not read. 0, or an error as of feed.
int gw_tls_lend(struct gw_tls_engine *e, struct span ciphertext, int64_t now_s);
int gw_tls_keep(struct gw_tls_engine *e);
// The transport ended. 0 after a close_notify; else (truncation) ERR_TLS during the handshake, ERR_CLIENT_GONE later. Plaintext that arrived
// whole can still be read.
int gw_tls_feed_eof(struct gw_tls_engine *e);
// False while what is unread, or unsent, is above the high mark: stop reading from the socket.
bool gw_tls_wants_input(const struct gw_tls_engine *e);

// Plaintext: more than 0 bytes; 0: nothing now (look at `state`); negative: the error. Call it until it gives 0.
ssize_t gw_tls_read(struct gw_tls_engine *e, void *out, size_t n);
// Bytes that read() can give without another feed, at least; 0 may still mean a partial record.
size_t gw_tls_pending(const struct gw_tls_engine *e);
// How much was taken: all of it, or less (even 0) when output is above the high mark; then call again after sent(). Negative: the error.
ssize_t gw_tls_write(struct gw_tls_engine *e, struct span plaintext);

// Ciphertext to send; after sending n bytes of it, sent(n). Valid until the next call on this engine.
struct span gw_tls_output(const struct gw_tls_engine *e);
void gw_tls_sent(struct gw_tls_engine *e, size_t n);
// Queues our close_notify. The state becomes GW_TLS_CLOSED; nothing can be written any more.
void gw_tls_shutdown(struct gw_tls_engine *e);

// The every-request look at the peer's certificate (checklist 28–30): gw_tls_peer_recheck with the loop's present trust. On an error
// the connection is to be closed. 0 or ERR_CERT_*, ERR_CRL_STALE; ERR_CERT_MISSING without a peer.
int gw_tls_recheck(const struct gw_tls_engine *e, int64_t now_s);

#endif
