// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/signing_rows.h"

#include <assert.h>
#include <stdio.h>

// A clock that is behind by less was set right, not back.
#define STEP_S 60
// Behind the last token: processes take up a change a second or so late, and whoever checks a token allows for a clock that is off.
#define LATE_S 60
// Longer than any PKCS#11 token takes to make a key pair.
#define MAKING_S 600

const struct pki_sql_kind pki_signing_file = {
    .name = "the file of signing keys",
    .application = 0x5350534b, // "SPSK"
    .format = 1,
    .schema = "CREATE TABLE rule ("
              "  one INTEGER PRIMARY KEY CHECK (one = 1),"
              "  alg TEXT NOT NULL,"
              "  rotate INTEGER NOT NULL,"
              "  publish INTEGER NOT NULL,"
              "  linger INTEGER NOT NULL,"
              "  pkcs11 TEXT NOT NULL"
              ") STRICT;"
              "CREATE TABLE signing_key ("
              "  number INTEGER PRIMARY KEY AUTOINCREMENT," // the order of creation
              "  kid TEXT NOT NULL UNIQUE CHECK (length(kid) = 43),"
              "  alg TEXT NOT NULL,"
              "  state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"
              "  created INTEGER NOT NULL,"
              "  published INTEGER NOT NULL,"
              "  active INTEGER NOT NULL,"
              "  retire INTEGER NOT NULL,"
              "  gone INTEGER NOT NULL,"
              "  linger INTEGER NOT NULL,"
              "  public_half TEXT NOT NULL,"
              "  private_half TEXT NOT NULL," // empty: in a token, or signs no more
              "  pkcs11 TEXT NOT NULL"
              ") STRICT;"
              "CREATE UNIQUE INDEX one_next ON signing_key (state) WHERE state = 0;"
              "CREATE UNIQUE INDEX one_active ON signing_key (state) WHERE state = 1;"
              "CREATE TABLE stray (uri TEXT PRIMARY KEY, begun INTEGER NOT NULL) STRICT;",
};

// ---- what is due

static bool behind(int64_t past_s, int64_t now_s)
{
    return past_s > now_s + STEP_S;
}

static unsigned due_of(const struct pki_signing_row *r, const struct pki_signing_rule *rule, int64_t now_s)
{
    switch (r->state) {
    case PKI_SIGNING_NEXT:
        if (r->published_s == 0 || behind(r->published_s, now_s))
            return PKI_SIGNING_DUE_TOUCH;
        return r->active_s <= now_s ? PKI_SIGNING_DUE_PROMOTE : 0;
    case PKI_SIGNING_ACTIVE:
        return behind(r->active_s, now_s) || r->linger_s < rule->linger_s ? PKI_SIGNING_DUE_TOUCH : 0;
    case PKI_SIGNING_RETIRING:
        if (behind(r->retire_s, now_s))
            return PKI_SIGNING_DUE_TOUCH;
        return r->gone_s <= now_s ? PKI_SIGNING_DUE_FORGET : 0;
    case PKI_SIGNING_GONE: break;
    }
    return 0;
}

static int64_t make_at(const struct pki_signing_row *active, const struct pki_signing_rule *rule)
{
    return rule->rotate_s > 0 ? active->active_s + rule->rotate_s - rule->publish_s : INT64_MAX;
}

struct pki_signing_row *pki_signing_in(struct pki_signing_rows *rows, enum pki_signing_state state)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->at[i].state == state)
            return &rows->at[i];
    return NULL;
}

static const struct pki_signing_row *in(const struct pki_signing_rows *rows, enum pki_signing_state state)
{
    return pki_signing_in((struct pki_signing_rows *)rows, state);
}

unsigned pki_signing_due(const struct pki_signing_rows *rows, const struct pki_signing_rule *rule, int64_t now_s)
{
    const struct pki_signing_row *active = in(rows, PKI_SIGNING_ACTIVE);
    unsigned due = 0;
    for (size_t i = 0; i < rows->n; i++)
        due |= due_of(&rows->at[i], rule, now_s);
    // A full set waits for its oldest key to go.
    bool room = rows->n < PKI_SIGNING_MAX && !in(rows, PKI_SIGNING_NEXT);
    if (room && (!active || make_at(active, rule) <= now_s))
        due |= PKI_SIGNING_DUE_MAKE;
    return due;
}

