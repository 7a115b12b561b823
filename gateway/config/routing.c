// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/routing.h"

int gw_config_placement(const struct gw_config *c, size_t api, struct arena *arena, struct gw_placement *out)
{
    struct span *names = arena_array(arena, c->shards_n + 1, sizeof *names);
    struct gw_placement_rule *rules = arena_array(arena, c->routes_n + 1, sizeof *rules);
    size_t n = 0;
    if (!names || !rules)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->shards_n; i++)
        names[i] = c->shards[i].name.v;
    for (size_t i = 0; i < c->routes_n; i++) {
        const struct gw_config_route *r = &c->routes[i];
        if (r->shards_n > 0 && c->shards[r->shards[0]].api == api)
            rules[n++] =
                (struct gw_placement_rule){ r->database.v, r->tenant.v, r->collection.v, r->shards, r->shards_n };
    }
    *out = (struct gw_placement){ .names = names, .n_names = c->shards_n, .rules = rules, .n_rules = n };
    return gw_placement_init(out, arena) ? 0 : ERR_NOMEM;
}

// By name: an operator's own tables may be numbered otherwise.
static struct span api_of(const struct gw_config *c, const struct gw_config_route *r)
{
    return r->shards_n > 0 ? gw_api_def_name(gw_config_api_at(c, c->shards[r->shards[0]].api)) : SPAN("");
}

// "*" and nothing at all match the same.
static bool same_pattern(struct span a, struct span b)
{
    struct span x = span_is_none(a) ? SPAN("*") : a, y = span_is_none(b) ? SPAN("*") : b;
    return span_eq(x, y);
}

static const struct gw_config_route *counterpart(const struct gw_config *other, const struct gw_config *c,
                                                 const struct gw_config_route *r)
{
    for (size_t i = 0; i < other->routes_n; i++) {
        const struct gw_config_route *o = &other->routes[i];
        if (span_eq(api_of(other, o), api_of(c, r)) && same_pattern(o->database.v, r->database.v) &&
            same_pattern(o->tenant.v, r->tenant.v) && same_pattern(o->collection.v, r->collection.v))
            return o;
    }
    return NULL;
}

static bool in_texts(const struct gw_config_texts *t, struct span name)
{
    for (size_t i = 0; i < t->n; i++)
        if (span_eq(t->v[i].v, name))
            return true;
    return false;
}

static bool in_rule(const struct gw_config *c, const struct gw_config_route *r, struct span name)
{
    for (size_t i = 0; i < r->shards_n; i++)
        if (span_eq(c->shards[r->shards[i]].name.v, name))
            return true;
    return false;
}

static bool same_set(const struct gw_config *a, const struct gw_config_route *x, const struct gw_config *b,
                     const struct gw_config_route *y)
{
    for (size_t i = 0; i < x->shards_n; i++)
        if (!in_rule(b, y, a->shards[x->shards[i]].name.v))
            return false;
    for (size_t i = 0; i < y->shards_n; i++)
        if (!in_rule(a, x, b->shards[y->shards[i]].name.v))
            return false;
    return true;
}

static bool confirmed(const struct gw_config *now, const struct gw_config_route *old,
                      const struct gw_config_texts *moved)
{
    for (size_t i = 0; i < moved->n; i++)
        if (!in_rule(now, old, moved->v[i].v))
            return false;
    for (size_t i = 0; i < old->shards_n; i++)
        if (!in_texts(moved, now->shards[old->shards[i]].name.v))
            return false;
    return true;
}

static struct span names_of(struct arena *a, const struct gw_config *c, const struct gw_config_route *r)
{
    struct span list = SPAN("");
    for (size_t i = 0; i < r->shards_n; i++)
        list =
            arena_printf(a, "%.*s%s%.*s", SPAN_FMT(list), i > 0 ? ", " : "", SPAN_FMT(c->shards[r->shards[i]].name.v));
    return list;
}

bool gw_config_hashes_follow(const struct gw_config *now, const struct gw_config *next, struct diags *diags)
{
    struct arena arena;
    bool good = true;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < next->routes_n; i++) {
        const struct gw_config_route *r = &next->routes[i], *old = counterpart(now, next, r);
        if (!old || (r->shards_n < 2 && old->shards_n < 2) || same_set(now, old, next, r) ||
            confirmed(now, old, &r->moved_from))
            continue;
        struct span was = names_of(&arena, now, old), is = names_of(&arena, next, r);
        good = false;
        gw_config_error(next,
                        r->moved_from.at.line ? r->moved_from.at
                        : r->hash.at.line     ? r->hash.at
                                              : r->at,
                        diags,
                        "the collections of this rule are on [%.*s] and would be looked for on [%.*s]; see which with "
                        "'sallyport route --moved OLD NEW', move them, then write 'moved_from: [%.*s]' here",
                        SPAN_FMT(was), SPAN_FMT(is), SPAN_FMT(was));
    }
    for (size_t i = 0; i < now->routes_n; i++) {
        const struct gw_config_route *old = &now->routes[i];
        if (old->shards_n >= 2 && !counterpart(next, now, old))
            diag_warning(
                diags, next->file, next->routes_n ? next->routes[0].at.line : 0, 0,
                "the hash over [%.*s] is gone, and no rule has its patterns; 'sallyport route --moved OLD NEW' "
                "says what is looked for elsewhere now",
                SPAN_FMT(names_of(&arena, now, old)));
    }
    arena_fini(&arena);
    return good;
}
