// SPDX-License-Identifier: GPL-3.0-or-later
// A CA in a folder of its own, for the tests of the CA. Each test makes and removes one; keys are not encrypted unless
// it says so, since the key derivation is slow on purpose.
#ifndef SALLYPORT_TESTS_CA_FIXTURE_H
#define SALLYPORT_TESTS_CA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "pki/ca.h"
#include "pki/ca_store.h"
#include "pki/pem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1800000000LL // 2027-01-15T08:00:00Z
#define DAY 86400LL

struct place {
    char top[256]; // removed at the end
    char dir[288]; // of the CA
    char what[512];
};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void place_init(struct place *p)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(p->top, sizeof p->top, "%s/sallyport-ca-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->top));
    snprintf(p->dir, sizeof p->dir, "%s/ca", p->top);
}

static inline void place_fini(struct place *p)
{
    nftw(p->top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct pki_ca_init plain_init(const struct place *p)
{
    return (struct pki_ca_init){
        .dir = p->dir, .trust_domain = SPAN("example.org"), .passphrase = SPAN_NONE, .now_s = NOW
    };
}

static inline struct pki_ca *open_ca(struct place *p, int busy_ms)
{
    struct pki_ca *ca = NULL;
    int rc = pki_ca_open(p->dir, busy_ms, &ca, p->what, sizeof p->what);
    if (rc) {
        fail_msg("%s", p->what);
    }
    return ca;
}

static inline struct pki_ca *open_unlocked(struct place *p, int busy_ms)
{
    struct pki_ca *ca = open_ca(p, busy_ms);
    if (pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN_NONE, NOW) != 0) {
        fail_msg("%s", pki_ca_what(ca));
    }
    return ca;
}

static inline struct pki_ca *new_ca(struct place *p)
{
    struct pki_ca_init init = plain_init(p);
    place_init(p);
    if (pki_ca_init(&init, p->what, sizeof p->what) != 0) {
        fail_msg("%s", p->what);
    }
    return open_unlocked(p, 10000);
}

static inline struct pki_ca_request request_for(struct span id, const struct pki_key *key)
{
    return (struct pki_ca_request){ .spiffe_id = id, .ttl = DAY, .key = key, .now_s = NOW };
}

// Issues for `id` with a new P-256 key; the certificate's DER is appended to `der`.
static inline int issue_to(struct pki_ca *ca, struct span id, struct buf *der, struct pki_ca_issued *issued)
{
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(id, key);
    assert_non_null(key);
    int rc = pki_ca_issue(ca, &request, der, issued);
    pki_key_free(key);
    return rc;
}

static inline int count_one(void *ctx, const struct pki_ca_record *r)
{
    (void)r;
    ++*(size_t *)ctx;
    return 0;
}

static inline size_t count(struct pki_ca *ca, unsigned filter)
{
    size_t n = 0;
    assert_int_equal(
        0, pki_ca_store_each(
               pki_ca_store(ca),
               &(struct pki_ca_query){ .filter = filter, .now_s = NOW, .serial = SPAN_NONE, .spiffe_id = SPAN_NONE },
               count_one, &n));
    return n;
}

static inline struct buf file_of(const struct place *p, const char *name)
{
    struct buf b;
    char path[400];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    buf_init(&b, 0);
    assert_int_equal(0, file_read(path, 1 << 20, &b));
    return b;
}

static inline struct buf issuing_der(const struct place *p)
{
    struct buf pem = file_of(p, "issuing/cert.pem"), der;
    struct span rest = buf_span(&pem), label;
    buf_init(&der, 0);
    assert_int_equal(1, pki_pem_next(&rest, &label, &der));
    buf_fini(&pem);
    return der;
}

#endif
