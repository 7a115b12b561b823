// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/pack.h"

#include <stddef.h>

enum { ALIGN = _Alignof(max_align_t) };

void *pol_pack_array(struct pol_pack *p, const void *from, size_t n, size_t size)
{
    // What is copied lies in memory already: the product cannot be too large.
    size_t bytes = n * size, taken = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    char *to = p->at;

    p->bytes += taken;
    if (!to || n == 0)
        return NULL;
    p->at += taken;
    return memcpy(to, from, bytes);
}

struct span pol_pack_text(struct pol_pack *p, struct span s)
{
    char *to = p->text;

    if (span_is_none(s))
        return s;
    // An empty text still points somewhere: it is not SPAN_NONE.
    p->n_text += s.n + 1;
    if (!to)
        return s;
    if (s.n)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    p->text += s.n + 1;
    return span_of(to, s.n);
}

struct pol_field *pol_pack_fields(struct pol_pack *p, const struct pol_field *fields, size_t n)
{
    struct pol_field *to = pol_pack_array(p, fields, n, sizeof *fields);

    for (size_t i = 0; i < n; i++) {
        struct pol_field f = { pol_pack_text(p, fields[i].name), pol_pack_value(p, &fields[i].value) };

        if (to)
            to[i] = f;
    }
    return to;
}

static const struct pol_value *items(struct pol_pack *p, const struct pol_value *from, size_t n)
{
    struct pol_value *to = pol_pack_array(p, from, n, sizeof *from);

    for (size_t i = 0; i < n; i++) {
        struct pol_value v = pol_pack_value(p, &from[i]);

        if (to)
            to[i] = v;
    }
    return to;
}

// Recursion is as deep as the value, which every reader bounds.
struct pol_value pol_pack_value(struct pol_pack *p, const struct pol_value *v)
{
    struct pol_value to = *v;

    if (v->kind == POL_STRING)
        to.s = pol_pack_text(p, pol_value_span(*v)).p;
    else if (v->kind == POL_SET)
        to.items = items(p, v->items, v->n);
    else if (v->kind == POL_RECORD)
        to.fields = pol_pack_fields(p, v->fields, v->n);
    else if (v->kind == POL_IP && v->n & POL_IPV6)
        to.ip6 = pol_pack_array(p, v->ip6, 16, 1);
    return to;
}
