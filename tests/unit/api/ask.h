// SPDX-License-Identifier: GPL-3.0-or-later
// Asks a table what a request means and writes the answer as one line, so that tests are rows of text:
//   "search docs, read other"      authorisations in order; Qdrant has no tenant or database
//   "read t/d/#<uuid>"             Chroma: tenant/database/collection, '#' before a UUID, '+' before a name to come
//   "meta -"                       no collection
//   "!API_UNKNOWN"                 the error's name
#ifndef SALLYPORT_TESTS_UNIT_API_ASK_H
#define SALLYPORT_TESTS_UNIT_API_ASK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/api/api.h"
#include "gateway/base/err.h"
#include <stdio.h>
#include <stdlib.h>

struct asked {
    struct gw_api *api;
    struct arena arena;
    struct gw_api_meaning meaning;
    struct span why;
    int rc;
    bool body_was_needed;
    bool inspect_writes;
    struct span type, encoding;
    char *body; // the last one; what goes on may be of it
    char line[2048];
};

static inline void asked_init(struct asked *a, const char *api)
{
    memset(a, 0, sizeof(*a));
    a->api = gw_api_new(gw_api_def_find(span_str(api)));
    assert_non_null(a->api);
    arena_init(&a->arena, 0);
}

static inline void asked_fini(struct asked *a)
{
    gw_api_free(a->api);
    arena_fini(&a->arena);
    free(a->body);
}

static inline void asked_name(char *out, size_t cap, const struct gw_api_authorisation *u)
{
    if (!span_is_none(u->tenant))
        snprintf(out + strlen(out), cap - strlen(out), "%.*s/", SPAN_FMT(u->tenant));
    if (!span_is_none(u->database))
        snprintf(out + strlen(out), cap - strlen(out), "%.*s/", SPAN_FMT(u->database));
    if (span_is_none(u->collection))
        snprintf(out + strlen(out), cap - strlen(out), "-");
    else
        snprintf(out + strlen(out), cap - strlen(out), "%s%s%.*s", u->collection_is_uuid ? "#" : "",
                 u->collection_is_new ? "+" : "", SPAN_FMT(u->collection));
}

// `target` is "/a/b?query", its segments taken as they are; `body` NULL: none.
static inline const char *ask(struct asked *a, const char *method, const char *target, const char *body)
{
    struct span segments[32];
    struct span rest = span_str(target), path = span_cut(&rest, '?');
    struct gw_api_request q = { .method = span_str(method), .query = rest, .content_type = a->type };
    assert_true(path.n > 0 && path.p[0] == '/');
    path = span_sub(path, 1, path.n);
    while (path.n > 0 && !span_is_none(path)) {
        assert_true(q.n_segments < 32);
        segments[q.n_segments++] = span_cut(&path, '/');
    }
    if (!span_is_none(path)) // "/a/": the trailing slash is an empty segment
        segments[q.n_segments] = path, q.n_segments += q.n_segments > 0;
    q.segments = segments;
    q.content_encoding = a->encoding;
    q.has_body = body != NULL;
    q.inspect_writes = a->inspect_writes;
    arena_fini(&a->arena);
    arena_init(&a->arena, 0);
    memset(&a->meaning, 0, sizeof(a->meaning));
    a->why = SPAN_NONE;
    a->rc = gw_api_match(a->api, &q, &a->arena, &a->meaning, &a->why);
    a->body_was_needed = a->rc == GW_API_NEED_BODY;
    if (a->body_was_needed) {
        // A heap copy of the exact size, so that ASan sees a read past it.
        const char *text = body ? body : ""; // a body that is asked for and was not announced is an empty one
        size_t n = strlen(text);
        free(a->body);
        a->body = malloc(n ? n : 1);
        memcpy(a->body, text, n);
        q.body_ready = true;
        q.body = span_of(a->body, n);
        a->rc = gw_api_match(a->api, &q, &a->arena, &a->meaning, &a->why);
        assert_true(a->rc <= 0);
    }
    a->line[0] = '\0';
    if (a->rc < 0) {
        snprintf(a->line, sizeof(a->line), "!%.*s", SPAN_FMT(err_info(a->rc)->name));
        return a->line;
    }
    for (size_t i = 0; i < a->meaning.n_authorisations; i++) {
        const struct gw_api_authorisation *u = &a->meaning.authorisations[i];
        snprintf(a->line + strlen(a->line), sizeof(a->line) - strlen(a->line), "%s%.*s ", i ? ", " : "",
                 SPAN_FMT(gw_action_name(u->action)));
        asked_name(a->line, sizeof(a->line), u);
    }
    return a->line;
}

struct ask_row {
    const char *method, *target, *body, *expected;
};

static inline void ask_rows(const char *api, const struct ask_row *rows, size_t n)
{
    struct asked a;
    size_t wrong = 0;
    asked_init(&a, api);
    for (size_t i = 0; i < n; i++) {
        const char *got = ask(&a, rows[i].method, rows[i].target, rows[i].body);
        if (strcmp(got, rows[i].expected) == 0)
            continue;
        wrong++;
        print_error("%s %s %s\n  expected %s\n  got      %s (%.*s)\n", rows[i].method, rows[i].target,
                    rows[i].body ? rows[i].body : "", rows[i].expected, got, SPAN_FMT(a.why));
    }
    asked_fini(&a);
    assert_int_equal(wrong, 0);
}
#define ASK_ROWS(api, rows) ask_rows((api), (rows), sizeof(rows) / sizeof((rows)[0]))

#define assert_span(got, expected)                              \
    do {                                                        \
        struct span got_ = (got);                               \
        char text_[4096];                                       \
        snprintf(text_, sizeof(text_), "%.*s", SPAN_FMT(got_)); \
        assert_string_equal(text_, (expected));                 \
    } while (0)

#endif
