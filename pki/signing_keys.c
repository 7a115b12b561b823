// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/signing_keys.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/secret.h"
#include "pki/signing_make.h"

#define BUSY_MS 2000
#define STEP_S 60           // a clock that is behind by more was set back
#define RETRY_S 10          // after a failure
#define SWEEP_S 300         // what a PKCS#11 token did not let go of
#define KEPT_LONG (1 << 16) // bytes of a passphrase or a URI

struct held {
    struct pki_signing_row row;
    struct pki_signing_key told;
    struct pki_key *key;
    bool pair;
    struct held *from; // whose key it is until the set is whole
};

struct set {
    struct arena arena;
    struct pki_signing_rows rows;
    struct held at[PKI_SIGNING_MAX];
    size_t n;
};

struct pki_signing_keys {
    struct pki_sql sql;
    enum pki_signing_use use;
    struct pki_signing_rule rule;
    struct arena arena; // of the rule
    struct buf passphrase;
    bool has_passphrase;
    struct set *set; // what was read last
    int64_t version; // of the database, then
    int64_t seen_s;  // the clock at the last look
    int64_t due_s;   // nothing is to be done before
    int failure;     // of the last look
    int64_t retry_s; // then it is tried again
};

const char *pki_signing_keys_what(const struct pki_signing_keys *k)
{
    return k ? k->sql.what : "out of memory";
}

static struct span passphrase(const struct pki_signing_keys *k)
{
    return k->has_passphrase ? buf_span(&k->passphrase) : SPAN_NONE;
}

// ---- loading

static void set_free(struct set *s)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!s->at[i].from)
            pki_key_free(s->at[i].key);
    if (s)
        arena_fini(&s->arena);
    free(s);
}

// A pair only as long as it signs, or will: the private half leaves our memory with its last signature.
static bool needs_pair(const struct pki_signing_keys *k, const struct pki_signing_row *r)
{
    return (r->state == PKI_SIGNING_ACTIVE && k->use != PKI_SIGNING_READ) ||
           (r->state == PKI_SIGNING_NEXT && k->use == PKI_SIGNING_SERVE);
}

static int hold(struct pki_signing_keys *k, struct held *h)
{
    h->pair = needs_pair(k, &h->row);
    for (size_t i = 0; k->set && i < k->set->n; i++) {
        struct held *old = &k->set->at[i];
        if (old->pair == h->pair && strcmp(old->row.kid, h->row.kid) == 0) {
            h->from = old;
            h->key = old->key;
            return 0;
        }
    }
    return pki_signing_open(&k->sql, &h->row, h->pair, passphrase(k), &h->key);
}

static void tell(const struct pki_signing_keys *k, struct set *s, struct held *h)
{
    const struct pki_signing_row *r = &h->row, *next = pki_signing_in(&s->rows, PKI_SIGNING_NEXT);
    h->told = (struct pki_signing_key){
        .kid = span_of(r->kid, PKI_SIGNING_KID),
        .alg = r->alg,
        .state = r->state,
        .created_s = r->created_s,
        .active_s = r->state == PKI_SIGNING_NEXT && r->published_s == 0 ? 0 : r->active_s,
        .retire_s = r->retire_s,
        .gone_s = r->gone_s,
        .key = h->key,
        .pkcs11 = r->pkcs11,
    };
    if (r->state != PKI_SIGNING_ACTIVE)
        return;
    if (next)
        h->told.retire_s = next->published_s != 0 ? next->active_s : 0;
    else if (k->rule.rotate_s > 0)
        h->told.retire_s = r->active_s + k->rule.rotate_s;
}

static int fill(struct pki_signing_keys *k, struct set *s)
{
    int rc = pki_signing_rows_read(&k->sql, &s->arena, &s->rows);
    for (size_t i = 0; rc == 0 && i < s->rows.n; i++) {
        struct held *h = &s->at[i];
        h->row = s->rows.at[i];
        if ((rc = hold(k, h)) == 0) {
            s->n++;
            tell(k, s, h);
        }
    }
    return rc;
}

