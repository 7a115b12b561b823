// SPDX-License-Identifier: GPL-3.0-or-later
// Partial evaluation: whatever was decided beforehand, and whatever else was kept or pushed out, answers are the same.
#include "tests/unit/policy/support.h"

#include "policy/residual.h"
#include "tests/support/partial_check.h"

enum { WORLDS = 80, REQUESTS = 300, KEYS = 12, BUDGETS = 60 };

static uint64_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

#define PICK(list) (list)[below(sizeof(list) / sizeof *(list))]

// Of these, the first do not read the context.
static const char *const fixed[] = {
    "principal.n > 3",
    "principal has tenant",
    "principal.tenant == resource.tenant",
    "principal in Group::\"g1\"",
    "principal in [Group::\"g2\", Group::\"g3\"]",
    "principal.boss.n > 2",
    "principal.boss in Group::\"g3\"",
    "principal.missing == 1",
    "9223372036854775807 + principal.n > 0",
    "resource.getTag(\"k\") == \"v\"",
    "resource.hasTag(\"k\")",
    "resource is Doc",
    "principal is User in Group::\"g1\"",
    "action in Action::\"all\"",
    "principal.tenant like \"t*1\"",
    "[principal.n, 3].contains(resource.n)",
    "{a: principal.n}.a == resource.n",
    "principal.n",
    "principal.boss has n",
    "principal.rec.x.y == 1",
    "principal has rec.x.y",
    "true",
};
static const char *const open[] = {
    "context.a > 3",
    "context has b",
    "context has b.c",
    "context.b.c == \"x\"",
    "context.who in Group::\"g2\"",
    "context.who.n > 1",
    "context.a == principal.n",
    "[context.a, principal.n].contains(3)",
    "{x: principal.n, y: context.a}.y == 2",
    "context == {a: 1}",
    "principal.n + context.a > 9223372036854775806",
    "resource.getTag(context.k) == \"v\"",
    "context",
    "context.none == 1",
    "ip(context.addr).isLoopback()",
    "context.who == principal",
};

static void condition(struct buf *b, unsigned depth)
{
    switch (depth ? below(8) : below(2)) {
    case 0: buf_printf(b, "%s", PICK(fixed)); return;
    case 1: buf_printf(b, "%s", PICK(open)); return;
    case 2: buf_printf(b, "!("), condition(b, depth - 1), buf_printf(b, ")"); return;
    case 3:
        buf_printf(b, "(if "), condition(b, depth - 1), buf_printf(b, " then "), condition(b, depth - 1);
        buf_printf(b, " else "), condition(b, depth - 1), buf_printf(b, ")");
        return;
    case 4:
        buf_printf(b, "("), condition(b, depth - 1), buf_printf(b, " || "), condition(b, depth - 1), buf_printf(b, ")");
        return;
    default:
        buf_printf(b, "("), condition(b, depth - 1), buf_printf(b, " && "), condition(b, depth - 1), buf_printf(b, ")");
        return;
    }
}

static void policies(struct buf *b, bool shadows)
{
    static const char *const principals[] = { "principal",
                                              "principal",
                                              "principal in Group::\"g1\"",
                                              "principal == User::\"u1\"",
                                              "principal is User",
                                              "principal in Group::\"g3\"" };
    static const char *const actions[] = { "action", "action", "action in [Action::\"all\", Action::\"write\"]",
                                           "action == Action::\"read\"" };
    static const char *const duties[] = { "@filter(\"f\", \"principal.tenant\") ", "@filter(\"f\", \"context.a\") ",
                                          "@audit(\"full\") " };
    static const char *const resources[] = { "resource", "resource", "resource in Folder::\"f\"", "resource is Doc" };

    for (unsigned i = 0, n = 1 + below(12); i < n; i++) {
        bool permit = below(3) != 0;

        buf_printf(b, "%s%s%s (%s, %s, %s)", shadows && below(6) == 0 ? "@mode(\"shadow\") " : "",
                   shadows && permit && below(4) == 0 ? PICK(duties) : "", permit ? "permit" : "forbid",
                   PICK(principals), PICK(actions), PICK(resources));
        for (unsigned k = 0, conditions = below(4); k < conditions; k++) {
            buf_printf(b, " %s { ", below(4) ? "when" : "unless");
            condition(b, below(4));
            buf_printf(b, " }");
        }
        buf_printf(b, ";\n");
    }
}

