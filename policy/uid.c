// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/uid.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static uint64_t load4(const char *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

// Less than eight bytes as one number; those of one length differ when the bytes do.
static uint64_t load_few(const char *p, size_t n)
{
    if (n >= 4)
        return load4(p) << 32 | load4(p + n - 4);
    return n == 0 ? 0 : (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
}

// Multiply and fold, eight bytes at a time. The table's keys come from the operator, a request only looks up; a
// request's own small table is bounded. The key makes collisions unguessable where the caller drew it at random.
uint64_t pol_hash(uint64_t key, struct span s)
{
    uint64_t h = key ^ 0x9e3779b97f4a7c15u;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8)
        h = fold(h ^ load8(s.p + i), 0xd6e8feb86659fd93u ^ key);
    if (i < s.n)
        h = fold(h ^ load_few(s.p + i, s.n - i), 0xa0761d6478bd642fu ^ key);
    return fold(h ^ s.n, 0xe7037ed1a0b428dbu);
}

static uint32_t hash32(uint64_t key, struct span s)
{
    return (uint32_t)(pol_hash(key, s) >> 32);
}

static uint32_t uid_hash(const struct pol_uids *u, uint32_t type_hash, struct span id)
{
    return hash32(u->key ^ ((uint64_t)type_hash << 17), id);
}

void pol_uids_init(struct pol_uids *u, struct arena *arena, uint64_t key)
{
    *u = (struct pol_uids){ .arena = arena, .key = key };
}

void pol_uids_fini(struct pol_uids *u)
{
    pol_vec_free(&u->uids);
    pol_vec_free(&u->types);
    free(u->slots);
    free(u->type_slots);
    *u = (struct pol_uids){ 0 };
}

// Keeps a table of slots at most half full of n + 1 entries; `hash_of` by index.
static bool room(uint32_t **slots, uint32_t *n_slots, uint32_t n, const void *items, size_t size, size_t hash_at)
{
    uint32_t want = *n_slots ? *n_slots : 32;
    uint32_t *fresh;

    while (want < UINT32_MAX / 2 && (n + 1) > want / 2)
        want *= 2;
    if (want == *n_slots)
        return true;
    fresh = calloc(want, sizeof *fresh);
    if (!fresh)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t hash, at;

        memcpy(&hash, (const char *)items + i * size + hash_at, sizeof hash);
        at = hash & (want - 1);
        while (fresh[at])
            at = (at + 1) & (want - 1);
        fresh[at] = i + 1;
    }
    free(*slots);
    *slots = fresh;
    *n_slots = want;
    return true;
}

// The slot that holds the type, or the free one where it belongs.
static uint32_t type_slot(const struct pol_uids *u, struct span name, uint32_t hash)
{
    uint32_t at = hash & (u->n_type_slots - 1);

    while (u->type_slots[at]) {
        const struct pol_type *t = &u->types.at[u->type_slots[at] - 1];

        if (t->hash == hash && span_eq(t->name, name))
            break;
        at = (at + 1) & (u->n_type_slots - 1);
    }
    return at;
}

static uint32_t uid_slot(const struct pol_uids *u, uint32_t type, struct span id, uint32_t hash)
{
    uint32_t at = hash & (u->n_slots - 1);

    while (u->slots[at]) {
        const struct pol_uid *e = &u->uids.at[u->slots[at] - 1];

        if (e->hash == hash && e->type == type && span_eq(e->id, id))
            break;
        at = (at + 1) & (u->n_slots - 1);
    }
    return at;
}

uint32_t pol_uids_add_type(struct pol_uids *u, struct span name)
{
    uint32_t hash = hash32(u->key, name), at;
    struct pol_type *t;
    struct span copy;

    if (!room(&u->type_slots, &u->n_type_slots, u->types.n, u->types.at, sizeof *u->types.at,
              offsetof(struct pol_type, hash)))
        return POL_ID_NONE;
    at = type_slot(u, name, hash);
    if (u->type_slots[at])
        return u->type_slots[at] - 1;
    copy = arena_dup(u->arena, name);
    if (span_is_none(copy) || !(t = pol_vec_add(&u->types)))
        return POL_ID_NONE;
    *t = (struct pol_type){ .name = copy, .hash = hash };
    u->type_slots[at] = u->types.n;
    return u->types.n - 1;
}

uint32_t pol_uids_add(struct pol_uids *u, struct span type_name, struct span id)
{
    uint32_t type = pol_uids_add_type(u, type_name), hash, at;
    struct pol_uid *e;
    struct span copy;

    if (type == POL_ID_NONE ||
        !room(&u->slots, &u->n_slots, u->uids.n, u->uids.at, sizeof *u->uids.at, offsetof(struct pol_uid, hash)))
        return POL_ID_NONE;
    hash = uid_hash(u, u->types.at[type].hash, id);
    at = uid_slot(u, type, id, hash);
    if (u->slots[at])
        return u->slots[at] - 1;
    copy = arena_dup(u->arena, id);
    if (span_is_none(copy) || !(e = pol_vec_add(&u->uids)))
        return POL_ID_NONE;
    *e = (struct pol_uid){ .id = copy, .type = type, .hash = hash };
    u->slots[at] = u->uids.n;
    return u->uids.n - 1;
}

uint32_t pol_uids_find_type(const struct pol_uids *u, struct span name)
{
    uint32_t at;

    if (!u->n_type_slots)
        return POL_ID_NONE;
    at = type_slot(u, name, hash32(u->key, name));
    return u->type_slots[at] ? u->type_slots[at] - 1 : POL_ID_NONE;
}

uint32_t pol_uids_find(const struct pol_uids *u, struct span type_name, struct span id, uint32_t *hash)
{
    uint32_t type_hash = hash32(u->key, type_name), type = POL_ID_NONE, at;

    *hash = uid_hash(u, type_hash, id);
    if (u->n_type_slots) {
        at = type_slot(u, type_name, type_hash);
        type = u->type_slots[at] ? u->type_slots[at] - 1 : POL_ID_NONE;
    }
    if (type == POL_ID_NONE || !u->n_slots)
        return POL_ID_NONE;
    at = uid_slot(u, type, id, *hash);
    return u->slots[at] ? u->slots[at] - 1 : POL_ID_NONE;
}

bool pol_name_reserved(struct span ident)
{
    static const struct span words[] = {
        SPAN("true"), SPAN("false"), SPAN("if"),  SPAN("then"), SPAN("else"),
        SPAN("in"),   SPAN("like"),  SPAN("has"), SPAN("is"),   SPAN("__cedar"),
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_eq(ident, words[i]))
            return true;
    return false;
}

bool pol_name_valid(struct span name)
{
    size_t start = 0;

    for (size_t i = 0; i <= name.n; i++) {
        char c = i < name.n ? name.p[i] : ':';

        if (c == ':') {
            if (i == start || pol_name_reserved(span_of(name.p + start, i - start)))
                return false;
            if (i < name.n && (i + 1 >= name.n || name.p[++i] != ':'))
                return false;
            start = i + 1;
        } else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                     (i > start && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name.n > 0;
}
