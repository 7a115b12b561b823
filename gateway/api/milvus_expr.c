// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/milvus_expr.h"

#include "gateway/base/err.h"

enum token {
    END,
    FIELD,    // a name, or $meta, with its path
    WORD,     // a name without a path, which may be a word of the language
    LITERAL,  // number or string
    MARK,     // one of ( ) [ ] { } ,
    OPERATOR, // of symbols
};

struct reader {
    const char *at, *end;
    struct span reserved;
    struct buf *out;
    unsigned depth;
    const char *problem;
    enum token token;
    struct span text;
    bool is_string;
};

static bool fail(struct reader *r, const char *problem)
{
    if (!r->problem)
        r->problem = problem;
    return false;
}

// --------------------------------------------------------------------------------------------------------------- words

// Each in lower case or in capitals, as the server has them; in another case it is a name.
static const char *const binary_words[] = { "like", "in", "and", "or", NULL };
static const char *const prefix_words[] = { "not", "exists", NULL };
static const char *const truths[] = { "true", "false", "True", "False", NULL };
static const char *const other_words[] = { "is", "null", "iso", "interval", NULL };
static const char *const functions[] = { "text_match",
                                         "phrase_match",
                                         "json_contains",
                                         "json_contains_all",
                                         "json_contains_any",
                                         "array_contains",
                                         "array_contains_all",
                                         "array_length",
                                         "st_equals",
                                         "st_touches",
                                         "array_contains_any",
                                         "st_overlaps",
                                         "st_crosses",
                                         "st_contains",
                                         "st_intersects",
                                         "st_within",
                                         "st_dwithin",
                                         "st_isvalid",
                                         "empty",
                                         "starts_with",
                                         NULL };
static const char *const options[] = { "minimum_should_match", "threshold", NULL };
static const char *const binary_symbols[] = { "<",  "<=", ">", ">=", "==", "!=", "=~", "!~", "+",  "-",  "*",
                                              "**", "/",  "%", "<<", ">>", "&",  "|",  "^",  "&&", "||", NULL };
static const char *const prefix_symbols[] = { "+", "-", "~", "!", NULL };

static bool is_capitals(struct span word, struct span lower)
{
    if (word.n != lower.n)
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] != (lower.p[i] >= 'a' && lower.p[i] <= 'z' ? lower.p[i] - 'a' + 'A' : lower.p[i]))
            return false;
    return true;
}

static bool is_word(struct span word, const char *lower)
{
    return span_eq(word, span_str(lower)) || is_capitals(word, span_str(lower));
}

static bool among_words(struct span word, const char *const *list)
{
    for (; *list; list++)
        if (is_word(word, *list))
            return true;
    return false;
}

static bool is_language(struct span word)
{
    return among_words(word, binary_words) || among_words(word, prefix_words) || among_words(word, truths) ||
           among_words(word, other_words) || among_words(word, functions) || among_words(word, options);
}

static bool among_symbols(struct span symbol, const char *const *list)
{
    for (; *list; list++)
        if (span_eq(symbol, span_str(*list)))
            return true;
    return false;
}

// -------------------------------------------------------------------------------------------------------------- tokens

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct reader *r, size_t i)
{
    return (size_t)(r->end - r->at) > i ? r->at[i] : '\0';
}

static bool is_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

// From the opening quote. A backslash and what is behind it are two characters of the string whatever they mean. In a raw one a quote behind a
// backslash could be its end to one server and not to another.
static bool string(struct reader *r, bool raw)
{
    char quote = *r->at++;
    while (r->at < r->end && *r->at != quote) {
        if (*r->at == '\\') {
            r->at++;
            if (raw && r->at < r->end && *r->at == quote)
                return fail(r, "the filter has a quote behind a backslash in a raw string");
        }
        if (r->at == r->end || ((unsigned char)*r->at < 0x20 && *r->at != '\t'))
            return fail(r, "the filter has a line end or control character in a string");
        r->at++;
    }
    if (r->at == r->end)
        return fail(r, "the filter has a string without end");
    r->at++;
    return true;
}

// u8"…", u"…", U"…", L"…", r"…", R"…": how many characters are before the quote; `none` when there is no string.
enum { NO_STRING = 3 };
static size_t string_prefix(const struct reader *r)
{
    size_t n = peek(r, 0) == 'u' && peek(r, 1) == '8' ? 2 : peek(r, 0) && strchr("uULrR", peek(r, 0)) ? 1 : 0;
    return peek(r, n) == '"' || peek(r, n) == '\'' ? n : NO_STRING;
}

static bool prefixed_string(struct reader *r)
{
    bool raw = is_of(peek(r, 0), "rR");
    r->at += string_prefix(r);
    return string(r, raw);
}

static void digits(struct reader *r)
{
    while (is_digit(peek(r, 0)))
        r->at++;
}

static bool based(struct reader *r, const char *set)
{
    const char *first = r->at += 2;
    while (is_of(peek(r, 0), set))
        r->at++;
    return r->at > first;
}

