// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with a text of the configuration: each function gives NULL, or static text that says what was expected.
#ifndef SALLYPORT_CONFIG_FAULT_H
#define SALLYPORT_CONFIG_FAULT_H

#include "gateway/base/arena.h"

const char *gw_fault_name(struct span s);         // of an issuer or shard: it appears in policy, metrics and logs
const char *gw_fault_host_port(struct span s);    // an address to listen on
const char *gw_fault_address_port(struct span s); // an IP address and a port
const char *gw_fault_local(
    struct span s); // to listen on for this machine alone: a loopback address and port, or unix:PATH
const char *gw_fault_dialled(struct span s); // host:port, of which the host may be an environment variable: $NAME:port
const char *gw_fault_authority(struct span s); // host[:port] as clients name us
const char *gw_fault_trust_domain(struct span s);
const char *gw_fault_workload_id(struct span s); // a SPIFFE ID with a path
const char *gw_fault_workloads(struct span s);   // the same, or with a '/' at its end the beginning of several
const char *gw_fault_glob(struct span s);
const char *gw_fault_field_name(struct span s); // HTTP, lower-case
const char *gw_fault_path(struct span s);       // of a request: a path, and a query or none
const char *gw_fault_share(struct span s);      // of all, 0 to 1 (snapshot_tracing.c)
const char *gw_fault_scheme(struct span s);     // an authentication scheme
const char *gw_fault_entity(struct span s);     // Cedar's Type::"id"
const char *gw_fault_host(struct span s);       // a server's name or address
const char *gw_fault_client_id(struct span s);  // RFC 6749 Appendix A.1
const char *gw_fault_issuer_url(struct span s); // of the authority: https://host[:port][/]

// http[s]://host[:port][/] taken apart; `host` without brackets, `port` the scheme's default when absent.
const char *gw_fault_endpoint(struct span s, bool *tls, struct span *host, uint16_t *port);
// The same with a path and query, in `target` ("/" when absent), without user or fragment. https, or http to a loopback address.
const char *gw_fault_url(struct span s, bool *tls, struct span *host, uint16_t *port, struct span *target);
// 127.0.0.0/8 and ::1, as addresses: a name may lead anywhere.
bool gw_is_loopback_address(struct span host);

#endif
