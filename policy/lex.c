// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/lex.h"

#include <assert.h>

static const struct {
    char text[3];
    enum pol_token_kind kind;
} punctuation[] = {
    // Two characters before their prefixes.
    { "::", TOK_PATH },    { "==", TOK_EQ },      { "!=", TOK_NE },    { "<=", TOK_LE },    { ">=", TOK_GE },
    { "||", TOK_OR },      { "&&", TOK_AND },     { "<", TOK_LT },     { ">", TOK_GT },     { "=", TOK_ASSIGN },
    { "!", TOK_NOT },      { "@", TOK_AT },       { ".", TOK_DOT },    { ",", TOK_COMMA },  { ";", TOK_SEMI },
    { ":", TOK_COLON },    { "(", TOK_LPAREN },   { ")", TOK_RPAREN }, { "{", TOK_LBRACE }, { "}", TOK_RBRACE },
    { "[", TOK_LBRACKET }, { "]", TOK_RBRACKET }, { "+", TOK_PLUS },   { "-", TOK_MINUS },  { "*", TOK_STAR },
    { "/", TOK_SLASH },    { "%", TOK_PERCENT },
};

void pol_lexer_init(struct pol_lexer *l, struct span text)
{
    *l = (struct pol_lexer){ .text = text, .line = 1, .column = 1 };
}

static int peek(const struct pol_lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.n ? (unsigned char)l->text.p[l->at + ahead] : -1;
}

static void step(struct pol_lexer *l, size_t n)
{
    for (; n > 0; n--) {
        unsigned width = l->widths ? l->widths[l->at] : 1;
        unsigned char c = (unsigned char)l->text.p[l->at++];

        if (l->widths && width != 0) {
            l->column += width;
        } else if (c == '\n') {
            l->line++;
            l->column = 1;
        } else if (!l->widths && (c & 0xc0) != 0x80) {
            l->column++;
        }
    }
}

