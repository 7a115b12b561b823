// SPDX-License-Identifier: GPL-3.0-or-later
// Signing keys: their life by the clock, what the clock, a kill and a second process cannot do to it, and what is on the disk.
#include "signing_keys_fixture.h"

// ---- by the clock

static void the_first_key_is_made_and_signs_at_once(void **state)
{
    (void)state;
    struct place p;
    struct stat st;
    place_init(&p);
    const struct pki_signing_key *k = pki_signing_keys_active(p.k);
    assert_string_equal("A", states(&p));
    assert_signs(k);
    assert_true(k->created_s == NOW && k->active_s == NOW && k->retire_s == NOW + ROTATE && k->gone_s == 0);
    assert_int_equal(0, stat(p.file, &st));
    assert_int_equal(0600, st.st_mode & 07777);
    struct kid kid = kid_of(k);
    reopen(&p, NOW + 5);
    assert_string_equal(kid.p, active(&p).p);
    place_fini(&p);
}

static void a_key_is_published_before_it_signs_and_as_long_as_its_tokens_live(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p), second;
    assert_false(look(&p, NOW + ROTATE - PUBLISH - 1));
    assert_string_equal("A", states(&p));
    assert_true(look(&p, NOW + ROTATE - PUBLISH));
    assert_string_equal("NA", states(&p));
    second = kid_of(pki_signing_keys_at(p.k, 0));
    assert_int_equal(NOW + ROTATE, pki_signing_keys_at(p.k, 0)->active_s);
    assert_int_equal(NOW + ROTATE, pki_signing_keys_active(p.k)->retire_s);
    assert_false(look(&p, NOW + ROTATE - 1));
    assert_string_equal(first.p, active(&p).p);
    assert_true(look(&p, NOW + ROTATE));
    assert_string_equal("AR", states(&p));
    assert_string_equal(second.p, active(&p).p);
    assert_signs(pki_signing_keys_active(p.k));
    assert_string_equal(first.p, kid_of(pki_signing_keys_at(p.k, 1)).p);
    assert_false(look(&p, NOW + ROTATE + LINGER + LATE - 1));
    assert_true(look(&p, NOW + ROTATE + LINGER + LATE));
    assert_string_equal("A", states(&p));
    place_fini(&p);
}

static void months_of_rotation_need_nobody(void **state)
{
    (void)state;
    struct place p;
    struct kid seen[12];
    size_t n = 0;
    place_init(&p);
    seen[n++] = active(&p);
    // Ten minutes a look: no key may sign that was not published a look before.
    struct kid published[PKI_SIGNING_MAX];
    size_t published_n = 0;
    for (int64_t t = NOW; n < 6; t += 600) {
        look(&p, t);
        struct kid a = active(&p);
        if (strcmp(a.p, seen[n - 1].p) != 0) {
            bool heard_of = false;
            for (size_t i = 0; i < published_n; i++)
                heard_of |= strcmp(a.p, published[i].p) == 0;
            assert_true(heard_of);
            seen[n++] = a;
        }
        published_n = pki_signing_keys_count(p.k);
        assert_true(published_n <= 3);
        for (size_t i = 0; i < published_n; i++)
            published[i] = kid_of(pki_signing_keys_at(p.k, i));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i].p, seen[j].p);
    place_fini(&p);
}

static void without_a_period_a_key_signs_until_told(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    p.o.rotate_s = 0;
    reopen(&p, NOW);
    struct kid first = active(&p);
    assert_false(look(&p, NOW + 100 * ROTATE));
    assert_string_equal("A", states(&p));
    assert_int_equal(0, pki_signing_keys_active(p.k)->retire_s);
    int64_t t = NOW + 100 * ROTATE;
    assert_int_equal(0, pki_signing_keys_rotate(p.k, false, t));
    assert_string_equal("NA", states(&p));
    look(&p, t + PUBLISH - 1);
    assert_string_equal(first.p, active(&p).p);
    look(&p, t + PUBLISH);
    assert_string_equal("AR", states(&p));
    place_fini(&p);
}

