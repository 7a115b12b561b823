// SPDX-License-Identifier: GPL-3.0-or-later
// Questions to introspection servers: who waits with whom, what is remembered, and when a server is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/stages/introspection.h"

#define A SPAN("spiffe://example.org/a")
#define B SPAN("spiffe://example.org/b")

static const struct gw_introspection_limits limits[2] = {
    { .calls = 8, .refusal_ms = 1000, .failures = 3, .open_ms = 5000 },
    { .calls = 8, .refusal_ms = 0, .failures = 1, .open_ms = 5000 },
};

struct world {
    struct gw_metrics metrics;
    struct gw_introspection *in;
    struct gw_introspection_wait *waiters; // of the question that failed last: who waited leaves through it
};

static struct world world(void)
{
    return (struct world){ .in = NULL };
}

static void begin(struct world *w)
{
    w->in = gw_introspection_new(limits, 2, &w->metrics);
    assert_non_null(w->in);
}

static uint64_t counted(struct world *w, enum gw_metric which)
{
    return w->metrics.value[which];
}

static void token(uint32_t n, uint8_t sha256[static 32])
{
    memset(sha256, 0, 32);
    memcpy(sha256, &n, sizeof n);
}

static int ask(struct world *w, size_t server, uint32_t n, struct span workload, int64_t now_ms,
               struct gw_introspection_wait *wait)
{
    uint8_t sha256[32];
    token(n, sha256);
    return gw_introspection_ask(w->in, server, sha256, workload, now_ms, wait);
}

static struct pki_token *some_token(void)
{
    struct pki_token *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->refs = 1;
    return t;
}

static void one_question_serves_all_who_wait(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait waits[50] = { { .begin = false } }, *waiters;
    begin(&w);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(0, ask(&w, 0, 1, i % 2 ? A : B, 0, &waits[i]));
        assert_true(waits[i].begin == (i == 0) && waits[i].question == waits[0].question);
    }
    gw_introspection_leave(&waits[7]); // its client went
    struct pki_token *t = some_token();
    gw_question_answered(waits[0].question, 0, t, 1, &waiters);
    size_t n = 0;
    for (const struct gw_introspection_wait *x = waiters; x; x = x->next)
        n += x->answered && x->error == 0 && x->token == t && !x->question;
    assert_int_equal(49, n);
    assert_int_equal(50, t->refs);
    assert_int_equal(1, counted(&w, GW_METRIC_INTROSPECTION_ASKED));
    assert_int_equal(49, counted(&w, GW_METRIC_INTROSPECTION_JOINED));
    for (size_t i = 0; i < 50; i++)
        gw_introspection_leave(&waits[i]);
    assert_null(waiters);
    assert_int_equal(1, t->refs);
    pki_token_unref(t);
    gw_introspection_free(w.in);
}

static void the_first_who_asked_may_go_and_the_others_are_answered(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait first = { 0 }, second = { 0 }, *waiters;
    begin(&w);
    assert_int_equal(0, ask(&w, 0, 1, A, 0, &first));
    assert_int_equal(0, ask(&w, 0, 1, A, 0, &second));
    struct gw_question *q = first.question;
    gw_introspection_leave(&first);
    assert_null(first.question);
    gw_question_answered(q, ERR_TOKEN_INACTIVE, NULL, 1, &waiters);
    assert_ptr_equal(&second, waiters);
    assert_int_equal(ERR_TOKEN_INACTIVE, second.error);
    gw_introspection_leave(&second);
    gw_introspection_free(w.in);
}

static void a_refusal_is_remembered_for_its_time(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 }, *waiters;
    begin(&w);
    assert_int_equal(0, ask(&w, 0, 1, A, 0, &x));
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 100, &waiters);
    gw_introspection_leave(&x);
    assert_int_equal(ERR_TOKEN_INACTIVE, ask(&w, 0, 1, B, 1099, &x)); // whoever brings it
    assert_int_equal(1, counted(&w, GW_METRIC_INTROSPECTION_REFUSED));
    assert_int_equal(0, ask(&w, 0, 1, A, 1100, &x));
    gw_question_answered(x.question, ERR_TOKEN_AUDIENCE, NULL, 1100, &waiters);
    gw_introspection_leave(&x);
    assert_int_equal(ERR_TOKEN_AUDIENCE, ask(&w, 0, 1, A, 1101, &x));
    // The second server's are not remembered at all.
    assert_int_equal(0, ask(&w, 1, 2, A, 0, &x));
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 0, &waiters);
    gw_introspection_leave(&x);
    assert_int_equal(0, ask(&w, 1, 2, A, 0, &x));
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 0, &waiters);
    gw_introspection_leave(&x);
    gw_introspection_free(w.in);
}

