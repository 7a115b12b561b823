// SPDX-License-Identifier: GPL-3.0-or-later
// Requests and policies that are only tried out: what the stage refuses or lets through stays what it was, and the record says what
// would have been of the request as a whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/base/err.h"
#include "gateway/stages/account.h"
#include "gateway/stages/pipeline.h"

#define SHADOW "@mode(\"shadow\") "
#define ANYBODY "(principal, action, resource)"
#define WRITES "(principal, action == Action::\"write\", resource)"
#define DELETES "(principal, action == Action::\"delete\", resource)"

struct fixture {
    struct diags diags;
    struct gw_snapshot snapshot;
    struct gw_tls_peer peer;
    struct gw_tls_facts tls;
    struct pki_issuer issuer;
    struct pki_token token;
    struct gw_metrics metrics;
    uint16_t rows[8];
    struct gw_services services;
    struct gw_api_authorisation authorisations[2];
    struct gw_exchange x;
    struct buf record;
    int rc;
};

// A request that writes and deletes, decided.
static void fixture_init(struct fixture *f, const char *policies, bool alternative)
{
    static const struct pol_options options = { .strict_annotations = true, .hash_key = 7 };
    struct pol_source source = { SPAN("p.cedar"), span_str(policies) };
    memset(f, 0, sizeof *f);
    diags_init(&f->diags);
    f->snapshot.policies = pol_set_new(&source, 1, NULL, 0, &options, &f->diags);
    assert_non_null(f->snapshot.policies);
    for (uint16_t i = 0; i < 8; i++)
        f->rows[i] = i;
    f->snapshot.policy_rows = f->rows;
    f->peer.identity = (struct pki_identity){
        .spiffe_id = SPAN("spiffe://a/rag"), .trust_domain = SPAN("a"), .path = SPAN("/rag"), .serial = SPAN("1")
    };
    f->issuer = (struct pki_issuer){ .name = SPAN("corp"), .iss = SPAN("https://i"), .scopeless = true };
    f->token = (struct pki_token){ .issuer = &f->issuer, .claims = SPAN("{}"), .actions = UINT64_MAX };
    f->services.metrics = &f->metrics;
    f->authorisations[0] = (struct gw_api_authorisation){ .action = GW_ACTION_WRITE, .collection = SPAN("docs") };
    f->authorisations[1] = (struct gw_api_authorisation){ .action = GW_ACTION_DELETE, .collection = SPAN("docs") };
    f->x.snapshot = &f->snapshot;
    f->x.services = &f->services;
    f->x.peer = &f->peer;
    f->x.tls = &f->tls;
    f->x.token = &f->token;
    f->x.meaning.api = SPAN("qdrant");
    f->x.meaning.authorisations = f->authorisations;
    f->x.meaning.n_authorisations = 2;
    f->x.meaning.alternative.present = alternative;
    f->x.meaning.alternative.authorisation =
        (struct gw_api_authorisation){ .action = GW_ACTION_READ, .collection = SPAN("docs") };
    arena_init(&f->x.arena, 64u << 20);
    f->rc = gw_stage_policy(&f->x);
    f->x.verdict = f->rc == 0 ? GW_ALLOW : GW_DENY;
    f->x.error = f->rc;
    buf_init(&f->record, 0);
    assert_true(gw_account(&f->x, GW_AUDIT_REQUEST, &f->record));
}

static void fixture_fini(struct fixture *f)
{
    buf_fini(&f->record);
    arena_fini(&f->x.arena);
    pol_set_free(f->snapshot.policies);
    diags_fini(&f->diags);
}

static bool recorded(const struct fixture *f, const char *text)
{
    return memmem(buf_span(&f->record).p, buf_len(&f->record), text, strlen(text)) != NULL;
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
        struct fixture f;
        fixture_init(&f, rows[i].policies, rows[i].alternative);
        assert_int_equal(f.rc, rows[i].rc);
        assert_int_equal(f.x.shadow_differs, rows[i].shadow != NULL);
        assert_int_equal(recorded(&f, "\"shadow\""), rows[i].shadow != NULL);
        assert_true(!rows[i].shadow || recorded(&f, rows[i].shadow));
        assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_ALLOW] + f.metrics.value[GW_METRIC_SHADOW_DENY],
                         rows[i].shadow != NULL);
        fixture_fini(&f);
    }
}

static void decisions_count_for_who_determined_them(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f,
                 "permit" ANYBODY ";" SHADOW "forbid" DELETES ";"
                 "permit(principal, action == Action::\"read\", resource);" SHADOW "forbid" ANYBODY
                 " when { context.absent };",
                 false);
    assert_int_equal(f.rc, 0);
    assert_int_equal(f.metrics.policy[0], 2);
    assert_int_equal(f.metrics.policy[1], 1);
    assert_int_equal(f.metrics.policy[2], 0);
    assert_int_equal(f.metrics.policy[3], 1); // it would have denied the write, for it could not be evaluated
    assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_ERROR], 2);
    assert_int_equal(f.metrics.value[GW_METRIC_POLICY_ERROR], 0);
    assert_int_equal(f.metrics.value[GW_METRIC_SHADOW_DENY], 1);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_request_is_recorded_as_it_would_have_been_decided),
        cmocka_unit_test(decisions_count_for_who_determined_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
