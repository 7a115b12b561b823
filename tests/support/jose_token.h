// SPDX-License-Identifier: GPL-3.0-or-later
// The issuer and the claims that tests of tokens start from; each test changes what it is about.
#ifndef SALLYPORT_TESTS_JOSE_TOKEN_H
#define SALLYPORT_TESTS_JOSE_TOKEN_H

#include "pki/token.h"
#include "tests/support/jose.h"

#define T INT64_C(1700000000)
#define WORKLOAD "spiffe://prod.example/ns/rag/sa/api"
#define JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
#define HEADER "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\"}"
#define ALGS (PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_ES384) | PKI_ALG_BIT(PKI_EDDSA))

enum { READ = 1, WRITE = 2, DROP = 4 }; // actions

// Claims that hold at T + 1.
extern const char jose_token_base[];
struct pki_issuer jose_issuer(void);
// A set of that issuer, with `key` as its only key, "k1".
struct pki_issuers *jose_issuers(const struct pki_issuer *issuer, const struct pki_key *key);

#endif
