// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of policy/ share: a set from text, a request, and short questions about the answer.
#ifndef SALLYPORT_TESTS_POLICY_SUPPORT_H
#define SALLYPORT_TESTS_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/base/err.h"
#include "policy/decide.h"
#include "policy/request_json.h"

static const struct pol_options lax_ = { .hash_key = 7 };
static const struct pol_options strict_ = { .strict_annotations = true };

struct fixture {
    struct diags diags;
    struct arena arena;
    struct pol_set *set;
    struct pol_request r;
    struct pol_answer a;
};

static inline void fixture_try(struct fixture *f, const char *policies, const char *entities,
                               const struct pol_options *o)
{
    struct pol_source p = { SPAN("p.cedar"), span_str(policies) }, e = { SPAN("e.json"), span_str(entities) };

    diags_init(&f->diags);
    arena_init(&f->arena, 0);
    f->set = pol_set_new(&p, 1, &e, entities ? 1 : 0, o, &f->diags);
    if (f->set)
        pol_request_init(&f->r, f->set, &f->arena);
}

static inline void fixture_init(struct fixture *f, const char *policies, const char *entities)
{
    fixture_try(f, policies, entities, &lax_);
    if (!f->set)
        print_error("%s\n", diag_format(&f->arena, f->diags.first).p);
    assert_non_null(f->set);
}

static inline void fixture_fini(struct fixture *f)
{
    pol_set_free(f->set);
    diags_fini(&f->diags);
    arena_fini(&f->arena);
}

// Another request to the same set.
static inline void fixture_again(struct fixture *f)
{
    pol_request_init(&f->r, f->set, &f->arena);
}

static inline void ask(struct fixture *f, const char *principal, const char *action, const char *resource)
{
    pol_request_principal(&f->r, SPAN("User"), span_str(principal));
    pol_request_action(&f->r, SPAN("Action"), span_str(action));
    pol_request_resource(&f->r, SPAN("Doc"), span_str(resource));
}

// The first complaint, as it is printed.
static inline const char *complaint(struct fixture *f)
{
    return f->diags.first ? diag_format(&f->arena, f->diags.first).p : "(none)";
}

// Loading fails, and the first complaint is exactly this.
static inline void assert_refused(const char *policies, const char *entities, const struct pol_options *o,
                                  const char *expected)
{
    struct fixture f;

    fixture_try(&f, policies, entities, o);
    assert_null(f.set);
    assert_true(f.diags.errors > 0);
    assert_string_equal(complaint(&f), expected);
    fixture_fini(&f);
}

#endif
