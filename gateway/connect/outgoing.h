// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a request as it goes to a gateway: written anew from what the application sent, without any credential that was in it (`api-key`,
// `authorization`, `cookie`: http/headers.h has the table), and with ours in their place: the token, and for this try alone a proof.
//
// A proof is good once. Whoever sends a request again writes its head again.
#ifndef SALLYPORT_CONNECT_OUTGOING_H
#define SALLYPORT_CONNECT_OUTGOING_H

#include "gateway/http/forward.h"
#include "pki/key.h"

struct gw_outgoing {
    const struct gw_request *request;
    const struct gw_target *target;
    struct span host; // of the gateway, as its URL says: Host, and what `htu` begins with
    struct span token;
    const uint8_t *ath;        // its SHA-256
    const struct pki_key *key; // NULL: the token is bound to the certificate alone, and goes as Bearer without a proof
    struct span nonce;         // the last one that this gateway gave; SPAN_NONE: none
    int64_t now_s;
};

// Appends the head. `*body` gets the encoder for what follows. 0, ERR_INTERNAL, ERR_NOMEM; then nothing was appended.
int gw_outgoing_write(const struct gw_outgoing *o, struct arena *arena, struct buf *out, struct gw_body *body);

// What of a gateway's answer goes to the application beside what the table of fields lets pass.
extern const struct span gw_outgoing_answer_fields[];
extern const size_t gw_outgoing_answer_fields_n;

#endif
