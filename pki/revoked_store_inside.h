// SPDX-License-Identifier: GPL-3.0-or-later
// What revoked_store.c and revoked_log.c share: for those two only.
#ifndef SALLYPORT_PKI_REVOKED_STORE_INSIDE_H
#define SALLYPORT_PKI_REVOKED_STORE_INSIDE_H

#include <sqlite3.h>

#include "pki/revoked_store.h"

struct pki_revoked_store {
    sqlite3 *db;
    sqlite3_stmt *version; // the statements that run several times a second
    sqlite3_stmt *head;
    int64_t seen;       // data_version
    bool looked, wrote; // `wrote`: by ourselves, since the last look
    char what[256];
};

// SQLite's code as one of ours, with the reason kept.
int pki_revoked_store_failed(struct pki_revoked_store *s, int code, const char *doing);
int pki_revoked_store_say(struct pki_revoked_store *s, int rc, const char *text);
int pki_revoked_store_exec(struct pki_revoked_store *s, const char *sql, const char *doing);
int pki_revoked_store_prepare(struct pki_revoked_store *s, const char *sql, sqlite3_stmt **out);
// kind, value, issuer, before, expires, revoked, reason, from column `at` on; until the next step.
struct pki_revoked_entry pki_revoked_store_row(sqlite3_stmt *q, int at);

#endif
