// SPDX-License-Identifier: GPL-3.0-or-later
// Who may speak: the bundles of the trust domains, and the check of a certificate path against the one bundle that may vouch for
// it (SPIFFE X.509-SVID §5, RFC 5280 §6; checklist 27–30). A `pki_trust` is immutable once built and may be read by many
// threads. The path is built and checked here, with wolfSSL for parsing and signatures only: its certificate manager keeps the intermediates
// it has seen, applies the direct signer's name constraints only, and hands out pointers it does not guard.
//
// Two generations meet here. The *bundles* belong to the configuration generation; CRLs and the removals of CAs are a
// `pki_revocation` of the other generation, which applies even while a configuration is refused.
#ifndef SALLYPORT_PKI_TRUST_H
#define SALLYPORT_PKI_TRUST_H

#include "gateway/base/arena.h"
#include "gateway/base/diag.h"
#include "gateway/base/err.h"
#include "pki/identity_map.h"

// One certificate of a verified path, for the look at every request. The spans point into `der`.
struct pki_path_step {
    struct span der;
    uint8_t sha256[32];
    struct span serial_raw; // magnitude
    int64_t not_after;
    struct span subject, skid, key; // what a CRL of this CA is checked with
    int key_type;                   // enum pki_spki
    bool crl_sign;                  // it may sign CRLs
};

// What a verified certificate says about its workload; everything the later stages use. Owned by the caller's arena.
struct pki_identity {
    struct span spiffe_id;         // whole URI
    struct span trust_domain;      // inside spiffe_id
    struct span path;              // inside spiffe_id, with the leading '/'
    struct span serial;            // lower-case hex without leading zeros
    struct span dns;               // first DNS SAN, or SPAN_NONE
    struct span issuer;            // issuer DN as text, for audit
    uint8_t leaf_sha256[32];       // of the DER: x5t#S256, and the key of the peer table
    uint8_t issuer_sha256[32];     // of the direct issuer's DER
    int64_t not_before, not_after; // seconds since the epoch
    // The path that was found: leaf, intermediates, and last the CA of the bundle.
    const struct pki_path_step *steps;
    size_t steps_n;
    int64_t path_not_after; // the earliest of the path
};

struct pki_trust;
struct pki_revocation;

// Add one bundle: `pem` holds one or more CA certificates of `domain` (a SPIFFE trust domain name). Complaints go to `diags` under
// `file`. Builder use: new, add*, then read-only. 0 or the first error.
struct pki_trust *pki_trust_new(void);
void pki_trust_free(struct pki_trust *t);
int pki_trust_add_pem(struct pki_trust *t, struct span domain, struct span pem, struct span file, struct diags *diags);
// A SPIFFE bundle document (JWKS with use x509-svid).
int pki_trust_add_jwks(struct pki_trust *t, struct span domain, struct span jwks, struct span file,
                       struct diags *diags);

// CRLs (PEM or DER, several in one file) and the CA certificates that are still in the bundle files as read now. A domain whose CA set
// was given by pki_revocation_keep_cas (PEM or a SPIFFE bundle document; once a file) loses every CA outside it; while one of its files could not
// be read, none. Such a file may be given again, as it was when it was last good. Immutable once built.
struct pki_revocation *pki_revocation_new(void);
void pki_revocation_free(struct pki_revocation *r);
// Signature of each CRL is checked against the bundle (and the issuing CAs seen below it) when it is used, its dates likewise.
int pki_revocation_add_crl(struct pki_revocation *r, struct span domain, struct span crl, struct span file,
                           struct diags *diags);
int pki_revocation_keep_cas(struct pki_revocation *r, struct span domain, struct span pem, struct span file,
                            struct diags *diags);

// What a domain demands of its CRLs, in place of crl_required and crl_max_stale_s of the options.
int pki_revocation_demand(struct pki_revocation *r, struct span domain, bool required, int64_t max_stale_s);

// For readiness: a domain whose demands its CRLs do not meet at `now_s` (none where one is required, or the newest too old). SPAN_NONE: none.
struct span pki_revocation_stale(const struct pki_revocation *r, int64_t now_s);

// CAs added under this name (not a trust domain) vouch for servers known by DNS name: pki_trust_verify_server. Such a file may be the
// system's, with roots of every age: one that cannot be used is passed over, and only a file with none that can is refused. One warning
// says how many. Of a trust domain every certificate must be usable, since every one is somebody's workloads.
#define PKI_TRUST_SERVERS SPAN("")

enum pki_purpose { PKI_PURPOSE_CLIENT, PKI_PURPOSE_SERVER }; // which extended key usage a leaf that has any must have

struct pki_verify_options {
    enum pki_purpose purpose;
    const struct pki_identity_map *map; // for leaves without a SPIFFE ID; NULL: those are refused (ERR_CERT_UNMAPPED)
    bool crl_required;                  // a missing CRL for an issuer of the path refuses (ERR_CRL_STALE)
    int64_t crl_max_stale_s;            // how long past nextUpdate a CRL still counts; then ERR_CRL_STALE
};

// Verifies leaf and sent intermediates (DER, any order after the leaf) at `now_s`. `r` may be NULL (no CRL, no removals).
// 0 and `*out` filled from `arena`; or one of ERR_CERT_*, ERR_CRL_STALE, ERR_NOMEM.
int pki_trust_verify(const struct pki_trust *t, const struct pki_revocation *r,
                     const struct pki_verify_options *options, struct span leaf, const struct span *intermediates,
                     size_t n, int64_t now_s, struct arena *arena, struct pki_identity *out);

// A server known by name: path to the CAs of PKI_TRUST_SERVERS, serverAuth, and `name` (a DNS name, or an IP address as text) among its SANs; the subject
// is never looked at. `out->spiffe_id` and its parts are SPAN_NONE, `dns` is `name`. ERR_CERT_SAN: another name.
int pki_trust_verify_server(const struct pki_trust *t, const struct pki_revocation *r,
                            const struct pki_verify_options *options, struct span name, struct span leaf,
                            const struct span *intermediates, size_t n, int64_t now_s, struct arena *arena,
                            struct pki_identity *out);

// The every-request look (checklist 27–30, "expiry and revocation are looked at on every request"): a verified identity against
// `now`, the present revocation generation and the present bundle (its CA must still be there), without any signature but a CRL's the first
// time it is used. 0, ERR_CERT_EXPIRED, ERR_CERT_REVOKED, ERR_CRL_STALE, ERR_CERT_UNTRUSTED.
int pki_trust_recheck(const struct pki_trust *t, const struct pki_revocation *r,
                      const struct pki_verify_options *options, const struct pki_identity *id, int64_t now_s);

// Whether the rules of a new configuration still make this workload of its certificate: to be asked once for each generation of the mapping. 0, or
// ERR_CERT_UNMAPPED (another workload, or none). An identity whose certificate has a SPIFFE ID, or of a server, is as it was.
int pki_trust_remap(const struct pki_identity *id, const struct pki_identity_map *map);

#endif
