// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/enrol_rate.h"

#include "gateway/base/remote.h"
#include "pki/digest.h"

#define MINUTE_MS 60000

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
    struct span host = remote_host(remote);
    uint8_t network[REMOTE_NETWORK];
    bool v6 = remote_network(host, network);
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
