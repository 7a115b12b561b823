// SPDX-License-Identifier: GPL-3.0-or-later
// The map from UUIDs to names: what it knows, for how long, and what a flood costs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/api/name_map.h"
#include "gateway/base/err.h"
#include <stdio.h>

#define U1 "00000000-0000-4000-8000-000000000001"
#define U2 "00000000-0000-4000-8000-000000000002"
#define ROW(id, name, tenant, database)                                                           \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"tenant\":\"" tenant "\",\"database\":\"" database \
    "\",\"metadata\":null}"

static const uint64_t key[2] = { 1, 2 };
static const struct gw_name_scope main_scope = { .shard = 0, .tenant = { "acme", 4 }, .database = { "main", 4 } };

struct fixture {
    struct gw_name_map *map;
    struct arena arena;
    struct span target, name;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ .map = gw_name_map_new(NULL, key) };
    arena_init(&f.arena, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gw_name_map_free(f->map);
    arena_fini(&f->arena);
    return 0;
}

static void restart(struct fixture *f, struct gw_name_map_limits limits)
{
    gw_name_map_free(f->map);
    f->map = gw_name_map_new(&limits, key);
}

static enum gw_name_found look(struct fixture *f, struct gw_name_scope s, const char *uuid, int64_t now)
{
    return gw_name_map_lookup(f->map, s, span_str(uuid), now, &f->name);
}

// One whole listing of one page.
static int list(struct fixture *f, struct gw_name_scope s, int status, const char *body, int64_t now)
{
    assert_int_equal(gw_name_map_begin(f->map, s, now, &f->arena, &f->target), 0);
    return gw_name_map_page(f->map, s, status, span_str(body), now, &f->arena, &f->target);
}

static void an_unknown_uuid_is_listed_then_known(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(look(f, main_scope, U1, 0), GW_NAME_MISS);
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 0, &f->arena, &f->target), 0);
    assert_true(span_eq(f->target, SPAN("/api/v2/tenants/acme/databases/main/collections?limit=1000&offset=0")));
    assert_int_equal(look(f, main_scope, U1, 1), GW_NAME_LISTING);
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 1, &f->arena, &f->target), ERR_OVERLOADED);
    assert_int_equal(gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "docs", "acme", "main") "]"), 2,
                                      &f->arena, &f->target),
                     0);
    assert_int_equal(look(f, main_scope, U1, 3), GW_NAME_KNOWN);
    assert_true(span_eq(f->name, SPAN("docs")));
    assert_int_equal(look(f, main_scope, U2, 3), GW_NAME_ABSENT);
}

static void a_name_is_short_lived(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "docs", "acme", "main") "]", 1000), 0);
    assert_int_equal(look(f, main_scope, U1, 10999), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U1, 11000), GW_NAME_MISS);
    // Renamed on another node.
    assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "letters", "acme", "main") "]", 11000), 0);
    assert_int_equal(look(f, main_scope, U1, 11001), GW_NAME_KNOWN);
    assert_true(span_eq(f->name, SPAN("letters")));
    // Dropped on another node: gone with the next listing, before its time is up.
    assert_int_equal(list(f, main_scope, 200, "[]", 13000), 0);
    assert_int_equal(look(f, main_scope, U1, 13001), GW_NAME_ABSENT);
}

static void a_uuid_of_another_tenant_database_or_shard_is_not_found(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "docs", "acme", "main") "]", 0), 0);
    const struct gw_name_scope others[] = {
        { .shard = 0, .tenant = { "evil", 4 }, .database = { "main", 4 } },
        { .shard = 0, .tenant = { "acme", 4 }, .database = { "mine", 4 } },
        { .shard = 1, .tenant = { "acme", 4 }, .database = { "main", 4 } },
        { .shard = 0, .tenant = { "acmem", 5 }, .database = { "ain", 3 } }, // the same bytes, cut elsewhere
        { .shard = 0, .tenant = { "acm", 3 }, .database = { "emain", 5 } },
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(look(f, others[i], U1, 1), GW_NAME_MISS);
        assert_int_equal(list(f, others[i], 200, "[]", 1), 0);
        assert_int_equal(look(f, others[i], U1, 2), GW_NAME_ABSENT);
    }
    assert_int_equal(look(f, main_scope, U1, 2), GW_NAME_KNOWN);
}

