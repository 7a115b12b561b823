// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/name_map.h"

#include "gateway/api/table.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"

#include <assert.h>
#include <stdlib.h>

#define UUID_CHARS 36

struct entry {
    char uuid[UUID_CHARS];
    int64_t seen_ms;
    size_t name_n;
    char name[];
};

struct heard {
    uint32_t made, changed;
};

struct scope {
    struct scope *older, *newer; // by last use
    struct map entries;          // UUID → struct entry
    int64_t tried_ms;            // last listing begun or ended
    int64_t begun_ms;            // of the running one
    struct heard heard, begun;   // of the news: last, and when the running listing began
    size_t offset;
    bool tried, listing;
    bool complete;   // the last listing that ended saw everything
    bool unanswered; // it got no answer
    bool full;       // there is more than the scope may hold
    size_t key_n;
    unsigned char key[];
};

struct gw_name_map {
    struct gw_name_map_limits limits;
    struct gw_name_news *news; // may be NULL
    uint64_t key[2];
    struct map scopes;
    struct scope *oldest, *newest;
    size_t n_scopes, n_entries;
    struct gw_name_map_stats stats;
};

bool gw_name_is_uuid(struct span s)
{
    if (s.n != UUID_CHARS)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (hyphen ? c != '-' : !hex)
            return false;
    }
    return true;
}

struct gw_name_map *gw_name_map_new(const struct gw_name_map_limits *limits, const uint64_t key[static 2])
{
    struct gw_name_map *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    if (limits)
        m->limits = *limits;
#define DEFAULT(field, value) m->limits.field = m->limits.field ? m->limits.field : (value)
    DEFAULT(ttl_ms, 10000);
    DEFAULT(relist_ms, 1000);
    DEFAULT(unanswered_ms, 100);
    DEFAULT(listing_ms, 10000);
    DEFAULT(scopes, 1024);
    DEFAULT(entries, 65536);
    DEFAULT(scope_entries, 16384);
    DEFAULT(page, 1000);
#undef DEFAULT
    if (m->limits.scope_entries > m->limits.entries)
        m->limits.scope_entries = m->limits.entries;
    memcpy(m->key, key, sizeof(m->key));
    map_init(&m->scopes, key);
    return m;
}

static struct span entry_uuid(const struct entry *e)
{
    return span_of(e->uuid, UUID_CHARS);
}

static void drop_entry(struct gw_name_map *m, struct scope *s, struct entry *e)
{
    map_del(&s->entries, entry_uuid(e));
    m->n_entries--;
    free(e);
}

// Those for which `gone` says so. A map may not change under its own iteration, so each round starts anew after a small batch.
static void drop_entries(struct gw_name_map *m, struct scope *s, bool (*gone)(const struct entry *e, const void *ctx),
                         const void *ctx)
{
    struct entry *found[64];
    size_t n;
    do {
        struct span key;
        void *value;
        n = 0;
        for (size_t i = 0; n < 64 && map_each(&s->entries, &i, &key, &value);)
            if (gone(value, ctx))
                found[n++] = value;
        for (size_t i = 0; i < n; i++)
            drop_entry(m, s, found[i]);
    } while (n == 64);
}

static bool any_entry(const struct entry *e, const void *ctx)
{
    (void)e;
    (void)ctx;
    return true;
}

static bool older_entry(const struct entry *e, const void *ctx)
{
    return e->seen_ms < *(const int64_t *)ctx;
}

static bool named_entry(const struct entry *e, const void *ctx)
{
    return span_eq(span_of(e->name, e->name_n), *(const struct span *)ctx);
}

static void unlink_scope(struct gw_name_map *m, struct scope *s)
{
    *(s->older ? &s->older->newer : &m->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &m->newest) = s->older;
}

static void link_newest(struct gw_name_map *m, struct scope *s)
{
    s->older = m->newest;
    s->newer = NULL;
    *(m->newest ? &m->newest->newer : &m->oldest) = s;
    m->newest = s;
}

static void drop_scope(struct gw_name_map *m, struct scope *s)
{
    drop_entries(m, s, any_entry, NULL);
    map_fini(&s->entries);
    map_del(&m->scopes, span_of(s->key, s->key_n));
    unlink_scope(m, s);
    m->n_scopes--;
    free(s);
}

void gw_name_map_free(struct gw_name_map *m)
{
    if (!m)
        return;
    while (m->oldest)
        drop_scope(m, m->oldest);
    map_fini(&m->scopes);
    free(m);
}

#define KEY_MAX (4 + 2 + 2 * GW_API_NAME_MAX)

