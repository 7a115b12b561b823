// SPDX-License-Identifier: GPL-3.0-or-later
// Certification requests, PEM and DER: the one thing the CA reads that a stranger wrote. What is accepted proved
// possession, so its names are printable and its key is one that a certificate can be made for. The DER readers run
// over the same bytes.
#include "pki/csr.h"
#include "pki/der.h"
#include "pki/pem.h"
#include "pki/x509_make.h"
#include <stdlib.h>

// Every element, as deep as it goes.
static void walk(struct span s, unsigned depth)
{
    struct span content;
    int tag;
    int64_t seconds;
    while (depth < 40 && pki_der_next(&s, &tag, &content, NULL)) {
        if (pki_der_read_time(tag, content, &seconds) && (seconds < 0 || seconds > 253402300799)) {
            abort();
        }
        if (tag & 0x20) {
            walk(content, depth + 1);
        }
    }
}

static void check_names(const struct pki_csr *csr)
{
    for (size_t i = 0; i < csr->n_names; i++) {
        for (size_t j = 0; j < csr->names[i].n; j++) {
            if (csr->names[i].p[j] < 0x20 || csr->names[i].p[j] > 0x7e) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size), rest = text, label;
    struct arena arena;
    struct pki_csr csr;
    struct pki_x509_view view;
    struct buf der;
    const char *why = NULL;
    uint8_t id[PKI_KEY_ID];
    arena_init(&arena, 0);
    int rc = pki_csr_parse(text, &arena, &csr, &why);
    if (rc == 0) {
        check_names(&csr);
        if (pki_x509_key_id(csr.key, id) != 0) {
            abort();
        }
        pki_csr_fini(&csr);
    } else if (!why) {
        abort(); // a refusal always says why
    }
    walk(text, 0);
    (void)pki_x509_view(text, &view);
    buf_init(&der, 0);
    while (pki_pem_next(&rest, &label, &der) == 1) {
        walk(buf_span(&der), 0);
    }
    buf_fini(&der);
    arena_fini(&arena);
    return 0;
}
