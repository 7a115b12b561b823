// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of tokens and proofs need: published vectors, and the freedom to sign anything, well-formed or not.
#ifndef SALLYPORT_TESTS_JOSE_H
#define SALLYPORT_TESTS_JOSE_H

#include "gateway/base/json.h"
#include "pki/key.h"

// A file below $SALLYPORT_VECTORS, parsed; NULL when it is not there (the test then skips). The caller frees.
struct json_doc *jose_vectors(const char *name);
// Calls `on_file` with "folder/name" for each file of a folder below $SALLYPORT_VECTORS whose name ends in ".json"; false when it is not there.
bool jose_vectors_each(const char *folder, void (*on_file)(void *ctx, const char *name), void *ctx);
// Hexadecimal text → bytes, malloc'ed.
struct span jose_hex(struct span text);
// header '.' payload '.' signature, NUL-terminated, malloc'ed. The header is signed as written, whatever it says.
char *jose_sign(const char *header, const char *payload, const struct pki_key *key, enum pki_alg alg);
// The same with SHA-256 of a MAC key: what an attacker makes of a public key (HS256).
char *jose_hmac(const char *header, const char *payload, struct span secret);
// base64url of bytes, NUL-terminated, malloc'ed.
char *jose_b64(struct span s);
// A JSON object with the member `name` set to JSON text, or removed (NULL), NUL-terminated, malloc'ed.
char *jose_with(const char *object, const char *name, const char *value);
// The public JWK as text, NUL-terminated, malloc'ed.
char *jose_jwk(const struct pki_key *key, bool private_members);

#endif
