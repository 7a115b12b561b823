// SPDX-License-Identifier: GPL-3.0-or-later
// Whether any of a list of files is another one than before, by looking at it again: identity, size and time. Polling sees what notification
// misses: symlinks swapped above the file, as Kubernetes does, network file systems, and files that do not exist yet.
#ifndef SALLYPORT_NET_WATCH_H
#define SALLYPORT_NET_WATCH_H

#include <stddef.h>
#include <stdint.h>

// A fingerprint of the files as they are now; a file that is not there counts as such.
uint64_t gw_watch_look(const char *const *files, size_t n);

#endif
