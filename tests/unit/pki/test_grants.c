// SPDX-License-Identifier: GPL-3.0-or-later
// Refresh tokens: each works once, a lost answer is given again, a thief ends the family, and no kill loses what was given out.
#include "grants_fixture.h"

// ---- what a family stands for

static void a_grant_is_read_back_as_it_was_given(void **state)
{
    (void)state;
    struct place p;
    struct pki_grant what = grant("planner"), got;
    struct arena a;
    struct buf b;
    bool current = false;
    place_init(&p);
    what.x5t = x5t;
    what.extra = SPAN("{\"act\":{\"sub\":\"a\"}}");
    buf_init(&b, 0);
    assert_int_equal(0, pki_grants_begin(p.g, &what, NOW, &b));
    struct text t = text_of(&b);
    reopen(&p);
    arena_init(&a, 0);
    assert_int_equal(0, pki_grants_look(p.g, span_str(t.p), NOW, &a, &got, &current));
    assert_true(current);
    assert_true(span_eq(got.client_id, what.client_id) && span_eq(got.workload, what.workload));
    assert_true(span_eq(got.subject, what.subject) && span_eq(got.scope, what.scope));
    assert_true(span_eq(got.audiences, what.audiences) && span_eq(got.extra, what.extra));
    assert_memory_equal(got.jkt, jkt, 32);
    assert_memory_equal(got.x5t, x5t, 32);
    assert_true(got.created_s == NOW && got.expires_s == NOW + DAY);
    t = begin(p.g, "other");
    assert_int_equal(0, pki_grants_look(p.g, span_str(t.p), NOW, &a, &got, &current));
    assert_null(got.x5t);
    assert_true(span_is_none(got.extra));
    arena_fini(&a);
    place_fini(&p);
}

static void each_use_replaces_the_token_and_it_goes_on(void **state)
{
    (void)state;
    struct place p;
    bool current;
    place_init(&p);
    struct text t = begin(p.g, "c"), next;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(0, use(p.g, &t, NOW + 60 * i, &next));
        assert_string_not_equal(t.p, next.p);
        assert_int_equal(0, look(p.g, &next, NOW + 60 * i, &current));
        assert_true(current);
        t = next;
        reopen(&p);
    }
    place_fini(&p);
}

// ---- reuse and retry

static void a_replaced_token_used_again_revokes_its_family(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text first = begin(p.g, "c"), second, third, other = begin(p.g, "c");
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(0, use(p.g, &second, NOW + 1, &third));
    // The one before the last has no retry, however soon it comes.
    assert_int_equal(ERR_GRANT_REUSED, use(p.g, &first, NOW + 2, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &third, NOW + 2, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &second, NOW + 2, NULL));
    reopen(&p);
    assert_int_equal(ERR_GRANT_REVOKED, look(p.g, &third, NOW + 2, NULL));
    assert_int_equal(0, use(p.g, &other, NOW + 2, NULL)); // another family, of the same client
    place_fini(&p);
}

static void a_look_at_a_replaced_token_tells_and_changes_nothing(void **state)
{
    (void)state;
    struct place p;
    struct pki_grant got;
    struct arena a;
    bool current = true;
    place_init(&p);
    arena_init(&a, 0);
    struct text first = begin(p.g, "c"), second;
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(ERR_GRANT_REUSED, pki_grants_look(p.g, span_str(first.p), LATER, &a, &got, &current));
    assert_false(current);
    assert_memory_equal(got.jkt, jkt, 32); // so that its sender can be asked for
    assert_int_equal(0, use(p.g, &second, LATER, NULL));
    arena_fini(&a);
    place_fini(&p);
}

static void an_answer_that_was_lost_is_given_again(void **state)
{
    (void)state;
    struct place p;
    bool current = true;
    place_init(&p);
    struct text first = begin(p.g, "c"), second, again;
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(0, look(p.g, &first, NOW + 5, &current));
    assert_false(current);
    assert_int_equal(0, use(p.g, &first, NOW + 5, &again));
    assert_string_equal(second.p, again.p);
    reopen(&p); // nothing of it was in memory only
    assert_int_equal(0, use(p.g, &first, NOW + PKI_GRANT_RETRY_S, &again));
    assert_string_equal(second.p, again.p);
    assert_int_equal(0, use(p.g, &second, NOW + PKI_GRANT_RETRY_S, NULL));
    place_fini(&p);
}

