// SPDX-License-Identifier: GPL-3.0-or-later
// A request to Qdrant by the workload spiffe://a/rag that has come as far as the policy stage, with a token that has no scopes to keep to.
#ifndef SALLYPORT_TESTS_UNIT_STAGES_ASKED_H
#define SALLYPORT_TESTS_UNIT_STAGES_ASKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/base/err.h"
#include "gateway/stages/account.h"
#include "gateway/stages/pipeline.h"

#define ANYBODY "(principal, action, resource)"

struct asked {
    struct diags diags;
    struct gw_config config;
    struct gw_snapshot snapshot;
    struct gw_tls_peer peer;
    struct gw_tls_facts tls;
    struct pki_issuer issuer;
    struct pki_token token;
    struct gw_metrics metrics;
    uint16_t rows[8]; // of the policies' metrics
    struct gw_services services;
    struct gw_api_authorisation authorisations[2];
    struct gw_exchange x;
    struct gw_served_api served; // these three: for tests that bring a request as it comes
    struct span segments[8];
    struct gw_header type;
    struct buf record; // of the last asked_recorded
};

// `claims` NULL: none. The request has the first `n` of f->authorisations, which are the test's to fill in.
static inline void asked_init(struct asked *f, const char *policies, const char *claims, size_t n)
{
    static const struct pol_options options = { .strict_annotations = true, .hash_key = 7 };
    struct pol_source source = { SPAN("p.cedar"), span_str(policies) };
    memset(f, 0, sizeof *f);
    diags_init(&f->diags);
    buf_init(&f->record, 0);
    arena_init(&f->x.arena, 64u << 20);
    f->snapshot.policies = pol_set_new(&source, 1, NULL, 0, &options, &f->diags);
    assert_non_null(f->snapshot.policies);
    for (uint16_t i = 0; i < 8; i++)
        f->rows[i] = i;
    f->snapshot.policy_rows = f->rows;
    f->snapshot.config = &f->config;
    f->peer.identity = (struct pki_identity){
        .spiffe_id = SPAN("spiffe://a/rag"), .trust_domain = SPAN("a"), .path = SPAN("/rag"), .serial = SPAN("1")
    };
    f->issuer = (struct pki_issuer){ .name = SPAN("corp"), .iss = SPAN("https://i"), .scopeless = true };
    f->token =
        (struct pki_token){ .issuer = &f->issuer, .claims = span_str(claims ? claims : "{}"), .actions = UINT64_MAX };
    f->services.metrics = &f->metrics;
    f->x.snapshot = &f->snapshot;
    f->x.services = &f->services;
    f->x.peer = &f->peer;
    f->x.tls = &f->tls;
    f->x.token = &f->token;
    f->x.meaning.api = SPAN("qdrant");
    f->x.meaning.authorisations = f->authorisations;
    f->x.meaning.n_authorisations = n;
}

static inline void asked_fini(struct asked *f)
{
    buf_fini(&f->record);
    arena_fini(&f->x.arena);
    pol_set_free(f->snapshot.policies);
    gw_api_free(f->served.api);
    diags_fini(&f->diags);
}

// The policy stage, with what the exchange says of its outcome.
static inline int asked_decide(struct asked *f)
{
    int rc = gw_stage_policy(&f->x);
    f->x.verdict = rc == 0 ? GW_ALLOW : GW_DENY;
    f->x.error = rc;
    return rc;
}

// Whether the record of the request as it is now has this text in it.
static inline bool asked_recorded(struct asked *f, const char *text)
{
    buf_fini(&f->record);
    buf_init(&f->record, 0);
    assert_true(gw_account(&f->x, GW_AUDIT_REQUEST, &f->record));
    return memmem(buf_span(&f->record).p, buf_len(&f->record), text, strlen(text)) != NULL;
}

#endif
