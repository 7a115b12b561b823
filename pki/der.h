// SPDX-License-Identifier: GPL-3.0-or-later
// DER (X.690 §10), the little of it that certificates, requests and CRLs need: a writer that nests, and a reader that
// walks. The reader is strict: definite lengths in their shortest form only, low tag numbers only, nothing past the
// end.
#ifndef SALLYPORT_PKI_DER_H
#define SALLYPORT_PKI_DER_H

#include "gateway/base/buf.h"
#include "gateway/base/span.h"

enum pki_der_tag {
    PKI_DER_BOOLEAN = 0x01,
    PKI_DER_INTEGER = 0x02,
    PKI_DER_BIT_STRING = 0x03,
    PKI_DER_OCTET_STRING = 0x04,
    PKI_DER_NULL = 0x05,
    PKI_DER_OID = 0x06,
    PKI_DER_ENUMERATED = 0x0a,
    PKI_DER_UTF8 = 0x0c,
    PKI_DER_PRINTABLE = 0x13,
    PKI_DER_IA5 = 0x16,
    PKI_DER_UTC_TIME = 0x17,
    PKI_DER_GENERALIZED_TIME = 0x18,
    PKI_DER_SEQUENCE = 0x30,
    PKI_DER_SET = 0x31,
};
#define PKI_DER_CONTEXT(n) (0x80 | (n))             // [n] IMPLICIT of something primitive
#define PKI_DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) // [n] EXPLICIT, or IMPLICIT of something constructed

// Object identifiers are spans of their content bytes, from the table in der.c.
extern const struct span pki_oid_ec_sha256, pki_oid_ec_sha384, pki_oid_ec_sha512, pki_oid_ed25519, pki_oid_rsa_sha256,
    pki_oid_rsa_sha384, pki_oid_rsa_sha512, pki_oid_common_name, pki_oid_organization, pki_oid_ext_request,
    pki_oid_skid, pki_oid_key_usage, pki_oid_san, pki_oid_basic_constraints, pki_oid_name_constraints,
    pki_oid_crl_number, pki_oid_reason, pki_oid_akid, pki_oid_ext_key_usage, pki_oid_server_auth, pki_oid_client_auth;

// ---- writing

#define PKI_DER_DEPTH 16

// Appends to `out`. A failed append marks the buffer (buf.h), so a whole structure is written and checked once.
struct pki_der {
    struct buf *out;
    size_t open[PKI_DER_DEPTH]; // where the content of each open element starts, counted from the buffer's read end
    unsigned depth;
};
struct pki_der pki_der(struct buf *out);
void pki_der_begin(struct pki_der *d, int tag);
void pki_der_end(struct pki_der *d); // writes the length that begin left open
void pki_der_put(struct pki_der *d, int tag, struct span content);
void pki_der_raw(struct pki_der *d, struct span der); // whole elements
void pki_der_oid(struct pki_der *d, struct span oid);
void pki_der_int(struct pki_der *d, uint64_t v);
// An unsigned big-endian number: leading zeros are dropped, one is added before a set top bit.
void pki_der_uint(struct pki_der *d, struct span big_endian);
void pki_der_bool(struct pki_der *d, bool v);
// UTCTime through 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). Seconds since the epoch, 1970 to 9999.
void pki_der_time(struct pki_der *d, int64_t seconds);
void pki_der_bits(struct pki_der *d, struct span bytes); // BIT STRING of whole bytes

// ---- reading

// Cuts the first element off `*rest`: its tag, content, and (may be NULL) the whole of it. False when malformed or at
// the end, `*rest` untouched. The outputs are not `*rest`.
bool pki_der_next(struct span *rest, int *tag, struct span *content, struct span *whole);
// As above, and the tag must be `tag`.
bool pki_der_take(struct span *rest, int tag, struct span *content);
// The same, and nothing changes when another tag, or nothing, comes: for OPTIONAL.
bool pki_der_peek(struct span rest, int tag);
// A BIT STRING's content without unused bits → bytes.
bool pki_der_bit_bytes(struct span content, struct span *bytes);
// INTEGER content that is positive → magnitude without the leading zero.
bool pki_der_positive(struct span content, struct span *magnitude);
// UTCTime or GeneralizedTime content, Zulu with seconds only → seconds since the epoch.
bool pki_der_read_time(int tag, struct span content, int64_t *seconds);

#endif
