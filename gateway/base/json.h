// SPDX-License-Identifier: GPL-3.0-or-later
// JSON, strictly: the one reader of the whole program. On top of RFC 8259 it refuses duplicate members (after
// unescaping), input over a size, nesting over a depth, invalid UTF-8 (raw or by lone surrogate escapes), NUL in
// member names, a byte order mark and anything behind the value. Values are borrowed from the document and live until json_free.
// Numbers stay text until somebody asks: they are written digit by digit as they were read, and a vector costs no conversions.
#ifndef SALLYPORT_BASE_JSON_H
#define SALLYPORT_BASE_JSON_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/span.h"

struct json_doc;                        // owned by the caller, freed with json_free
typedef const struct json_value_ *json; // borrowed from its document; NULL = absent

struct json_limits {
    size_t bytes;   // 0: 1 MiB
    unsigned depth; // 0: 32
    bool nul_names; // member names may hold NUL: Cedar's attributes may
    // A number too large for a double is JSON_REAL without a value instead of an error, and an array of numbers is one step.
    bool raw_numbers;
};

struct json_error {
    const char *what;      // static text
    size_t offset;         // byte offset in the text
    unsigned line, column; // from 1
};

enum json_type {
    JSON_ABSENT,
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_UINT,
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

// Returns the document, or NULL with `*err` filled (err may be NULL). `text` is copied and may go away.
struct json_doc *json_parse(struct span text, const struct json_limits *limits, struct json_error *err);
// The same in the arena's memory, whose end is the document's; json_free does nothing. For what is short and read once.
struct json_doc *json_parse_in(struct arena *arena, struct span text, const struct json_limits *limits,
                               struct json_error *err);
void json_free(struct json_doc *doc);
json json_root(const struct json_doc *doc);

// JSON_INT: negative integers in int64. JSON_UINT: 0..2^64-1. Integers outside both ranges are JSON_REAL.
enum json_type json_type(json v);
// Each returns false, `*out` untouched, when v is absent or of another type.
bool json_bool(json v, bool *out);
bool json_i64(json v, int64_t *out); // integers that fit
bool json_real(json v, double *out); // any number
// SPAN_NONE when v is not a string. May hold NUL bytes.
struct span json_string(json v);
// NULL when absent or v is no object.
json json_get(json v, struct span name);
size_t json_count(json v);      // members or elements; 0 otherwise
json json_at(json v, size_t i); // O(i); iterate with json_iter instead
bool json_is_numbers(json v);   // an array of nothing but numbers, or of nothing

// Objects yield name + value, arrays a SPAN_NONE name + value.
struct json_iter {
    json container, next;
    size_t i, n;
};
struct json_iter json_iter(json container);
bool json_next(struct json_iter *it, struct span *name, json *value);

// Appends v as compact JSON (member order kept, numbers as parsed).
bool json_write(struct buf *out, json v);
// What json_write would append, when that is how it stands in the document: no space between tokens, no escapes. Else SPAN_NONE.
struct span json_as_written(json v);

// Writing by hand into a buffer: commas are put where they are due.
//   struct json_writer w = json_writer(&b);
//   json_w_object(&w); json_w_key(&w, SPAN("a")); json_w_int(&w, 1); json_w_end(&w);
// Bytes that are not UTF-8 are written as U+FFFD, so a log line is always valid JSON.
struct json_writer {
    struct buf *out;
    uint64_t is_object, has_item; // a bit a level
    unsigned depth;               // at most 63; deeper marks the buffer failed
    bool after_key;
};
struct json_writer json_writer(struct buf *out);
void json_w_object(struct json_writer *w);
void json_w_array(struct json_writer *w);
void json_w_end(struct json_writer *w);
void json_w_key(struct json_writer *w, struct span name);
// A key that stands in the source as a literal, and needs no escape: what is written often.
#define JSON_W_KEY(w, literal) json_w_literal_((w), ",\"" literal "\":", sizeof(literal) + 3)
static inline void json_w_literal_(struct json_writer *w, const char *text, size_t n)
{
    uint64_t level = (uint64_t)1 << (w->depth & 63);
    size_t first = !(w->has_item & level);
    char *at = buf_reserve(w->out, n);

    assert(w->is_object & level && !w->after_key);
    if (at) {
        memcpy(at, text + first, n); // a fixed size, with the NUL where the comma is left out
        buf_commit(w->out, n - first);
    }
    w->has_item |= level;
    w->after_key = true;
}
void json_w_string(struct json_writer *w, struct span s); // SPAN_NONE writes null
void json_w_int(struct json_writer *w, int64_t v);
void json_w_uint(struct json_writer *w, uint64_t v);
void json_w_bool(struct json_writer *w, bool v);
void json_w_real(struct json_writer *w, double v);
void json_w_null(struct json_writer *w);
void json_w_value(struct json_writer *w, json v);              // copies a parsed value
void json_w_raw(struct json_writer *w, struct span json_text); // text that is already one JSON value

#endif
