// SPDX-License-Identifier: GPL-3.0-or-later
// SHA-256 of tokens that come again and again: some of the last ones, whole, with their digests. A digest is given for the very same bytes only, so what is
// looked up by it (token_cache.h) is still looked up by the SHA-256 of the token; comparing a kilobyte costs a twentieth of hashing it.
//
// The place of a text follows from its last bytes, of its signature: two that fall together take turns. Put only what held, so that nobody is put out by
// rubbish. Not for more than one thread.
#ifndef SALLYPORT_PKI_DIGEST_MEMO_H
#define SALLYPORT_PKI_DIGEST_MEMO_H

#include "pki/digest.h"

#define PKI_DIGEST_MEMO_PLACES 256
#define PKI_DIGEST_MEMO_TEXT 4096 // a longer one is not kept

struct pki_digest_memo;

// NULL: out of memory.
struct pki_digest_memo *pki_digest_memo_new(void);
// Wipes what it kept. NULL is fine.
void pki_digest_memo_free(struct pki_digest_memo *m);
// False: it is not there, and `out` is untouched.
bool pki_digest_memo_get(const struct pki_digest_memo *m, struct span text, uint8_t out[static PKI_SHA256]);
// Without memory it is not kept.
void pki_digest_memo_put(struct pki_digest_memo *m, struct span text, const uint8_t sha256[static PKI_SHA256]);

#endif
