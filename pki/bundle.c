// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/bundle.h"

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "pki/pem.h"

static void keep_first(int *first, int e)
{
    if (!*first)
        *first = e;
}

int pki_bundle_each_pem(struct span pem, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx)
{
    struct buf der;
    struct span label;
    size_t found = 0;
    int first = 0, more;
    buf_init(&der, 0);
    while ((more = pki_pem_next(&pem, &label, &der)) == 1) {
        if (span_eq(label, SPAN("CERTIFICATE"))) {
            keep_first(&first, fn(ctx, buf_span(&der), ++found));
            continue;
        }
        diag_error(diags, file, 0, 0, "there is a %.*s in it; a bundle holds CA certificates only", SPAN_FMT(label));
        keep_first(&first, ERR_CERT_MALFORMED);
    }
    buf_fini(&der);
    if (more < 0 || !found) {
        diag_error(diags, file, 0, 0, more < 0 ? "the PEM is broken" : "there is no certificate in it");
        keep_first(&first, more < 0 ? more : ERR_CERT_MALFORMED);
    }
    return first;
}

// x5c is standard base64, which is what PEM armour holds.
static bool x5c_to_der(struct span base64, struct buf *der)
{
    struct buf pem;
    struct span label;
    bool plain = base64.n > 0;
    for (size_t i = 0; i < base64.n; i++)
        plain &= base64.p[i] != '-' && base64.p[i] != '\n' && base64.p[i] != '\r';
    buf_init(&pem, 0);
    buf_append(&pem, SPAN("-----BEGIN CERTIFICATE-----\n"));
    buf_append(&pem, base64);
    buf_append(&pem, SPAN("\n-----END CERTIFICATE-----\n"));
    struct span rest = buf_span(&pem);
    bool ok = plain && !pem.failed && pki_pem_next(&rest, &label, der) == 1;
    buf_fini(&pem);
    return ok;
}

int pki_bundle_each_jwks(struct span jwks, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx)
{
    struct json_error err;
    struct json_doc *doc = json_parse(jwks, &(struct json_limits){ .bytes = 4u << 20 }, &err);
    if (!doc) {
        diag_error(diags, file, err.line, err.column, "%s", err.what);
        return ERR_CERT_MALFORMED;
    }
    struct buf der;
    struct span name;
    json key;
    size_t found = 0, number = 0;
    int first = 0;
    buf_init(&der, 0);
    struct json_iter it = json_iter(json_get(json_root(doc), SPAN("keys")));
    while (json_next(&it, &name, &key)) {
        json x5c = json_get(key, SPAN("x5c"));
        number++;
        if (!span_eq(json_string(json_get(key, SPAN("use"))), SPAN("x509-svid")))
            continue; // for JWT-SVIDs, or of a later version of the format
        found++;
        buf_clear(&der);
        if (json_type(x5c) == JSON_ARRAY && json_count(x5c) == 1 && x5c_to_der(json_string(json_at(x5c, 0)), &der)) {
            keep_first(&first, fn(ctx, buf_span(&der), number));
        } else {
            diag_error(diags, file, 0, 0, "key %zu: x5c is not one certificate in base64", number);
            keep_first(&first, ERR_CERT_MALFORMED);
        }
    }
    buf_fini(&der);
    json_free(doc);
    if (!found) {
        diag_error(diags, file, 0, 0, "there is no key with use \"x509-svid\" in it");
        keep_first(&first, ERR_CERT_MALFORMED);
    }
    return first;
}

int pki_bundle_each(struct span text, struct span file, struct diags *diags, pki_bundle_fn fn, void *ctx)
{
    size_t i = 0;
    while (i < text.n && strchr(" \t\r\n", text.p[i]) && text.p[i])
        i++;
    return i < text.n && text.p[i] == '{' ? pki_bundle_each_jwks(text, file, diags, fn, ctx)
                                          : pki_bundle_each_pem(text, file, diags, fn, ctx);
}