// The server answers by UUID whatever the path says: what it lists must say where it is.
static void a_listing_with_another_tenants_row_teaches_nothing_of_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "docs", "evil", "main") "]", 0), ERR_SHARD_ANSWER);
    assert_int_equal(look(f, main_scope, U1, 1), GW_NAME_FAILED);
    assert_int_equal(gw_name_map_learn(f->map, main_scope, SPAN(ROW(U1, "docs", "acme", "other")), 1), 0);
    assert_int_equal(gw_name_map_learn(f->map, main_scope, SPAN("{\"id\":\"" U1 "\",\"name\":\"docs\"}"), 1), 0);
    assert_int_equal(look(f, main_scope, U1, 2), GW_NAME_FAILED);
}

static void a_flood_of_random_uuids_costs_one_listing_a_second(void **state)
{
    struct fixture *f = *state;
    unsigned listings = 0;
    for (unsigned i = 0; i < 100000; i++) {
        char uuid[40];
        int64_t now = i / 20; // 5 s
        snprintf(uuid, sizeof(uuid), "%08x-0000-4000-8000-000000000000", i);
        switch (look(f, main_scope, uuid, now)) {
        case GW_NAME_MISS:
            listings++;
            assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "docs", "acme", "main") "]", now), 0);
            break;
        case GW_NAME_ABSENT: break;
        default: fail();
        }
    }
    assert_in_range(listings, 1, 5);
    struct gw_name_map_stats s = gw_name_map_stats(f->map);
    assert_int_equal(s.entries, 1); // nothing is kept for those that are not there
    assert_int_equal(s.scopes, 1);
    assert_int_equal(s.listings, listings);
}

static void scopes_and_entries_are_bounded(void **state)
{
    struct fixture *f = *state;
    restart(f, (struct gw_name_map_limits){ .scopes = 4, .entries = 6, .scope_entries = 3 });
    for (unsigned i = 0; i < 100; i++) {
        char tenant[16], body[400];
        snprintf(tenant, sizeof(tenant), "t%u", i);
        struct gw_name_scope s = { .tenant = span_str(tenant), .database = SPAN("d") };
        snprintf(body, sizeof(body),
                 "[{\"id\":\"" U1 "\",\"name\":\"a\",\"tenant\":\"%s\",\"database\":\"d\"},{\"id\":\"" U2
                 "\",\"name\":\"b\",\"tenant\":\"%s\",\"database\":\"d\"}]",
                 tenant, tenant);
        assert_int_equal(list(f, s, 200, body, i), 0);
        assert_int_equal(look(f, s, U2, i), GW_NAME_KNOWN);
        struct gw_name_map_stats stats = gw_name_map_stats(f->map);
        assert_true(stats.scopes <= 4 && stats.entries <= 6);
    }
    assert_true(gw_name_map_stats(f->map).evicted > 90);
}

// Not finding it proves nothing then: overload, not 404.
static void a_scope_over_its_share_says_so(void **state)
{
    struct fixture *f = *state;
    restart(f, (struct gw_name_map_limits){ .scope_entries = 1 });
    assert_int_equal(list(f, main_scope, 200, "[" ROW(U1, "a", "acme", "main") "," ROW(U2, "b", "acme", "main") "]", 0),
                     0);
    assert_int_equal(look(f, main_scope, U1, 1), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U2, 1), GW_NAME_FULL);
    assert_int_equal(look(f, main_scope, U2, 1001), GW_NAME_MISS);
}