// Bytes of the white space character at the cursor; Unicode's White_Space, as Cedar has it.
static size_t blank(const struct pol_lexer *l)
{
    static const char wide[][4] = { "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
                                    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80" };
    int c = peek(l, 0);

    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    if (c == 0xc2 && (peek(l, 1) == 0x85 || peek(l, 1) == 0xa0))
        return 2;
    if (c == 0xe2 && peek(l, 1) == 0x80 && peek(l, 2) >= 0x80 && peek(l, 2) <= 0x8a)
        return 3;
    for (size_t i = 0; c >= 0xe1 && i < sizeof wide / sizeof *wide; i++)
        if (l->text.n - l->at >= 3 && memcmp(l->text.p + l->at, wide[i], 3) == 0)
            return 3;
    return 0;
}

static void skip(struct pol_lexer *l)
{
    for (;;) {
        size_t n = blank(l);

        if (n) {
            step(l, n);
        } else if (peek(l, 0) == '/' && peek(l, 1) == '/') {
            while (peek(l, 0) != -1 && peek(l, 0) != '\n' && peek(l, 0) != '\r')
                step(l, 1);
        } else {
            return;
        }
    }
}

static bool ident_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(int c)
{
    return c >= '0' && c <= '9';
}

static size_t ident_length(const struct pol_lexer *l, size_t from)
{
    size_t n = 0;

    while (ident_start(peek(l, from + n)) || digit(peek(l, from + n)))
        n++;
    return n;
}

static struct pol_token string(struct pol_lexer *l, struct pol_token t)
{
    size_t start;

    step(l, 1);
    start = l->at;
    while (peek(l, 0) != -1 && peek(l, 0) != '"') {
        if (peek(l, 0) == '\\' && (peek(l, 1) == -1 || peek(l, 1) == '\n'))
            break;
        step(l, peek(l, 0) == '\\' ? 2 : 1);
    }
    if (peek(l, 0) != '"') {
        t.kind = TOK_BAD;
        return t;
    }
    t.kind = TOK_STRING;
    t.text = span_of(l->text.p + start, l->at - start);
    step(l, 1);
    return t;
}

struct pol_token pol_lex(struct pol_lexer *l)
{
    struct pol_token t = { .kind = TOK_END };
    size_t n = 0;
    int c;

    skip(l);
    t.line = l->line;
    t.column = l->column;
    t.text = span_of(l->text.p + l->at, 0);
    c = peek(l, 0);
    if (c == -1)
        return t;
    if (c == '"') {
        t.text.n = 1;
        return string(l, t);
    }
    if (ident_start(c)) {
        t.kind = TOK_IDENT;
        n = ident_length(l, 0);
    } else if (digit(c)) {
        t.kind = TOK_NUMBER;
        while (digit(peek(l, n)))
            n++;
    } else if (c == '?' && ident_start(peek(l, 1))) {
        t.kind = TOK_SLOT;
        n = 1 + ident_length(l, 1);
    } else {
        for (size_t i = 0; i < sizeof punctuation / sizeof *punctuation && n == 0; i++) {
            const char *p = punctuation[i].text;

            if (c == p[0] && (!p[1] || peek(l, 1) == p[1])) {
                t.kind = punctuation[i].kind;
                n = p[1] ? 2 : 1;
            }
        }
    }
    if (n == 0) {
        t.kind = TOK_BAD;
        n = 1;
        while (peek(l, n) != -1 && (peek(l, n) & 0xc0) == 0x80)
            n++;
    }
    t.text.n = n;
    step(l, n);
    return t;
}

bool pol_text_valid(struct span text, unsigned *line, unsigned *column)
{
    struct pol_lexer l;

    pol_lexer_init(&l, text);
    while (l.at < text.n) {
        size_t n = (unsigned char)text.p[l.at] < 0x80 ? 1 : span_utf8(text, l.at);

        if (n == 0 || (l.at == 0 && n == 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)) {
            *line = l.line;
            *column = l.column;
            return false;
        }
        step(&l, n);
    }
    return true;
}

// ------------------------------------------------------------------------------------------------------- strings

static size_t utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// \u{…}: up to six hexadecimal digits, with underscores between them. Returns the bytes behind `u`.
static size_t unicode(struct span s, uint32_t *out)
{
    uint32_t v = 0;
    unsigned digits = 0;
    size_t i = 1;

    if (s.n < 3 || s.p[0] != '{')
        return 0;
    for (; i < s.n && s.p[i] != '}'; i++) {
        if (s.p[i] == '_' && digits)
            continue;
        if (hex(s.p[i]) < 0 || ++digits > 6)
            return 0;
        v = v * 16 + (uint32_t)hex(s.p[i]);
    }
    if (i == s.n || !digits || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *out = v;
    return i + 1;
}

// The escape behind a backslash: how many bytes it has, 0 when it is none.
static size_t escape(struct span s, uint32_t *out)
{
    static const char from[] = "nrt\\0'\"", to[] = "\n\r\t\\\0'\"";
    const char *f;
    size_t n;

    if (s.n == 0)
        return 0;
    f = s.p[0] ? strchr(from, s.p[0]) : NULL;
    if (f) {
        *out = (unsigned char)to[f - from];
        return 1;
    }
    if (s.p[0] == 'x' && s.n >= 3 && hex(s.p[1]) >= 0 && hex(s.p[1]) < 8 && hex(s.p[2]) >= 0) {
        *out = (uint32_t)(hex(s.p[1]) * 16 + hex(s.p[2]));
        return 3;
    }
    if (s.p[0] == 'u' && (n = unicode(span_of(s.p + 1, s.n - 1), out)))
        return n + 1;
    return 0;
}

const char *pol_unescape(struct arena *a, struct span raw, bool pattern, struct span *out, const bool **wild)
{
    char *p = arena_alloc(a, raw.n + 1);
    bool *w = NULL;
    size_t n = 0;

    if (!p || (pattern && !(w = arena_alloc(a, raw.n + 1))))
        return "out of memory";
    for (size_t i = 0; i < raw.n; i++) {
        uint32_t c;
        size_t len;

        if (raw.p[i] == '\r')
            return "a bare carriage return in a string; write \\r";
        if (raw.p[i] != '\\') {
            if (w)
                w[n] = raw.p[i] == '*';
            p[n++] = raw.p[i];
            continue;
        }
        if (pattern && i + 1 < raw.n && raw.p[i + 1] == '*') {
            p[n++] = '*';
            i++;
            continue;
        }
        len = escape(span_of(raw.p + i + 1, raw.n - i - 1), &c);
        if (!len)
            return "unknown escape in a string; known are \\n \\r \\t \\\\ \\0 \\' \\\" \\xHH (up to 7F), \\u{H…} and, "
                   "in patterns, \\*";
        if (w)
            w[n] = c == '*';
        n += utf8(c, p + n);
        i += len;
    }
    *out = span_of(p, n);
    if (wild)
        *wild = w;
    return NULL;
}

// How many columns of the file the character takes that starts at each byte of the text; 0: none, or a line break as such.
bool pol_lexer_inside(struct pol_lexer *l, const struct pol_token *string, struct span text, struct arena *a)
{
    struct span raw = string->text;
    uint8_t *widths = arena_alloc(a, text.n + 1);
    size_t n = 0;

    if (!widths)
        return false;
    memset(widths, 0, text.n + 1);
    for (size_t i = 0; i < raw.n && n < text.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        char made[4];
        uint32_t code;
        size_t len;

        if (c != '\\') {
            widths[n++] = c != '\n' && (c & 0xc0) != 0x80;
            continue;
        }
        len = escape(span_of(raw.p + i + 1, raw.n - i - 1), &code);
        assert(len > 0);
        widths[n] = len + 1 < UINT8_MAX ? (uint8_t)(len + 1) : UINT8_MAX;
        n += utf8(code, made);
        i += len;
    }
    *l = (struct pol_lexer){ .text = text, .line = string->line, .column = string->column + 1, .widths = widths };
    return true;
}
