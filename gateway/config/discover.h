// SPDX-License-Identifier: GPL-3.0-or-later
// How the endpoints of a shard are found out while the gateway runs, when they are not listed: the addresses of a DNS name, a service's records
// (SRV, RFC 2782), or the lines of a file. Here is what the configuration says about it, and the file; net/resolver.h asks the DNS.
//
// Whose word is it? A name's addresses may be anybody's who can forge DNS, so with https the certificate must be for the configured name, never for one that an
// answer named: a service needs tls.spiffe_id or tls.server_name. A file is the operator's: its hosts count like listed ones.
#ifndef SALLYPORT_CONFIG_DISCOVER_H
#define SALLYPORT_CONFIG_DISCOVER_H

#include "gateway/config/config.h"
#include "gateway/config/endpoint.h"

#define GW_ENDPOINT_FILE_MAX (64u << 10)
#define GW_ENDPOINT_FILE_WHAT 200

// Completes and checks what the reader read of a shard.
void gw_config_discover_check(struct gw_config *c, struct gw_config_shard *s, struct diags *diags);

// A file's text: one host:port a line, IPv6 in brackets; '#' begins a comment. NULL with the reason in `what`: a line that is none, no endpoint at all, more
// than GW_ENDPOINTS_MAX, or out of memory. One reference.
struct gw_endpoints *gw_endpoint_file_parse(struct span text, bool tls, char what[static GW_ENDPOINT_FILE_WHAT]);
// The same of a file on the disk.
struct gw_endpoints *gw_endpoint_file_read(const char *path, bool tls, char what[static GW_ENDPOINT_FILE_WHAT]);

// host[:port] for the Host field, the port left out where it is the scheme's. In the arena.
struct span gw_endpoint_authority(struct arena *a, struct span host, uint16_t port, bool tls);

#endif
