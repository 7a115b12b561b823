// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar's own integration tests, hand-written and machine-made: decision, determining policies and errors must be equal, in
// every case, and again when decided from the audit form. Schemas are not looked at.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "policy/decide.h"
#include "policy/request_json.h"
#include "tests/support/cedar_cases.h"
#include "tests/support/partial_check.h"

struct tally {
    unsigned cases, requests, failed, partly;
};

// The hand-written cases leave it to their schema to say what is an entity; here every {"type", "id"} is one, but for an
// entity's own uid and its parents.
static void mark_entities(struct json_writer *w, json v, bool value)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json child;
    bool is = value && json_count(v) == 2 && json_get(v, SPAN("type")) && json_get(v, SPAN("id"));

    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY) {
        json_w_value(w, v);
        return;
    }
    if (is) {
        json_w_object(w);
        json_w_key(w, SPAN("__entity"));
    }
    if (json_type(v) == JSON_OBJECT)
        json_w_object(w);
    else
        json_w_array(w);
    while (json_next(&it, &name, &child)) {
        if (json_type(v) == JSON_OBJECT)
            json_w_key(w, name);
        mark_entities(w, child, value || span_eq(name, SPAN("attrs")));
    }
    json_w_end(w);
    if (is)
        json_w_end(w);
}

static void with_entities_marked(struct buf *b)
{
    struct json_doc *doc = json_parse(buf_span(b), NULL, NULL);
    struct buf out;
    struct json_writer w;

    assert_non_null(doc);
    buf_init(&out, 0);
    w = json_writer(&out);
    mark_entities(&w, json_root(doc), false);
    json_free(doc);
    buf_fini(b);
    *b = out;
}

static void complain(const char *name, const struct diags *d)
{
    struct arena a;

    arena_init(&a, 0);
    for (const struct diag *e = d->first; e; e = e->next)
        print_error("%s: %s\n", name, diag_format(&a, e).p);
    arena_fini(&a);
}

static bool listed(json list, struct span id)
{
    struct json_iter it = json_iter(list);
    struct span name;
    json v;

    while (json_next(&it, &name, &v))
        if (span_eq(json_string(v), id))
            return true;
    return false;
}

static bool as_expected(const struct pol_request *r, const struct pol_answer *a, json expected)
{
    json reason = json_get(expected, SPAN("reason")), errors = json_get(expected, SPAN("errors"));

    if (a->allow != span_eq(json_string(json_get(expected, SPAN("decision"))), SPAN("allow")))
        return false;
    if (a->n_determining != json_count(reason) || a->n_failures != json_count(errors))
        return false;
    for (size_t i = 0; i < a->n_determining; i++)
        if (!listed(reason, pol_answer_id(r, a, i)))
            return false;
    for (size_t i = 0; i < a->n_failures; i++)
        if (!listed(errors, pol_set_policy(r->set, a->failures[i].policy)->id))
            return false;
    return true;
}

