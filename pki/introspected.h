// SPDX-License-Identifier: GPL-3.0-or-later
// Opaque tokens (RFC 7662; checklist 17). There is no signature to check: the issuer's introspection server is asked, and its answer
// becomes a `pki_token` like a JWT's, held to the same rules about audience, time, scope, cnf and containment (assertion.h). What is
// particular to answers:
//   active       must be there and literally true; anything else that is an answer is ERR_TOKEN_INACTIVE
//   iss          exact, when it is there
//   aud          one of ours; without it the answer is refused, unless the configuration says that the audience is implied
//   exp, iat     both required, and max_lifetime holds between them. With `expiry_optional`: without iat it may be no more than
//                max_lifetime ahead; without exp it ends max_lifetime behind iat, or behind now. max_age needs an iat in any case
//   token_type   when there: DPoP with a cnf.jkt, Bearer without one (RFC 9449 §6.2), and no other word
//   the token    may be repeated in the answer (as its jti, by some servers). Where it is, SHA-256 of it stands in `claims` and
//                all else that lasts: nothing behind this function knows an opaque token
// Pure: the question is asked elsewhere (gateway/net/introspect.h), and when, too (gateway/stages/introspection.h).
#ifndef SALLYPORT_PKI_INTROSPECTED_H
#define SALLYPORT_PKI_INTROSPECTED_H

#include "pki/token.h"

#define PKI_INTROSPECTED_MAX 65536 // bytes of an answer
#define PKI_OPAQUE_MIN 16          // bytes of an opaque token: less can be guessed
#define PKI_OPAQUE_MAX 4096

// Which issuer is to be asked about `token`; NULL: none, it is for pki_token_verify.
// Opaque is what is a token68 (RFC 9110 §11.2) of a length within the bounds and not in the form of a JWT (three or five segments, the
// first of which reads as a JOSE header). Of several issuers the one whose prefix it begins with, else the one without a prefix. A token in the form
// of a JWT is asked about only where its `iss`, which nobody has verified and which only chooses, names an issuer that has no keys.
const struct pki_issuer *pki_introspected_by(const struct pki_issuers *issuers, struct span token);

// `sha256` is SHA-256 of `token`; `trace` may be NULL. 0 and `*out` with one reference and `recheck_s` set; or
//   ERR_INTROSPECTION    no answer in the sense of RFC 7662: not one strict JSON object with a boolean `active`
//   ERR_TOKEN_INACTIVE, ERR_TOKEN_ISSUER, ERR_TOKEN_CLAIM, ERR_TOKEN_AUDIENCE, ERR_TOKEN_EXPIRED, ERR_TOKEN_NOT_YET, ERR_TOKEN_LIFETIME,
//   ERR_CNF_UNKNOWN, ERR_TOKEN_UNBOUND, ERR_TOKEN_ASSERTS   it was answered, and the token is no good
//   ERR_NOMEM
int pki_introspected_read(const struct pki_issuer *issuer, struct span token, const uint8_t sha256[static 32],
                          struct span answer, int64_t now_s, const struct pki_trace *trace, struct pki_token **out);

#endif
