// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/ca_join.h"

#include "gateway/base/secret.h"
#include "pki/ca_store_inside.h"

#include <assert.h>
#include <string.h>

// Beside the tables of ca_store.c and made when it is first needed, so that an older CA gets it too and an older program does not mind.
static const char table[] = "CREATE TABLE IF NOT EXISTS join_token ("
                            "  id TEXT PRIMARY KEY,"
                            "  hash BLOB NOT NULL,"
                            "  spiffe_id TEXT NOT NULL,"
                            "  dns TEXT NOT NULL,"
                            "  created_at INTEGER NOT NULL,"
                            "  expires_at INTEGER NOT NULL,"
                            "  used_at INTEGER NOT NULL DEFAULT 0,"
                            "  serial TEXT NOT NULL DEFAULT '',"
                            "  revoked_at INTEGER NOT NULL DEFAULT 0"
                            ") STRICT;";

#define COLUMNS "id, hash, spiffe_id, dns, created_at, expires_at, used_at, serial, revoked_at"

static int prepare(struct pki_ca_store *s, const char *sql, sqlite3_stmt **out)
{
    int rc = pki_ca_store_exec_(s, table, "join tokens");
    return rc == 0 ? pki_ca_store_prepare_(s, sql, out) : rc;
}

static int insert(struct pki_ca_store *s, const struct pki_ca_join *j)
{
    sqlite3_stmt *q;
    int rc = prepare(s, "DELETE FROM join_token WHERE expires_at < ?1", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, j->created_at - PKI_CA_JOIN_KEEP);
    rc = pki_ca_store_run_(s, q, "writing a join token");
    if (rc == 0)
        rc = prepare(s,
                     "INSERT INTO join_token (id, hash, spiffe_id, dns, created_at, expires_at) VALUES (?1, ?2, ?3, "
                     "?4, ?5, ?6)",
                     &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, j->id);
    pki_sql_bind_blob(q, 2, span_of(j->hash, sizeof j->hash));
    pki_sql_bind_text(q, 3, j->spiffe_id);
    pki_sql_bind_text(q, 4, j->dns);
    sqlite3_bind_int64(q, 5, j->created_at);
    sqlite3_bind_int64(q, 6, j->expires_at);
    return pki_ca_store_run_(s, q, "writing a join token");
}

int pki_ca_join_add(struct pki_ca_store *s, struct pki_ca_join *join, char text[static PKI_API_KEY_MAX + 1])
{
    struct pki_api_key parts;
    pki_api_key_make(PKI_CA_JOIN_ENV, text);
    int rc = pki_api_key_parse(span_str(text), &parts);
    assert(rc == 0);
    struct pki_ca_join j = *join;
    j.id = parts.id;
    pki_api_key_hash(span_str(text), j.hash);
    rc = pki_ca_store_begin(s);
    if (rc != 0)
        return rc;
    rc = insert(s, &j);
    if (rc == 0)
        rc = pki_ca_store_commit(s);
    else
        pki_ca_store_abort(s);
    if (rc == 0)
        *join = j;
    return rc;
}

static struct pki_ca_join row(sqlite3_stmt *q)
{
    struct pki_ca_join j = {
        .id = pki_sql_column(q, 0),
        .spiffe_id = pki_sql_column(q, 2),
        .dns = pki_sql_column(q, 3),
        .created_at = sqlite3_column_int64(q, 4),
        .expires_at = sqlite3_column_int64(q, 5),
        .used_at = sqlite3_column_int64(q, 6),
        .serial = pki_sql_column(q, 7),
        .revoked_at = sqlite3_column_int64(q, 8),
    };
    struct span hash = pki_sql_column(q, 1);
    if (hash.n == sizeof j.hash)
        memcpy(j.hash, hash.p, hash.n);
    return j;
}

int pki_ca_join_find(struct pki_ca_store *s, struct span id, struct arena *a, struct pki_ca_join *out)
{
    sqlite3_stmt *q;
    int rc = prepare(s, "SELECT " COLUMNS " FROM join_token WHERE id = ?1", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, id);
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        struct pki_ca_join j = row(q);
        struct span *texts[] = { &j.id, &j.spiffe_id, &j.dns, &j.serial };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            *texts[i] = arena_dup(a, *texts[i]);
        rc = a->failed ? ERR_NOMEM : 0;
        if (rc == 0)
            *out = j;
    } else {
        rc = code == SQLITE_DONE ? pki_ca_store_say_(s, ERR_STORE_ABSENT, "no join token has this id")
                                 : pki_ca_store_failed_(s, code, "reading join tokens");
    }
    sqlite3_finalize(q);
    return rc;
}

int pki_ca_join_check(const struct pki_ca_join *join, const uint8_t hash[static PKI_SHA256], int64_t now_s)
{
    if (!secret_eq(span_of(hash, PKI_SHA256), span_of(join->hash, PKI_SHA256)))
        return ERR_JOIN_UNKNOWN;
    if (join->used_at != 0)
        return ERR_JOIN_USED;
    if (join->revoked_at != 0)
        return ERR_JOIN_REVOKED;
    return now_s >= join->expires_at ? ERR_JOIN_EXPIRED : 0;
}

// Runs an update of one row that is neither used nor revoked; whether it was there.
static int change(struct pki_ca_store *s, sqlite3_stmt *q, bool *changed)
{
    int rc = pki_ca_store_run_(s, q, "writing a join token");
    *changed = rc == 0 && sqlite3_changes(s->db) == 1;
    return rc;
}

int pki_ca_join_take(struct pki_ca_store *s, struct span id, struct span serial, int64_t now_s)
{
    sqlite3_stmt *q;
    bool changed = false;
    int rc = prepare(s,
                     "UPDATE join_token SET used_at = ?2, serial = ?3 WHERE id = ?1 AND used_at = 0 AND revoked_at = 0 "
                     "AND expires_at > ?2",
                     &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, id);
    sqlite3_bind_int64(q, 2, now_s);
    pki_sql_bind_text(q, 3, serial);
    rc = change(s, q, &changed);
    return rc == 0 && !changed ? pki_ca_store_say_(s, ERR_JOIN_USED, "the join token was used meanwhile") : rc;
}

int pki_ca_join_revoke(struct pki_ca_store *s, struct span id, int64_t now_s)
{
    sqlite3_stmt *q;
    bool changed = false;
    struct arena a;
    struct pki_ca_join known;
    int rc = prepare(s, "UPDATE join_token SET revoked_at = ?2 WHERE id = ?1 AND used_at = 0 AND revoked_at = 0", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, id);
    sqlite3_bind_int64(q, 2, now_s);
    rc = change(s, q, &changed);
    if (rc != 0 || changed)
        return rc;
    arena_init(&a, 0);
    rc = pki_ca_join_find(s, id, &a, &known);
    arena_fini(&a);
    return rc != 0 ? rc : pki_ca_store_say_(s, ERR_STORE_EXISTS, "the join token was used or revoked already");
}

int pki_ca_join_each(struct pki_ca_store *s, int (*on_join)(void *ctx, const struct pki_ca_join *join), void *ctx)
{
    sqlite3_stmt *q;
    int code, rc = prepare(s, "SELECT " COLUMNS " FROM join_token ORDER BY created_at, rowid", &q);
    if (rc != 0)
        return rc;
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) {
            rc = pki_ca_store_failed_(s, code, "reading join tokens");
            break;
        }
        struct pki_ca_join j = row(q);
        rc = on_join(ctx, &j);
    }
    sqlite3_finalize(q);
    return rc;
}
