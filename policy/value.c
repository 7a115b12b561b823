// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/value.h"

const char *pol_kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [POL_NONE] = "nothing",  [POL_BOOL] = "bool",         [POL_LONG] = "long",         [POL_STRING] = "string",
        [POL_ENTITY] = "entity", [POL_SET] = "set",           [POL_RECORD] = "record",     [POL_DECIMAL] = "decimal",
        [POL_IP] = "ipaddr",     [POL_DATETIME] = "datetime", [POL_DURATION] = "duration",
    };

    return kind < sizeof names / sizeof *names ? names[kind] : "nothing";
}

// False, and nothing left, when the budget does not cover n.
static bool spend(uint32_t *steps, uint32_t n)
{
    if (*steps <= n) {
        *steps = 0;
        return false;
    }
    *steps -= n;
    return true;
}

static int cmp_bytes(const char *a, size_t an, const char *b, size_t bn)
{
    if (an != bn)
        return an < bn ? -1 : 1;
    return an && a != b ? memcmp(a, b, an) : 0;
}

static int cmp_ips(const struct pol_value *a, const struct pol_value *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return a->n & POL_IPV6 ? memcmp(a->ip6, b->ip6, 16) : a->ip4 < b->ip4 ? -1 : a->ip4 > b->ip4;
}

static int cmp_fields(const struct pol_field *a, const struct pol_field *b, uint32_t *steps)
{
    int c = pol_name_cmp(a->name, b->name);

    return c ? c : pol_value_cmp(&a->value, &b->value, steps);
}

// Recursion is as deep as the values, whose depth every reader bounds (POL_VALUE_DEPTH, POL_DEPTH_MAX).
int pol_value_cmp(const struct pol_value *a, const struct pol_value *b, uint32_t *steps)
{
    int c = 0;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case POL_BOOL: return a->b - b->b;
    case POL_LONG:
    case POL_DECIMAL:
    case POL_DATETIME:
    case POL_DURATION: return a->i < b->i ? -1 : a->i > b->i;
    case POL_IP: return cmp_ips(a, b);
    case POL_ENTITY: return a->entity < b->entity ? -1 : a->entity > b->entity;
    case POL_STRING:
        if (!spend(steps, 1 + (a->n == b->n ? a->n / 64 : 0)))
            return 0;
        return cmp_bytes(a->s, a->n, b->s, b->n);
    case POL_SET:
    case POL_RECORD:
        if (a->n != b->n)
            return a->n < b->n ? -1 : 1;
        for (uint32_t i = 0; i < a->n && c == 0; i++) {
            if (!spend(steps, 1))
                return 0;
            c = a->kind == POL_SET ? pol_value_cmp(&a->items[i], &b->items[i], steps)
                                   : cmp_fields(&a->fields[i], &b->fields[i], steps);
        }
        return c;
    default: return 0;
    }
}

const struct pol_value *pol_fields_get(const struct pol_field *fields, uint32_t n, struct span name)
{
    uint32_t lo = 0, hi = n;

    // Of few, most are told apart by their length.
    if (n <= 8) {
        for (uint32_t i = 0; i < n; i++)
            if (span_eq(fields[i].name, name))
                return &fields[i].value;
        return NULL;
    }
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = pol_name_cmp(fields[mid].name, name);

        if (c == 0)
            return &fields[mid].value;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct pol_value *pol_record_get(const struct pol_value *record, struct span name)
{
    return pol_fields_get(record->fields, record->n, name);
}

bool pol_set_has(const struct pol_value *set, const struct pol_value *v, uint32_t *steps)
{
    uint32_t lo = 0, hi = set->n;

    while (lo < hi && spend(steps, 1)) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = pol_value_cmp(&set->items[mid], v, steps);

        if (c == 0)
            return *steps != 0;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

// Insertion for the short, a heap for the long: in place, no allocation (qsort may), n log n whatever the input.
static void sift(struct pol_value *items, size_t root, size_t n, uint32_t *steps)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        struct pol_value t;

        if (child + 1 < n && pol_value_cmp(&items[child], &items[child + 1], steps) < 0)
            child++;
        if (pol_value_cmp(&items[root], &items[child], steps) >= 0)
            return;
        t = items[root];
        items[root] = items[child];
        items[child] = t;
    }
}

static void sort_values(struct pol_value *items, size_t n, uint32_t *steps)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            struct pol_value v = items[i];
            size_t j = i;

            for (; j > 0 && pol_value_cmp(&items[j - 1], &v, steps) > 0; j--)
                items[j] = items[j - 1];
            items[j] = v;
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0 && *steps;)
        sift(items, i, n, steps);
    for (size_t end = n; end-- > 1 && *steps;) {
        struct pol_value t = items[0];

        items[0] = items[end];
        items[end] = t;
        spend(steps, 1);
        sift(items, 0, end, steps);
    }
}

struct pol_value pol_value_set(struct pol_value *items, size_t n, uint32_t *steps)
{
    size_t kept = 0;

    if (n > POL_ELEMENTS_MAX)
        return (struct pol_value){ .kind = POL_NONE };
    sort_values(items, n, steps);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || pol_value_cmp(&items[kept - 1], &items[i], steps) != 0)
            items[kept++] = items[i];
    if (*steps == 0)
        return (struct pol_value){ .kind = POL_NONE };
    return (struct pol_value){ .kind = POL_SET, .n = (uint32_t)kept, .items = items };
}

static void sift_fields(struct pol_field *f, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        struct pol_field t;

        if (child + 1 < n && pol_name_cmp(f[child].name, f[child + 1].name) < 0)
            child++;
        if (pol_name_cmp(f[root].name, f[child].name) >= 0)
            return;
        t = f[root];
        f[root] = f[child];
        f[child] = t;
    }
}

struct pol_value pol_value_record(struct pol_field *fields, size_t n, struct span *repeated)
{
    if (n > POL_ELEMENTS_MAX)
        return (struct pol_value){ .kind = POL_NONE };
    for (size_t i = n / 2; i-- > 0;)
        sift_fields(fields, i, n);
    for (size_t end = n; end-- > 1;) {
        struct pol_field t = fields[0];

        fields[0] = fields[end];
        fields[end] = t;
        sift_fields(fields, 0, end);
    }
    for (size_t i = 1; i < n; i++) {
        if (pol_name_cmp(fields[i - 1].name, fields[i].name) == 0) {
            if (repeated)
                *repeated = fields[i].name;
            return (struct pol_value){ .kind = POL_NONE };
        }
    }
    return (struct pol_value){ .kind = POL_RECORD, .n = (uint32_t)n, .fields = fields };
}
