// SPDX-License-Identifier: GPL-3.0-or-later
// The newest endpoints of every shard whose endpoints are found out, by what is looked up (gw_config_discover.key). Made by the main thread (discovery.h),
// never changed, and handed to the loops like a snapshot; each loop holds the one it came by last.
#ifndef SALLYPORT_NET_DIRECTORY_H
#define SALLYPORT_NET_DIRECTORY_H

#include "gateway/config/endpoint.h"

struct gw_directory_entry {
    struct span key;
    struct gw_endpoints *endpoints; // counted; NULL: none were found yet
};

struct gw_directory {
    _Atomic(unsigned) refs;
    size_t n;
    struct gw_directory_entry v[];
};

// A copy, with references of its own. NULL: out of memory.
struct gw_directory *gw_directory_new(const struct gw_directory_entry *v, size_t n);
struct gw_directory *gw_directory_ref(struct gw_directory *d);
void gw_directory_unref(struct gw_directory *d); // from any thread; NULL is fine
// Borrowed; NULL: nothing was found. `d` may be NULL.
struct gw_endpoints *gw_directory_get(const struct gw_directory *d, struct span key);

#endif