static int version(struct pki_signing_keys *k, int64_t *out)
{
    sqlite3_stmt *q;
    int rc = pki_sql_prepare(&k->sql, "PRAGMA data_version", &q);
    if (rc != 0)
        return rc;
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        rc = pki_sql_failed(&k->sql, code, "reading");
    sqlite3_finalize(q);
    return rc;
}

// The file as it is now takes the place of what was read before, or nothing changes.
static int load(struct pki_signing_keys *k)
{
    int64_t seen = 0;
    int rc = version(k, &seen);
    if (rc != 0)
        return rc;
    struct set *s = calloc(1, sizeof *s);
    if (!s)
        return pki_sql_say(&k->sql, ERR_NOMEM, "out of memory");
    arena_init(&s->arena, 0);
    // Of one moment: another process may be removing private halves.
    int code = sqlite3_exec(k->sql.db, "BEGIN", NULL, NULL, NULL);
    rc = code == SQLITE_OK ? fill(k, s) : pki_sql_failed(&k->sql, code, "reading");
    if (code == SQLITE_OK)
        sqlite3_exec(k->sql.db, "COMMIT", NULL, NULL, NULL);
    if (rc != 0) {
        set_free(s);
        return rc;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->at[i].from)
            s->at[i].from->key = NULL;
        s->at[i].from = NULL;
    }
    set_free(k->set);
    k->set = s;
    k->version = seen;
    return 0;
}

// ---- what is due

static int enter(struct pki_signing_keys *k, struct pki_signing_rows *rows, struct pki_signing_fresh *f,
                 enum pki_signing_state state, bool in_time, int64_t now_s)
{
    struct pki_signing_row r = f->row;
    bool taken_up = state == PKI_SIGNING_ACTIVE || k->use == PKI_SIGNING_SERVE;
    r.state = state;
    r.created_s = now_s;
    r.linger_s = k->rule.linger_s;
    r.published_s = taken_up ? now_s : 0;
    r.active_s = state == PKI_SIGNING_ACTIVE ? now_s : taken_up ? now_s + k->rule.publish_s : 0;
    const struct pki_signing_row *active = pki_signing_in(rows, PKI_SIGNING_ACTIVE);
    if (in_time && active && r.active_s < active->active_s + k->rule.rotate_s)
        r.active_s = active->active_s + k->rule.rotate_s;
    int rc = pki_signing_keep(&k->sql, f);
    return rc != 0 ? rc : pki_signing_insert(&k->sql, &r, buf_span(&f->private_half));
}

// In a transaction, on the rows as they are then. `f` NULL: no key was made.
static int act(struct pki_signing_keys *k, struct arena *a, struct pki_signing_fresh *f, int64_t now_s, bool *kept)
{
    struct pki_signing_rows rows;
    int rc = pki_signing_rows_read(&k->sql, a, &rows);
    if (rc == 0)
        rc = pki_signing_advance(&k->sql, &rows, &k->rule, now_s);
    if (rc == 0)
        rc = pki_signing_rows_read(&k->sql, a, &rows);
    if (rc != 0 || !f || !(pki_signing_due(&rows, &k->rule, now_s) & PKI_SIGNING_DUE_MAKE))
        return rc;
    bool first = !pki_signing_in(&rows, PKI_SIGNING_ACTIVE);
    *kept = true;
    return enter(k, &rows, f, first ? PKI_SIGNING_ACTIVE : PKI_SIGNING_NEXT, true, now_s);
}

static int do_due(struct pki_signing_keys *k, bool make, int64_t now_s)
{
    struct pki_signing_fresh f;
    struct arena a;
    bool kept = false;
    int rc = make ? pki_signing_make(&k->sql, &k->rule, passphrase(k), now_s, &f) : 0;
    arena_init(&a, 0);
    if (rc == 0 && (rc = pki_sql_begin(&k->sql)) == 0)
        rc = pki_sql_end(&k->sql, act(k, &a, make ? &f : NULL, now_s, &kept));
    if (make)
        pki_signing_fresh_fini(&k->sql, &f, kept && rc == 0);
    arena_fini(&a);
    return rc;
}

