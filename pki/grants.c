// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/grants.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/base64url.h"
#include "gateway/base/secret.h"
#include "pki/digest.h"
#include "pki/sql.h"

enum { ID = 16, COUNTER = 4, NAME = ID + COUNTER, MAC = 16, SECRET = 16, RAW = NAME + MAC + SECRET };
#define PREFIX "sr_"
#define TEXT (sizeof PREFIX - 1 + BASE64URL_ENCODED(RAW))
_Static_assert(TEXT <= PKI_GRANT_TOKEN_MAX, "PKI_GRANT_TOKEN_MAX");

#define PURGE 256 // expired families that go when one begins

static const struct pki_sql_kind kind = {
    .name = "the store of refresh tokens",
    .application = 0x53505254, // "SPRT"
    .format = 1,
    // `families` is how many rows there are: counting them would cost more than all else that begin does.
    .schema = "CREATE TABLE state ("
              "  one INTEGER PRIMARY KEY CHECK (one = 1),"
              "  key BLOB NOT NULL,"
              "  families INTEGER NOT NULL"
              ") STRICT;"
              "CREATE TABLE family ("
              "  id BLOB PRIMARY KEY CHECK (length(id) = 16),"
              "  counter INTEGER NOT NULL,"     // of its newest token
              "  newest BLOB NOT NULL,"         // SHA-256
              "  replaced BLOB NOT NULL,"       // the one before it; empty: none
              "  replaced_at INTEGER NOT NULL," // when
              "  used INTEGER NOT NULL,"        // begun, or used last
              "  revoked INTEGER NOT NULL,"     // 0: not
              "  client TEXT NOT NULL,"
              "  workload TEXT NOT NULL,"
              "  jkt BLOB NOT NULL,"
              "  x5t BLOB NOT NULL,"
              "  subject TEXT NOT NULL,"
              "  scope TEXT NOT NULL,"
              "  audiences TEXT NOT NULL,"
              "  extra TEXT NOT NULL,"
              "  created INTEGER NOT NULL,"
              "  expires INTEGER NOT NULL"
              ") STRICT, WITHOUT ROWID;"
              "CREATE INDEX family_client ON family (client, used);"
              "CREATE INDEX family_workload ON family (workload);"
              "CREATE INDEX family_expires ON family (expires);",
};

struct pki_grants {
    struct pki_sql sql;
    uint8_t key[PKI_SHA256];
};

const char *pki_grants_what(const struct pki_grants *g)
{
    return g ? g->sql.what : "out of memory";
}

// ---- opening

static int read_key(struct pki_grants *g, bool *found)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql, "SELECT key FROM state", &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    *found = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        struct span key = pki_sql_column(q, 0);
        if (key.n == sizeof g->key)
            memcpy(g->key, key.p, sizeof g->key);
        else
            rc = pki_sql_say(&g->sql, ERR_STORE_FAILED, "the store of refresh tokens is damaged: it has no key");
    } else if (code != SQLITE_DONE) {
        rc = pki_sql_failed(&g->sql, code, "reading");
    }
    sqlite3_finalize(q);
    return rc;
}

static int make_key(struct pki_grants *g)
{
    uint8_t key[PKI_SHA256];
    sqlite3_stmt *q;
    // Another process may have been faster; then its key is the one.
    int rc = pki_sql_prepare(&g->sql, "INSERT OR IGNORE INTO state VALUES (1, ?1, 0)", &q);
    if (rc != 0)
        return rc;
    pki_random(key, sizeof key);
    pki_sql_bind_blob(q, 1, span_of(key, sizeof key));
    rc = pki_sql_run(&g->sql, q);
    secret_wipe(key, sizeof key);
    return rc;
}

int pki_grants_open(const char *path, int busy_ms, struct pki_grants **out)
{
    bool found = false;
    struct pki_grants *g = calloc(1, sizeof *g);
    if (!g)
        return ERR_NOMEM;
    // Handed out also on failure: the caller reads the reason from it and closes it.
    *out = g;
    int rc = pki_sql_open(&g->sql, &kind, path, busy_ms);
    if (rc == ERR_STORE_ABSENT) {
        rc = pki_sql_create(&g->sql, &kind, path);
        if (rc == 0 || rc == ERR_STORE_EXISTS)
            rc = pki_sql_open(&g->sql, &kind, path, busy_ms);
    }
    if (rc == 0)
        rc = read_key(g, &found);
    if (rc != 0 || found)
        return rc;
    if ((rc = pki_sql_begin(&g->sql)) != 0 || (rc = pki_sql_end(&g->sql, make_key(g))) != 0)
        return rc;
    return read_key(g, &found);
}

