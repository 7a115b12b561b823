// SPDX-License-Identifier: GPL-3.0-or-later
// "traceparent LF tracestate". What is read is written so that it is read the same, and a list that holds is printable and short.
#include <stdlib.h>

#include "gateway/trace/context.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span state = span_of(data, size), parent = span_cut(&state, '\n');
    struct gw_trace_context c, again;
    char text[GW_TRACEPARENT_TEXT + 1];
    if (gw_traceparent_read(parent, &c)) {
        gw_traceparent_write(&c, text);
        demand(strlen(text) == GW_TRACEPARENT_TEXT && gw_traceparent_read(span_str(text), &again));
        demand(memcmp(&c, &again, sizeof c) == 0 || (strcmp(c.trace_id, again.trace_id) == 0 &&
                                                     strcmp(c.span_id, again.span_id) == 0 && c.flags == again.flags));
        demand(parent.p[0] != '0' || parent.p[1] != '0' || memcmp(parent.p, text, 53) == 0);
    }
    if (gw_tracestate_holds(state)) {
        demand(state.n <= GW_TRACESTATE_MOST && span_find(state, '=') < state.n);
        for (size_t i = 0; i < state.n; i++)
            demand(state.p[i] == '\t' || (state.p[i] >= ' ' && state.p[i] <= '~'));
    }
    return 0;
}
