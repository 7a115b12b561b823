// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/answer_code.h"

static struct span skip_space(struct span s)
{
    size_t i = 0;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t'))
        i++;
    return span_sub(s, i, s.n);
}

static bool take(struct span *s, struct span text)
{
    *s = skip_space(*s);
    if (!span_starts(*s, text))
        return false;
    *s = span_sub(*s, text.n, s->n);
    return true;
}

bool gw_api_answer_code(struct span head, int64_t *code)
{
    if (!take(&head, SPAN("{")) || !take(&head, SPAN("\"code\"")) || !take(&head, SPAN(":")))
        return false;
    head = skip_space(head);
    bool negative = span_starts(head, SPAN("-"));
    head = span_sub(head, negative ? 1 : 0, head.n);
    size_t n = 0;
    while (n < head.n && head.p[n] >= '0' && head.p[n] <= '9')
        n++;
    uint64_t v;
    // What is behind has to be seen, or the number might go on.
    if (n == head.n || !span_to_u64(span_sub(head, 0, n), &v) || v > INT32_MAX)
        return false;
    struct span rest = span_sub(head, n, head.n);
    if (!take(&rest, SPAN(",")) && !take(&rest, SPAN("}")))
        return false;
    *code = negative ? -(int64_t)v : (int64_t)v;
    return true;
}
