// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/trust_bench.h"

void trust_bench_init(struct trust_bench *b, struct certs *c, int64_t now_s)
{
    *b = (struct trust_bench){
        .trust = pki_trust_new(), .revocation = pki_revocation_new(), .now_s = now_s, .certs = c
    };
    diags_init(&b->diags);
    arena_init(&b->arena, 0);
}

void trust_bench_fini(struct trust_bench *b)
{
    pki_trust_free(b->trust);
    pki_revocation_free(b->revocation);
    diags_fini(&b->diags);
    arena_fini(&b->arena);
}

int trust_bench_add(struct trust_bench *b, const char *domain, const char *ca)
{
    struct buf pem = certs_pem(b->certs, ca);
    int e = pki_trust_add_pem(b->trust, span_str(domain), buf_span(&pem), span_str(ca), &b->diags);
    buf_fini(&pem);
    return e;
}

int trust_bench_add_crl(struct trust_bench *b, const char *domain, const char *crl)
{
    struct buf pem = certs_read_crl(b->certs, crl);
    int e = pki_revocation_add_crl(b->revocation, span_str(domain), buf_span(&pem), span_str(crl), &b->diags);
    buf_fini(&pem);
    return e;
}

int trust_bench_keep(struct trust_bench *b, const char *domain, const char *ca)
{
    struct buf pem = certs_pem(b->certs, ca);
    int e = pki_revocation_keep_cas(b->revocation, span_str(domain), buf_span(&pem), span_str(ca), &b->diags);
    buf_fini(&pem);
    return e;
}

int trust_bench_verify(struct trust_bench *b, const char *leaf, const char *intermediate)
{
    struct buf der = certs_der(b->certs, leaf),
               above = intermediate ? certs_der(b->certs, intermediate) : (struct buf){ 0 };
    struct span sent[1] = { buf_span(&above) };
    int e = pki_trust_verify(b->trust, b->revocation, &b->options, buf_span(&der), sent, intermediate ? 1 : 0, b->now_s,
                             &b->arena, &b->id);
    buf_fini(&der);
    buf_fini(&above);
    return e;
}

int trust_bench_recheck(struct trust_bench *b)
{
    return pki_trust_recheck(b->trust, b->revocation, &b->options, &b->id, b->now_s);
}

void trust_bench_make(struct certs *c)
{
    certs_ca(c, "ca");
    certs_ca(c, "evil");
    certs_workload(c, "leaf", "ca", TRUST_BENCH_ID);
    certs_workload(c, "leaf2", "ca", TRUST_BENCH_ID);
    certs_workload(c, "forged", "evil", TRUST_BENCH_ID);
    certs_make(c, "issuing", "ca", "/O=Issuing", CERTS_CA, 0);
    certs_workload(c, "below", "issuing", TRUST_BENCH_ID);
}
