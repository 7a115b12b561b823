// SPDX-License-Identifier: GPL-3.0-or-later
// The CA certificates in a bundle file, one after the other: PEM, or a SPIFFE bundle document (JWKS whose keys have use x509-svid;
// SPIFFE Trust Domain and Bundle §4).
#ifndef SALLYPORT_PKI_BUNDLE_H
#define SALLYPORT_PKI_BUNDLE_H

#include "gateway/base/diag.h"
#include "gateway/base/err.h"

// Called for each certificate, counted from 1. A non-zero return is remembered as the first error; the walk goes on.
typedef int (*pki_bundle_fn)(void *ctx, struct span der, size_t number);

// 0, or the first error, which is in `diags` under `file` unless it is the function's own. A file without a certificate is an error.
int pki_bundle_each_pem(struct span pem, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx);
int pki_bundle_each_jwks(struct span jwks, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx);
// Whichever of the two the text looks like.
int pki_bundle_each(struct span text, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx);

#endif
