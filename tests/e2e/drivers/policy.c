// SPDX-License-Identifier: GPL-3.0-or-later
// Policies and requests as lines of JSON on standard input, answers as lines on standard output: what the differential test
// asks beside another implementation of Cedar, and what bench/micro/policy.mjs compares.
//
//   {"check": ["permit …;", …]}                    → {"accepted": [true, false, …]}      each text alone
//   {"policies": "…", "entities": […], "links": […], "requests": [{…}, …]}
//     → {"answers": [{"allow", "reason", "errors", "gateway"} or {"refused"}, …]}, or {"refused": "why"}
//
//   {"schema": "…", "validate": ["permit …;", …]}  → {"valid": [true, false, …], "why": [null, "…", …]}, or {"refused": "why"}
//     with "links" as well: those of templates among the texts, which are one set then: {"valid": [true or false], …}
//   {"schema": "…", "conform": [[…], …]}           → {"conforms": [true, false, …], "why": […]}  each list of entities alone
//   {"format": ["permit …;", …]}                   → {"texts": ["…" or null, …]}
//
// `reason` and `errors` are ids of policies as Cedar's authoriser has it, `gateway` is whether the gateway would allow it. `partly` is there only when
// the answer is another one where part of it was decided before (policy/partial.h), and says what is different.
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "policy/decide.h"
#include "policy/format.h"
#include "policy/links_json.h"
#include "policy/request_json.h"
#include "policy/schema.h"
#include "tests/support/partial_check.h"

#include <stdio.h>
#include <stdlib.h>

static const struct json_limits limits = { .bytes = 64u << 20, .depth = 128, .nul_names = true };

static struct span first_complaint(struct arena *a, const struct diags *d)
{
    return d->first ? diag_format(a, d->first) : SPAN("refused without a word");
}

static struct pol_set *load(struct arena *a, json v, struct diags *d)
{
    struct pol_options options = { .hash_key = 42 };
    struct pol_source policies = { SPAN("policies"), json_string(json_get(v, SPAN("policies"))) };
    struct pol_source entities = { .name = SPAN("entities") }, links = { .name = SPAN("links") };
    struct pol_set *set = NULL;
    struct buf e, l;
    bool ok = true;

    buf_init(&e, 0);
    buf_init(&l, 0);
    if (json_get(v, SPAN("entities")) && json_write(&e, json_get(v, SPAN("entities"))))
        entities.text = buf_span(&e);
    if (json_get(v, SPAN("links")) && json_write(&l, json_get(v, SPAN("links")))) {
        links.text = buf_span(&l);
        ok = pol_links_read(&links, a, &options.links, &options.n_links, d);
    }
    if (ok)
        set = pol_set_new(&policies, 1, &entities, entities.text.n ? 1 : 0, &options, d);
    buf_fini(&e);
    buf_fini(&l);
    return set;
}

// Decided partly, and then the rest: three times, for what is kept is kept at the second.
static void partly(struct json_writer *w, struct pol_partials *partials, const struct pol_set *set, json request)
{
    struct partial_check c = { .partials = partials };

    for (int i = 0; i < 3; i++) {
        struct arena a;
        struct span difference;

        arena_init(&a, 0);
        c.mode = i == 1 ? POL_MODE_GATEWAY : POL_MODE_CEDAR;
        difference = partial_difference(&c, set, request, &a);
        if (!span_is_none(difference)) {
            json_w_key(w, SPAN("partly"));
            json_w_string(w, difference);
            i = 3;
        }
        arena_fini(&a);
    }
}

static void answer(struct json_writer *w, struct pol_request *r)
{
    struct pol_answer a;

    pol_decide(r, POL_MODE_CEDAR, 0, &a);
    if (r->err || a.err == ERR_POLICY_BUDGET) {
        json_w_key(w, SPAN("refused"));
        json_w_string(w, r->err ? span_str(r->why) : SPAN("the budget is spent"));
        return;
    }
    json_w_key(w, SPAN("allow"));
    json_w_bool(w, a.allow);
    json_w_key(w, SPAN("reason"));
    json_w_array(w);
    for (size_t i = 0; i < a.n_determining; i++)
        json_w_string(w, pol_answer_id(r, &a, i));
    json_w_end(w);
    json_w_key(w, SPAN("errors"));
    json_w_array(w);
    for (size_t i = 0; i < a.n_failures; i++)
        json_w_string(w, pol_set_policy(r->set, a.failures[i].policy)->id);
    json_w_end(w);
    json_w_key(w, SPAN("gateway"));
    json_w_bool(w, pol_decide(r, POL_MODE_GATEWAY, 0, &a) == 0);
}

