// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a schema, in either syntax, and as a policy against a fixed one: reads or complains, and what it reads can
// be asked.
#include <stdlib.h>

#include "policy/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pol_options options = { .hash_key = 1 };

static const struct pol_source policies = {
    SPAN("policies"),
    SPAN("permit(principal in B::\"b\", action in Action::\"g\", resource is A) when { principal has x.y && "
         "principal.x == "
         "context };"
         "forbid(principal == ?principal, action, resource) unless { resource.hasTag(\"t\") && resource.getTag(\"t\") "
         "== "
         "[A::\"a\"] || context.a.b.contains({ c: ip(\"::1\"), d: 1 + principal.n }) };"),
};
static const struct pol_source entities = {
    SPAN("entities"), SPAN("[{\"uid\":{\"type\":\"A\",\"id\":\"a\"},\"attrs\":{\"x\":{\"y\":[1]}},\"tags\":{\"t\":1},"
                           "\"parents\":[{\"type\":\"B\",\"id\":\"b\"}]}]")
};

static void expect(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pol_source text = { SPAN("fuzz"), span_of(data, size) };
    struct pol_schema *s;
    struct diags d;
    size_t before;

    diags_init(&d);
    s = pol_schema_new(&text, 1, &d);
    expect((s != NULL) == (d.errors == 0));
    before = d.errors;
    if (s) {
        expect(pol_schema_validate(s, &policies, 1, &options, &d) == (d.errors == before));
        pol_schema_validate_entities(s, &entities, 1, size & 1, &d);
        pol_schema_free(s);
    }
    diags_fini(&d);
    diags_init(&d);
    s = pol_schema_new(&pol_schema_shipped, 1, &d);
    expect(s != NULL);
    pol_schema_validate(s, &text, 1, &options, &d);
    pol_schema_validate_entities(s, &text, 1, true, &d);
    pol_schema_free(s);
    diags_fini(&d);
    return 0;
}
