// SPDX-License-Identifier: GPL-3.0-or-later
// Arenas, buffers and maps, also when there is no memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "failmalloc.h"
#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/diag.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"

static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

static void arena_memory_is_zeroed_and_aligned(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t n = 0; n < 3000; n += 37) {
        unsigned char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xaa, n);
    }
    assert_non_null(arena_alloc(&a, 1000000));
    assert_false(a.failed);
    arena_fini(&a);
    assert_int_equal(a.used, 0);
}

static void arena_limit_and_overflow_fail(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1024);
    assert_non_null(arena_alloc(&a, 1000));
    assert_null(arena_alloc(&a, 100));
    assert_true(a.failed);
    arena_fini(&a);
    assert_false(a.failed);
    arena_init(&a, 0);
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_true(a.failed);
    arena_fini(&a);
}

static void arena_joins_whatever_is_in_the_texts(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    assert_true(span_eq(arena_join(&a, SPAN("corp"), '/', span_of("a\0b", 3)), span_of("corp/a\0b", 8)));
    assert_true(span_eq(arena_join(&a, SPAN_NONE, '/', SPAN_NONE), SPAN("/")));
    assert_true(span_is_none(arena_join(&a, SPAN("a"), '/', span_of("b", SIZE_MAX - 1))));
    arena_fini(&a);
}

static void arena_copies_end_in_nul(void **state)
{
    struct arena a;
    struct span s;

    (void)state;
    arena_init(&a, 0);
    s = arena_dup(&a, SPAN("abc"));
    assert_string_equal(s.p, "abc");
    assert_int_equal(s.n, 3);
    assert_true(span_is_none(arena_dup(&a, SPAN_NONE)));
    assert_false(span_is_none(arena_dup(&a, SPAN(""))));
    s = arena_printf(&a, "%s-%d", "x", 42);
    assert_string_equal(s.p, "x-42");
    assert_int_equal(s.n, 4);
    arena_fini(&a);
}

static void buf_limit_changes_nothing_when_it_fails(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8);
    assert_true(buf_append(&b, SPAN("abcd")));
    assert_false(buf_append(&b, SPAN("efghi")));
    assert_true(b.failed);
    assert_int_equal(buf_len(&b), 4);
    buf_clear(&b);
    assert_false(b.failed);
    // A text of exactly the limit fits, although vsnprintf wants one byte more.
    assert_true(buf_printf(&b, "%s", "12345678"));
    assert_int_equal(buf_len(&b), 8);
    assert_false(buf_printf(&b, "9"));
    assert_int_equal(b.limit, 8);
    buf_fini(&b);
}

static void buf_consumes_from_the_front_and_keeps_order(void **state)
{
    char text[64];
    struct buf b;
    unsigned in = 0, out = 0;

    (void)state;
    buf_init(&b, 0);
    for (int round = 0; round < 2000; round++) {
        int n = snprintf(text, sizeof text, "%06u", in++);
        assert_true(buf_append(&b, span_of(text, (size_t)n)));
        if (round % 3) {
            snprintf(text, sizeof text, "%06u", out++);
            assert_memory_equal(buf_span(&b).p, text, 6);
            buf_consume(&b, 6);
        }
    }
    assert_int_equal(buf_len(&b), (in - out) * 6);
    buf_release(&b);
    assert_non_null(b.base);
    buf_consume(&b, buf_len(&b));
    buf_release(&b);
    assert_null(b.base);
    buf_wipe(&b);
}

static void siphash_gives_its_published_values(void **state)
{
    unsigned char in[15];

    (void)state;
    for (unsigned char i = 0; i < sizeof in; i++)
        in[i] = i;
    assert_true(siphash24(key, span_of(in, 15)) == 0xa129ca6149be45e5);
    assert_true(siphash24(key, span_of(in, 0)) == 0x726fdb47dd0e0e31);
}

static void map_finds_what_was_put_and_not_what_was_deleted(void **state)
{
    static char names[3000][16];
    struct map m;
    struct span k;
    void *old = NULL, *v;
    size_t n = 0;

    (void)state;
    map_init(&m, key);
    assert_null(map_get(&m, SPAN("x")));
    assert_null(map_del(&m, SPAN("x")));
    for (int i = 0; i < 3000; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        assert_true(map_put(&m, span_str(names[i]), names[i], &old));
        assert_null(old);
    }
    assert_true(map_put(&m, SPAN("7"), names[8], &old));
    assert_ptr_equal(old, names[7]);
    for (int i = 0; i < 3000; i += 3)
        assert_ptr_equal(map_del(&m, span_str(names[i])), names[i]);
    for (int i = 0; i < 3000; i++)
        assert_ptr_equal(map_get(&m, span_str(names[i])), i % 3 == 0 ? NULL : i == 7 ? names[8] : names[i]);
    for (size_t i = 0; map_each(&m, &i, &k, &v);)
        n++;
    assert_int_equal(n, 2000);
    assert_int_equal(m.len, 2000);
    map_fini(&m);
}

// Everything below either works or fails cleanly, whichever allocation it is that fails.
static bool exercise(void)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"x\"],\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"i\":8,\"j\":9}";
    struct json_doc *doc = json_parse(span_str(text), NULL, NULL);
    struct diags diags;
    struct arena a;
    struct buf b;
    struct map m;
    bool ok;

    arena_init(&a, 0);
    buf_init(&b, 0);
    map_init(&m, key);
    diags_init(&diags);
    ok = doc && json_write(&b, json_root(doc));
    ok = arena_dup(&a, SPAN("abc")).p && ok;
    ok = arena_alloc(&a, 100000) && ok;
    ok = map_put(&m, SPAN("a"), &a, NULL) && ok;
    diag_error(&diags, SPAN("f"), 1, 1, "what");
    assert_int_equal(diags.errors, 1);
    ok = diags.first && ok;
    assert_true(ok || a.failed || b.failed || !doc || m.len == 0 || diags.dropped == 1);
    json_free(doc);
    diags_fini(&diags);
    map_fini(&m);
    buf_fini(&b);
    arena_fini(&a);
    return ok;
}

static void every_failed_allocation_is_survived(void **state)
{
    bool ok = false;
    long n = 0;

    (void)state;
    if (!fail_works)
        skip();
    for (; n < 1000 && !ok; n++) {
        fail_after = n;
        ok = exercise();
        fail_after = -1;
    }
    assert_true(ok);
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
        cmocka_unit_test(arena_limit_and_overflow_fail),
        cmocka_unit_test(arena_copies_end_in_nul),
        cmocka_unit_test(arena_joins_whatever_is_in_the_texts),
        cmocka_unit_test(buf_limit_changes_nothing_when_it_fails),
        cmocka_unit_test(buf_consumes_from_the_front_and_keeps_order),
        cmocka_unit_test(siphash_gives_its_published_values),
        cmocka_unit_test(map_finds_what_was_put_and_not_what_was_deleted),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
