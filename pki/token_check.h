// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the two halves of a token's check (token.c, token_check.c), and with what else ends as a token (api_keys.c).
#ifndef SALLYPORT_PKI_TOKEN_CHECK_H
#define SALLYPORT_PKI_TOKEN_CHECK_H

#include "pki/token.h"

// exp, nbf, iat and the issuer's max_age, with its skew. 0, ERR_TOKEN_EXPIRED, ERR_TOKEN_NOT_YET.
int pki_token_check_time_(const struct pki_token *t, int64_t now_s, const struct pki_trace *trace);
// A copy with one reference, in one block with all that it points to; NULL when out of memory.
struct pki_token *pki_token_seal_(const struct pki_token *t);

#endif
