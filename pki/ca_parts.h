// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of a `pki_ca`, shared by ca.c (opening, issuing, revoking), ca_init.c (making CAs) and ca_publish.c (CRLs
// and bundles).
#ifndef SALLYPORT_PKI_CA_PARTS_H
#define SALLYPORT_PKI_CA_PARTS_H

#include "pki/ca.h"

#define PKI_CA_WHAT 384

struct pki_ca {
    const char *dir;
    struct pki_ca_store *store;
    struct arena arena;
    struct span trust_domain;
    struct span dns_zones; // with newlines between them; empty: any
    struct pki_ca_authority *authorities;
    struct pki_key **keys; // of each authority; NULL: locked
    size_t n;
    char what[PKI_CA_WHAT];
};

int pki_ca_say_(struct pki_ca *ca, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// The store's own sentence becomes the CA's; returns rc.
int pki_ca_store_said_(struct pki_ca *ca, int rc);
// Reads the authorities anew; keys of those that were there stay.
int pki_ca_reload_(struct pki_ca *ca);
// Index of the newest of a kind; SIZE_MAX: none.
size_t pki_ca_newest_(const struct pki_ca *ca, enum pki_ca_kind kind);

// A lower-case host name (RFC 1123 §2.1; '_' too), no wildcard, no address. `*why` gets static text.
bool pki_ca_dns_ok_(struct span name, const char **why);

#endif
