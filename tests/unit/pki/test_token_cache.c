// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "pki/token_cache.h"

#define T INT64_C(1700000000)

static const struct pki_issuer issuer = { .skew_s = 5 };

// The cache looks at sha256, exp, issuer, bytes and refs only.
static struct pki_token *token(int number, size_t bytes)
{
    struct pki_token *t = calloc(1, sizeof *t);
    char text[32];
    snprintf(text, sizeof text, "%d", number);
    pki_sha256(span_str(text), t->sha256);
    *t = (struct pki_token){ .issuer = &issuer, .exp = T + 100, .bytes = bytes, .refs = 1, .sha256 = { 0 } };
    pki_sha256(span_str(text), t->sha256);
    return t;
}

static bool put(struct pki_token_cache *c, int number, const char *workload)
{
    struct pki_token *t = token(number, 1000);
    bool kept = pki_token_cache_put(c, t, span_str(workload), 1);
    pki_token_unref(t);
    return kept;
}

static bool there(struct pki_token_cache *c, int number)
{
    struct pki_token *t = token(number, 0), *got = pki_token_cache_get(c, t->sha256, 1, T);
    pki_token_unref(t);
    pki_token_unref(got);
    return got != NULL;
}

static void token_is_remembered_under_its_generation_only(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(100, 1 << 20, 0);
    assert_false(there(c, 1));
    assert_true(put(c, 1, "w"));
    assert_true(there(c, 1));
    assert_true(put(c, 1, "w")); // again
    assert_int_equal(pki_token_cache_count(c), 1);
    struct pki_token *t = token(1, 0);
    assert_null(pki_token_cache_get(c, t->sha256, 2, T)); // another snapshot
    assert_int_equal(pki_token_cache_count(c), 0);
    assert_false(there(c, 1));
    pki_token_unref(t);
    pki_token_cache_free(c);
}

static void expired_token_is_dropped(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(100, 1 << 20, 0);
    struct pki_token *t = token(1, 0);
    put(c, 1, "w");
    pki_token_unref(pki_token_cache_get(c, t->sha256, 1, T + 104)); // inside the skew
    assert_int_equal(pki_token_cache_count(c), 1);
    assert_null(pki_token_cache_get(c, t->sha256, 1, T + 105));
    assert_int_equal(pki_token_cache_count(c), 0);
    assert_int_equal(pki_token_cache_bytes(c), 0);
    pki_token_unref(t);
    pki_token_cache_free(c);
}

static bool answer_holds_at(struct pki_token_cache *c, const struct pki_token *t, int64_t now_s)
{
    pki_token_cache_put(c, (struct pki_token *)(uintptr_t)t, SPAN("w"), 1);
    struct pki_token *got = pki_token_cache_get(c, t->sha256, 1, now_s);
    pki_token_unref(got);
    return got != NULL;
}

static void an_issuers_answer_holds_for_its_time_and_no_longer_when_the_clock_is_set_back(void **state)
{
    (void)state;
    static const struct pki_issuer asked = { .skew_s = 5, .introspection = { .enabled = true, .cache_s = 30 } };
    struct pki_token_cache *c = pki_token_cache_new(100, 1 << 20, 0);
    struct pki_token *t = token(1, 1000);
    t->issuer = &asked;
    t->introspected = true;
    t->recheck_s = T + 30;
    assert_true(answer_holds_at(c, t, T));
    assert_true(answer_holds_at(c, t, T + 29));
    assert_false(answer_holds_at(c, t, T + 30));
    assert_false(answer_holds_at(c, t, T - 1));
    assert_false(answer_holds_at(c, t, T - 3600));
    pki_token_unref(t);
    pki_token_cache_free(c);
}

static void token_in_use_outlives_its_entry(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(1, 1 << 20, 0);
    put(c, 1, "w");
    struct pki_token *t = token(1, 0), *held = pki_token_cache_get(c, t->sha256, 1, T);
    assert_non_null(held);
    put(c, 2, "w");
    assert_false(there(c, 1));
    assert_int_equal(held->exp, T + 100);
    pki_token_unref(held);
    pki_token_unref(t);
    pki_token_cache_free(c);
}

