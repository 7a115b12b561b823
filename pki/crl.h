// SPDX-License-Identifier: GPL-3.0-or-later
// One certificate revocation list, read (RFC 5280 §5, complete and direct ones: delta and indirect CRLs carry critical extensions that are
// refused). Whether it speaks for an issuer is a question of name, key identifier and signature; the answer to the last is
// remembered inside, so it costs one verification for each CRL and issuer, however many threads ask.
#ifndef SALLYPORT_PKI_CRL_H
#define SALLYPORT_PKI_CRL_H

#include "pki/cert.h"

#define PKI_CRL_MAX (32u << 20) // bytes
#define PKI_CRL_SKEW_S 300      // a thisUpdate ahead of us by less is not from the future

struct pki_crl_memo;

struct pki_crl {
    struct span issuer; // Name element
    struct span akid;   // SPAN_NONE when absent
    int64_t this_update, next_update;
    struct span *serials; // magnitudes without leading zeros, in span_cmp's order
    size_t serials_n;
    struct span tbs, sig;
    enum pki_sig sig_type;
    struct pki_crl_memo *memo;
};

// `der` and `arena` must outlive `out`. 0, ERR_CERT_MALFORMED or ERR_CERT_WEAK with `*why`, ERR_NOMEM.
int pki_crl_parse(struct span der, struct arena *arena, struct pki_crl *out, const char **why);

enum pki_crl_answer {
    PKI_CRL_OTHER,  // another issuer's
    PKI_CRL_FORGED, // this issuer's by name (and key identifier), but its key did not sign it
    PKI_CRL_GOOD
};
enum pki_crl_answer pki_crl_speaks_for(const struct pki_crl *crl, const struct pki_path_step *issuer);

// `serial` as pki_path_step keeps it in `serial_raw`.
bool pki_crl_lists(const struct pki_crl *crl, struct span serial_raw);

#endif
