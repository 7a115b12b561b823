// SPDX-License-Identifier: GPL-3.0-or-later
// The token of a workload, kept fresh: when the next one is to be asked for, what the token endpoint's answer means, and why there is none. It sends
// nothing and reads no file: net/tokens.h does, when it is told to.
//
//        due ─▶ asked ─┬─▶ answer: a token      ─▶ due again at two thirds of its life
//                      ├─▶ answer: use this nonce ─▶ due at once (once)
//                      └─▶ refused, or no answer  ─▶ due after a pause that grows from 250 ms to 30 s; the token before counts until its end
//
// Times are monotonic, so that a clock that is set does not end a token early or late.
#ifndef SALLYPORT_CONNECT_TOKEN_SOURCE_H
#define SALLYPORT_CONNECT_TOKEN_SOURCE_H

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"

#define GW_TOKEN_BYTES 16384 // longest token
#define GW_TOKEN_NONCE 256   // longest nonce
#define GW_TOKEN_WHY 320

struct gw_token_source {
    // For reading.
    struct buf token;       // empty: none. Secret
    uint8_t ath[32];        // its SHA-256
    unsigned serial;        // of it: another with each token
    int64_t ends_ms;        // INT64_MAX: it does not say
    struct buf nonce;       // that the endpoint wants in the next proof
    char why[GW_TOKEN_WHY]; // why the last attempt brought none; "" after one that did
    // Its own.
    int64_t refresh_ms, again_ms, got_ms;
    unsigned failures;
    bool asking, nonce_tried;
};

void gw_token_source_init(struct gw_token_source *s);
void gw_token_source_fini(struct gw_token_source *s); // wipes

// Whether the endpoint is to be asked now; then say that it is.
bool gw_token_source_due(const struct gw_token_source *s, int64_t mono_ms);
void gw_token_source_asked(struct gw_token_source *s);
// What it answered. `proven`: with a proof, so the token has to be of type DPoP. `random` spreads the next request, so that many workloads that
// started together do not ask together. 0: a token was taken; else it was not, and due() says when to ask again.
int gw_token_source_answered(struct gw_token_source *s, unsigned status, struct span content, struct span nonce,
                             bool proven, struct clock_now now, uint8_t random);
// It did not answer. `what` goes into `why`.
void gw_token_source_failed(struct gw_token_source *s, const char *what, int64_t mono_ms);
// Another token lies in the file. `leaf_sha256`, of the workload's certificate: a JWT that says it is bound to another one is not taken, since whoever
// renews both does it one after the other; NULL: not looked at. 0, or ERR_TOKEN_MALFORMED, ERR_CNF_CERTIFICATE, ERR_NOMEM: then the one before counts on.
int gw_token_source_read(struct gw_token_source *s, struct span content, const uint8_t *leaf_sha256,
                         struct clock_now now);
// The token of another source, and when it is to be replaced: it is not bound to what changed. Without memory nothing is copied.
void gw_token_source_copy(struct gw_token_source *s, const struct gw_token_source *from);

// The token to send; SPAN_NONE: there is none, or it has ended.
struct span gw_token_source_get(const struct gw_token_source *s, int64_t mono_ms);
// A gateway refused the token of this serial number as such: another is asked for, at most one every two seconds. False: it has been replaced already.
bool gw_token_source_refused(struct gw_token_source *s, unsigned serial, int64_t mono_ms);

// What is posted to the endpoint. `scope` and `client_id` may be SPAN_NONE. False: out of memory.
bool gw_token_request(struct buf *out, struct span scope, const struct span *audiences, size_t n,
                      struct span client_id);

#endif
