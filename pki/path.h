// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate path from a leaf up to one of the given CAs (RFC 5280 §6.1, with the path found as we go). The CAs are all that is
// trusted; intermediates are what the peer sent, in any order, good or not. The search is bounded in depth and in signatures, so that
// a peer cannot buy much of our time with a handful of look-alike certificates.
#ifndef SALLYPORT_PKI_PATH_H
#define SALLYPORT_PKI_PATH_H

#include "pki/cert.h"

#define PKI_PATH_MAX 6           // certificates in a path, leaf and CA of the bundle included
#define PKI_PATH_INTERMEDIATES 8 // that are looked at; more are passed over
#define PKI_PATH_SIGNATURES 16   // verified for one leaf

struct pki_path_input {
    const struct pki_cert *leaf;
    const struct pki_cert *intermediates;
    size_t intermediates_n;
    const struct pki_cert *anchors;
    size_t anchors_n;
    enum pki_purpose purpose;
    bool workload; // hold the CAs to the X.509-SVID profile
    int64_t now_s;
    // Judges a path that holds otherwise (revocation); 0 or an error. May be NULL.
    int (*check)(void *ctx, const struct pki_cert *const *path, size_t n);
    void *ctx;
};

struct pki_path {
    const struct pki_cert *certs[PKI_PATH_MAX]; // leaf first, CA of the bundle last
    size_t n;
};

// 0 and the first good path; otherwise the most telling error: ERR_CERT_UNTRUSTED when no chain of signatures reaches a CA at all, else what
// was wrong with one that does (ERR_CERT_EXPIRED, _NOT_YET, _USAGE, _NAME_CONSTRAINT, _WEAK, or the check's).
// The leaf's own dates are looked at, its profile is not.
int pki_path_find(const struct pki_path_input *in, struct pki_path *out);

#endif
