// SPDX-License-Identifier: GPL-3.0-or-later
// A gate that only observes: what it lets through, what counts all the same, and that nothing of a bad token is believed.
#include "tests/unit/stages/asked.h"

#include "gateway/stages/observe.h"
#include "policy/request_json.h"

#define HOUR_MS 3600000

// Both gates observe, for one more hour.
static void init(struct asked *f, struct gw_present *present, const char *policies, size_t n)
{
    asked_init(f, policies, "{\"sub\":\"alice\"}", n);
    *present = (struct gw_present){ .keys = NULL };
    f->services.present = present;
    f->x.now.wall_ms = 1000;
    f->config.listener.modes = (struct gw_config_mode){ .token = true, .policy = true, .until_ms = HOUR_MS };
    f->issuer.scopeless = false;
    f->token.subject = SPAN("alice");
    f->token.jti = SPAN("t1");
    f->token.actions = GW_ACTION_BIT(GW_ACTION_SEARCH);
    f->token.refs = 1u << 20; // the test's own
    f->x.stage = GW_STAGE_policy;
    f->authorisations[0] = (struct gw_api_authorisation){ .action = GW_ACTION_SEARCH, .collection = SPAN("docs") };
    f->authorisations[1] = (struct gw_api_authorisation){ .action = GW_ACTION_SEARCH, .collection = SPAN("faq") };
}

static int observed(struct asked *f)
{
    int rc = gw_stage_policy(&f->x);
    return rc < 0 ? gw_observe(&f->x, rc) : rc;
}

// Their names, one a line, in the order of the table: whoever adds one to observe.c adds it here, and says why in docs/threat-model.md.
static const struct span may_be_observed[] = {
    SPAN("TOKEN_MISSING"),   SPAN("TOKEN_WAYS"),
    SPAN("TOKEN_SCHEME"),    SPAN("TOKEN_MALFORMED"),
    SPAN("TOKEN_ENCRYPTED"), SPAN("TOKEN_ISSUER"),
    SPAN("TOKEN_ALG"),       SPAN("TOKEN_TYP"),
    SPAN("TOKEN_CRIT"),      SPAN("TOKEN_HEADER_KEY"),
    SPAN("TOKEN_KEY"),       SPAN("TOKEN_SIGNATURE"),
    SPAN("TOKEN_CLAIM"),     SPAN("TOKEN_AUDIENCE"),
    SPAN("TOKEN_EXPIRED"),   SPAN("TOKEN_NOT_YET"),
    SPAN("TOKEN_LIFETIME"),  SPAN("TOKEN_ASSERTS"),
    SPAN("TOKEN_WORKLOAD"),  SPAN("APIKEY_MALFORMED"),
    SPAN("APIKEY_UNKNOWN"),  SPAN("APIKEY_EXPIRED"),
    SPAN("APIKEY_WORKLOAD"), SPAN("TOKEN_UNBOUND"),
    SPAN("CNF_UNKNOWN"),     SPAN("CNF_CERTIFICATE"),
    SPAN("BOUND_AS_BEARER"), SPAN("PROOF_MISSING"),
    SPAN("PROOF_REPEATED"),  SPAN("PROOF_MALFORMED"),
    SPAN("PROOF_TYP"),       SPAN("PROOF_ALG"),
    SPAN("PROOF_KEY"),       SPAN("PROOF_PRIVATE"),
    SPAN("PROOF_CRIT"),      SPAN("PROOF_CLAIM"),
    SPAN("PROOF_SIGNATURE"), SPAN("PROOF_HTM"),
    SPAN("PROOF_HTU"),       SPAN("PROOF_IAT"),
    SPAN("PROOF_NONCE"),     SPAN("PROOF_NONCE_INVENTED"),
    SPAN("PROOF_ATH"),       SPAN("PROOF_JKT"),
    SPAN("PROOF_REPLAYED"),  SPAN("PROOF_BEFORE_START"),
    SPAN("SCOPE"),           SPAN("POLICY_NO_PERMIT"),
    SPAN("POLICY_FORBID"),   SPAN("POLICY_FORBID_ERROR"),
    SPAN("POLICY_BUDGET"),   SPAN("KEYS_STALE"),
    SPAN("INTROSPECTION"),
};

