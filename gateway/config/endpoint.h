// SPDX-License-Identifier: GPL-3.0-or-later
// Where a server is reached.
#ifndef SALLYPORT_CONFIG_ENDPOINT_H
#define SALLYPORT_CONFIG_ENDPOINT_H

#include "gateway/base/span.h"

struct gw_endpoint {
    const char *host; // name or address, NUL-terminated
    uint16_t port;
    struct span authority; // for the Host field
};

#endif