static void requests(struct json_writer *w, const struct pol_set *set, json list)
{
    struct json_iter it = json_iter(list);
    struct pol_partials *partials = pol_partials_new(set, 64, 42);
    struct span name;
    json v;

    json_w_key(w, SPAN("answers"));
    json_w_array(w);
    while (json_next(&it, &name, &v)) {
        struct arena a;
        struct diags d;
        struct pol_request r;

        arena_init(&a, 0);
        diags_init(&d);
        pol_request_init(&r, set, &a);
        json_w_object(w);
        if (pol_request_from_value(&r, SPAN("request"), v, true, &d)) {
            answer(w, &r);
            partly(w, partials, set, v);
        } else {
            json_w_key(w, SPAN("refused"));
            json_w_string(w, first_complaint(&a, &d));
        }
        json_w_end(w);
        diags_fini(&d);
        arena_fini(&a);
    }
    json_w_end(w);
    pol_partials_free(partials);
}

static void check(struct json_writer *w, json list)
{
    static const struct pol_options options = { .hash_key = 42 };
    struct json_iter it = json_iter(list);
    struct span name;
    json v;

    json_w_key(w, SPAN("accepted"));
    json_w_array(w);
    while (json_next(&it, &name, &v)) {
        struct pol_source s = { SPAN("policy"), json_string(v) };
        struct diags d;
        struct pol_set *set;

        diags_init(&d);
        set = pol_set_new(&s, 1, NULL, 0, &options, &d);
        json_w_bool(w, set != NULL);
        pol_set_free(set);
        diags_fini(&d);
    }
    json_w_end(w);
}

typedef bool (*judge_fn)(const struct pol_schema *schema, json v, struct diags *d);

static bool validates(const struct pol_schema *schema, json v, struct diags *d)
{
    static const struct pol_options options = { .hash_key = 42 };
    struct pol_source s = { SPAN("policy"), json_string(v) };

    return pol_schema_validate(schema, &s, 1, &options, d);
}

static bool conforms(const struct pol_schema *schema, json v, struct diags *d)
{
    struct buf text;

    buf_init(&text, 0);
    json_write(&text, v);
    struct pol_source s = { SPAN("entities"), buf_span(&text) };
    bool good = pol_schema_validate_entities(schema, &s, 1, true, d);
    buf_fini(&text);
    return good;
}

// Each of the list alone: a list of verdicts under `key`, and of what is complained about.
static void judge_each(struct json_writer *w, struct span key, const struct pol_schema *schema, json list,
                       judge_fn judge)
{
    struct json_iter it = json_iter(list);
    struct span name;
    struct buf why;
    json v;

    buf_init(&why, 0);
    struct json_writer ww = json_writer(&why);
    json_w_array(&ww);
    json_w_key(w, key);
    json_w_array(w);
    while (json_next(&it, &name, &v)) {
        struct arena a;
        struct diags d;

        arena_init(&a, 0);
        diags_init(&d);
        bool good = judge(schema, v, &d);
        json_w_bool(w, good);
        if (good)
            json_w_null(&ww);
        else
            json_w_string(&ww, first_complaint(&a, &d));
        diags_fini(&d);
        arena_fini(&a);
    }
    json_w_end(w);
    json_w_end(&ww);
    json_w_key(w, SPAN("why"));
    json_w_raw(w, buf_span(&why));
    buf_fini(&why);
}