// What was decided is written as JSON, and decided again from that alone.
static bool replayed(struct pol_request *r, const struct pol_set *bare, const struct pol_answer *a, json expected)
{
    struct arena arena;
    struct diags d;
    struct buf b;
    struct pol_request again;
    struct pol_answer b_answer;
    bool ok;

    arena_init(&arena, 0);
    diags_init(&d);
    buf_init(&b, 0);
    pol_request_init(&again, bare, &arena);
    ok = pol_request_to_json(r, &b) && pol_request_from_json(&again, SPAN("replay"), buf_span(&b), false, &d);
    if (ok) {
        pol_decide(&again, POL_MODE_CEDAR, 0, &b_answer);
        ok = b_answer.allow == a->allow && b_answer.candidates == a->candidates &&
             as_expected(&again, &b_answer, expected);
    }
    if (!ok)
        print_error("replay: %.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    diags_fini(&d);
    arena_fini(&arena);
    return ok;
}

static void request(struct tally *t, const char *name, const struct pol_set *set, const struct pol_set *bare, json v)
{
    struct arena arena;
    struct diags d;
    struct pol_request r;
    struct pol_answer a;

    arena_init(&arena, 0);
    diags_init(&d);
    pol_request_init(&r, set, &arena);
    if (!pol_request_from_value(&r, SPAN("request"), v, true, &d)) {
        t->failed++;
        complain(name, &d);
    } else {
        t->requests++;
        pol_decide(&r, POL_MODE_CEDAR, 0, &a);
        if (!as_expected(&r, &a, v) || !replayed(&r, bare, &a, v)) {
            t->failed++;
            print_error("%s: %.*s: got %s, %zu reasons, %zu errors\n", name,
                        SPAN_FMT(json_string(json_get(v, SPAN("description")))), a.allow ? "allow" : "deny",
                        a.n_determining, a.n_failures);
            for (size_t i = 0; i < a.n_failures; i++)
                print_error("    %.*s\n", SPAN_FMT(a.failures[i].text));
        }
    }
    diags_fini(&d);
    arena_fini(&arena);
}

// What can be decided before the context is known changes nothing: each request of the case in turn, met for the first time, the second, and again.
static void partly(struct tally *t, const char *name, const struct pol_set *set, json requests)
{
    static const enum pol_mode modes[] = { POL_MODE_CEDAR, POL_MODE_GATEWAY, POL_MODE_CEDAR, POL_MODE_GATEWAY };
    struct partial_check c = { .partials = pol_partials_new(set, 256, 42) };

    pol_partials_keep_text(c.partials);
    for (size_t round = 0; round < sizeof modes / sizeof *modes; round++) {
        struct json_iter it = json_iter(requests);
        struct span member, difference;
        json v;

        c.mode = modes[round];
        while (json_next(&it, &member, &v)) {
            struct arena arena;

            arena_init(&arena, 0);
            difference = partial_difference(&c, set, v, &arena);
            if (!span_is_none(difference)) {
                t->failed++;
                print_error("%s: %.*s\n", name, SPAN_FMT(difference));
            }
            arena_fini(&arena);
        }
    }
    t->partly += c.found;
    pol_partials_free(c.partials);
}

static void one_case(void *ctx, const char *root, const char *file)
{
    struct tally *t = ctx;
    bool by_schema = span_starts(span_str(file), SPAN("tests/"));
    static const struct pol_options options = { .ids_by_position = true, .hash_key = 42 };
    struct buf text, policies, entities;
    struct json_error error;
    struct json_doc *doc;
    struct pol_set *set, *bare;
    struct diags d;

    buf_init(&text, 0);
    buf_init(&policies, 0);
    buf_init(&entities, 0);
    diags_init(&d);
    assert_true(cedar_read(&text, root, span_str(file)));
    doc = json_parse(buf_span(&text), &(struct json_limits){ .nul_names = true }, &error);
    assert_non_null(doc);
    assert_true(cedar_read(&policies, root, json_string(json_get(json_root(doc), SPAN("policies")))));
    assert_true(cedar_read(&entities, root, json_string(json_get(json_root(doc), SPAN("entities")))));
    if (by_schema)
        with_entities_marked(&entities);
    struct pol_source p = { SPAN("policies"), buf_span(&policies) }, e = { SPAN("entities"), buf_span(&entities) };
    set = pol_set_new(&p, 1, &e, 1, &options, &d);
    bare = set ? pol_set_new(&p, 1, NULL, 0, &options, &d) : NULL;
    if (set && bare) {
        struct json_iter it = json_iter(json_get(json_root(doc), SPAN("requests")));
        struct span name;
        json v;

        t->cases++;
        while (json_next(&it, &name, &v))
            request(t, file, set, bare, v);
        partly(t, file, set, json_get(json_root(doc), SPAN("requests")));
    } else {
        t->failed++;
        complain(file, &d);
    }
    pol_set_free(bare);
    pol_set_free(set);
    json_free(doc);
    diags_fini(&d);
    buf_fini(&text);
    buf_fini(&policies);
    buf_fini(&entities);
}

static void report(const char *what, const struct tally *t)
{
    print_message("%s: %u cases, %u requests, %u failed; %u times decided partly\n", what, t->cases, t->requests,
                  t->failed, t->partly);
    assert_true(t->partly > t->requests);
}

static void hand_written_cases_decide_as_cedar(void **state)
{
    struct tally t = { 0 };

    (void)state;
    if (!cedar_hand_written(one_case, &t))
        skip();
    report("hand-written", &t);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.cases, CEDAR_HAND_WRITTEN);
    assert_int_equal(t.requests, 74);
}

static void machine_made_cases_decide_as_cedar(void **state)
{
    struct tally t = { 0 };

    (void)state;
    if (!cedar_machine_made(one_case, &t))
        skip();
    report("machine-made", &t);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.cases, CEDAR_MACHINE_MADE);
    assert_int_equal(t.requests, 12000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_written_cases_decide_as_cedar),
        cmocka_unit_test(machine_made_cases_decide_as_cedar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