void pki_grants_close(struct pki_grants *g)
{
    if (!g)
        return;
    if (g->sql.db)
        pki_sql_close(&g->sql);
    secret_wipe(g, sizeof *g);
    free(g);
}

// ---- tokens

struct token {
    uint8_t id[ID];
    uint32_t counter;
    uint8_t secret[SECRET];
    uint8_t hash[PKI_SHA256]; // of the text
};

static void mac(const struct pki_grants *g, struct span label, const uint8_t *name, const uint8_t *secret,
                uint8_t out[static MAC])
{
    uint8_t text[32 + NAME + SECRET], full[PKI_SHA256];
    assert(label.n <= 32);
    memcpy(text, label.p, label.n);
    memcpy(text + label.n, name, NAME);
    if (secret)
        memcpy(text + label.n + NAME, secret, SECRET);
    pki_hmac_sha256(span_of(g->key, sizeof g->key), span_of(text, label.n + NAME + (secret ? SECRET : 0)), full);
    memcpy(out, full, MAC);
    secret_wipe(text, sizeof text);
    secret_wipe(full, sizeof full);
}

static void put_name(const struct token *t, uint8_t out[static NAME])
{
    memcpy(out, t->id, ID);
    for (int i = 0; i < COUNTER; i++)
        out[ID + i] = (uint8_t)(t->counter >> 8 * (COUNTER - 1 - i));
}

// The text of a token whose id, counter and secret are set; sets its hash.
static void put_token(const struct pki_grants *g, struct token *t, char out[static TEXT])
{
    uint8_t raw[RAW];
    put_name(t, raw);
    mac(g, SPAN("refresh-token-mac"), raw, NULL, raw + NAME);
    memcpy(raw + NAME + MAC, t->secret, SECRET);
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    base64url_encode(span_of(raw, sizeof raw), out + sizeof PREFIX - 1);
    pki_sha256(span_of(out, TEXT), t->hash);
    secret_wipe(raw, sizeof raw);
}

// Ours by its MAC; whether its secret is right, its family knows.
static bool get_token(const struct pki_grants *g, struct span text, struct token *t)
{
    uint8_t raw[RAW + 3], want[MAC];
    size_t n = 0;
    if (text.n != TEXT || !span_starts(text, SPAN(PREFIX)) ||
        !base64url_decode(span_sub(text, sizeof PREFIX - 1, text.n), raw, &n) || n != RAW)
        return false;
    mac(g, SPAN("refresh-token-mac"), raw, NULL, want);
    memcpy(t->id, raw, ID);
    t->counter = 0;
    for (int i = 0; i < COUNTER; i++)
        t->counter = t->counter << 8 | raw[ID + i];
    memcpy(t->secret, raw + NAME + MAC, SECRET);
    pki_sha256(text, t->hash);
    return secret_eq(span_of(want, MAC), span_of(raw + NAME, MAC));
}

static void successor_of(const struct pki_grants *g, const struct token *t, struct token *out)
{
    uint8_t name[NAME];
    *out = *t;
    out->counter = t->counter + 1;
    put_name(out, name);
    mac(g, SPAN("refresh-token-successor"), name, t->secret, out->secret);
}

// ---- families

struct family {
    uint32_t counter;
    uint8_t newest[PKI_SHA256], replaced[PKI_SHA256];
    bool has_replaced;
    int64_t replaced_s, revoked_s, expires_s;
};

static void copy_hash(sqlite3_stmt *q, int at, uint8_t out[static PKI_SHA256], bool *there)
{
    struct span s = pki_sql_column(q, at);
    *there = s.n == PKI_SHA256;
    if (*there)
        memcpy(out, s.p, s.n);
}

static struct span text(sqlite3_stmt *q, int at, struct arena *a)
{
    struct span s = pki_sql_column(q, at);
    return s.n > 0 ? arena_dup(a, s) : SPAN_NONE;
}

static const uint8_t *blob(sqlite3_stmt *q, int at, struct arena *a)
{
    struct span s = pki_sql_column(q, at);
    return s.n == PKI_SHA256 ? (const uint8_t *)arena_dup(a, s).p : NULL;
}

