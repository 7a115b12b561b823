// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revoked_store_inside.h"

#include "pki/digest.h"
#include "pki/revoked_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT 2               // of the schema; in user_version
#define APPLICATION 0x53505256 // "SPRV", for file(1) and against somebody else's database
#define CREATE_BUSY_MS 5000    // somebody else may be creating it, too

static const char entries_schema[] =
    "CREATE TABLE revocation ("
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
// Since format 2: revoked_log.h.
static const char log_schema[] = "CREATE TABLE change ("
                                 "  sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
                                 "  mark INTEGER NOT NULL," // random
                                 "  lifted INTEGER NOT NULL,"
                                 "  kind INTEGER NOT NULL,"
                                 "  value TEXT NOT NULL,"
                                 "  issuer TEXT NOT NULL,"
                                 "  before INTEGER NOT NULL,"
                                 "  expires INTEGER NOT NULL,"
                                 "  revoked INTEGER NOT NULL,"
                                 "  reason TEXT NOT NULL"
                                 ") STRICT;"
                                 "CREATE TABLE feed (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL) STRICT;"
                                 "INSERT INTO feed (one, id) VALUES (1, randomblob(16));";

// --------------------------------------------------------------------------------------------------------- errors

int pki_revoked_store_failed(struct pki_revoked_store *s, int code, const char *doing)
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

int pki_revoked_store_say(struct pki_revoked_store *s, int rc, const char *text)
{
    snprintf(s->what, sizeof s->what, "%s", text);
    return rc;
}

const char *pki_revoked_store_what(const struct pki_revoked_store *s)
{
    return s ? s->what : "out of memory";
}

// ------------------------------------------------------------------------------------------------------ statements

int pki_revoked_store_exec(struct pki_revoked_store *s, const char *sql, const char *doing)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : pki_revoked_store_failed(s, code, doing);
}

