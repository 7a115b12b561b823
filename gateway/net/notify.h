// SPDX-License-Identifier: GPL-3.0-or-later
// Tells whoever started this process how it is (sd_notify(3): a datagram to the socket that $NOTIFY_SOCKET names): systemd then waits for what depends
// on a gateway until it serves, and knows at an upgrade which process took over.
#ifndef SALLYPORT_NET_NOTIFY_H
#define SALLYPORT_NET_NOTIFY_H

// "READY=1", "STOPPING=1" … Nobody is told when nobody asked; a socket that is gone is nothing to stop for.
void gw_notify(const char *what);

#endif