static void a_retry_does_not_lengthen_the_time_for_retries(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text first = begin(p.g, "c"), second;
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(0, use(p.g, &first, NOW + PKI_GRANT_RETRY_S, NULL));
    assert_int_equal(ERR_GRANT_REUSED, use(p.g, &first, LATER, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &second, LATER, NULL));
    place_fini(&p);
}

// A thief who has the replaced token and the sender's key, too: within the time he gets what the client got, no family of his own; and when
// both go on, the second of them is found out.
static void a_thief_within_the_time_for_retries_gets_no_line_of_his_own(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text first = begin(p.g, "c"), clients, thiefs, next;
    assert_int_equal(0, use(p.g, &first, NOW, &clients));
    assert_int_equal(0, use(p.g, &first, NOW + 1, &thiefs));
    assert_string_equal(clients.p, thiefs.p);
    assert_int_equal(0, use(p.g, &thiefs, NOW + 2, &next));
    // Its successor was used: no retry any more, though the time is not over.
    assert_int_equal(ERR_GRANT_REUSED, use(p.g, &first, NOW + 3, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &next, NOW + 3, NULL));
    place_fini(&p);
}

static void a_clock_set_back_neither_accuses_nor_opens_a_long_retry(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text first = begin(p.g, "c"), second, again;
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(0, use(p.g, &first, NOW - 2, &again));
    assert_string_equal(second.p, again.p);
    assert_int_equal(ERR_GRANT_REUSED, use(p.g, &first, NOW - 3600, NULL));
    place_fini(&p);
}

// ---- what is no token

static void any_changed_byte_makes_a_token_unknown(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text t = begin(p.g, "c");
    for (size_t i = 0; i < TOKEN; i++) {
        struct text bad = t;
        bad.p[i] = bad.p[i] == 'A' ? 'B' : 'A';
        assert_int_equal(ERR_GRANT_UNKNOWN, look(p.g, &bad, NOW, NULL));
        assert_int_equal(ERR_GRANT_UNKNOWN, use(p.g, &bad, NOW, NULL));
        assert_int_equal(ERR_GRANT_UNKNOWN, pki_grants_revoke(p.g, span_str(bad.p), NOW));
        bad = t;
        bad.p[i] = '\0';
        assert_int_equal(ERR_GRANT_UNKNOWN, use(p.g, &bad, NOW, NULL));
    }
    assert_int_equal(0, use(p.g, &t, NOW, NULL));
    place_fini(&p);
}

static void a_token_of_another_store_is_unknown(void **state)
{
    (void)state;
    struct place p, q;
    place_init(&p);
    place_init(&q);
    struct text t = begin(p.g, "c");
    assert_int_equal(ERR_GRANT_UNKNOWN, use(q.g, &t, NOW, NULL));
    assert_int_equal(0, use(p.g, &t, NOW, NULL));
    place_fini(&q);
    place_fini(&p);
}

static bool contains(struct span where, struct span what)
{
    return memmem(where.p, where.n, what.p, what.n) != NULL;
}

static void the_file_is_private_and_holds_no_token(void **state)
{
    (void)state;
    struct place p;
    struct stat st;
    struct buf file;
    uint8_t raw[64];
    size_t n;
    mode_t mask = umask(0);
    place_init(&p);
    umask(mask);
    struct text t = begin(p.g, "c"), next;
    assert_int_equal(0, use(p.g, &t, NOW, &next));
    pki_grants_close(p.g); // so that all of it is in the one file
    p.g = NULL;
    assert_int_equal(0, stat(p.file, &st));
    assert_int_equal(0600, st.st_mode & 07777);
    buf_init(&file, 0);
    assert_int_equal(0, file_read(p.file, 1u << 24, &file));
    const struct text *const given[] = { &t, &next };
    for (int i = 0; i < 2; i++) {
        assert_true(base64url_decode(span_str(given[i]->p + 3), raw, &n));
        assert_int_equal(52, n);
        assert_true(contains(buf_span(&file), span_of(raw, 16))); // the family
        assert_false(contains(buf_span(&file), span_str(given[i]->p)));
        assert_false(contains(buf_span(&file), span_of(raw + 20, 16)));
        assert_false(contains(buf_span(&file), span_of(raw + 36, 16)));
    }
    buf_fini(&file);
    place_fini(&p);
}