static int step(struct pki_signing_keys *k, int64_t now_s)
{
    int rc = load(k);
    if (rc != 0 || k->use != PKI_SIGNING_SERVE) {
        k->due_s = INT64_MAX;
        return rc;
    }
    // Each round does what the one before made due: at most a key to take up, to promote, and its successor to make.
    unsigned due = pki_signing_due(&k->set->rows, &k->rule, now_s);
    for (int round = 0; due != 0 && round < 4; round++) {
        if ((rc = do_due(k, due & PKI_SIGNING_DUE_MAKE, now_s)) != 0 || (rc = load(k)) != 0)
            return rc;
        due = pki_signing_due(&k->set->rows, &k->rule, now_s);
    }
    k->due_s = pki_signing_due_at(&k->set->rows, &k->rule);
    // A token that does not let go of an old key is no reason not to sign with the new one.
    if (pki_signing_sweep(&k->sql, now_s) != 0 && k->due_s > now_s + SWEEP_S)
        k->due_s = now_s + SWEEP_S;
    return 0;
}

// Whether what is published, or what signs, is another.
static bool differs(const struct pki_signing_rows *a, const struct pki_signing_rows *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->at[i].kid, b->at[i].kid) == 0 && a->at[i].state == b->at[i].state;
    return !same;
}

int pki_signing_keys_look(struct pki_signing_keys *k, int64_t now_s, bool *changed)
{
    assert(k->set && now_s > 0);
    int64_t present = 0, seen_s = k->seen_s;
    bool different = false;
    k->seen_s = now_s;
    // The rest of a wait that a clock set back would make longer than it was is not waited for.
    if (k->failure != 0 && now_s < k->retry_s && now_s >= k->retry_s - RETRY_S)
        return k->failure;
    int rc = version(k, &present);
    bool due = present != k->version || now_s >= k->due_s || now_s < seen_s - STEP_S || k->failure != 0;
    if (rc == 0 && due) {
        struct pki_signing_rows before = k->set->rows;
        rc = step(k, now_s);
        different = differs(&before, &k->set->rows);
    }
    k->failure = rc;
    k->retry_s = now_s + RETRY_S;
    // Also after a failure: what could be done before it was.
    if (changed && (rc == 0 || different))
        *changed = different;
    return rc;
}

// ---- another key before its time

// A next one that waits, as early as its time of publication lets it.
static int bring_forward(struct pki_signing_keys *k, struct pki_signing_row *next)
{
    int64_t earliest = next->published_s != 0 ? next->published_s + k->rule.publish_s : 0;
    if (next->active_s > earliest)
        next->active_s = earliest;
    return pki_signing_save(&k->sql, next);
}

static int replace(struct pki_signing_keys *k, struct arena *a, struct pki_signing_fresh *f, bool at_once,
                   int64_t now_s, bool *kept)
{
    struct pki_signing_rows rows;
    int rc = pki_signing_rows_read(&k->sql, a, &rows);
    struct pki_signing_row *next = rc == 0 ? pki_signing_in(&rows, PKI_SIGNING_NEXT) : NULL;
    struct pki_signing_row *active = rc == 0 ? pki_signing_in(&rows, PKI_SIGNING_ACTIVE) : NULL;
    if (next && !at_once && next->alg == k->rule.alg)
        return bring_forward(k, next);
    if (rc == 0 && !f) // there was a next one; it was promoted meanwhile
        return pki_sql_say(&k->sql, ERR_STORE_BUSY, "another process rotates the signing keys; try again");
    if (rc == 0 && !next && rows.n == PKI_SIGNING_MAX)
        return pki_sql_say(&k->sql, ERR_STORE_EXISTS,
                           "%d keys are published, which is the most; the next one may be made when one of them goes",
                           PKI_SIGNING_MAX);
    if (rc == 0 && next)
        rc = pki_signing_delete(&k->sql, next); // it has signed nothing
    if (rc == 0 && at_once && active)
        rc = pki_signing_retire(&k->sql, active, now_s);
    *kept = rc == 0;
    return rc != 0 ? rc : enter(k, &rows, f, at_once ? PKI_SIGNING_ACTIVE : PKI_SIGNING_NEXT, false, now_s);
}