static void read_grant(sqlite3_stmt *q, struct arena *a, struct pki_grant *out)
{
    *out = (struct pki_grant){
        .client_id = text(q, 6, a),
        .workload = text(q, 7, a),
        .jkt = blob(q, 8, a),
        .x5t = blob(q, 9, a),
        .subject = text(q, 10, a),
        .scope = text(q, 11, a),
        .audiences = text(q, 12, a),
        .extra = text(q, 13, a),
        .created_s = sqlite3_column_int64(q, 14),
        .expires_s = sqlite3_column_int64(q, 5),
    };
}

// `grant` may be NULL. ERR_GRANT_UNKNOWN.
static int find(struct pki_grants *g, const uint8_t *id, struct family *f, struct arena *a, struct pki_grant *grant)
{
    sqlite3_stmt *q;
    bool whole = false;
    int rc = pki_sql_prepare(&g->sql,
                             "SELECT counter, newest, replaced, replaced_at, revoked, expires, client, workload, jkt, "
                             "x5t, subject, scope, audiences, extra, created FROM family WHERE id = ?1",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_blob(q, 1, span_of(id, ID));
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        *f = (struct family){ .counter = (uint32_t)sqlite3_column_int64(q, 0),
                              .replaced_s = sqlite3_column_int64(q, 3),
                              .revoked_s = sqlite3_column_int64(q, 4),
                              .expires_s = sqlite3_column_int64(q, 5) };
        copy_hash(q, 1, f->newest, &whole);
        copy_hash(q, 2, f->replaced, &f->has_replaced);
        if (grant)
            read_grant(q, a, grant);
        if (!whole)
            rc = pki_sql_say(&g->sql, ERR_STORE_FAILED, "the store of refresh tokens is damaged");
        else if (grant && a->failed)
            rc = pki_sql_say(&g->sql, ERR_NOMEM, "out of memory");
    } else {
        rc = code == SQLITE_DONE ? ERR_GRANT_UNKNOWN : pki_sql_failed(&g->sql, code, "reading");
    }
    sqlite3_finalize(q);
    return rc;
}

static bool is(const uint8_t *hash, const struct token *t)
{
    return secret_eq(span_of(hash, PKI_SHA256), span_of(t->hash, PKI_SHA256));
}

// What a token is to its family. 0: the newest; 1: replaced, and may be retried; ERR_GRANT_*.
static int standing(const struct family *f, const struct token *t, int64_t now_s)
{
    bool newest = t->counter == f->counter, last = t->counter + 1 == f->counter;
    if (t->counter > f->counter || (newest && !is(f->newest, t)) || (last && !(f->has_replaced && is(f->replaced, t))))
        return ERR_GRANT_UNKNOWN; // after a restored backup, or with the file's key in the wrong hands
    if (f->revoked_s != 0)
        return ERR_GRANT_REVOKED;
    if (now_s >= f->expires_s)
        return ERR_GRANT_EXPIRED;
    if (newest)
        return 0;
    // Also on the other side: a clock that is set right by a second must not make a thief of a client.
    int64_t since = now_s - f->replaced_s;
    return last && since <= PKI_GRANT_RETRY_S && since >= -PKI_GRANT_RETRY_S ? 1 : ERR_GRANT_REUSED;
}

int pki_grants_look(struct pki_grants *g, struct span token, int64_t now_s, struct arena *a, struct pki_grant *out,
                    bool *current)
{
    struct token t;
    struct family f;
    struct pki_grant grant;
    if (!get_token(g, token, &t))
        return ERR_GRANT_UNKNOWN;
    int rc = find(g, t.id, &f, a, out ? &grant : NULL);
    if (rc != 0 || ((rc = standing(&f, &t, now_s)) < 0 && rc != ERR_GRANT_REUSED))
        return rc;
    if (out)
        *out = grant;
    if (current)
        *current = rc == 0;
    return rc < 0 ? rc : 0;
}

// ---- beginning

static int forget(struct pki_grants *g, sqlite3_stmt *q)
{
    int rc = pki_sql_run(&g->sql, q), n = sqlite3_changes(g->sql.db);
    if (rc != 0 || n == 0)
        return rc;
    if ((rc = pki_sql_prepare(&g->sql, "UPDATE state SET families = families - ?1", &q)) != 0)
        return rc;
    sqlite3_bind_int(q, 1, n);
    return pki_sql_run(&g->sql, q);
}

