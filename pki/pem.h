// SPDX-License-Identifier: GPL-3.0-or-later
// PEM armour (RFC 7468): what is between BEGIN and END, as DER, and the way back.
#ifndef SALLYPORT_PKI_PEM_H
#define SALLYPORT_PKI_PEM_H

#include "gateway/base/buf.h"
#include "gateway/base/span.h"

// Appends one block with 64-character lines.
void pki_pem_write(struct buf *out, struct span label, struct span der);

// The next block of `*rest`, whatever its label; text between blocks is passed over. The DER is appended to `der`
// (cleared first). 1: a block. 0: no more. ERR_CERT_MALFORMED: BEGIN without END, another END, or what is between is
// not base64. ERR_NOMEM.
int pki_pem_next(struct span *rest, struct span *label, struct buf *der);

// True when the text has a BEGIN line: PEM rather than DER.
bool pki_pem_looks_like(struct span text);

// Standard base64 with padding on one line (RFC 4648 §4), for x5c.
void pki_base64(struct buf *out, struct span bytes);

#endif
