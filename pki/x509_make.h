// SPDX-License-Identifier: GPL-3.0-or-later
// Writes X.509 certificates (RFC 5280 §4) of the three kinds that a workload CA has: root, issuing CA, X.509-SVID. What
// is not in the plan is not in the certificate; the profile (SPIFFE X.509-SVID §4) is decided here and nowhere else:
//
//   CA      basicConstraints CA:TRUE with a path length, keyUsage keyCertSign + cRLSign, name constraints: URIs of the
//           trust domain (and DNS zones if there are any), URI SAN spiffe://trust-domain
//   leaf    basicConstraints CA:FALSE, keyUsage digitalSignature, EKU clientAuth + serverAuth, exactly one URI SAN
//   both    subject and authority key identifiers (RFC 7093 §2 method 1: SHA-256 of the public key, cut to 20 bytes)
//
// Basic constraints, key usage and name constraints are critical. Dates are encoded here from seconds, to the second.
#ifndef SALLYPORT_PKI_X509_MAKE_H
#define SALLYPORT_PKI_X509_MAKE_H

#include "gateway/base/buf.h"
#include "pki/key.h"

#define PKI_KEY_ID 20
#define PKI_SERIAL 16      // bytes of a serial number: 128 random bits
#define PKI_SERIAL_TEXT 33 // as lower-case hex, NUL included

// Writes a subject key identifier. 0 or ERR_NOMEM.
int pki_x509_key_id(const struct pki_key *k, uint8_t out[static PKI_KEY_ID]);

// A random serial number whose first hex digit is not zero, so that its text has one length everywhere.
void pki_serial_new(uint8_t out[static PKI_SERIAL]);
// As people write it: hex in either case, colons, leading zeros, "0x" → lower-case hex without leading zeros,
// NUL-terminated.
bool pki_serial_parse(struct span text, char out[static PKI_SERIAL_TEXT]);

struct pki_x509_plan {
    bool ca;
    unsigned path_length;     // of a CA
    const uint8_t *serial;    // PKI_SERIAL bytes
    struct span trust_domain; // O of the subject; a CA's name constraint
    struct span common_name;  // of the subject; SPAN_NONE: none (leaves: a CN could be taken for a host name)
    struct span uri;          // the URI SAN
    const struct span *dns;   // a leaf's DNS SANs; a CA's permitted DNS zones, without which it may name any host
    size_t n_dns;
    int64_t not_before, not_after; // seconds since the epoch, both inclusive
    const struct pki_key *subject_key;
    const struct pki_key *issuer_key; // signs
    struct span issuer;               // the issuer's subject Name, DER; SPAN_NONE: self-signed
};
// Appends the certificate, DER. 0, ERR_INTERNAL (the issuer's key cannot sign), ERR_HSM (nor its token: pki_hsm_why), ERR_NOMEM.
int pki_x509_make(const struct pki_x509_plan *plan, struct buf *out);

// Appends SEQUENCE { tbs, algorithm of the key, signature }: certificates and CRLs alike. The algorithm's identifier is
// also inside `tbs`.
int pki_x509_sign(const struct pki_key *k, struct span tbs, struct buf *out);
// Appends the AlgorithmIdentifier that pki_x509_sign will use. False for a key that cannot sign.
bool pki_x509_algorithm(const struct pki_key *k, struct buf *out);

// What of a certificate the CA needs to read back. Borrowed from `der`. This is no validation: for that there is
// pki/trust.h.
struct pki_x509_view {
    struct span serial;          // magnitude
    struct span issuer, subject; // Names, DER
    struct span spki;            // DER
    int64_t not_before, not_after;
};
// 0 or ERR_CERT_MALFORMED.
int pki_x509_view(struct span der, struct pki_x509_view *out);

#endif