static void one_workload_cannot_push_out_the_others(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(200, 1 << 20, 50);
    for (int i = 0; i < 40; i++)
        assert_true(put(c, i, "modest"));
    for (int i = 1000; i < 11000; i++) {
        assert_true(put(c, i, "greedy"));
        assert_true(pki_token_cache_count(c) <= 200);
    }
    for (int i = 0; i < 40; i++)
        assert_true(there(c, i));
    for (int i = 10840; i < 11000; i++) // nobody else wants the rest: its own newest are there
        assert_true(there(c, i));
    assert_false(there(c, 10839));
    // Whoever comes later takes from what is above the greedy one's share, and no more.
    for (int i = 20000; i < 20050; i++)
        assert_true(put(c, i, "late"));
    for (int i = 30000; i < 30050; i++)
        assert_true(put(c, i, "later"));
    for (int i = 0; i < 40; i++)
        assert_true(there(c, i));
    for (int i = 20000; i < 20050; i++)
        assert_true(there(c, i) && there(c, i + 10000));
    for (int i = 10950; i < 11000; i++)
        assert_true(there(c, i));
    assert_int_equal(pki_token_cache_count(c), 200);
    pki_token_cache_free(c);
}

// Nor with few and large ones: the share is one of bytes as well.
static void one_workload_cannot_push_out_the_others_with_large_tokens(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(200, 200 * 1000, 50);
    for (int i = 0; i < 40; i++)
        assert_true(put(c, i, "modest"));
    for (int i = 1000; i < 1200; i++) {
        struct pki_token *t = token(i, 12000);
        assert_true(pki_token_cache_put(c, t, SPAN("greedy"), 1));
        pki_token_unref(t);
    }
    for (int i = 0; i < 40; i++)
        assert_true(there(c, i));
    for (int i = 1190; i < 1200; i++)
        assert_true(there(c, i));
    assert_false(there(c, 1180));
    // One that is larger than a share is still kept.
    struct pki_token *t = token(2000, 60000);
    assert_true(pki_token_cache_put(c, t, SPAN("greedy"), 1));
    pki_token_unref(t);
    assert_true(there(c, 2000));
    for (int i = 0; i < 40; i++)
        assert_true(there(c, i));
    // Others take their share of the bytes from it.
    for (int i = 3000; i < 3004; i++) {
        t = token(i, 11000);
        assert_true(pki_token_cache_put(c, t, SPAN("late"), 1));
        pki_token_unref(t);
    }
    for (int i = 0; i < 40; i++)
        assert_true(there(c, i));
    for (int i = 3000; i < 3004; i++)
        assert_true(there(c, i));
    pki_token_cache_free(c);
}

static void full_cache_drops_the_least_recently_used(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(10, 1 << 20, 10);
    char workload[16];
    for (int i = 0; i < 10; i++) {
        snprintf(workload, sizeof workload, "w%d", i);
        put(c, i, workload);
    }
    assert_true(there(c, 0)); // now the newest
    put(c, 10, "w");
    assert_int_equal(pki_token_cache_count(c), 10);
    assert_true(there(c, 0));
    assert_false(there(c, 1));
    pki_token_cache_free(c);
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    struct pki_token_cache *c = pki_token_cache_new(1000, 5000, 1000);
    for (int i = 0; i < 100; i++) {
        put(c, i, i % 2 ? "a" : "b");
        assert_true(pki_token_cache_bytes(c) <= 5000);
    }
    assert_true(there(c, 99));
    struct pki_token *big = token(1000, 6000);
    assert_false(pki_token_cache_put(c, big, SPAN("a"), 1));
    assert_true(there(c, 99)); // nothing was pushed out for it
    pki_token_unref(big);
    pki_token_cache_free(c);
}