// The shard, then the tenant with its length, then the database: no two scopes have the same.
static size_t scope_key(struct gw_name_scope scope, unsigned char *out)
{
    assert(scope.tenant.n <= GW_API_NAME_MAX && scope.database.n <= GW_API_NAME_MAX);
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(scope.shard >> (8 * i) & 0xff);
    out[4] = (unsigned char)(scope.tenant.n & 0xff);
    out[5] = (unsigned char)(scope.tenant.n >> 8);
    memcpy(out + 6, scope.tenant.p, scope.tenant.n);
    memcpy(out + 6 + scope.tenant.n, scope.database.p, scope.database.n);
    return 6 + scope.tenant.n + scope.database.n;
}

// ---- the news

static unsigned slot_of(struct span key)
{
    static const uint64_t fixed[2] = { 0x73616c6c79706f72, 0x746e616d656e6577 }; // the same in every map
    return (unsigned)(siphash24(fixed, key) % GW_NAME_NEWS_SLOTS);
}

static struct heard listen_to(const struct gw_name_map *m, const struct scope *s)
{
    if (!m->news)
        return (struct heard){ 0, 0 };
    unsigned slot = slot_of(span_of(s->key, s->key_n));
    return (struct heard){ atomic_load(&m->news->made[slot]), atomic_load(&m->news->changed[slot]) };
}

// A change takes every name away; something new takes away only what is held to be absent.
static void hear(struct gw_name_map *m, struct scope *s)
{
    struct heard now = listen_to(m, s);
    if (now.changed != s->heard.changed)
        drop_entries(m, s, any_entry, NULL);
    if ((now.changed != s->heard.changed || now.made != s->heard.made) && !s->listing)
        s->tried = s->complete = false;
    s->heard = now;
}

static struct scope *find_scope(const struct gw_name_map *m, struct gw_name_scope scope)
{
    unsigned char key[KEY_MAX];
    size_t n = scope_key(scope, key);
    return map_get(&m->scopes, span_of(key, n));
}

// The least recently used scope that nobody is listing, `keep` excepted.
static bool evict(struct gw_name_map *m, const struct scope *keep)
{
    for (struct scope *s = m->oldest; s; s = s->newer)
        if (!s->listing && s != keep) {
            drop_scope(m, s);
            m->stats.evicted++;
            return true;
        }
    return false;
}

static struct scope *need_scope(struct gw_name_map *m, struct gw_name_scope scope)
{
    struct scope *s = find_scope(m, scope);
    if (s) {
        unlink_scope(m, s);
        link_newest(m, s);
        return s;
    }
    while (m->n_scopes >= m->limits.scopes)
        if (!evict(m, NULL))
            return NULL;
    unsigned char key[KEY_MAX];
    size_t n = scope_key(scope, key);
    s = calloc(1, sizeof(*s) + n);
    if (!s)
        return NULL;
    memcpy(s->key, key, n);
    s->key_n = n;
    map_init(&s->entries, m->key);
    if (!map_put(&m->scopes, span_of(s->key, s->key_n), s, NULL)) {
        map_fini(&s->entries);
        free(s);
        return NULL;
    }
    m->n_scopes++;
    link_newest(m, s);
    s->heard = listen_to(m, s);
    return s;
}

// A listing that never reported back stops nobody for ever.
static void expire_listing(const struct gw_name_map *m, struct scope *s, int64_t now_ms)
{
    if (s->listing && now_ms - s->begun_ms >= m->limits.listing_ms) {
        s->listing = false;
        s->complete = false;
        s->tried_ms = now_ms;
    }
}

// The last listing was so short a time ago that another may not begin.
static bool is_listed(const struct gw_name_map *m, const struct scope *s, int64_t now_ms)
{
    return s->tried && now_ms - s->tried_ms < (s->unanswered ? m->limits.unanswered_ms : m->limits.relist_ms);
}

enum gw_name_found gw_name_map_lookup(struct gw_name_map *m, struct gw_name_scope scope, struct span uuid,
                                      int64_t now_ms, struct span *name)
{
    struct scope *s = find_scope(m, scope);
    if (!s) {
        m->stats.misses++;
        return GW_NAME_MISS;
    }
    unlink_scope(m, s);
    link_newest(m, s);
    expire_listing(m, s, now_ms);
    hear(m, s);
    const struct entry *e = map_get(&s->entries, uuid);
    if (e && now_ms - e->seen_ms < m->limits.ttl_ms) {
        m->stats.hits++;
        *name = span_of(e->name, e->name_n);
        return GW_NAME_KNOWN;
    }
    if (s->listing)
        return GW_NAME_LISTING;
    if (!is_listed(m, s, now_ms)) {
        m->stats.misses++;
        return GW_NAME_MISS;
    }
    if (!s->complete)
        return GW_NAME_FAILED;
    if (s->full)
        return GW_NAME_FULL;
    m->stats.absent++;
    return GW_NAME_ABSENT;
}

