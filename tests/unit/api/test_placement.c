// SPDX-License-Identifier: GPL-3.0-or-later
// Where collections live: rules in order, a hash that every process computes alike.
#include "ask.h"

#include "gateway/api/placement.h"
#include "gateway/api/resolve.h"

static const struct span names[] = { { "shard-a", 7 }, { "shard-b", 7 }, { "shard-c", 7 }, { "shard-d", 7 } };
static const unsigned a_only[] = { 0 }, b_only[] = { 1 }, c_only[] = { 2 }, all[] = { 0, 1, 2 },
                      reversed[] = { 2, 1, 0 }, more[] = { 0, 1, 2, 3 };

#define G(s)             \
    {                    \
        s, sizeof(s) - 1 \
    }

static void patterns_match_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        { "docs", "docs", true },    { "docs", "docs2", false },
        { "docs", "Docs", false },   { "docs*", "docs", true },
        { "docs*", "docs-2", true }, { "*docs", "mydocs", true },
        { "*", "", true },           { "*", "x", true },
        { "a*b*c", "aXbYc", true },  { "a*b*c", "abc", true },
        { "a*b*c", "acb", false },   { "d?cs", "docs", true },
        { "d?cs", "dcs", false },    { "", "", true },
        { "", "x", false },          { "**", "x", true },
        { "*a", "aaaaab", false },   { "[a]", "a", false },
        { "[a]", "[a]", true },      { "?", "", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_placement_glob(span_str(rows[i].pattern), span_str(rows[i].text)), rows[i].matches);
    assert_true(gw_placement_pattern_valid(SPAN("a*b")));
    assert_false(gw_placement_pattern_valid(SPAN("")));
    assert_false(gw_placement_pattern_valid(SPAN("a\n")));
    assert_false(gw_placement_pattern_valid(SPAN("*a*a*a*a*a*a*a*a*a")));
}

static void the_first_rule_that_matches_decides(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = {
        { .tenant = G("acme"), .collection = G("secret*"), .shards = c_only, .n_shards = 1 },
        { .tenant = G("acme"), .shards = a_only, .n_shards = 1 },
        { .database = G("main"), .collection = G("docs"), .shards = b_only, .n_shards = 1 },
    };
    const struct gw_placement p = { names, 4, rules, 3, NULL };
    unsigned s = 99;
    assert_int_equal(gw_placement_find(&p, SPAN("main"), SPAN("acme"), SPAN("secret-1"), &s), 0);
    assert_int_equal(s, 2);
    assert_int_equal(gw_placement_find(&p, SPAN("main"), SPAN("acme"), SPAN("docs"), &s), 0);
    assert_int_equal(s, 0);
    assert_int_equal(gw_placement_find(&p, SPAN("main"), SPAN("beta"), SPAN("docs"), &s), 0);
    assert_int_equal(s, 1);
    s = 99;
    assert_int_equal(gw_placement_find(&p, SPAN("main"), SPAN("beta"), SPAN("other"), &s), ERR_ROUTE_NONE);
    // A pattern needs a name to be there; "*" does not.
    assert_int_equal(gw_placement_find(&p, SPAN_NONE, SPAN_NONE, SPAN("docs"), &s), ERR_ROUTE_NONE);
    assert_int_equal(s, 99);
    const struct gw_placement_rule star[] = {
        { .database = G("*"), .tenant = G("*"), .shards = a_only, .n_shards = 1 }
    };
    const struct gw_placement q = { names, 4, star, 1, NULL };
    assert_int_equal(gw_placement_find(&q, SPAN_NONE, SPAN_NONE, SPAN("docs"), &s), 0);
}

