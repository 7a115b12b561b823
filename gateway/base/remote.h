// SPDX-License-Identifier: GPL-3.0-or-later
// Whose address "192.0.2.1:4711" or "[2001:db8::1]:4711" is. Who has one IPv6 address has a network of them, /64, all of which are his.
#ifndef SALLYPORT_BASE_REMOTE_H
#define SALLYPORT_BASE_REMOTE_H

#include "gateway/base/span.h"

#define REMOTE_NETWORK 8 // octets of an IPv6 network, /64

// Without the port.
struct span remote_host(struct span remote);
// The network of an IPv6 address, as remote_host gives it. False: IPv4, also inside IPv6.
bool remote_network(struct span host, uint8_t out[static REMOTE_NETWORK]);
// Whose the address is: the host, or its network in `network`, which the span then points to.
struct span remote_source(struct span remote, uint8_t network[static REMOTE_NETWORK]);

// Whether `text` is an address or a network: "192.0.2.1", "10.0.0.0/8", "2001:db8::/32".
bool remote_network_parses(struct span text);
// Whether the host, as remote_host gives it, is in it. An IPv4 address inside IPv6 is an IPv4 address.
bool remote_in(struct span host, struct span text);

#endif
