// SPDX-License-Identifier: GPL-3.0-or-later
// What loops tell the main thread: each thing once, as much as there is room for, and never so that a request waits.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/stages/sightings.h"

static const uint64_t key[2] = { 7, 9 };

static size_t drain(struct gw_sightings *s)
{
    size_t n = 0;
    for (struct gw_sighting *one = gw_sightings_take(s), *next; one; one = next, n++) {
        next = one->next;
        free(one);
    }
    return n;
}

static struct gw_survey_subject docs(void)
{
    return (struct gw_survey_subject){ .api = SPAN("chroma"),
                                       .database = SPAN("main"),
                                       .tenant = SPAN("acme"),
                                       .collection = SPAN("docs"),
                                       .field = SPAN("owner") };
}

static void what_was_told_is_told_once(void **state)
{
    (void)state;
    struct gw_sightings *s = gw_sightings_new(key);
    struct gw_survey_subject q = docs();
    for (int i = 0; i < 1000; i++)
        gw_sightings_tell(s, 1, 0, &q, i);
    struct gw_sighting *one = gw_sightings_take(s);
    assert_non_null(one);
    assert_null(one->next);
    assert_true(span_eq(one->subject.collection, SPAN("docs")));
    assert_true(one->subject.collection.p != q.collection.p);
    assert_true(span_eq(one->subject.field, SPAN("owner")));
    free(one);
    gw_sightings_tell(s, 1, 0, &q, 1000);
    assert_int_equal(drain(s), 0);
    // Another configuration, another quarter of an hour.
    gw_sightings_tell(s, 2, 0, &q, 1000);
    gw_sightings_tell(s, 2, 0, &q, GW_SIGHTINGS_AGAIN_MS);
    assert_int_equal(drain(s), 2);
    gw_sightings_free(s);
}

static void whatever_differs_is_told_apart(void **state)
{
    (void)state;
    struct gw_sightings *s = gw_sightings_new(key);
    struct gw_survey_subject q[8];
    for (size_t i = 0; i < 8; i++)
        q[i] = docs();
    q[1].database = SPAN("mai"), q[1].tenant = SPAN("nacme");
    q[2].database = SPAN_NONE;
    q[3].collection = SPAN("docsowner"), q[3].field = SPAN("");
    q[4].aspect = GW_SURVEY_IDS;
    q[5].of = GW_API_NUMBER;
    q[6].any_kind = true;
    for (size_t i = 0; i < 8; i++)
        gw_sightings_tell(s, 1, i == 7, &q[i], 0);
    assert_int_equal(drain(s), 8);
    gw_sightings_free(s);
}

static void what_there_is_no_room_for_is_told_the_next_time(void **state)
{
    (void)state;
    struct gw_sightings *s = gw_sightings_new(key);
    static char names[GW_SIGHTINGS_WAITING * 2][16];
    size_t told = 0;
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < GW_SIGHTINGS_WAITING * 2; i++) {
            struct gw_survey_subject q = docs();
            snprintf(names[i], sizeof names[i], "c%zu", i);
            q.collection = span_str(names[i]);
            gw_sightings_tell(s, 1, 0, &q, 0);
        }
        size_t n = drain(s);
        assert_true(n <= GW_SIGHTINGS_WAITING);
        told += n;
    }
    // A few share their places in the table with too many others, and are told again.
    assert_true(told >= GW_SIGHTINGS_WAITING * 2 && told < GW_SIGHTINGS_WAITING * 2 + 64);
    // Nor for names that no server takes.
    static char longer[5000];
    memset(longer, 'x', sizeof longer);
    struct gw_survey_subject q = docs();
    q.collection = span_of(longer, sizeof longer);
    gw_sightings_tell(s, 1, 0, &q, 0);
    assert_int_equal(drain(s), 0);
    // What still waits at the end belongs to it.
    q.collection = SPAN("late");
    gw_sightings_tell(s, 1, 0, &q, 0);
    gw_sightings_free(s);
}

static void *tell_many(void *ctx)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct gw_survey_subject q = docs();
        gw_sightings_tell(ctx, i % 7, i % 11, &q, 0);
    }
    return NULL;
}

static void many_threads_tell_at_once(void **state)
{
    (void)state;
    struct gw_sightings *s = gw_sightings_new(key);
    pthread_t threads[4];
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tell_many, s), 0);
    for (int i = 0; i < 100; i++)
        n += drain(s);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    n += drain(s);
    // Two threads that see the same for the first time may both tell it.
    assert_true(n >= 77 && n <= 4 * 77);
    gw_sightings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_told_once),
        cmocka_unit_test(whatever_differs_is_told_apart),
        cmocka_unit_test(what_there_is_no_room_for_is_told_the_next_time),
        cmocka_unit_test(many_threads_tell_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
