// SPDX-License-Identifier: GPL-3.0-or-later
// A SPIFFE ID: what is accepted holds nothing but its own alphabet, and its parts put together are the whole.
#include <assert.h>
#include <stddef.h>

#include "pki/spiffe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of(data, n);
    struct pki_spiffe id;
    const char *why = NULL;
    if (pki_spiffe_parse(text, &id, &why) != 0) {
        assert(why);
        return 0;
    }
    assert(n <= PKI_SPIFFE_MAX && pki_spiffe_looks_like(text) && pki_spiffe_trust_domain_ok(id.trust_domain));
    assert(id.trust_domain.p == text.p + 9 && id.path.p == id.trust_domain.p + id.trust_domain.n);
    assert(id.path.p + id.path.n == text.p + text.n);
    assert(id.path.n == 0 || (id.path.p[0] == '/' && id.path.p[id.path.n - 1] != '/'));
    for (size_t i = 0; i < n; i++)
        assert(!strchr("%?#@\\ ", text.p[i]));
    return 0;
}
