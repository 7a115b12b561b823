// SPDX-License-Identifier: GPL-3.0-or-later
// A pkcs11: URI: what is accepted names a token and an absolute module, has a NUL after each value, and can be given another object.
#include <assert.h>
#include <stddef.h>

#include "pki/hsm_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct span value, size_t max)
{
    assert(span_is_none(value) || (value.n > 0 && value.n <= max && value.p[value.n] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of(data, n);
    struct pki_hsm_uri u, again;
    const char *what = NULL;
    if (pki_hsm_uri_parse_(text, &u, &what) != 0) {
        assert(what);
        return 0;
    }
    assert(n <= PKI_HSM_URI_MAX && pki_hsm_is_uri(text));
    assert(!span_is_none(u.token) || !span_is_none(u.serial));
    assert(strlen(u.module_path.p) == u.module_path.n && u.module_path.p[0] == '/');
    assert(span_is_none(u.pin_source) || (strlen(u.pin_source.p) == u.pin_source.n && u.pin_source.p[0] == '/'));
    check(u.token, 32);
    check(u.serial, 16);
    check(u.object, 128);
    check(u.id, 64);

    struct buf made;
    buf_init(&made, 0);
    if (pki_hsm_with_object(text, SPAN("a key; its = name?"), &made, &what) == 0) {
        assert(pki_hsm_uri_parse_(buf_span(&made), &again, &what) == 0);
        assert(strcmp(again.object.p, "a key; its = name?") == 0 && span_is_none(again.id));
        assert(span_eq(again.token, u.token) && span_eq(again.serial, u.serial) &&
               span_eq(again.pin_source, u.pin_source));
        assert(span_eq(again.module_path, u.module_path));
        pki_hsm_uri_fini_(&again);
    }
    buf_fini(&made);
    pki_hsm_uri_fini_(&u);
    return 0;
}