// The file's key, in the wrong hands, makes MACs: without a token's secret they are good for nothing.
static void a_right_mac_with_a_wrong_secret_is_unknown(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text a = begin(p.g, "c"), b = begin(p.g, "c"), mixed = a, next;
    uint8_t raw_a[64], raw_b[64];
    size_t n;
    assert_true(base64url_decode(span_str(a.p + 3), raw_a, &n) && base64url_decode(span_str(b.p + 3), raw_b, &n));
    memcpy(raw_a + 36, raw_b + 36, 16);
    base64url_encode(span_of(raw_a, 52), mixed.p + 3);
    assert_int_equal(ERR_GRANT_UNKNOWN, use(p.g, &mixed, NOW, NULL));
    assert_int_equal(0, use(p.g, &a, NOW, &next));
    assert_int_equal(ERR_GRANT_UNKNOWN, use(p.g, &mixed, NOW, NULL)); // now as the replaced one
    assert_int_equal(0, use(p.g, &next, NOW, NULL));
    place_fini(&p);
}

// ---- ends

static void a_family_ends_with_its_grant(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text t = begin(p.g, "c"), next;
    assert_int_equal(0, use(p.g, &t, NOW + DAY - 1, &next));
    assert_int_equal(ERR_GRANT_EXPIRED, look(p.g, &next, NOW + DAY, NULL));
    assert_int_equal(ERR_GRANT_EXPIRED, use(p.g, &next, NOW + DAY, NULL));
    assert_int_equal(0, pki_grants_revoke(p.g, span_str(next.p), NOW + DAY));
    place_fini(&p);
}

static void any_token_of_a_family_revokes_it_and_again_is_fine(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct text first = begin(p.g, "c"), second, third;
    assert_int_equal(0, use(p.g, &first, NOW, &second));
    assert_int_equal(0, use(p.g, &second, NOW, &third));
    assert_int_equal(0, pki_grants_revoke(p.g, span_str(first.p), NOW));
    assert_int_equal(0, pki_grants_revoke(p.g, span_str(third.p), NOW));
    reopen(&p);
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &third, NOW, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &second, NOW, NULL)); // no retry of a revoked one
    place_fini(&p);
}

static void all_of_a_client_or_a_workload_are_revoked_together(void **state)
{
    (void)state;
    struct place p;
    size_t n = 99;
    place_init(&p);
    struct text a = begin(p.g, "a"), a2 = begin(p.g, "a"), b = begin(p.g, "b");
    assert_int_equal(0, pki_grants_revoke_all(p.g, SPAN("nobody"), SPAN_NONE, NOW, &n));
    assert_int_equal(0, n);
    assert_int_equal(0, pki_grants_revoke_all(p.g, SPAN("a"), SPAN("spiffe://example.org/other"), NOW, &n));
    assert_int_equal(0, n);
    assert_int_equal(0, pki_grants_revoke_all(p.g, SPAN("a"), SPAN_NONE, NOW, &n));
    assert_int_equal(2, n);
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &a, NOW, NULL));
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &a2, NOW, NULL));
    assert_int_equal(0, look(p.g, &b, NOW, NULL));
    assert_int_equal(0, pki_grants_revoke_all(p.g, SPAN_NONE, SPAN("spiffe://example.org/search"), NOW, &n));
    assert_int_equal(1, n); // those that were not yet
    assert_int_equal(ERR_GRANT_REVOKED, use(p.g, &b, NOW, NULL));
    place_fini(&p);
}

// ---- bounds

static void expired_families_are_purged(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    for (int i = 0; i < 5; i++)
        begin(p.g, "c");
    assert_int_equal(5, number(&p, "SELECT families FROM state"));
    struct pki_grant what = grant("c");
    struct buf b;
    buf_init(&b, 0);
    what.expires_s = NOW + 3 * DAY;
    assert_int_equal(0, pki_grants_begin(p.g, &what, NOW + 2 * DAY, &b));
    buf_wipe(&b);
    assert_int_equal(1, number(&p, "SELECT count(*) FROM family"));
    assert_int_equal(1, number(&p, "SELECT families FROM state"));
    place_fini(&p);
}

#define FILL                                                                                                        \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO family SELECT "       \
    "randomblob(16), 0, randomblob(32), x'', 0, 1800000000, 0, 'greedy', '', x'', x'', '', '', '', '', 1800000000," \
    "1800086400 FROM n; UPDATE state SET families = (SELECT count(*) FROM family);"

