// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/ca_store_inside.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT 1               // of the schema; in user_version
#define APPLICATION 0x53505254 // "SPRT", for file(1) and against somebody else's database

static const char schema[] =
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE authority ("
    "  id INTEGER PRIMARY KEY,"
    "  kind INTEGER NOT NULL CHECK (kind IN (1, 2)),"
    "  certificate BLOB NOT NULL,"
    "  key_file TEXT NOT NULL,"
    "  not_after INTEGER NOT NULL,"
    "  crl_number INTEGER NOT NULL DEFAULT 0,"
    "  crl BLOB,"
    "  crl_signed_at INTEGER NOT NULL DEFAULT 0,"
    "  crl_next_update INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE TABLE certificate ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT," // the order of issue
    "  serial TEXT NOT NULL UNIQUE,"
    "  issuer INTEGER NOT NULL REFERENCES authority (id),"
    "  spiffe_id TEXT NOT NULL,"
    "  dns TEXT NOT NULL,"
    "  not_before INTEGER NOT NULL,"
    "  not_after INTEGER NOT NULL,"
    "  issued_at INTEGER NOT NULL,"
    "  certificate BLOB NOT NULL,"
    "  ca INTEGER NOT NULL,"
    "  from_csr INTEGER NOT NULL,"
    "  revoked_at INTEGER NOT NULL DEFAULT 0,"
    "  reason INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX certificate_spiffe_id ON certificate (spiffe_id);"
    "CREATE INDEX certificate_revoked ON certificate (issuer, revoked_at) WHERE revoked_at > 0;";

// ---- errors

int pki_ca_store_failed_(struct pki_ca_store *s, int code, const char *doing)
{
    const char *detail = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(s->what, sizeof s->what, "%s: another process holds the lock of the registry; try again", doing);
        return ERR_STORE_BUSY;
    case SQLITE_FULL:
        snprintf(s->what, sizeof s->what, "%s: the disk is full; nothing was changed", doing);
        return ERR_STORE_FAILED;
    case SQLITE_NOMEM: snprintf(s->what, sizeof s->what, "%s: out of memory", doing); return ERR_NOMEM;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        snprintf(s->what, sizeof s->what, "%s: the registry is damaged (%s); restore ca.db from a backup", doing,
                 detail);
        return ERR_STORE_FAILED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        snprintf(s->what, sizeof s->what,
                 "%s: the registry cannot be opened for writing (%s); check ca.db and its folder", doing, detail);
        return ERR_STORE_FAILED;
    default: snprintf(s->what, sizeof s->what, "%s: %s (SQLite %d)", doing, detail, code); return ERR_STORE_FAILED;
    }
}

int pki_ca_store_say_(struct pki_ca_store *s, int rc, const char *text)
{
    snprintf(s->what, sizeof s->what, "%s", text);
    return rc;
}

const char *pki_ca_store_what(const struct pki_ca_store *s)
{
    return s->what;
}

// ---- statements

int pki_ca_store_exec_(struct pki_ca_store *s, const char *sql, const char *doing)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : pki_ca_store_failed_(s, code, doing);
}

int pki_ca_store_prepare_(struct pki_ca_store *s, const char *sql, sqlite3_stmt **out)
{
    int code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? 0 : pki_ca_store_failed_(s, code, "registry");
}

// Runs a statement that gives no rows, and finishes it.
int pki_ca_store_run_(struct pki_ca_store *s, sqlite3_stmt *q, const char *doing)
{
    int code = sqlite3_step(q), rc = code == SQLITE_DONE ? 0 : pki_ca_store_failed_(s, code, doing);
    sqlite3_finalize(q);
    return rc;
}

// ---- opening

