// SPDX-License-Identifier: GPL-3.0-or-later
// A server that the gateway sends requests to, with all that is needed to reach it and to know it: endpoints, who may vouch for it, our own
// certificate towards it, how long it may take. A shard is one; so is where an issuer's keys, its introspection or the revocation feed are.
// It is data of a snapshot: net/origin.h makes connections of it.
#ifndef SALLYPORT_CONFIG_REMOTE_H
#define SALLYPORT_CONFIG_REMOTE_H

#include "gateway/config/config.h"
#include "gateway/config/endpoint.h"
#include "pki/trust.h"

// When a read that is slow to be answered goes to a second endpoint as well.
struct gw_remote_hedge {
    unsigned percent;  // of them, at most; 0: never
    unsigned quantile; // after what this many percent of answers take; 0: `after_ms`
    int64_t after_ms;
};

// How a shard is kept well; of other servers all is zero.
struct gw_remote_care {
    bool on; // endpoints that take no connection rest, those that fail are ejected, and retries have a budget:
    unsigned retry_percent, retries_per_second;
    struct gw_remote_hedge hedge;
    bool adaptive;          // what is under way is bounded by what the shard can work on
    struct span checked_as; // its name, when the process checks its endpoints; else SPAN_NONE
};

struct gw_remote {
    const struct gw_endpoint *endpoints; // equivalent ones
    size_t n_endpoints;
    bool tls;
    struct span spiffe_id, server_name; // at most one; neither: an endpoint's host is the name in its certificate
    struct pki_trust *trust;            // who may vouch for it; NULL: the bundles of the trust domains
    struct span cert_pem, cert_file;    // our certificate towards it; SPAN_NONE: none
    struct span key_pem, key_file, passphrase;
    bool renewed; // it is the one that this process enrols for itself
    int64_t connect_ms, first_byte_ms, idle_ms, keep_ms;
    size_t max_connections, max_idle; // of one loop, to one endpoint
    struct gw_remote_care care;
};

// Looks at what no single key can tell: whether anything vouches for it, what belongs together. Fine when no URL is configured. `what` names it
// in complaints: "jwks_url".
void gw_config_remote_check(const struct gw_config *c, const struct gw_config_remote *r, const char *what,
                            struct diags *diags);
// The same for the TLS options of a server known otherwise than by a URL.
void gw_config_remote_tls_check(const struct gw_config *c, const struct gw_config_remote_tls *tls,
                                struct gw_config_place at, const char *what, struct diags *diags);

struct gw_snapshot;
// Reads the files that a configuration names for TLS into `out`, whose endpoints are there. Complains in `diags`; what was read belongs to the
// snapshot, and `out` to gw_remote_fini.
void gw_remote_load_tls(struct gw_snapshot *s, const struct gw_config_remote_tls *tls, struct gw_remote *out,
                        int64_t now_s, struct diags *diags);
// Of them only who may vouch for the server and who it is; its certificate's part is the caller's.
void gw_remote_load_trust(struct gw_snapshot *s, const struct gw_config_remote_tls *tls, struct gw_remote *out,
                          struct diags *diags);
// All of it, for a URL.
void gw_remote_load(struct gw_snapshot *s, const struct gw_config_remote *r, struct gw_remote *out, int64_t now_s,
                    struct diags *diags);
void gw_remote_fini(struct gw_remote *r); // wipes secrets

#endif