static const char entities[] =
    "[{\"uid\":{\"type\":\"Group\",\"id\":\"g1\"},\"attrs\":{},\"parents\":[{\"type\":\"Group\",\"id\":\"g3\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"all\"}]},"
    "{\"uid\":{\"type\":\"User\",\"id\":\"u1\"},\"attrs\":{\"tenant\":\"t1\",\"boss\":{\"__entity\":{\"type\":\"User\","
    "\"id\":\"u2\"}}},\"parents\":[]},"
    "{\"uid\":{\"type\":\"User\",\"id\":\"u2\"},\"attrs\":{\"n\":4},\"parents\":[{\"type\":\"Group\",\"id\":\"g2\"}]},"
    "{\"uid\":{\"type\":\"Doc\",\"id\":\"d1\"},\"attrs\":{\"tenant\":\"t1\",\"n\":3},\"parents\":[{\"type\":\"Folder\","
    "\"id\":\"f\"}]}]";

static void who(struct buf *b)
{
    static const char *const users[] = { "u1", "u2", "u3" };
    static const char *const actions[] = { "read", "write" };
    static const char *const docs[] = { "d1", "d2" };
    static const char *const attrs[] = { "", "\"n\":3", "\"n\":9223372036854775807",
                                         "\"tenant\":\"t2\",\"rec\":{\"x\":{\"y\":1}}" };
    static const char *const parents[] = { "", "{\"type\":\"Group\",\"id\":\"g1\"}",
                                           "{\"type\":\"Group\",\"id\":\"unheard\"}" };
    static const char *const tags[] = { "", ",\"tags\":{\"k\":\"v\"}" };
    const char *user = PICK(users), *doc = PICK(docs);

    buf_printf(
        b, "{\"principal\":\"User::\\\"%s\\\"\",\"action\":\"Action::\\\"%s\\\"\",\"resource\":\"Doc::\\\"%s\\\"\",",
        user, PICK(actions), doc);
    buf_printf(b, "\"entities\":[{\"uid\":{\"type\":\"User\",\"id\":\"%s\"},\"attrs\":{%s},\"parents\":[%s]}", user,
               PICK(attrs), PICK(parents));
    if (below(2))
        buf_printf(b, ",{\"uid\":{\"type\":\"Doc\",\"id\":\"%s\"},\"attrs\":{}%s,\"parents\":[]}", doc, PICK(tags));
    // More than are found by looking at each.
    for (unsigned i = 0, n = below(8) ? 0 : 12; i < n; i++)
        buf_printf(b, ",{\"uid\":{\"type\":\"Other\",\"id\":\"o%u\"},\"attrs\":{},\"parents\":[]}", i);
    buf_printf(b, "]");
}

static void context(struct buf *b)
{
    static const char *const a[] = { "1", "2", "3", "5", "\"text\"", "9223372036854775807" };
    static const char *const more[] = { "",
                                        ",\"b\":{\"c\":\"x\"}",
                                        ",\"who\":{\"__entity\":{\"type\":\"User\",\"id\":\"u2\"}}",
                                        ",\"who\":{\"__entity\":{\"type\":\"User\",\"id\":\"new\"}}",
                                        ",\"k\":\"k\",\"addr\":\"127.0.0.1\"",
                                        ",\"b\":3,\"addr\":\"none\",\"k\":7" };

    if (below(8))
        buf_printf(b, ",\"context\":{\"a\":%s%s}", PICK(a), PICK(more));
}