static bool number(struct reader *r)
{
    const char *first = r->at;
    bool ok = true;
    if (peek(r, 0) == '0' && is_of(peek(r, 1), "xX")) {
        ok = based(r, "0123456789abcdefABCDEF");
    } else if (peek(r, 0) == '0' && is_of(peek(r, 1), "bB")) {
        ok = based(r, "01");
    } else {
        digits(r);
        bool whole = true;
        if (peek(r, 0) == '.') {
            whole = false;
            r->at++;
            digits(r);
        }
        if (is_of(peek(r, 0), "eE")) {
            whole = false;
            r->at += is_of(peek(r, 1), "+-") ? 2 : 1;
            ok = is_digit(peek(r, 0));
            digits(r);
        }
        // 017 is octal, 018 would be two numbers.
        for (const char *p = first; whole && *first == '0' && p < r->at; p++)
            ok = ok && *p < '8';
    }
    if (!ok || is_letter(peek(r, 0)) || is_digit(peek(r, 0)) || peek(r, 0) == '.')
        return fail(r, "the filter has a number that cannot be read");
    return true;
}

static void name(struct reader *r)
{
    while (is_letter(peek(r, 0)) || is_digit(peek(r, 0)))
        r->at++;
}

// What follows a name without a space: ["key"], [0], [part of a structure].
static bool path(struct reader *r)
{
    while (peek(r, 0) == '[') {
        r->token = FIELD;
        r->at++;
        if (string_prefix(r) != NO_STRING) {
            if (!prefixed_string(r))
                return false;
        } else if (is_digit(peek(r, 0))) {
            digits(r);
        } else if (is_letter(peek(r, 0))) {
            name(r);
        }
        if (peek(r, 0) != ']' || r->at[-1] == '[')
            return fail(r, "the filter has a path that cannot be read");
        r->at++;
    }
    return true;
}

static bool symbol(struct reader *r)
{
    static const char *const pairs[] = { "<=", ">=", "==", "!=", "=~", "!~", "**", "<<", ">>", "&&", "||", NULL };
    struct span two = span_of(r->at, r->end - r->at > 1 ? 2 : 1);
    r->token = OPERATOR;
    if (two.n == 2 && among_symbols(two, pairs))
        r->at += 2;
    else if (is_of(*r->at, "<>=+-*/%&|^!~"))
        r->at++;
    else
        return fail(r, "the filter has a character that is not of the language, outside of a string");
    return true;
}

static bool next(struct reader *r)
{
    while (is_of(peek(r, 0), " \t\r\n"))
        r->at++;
    const char *first = r->at;
    char c = peek(r, 0);
    bool ok = true;
    r->is_string = false;
    if (r->at == r->end) {
        r->token = END;
    } else if (string_prefix(r) != NO_STRING) {
        r->token = LITERAL;
        r->is_string = true;
        ok = prefixed_string(r);
    } else if (is_letter(c)) {
        r->token = WORD;
        name(r);
        // `in[1]` would be an element to the server, but goes on as `in [ 1 ]`.
        ok = is_language(span_of(first, (size_t)(r->at - first))) || path(r);
    } else if (c == '$') {
        if (r->end - r->at < 5 || memcmp(r->at, "$meta", 5) != 0 || is_letter(peek(r, 5)) || is_digit(peek(r, 5)))
            return fail(r, "the filter has a '$' that does not begin $meta");
        r->token = FIELD;
        r->at += 5;
        ok = path(r);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(r, 1)))) {
        r->token = LITERAL;
        ok = number(r);
    } else if (is_of(c, "()[]{},")) {
        r->token = MARK;
        r->at++;
    } else {
        ok = symbol(r);
    }
    r->text = span_of(first, (size_t)(r->at - first));
    return ok;
}

// Takes the current token over into what is written.
static bool advance(struct reader *r)
{
    buf_append(r->out, r->text);
    buf_byte(r->out, ' ');
    return next(r);
}

static bool is_mark(const struct reader *r, char c)
{
    return r->token == MARK && r->text.p[0] == c;
}

static bool take(struct reader *r, char c, const char *problem)
{
    return is_mark(r, c) ? advance(r) : fail(r, problem);
}

// ---------------------------------------------------------------------------------------------------------- the grammar

static bool expression(struct reader *r);

static bool nested(struct reader *r)
{
    if (++r->depth > GW_MILVUS_EXPR_DEPTH)
        return fail(r, "the filter is nested too deep");
    bool ok = expression(r);
    r->depth--;
    return ok;
}

// [a, b,]; the server takes a last comma.
static bool list(struct reader *r)
{
    if (!advance(r))
        return false;
    while (!is_mark(r, ']')) {
        if (!nested(r))
            return false;
        if (!is_mark(r, ',') && !is_mark(r, ']'))
            return fail(r, "the filter has a list that cannot be read");
        if (is_mark(r, ',') && !advance(r))
            return false;
    }
    return advance(r);
}

