// SPDX-License-Identifier: GPL-3.0-or-later
// What docs/policy.md shows works: its policies load as the gateway loads them, its entities too, and they decide as the text says.
#include "tests/unit/policy/support.h"

#include "gateway/base/file.h"

#ifndef SALLYPORT_SOURCE_DIR
#define SALLYPORT_SOURCE_DIR "."
#endif

static const char actions[] =
    "[{\"uid\":{\"type\":\"Action\",\"id\":\"search\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readonly\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"write\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readwrite\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"readonly\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readwrite\"}]}]";

// Appends what stands between ``` fences of the language; how many fences there were.
static unsigned blocks(struct span text, struct span language, struct buf *out)
{
    unsigned n = 0;
    bool inside = false;
    struct span line;

    while (!span_is_none(text)) {
        line = span_cut(&text, '\n');
        if (span_starts(line, SPAN("```"))) {
            inside = !inside && span_eq(span_sub(line, 3, line.n), language);
            n += inside;
        } else if (inside) {
            buf_append(out, line);
            buf_byte(out, '\n');
        }
    }
    return n;
}

struct docs {
    struct buf text, cedar, json;
    struct fixture f;
};

static int setup(void **state)
{
    static struct docs d;
    struct pol_source e[2], p;

    buf_init(&d.text, 0);
    buf_init(&d.cedar, 0);
    buf_init(&d.json, 0);
    diags_init(&d.f.diags);
    arena_init(&d.f.arena, 0);
    assert_int_equal(file_read(SALLYPORT_SOURCE_DIR "/docs/policy.md", 1 << 20, &d.text), 0);
    assert_true(blocks(buf_span(&d.text), SPAN("cedar"), &d.cedar) >= 5);
    assert_int_equal(blocks(buf_span(&d.text), SPAN("json"), &d.json), 1);
    p = (struct pol_source){ SPAN("docs"), buf_span(&d.cedar) };
    e[0] = (struct pol_source){ SPAN("actions"), span_str(actions) };
    e[1] = (struct pol_source){ SPAN("docs.json"), buf_span(&d.json) };
    d.f.set = pol_set_new(&p, 1, e, 2, &strict_, &d.f.diags);
    if (!d.f.set)
        print_error("%s\n", complaint(&d.f));
    *state = &d;
    return d.f.set ? 0 : -1;
}

static int teardown(void **state)
{
    struct docs *d = *state;

    fixture_fini(&d->f);
    buf_fini(&d->text);
    buf_fini(&d->cedar);
    buf_fini(&d->json);
    return 0;
}

// What the request in the making has besides: a contract and the time, a region.
struct extras {
    int64_t until_ms, now;
    const char *region;
};

static void add_extras(struct fixture *f, const struct extras *x)
{
    struct pol_record *rec = pol_record_new(&f->r);

    if (x->until_ms)
        pol_request_attr(&f->r, f->r.principal, SPAN("until"), pol_datetime(x->until_ms));
    pol_record_put(&f->r, rec, SPAN("now"), pol_long(x->now));
    pol_request_context(&f->r, SPAN("time"), pol_record_value(rec));
    if (x->region) {
        pol_request_tag(&f->r, f->r.principal, SPAN("region"), pol_string(span_str(x->region)));
        pol_request_attr(&f->r, f->r.resource, SPAN("region"), pol_string(SPAN("eu")));
    }
}

// A search or a write by the documented workload, with a token of a role, bound or not.
static bool allowed_with(struct fixture *f, const char *action, const char *role, const char *bound, const char *by,
                         const struct extras *extras)
{
    struct pol_entity *e;
    struct pol_record *rec;

    fixture_again(f);
    e = pol_request_principal(&f->r, SPAN("Workload"), SPAN("spiffe://prod.example/rag"));
    pol_request_attr(&f->r, e, SPAN("path"), pol_string(SPAN("/rag")));
    pol_request_parent(&f->r, e, SPAN("TrustDomain"), SPAN("prod.example"));
    pol_request_parent(&f->r, e, SPAN("Role"), span_str(role));
    pol_request_action(&f->r, SPAN("Action"), span_str(action));
    e = pol_request_resource(&f->r, SPAN("Collection"), SPAN("acme/main/docs"));
    pol_request_attr(&f->r, e, SPAN("name"), pol_string(SPAN("docs")));
    pol_request_attr(&f->r, e, SPAN("tenant"), pol_string(SPAN("acme")));
    pol_request_parent(&f->r, e, SPAN("Tenant"), SPAN("acme"));
    rec = pol_record_new(&f->r);
    pol_record_put(&f->r, rec, SPAN("bound_to"), pol_string(span_str(bound)));
    pol_request_context(&f->r, SPAN("token"), pol_record_value(rec));
    if (extras)
        add_extras(f, extras);
    pol_decide(&f->r, POL_MODE_GATEWAY, 0, &f->a);
    for (size_t i = 0; i < f->a.n_determining; i++)
        if (span_eq(pol_answer_id(&f->r, &f->a, i), span_str(by)))
            return f->a.allow;
    assert_string_equal(by, "");
    return f->a.allow;
}

static bool allowed(struct fixture *f, const char *action, const char *role, const char *bound, const char *by)
{
    return allowed_with(f, action, role, bound, by, NULL);
}

static void examples_decide_as_the_page_says(void **state)
{
    struct fixture *f = &((struct docs *)*state)->f;

    assert_true(allowed(f, "search", "corp/reader", "dpop", "acme-readers"));
    assert_true(allowed(f, "search", "corp/editor", "both", "acme-readers"));
    assert_true(allowed(f, "write", "corp/none", "dpop", "own-tenant"));
    assert_false(allowed(f, "search", "corp/reader", "nothing", "bound-only"));
    assert_int_equal(f->a.err, ERR_POLICY_FORBID);
    assert_false(allowed(f, "drop", "corp/reader", "dpop", ""));
    assert_int_equal(f->a.err, ERR_POLICY_NO_PERMIT);
}

static void contracts_end_and_regions_stay_apart(void **state)
{
    static const struct extras before = { .until_ms = 1798675200000, .now = 1798675199 },
                               after = { .until_ms = 1798675200000, .now = 1798675200 },
                               here = { .now = 1, .region = "eu" }, there = { .now = 1, .region = "us" };
    struct fixture *f = &((struct docs *)*state)->f;

    assert_true(allowed_with(f, "search", "corp/reader", "dpop", "acme-readers", &before));
    assert_false(allowed_with(f, "search", "corp/reader", "dpop", "contract-ended", &after));
    assert_true(allowed_with(f, "search", "corp/reader", "dpop", "acme-readers", &here));
    assert_false(allowed_with(f, "search", "corp/reader", "dpop", "same-region", &there));
}

static void shadow_policies_report_and_change_nothing(void **state)
{
    struct fixture *f = &((struct docs *)*state)->f;

    assert_true(allowed(f, "write", "corp/none", "dpop", "own-tenant"));
    assert_true(f->a.shadow.differs);
    assert_int_equal(f->a.shadow.n, 1);
    assert_true(span_eq(pol_set_policy(f->set, f->a.shadow.policies[0])->id, SPAN("editors-write")));
    assert_true(allowed(f, "write", "corp/editor", "dpop", "own-tenant"));
    assert_false(f->a.shadow.differs);
    assert_true(allowed(f, "search", "corp/reader", "dpop", "acme-readers"));
    assert_false(f->a.shadow.differs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_decide_as_the_page_says),
        cmocka_unit_test(contracts_end_and_regions_stay_apart),
        cmocka_unit_test(shadow_policies_report_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
