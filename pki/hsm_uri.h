// SPDX-License-Identifier: GPL-3.0-or-later
// RFC 7512 URIs, read strictly: what hsm.h says may be in one, percent-decoded. No look at any token or file.
#ifndef SALLYPORT_PKI_HSM_URI_H
#define SALLYPORT_PKI_HSM_URI_H

#include "pki/hsm.h"

#define PKI_HSM_URI_MAX 4096

// SPAN_NONE: not in the URI. Every value is followed by a NUL that is not counted, and has none inside but for `id`.
struct pki_hsm_uri {
    char *store; // owned; the values point into it
    struct span token, serial, manufacturer, model;
    struct span object, id;
    struct span module_path; // absolute; always there
    struct span pin_source;  // absolute, without file:
};

// 0; ERR_HSM with the reason in `*what`; ERR_NOMEM. To be given back with pki_hsm_uri_fini_.
int pki_hsm_uri_parse_(struct span text, struct pki_hsm_uri *out, const char **what);
void pki_hsm_uri_fini_(struct pki_hsm_uri *uri);

#endif
