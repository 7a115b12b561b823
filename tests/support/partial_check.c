// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/partial_check.h"

#include <stdio.h>

#include "gateway/base/err.h"
#include "policy/residual.h"

// What an answer says, as one text.
static struct span told(struct arena *arena, const struct pol_request *r, const struct pol_answer *a)
{
    struct buf b;
    struct span s;

    buf_init(&b, 0);
    buf_printf(&b, "allow %d err %d request %d candidates %u steps %u errors %u %u determining", a->allow, a->err,
               r->err, a->candidates, a->steps, a->permit_errors, a->forbid_errors);
    for (size_t i = 0; i < a->n_determining; i++)
        buf_printf(&b, " %u", a->determining[i]);
    for (size_t i = 0; i < a->n_failures; i++)
        buf_printf(&b, " failure %u %u:%u %.*s", a->failures[i].policy, a->failures[i].line, a->failures[i].column,
                   SPAN_FMT(a->failures[i].text));
    buf_printf(&b, " shadow %d %d %u", a->shadow.differs, a->shadow.err, a->shadow.errors);
    for (size_t i = 0; i < a->shadow.n; i++)
        buf_printf(&b, " %u", a->shadow.policies[i]);
    for (size_t i = 0; i < a->n_obligations; i++) {
        buf_printf(&b, " obligation %d %u %.*s ", a->obligations[i].kind, a->obligations[i].policy,
                   SPAN_FMT(a->obligations[i].field));
        if (a->obligations[i].kind == POL_OBLIGATION_FILTER)
            buf_printf(&b, "%d %u", a->obligations[i].value.kind, a->obligations[i].value.n);
    }
    s = arena_dup(arena, buf_span(&b));
    buf_fini(&b);
    return s;
}

// The audit form, up to the order of entities: those that evaluation looked at are listed as it came to them.
static uint64_t recorded(struct pol_request *r)
{
    struct buf b;
    uint64_t sum = 0;

    if (r->err)
        return 0;
    buf_init(&b, 0);
    pol_request_to_json(r, &b);
    for (size_t i = 0; i < buf_len(&b); i++)
        sum += (uint64_t)(uint8_t)buf_span(&b).p[i] * (uint8_t)buf_span(&b).p[i] + 1;
    buf_fini(&b);
    return sum;
}

// Whether what is kept as text is, byte for byte, what would be written.
static bool text_is_true(struct pol_request *r)
{
    struct buf kept, made;
    struct span text;
    bool same;

    if (r->err || !r->residual)
        return true;
    buf_init(&kept, 0);
    buf_init(&made, 0);
    pol_request_to_json(r, &kept);
    text = r->residual->text;
    r->residual->text = SPAN_NONE;
    pol_request_to_json(r, &made);
    r->residual->text = text;
    same = span_eq(buf_span(&kept), buf_span(&made));
    buf_fini(&kept);
    buf_fini(&made);
    return same;
}

static struct span text_of(struct arena *arena, json v)
{
    struct buf b;
    struct span s = SPAN_NONE;

    buf_init(&b, 0);
    if (v && json_write(&b, v))
        s = arena_dup(arena, buf_span(&b));
    buf_fini(&b);
    return s;
}

// The members of the context that are in the key, as a record in the request's arena.
static struct pol_value known_of(const struct partial_check *c, struct pol_request *r, const struct pol_value *context)
{
    struct pol_field *fields = arena_array(r->arena, context->n + 1, sizeof *fields);
    uint32_t n = 0;

    for (uint32_t i = 0; i < context->n && i < 32; i++)
        if (c->known >> i & 1)
            fields[n++] = context->fields[i];
    return (struct pol_value){ .kind = POL_RECORD, .n = n, .fields = fields };
}

// False: not a request.
static bool build(struct partial_check *c, json v, struct arena *arena, struct pol_request *r, struct diags *d)
{
    json given = json_get(v, SPAN("context"));
    char bits[16];
    // With all of the context as a part where any of it is known: its members may stand in any order.
    struct span parts[] = {
        text_of(arena, json_get(v, SPAN("principal"))),
        text_of(arena, json_get(v, SPAN("action"))),
        text_of(arena, json_get(v, SPAN("resource"))),
        text_of(arena, json_get(v, SPAN("entities"))),
        c->known ? text_of(arena, given) : SPAN_NONE,
        span_of(bits, (size_t)snprintf(bits, sizeof bits, "%x", c->known)),
    };
    struct pol_partial_key key = { .parts = parts, .n = sizeof parts / sizeof *parts };
    enum pol_partial_found found = pol_partials_get(c->partials, &key, r, arena);
    struct pol_value context = { .kind = POL_RECORD };

    c->all++;
    c->found += found == POL_PARTIAL_FOUND;
    if (found != POL_PARTIAL_FOUND && !pol_request_entities_from_value(r, SPAN("r"), v, d))
        return false;
    if (given && !pol_request_record_from_value(r, SPAN("r"), given, &context, d))
        return false;
    if (found == POL_PARTIAL_AGAIN) {
        struct pol_value known = known_of(c, r, &context);

        pol_partials_keep(c->partials, &key, c->known ? &known : NULL, r);
    }
    return !given || pol_request_context_is(r, context);
}

struct span partial_difference(struct partial_check *c, const struct pol_set *set, json request, struct arena *arena)
{
    struct pol_request plain, partly = { 0 };
    struct pol_answer a, b;
    struct span of_plain, of_partly, difference = SPAN_NONE;
    struct diags d;

    diags_init(&d);
    pol_request_init(&plain, set, arena);
    if (pol_request_from_value(&plain, SPAN("r"), request, true, &d) && build(c, request, arena, &partly, &d)) {
        pol_decide(&plain, c->mode, c->budget, &a);
        of_plain = told(arena, &plain, &a);
        // Twice: a request may be decided again.
        for (int i = 0; i < 2 && span_is_none(difference); i++) {
            pol_decide(&partly, c->mode, c->budget, &b);
            of_partly = told(arena, &partly, &b);
            if (!span_eq(of_plain, of_partly))
                difference = arena_printf(arena, "without: %.*s; with: %.*s", SPAN_FMT(of_plain), SPAN_FMT(of_partly));
        }
        if (span_is_none(difference) && a.err != ERR_POLICY_BUDGET && recorded(&plain) != recorded(&partly))
            difference = SPAN("the audit forms are different");
        if (span_is_none(difference) && !text_is_true(&partly))
            difference = SPAN("the entities that were kept as text are others");
    }
    pol_partial_release(&partly);
    diags_fini(&d);
    return difference;
}
