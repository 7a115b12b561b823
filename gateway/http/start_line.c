// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/start_line.h"

static bool is_version(struct span s)
{
    return s.n == 8 && memcmp(s.p, "HTTP/", 5) == 0 && s.p[5] >= '0' && s.p[5] <= '9' && s.p[6] == '.' &&
           s.p[7] >= '0' && s.p[7] <= '9';
}

// "METHOD SP target SP HTTP/1.x", each exactly once. The parts go to *r when that is given.
int gw_request_line(struct span line, struct gw_request *r, const char **what)
{
    struct span rest = line, method = span_cut(&rest, ' ');
    *what = "not a request line";
    if (!gw_is_token(method) || span_is_none(rest))
        return ERR_HTTP_MALFORMED;
    struct span target = span_cut(&rest, ' ');
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f)
            return ERR_HTTP_MALFORMED;
    if (span_is_none(rest)) {
        *what = "HTTP/0.9";
        return target.n ? ERR_HTTP_VERSION : ERR_HTTP_MALFORMED;
    }
    if (target.n == 0 || !is_version(rest))
        return ERR_HTTP_MALFORMED;
    if (!span_eq(rest, SPAN("HTTP/1.1")) && !span_eq(rest, SPAN("HTTP/1.0"))) {
        *what =
            span_eq(line, SPAN("PRI * HTTP/2.0")) ? "the preface of HTTP/2" : "an HTTP version other than 1.0 or 1.1";
        return ERR_HTTP_VERSION;
    }
    if (span_eq(method, SPAN("CONNECT"))) {
        *what = "CONNECT";
        return ERR_HTTP_UPGRADE;
    }
    enum gw_method known = gw_method_parse(method);
    if (known == GW_METHOD_NONE) {
        *what = "unknown method";
        return ERR_HTTP_METHOD;
    }
    if (r) {
        r->method = known;
        r->target = target;
        r->minor = (unsigned)(rest.p[7] - '0');
    }
    return 0;
}

// "HTTP/1.x SP three digits [SP reason]".
int gw_status_line(struct span line, struct gw_response *r, const char **what)
{
    *what = "not a status line";
    if (line.n < 12 || (!span_starts(line, SPAN("HTTP/1.1 ")) && !span_starts(line, SPAN("HTTP/1.0 "))))
        return ERR_SHARD_ANSWER;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return ERR_SHARD_ANSWER;
        status = status * 10 + (unsigned)(line.p[i] - '0');
    }
    if (status < 100 || status > 599 || (line.n > 12 && line.p[12] != ' ') || !gw_is_field_value(line))
        return ERR_SHARD_ANSWER;
    if (r) {
        r->status = status;
        r->minor = (unsigned)(line.p[7] - '0');
    }
    return 0;
}