static int make_and_replace(struct pki_signing_keys *k, bool make, bool at_once, int64_t now_s)
{
    struct pki_signing_fresh f;
    struct arena a;
    bool kept = false;
    int rc = make ? pki_signing_make(&k->sql, &k->rule, passphrase(k), now_s, &f) : 0;
    arena_init(&a, 0);
    if (rc == 0 && (rc = pki_sql_begin(&k->sql)) == 0)
        rc = pki_sql_end(&k->sql, replace(k, &a, make ? &f : NULL, at_once, now_s, &kept));
    if (make)
        pki_signing_fresh_fini(&k->sql, &f, kept && rc == 0);
    arena_fini(&a);
    return rc;
}

// Keys are to be in a PKCS#11 token from now on, and those in the file cannot be opened any more: a configuration names a token or a passphrase.
static int leave_file(struct pki_signing_keys *k, int64_t now_s)
{
    struct pki_signing_rows rows;
    struct arena a;
    if (k->use != PKI_SIGNING_SERVE || span_is_none(k->rule.pkcs11) || k->has_passphrase)
        return 0;
    arena_init(&a, 0);
    int rc = pki_signing_rows_read(&k->sql, &a, &rows);
    bool in_file = false;
    for (size_t i = 0; rc == 0 && i < rows.n; i++)
        in_file |= rows.at[i].state < PKI_SIGNING_RETIRING && span_is_none(rows.at[i].pkcs11);
    arena_fini(&a);
    return rc == 0 && in_file ? make_and_replace(k, true, true, now_s) : rc;
}

// ---- opening

static int same_rule(const struct pki_signing_rule *a, const struct pki_signing_rule *b)
{
    return a->alg == b->alg && a->rotate_s == b->rotate_s && a->publish_s == b->publish_s &&
           a->linger_s == b->linger_s && span_eq(a->pkcs11, b->pkcs11);
}

static int take_rule(struct pki_signing_keys *k, const struct pki_signing_options *o)
{
    struct pki_signing_rule kept = { .pkcs11 = SPAN_NONE };
    bool found = false;
    int rc = pki_signing_rule_read(&k->sql, &k->arena, &kept, &found);
    if (rc != 0)
        return rc;
    if (o->alg == PKI_ALG_NONE) {
        k->rule = kept;
        return found ? 0 : pki_sql_say(&k->sql, ERR_STORE_ABSENT, "%s holds no key yet", o->path);
    }
    k->rule = (struct pki_signing_rule){ .alg = o->alg,
                                         .rotate_s = o->rotate_s,
                                         .publish_s = o->publish_s,
                                         .linger_s = o->linger_s,
                                         .pkcs11 = arena_dup(&k->arena, o->pkcs11) };
    if (k->arena.failed)
        return pki_sql_say(&k->sql, ERR_NOMEM, "out of memory");
    if (k->use != PKI_SIGNING_SERVE || (found && same_rule(&kept, &k->rule)))
        return 0;
    rc = pki_sql_begin(&k->sql);
    return rc != 0 ? rc : pki_sql_end(&k->sql, pki_signing_rule_write(&k->sql, &k->rule));
}

static int open_file(struct pki_signing_keys *k, const char *path)
{
    int rc = pki_sql_open(&k->sql, &pki_signing_file, path, BUSY_MS);
    if (rc != ERR_STORE_ABSENT || k->use != PKI_SIGNING_SERVE)
        return rc;
    // Another process may make it meanwhile; then that one is ours, too.
    rc = pki_sql_create(&k->sql, &pki_signing_file, path);
    return rc == 0 || rc == ERR_STORE_EXISTS ? pki_sql_open(&k->sql, &pki_signing_file, path, BUSY_MS) : rc;
}

