// SPDX-License-Identifier: GPL-3.0-or-later
// Refusals, in words for whoever wrote the application: which gate it was, what it means, what to do or whom to ask. A gateway says only a status, a
// code and a request id (http/answer.h); here a text is put beside them, and nothing of them is changed. What a database answered itself is never touched.
#ifndef SALLYPORT_CONNECT_EXPLAIN_H
#define SALLYPORT_CONNECT_EXPLAIN_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

// What to do about a refusal before the application hears of it, if the request can be sent again.
enum gw_remedy {
    GW_REMEDY_NONE,
    GW_REMEDY_PROOF,   // once more, with the nonce that came with it, and a new time
    GW_REMEDY_TOKEN,   // once more, with another token
    GW_REMEDY_GATEWAY, // the next gateway: this one decided nothing
};

// The code of a gateway's problem document; SPAN_NONE: this is none. Borrows `body`.
struct span gw_problem_code(struct span body);
// `code` may be SPAN_NONE, as in an answer to HEAD. `wants_nonce`: its WWW-Authenticate says use_dpop_nonce.
enum gw_remedy gw_remedy_of(unsigned status, struct span code, bool wants_nonce);

// Appends the problem document of a gateway with `gate`, `detail` and `message` added. `token_why`: why the token source has no better one, or "".
// False: this is no such document, its code is not known, or it has a detail already; nothing was appended.
bool gw_explain_answer(struct span body, const char *token_why, struct buf *out);

// Appends a problem document of connect's own for `err` (err.h). `what` may be NULL: more about it, for people. 0 or ERR_NOMEM.
int gw_explain_own(int err, struct span request_id, const char *what, struct buf *out);

#endif
