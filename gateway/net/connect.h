// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport connect` as a process: one event loop, listeners for applications of this machine, and the connector (connector.h) behind them. It looks at
// the configuration, the certificate's files and the token's file once a second, and takes up what changed.
//
//   SIGHUP  reads everything again; SIGTERM, SIGINT  no new connections, present requests end; a second one ends at once
//
// A certificate that is not there yet is waited for, and requests with it: in a pod, whoever brings it may be slower. A configuration that is wrong
// ends the process at the start, and is refused later.
#ifndef SALLYPORT_NET_CONNECT_H
#define SALLYPORT_NET_CONNECT_H

struct gw_connect_options {
    const char *config; // path
};

// Returns the exit status: 0 after a drain, 1 when it could not start (the reasons are on standard error).
int gw_connect_run(const struct gw_connect_options *options);

#endif