int pki_signing_keys_open(const struct pki_signing_options *o, int64_t now_s, struct pki_signing_keys **out)
{
    assert(now_s > 0 && (o->alg != PKI_ALG_NONE || o->use != PKI_SIGNING_SERVE));
    struct pki_signing_keys *k = calloc(1, sizeof *k);
    if (!k)
        return ERR_NOMEM;
    // Handed out also on failure: the caller reads the reason from it and closes it.
    *out = k;
    k->use = o->use;
    k->seen_s = now_s;
    arena_init(&k->arena, KEPT_LONG);
    buf_init(&k->passphrase, KEPT_LONG);
    k->has_passphrase = !span_is_none(o->passphrase);
    if (k->has_passphrase && !buf_append(&k->passphrase, o->passphrase))
        return pki_sql_say(&k->sql, ERR_NOMEM, "out of memory");
    int rc = open_file(k, o->path);
    if (rc == 0)
        rc = take_rule(k, o);
    if (rc == 0)
        rc = leave_file(k, now_s);
    if (rc == 0)
        rc = step(k, now_s);
    if (rc == 0 && !pki_signing_keys_active(k))
        rc = pki_sql_say(&k->sql, ERR_STORE_ABSENT, "%s holds no key yet", o->path);
    return rc;
}

void pki_signing_keys_close(struct pki_signing_keys *k)
{
    if (!k)
        return;
    set_free(k->set);
    if (k->sql.db)
        pki_sql_close(&k->sql);
    buf_wipe(&k->passphrase);
    arena_fini(&k->arena);
    free(k);
}

// ---- what there is

const struct pki_signing_key *pki_signing_keys_active(const struct pki_signing_keys *k)
{
    for (size_t i = 0; i < k->set->n; i++)
        if (k->set->at[i].row.state == PKI_SIGNING_ACTIVE)
            return &k->set->at[i].told;
    return NULL;
}

size_t pki_signing_keys_count(const struct pki_signing_keys *k)
{
    return k->set->n;
}

const struct pki_signing_key *pki_signing_keys_at(const struct pki_signing_keys *k, size_t i)
{
    assert(i < k->set->n);
    return &k->set->at[i].told;
}

int pki_signing_keys_publish(const struct pki_signing_keys *k, struct buf *out)
{
    const struct pki_key *keys[PKI_SIGNING_MAX];
    enum pki_alg algs[PKI_SIGNING_MAX];
    for (size_t i = 0; i < k->set->n; i++) {
        keys[i] = k->set->at[i].key;
        algs[i] = k->set->at[i].row.alg;
    }
    return pki_jwks_write(keys, algs, k->set->n, out);
}

// ---- told to rotate

int pki_signing_keys_rotate(struct pki_signing_keys *k, bool at_once, int64_t now_s)
{
    assert(k->set && k->use != PKI_SIGNING_READ && now_s > 0);
    int rc = load(k);
    if (rc != 0)
        return rc;
    const struct pki_signing_row *next = pki_signing_in(&k->set->rows, PKI_SIGNING_NEXT);
    bool make = at_once || !next || next->alg != k->rule.alg;
    rc = make_and_replace(k, make, at_once, now_s);
    return rc != 0 ? rc : step(k, now_s);
}

static int forget(struct pki_signing_keys *k, struct arena *a)
{
    struct pki_signing_rows rows;
    int rc = pki_signing_rows_read(&k->sql, a, &rows);
    for (size_t i = 0; rc == 0 && i < rows.n; i++)
        if (rows.at[i].state == PKI_SIGNING_RETIRING)
            rc = pki_signing_delete(&k->sql, &rows.at[i]);
    return rc;
}

int pki_signing_keys_forget(struct pki_signing_keys *k, int64_t now_s)
{
    assert(k->set && k->use != PKI_SIGNING_READ && now_s > 0);
    struct arena a;
    arena_init(&a, 0);
    int rc = pki_sql_begin(&k->sql);
    if (rc == 0)
        rc = pki_sql_end(&k->sql, forget(k, &a));
    arena_fini(&a);
    return rc != 0 ? rc : step(k, now_s);
}