static void all_other_refusals_count_in_every_mode(void **state)
{
    (void)state;
    size_t next = 0;
    for (int i = 0; i < ERR_INDEX_COUNT; i++) {
        bool may = gw_refusal_gate(-1 - i) != GW_GATE_COUNT;
        struct span name = err_info(-1 - i)->name;
        bool expected = next < sizeof may_be_observed / sizeof *may_be_observed && span_eq(name, may_be_observed[next]);
        if (may != expected)
            fail_msg("%.*s", SPAN_FMT(name));
        next += expected;
    }
    assert_int_equal(next, sizeof may_be_observed / sizeof *may_be_observed);
}

static void a_refusal_counts_where_nobody_said_observe_and_when_its_day_is_over(void **state)
{
    (void)state;
    static const struct {
        struct gw_config_mode mode;
        int token, policy;
    } rows[] = {
        { { .until_ms = HOUR_MS }, ERR_TOKEN_MISSING, ERR_POLICY_NO_PERMIT },
        { { .token = true, .until_ms = HOUR_MS }, GW_PASS, ERR_POLICY_NO_PERMIT },
        { { .policy = true, .until_ms = HOUR_MS }, ERR_TOKEN_MISSING, GW_PASS },
        { { .token = true, .policy = true, .until_ms = 1000 }, ERR_TOKEN_MISSING, ERR_POLICY_NO_PERMIT },
        { { .token = true, .policy = true, .until_ms = 1001 }, GW_PASS, GW_PASS },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        struct gw_present present;
        init(&f, &present, "", 1);
        f.config.listener.modes = rows[i].mode;
        assert_int_equal(observed(&f), rows[i].policy);
        assert_int_equal(gw_observe(&f.x, ERR_TOKEN_MISSING), rows[i].token);
        assert_int_equal(gw_observed(&f.x), rows[i].token == GW_PASS || rows[i].policy == GW_PASS);
        gw_exchange_fini(&f.x);
        asked_fini(&f);
    }
}

static void observing_does_not_write_the_verdict(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "", 1);
    assert_int_equal(gw_observe(&f.x, ERR_TOKEN_SIGNATURE), GW_PASS);
    assert_int_equal(observed(&f), GW_PASS);
    assert_int_equal(f.x.verdict, GW_DENY);
    assert_int_equal(f.x.error, 0);
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void nothing_is_believed_of_a_token_that_was_let_through(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "permit" ANYBODY " when { context.token has subject };",
        "permit" ANYBODY " when { context.token has issuer };",
        "permit" ANYBODY " when { context.token has tenant };",
        "permit" ANYBODY " when { context.token.bound_to != \"nothing\" };",
        "permit" ANYBODY " when { context.token.claims has sub };",
        "permit" ANYBODY " when { context.token.roles.contains(\"admin\") };",
        "permit(principal in Role::\"corp/admin\", action, resource);",
    };
    static const struct span admin[] = { SPAN("admin") };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct asked f;
        struct gw_present present;
        init(&f, &present, policies[i], 1);
        f.config.listener.modes.policy = false;
        f.token.roles = (struct pki_names){ admin, 1 };
        f.token.tenant = SPAN("acme");
        f.token.has_jkt = true;
        // It was believed when this was decided, and is not any more.
        assert_int_equal(observed(&f), 0);
        assert_true(f.x.permitted);
        assert_int_equal(gw_observe(&f.x, ERR_TOKEN_EXPIRED), GW_PASS);
        assert_null(f.x.token);
        assert_false(f.x.permitted);
        assert_int_equal(observed(&f), ERR_POLICY_NO_PERMIT);
        assert_false(asked_recorded(&f, "\"decision\":\"observed\""));
        assert_true(asked_recorded(
            &f, "\"observed\":[{\"gate\":\"token\",\"code\":\"token_expired\",\"rule\":\"TOKEN_EXPIRED\""));
        // Whose it was is in that entry, and nowhere where it would say who asked.
        assert_true(asked_recorded(&f, "\"issuer\":\"https://i\",\"subject\":\"alice\",\"jti\":\"t1\"}]"));
        assert_false(asked_recorded(&f, "\"jti\":\"t1\",\"method\""));
        gw_exchange_fini(&f.x);
        asked_fini(&f);
    }
}