static bool placeholder(struct reader *r)
{
    if (!advance(r))
        return false;
    if (r->token != WORD || is_language(r->text))
        return fail(r, "the filter has a template parameter that is no name");
    if (!span_is_none(r->reserved) && span_starts(r->text, r->reserved))
        return fail(r, "the filter has a template parameter whose name is the gateway's");
    return advance(r) && take(r, '}', "the filter has a brace that is not closed");
}

// An expression, or name=1.
static bool argument(struct reader *r)
{
    if (r->token != WORD || !among_words(r->text, options))
        return nested(r);
    if (!advance(r))
        return false;
    if (r->token != OPERATOR || !span_eq(r->text, SPAN("=")) || !advance(r) || r->token != LITERAL || r->is_string)
        return fail(r, "the filter has an option that is no number");
    return advance(r);
}

static bool call(struct reader *r, struct span function)
{
    if (!among_words(function, functions))
        return fail(r, "the filter has a function that is not known, or cannot stand below an AND");
    if (!advance(r))
        return false;
    while (!is_mark(r, ')')) {
        if (!argument(r))
            return false;
        if (!is_mark(r, ',') && !is_mark(r, ')'))
            return fail(r, "the filter has arguments that cannot be read");
        if (is_mark(r, ',') && !advance(r))
            return false;
    }
    return advance(r);
}

// "is null", "IS NOT NULL": to the server one token each, with one space between the words.
static bool is_null(struct reader *r)
{
    static const struct span forms[] = {
        { "is null", 7 }, { "IS NULL", 7 }, { "is not null", 11 }, { "IS NOT NULL", 11 }
    };
    struct span rest = span_of(r->text.p, (size_t)(r->end - r->text.p));
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!span_starts(rest, forms[i]))
            continue;
        r->at = r->text.p + forms[i].n;
        r->text = forms[i];
        return is_letter(peek(r, 0)) || is_digit(peek(r, 0)) ? fail(r, "the filter has words that run together")
                                                             : advance(r);
    }
    return fail(r, "the filter has an `is` without ` null`");
}

static bool field(struct reader *r)
{
    if (!advance(r))
        return false;
    return r->token == WORD && is_word(r->text, "is") ? is_null(r) : true;
}

static bool word(struct reader *r)
{
    struct span text = r->text;
    if (among_words(text, truths))
        return advance(r);
    if (is_word(text, "iso") || is_word(text, "interval")) {
        if (!advance(r))
            return false;
        return r->is_string ? advance(r) : fail(r, "the filter has a time that is no string");
    }
    if (among_words(text, functions) || peek(r, 0) == '(') {
        if (!advance(r))
            return false;
        return is_mark(r, '(') ? call(r, text) : fail(r, "the filter has a function without its arguments");
    }
    return is_language(text) ? fail(r, "the filter lacks an operand where one has to be") : field(r);
}

static bool operand(struct reader *r)
{
    if (r->token == WORD)
        return word(r);
    if (r->token == FIELD)
        return field(r);
    if (r->token == LITERAL)
        return advance(r);
    if (is_mark(r, '('))
        return advance(r) && nested(r) && take(r, ')', "the filter has a parenthesis that is not closed");
    if (is_mark(r, '['))
        return list(r);
    if (is_mark(r, '{'))
        return placeholder(r);
    return fail(r, "the filter lacks an operand where one has to be");
}

static bool is_prefix(const struct reader *r)
{
    return (r->token == OPERATOR && among_symbols(r->text, prefix_symbols)) ||
           (r->token == WORD && among_words(r->text, prefix_words));
}

static bool prefixed_operand(struct reader *r)
{
    while (is_prefix(r))
        if (!advance(r))
            return false;
    return operand(r);
}

// Whether there is an operator between operands, which it takes.
static bool operator(struct reader *r, bool *there)
{
    *there = true;
    if (r->token == WORD && is_word(r->text, "not")) {
        if (!advance(r))
            return false;
        return r->token == WORD && is_word(r->text, "in") ? advance(r)
                                                          : fail(r, "the filter has a `not` between two operands");
    }
    *there = (r->token == OPERATOR && among_symbols(r->text, binary_symbols)) ||
             (r->token == WORD && among_words(r->text, binary_words));
    return *there ? advance(r) : true;
}

static bool expression(struct reader *r)
{
    bool more;
    do {
        if (!prefixed_operand(r) || !operator(r, &more))
            return false;
    } while (more);
    return true;
}

int gw_milvus_expr_read(struct span text, struct span reserved, struct buf *out, const char **problem)
{
    struct reader r = { .at = text.p, .end = text.p + text.n, .reserved = reserved, .out = out };
    bool ok = next(&r);
    if (ok && r.token != END && expression(&r) && r.token != END)
        fail(&r, "the filter has something behind its end, or a bracket that was never opened");
    if (r.problem) {
        *problem = r.problem;
        return ERR_API_BODY;
    }
    return out->failed ? ERR_NOMEM : 0;
}

bool gw_milvus_expr_is_field(struct span name)
{
    if (name.n == 0 || !is_letter(name.p[0]) || is_language(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_letter(name.p[i]) && !is_digit(name.p[i]))
            return false;
    return true;
}