static void after_a_long_sleep_the_next_key_is_still_published_first(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p);
    int64_t t = NOW + 10 * ROTATE;
    reopen(&p, t);
    assert_string_equal("NA", states(&p)); // ten rotations were missed: one is made up for
    assert_string_equal(first.p, active(&p).p);
    assert_false(look(&p, t + PUBLISH - 1));
    assert_true(look(&p, t + PUBLISH));
    assert_string_equal("AR", states(&p));
    place_fini(&p);
}

// ---- a clock that is set

static void a_clock_set_back_neither_revives_nor_promotes_again(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p);
    look(&p, NOW + ROTATE - PUBLISH);
    look(&p, NOW + ROTATE);
    struct kid second = active(&p);
    assert_string_equal("AR", states(&p));
    // A day back, to when the first one signed, and on again.
    assert_false(look(&p, NOW));
    assert_string_equal("AR", states(&p));
    assert_string_equal(second.p, active(&p).p);
    reopen(&p, NOW + 1);
    assert_string_equal(second.p, active(&p).p);
    // Its tokens' time counts from the clock as it is; it is not kept until the old clock comes round.
    look(&p, NOW + LINGER + LATE);
    assert_string_equal("A", states(&p));
    for (size_t i = 0; i < pki_signing_keys_count(p.k); i++)
        assert_string_not_equal(first.p, kid_of(pki_signing_keys_at(p.k, i)).p);
    look(&p, NOW + ROTATE - PUBLISH);
    assert_string_equal("NA", states(&p));
    assert_string_equal(second.p, active(&p).p);
    place_fini(&p);
}

static void a_clock_that_was_a_year_ahead_does_not_stop_rotation_for_a_year(void **state)
{
    (void)state;
    struct place p;
    int64_t year = INT64_C(365) * 86400;
    place_fresh(&p);
    reopen(&p, NOW + year);
    look(&p, NOW + year + ROTATE - PUBLISH);
    assert_string_equal("NA", states(&p));
    look(&p, NOW); // set right
    assert_string_equal("NA", states(&p));
    look(&p, NOW + PUBLISH - 1);
    assert_string_equal("NA", states(&p));
    look(&p, NOW + PUBLISH);
    assert_string_equal("AR", states(&p));
    place_fini(&p);
}

// ---- what is published, and with what

static void the_set_has_kid_alg_and_use_newest_first_and_no_private_member(void **state)
{
    (void)state;
    struct place p;
    struct buf b;
    struct diags diags;
    diags_init(&diags);
    place_init(&p);
    p.o.alg = PKI_EDDSA; // the next key's
    reopen(&p, NOW + ROTATE - PUBLISH);
    buf_init(&b, 0);
    assert_int_equal(0, pki_signing_keys_publish(p.k, &b));
    struct json_doc *doc = json_parse(buf_span(&b), NULL, NULL);
    json keys = json_get(json_root(doc), SPAN("keys"));
    assert_int_equal(2, json_count(keys));
    static const char *const algs[] = { "EdDSA", "ES256" };
    for (size_t i = 0; i < 2; i++) {
        json k = json_at(keys, i);
        assert_true(span_eq(json_string(json_get(k, SPAN("kid"))), pki_signing_keys_at(p.k, i)->kid));
        assert_true(span_eq(json_string(json_get(k, SPAN("alg"))), span_str(algs[i])));
        assert_true(span_eq(json_string(json_get(k, SPAN("use"))), SPAN("sig")));
        assert_null(json_get(k, SPAN("d")));
    }
    json_free(doc);
    struct pki_jwks *set =
        pki_jwks_read(buf_span(&b), PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_EDDSA), SPAN("jwks"), &diags);
    assert_non_null(set);
    pki_jwks_free(set);
    diags_fini(&diags);
    buf_fini(&b);
    place_fini(&p);
}

static void a_changed_algorithm_is_the_next_keys(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p);
    p.o.alg = PKI_EDDSA;
    reopen(&p, NOW + 1);
    assert_string_equal(first.p, active(&p).p);
    assert_int_equal(PKI_ES256, pki_signing_keys_active(p.k)->alg);
    look(&p, NOW + ROTATE - PUBLISH);
    look(&p, NOW + ROTATE);
    assert_int_equal(PKI_EDDSA, pki_signing_keys_active(p.k)->alg);
    assert_signs(pki_signing_keys_active(p.k));
    place_fini(&p);
}

