// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/cli/cmd_run.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, cmd_init, cmd_fini)
#define REVOKE "token revoke --store revoked.db "
#define THUMBPRINT "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"

// The list, as JSON; the entry at `i` has these members.
static void assert_listed(size_t i, const char *kind, const char *value, const char *issuer)
{
    cmd_expect(0, "token revoked --store revoked.db --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    json e = json_at(json_root(doc), i);
    assert_non_null(e);
    const char *const members[][2] = { { "kind", kind }, { "value", value }, { "issuer", issuer } };
    for (size_t k = 0; k < 3; k++) {
        struct span s = json_string(json_get(e, span_str(members[k][0])));
        if (members[k][1] ? !span_eq(s, span_str(members[k][1])) : !span_is_none(s))
            fail_msg("%s is '%.*s'", members[k][0], SPAN_FMT(s));
    }
    json_free(doc);
}

static void each_kind_is_entered_and_listed(void **state)
{
    (void)state;
    cmd_expect(0, REVOKE "--create --jti t-1 --issuer https://i.example");
    cmd_expect(0, REVOKE "--subject alice");
    cmd_expect(0, REVOKE "--client notebook");
    cmd_expect(0, REVOKE "--workload spiffe://example.org/planner --reason 'broken into'");
    cmd_expect(0, REVOKE "--thumbprint " THUMBPRINT);
    cmd_expect(0, REVOKE "--serial 3C:00:CA");
    cmd_expect(0, REVOKE "--issued-before 2026-11-21T23:52:55Z");
    assert_listed(0, "jti", "t-1", "https://i.example");
    assert_listed(1, "subject", "alice", NULL);
    assert_listed(2, "client", "notebook", NULL);
    assert_listed(3, "workload", "spiffe://example.org/planner", NULL);
    assert_listed(4, "thumbprint", THUMBPRINT, NULL);
    assert_listed(5, "serial", "3c00ca", NULL);
    assert_listed(6, "all", NULL, NULL);
    cmd_expect(0, "token revoked --store revoked.db");
    cmd_says("workload spiffe://example.org/planner; for ever: broken into\n");
    cmd_says("all, issued before 2026-11-21T23:52:55Z; until ");
    struct stat st;
    assert_int_equal(0, stat("revoked.db", &st));
    assert_int_equal(0600, st.st_mode & 07777);
}

static void a_token_at_hand_is_revoked_by_its_issuer_and_jti(void **state)
{
    (void)state;
    cmd_expect(0, "token keygen --out issuer.pem --no-passphrase");
    cmd_expect(0, "token mint --key issuer.pem --issuer https://issuer.example --audience a --subject s --unbound");
    cmd_keep_output("token");
    cmd_expect(0, REVOKE "--create --token @token");
    cmd_says("of https://issuer.example");
    cmd_expect(0, "token revoked --store revoked.db --json");
    cmd_says("\"kind\":\"jti\"");
    cmd_expect(2, REVOKE "--token not.a.token");
    cmd_expect(2, REVOKE "--token @token --issuer https://other.example");
    cmd_complains("leave --issuer out");
}

static void a_store_that_is_not_there_is_no_new_one(void **state)
{
    (void)state;
    cmd_expect(2, REVOKE "--jti t-1");
    cmd_complains("there is no store");
    assert_int_not_equal(0, access("revoked.db", F_OK));
    cmd_expect(2, "token revoked --store revoked.db");
    cmd_put("other",
            "not a database, but long enough to be looked at as one, so that the header is what is wrong with it..",
            0600);
    cmd_expect(2, "token revoke --store other --jti t-1");
    cmd_complains("damaged");
}

static void what_was_revoked_can_be_lifted(void **state)
{
    (void)state;
    cmd_expect(0, REVOKE "--create --subject alice --issued-before 2026-11-21");
    cmd_expect(1, REVOKE "--lift --subject alice");
    cmd_expect(1, REVOKE "--lift --subject alice --issued-before 2026-11-20");
    cmd_expect(2, REVOKE "--lift --subject alice --for 1h");
    cmd_expect(0, REVOKE "--lift --subject alice --issued-before 2026-11-21");
    cmd_says("lifted subject alice");
    cmd_expect(0, "token revoked --store revoked.db");
    assert_string_equal("", cmd.out);
    cmd_complains("nothing is revoked");
}

static void how_long_it_stays_can_be_said(void **state)
{
    (void)state;
    cmd_expect(0, REVOKE "--create --subject alice --for 60h");
    cmd_says("in 2 days 1");
    cmd_expect(0, REVOKE "--jti t-1");
    cmd_says("in 3");
    cmd_expect(2, REVOKE "--subject bob --for 0s");
    cmd_expect(2, REVOKE "--subject bob --for soon");
}

// Somebody else's words reach the operator's terminal.
static void what_is_listed_cannot_move_the_cursor(void **state)
{
    (void)state;
    cmd_expect(0, REVOKE "--create --subject '\xe2\x80\xae.exe'");
    cmd_expect(0, "token revoked --store revoked.db");
    cmd_says("\\u202e");
    cmd_expect(2, REVOKE "--subject '\x1b[2J'");
}

static void words_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "--jti a --subject b",
        "--jti a --token b",
        "--jti a --issued-before +0s",
        "--serial 3c --issued-before +0s",
        "--serial xyz",
        "--thumbprint abc",
        "--workload planner",
        "--workload spiffe://example.org/a --issuer https://i.example",
        "--issued-before yesterday",
        "--jti ''",
    };
    cmd_expect(0, REVOKE "--create --jti first");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cmd_run(REVOKE "%s", bad[i]) != 2)
            fail_msg("%s: %s", bad[i], cmd.out);
    cmd_expect(0, "token revoked --store revoked.db");
    assert_null(strchr(strchr(cmd.out, '\n') + 1, '\n')); // still the one
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_entered_and_listed),         TEST(a_token_at_hand_is_revoked_by_its_issuer_and_jti),
        TEST(a_store_that_is_not_there_is_no_new_one), TEST(what_was_revoked_can_be_lifted),
        TEST(how_long_it_stays_can_be_said),           TEST(what_is_listed_cannot_move_the_cursor),
        TEST(words_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
