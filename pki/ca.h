// SPDX-License-Identifier: GPL-3.0-or-later
// The workload CA: a root that signs issuing CAs, an issuing CA that signs workloads, and a registry that remembers
// (pki/ca_store.h).
//
//   DIR/            0700
//     ca.db           registry (and ca.db-wal, ca.db-shm while it is open)
//     bundle.pem      the root certificate: what relying parties trust
//     root/key.pem    the root's private key. May be taken away: only a new issuing CA and the root's CRL need it
//     root/cert.pem
//     issuing/key.pem, issuing/cert.pem
//
// A private key may be in a PKCS#11 token instead (pki/hsm.h): then there is no key.pem, and the registry has its URI.
//
// Names are checked against the trust domain before anything is signed, and every certificate ends no later than its
// issuer's. Functions return 0 or a negative enum err; `pki_ca_what` has the sentence for a person. Time comes in as
// seconds since the epoch.
#ifndef SALLYPORT_PKI_CA_H
#define SALLYPORT_PKI_CA_H

#include "pki/ca_store.h"
#include "pki/csr.h"
#include "pki/x509_make.h"

#define PKI_CA_BACKDATE 300 // seconds that notBefore and thisUpdate lie in the past, for clocks that are slow
#define PKI_CA_ROOT_TTL (3650 * 86400LL)
#define PKI_CA_ISSUING_TTL (730 * 86400LL)
#define PKI_CA_ROOT_CRL_TTL (90 * 86400LL)
#define PKI_CA_TTL_MIN 10             // seconds
#define PKI_CA_CRL_MIN 60             // of a CRL
#define PKI_CA_DNS_MAX 32             // DNS names of one certificate
#define PKI_CA_CRL_KEEP (7 * 86400LL) // seconds that a revoked certificate stays on the CRL after it expired

struct pki_ca_init {
    const char *dir;
    struct span trust_domain;
    const struct span *dns_zones; // permitted DNS subtrees of everything below the root; none: DNS is not constrained
    size_t n_dns_zones;
    struct span passphrase; // SPAN_NONE: key files are not encrypted
    struct span root_token,
        issuing_token;             // pkcs11: URI of a token, without object, where the key is made; SPAN_NONE: a file
    int64_t root_ttl, issuing_ttl; // seconds; 0: as above
    int64_t now_s;
};
// Makes the directory whole under another name and renames it, so that there is a whole CA or none. ERR_STORE_EXISTS
// when `dir` exists and is not an empty directory; ERR_CA_REFUSED (trust domain, lifetimes), ERR_STORE_FAILED, ERR_HSM. `what`
// gets the sentence. Keys made in a token are removed from it on failure; a process that is killed may leave them there.
int pki_ca_init(const struct pki_ca_init *options, char *what, size_t what_n);

struct pki_ca;
// Opens registry and certificates, not the keys. ERR_STORE_ABSENT when there is no CA in `dir`.
int pki_ca_open(const char *dir, int busy_ms, struct pki_ca **out, char *what, size_t what_n);
void pki_ca_close(struct pki_ca *ca);
const char *pki_ca_what(const struct pki_ca *ca);
struct span pki_ca_trust_domain(const struct pki_ca *ca);
struct pki_ca_store *pki_ca_store(struct pki_ca *ca);

// Is that CA's key file encrypted? `file` NULL: the one in the directory. False for a key in a token; `file` may be a pkcs11: URI,
// here and below. ERR_STORE_ABSENT when it is not there (a root kept elsewhere).
int pki_ca_key_encrypted(struct pki_ca *ca, enum pki_ca_kind kind, const char *file, bool *encrypted);
// Reads the keys of a kind (the newest CA's from `file` unless NULL, and those of older ones that have not expired),
// and checks that each is the key of its certificate. Kept until close. ERR_STORE_ABSENT, ERR_CERT_MALFORMED (not a
// key, wrong passphrase, another key), ERR_STORE_FAILED, ERR_HSM.
int pki_ca_unlock(struct pki_ca *ca, enum pki_ca_kind kind, const char *file, struct span passphrase, int64_t now_s);

struct pki_ca_request {
    struct span spiffe_id;
    const struct span *dns;
    size_t n_dns;
    int64_t ttl;               // seconds
    const struct pki_key *key; // public is enough
    bool from_csr;
    struct span join_id; // of the join token that this is the one use of (pki/ca_join.h); SPAN_NONE: none
    int64_t now_s;
};
struct pki_ca_issued {
    char serial[PKI_SERIAL_TEXT];
    int64_t not_before, not_after;
    bool shortened; // the issuing CA ends before the lifetime that was asked for
};
// Signs, records, and only then appends the certificate's DER to `certificate`. The issuing CA must be unlocked.
// ERR_CA_REFUSED (names, lifetime), ERR_CERT_WEAK, ERR_STORE_*, ERR_HSM; ERR_JOIN_USED when the join token was used meanwhile.
int pki_ca_issue(struct pki_ca *ca, const struct pki_ca_request *request, struct buf *certificate,
                 struct pki_ca_issued *out);
// A new issuing CA under the root, which must be unlocked. The old one's certificates stay valid and its CRL goes on. The new key is
// made where the old one is: in its token, or in a file.
int pki_ca_renew_issuing(struct pki_ca *ca, int64_t ttl, struct span passphrase, int64_t now_s);

// Marks all of them as revoked, or none. ERR_STORE_ABSENT; ERR_STORE_EXISTS when a single one is revoked already (among
// several that is passed over). The CRLs say so after the next pki_ca_sign_crl.
int pki_ca_revoke(struct pki_ca *ca, const struct span *serials, size_t n, int reason, int64_t now_s);

// Signs a new CRL of every CA of `kind` that has not expired, and records them; they must be unlocked. ERR_CA_REFUSED
// (lifetime).
int pki_ca_sign_crl(struct pki_ca *ca, enum pki_ca_kind kind, int64_t lifetime, int64_t now_s);
// The CRLs as recorded last, PEM, of all CAs in `kinds` (a mask of enum pki_ca_kind) that have not expired, issuing CAs
// first; or, DER, of the newest CA of one kind. ERR_STORE_ABSENT when there is none.
int pki_ca_crl_pem(struct pki_ca *ca, unsigned kinds, int64_t now_s, struct buf *out);
int pki_ca_crl_der(struct pki_ca *ca, enum pki_ca_kind kind, struct buf *out);
// When the root's CRL must be renewed: it is past half of its life, or says less than the registry. `*next_update` gets
// its end.
int pki_ca_root_crl_due(struct pki_ca *ca, int64_t now_s, bool *due, int64_t *next_update);

// Appends the root certificates as PEM, or as a SPIFFE bundle (SPIFFE Trust Domain and Bundle §4).
int pki_ca_bundle_pem(struct pki_ca *ca, struct buf *out);
int pki_ca_bundle_jwks(struct pki_ca *ca, uint64_t refresh_hint_s, struct buf *out);
// Appends the certificate of the issuing CA in use, PEM: what follows a leaf in cert.pem.
int pki_ca_chain_pem(struct pki_ca *ca, struct buf *out);

#endif
