// SPDX-License-Identifier: GPL-3.0-or-later
// A revocation list from a file or a distribution point.
#include <assert.h>
#include <stddef.h>

#include "pki/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    struct pki_crl crl;
    const char *why = NULL;
    arena_init(&arena, 64u << 20);
    if (pki_crl_parse(span_of(data, n), &arena, &crl, &why) != 0) {
        assert(why);
    } else {
        struct pki_path_step issuer = { .subject = crl.issuer, .skid = SPAN_NONE, .crl_sign = true };
        for (size_t i = 0; i < crl.serials_n; i++)
            assert(pki_crl_lists(&crl, crl.serials[i]));
        assert(pki_crl_speaks_for(&crl, &issuer) == PKI_CRL_FORGED); // an issuer without a key signed nothing
    }
    arena_fini(&arena);
    return 0;
}
