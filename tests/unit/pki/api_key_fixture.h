// SPDX-License-Identifier: GPL-3.0-or-later
// A registry in a folder of the test's own.
#ifndef SALLYPORT_TESTS_API_KEY_FIXTURE_H
#define SALLYPORT_TESTS_API_KEY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pki/api_keys.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
#define OWNER "spiffe://example.org/legacy"

struct place {
    char dir[64], file[96];
    struct pki_api_key_store *store;
};

static inline void place_init(struct place *p)
{
    strcpy(p->dir, "/tmp/sallyport-apikey-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/keys.db", p->dir);
    assert_int_equal(0, pki_api_key_store_create(p->file, &p->store));
}

static inline void place_fini(struct place *p)
{
    char command[128];
    pki_api_key_store_close(p->store);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

// A key and its record, which points into `text`.
struct made {
    char text[PKI_API_KEY_MAX + 1];
    struct pki_api_key_record r;
};

static inline void make(struct made *m)
{
    struct pki_api_key key;
    pki_api_key_make(SPAN("live"), m->text);
    assert_int_equal(0, pki_api_key_parse(span_str(m->text), &key));
    m->r = (struct pki_api_key_record){
        .id = key.id,
        .env = key.env,
        .owner = SPAN(OWNER),
        .scopes = SPAN("read write"),
        .roles = SPAN("reader\nwriter"),
        .tenant = SPAN("acme"),
        .note = SPAN("nightly job"),
        .created_at = NOW,
        .not_before = NOW,
        .expires_at = NOW + 90 * DAY,
        .replaced_by = SPAN(""),
    };
    pki_api_key_hash(span_str(m->text), m->r.hash);
}

static inline int count_one(void *ctx, const struct pki_api_key_record *r)
{
    (void)r;
    ++*(size_t *)ctx;
    return 0;
}

static inline size_t count(struct pki_api_key_store *s, struct span id)
{
    size_t n = 0;
    assert_int_equal(
        0, pki_api_key_store_each(s, &(struct pki_api_key_query){ .id = id, .owner = SPAN_NONE }, count_one, &n));
    return n;
}

struct got {
    bool found;
    struct pki_api_key_record r; // numbers only
    char replaced_by[32];
};

static inline int get_one(void *ctx, const struct pki_api_key_record *r)
{
    struct got *g = ctx;
    g->found = true;
    g->r = *r;
    snprintf(g->replaced_by, sizeof g->replaced_by, "%.*s", SPAN_FMT(r->replaced_by));
    return 0;
}

static inline struct got get(struct pki_api_key_store *s, struct span id)
{
    struct got g = { .found = false };
    assert_int_equal(
        0, pki_api_key_store_each(s, &(struct pki_api_key_query){ .id = id, .owner = SPAN_NONE }, get_one, &g));
    assert_true(g.found);
    return g;
}

#endif
