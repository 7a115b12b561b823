// SPDX-License-Identifier: GPL-3.0-or-later
// Who asks the token service. A client authenticates in exactly one way:
//
//   tls_client_auth      RFC 8705 §2.1: the certificate of this connection. It is the client whose id is the certificate's SPIFFE ID, or a
//                        configured client of which it holds the one registered DNS name, URI or subject (checklist 20).
//   private_key_jwt      RFC 7523 §3, OpenID Core §9: an assertion that it signed, good once (client_assertion.c).
//   client_secret_post   RFC 6749 §2.3.1: an API key as `client_secret`, or as `Authorization: Bearer`; under the certificate of the workload that
//                        owns it, as at the gateway, and its scopes are a ceiling.
//
// Whatever the way: a certificate that is there is the client's own workload's, and neither of them is revoked. There are no client passwords and
// no clients that authenticate by nothing.
#ifndef SALLYPORT_ENDPOINT_CLIENT_AUTH_H
#define SALLYPORT_ENDPOINT_CLIENT_AUTH_H

#include "gateway/config/config.h"
#include "pki/token.h"

struct gw_oauth;

enum gw_client_method { GW_CLIENT_NONE, GW_CLIENT_TLS, GW_CLIENT_ASSERTION, GW_CLIENT_API_KEY };

struct gw_client {
    enum gw_client_method method;
    struct span id;                        // `client_id`; SPAN_NONE: not authenticated
    struct span workload;                  // SPIFFE ID that it acts as; SPAN_NONE: it is no workload
    const struct gw_config_client *config; // NULL: known by its certificate or key alone
    struct pki_token *key;                 // its API key, counted; NULL: none
    // An assertion that held and is not used up yet.
    bool asserted;
    uint8_t assertion_key[32]; // thumbprint
    struct span assertion_jti;
    int64_t assertion_iat_ms, assertion_keep_until_ms;
};

// A step: authenticates, or refuses with invalid_client (invalid_request for more than one way). An assertion is not used up.
int gw_client_authenticate(struct gw_oauth *o);
// A step: uses the assertion up, if there is one; to come when everything else about who asks held.
int gw_client_use_up(struct gw_oauth *o);
void gw_client_fini(struct gw_client *c);
// As RFC 8414 metadata and the policies call it.
struct span gw_client_method_name(enum gw_client_method method);

// Of client_assertion.c: reads the form's assertion into o->client.
int gw_client_assertion(struct gw_oauth *o);
// The configured client, and its place in the list; NULL: none.
const struct gw_config_client *gw_client_find(const struct gw_config_authority *config, struct span id, size_t *index);

#endif