static int purge(struct pki_grants *g, int64_t now_s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql,
                             "DELETE FROM family WHERE id IN "
                             "(SELECT id FROM family WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
                             &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    sqlite3_bind_int(q, 2, PURGE);
    return forget(g, q);
}

// All of a client's but the most recently used ones. A client that begins families without end leaves them unused; one that is in use stays.
static int make_room(struct pki_grants *g, struct span client_id)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql,
                             "DELETE FROM family WHERE id IN "
                             "(SELECT id FROM family WHERE client = ?1 ORDER BY used DESC LIMIT -1 OFFSET ?2)",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_text(q, 1, client_id);
    sqlite3_bind_int(q, 2, PKI_GRANTS_CLIENT - 1);
    return forget(g, q);
}

static int count_one(struct pki_grants *g)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql, "UPDATE state SET families = families + 1 WHERE families < ?1", &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int(q, 1, PKI_GRANTS_MAX);
    if ((rc = pki_sql_run(&g->sql, q)) == 0 && sqlite3_changes(g->sql.db) != 1)
        rc = pki_sql_say(&g->sql, ERR_STORE_FAILED,
                         "the store of refresh tokens is full (%d families); none begins until others end",
                         PKI_GRANTS_MAX);
    return rc;
}

static int insert(struct pki_grants *g, const struct token *t, const struct pki_grant *grant, int64_t now_s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql,
                             "INSERT INTO family (id, counter, newest, replaced, replaced_at, revoked, used, created, "
                             "expires, jkt, x5t, client, workload, subject, scope, audiences, extra) "
                             "VALUES (?1, 0, ?2, x'', 0, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_blob(q, 1, span_of(t->id, ID));
    pki_sql_bind_blob(q, 2, span_of(t->hash, PKI_SHA256));
    const int64_t times[] = { now_s, grant->created_s, grant->expires_s };
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(q, 3 + i, times[i]);
    pki_sql_bind_blob(q, 6, grant->jkt ? span_of(grant->jkt, PKI_SHA256) : SPAN(""));
    pki_sql_bind_blob(q, 7, grant->x5t ? span_of(grant->x5t, PKI_SHA256) : SPAN(""));
    const struct span texts[] = { grant->client_id, grant->workload,  grant->subject,
                                  grant->scope,     grant->audiences, grant->extra };
    for (int i = 0; i < 6; i++)
        pki_sql_bind_text(q, 8 + i, texts[i]);
    return pki_sql_run(&g->sql, q);
}

int pki_grants_begin(struct pki_grants *g, const struct pki_grant *grant, int64_t now_s, struct buf *token)
{
    assert(grant->client_id.n > 0 && (grant->jkt || grant->x5t));
    struct token t = { .counter = 0 };
    char *p = buf_reserve(token, TEXT);
    if (!p)
        return pki_sql_say(&g->sql, ERR_NOMEM, "out of memory");
    pki_random(t.id, sizeof t.id);
    pki_random(t.secret, sizeof t.secret);
    put_token(g, &t, p);
    int rc = pki_sql_begin(&g->sql);
    if (rc == 0) {
        if ((rc = purge(g, now_s)) == 0 && (rc = make_room(g, grant->client_id)) == 0 && (rc = count_one(g)) == 0)
            rc = insert(g, &t, grant, now_s);
        rc = pki_sql_end(&g->sql, rc);
    }
    secret_wipe(&t, sizeof t);
    if (rc != 0)
        secret_wipe(p, TEXT);
    else
        buf_commit(token, TEXT);
    return rc;
}

// ---- using

static int replace(struct pki_grants *g, const struct token *t, const struct token *next, int64_t now_s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql,
                             "UPDATE family SET counter = ?2, newest = ?3, replaced = ?4, replaced_at = ?5, used = ?5 "
                             "WHERE id = ?1",
                             &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_blob(q, 1, span_of(t->id, ID));
    sqlite3_bind_int64(q, 2, (int64_t)next->counter);
    pki_sql_bind_blob(q, 3, span_of(next->hash, PKI_SHA256));
    pki_sql_bind_blob(q, 4, span_of(t->hash, PKI_SHA256));
    sqlite3_bind_int64(q, 5, now_s);
    return pki_sql_run(&g->sql, q);
}

