// SPDX-License-Identifier: GPL-3.0-or-later
// Refresh tokens of the token service (RFC 6749 §6, RFC 9700 §4.14): opaque, rotating, bound to their sender, in one SQLite file. What is given
// out was committed first (WAL, synchronous=FULL): no refresh token that a client got is lost by a kill, and none works twice.
//
// A family begins with a grant and ends with it. Each use replaces the token by the next one of its family; the use of one that was replaced
// means that two parties have it, and revokes the family (ERR_GRANT_REUSED). One exception, for an answer that was lost on its way: the last
// replaced token, by the same sender within PKI_GRANT_RETRY_S, gets the very successor that it got before, if that one was not used yet.
// Only hashes of tokens are stored; the successor of a retry is derived from the token that was replaced, not stored: whoever reads the file
// has no token.
//
// The token: "sr_" base64url(family id, 16 bytes · counter, 4 bytes · MAC, 16 bytes · secret, 16 bytes). The MAC, under a key of the file's
// own, tells any token that we gave out, however old, from one that somebody made up; the secret is a MAC of the one before it.
//
// Bounded: of a client's families the one longest unused gives way to the PKI_GRANTS_CLIENT'th + 1; when PKI_GRANTS_MAX are there in all, begin
// refuses with ERR_STORE_FAILED (one client must not end another's). Families that have expired are removed when others begin.
// One thread uses a store. Functions return 0 or ERR_STORE_*, ERR_NOMEM and what else they say.
#ifndef SALLYPORT_PKI_GRANTS_H
#define SALLYPORT_PKI_GRANTS_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"

#define PKI_GRANT_RETRY_S 10
#define PKI_GRANT_TOKEN_MAX 96
#define PKI_GRANTS_CLIENT 10000
#define PKI_GRANTS_MAX 250000

struct pki_grants;

// What a family stands for. Spans are copied in; on the way out they live in the arena that was given.
struct pki_grant {
    struct span client_id;    // who may use it
    struct span workload;     // SPIFFE ID; SPAN_NONE: none
    const uint8_t *jkt, *x5t; // 32 bytes each; what it is bound to: at least one
    struct span subject;      // `sub` of the access tokens
    struct span scope;        // the widest; space-separated
    struct span audiences;    // space-separated
    struct span extra;        // JSON object of further claims (`act` …); SPAN_NONE: none
    int64_t created_s, expires_s;
};

int pki_grants_open(const char *path, int busy_ms, struct pki_grants **out); // made (0600) when it is not there
void pki_grants_close(struct pki_grants *g);                                 // NULL is fine
const char *pki_grants_what(const struct pki_grants *g);

// Begins a family; appends its first token.
int pki_grants_begin(struct pki_grants *g, const struct pki_grant *grant, int64_t now_s, struct buf *token);
// Looks a token up without using it: 0 and `*out`, ERR_GRANT_UNKNOWN (malformed too), ERR_GRANT_EXPIRED, ERR_GRANT_REVOKED, ERR_GRANT_REUSED (nothing is
// changed by a look, and `*out` is set, so that the sender can be held against it before rotate revokes). `current`: it is the newest of its
// family; one that was replaced, and may still be retried, is not. Both may be NULL.
int pki_grants_look(struct pki_grants *g, struct span token, int64_t now_s, struct arena *a, struct pki_grant *out,
                    bool *current);
// Uses it, after the sender was held against the grant: its successor is appended. Errors as above; ERR_GRANT_REUSED has revoked the family.
int pki_grants_rotate(struct pki_grants *g, struct span token, int64_t now_s, struct buf *successor);
// Revokes the family of a token. 0 also when it was revoked or has expired; ERR_GRANT_UNKNOWN.
int pki_grants_revoke(struct pki_grants *g, struct span token, int64_t now_s);
// Revokes all families of a client, of a workload (either may be SPAN_NONE, not both), or of both together; `*n` (may be NULL) how many.
int pki_grants_revoke_all(struct pki_grants *g, struct span client_id, struct span workload, int64_t now_s, size_t *n);

#endif
