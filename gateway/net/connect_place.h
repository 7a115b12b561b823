// SPDX-License-Identifier: GPL-3.0-or-later
// Where `connect` finds itself: in a pod, whose loopback is the pod's own; in one on the host's network, whose loopback is the node's; or on a plain
// machine, where other users are.
#ifndef SALLYPORT_NET_CONNECT_PLACE_H
#define SALLYPORT_NET_CONNECT_PLACE_H

#include "gateway/base/arena.h"

enum gw_place { GW_PLACE_MACHINE, GW_PLACE_POD, GW_PLACE_POD_HOST_NETWORK };

// A pod is told by KUBERNETES_SERVICE_HOST. That it is on the host's network is told by POD_IP and HOST_IP (the downward API's status.podIP and
// status.hostIP) being the same, or, without these, by an interface of `interfaces` (/sys/class/net) that belongs to a device: a pod's belong to none.
enum gw_place gw_place_find(const char *(*variable)(const char *name), const char *interfaces);
// Where to listen when the configuration does not say; in the arena. SPAN_NONE: nowhere that is only this user's (no XDG_RUNTIME_DIR), or no memory.
struct span gw_place_listen(enum gw_place place, const char *(*variable)(const char *name), struct arena *a);

#endif
