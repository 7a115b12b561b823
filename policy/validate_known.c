// SPDX-License-Identifier: GPL-3.0-or-later
// Tries over the bits of the keys, highest first; a branch stands only where keys part (Okasaki and Gill, "Fast mergeable
// integer maps"). Depth is at most 32, so recursion is.
#include "policy/validate_known.h"

static const struct pol_known *node(struct arena *a, uint32_t key, uint32_t bit, const struct pol_known *zero,
                                    const struct pol_known *one)
{
    struct pol_known *k = arena_alloc(a, sizeof *k);

    if (k)
        *k = (struct pol_known){ .key = key, .bit = bit, .zero = zero, .one = one };
    return k;
}

// The part of a key above a bit.
static uint32_t prefix(uint32_t key, uint32_t bit)
{
    return key & ~(bit | (bit - 1));
}

static bool under(uint32_t key, const struct pol_known *branch)
{
    return prefix(key, branch->bit) == branch->key;
}

// Two that part somewhere above both.
static const struct pol_known *fork(struct arena *a, const struct pol_known *x, const struct pol_known *y)
{
    uint32_t bit = 0x80000000u >> __builtin_clz(x->key ^ y->key);

    return x->key & bit ? node(a, prefix(x->key, bit), bit, y, x) : node(a, prefix(x->key, bit), bit, x, y);
}

const struct pol_known *pol_known_one(struct arena *a, uint32_t key)
{
    return node(a, key, 0, NULL, NULL);
}

bool pol_known_has(const struct pol_known *x, uint32_t key)
{
    while (x && x->bit) {
        if (!under(key, x))
            return false;
        x = key & x->bit ? x->one : x->zero;
    }
    return x && x->key == key;
}

// y, whose branches part further down or not at all, into the branch x.
static const struct pol_known *into(struct arena *a, const struct pol_known *x, const struct pol_known *y)
{
    const struct pol_known *side;

    if (!under(y->key, x))
        return fork(a, x, y);
    if (y->key & x->bit) {
        side = pol_known_both(a, x->one, y);
        return side == x->one ? x : node(a, x->key, x->bit, x->zero, side);
    }
    side = pol_known_both(a, x->zero, y);
    return side == x->zero ? x : node(a, x->key, x->bit, side, x->one);
}

const struct pol_known *pol_known_both(struct arena *a, const struct pol_known *x, const struct pol_known *y)
{
    const struct pol_known *zero, *one;

    if (!x || !y || x == y)
        return x ? x : y;
    if (x->bit > y->bit)
        return into(a, x, y);
    if (y->bit > x->bit)
        return into(a, y, x);
    if (x->key != y->key)
        return fork(a, x, y);
    if (!x->bit)
        return x;
    zero = pol_known_both(a, x->zero, y->zero);
    one = pol_known_both(a, x->one, y->one);
    return zero == x->zero && one == x->one ? x : node(a, x->key, x->bit, zero, one);
}

const struct pol_known *pol_known_common(struct arena *a, const struct pol_known *x, const struct pol_known *y)
{
    const struct pol_known *zero, *one;

    if (!x || !y || x == y)
        return x == y ? x : NULL;
    if (x->bit < y->bit)
        return pol_known_common(a, y, x);
    if (!x->bit)
        return x->key == y->key ? x : NULL;
    if (x->bit > y->bit)
        return under(y->key, x) ? pol_known_common(a, y->key & x->bit ? x->one : x->zero, y) : NULL;
    if (x->key != y->key)
        return NULL;
    zero = pol_known_common(a, x->zero, y->zero);
    one = pol_known_common(a, x->one, y->one);
    return !zero ? one : !one ? zero : node(a, x->key, x->bit, zero, one);
}
