// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/map.h"

#include <stdlib.h>

enum { CAP_FIRST = 16 };

struct map_slot {
    struct span key;
    void *value;
    uint64_t hash; // 0: the slot is free
};

static uint64_t rotl(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le(const char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

uint64_t siphash24(const uint64_t key[static 2], struct span s)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                      key[1] ^ 0x7465646279746573 };
    size_t i = 0;
    uint64_t m;

    for (; s.n - i >= 8; i += 8) {
        m = load_le(s.p + i, 8);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    m = (uint64_t)(s.n & 0xff) << 56;
    if (i < s.n)
        m |= load_le(s.p + i, s.n - i);
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int r = 0; r < 4; r++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_of(const struct map *m, struct span key)
{
    uint64_t h = siphash24(m->key, key);

    return h ? h : 1;
}

// The slot of the key, or the free one where it would go. There is always a free one.
static struct map_slot *slot_of(const struct map *m, struct span key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (!s->hash || (s->hash == hash && span_eq(s->key, key)))
            return s;
    }
}

static bool grow(struct map *m)
{
    struct map bigger = *m;

    bigger.cap = m->cap ? m->cap * 2 : CAP_FIRST;
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].hash)
            *slot_of(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

void map_init(struct map *m, const uint64_t key[static 2])
{
    *m = (struct map){ .key = { key[0], key[1] } };
}

void map_fini(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->cap = m->len = 0;
}

void *map_get(const struct map *m, struct span key)
{
    return m->len ? slot_of(m, key, hash_of(m, key))->value : NULL;
}

bool map_put(struct map *m, struct span key, void *value, void **old)
{
    uint64_t hash = hash_of(m, key);
    struct map_slot *s = m->cap ? slot_of(m, key, hash) : NULL;

    if (!s || !s->hash) {
        if (m->len >= m->cap / 4 * 3) {
            if (!grow(m))
                return false;
            s = slot_of(m, key, hash);
        }
        m->len++;
    }
    if (old)
        *old = s->value;
    *s = (struct map_slot){ key, value, hash };
    return true;
}

void *map_del(struct map *m, struct span key)
{
    struct map_slot *s = m->len ? slot_of(m, key, hash_of(m, key)) : NULL;
    size_t mask = m->cap - 1, hole, i;
    void *value;

    if (!s || !s->hash)
        return NULL;
    value = s->value;
    hole = (size_t)(s - m->slots);
    // Later entries of the run move up into the hole unless that would put them before the place they hash to.
    for (i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){ 0 };
    m->len--;
    return value;
}

bool map_each(const struct map *m, size_t *i, struct span *key, void **value)
{
    for (; *i < m->cap; ++*i) {
        const struct map_slot *s = &m->slots[*i];
        if (!s->hash)
            continue;
        *key = s->key;
        *value = s->value;
        ++*i;
        return true;
    }
    return false;
}
