// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/sql.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// ---- errors

int pki_sql_say(struct pki_sql *s, int rc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->what, sizeof s->what, fmt, args);
    va_end(args);
    return rc;
}

int pki_sql_failed(struct pki_sql *s, int code, const char *doing)
{
    const char *detail = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code), *name = s->kind->name;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pki_sql_say(s, ERR_STORE_BUSY, "%s %s: another process holds its lock; try again", doing, name);
    case SQLITE_FULL:
        return pki_sql_say(s, ERR_STORE_FAILED, "%s %s: the disk is full; nothing was changed", doing, name);
    case SQLITE_NOMEM: return pki_sql_say(s, ERR_NOMEM, "%s %s: out of memory", doing, name);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return pki_sql_say(s, ERR_STORE_FAILED, "%s %s: it is damaged (%s); restore it from a backup", doing, name,
                           detail);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return pki_sql_say(s, ERR_STORE_FAILED,
                           "%s %s: it cannot be opened for writing (%s); check the file and its folder", doing, name,
                           detail);
    default: return pki_sql_say(s, ERR_STORE_FAILED, "%s %s: %s (SQLite %d)", doing, name, detail, code);
    }
}

// ---- statements

static int exec(struct pki_sql *s, const char *sql, const char *doing)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : pki_sql_failed(s, code, doing);
}

int pki_sql_prepare(struct pki_sql *s, const char *sql, sqlite3_stmt **out)
{
    int code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? 0 : pki_sql_failed(s, code, "reading");
}

void pki_sql_bind_text(sqlite3_stmt *q, int at, struct span v)
{
    sqlite3_bind_text64(q, at, v.p ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

void pki_sql_bind_blob(sqlite3_stmt *q, int at, struct span v)
{
    sqlite3_bind_blob64(q, at, v.p, v.n, SQLITE_STATIC);
}

struct span pki_sql_column(sqlite3_stmt *q, int at)
{
    const void *p = sqlite3_column_blob(q, at);
    return span_of(p ? p : "", (size_t)sqlite3_column_bytes(q, at));
}

int pki_sql_run(struct pki_sql *s, sqlite3_stmt *q)
{
    int code = sqlite3_step(q), rc = code == SQLITE_DONE ? 0 : pki_sql_failed(s, code, "writing to");
    sqlite3_finalize(q);
    return rc;
}

// ---- opening

static int open_file(struct pki_sql *s, const char *path, int busy_ms)
{
    int code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        return pki_sql_failed(s, code, "opening");
    sqlite3_busy_timeout(s->db, busy_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return exec(s, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;", "opening");
}

static int pragma_int(struct pki_sql *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(s, sql, &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        rc = pki_sql_failed(s, code, "reading");
    sqlite3_finalize(q);
    return rc;
}

static int fill(struct pki_sql *s, const char *path)
{
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;", s->kind->application,
             s->kind->format);
    int rc = open_file(s, path, 0);
    if (rc == 0)
        rc = exec(s, "PRAGMA journal_mode = WAL;", "making");
    if (rc == 0 && (rc = pki_sql_begin(s)) == 0) {
        rc = exec(s, s->kind->schema, "making");
        if (rc == 0)
            rc = exec(s, pragmas, "making");
        rc = pki_sql_end(s, rc);
    }
    // The last one to close writes the log into the file and removes it.
    pki_sql_close(s);
    return rc;
}

// The new name lasts, too.
static int sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

int pki_sql_create(struct pki_sql *s, const struct pki_sql_kind *kind, const char *path)
{
    char fresh[PATH_MAX];
    *s = (struct pki_sql){ .kind = kind };
    if (access(path, F_OK) == 0)
        return pki_sql_say(s, ERR_STORE_EXISTS, "%s is there already", path);
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new-XXXXXX", path) >= sizeof fresh)
        return pki_sql_say(s, ERR_STORE_FAILED, "%s: the path is too long", path);
    int fd = mkstemp(fresh); // mode 0600, whatever the umask
    if (fd < 0)
        return pki_sql_say(s, ERR_STORE_FAILED, "%s: %s", path, strerror(errno));
    close(fd);
    int rc = fill(s, fresh), e = 0;
    // link(2) fails where rename(2) would put ours over somebody else's.
    if (rc == 0 && (link(fresh, path) != 0 || (e = -sync_folder(path)) != 0)) {
        e = e ? e : errno;
        rc = pki_sql_say(s, e == EEXIST ? ERR_STORE_EXISTS : ERR_STORE_FAILED, "%s: %s", path, strerror(e));
    }
    unlink(fresh);
    return rc;
}

int pki_sql_open(struct pki_sql *s, const struct pki_sql_kind *kind, const char *path, int busy_ms)
{
    int64_t application = 0, format = 0;
    *s = (struct pki_sql){ .kind = kind };
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return pki_sql_say(s, ERR_STORE_ABSENT, "%s: there is no such file", path);
    int rc = open_file(s, path, busy_ms);
    if (rc == 0)
        rc = pragma_int(s, "PRAGMA application_id", &application);
    if (rc == 0)
        rc = pragma_int(s, "PRAGMA user_version", &format);
    if (rc != 0)
        return rc;
    if (application != kind->application)
        return pki_sql_say(s, ERR_STORE_FAILED, "%s is not %s", path, kind->name);
    if (format != kind->format)
        return pki_sql_say(s, ERR_STORE_FAILED,
                           "%s was written by another version of Sallyport, which this one cannot read", path);
    return 0;
}

void pki_sql_close(struct pki_sql *s)
{
    if (s->writing)
        pki_sql_end(s, ERR_INTERNAL);
    sqlite3_close(s->db);
    s->db = NULL;
}

// ---- transactions

int pki_sql_begin(struct pki_sql *s)
{
    assert(!s->writing);
    int rc = exec(s, "BEGIN IMMEDIATE", "writing to");
    s->writing = rc == 0;
    return rc;
}

int pki_sql_end(struct pki_sql *s, int rc)
{
    assert(s->writing);
    if (rc == 0)
        rc = exec(s, "COMMIT", "writing to");
    // After some errors SQLite has rolled back by itself.
    if (rc != 0 && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->writing = false;
    return rc;
}
