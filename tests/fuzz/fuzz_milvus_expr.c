// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's filters. What is checked beside memory: an expression that goes on reads as itself once more, stays one expression in parentheses behind a
// condition of ours, and every bracket outside of its strings is closed by its own kind, by a count that knows nothing of the grammar.
#include "gateway/api/milvus_expr.h"

#include <assert.h>

// From the character behind the opening quote to the one behind the closing one.
static size_t behind_string(struct span s, size_t i)
{
    char quote = s.p[i++];
    while (i < s.n && s.p[i] != quote)
        i += s.p[i] == '\\' ? 2 : 1;
    assert(i < s.n);
    return i + 1;
}

static void is_balanced(struct span s)
{
    char open[256];
    size_t depth = 0, i = 0;
    while (i < s.n) {
        char c = s.p[i];
        if (c == '"' || c == '\'') {
            i = behind_string(s, i);
            continue;
        }
        assert((unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '#' && c != ';' && c != '\\');
        if (c == '(' || c == '[' || c == '{') {
            assert(depth < sizeof(open));
            open[depth++] = c;
        } else if (c == ')' || c == ']' || c == '}') {
            assert(depth > 0 && open[--depth] == (c == ')' ? '(' : c == ']' ? '[' : '{'));
        }
        i++;
    }
    assert(depth == 0);
}

static int read(struct span text, struct buf *out)
{
    const char *problem = NULL;
    buf_init(out, 0);
    int rc = gw_milvus_expr_read(text, SPAN("sallyport_"), out, &problem);
    assert((rc == 0) == (problem == NULL));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf first, second, both;
    int rc = read(span_of(n > 0 ? (const char *)data : "", n), &first);
    if (rc == 0 && buf_len(&first) > 0) {
        is_balanced(buf_span(&first));
        rc = read(buf_span(&first), &second);
        assert(rc == 0 && span_eq(buf_span(&first), buf_span(&second)));
        buf_fini(&second);
        buf_init(&both, 0);
        buf_append(&both, SPAN("tenant == 'a' and ( "));
        buf_append(&both, buf_span(&first));
        buf_append(&both, SPAN(") "));
        const char *problem = NULL;
        struct buf third;
        buf_init(&third, 0);
        rc = gw_milvus_expr_read(buf_span(&both), SPAN_NONE, &third, &problem);
        // One level more may be one too many.
        assert(rc != 0 || span_eq(buf_span(&third), buf_span(&both)));
        buf_fini(&third);
        buf_fini(&both);
    }
    buf_fini(&first);
    return 0;
}
