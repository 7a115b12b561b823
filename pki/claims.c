// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/claims.h"

#include <math.h>

#define DATE_MAX_S INT64_C(253402300799) // 9999-12-31T23:59:59Z
#define POINTER_MAX 256

// One reference token: "~1" is '/', "~0" is '~' (RFC 6901 §4).
static bool unescape(struct span token, char *out, size_t *n)
{
    size_t at = 0;
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (at == POINTER_MAX)
            return false;
        if (c == '~') {
            if (++i == token.n || (token.p[i] != '0' && token.p[i] != '1'))
                return false;
            c = token.p[i] == '0' ? '~' : '/';
        }
        out[at++] = c;
    }
    *n = at;
    return true;
}

json pki_claim(json claims, struct span name)
{
    if (name.n == 0)
        return NULL;
    if (name.p[0] != '/')
        return json_get(claims, name);
    json v = claims;
    struct span rest = span_sub(name, 1, name.n);
    while (v && !span_is_none(rest)) {
        char text[POINTER_MAX];
        size_t n;
        if (!unescape(span_cut(&rest, '/'), text, &n))
            return NULL;
        v = json_get(v, span_of(text, n));
    }
    return v;
}

bool pki_claim_string(json v, struct span *out)
{
    struct span s = json_string(v);
    if (v && (json_type(v) != JSON_STRING || (s.n > 0 && memchr(s.p, 0, s.n))))
        return false;
    *out = s;
    return true;
}

bool pki_claim_date(json v, int64_t *ms)
{
    int64_t whole;
    double real;
    if (json_i64(v, &whole)) {
        if (whole < 0 || whole > DATE_MAX_S)
            return false;
        *ms = whole * 1000;
        return true;
    }
    // Written so that a NaN fails.
    if (json_type(v) != JSON_REAL || !json_real(v, &real) || !(real >= 0 && real <= (double)DATE_MAX_S))
        return false;
    *ms = (int64_t)floor(real * 1000);
    return true;
}

// Appends the words of `s`, or `s` itself.
static void put(struct span s, bool split, struct span *at, size_t *n)
{
    struct span rest = s;
    if (!split) {
        at[(*n)++] = s;
        return;
    }
    while (!span_is_none(rest)) {
        struct span word = span_cut(&rest, ' ');
        if (word.n > 0)
            at[(*n)++] = word;
    }
}

bool pki_claim_list(json v, bool split, struct arena *arena, struct pki_names *out)
{
    struct span one, name;
    size_t most = 0, n = 0;
    json item;
    if (!v) {
        *out = (struct pki_names){ NULL, 0 };
        return true;
    }
    bool array = json_type(v) == JSON_ARRAY;
    if (!array && json_type(v) != JSON_STRING)
        return false;
    if (!array) {
        if (!pki_claim_string(v, &one))
            return false;
        most = split ? one.n / 2 + 1 : 1;
    }
    for (struct json_iter it = json_iter(array ? v : NULL); json_next(&it, &name, &item);) {
        if (!pki_claim_string(item, &one))
            return false;
        most += split ? one.n / 2 + 1 : 1;
    }
    struct span *at = arena_array(arena, most + 1, sizeof *at);
    if (!at)
        return false;
    if (!array)
        put(one, split, at, &n);
    for (struct json_iter it = json_iter(array ? v : NULL); json_next(&it, &name, &item);)
        put(json_string(item), split, at, &n);
    *out = (struct pki_names){ at, n };
    return true;
}