static struct span page_target(const struct gw_name_map *m, struct gw_name_scope scope, size_t offset,
                               struct arena *arena)
{
    const struct span segments[] = { SPAN("api"),       SPAN("v2"),     SPAN("tenants"),    scope.tenant,
                                     SPAN("databases"), scope.database, SPAN("collections") };
    struct span path = gw_api_path(arena, segments, 7);
    if (span_is_none(path))
        return SPAN_NONE;
    return arena_printf(arena, "%.*s?limit=%zu&offset=%zu", SPAN_FMT(path), m->limits.page, offset);
}

int gw_name_map_begin(struct gw_name_map *m, struct gw_name_scope scope, int64_t now_ms, struct arena *arena,
                      struct span *target)
{
    struct span first = page_target(m, scope, 0, arena);
    if (span_is_none(first))
        return ERR_NOMEM;
    struct scope *s = need_scope(m, scope);
    if (!s)
        return ERR_NOMEM;
    expire_listing(m, s, now_ms);
    hear(m, s);
    s->begun = s->listing ? s->begun : s->heard;
    if (s->listing || is_listed(m, s, now_ms))
        return ERR_OVERLOADED;
    s->listing = true;
    s->tried = true;
    s->unanswered = false;
    s->tried_ms = s->begun_ms = now_ms;
    s->offset = 0;
    s->full = false;
    m->stats.listings++;
    *target = first;
    return 0;
}

enum learned { LEARNED, LEARNED_NOT, LEARNED_FULL, LEARNED_NOMEM };

static enum learned put(struct gw_name_map *m, struct scope *s, struct span uuid, struct span name, int64_t now_ms)
{
    char lower[UUID_CHARS];
    for (size_t i = 0; i < UUID_CHARS; i++)
        lower[i] = (char)(uuid.p[i] >= 'A' && uuid.p[i] <= 'F' ? uuid.p[i] - 'A' + 'a' : uuid.p[i]);
    struct entry *e = map_get(&s->entries, span_of(lower, UUID_CHARS));
    if (e && span_eq(span_of(e->name, e->name_n), name)) {
        e->seen_ms = now_ms;
        return LEARNED;
    }
    if (e)
        drop_entry(m, s, e);
    if (s->entries.len >= m->limits.scope_entries)
        return LEARNED_FULL;
    while (m->n_entries >= m->limits.entries)
        if (!evict(m, s))
            return LEARNED_FULL;
    e = malloc(sizeof(*e) + name.n);
    if (!e)
        return LEARNED_NOMEM;
    memcpy(e->uuid, lower, UUID_CHARS);
    memcpy(e->name, name.p, name.n);
    e->name_n = name.n;
    e->seen_ms = now_ms;
    if (!map_put(&s->entries, entry_uuid(e), e, NULL)) {
        free(e);
        return LEARNED_NOMEM;
    }
    m->n_entries++;
    return LEARNED;
}

// One collection as the server describes it. LEARNED_NOT when it is none, or one of another tenant or database.
static enum learned learn_one(struct gw_name_map *m, struct scope *s, struct gw_name_scope scope, json v,
                              int64_t now_ms)
{
    struct span id = json_string(json_get(v, SPAN("id"))), name = json_string(json_get(v, SPAN("name")));
    struct span tenant = json_string(json_get(v, SPAN("tenant"))),
                database = json_string(json_get(v, SPAN("database")));
    if (!gw_name_is_uuid(id) || span_is_none(name) || !gw_api_name_ok(name) || span_is_none(tenant) ||
        span_is_none(database) || !span_eq(tenant, scope.tenant) || !span_eq(database, scope.database))
        return LEARNED_NOT;
    return put(m, s, id, name, now_ms);
}

static int end_listing(struct gw_name_map *m, struct scope *s, int64_t now_ms, bool complete, int error)
{
    struct heard now = listen_to(m, s);
    s->listing = false;
    s->complete = complete;
    s->tried_ms = now_ms;
    // What happened meanwhile may or may not be in it.
    if (now.changed != s->begun.changed)
        drop_entries(m, s, any_entry, NULL);
    if (now.changed != s->begun.changed || now.made != s->begun.made)
        s->tried = s->complete = false;
    s->heard = now;
    return error;
}

