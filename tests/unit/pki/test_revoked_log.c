// SPDX-License-Identifier: GPL-3.0-or-later
// The registry's log: numbers without a gap, points that are known again, old stores brought up to date.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pki/revoked_log.h"

enum { NOW = 1800000000 };

struct place {
    char dir[64], path[128];
    struct pki_revoked_store *s;
};

static void place_init(struct place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/sallyport-log-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/revoked.db", p->dir);
    p->s = NULL;
}

static void place_create(struct place *p)
{
    place_init(p);
    if (pki_revoked_store_create(p->path, &p->s) != 0)
        fail_msg("%s", pki_revoked_store_what(p->s));
}

static void place_open(struct place *p)
{
    p->s = NULL;
    if (pki_revoked_store_open(p->path, 10000, &p->s) != 0)
        fail_msg("%s", pki_revoked_store_what(p->s));
}

static void place_fini(struct place *p)
{
    char command[160];
    pki_revoked_store_close(p->s);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

static struct pki_revoked_entry jti(const char *value)
{
    return (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI, .value = span_str(value), .revoked_s = NOW };
}

static void add(struct place *p, struct pki_revoked_entry e)
{
    if (pki_revoked_store_add(p->s, &e, 1, NOW) != 0)
        fail_msg("%s", pki_revoked_store_what(p->s));
}

static struct pki_revoked_point head(struct place *p)
{
    struct pki_revoked_point out;
    if (pki_revoked_log_head(p->s, &out) != 0)
        fail_msg("%s", pki_revoked_store_what(p->s));
    return out;
}

// What is read, as text: "+value" and "-value", the expiry behind a slash where there is one.
struct seen {
    char text[512];
    size_t most, n; // most 0: all
    uint64_t last;
};

static bool see(struct seen *s, const struct pki_revoked_entry *e, bool lifted)
{
    if (s->most && s->n == s->most)
        return true;
    size_t at = strlen(s->text);
    snprintf(s->text + at, sizeof s->text - at, "%c%.*s", lifted ? '-' : '+', SPAN_FMT(e->value));
    at = strlen(s->text);
    if (e->expires_s)
        snprintf(s->text + at, sizeof s->text - at, "/%d", (int)(e->expires_s - NOW));
    s->n++;
    return false;
}

static bool see_change(void *ctx, const struct pki_revoked_change *c)
{
    struct seen *s = ctx;
    s->last = c->sequence;
    return see(s, &c->entry, c->lifted);
}

static bool see_entry(void *ctx, const struct pki_revoked_entry *e)
{
    return see(ctx, e, false);
}

static int since(struct place *p, struct pki_revoked_point *at, struct seen *seen, uint64_t *top)
{
    return pki_revoked_log_since(p->s, at, see_change, seen, at, top);
}

// ---- changes

static void every_change_has_the_next_number_and_comes_in_order(void **state)
{
    (void)state;
    struct place p;
    struct seen seen = { .most = 0 };
    uint64_t top = 0;
    place_create(&p);
    struct pki_revoked_point at = head(&p), start = at;
    assert_int_equal(0, at.sequence);
    struct pki_revoked_entry two[] = { jti("b"), jti("c") }, a = jti("a");
    add(&p, a);
    assert_int_equal(0, pki_revoked_store_add(p.s, two, 2, NOW));
    assert_int_equal(0, pki_revoked_store_lift(p.s, &a));
    add(&p, a);
    assert_int_equal(0, since(&p, &at, &seen, &top));
    assert_string_equal("+a+b+c-a+a", seen.text);
    assert_int_equal(5, at.sequence);
    assert_int_equal(5, top);
    struct pki_revoked_point now = head(&p);
    assert_true(pki_revoked_point_eq(&now, &at));
    assert_int_equal(0, memcmp(start.feed, at.feed, sizeof at.feed));
    place_fini(&p);
}

static void a_reader_goes_on_where_it_had_no_more_room(void **state)
{
    (void)state;
    struct place p;
    struct seen one = { .most = 2 }, two = { .most = 2 };
    uint64_t top = 0;
    place_create(&p);
    struct pki_revoked_point at = head(&p);
    add(&p, jti("a"));
    add(&p, jti("b"));
    add(&p, jti("c"));
    assert_int_equal(0, since(&p, &at, &one, &top));
    assert_string_equal("+a+b", one.text);
    assert_int_equal(2, at.sequence);
    assert_int_equal(3, top);
    assert_int_equal(0, since(&p, &at, &two, &top));
    assert_string_equal("+c", two.text);
    place_fini(&p);
}

static void the_same_again_is_no_change_and_a_longer_life_is_one(void **state)
{
    (void)state;
    struct place p;
    struct seen seen = { .most = 0 };
    uint64_t top;
    place_create(&p);
    struct pki_revoked_point at = head(&p);
    struct pki_revoked_entry e = jti("a");
    e.expires_s = NOW + 10;
    add(&p, e);
    add(&p, e);
    e.expires_s = NOW + 5;
    add(&p, e);
    e.expires_s = NOW + 20;
    add(&p, e);
    e.expires_s = 0;
    add(&p, e);
    e.expires_s = NOW + 30;
    add(&p, e);
    assert_int_equal(0, since(&p, &at, &seen, &top));
    assert_string_equal("+a/10+a/20+a", seen.text);
    place_fini(&p);
}

static void what_was_not_done_is_not_in_the_log(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *db;
    place_create(&p);
    struct pki_revoked_entry none = jti("none"), two[] = { jti("c"), jti("d") };
    add(&p, jti("a"));
    assert_int_equal(ERR_STORE_ABSENT, pki_revoked_store_lift(p.s, &none));
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db,
                                             "CREATE TRIGGER t BEFORE INSERT ON revocation WHEN new.value = 'd' "
                                             "BEGIN SELECT raise(FAIL, 'no'); END",
                                             NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_add(p.s, two, 2, NOW));
    assert_int_equal(1, head(&p).sequence);
    place_fini(&p);
}

