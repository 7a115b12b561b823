// SPDX-License-Identifier: GPL-3.0-or-later
// JWS in compact serialisation (RFC 7515 §3.1), strictly: three segments of unpadded base64url without stray bits, a header that is
// one JSON object without duplicate members, no `crit` (no extension is understood here, §4.1.11), no `b64` other than true
// (RFC 7797), never `none`. This file knows nothing about tokens or proofs; it takes the key from the caller, never from the header.
// Errors are those of tokens (ERR_TOKEN_MALFORMED …); dpop.c gives them the proof's names.
#ifndef SALLYPORT_PKI_JWS_H
#define SALLYPORT_PKI_JWS_H

#include "gateway/base/arena.h"
#include "gateway/base/json.h"
#include "pki/key.h"

// The segments, still encoded, inside the caller's text.
struct pki_jws {
    struct span signing_input; // header '.' payload
    struct span header, payload, signature;
};

// Cuts without decoding. 0; ERR_TOKEN_ENCRYPTED for five segments (JWE), ERR_TOKEN_MALFORMED for everything else that is not three,
// for an empty header or payload segment, and over `max` bytes.
int pki_jws_split(struct span compact, size_t max, struct pki_jws *out);

// The header, decoded. Strings are borrowed from `doc`.
struct pki_jws_header {
    struct json_doc *doc; // owned; pki_jws_header_fini
    enum pki_alg alg;     // PKI_ALG_NONE: missing, unknown or `none`
    struct span typ, kid; // SPAN_NONE when absent
    json jwk;             // NULL when absent; its type is not checked
    bool brings_key;      // any of jwk jku x5u x5c is present
};
// 0 or ERR_TOKEN_MALFORMED, ERR_TOKEN_CRIT, ERR_NOMEM.
int pki_jws_header_read(struct span segment, struct pki_jws_header *out);
void pki_jws_header_fini(struct pki_jws_header *h);

// Decodes a segment into the arena. 0 or ERR_TOKEN_MALFORMED, ERR_NOMEM.
int pki_jws_decode(struct span segment, struct arena *arena, struct span *out);

// Decodes the signature and verifies with exactly this key and alg. 0 or ERR_TOKEN_MALFORMED (not base64url), ERR_TOKEN_SIGNATURE,
// ERR_NOMEM. Safe with a key that other threads verify with at the same time.
int pki_jws_verify(const struct pki_jws *jws, const struct pki_key *key, enum pki_alg alg);

// Appends header '.' payload '.' signature. 0 or ERR_INTERNAL, ERR_NOMEM.
int pki_jws_sign(struct span header_json, struct span payload, const struct pki_key *key, enum pki_alg alg,
                 struct buf *out);

// A signature that stands beside what it signs (RFC 7515 appendix F): header, nothing, signature. The payload is in a file of its own, as it
// is, and is encoded for the signing input only.
// 0 or ERR_TOKEN_MALFORMED. `out->payload` is empty and `out->signing_input` is absent.
int pki_jws_split_detached(struct span compact, size_t max, struct pki_jws *out);
// As pki_jws_verify.
int pki_jws_verify_detached(const struct pki_jws *jws, struct span payload, const struct pki_key *key,
                            enum pki_alg alg);
// Appends header '.' '.' signature. 0 or ERR_INTERNAL, ERR_HSM, ERR_NOMEM.
int pki_jws_sign_detached(struct span header_json, struct span payload, const struct pki_key *key, enum pki_alg alg,
                          struct buf *out);

#endif
