// SPDX-License-Identifier: GPL-3.0-or-later
// Name constraints (RFC 5280 §4.2.1.10): whether the names of a certificate are ones that a CA above it may vouch for. Every CA of a path is
// asked about every certificate below it. A form of name that is not understood (otherName, X.400, EDI, registered ID) and
// constrained is refused when the certificate has one.
#ifndef SALLYPORT_PKI_NAME_CONSTRAINT_H
#define SALLYPORT_PKI_NAME_CONSTRAINT_H

#include "pki/cert.h"

// 0 or ERR_CERT_NAME_CONSTRAINT.
int pki_name_constraint_check(const struct pki_cert *ca, const struct pki_cert *below);

#endif