static void our_own_changes_are_noticed_too(void **state)
{
    (void)state;
    struct place p;
    bool changed = false;
    struct pki_revoked_entry e = jti("a");
    place_create(&p);
    assert_int_equal(0, pki_revoked_store_changed(p.s, &changed));
    add(&p, e);
    assert_int_equal(0, pki_revoked_store_changed(p.s, &changed));
    assert_true(changed);
    assert_int_equal(0, pki_revoked_store_changed(p.s, &changed));
    assert_false(changed);
    assert_int_equal(0, pki_revoked_store_lift(p.s, &e));
    assert_int_equal(0, pki_revoked_store_changed(p.s, &changed));
    assert_true(changed);
    place_fini(&p);
}

// ---- points

static void a_registry_made_anew_does_not_know_the_points_of_another(void **state)
{
    (void)state;
    struct place p, q;
    struct seen seen = { .most = 0 };
    uint64_t top;
    place_create(&p);
    place_create(&q);
    add(&p, jti("a"));
    add(&q, jti("a"));
    struct pki_revoked_point at = head(&p);
    assert_int_equal(ERR_STORE_ABSENT, since(&q, &at, &seen, &top));
    place_fini(&p);
    place_fini(&q);
}

static void a_registry_restored_from_a_backup_that_went_on_is_noticed(void **state)
{
    (void)state;
    struct place p;
    struct seen seen = { .most = 0 };
    uint64_t top;
    char command[800];
    place_create(&p);
    add(&p, jti("a"));
    struct pki_revoked_point before = head(&p);
    sqlite3 *db;
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    snprintf(command, sizeof command, "VACUUM INTO '%s/backup.db'", p.dir);
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, command, NULL, NULL, NULL));
    sqlite3_close(db);
    add(&p, jti("b"));
    struct pki_revoked_point after = head(&p), at = after;
    pki_revoked_store_close(p.s);
    snprintf(command, sizeof command, "rm -f %s-wal %s-shm && mv %s/backup.db %s", p.path, p.path, p.dir, p.path);
    assert_int_equal(0, system(command));
    place_open(&p);
    assert_int_equal(ERR_STORE_ABSENT, since(&p, &at, &seen, &top)); // further than the registry is
    add(&p, jti("other"));
    assert_int_equal(2, head(&p).sequence); // the same number, and yet another point
    assert_int_equal(ERR_STORE_ABSENT, since(&p, &at, &seen, &top));
    assert_int_equal(0, since(&p, &before, &seen, &top));
    assert_string_equal("+other", seen.text);
    place_fini(&p);
}