// These numbers are where data lies: a change that moves them loses collections.
static void the_hash_is_the_same_in_every_process(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .shards = all, .n_shards = 3 } };
    const struct gw_placement_rule other_order[] = { { .shards = reversed, .n_shards = 3 } };
    const struct gw_placement p = { names, 4, rules, 1, NULL }, q = { names, 4, other_order, 1, NULL };
    char seen[17] = "";
    for (unsigned i = 0; i < 16; i++) {
        char name[16];
        unsigned s, t;
        snprintf(name, sizeof(name), "docs%u", i);
        assert_int_equal(gw_placement_find(&p, SPAN("main"), SPAN("acme"), span_str(name), &s), 0);
        assert_int_equal(gw_placement_find(&q, SPAN("main"), SPAN("acme"), span_str(name), &t), 0);
        assert_int_equal(s, t);
        seen[i] = (char)('a' + s);
    }
    assert_string_equal(seen, "cbbbacbabbccbaaa");
}

static void a_new_shard_takes_its_share_and_moves_nothing_else(void **state)
{
    (void)state;
    const struct gw_placement_rule three[] = { { .shards = all, .n_shards = 3 } },
                                   four[] = { { .shards = more, .n_shards = 4 } };
    const struct gw_placement p = { names, 4, three, 1, NULL }, q = { names, 4, four, 1, NULL };
    unsigned count[4] = { 0 }, moved = 0;
    for (unsigned i = 0; i < 4000; i++) {
        char name[16];
        unsigned s, t;
        snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(gw_placement_find(&p, SPAN_NONE, SPAN_NONE, span_str(name), &s), 0);
        assert_int_equal(gw_placement_find(&q, SPAN_NONE, SPAN_NONE, span_str(name), &t), 0);
        count[t]++;
        if (s != t) {
            assert_int_equal(t, 3);
            moved++;
        }
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(count[i], 850, 1150);
    assert_int_equal(moved, count[3]);
}

static void parts_of_a_name_do_not_run_into_each_other(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .shards = more, .n_shards = 4 } };
    const struct gw_placement p = { names, 4, rules, 1, NULL };
    unsigned same = 0;
    for (unsigned i = 0; i < 200; i++) {
        char a[16], b[16];
        unsigned s, t;
        snprintf(a, sizeof(a), "x%uy", i);
        snprintf(b, sizeof(b), "x%u", i);
        gw_placement_find(&p, SPAN("d"), span_str(b), SPAN("yc"), &s);
        gw_placement_find(&p, SPAN("d"), span_str(a), SPAN("c"), &t);
        same += s == t;
    }
    assert_in_range(same, 20, 90); // a quarter by chance
}

static void candidates_are_the_shards_that_may_have_some(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = {
        { .tenant = G("acme"), .collection = G("secret*"), .shards = c_only, .n_shards = 1 },
        { .tenant = G("acme"), .shards = a_only, .n_shards = 1 },
        { .shards = b_only, .n_shards = 1 },
    };
    const struct gw_placement p = { names, 4, rules, 3, NULL };
    struct gw_shard_set set;
    assert_int_equal(gw_placement_candidates(&p, SPAN("main"), SPAN("acme"), &set), 2);
    assert_true(gw_shard_set_has(&set, 0) && gw_shard_set_has(&set, 2) && !gw_shard_set_has(&set, 1));
    assert_int_equal(gw_placement_candidates(&p, SPAN("main"), SPAN("beta"), &set), 1);
    assert_true(gw_shard_set_has(&set, 1));
    assert_int_equal(gw_placement_candidates(&p, SPAN_NONE, SPAN_NONE, &set), 3);
    assert_int_equal(
        gw_placement_candidates(&(struct gw_placement){ names, 4, rules, 2, NULL }, SPAN("main"), SPAN("beta"), &set),
        0);
}

