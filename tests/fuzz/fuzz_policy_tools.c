// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a policy text: what loads is formatted once and for all, and every policy of it is explained as it was decided; what does not load is
// left alone.
#include <stdlib.h>

#include "gateway/base/err.h"
#include "policy/analyze.h"
#include "policy/explain.h"
#include "policy/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok)
        abort();
}

static void explain(struct pol_set *set, const struct pol_source *p, const struct pol_options *options)
{
    const struct pol_account *accounts;
    struct pol_request r;
    struct pol_answer a;
    struct arena arena;

    arena_init(&arena, 64u << 20);
    pol_request_init(&r, set, &arena);
    pol_request_principal(&r, SPAN("A"), SPAN("a"));
    pol_request_action(&r, SPAN("Action"), SPAN("a"));
    pol_request_resource(&r, SPAN("R"), SPAN("r"));
    pol_request_parent(&r, r.principal, SPAN("B"), SPAN("b"));
    pol_request_attr(&r, r.resource, SPAN("a"), pol_long(-1));
    pol_request_context(&r, SPAN("a"), pol_string(SPAN("hello")));
    pol_decide(&r, POL_MODE_CEDAR, 0, &a);
    if (!r.err && a.err != ERR_POLICY_BUDGET && pol_explain(set, p, 1, options, &r, &accounts)) {
        uint32_t nearest[3];
        for (size_t i = 0; i < a.n_determining; i++)
            expect(accounts[a.determining[i]].became == POL_HELD);
        for (size_t i = 0; i < a.n_failures; i++)
            expect(accounts[a.failures[i].policy].became == POL_ERRED);
        expect(pol_nearest(set, accounts, nearest, 3) <= 3);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pol_options options = { .ids_by_position = true, .hash_key = 1 };
    struct pol_source p = { SPAN("p.cedar"), span_of(data, size) }, q = { SPAN("p.cedar"), SPAN_NONE };
    struct pol_analysis analysis = { .pairs_most = 10000 };
    struct buf once, twice;
    struct arena arena;
    struct diags d;

    diags_init(&d);
    arena_init(&arena, 64u << 20);
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (pol_format(&p, &once, &d)) {
        q.text = buf_span(&once);
        expect(pol_format(&q, &twice, &d) && span_eq(buf_span(&once), buf_span(&twice)));
    } else {
        expect(buf_len(&once) == 0);
    }
    struct pol_set *set = pol_set_new(&p, 1, NULL, 0, &options, &d);
    if (set) {
        struct pol_set *formatted = pol_set_new(&q, 1, NULL, 0, &options, &d);
        expect(formatted && pol_set_count(formatted) == pol_set_count(set));
        pol_set_free(formatted);
        pol_analyze(set, &analysis, &arena);
        explain(set, &p, &options);
    }
    pol_set_free(set);
    buf_fini(&once);
    buf_fini(&twice);
    arena_fini(&arena);
    diags_fini(&d);
    return 0;
}
