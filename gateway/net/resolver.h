// SPDX-License-Identifier: GPL-3.0-or-later
// One question to the DNS, asked with c-ares on the main thread's loop: the addresses of a name (A, AAAA, and the hosts file), or the servers of a service (SRV, RFC 2782) and
// their addresses. Unlike lookup.h, which asks the system for a connection that is about to be made, it tells how long the answer holds, and occupies no thread.
//
// Of a service's records those with the lowest priority that have an address at all are the answer; weights are not used, since requests go to the least loaded. Where
// there are more than GW_ENDPOINTS_MAX it is always the same ones that are used, in whatever order they come. Each
// question reads resolv.conf anew, or asks the servers it is given.
#ifndef SALLYPORT_NET_RESOLVER_H
#define SALLYPORT_NET_RESOLVER_H

#include "gateway/config/endpoint.h"

#include <stdint.h>
#include <uv.h>

#define GW_RESOLVER_ADDRESS 46 // of the text, with its NUL
#define GW_RESOLVER_NAME 256

struct gw_resolver_place {
    char address[GW_RESOLVER_ADDRESS];
    uint16_t port;               // of a service's record; 0 of a name's address
    char name[GW_RESOLVER_NAME]; // of the server in a service's record; "" of a name's address
};

struct gw_resolver_answer {
    const char *what; // NULL: it was answered; else static text: why not. An answer without any place is none
    struct gw_resolver_place v[GW_ENDPOINTS_MAX];
    size_t n;  // sorted
    bool more; // than there is room for
    uint32_t ttl_s;
};

struct gw_resolver_request {
    uv_loop_t *uv;
    const char *name;
    bool service;
    struct span servers; // "10.0.0.53:53,[::1]:53"; empty: the system's
    // Once, from the loop; the answer is borrowed.
    void (*on_answer)(void *ctx, const struct gw_resolver_answer *a);
    void *ctx;
};

struct gw_resolver; // the question under way

// NULL: it could not be asked; on_answer does not come.
struct gw_resolver *gw_resolver_ask(const struct gw_resolver_request *r);
// Calls it off; on_answer does not come any more. Not after it came. NULL is fine. What is left closes while the loop goes on.
void gw_resolver_cancel(struct gw_resolver *q);

// How long an answer of records holds: the least TTL of its answer section. False: it is no well-formed message.
bool gw_resolver_ttl(const unsigned char *message, size_t n, uint32_t *ttl_s);

#endif
