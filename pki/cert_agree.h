// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's reading of a certificate held against ours. In a handshake the public key comes from wolfSSL's parse and the identity from
// ours; bytes that the two read differently must not become a workload. Compared: the URI, DNS and IP SANs with their types and
// order, the CA flag, the key usage, names, serial number and dates.
#ifndef SALLYPORT_PKI_CERT_AGREE_H
#define SALLYPORT_PKI_CERT_AGREE_H

#include "pki/cert.h"

// 0, ERR_CERT_MALFORMED (wolfSSL refuses it, or reads it otherwise), ERR_NOMEM.
int pki_cert_agree(const struct pki_cert *c);
// The same for a CA of a bundle. A root may have the serial number 0, which RFC 5280 §4.1.2.2 wants tolerated and some public roots have: nothing is
// ever signed, found or revoked by the number of a root.
int pki_cert_agree_anchor(const struct pki_cert *c);

#endif