static void a_key_lingers_for_the_longest_life_its_tokens_were_given(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    p.o.linger_s = 3600;
    reopen(&p, NOW);
    p.o.linger_s = 300; // tokens live shorter now; those of before do not
    reopen(&p, NOW + 10);
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 20));
    assert_string_equal("AR", states(&p));
    assert_int_equal(NOW + 20 + 3600 + LATE, pki_signing_keys_at(p.k, 1)->gone_s);
    place_fini(&p);
}

// ---- on the disk

static bool file_has(const struct place *p, const char *what)
{
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(0, file_read(p->file, 1u << 24, &b));
    bool has = memmem(buf_span(&b).p, buf_len(&b), what, strlen(what)) != NULL;
    buf_fini(&b);
    return has;
}

static void private_halves_are_encrypted_and_go_with_their_last_signature(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *db;
    sqlite3_stmt *q;
    place_fresh(&p);
    p.o.passphrase = SPAN("correct horse");
    reopen(&p, NOW);
    pki_signing_keys_close(p.k);
    p.k = NULL;
    assert_true(file_has(&p, "BEGIN ENCRYPTED PRIVATE KEY"));
    assert_false(file_has(&p, "BEGIN PRIVATE KEY"));
    reopen(&p, NOW + 1);
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 2));
    assert_false(pki_key_is_private(pki_signing_keys_at(p.k, 1)->key)); // nor is it in our memory
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p.file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK,
                     sqlite3_prepare_v2(db, "SELECT state, length(private_half) > 0 FROM signing_key ORDER BY number",
                                        -1, &q, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(q));
    assert_true(sqlite3_column_int(q, 0) == PKI_SIGNING_RETIRING && sqlite3_column_int(q, 1) == 0);
    assert_int_equal(SQLITE_ROW, sqlite3_step(q));
    assert_true(sqlite3_column_int(q, 0) == PKI_SIGNING_ACTIVE && sqlite3_column_int(q, 1) == 1);
    sqlite3_finalize(q);
    sqlite3_close(db);
    place_fini(&p);
}

static void a_wrong_passphrase_is_said(void **state)
{
    (void)state;
    struct place p;
    place_fresh(&p);
    p.o.passphrase = SPAN("correct horse");
    reopen(&p, NOW);
    struct kid first = active(&p);
    pki_signing_keys_close(p.k);
    p.o.passphrase = SPAN("battery staple");
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_open(&p.o, NOW + 1, &p.k));
    assert_non_null(strstr(pki_signing_keys_what(p.k), "the passphrase is wrong"));
    assert_null(strstr(pki_signing_keys_what(p.k), "battery"));
    pki_signing_keys_close(p.k);
    p.o.passphrase = SPAN_NONE;
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_open(&p.o, NOW + 1, &p.k));
    assert_non_null(strstr(pki_signing_keys_what(p.k), "there is no passphrase"));
    pki_signing_keys_close(p.k);
    p.o.use = PKI_SIGNING_READ; // who only reads needs none
    assert_int_equal(0, pki_signing_keys_open(&p.o, NOW + 1, &p.k));
    assert_string_equal(first.p, active(&p).p);
    assert_false(pki_key_is_private(pki_signing_keys_active(p.k)->key));
    place_fini(&p);
}

static void damage_is_said_and_what_was_read_stays(void **state)
{
    (void)state;
    struct place p, q;
    bool changed = true;
    place_init(&p);
    place_init(&q);
    struct kid first = active(&p);
    pki_signing_keys_close(q.k);
    // Another key under the first one's name.
    char sql[512];
    snprintf(sql, sizeof sql,
             "ATTACH '%s' AS other; UPDATE signing_key SET public_half = (SELECT public_half FROM other.signing_key), "
             "private_half = (SELECT private_half FROM other.signing_key), state = 2;"
             "UPDATE signing_key SET state = 1",
             q.file);
    change(&p, sql);
    // What this process holds it holds; a fresh one is told.
    q.o.path = p.file;
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_open(&q.o, NOW + 1, &q.k));
    assert_non_null(strstr(pki_signing_keys_what(q.k), "damaged"));
    change(&p, "UPDATE signing_key SET alg = 'ES999'");
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_look(p.k, NOW + 2, &changed));
    assert_string_equal(first.p, active(&p).p);
    assert_signs(pki_signing_keys_active(p.k));
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_look(p.k, NOW + 3, &changed));
    assert_non_null(strstr(pki_signing_keys_what(p.k), "cannot be understood"));
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_look(p.k, NOW + 12, &changed));
    change(&p, "UPDATE signing_key SET alg = 'ES256'");
    assert_int_equal(ERR_STORE_FAILED, pki_signing_keys_look(p.k, NOW + 13, &changed)); // not tried every second
    assert_int_equal(0, pki_signing_keys_look(p.k, NOW + 22, &changed));
    assert_false(changed);
    place_fini(&q);
    place_fini(&p);
}

