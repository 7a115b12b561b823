// SPDX-License-Identifier: GPL-3.0-or-later
// Workloads whose certificate carries no SPIFFE ID: configured rules turn a DNS SAN, then the subject, into one (checklist 30). The
// ID a rule gives also says which trust domain's bundle must vouch for the certificate, so a rule never widens trust
// across domains. A certificate with any `spiffe:` URI is never mapped: it stands or falls by that ID.
#ifndef SALLYPORT_PKI_IDENTITY_MAP_H
#define SALLYPORT_PKI_IDENTITY_MAP_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

// Exactly one of `dns` and `subject` is set. All of it is borrowed from the configuration.
struct pki_identity_rule {
    struct span dns;       // "search.example.org", or "*.example.org" for exactly one more label; case-insensitive
    struct span subject;   // the whole subject as RFC 4514 text, e.g. "CN=search,O=Example"; compared byte for byte
    struct span spiffe_id; // of a workload
};

struct pki_identity_map {
    const struct pki_identity_rule *rules;
    size_t n;
};

// What is wrong with a rule, as static text for a configuration error, or NULL.
const char *pki_identity_rule_fault(const struct pki_identity_rule *rule);
// The ID for a certificate: first the DNS names in the certificate's order, each against the rules in theirs, then the subject. SPAN_NONE without a match.
struct span pki_identity_map_find(const struct pki_identity_map *map, const struct span *dns, size_t dns_n,
                                  struct span subject);
// RFC 6125 §6.4: one leading "*." stands for one label. For server names as well.
bool pki_dns_match(struct span pattern, struct span name);

#endif