static void listings_are_paged(void **state)
{
    struct fixture *f = *state;
    restart(f, (struct gw_name_map_limits){ .page = 1 });
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 0, &f->arena, &f->target), 0);
    assert_int_equal(
        gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), 1, &f->arena, &f->target),
        1);
    assert_true(span_eq(f->target, SPAN("/api/v2/tenants/acme/databases/main/collections?limit=1&offset=1")));
    assert_int_equal(look(f, main_scope, U1, 1), GW_NAME_KNOWN); // what came can be used already
    assert_int_equal(look(f, main_scope, U2, 1), GW_NAME_LISTING);
    assert_int_equal(
        gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U2, "b", "acme", "main") "]"), 2, &f->arena, &f->target),
        1);
    assert_true(span_ends(f->target, SPAN("&offset=2")));
    assert_int_equal(gw_name_map_page(f->map, main_scope, 200, SPAN("[]"), 3, &f->arena, &f->target), 0);
    assert_int_equal(look(f, main_scope, U1, 4), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U2, 4), GW_NAME_KNOWN);
}

static void a_failed_listing_concludes_nothing_and_waits(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        const char *body;
    } bad[] = { { 500, "[]" }, { 200, "{" }, { 200, "{}" }, { 200, "[1]" }, { 200, "[{\"id\":\"x\"}]" }, { 401, "" } };
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++, now += 2000) {
        assert_int_equal(list(f, main_scope, bad[i].status, bad[i].body, now), ERR_SHARD_ANSWER);
        assert_int_equal(look(f, main_scope, U1, now + 1), GW_NAME_FAILED);
        assert_int_equal(gw_name_map_begin(f->map, main_scope, now + 1, &f->arena, &f->target), ERR_OVERLOADED);
        assert_int_equal(look(f, main_scope, U1, now + 1000), GW_NAME_MISS);
    }
    assert_int_equal(gw_name_map_begin(f->map, main_scope, now, &f->arena, &f->target), 0);
    gw_name_map_abandon(f->map, main_scope, now + 5);
    assert_int_equal(look(f, main_scope, U1, now + 6), GW_NAME_FAILED);
    // Its shard may be back in a moment.
    assert_int_equal(look(f, main_scope, U1, now + 104), GW_NAME_FAILED);
    assert_int_equal(look(f, main_scope, U1, now + 105), GW_NAME_MISS);
    // A page that comes after that is nobody's.
    assert_int_equal(gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), now + 7,
                                      &f->arena, &f->target),
                     ERR_SHARD_ANSWER);
    // One that never reports is given up.
    now += 2000;
    assert_int_equal(gw_name_map_begin(f->map, main_scope, now, &f->arena, &f->target), 0);
    assert_int_equal(look(f, main_scope, U1, now + 9999), GW_NAME_LISTING);
    assert_int_equal(look(f, main_scope, U1, now + 10000), GW_NAME_FAILED);
    // A tenant that is not there has no collections.
    assert_int_equal(list(f, main_scope, 404, "{}", now + 20000), 0);
    assert_int_equal(look(f, main_scope, U1, now + 20001), GW_NAME_ABSENT);
}

static void after_a_change_nothing_is_held_to_be_absent(void **state)
{
    struct fixture *f = *state;
    struct span target;
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 0, &f->arena, &target), 0);
    assert_int_equal(
        gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), 1, &f->arena, &target),
        0);
    assert_int_equal(look(f, main_scope, U1, 2), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U2, 2), GW_NAME_ABSENT);
    gw_name_map_forget(f->map, main_scope, SPAN_NONE, SPAN_NONE);
    assert_int_equal(look(f, main_scope, U1, 3), GW_NAME_MISS);
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 3, &f->arena, &target), 0);
}

