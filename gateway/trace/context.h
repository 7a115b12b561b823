// SPDX-License-Identifier: GPL-3.0-or-later
// Where a request stands in a distributed trace (W3C Trace Context): `traceparent`, read and written, and `tracestate`, which is passed on as it is if it is one.
// What is malformed is as though it were not there, and a new trace begins (§3.3); a version that is not known yet is read as far as this one goes (§3.2.4).
//
// Nothing here is believed: ids name a trace to people who look at one, and a flag asks for a span, which is given as long as there is room.
#ifndef SALLYPORT_TRACE_CONTEXT_H
#define SALLYPORT_TRACE_CONTEXT_H

#include "gateway/base/span.h"

#define GW_TRACEPARENT_TEXT 55 // "00-", 32, "-", 16, "-", 2
#define GW_TRACESTATE_MOST 512 // bytes that are passed on (§3.3.1.5)

enum { GW_TRACE_SAMPLED = 1, GW_TRACE_RANDOM = 2 }; // flags

struct gw_trace_context {
    char trace_id[33], span_id[17]; // lower-case hex, not all zero; NUL-terminated
    unsigned flags;
};

// False: it is malformed, and `out` untouched. The flags that this version does not know are dropped.
bool gw_traceparent_read(struct span field, struct gw_trace_context *out);
// Writes GW_TRACEPARENT_TEXT bytes and a NUL.
void gw_traceparent_write(const struct gw_trace_context *c, char out[static GW_TRACEPARENT_TEXT + 1]);
// Whether the list, of one field or of several joined by commas, is one that may be passed on: keys and values as they must be (§3.3.1), at most 32, no key
// twice, no longer than GW_TRACESTATE_MOST.
bool gw_tracestate_holds(struct span list);

#endif
