// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a policy text: loads or complains; what loads decides within its budget, and decides the same from its audit record.
// Templates that call themselves t are linked.
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/print.h"
#include "policy/request_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char entities[] =
    "[{\"uid\":{\"type\":\"A\",\"id\":\"a\"},\"tags\":{\"t\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.5\"}},\"u\":["
    "1]},"
    "\"attrs\":{\"a\":1,\"b\":[\"x\",\"y\"],\"c\":{\"d\":true},\"e\":{\"__"
    "entity\":{\"type\":\"B\",\"id\":\"b\"}}},"
    "\"parents\":[{\"type\":\"B\",\"id\":\"b\"}]},{\"uid\":{\"type\":\"B\",\"id\":\"b\"},\"attrs\":{\"a\":\"z\"},"
    "\"parents\":[{\"type\":\"C\",\"id\":\"c\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"a\"},\"parents\":[{\"type\":\"Action\",\"id\":\"g\"}]}]";

static void expect(bool ok)
{
    if (!ok)
        abort();
}

static void decide(const struct pol_set *set, const struct pol_set *bare, struct diags *d)
{
    struct pol_request r, again;
    struct pol_answer a, b;
    struct arena arena;
    struct buf json;

    arena_init(&arena, 64u << 20);
    buf_init(&json, 0);
    pol_request_init(&r, set, &arena);
    pol_request_principal(&r, SPAN("A"), SPAN("a"));
    pol_request_action(&r, SPAN("Action"), SPAN("a"));
    pol_request_resource(&r, SPAN("R"), SPAN("r"));
    pol_request_attr(&r, r.resource, SPAN("a"), pol_long(-1));
    pol_request_parent(&r, r.resource, SPAN("B"), SPAN("b"));
    pol_request_tag(&r, r.resource, SPAN("t"), pol_datetime(-1));
    pol_request_context(&r, SPAN("ip"), pol_request_ip(&r, SPAN("fe80::1/64")));
    pol_request_context(&r, SPAN("now"), pol_datetime(INT64_MAX));
    pol_request_context(&r, SPAN("age"), pol_duration(INT64_MIN));
    pol_request_context(&r, SPAN("dec"), pol_decimal(-5));
    pol_request_context(&r, SPAN("a"), pol_string(SPAN("hello")));
    pol_request_context(&r, SPAN("b"), pol_request_ref(&r, SPAN("B"), SPAN("b")));
    pol_decide(&r, POL_MODE_CEDAR, 100000, &a);
    if (a.err != -1 && bare && pol_request_to_json(&r, &json)) {
        pol_request_init(&again, bare, &arena);
        expect(pol_request_from_json(&again, SPAN("audit"), buf_span(&json), false, d));
        pol_decide(&again, POL_MODE_CEDAR, 100000, &b);
        expect(a.err == b.err && a.n_determining == b.n_determining && a.n_failures == b.n_failures);
    }
    pol_decide(&r, POL_MODE_GATEWAY, 10, &b);
    expect(b.allow == (b.err == 0));
    pol_decide(&r, POL_MODE_GATEWAY, 100000, &b);
    expect(b.allow == (b.err == 0) && (b.allow || b.n_obligations == 0));
    for (size_t i = 0; i < b.n_obligations; i++) {
        const struct pol_obligation *o = &b.obligations[i];
        const struct pol_value *v = o->value.kind == POL_SET ? o->value.items : &o->value;
        size_t n = o->value.kind == POL_SET ? o->value.n : 1;

        expect(i == 0 || b.obligations[i - 1].policy <= o->policy);
        for (size_t k = 0; o->kind == POL_OBLIGATION_FILTER && k < n; k++)
            expect(v[k].kind == v[0].kind && v[k].kind >= POL_BOOL && v[k].kind <= POL_STRING);
        expect(o->kind != POL_OBLIGATION_LIMIT || (o->count > 0 && pol_obligation_period(o->period_ms).n > 0));
        pol_print_obligation(&json, &r, o, 100);
    }
    buf_fini(&json);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pol_source p = { SPAN("fuzz"), span_of(data, size) }, e = { SPAN("entities"), SPAN("") };
    struct pol_options options = { .strict_annotations = size && data[0] == '@', .hash_key = size };
    const struct pol_link link = { .template_id = SPAN("t"),
                                   .id = SPAN("l"),
                                   .principal = { SPAN("A"), SPAN("a") },
                                   .resource = { SPAN_NONE, SPAN_NONE } };
    struct pol_set *set, *bare;
    struct diags d;

    e.text = span_str(entities);
    diags_init(&d);
    options.links = &link;
    options.n_links = size && memmem(data, size, "\"t\"", 3) && memmem(data, size, "?principal", 10);
    set = pol_set_new(&p, 1, &e, 1, &options, &d);
    expect((set != NULL) == (d.errors == 0));
    bare = set ? pol_set_new(&p, 1, NULL, 0, &options, &d) : NULL;
    if (set)
        decide(set, bare, &d);
    pol_set_free(bare);
    pol_set_free(set);
    diags_fini(&d);
    return 0;
}
