// SPDX-License-Identifier: GPL-3.0-or-later
// Writes a certification request (PKCS#10, RFC 2986), which pki/csr.h reads: an empty subject, the key, and the names as subject alternative names. It asks for
// nothing else: what a certificate may be used for is the CA's to say.
#ifndef SALLYPORT_PKI_CSR_MAKE_H
#define SALLYPORT_PKI_CSR_MAKE_H

#include "gateway/base/buf.h"
#include "pki/key.h"

// Appends the request, DER, signed with `key`. `uri` SPAN_NONE: no URI. 0, ERR_INTERNAL (the key cannot sign), ERR_HSM, ERR_NOMEM.
int pki_csr_make(const struct pki_key *key, struct span uri, const struct span *dns, size_t n_dns, struct buf *out);

#endif
