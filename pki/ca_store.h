// SPDX-License-Identifier: GPL-3.0-or-later
// The CA's registry: one SQLite file that knows every certificate the CA ever signed, who was revoked, and the CRL
// numbers. A row is committed (WAL, synchronous=FULL) before the certificate leaves the process, so whatever is in
// somebody's hands can be revoked; a kill at any moment loses at most a certificate that nobody has. Writers take
// SQLite's write lock at the start of their transaction and wait up to `busy_ms` for it, so any number of processes may
// issue at once.
//
// This layer stores; it signs nothing and decides nothing (pki/ca.h does). Every function returns 0 or ERR_STORE_BUSY,
// ERR_STORE_FAILED, ERR_NOMEM and what else it says; pki_ca_store_what tells a person more.
#ifndef SALLYPORT_PKI_CA_STORE_H
#define SALLYPORT_PKI_CA_STORE_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"

struct pki_ca_store;

enum pki_ca_kind { PKI_CA_ROOT = 1, PKI_CA_ISSUING = 2 };

// A signing certificate of ours. Spans are in the caller's arena.
struct pki_ca_authority {
    int64_t id;
    enum pki_ca_kind kind;
    struct span certificate; // DER
    struct span key_file;    // relative to the CA's directory; or a pkcs11: URI
    int64_t not_after;
    uint64_t crl_number; // of the last CRL; 0: none yet
    struct span crl;     // the last one, DER
    int64_t crl_signed_at, crl_next_update;
};

// One issued certificate.
struct pki_ca_record {
    struct span serial;    // lower-case hex
    int64_t issuer;        // authority id
    struct span spiffe_id; // an issuing CA's has no path
    struct span dns;       // names with '\n' between them; empty: none
    int64_t not_before, not_after, issued_at;
    struct span certificate; // DER
    bool ca;
    bool from_csr;      // the key is not ours to know
    int64_t revoked_at; // 0: not revoked
    int reason;
};

// `busy_ms` is how long a lock is waited for. ERR_STORE_ABSENT when there is no such file (it is created by _create
// only). On failure `*out` may be set all the same: it has the reason, and wants closing.
int pki_ca_store_create(const char *path, struct pki_ca_store **out);
int pki_ca_store_open(const char *path, int busy_ms, struct pki_ca_store **out);
void pki_ca_store_close(struct pki_ca_store *s); // NULL is fine; rolls an open transaction back
// Text for people about the last failure: static or owned by the store, valid until its next call.
const char *pki_ca_store_what(const struct pki_ca_store *s);

// A transaction that writes: begin takes the write lock. Abort after a failure is fine, and after commit does nothing.
int pki_ca_store_begin(struct pki_ca_store *s);
int pki_ca_store_commit(struct pki_ca_store *s);
void pki_ca_store_abort(struct pki_ca_store *s);

// "trust_domain"; "dns_zones", with newlines between them; "sequence" of the bundle, which grows when the set of roots
// changes. ERR_STORE_ABSENT.
int pki_ca_store_setting(struct pki_ca_store *s, const char *name, struct arena *a, struct span *out);
int pki_ca_store_put_setting(struct pki_ca_store *s, const char *name, struct span value);

int pki_ca_store_add_authority(struct pki_ca_store *s, const struct pki_ca_authority *authority, int64_t *id);
// All, oldest first: `*n` of them in the arena.
int pki_ca_store_authorities(struct pki_ca_store *s, struct arena *a, struct pki_ca_authority **out, size_t *n);
// Stores a CRL of `number`; ERR_STORE_FAILED unless that is the last number plus one.
int pki_ca_store_set_crl(struct pki_ca_store *s, int64_t authority, uint64_t number, struct span der, int64_t signed_at,
                         int64_t next_update);

// ERR_STORE_EXISTS when the serial was used before.
int pki_ca_store_add(struct pki_ca_store *s, const struct pki_ca_record *record);

enum pki_ca_filter {
    PKI_CA_VALID = 1,   // neither expired nor revoked
    PKI_CA_EXPIRED = 2, // expired, not revoked
    PKI_CA_REVOKED = 4,
    PKI_CA_ALL = 7,
};
struct pki_ca_query {
    unsigned filter; // of enum pki_ca_filter, at `now_s`
    int64_t now_s;
    struct span serial;    // SPAN_NONE: any
    struct span spiffe_id; // SPAN_NONE: any
    int64_t issuer;        // 0: any
    int64_t not_after_min; // only those that end at or after this; 0: any
};
// Calls `on_record` for each, oldest first, until it returns non-zero, which is returned. The record lives during the
// call.
int pki_ca_store_each(struct pki_ca_store *s, const struct pki_ca_query *query,
                      int (*on_record)(void *ctx, const struct pki_ca_record *r), void *ctx);
// ERR_STORE_ABSENT when the serial is unknown; ERR_STORE_EXISTS when it is revoked already (nothing changes).
int pki_ca_store_revoke(struct pki_ca_store *s, struct span serial, int64_t at, int reason);

#endif