int64_t pki_signing_due_at(const struct pki_signing_rows *rows, const struct pki_signing_rule *rule)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < rows->n; i++) {
        const struct pki_signing_row *r = &rows->at[i];
        int64_t t = r->state == PKI_SIGNING_NEXT ? r->active_s : r->state == PKI_SIGNING_RETIRING ? r->gone_s : at;
        at = t < at ? t : at;
    }
    const struct pki_signing_row *active = in(rows, PKI_SIGNING_ACTIVE);
    if (active && !in(rows, PKI_SIGNING_NEXT) && rows->n < PKI_SIGNING_MAX && make_at(active, rule) < at)
        at = make_at(active, rule);
    return at;
}

// ---- reading

// A copy; SPAN_NONE for the empty text that stands for none.
static struct span text(sqlite3_stmt *q, int at, struct arena *a)
{
    struct span s = pki_sql_column(q, at);
    return s.n > 0 ? arena_dup(a, s) : SPAN_NONE;
}

int pki_signing_rule_read(struct pki_sql *s, struct arena *a, struct pki_signing_rule *out, bool *found)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "SELECT alg, rotate, publish, linger, pkcs11 FROM rule", &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        out->alg = pki_alg_parse(pki_sql_column(q, 0));
        out->rotate_s = sqlite3_column_int64(q, 1);
        out->publish_s = sqlite3_column_int64(q, 2);
        out->linger_s = sqlite3_column_int64(q, 3);
        out->pkcs11 = text(q, 4, a);
    } else if (code != SQLITE_DONE) {
        rc = pki_sql_failed(s, code, "reading");
    }
    *found = code == SQLITE_ROW;
    sqlite3_finalize(q);
    return rc == 0 && a->failed ? pki_sql_say(s, ERR_NOMEM, "out of memory") : rc;
}

static int read_row(struct pki_sql *s, sqlite3_stmt *q, struct arena *a, struct pki_signing_row *r)
{
    struct span kid = pki_sql_column(q, 0);
    *r = (struct pki_signing_row){
        .alg = pki_alg_parse(pki_sql_column(q, 1)),
        .state = (enum pki_signing_state)sqlite3_column_int(q, 2),
        .created_s = sqlite3_column_int64(q, 3),
        .published_s = sqlite3_column_int64(q, 4),
        .active_s = sqlite3_column_int64(q, 5),
        .retire_s = sqlite3_column_int64(q, 6),
        .gone_s = sqlite3_column_int64(q, 7),
        .linger_s = sqlite3_column_int64(q, 8),
        .public_half = text(q, 9, a),
        .pkcs11 = text(q, 10, a),
    };
    if (kid.n != PKI_SIGNING_KID || r->alg == PKI_ALG_NONE)
        return pki_sql_say(s, ERR_STORE_FAILED, "the file of signing keys holds a key that cannot be understood");
    memcpy(r->kid, kid.p, kid.n);
    return 0;
}

int pki_signing_rows_read(struct pki_sql *s, struct arena *a, struct pki_signing_rows *out)
{
    sqlite3_stmt *q;
    int code, rc = pki_sql_prepare(s,
                                   "SELECT kid, alg, state, created, published, active, retire, gone, linger, "
                                   "public_half, pkcs11 FROM signing_key ORDER BY number DESC",
                                   &q);
    if (rc != 0)
        return rc;
    out->n = 0;
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW)
            rc = pki_sql_failed(s, code, "reading");
        else if (out->n == PKI_SIGNING_MAX)
            rc = pki_sql_say(s, ERR_STORE_FAILED, "the file of signing keys holds more than %d keys", PKI_SIGNING_MAX);
        else if ((rc = read_row(s, q, a, &out->at[out->n])) == 0)
            out->n++;
    }
    sqlite3_finalize(q);
    return rc == 0 && a->failed ? pki_sql_say(s, ERR_NOMEM, "out of memory") : rc;
}