int pki_revoked_store_prepare(struct pki_revoked_store *s, const char *sql, sqlite3_stmt **out)
{
    int code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? 0 : pki_revoked_store_failed(s, code, "revocation store");
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

struct pki_revoked_entry pki_revoked_store_row(sqlite3_stmt *q, int at)
{
    return (struct pki_revoked_entry){
        .kind = (enum pki_revoked_kind)sqlite3_column_int(q, at),
        .value = column(q, at + 1),
        .issuer = column(q, at + 2),
        .before_s = sqlite3_column_int64(q, at + 3),
        .expires_s = sqlite3_column_int64(q, at + 4),
        .revoked_s = sqlite3_column_int64(q, at + 5),
        .reason = column(q, at + 6),
    };
}

// Runs a statement that gives no rows.
static int step(struct pki_revoked_store *s, sqlite3_stmt *q, const char *doing)
{
    int code = sqlite3_step(q), rc = code == SQLITE_DONE ? 0 : pki_revoked_store_failed(s, code, doing);
    sqlite3_reset(q);
    return rc;
}

static int one_int(struct pki_revoked_store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *q;
    int rc = pki_revoked_store_prepare(s, sql, &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        rc = pki_revoked_store_failed(s, code, "reading the store");
    sqlite3_finalize(q);
    return rc;
}

bool pki_revoked_store_moved(struct pki_revoked_store *s)
{
    int moved = 0;
    return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

static int begin(struct pki_revoked_store *s)
{
    int rc = pki_revoked_store_exec(s, "BEGIN IMMEDIATE", "writing to the store");
    // What is written into a file that nobody finds any more would be confirmed and lost.
    if (rc == 0 && pki_revoked_store_moved(s)) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        rc = pki_revoked_store_say(s, ERR_STORE_FAILED, "the file of the store was replaced; open it again");
    }
    return rc;
}

// Commits when `rc` is 0, otherwise rolls back; what was said stays.
static int end(struct pki_revoked_store *s, int rc)
{
    if (rc == 0)
        rc = pki_revoked_store_exec(s, "COMMIT", "writing to the store");
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
        return pki_revoked_store_failed(s, code, "opening the store");
    sqlite3_busy_timeout(s->db, busy_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return pki_revoked_store_exec(s, "PRAGMA synchronous = FULL", "opening the store");
}

static int must_be_empty(struct pki_revoked_store *s)
{
    int64_t tables = 0;
    int rc = one_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
    return rc == 0 && tables > 0 ? pki_revoked_store_say(s, ERR_STORE_EXISTS, "there is such a file already") : rc;
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
        rc = pki_revoked_store_exec(s, entries_schema, "creating the store");
    if (rc == 0)
        rc = pki_revoked_store_exec(s, log_schema, "creating the store");
    if (rc == 0)
        rc = pki_revoked_store_exec(s, pragmas, "creating the store");
    return end(s, rc);
}

// SQLite does not call its busy handler for this one, so two creators that meet here wait by themselves.
static int log_ahead(struct pki_revoked_store *s)
{
    int rc = ERR_STORE_BUSY;
    for (int waited = 0; rc == ERR_STORE_BUSY && waited < CREATE_BUSY_MS; waited += 10) {
        if (waited > 0)
            sqlite3_sleep(10);
        rc = pki_revoked_store_exec(s, "PRAGMA journal_mode = WAL", "creating the store");
    }
    return rc;
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
        rc = log_ahead(*out);
    return rc != 0 ? rc : describe(*out);
}

// From format 1, which had no log: nobody follows it yet, so there is nothing that a change would have to be told of. All or nothing, and once: others may
// be about to do the same.
static int migrate(struct pki_revoked_store *s)
{
    char pragma[48];
    int64_t format = 0;
    int rc = begin(s);
    if (rc != 0)
        return rc;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", FORMAT);
    rc = one_int(s, "PRAGMA user_version", &format);
    if (rc == 0 && format == 1)
        rc = pki_revoked_store_exec(s, log_schema, "bringing the store up to date");
    if (rc == 0 && format == 1)
        rc = pki_revoked_store_exec(s, pragma, "bringing the store up to date");
    return end(s, rc);
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
        return pki_revoked_store_say(s, ERR_STORE_ABSENT, "the file is empty");
    if (application != APPLICATION)
        return pki_revoked_store_say(s, ERR_STORE_FAILED, "this is not a store of revocations");
    if (format == 1)
        return migrate(s);
    if (format != FORMAT)
        return pki_revoked_store_say(
            s, ERR_STORE_FAILED, "the store was written by another version of Sallyport, which this one cannot read");
    return 0;
}

void pki_revoked_store_close(struct pki_revoked_store *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->version);
    sqlite3_finalize(s->head);
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
    int rc = pki_revoked_store_prepare(s, "DELETE FROM revocation WHERE expires > 0 AND expires <= ?1", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    rc = step(s, q, "writing to the store");
    sqlite3_finalize(q);
    return rc;
}

#define COLUMNS "kind, value, issuer, before, expires, revoked, reason"

static int prepare_log(struct pki_revoked_store *s, sqlite3_stmt **out)
{
    return pki_revoked_store_prepare(
        s, "INSERT INTO change (" COLUMNS ", lifted, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", out);
}

static int note(struct pki_revoked_store *s, sqlite3_stmt *log, const struct pki_revoked_entry *e, bool lifted)
{
    uint64_t mark;
    pki_random(&mark, sizeof mark);
    bind_key(log, e);
    sqlite3_bind_int64(log, 5, e->expires_s);
    sqlite3_bind_int64(log, 6, e->revoked_s);
    bind_text(log, 7, e->reason);
    sqlite3_bind_int(log, 8, lifted);
    sqlite3_bind_int64(log, 9, (int64_t)(mark & INT64_MAX));
    return step(s, log, "writing to the store");
}

// Those that nobody is expected to ask for any more. The last always stays: it says where the numbers are.
static int trim_log(struct pki_revoked_store *s)
{
    char sql[112];
    snprintf(sql, sizeof sql, "DELETE FROM change WHERE sequence <= (SELECT max(sequence) FROM change) - %u",
             PKI_REVOKED_LOG);
    return pki_revoked_store_exec(s, sql, "writing to the store");
}

// One entry, and the change that it is; the same again is none.
static int add_one(struct pki_revoked_store *s, sqlite3_stmt *q, sqlite3_stmt *log, const struct pki_revoked_entry *e)
{
    assert(!pki_revoked_fault(e));
    bind_key(q, e);
    sqlite3_bind_int64(q, 5, e->expires_s);
    sqlite3_bind_int64(q, 6, e->revoked_s);
    bind_text(q, 7, e->reason);
    int code = sqlite3_step(q), rc = 0;
    if (code == SQLITE_ROW) {
        struct pki_revoked_entry stands = *e;
        stands.expires_s = sqlite3_column_int64(q, 0);
        stands.revoked_s = sqlite3_column_int64(q, 1);
        rc = note(s, log, &stands, false);
        code = rc == 0 ? sqlite3_step(q) : SQLITE_DONE;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = pki_revoked_store_failed(s, code, "writing to the store");
    sqlite3_reset(q);
    return rc;
}

static int add_all(struct pki_revoked_store *s, const struct pki_revoked_entry *entries, size_t n)
{
    sqlite3_stmt *q = NULL, *log = NULL;
    int rc = pki_revoked_store_prepare(
        s,
        "INSERT INTO revocation (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
        "ON CONFLICT (kind, value, issuer, before) DO UPDATE SET "
        "reason = excluded.reason, expires = CASE WHEN expires = 0 OR excluded.expires = 0 THEN 0 "
        "ELSE max(expires, excluded.expires) END "
        "WHERE reason <> excluded.reason OR (expires > 0 AND (excluded.expires = 0 OR excluded.expires > expires)) "
        "RETURNING expires, revoked",
        &q);
    if (rc == 0)
        rc = prepare_log(s, &log);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_one(s, q, log, &entries[i]);
    sqlite3_finalize(q);
    sqlite3_finalize(log);
    return rc == 0 ? trim_log(s) : rc;
}

int pki_revoked_store_add(struct pki_revoked_store *s, const struct pki_revoked_entry *entries, size_t n, int64_t now_s)
{
    int64_t count = 0;
    int rc = begin(s);
    if (rc != 0)
        return rc;
    if ((rc = prune(s, now_s)) == 0 && (rc = add_all(s, entries, n)) == 0 &&
        (rc = one_int(s, "SELECT count(*) FROM revocation", &count)) == 0 && count > PKI_REVOKED_STORE_MAX)
        rc = pki_revoked_store_say(
            s, ERR_STORE_FAILED,
            "the store is full; nothing was revoked. One entry for everything issued before now takes the place "
            "of many");
    rc = end(s, rc);
    s->wrote = s->wrote || rc == 0;
    return rc;
}

static int remove_one(struct pki_revoked_store *s, const struct pki_revoked_entry *e)
{
    sqlite3_stmt *q;
    int rc = pki_revoked_store_prepare(
        s, "DELETE FROM revocation WHERE kind = ?1 AND value = ?2 AND issuer = ?3 AND before = ?4", &q);
    if (rc != 0)
        return rc;
    bind_key(q, e);
    rc = step(s, q, "writing to the store");
    sqlite3_finalize(q);
    return rc == 0 && sqlite3_changes(s->db) == 0
               ? pki_revoked_store_say(s, ERR_STORE_ABSENT, "there is no such revocation")
               : rc;
}

int pki_revoked_store_lift(struct pki_revoked_store *s, const struct pki_revoked_entry *e)
{
    struct pki_revoked_entry gone = {
        .kind = e->kind, .value = e->value, .issuer = e->issuer, .before_s = e->before_s
    };
    sqlite3_stmt *log = NULL;
    int rc = begin(s);
    if (rc != 0)
        return rc;
    if ((rc = remove_one(s, e)) == 0 && (rc = prepare_log(s, &log)) == 0 && (rc = note(s, log, &gone, true)) == 0)
        rc = trim_log(s);
    sqlite3_finalize(log);
    rc = end(s, rc);
    s->wrote = s->wrote || rc == 0;
    return rc;
}

int pki_revoked_store_each(struct pki_revoked_store *s, int64_t now_s,
                           int (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx)
{
    sqlite3_stmt *q;
    int code, rc = pki_revoked_store_prepare(s,
                                             "SELECT " COLUMNS " FROM revocation "
                                             "WHERE expires = 0 OR expires > ?1 ORDER BY number",
                                             &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            rc = pki_revoked_store_failed(s, code, "reading the store");
            break;
        }
        struct pki_revoked_entry e = pki_revoked_store_row(q, 0);
        // What some other program wrote into it is not passed over: a revocation that nobody understands is still meant as one.
        rc = pki_revoked_fault(&e)
                 ? pki_revoked_store_say(s, ERR_STORE_FAILED, "the store holds an entry that cannot be understood")
                 : on_entry(ctx, &e);
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_revoked_store_changed(struct pki_revoked_store *s, bool *changed)
{
    int rc = s->version ? 0 : pki_revoked_store_prepare(s, "PRAGMA data_version", &s->version);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(s->version);
    int64_t version = sqlite3_column_int64(s->version, 0);
    sqlite3_reset(s->version);
    if (code != SQLITE_ROW)
        return pki_revoked_store_failed(s, code, "reading the store");
    *changed = !s->looked || s->wrote || version != s->seen;
    s->looked = true;
    s->wrote = false;
    s->seen = version;
    return 0;
}
