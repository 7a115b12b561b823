// SPDX-License-Identifier: GPL-3.0-or-later
// JSON written by hand: what audit records, tokens and answers are made with. Nearly all of it is short strings that need no escape, so that is the
// case that is quick.
#include "gateway/base/json_inside.h"

#include <assert.h>

struct json_writer json_writer(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static uint64_t level(const struct json_writer *w)
{
    return (uint64_t)1 << (w->depth & 63);
}

// The comma before an element, or 0; in an object a value may only follow its key.
static char separator(struct json_writer *w)
{
    bool due = w->has_item & level(w);

    if (w->after_key) {
        w->after_key = false;
        return 0;
    }
    assert(w->depth == 0 || !(w->is_object & level(w)));
    w->has_item |= level(w);
    return due ? ',' : 0;
}

static void separate(struct json_writer *w)
{
    if (separator(w))
        buf_byte(w->out, ',');
}

static void open_level(struct json_writer *w, bool object)
{
    separate(w);
    buf_byte(w->out, object ? '{' : '[');
    if (w->depth >= 63) {
        w->out->failed = true;
        return;
    }
    w->depth++;
    w->has_item &= ~level(w);
    w->is_object = object ? w->is_object | level(w) : w->is_object & ~level(w);
}

void json_w_object(struct json_writer *w)
{
    open_level(w, true);
}

void json_w_array(struct json_writer *w)
{
    open_level(w, false);
}

void json_w_end(struct json_writer *w)
{
    assert(!w->after_key);
    if (w->depth == 0) {
        w->out->failed = true;
        return;
    }
    buf_byte(w->out, w->is_object & level(w) ? '}' : ']');
    w->depth--;
}

static bool copy_16(char *to, const char *p)
{
    uint64_t words[2];

    memcpy(words, p, 16);
    memcpy(to, words, 16);
    return json_plain_words_(words[0], words[1]);
}

// Copies the string, in pieces that overlap. False when not all of it stands for itself.
static inline bool copy_plain(char *to, struct span s)
{
    size_t n = s.n;
    uint64_t first, last;
    uint32_t first_4, last_4;
    bool plain = true;

    if (n >= 16) {
        for (size_t i = 0; i + 16 < n; i += 16)
            plain &= copy_16(to + i, s.p + i);
        return copy_16(to + n - 16, s.p + n - 16) && plain;
    }
    if (n >= 8) {
        memcpy(&first, s.p, 8);
        memcpy(&last, s.p + n - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + n - 8, &last, 8);
        return json_plain_words_(first, last);
    }
    if (n >= 4) {
        memcpy(&first_4, s.p, 4);
        memcpy(&last_4, s.p + n - 4, 4);
        memcpy(to, &first_4, 4);
        memcpy(to + n - 4, &last_4, 4);
        first = (uint64_t)first_4 << 32 | last_4;
        return json_plain_words_(first, first);
    }
    first = UINT64_C(0x2020202020202020);
    for (size_t i = 0; i < n; i++) {
        to[i] = s.p[i];
        first = first << 8 | (unsigned char)s.p[i];
    }
    return json_plain_words_(first, first);
}

__attribute__((noinline, cold)) static void escaped(struct buf *out, struct span s)
{
    static const char hex[] = "0123456789abcdef";
    static const char letter[] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
    };
    size_t from = 0, i = 0, n;

    buf_byte(out, '"');
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        n = span_utf8(s, i);
        if (n && c >= 0x20 && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        buf_append(out, span_sub(s, from, i));
        if (n == 0) {
            buf_append(out, SPAN("\xef\xbf\xbd"));
        } else if (letter[c]) {
            escape[1] = letter[c];
            buf_append(out, span_of(escape, 2));
        } else {
            buf_append(out, span_of(escape, 6));
        }
        from = ++i;
    }
    buf_append(out, span_sub(s, from, s.n));
    buf_byte(out, '"');
}

// A string between two bytes, which may be 0 for none.
static void quoted(struct buf *out, char before, struct span s, char after)
{
    char *start = buf_reserve(out, s.n + 2 + !!before + !!after), *at = start;

    if (!start)
        return;
    if (before)
        *at++ = before;
    *at = '"';
    if (copy_plain(at + 1, s)) { // nearly always
        at += s.n + 1;
        *at++ = '"';
        if (after)
            *at++ = after;
        buf_commit(out, (size_t)(at - start));
        return;
    }
    buf_commit(out, (size_t)(at - start));
    escaped(out, s);
    if (after)
        buf_byte(out, after);
}

void json_quoted_(struct buf *out, struct span s)
{
    quoted(out, 0, s, 0);
}

void json_w_key(struct json_writer *w, struct span name)
{
    assert(w->is_object & level(w) && !w->after_key);
    quoted(w->out, w->has_item & level(w) ? ',' : 0, name, ':');
    w->has_item |= level(w);
    w->after_key = true;
}

void json_w_string(struct json_writer *w, struct span s)
{
    if (span_is_none(s)) {
        json_w_null(w);
        return;
    }
    quoted(w->out, separator(w), s, 0);
}

void json_w_int(struct json_writer *w, int64_t v)
{
    separate(w);
    if (v < 0)
        buf_byte(w->out, '-');
    buf_uint(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_w_uint(struct json_writer *w, uint64_t v)
{
    separate(w);
    buf_uint(w->out, v);
}

void json_w_bool(struct json_writer *w, bool v)
{
    separate(w);
    buf_append(w->out, v ? SPAN("true") : SPAN("false"));
}

void json_w_real(struct json_writer *w, double v)
{
    separate(w);
    json_real_write_(w->out, v);
}

void json_w_null(struct json_writer *w)
{
    separate(w);
    buf_append(w->out, SPAN("null"));
}

void json_w_value(struct json_writer *w, json v)
{
    if (!v) {
        json_w_null(w);
        return;
    }
    separate(w);
    json_write(w->out, v);
}

void json_w_raw(struct json_writer *w, struct span json_text)
{
    separate(w);
    buf_append(w->out, json_text);
}