static void a_client_without_end_pushes_out_its_own_idle_families_only(void **state)
{
    (void)state;
    struct place p;
    char sql[512];
    place_init(&p);
    struct text modest = begin(p.g, "modest"), idle = begin(p.g, "greedy"), busy = begin(p.g, "greedy"), next;
    change(&p, "UPDATE family SET used = 1799999999"); // before all others
    snprintf(sql, sizeof sql, FILL, PKI_GRANTS_CLIENT - 2);
    change(&p, sql);
    assert_int_equal(0, use(p.g, &busy, NOW + 1, &next));
    begin(p.g, "greedy");
    assert_int_equal(PKI_GRANTS_CLIENT, number(&p, "SELECT count(*) FROM family WHERE client = 'greedy'"));
    assert_int_equal(PKI_GRANTS_CLIENT + 1, number(&p, "SELECT families FROM state"));
    assert_int_equal(ERR_GRANT_UNKNOWN, use(p.g, &idle, NOW + 1, NULL));
    assert_int_equal(0, use(p.g, &next, NOW + 1, NULL));
    assert_int_equal(0, use(p.g, &modest, NOW + 1, NULL));
    place_fini(&p);
}

static void a_full_store_refuses_and_says_so(void **state)
{
    (void)state;
    struct place p;
    struct pki_grant what = grant("c");
    struct buf b;
    place_init(&p);
    struct text t = begin(p.g, "c");
    char sql[96];
    snprintf(sql, sizeof sql, "UPDATE state SET families = %d", PKI_GRANTS_MAX);
    change(&p, sql);
    buf_init(&b, 0);
    assert_int_equal(ERR_STORE_FAILED, pki_grants_begin(p.g, &what, NOW, &b));
    assert_int_equal(0, buf_len(&b));
    assert_non_null(strstr(pki_grants_what(p.g), "is full"));
    assert_int_equal(0, use(p.g, &t, NOW, NULL)); // who is in goes on
    buf_fini(&b);
    place_fini(&p);
}

static void what_is_no_store_is_refused_in_words(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    change(&p, "PRAGMA application_id = 7");
    pki_grants_close(p.g);
    assert_int_equal(ERR_STORE_FAILED, pki_grants_open(p.file, 1000, &p.g));
    assert_non_null(strstr(pki_grants_what(p.g), "is not the store of refresh tokens"));
    pki_grants_close(p.g);
    assert_int_equal(0, file_write(p.file,
                                   SPAN("not a database at all, but some text that is long enough to be read "
                                        "as the header of one, which has a hundred bytes"),
                                   0600));
    assert_int_equal(ERR_STORE_FAILED, pki_grants_open(p.file, 1000, &p.g));
    place_fini(&p);
}

static void another_process_that_writes_is_waited_for_and_then_said(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *db;
    place_init(&p);
    struct text t = begin(p.g, "c");
    pki_grants_close(p.g);
    assert_int_equal(0, pki_grants_open(p.file, 50, &p.g));
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p.file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    assert_int_equal(0, look(p.g, &t, NOW, NULL));
    assert_int_equal(ERR_STORE_BUSY, use(p.g, &t, NOW, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
    assert_int_equal(0, use(p.g, &t, NOW, NULL));
    sqlite3_close(db);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_is_read_back_as_it_was_given),
        cmocka_unit_test(each_use_replaces_the_token_and_it_goes_on),
        cmocka_unit_test(a_replaced_token_used_again_revokes_its_family),
        cmocka_unit_test(a_look_at_a_replaced_token_tells_and_changes_nothing),
        cmocka_unit_test(an_answer_that_was_lost_is_given_again),
        cmocka_unit_test(a_retry_does_not_lengthen_the_time_for_retries),
        cmocka_unit_test(a_thief_within_the_time_for_retries_gets_no_line_of_his_own),
        cmocka_unit_test(a_clock_set_back_neither_accuses_nor_opens_a_long_retry),
        cmocka_unit_test(any_changed_byte_makes_a_token_unknown),
        cmocka_unit_test(a_token_of_another_store_is_unknown),
        cmocka_unit_test(the_file_is_private_and_holds_no_token),
        cmocka_unit_test(a_right_mac_with_a_wrong_secret_is_unknown),
        cmocka_unit_test(a_family_ends_with_its_grant),
        cmocka_unit_test(any_token_of_a_family_revokes_it_and_again_is_fine),
        cmocka_unit_test(all_of_a_client_or_a_workload_are_revoked_together),
        cmocka_unit_test(expired_families_are_purged),
        cmocka_unit_test(a_client_without_end_pushes_out_its_own_idle_families_only),
        cmocka_unit_test(a_full_store_refuses_and_says_so),
        cmocka_unit_test(what_is_no_store_is_refused_in_words),
        cmocka_unit_test(another_process_that_writes_is_waited_for_and_then_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
