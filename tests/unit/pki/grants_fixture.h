// SPDX-License-Identifier: GPL-3.0-or-later
// A store of refresh tokens in a folder of the test's own, and tokens as texts.
#ifndef SALLYPORT_TESTS_GRANTS_FIXTURE_H
#define SALLYPORT_TESTS_GRANTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "pki/grants.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)
#define LATER (NOW + PKI_GRANT_RETRY_S + 1)
#define TOKEN 73

static const uint8_t jkt[32] = { 1, 2, 3 }, x5t[32] = { 4, 5, 6 };

struct place {
    char dir[64], file[96];
    struct pki_grants *g;
};

static inline void place_init(struct place *p)
{
    strcpy(p->dir, "/tmp/sallyport-grants-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/refresh.db", p->dir);
    assert_int_equal(0, pki_grants_open(p->file, 1000, &p->g));
}

static inline void place_fini(struct place *p)
{
    char command[128];
    pki_grants_close(p->g);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

static inline void reopen(struct place *p)
{
    pki_grants_close(p->g);
    assert_int_equal(0, pki_grants_open(p->file, 10000, &p->g));
}

static inline struct pki_grant grant(const char *client)
{
    return (struct pki_grant){
        .client_id = span_str(client),
        .workload = SPAN("spiffe://example.org/search"),
        .jkt = jkt,
        .subject = SPAN("spiffe://example.org/search"),
        .scope = SPAN("read write"),
        .audiences = SPAN("vectors"),
        .extra = SPAN_NONE,
        .created_s = NOW,
        .expires_s = NOW + DAY,
    };
}

struct text {
    char p[TOKEN + 1];
};

static inline struct text text_of(struct buf *b)
{
    struct text t = { { 0 } };
    assert_int_equal(TOKEN, buf_len(b));
    memcpy(t.p, buf_span(b).p, TOKEN);
    buf_wipe(b);
    return t;
}

static inline struct text begin(struct pki_grants *g, const char *client)
{
    struct pki_grant what = grant(client);
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(0, pki_grants_begin(g, &what, NOW, &b));
    return text_of(&b);
}

// The error of a use; `*next` when there is none.
static inline int use(struct pki_grants *g, const struct text *t, int64_t now_s, struct text *next)
{
    struct buf b;
    buf_init(&b, 0);
    int rc = pki_grants_rotate(g, span_str(t->p), now_s, &b);
    if (rc != 0) {
        assert_int_equal(0, buf_len(&b));
        buf_fini(&b);
    } else if (next) {
        *next = text_of(&b);
    } else {
        buf_wipe(&b);
    }
    return rc;
}

static inline int look(struct pki_grants *g, const struct text *t, int64_t now_s, bool *current)
{
    return pki_grants_look(g, span_str(t->p), now_s, NULL, NULL, current);
}

static inline int64_t number(struct place *p, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p->file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &q, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(q));
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
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
