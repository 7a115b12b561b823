// SPDX-License-Identifier: GPL-3.0-or-later
// How often an address may try to enrol: so many attempts a minute, all of which may come at once. A table of fixed size, of one thread; where too many
// addresses fall into one place the one with most left is forgotten, so that a flood from many cannot lock anybody out, nor grow. Who has one IPv6 address has a
// network of them, /64, so all of that have GW_ENROL_RATE_NETWORK times as many attempts together.
#ifndef SALLYPORT_ENDPOINT_ENROL_RATE_H
#define SALLYPORT_ENDPOINT_ENROL_RATE_H

#include "gateway/base/span.h"

#define GW_ENROL_RATE_SETS 1024
#define GW_ENROL_RATE_WAYS 4
#define GW_ENROL_RATE_NETWORK 8

struct gw_enrol_rate {
    uint8_t key[16]; // random
    struct {
        uint64_t who;
        int64_t full_ms; // when nothing of what was taken is missing any more
    } at[GW_ENROL_RATE_SETS][GW_ENROL_RATE_WAYS];
};

void gw_enrol_rate_init(struct gw_enrol_rate *r);
// Takes one attempt of `remote` ("address:port"; the port does not count). False: there is none left.
bool gw_enrol_rate_take(struct gw_enrol_rate *r, struct span remote, unsigned a_minute, int64_t mono_ms);

#endif
