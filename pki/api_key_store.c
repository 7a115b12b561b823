// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/api_key_store.h"

#include <assert.h>
#include <stdlib.h>

#include "pki/sql.h"

static const struct pki_sql_kind kind = {
    .name = "the registry of API keys",
    .application = 0x5350414b, // "SPAK"
    .format = 1,
    .schema = "CREATE TABLE state (version INTEGER NOT NULL) STRICT;"
              "INSERT INTO state VALUES (1);"
              "CREATE TABLE api_key ("
              "  number INTEGER PRIMARY KEY AUTOINCREMENT," // the order of creation
              "  id TEXT NOT NULL UNIQUE CHECK (length(id) = 16),"
              "  env TEXT NOT NULL,"
              "  hash BLOB NOT NULL CHECK (length(hash) = 32),"
              "  owner TEXT NOT NULL,"
              "  scopes TEXT NOT NULL,"
              "  roles TEXT NOT NULL,"
              "  tenant TEXT NOT NULL,"
              "  note TEXT NOT NULL,"
              "  created_at INTEGER NOT NULL,"
              "  not_before INTEGER NOT NULL,"
              "  expires_at INTEGER NOT NULL,"
              "  revoked_at INTEGER NOT NULL DEFAULT 0,"
              "  replaced_by TEXT NOT NULL DEFAULT '',"
              "  quota INTEGER NOT NULL,"
              "  quota_period INTEGER NOT NULL,"
              "  last_used INTEGER NOT NULL DEFAULT 0,"
              "  quota_window INTEGER NOT NULL DEFAULT 0,"
              "  quota_used INTEGER NOT NULL DEFAULT 0"
              ") STRICT;"
              "CREATE INDEX api_key_owner ON api_key (owner);",
};

struct pki_api_key_store {
    struct pki_sql sql;
};

// ---- opening

static struct pki_api_key_store *store_new(struct pki_api_key_store **out)
{
    // Handed out also on failure: the caller reads the reason from it and closes it.
    return *out = calloc(1, sizeof **out);
}

int pki_api_key_store_create(const char *path, struct pki_api_key_store **out)
{
    if (!store_new(out))
        return ERR_NOMEM;
    int rc = pki_sql_create(&(*out)->sql, &kind, path);
    return rc != 0 ? rc : pki_sql_open(&(*out)->sql, &kind, path, 1000);
}

int pki_api_key_store_open(const char *path, int busy_ms, struct pki_api_key_store **out)
{
    return store_new(out) ? pki_sql_open(&(*out)->sql, &kind, path, busy_ms) : ERR_NOMEM;
}

void pki_api_key_store_close(struct pki_api_key_store *s)
{
    if (!s)
        return;
    pki_sql_close(&s->sql);
    free(s);
}

const char *pki_api_key_store_what(const struct pki_api_key_store *s)
{
    return s ? s->sql.what : "out of memory";
}

// ---- reading

int pki_api_key_store_version(struct pki_api_key_store *s, uint64_t *out)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&s->sql, "SELECT version FROM state", &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(q, 0);
    else
        rc = pki_sql_failed(&s->sql, code, "reading");
    sqlite3_finalize(q);
    return rc;
}

static int give(sqlite3_stmt *q, int (*on_record)(void *ctx, const struct pki_api_key_record *r), void *ctx)
{
    struct pki_api_key_record r = {
        .id = pki_sql_column(q, 0),
        .env = pki_sql_column(q, 1),
        .owner = pki_sql_column(q, 3),
        .scopes = pki_sql_column(q, 4),
        .roles = pki_sql_column(q, 5),
        .tenant = pki_sql_column(q, 6),
        .note = pki_sql_column(q, 7),
        .created_at = sqlite3_column_int64(q, 8),
        .not_before = sqlite3_column_int64(q, 9),
        .expires_at = sqlite3_column_int64(q, 10),
        .revoked_at = sqlite3_column_int64(q, 11),
        .replaced_by = pki_sql_column(q, 12),
        .quota = (uint64_t)sqlite3_column_int64(q, 13),
        .quota_period = sqlite3_column_int64(q, 14),
        .last_used = sqlite3_column_int64(q, 15),
        .quota_window = sqlite3_column_int64(q, 16),
        .quota_used = (uint64_t)sqlite3_column_int64(q, 17),
    };
    struct span hash = pki_sql_column(q, 2);
    memcpy(r.hash, hash.p, hash.n < sizeof r.hash ? hash.n : sizeof r.hash);
    return on_record(ctx, &r);
}

