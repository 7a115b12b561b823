// SPDX-License-Identifier: GPL-3.0-or-later
// SQLite as our registries use it: one file each that knows what it is (application_id and format), is made whole or not at all, and says what
// went wrong in words for a person. WAL, synchronous=FULL: what was committed survives a kill and a power cut. For pki/*_store.c only;
// their headers show nothing of it. Functions return 0, ERR_STORE_BUSY, ERR_STORE_FAILED, ERR_NOMEM and what else they say.
#ifndef SALLYPORT_PKI_SQL_H
#define SALLYPORT_PKI_SQL_H

#include <sqlite3.h>

#include "gateway/base/err.h"

struct pki_sql_kind {
    const char *name; // in complaints: "the registry of API keys"
    int application;  // for file(1), and against somebody else's database
    int format;       // of the schema; another one is refused
    const char *schema;
};

struct pki_sql {
    const struct pki_sql_kind *kind;
    sqlite3 *db;
    bool writing;
    char what[512]; // of the last failure
};

// The file, with mode 0600 and the schema in it. It appears under its name when it is complete: of several processes one makes it, and the
// others have ERR_STORE_EXISTS. `s` is not open afterwards, and holds only the reason of a failure.
int pki_sql_create(struct pki_sql *s, const struct pki_sql_kind *kind, const char *path);
// `busy_ms` is how long a lock is waited for. ERR_STORE_ABSENT when there is no such file.
int pki_sql_open(struct pki_sql *s, const struct pki_sql_kind *kind, const char *path, int busy_ms);
void pki_sql_close(struct pki_sql *s); // rolls an open transaction back

// A transaction that writes: begin takes the write lock. Abort after a failure is fine, and after commit does nothing. _end commits when `rc`
// is 0, aborts otherwise, and gives back what came of it; the reason of a failure stays.
int pki_sql_begin(struct pki_sql *s);
int pki_sql_end(struct pki_sql *s, int rc);

int pki_sql_prepare(struct pki_sql *s, const char *sql, sqlite3_stmt **out);
// The span must live until the statement is finished.
void pki_sql_bind_text(sqlite3_stmt *q, int at, struct span v); // SPAN_NONE as ""
void pki_sql_bind_blob(sqlite3_stmt *q, int at, struct span v);
struct span pki_sql_column(sqlite3_stmt *q, int at); // never SPAN_NONE; until the next step
// Runs a statement that gives no rows, and finishes it.
int pki_sql_run(struct pki_sql *s, sqlite3_stmt *q);
// Turns SQLite's code into one of ours, and says it.
int pki_sql_failed(struct pki_sql *s, int code, const char *doing);
int pki_sql_say(struct pki_sql *s, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
