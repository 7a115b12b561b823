// SPDX-License-Identifier: GPL-3.0-or-later
// What policies of the authority see is what the shipped schema says they see: every fact, in every combination of what there may be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/json.h"
#include "gateway/endpoint/issue.h"
#include "policy/request_json.h"
#include "policy/schema.h"
#include "tests/support/token_bench.h"

enum {
    CERTIFICATE = 1,
    DNS = 2,
    WORKLOAD = 4,
    API_KEY = 8,
    DPOP = 16,
    EXCHANGED = 32,
    ACTOR = 64,
    OFFLINE = 128,
    ALL = 256,
};

// One issue of those that the bits describe; its inputs, as the record holds them.
static struct span inputs_of(struct token_bench *b, unsigned bits, struct gw_visit *v)
{
    static const uint8_t thumbprint[32];
    struct pki_identity id = b->rag;
    struct span role = SPAN("reader"), scope = SPAN("vectors:read"), audience = SPAN(BENCH_AUDIENCE);
    struct pki_token key = { .issuer = &b->registry, .roles = { &role, 1 } };
    struct gw_issue issue = {
        .grant = bits & EXCHANGED ? GW_GRANT_EXCHANGE : GW_GRANT_CREDENTIALS,
        .scopes = { &scope, 1 },
        .offline = (bits & OFFLINE) != 0,
        .audiences = { &audience, 1 },
        .subject = SPAN("alice"),
        .exchanged = (bits & EXCHANGED) != 0,
        .subject_issuer = bits & EXCHANGED ? SPAN(BENCH_IDP) : SPAN_NONE,
        .actor = bits & ACTOR ? SPAN(BENCH_OTHER) : SPAN_NONE,
        .actor_issuer = bits & ACTOR ? SPAN(BENCH_IDP) : SPAN_NONE,
        .impersonates = (bits & EXCHANGED) && !(bits & ACTOR),
    };
    struct gw_oauth o = {
        .a = &b->a,
        .v = v,
        .now_s = BENCH_NOW,
        .client = { .method = bits & API_KEY ? GW_CLIENT_API_KEY : GW_CLIENT_TLS,
                    .id = bits & WORKLOAD ? SPAN(BENCH_RAG) : SPAN("reports"),
                    .workload = bits & WORKLOAD ? SPAN(BENCH_RAG) : SPAN_NONE,
                    .key = bits & API_KEY ? &key : NULL },
        .bound = { .jkt = bits & DPOP ? thumbprint : NULL, .x5t = bits & DPOP ? NULL : thumbprint },
    };
    id.dns = bits & DNS ? SPAN("rag.example") : SPAN_NONE;
    v->certificate = bits & CERTIFICATE ? &id : NULL;
    assert_int_equal(gw_issue_decide(&o, &issue), 0);
    assert_false(span_is_none(v->record.inputs));
    return v->record.inputs;
}

// Members that were there at least once: the schema promises none that never comes.
static void note(struct pol_request *r, const struct span *names, bool *seen, size_t n)
{
    struct buf text;

    buf_init(&text, 0);
    assert_true(pol_request_to_json(r, &text));
    struct json_doc *doc = json_parse(buf_span(&text), NULL, NULL);
    json context = json_get(json_root(doc), SPAN("context"));
    for (size_t i = 0; i < n; i++)
        seen[i] |= json_get(context, names[i]) != NULL;
    json_free(doc);
    buf_fini(&text);
}

static void what_policies_of_the_authority_see_is_what_the_shipped_schema_says(void **state)
{
    static const struct span names[] = {
        SPAN("grant_type"), SPAN("client_auth"),    SPAN("client_id"), SPAN("scopes"),       SPAN("bound_to"),
        SPAN("subject"),    SPAN("subject_issuer"), SPAN("actor"),     SPAN("actor_issuer"), SPAN("time")
    };
    enum { NAMES = sizeof names / sizeof *names };
    struct token_bench b;
    struct diags d;
    bool seen[NAMES] = { false };
    size_t requests = 0;

    (void)state;
    token_bench_init(&b, token_bench_permissive);
    diags_init(&d);
    struct pol_schema *schema = pol_schema_new(&pol_schema_shipped, 1, &d);
    assert_non_null(schema);
    for (unsigned bits = 0; bits < ALL; bits++) {
        struct arena arena;
        arena_init(&arena, 0);
        struct gw_visit v = { .arena = &arena, .now = { .wall_ms = BENCH_NOW * 1000 } };
        struct json_doc *doc = json_parse(inputs_of(&b, bits, &v), NULL, NULL);
        json list = json_root(doc);
        assert_int_equal(json_count(list), bits & EXCHANGED ? bits & ACTOR ? 2 : 3 : 1);
        for (size_t i = 0; i < json_count(list); i++) {
            struct pol_request r;
            pol_request_init(&r, b.snapshot.authority.policies, &arena);
            assert_true(pol_request_from_value(&r, SPAN("inputs"), json_at(list, i), false, &d));
            if (!pol_schema_validate_request(schema, &r, true, SPAN("inputs"), &d))
                print_error("%u: %s\n", bits, diag_format(&arena, d.first).p);
            assert_int_equal(d.errors, 0);
            note(&r, names, seen, NAMES);
            requests++;
        }
        json_free(doc);
        arena_fini(&arena);
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_true(seen[i]);
    assert_true(requests >= ALL);
    pol_schema_free(schema);
    diags_fini(&d);
    token_bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_policies_of_the_authority_see_is_what_the_shipped_schema_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