static void one_workload_cannot_push_out_what_is_remembered_for_others(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 }, *waiters;
    begin(&w);
    for (uint32_t i = 0; i < 3 * GW_INTROSPECTION_REFUSALS; i++) {
        assert_int_equal(0, ask(&w, 0, i, i == 0 ? B : A, 0, &x));
        gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 0, &waiters);
        gw_introspection_leave(&x);
    }
    assert_int_equal(ERR_TOKEN_INACTIVE, ask(&w, 0, 0, B, 1, &x));
    assert_int_equal(0, ask(&w, 0, 1, A, 1, &x)); // its own went
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 0, &waiters);
    gw_introspection_leave(&x);
    gw_introspection_free(w.in);
}

static void one_workload_cannot_take_all_questions_or_all_places(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait asks[9] = { { .begin = false } }, *waiters;
    static struct gw_introspection_wait many[GW_INTROSPECTION_WAITERS + 1];
    begin(&w);
    assert_int_equal(0, ask(&w, 0, 1, A, 0, &asks[0]));
    assert_int_equal(0, ask(&w, 0, 2, A, 0, &asks[1]));
    assert_int_equal(ERR_OVERLOADED, ask(&w, 0, 3, A, 0, &asks[2])); // a quarter of eight
    assert_int_equal(1, asks[2].retry_after_s);
    assert_int_equal(0, ask(&w, 0, 3, B, 0, &asks[2]));
    assert_int_equal(0, ask(&w, 1, 9, A, 0, &asks[3])); // another server's questions are counted apart
    size_t in = 0;
    while (ask(&w, 0, 1, A, 0, &many[in]) == 0)
        in++;
    assert_int_equal(GW_INTROSPECTION_WAITERS / 4 - 3, in);
    assert_int_equal(0, ask(&w, 0, 1, B, 0, &asks[4]));
    for (size_t i = 0; i < in; i++)
        gw_introspection_leave(&many[i]);
    assert_int_equal(0, ask(&w, 0, 1, A, 0, &many[0])); // and the places come back
    gw_introspection_leave(&many[0]);
    struct gw_question *left[] = { asks[0].question, asks[1].question, asks[2].question, asks[3].question };
    for (size_t i = 0; i < 4; i++) {
        gw_question_failed(left[i], ERR_NOMEM, GW_FAULT_OURS, 0, &waiters);
        while (waiters)
            gw_introspection_leave(waiters);
    }
    // The whole: workloads enough to fill all questions of a server.
    char names[9][8];
    for (size_t i = 0; i < 9; i++) {
        snprintf(names[i], sizeof names[i], "w%zu", i);
        int rc = ask(&w, 0, (uint32_t)i, span_str(names[i]), 0, &asks[i]);
        assert_int_equal(i < 8 ? 0 : ERR_OVERLOADED, rc);
    }
    for (size_t i = 0; i < 8; i++) {
        gw_question_failed(asks[i].question, ERR_NOMEM, GW_FAULT_OURS, 0, &waiters);
        gw_introspection_leave(&asks[i]);
    }
    gw_introspection_free(w.in);
}

static int fail_one(struct world *w, uint32_t n, int64_t now_ms, struct gw_introspection_wait *x)
{
    int rc = ask(w, 0, n, A, now_ms, x);
    if (rc != 0)
        return rc;
    gw_question_failed(x->question, ERR_INTROSPECTION, GW_FAULT_SERVER, now_ms, &w->waiters);
    rc = x->error;
    return rc;
}

