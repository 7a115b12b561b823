// SPDX-License-Identifier: GPL-3.0-or-later
// A token of our own that somebody else renews in its file, as the kubelet does with a projected service-account token: read again at each use.
#ifndef SALLYPORT_CONFIG_BEARER_H
#define SALLYPORT_CONFIG_BEARER_H

#include "gateway/base/buf.h"

// Appends "Bearer " and the first line of the file. False: it cannot be read, or has no token (RFC 6750 §2.1); nothing is appended. The caller wipes.
bool gw_bearer_read(const char *path, struct buf *out);

#endif