int pki_signing_private(struct pki_sql *s, const char *kid, struct buf *out)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "SELECT private_half FROM signing_key WHERE kid = ?1", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, span_str(kid));
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        buf_append(out, pki_sql_column(q, 0));
    else if (code != SQLITE_DONE) // gone since the rows were read: nothing is appended
        rc = pki_sql_failed(s, code, "reading");
    sqlite3_finalize(q);
    return rc == 0 && out->failed ? pki_sql_say(s, ERR_NOMEM, "out of memory") : rc;
}

// ---- writing

int pki_signing_rule_write(struct pki_sql *s, const struct pki_signing_rule *rule)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "INSERT OR REPLACE INTO rule VALUES (1, ?1, ?2, ?3, ?4, ?5)", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, pki_alg_name(rule->alg));
    sqlite3_bind_int64(q, 2, rule->rotate_s);
    sqlite3_bind_int64(q, 3, rule->publish_s);
    sqlite3_bind_int64(q, 4, rule->linger_s);
    pki_sql_bind_text(q, 5, rule->pkcs11);
    return pki_sql_run(s, q);
}

static void bind_times(sqlite3_stmt *q, const struct pki_signing_row *r)
{
    const int64_t times[] = { r->created_s, r->published_s, r->active_s, r->retire_s, r->gone_s, r->linger_s };
    pki_sql_bind_text(q, 1, span_of(r->kid, PKI_SIGNING_KID));
    sqlite3_bind_int(q, 2, (int)r->state);
    for (int i = 0; i < 6; i++)
        sqlite3_bind_int64(q, 3 + i, times[i]);
}

int pki_signing_insert(struct pki_sql *s, const struct pki_signing_row *r, struct span private_half)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s,
                             "INSERT INTO signing_key (kid, state, created, published, active, retire, gone, linger, "
                             "alg, public_half, private_half, pkcs11) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                             &q);
    if (rc != 0)
        return rc;
    bind_times(q, r);
    pki_sql_bind_text(q, 9, pki_alg_name(r->alg));
    pki_sql_bind_text(q, 10, r->public_half);
    pki_sql_bind_text(q, 11, private_half);
    pki_sql_bind_text(q, 12, r->pkcs11);
    return pki_sql_run(s, q);
}

int pki_signing_save(struct pki_sql *s, const struct pki_signing_row *r)
{
    sqlite3_stmt *q;
    int rc =
        pki_sql_prepare(s,
                        "UPDATE signing_key SET state = ?2, created = ?3, published = ?4, active = ?5, retire = ?6, "
                        "gone = ?7, linger = ?8, private_half = CASE ?2 WHEN 2 THEN '' ELSE private_half END, "
                        "pkcs11 = CASE ?2 WHEN 2 THEN '' ELSE pkcs11 END WHERE kid = ?1",
                        &q);
    if (rc != 0)
        return rc;
    bind_times(q, r);
    if ((rc = pki_sql_run(s, q)) != 0)
        return rc;
    assert(sqlite3_changes(s->db) == 1);
    return 0;
}

int pki_signing_delete(struct pki_sql *s, const struct pki_signing_row *r)
{
    sqlite3_stmt *q;
    int rc = span_is_none(r->pkcs11) ? 0 : pki_signing_stray_add(s, r->pkcs11, 0);
    if (rc != 0 || (rc = pki_sql_prepare(s, "DELETE FROM signing_key WHERE kid = ?1", &q)) != 0)
        return rc;
    pki_sql_bind_text(q, 1, span_of(r->kid, PKI_SIGNING_KID));
    return pki_sql_run(s, q);
}

int pki_signing_retire(struct pki_sql *s, struct pki_signing_row *r, int64_t now_s)
{
    assert(r->state == PKI_SIGNING_ACTIVE);
    int rc = span_is_none(r->pkcs11) ? 0 : pki_signing_stray_add(s, r->pkcs11, 0);
    r->state = PKI_SIGNING_RETIRING;
    r->retire_s = now_s;
    r->gone_s = now_s + r->linger_s + LATE_S;
    r->pkcs11 = SPAN_NONE;
    return rc != 0 ? rc : pki_signing_save(s, r);
}