static void maps_hear_of_each_other_what_was_made_and_changed(void **state)
{
    struct fixture *f = *state;
    static struct gw_name_news news;
    struct gw_name_scope other_scope = { .shard = 1, .tenant = main_scope.tenant, .database = main_scope.database };
    struct gw_name_map *other = gw_name_map_new(NULL, key);
    struct span target;
    gw_name_map_share(f->map, &news);
    gw_name_map_share(other, &news);
    for (int round = 0; round < 2; round++) {
        struct gw_name_scope scope = round ? other_scope : main_scope;
        assert_int_equal(gw_name_map_begin(f->map, scope, 0, &f->arena, &target), 0);
        assert_int_equal(
            gw_name_map_page(f->map, scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), 1, &f->arena, &target), 0);
        assert_int_equal(look(f, scope, U2, 2), GW_NAME_ABSENT);
    }
    // Made elsewhere: what is known stays, what was absent is looked for.
    gw_name_map_made(other, main_scope);
    assert_int_equal(look(f, main_scope, U1, 3), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U2, 3), GW_NAME_MISS);
    assert_int_equal(look(f, other_scope, U2, 3), GW_NAME_ABSENT);
    // Made while it is being listed: the listing may have missed it.
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 4, &f->arena, &target), 0);
    gw_name_map_made(other, main_scope);
    assert_int_equal(look(f, main_scope, U2, 4), GW_NAME_LISTING);
    assert_int_equal(
        gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), 5, &f->arena, &target),
        0);
    assert_int_equal(look(f, main_scope, U1, 5), GW_NAME_KNOWN);
    assert_int_equal(look(f, main_scope, U2, 5), GW_NAME_MISS);
    // Renamed while it is being listed: no name of that listing can be relied upon.
    assert_int_equal(gw_name_map_begin(f->map, main_scope, 6, &f->arena, &target), 0);
    gw_name_map_forget(other, main_scope, SPAN_NONE, SPAN_NONE);
    assert_int_equal(
        gw_name_map_page(f->map, main_scope, 200, SPAN("[" ROW(U1, "a", "acme", "main") "]"), 7, &f->arena, &target),
        0);
    assert_int_equal(look(f, main_scope, U1, 7), GW_NAME_MISS);
    assert_int_equal(look(f, other_scope, U1, 7), GW_NAME_KNOWN);
    gw_name_map_free(other);
}

static void answers_that_pass_teach_and_changes_forget(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(gw_name_map_learn(f->map, main_scope,
                                       SPAN(ROW("00000000-0000-4000-8000-00000000000A", "docs", "acme", "main")), 0),
                     1);
    assert_int_equal(look(f, main_scope, "00000000-0000-4000-8000-00000000000a", 1), GW_NAME_KNOWN);
    assert_int_equal(gw_name_map_learn(f->map, main_scope,
                                       SPAN("[" ROW(U1, "a", "acme", "main") "," ROW(U2, "b", "acme", "main") "]"), 1),
                     2);
    gw_name_map_forget(f->map, main_scope, SPAN(U1), SPAN_NONE);
    assert_int_equal(look(f, main_scope, U1, 2), GW_NAME_MISS);
    assert_int_equal(look(f, main_scope, U2, 2), GW_NAME_KNOWN);
    gw_name_map_forget(f->map, main_scope, SPAN_NONE, SPAN("b"));
    assert_int_equal(look(f, main_scope, U2, 2), GW_NAME_MISS);
    gw_name_map_forget(f->map, main_scope, SPAN_NONE, SPAN_NONE);
    assert_int_equal(gw_name_map_stats(f->map).entries, 0);
    assert_int_equal(gw_name_map_learn(f->map, main_scope, SPAN("not json"), 1), 0);
    assert_int_equal(gw_name_map_learn(f->map, main_scope, SPAN("7"), 1), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_unknown_uuid_is_listed_then_known),
        T(a_name_is_short_lived),
        T(a_uuid_of_another_tenant_database_or_shard_is_not_found),
        T(a_listing_with_another_tenants_row_teaches_nothing_of_it),
        T(a_flood_of_random_uuids_costs_one_listing_a_second),
        T(scopes_and_entries_are_bounded),
        T(a_scope_over_its_share_says_so),
        T(listings_are_paged),
        T(a_failed_listing_concludes_nothing_and_waits),
        T(after_a_change_nothing_is_held_to_be_absent),
        T(maps_hear_of_each_other_what_was_made_and_changed),
        T(answers_that_pass_teach_and_changes_forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
