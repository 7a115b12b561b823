// SPDX-License-Identifier: GPL-3.0-or-later
// Signing keys in a folder of the test's own, by a clock of its own.
#ifndef SALLYPORT_TESTS_SIGNING_KEYS_FIXTURE_H
#define SALLYPORT_TESTS_SIGNING_KEYS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "pki/signing_keys.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1800000000)
#define ROTATE 86400
#define PUBLISH 3600
#define LINGER 300
#define LATE 60 // behind the last token

struct place {
    char dir[64], file[96];
    struct pki_signing_options o;
    struct pki_signing_keys *k;
};

static inline void place_fresh(struct place *p)
{
    memset(p, 0, sizeof *p);
    strcpy(p->dir, "/tmp/sallyport-signing-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/keys.db", p->dir);
    p->o = (struct pki_signing_options){ .path = p->file,
                                         .alg = PKI_ES256,
                                         .passphrase = SPAN_NONE,
                                         .pkcs11 = SPAN_NONE,
                                         .rotate_s = ROTATE,
                                         .publish_s = PUBLISH,
                                         .linger_s = LINGER };
}

static inline void place_init(struct place *p)
{
    place_fresh(p);
    assert_int_equal(0, pki_signing_keys_open(&p->o, NOW, &p->k));
}

static inline void place_fini(struct place *p)
{
    char command[128];
    pki_signing_keys_close(p->k);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

static inline void reopen(struct place *p, int64_t now_s)
{
    pki_signing_keys_close(p->k);
    int rc = pki_signing_keys_open(&p->o, now_s, &p->k);
    if (rc != 0)
        fail_msg("%d: %s", rc, pki_signing_keys_what(p->k));
}

struct kid {
    char p[44];
};

static inline struct kid kid_of(const struct pki_signing_key *key)
{
    struct kid k = { { 0 } };
    assert_int_equal(43, key->kid.n);
    memcpy(k.p, key->kid.p, 43);
    return k;
}

static inline struct kid active(const struct place *p)
{
    return kid_of(pki_signing_keys_active(p->k));
}

// "NAR": the states of all that are published, newest first.
static inline const char *states(const struct place *p)
{
    static char text[PKI_SIGNING_MAX + 1];
    size_t n = pki_signing_keys_count(p->k);
    for (size_t i = 0; i < n; i++)
        text[i] = "NARG"[pki_signing_keys_at(p->k, i)->state];
    text[n] = '\0';
    return text;
}

static inline bool look(struct place *p, int64_t now_s)
{
    bool changed = false;
    int rc = pki_signing_keys_look(p->k, now_s, &changed);
    if (rc != 0)
        fail_msg("%d: %s", rc, pki_signing_keys_what(p->k));
    return changed;
}

static inline void assert_signs(const struct pki_signing_key *k)
{
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(0, pki_key_sign(k->key, k->alg, SPAN("a.b"), &b));
    assert_int_equal(0, pki_key_verify(k->key, k->alg, SPAN("a.b"), buf_span(&b)));
    buf_fini(&b);
}

static inline void change(struct place *p, const char *sql)
{
    sqlite3 *db;
    char *what = NULL;
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p->file, &db, SQLITE_OPEN_READWRITE, NULL));
    if (sqlite3_exec(db, sql, NULL, NULL, &what) != SQLITE_OK)
        fail_msg("%s", what);
    sqlite3_close(db);
}

#endif
