// SPDX-License-Identifier: GPL-3.0-or-later
// One X.509 certificate taken apart (RFC 5280 §4.1–4.2), and the checks that concern it alone: the X.509-SVID profile of a leaf
// (SPIFFE X.509-SVID §3–5; checklist 28, 29), what a CA must have, and whether one certificate's key signed another.
// Paths are the business of pki/path.h.
//
// The parser is strict DER. Whatever is to be believed is also held against wolfSSL's reading: pki/cert_agree.h.
#ifndef SALLYPORT_PKI_CERT_H
#define SALLYPORT_PKI_CERT_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "pki/spiffe.h"
#include "pki/trust.h"

enum pki_name_type { // GeneralName's tags (RFC 5280 §4.2.1.6)
    PKI_NAME_OTHER,
    PKI_NAME_EMAIL,
    PKI_NAME_DNS,
    PKI_NAME_X400,
    PKI_NAME_DIRECTORY,
    PKI_NAME_EDI,
    PKI_NAME_URI,
    PKI_NAME_IP,
    PKI_NAME_RID
};

struct pki_general_name {
    enum pki_name_type type;
    struct span value; // content; a directory name's is the Name element
};

enum { // key usage bits (RFC 5280 §4.2.1.3)
    PKI_KU_DIGITAL_SIGNATURE = 1 << 0,
    PKI_KU_CERT_SIGN = 1 << 5,
    PKI_KU_CRL_SIGN = 1 << 6
};
enum { PKI_EKU_SERVER = 1, PKI_EKU_CLIENT = 2, PKI_EKU_ANY = 4, PKI_EKU_OTHER = 8 };

enum pki_sig {
    PKI_SIG_UNKNOWN, // not accepted: SHA-1, MD5, DSA, PSS, unknown
    PKI_SIG_ECDSA_SHA256,
    PKI_SIG_ECDSA_SHA384,
    PKI_SIG_ECDSA_SHA512,
    PKI_SIG_RSA_SHA256,
    PKI_SIG_RSA_SHA384,
    PKI_SIG_RSA_SHA512,
    PKI_SIG_ED25519
};
enum pki_spki { PKI_SPKI_UNKNOWN, PKI_SPKI_P256, PKI_SPKI_P384, PKI_SPKI_P521, PKI_SPKI_RSA, PKI_SPKI_ED25519 };

// Spans point into the DER it was parsed from, arrays into the arena.
struct pki_cert {
    struct span der, tbs;
    struct span serial;          // magnitude, at most 20 bytes
    struct span issuer, subject; // Name elements
    int64_t not_before, not_after;
    uint8_t sha256[32];

    enum pki_spki key_type;
    struct span key; // EC point, Ed25519 key, or RSAPublicKey element
    unsigned rsa_bits;
    enum pki_sig sig_type;
    struct span sig;

    struct span skid, akid; // SPAN_NONE when absent
    bool has_basic, basic_critical, ca;
    int path_len; // -1: none
    bool has_usage, usage_critical;
    unsigned usage; // PKI_KU_*
    bool has_eku;
    unsigned eku; // PKI_EKU_*
    struct pki_general_name *names;
    size_t names_n;
    struct pki_general_name *permitted, *excluded; // name constraints
    size_t permitted_n, excluded_n;
};

#define PKI_CERT_MAX 16384 // bytes of a certificate that are looked at

// 0, ERR_CERT_MALFORMED (`*why`, may be NULL, says what; an extension that is critical and unknown counts), ERR_CERT_WEAK (key type or
// size), ERR_NOMEM. `der` must outlive `out`.
int pki_cert_parse(struct span der, struct arena *arena, struct pki_cert *out, const char **why);

// Signature of `cert` with the key of `issuer`. 0, ERR_CERT_UNTRUSTED (does not verify), ERR_CERT_WEAK (algorithm).
int pki_cert_signed_by(const struct pki_cert *cert, const struct pki_cert *issuer);
// The same for any signed structure (CRLs). `sig` is a BIT STRING's bytes.
int pki_cert_verify(const struct pki_cert *issuer, enum pki_sig type, struct span tbs, struct span sig);
// The AlgorithmIdentifier element → its signature type.
enum pki_sig pki_sig_parse(struct span algorithm);

// The leaf's own profile, checklist 29: not a CA, may not sign certificates or CRLs, key usage critical with digitalSignature, extended key
// usage, if there, for `purpose`. 0, ERR_CERT_IS_CA, ERR_CERT_USAGE.
int pki_cert_leaf_profile(const struct pki_cert *leaf, enum pki_purpose purpose);
// A server that is known by its DNS name, as RFC 5280 has it: not a CA, and key usages, where there are any, that allow it. 0, ERR_CERT_IS_CA,
// ERR_CERT_USAGE.
int pki_cert_server_profile(const struct pki_cert *leaf);
// What may stand above another certificate: CA:TRUE, and keyCertSign if there is a key usage (RFC 5280 §6.1.4). For workloads (X.509-SVID §4) the
// key usage must be there, and the basic constraints critical. 0 or ERR_CERT_UNTRUSTED.
int pki_cert_ca_profile(const struct pki_cert *ca, bool workload, const char **why);

// The workload that a leaf names (checklist 28): its one URI SAN, or, when no URI of it is a SPIFFE ID, what the rules make of its DNS SANs and subject. `*id`
// points into the certificate or the map. 0, ERR_CERT_SAN, ERR_CERT_SPIFFE_ID, ERR_CERT_UNMAPPED, ERR_NOMEM.
int pki_cert_workload(const struct pki_cert *leaf, const struct pki_identity_map *map, struct arena *scratch,
                      struct pki_spiffe *id);
// True when `name` (a DNS name, or an IP address as text) is among the certificate's SANs.
bool pki_cert_has_host(const struct pki_cert *leaf, struct span name);

// A Name element as RFC 4514 text ("CN=search,O=Example": last RDN first); SPAN_NONE when out of memory or malformed.
struct span pki_dn_text(struct span name, struct arena *arena);
// Serial number's magnitude as lower-case hex without leading zeros.
struct span pki_serial_text(struct span magnitude, struct arena *arena);

#endif
