// SPDX-License-Identifier: GPL-3.0-or-later
// Hostile sizes: a policy of 1 MiB, nesting of 10,000 in every form the language has, sets of 100,000 elements in policies, entities and
// requests, long chains of parents, schemas of the same kinds. Each either works or is refused with a complaint that says where; all of it –
// loading, validating, formatting, deciding, explaining, analysing – runs on a stack of 512 KiB, as a thread may have it, and in bounded time.
#include "tests/unit/policy/support.h"

#include "policy/analyze.h"
#include "policy/explain.h"
#include "policy/format.h"
#include "policy/schema.h"

#include <pthread.h>
#include <time.h>

enum { DEEP = 10000, MANY = 100000, SECONDS = 30 };

// A sanitizer's frames are several times those of a release.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK = 4 * 512 << 10 };
#else
enum { STACK = 512 << 10 };
#endif

// ------------------------------------------------------------------------------------------------------------ on a small stack

struct job {
    void (*run)(struct job *);
    struct buf text, said; // said: the first complaint
    bool loaded;
};

static void *thread(void *arg)
{
    struct job *j = arg;

    j->run(j);
    return NULL;
}

static void on_small_stack(struct job *j)
{
    struct timespec before, after;
    pthread_attr_t attr;
    pthread_t t;

    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_int_equal(pthread_create(&t, &attr, thread, j), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true(after.tv_sec - before.tv_sec <= SECONDS);
    pthread_attr_destroy(&attr);
}

static void say(struct job *j, const struct diags *d)
{
    struct arena a;

    arena_init(&a, 0);
    if (d->first && buf_len(&j->said) == 0)
        buf_append(&j->said, diag_format(&a, d->first));
    arena_fini(&a);
}

static void repeat(struct buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_append(b, span_str(s));
}

// What was said is `expected`, or nothing where nothing is; NULL: whatever.
static void check(struct job *j, const char *name, const char *expected)
{
    bool right = expected ? span_eq(buf_span(&j->said), span_str(expected)) : j->loaded;

    if (!right)
        print_error("%s: %.*s\n", name, (int)(buf_len(&j->said) > 300 ? 300 : buf_len(&j->said)), buf_span(&j->said).p);
    buf_fini(&j->text);
    buf_fini(&j->said);
    assert_true(right);
}

static void job_init(struct job *j, void (*run)(struct job *))
{
    *j = (struct job){ .run = run };
    buf_init(&j->text, 0);
    buf_init(&j->said, 0);
}

// ------------------------------------------------------------------------------------------------------------ policies

static void ask_everything(struct pol_set *set, const struct pol_source *p)
{
    struct pol_analysis analysis = { .actions = NULL };
    const struct pol_account *accounts;
    struct pol_request r;
    struct pol_answer a;
    struct arena arena;

    arena_init(&arena, 0);
    pol_request_init(&r, set, &arena);
    pol_request_principal(&r, SPAN("User"), SPAN("a"));
    pol_request_action(&r, SPAN("Action"), SPAN("search"));
    pol_request_resource(&r, SPAN("Doc"), SPAN("d"));
    pol_request_context(&r, SPAN("a"), pol_long(1));
    pol_decide(&r, POL_MODE_GATEWAY, 0, &a);
    pol_explain(set, p, 1, &lax_, &r, &accounts);
    pol_analyze(set, &analysis, &arena);
    arena_fini(&arena);
}

static void use_policies(struct job *j)
{
    struct pol_source p = { SPAN("p"), buf_span(&j->text) };
    struct diags d, others;
    struct buf formatted;
    struct pol_schema *schema;
    struct pol_set *set;

    diags_init(&d);
    diags_init(&others);
    buf_init(&formatted, 0);
    set = pol_set_new(&p, 1, NULL, 0, &lax_, &d);
    say(j, &d);
    j->loaded = set != NULL;
    if (set)
        ask_everything(set, &p);
    schema = pol_schema_new(&pol_schema_shipped, 1, &others);
    pol_schema_validate(schema, &p, 1, &lax_, &others);
    // What loads can be formatted.
    j->loaded = pol_format(&p, &formatted, &others) == j->loaded && j->loaded;
    pol_schema_free(schema);
    pol_set_free(set);
    buf_fini(&formatted);
    diags_fini(&others);
    diags_fini(&d);
}

struct shape {
    const char *name, *open, *middle, *close;
    const char *complaint; // NULL: it loads
};

static const struct shape shapes[] = {
    { "parentheses", "(", "true", ")", "p:1:173: error: nested deeper than 128; simplify the expression" },
    { "negations", "!", "true", "", "p:1:49: error: more than four '!' in a row; remove pairs" },
    { "minuses", "-", "1 == 1", "", "p:1:49: error: more than four '-' in a row; remove pairs" },
    { "negated parentheses", "!(", "true", ")", "p:1:301: error: nested deeper than 128; simplify the expression" },
    { "a chain of else if", "if true then true else ", "true", "",
      "p:1:2969: error: nested deeper than 128; simplify the expression" },
    { "conditions of conditions", "if ", "true", " then true else true",
      "p:1:429: error: nested deeper than 128; simplify the expression" },
    { "then within then", "if true then ", "true", " else true",
      "p:1:1699: error: nested deeper than 128; simplify the expression" },
    { "sets", "[", "", "]", "p:1:173: error: nested deeper than 128; simplify the expression" },
    { "records", "{a:", "1", "}", "p:1:429: error: nested deeper than 128; simplify the expression" },
    { "arguments", "[1].contains(", "1", ")", "p:1:1697: error: nested deeper than 128; simplify the expression" },
    { "functions", "ip(", "\"::1\"", ")", "p:1:429: error: nested deeper than 128; simplify the expression" },
    { "computed names of tags", "principal.getTag(", "\"a\"", ")",
      "p:1:2221: error: nested deeper than 128; simplify the expression" },
    // Chains do not nest: they are walked by loops.
    { "a chain of &&", "true && ", "true", "", NULL },
    { "a chain of ||", "context.a == 2 || ", "true", "", NULL },
    { "a chain of +", "context.a + ", "1 == 1", "", NULL },
    { "a chain of *", "context.a * ", "1 == 1", "", NULL },
    { "a chain of members", "", "context", ".a", NULL },
    { "a chain of indexes", "", "context", "[\"a\"]", NULL },
    { "a chain of methods", "", "context", ".contains(1)", NULL },
    { "a path after has", "", "context has a", ".a", NULL },
    { "a chain of comparisons", "1 == ", "1", "",
      "p:1:52: error: two comparisons in a row; put parentheses around one" },
};

static void nesting_of_10000_is_refused_with_its_place_or_walked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct job j;

        job_init(&j, use_policies);
        buf_append(&j.text, SPAN("permit (principal, action, resource) when { "));
        repeat(&j.text, shapes[i].open, DEEP);
        buf_append(&j.text, span_str(shapes[i].middle));
        repeat(&j.text, shapes[i].close, DEEP);
        buf_append(&j.text, SPAN(" };"));
        on_small_stack(&j);
        check(&j, shapes[i].name, shapes[i].complaint);
    }
}

