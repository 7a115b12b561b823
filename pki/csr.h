// SPDX-License-Identifier: GPL-3.0-or-later
// A certification request (PKCS#10, RFC 2986): the public key somebody proves to hold, and the names they would like.
// The CA uses the key. The names are only ever reported: what a certificate says comes from the operator (design:
// "requested names are never taken on trust").
#ifndef SALLYPORT_PKI_CSR_H
#define SALLYPORT_PKI_CSR_H

#include "gateway/base/arena.h"
#include "pki/key.h"

#define PKI_CSR_MAX 65536 // bytes; larger requests are refused

struct pki_csr {
    struct pki_key *key;   // owned: pki_csr_fini
    struct span der;       // in the arena
    struct span names[32]; // what was asked for, as text in the arena: "URI:spiffe://…", "DNS:…", "IP:…", "CN=…"
    size_t n_names;
    bool more_names; // asked for more than fit
    bool asks_ca;    // asks to be a CA, or to sign certificates or CRLs
    bool asks_other; // asks for an extension that no workload's certificate has
};

// `text` is PEM or DER. Checks the signature with the request's own key (proof of possession) and refuses weak keys and
// hashes. 0; ERR_CERT_MALFORMED (not a request, or the signature does not verify), ERR_CERT_WEAK, ERR_NOMEM. `*why`
// gets static text.
int pki_csr_parse(struct span text, struct arena *arena, struct pki_csr *out, const char **why);
void pki_csr_fini(struct pki_csr *csr);

#endif
