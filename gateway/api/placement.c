// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/placement.h"

#include "gateway/base/err.h"
#include "gateway/base/map.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define PATTERN_STARS_MAX 8
#define NOBODY UINT_MAX

enum { COLLECTION, TENANT, DATABASE, FIELDS };

// A beginning that patterns have, and the rules that are kept under it, in their order.
struct node {
    struct span prefix;
    unsigned parent; // the node with the longest other beginning of this one
    unsigned first, n;
};

struct gw_placement_index {
    struct field {
        struct node *nodes; // sorted
        unsigned n;
    } fields[FIELDS];
    unsigned *rules;
    uint64_t (*keys)[2]; // of the shards
};

// Backtracks to the last star only, so the cost is at most the product of both lengths.
bool gw_placement_glob(struct span pattern, struct span text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool gw_placement_pattern_valid(struct span pattern)
{
    size_t stars = 0;
    if (pattern.n == 0 || pattern.n > GW_API_NAME_MAX)
        return false;
    for (size_t i = 0; i < pattern.n; i++) {
        unsigned char c = (unsigned char)pattern.p[i];
        if (c < 0x20 || c == 0x7f)
            return false;
        stars += c == '*';
    }
    return stars <= PATTERN_STARS_MAX;
}

static bool everything(struct span pattern)
{
    return span_is_none(pattern) || span_eq(pattern, SPAN("*"));
}

static bool matches(struct span pattern, struct span name)
{
    return everything(pattern) || (!span_is_none(name) && gw_placement_glob(pattern, name));
}

// What a name is hashed as: each part with its length and whether it is there, so that no two triples look alike.
static size_t encode_part(unsigned char *out, struct span s)
{
    out[0] = span_is_none(s) ? 0 : 1;
    out[1] = (unsigned char)(s.n & 0xff);
    out[2] = (unsigned char)(s.n >> 8 & 0xff);
    if (s.n > 0)
        memcpy(out + 3, s.p, s.n);
    return 3 + s.n;
}

// The shard's key comes from its name: two fixed keys make two halves. These constants are part of what places data; they never change.
static void key_of(struct span shard_name, uint64_t key[static 2])
{
    static const uint64_t left[2] = { 0x73616c6c79706f72, 0x74706c6163656d65 };
    static const uint64_t right[2] = { 0x6e742d72656e6465, 0x7a766f75732d7631 };
    key[0] = siphash24(left, shard_name);
    key[1] = siphash24(right, shard_name);
}

static unsigned rendezvous(const struct gw_placement *p, const struct gw_placement_rule *rule, struct span what)
{
    unsigned best = rule->shards[0];
    uint64_t best_score = 0;
    for (size_t i = 0; i < rule->n_shards; i++) {
        unsigned shard = rule->shards[i];
        assert(shard < p->n_names);
        uint64_t made[2];
        if (!p->index)
            key_of(p->names[shard], made);
        uint64_t s = siphash24(p->index ? p->index->keys[shard] : made, what);
        // On a tie the name decides, not the order in which the shards are listed.
        if (i == 0 || s > best_score || (s == best_score && span_cmp(p->names[shard], p->names[best]) < 0)) {
            best = shard;
            best_score = s;
        }
    }
    return best;
}

// ------------------------------------------------------------------------------------------------------- the index

struct filed {
    struct span prefix;
    unsigned rule;
    int field;
};

static struct span beginning(struct span pattern)
{
    size_t n = 0;
    while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '?')
        n++;
    return span_sub(span_is_none(pattern) ? SPAN("") : pattern, 0, n);
}

static struct filed file_rule(const struct gw_placement_rule *r, unsigned i)
{
    const struct span patterns[FIELDS] = { r->collection, r->tenant, r->database };
    struct filed out = { .prefix = SPAN(""), .rule = i, .field = COLLECTION };
    for (int f = 0; f < FIELDS; f++) {
        struct span prefix = beginning(patterns[f]);
        if (prefix.n > out.prefix.n) {
            out.prefix = prefix;
            out.field = f;
        }
    }
    return out;
}

static int compare(const void *left, const void *right)
{
    const struct filed *a = left, *b = right;
    int order = a->field - b->field;
    order = order ? order : span_cmp(a->prefix, b->prefix);
    return order ? order : (a->rule > b->rule) - (a->rule < b->rule);
}

static void add_node(struct field *f, struct span prefix, unsigned first)
{
    // Sorted: what this one begins with is the one before it, or something that that one begins with.
    unsigned parent = f->n > 0 ? f->n - 1 : NOBODY;
    while (parent != NOBODY && !span_starts(prefix, f->nodes[parent].prefix))
        parent = f->nodes[parent].parent;
    f->nodes[f->n++] = (struct node){ .prefix = prefix, .parent = parent, .first = first };
}