static void one(struct partial_check *c, const struct pol_set *set, const char *texts, struct span asking)
{
    struct arena arena;
    struct buf b;
    struct json_doc *doc;
    struct span difference;

    buf_init(&b, 0);
    arena_init(&arena, 0);
    buf_append(&b, asking);
    context(&b);
    buf_append(&b, SPAN("}"));
    doc = json_parse(buf_span(&b), NULL, NULL);
    assert_non_null(doc);
    difference = partial_difference(c, set, json_root(doc), &arena);
    if (!span_is_none(difference))
        print_error("%s\n%.*s\nmode %d budget %u known %x: %.*s\n", texts, SPAN_FMT(buf_span(&b)), c->mode, c->budget,
                    c->known, SPAN_FMT(difference));
    assert_true(span_is_none(difference));
    json_free(doc);
    arena_fini(&arena);
    buf_fini(&b);
}

static void answers_are_the_same_as_without(void **state)
{
    unsigned found = 0, all = 0;

    (void)state;
    seed = 20240607;
    for (unsigned i = 0; i < WORLDS; i++) {
        struct partial_check c = { 0 };
        struct fixture f;
        struct buf b, asking[KEYS];

        for (unsigned k = 0; k < KEYS; k++) {
            buf_init(&asking[k], 0);
            who(&asking[k]);
        }
        buf_init(&b, 0);
        policies(&b, i % 2);
        buf_byte(&b, 0);
        fixture_try(&f, buf_span(&b).p, entities, i % 2 ? &strict_ : &lax_);
        if (!f.set)
            print_error("%s\n%s\n", buf_span(&b).p, diag_format(&f.arena, f.diags.first).p);
        assert_non_null(f.set);
        // Of some tables things are pushed out all the time.
        c.partials = pol_partials_new(f.set, i % 4 ? 1024 : 8, i);
        if (i % 3)
            pol_partials_keep_text(c.partials);
        for (unsigned k = 0; k < REQUESTS; k++) {
            c.mode = below(2) ? POL_MODE_GATEWAY : POL_MODE_CEDAR;
            c.budget = below(3) ? 0 : 1 + below(BUDGETS);
            c.known = below(3) ? 0 : below(4);
            one(&c, f.set, buf_span(&b).p, buf_span(&asking[below(KEYS)]));
        }
        pol_partials_free(c.partials);
        for (unsigned k = 0; k < KEYS; k++)
            buf_fini(&asking[k]);
        found += c.found;
        all += c.all;
        fixture_fini(&f);
        buf_fini(&b);
    }
    print_message("%u requests, %u of them decided partly\n", all, found);
    assert_int_equal(all, WORLDS * REQUESTS);
    assert_true(found > all / 4);
}

// ------------------------------------------------------------------------------------------------------------ one by one

static struct span part[] = { SPAN("key") };

// Asks with this context; `n` and the principal's attribute only matter where nothing is kept.
static enum pol_partial_found ask_partly(struct pol_partials *c, struct arena *arena, struct pol_request *r, int64_t n,
                                         int64_t limit, struct pol_answer *a)
{
    struct pol_partial_key key = { .parts = part, .n = 1 };
    enum pol_partial_found found = pol_partials_get(c, &key, r, arena);

    if (found != POL_PARTIAL_FOUND) {
        pol_request_attr(r, pol_request_principal(r, SPAN("User"), SPAN("u")), SPAN("n"), pol_long(n));
        pol_request_action(r, SPAN("Action"), SPAN("read"));
        pol_request_resource(r, SPAN("Doc"), SPAN("d"));
    }
    if (found == POL_PARTIAL_AGAIN)
        pol_partials_keep(c, &key, NULL, r);
    pol_request_context(r, SPAN("limit"), pol_long(limit));
    pol_decide(r, POL_MODE_GATEWAY, 0, a);
    return found;
}

static void what_the_context_decides_is_decided_each_time(void **state)
{
    struct fixture f;
    struct pol_partials *c;

    (void)state;
    fixture_init(&f, "permit (principal, action, resource) when { principal.n == 1 && context.limit < 10 };", NULL);
    c = pol_partials_new(f.set, 16, 1);
    for (int i = 0; i < 6; i++) {
        struct pol_request r;
        struct pol_answer a;

        assert_int_equal(ask_partly(c, &f.arena, &r, 1, i % 2 ? 5 : 50, &a), i == 0   ? POL_PARTIAL_NEW
                                                                             : i == 1 ? POL_PARTIAL_AGAIN
                                                                                      : POL_PARTIAL_FOUND);
        assert_int_equal(a.allow, i % 2);
        pol_partial_release(&r);
        pol_partial_release(&r);
    }
    assert_int_equal(pol_partials_count(c), 1);
    pol_partials_free(c);
    fixture_fini(&f);
}