int pki_api_key_store_each(struct pki_api_key_store *s, const struct pki_api_key_query *query,
                           int (*on_record)(void *ctx, const struct pki_api_key_record *r), void *ctx)
{
    sqlite3_stmt *q;
    int code, rc = pki_sql_prepare(&s->sql,
                                   "SELECT id, env, hash, owner, scopes, roles, tenant, note, created_at, not_before, "
                                   "expires_at, revoked_at, replaced_by, quota, quota_period, last_used, "
                                   "quota_window, quota_used FROM api_key WHERE (?1 IS NULL OR id = ?1) AND "
                                   "(?2 IS NULL OR owner = ?2) AND expires_at > ?3 ORDER BY number",
                                   &q);
    if (rc != 0)
        return rc;
    if (!span_is_none(query->id))
        pki_sql_bind_text(q, 1, query->id);
    if (!span_is_none(query->owner))
        pki_sql_bind_text(q, 2, query->owner);
    sqlite3_bind_int64(q, 3, query->expires_after);
    while (rc == 0 && (code = sqlite3_step(q)) != SQLITE_DONE)
        rc = code == SQLITE_ROW ? give(q, on_record, ctx) : pki_sql_failed(&s->sql, code, "reading");
    sqlite3_finalize(q);
    return rc;
}

// ---- writing

// Every change that a gateway must learn of.
static int count_change(struct pki_api_key_store *s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&s->sql, "UPDATE state SET version = version + 1", &q);
    return rc != 0 ? rc : pki_sql_run(&s->sql, q);
}

static int insert(struct pki_api_key_store *s, const struct pki_api_key_record *r)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&s->sql,
                             "INSERT INTO api_key (id, env, hash, owner, scopes, roles, tenant, note, created_at, "
                             "not_before, expires_at, quota, quota_period) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, r->id);
    pki_sql_bind_text(q, 2, r->env);
    pki_sql_bind_blob(q, 3, span_of(r->hash, sizeof r->hash));
    const struct span texts[] = { r->owner, r->scopes, r->roles, r->tenant, r->note };
    for (int i = 0; i < 5; i++)
        pki_sql_bind_text(q, 4 + i, texts[i]);
    const int64_t numbers[] = { r->created_at, r->not_before, r->expires_at, (int64_t)r->quota, r->quota_period };
    for (int i = 0; i < 5; i++)
        sqlite3_bind_int64(q, 9 + i, numbers[i]);
    int code = sqlite3_step(q);
    sqlite3_finalize(q);
    if (code == SQLITE_CONSTRAINT_UNIQUE)
        return pki_sql_say(&s->sql, ERR_STORE_EXISTS, "an API key with this id is there already");
    return code == SQLITE_DONE ? count_change(s) : pki_sql_failed(&s->sql, code, "writing to");
}

int pki_api_key_store_add(struct pki_api_key_store *s, const struct pki_api_key_record *r)
{
    int rc = pki_sql_begin(&s->sql);
    return rc != 0 ? rc : pki_sql_end(&s->sql, insert(s, r));
}

struct standing {
    bool found;
    int64_t expires_at, revoked_at;
    char replaced_by[PKI_API_KEY_ID + 1];
};

static int keep_standing(void *ctx, const struct pki_api_key_record *r)
{
    struct standing *t = ctx;
    t->found = true;
    t->expires_at = r->expires_at;
    t->revoked_at = r->revoked_at;
    memcpy(t->replaced_by, r->replaced_by.p, r->replaced_by.n < PKI_API_KEY_ID ? r->replaced_by.n : PKI_API_KEY_ID);
    return 0;
}

