// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revoked_log.h"

#include "pki/revoked_store_inside.h"

#define COLUMNS "kind, value, issuer, before, expires, revoked, reason"

static const char reading[] = "reading the store";

bool pki_revoked_point_eq(const struct pki_revoked_point *a, const struct pki_revoked_point *b)
{
    return memcmp(a->feed, b->feed, sizeof a->feed) == 0 && a->sequence == b->sequence && a->mark == b->mark;
}

// One moment of the store for all that is read of it.
static int begin(struct pki_revoked_store *s)
{
    return pki_revoked_store_exec(s, "BEGIN", reading);
}

static int end(struct pki_revoked_store *s, int rc)
{
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); // nothing was written
    return rc;
}

int pki_revoked_log_head(struct pki_revoked_store *s, struct pki_revoked_point *out)
{
    int rc = s->head ? 0
                     : pki_revoked_store_prepare(s,
                                                 "SELECT id, sequence, mark FROM feed LEFT JOIN (SELECT sequence, mark "
                                                 "FROM change ORDER BY sequence DESC LIMIT 1)",
                                                 &s->head);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(s->head);
    const void *id = code == SQLITE_ROW ? sqlite3_column_blob(s->head, 0) : NULL;
    if (id && (size_t)sqlite3_column_bytes(s->head, 0) == sizeof out->feed) {
        // Without a change both are NULL, which reads as 0.
        out->sequence = (uint64_t)sqlite3_column_int64(s->head, 1);
        out->mark = (uint64_t)sqlite3_column_int64(s->head, 2);
        memcpy(out->feed, id, sizeof out->feed);
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        rc = pki_revoked_store_say(s, ERR_STORE_FAILED, "the store has no id of its own; restore it from a backup");
    } else {
        rc = pki_revoked_store_failed(s, code, reading);
    }
    sqlite3_reset(s->head);
    return rc;
}

// Whether all changes behind `p` are kept, and its mark is the one that it had. 0 or ERR_STORE_ABSENT.
static int must_be_known(struct pki_revoked_store *s, const struct pki_revoked_point *head,
                         const struct pki_revoked_point *p)
{
    static const char unknown[] = "the registry does not know this point";
    sqlite3_stmt *q;
    if (memcmp(head->feed, p->feed, sizeof p->feed) != 0 || p->sequence > head->sequence || p->mark > INT64_MAX)
        return pki_revoked_store_say(s, ERR_STORE_ABSENT, unknown);
    // Before the first change there is no mark: then the first must be there, if there is any.
    int rc =
        pki_revoked_store_prepare(s,
                                  p->sequence > 0 ? "SELECT mark FROM change WHERE sequence = ?1"
                                                  : "SELECT 0 WHERE (SELECT ifnull(min(sequence), 1) FROM change) = 1",
                                  &q);
    if (rc != 0)
        return rc;
    if (p->sequence > 0)
        sqlite3_bind_int64(q, 1, (int64_t)p->sequence);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        rc = (uint64_t)sqlite3_column_int64(q, 0) == p->mark ? 0 : pki_revoked_store_say(s, ERR_STORE_ABSENT, unknown);
    else
        rc = code == SQLITE_DONE ? pki_revoked_store_say(s, ERR_STORE_ABSENT, unknown)
                                 : pki_revoked_store_failed(s, code, reading);
    sqlite3_finalize(q);
    return rc;
}

static bool is_sound(const struct pki_revoked_change *c)
{
    return pki_revoked_fault(&c->entry) == NULL;
}

static int give_changes(struct pki_revoked_store *s, struct pki_revoked_point *at,
                        bool (*on_change)(void *ctx, const struct pki_revoked_change *c), void *ctx)
{
    sqlite3_stmt *q;
    int code,
        rc = pki_revoked_store_prepare(
            s, "SELECT sequence, mark, lifted, " COLUMNS " FROM change WHERE sequence > ?1 ORDER BY sequence", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, (int64_t)at->sequence);
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            rc = pki_revoked_store_failed(s, code, reading);
            break;
        }
        struct pki_revoked_change c = {
            .sequence = (uint64_t)sqlite3_column_int64(q, 0),
            .lifted = sqlite3_column_int(q, 2) != 0,
            .entry = pki_revoked_store_row(q, 3),
        };
        if (c.sequence != at->sequence + 1 || !is_sound(&c))
            rc = pki_revoked_store_say(s, ERR_STORE_FAILED,
                                       "the store's log has a gap, or a change that cannot be understood");
        else if (on_change(ctx, &c))
            break;
        else {
            at->sequence = c.sequence;
            at->mark = (uint64_t)sqlite3_column_int64(q, 1);
        }
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_revoked_log_since(struct pki_revoked_store *s, const struct pki_revoked_point *after,
                          bool (*on_change)(void *ctx, const struct pki_revoked_change *c), void *ctx,
                          struct pki_revoked_point *reached, uint64_t *head)
{
    struct pki_revoked_point now, at = *after;
    int rc = begin(s);
    if (rc == 0 && (rc = pki_revoked_log_head(s, &now)) == 0 && (rc = must_be_known(s, &now, after)) == 0)
        rc = give_changes(s, &at, on_change, ctx);
    if (end(s, rc) != 0)
        return rc;
    *reached = at;
    *head = now.sequence;
    return 0;
}

static int give_entries(struct pki_revoked_store *s, uint64_t from, int64_t now_s,
                        bool (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx, uint64_t *next)
{
    sqlite3_stmt *q;
    uint64_t last = from;
    int code = SQLITE_DONE, rc = pki_revoked_store_prepare(s,
                                                           "SELECT number, " COLUMNS " FROM revocation WHERE number > "
                                                           "?1 AND (expires = 0 OR expires > ?2) ORDER BY number",
                                                           &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, (int64_t)from);
    sqlite3_bind_int64(q, 2, now_s);
    *next = 0;
    while (rc == 0 && (code = sqlite3_step(q)) == SQLITE_ROW) {
        struct pki_revoked_entry e = pki_revoked_store_row(q, 1);
        if (pki_revoked_fault(&e))
            rc = pki_revoked_store_say(s, ERR_STORE_FAILED, "the store holds an entry that cannot be understood");
        else if (on_entry(ctx, &e)) {
            *next = last;
            break;
        }
        last = (uint64_t)sqlite3_column_int64(q, 0);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rc = pki_revoked_store_failed(s, code, reading);
    sqlite3_finalize(q);
    return rc;
}

int pki_revoked_log_part(struct pki_revoked_store *s, uint64_t from, int64_t now_s, struct pki_revoked_point *at,
                         bool (*on_entry)(void *ctx, const struct pki_revoked_entry *e), void *ctx, uint64_t *next,
                         uint64_t *head)
{
    struct pki_revoked_point now;
    uint64_t behind = 0;
    if (from > INT64_MAX)
        return pki_revoked_store_say(s, ERR_STORE_ABSENT, "the registry does not know this place");
    int rc = begin(s);
    if (rc == 0 && (rc = pki_revoked_log_head(s, &now)) == 0 && from > 0)
        rc = must_be_known(s, &now, at);
    if (rc == 0)
        rc = give_entries(s, from, now_s, on_entry, ctx, &behind);
    if (end(s, rc) != 0)
        return rc;
    if (from == 0)
        *at = now;
    *next = behind;
    *head = now.sequence;
    return 0;
}