static void a_kill_between_file_and_first_key_is_made_up_for(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    change(&p, "DELETE FROM signing_key");
    reopen(&p, NOW + 1);
    assert_string_equal("A", states(&p));
    place_fini(&p);
}

// ---- when told, by another process

static void open_as(struct place *p, enum pki_signing_use use, struct pki_signing_keys **out)
{
    struct pki_signing_options o = { .path = p->file, .use = use, .passphrase = p->o.passphrase, .pkcs11 = SPAN_NONE };
    assert_int_equal(0, pki_signing_keys_open(&o, NOW, out));
}

static void rotation_at_once_signs_with_a_key_that_nobody_had(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p);
    assert_int_equal(0, pki_signing_keys_rotate(p.k, false, NOW + 1));
    struct kid waiting = kid_of(pki_signing_keys_at(p.k, 0));
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 2));
    assert_string_equal("AR", states(&p));
    assert_string_not_equal(first.p, active(&p).p);
    assert_string_not_equal(waiting.p, active(&p).p);
    assert_string_equal(first.p, kid_of(pki_signing_keys_at(p.k, 1)).p);
    assert_signs(pki_signing_keys_active(p.k));
    place_fini(&p);
}

static void a_key_in_the_wrong_hands_can_be_published_no_longer(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    struct kid first = active(&p);
    assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + 1));
    assert_int_equal(0, pki_signing_keys_forget(p.k, NOW + 1));
    assert_string_equal("A", states(&p));
    assert_string_not_equal(first.p, active(&p).p);
    assert_int_equal(0, pki_signing_keys_forget(p.k, NOW + 2)); // the one that signs stays
    assert_string_equal("A", states(&p));
    place_fini(&p);
}

static void another_process_rotates_and_the_authority_follows(void **state)
{
    (void)state;
    struct place p;
    struct pki_signing_keys *cli;
    place_fresh(&p);
    p.o.passphrase = SPAN("correct horse");
    reopen(&p, NOW);
    struct kid first = active(&p);
    open_as(&p, PKI_SIGNING_TELL, &cli);
    assert_int_equal(0, pki_signing_keys_rotate(cli, true, NOW + 10));
    struct kid second = kid_of(pki_signing_keys_active(cli));
    pki_signing_keys_close(cli);
    assert_string_equal(first.p, active(&p).p);
    assert_true(look(&p, NOW + 11));
    assert_string_equal(second.p, active(&p).p);
    assert_signs(pki_signing_keys_active(p.k));
    assert_false(look(&p, NOW + 12));
    place_fini(&p);
}

static void a_key_made_while_no_authority_ran_is_published_first(void **state)
{
    (void)state;
    struct place p;
    struct pki_signing_keys *cli;
    place_init(&p);
    pki_signing_keys_close(p.k);
    open_as(&p, PKI_SIGNING_TELL, &cli);
    assert_int_equal(0, pki_signing_keys_rotate(cli, false, NOW + 10));
    assert_int_equal(2, pki_signing_keys_count(cli));
    assert_int_equal(0, pki_signing_keys_at(cli, 0)->active_s); // nobody knows yet
    pki_signing_keys_close(cli);
    int64_t t = NOW + 10 + 2 * PUBLISH;
    p.k = NULL;
    reopen(&p, t);
    assert_string_equal("NA", states(&p));
    look(&p, t + PUBLISH - 1);
    assert_string_equal("NA", states(&p));
    look(&p, t + PUBLISH);
    assert_string_equal("AR", states(&p));
    place_fini(&p);
}

