// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revoked_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT 1               // of the schema; in user_version
#define APPLICATION 0x53505256 // "SPRV", for file(1) and against somebody else's database
#define CREATE_BUSY_MS 5000    // somebody else may be creating it, too

static const char schema[] = "CREATE TABLE revocation ("
                             "  number INTEGER PRIMARY KEY AUTOINCREMENT," // the order in which they were entered
                             "  kind INTEGER NOT NULL,"
                             "  value TEXT NOT NULL,"
                             "  issuer TEXT NOT NULL," // empty: any
                             "  before INTEGER NOT NULL,"
                             "  expires INTEGER NOT NULL," // 0: never
                             "  revoked INTEGER NOT NULL,"
                             "  reason TEXT NOT NULL,"
                             "  UNIQUE (kind, value, issuer, before)"
                             ") STRICT;"
                             "CREATE INDEX revocation_expires ON revocation (expires) WHERE expires > 0;";

struct pki_revoked_store {
    sqlite3 *db;
    sqlite3_stmt *version; // the one statement that runs several times a second
    int64_t seen;          // data_version
    bool looked;
    char what[256];
};

// --------------------------------------------------------------------------------------------------------- errors

static int failed(struct pki_revoked_store *s, int code, const char *doing)
{
    const char *detail = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(s->what, sizeof s->what, "%s: another process holds the lock of the store; try again", doing);
        return ERR_STORE_BUSY;
    case SQLITE_FULL:
        snprintf(s->what, sizeof s->what, "%s: the disk is full; nothing was changed", doing);
        return ERR_STORE_FAILED;
    case SQLITE_NOMEM: snprintf(s->what, sizeof s->what, "%s: out of memory", doing); return ERR_NOMEM;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        snprintf(s->what, sizeof s->what, "%s: the store is damaged (%s); restore it from a backup", doing, detail);
        return ERR_STORE_FAILED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        snprintf(s->what, sizeof s->what, "%s: it cannot be opened for writing (%s); check the file and its folder",
                 doing, detail);
        return ERR_STORE_FAILED;
    default: snprintf(s->what, sizeof s->what, "%s: %s (SQLite %d)", doing, detail, code); return ERR_STORE_FAILED;
    }
}

static int say(struct pki_revoked_store *s, int rc, const char *text)
{
    snprintf(s->what, sizeof s->what, "%s", text);
    return rc;
}

const char *pki_revoked_store_what(const struct pki_revoked_store *s)
{
    return s ? s->what : "out of memory";
}

// ------------------------------------------------------------------------------------------------------ statements

static int exec(struct pki_revoked_store *s, const char *sql, const char *doing)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : failed(s, code, doing);
}

static int prepare(struct pki_revoked_store *s, const char *sql, sqlite3_stmt **out)
{
    int code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? 0 : failed(s, code, "revocation store");
}

