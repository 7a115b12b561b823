// SPDX-License-Identifier: GPL-3.0-or-later
// Unix sockets for programs of one user: made so that others cannot open them, and whoever connects is asked for his user id all the same.
#ifndef SALLYPORT_NET_UNIX_SOCKET_H
#define SALLYPORT_NET_UNIX_SOCKET_H

#include <stdbool.h>

// A socket bound to `path`, mode 0600. One that a process left behind that is gone is replaced; one that somebody listens on is not, and neither is any
// other file. 0 and *fd, or -errno and a text in *what.
int gw_unix_bind(const char *path, int *fd, const char **what);
// Whether the process at the other end of `fd` runs as `uid`.
bool gw_unix_peer_is(int fd, unsigned uid);

#endif