static void who_tells_does_nothing_by_the_clock(void **state)
{
    (void)state;
    struct place p;
    struct pki_signing_keys *cli;
    place_init(&p);
    open_as(&p, PKI_SIGNING_TELL, &cli);
    assert_int_equal(0, pki_signing_keys_look(cli, NOW + 10 * ROTATE, NULL));
    assert_int_equal(1, pki_signing_keys_count(cli));
    pki_signing_keys_close(cli);
    place_fini(&p);
    // Nor does it make a file where none is.
    place_fresh(&p);
    p.o.use = PKI_SIGNING_TELL;
    assert_int_equal(ERR_STORE_ABSENT, pki_signing_keys_open(&p.o, NOW, &p.k));
    assert_int_not_equal(0, access(p.file, F_OK));
    place_fini(&p);
}

static void rotating_twice_brings_one_key_forward_and_makes_no_second(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    look(&p, NOW + ROTATE - PUBLISH);
    struct kid next = kid_of(pki_signing_keys_at(p.k, 0));
    assert_int_equal(0, pki_signing_keys_rotate(p.k, false, NOW + ROTATE - 2));
    assert_int_equal(0, pki_signing_keys_rotate(p.k, false, NOW + ROTATE - 1));
    assert_string_equal("NA", states(&p));
    assert_string_equal(next.p, kid_of(pki_signing_keys_at(p.k, 0)).p);
    place_fini(&p);
}

static void a_full_set_makes_no_more_and_says_so(void **state)
{
    (void)state;
    struct place p;
    place_init(&p);
    for (int i = 1; i < PKI_SIGNING_MAX; i++)
        assert_int_equal(0, pki_signing_keys_rotate(p.k, true, NOW + i));
    assert_int_equal(PKI_SIGNING_MAX, pki_signing_keys_count(p.k));
    struct kid last = active(&p);
    assert_int_equal(ERR_STORE_EXISTS, pki_signing_keys_rotate(p.k, true, NOW + 20));
    assert_non_null(strstr(pki_signing_keys_what(p.k), "which is the most"));
    assert_string_equal(last.p, active(&p).p);
    look(&p, NOW + LINGER + LATE + PKI_SIGNING_MAX);
    assert_string_equal("A", states(&p));
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_key_is_made_and_signs_at_once),
        cmocka_unit_test(a_key_is_published_before_it_signs_and_as_long_as_its_tokens_live),
        cmocka_unit_test(months_of_rotation_need_nobody),
        cmocka_unit_test(without_a_period_a_key_signs_until_told),
        cmocka_unit_test(after_a_long_sleep_the_next_key_is_still_published_first),
        cmocka_unit_test(a_clock_set_back_neither_revives_nor_promotes_again),
        cmocka_unit_test(a_clock_that_was_a_year_ahead_does_not_stop_rotation_for_a_year),
        cmocka_unit_test(the_set_has_kid_alg_and_use_newest_first_and_no_private_member),
        cmocka_unit_test(a_changed_algorithm_is_the_next_keys),
        cmocka_unit_test(a_key_lingers_for_the_longest_life_its_tokens_were_given),
        cmocka_unit_test(private_halves_are_encrypted_and_go_with_their_last_signature),
        cmocka_unit_test(a_wrong_passphrase_is_said),
        cmocka_unit_test(damage_is_said_and_what_was_read_stays),
        cmocka_unit_test(a_kill_between_file_and_first_key_is_made_up_for),
        cmocka_unit_test(rotation_at_once_signs_with_a_key_that_nobody_had),
        cmocka_unit_test(a_key_in_the_wrong_hands_can_be_published_no_longer),
        cmocka_unit_test(another_process_rotates_and_the_authority_follows),
        cmocka_unit_test(a_key_made_while_no_authority_ran_is_published_first),
        cmocka_unit_test(who_tells_does_nothing_by_the_clock),
        cmocka_unit_test(rotating_twice_brings_one_key_forward_and_makes_no_second),
        cmocka_unit_test(a_full_set_makes_no_more_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
