// SPDX-License-Identifier: GPL-3.0-or-later
// What clusters say about pods: claims of a token when the input begins with 'c', an answer to a TokenReview with 'r', a whole token with 't'. What is accepted
// has names that can stand in a SPIFFE ID.
#include <assert.h>
#include <stdlib.h>

#include "gateway/endpoint/attest.h"
#include "pki/spiffe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_config_cluster c = { .name = { SPAN("main"), { 0, 0 } }, .id = { SPAN_NONE, { 0, 0 } } };
    struct gw_attested at;
    struct pki_spiffe id;
    struct arena a;
    if (size == 0)
        return 0;
    struct span text = span_of(data + 1, size - 1);
    arena_init(&a, 4 << 20);
    if (data[0] == 't')
        gw_attest_issuer(text, &a);
    int rc = data[0] == 'c'   ? gw_attest_claims(text, &a, &at)
             : data[0] == 'r' ? gw_attest_review(text, SPAN("sallyport"), &a, &at)
                              : -1;
    if (rc == 0) {
        struct span name = gw_attest_id(&c, &at, SPAN("example.org"), &a);
        rc = pki_spiffe_parse_workload(name, &id, NULL);
        assert(rc == 0);
    }
    arena_fini(&a);
    return 0;
}
