// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a request on the loopback listener comes from a program of this machine, and not from a web page in a browser on it. A page can make a
// browser send requests to 127.0.0.1, and read the answers too when its own name is made to resolve there (DNS rebinding). It cannot choose two
// things: Host is the page's name then, and what it sends elsewhere than home carries Origin, or Sec-Fetch-Site in a GET.
//
// No client library of a vector database sends either of the two, so both are refused, whatever they say.
#ifndef SALLYPORT_CONNECT_CALLER_H
#define SALLYPORT_CONNECT_CALLER_H

#include "gateway/base/err.h"
#include "gateway/http/request.h"

// `authority` is the request's, as gw_target_of gives it. 0, ERR_CONNECT_HOST, ERR_CONNECT_ORIGIN.
int gw_caller_check(const struct gw_request *r, struct span authority);

// "localhost", an address of 127.0.0.0/8, or "[::1]"; with a port or without.
bool gw_caller_is_loopback(struct span authority);

#endif