static void a_policy_about_the_workload_decides_without_a_token(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present,
         "permit(principal == Workload::\"spiffe://a/rag\", action == Action::\"search\", resource);"
         "forbid" ANYBODY " when { context.token.groups.contains(\"left\") };",
         1);
    f.config.listener.modes.policy = false;
    assert_int_equal(gw_observe(&f.x, ERR_TOKEN_MISSING), GW_PASS);
    assert_int_equal(observed(&f), 0);
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void a_token_that_is_good_but_for_its_scopes_is_believed(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "permit" ANYBODY " when { context.token.subject == \"alice\" };", 1);
    f.config.listener.modes.policy = false;
    f.authorisations[0].action = GW_ACTION_DROP;
    assert_int_equal(observed(&f), GW_AGAIN);
    assert_int_equal(observed(&f), 0);
    f.x.verdict = GW_ALLOW;
    assert_true(asked_recorded(
        &f, "\"decision\":\"observed\",\"observed\":[{\"gate\":\"token\",\"code\":\"insufficient_scope\""));
    assert_true(asked_recorded(&f, "\"why\":\"drop\""));
    assert_true(asked_recorded(&f, "\"subject\":\"alice\",\"issuer\""));
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void scopes_count_for_the_rest_of_a_request_that_policies_may_not_refuse(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "", 2);
    f.config.listener.modes.token = false;
    f.authorisations[1].action = GW_ACTION_DROP;
    assert_int_equal(observed(&f), ERR_SCOPE);
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void what_holds_of_a_request_still_obliges(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    // The search of faq is permitted within a filter that this request, which could not be read, cannot be given; that of docs is not permitted.
    init(&f, &present,
         "@filter(\"tenant\", \"\\\"acme\\\"\") permit(principal, action, resource == Collection::\"faq\");", 2);
    f.x.meaning.fan = GW_API_FAN_MERGE;
    assert_int_equal(observed(&f), ERR_POLICY_OBLIGATION);
    assert_int_equal(f.x.observed[GW_GATE_POLICY].error, ERR_POLICY_NO_PERMIT);
    gw_exchange_fini(&f.x);
    asked_fini(&f);
    // Where nothing obliges it goes on, and the record has the decisions about all of it.
    init(&f, &present, "forbid(principal, action, resource == Collection::\"docs\");", 2);
    assert_int_equal(observed(&f), GW_PASS);
    assert_int_equal(f.x.n_decisions, 2);
    assert_int_equal(f.x.observed[GW_GATE_POLICY].error, ERR_POLICY_FORBID);
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void a_lesser_request_that_is_permitted_is_no_refusal(void **state)
{
    (void)state;
    for (int permitted = 0; permitted < 2; permitted++) {
        struct asked f;
        struct gw_present present;
        init(&f, &present, permitted ? "permit(principal, action == Action::\"read\", resource);" : "", 1);
        f.config.listener.modes.token = false;
        f.issuer.scopeless = true;
        f.token.actions = UINT64_MAX;
        f.authorisations[0].action = GW_ACTION_CREATE;
        f.x.meaning.alternative.present = true;
        f.x.meaning.alternative.authorisation =
            (struct gw_api_authorisation){ .action = GW_ACTION_READ, .collection = SPAN("docs") };
        assert_int_equal(observed(&f), 0);
        assert_int_equal(gw_observed(&f.x), !permitted);
        // What goes on is the whole request where neither is permitted, and its decision alone is in the record.
        assert_int_equal(f.x.meaning.authorisations[0].action, permitted ? GW_ACTION_READ : GW_ACTION_CREATE);
        assert_int_equal(f.x.n_decisions, permitted ? 2 : 1);
        gw_exchange_fini(&f.x);
        asked_fini(&f);
    }
}

static void a_token_in_the_query_is_refused_since_a_shard_would_get_it(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int rc;
    } rows[] = {
        { "access_token=x", ERR_TOKEN_WAYS },
        { "a=b&access%5Ftoken=x", ERR_TOKEN_WAYS },
        { "access_token=x&access_token=y", ERR_TOKEN_WAYS },
        { "a=b", GW_PASS },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        struct gw_present present;
        init(&f, &present, "", 1);
        f.x.to.query = span_str(rows[i].query);
        assert_int_equal(gw_observe(&f.x, ERR_TOKEN_WAYS), rows[i].rc);
        gw_exchange_fini(&f.x);
        asked_fini(&f);
    }
}

