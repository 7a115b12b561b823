// SPDX-License-Identifier: GPL-3.0-or-later
// The tokens and proofs of a run, signed before its first request, so that signing is never measured.
//
//   one token, no proof          --token
//   one token, a proof each      --token --dpop-key
//   a token and a proof each     --token --dpop-key --issuer-key: the given token under another jti, which no cache has seen
//   as many workloads' keys      --token --issuer-key --keys N: N new keys, the given token bound to each of them, a proof each, in turn
//   as many workloads            the same with --workload-id: the token names that workload, and each of the N names its own (workloads.h)
#ifndef SALLYPORT_BENCH_SUPPORT_CREDENTIALS_H
#define SALLYPORT_BENCH_SUPPORT_CREDENTIALS_H

#include "gateway/base/buf.h"

struct credentials {
    // wanted
    const char *token_file, *dpop_file, *issuer_file; // NULL: none
    long keys;                                        // 0: that of dpop_file
    const char *workload_id;                          // NULL: all are of one workload
    // made
    struct span token; // SPAN_NONE: requests have none
    struct buf tokens, proofs;
    size_t *token_ends, *proof_ends;
    long tokens_n;
};

// For n requests of this method and URI. Ends the process with the reason when something cannot be made.
void credentials_make(struct credentials *c, struct span method, struct span uri, long n);
struct span credentials_token(const struct credentials *c, long i);
struct span credentials_proof(const struct credentials *c, long i); // SPAN_NONE: none

#endif
