// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/resolve.h"

#include "gateway/base/err.h"

struct search {
    bool known, misplaced, failed, full, waits;
    struct span name;
    struct gw_resolve_wait wait;
};

static void look_at(struct search *f, struct gw_name_map *map, const struct gw_placement *p, struct gw_name_scope scope,
                    struct span uuid, int64_t now_ms)
{
    struct span name;
    unsigned placed;
    switch (gw_name_map_lookup(map, scope, uuid, now_ms, &name)) {
    case GW_NAME_KNOWN:
        if (gw_placement_find(p, scope.database, scope.tenant, name, &placed) == 0 && placed == scope.shard) {
            f->known = true;
            f->name = name;
        } else {
            f->misplaced = true;
        }
        break;
    case GW_NAME_MISS:
        gw_shard_set_add(&f->wait.begin, scope.shard);
        f->waits = true;
        break;
    case GW_NAME_LISTING:
        gw_shard_set_add(&f->wait.running, scope.shard);
        f->waits = true;
        break;
    case GW_NAME_FAILED: f->failed = true; break;
    case GW_NAME_FULL: f->full = true; break;
    case GW_NAME_ABSENT: break;
    }
}

static int find_name(struct search *f, struct gw_name_map *map, const struct gw_placement *p,
                     const struct gw_api_authorisation *a, int64_t now_ms)
{
    struct gw_shard_set set;
    *f = (struct search){ .wait = { .tenant = a->tenant, .database = a->database } };
    if (gw_placement_candidates(p, a->database, a->tenant, &set) == 0)
        return ERR_ROUTE_NONE;
    for (unsigned i = 0; i < p->n_names && i < GW_PLACEMENT_SHARDS_MAX && !f->known; i++)
        if (gw_shard_set_has(&set, i)) {
            struct gw_name_scope scope = { .shard = i, .tenant = a->tenant, .database = a->database };
            look_at(f, map, p, scope, a->collection, now_ms);
        }
    if (f->known)
        return 0;
    if (f->waits)
        return GW_RESOLVE_WAIT;
    return f->full ? ERR_NOMEM : f->failed ? ERR_SHARD_ANSWER : ERR_API_COLLECTION;
}

int gw_api_resolve(struct gw_name_map *map, const struct gw_placement *placement, struct gw_api_meaning *meaning,
                   int64_t now_ms, struct arena *arena, unsigned *shard, struct gw_resolve_wait *wait)
{
    bool any = false;
    for (size_t i = 0; i < meaning->n_authorisations; i++)
        any = any || meaning->authorisations[i].collection_is_uuid;
    if (!any)
        return gw_placement_shard(placement, meaning, shard);

    struct gw_api_meaning resolved = *meaning;
    resolved.authorisations = arena_array(arena, meaning->n_authorisations, sizeof(*meaning->authorisations));
    if (!resolved.authorisations)
        return ERR_NOMEM;
    for (size_t i = 0; i < meaning->n_authorisations; i++) {
        struct gw_api_authorisation *a = &resolved.authorisations[i];
        *a = meaning->authorisations[i];
        if (!a->collection_is_uuid)
            continue;
        struct search f;
        int rc = find_name(&f, map, placement, a, now_ms);
        if (rc == GW_RESOLVE_WAIT)
            *wait = f.wait;
        if (rc != 0)
            return rc;
        a->collection = arena_dup(arena, f.name);
        a->collection_is_uuid = false;
        if (span_is_none(a->collection))
            return ERR_NOMEM;
    }
    unsigned s;
    int rc = gw_placement_shard(placement, &resolved, &s);
    if (rc < 0)
        return rc;
    *shard = s;
    *meaning = resolved;
    return 0;
}
