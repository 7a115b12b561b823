// SPDX-License-Identifier: GPL-3.0-or-later
// A SPIFFE ID, `spiffe://trust-domain/path`, taken apart (SPIFFE-ID §2; checklist 30). The grammar is narrower than a URI's:
// the scheme `spiffe` in lower case, a lower-case trust domain of [a-z0-9._-], path segments of [A-Za-z0-9._-]. So no port,
// userinfo, query, fragment or percent-encoding can be in one; an empty, `.` or `..` segment, a trailing slash, and more than
// 2,048 bytes are refused. Nothing is normalised: two IDs are the same exactly when their bytes are (hence the scheme in lower
// case only, although RFC 3986 §3.1 would let its case vary).
#ifndef SALLYPORT_PKI_SPIFFE_H
#define SALLYPORT_PKI_SPIFFE_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

#define PKI_SPIFFE_MAX 2048       // bytes of a whole ID (SPIFFE-ID §2.3)
#define PKI_SPIFFE_DOMAIN_MAX 255 // bytes of a trust domain

// All three are borrowed from the text that was parsed.
struct pki_spiffe {
    struct span id;           // whole
    struct span trust_domain; // without the scheme
    struct span path;         // with the leading '/'; empty (not none) for the trust domain's own ID
};

// 0, or ERR_CERT_SPIFFE_ID with `*why` (may be NULL) a static text that says which rule it breaks.
// The path may be empty: a workload's may not, so callers that name workloads use pki_spiffe_parse_workload.
int pki_spiffe_parse(struct span text, struct pki_spiffe *out, const char **why);
// As above, and the path is not empty (X.509-SVID §2, checklist 28).
int pki_spiffe_parse_workload(struct span text, struct pki_spiffe *out, const char **why);

// A trust domain name alone, as configuration writes it ("example.org", not a URI).
bool pki_spiffe_trust_domain_ok(struct span name);
// True when `text` begins with "spiffe:" in any case: what tells a broken SPIFFE ID from another URI.
bool pki_spiffe_looks_like(struct span text);

#endif