static int configure(struct pki_ca_store *s, int busy_ms)
{
    sqlite3_busy_timeout(s->db, busy_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int rc = pki_ca_store_exec_(s, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;",
                                "opening the registry");
    return rc;
}

static int open_file(const char *path, int flags, int busy_ms, struct pki_ca_store **out)
{
    struct pki_ca_store *s = calloc(1, sizeof *s);
    if (!s) {
        return ERR_NOMEM;
    }
    // Handed out also on failure: the caller reads the reason from it and closes it.
    *out = s;
    int code = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    return code == SQLITE_OK ? configure(s, busy_ms) : pki_ca_store_failed_(s, code, "opening the registry");
}

static int pragma_int(struct pki_ca_store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(s, sql, &q);
    if (rc) {
        return rc;
    }
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        *out = sqlite3_column_int64(q, 0);
    } else {
        rc = pki_ca_store_failed_(s, code, "reading the registry");
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_ca_store_create(const char *path, struct pki_ca_store **out)
{
    char pragmas[96];
    // Made by us first, so that the mode does not depend on the umask.
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), e = errno;
    if (fd >= 0) {
        close(fd);
    }
    int rc = open_file(path, SQLITE_OPEN_READWRITE, 0, out);
    if (fd < 0 && *out) {
        snprintf((*out)->what, sizeof(*out)->what, "%s: %s", path, strerror(e));
        return e == EEXIST ? ERR_STORE_EXISTS : ERR_STORE_FAILED;
    }
    if (rc) {
        return rc;
    }
    struct pki_ca_store *s = *out;
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION, FORMAT);
    if ((rc = pki_ca_store_exec_(s, "PRAGMA journal_mode = WAL;", "creating the registry")) ||
        (rc = pki_ca_store_begin(s)) || (rc = pki_ca_store_exec_(s, schema, "creating the registry")) ||
        (rc = pki_ca_store_exec_(s, pragmas, "creating the registry"))) {
        return rc;
    }
    return pki_ca_store_commit(s);
}

int pki_ca_store_open(const char *path, int busy_ms, struct pki_ca_store **out)
{
    int64_t application = 0, format = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return ERR_STORE_ABSENT;
    }
    int rc = open_file(path, SQLITE_OPEN_READWRITE, busy_ms, out);
    if (rc) {
        return rc;
    }
    struct pki_ca_store *s = *out;
    if ((rc = pragma_int(s, "PRAGMA application_id", &application)) ||
        (rc = pragma_int(s, "PRAGMA user_version", &format))) {
        return rc;
    }
    if (application != APPLICATION) {
        return pki_ca_store_say_(s, ERR_STORE_FAILED, "this is not the registry of a Sallyport CA");
    }
    if (format != FORMAT) {
        return pki_ca_store_say_(
            s, ERR_STORE_FAILED,
            "the registry was written by another version of Sallyport, which this one cannot read");
    }
    return 0;
}

void pki_ca_store_close(struct pki_ca_store *s)
{
    if (s) {
        pki_ca_store_abort(s);
        sqlite3_close(s->db);
        free(s);
    }
}

// ---- transactions

int pki_ca_store_begin(struct pki_ca_store *s)
{
    assert(!s->writing);
    int rc = pki_ca_store_exec_(s, "BEGIN IMMEDIATE", "writing to the registry");
    s->writing = rc == 0;
    return rc;
}

int pki_ca_store_commit(struct pki_ca_store *s)
{
    assert(s->writing);
    int rc = pki_ca_store_exec_(s, "COMMIT", "writing to the registry");
    if (rc) {
        char what[sizeof s->what];
        memcpy(what, s->what, sizeof what);
        pki_ca_store_abort(s);
        memcpy(s->what, what, sizeof what);
    }
    s->writing = false;
    return rc;
}

void pki_ca_store_abort(struct pki_ca_store *s)
{
    // After some errors SQLite has rolled back by itself.
    if (s->writing && s->db && !sqlite3_get_autocommit(s->db)) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    s->writing = false;
}

// ---- settings

int pki_ca_store_setting(struct pki_ca_store *s, const char *name, struct arena *a, struct span *out)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(s, "SELECT value FROM setting WHERE name = ?1", &q);
    if (rc) {
        return rc;
    }
    pki_sql_bind_text(q, 1, span_str(name));
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        struct span value = arena_dup(a, pki_sql_column(q, 0));
        rc = span_is_none(value) ? pki_ca_store_say_(s, ERR_NOMEM, "out of memory") : 0;
        *out = rc ? *out : value;
    } else {
        rc = code == SQLITE_DONE ? pki_ca_store_say_(s, ERR_STORE_ABSENT, "the registry lacks a setting")
                                 : pki_ca_store_failed_(s, code, "reading the registry");
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_ca_store_put_setting(struct pki_ca_store *s, const char *name, struct span value)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(
        s, "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", &q);
    if (rc) {
        return rc;
    }
    pki_sql_bind_text(q, 1, span_str(name));
    pki_sql_bind_text(q, 2, value);
    return pki_ca_store_run_(s, q, "writing to the registry");
}

