// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/trace/context.h"

#include <stdio.h>

#define MEMBERS_MOST 32
#define VALUE_MOST 256
#define KEY_MOST 256

// A lower-case hex digit; -1: none.
static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (digit(p[i]) < 0)
            return false;
    return true;
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '0')
            return false;
    return true;
}

bool gw_traceparent_read(struct span field, struct gw_trace_context *out)
{
    const char *p = field.p;
    if (field.n < GW_TRACEPARENT_TEXT || !is_hex(p, 2) || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return false;
    bool known = p[0] == '0' && p[1] == '0', invalid = p[0] == 'f' && p[1] == 'f';
    if (invalid || (field.n > GW_TRACEPARENT_TEXT && (known || p[GW_TRACEPARENT_TEXT] != '-')))
        return false;
    if (!is_hex(p + 3, 32) || is_zero(p + 3, 32) || !is_hex(p + 36, 16) || is_zero(p + 36, 16) || !is_hex(p + 53, 2))
        return false;
    memcpy(out->trace_id, p + 3, 32);
    memcpy(out->span_id, p + 36, 16);
    out->trace_id[32] = out->span_id[16] = '\0';
    out->flags = (unsigned)digit(p[54]) & (GW_TRACE_SAMPLED | GW_TRACE_RANDOM);
    return true;
}

void gw_traceparent_write(const struct gw_trace_context *c, char out[static GW_TRACEPARENT_TEXT + 1])
{
    snprintf(out, GW_TRACEPARENT_TEXT + 1, "00-%.32s-%.16s-%02x", c->trace_id, c->span_id, c->flags & 0xffU);
}

// --------------------------------------------------------------------------------------------------------- tracestate

// A simple key, or tenant@system (§3.3.1.3.1).
static bool is_key(struct span key)
{
    size_t at = 0;
    if (key.n == 0 || key.n > KEY_MOST)
        return false;
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool letter = c >= 'a' && c <= 'z', number = c >= '0' && c <= '9';
        if (i == 0 && !letter && !number)
            return false;
        if (!letter && !number && c != '_' && c != '-' && c != '*' && c != '/' && c != '@')
            return false;
        at += c == '@';
    }
    return at <= 1 && key.p[key.n - 1] != '@';
}

static bool is_value(struct span value)
{
    if (value.n == 0 || value.n > VALUE_MOST || value.p[value.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == ',' || value.p[i] == '=')
            return false;
    return true;
}

bool gw_tracestate_holds(struct span list)
{
    struct span keys[MEMBERS_MOST];
    size_t n = 0;
    if (list.n > GW_TRACESTATE_MOST)
        return false;
    while (!span_is_none(list)) {
        struct span value = span_trim(span_cut(&list, ','));
        if (value.n == 0) // allowed, and nothing
            continue;
        struct span key = span_cut(&value, '=');
        if (n == MEMBERS_MOST || !is_key(key) || !is_value(value))
            return false;
        for (size_t i = 0; i < n; i++)
            if (span_eq(keys[i], key))
                return false;
        keys[n++] = key;
    }
    return n > 0;
}
