// SPDX-License-Identifier: GPL-3.0-or-later
// How many cores this process may really use: the smaller of its affinity and its cgroup's quota (rounded up), at least one.
#ifndef SALLYPORT_NET_CORES_H
#define SALLYPORT_NET_CORES_H

unsigned gw_usable_cores(void);

#endif
