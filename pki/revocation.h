// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of the revocation generation: a verified path against the CRLs and removals of its trust domain. Used when a path is found
// and again at every request, so it wants nothing but what a pki_path_step holds.
#ifndef SALLYPORT_PKI_REVOCATION_H
#define SALLYPORT_PKI_REVOCATION_H

#include "pki/trust.h"

// `r` may be NULL. 0, ERR_CERT_REVOKED, ERR_CRL_STALE.
int pki_revocation_check(const struct pki_revocation *r, struct span domain, const struct pki_verify_options *options,
                         const struct pki_path_step *steps, size_t n, int64_t now_s);

#endif