// A clock that was set back: the times that it has not reached yet were never; each period begins anew, none is made longer than it was.
static void touch(struct pki_signing_row *r, const struct pki_signing_rule *rule, int64_t now_s)
{
    if (behind(r->created_s, now_s))
        r->created_s = now_s;
    if (r->state == PKI_SIGNING_NEXT && r->published_s == 0) {
        r->published_s = now_s;
        if (r->active_s < now_s + rule->publish_s)
            r->active_s = now_s + rule->publish_s;
    } else if (r->state == PKI_SIGNING_NEXT && behind(r->published_s, now_s)) {
        r->published_s = now_s;
        r->active_s = now_s + rule->publish_s;
    }
    if (r->state == PKI_SIGNING_ACTIVE && behind(r->active_s, now_s))
        r->active_s = now_s;
    if (behind(r->published_s, now_s))
        r->published_s = now_s;
    if (r->state == PKI_SIGNING_ACTIVE && r->linger_s < rule->linger_s)
        r->linger_s = rule->linger_s;
    if (r->state == PKI_SIGNING_RETIRING && behind(r->retire_s, now_s)) {
        r->retire_s = now_s;
        r->gone_s = now_s + r->linger_s + LATE_S;
    }
}

static int promote(struct pki_sql *s, struct pki_signing_rows *rows, const struct pki_signing_rule *rule, int64_t now_s)
{
    struct pki_signing_row *next = pki_signing_in(rows, PKI_SIGNING_NEXT);
    struct pki_signing_row *active = pki_signing_in(rows, PKI_SIGNING_ACTIVE);
    int rc = active ? pki_signing_retire(s, active, now_s) : 0;
    next->state = PKI_SIGNING_ACTIVE;
    next->active_s = now_s;
    next->linger_s = rule->linger_s;
    return rc != 0 ? rc : pki_signing_save(s, next);
}

int pki_signing_advance(struct pki_sql *s, struct pki_signing_rows *rows, const struct pki_signing_rule *rule,
                        int64_t now_s)
{
    int rc = 0;
    bool due_next = false;
    for (size_t i = 0; rc == 0 && i < rows->n; i++) {
        unsigned due = due_of(&rows->at[i], rule, now_s);
        due_next |= due == PKI_SIGNING_DUE_PROMOTE;
        if (due == PKI_SIGNING_DUE_FORGET) {
            rc = pki_signing_delete(s, &rows->at[i]);
        } else if (due == PKI_SIGNING_DUE_TOUCH) {
            touch(&rows->at[i], rule, now_s);
            rc = pki_signing_save(s, &rows->at[i]);
        }
    }
    return rc == 0 && due_next ? promote(s, rows, rule, now_s) : rc;
}

// ---- key pairs that no row names

int pki_signing_stray_add(struct pki_sql *s, struct span uri, int64_t at_s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "INSERT OR REPLACE INTO stray VALUES (?1, ?2)", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, uri);
    sqlite3_bind_int64(q, 2, at_s);
    return pki_sql_run(s, q);
}

int pki_signing_stray_drop(struct pki_sql *s, struct span uri, bool *was_there)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "DELETE FROM stray WHERE uri = ?1", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, uri);
    if ((rc = pki_sql_run(s, q)) == 0)
        *was_there = sqlite3_changes(s->db) == 1;
    return rc;
}

int pki_signing_stray_next(struct pki_sql *s, struct arena *a, int64_t now_s, struct span *uri)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, "SELECT uri FROM stray WHERE begun < ?1 OR begun > ?2 LIMIT 1", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s - MAKING_S);
    sqlite3_bind_int64(q, 2, now_s + MAKING_S);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *uri = text(q, 0, a);
    else if (code == SQLITE_DONE)
        *uri = SPAN_NONE;
    else
        rc = pki_sql_failed(s, code, "reading");
    sqlite3_finalize(q);
    return rc == 0 && a->failed ? pki_sql_say(s, ERR_NOMEM, "out of memory") : rc;
}