// ---- authorities

int pki_ca_store_add_authority(struct pki_ca_store *s, const struct pki_ca_authority *a, int64_t *id)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(
        s, "INSERT INTO authority (kind, certificate, key_file, not_after) VALUES (?1, ?2, ?3, ?4)", &q);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int(q, 1, (int)a->kind);
    pki_sql_bind_blob(q, 2, a->certificate);
    pki_sql_bind_text(q, 3, a->key_file);
    sqlite3_bind_int64(q, 4, a->not_after);
    if ((rc = pki_ca_store_run_(s, q, "writing to the registry")) == 0) {
        *id = sqlite3_last_insert_rowid(s->db);
    }
    return rc;
}

int pki_ca_store_authorities(struct pki_ca_store *s, struct arena *a, struct pki_ca_authority **out, size_t *n)
{
    enum { MOST = 256 };
    sqlite3_stmt *q;
    struct pki_ca_authority *list = arena_array(a, MOST, sizeof *list);
    size_t have = 0;
    int code = SQLITE_DONE, rc;
    if (!list) {
        return pki_ca_store_say_(s, ERR_NOMEM, "out of memory");
    }
    rc = pki_ca_store_prepare_(
        s,
        "SELECT id, kind, certificate, key_file, not_after, crl_number, crl, crl_next_update, crl_signed_at "
        "FROM authority ORDER BY id",
        &q);
    if (rc) {
        return rc;
    }
    while (have < MOST && (code = sqlite3_step(q)) == SQLITE_ROW) {
        list[have++] = (struct pki_ca_authority){
            .id = sqlite3_column_int64(q, 0),
            .kind = (enum pki_ca_kind)sqlite3_column_int(q, 1),
            .certificate = arena_dup(a, pki_sql_column(q, 2)),
            .key_file = arena_dup(a, pki_sql_column(q, 3)),
            .not_after = sqlite3_column_int64(q, 4),
            .crl_number = (uint64_t)sqlite3_column_int64(q, 5),
            .crl = arena_dup(a, pki_sql_column(q, 6)),
            .crl_next_update = sqlite3_column_int64(q, 7),
            .crl_signed_at = sqlite3_column_int64(q, 8),
        };
    }
    if (code != SQLITE_DONE) {
        rc = pki_ca_store_failed_(s, code, "reading the registry");
    }
    sqlite3_finalize(q);
    if (!rc && a->failed) {
        rc = pki_ca_store_say_(s, ERR_NOMEM, "out of memory");
    }
    if (!rc) {
        *out = list;
        *n = have;
    }
    return rc;
}

int pki_ca_store_set_crl(struct pki_ca_store *s, int64_t authority, uint64_t number, struct span der, int64_t signed_at,
                         int64_t next_update)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(
        s,
        "UPDATE authority SET crl_number = ?2, crl = ?3, crl_next_update = ?4, crl_signed_at = ?5 WHERE "
        "id = ?1 AND crl_number = ?2 - 1",
        &q);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(q, 1, authority);
    sqlite3_bind_int64(q, 2, (int64_t)number);
    pki_sql_bind_blob(q, 3, der);
    sqlite3_bind_int64(q, 4, next_update);
    sqlite3_bind_int64(q, 5, signed_at);
    if ((rc = pki_ca_store_run_(s, q, "writing to the registry")) == 0 && sqlite3_changes(s->db) != 1) {
        rc = pki_ca_store_say_(s, ERR_STORE_FAILED, "the CRL number is not the next one");
    }
    return rc;
}

// ---- certificates