static void what_it_was_decided_by_is_recorded_where_only_denials_have_it(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "", 1);
    f.config.audit.inputs = GW_CONFIG_INPUTS_DENIED;
    assert_int_equal(observed(&f), 0);
    f.x.verdict = GW_ALLOW;
    assert_true(asked_recorded(&f, "\"inputs\":[{\"principal\""));
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void the_answer_has_codes_and_no_policies(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "@id(\"secret-name\") forbid" ANYBODY ";", 1);
    assert_int_equal(gw_observe(&f.x, ERR_TOKEN_MISSING), GW_PASS);
    assert_true(span_eq(f.x.fields[GW_ANSWER_OBSERVED].value, SPAN("token_missing")));
    assert_int_equal(observed(&f), GW_PASS);
    assert_true(span_eq(f.x.fields[GW_ANSWER_OBSERVED].value, SPAN("token_missing, denied")));
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void entries_of_a_list_are_shown_and_counted(void **state)
{
    (void)state;
    struct asked f;
    struct gw_present present;
    init(&f, &present, "permit(principal, action, resource == Collection::\"docs\");", 1);
    assert_true(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("docs")));
    assert_false(gw_observed(&f.x));
    assert_true(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("faq")));
    assert_true(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("hr")));
    assert_true(asked_recorded(&f, "\"hidden\":2"));
    f.config.listener.modes.policy = false;
    assert_false(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("faq")));
    gw_exchange_fini(&f.x);
    asked_fini(&f);
}

static void what_was_taken_back_is_refused_whatever_else_is_wrong(void **state)
{
    (void)state;
    static const int other[] = { ERR_TOKEN_UNBOUND, ERR_PROOF_REPLAYED, ERR_CNF_CERTIFICATE, ERR_SCOPE };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        struct asked f;
        struct gw_present present;
        init(&f, &present, "permit" ANYBODY ";", 1);
        struct pki_revoked *set = pki_revoked_new();
        struct pki_revoked_entry entry = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN("alice") };
        assert_int_equal(pki_revoked_add(set, &entry), 0);
        struct pki_revoked *revoked[GW_REVOKED_FROM_COUNT] = { set };
        present.revoked = revoked;
        assert_int_equal(gw_observe(&f.x, other[i]), ERR_TOKEN_REVOKED);
        assert_false(gw_observed(&f.x));
        gw_exchange_fini(&f.x);
        pki_revoked_unref(set);
        asked_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_other_refusals_count_in_every_mode),
        cmocka_unit_test(a_refusal_counts_where_nobody_said_observe_and_when_its_day_is_over),
        cmocka_unit_test(observing_does_not_write_the_verdict),
        cmocka_unit_test(nothing_is_believed_of_a_token_that_was_let_through),
        cmocka_unit_test(a_policy_about_the_workload_decides_without_a_token),
        cmocka_unit_test(a_token_that_is_good_but_for_its_scopes_is_believed),
        cmocka_unit_test(scopes_count_for_the_rest_of_a_request_that_policies_may_not_refuse),
        cmocka_unit_test(what_holds_of_a_request_still_obliges),
        cmocka_unit_test(a_lesser_request_that_is_permitted_is_no_refusal),
        cmocka_unit_test(a_token_in_the_query_is_refused_since_a_shard_would_get_it),
        cmocka_unit_test(what_it_was_decided_by_is_recorded_where_only_denials_have_it),
        cmocka_unit_test(the_answer_has_codes_and_no_policies),
        cmocka_unit_test(entries_of_a_list_are_shown_and_counted),
        cmocka_unit_test(what_was_taken_back_is_refused_whatever_else_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