// As deep as it may be, in the form that costs the most, on the small stack.
static void nesting_as_deep_as_allowed_fits_a_small_stack(void **state)
{
    static const struct shape deep[] = {
        { "if", "if context.a == 1 then ", "true", " else false", NULL },
        { "not", "!(", "true", ")", NULL },
        { "sets", "[", "1", "].contains(1)", NULL },
        { "records", "{a: ", "1", "}.a", NULL },
        { "||", "context.b == 1 || (", "true", ")", NULL },
        { "like", "true && (", "context.a like \"*\"", ")", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        struct job j;

        job_init(&j, use_policies);
        buf_append(&j.text, SPAN("permit (principal, action, resource) when { "));
        repeat(&j.text, deep[i].open, POL_DEPTH_MAX - 2);
        buf_append(&j.text, span_str(deep[i].middle));
        repeat(&j.text, deep[i].close, POL_DEPTH_MAX - 2);
        buf_append(&j.text, SPAN(" };"));
        on_small_stack(&j);
        check(&j, deep[i].name, NULL);
    }
}

static void numbers(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%zu", i ? "," : "", i);
}

static void a_policy_of_1_mib_is_used(void **state)
{
    struct job j;

    (void)state;
    job_init(&j, use_policies);
    buf_append(&j.text, SPAN("permit (principal, action, resource) when { "));
    for (unsigned i = 0; buf_len(&j.text) < 1 << 20; i++)
        buf_printf(&j.text, "context has a%u && context.a%u == \"%u\" || ", i, i, i);
    buf_append(&j.text, SPAN("context.a == 1 };"));
    on_small_stack(&j);
    check(&j, "1 MiB", NULL);
}

static void text_of_1_mib_that_is_no_policy_is_refused(void **state)
{
    static const char *const pieces[] = { "(", "{", "@", "\"", "permit", "permit(", "@a(", "%", "::" };

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct job j;

        job_init(&j, use_policies);
        repeat(&j.text, pieces[i], (1 << 20) / strlen(pieces[i]) + 1);
        on_small_stack(&j);
        assert_false(j.loaded);
        if (!span_starts(buf_span(&j.said), SPAN("p:1:")))
            print_error("%s: %.*s\n", pieces[i], SPAN_FMT(span_sub(buf_span(&j.said), 0, 300)));
        assert_true(span_starts(buf_span(&j.said), SPAN("p:1:")));
        buf_fini(&j.text);
        buf_fini(&j.said);
    }
}

