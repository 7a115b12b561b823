// SPDX-License-Identifier: GPL-3.0-or-later
// The bound that the token cache and the proof cache share. Each entry counts for a workload, which has a share, of entries and of bytes. It may
// have more while there is room. When there is none, a workload at its share gives up its own least recently used entries; below it, those who are
// over theirs give up, and only then does the least recently used of all go. So no workload can push out what others have within their shares by
// more than its own, and one that is alone has the whole. Intrusive: the cache embeds a `pki_lru_item` in its entries, hands it over with pki_lru_put, and frees it in `on_drop`. One thread.
#ifndef SALLYPORT_PKI_LRU_H
#define SALLYPORT_PKI_LRU_H

#include "gateway/base/map.h"

struct pki_lru_owner;

struct pki_lru_item {
    struct span key; // owned by the cache's entry, unchanged while it is in
    size_t bytes;
    struct pki_lru_owner *owner;
    struct pki_lru_item *newer, *older;         // of all
    struct pki_lru_item *own_newer, *own_older; // of the owner
};

struct pki_lru {
    struct map items, owners;
    struct pki_lru_owner *over; // those above their share
    struct pki_lru_item *newest, *oldest;
    size_t entries, bytes;     // bounds
    size_t share, share_bytes; // of one workload; a single entry may be larger
    size_t used;               // bytes
    void (*on_drop)(struct pki_lru_item *item);
};

void pki_lru_init(struct pki_lru *l, size_t entries, size_t bytes, size_t share,
                  void (*on_drop)(struct pki_lru_item *));
// Drops everything.
void pki_lru_fini(struct pki_lru *l);
// NULL: not there. A hit becomes the newest.
struct pki_lru_item *pki_lru_get(struct pki_lru *l, struct span key);
// `item->key` and `item->bytes` are set. An entry of the same key is dropped first. False: not taken (larger than the whole, or out
// of memory); the item stays the caller's.
bool pki_lru_put(struct pki_lru *l, struct pki_lru_item *item, struct span workload);
void pki_lru_drop(struct pki_lru *l, struct pki_lru_item *item);
// An entry of the cache takes `more` bytes from now on. Others make room as for a new one; it is the newest then, and stays. False when there
// is no such room: it counts as before.
bool pki_lru_grow(struct pki_lru *l, struct pki_lru_item *item, size_t more);

#endif
