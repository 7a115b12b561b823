// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of the gateway's own: a whole response from a status, a type and a body, and, for everything that went
// wrong, one problem document (RFC 9457) whose status and `code` come from the error table. It says no more than
// that: the reason goes to audit under the same request id.
#ifndef SALLYPORT_HTTP_ANSWER_H
#define SALLYPORT_HTTP_ANSWER_H

#include "gateway/http/writer.h"

struct gw_answer_field {
    struct span name, value;
};

struct gw_answer {
    unsigned status;
    struct span content_type; // SPAN_NONE: none
    struct span body;
    struct span request_id;        // SPAN_NONE: none
    struct span dpop_nonce;        // SPAN_NONE: none
    const struct span *challenges; // one WWW-Authenticate field each
    size_t n_challenges;
    const struct gw_answer_field *fields; // others; those without a value are not written
    size_t n_fields;
    uint64_t retry_after_s; // 0: none
    int64_t wall_ms;        // for the Date field; 0: none
    bool head;              // the request was HEAD: the head as if, no body
    bool close;             // writes `connection: close`; the caller closes after it
    bool no_store;          // cache-control: no-store
};
// Appends head and body. 0, ERR_INTERNAL, ERR_NOMEM; on failure nothing is appended.
int gw_answer_write(const struct gw_answer *a, struct buf *out);

struct gw_problem {
    int error; // enum err; gives status and code
    struct span request_id;
    struct span dpop_nonce;
    const struct span
        *challenges; // written with 401 and 403 (insufficient_scope, RFC 6750 §3.1), and 400 invalid_request
    size_t n_challenges;
    const struct gw_answer_field *fields; // others
    size_t n_fields;
    uint64_t retry_after_s; // 0: 1 second for 429 and 503, none for others
    bool never;             // none: it will be refused again
    int64_t wall_ms;        // for the Date field; 0: none
    bool head;
    bool close;
};
// {"type":"about:blank","title":"Forbidden","status":403,"code":"denied","request_id":"…"} as application/problem+json.
int gw_problem_write(const struct gw_problem *p, struct buf *out);
// That document alone, appended. 0 or ERR_NOMEM.
int gw_problem_body(int error, struct span request_id, struct buf *out);
// True when nothing after this error can be read from the connection: framing is lost, so it must close.
bool gw_problem_must_close(int error);

#endif