static void a_request_across_shards_is_refused(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = {
        { .collection = G("secret*"), .shards = c_only, .n_shards = 1 },
        { .collection = G("d*"), .shards = a_only, .n_shards = 1 },
    };
    const struct gw_placement p = { names, 4, rules, 2, NULL };
    struct asked a;
    unsigned s = 99;
    asked_init(&a, "qdrant");
    ask(&a, "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"collection\":\"data\"}}");
    assert_int_equal(gw_placement_shard(&p, &a.meaning, &s), 0);
    assert_int_equal(s, 0);
    ask(&a, "POST", "/collections/docs/points/query", "{\"query\":1,\"lookup_from\":{\"collection\":\"secret\"}}");
    assert_int_equal(gw_placement_shard(&p, &a.meaning, &s), ERR_ROUTE_SPLIT);
    ask(&a, "POST", "/collections/aliases",
        "{\"actions\":[{\"create_alias\":{\"collection_name\":\"secret\",\"alias_name\":\"d\"}}]}");
    assert_int_equal(gw_placement_shard(&p, &a.meaning, &s), ERR_ROUTE_SPLIT);
    ask(&a, "GET", "/collections/other", NULL);
    assert_int_equal(gw_placement_shard(&p, &a.meaning, &s), ERR_ROUTE_NONE);
    ask(&a, "GET", "/healthz", NULL);
    s = 99;
    assert_int_equal(gw_placement_shard(&p, &a.meaning, &s), 0);
    assert_int_equal(s, 0);
    asked_fini(&a);
}

// Whatever the rules, the index finds what looking at one after the other finds.
static void the_index_changes_no_placement(void **state)
{
    (void)state;
    static const char *const patterns[] = { NULL,   "*",    "",   "a",   "a*",  "ab",   "ab*",
                                            "abc*", "a?c",  "*b", "b*a", "b",   "ba*",  "a*c",
                                            "?",    "bab*", "c",  "ca*", "cab", "\xff", "a\xff*" };
    static const char *const words[] = { NULL, "",    "a",    "ab", "abc", "abcd", "b",
                                         "ba", "bab", "baba", "c",  "cab", "\xff", "a\xff!" };
    enum { PATTERNS = sizeof patterns / sizeof *patterns, WORDS = sizeof words / sizeof *words, RULES = 24 };
    unsigned long seed = 7;
    for (int round = 0; round < 300; round++) {
        struct gw_placement_rule rules[RULES];
        struct arena arena;
        arena_init(&arena, 0);
        for (int i = 0; i < RULES; i++) {
            struct span *const parts[] = { &rules[i].database, &rules[i].tenant, &rules[i].collection };
            for (int k = 0; k < 3; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                const char *pattern = (seed >> 60) < 4 ? NULL : patterns[(seed >> 33) % PATTERNS];
                *parts[k] = pattern ? span_str(pattern) : SPAN_NONE;
            }
            rules[i].shards = i % 5 ? &more[i % 4] : more;
            rules[i].n_shards = i % 5 ? 1 : 4;
        }
        const struct gw_placement plain = { names, 4, rules, (size_t)round % (RULES + 1), NULL };
        struct gw_placement indexed = plain;
        assert_true(gw_placement_init(&indexed, &arena));
        for (unsigned i = 0; i < WORDS * WORDS * WORDS; i++) {
            const char *w[] = { words[i % WORDS], words[i / WORDS % WORDS], words[i / WORDS / WORDS] };
            struct span n[3];
            for (int k = 0; k < 3; k++)
                n[k] = w[k] ? span_str(w[k]) : SPAN_NONE;
            unsigned a = 99, b = 99;
            assert_int_equal(gw_placement_find(&plain, n[0], n[1], n[2], &a),
                             gw_placement_find(&indexed, n[0], n[1], n[2], &b));
            assert_int_equal(a, b);
        }
        arena_fini(&arena);
    }
}