static void a_store_whose_file_was_replaced_confirms_nothing_more(void **state)
{
    (void)state;
    struct place p;
    char command[400];
    struct pki_revoked_entry e = jti("late");
    place_create(&p);
    add(&p, jti("a"));
    assert_false(pki_revoked_store_moved(p.s));
    snprintf(command, sizeof command, "mv %s %s/old", p.path, p.dir);
    assert_int_equal(0, system(command));
    assert_true(pki_revoked_store_moved(p.s));
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_add(p.s, &e, 1, NOW));
    assert_non_null(strstr(pki_revoked_store_what(p.s), "replaced"));
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_lift(p.s, &e));
    place_fini(&p);
}

static void a_log_is_bounded_and_who_is_behind_it_starts_again(void **state)
{
    (void)state;
    enum { EXTRA = 100 };
    struct place p;
    struct seen seen = { .most = 3 };
    uint64_t top;
    place_create(&p);
    struct pki_revoked_point start = head(&p), first, at;
    add(&p, jti("first"));
    first = head(&p);
    size_t n = PKI_REVOKED_LOG + EXTRA;
    struct pki_revoked_entry *many = calloc(n, sizeof *many);
    char(*names)[16] = calloc(n, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        many[i] = jti(names[i]);
    }
    assert_int_equal(0, pki_revoked_store_add(p.s, many, n, NOW));
    at = start;
    assert_int_equal(ERR_STORE_ABSENT, since(&p, &at, &seen, &top));
    at = first;
    assert_int_equal(ERR_STORE_ABSENT, since(&p, &at, &seen, &top));
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(db, "SELECT count(*) FROM change", -1, &q, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(q));
    assert_int_equal(PKI_REVOKED_LOG, sqlite3_column_int(q, 0));
    sqlite3_finalize(q);
    sqlite3_close(db);
    free(many);
    free(names);
    place_fini(&p);
}

// ---- the whole set

static void the_whole_set_comes_in_parts_and_the_changes_since_make_it_right(void **state)
{
    (void)state;
    struct place p;
    struct seen one = { .most = 2 }, two = { .most = 2 }, since_then = { .most = 0 };
    struct pki_revoked_point at;
    uint64_t next = 0, top;
    place_create(&p);
    struct pki_revoked_entry short_lived = jti("over"), a = jti("a");
    short_lived.expires_s = NOW - 1;
    add(&p, a);
    add(&p, short_lived);
    add(&p, jti("b"));
    add(&p, jti("c"));
    assert_int_equal(0, pki_revoked_log_part(p.s, 0, NOW, &at, see_entry, &one, &next, &top));
    assert_string_equal("+a+b", one.text);
    assert_true(next > 0);
    assert_int_equal(4, at.sequence);
    assert_int_equal(0, pki_revoked_store_lift(p.s, &a));
    add(&p, jti("d"));
    assert_int_equal(0, pki_revoked_log_part(p.s, next, NOW, &at, see_entry, &two, &next, &top));
    assert_string_equal("+c+d", two.text); // d may be there already
    assert_int_equal(0, next);
    assert_int_equal(4, at.sequence);
    assert_int_equal(6, top);
    assert_int_equal(0, since(&p, &at, &since_then, &top));
    assert_string_equal("-a+d", since_then.text);
    at.mark ^= 1;
    assert_int_equal(ERR_STORE_ABSENT, pki_revoked_log_part(p.s, 1, NOW, &at, see_entry, &two, &next, &top));
    place_fini(&p);
}

// ---- an earlier format

static void old_store(struct place *p)
{
    sqlite3 *db;
    place_init(p);
    assert_int_equal(SQLITE_OK, sqlite3_open(p->path, &db));
    assert_int_equal(SQLITE_OK,
                     sqlite3_exec(db,
                                  "PRAGMA journal_mode = WAL; CREATE TABLE revocation (number INTEGER PRIMARY KEY "
                                  "AUTOINCREMENT, kind INTEGER NOT NULL, value TEXT NOT NULL, issuer TEXT NOT NULL, "
                                  "before INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL, "
                                  "reason TEXT NOT NULL, UNIQUE (kind, value, issuer, before)) STRICT;"
                                  "CREATE INDEX revocation_expires ON revocation (expires) WHERE expires > 0;"
                                  "INSERT INTO revocation VALUES (1, 1, 'old-1', '', 0, 0, 5, 'r');"
                                  "INSERT INTO revocation VALUES (7, 2, 'old-2', 'i', 9, 1900000000, 5, '');"
                                  "PRAGMA application_id = 0x53505256; PRAGMA user_version = 1;",
                                  NULL, NULL, NULL));
    sqlite3_close(db);
}

