// SPDX-License-Identifier: GPL-3.0-or-later
// Re-serialisation (checklist 19, 31, 35): what goes to a shard, and what comes back to a client, is written anew
// from what was parsed; not a byte of a received head is passed through. Headers travel by allow list: those of
// the field table (headers.h), and those that the API's own table names; reserved names and hop-by-hop fields
// never do, whoever names them.
#ifndef SALLYPORT_HTTP_FORWARD_H
#define SALLYPORT_HTTP_FORWARD_H

#include "gateway/http/answer.h"
#include "gateway/http/body.h"
#include "gateway/http/target.h"
#include "gateway/http/writer.h"

struct gw_to_shard {
    const struct gw_request *request;
    enum gw_method method;
    struct span path, query;                 // normalised; query may be SPAN_NONE
    struct span host;                        // of the shard's endpoint
    struct span request_id;                  // sent as x-request-id; SPAN_NONE: none
    bool traced;                             // the request's own trace fields are not sent …
    struct span traceparent, tracestate;     // … but these; SPAN_NONE: none
    int64_t time_left_ms;                    // sent as its field (time_left.h); 0: not known
    struct span credential_name, credential; // the shard's own ("authorization", "Bearer …"); SPAN_NONE: none
    const struct gw_answer_field *fields;    // of our own, besides
    size_t n_fields;
    const struct span *allow; // further header names, lower case
    size_t n_allow;
    enum gw_framing framing; // of the body as it will be sent: NONE, LENGTH or CHUNKED
    uint64_t content_length;
    bool body_rewritten; // it is JSON, and says so; type and encoding of the original are not sent
    bool plain_answer;   // the gateway will read the answer: `accept-encoding: identity` in place of the client's
};

// The defaults from a request: its method, target and framing. Then set host, credential, request_id, allow.
struct gw_to_shard gw_to_shard(const struct gw_request *r, const struct gw_target *t);
// Appends the head. `*body` gets the encoder for what follows. 0, ERR_INTERNAL, ERR_NOMEM.
int gw_forward_request(const struct gw_to_shard *f, struct buf *out, struct gw_body *body);

struct gw_to_client {
    const struct gw_response *response;
    enum gw_method method; // of the client's request
    unsigned minor;        // of the client's request
    bool keep_alive;       // what the gateway wants; false writes `connection: close`
    struct span request_id;
    struct span dpop_nonce;               // sent as dpop-nonce when it rolls; SPAN_NONE: none
    const struct gw_answer_field *fields; // of the gateway's own, besides
    size_t n_fields;
    const struct span *allow; // further header names, lower case
    size_t n_allow;
    bool body_rewritten; // the body will be `content_length` bytes, whatever the shard said
    uint64_t content_length;
};

// Appends the head of the answer. `*body` gets the encoder (framing NONE: no body is to be sent), `*keep_alive`
// whether the connection lives on after it: false too when only the close can end the body (HTTP/1.0). 0,
// ERR_INTERNAL, ERR_NOMEM.
int gw_forward_response(const struct gw_to_client *f, struct buf *out, struct gw_body *body, bool *keep_alive);

// "HTTP/1.1 100 Continue\r\n\r\n", once the binding held.
bool gw_forward_continue(struct buf *out);

#endif
