// SPDX-License-Identifier: GPL-3.0-or-later
// JSON: our reader and yyjson with our rules take the same texts and read the same from them; whatever is accepted can be walked and
// written, and what was written is accepted again and is the same.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/json_reference.h"

static void walk(json v, unsigned depth)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json child;
    size_t n = 0;

    assert(depth <= 32);
    while (json_next(&it, &name, &child)) {
        n++;
        if (json_type(v) == JSON_OBJECT)
            assert(span_find(name, '\0') == name.n);
        if (json_type(child) == JSON_STRING)
            for (size_t i = 0, len; i < json_string(child).n; i += len)
                assert((len = span_utf8(json_string(child), i)) > 0);
        walk(child, depth + 1);
    }
    assert(n == json_count(v));
}

static void agree(struct span text, const struct json_limits *limits)
{
    const char *what = json_differs(text, limits);

    if (!what)
        return;
    fprintf(stderr, "the readers differ: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_limits limits = { .bytes = 1 << 16, .depth = 32 };
    struct json_limits raw = { .bytes = 1 << 16, .depth = 5, .raw_numbers = true, .nul_names = true };
    struct json_limits wider = { .bytes = 1 << 20, .depth = 32 };
    struct span text = span_of(data, size);
    struct json_doc *doc, *again;
    struct buf first, second;

    agree(text, &limits);
    agree(text, &raw);
    doc = json_parse(text, &limits, NULL);
    if (!doc)
        return 0;
    walk(json_root(doc), 0);
    buf_init(&first, 0);
    buf_init(&second, 0);
    assert(json_write(&first, json_root(doc)));
    again = json_parse(buf_span(&first), &wider, NULL);
    assert(again && json_write(&second, json_root(again)));
    assert(span_eq(buf_span(&first), buf_span(&second)));
    // Written text stands as it would be written, unless there are escapes in it.
    assert(span_find(buf_span(&first), '\\') < buf_len(&first) || !span_is_none(json_as_written(json_root(again))));
    json_free(again);
    json_free(doc);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
