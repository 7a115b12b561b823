// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/lru.h"

#include <stdlib.h>

#include "pki/digest.h"

struct pki_lru_owner {
    struct pki_lru_item *newest, *oldest;
    size_t count, bytes;
    bool is_over;                               // in the list of those above their share
    struct pki_lru_owner *over_next, **over_at; // what points here
    struct span workload;                       // behind the struct
};

void pki_lru_init(struct pki_lru *l, size_t entries, size_t bytes, size_t share, void (*on_drop)(struct pki_lru_item *))
{
    uint64_t key[2];
    *l = (struct pki_lru){ .entries = entries, .bytes = bytes, .on_drop = on_drop };
    l->share = share ? share : entries / 8;
    if (l->share < 16 && share == 0)
        l->share = 16;
    size_t scaled;
    if (l->share >= entries)
        l->share_bytes = bytes;
    else if (__builtin_mul_overflow(bytes, l->share, &scaled))
        l->share_bytes = bytes / entries * l->share;
    else
        l->share_bytes = scaled / entries;
    pki_random(key, sizeof key);
    map_init(&l->items, key);
    pki_random(key, sizeof key);
    map_init(&l->owners, key);
}

void pki_lru_fini(struct pki_lru *l)
{
    while (l->oldest)
        pki_lru_drop(l, l->oldest);
    map_fini(&l->items);
    map_fini(&l->owners);
}

static void unlink_item(struct pki_lru *l, struct pki_lru_item *i)
{
    *(i->newer ? &i->newer->older : &l->newest) = i->older;
    *(i->older ? &i->older->newer : &l->oldest) = i->newer;
    *(i->own_newer ? &i->own_newer->own_older : &i->owner->newest) = i->own_older;
    *(i->own_older ? &i->own_older->own_newer : &i->owner->oldest) = i->own_newer;
}

static void link_newest(struct pki_lru *l, struct pki_lru_item *i)
{
    struct pki_lru_owner *o = i->owner;
    i->newer = NULL;
    i->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = i;
    l->newest = i;
    i->own_newer = NULL;
    i->own_older = o->newest;
    *(o->newest ? &o->newest->own_newer : &o->oldest) = i;
    o->newest = i;
}

struct pki_lru_item *pki_lru_get(struct pki_lru *l, struct span key)
{
    struct pki_lru_item *i = map_get(&l->items, key);
    if (i && (i->newer || i->own_newer)) {
        unlink_item(l, i);
        link_newest(l, i);
    }
    return i;
}

// Into the list of those above their share, or out of it, as its entries and bytes are now.
static void judge(struct pki_lru *l, struct pki_lru_owner *o)
{
    bool is_over = o->count > l->share || o->bytes > l->share_bytes;
    if (is_over && !o->is_over) {
        o->over_next = l->over;
        o->over_at = &l->over;
        if (l->over)
            l->over->over_at = &o->over_next;
        l->over = o;
    } else if (!is_over && o->is_over) {
        *o->over_at = o->over_next;
        if (o->over_next)
            o->over_next->over_at = o->over_at;
    }
    o->is_over = is_over;
}

static void release_owner(struct pki_lru *l, struct pki_lru_owner *o)
{
    if (o->count > 0)
        return;
    map_del(&l->owners, o->workload);
    free(o);
}

void pki_lru_drop(struct pki_lru *l, struct pki_lru_item *item)
{
    struct pki_lru_owner *o = item->owner;
    map_del(&l->items, item->key);
    unlink_item(l, item);
    l->used -= item->bytes;
    o->bytes -= item->bytes;
    o->count--;
    judge(l, o);
    release_owner(l, o);
    l->on_drop(item);
}

// Who goes when `o` (NULL: a workload without entries) needs room for `count` more entries and `bytes` more bytes; never `spared`.
static struct pki_lru_item *victim(const struct pki_lru *l, const struct pki_lru_owner *o, size_t count, size_t bytes,
                                   const struct pki_lru_item *spared)
{
    bool beyond = o && (o->count + count > l->share || bytes > l->share_bytes || o->bytes > l->share_bytes - bytes);
    if (beyond && o->oldest != spared)
        return o->oldest;
    return l->over && l->over->oldest != spared ? l->over->oldest : l->oldest;
}

static struct pki_lru_owner *owner_of(struct pki_lru *l, struct span workload)
{
    struct pki_lru_owner *o = map_get(&l->owners, workload);
    if (o)
        return o;
    o = calloc(1, sizeof *o + workload.n);
    if (!o)
        return NULL;
    if (workload.n > 0)
        memcpy(o + 1, workload.p, workload.n);
    o->workload = span_of(o + 1, workload.n);
    if (!map_put(&l->owners, o->workload, o, NULL)) {
        free(o);
        return NULL;
    }
    return o;
}

bool pki_lru_put(struct pki_lru *l, struct pki_lru_item *item, struct span workload)
{
    if (item->bytes > l->bytes || l->entries == 0)
        return false;
    struct pki_lru_item *same = map_get(&l->items, item->key);
    if (same)
        pki_lru_drop(l, same);

    // Room is made before the owner is taken: an owner without entries is freed.
    while (l->items.len >= l->entries || l->used + item->bytes > l->bytes)
        pki_lru_drop(l, victim(l, map_get(&l->owners, workload), 1, item->bytes, NULL));

    struct pki_lru_owner *o = owner_of(l, workload);
    if (!o)
        return false;
    if (!map_put(&l->items, item->key, item, NULL)) {
        release_owner(l, o);
        return false;
    }
    item->owner = o;
    o->count++;
    o->bytes += item->bytes;
    l->used += item->bytes;
    link_newest(l, item);
    judge(l, o);
    return true;
}

bool pki_lru_grow(struct pki_lru *l, struct pki_lru_item *item, size_t more)
{
    struct pki_lru_owner *o = item->owner;
    if (more > l->bytes || item->bytes > l->bytes - more)
        return false;
    unlink_item(l, item);
    link_newest(l, item);
    while (l->used + more > l->bytes)
        pki_lru_drop(l, victim(l, o, 0, more, item));
    item->bytes += more;
    o->bytes += more;
    l->used += more;
    judge(l, o);
    return true;
}
