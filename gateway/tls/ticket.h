// SPDX-License-Identifier: GPL-3.0-or-later
// The keys that session tickets are encrypted with, and what we put into a ticket beside wolfSSL's own state. One object a process,
// shared by loops and kept across reloads, so that a ticket is good on any loop (wolfSSL's own are per context and die with it).
// AES-256-GCM; a key is used for `lifetime_s / 2` to encrypt and honoured for as long again, so a ticket is accepted
// for between half and all of its lifetime after the last rotation. Rotation happens by `now`, inside the calls; they lock.
#ifndef SALLYPORT_TLS_TICKET_H
#define SALLYPORT_TLS_TICKET_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

struct gw_tls_ticket_keys;

#define GW_TLS_TICKET_LIFETIME_S (8 * 3600) // default and, by RFC 8446 §4.6.1, far below the most (7 days)
#define GW_TLS_TICKET_CHAIN_MAX 200         // resumptions from one certificate handshake; wolfSSL fails at the 256th

// `lifetime_s` 0: the default. NULL when out of memory.
struct gw_tls_ticket_keys *gw_tls_ticket_keys_new(int64_t lifetime_s);
void gw_tls_ticket_keys_free(struct gw_tls_ticket_keys *k); // wipes
int64_t gw_tls_ticket_keys_lifetime_s(const struct gw_tls_ticket_keys *k);

// Our facts, encrypted together with the session's state.
struct gw_tls_ticket_facts {
    uint8_t leaf_sha256[32];
    int64_t issued_s; // of this ticket, by our clock
    int64_t until_s;  // never later than the certificate path's end
    uint32_t listener;
    uint32_t trust_generation;
    uint16_t chain; // how many resumptions led here
};
#define GW_TLS_TICKET_FACTS 58 // bytes when written
#define GW_TLS_TICKET_NAME 16
#define GW_TLS_TICKET_IV 12
#define GW_TLS_TICKET_TAG 16

// Encrypts state || facts in place: `data` has state_n bytes and room for GW_TLS_TICKET_FACTS more. 0, ERR_INTERNAL.
int gw_tls_ticket_seal(struct gw_tls_ticket_keys *k, int64_t now_s, const struct gw_tls_ticket_facts *facts,
                       uint8_t *data, size_t state_n, uint8_t name[static GW_TLS_TICKET_NAME],
                       uint8_t iv[static GW_TLS_TICKET_IV], uint8_t tag[static GW_TLS_TICKET_TAG]);
// The way back; `n` counts state and facts. 0, or ERR_TLS: key unknown or too old, tag wrong, ticket too short. Judging the
// facts is the caller's.
int gw_tls_ticket_open(struct gw_tls_ticket_keys *k, int64_t now_s, uint8_t *data, size_t n,
                       const uint8_t name[static GW_TLS_TICKET_NAME], const uint8_t iv[static GW_TLS_TICKET_IV],
                       const uint8_t tag[static GW_TLS_TICKET_TAG], struct gw_tls_ticket_facts *facts);

#endif
