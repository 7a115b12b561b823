// SPDX-License-Identifier: GPL-3.0-or-later
// Over the machine-made cases of Cedar's integration tests: an explanation says of every policy what the decision said, and a formatted text
// decides what the text decided, and is formatted already.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/base/file.h"
#include "policy/explain.h"
#include "policy/format.h"
#include "policy/parse.h"
#include "policy/print.h"
#include "policy/request_json.h"
#include "tests/support/cedar_cases.h"

static const struct pol_options options = { .ids_by_position = true, .hash_key = 42 };

struct tally {
    unsigned cases, requests, reasons;
};

static bool listed(const struct pol_answer *a, uint32_t policy)
{
    for (size_t i = 0; i < a->n_determining; i++)
        if (a->determining[i] == policy)
            return true;
    return false;
}

static bool errored(const struct pol_answer *a, uint32_t policy)
{
    for (size_t i = 0; i < a->n_failures; i++)
        if (a->failures[i].policy == policy)
            return true;
    return false;
}

static bool same_answer(const struct pol_answer *a, const struct pol_answer *b)
{
    bool same = a->allow == b->allow && a->n_determining == b->n_determining && a->n_failures == b->n_failures;

    for (size_t i = 0; same && i < a->n_determining; i++)
        same = a->determining[i] == b->determining[i];
    for (size_t i = 0; same && i < a->n_failures; i++)
        same = a->failures[i].policy == b->failures[i].policy && span_eq(a->failures[i].text, b->failures[i].text);
    return same;
}

static void explained(struct tally *t, const char *name, struct pol_set *set, const struct pol_source *p,
                      struct pol_request *r, const struct pol_answer *a)
{
    const struct pol_account *accounts;
    uint32_t candidates = 0;

    assert_true(pol_explain(set, p, 1, &options, r, &accounts));
    for (uint32_t i = 0; i < pol_set_count(set); i++) {
        bool forbid = pol_set_policy(set, i)->effect == POL_FORBID;

        candidates += accounts[i].became != POL_ELSEWHERE;
        t->reasons += (unsigned)accounts[i].n_because;
        if (errored(a, i) != (accounts[i].became == POL_ERRED))
            fail_msg("%s: policy%u: an error that is none, or none that is one", name, i);
        if (listed(a, i) && accounts[i].became != POL_HELD)
            fail_msg("%s: policy%u determines, but is not said to hold", name, i);
        // Where there is no forbid, every permit that holds determines; every forbid that holds does.
        if (accounts[i].became == POL_HELD && !listed(a, i) && (forbid || a->allow))
            fail_msg("%s: policy%u is said to hold, but does not determine", name, i);
        if (accounts[i].became == POL_FALSE && accounts[i].n_because == 0)
            fail_msg("%s: policy%u: nothing is said to be false", name, i);
    }
    // A policy whose condition is constantly false is no candidate of the decision, but of the explanation.
    assert_true(candidates >= a->candidates);
}

// What a condition is printed as is read as the same condition.
static void printed(const char *name, const struct pol_source *p)
{
    struct arena arena;
    struct diags d;

    arena_init(&arena, 0);
    diags_init(&d);
    for (const struct pol_ast_policy *a = pol_parse(&arena, p, &options, &d); a; a = a->next) {
        for (const struct pol_ast_condition *c = a->conditions; c; c = c->next) {
            struct buf text, again;

            buf_init(&text, 0), buf_init(&again, 0);
            buf_append(&text, SPAN("permit(principal, action, resource) when { "));
            size_t from = buf_len(&text);
            pol_print_expr(&text, c->expr);
            size_t to = buf_len(&text);
            buf_append(&text, SPAN(" };"));
            struct pol_source q = { SPAN("printed"), buf_span(&text) };
            const struct pol_ast_policy *b = pol_parse(&arena, &q, &options, &d);
            if (!b || !b->conditions)
                fail_msg("%s: cannot be read again: %.*s", name, SPAN_FMT(buf_span(&text)));
            pol_print_expr(&again, b->conditions->expr);
            if (!span_eq(buf_span(&again), span_sub(buf_span(&text), from, to)))
                fail_msg("%s: %.*s is read as %.*s", name, SPAN_FMT(buf_span(&text)), SPAN_FMT(buf_span(&again)));
            buf_fini(&text), buf_fini(&again);
        }
    }
    diags_fini(&d);
    arena_fini(&arena);
}

static void one_case(void *ctx, const char *dir, const char *file)
{
    struct tally *t = ctx;
    char path[4096], stem[256];
    struct buf text, policies, entities, once, twice;
    struct diags d;

    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(file) - 5), file);
    buf_init(&text, 0), buf_init(&policies, 0), buf_init(&entities, 0), buf_init(&once, 0), buf_init(&twice, 0);
    diags_init(&d);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    assert_int_equal(0, file_read(path, POL_TEXT_MAX, &text));
    snprintf(path, sizeof path, "%s/%s.cedar", dir, stem);
    assert_int_equal(0, file_read(path, POL_TEXT_MAX, &policies));
    snprintf(path, sizeof path, "%s/%s.entities.json", dir, stem);
    assert_int_equal(0, file_read(path, POL_TEXT_MAX, &entities));
    struct pol_source p = { SPAN("p.cedar"), buf_span(&policies) }, e = { SPAN("e.json"), buf_span(&entities) };
    struct pol_source q = { SPAN("p.cedar"), SPAN_NONE };
    printed(stem, &p);
    assert_true(pol_format(&p, &once, &d));
    q.text = buf_span(&once);
    assert_true(pol_format(&q, &twice, &d));
    if (!span_eq(buf_span(&once), buf_span(&twice)))
        fail_msg("%s: formatting twice is not formatting once", stem);
    struct pol_set *set = pol_set_new(&p, 1, &e, 1, &options, &d), *other = pol_set_new(&q, 1, &e, 1, &options, &d);
    assert_non_null(set);
    assert_non_null(other);
    struct json_doc *doc = json_parse(buf_span(&text), &(struct json_limits){ .nul_names = true }, NULL);
    assert_non_null(doc);
    struct json_iter it = json_iter(json_get(json_root(doc), SPAN("requests")));
    struct span name;
    json v;
    t->cases++;
    while (json_next(&it, &name, &v)) {
        struct pol_request r, s;
        struct pol_answer a, b;
        struct arena arena;

        arena_init(&arena, 0);
        pol_request_init(&r, set, &arena);
        pol_request_init(&s, other, &arena);
        assert_true(pol_request_from_value(&r, SPAN("r"), v, true, &d));
        assert_true(pol_request_from_value(&s, SPAN("r"), v, true, &d));
        pol_decide(&r, POL_MODE_CEDAR, 0, &a);
        pol_decide(&s, POL_MODE_CEDAR, 0, &b);
        t->requests++;
        if (!same_answer(&a, &b))
            fail_msg("%s: the formatted text decides something else", stem);
        explained(t, stem, set, &p, &r, &a);
        arena_fini(&arena);
    }
    json_free(doc);
    pol_set_free(set);
    pol_set_free(other);
    diags_fini(&d);
    buf_fini(&text), buf_fini(&policies), buf_fini(&entities), buf_fini(&once), buf_fini(&twice);
}

static void explanations_and_formatted_texts_agree_with_decisions(void **state)
{
    struct tally t = { 0 };

    (void)state;
    if (!cedar_machine_made(one_case, &t))
        skip();
    print_message("%u cases, %u requests, %u reasons\n", t.cases, t.requests, t.reasons);
    assert_int_equal(t.cases, CEDAR_MACHINE_MADE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explanations_and_formatted_texts_agree_with_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
