// SPDX-License-Identifier: GPL-3.0-or-later
// The values of the Cedar language: booleans, 64-bit signed integers, strings, entity references, sets, records, and the
// extension types (ext.h). A
// value is sixteen bytes and borrows what it points to (a request's spans, an arena, the compiled set), so making one
// costs nothing and nobody frees it. Sets are sorted and free of duplicates, records sorted by name: equality, set
// equality and membership are then plain comparisons.
//
// Entity references are numbers of one `pol_set` and one request: make them with pol_request_ref (request.h).
#ifndef SALLYPORT_POLICY_VALUE_H
#define SALLYPORT_POLICY_VALUE_H

#include "gateway/base/arena.h"
#include "gateway/base/span.h"

enum pol_kind {
    POL_NONE,
    POL_BOOL,
    POL_LONG,
    POL_STRING,
    POL_ENTITY,
    POL_SET,
    POL_RECORD,
    POL_DECIMAL,  // .i in 1/10000
    POL_IP,       // .n, and .ip4 or .ip6
    POL_DATETIME, // .i in milliseconds since 1970
    POL_DURATION, // .i in milliseconds
};

struct pol_field;

struct pol_value {
    uint8_t kind; // enum pol_kind
    uint32_t n; // bytes of a string, elements of a set, fields of a record; an address: bits of its prefix, | POL_IPV6
    union {
        bool b;
        int64_t i;
        const char *s;
        uint32_t entity;
        uint32_t ip4;
        const uint8_t *ip6; // 16 bytes
        const struct pol_value *items;
        const struct pol_field *fields;
    };
};

struct pol_field {
    struct span name;
    struct pol_value value;
};

#define POL_IPV6 0x100u

// Strings, sets and records beyond this are refused where they are made (POL_NONE).
#define POL_STRING_MAX (1u << 20)
#define POL_ELEMENTS_MAX 65536u
// Nesting of sets and records in data.
#define POL_VALUE_DEPTH 32u

static inline struct pol_value pol_bool(bool b)
{
    return (struct pol_value){ .kind = POL_BOOL, .b = b };
}
static inline struct pol_value pol_long(int64_t i)
{
    return (struct pol_value){ .kind = POL_LONG, .i = i };
}
static inline struct pol_value pol_decimal(int64_t ten_thousandths)
{
    return (struct pol_value){ .kind = POL_DECIMAL, .i = ten_thousandths };
}
static inline struct pol_value pol_datetime(int64_t ms)
{
    return (struct pol_value){ .kind = POL_DATETIME, .i = ms };
}
static inline struct pol_value pol_duration(int64_t ms)
{
    return (struct pol_value){ .kind = POL_DURATION, .i = ms };
}
// Borrows s. POL_NONE when s is absent or too long, which pol_request_* then refuses.
static inline struct pol_value pol_string(struct span s)
{
    if (span_is_none(s) || s.n > POL_STRING_MAX)
        return (struct pol_value){ .kind = POL_NONE };
    return (struct pol_value){ .kind = POL_STRING, .n = (uint32_t)s.n, .s = s.p };
}
static inline struct span pol_value_span(struct pol_value v)
{
    return span_of(v.s, v.n);
}

// "bool", "long", "string", "entity", "set", "record", "ipaddr", …: what error texts say.
const char *pol_kind_name(uint8_t kind);

// A total order over values: by kind, then content; 0 exactly when Cedar's == holds. `*steps` is lowered by the work
// done and reaches 0 when it ran out; the answer is then meaningless.
int pol_value_cmp(const struct pol_value *a, const struct pol_value *b, uint32_t *steps);
// The order of record fields: shorter names first, then bytes.
static inline int pol_name_cmp(struct span a, struct span b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n ? memcmp(a.p, b.p, a.n) : 0;
}
// The field's value, or NULL. `fields` as a record has them.
const struct pol_value *pol_fields_get(const struct pol_field *fields, uint32_t n, struct span name);
const struct pol_value *pol_record_get(const struct pol_value *record, struct span name);
// Whether the (sorted) set has the element.
bool pol_set_has(const struct pol_value *set, const struct pol_value *v, uint32_t *steps);
// Sorts and dedupes items[0..n) in place and returns the set over them. POL_NONE when over POL_ELEMENTS_MAX or out of
// steps.
struct pol_value pol_value_set(struct pol_value *items, size_t n, uint32_t *steps);
// Sorts fields in place and returns the record over them; POL_NONE on a repeated name (`*repeated`, may be NULL, names
// it).
struct pol_value pol_value_record(struct pol_field *fields, size_t n, struct span *repeated);

#endif
