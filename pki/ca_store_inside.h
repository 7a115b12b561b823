// SPDX-License-Identifier: GPL-3.0-or-later
// What ca_store.c (certificates) and ca_join.c (join tokens) share: for those two only.
#ifndef SALLYPORT_PKI_CA_STORE_INSIDE_H
#define SALLYPORT_PKI_CA_STORE_INSIDE_H

#include "pki/ca_store.h"
#include "pki/sql.h"

struct pki_ca_store {
    sqlite3 *db;
    bool writing;
    char what[256];
};

// SQLite's code as one of ours, with the reason kept.
int pki_ca_store_failed_(struct pki_ca_store *s, int code, const char *doing);
int pki_ca_store_say_(struct pki_ca_store *s, int rc, const char *text);
int pki_ca_store_exec_(struct pki_ca_store *s, const char *sql, const char *doing);
int pki_ca_store_prepare_(struct pki_ca_store *s, const char *sql, sqlite3_stmt **out);
// Runs a statement that gives no rows, and finishes it.
int pki_ca_store_run_(struct pki_ca_store *s, sqlite3_stmt *q, const char *doing);

#endif
