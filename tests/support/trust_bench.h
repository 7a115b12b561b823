// SPDX-License-Identifier: GPL-3.0-or-later
// A trust store with its revocations, options and clock, and certificates of tests/support/certs.h by name.
#ifndef SALLYPORT_TESTS_TRUST_BENCH_H
#define SALLYPORT_TESTS_TRUST_BENCH_H

#include "pki/trust.h"
#include "tests/support/certs.h"

#define TRUST_BENCH_ID "spiffe://one.test/ns/rag/sa/search"

struct trust_bench {
    struct pki_trust *trust;
    struct pki_revocation *revocation;
    struct pki_verify_options options;
    struct diags diags;
    struct arena arena;
    struct pki_identity id;
    int64_t now_s;
    struct certs *certs;
};

// The clock stands at `now_s`.
void trust_bench_init(struct trust_bench *b, struct certs *c, int64_t now_s);
void trust_bench_fini(struct trust_bench *b);
int trust_bench_add(struct trust_bench *b, const char *domain, const char *ca);
int trust_bench_add_crl(struct trust_bench *b, const char *domain, const char *crl);
int trust_bench_keep(struct trust_bench *b, const char *domain, const char *ca);
int trust_bench_verify(struct trust_bench *b, const char *leaf, const char *intermediate);
int trust_bench_recheck(struct trust_bench *b);
// A CA "ca" and another, "evil"; "leaf" and "leaf2" of the first, "forged" of the second, all with TRUST_BENCH_ID; "issuing" below "ca", and "below"
// of that.
void trust_bench_make(struct certs *c);

#endif