// Made from what was kept or anew, with whatever evaluation looks at only then.
static void text_that_is_kept_is_what_would_be_written(void **state)
{
    static const char people[] = "[{\"uid\":{\"type\":\"User\",\"id\":\"other\"},\"attrs\":{\"n\":1},\"parents\":[]}]";
    struct fixture f;
    struct pol_partials *c;
    char *first = NULL;

    (void)state;
    fixture_init(&f,
                 "permit (principal, action, resource) when { principal.n == 1 && context.limit < 10 && "
                 "User::\"other\".n == 1 };",
                 people);
    c = pol_partials_new(f.set, 16, 1);
    pol_partials_keep_text(c);
    for (int i = 0; i < 5; i++) {
        struct pol_request r;
        struct pol_answer a;
        struct buf b;

        buf_init(&b, 0);
        ask_partly(c, &f.arena, &r, 1, 5, &a);
        assert_true(a.allow);
        assert_int_equal(r.residual && r.residual->text.n > 0, i > 0);
        assert_true(pol_request_to_json(&r, &b) && buf_byte(&b, 0));
        assert_non_null(strstr(buf_span(&b).p, "\"other\""));
        if (!first)
            first = strdup(buf_span(&b).p);
        assert_string_equal(buf_span(&b).p, first);
        buf_fini(&b);
        pol_partial_release(&r);
    }
    free(first);
    pol_partials_free(c);
    fixture_fini(&f);
}

static void a_request_keeps_what_was_pushed_out(void **state)
{
    struct fixture f;
    struct pol_request r;
    struct pol_answer a;
    struct pol_partials *c;
    struct buf b;

    (void)state;
    fixture_init(&f, "permit (principal, action, resource) when { principal.n == 1 && context.limit < 10 };", NULL);
    c = pol_partials_new(f.set, 1, 1);
    for (int i = 0; i < 2; i++) {
        ask_partly(c, &f.arena, &r, 1, 5, &a);
        pol_partial_release(&r);
    }
    assert_int_equal(ask_partly(c, &f.arena, &r, 1, 5, &a), POL_PARTIAL_FOUND);
    pol_partials_free(c);
    assert_int_equal(pol_decide(&r, POL_MODE_GATEWAY, 0, &a), 0);
    buf_init(&b, 0);
    assert_true(pol_request_to_json(&r, &b));
    buf_fini(&b);
    pol_partial_release(&r);
    fixture_fini(&f);
}

static void entities_that_are_kept_cannot_be_changed(void **state)
{
    struct fixture f;
    struct pol_request r;
    struct pol_answer a;
    struct pol_partials *c;

    (void)state;
    fixture_init(&f, "permit (principal, action, resource);", NULL);
    c = pol_partials_new(f.set, 16, 1);
    for (int i = 0; i < 2; i++) {
        ask_partly(c, &f.arena, &r, 1, 5, &a);
        pol_partial_release(&r);
    }
    pol_partials_get(c, &(struct pol_partial_key){ .parts = part, .n = 1 }, &r, &f.arena);
    pol_request_attr(&r, r.principal, SPAN("admin"), pol_bool(true));
    assert_int_equal(r.err, ERR_INTERNAL);
    assert_int_equal(pol_decide(&r, POL_MODE_GATEWAY, 0, &a), ERR_INTERNAL);
    pol_partial_release(&r);
    pol_partials_free(c);
    fixture_fini(&f);
}

// ------------------------------------------------------------------------------------------------------------------ keys

static void owner_free(struct pol_counted *c)
{
    c->free = NULL;
}

static enum pol_partial_found met(struct pol_partials *c, const struct pol_set *set, struct pol_counted *owner,
                                  struct span one, struct span two)
{
    const struct span parts[] = { one, two };
    struct pol_partial_key key = { owner, parts, 2 };
    struct arena arena;
    struct pol_request r;
    enum pol_partial_found found;

