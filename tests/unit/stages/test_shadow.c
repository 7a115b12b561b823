// SPDX-License-Identifier: GPL-3.0-or-later
// Requests and policies that are only tried out: what the stage refuses or lets through stays what it was, and the record says what
// would have been of the request as a whole.
#include "tests/unit/stages/asked.h"

#define SHADOW "@mode(\"shadow\") "
#define WRITES "(principal, action == Action::\"write\", resource)"
#define DELETES "(principal, action == Action::\"delete\", resource)"

// A request that writes and deletes.
static void init(struct asked *f, const char *policies, bool alternative)
{
    asked_init(f, policies, NULL, 2);
    f->authorisations[0] = (struct gw_api_authorisation){ .action = GW_ACTION_WRITE, .collection = SPAN("docs") };
    f->authorisations[1] = (struct gw_api_authorisation){ .action = GW_ACTION_DELETE, .collection = SPAN("docs") };
    f->x.meaning.alternative.present = alternative;
    f->x.meaning.alternative.authorisation =
        (struct gw_api_authorisation){ .action = GW_ACTION_READ, .collection = SPAN("docs") };
}

struct row {
    const char *policies;
    int rc;
    const char *shadow; // of the record; NULL: none
    bool alternative;
};

static void the_whole_request_is_recorded_as_it_would_have_been_decided(void **state)
{
    static const struct row rows[] = {
        { "permit" ANYBODY ";", 0, NULL, false },
        { "permit" ANYBODY ";" SHADOW "@id(\"s\") forbid" DELETES ";", 0,
          "\"shadow\":{\"decision\":\"deny\",\"policies\":[\"s\"]}", false },
        { "permit" ANYBODY ";" SHADOW "@id(\"s\") permit" ANYBODY ";", 0, NULL, false },
        { SHADOW "@id(\"s\") permit" ANYBODY ";", ERR_POLICY_NO_PERMIT,
          "\"shadow\":{\"decision\":\"allow\",\"policies\":[\"s\"]}", false },
        // The delete was never asked about, and would have been refused all the same...
        { SHADOW "permit" WRITES ";", ERR_POLICY_NO_PERMIT, NULL, false },
        // ... or permitted, by a policy in force.
        { "permit" DELETES ";" SHADOW "@id(\"s\") permit" WRITES ";", ERR_POLICY_NO_PERMIT,
          "\"shadow\":{\"decision\":\"allow\",\"policies\":[\"s\"]}", false },
        // The lesser request does for who may not make the whole one.
        { "permit" ANYBODY ";" SHADOW "forbid" DELETES ";", 0, NULL, true },
        { "permit" ANYBODY ";" SHADOW "@id(\"s\") forbid" ANYBODY ";", 0, "\"shadow\":{\"decision\":\"deny\"", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        init(&f, rows[i].policies, rows[i].alternative);
        assert_int_equal(asked_decide(&f), rows[i].rc);
        assert_int_equal(f.x.shadow_differs, rows[i].shadow != NULL);
        assert_int_equal(asked_recorded(&f, "\"shadow\""), rows[i].shadow != NULL);
        assert_true(!rows[i].shadow || asked_recorded(&f, rows[i].shadow));
        assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_ALLOW] + f.metrics.value[GW_METRIC_SHADOW_DENY],
                         rows[i].shadow != NULL);
        asked_fini(&f);
    }
}

static void decisions_count_for_who_determined_them(void **state)
{
    struct asked f;
    (void)state;
    init(&f,
         "permit" ANYBODY ";" SHADOW "forbid" DELETES ";"
         "permit(principal, action == Action::\"read\", resource);" SHADOW "forbid" ANYBODY " when { context.absent };",
         false);
    assert_int_equal(asked_decide(&f), 0);
    assert_int_equal(f.metrics.policy[0], 2);
    assert_int_equal(f.metrics.policy[1], 1);
    assert_int_equal(f.metrics.policy[2], 0);
    assert_int_equal(f.metrics.policy[3], 1); // it would have denied the write, for it could not be evaluated
    assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_ERROR], 2);
    assert_int_equal(f.metrics.value[GW_METRIC_POLICY_ERROR], 0);
    assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_DENY], 1);
    asked_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_request_is_recorded_as_it_would_have_been_decided),
        cmocka_unit_test(decisions_count_for_who_determined_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
