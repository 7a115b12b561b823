// SPDX-License-Identifier: GPL-3.0-or-later
// Writes a version 2 CRL (RFC 5280 §5): the whole list of one issuer, with CRL number, authority key identifier and,
// per entry, the reason unless it is unspecified.
#ifndef SALLYPORT_PKI_CRL_MAKE_H
#define SALLYPORT_PKI_CRL_MAKE_H

#include "gateway/base/buf.h"
#include "pki/key.h"

struct pki_crl_entry {
    struct span serial; // lower-case hex
    int64_t revoked_at; // seconds since the epoch
    int reason;         // RFC 5280 §5.3.1
};

struct pki_crl_plan {
    struct span issuer; // the CA's subject Name, DER
    const struct pki_key *issuer_key;
    uint64_t number;
    int64_t this_update, next_update;
    const struct pki_crl_entry *entries;
    size_t n;
};
// Appends the CRL, DER. 0, ERR_INTERNAL, ERR_NOMEM.
int pki_crl_make(const struct pki_crl_plan *plan, struct buf *out);

// "keyCompromise" or "key-compromise" → 1 and so on; -1 for unknown names and for those that a workload's certificate
// cannot have (certificateHold, removeFromCRL). The list of words is NULL-terminated.
int pki_crl_reason_parse(struct span name);
const char *pki_crl_reason_name(int reason);
extern const char *const pki_crl_reasons[];

#endif
