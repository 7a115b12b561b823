// SPDX-License-Identifier: GPL-3.0-or-later
// JSON: whatever is accepted can be walked and written, and what was written is accepted again and is the same.
#include <assert.h>

#include "gateway/base/json.h"

static void walk(json v, unsigned depth)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json child;
    size_t n = 0;

    assert(depth <= 32);
    while (json_next(&it, &name, &child)) {
        n++;
        if (json_type(v) == JSON_OBJECT) {
            assert(span_find(name, '\0') == name.n);
            // No duplicates: the first of a name is this one.
            assert(json_get(v, name) == child);
        }
        if (json_type(child) == JSON_STRING)
            for (size_t i = 0, len; i < json_string(child).n; i += len)
                assert((len = span_utf8(json_string(child), i)) > 0);
        walk(child, depth + 1);
    }
    assert(n == json_count(v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_limits limits = { .bytes = 1 << 16, .depth = 32 };
    struct json_limits wider = { .bytes = 1 << 20, .depth = 32 };
    struct json_error err = { 0 };
    struct json_doc *doc = json_parse(span_of(data, size), &limits, &err), *again;
    struct buf first, second;

    if (!doc) {
        assert(err.what && err.offset <= size && err.line >= 1 && err.column >= 1);
        return 0;
    }
    walk(json_root(doc), 0);
    buf_init(&first, 0);
    buf_init(&second, 0);
    assert(json_write(&first, json_root(doc)));
    again = json_parse(buf_span(&first), &wider, NULL);
    assert(again && json_write(&second, json_root(again)));
    assert(span_eq(buf_span(&first), buf_span(&second)));
    json_free(again);
    json_free(doc);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