static void a_thousand_shards_are_placed(void **state)
{
    (void)state;
    static struct gw_placement_rule rules[GW_PLACEMENT_SHARDS_MAX];
    static struct span many[GW_PLACEMENT_SHARDS_MAX];
    static char texts[GW_PLACEMENT_SHARDS_MAX][2][16];
    static unsigned each[GW_PLACEMENT_SHARDS_MAX];
    struct gw_placement p = { many, GW_PLACEMENT_SHARDS_MAX, rules, GW_PLACEMENT_SHARDS_MAX, NULL };
    struct gw_shard_set set;
    struct arena arena;
    unsigned s;
    arena_init(&arena, 0);
    for (unsigned i = 0; i < GW_PLACEMENT_SHARDS_MAX; i++) {
        snprintf(texts[i][0], sizeof texts[i][0], "shard-%u", i);
        snprintf(texts[i][1], sizeof texts[i][1], "c%u-*", i);
        many[i] = span_str(texts[i][0]);
        each[i] = i;
        rules[i] = (struct gw_placement_rule){ .collection = span_str(texts[i][1]), .shards = &each[i], .n_shards = 1 };
    }
    assert_true(gw_placement_init(&p, &arena));
    for (unsigned i = 0; i < GW_PLACEMENT_SHARDS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u-docs", i);
        assert_int_equal(gw_placement_find(&p, SPAN_NONE, SPAN_NONE, span_str(name), &s), 0);
        assert_int_equal(s, i);
    }
    assert_int_equal(gw_placement_find(&p, SPAN_NONE, SPAN_NONE, SPAN("c1024-docs"), &s), ERR_ROUTE_NONE);
    assert_int_equal(gw_placement_candidates(&p, SPAN_NONE, SPAN_NONE, &set), GW_PLACEMENT_SHARDS_MAX);
    assert_true(gw_shard_set_has(&set, GW_PLACEMENT_SHARDS_MAX - 1));
    arena_fini(&arena);
}

#define U "00000000-0000-4000-8000-000000000001"
#define TARGET "/api/v2/tenants/t/databases/d/collections/" U "/get"

struct world {
    struct asked a;
    struct gw_name_map *map;
    struct gw_placement p;
    struct gw_resolve_wait wait;
    unsigned shard;
};

static void world_init(struct world *w, const struct gw_placement_rule *rules, size_t n)
{
    static const uint64_t key[2] = { 3, 4 };
    memset(w, 0, sizeof(*w));
    asked_init(&w->a, "chroma");
    w->map = gw_name_map_new(NULL, key);
    w->p = (struct gw_placement){ names, 4, rules, n, NULL };
    w->shard = 99;
    ask(&w->a, "POST", TARGET, "{}");
    assert_int_equal(w->a.rc, 0);
}

static void world_fini(struct world *w)
{
    gw_name_map_free(w->map);
    asked_fini(&w->a);
}

static int resolve(struct world *w, int64_t now)
{
    return gw_api_resolve(w->map, &w->p, &w->a.meaning, now, &w->a.arena, &w->shard, &w->wait);
}

static void answer(struct world *w, unsigned shard, const char *name, int64_t now)
{
    struct span target;
    char body[256] = "[]";
    struct gw_name_scope s = { shard, SPAN("t"), SPAN("d") };
    if (name)
        snprintf(body, sizeof(body), "[{\"id\":\"" U "\",\"name\":\"%s\",\"tenant\":\"t\",\"database\":\"d\"}]", name);
    assert_int_equal(gw_name_map_begin(w->map, s, now, &w->a.arena, &target), 0);
    assert_int_equal(gw_name_map_page(w->map, s, 200, span_str(body), now, &w->a.arena, &target), 0);
}

static void a_uuid_becomes_a_name_once_its_shard_has_said_it(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .collection = G("b*"), .shards = b_only, .n_shards = 1 },
                                               { .shards = a_only, .n_shards = 1 } };
    struct world w;
    world_init(&w, rules, 2);
    assert_int_equal(resolve(&w, 0), GW_RESOLVE_WAIT);
    assert_true(gw_shard_set_has(&w.wait.begin, 0) && gw_shard_set_has(&w.wait.begin, 1) &&
                !gw_shard_set_has(&w.wait.begin, 2));
    assert_span(w.wait.tenant, "t");
    assert_span(w.wait.database, "d");
    assert_true(w.a.meaning.authorisations[0].collection_is_uuid);
    answer(&w, 0, NULL, 1);
    assert_int_equal(resolve(&w, 2), GW_RESOLVE_WAIT); // the other may have it
    assert_false(gw_shard_set_has(&w.wait.begin, 0));
    answer(&w, 1, "blue", 3);
    assert_int_equal(resolve(&w, 4), 0);
    assert_int_equal(w.shard, 1);
    assert_false(w.a.meaning.authorisations[0].collection_is_uuid);
    assert_span(w.a.meaning.authorisations[0].collection, "blue");
    world_fini(&w);
}