static int replace(struct pki_api_key_store *s, struct span id, const struct pki_api_key_record *fresh,
                   int64_t overlap_until, int64_t now_s)
{
    struct standing t = { 0 };
    sqlite3_stmt *q;
    int rc = pki_api_key_store_each(s, &(struct pki_api_key_query){ .id = id, .owner = SPAN_NONE }, keep_standing, &t);
    if (rc != 0)
        return rc;
    if (!t.found)
        return pki_sql_say(&s->sql, ERR_STORE_ABSENT, "there is no API key %.*s", SPAN_FMT(id));
    if (t.revoked_at != 0)
        return pki_sql_say(&s->sql, ERR_APIKEY_REVOKED, "API key %.*s is revoked; create a new one", SPAN_FMT(id));
    if (t.replaced_by[0] != '\0')
        return pki_sql_say(&s->sql, ERR_STORE_EXISTS, "API key %.*s was rotated already; its successor is %s",
                           SPAN_FMT(id), t.replaced_by);
    if (t.expires_at <= now_s)
        return pki_sql_say(&s->sql, ERR_APIKEY_EXPIRED, "API key %.*s has expired; create a new one", SPAN_FMT(id));
    if ((rc = insert(s, fresh)) != 0 ||
        (rc = pki_sql_prepare(
             &s->sql, "UPDATE api_key SET replaced_by = ?2, expires_at = min(expires_at, ?3) WHERE id = ?1", &q)) != 0)
        return rc;
    pki_sql_bind_text(q, 1, id);
    pki_sql_bind_text(q, 2, fresh->id);
    sqlite3_bind_int64(q, 3, overlap_until);
    return pki_sql_run(&s->sql, q);
}

int pki_api_key_store_rotate(struct pki_api_key_store *s, struct span id, const struct pki_api_key_record *fresh,
                             int64_t overlap_until, int64_t now_s)
{
    int rc = pki_sql_begin(&s->sql);
    return rc != 0 ? rc : pki_sql_end(&s->sql, replace(s, id, fresh, overlap_until, now_s));
}

static int revoke_one(struct pki_api_key_store *s, struct span id, int64_t at)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&s->sql,
                             "UPDATE api_key SET revoked_at = CASE revoked_at WHEN 0 THEN ?2 ELSE revoked_at END "
                             "WHERE id = ?1",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, id);
    sqlite3_bind_int64(q, 2, at);
    if ((rc = pki_sql_run(&s->sql, q)) == 0 && sqlite3_changes(s->sql.db) != 1)
        rc = pki_sql_say(&s->sql, ERR_STORE_ABSENT, "there is no API key %.*s", SPAN_FMT(id));
    return rc;
}

int pki_api_key_store_revoke(struct pki_api_key_store *s, const struct span *ids, size_t n, int64_t at)
{
    assert(at > 0);
    int rc = pki_sql_begin(&s->sql);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = revoke_one(s, ids[i], at);
    if (rc == 0)
        rc = count_change(s);
    return pki_sql_end(&s->sql, rc);
}

static int write_seen(struct pki_api_key_store *s, sqlite3_stmt *q, const struct pki_api_key_seen *seen)
{
    pki_sql_bind_text(q, 1, seen->id);
    sqlite3_bind_int64(q, 2, seen->last_used);
    sqlite3_bind_int64(q, 3, seen->quota_window);
    sqlite3_bind_int64(q, 4, (int64_t)seen->quota_used);
    int code = sqlite3_step(q);
    sqlite3_reset(q);
    return code == SQLITE_DONE ? 0 : pki_sql_failed(&s->sql, code, "writing to");
}

int pki_api_key_store_seen(struct pki_api_key_store *s, const struct pki_api_key_seen *seen, size_t n)
{
    sqlite3_stmt *q;
    int rc = pki_sql_begin(&s->sql);
    if (rc != 0)
        return rc;
    rc = pki_sql_prepare(&s->sql,
                         "UPDATE api_key SET last_used = max(last_used, ?2), "
                         "quota_used = CASE WHEN quota_window = ?3 THEN quota_used + ?4 "
                         "WHEN quota_window > ?3 THEN quota_used ELSE ?4 END, "
                         "quota_window = max(quota_window, ?3) WHERE id = ?1",
                         &q);
    if (rc == 0) {
        for (size_t i = 0; i < n && rc == 0; i++)
            rc = write_seen(s, q, &seen[i]);
        sqlite3_finalize(q);
    }
    return pki_sql_end(&s->sql, rc);
}