static void a_text_longer_than_the_bound_is_refused(void **state)
{
    struct job j;

    (void)state;
    job_init(&j, use_policies);
    repeat(&j.text, "// nothing\n", POL_TEXT_MAX / 11 + 1);
    on_small_stack(&j);
    assert_false(j.loaded);
    assert_true(span_starts(buf_span(&j.said), SPAN("p:")));
    buf_fini(&j.text);
    buf_fini(&j.said);
}

static void a_set_of_100000_in_a_policy_is_refused_and_one_of_65536_is_not(void **state)
{
    struct job j;

    (void)state;
    for (int few = 0; few < 2; few++) {
        job_init(&j, use_policies);
        buf_append(&j.text, SPAN("permit (principal, action, resource) when { ["));
        numbers(&j.text, few ? POL_ELEMENTS_MAX : MANY);
        buf_append(&j.text, SPAN("].contains(context.a) };"));
        on_small_stack(&j);
        check(&j, "a set", few ? NULL : "p:1:45: error: a set of more than 65536 elements; put the data into entities");
    }
}

// ------------------------------------------------------------------------------------------------------------ entities

static void use_entities(struct job *j)
{
    struct pol_source e = { SPAN("e"), buf_span(&j->text) };
    struct diags d, others;
    struct pol_schema *schema;
    struct pol_set *set;

    diags_init(&d);
    diags_init(&others);
    set = pol_set_new(NULL, 0, &e, 1, &lax_, &d);
    say(j, &d);
    j->loaded = set != NULL;
    schema = pol_schema_new(&pol_schema_shipped, 1, &others);
    pol_schema_validate_entities(schema, &e, 1, false, &others);
    pol_schema_free(schema);
    pol_set_free(set);
    diags_fini(&others);
    diags_fini(&d);
}

// An entity whose attribute is what `j->text` gets next.
static void entity_begin(struct job *j)
{
    buf_append(&j->text, SPAN("[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{\"s\":"));
}

static void entity_end(struct job *j)
{
    buf_append(&j->text, SPAN("},\"parents\":[]}]"));
}

static void values_in_entities_are_bounded(void **state)
{
    static const struct shape deep[] = {
        { "sets", "[", "", "]", "e:1:84: error: not valid JSON: nested too deeply" },
        { "records", "{\"a\":", "1", "}", "e:1:232: error: not valid JSON: nested too deeply" },
    };
    struct job j;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        job_init(&j, use_entities);
        entity_begin(&j);
        repeat(&j.text, deep[i].open, DEEP);
        buf_append(&j.text, span_str(deep[i].middle));
        repeat(&j.text, deep[i].close, DEEP);
        entity_end(&j);
        on_small_stack(&j);
        check(&j, deep[i].name, deep[i].complaint);
    }
    for (int few = 0; few < 2; few++) {
        job_init(&j, use_entities);
        entity_begin(&j);
        buf_byte(&j.text, '[');
        numbers(&j.text, few ? POL_ELEMENTS_MAX : MANY);
        buf_byte(&j.text, ']');
        entity_end(&j);
        on_small_stack(&j);
        check(&j, "a set",
              few ? NULL : "e:1:2: error: User::\"a\": at .s: a set of more than 65536 elements; use parents and 'in'");
    }
}