bool gw_placement_init(struct gw_placement *p, struct arena *arena)
{
    size_t n = p->n_rules;
    struct gw_placement_index *index = arena_array(arena, 1, sizeof *index);
    struct node *nodes = arena_array(arena, n + 1, sizeof *nodes);
    unsigned *rules = arena_array(arena, n + 1, sizeof *rules);
    uint64_t(*keys)[2] = arena_array(arena, p->n_names + 1, sizeof *keys);
    struct filed *filed = calloc(n + 1, sizeof *filed);
    bool ok = index && nodes && rules && keys && filed;
    for (size_t i = 0; ok && i < p->n_names; i++)
        key_of(p->names[i], keys[i]);
    for (unsigned i = 0; ok && i < n; i++)
        filed[i] = file_rule(&p->rules[i], i);
    if (ok) {
        qsort(filed, n, sizeof *filed, compare);
        *index = (struct gw_placement_index){ .rules = rules, .keys = keys };
    }
    for (unsigned i = 0; ok && i < n; i++) {
        struct field *f = &index->fields[filed[i].field];
        if (!f->nodes)
            f->nodes = nodes;
        if (f->n == 0 || !span_eq(f->nodes[f->n - 1].prefix, filed[i].prefix)) {
            add_node(f, filed[i].prefix, i);
            nodes++;
        }
        f->nodes[f->n - 1].n++;
        rules[i] = filed[i].rule;
    }
    free(filed);
    if (ok)
        p->index = index;
    return ok;
}

static bool rule_matches(const struct gw_placement_rule *r, const struct span names[static FIELDS])
{
    return matches(r->database, names[DATABASE]) && matches(r->tenant, names[TENANT]) &&
           matches(r->collection, names[COLLECTION]);
}

// The last node that is not behind the name: whatever the name begins with is among it and its parents.
static unsigned last_before(const struct field *f, struct span name)
{
    unsigned low = 0, high = f->n;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (span_cmp(f->nodes[middle].prefix, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : NOBODY;
}

static size_t first_rule(const struct gw_placement *p, const struct span names[static FIELDS])
{
    size_t best = p->n_rules;
    const struct gw_placement_index *x = p->index;
    for (size_t i = 0; !x && i < p->n_rules; i++)
        if (rule_matches(&p->rules[i], names))
            return i;
    for (int at = 0; x && at < FIELDS; at++) {
        const struct field *f = &x->fields[at];
        struct span name = span_is_none(names[at]) ? SPAN("") : names[at];
        for (unsigned i = last_before(f, name); i != NOBODY; i = f->nodes[i].parent) {
            const struct node *node = &f->nodes[i];
            if (!span_starts(name, node->prefix))
                continue;
            const unsigned *rules = x->rules + node->first;
            for (unsigned k = 0; k < node->n && rules[k] < best; k++)
                if (rule_matches(&p->rules[rules[k]], names))
                    best = rules[k];
        }
    }
    return best;
}

// ----------------------------------------------------------------------------------------------------------- asking

int gw_placement_find(const struct gw_placement *p, struct span database, struct span tenant, struct span collection,
                      unsigned *shard)
{
    if (database.n > GW_API_NAME_MAX || tenant.n > GW_API_NAME_MAX || collection.n > GW_API_NAME_MAX)
        return ERR_ROUTE_NONE;
    const struct span asked[FIELDS] = { [COLLECTION] = collection, [TENANT] = tenant, [DATABASE] = database };
    size_t first = first_rule(p, asked);
    if (first == p->n_rules)
        return ERR_ROUTE_NONE;
    const struct gw_placement_rule *r = &p->rules[first];
    assert(r->n_shards > 0 && r->shards[0] < p->n_names);
    if (r->n_shards == 1) {
        *shard = r->shards[0];
        return 0;
    }
    unsigned char what[3 * (3 + GW_API_NAME_MAX)];
    size_t n = encode_part(what, database);
    n += encode_part(what + n, tenant);
    n += encode_part(what + n, collection);
    *shard = rendezvous(p, r, span_of(what, n));
    return 0;
}

size_t gw_placement_candidates(const struct gw_placement *p, struct span database, struct span tenant,
                               struct gw_shard_set *set)
{
    size_t n = 0;
    *set = (struct gw_shard_set){ 0 };
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct gw_placement_rule *r = &p->rules[i];
        // A request that names no tenant or database (health) may go wherever there is one.
        if ((!span_is_none(database) && !matches(r->database, database)) ||
            (!span_is_none(tenant) && !matches(r->tenant, tenant)))
            continue;
        for (size_t k = 0; k < r->n_shards; k++) {
            unsigned s = r->shards[k];
            assert(s < p->n_names && s < GW_PLACEMENT_SHARDS_MAX);
            if (!gw_shard_set_has(set, s)) {
                gw_shard_set_add(set, s);
                n++;
            }
        }
        bool all = everything(r->collection) && (!span_is_none(database) || everything(r->database)) &&
                   (!span_is_none(tenant) || everything(r->tenant));
        if (all)
            break; // nothing gets past it
    }
    return n;
}

int gw_placement_shard(const struct gw_placement *p, const struct gw_api_meaning *meaning, unsigned *shard)
{
    bool found = false;
    unsigned it = 0;
    for (size_t i = 0; i < meaning->n_authorisations; i++) {
        const struct gw_api_authorisation *a = &meaning->authorisations[i];
        if (span_is_none(a->collection))
            continue;
        assert(!a->collection_is_uuid);
        unsigned s;
        int rc = gw_placement_find(p, a->database, a->tenant, a->collection, &s);
        if (rc < 0)
            return rc;
        if (found && s != it)
            return ERR_ROUTE_SPLIT;
        found = true;
        it = s;
    }
    if (!found) {
        struct gw_shard_set set;
        const struct gw_api_authorisation *a = &meaning->authorisations[0];
        if (gw_placement_candidates(p, a->database, a->tenant, &set) == 0)
            return ERR_ROUTE_NONE;
        while (!gw_shard_set_has(&set, it))
            it++;
    }
    *shard = it;
    return 0;
}
