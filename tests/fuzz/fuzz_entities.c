// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as an entities text, as a request, and as links of templates: loads or complains, and what loads can be asked.
#include <stdlib.h>

#include "gateway/base/err.h"
#include "policy/decide.h"
#include "policy/links_json.h"
#include "policy/request_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policies[] =
    "permit(principal in B::\"b\", action in Action::\"g\", resource is A) when { principal has x.y && principal.x == "
    "context };"
    "permit(principal, action, resource) when { resource.getTag(\"t\") == principal.getTag(context.k) || "
    "context.ip.isInRange("
    "ip(\"10.0.0.0/8\")) };"
    "permit(principal, action, resource) when { context.t.offset(context.d) < principal.t || "
    "context.c.lessThan(context.d) };"
    "forbid(principal, action, resource) when { context.s.contains(resource.a) || A::\"a\" in [B::\"b\", principal] };";

static void expect(bool ok)
{
    if (!ok)
        abort();
}

static void ask(const struct pol_set *set, struct span text)
{
    struct pol_request r;
    struct pol_answer a, b;
    struct arena arena;
    struct diags d;
    struct buf json;

    arena_init(&arena, 64u << 20);
    diags_init(&d);
    buf_init(&json, 0);
    pol_request_init(&r, set, &arena);
    if (!pol_request_from_json(&r, SPAN("fuzz"), text, true, &d)) {
        expect(d.errors > 0);
        pol_request_init(&r, set, &arena);
        pol_request_principal(&r, SPAN("A"), SPAN("a"));
        pol_request_action(&r, SPAN("Action"), SPAN("a"));
        pol_request_resource(&r, SPAN("A"), SPAN("a"));
        pol_request_parent(&r, r.principal, SPAN("B"), SPAN("b"));
    }
    pol_decide(&r, POL_MODE_GATEWAY, 100000, &a);
    expect(a.allow == (a.err == 0));
    // What the audit form says can be read, and says the same again.
    if (!r.err && pol_request_to_json(&r, &json)) {
        pol_request_init(&r, set, &arena);
        expect(pol_request_from_json(&r, SPAN("audit"), buf_span(&json), false, &d));
        pol_decide(&r, POL_MODE_GATEWAY, 100000, &b);
        expect(a.err == ERR_POLICY_BUDGET || a.err == b.err);
    }
    buf_fini(&json);
    diags_fini(&d);
    arena_fini(&arena);
}

static void read_links(const struct pol_source *source)
{
    const struct pol_link *links;
    struct arena arena;
    struct diags d;
    size_t n;

    arena_init(&arena, 64u << 20);
    diags_init(&d);
    expect(pol_links_read(source, &arena, &links, &n, &d) == (d.errors == 0));
    diags_fini(&d);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pol_source p = { SPAN("policies"), SPAN("") }, e = { SPAN("fuzz"), span_of(data, size) };
    static const struct pol_options options = { .hash_key = 1 };
    struct pol_set *set;
    struct diags d;

    p.text = span_str(policies);
    diags_init(&d);
    set = pol_set_new(&p, 1, &e, 1, &options, &d);
    expect((set != NULL) == (d.errors == 0));
    if (!set)
        set = pol_set_new(&p, 1, NULL, 0, &options, &d);
    expect(set != NULL);
    ask(set, e.text);
    read_links(&e);
    pol_set_free(set);
    diags_fini(&d);
    return 0;
}