// Each entity is in the next one; `closed`: and the last in the first.
static void chain(struct job *j, unsigned n, bool closed)
{
    job_init(j, use_entities);
    buf_byte(&j->text, '[');
    for (unsigned i = 0; i < n; i++) {
        buf_printf(&j->text, "%s{\"uid\":{\"type\":\"User\",\"id\":\"u%u\"},\"attrs\":{},\"parents\":[", i ? "," : "",
                   i);
        if (closed || i + 1 < n)
            buf_printf(&j->text, "{\"type\":\"User\",\"id\":\"u%u\"}", (i + 1) % n);
        buf_append(&j->text, SPAN("]}"));
    }
    buf_byte(&j->text, ']');
    on_small_stack(j);
}

static void chains_of_parents_are_bounded(void **state)
{
    struct job j;

    (void)state;
    chain(&j, 4000, false);
    check(&j, "a chain of 4,000", NULL);
    chain(&j, DEEP, false);
    assert_false(j.loaded);
    check(&j, "a chain of 10,000",
          "e:1:384223: error: more than 16000000 pairs of entity and ancestor; use fewer levels");
}

static void a_cycle_of_10000_parents_is_found(void **state)
{
    struct job j;

    (void)state;
    chain(&j, DEEP, true);
    check(&j, "a cycle", "e:1:85: error: User::\"u1\" is its own ancestor; remove one of the parents");
}

static void more_than_65536_parents_are_refused(void **state)
{
    struct job j;

    (void)state;
    job_init(&j, use_entities);
    buf_append(&j.text, SPAN("[{\"uid\":{\"type\":\"User\",\"id\":\"a\"},\"attrs\":{},\"parents\":["));
    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&j.text, "%s{\"type\":\"User\",\"id\":\"p%u\"}", i ? "," : "", i);
    buf_append(&j.text, SPAN("]}]"));
    on_small_stack(&j);
    check(&j, "parents", "e:1:2: error: more than 65536 parents; put groups between");
}

// ------------------------------------------------------------------------------------------------------------ requests

static void use_request(struct job *j)
{
    static const char policy[] =
        "permit (principal, action, resource) when { context.a == [1] || context.a.contains(1) };";
    struct pol_source p = { SPAN("p"), span_str(policy) };
    struct pol_request r;
    struct pol_answer a;
    struct arena arena;
    struct diags d;
    struct pol_set *set;
    struct buf again;

    diags_init(&d);
    arena_init(&arena, 0);
    buf_init(&again, 0);
    set = pol_set_new(&p, 1, NULL, 0, &lax_, &d);
    pol_request_init(&r, set, &arena);
    j->loaded = pol_request_from_json(&r, SPAN("r"), buf_span(&j->text), false, &d);
    say(j, &d);
    if (j->loaded)
        j->loaded = pol_decide(&r, POL_MODE_GATEWAY, 0, &a) == 0 && pol_request_to_json(&r, &again);
    pol_set_free(set);
    buf_fini(&again);
    arena_fini(&arena);
    diags_fini(&d);
}

static void values_in_a_request_are_bounded(void **state)
{
    static const struct span head = SPAN("{\"principal\":\"User::\\\"a\\\"\",\"action\":\"Action::\\\"b\\\"\","
                                         "\"resource\":\"Doc::\\\"c\\\"\",\"context\":{\"a\":");
    struct job j;

    (void)state;
    for (int few = 0; few < 2; few++) {
        job_init(&j, use_request);
        buf_append(&j.text, head);
        buf_byte(&j.text, '[');
        numbers(&j.text, few ? POL_ELEMENTS_MAX : MANY);
        buf_append(&j.text, SPAN("]}}"));
        on_small_stack(&j);
        check(&j, "a set",
              few ? NULL : "r: error: context: at .a: a set of more than 65536 elements; use parents and 'in'");
    }
    job_init(&j, use_request);
    buf_append(&j.text, head);
    repeat(&j.text, "[", DEEP);
    repeat(&j.text, "]", DEEP);
    buf_append(&j.text, SPAN("}}"));
    on_small_stack(&j);
    check(&j, "sets in sets", "r:1:130: error: not valid JSON: nested too deeply");
}

// ------------------------------------------------------------------------------------------------------------- schemas

static void use_schema(struct job *j)
{
    struct pol_source s = { SPAN("s"), buf_span(&j->text) },
                      p = { SPAN("p"), SPAN("permit (principal, action, resource);") };
    struct pol_schema *schema;
    struct diags d;

    diags_init(&d);
    schema = pol_schema_new(&s, 1, &d);
    say(j, &d);
    j->loaded = schema != NULL;
    if (schema)
        pol_schema_validate(schema, &p, 1, &lax_, &d);
    pol_schema_free(schema);
    diags_fini(&d);
}

