// SPDX-License-Identifier: GPL-3.0-or-later
// What a token endpoint answers, what lies in a token's file, and a gateway's problem document: none of it may break `connect`, make a header of
// what is no token, or put a control character into a line for people.
#include "gateway/connect/explain.h"
#include "gateway/connect/token_source.h"
#include "gateway/http/headers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void look(const struct gw_token_source *s)
{
    struct span token = gw_token_source_get(s, 1);
    if (!span_is_none(token) && !gw_is_field_value(token))
        abort();
    for (const char *p = s->why; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 32)
        return 0;
    struct span content = span_of(data + 2, n - 2);
    struct clock_now now = { 1700000000000, 1 };
    struct gw_token_source s;
    struct buf out;
    gw_token_source_init(&s);
    gw_token_source_asked(&s);
    gw_token_source_answered(&s, data[0] & 1 ? 200 : 400, content, data[0] & 2 ? SPAN("nonce") : SPAN_NONE, data[0] & 4,
                             now, data[1]);
    look(&s);
    gw_token_source_read(&s, content, data[0] & 8 ? data : NULL, now);
    look(&s);
    gw_token_source_fini(&s);
    buf_init(&out, 0);
    struct span code = gw_problem_code(content);
    gw_remedy_of(401, code, false);
    if (gw_explain_answer(content, "why", &out) != (buf_len(&out) > 0))
        abort();
    buf_fini(&out);
    return 0;
}