static void a_server_that_fails_in_a_row_is_left_alone_and_tried_again(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 }, y = { 0 }, *waiters;
    begin(&w);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ERR_INTROSPECTION, fail_one(&w, i, 100, &x));
        assert_int_equal(i < 2 ? 1 : 5, x.retry_after_s);
        gw_introspection_leave(&x);
    }
    assert_int_equal(3, counted(&w, GW_METRIC_INTROSPECTION_FAILED));
    assert_int_equal(1, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    // Open: nobody asks, and it says for how long. The other server is not touched by it.
    assert_int_equal(ERR_INTROSPECTION, ask(&w, 0, 9, A, 2100, &x));
    assert_int_equal(3, x.retry_after_s);
    assert_null(x.question);
    assert_int_equal(3, counted(&w, GW_METRIC_INTROSPECTION_ASKED));
    assert_int_equal(0, ask(&w, 1, 9, A, 2100, &y));
    gw_question_answered(y.question, ERR_TOKEN_INACTIVE, NULL, 2100, &waiters);
    gw_introspection_leave(&y);
    // One probe; it fails, and the server has its rest again.
    assert_int_equal(0, ask(&w, 0, 9, A, 5100, &x));
    assert_int_equal(ERR_INTROSPECTION, ask(&w, 0, 10, B, 5100, &y));
    assert_int_equal(1, y.retry_after_s);
    assert_int_equal(0, ask(&w, 0, 9, B, 5100, &y)); // for the same token it can be shared
    gw_question_failed(x.question, ERR_INTROSPECTION, GW_FAULT_SERVER, 5200, &waiters);
    gw_introspection_leave(&x);
    gw_introspection_leave(&y);
    assert_int_equal(ERR_INTROSPECTION, ask(&w, 0, 9, A, 10199, &x));
    // The next one is answered: closed, whatever the answer was.
    assert_int_equal(0, ask(&w, 0, 9, A, 10200, &x));
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 10200, &waiters);
    gw_introspection_leave(&x);
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    assert_int_equal(0, ask(&w, 0, 11, A, 10201, &x));
    assert_int_equal(0, ask(&w, 0, 12, A, 10201, &y));
    gw_question_failed(x.question, ERR_INTROSPECTION, GW_FAULT_SERVER, 10201, &waiters);
    gw_question_failed(y.question, ERR_INTROSPECTION, GW_FAULT_SERVER, 10201, &waiters);
    gw_introspection_leave(&x);
    gw_introspection_leave(&y);
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN)); // two in a row are not three
    gw_introspection_free(w.in);
}

static void an_answer_between_failures_starts_the_count_anew(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 }, *waiters;
    begin(&w);
    for (uint32_t i = 0; i < 20; i++) {
        if (i % 3 == 2) {
            assert_int_equal(0, ask(&w, 0, i, A, 0, &x));
            gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 0, &waiters);
        } else {
            assert_int_equal(ERR_INTROSPECTION, fail_one(&w, i, 0, &x));
        }
        gw_introspection_leave(&x);
    }
    // Want of memory is not the server's fault.
    for (uint32_t i = 100; i < 110; i++) {
        assert_int_equal(0, ask(&w, 0, i, A, 0, &x));
        gw_question_failed(x.question, ERR_NOMEM, GW_FAULT_OURS, 0, &waiters);
        gw_introspection_leave(&x);
    }
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    gw_introspection_free(w.in);
}

static void a_token_that_its_server_chokes_on_opens_no_breaker_and_keeps_none_open(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 }, *waiters;
    begin(&w);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(0, ask(&w, 0, i, A, 0, &x));
        gw_question_failed(x.question, ERR_INTROSPECTION, GW_FAULT_TOKEN, 0, &waiters);
        assert_int_equal(ERR_INTROSPECTION, x.error);
        gw_introspection_leave(&x);
    }
    assert_int_equal(20, counted(&w, GW_METRIC_INTROSPECTION_FAILED));
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ERR_INTROSPECTION, fail_one(&w, 100 + i, 100, &x));
        gw_introspection_leave(&x);
    }
    assert_int_equal(1, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    // As the probe: the server spoke, so others may ask.
    assert_int_equal(0, ask(&w, 0, 9, A, 5100, &x));
    gw_question_failed(x.question, ERR_INTROSPECTION, GW_FAULT_TOKEN, 5100, &waiters);
    gw_introspection_leave(&x);
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    assert_int_equal(0, ask(&w, 0, 10, B, 5100, &x));
    gw_question_answered(x.question, ERR_TOKEN_INACTIVE, NULL, 5100, &waiters);
    gw_introspection_leave(&x);
    gw_introspection_free(w.in);
}

static void a_configuration_that_goes_takes_its_open_breakers_out_of_the_count(void **state)
{
    (void)state;
    struct world w = world();
    struct gw_introspection_wait x = { 0 };
    begin(&w);
    for (uint32_t i = 0; i < 3; i++) {
        fail_one(&w, i, 0, &x);
        gw_introspection_leave(&x);
    }
    assert_int_equal(1, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
    gw_introspection_free(w.in);
    assert_int_equal(0, counted(&w, GW_METRIC_INTROSPECTION_OPEN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question_serves_all_who_wait),
        cmocka_unit_test(the_first_who_asked_may_go_and_the_others_are_answered),
        cmocka_unit_test(a_refusal_is_remembered_for_its_time),
        cmocka_unit_test(one_workload_cannot_push_out_what_is_remembered_for_others),
        cmocka_unit_test(one_workload_cannot_take_all_questions_or_all_places),
        cmocka_unit_test(a_server_that_fails_in_a_row_is_left_alone_and_tried_again),
        cmocka_unit_test(an_answer_between_failures_starts_the_count_anew),
        cmocka_unit_test(a_token_that_its_server_chokes_on_opens_no_breaker_and_keeps_none_open),
        cmocka_unit_test(a_configuration_that_goes_takes_its_open_breakers_out_of_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