static void nesting_in_a_schema_is_bounded(void **state)
{
    static const struct {
        const char *begin, *open, *middle, *close, *end, *complaint;
    } deep[] = {
        { "entity User { a: ", "Set<", "Long", ">", " };",
          "s:1:146: error: types nested deeper than 32; give parts a name with `type`" },
        { "entity User { a: ", "{ a: ", "Long", "}", " };",
          "s:1:178: error: types nested deeper than 32; give parts a name with `type`" },
        { "{\"\":{\"actions\":{},\"entityTypes\":{\"User\":{\"shape\":{\"type\":\"Record\",\"attributes\":{\"a\":",
          "{\"type\":\"Set\",\"element\":", "{\"type\":\"Long\"}", "}", "}}}}}}",
          "s:1:1669: error: not JSON: nested too deeply" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        struct job j;

        job_init(&j, use_schema);
        buf_append(&j.text, span_str(deep[i].begin));
        repeat(&j.text, deep[i].open, DEEP);
        buf_append(&j.text, span_str(deep[i].middle));
        repeat(&j.text, deep[i].close, DEEP);
        buf_append(&j.text, span_str(deep[i].end));
        on_small_stack(&j);
        check(&j, deep[i].begin, deep[i].complaint);
    }
}

// `#` is the number, `$` the next one.
static void add_numbered(struct buf *b, const char *text, unsigned number)
{
    for (; *text; text++) {
        if (*text == '#' || *text == '$')
            buf_printf(b, "%u", number + (*text == '$'));
        else
            buf_byte(b, *text);
    }
}

static void chains_in_a_schema_are_bounded(void **state)
{
    static const struct {
        const char *name, *each, *last, *complaint;
    } chains[] = {
        { "types of types", "type T# = Set<T$>;\n", "type T# = Long; entity User { a: T0 };",
          "s:257:13: error: types within types deeper than 128; flatten them" },
        { "other names", "type T# = T$;\n", "type T# = Long; entity User { a: T0 };",
          "s:513:13: error: types within types deeper than 128; flatten them" },
        { "entity types", "entity E# in [E$];\n", "entity E#;",
          "error: more than 4000000 relations in the hierarchy of entity types, at 'E408'; flatten it" },
        { "actions", "action a# in [a$];\n", "action a#;",
          "error: more than 4000000 relations in the hierarchy of actions, at 'a408'; flatten it" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct job j;

        job_init(&j, use_schema);
        for (unsigned k = 0; k < DEEP; k++)
            add_numbered(&j.text, chains[i].each, k);
        add_numbered(&j.text, chains[i].last, DEEP);
        on_small_stack(&j);
        check(&j, chains[i].name, chains[i].complaint);
    }
}

// Each type holds the next one twice: 2^100 fields, were they ever written out.
static void types_that_double_are_shared(void **state)
{
    struct job j;

    (void)state;
    job_init(&j, use_schema);
    for (unsigned k = 0; k < 100; k++)
        buf_printf(&j.text, "type T%u = { a: T%u, b: T%u };\n", k, k + 1, k + 1);
    buf_append(
        &j.text,
        SPAN("type T100 = Long; entity User { a: T0 }; action read appliesTo { principal: User, resource: User };"));
    on_small_stack(&j);
    check(&j, "doubling", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_of_10000_is_refused_with_its_place_or_walked),
        cmocka_unit_test(nesting_as_deep_as_allowed_fits_a_small_stack),
        cmocka_unit_test(a_policy_of_1_mib_is_used),
        cmocka_unit_test(text_of_1_mib_that_is_no_policy_is_refused),
        cmocka_unit_test(a_text_longer_than_the_bound_is_refused),
        cmocka_unit_test(a_set_of_100000_in_a_policy_is_refused_and_one_of_65536_is_not),
        cmocka_unit_test(values_in_entities_are_bounded),
        cmocka_unit_test(chains_of_parents_are_bounded),
        cmocka_unit_test(a_cycle_of_10000_parents_is_found),
        cmocka_unit_test(more_than_65536_parents_are_refused),
        cmocka_unit_test(values_in_a_request_are_bounded),
        cmocka_unit_test(nesting_in_a_schema_is_bounded),
        cmocka_unit_test(chains_in_a_schema_are_bounded),
        cmocka_unit_test(types_that_double_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
