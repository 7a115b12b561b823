// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/enrol_rate.h"

#include "pki/digest.h"

#define MINUTE_MS 60000

void gw_enrol_rate_init(struct gw_enrol_rate *r)
{
    memset(r, 0, sizeof *r);
    pki_random(r->key, sizeof r->key);
}

static uint64_t who(const struct gw_enrol_rate *r, struct span remote)
{
    uint8_t hash[PKI_SHA256];
    uint64_t h;
    size_t n = remote.n;
    while (n > 0 && remote.p[n - 1] != ':')
        n--;
    pki_sha256_2(span_of(r->key, sizeof r->key), span_sub(remote, 0, n), hash);
    memcpy(&h, hash, sizeof h);
    return h ? h : 1;
}

bool gw_enrol_rate_take(struct gw_enrol_rate *r, struct span remote, unsigned a_minute, int64_t mono_ms)
{
    uint64_t h = who(r, remote);
    size_t set = h % GW_ENROL_RATE_SETS, way = 0;
    for (size_t i = 0; i < GW_ENROL_RATE_WAYS; i++) {
        if (r->at[set][i].who == h) {
            way = i;
            break;
        }
        if (r->at[set][i].full_ms < r->at[set][way].full_ms)
            way = i;
    }
    int64_t each = MINUTE_MS / (int64_t)a_minute;
    int64_t full = r->at[set][way].who == h && r->at[set][way].full_ms > mono_ms ? r->at[set][way].full_ms : mono_ms;
    if (each < 1)
        each = 1;
    if (full + each > mono_ms + MINUTE_MS)
        return false;
    r->at[set][way].who = h;
    r->at[set][way].full_ms = full + each;
    return true;
}