static int take_page(struct gw_name_map *m, struct scope *s, struct gw_name_scope scope, json root, int64_t now_ms)
{
    if (json_type(root) != JSON_ARRAY)
        return ERR_SHARD_ANSWER;
    struct json_iter it = json_iter(root);
    struct span member;
    json v;
    while (json_next(&it, &member, &v))
        switch (learn_one(m, s, scope, v, now_ms)) {
        case LEARNED: break;
        case LEARNED_NOT: return ERR_SHARD_ANSWER;
        case LEARNED_FULL: s->full = true; break;
        case LEARNED_NOMEM: return ERR_NOMEM;
        }
    return 0;
}

int gw_name_map_page(struct gw_name_map *m, struct gw_name_scope scope, int status, struct span body, int64_t now_ms,
                     struct arena *arena, struct span *target)
{
    struct scope *s = find_scope(m, scope);
    if (!s || !s->listing) // given up meanwhile
        return ERR_SHARD_ANSWER;
    size_t count = 0;
    if (status == 200) {
        const struct json_limits limits = { .bytes = body.n + 1, .depth = 64 };
        struct json_doc *doc = json_parse(body, &limits, NULL);
        if (!doc)
            return end_listing(m, s, now_ms, false, ERR_SHARD_ANSWER);
        count = json_count(json_root(doc));
        int rc = take_page(m, s, scope, json_root(doc), now_ms);
        json_free(doc);
        if (rc < 0)
            return end_listing(m, s, now_ms, false, rc);
    } else if (status != 404) {
        return end_listing(m, s, now_ms, false, ERR_SHARD_ANSWER);
    }
    // More than was asked for: a server that knows no paging, and this was all.
    if (count == m->limits.page && !s->full) {
        struct span next = page_target(m, scope, s->offset + count, arena);
        if (span_is_none(next))
            return end_listing(m, s, now_ms, false, ERR_NOMEM);
        s->offset += count;
        *target = next;
        return 1;
    }
    if (!s->full)
        drop_entries(m, s, older_entry, &s->begun_ms);
    return end_listing(m, s, now_ms, true, 0);
}

void gw_name_map_abandon(struct gw_name_map *m, struct gw_name_scope scope, int64_t now_ms)
{
    struct scope *s = find_scope(m, scope);
    if (!s || !s->listing)
        return;
    (void)end_listing(m, s, now_ms, false, 0);
    s->unanswered = true;
}

size_t gw_name_map_learn(struct gw_name_map *m, struct gw_name_scope scope, struct span body, int64_t now_ms)
{
    const struct json_limits limits = { .bytes = body.n + 1, .depth = 64 };
    struct json_doc *doc = json_parse(body, &limits, NULL);
    struct scope *s = doc ? need_scope(m, scope) : NULL;
    size_t n = 0;
    if (s) {
        json root = json_root(doc);
        if (json_type(root) == JSON_OBJECT) {
            n += learn_one(m, s, scope, root, now_ms) == LEARNED;
        } else if (json_type(root) == JSON_ARRAY) {
            struct json_iter it = json_iter(root);
            struct span member;
            json v;
            while (json_next(&it, &member, &v))
                n += learn_one(m, s, scope, v, now_ms) == LEARNED;
        }
    }
    json_free(doc);
    return n;
}

static unsigned scope_slot(struct gw_name_scope scope)
{
    unsigned char key[KEY_MAX];
    size_t n = scope_key(scope, key);
    return slot_of(span_of(key, n));
}

void gw_name_map_share(struct gw_name_map *m, struct gw_name_news *news)
{
    assert(m->n_scopes == 0);
    m->news = news;
}

void gw_name_map_made(struct gw_name_map *m, struct gw_name_scope scope)
{
    if (m->news)
        atomic_fetch_add(&m->news->made[scope_slot(scope)], 1);
}

void gw_name_map_forget(struct gw_name_map *m, struct gw_name_scope scope, struct span uuid, struct span name)
{
    if (m->news)
        atomic_fetch_add(&m->news->changed[scope_slot(scope)], 1);
    struct scope *s = find_scope(m, scope);
    if (!s)
        return;
    if (span_is_none(uuid) && span_is_none(name)) {
        drop_entries(m, s, any_entry, NULL);
        // With nothing known, "not in the last listing" says nothing either.
        s->tried = s->complete = false;
        return;
    }
    struct entry *e = span_is_none(uuid) ? NULL : map_get(&s->entries, uuid);
    if (e)
        drop_entry(m, s, e);
    if (!span_is_none(name))
        drop_entries(m, s, named_entry, &name);
}

struct gw_name_map_stats gw_name_map_stats(const struct gw_name_map *m)
{
    struct gw_name_map_stats stats = m->stats;
    stats.scopes = m->n_scopes;
    stats.entries = m->n_entries;
    return stats;
}