struct extra {
    struct pki_token_extra extra;
    int *dropped;
};

static void on_drop(struct pki_token_extra *e)
{
    ++*((struct extra *)e)->dropped;
    free(e);
}

static bool attach(struct pki_token_cache *c, struct pki_token *t, size_t bytes, int *dropped)
{
    struct extra *e = malloc(sizeof *e);
    *e = (struct extra){ { on_drop }, dropped };
    bool taken = pki_token_cache_attach(c, t, &e->extra, bytes);
    if (!taken)
        free(e);
    return taken;
}

static void what_is_made_of_a_token_counts_for_its_entry_and_goes_with_it(void **state)
{
    (void)state;
    int dropped = 0;
    struct pki_token_cache *c = pki_token_cache_new(1000, 10000, 1000);
    struct pki_token *t = token(1, 0), *stranger = token(1, 0);
    assert_false(attach(c, t, 100, &dropped)); // not in it
    for (int i = 1; i <= 3; i++)
        put(c, i, "w");
    size_t before = pki_token_cache_bytes(c);
    struct pki_token *got = pki_token_cache_get(c, t->sha256, 1, T);
    assert_false(attach(c, stranger, 100, &dropped)); // of the same bytes, and not the one that is in it
    assert_true(attach(c, got, 100, &dropped));
    assert_false(attach(c, got, 100, &dropped)); // has one
    assert_int_equal(pki_token_cache_bytes(c), before + 100);
    // It is held as long as the token is, by whomever.
    for (int i = 100; i < 120; i++)
        put(c, i, "w");
    assert_false(there(c, 1));
    assert_int_equal(dropped, 0);
    pki_token_unref(got);
    assert_int_equal(dropped, 1);
    assert_true(pki_token_cache_bytes(c) <= 10000);
    pki_token_unref(t);
    pki_token_unref(stranger);
    pki_token_cache_free(c);
}

static void what_is_made_of_tokens_is_bounded(void **state)
{
    (void)state;
    int dropped = 0, attached = 0;
    struct pki_token_cache *c = pki_token_cache_new(1000, 200000, 1000);
    for (int i = 0; i < 50; i++) {
        put(c, i, i % 2 ? "a" : "b");
        struct pki_token *t = token(i, 0), *got = pki_token_cache_get(c, t->sha256, 1, T);
        attached += attach(c, got, i % 5 ? 30000 : PKI_TOKEN_EXTRA_MAX + 1, &dropped);
        assert_true(pki_token_cache_bytes(c) <= 200000);
        pki_token_unref(t);
        pki_token_unref(got);
    }
    assert_int_equal(attached, 40);
    assert_true(dropped >= 33 && dropped < 40);
    pki_token_cache_free(c);
    assert_int_equal(dropped, 40);

    // What alone is larger than the whole is not taken, and pushes nothing out of the cache.
    c = pki_token_cache_new(1000, 5000, 1000);
    put(c, 1, "w");
    put(c, 2, "w");
    struct pki_token *t = token(2, 0), *got = pki_token_cache_get(c, t->sha256, 1, T);
    assert_false(attach(c, got, 4900, &dropped));
    assert_true(there(c, 1));
    pki_token_unref(t);
    pki_token_unref(got);
    pki_token_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_is_remembered_under_its_generation_only),
        cmocka_unit_test(expired_token_is_dropped),
        cmocka_unit_test(an_issuers_answer_holds_for_its_time_and_no_longer_when_the_clock_is_set_back),
        cmocka_unit_test(token_in_use_outlives_its_entry),
        cmocka_unit_test(one_workload_cannot_push_out_the_others),
        cmocka_unit_test(one_workload_cannot_push_out_the_others_with_large_tokens),
        cmocka_unit_test(full_cache_drops_the_least_recently_used),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(what_is_made_of_a_token_counts_for_its_entry_and_goes_with_it),
        cmocka_unit_test(what_is_made_of_tokens_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
