// SPDX-License-Identifier: GPL-3.0-or-later
// Copying what lies about in an arena into one block of just the size it takes, for what outlives the arena. The same
// calls are made twice: first with a pack of zeroes, which only measures, then with one that pol_pack_into gave a block.
#ifndef SALLYPORT_POLICY_PACK_H
#define SALLYPORT_POLICY_PACK_H

#include "policy/value.h"

struct pol_pack {
    char *at, *text;      // NULL while measuring
    size_t bytes, n_text; // taken so far: aligned for any type, and behind all of that texts
};

static inline size_t pol_pack_size(const struct pol_pack *p)
{
    return p->bytes + p->n_text;
}
// The second time: `block` is aligned for any type and has pol_pack_size(measured) bytes.
static inline struct pol_pack pol_pack_into(const struct pol_pack *measured, void *block)
{
    return (struct pol_pack){ .at = block, .text = (char *)block + measured->bytes };
}
// A copy of n elements; NULL while measuring, and for n == 0.
void *pol_pack_array(struct pol_pack *p, const void *from, size_t n, size_t size);
struct span pol_pack_text(struct pol_pack *p, struct span s); // SPAN_NONE stays SPAN_NONE
// Values are copied with all they hold. Entity references stay the numbers they are.
struct pol_value pol_pack_value(struct pol_pack *p, const struct pol_value *v);
struct pol_field *pol_pack_fields(struct pol_pack *p, const struct pol_field *fields, size_t n);

#endif