static int revoke(struct pki_grants *g, const uint8_t *id, int64_t now_s)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql, "UPDATE family SET revoked = ?2 WHERE id = ?1 AND revoked = 0", &q);
    if (rc != 0)
        return rc;
    pki_sql_bind_blob(q, 1, span_of(id, ID));
    sqlite3_bind_int64(q, 2, now_s);
    return pki_sql_run(&g->sql, q);
}

// In a transaction. ERR_GRANT_REUSED: what was done is to be committed all the same.
static int use(struct pki_grants *g, const struct token *t, int64_t now_s, char out[static TEXT])
{
    struct family f;
    struct token next;
    int rc = find(g, t->id, &f, NULL, NULL);
    if (rc != 0 || ((rc = standing(&f, t, now_s)) < 0 && rc != ERR_GRANT_REUSED))
        return rc;
    if (rc == ERR_GRANT_REUSED) {
        int revoked = revoke(g, t->id, now_s);
        return revoked != 0 ? revoked : rc;
    }
    if (t->counter == UINT32_MAX)
        return ERR_GRANT_EXPIRED;
    successor_of(g, t, &next);
    put_token(g, &next, out);
    if (rc == 0)
        rc = replace(g, t, &next, now_s);
    else // a retry changes nothing, not even how long one may go on
        rc = is(f.newest, &next) ? 0 : ERR_GRANT_UNKNOWN;
    secret_wipe(&next, sizeof next);
    return rc;
}

int pki_grants_rotate(struct pki_grants *g, struct span token, int64_t now_s, struct buf *successor)
{
    struct token t;
    if (!get_token(g, token, &t))
        return ERR_GRANT_UNKNOWN;
    char *p = buf_reserve(successor, TEXT);
    if (!p)
        return pki_sql_say(&g->sql, ERR_NOMEM, "out of memory");
    int rc = pki_sql_begin(&g->sql);
    if (rc == 0) {
        int used = use(g, &t, now_s, p);
        rc = pki_sql_end(&g->sql, used == ERR_GRANT_REUSED ? 0 : used);
        rc = rc == 0 ? used : rc;
    }
    secret_wipe(&t, sizeof t);
    if (rc != 0)
        secret_wipe(p, TEXT);
    else
        buf_commit(successor, TEXT);
    return rc;
}

// ---- revoking

static int revoke_of(struct pki_grants *g, const struct token *t, int64_t now_s)
{
    struct family f;
    int rc = find(g, t->id, &f, NULL, NULL);
    if (rc != 0 || (rc = standing(&f, t, now_s)) == ERR_GRANT_UNKNOWN)
        return rc;
    return rc == ERR_GRANT_REVOKED || rc == ERR_GRANT_EXPIRED ? 0 : revoke(g, t->id, now_s);
}

int pki_grants_revoke(struct pki_grants *g, struct span token, int64_t now_s)
{
    struct token t;
    if (!get_token(g, token, &t))
        return ERR_GRANT_UNKNOWN;
    int rc = pki_sql_begin(&g->sql);
    if (rc == 0)
        rc = pki_sql_end(&g->sql, revoke_of(g, &t, now_s));
    secret_wipe(&t, sizeof t);
    return rc;
}

static int revoke_all(struct pki_grants *g, struct span client_id, struct span workload, int64_t now_s, size_t *n)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&g->sql,
                             "UPDATE family SET revoked = ?1 WHERE revoked = 0 AND expires > ?1 AND "
                             "(?2 IS NULL OR client = ?2) AND (?3 IS NULL OR workload = ?3)",
                             &q);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(q, 1, now_s);
    if (!span_is_none(client_id))
        pki_sql_bind_text(q, 2, client_id);
    if (!span_is_none(workload))
        pki_sql_bind_text(q, 3, workload);
    if ((rc = pki_sql_run(&g->sql, q)) == 0)
        *n = (size_t)sqlite3_changes(g->sql.db);
    return rc;
}

int pki_grants_revoke_all(struct pki_grants *g, struct span client_id, struct span workload, int64_t now_s, size_t *n)
{
    assert(!span_is_none(client_id) || !span_is_none(workload));
    size_t revoked = 0;
    int rc = pki_sql_begin(&g->sql);
    if (rc == 0)
        rc = pki_sql_end(&g->sql, revoke_all(g, client_id, workload, now_s, &revoked));
    if (rc == 0 && n)
        *n = revoked;
    return rc;
}
