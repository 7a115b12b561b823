// SPDX-License-Identifier: GPL-3.0-or-later
// What the TLS connections of one listener, or to one shard, have in common: our certificate and key, versions, groups, ALPN,
// tickets. Built from plain data, checked whole, then only read. One context a loop and configuration generation (wolfSSL's take
// locks); references are counted without atomics, so all engines of a context live on its loop. An engine keeps its
// context alive: a loop drops its own reference at a swap and live connections go on undisturbed.
//
// The context trusts nothing: its certificate store is empty and stays so. Who the peer is, is decided by pki_trust in the
// engine's verify callback.
#ifndef SALLYPORT_TLS_CONTEXT_H
#define SALLYPORT_TLS_CONTEXT_H

#include "gateway/base/diag.h"
#include "gateway/tls/peer.h"
#include "gateway/tls/ticket.h"

enum gw_tls_version { GW_TLS_1_3, GW_TLS_1_2 };

struct gw_tls_config {
    // Chain, leaf first, and its private key; PEM. A client may have neither (cert_pem SPAN_NONE). The names are for complaints.
    struct span cert_pem, cert_file;
    struct span key_pem, key_file;
    struct span passphrase; // SPAN_NONE: the key is not encrypted
    bool renewed;           // somebody renews it in time: its being near its end is no warning
    enum gw_tls_version min_version;
    // Names as the TLS registry writes them, in order of preference; none: X25519MLKEM768, X25519. Known: X25519MLKEM768, X25519,
    // secp256r1, secp384r1, secp521r1, SecP256r1MLKEM768.
    const struct span *groups;
    size_t groups_n;
    // ALPN protocols, in order of preference; none: http/1.1. A peer that offers others only is refused.
    const struct span *alpn;
    size_t alpn_n;
    // Servers. Tickets are issued when `tickets` and `peers` are both there; both outlive the context.
    uint32_t listener; // a ticket is good on its own listener only
    struct gw_tls_ticket_keys *tickets;
    struct gw_tls_peers *peers;
    // Servers: a client may come without a certificate, and its peer is then NULL. One that it does present is judged as ever. There are no tickets
    // then, so that nobody resumes as somebody. Never for a listener of the gateway (checklist 27).
    bool certificate_optional;
};

struct gw_tls_context;

// Once a process, from the main thread, before any other thread uses cryptography (process.c says why); pairs. 0, or ERR_INTERNAL when the
// library or one of its algorithms does not work on this machine.
int gw_tls_process_init(void);
void gw_tls_process_fini(void);

// `config` may go away afterwards. NULL with the reasons in `diags`: unreadable PEM, key of another certificate, expired or not yet
// valid, weak key, a leaf that may not be used for this, unknown group. A certificate near its end is a warning.
struct gw_tls_context *gw_tls_context_server(const struct gw_tls_config *config, int64_t now_s, struct diags *diags);
struct gw_tls_context *gw_tls_context_client(const struct gw_tls_config *config, int64_t now_s, struct diags *diags);
struct gw_tls_context *gw_tls_context_ref(struct gw_tls_context *c);
// Frees with the last reference. NULL is fine.
void gw_tls_context_unref(struct gw_tls_context *c);
// When our own certificate ends, for metrics and readiness; 0 without one.
int64_t gw_tls_context_not_after(const struct gw_tls_context *c);

#endif
