// SPDX-License-Identifier: GPL-3.0-or-later
// A span as OTLP/HTTP has it in JSON (opentelemetry-proto 1.x, trace.proto, "JSON Protobuf Encoding"): ids in hex, times as text in nanoseconds. Spans are
// written one after the other by loops, and put around with what all of them share by who sends them.
//
// Attributes are those of OpenTelemetry's semantic conventions for HTTP and databases; what they have no name for is under `sallyport.`. There is none for a token, a
// key, a body, a header or a query string.
#ifndef SALLYPORT_TRACE_SPAN_H
#define SALLYPORT_TRACE_SPAN_H

#include "gateway/base/buf.h"
#include "gateway/trace/context.h"

enum gw_span_kind { GW_SPAN_SERVER = 2, GW_SPAN_CLIENT = 3 }; // of the protocol

// A text, or a number where `text` is SPAN_NONE; neither: it is left out.
struct gw_span_attribute {
    const char *key;
    struct span text;
    bool has_number;
    int64_t number;
};

// Everything is borrowed for the call.
struct gw_span {
    const char *trace_id, *span_id, *parent_id; // parent_id may be NULL
    struct span state;                          // tracestate, or SPAN_NONE
    unsigned flags;
    bool remote; // the parent is another process's
    enum gw_span_kind kind;
    struct span name;
    int64_t start_ns, end_ns; // since 1970
    const struct gw_span_attribute *attributes;
    size_t n;
    bool failed; // for the caller no fault of his own
};

// Appends one line of JSON, without a line break within, and '\n'. False when out of memory, and then half a line may be there.
bool gw_span_write(const struct gw_span *s, struct buf *out);

// Who sends them.
struct gw_span_resource {
    struct span service, version, instance, host; // SPAN_NONE: left out
};

// The body of a request: `lines` are whole lines of gw_span_write.
bool gw_spans_wrap(const struct gw_span_resource *r, struct span lines, struct buf *out);

#endif