    (void)set;
    arena_init(&arena, 0);
    found = pol_partials_get(c, &key, &r, &arena);
    if (found == POL_PARTIAL_AGAIN) {
        pol_request_principal(&r, SPAN("User"), SPAN("u"));
        pol_request_action(&r, SPAN("Action"), SPAN("a"));
        pol_request_resource(&r, SPAN("Doc"), SPAN("d"));
        pol_partials_keep(c, &key, NULL, &r);
    }
    pol_partial_release(&r);
    arena_fini(&arena);
    return found;
}

static void keys_are_told_apart_by_all_of_them(void **state)
{
    struct fixture f;
    struct pol_counted owner = { 1, 100, owner_free }, other = { 1, 100, owner_free };
    struct pol_partials *c;

    (void)state;
    fixture_init(&f, "permit (principal, action, resource);", NULL);
    c = pol_partials_new(f.set, 64, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(met(c, f.set, &owner, SPAN("ab"), SPAN("c")), i);
    assert_int_equal(met(c, f.set, &other, SPAN("ab"), SPAN("c")), POL_PARTIAL_NEW);
    assert_int_equal(met(c, f.set, NULL, SPAN("ab"), SPAN("c")), POL_PARTIAL_NEW);
    assert_int_equal(met(c, f.set, &owner, SPAN("a"), SPAN("bc")), POL_PARTIAL_NEW);
    assert_int_equal(met(c, f.set, &owner, SPAN("ab"), SPAN("d")), POL_PARTIAL_NEW);
    for (int i = 0; i < 3; i++)
        assert_int_equal(met(c, f.set, &owner, SPAN("ab"), SPAN("")), i);
    // Absent and empty have one hash.
    assert_int_equal(met(c, f.set, &owner, SPAN("ab"), SPAN_NONE), POL_PARTIAL_NEW);
    assert_int_equal(owner.refs, 3);
    pol_partials_free(c);
    assert_int_equal(owner.refs, 1);
    pol_counted_unref(&owner);
    assert_null(owner.free);
    fixture_fini(&f);
}

static void what_is_kept_is_bounded(void **state)
{
    struct fixture f;
    struct pol_counted owner = { 1, 1000, owner_free }, large = { 1, POL_PARTIAL_MAX, owner_free };
    struct pol_partials *c;

    (void)state;
    fixture_init(&f, "permit (principal, action, resource);", NULL);
    c = pol_partials_new(f.set, 64, 1);
    for (unsigned i = 0; i < 2000; i++) {
        char text[16];

        snprintf(text, sizeof text, "%u", i / 2);
        met(c, f.set, &owner, span_str(text), SPAN(""));
        assert_true(pol_partials_count(c) <= 64 && owner.refs == 1 + pol_partials_count(c));
        assert_true(pol_partials_bytes(c) <= 64 * (POL_PARTIAL_MAX + 64));
    }
    assert_true(pol_partials_count(c) > 48);
    pol_partials_free(c);
    // What is too large is not tried again and again.
    c = pol_partials_new(f.set, 64, 1);
    assert_int_equal(met(c, f.set, &large, SPAN("a"), SPAN("b")), POL_PARTIAL_NEW);
    assert_int_equal(met(c, f.set, &large, SPAN("a"), SPAN("b")), POL_PARTIAL_AGAIN);
    assert_int_equal(met(c, f.set, &large, SPAN("a"), SPAN("b")), POL_PARTIAL_NEW);
    assert_int_equal(pol_partials_count(c), 0);
    assert_int_equal(large.refs, 1);
    pol_partials_free(c);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_as_without),
        cmocka_unit_test(what_the_context_decides_is_decided_each_time),
        cmocka_unit_test(text_that_is_kept_is_what_would_be_written),
        cmocka_unit_test(a_request_keeps_what_was_pushed_out),
        cmocka_unit_test(entities_that_are_kept_cannot_be_changed),
        cmocka_unit_test(keys_are_told_apart_by_all_of_them),
        cmocka_unit_test(what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
