// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SALLYPORT_BENCH_SUPPORT_ADDRESS_H
#define SALLYPORT_BENCH_SUPPORT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

// IP:PORT, [IP]:PORT; loopback only: this is no tool against other people's machines.
// Ends the process when it is not one.
socklen_t loopback_address(const char *text, struct sockaddr_storage *out);

// Connections of this descriptor come from that loopback address, IPv4. False, and errno.
bool comes_from(int fd, const char *ip);

#endif
