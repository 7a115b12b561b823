// SPDX-License-Identifier: GPL-3.0-or-later
// Runs bytes through the HTTP/1.1 parser in pieces of any size and writes down what came out, so that two ways of
// feeding, or two parsers, can be compared as text. Used by the unit tests, the published cases and the fuzzer.
#ifndef SALLYPORT_TESTS_HTTP_RUN_H
#define SALLYPORT_TESTS_HTTP_RUN_H

#include "gateway/base/buf.h"
#include "gateway/http/h1.h"

struct http_run {
    struct buf text;    // one line an event; bodies joined
    unsigned messages;  // whole ones
    int error;          // enum err, 0 when none
    const char *what;   // static text of the error
    bool cut;           // the input ended inside a message
    const char *broken; // a property that did not hold, or NULL
};

// The size of the next piece, at least 1.
typedef size_t (*http_split)(void *ctx);
size_t http_split_bytes(void *ctx); // 1
size_t http_split_whole(void *ctx); // everything

// Requests until the input ends, an error, or a message after which the connection closes. Every whole request is
// also forwarded and the forwarded text parsed again: it must be exactly one request that means the same.
void http_run_requests(struct http_run *r, struct span in, const struct gw_h1_limits *limits, http_split split,
                       void *ctx);
// One response (after interim ones), also forwarded and parsed again. A surplus is noted in the text.
void http_run_response(struct http_run *r, struct span in, const struct gw_h1_limits *limits, bool head_request,
                       http_split split, void *ctx);
void http_run_fini(struct http_run *r);

#endif
