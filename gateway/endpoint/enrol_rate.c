// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/enrol_rate.h"

#include "pki/digest.h"

#include <arpa/inet.h>

#define MINUTE_MS 60000
#define NETWORK 8 // octets of an IPv6 network, /64

void gw_enrol_rate_init(struct gw_enrol_rate *r)
{
    memset(r, 0, sizeof *r);
    pki_random(r->key, sizeof r->key);
}

static uint64_t who(const struct gw_enrol_rate *r, struct span name)
{
    uint8_t hash[PKI_SHA256];
    uint64_t h;
    pki_sha256_2(span_of(r->key, sizeof r->key), name, hash);
    memcpy(&h, hash, sizeof h);
    return h ? h : 1;
}

// Without the port.
static struct span host_of(struct span remote)
{
    size_t n = remote.n;
    while (n > 0 && remote.p[n - 1] != ':')
        n--;
    return span_sub(remote, 0, n);
}

// The network of an IPv6 address, of which its machine has all other addresses as well. False: IPv4, also inside IPv6.
static bool network_of(struct span host, uint8_t out[static NETWORK])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (host.n < 3 || host.p[0] != '[' || host.n - 3 >= sizeof text)
        return false;
    memcpy(text, host.p + 1, host.n - 3); // what is left are ']' and ':'
    text[host.n - 3] = '\0';
    if (inet_pton(AF_INET6, text, &a) != 1 || memcmp(a.s6_addr, mapped, sizeof mapped) == 0)
        return false;
    memcpy(out, a.s6_addr, NETWORK);
    return true;
}

struct place {
    size_t set, way;
    uint64_t who;
    int64_t full_ms; // when one more was taken; < 0: there is none left
};

static struct place look(const struct gw_enrol_rate *r, uint64_t who, int64_t a_minute, int64_t mono_ms)
{
    struct place p = { .set = who % GW_ENROL_RATE_SETS, .who = who };
    for (size_t i = 0; i < GW_ENROL_RATE_WAYS; i++) {
        if (r->at[p.set][i].who == who) {
            p.way = i;
            break;
        }
        if (r->at[p.set][i].full_ms < r->at[p.set][p.way].full_ms)
            p.way = i;
    }
    int64_t each = MINUTE_MS / a_minute, full = r->at[p.set][p.way].full_ms;
    if (r->at[p.set][p.way].who != who || full < mono_ms)
        full = mono_ms;
    p.full_ms = full + (each < 1 ? 1 : each);
    if (p.full_ms > mono_ms + MINUTE_MS)
        p.full_ms = -1;
    return p;
}

static void set(struct gw_enrol_rate *r, const struct place *p)
{
    r->at[p->set][p->way].who = p->who;
    r->at[p->set][p->way].full_ms = p->full_ms;
}

bool gw_enrol_rate_take(struct gw_enrol_rate *r, struct span remote, unsigned a_minute, int64_t mono_ms)
{
    struct span host = host_of(remote);
    uint8_t network[NETWORK];
    bool v6 = network_of(host, network);
    struct place all = { .full_ms = 0 };
    if (v6)
        all = look(r, who(r, span_of(network, sizeof network)), (int64_t)a_minute * GW_ENROL_RATE_NETWORK, mono_ms);
    struct place one = look(r, who(r, host), a_minute, mono_ms);
    if (all.full_ms < 0 || one.full_ms < 0)
        return false;
    if (v6)
        set(r, &all);
    set(r, &one);
    return true;
}