int pki_ca_store_add(struct pki_ca_store *s, const struct pki_ca_record *r)
{
    sqlite3_stmt *q;
    int rc = pki_ca_store_prepare_(
        s,
        "INSERT INTO certificate (serial, issuer, spiffe_id, dns, not_before, not_after, issued_at, "
        "certificate, ca, from_csr) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        &q);
    if (rc) {
        return rc;
    }
    pki_sql_bind_text(q, 1, r->serial);
    sqlite3_bind_int64(q, 2, r->issuer);
    pki_sql_bind_text(q, 3, r->spiffe_id);
    pki_sql_bind_text(q, 4, r->dns);
    sqlite3_bind_int64(q, 5, r->not_before);
    sqlite3_bind_int64(q, 6, r->not_after);
    sqlite3_bind_int64(q, 7, r->issued_at);
    pki_sql_bind_blob(q, 8, r->certificate);
    sqlite3_bind_int(q, 9, r->ca);
    sqlite3_bind_int(q, 10, r->from_csr);
    int code = sqlite3_step(q);
    sqlite3_finalize(q);
    if (code == SQLITE_CONSTRAINT_UNIQUE) {
        return pki_ca_store_say_(s, ERR_STORE_EXISTS, "the serial number was used before");
    }
    return code == SQLITE_DONE ? 0 : pki_ca_store_failed_(s, code, "writing to the registry");
}

int pki_ca_store_each(struct pki_ca_store *s, const struct pki_ca_query *query,
                      int (*on_record)(void *ctx, const struct pki_ca_record *r), void *ctx)
{
    sqlite3_stmt *q;
    int code,
        rc = pki_ca_store_prepare_(
            s,
            "SELECT serial, issuer, spiffe_id, dns, not_before, not_after, issued_at, certificate, ca, from_csr, "
            "revoked_at, reason FROM certificate WHERE (?1 IS NULL OR serial = ?1) AND (?2 IS NULL OR spiffe_id = ?2) "
            "AND (?3 = 0 OR issuer = ?3) AND not_after >= ?4 AND "
            "((?5 & 1 AND revoked_at = 0 AND not_after >= ?6) OR (?5 & 2 AND revoked_at = 0 AND not_after < ?6) "
            "OR (?5 & 4 AND revoked_at > 0)) ORDER BY number",
            &q);
    if (rc) {
        return rc;
    }
    if (!span_is_none(query->serial)) {
        pki_sql_bind_text(q, 1, query->serial);
    }
    if (!span_is_none(query->spiffe_id)) {
        pki_sql_bind_text(q, 2, query->spiffe_id);
    }
    sqlite3_bind_int64(q, 3, query->issuer);
    sqlite3_bind_int64(q, 4, query->not_after_min);
    sqlite3_bind_int(q, 5, (int)query->filter);
    sqlite3_bind_int64(q, 6, query->now_s);
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            rc = pki_ca_store_failed_(s, code, "reading the registry");
            break;
        }
        struct pki_ca_record r = {
            .serial = pki_sql_column(q, 0),
            .issuer = sqlite3_column_int64(q, 1),
            .spiffe_id = pki_sql_column(q, 2),
            .dns = pki_sql_column(q, 3),
            .not_before = sqlite3_column_int64(q, 4),
            .not_after = sqlite3_column_int64(q, 5),
            .issued_at = sqlite3_column_int64(q, 6),
            .certificate = pki_sql_column(q, 7),
            .ca = sqlite3_column_int(q, 8) != 0,
            .from_csr = sqlite3_column_int(q, 9) != 0,
            .revoked_at = sqlite3_column_int64(q, 10),
            .reason = sqlite3_column_int(q, 11),
        };
        rc = on_record(ctx, &r);
    }
    sqlite3_finalize(q);
    return rc;
}

static int nothing(void *ctx, const struct pki_ca_record *r)
{
    (void)r;
    *(bool *)ctx = true;
    return 0;
}

int pki_ca_store_revoke(struct pki_ca_store *s, struct span serial, int64_t at, int reason)
{
    sqlite3_stmt *q;
    bool known = false;
    int rc = pki_ca_store_prepare_(
        s, "UPDATE certificate SET revoked_at = ?2, reason = ?3 WHERE serial = ?1 AND revoked_at = 0", &q);
    if (rc) {
        return rc;
    }
    pki_sql_bind_text(q, 1, serial);
    sqlite3_bind_int64(q, 2, at);
    sqlite3_bind_int(q, 3, reason);
    if ((rc = pki_ca_store_run_(s, q, "writing to the registry")) || sqlite3_changes(s->db) == 1) {
        return rc;
    }
    rc = pki_ca_store_each(s, &(struct pki_ca_query){ .filter = PKI_CA_ALL, .serial = serial }, nothing, &known);
    if (rc) {
        return rc;
    }
    return known ? pki_ca_store_say_(s, ERR_STORE_EXISTS, "the certificate is revoked already")
                 : pki_ca_store_say_(s, ERR_STORE_ABSENT, "no certificate of this CA has that serial number");
}
