// SPDX-License-Identifier: GPL-3.0-or-later
// Join tokens: a credential for a machine's first certificate, where nothing else can say who it is. An operator makes one for a SPIFFE ID and carries it there;
// the enrolment endpoint takes it once, within its short life.
//
// As text it is an API key's with `join` for the environment (pki/api_key.h): sp_join_<id>_<secret><checksum>, so that scanners know it and a typing error is told
// from a wrong token. The registry of the CA (pki/ca_store.h) keeps SHA-256 of it, in a table beside the certificates: a token counts as used in the very
// transaction that records the certificate it was used for, so of two that show it at once one gets a certificate, and a kill leaves both or neither.
//
// Functions return 0 or ERR_STORE_BUSY, ERR_STORE_FAILED, ERR_NOMEM and what else they say; pki_ca_store_what tells a person more.
#ifndef SALLYPORT_PKI_CA_JOIN_H
#define SALLYPORT_PKI_CA_JOIN_H

#include "pki/api_key.h"
#include "pki/ca_store.h"

#define PKI_CA_JOIN_ENV SPAN("join")
#define PKI_CA_JOIN_TTL 600 // seconds, unless somebody says otherwise
#define PKI_CA_JOIN_TTL_MAX (7 * 86400LL)
#define PKI_CA_JOIN_KEEP (30 * 86400LL) // seconds that one stays in lists after its end

struct pki_ca_join {
    struct span id; // not secret: names it in lists and records
    uint8_t hash[PKI_SHA256];
    struct span spiffe_id; // what it is good for, and nothing else
    struct span dns;       // names with '\n' between them; empty: none
    int64_t created_at, expires_at;
    int64_t used_at;    // 0: not yet
    struct span serial; // of the certificate it was used for
    int64_t revoked_at; // 0: not revoked
};

// Makes a token, with its text (NUL-terminated, to be wiped by the caller) in `text`, and `id` borrowed from it; `join` has the rest. Also drops what
// ended PKI_CA_JOIN_KEEP ago.
int pki_ca_join_add(struct pki_ca_store *s, struct pki_ca_join *join, char text[static PKI_API_KEY_MAX + 1]);
// ERR_STORE_ABSENT. Spans are in the arena.
int pki_ca_join_find(struct pki_ca_store *s, struct span id, struct arena *a, struct pki_ca_join *out);
// Whether what was shown may be used now: 0, ERR_JOIN_UNKNOWN (another secret), ERR_JOIN_USED, ERR_JOIN_REVOKED, ERR_JOIN_EXPIRED.
int pki_ca_join_check(const struct pki_ca_join *join, const uint8_t hash[static PKI_SHA256], int64_t now_s);
// Marks it as used, inside the caller's transaction. ERR_JOIN_USED when it is not (any more) there to be used.
int pki_ca_join_take(struct pki_ca_store *s, struct span id, struct span serial, int64_t now_s);
// ERR_STORE_ABSENT; ERR_STORE_EXISTS when it was used or revoked already.
int pki_ca_join_revoke(struct pki_ca_store *s, struct span id, int64_t now_s);
// Calls `on_join` for each, oldest first, until it returns non-zero, which is returned. The record lives during the call.
int pki_ca_join_each(struct pki_ca_store *s, int (*on_join)(void *ctx, const struct pki_ca_join *join), void *ctx);

#endif