// All texts as one set, with links.
static void validate_linked(struct json_writer *w, const struct pol_schema *schema, json v)
{
    struct pol_options options = { .hash_key = 42 };
    struct json_iter it = json_iter(json_get(v, SPAN("validate")));
    struct pol_source links = { .name = SPAN("links") }, policies = { .name = SPAN("policies") };
    struct span name;
    struct buf l, p;
    struct arena a;
    struct diags d;
    json text;

    buf_init(&l, 0);
    buf_init(&p, 0);
    arena_init(&a, 0);
    diags_init(&d);
    json_write(&l, json_get(v, SPAN("links")));
    links.text = buf_span(&l);
    while (json_next(&it, &name, &text))
        buf_append(&p, json_string(text));
    policies.text = buf_span(&p);
    bool valid = pol_links_read(&links, &a, &options.links, &options.n_links, &d) &&
                 pol_schema_validate(schema, &policies, 1, &options, &d);
    json_w_key(w, SPAN("valid"));
    json_w_array(w);
    json_w_bool(w, valid);
    json_w_end(w);
    json_w_key(w, SPAN("why"));
    json_w_array(w);
    if (valid)
        json_w_null(w);
    else
        json_w_string(w, first_complaint(&a, &d));
    json_w_end(w);
    diags_fini(&d);
    arena_fini(&a);
    buf_fini(&p);
    buf_fini(&l);
}

static void validate(struct json_writer *w, json v)
{
    struct pol_source s = { SPAN("schema"), json_string(json_get(v, SPAN("schema"))) };
    struct arena a;
    struct diags d;

    arena_init(&a, 0);
    diags_init(&d);
    struct pol_schema *schema = pol_schema_new(&s, 1, &d);
    if (schema && json_get(v, SPAN("conform"))) {
        judge_each(w, SPAN("conforms"), schema, json_get(v, SPAN("conform")), conforms);
    } else if (schema && json_get(v, SPAN("links"))) {
        validate_linked(w, schema, v);
    } else if (schema) {
        judge_each(w, SPAN("valid"), schema, json_get(v, SPAN("validate")), validates);
    } else {
        json_w_key(w, SPAN("refused"));
        json_w_string(w, first_complaint(&a, &d));
    }
    pol_schema_free(schema);
    diags_fini(&d);
    arena_fini(&a);
}

static void formats(struct json_writer *w, json list)
{
    struct json_iter it = json_iter(list);
    struct span name;
    json v;

    json_w_key(w, SPAN("texts"));
    json_w_array(w);
    while (json_next(&it, &name, &v)) {
        struct pol_source s = { SPAN("policy"), json_string(v) };
        struct buf out;
        struct diags d;

        buf_init(&out, 0);
        diags_init(&d);
        if (pol_format(&s, &out, &d))
            json_w_string(w, buf_span(&out));
        else
            json_w_null(w);
        diags_fini(&d);
        buf_fini(&out);
    }
    json_w_end(w);
}

static bool line(struct span text)
{
    struct json_error error;
    struct json_doc *doc = json_parse(text, &limits, &error);
    struct buf out;
    struct json_writer w;
    struct arena a;
    struct diags d;
    bool ok;

    if (!doc) {
        fprintf(stderr, "column %u: %s\n", error.column, error.what);
        return false;
    }
    buf_init(&out, 0);
    arena_init(&a, 0);
    diags_init(&d);
    w = json_writer(&out);
    json_w_object(&w);
    if (json_get(json_root(doc), SPAN("check"))) {
        check(&w, json_get(json_root(doc), SPAN("check")));
    } else if (json_get(json_root(doc), SPAN("schema"))) {
        validate(&w, json_root(doc));
    } else if (json_get(json_root(doc), SPAN("format"))) {
        formats(&w, json_get(json_root(doc), SPAN("format")));
    } else {
        struct pol_set *set = load(&a, json_root(doc), &d);

        if (set) {
            requests(&w, set, json_get(json_root(doc), SPAN("requests")));
        } else {
            json_w_key(&w, SPAN("refused"));
            json_w_string(&w, first_complaint(&a, &d));
        }
        pol_set_free(set);
    }
    json_w_end(&w);
    buf_append(&out, SPAN("\n"));
    ok = fwrite(buf_span(&out).p, 1, buf_len(&out), stdout) == buf_len(&out) && fflush(stdout) == 0;
    json_free(doc);
    diags_fini(&d);
    arena_fini(&a);
    buf_fini(&out);
    return ok;
}

int main(void)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    bool ok = true;

    while (ok && (n = getline(&text, &cap, stdin)) > 0)
        ok = line(span_of(text, (size_t)n));
    free(text);
    return ok ? 0 : 1;
}
