// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/csr_make.h"

#include "gateway/base/err.h"
#include "pki/der.h"
#include "pki/x509_make.h"

// An attribute with one value, the list of extensions, of which there is one (RFC 2985 §5.4.2).
static void put_names(struct pki_der *d, struct span uri, const struct span *dns, size_t n)
{
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_ext_request);
    pki_der_begin(d, PKI_DER_SET);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    pki_der_oid(d, pki_oid_san);
    pki_der_begin(d, PKI_DER_OCTET_STRING);
    pki_der_begin(d, PKI_DER_SEQUENCE);
    if (!span_is_none(uri))
        pki_der_put(d, PKI_DER_CONTEXT(6), uri);
    for (size_t i = 0; i < n; i++)
        pki_der_put(d, PKI_DER_CONTEXT(2), dns[i]);
    for (int i = 0; i < 6; i++)
        pki_der_end(d);
}

int pki_csr_make(const struct pki_key *key, struct span uri, const struct span *dns, size_t n_dns, struct buf *out)
{
    struct buf info;
    buf_init(&info, 0);
    struct pki_der d = pki_der(&info);
    pki_der_begin(&d, PKI_DER_SEQUENCE);
    pki_der_int(&d, 0); // version 1
    pki_der_put(&d, PKI_DER_SEQUENCE, SPAN(""));
    int rc = pki_key_spki(key, &info);
    pki_der_begin(&d, PKI_DER_CONTEXT_CONSTRUCTED(0));
    if (!span_is_none(uri) || n_dns > 0)
        put_names(&d, uri, dns, n_dns);
    pki_der_end(&d);
    pki_der_end(&d);
    if (rc == 0)
        rc = info.failed ? ERR_NOMEM : pki_x509_sign(key, buf_span(&info), out);
    buf_fini(&info);
    return rc;
}
