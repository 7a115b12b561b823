// SPDX-License-Identifier: GPL-3.0-or-later
// Revocations that bite at once: single tokens, subjects, clients, workloads, keys and certificates that are good for nothing any more
// although everything about them verifies. (CRLs and removed keys are pki/trust.h's and pki/issuer.h's; they work beside this.)
//
// A `pki_revoked` is built once (new, add*), then read by all loops without a lock, counted with atomics; the control thread replaces it
// whole when the registry (revoked_store.h) or a watched file changed. It belongs to the *revocation* generation: it always applies.
//
// Each entry hits by one of these:
//
//   jti         the token with this `jti`
//   subject     tokens with this `sub`
//   client      tokens with this `client_id`
//   workload    certificates with this SPIFFE ID, and tokens that belong to it
//   thumbprint  tokens bound to this proof key: RFC 7638, base64url
//   serial      the certificate with this serial number: hex without leading zeros
//   all         every token; only with `before_s`
//
// `issuer` narrows an entry to tokens of that `iss`, and for a serial to certificates of that trust domain. `before_s` narrows it to tokens
// issued (`iat`) before that moment; without it, it is a lock-out, which new tokens meet as well. From `expires_s` on it hits nothing.
#ifndef SALLYPORT_PKI_REVOKED_H
#define SALLYPORT_PKI_REVOKED_H

#include "pki/token.h"
#include "pki/trust.h"

enum pki_revoked_kind {
    PKI_REVOKED_JTI = 1, // numbers are stored: never renumber
    PKI_REVOKED_SUBJECT,
    PKI_REVOKED_CLIENT,
    PKI_REVOKED_WORKLOAD,
    PKI_REVOKED_THUMBPRINT,
    PKI_REVOKED_SERIAL,
    PKI_REVOKED_ALL,
    PKI_REVOKED_KINDS
};

#define PKI_REVOKED_VALUE 1024       // bytes of a value or an issuer
#define PKI_REVOKED_REASON 256       // bytes of a reason
#define PKI_REVOKED_MAX (1u << 20)   // entries of a set
#define PKI_REVOKED_LINGER_S 2678400 // 31 days: longer than any JWT that a configuration can accept still lives

// Moments are seconds since the epoch.
struct pki_revoked_entry {
    enum pki_revoked_kind kind;
    struct span value;  // empty with ALL
    struct span issuer; // empty: any
    int64_t before_s;   // 0: whenever it was issued; only with SUBJECT, CLIENT, THUMBPRINT and ALL
    int64_t expires_s;  // 0: never
    int64_t revoked_s;  // when it was entered; for people
    struct span reason; // for people; may be empty
};

// "jti", "subject" … ; SPAN_NONE for no kind.
struct span pki_revoked_kind_name(enum pki_revoked_kind kind);
bool pki_revoked_kind_find(struct span name, enum pki_revoked_kind *out);
// What is wrong with an entry as static text, or NULL. A serial is brought into its one form first with pki_revoked_serial.
const char *pki_revoked_fault(const struct pki_revoked_entry *e);
// "3C:00:ca" → "3c00ca" in the arena; SPAN_NONE when it is no serial number (hex, with or without colons, at most 20 bytes) or out of memory.
struct span pki_revoked_serial(struct arena *a, struct span s);
// The moment until which an entry that was made now must stay when nobody said: PKI_REVOKED_LINGER_S after the last moment a token it hits can have
// been issued; 0 (for ever) for lock-outs, and for API keys (issuer "apikey:…"), which may live long.
int64_t pki_revoked_until(const struct pki_revoked_entry *e, int64_t now_s);

struct pki_revoked;
struct pki_revoked *pki_revoked_new(void); // one reference; NULL: out of memory
// Copies `e`, which has no fault (asserted). 0, ERR_NOMEM, ERR_STORE_FAILED: over PKI_REVOKED_MAX.
int pki_revoked_add(struct pki_revoked *r, const struct pki_revoked_entry *e);
struct pki_revoked *pki_revoked_ref(struct pki_revoked *r); // NULL is fine, and gives NULL
void pki_revoked_unref(struct pki_revoked *r);              // NULL is fine
size_t pki_revoked_count(const struct pki_revoked *r);      // NULL: 0

// The every-request looks: hash look-ups only, for the kinds that have entries. `r` may be NULL. 0, or the error with `*by` (may be NULL) the
// entry that hit, which lives as long as the set.
// The certificate of a connection: ERR_CERT_REVOKED.
int pki_revoked_certificate(const struct pki_revoked *r, const struct pki_identity *id, int64_t now_s,
                            const struct pki_revoked_entry **by);
// A token, whatever it was verified by: ERR_TOKEN_REVOKED.
int pki_revoked_token(const struct pki_revoked *r, const struct pki_token *t, int64_t now_s,
                      const struct pki_revoked_entry **by);

#endif