static void a_store_of_format_1_keeps_its_entries_and_can_be_followed(void **state)
{
    (void)state;
    struct place p;
    struct seen whole = { .most = 0 }, changes = { .most = 0 };
    struct pki_revoked_point at;
    uint64_t next, top;
    old_store(&p);
    place_open(&p);
    assert_int_equal(0, pki_revoked_log_part(p.s, 0, NOW, &at, see_entry, &whole, &next, &top));
    assert_string_equal("+old-1+old-2/100000000", whole.text);
    assert_int_equal(0, at.sequence);
    pki_revoked_store_close(p.s);
    place_open(&p); // once more: its id stays
    add(&p, jti("new"));
    assert_int_equal(0, since(&p, &at, &changes, &top));
    assert_string_equal("+new", changes.text);
    place_fini(&p);
}

static void two_processes_that_open_an_old_store_at_once_bring_it_up_to_date_once(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct place p;
        pid_t children[3];
        int status;
        old_store(&p);
        for (size_t i = 0; i < 3; i++)
            if ((children[i] = fork()) == 0) {
                struct pki_revoked_store *s = NULL;
                struct pki_revoked_entry e = jti(i == 0 ? "x" : i == 1 ? "y" : "z");
                bool ok = pki_revoked_store_open(p.path, 20000, &s) == 0 && pki_revoked_store_add(s, &e, 1, NOW) == 0;
                pki_revoked_store_close(s);
                _exit(ok ? 0 : 1);
            }
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(children[i], waitpid(children[i], &status, 0));
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        place_open(&p);
        assert_int_equal(3, head(&p).sequence);
        place_fini(&p);
    }
}

static void kill_while_an_old_store_is_brought_up_to_date_loses_nothing(void **state)
{
    (void)state;
    srand(11);
    for (int round = 0; round < 15; round++) {
        struct place p;
        struct seen whole = { .most = 0 };
        struct pki_revoked_point at;
        uint64_t next, top;
        int status;
        old_store(&p);
        pid_t child = fork();
        if (child == 0) {
            struct pki_revoked_store *s = NULL;
            _exit(pki_revoked_store_open(p.path, 1000, &s) == 0 ? 0 : 1);
        }
        nanosleep(&(struct timespec){ .tv_nsec = 50000L * (rand() % 100) }, NULL);
        kill(child, SIGKILL);
        assert_int_equal(child, waitpid(child, &status, 0));
        place_open(&p);
        assert_int_equal(0, pki_revoked_log_part(p.s, 0, NOW, &at, see_entry, &whole, &next, &top));
        assert_string_equal("+old-1+old-2/100000000", whole.text);
        place_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_has_the_next_number_and_comes_in_order),
        cmocka_unit_test(a_reader_goes_on_where_it_had_no_more_room),
        cmocka_unit_test(the_same_again_is_no_change_and_a_longer_life_is_one),
        cmocka_unit_test(what_was_not_done_is_not_in_the_log),
        cmocka_unit_test(our_own_changes_are_noticed_too),
        cmocka_unit_test(a_registry_made_anew_does_not_know_the_points_of_another),
        cmocka_unit_test(a_registry_restored_from_a_backup_that_went_on_is_noticed),
        cmocka_unit_test(a_store_whose_file_was_replaced_confirms_nothing_more),
        cmocka_unit_test(a_log_is_bounded_and_who_is_behind_it_starts_again),
        cmocka_unit_test(the_whole_set_comes_in_parts_and_the_changes_since_make_it_right),
        cmocka_unit_test(a_store_of_format_1_keeps_its_entries_and_can_be_followed),
        cmocka_unit_test(two_processes_that_open_an_old_store_at_once_bring_it_up_to_date_once),
        cmocka_unit_test(kill_while_an_old_store_is_brought_up_to_date_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
