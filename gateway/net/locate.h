// SPDX-License-Identifier: GPL-3.0-or-later
// What an answer of the DNS means for a shard: its endpoints. discovery.h asks again and again; a command asks once.
#ifndef SALLYPORT_NET_LOCATE_H
#define SALLYPORT_NET_LOCATE_H

#include "gateway/config/config.h"
#include "gateway/config/endpoint.h"

struct gw_resolver_answer;

// Of an answer to what the configuration asks, which is no file. One reference. NULL: out of memory.
struct gw_endpoints *gw_locate_endpoints(const struct gw_config_discover *c, const struct gw_resolver_answer *a);
// Finds them out now, on a loop of its own, whatever the source. NULL with the reason in `what`, which has GW_ENDPOINT_FILE_WHAT bytes.
struct gw_endpoints *gw_locate_now(const struct gw_config_discover *c, char *what);

#endif
