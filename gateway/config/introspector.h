// SPDX-License-Identifier: GPL-3.0-or-later
// An issuer's introspection server as a snapshot has it: where it is, how the gateway authenticates there, and how it is asked. What the answers
// are held to is in its pki_issuer.
#ifndef SALLYPORT_CONFIG_INTROSPECTOR_H
#define SALLYPORT_CONFIG_INTROSPECTOR_H

#include "gateway/config/remote.h"
#include "pki/issuer.h"

#include <stdatomic.h>

struct gw_introspector {
    const struct gw_config_introspection *config;
    const struct pki_issuer *issuer;
    struct gw_remote remote;
    struct span authorization; // "Basic …", a secret; SPAN_NONE: by certificate
    struct span
        parameters; // of every question, behind the token: "&token_type_hint=access_token" and perhaps client_id
    atomic_bool complained; // that the server does not take our credentials: said once, by whichever loop
};

// Whether the issuers' introspection can be: that they are told apart, that each has a way to authenticate. `c` is completed: timeouts.
void gw_config_introspection_check(struct gw_config *c, struct diags *diags);
// What of it goes into the issuer.
struct pki_introspection gw_config_introspection_of(const struct gw_config_issuer *i);
// The introspectors of the issuers that s->issuers has. Complains in `diags`.
struct gw_snapshot;
void gw_introspectors_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags);
void gw_introspector_fini(struct gw_introspector *i); // wipes secrets

// Appends `s` as application/x-www-form-urlencoded (RFC 6749 appendix B).
void gw_form_encode(struct buf *out, struct span s);

#endif
