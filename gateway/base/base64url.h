// SPDX-License-Identifier: GPL-3.0-or-later
// base64url without padding (RFC 4648 §5, RFC 7515 §2), strictly: no '=', no white space, no stray bits in the last
// character, no length of 1 mod 4. Branch-free on the data, so that key material does not leak through timing.
#ifndef SALLYPORT_BASE_BASE64URL_H
#define SALLYPORT_BASE_BASE64URL_H

#include "gateway/base/span.h"

#define BASE64URL_ENCODED(n) (((n)*4 + 2) / 3)
#define BASE64URL_DECODED(n) ((n)*3 / 4)

// Writes BASE64URL_ENCODED(in.n) characters, no NUL; returns how many.
size_t base64url_encode(struct span in, char *out);
// Writes at most BASE64URL_DECODED(in.n) bytes; false on any deviation (`*n` untouched, `out` unspecified).
bool base64url_decode(struct span in, void *out, size_t *n);

#endif
