// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of an authority to an enrolment: the status is the first byte times four, the rest the body. Nobody has the key of the certificate that they
// could bring, so none may be taken, and what is said of them is printable and short.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/enrolment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_enrolled e;
    struct buf key, csr;
    char what[256];
    if (size == 0)
        return 0;
    buf_init(&key, 0);
    buf_init(&csr, 0);
    int rc = gw_enrol_ask(SPAN("spiffe://example.org/a"), NULL, 0, &key, &csr);
    assert(rc == 0);
    what[0] = '\0';
    rc = gw_enrol_take(data[0] * 4u, span_of(data + 1, size - 1), buf_span(&key), SPAN_NONE, 1800000000, &e, what,
                       sizeof what);
    assert(rc < 0 && memchr(what, '\0', sizeof what));
    for (const char *p = what; *p; p++)
        assert(*p >= 0x20 && *p < 0x7f);
    buf_wipe(&key);
    buf_fini(&csr);
    return 0;
}
