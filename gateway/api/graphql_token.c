// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/graphql_token.h"

#include "gateway/api/graphql.h"
#include "gateway/base/err.h"

bool gw_graphql_fail(struct gw_graphql_tokens *t, const char *problem)
{
    if (t->error == 0) {
        t->error = ERR_API_BODY;
        t->problem = problem;
    }
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct gw_graphql_tokens *t)
{
    return t->at < t->end ? *t->at : '\0';
}

static bool digits(struct gw_graphql_tokens *t)
{
    if (!is_digit(peek(t)))
        return gw_graphql_fail(t, "the query has a number that cannot be read");
    while (is_digit(peek(t)))
        t->at++;
    return true;
}

static bool number(struct gw_graphql_tokens *t)
{
    if (peek(t) == '-')
        t->at++;
    bool zero = peek(t) == '0';
    const char *first = t->at;
    if (!digits(t))
        return false;
    if (zero && t->at > first + 1)
        return gw_graphql_fail(t, "the query has a number with a leading zero");
    if (peek(t) == '.') {
        t->at++;
        if (!digits(t))
            return false;
    }
    if (peek(t) == 'e' || peek(t) == 'E') {
        t->at++;
        if (peek(t) == '+' || peek(t) == '-')
            t->at++;
        if (!digits(t))
            return false;
    }
    return !is_letter(peek(t)) && peek(t) != '.' ? true
                                                 : gw_graphql_fail(t, "the query has a number that runs into a name");
}

static bool escape(struct gw_graphql_tokens *t)
{
    t->at++;
    if (peek(t) == 'u') {
        for (unsigned i = 1; i <= 4; i++) {
            char c = t->at + i < t->end ? t->at[i] : '\0';
            if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
                return gw_graphql_fail(t, "the query has an escape that cannot be read");
        }
        t->at += 5;
        return true;
    }
    if (peek(t) == '\0' || !strchr("\"\\/bfnrt", peek(t)))
        return gw_graphql_fail(t, "the query has an escape that cannot be read");
    t->at++;
    return true;
}

static bool string(struct gw_graphql_tokens *t)
{
    const char *first = ++t->at;
    t->escaped = false;
    while (t->at < t->end && *t->at != '"') {
        if ((unsigned char)*t->at < 0x20)
            return gw_graphql_fail(t, "the query has a line end or control character in a string");
        if (*t->at != '\\') {
            t->at++;
            continue;
        }
        t->escaped = true;
        if (!escape(t))
            return false;
    }
    if (t->at == t->end)
        return gw_graphql_fail(t, "the query has a string without end");
    t->text = span_of(first, (size_t)(t->at - first));
    t->at++;
    if (t->text.n == 0 && peek(t) == '"')
        return gw_graphql_fail(t, "the query has a block string, which is not read here");
    return true;
}

// What cannot be read here, by what it begins with.
static bool odd(struct gw_graphql_tokens *t, char c)
{
    switch (c) {
    case '$': return gw_graphql_fail(t, "the query has variables, which are not read here; write the values into it");
    case '@': return gw_graphql_fail(t, "the query has directives, which are not read here");
    case '#': return gw_graphql_fail(t, "the query has comments, which are not read here");
    default: return gw_graphql_fail(t, "the query has a character that is not of the language");
    }
}

bool gw_graphql_next(struct gw_graphql_tokens *t)
{
    while (t->at < t->end && strchr(" \t\r\n,", *t->at) && *t->at)
        t->at++;
    t->text = SPAN_NONE;
    if (t->at == t->end) {
        t->token = GW_GRAPHQL_END;
        return true;
    }
    const char *first = t->at;
    char c = *t->at;
    if (is_letter(c)) {
        while (t->at < t->end && (is_letter(*t->at) || is_digit(*t->at)))
            t->at++;
        t->token = GW_GRAPHQL_NAME;
    } else if (is_digit(c) || c == '-') {
        t->token = GW_GRAPHQL_NUMBER;
        if (!number(t))
            return false;
    } else if (c == '"') {
        t->token = GW_GRAPHQL_STRING;
        return string(t);
    } else if (c == '.') {
        if (t->end - t->at < 3 || memcmp(t->at, "...", 3) != 0)
            return odd(t, c);
        t->at += 3;
        t->token = GW_GRAPHQL_SPREAD;
    } else if (c && strchr("()[]{}:", c)) {
        t->at++;
        t->token = GW_GRAPHQL_MARK;
    } else {
        return odd(t, c);
    }
    t->text = span_of(first, (size_t)(t->at - first));
    return true;
}

static void write_token(struct gw_graphql_tokens *t)
{
    bool quoted = t->token == GW_GRAPHQL_STRING;
    buf_append(t->out, quoted ? SPAN("\"") : SPAN(""));
    buf_append(t->out, t->text);
    buf_append(t->out, quoted ? SPAN("\" ") : SPAN(" "));
}

bool gw_graphql_advance(struct gw_graphql_tokens *t)
{
    write_token(t);
    return gw_graphql_next(t);
}

bool gw_graphql_at(const struct gw_graphql_tokens *t, char c)
{
    return t->token == GW_GRAPHQL_MARK && t->text.p[0] == c;
}

bool gw_graphql_take(struct gw_graphql_tokens *t, char c, const char *problem)
{
    return gw_graphql_at(t, c) ? gw_graphql_advance(t) : gw_graphql_fail(t, problem);
}

bool gw_graphql_take_name(struct gw_graphql_tokens *t, struct span *name)
{
    if (t->token != GW_GRAPHQL_NAME)
        return gw_graphql_fail(t, "the query lacks a name where one has to be");
    *name = t->text;
    return gw_graphql_advance(t);
}

bool gw_graphql_is_class(struct span name)
{
    if (name.n == 0 || !is_letter(name.p[0]) || name.p[0] == '_')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_letter(name.p[i]) && !is_digit(name.p[i]))
            return false;
    return true;
}