static void a_uuid_nobody_has_is_refused(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .shards = all, .n_shards = 3 } };
    struct world w;
    world_init(&w, rules, 1);
    for (unsigned i = 0; i < 3; i++)
        answer(&w, i, NULL, 1);
    assert_int_equal(resolve(&w, 2), ERR_API_COLLECTION);
    assert_int_equal(w.shard, 99);
    // One shard that cannot be asked might have it.
    struct span target;
    struct gw_name_scope s = { 1, SPAN("t"), SPAN("d") };
    assert_int_equal(gw_name_map_begin(w.map, s, 1500, &w.a.arena, &target), 0);
    gw_name_map_abandon(w.map, s, 1500);
    answer(&w, 0, NULL, 1500);
    answer(&w, 2, NULL, 1500);
    assert_int_equal(resolve(&w, 1501), ERR_SHARD_ANSWER);
    world_fini(&w);
}

// A left-over copy must not be served under the policy of the live one.
static void a_collection_on_a_shard_where_it_is_not_placed_is_refused(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .collection = G("b*"), .shards = b_only, .n_shards = 1 },
                                               { .shards = a_only, .n_shards = 1 } };
    struct world w;
    world_init(&w, rules, 2);
    answer(&w, 0, "blue", 1);
    answer(&w, 1, NULL, 1);
    assert_int_equal(resolve(&w, 2), ERR_API_COLLECTION);
    assert_true(w.a.meaning.authorisations[0].collection_is_uuid);
    world_fini(&w);
}

static void a_rename_to_another_shard_is_refused(void **state)
{
    (void)state;
    const struct gw_placement_rule rules[] = { { .collection = G("b*"), .shards = b_only, .n_shards = 1 },
                                               { .shards = a_only, .n_shards = 1 } };
    struct world w;
    world_init(&w, rules, 2);
    answer(&w, 0, "docs", 1);
    answer(&w, 1, NULL, 1);
    ask(&w.a, "PUT", "/api/v2/tenants/t/databases/d/collections/" U, "{\"new_name\":\"blue\"}");
    assert_int_equal(resolve(&w, 2), ERR_ROUTE_SPLIT);
    ask(&w.a, "PUT", "/api/v2/tenants/t/databases/d/collections/" U, "{\"new_name\":\"letters\"}");
    assert_int_equal(resolve(&w, 2), 0);
    assert_span(w.a.meaning.authorisations[0].collection, "docs");
    assert_span(w.a.meaning.authorisations[1].collection, "letters");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_written),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(the_hash_is_the_same_in_every_process),
        cmocka_unit_test(a_new_shard_takes_its_share_and_moves_nothing_else),
        cmocka_unit_test(parts_of_a_name_do_not_run_into_each_other),
        cmocka_unit_test(candidates_are_the_shards_that_may_have_some),
        cmocka_unit_test(a_request_across_shards_is_refused),
        cmocka_unit_test(the_index_changes_no_placement),
        cmocka_unit_test(a_thousand_shards_are_placed),
        cmocka_unit_test(a_uuid_becomes_a_name_once_its_shard_has_said_it),
        cmocka_unit_test(a_uuid_nobody_has_is_refused),
        cmocka_unit_test(a_collection_on_a_shard_where_it_is_not_placed_is_refused),
        cmocka_unit_test(a_rename_to_another_shard_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
