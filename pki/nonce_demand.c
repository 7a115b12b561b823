// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/nonce_demand.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/map.h"
#include "pki/digest.h"

#define SLOTS 4096 // a power of two

struct pki_nonce_demands {
    uint64_t key[2];
    _Atomic int64_t until_ms[SLOTS];
};

struct pki_nonce_demands *pki_nonce_demands_new(void)
{
    struct pki_nonce_demands *d = calloc(1, sizeof *d);
    if (d)
        pki_random(d->key, sizeof d->key);
    return d;
}

void pki_nonce_demands_free(struct pki_nonce_demands *d)
{
    free(d);
}

static size_t slot_of(const struct pki_nonce_demands *d, struct span workload)
{
    return siphash24(d->key, workload) & (SLOTS - 1);
}

void pki_nonce_demand(struct pki_nonce_demands *d, struct span workload, int64_t until_ms)
{
    _Atomic int64_t *slot = &d->until_ms[slot_of(d, workload)];
    int64_t was = atomic_load(slot);
    while (was < until_ms && !atomic_compare_exchange_weak(slot, &was, until_ms))
        ;
}

bool pki_nonce_demanded(const struct pki_nonce_demands *d, struct span workload, int64_t now_ms)
{
    return now_ms < atomic_load(&d->until_ms[slot_of(d, workload)]);
}
