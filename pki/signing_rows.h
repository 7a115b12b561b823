// SPDX-License-Identifier: GPL-3.0-or-later
// The file behind signing_keys.h: its rows, and what becomes of them by the clock. A row's state only ever goes forward, in a transaction
// that has read it; the file itself refuses a second active key and a second next one. No private halves here: those of pki_signing_private.
#ifndef SALLYPORT_PKI_SIGNING_ROWS_H
#define SALLYPORT_PKI_SIGNING_ROWS_H

#include "gateway/base/arena.h"
#include "pki/signing_keys.h"
#include "pki/sql.h"

#define PKI_SIGNING_KID 43

extern const struct pki_sql_kind pki_signing_file;

// What keys are made by and how long they are what; kept in the file for those who do not have the configuration.
struct pki_signing_rule {
    enum pki_alg alg;
    int64_t rotate_s, publish_s, linger_s;
    struct span pkcs11; // SPAN_NONE: keys are in the file
};

struct pki_signing_row {
    char kid[PKI_SIGNING_KID + 1];
    enum pki_alg alg;
    enum pki_signing_state state;
    int64_t created_s;
    int64_t published_s; // when a process that serves took it up; 0: none did
    int64_t active_s;    // of a next one that is not published: not before
    int64_t retire_s, gone_s;
    int64_t linger_s; // the longest that a token of this key was let live
    struct span public_half, pkcs11;
};

struct pki_signing_rows {
    struct pki_signing_row at[PKI_SIGNING_MAX]; // newest first
    size_t n;
};

// What is due.
enum {
    PKI_SIGNING_DUE_TOUCH = 1,  // a key to take up, or a clock that was set back to get over
    PKI_SIGNING_DUE_FORGET = 2, // a key whose last token has ended
    PKI_SIGNING_DUE_PROMOTE = 4,
    PKI_SIGNING_DUE_MAKE = 8, // a key; the first one, too
};
unsigned pki_signing_due(const struct pki_signing_rows *rows, const struct pki_signing_rule *rule, int64_t now_s);
// The earliest time at which something will be due; INT64_MAX: none.
int64_t pki_signing_due_at(const struct pki_signing_rows *rows, const struct pki_signing_rule *rule);

// Texts live in `a`. `*found`: the file has a rule.
int pki_signing_rule_read(struct pki_sql *s, struct arena *a, struct pki_signing_rule *out, bool *found);
int pki_signing_rule_write(struct pki_sql *s, const struct pki_signing_rule *rule);
int pki_signing_rows_read(struct pki_sql *s, struct arena *a, struct pki_signing_rows *out);
// Appends the private half (PEM); wipe it.
int pki_signing_private(struct pki_sql *s, const char *kid, struct buf *out);

// All below in a transaction.
int pki_signing_insert(struct pki_sql *s, const struct pki_signing_row *row, struct span private_half);
int pki_signing_delete(struct pki_sql *s, const struct pki_signing_row *row);
// The times and the state; one that no longer signs has no private half either.
int pki_signing_save(struct pki_sql *s, const struct pki_signing_row *row);
// Out of use now; published until the last token it signed has ended.
int pki_signing_retire(struct pki_sql *s, struct pki_signing_row *row, int64_t now_s);
// Does everything that is due but making.
int pki_signing_advance(struct pki_sql *s, struct pki_signing_rows *rows, const struct pki_signing_rule *rule,
                        int64_t now_s);
// NULL when there is none.
struct pki_signing_row *pki_signing_in(struct pki_signing_rows *rows, enum pki_signing_state state);

// Key pairs in a PKCS#11 token that no row names: one is entered before it is made, and one that signs no more until it is removed. `at_s` 0: to
// be removed; else when it was begun.
int pki_signing_stray_add(struct pki_sql *s, struct span uri, int64_t at_s);
int pki_signing_stray_drop(struct pki_sql *s, struct span uri, bool *was_there);
// One that is to be removed, or was begun longer ago than anybody takes; SPAN_NONE: none.
int pki_signing_stray_next(struct pki_sql *s, struct arena *a, int64_t now_s, struct span *uri);

#endif