static void bind_text(sqlite3_stmt *q, int at, struct span v)
{
    sqlite3_bind_text64(q, at, v.p ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

static struct span column(sqlite3_stmt *q, int at)
{
    const void *p = sqlite3_column_blob(q, at);
    return span_of(p ? p : "", (size_t)sqlite3_column_bytes(q, at));
}

// Runs a statement that gives no rows.
static int step(struct pki_revoked_store *s, sqlite3_stmt *q, const char *doing)
{
    int code = sqlite3_step(q), rc = code == SQLITE_DONE ? 0 : failed(s, code, doing);
    sqlite3_reset(q);
    return rc;
}

static int one_int(struct pki_revoked_store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *q;
    int rc = prepare(s, sql, &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        rc = failed(s, code, "reading the store");
    sqlite3_finalize(q);
    return rc;
}

static int begin(struct pki_revoked_store *s)
{
    return exec(s, "BEGIN IMMEDIATE", "writing to the store");
}

// Commits when `rc` is 0, otherwise rolls back; what was said stays.
static int end(struct pki_revoked_store *s, int rc)
{
    if (rc == 0)
        rc = exec(s, "COMMIT", "writing to the store");
    // After some errors SQLite has rolled back by itself.
    if (rc != 0 && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

// --------------------------------------------------------------------------------------------------------- opening

static int open_file(const char *path, int busy_ms, struct pki_revoked_store **out)
{
    struct pki_revoked_store *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    // Handed out also on failure: the caller reads the reason from it and closes it.
    *out = s;
    int code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        return failed(s, code, "opening the store");
    sqlite3_busy_timeout(s->db, busy_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return exec(s, "PRAGMA synchronous = FULL", "opening the store");
}

static int must_be_empty(struct pki_revoked_store *s)
{
    int64_t tables = 0;
    int rc = one_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
    return rc == 0 && tables > 0 ? say(s, ERR_STORE_EXISTS, "there is such a file already") : rc;
}

static int describe(struct pki_revoked_store *s)
{
    char pragmas[96];
    int rc = begin(s);
    if (rc != 0)
        return rc;
    rc = must_be_empty(s); // now under the lock: somebody may have been faster
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION, FORMAT);
    if (rc == 0)
        rc = exec(s, schema, "creating the store");
    if (rc == 0)
        rc = exec(s, pragmas, "creating the store");
    return end(s, rc);
}

int pki_revoked_store_create(const char *path, struct pki_revoked_store **out)
{
    // Made by us first, so that the mode does not depend on the umask. An empty file is what a kill at this point leaves; it is taken over.
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), e = errno;
    if (fd >= 0)
        close(fd);
    int rc = open_file(path, CREATE_BUSY_MS, out);
    if (fd < 0 && *out) {
        snprintf((*out)->what, sizeof(*out)->what, "creating the store: %s", strerror(e));
        return ERR_STORE_FAILED;
    }
    if (rc == 0)
        rc = must_be_empty(*out);
    if (rc == 0)
        rc = exec(*out, "PRAGMA journal_mode = WAL", "creating the store");
    return rc != 0 ? rc : describe(*out);
}

int pki_revoked_store_open(const char *path, int busy_ms, struct pki_revoked_store **out)
{
    int64_t application = 0, format = 0, tables = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return ERR_STORE_ABSENT;
    int rc = open_file(path, busy_ms, out);
    if (rc != 0)
        return rc;
    struct pki_revoked_store *s = *out;
    if ((rc = one_int(s, "PRAGMA application_id", &application)) != 0 ||
        (rc = one_int(s, "PRAGMA user_version", &format)) != 0 ||
        (rc = one_int(s, "SELECT count(*) FROM sqlite_schema", &tables)) != 0)
        return rc;
    if (application == 0 && format == 0 && tables == 0) // its creator was killed, or is about to finish
        return say(s, ERR_STORE_ABSENT, "the file is empty");
    if (application != APPLICATION)
        return say(s, ERR_STORE_FAILED, "this is not a store of revocations");
    if (format != FORMAT)
        return say(s, ERR_STORE_FAILED,
                   "the store was written by another version of Sallyport, which this one cannot read");
    return 0;
}

void pki_revoked_store_close(struct pki_revoked_store *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->version);
    sqlite3_close(s->db);
    free(s);
}

// --------------------------------------------------------------------------------------------------------- entries

static void bind_key(sqlite3_stmt *q, const struct pki_revoked_entry *e)
{
    sqlite3_bind_int(q, 1, (int)e->kind);
    bind_text(q, 2, e->value);
    bind_text(q, 3, e->issuer);
    sqlite3_bind_int64(q, 4, e->before_s);
}

static int prune(struct pki_revoked_store *s, int64_t now_s)
{
    sqlite3_stmt *q;
    int rc = prepare(s, "DELETE FROM revocation WHERE expires > 0 AND expires <= ?1", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    rc = step(s, q, "writing to the store");
    sqlite3_finalize(q);
    return rc;
}

static int add_all(struct pki_revoked_store *s, const struct pki_revoked_entry *entries, size_t n)
{
    sqlite3_stmt *q;
    int rc = prepare(s,
                     "INSERT INTO revocation (kind, value, issuer, before, expires, revoked, reason) "
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, value, issuer, before) DO UPDATE SET "
                     "reason = excluded.reason, expires = CASE WHEN expires = 0 OR excluded.expires = 0 THEN 0 "
                     "ELSE max(expires, excluded.expires) END",
                     &q);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        assert(!pki_revoked_fault(&entries[i]));
        bind_key(q, &entries[i]);
        sqlite3_bind_int64(q, 5, entries[i].expires_s);
        sqlite3_bind_int64(q, 6, entries[i].revoked_s);
        bind_text(q, 7, entries[i].reason);
        rc = step(s, q, "writing to the store");
    }
    if (q)
        sqlite3_finalize(q);
    return rc;
}

int pki_revoked_store_add(struct pki_revoked_store *s, const struct pki_revoked_entry *entries, size_t n, int64_t now_s)
{
    int64_t count = 0;
    int rc = begin(s);
    if (rc != 0)
        return rc;
    if ((rc = prune(s, now_s)) == 0 && (rc = add_all(s, entries, n)) == 0 &&
        (rc = one_int(s, "SELECT count(*) FROM revocation", &count)) == 0 && count > PKI_REVOKED_STORE_MAX)
        rc = say(s, ERR_STORE_FAILED,
                 "the store is full; nothing was revoked. One entry for everything issued before now takes the place "
                 "of many");
    return end(s, rc);
}

int pki_revoked_store_lift(struct pki_revoked_store *s, const struct pki_revoked_entry *e)
{
    sqlite3_stmt *q;
    int rc = begin(s);
    if (rc != 0)
        return rc;
    rc = prepare(s, "DELETE FROM revocation WHERE kind = ?1 AND value = ?2 AND issuer = ?3 AND before = ?4", &q);
    if (rc == 0) {
        bind_key(q, e);
        rc = step(s, q, "writing to the store");
        sqlite3_finalize(q);
    }
    if (rc == 0 && sqlite3_changes(s->db) == 0)
        rc = say(s, ERR_STORE_ABSENT, "there is no such revocation");
    return end(s, rc);
}

int pki_revoked_store_each(struct pki_revoked_store *s, int64_t now_s,
                           int (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx)
{
    sqlite3_stmt *q;
    int code, rc = prepare(s,
                           "SELECT kind, value, issuer, before, expires, revoked, reason FROM revocation "
                           "WHERE expires = 0 OR expires > ?1 ORDER BY number",
                           &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            rc = failed(s, code, "reading the store");
            break;
        }
        struct pki_revoked_entry e = {
            .kind = (enum pki_revoked_kind)sqlite3_column_int(q, 0),
            .value = column(q, 1),
            .issuer = column(q, 2),
            .before_s = sqlite3_column_int64(q, 3),
            .expires_s = sqlite3_column_int64(q, 4),
            .revoked_s = sqlite3_column_int64(q, 5),
            .reason = column(q, 6),
        };
        // What some other program wrote into it is not passed over: a revocation that nobody understands is still meant as one.
        rc = pki_revoked_fault(&e) ? say(s, ERR_STORE_FAILED, "the store holds an entry that cannot be understood")
                                   : on_entry(ctx, &e);
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_revoked_store_changed(struct pki_revoked_store *s, bool *changed)
{
    int rc = s->version ? 0 : prepare(s, "PRAGMA data_version", &s->version);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(s->version);
    int64_t version = sqlite3_column_int64(s->version, 0);
    sqlite3_reset(s->version);
    if (code != SQLITE_ROW)
        return failed(s, code, "reading the store");
    *changed = !s->looked || version != s->seen;
    s->looked = true;
    s->seen = version;
    return 0;
}
