// SPDX-License-Identifier: GPL-3.0-or-later
// Asks a table what a request means, confines it, and gives what would be sent: its body, "unchanged", or "!API_BODY", the error's name.
#ifndef SALLYPORT_TESTS_UNIT_API_CONFINED_H
#define SALLYPORT_TESTS_UNIT_API_CONFINED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/api/confine.h"
#include "gateway/base/err.h"
#include <stdio.h>
#include <stdlib.h>

#define CONFINED_FILTERS_MAX 256

struct confined {
    struct gw_api *api;
    struct arena arena;
    struct gw_api_meaning meaning;
    struct span why;
    unsigned assured;     // enum gw_api_assurance
    bool body_was_needed; // by confining, not by matching
    int rc;
};

// One to put on an authorisation; `field` NULL ends a list.
struct confined_by {
    const char *field;
    struct gw_api_value values[3];
    size_t n;
    int only; // an action; below 0: on every authorisation
};

#define TEXT(s)                                           \
    {                                                     \
        .kind = GW_API_TEXT, .text = { s, sizeof(s) - 1 } \
    }
#define NUMBER(i)                            \
    {                                        \
        .kind = GW_API_NUMBER, .number = (i) \
    }
#define FLAG(b)                          \
    {                                    \
        .kind = GW_API_FLAG, .flag = (b) \
    }

// What most tests confine by: the one value "a" in `tenant`.
static const struct confined_by tenant_a[] = { { "tenant", { TEXT("a") }, 1, -1 }, { .field = NULL } };

static inline void confined_init(struct confined *c, const char *api)
{
    memset(c, 0, sizeof(*c));
    c->api = gw_api_new(gw_api_def_find(span_str(api)));
    assert_non_null(c->api);
    arena_init(&c->arena, 0);
}

static inline void confined_fini(struct confined *c)
{
    gw_api_free(c->api);
    arena_fini(&c->arena);
}

static inline const char *confined_error(struct confined *c, int rc)
{
    c->rc = rc;
    return arena_printf(&c->arena, "!%.*s", SPAN_FMT(err_info(rc)->name)).p;
}

// `target` is "/a/b?query", its segments taken as they are. The answer lives until the next question.
static inline const char *confined(struct confined *c, const struct confined_by *by, const char *method,
                                   const char *target, const char *body)
{
    struct span segments[32], rest = span_str(target), path = span_cut(&rest, '?');
    struct gw_api_request q = {
        .method = span_str(method), .query = rest, .segments = segments, .has_body = body != NULL
    };
    arena_fini(&c->arena);
    arena_init(&c->arena, 0);
    memset(&c->meaning, 0, sizeof(c->meaning));
    c->why = SPAN_NONE;
    c->rc = 0;
    c->body_was_needed = false;
    path = span_sub(path, 1, path.n);
    while (path.n > 0 && !span_is_none(path))
        segments[q.n_segments++] = span_cut(&path, '/');
    int rc = gw_api_match(c->api, &q, &c->arena, &c->meaning, &c->why);
    if (rc == GW_API_NEED_BODY) {
        q.body_ready = true;
        q.body = span_str(body);
        rc = gw_api_match(c->api, &q, &c->arena, &c->meaning, &c->why);
    }
    if (rc != 0)
        return confined_error(c, rc);
    struct gw_api_filter filters[CONFINED_FILTERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->meaning.n_authorisations; i++)
        for (const struct confined_by *f = by; f->field; f++)
            if (f->only < 0 || (int)c->meaning.authorisations[i].action == f->only) {
                assert_true(n < CONFINED_FILTERS_MAX);
                filters[n++] = (struct gw_api_filter){ i, span_str(f->field), f->values, f->n };
            }
    struct gw_api_meaning before = c->meaning;
    q.assured = c->assured;
    rc = gw_api_confine(c->api, &q, filters, n, &c->arena, &c->meaning, &c->why);
    if (rc == GW_API_NEED_BODY) {
        assert_memory_equal(&before, &c->meaning, sizeof(before));
        c->body_was_needed = true;
        q.body_ready = true;
        q.body = span_str(body);
        rc = gw_api_confine(c->api, &q, filters, n, &c->arena, &c->meaning, &c->why);
    }
    if (rc != 0) {
        assert_true(rc < 0);
        assert_memory_equal(&before, &c->meaning, sizeof(before));
        return confined_error(c, rc);
    }
    if (span_eq(before.body, c->meaning.body) && span_is_none(before.body) == span_is_none(c->meaning.body))
        return "unchanged";
    return arena_printf(&c->arena, "%.*s", SPAN_FMT(c->meaning.body)).p;
}

struct confined_row {
    const char *method, *target, *body, *expected; // `expected` "!…": any text of that error
};

static inline void confined_rows(const char *api, unsigned assured, const struct confined_by *by,
                                 const struct confined_row *rows, size_t n)
{
    struct confined c;
    size_t wrong = 0;
    confined_init(&c, api);
    c.assured = assured;
    for (size_t i = 0; i < n; i++) {
        const char *got = confined(&c, by, rows[i].method, rows[i].target, rows[i].body);
        // A refusal says why.
        if (strcmp(got, rows[i].expected) == 0 && (got[0] != '!' || c.why.n > 0))
            continue;
        wrong++;
        print_error("%s %s %s\n  expected %s\n  got      %s (%.*s)\n", rows[i].method, rows[i].target,
                    rows[i].body ? rows[i].body : "", rows[i].expected, got, SPAN_FMT(c.why));
    }
    confined_fini(&c);
    assert_int_equal(wrong, 0);
}
#define CONFINED_ROWS_ASSURED(api, assured, by, rows) \
    confined_rows((api), (assured), (by), (rows), sizeof(rows) / sizeof((rows)[0]))
#define CONFINED_ROWS(api, by, rows) CONFINED_ROWS_ASSURED(api, 0, by, rows)

#endif
