// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar text as tokens. Comments and white space are skipped; a string token's text is what stands between the quotes,
// still escaped (pol_unescape). Columns count characters, not bytes.
#ifndef SALLYPORT_POLICY_LEX_H
#define SALLYPORT_POLICY_LEX_H

#include "gateway/base/arena.h"

enum pol_token_kind {
    TOK_END,
    TOK_BAD, // a character or an unclosed string that no token starts with
    TOK_IDENT,
    TOK_NUMBER,
    TOK_STRING,
    TOK_SLOT, // ?principal
    TOK_AT,
    TOK_DOT,
    TOK_COMMA,
    TOK_SEMI,
    TOK_COLON,
    TOK_PATH, // ::
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_EQ,
    TOK_NE,
    TOK_LT,
    TOK_LE,
    TOK_GE,
    TOK_GT,
    TOK_OR,
    TOK_AND,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR,
    TOK_SLASH,
    TOK_PERCENT,
    TOK_NOT,
    TOK_ASSIGN, // =
};

struct pol_token {
    enum pol_token_kind kind;
    struct span text;
    unsigned line, column;
};

struct pol_lexer {
    struct span text; // valid UTF-8
    size_t at;
    unsigned line, column; // of `at`
    const uint8_t *widths; // a byte each, or NULL: pol_lexer_inside
};

void pol_lexer_init(struct pol_lexer *l, struct span text);
// Of the text that a string token stands for, so that places are those in the file. `text` is what pol_unescape made of `string`. False when
// out of memory.
bool pol_lexer_inside(struct pol_lexer *l, const struct pol_token *string, struct span text, struct arena *a);
struct pol_token pol_lex(struct pol_lexer *l);
// True when valid UTF-8 without a byte order mark; else the place of the first fault.
bool pol_text_valid(struct span text, unsigned *line, unsigned *column);

// The characters that an escaped string stands for. `pattern`: an unescaped * becomes a wildcard, \* a star. NULL, or
// what is wrong with it (static text). In a pattern wildcards are told from stars by `wild`: an array of out->n flags,
// NULL when there is none.
const char *pol_unescape(struct arena *a, struct span raw, bool pattern, struct span *out, const bool **wild);

#endif
