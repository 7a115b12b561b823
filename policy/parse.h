// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar text → trees, by recursive descent of bounded depth. After an error in a policy the parser goes on behind its
// semicolon, so one run shows the first fault of every policy.
#ifndef SALLYPORT_POLICY_PARSE_H
#define SALLYPORT_POLICY_PARSE_H

#include "policy/ast.h"
#include "policy/lex.h"

struct pol_parser {
    struct pol_lexer lexer;
    struct pol_token token; // the current one
    struct pol_token ahead; // kind TOK_BAD with no text: none was read yet
    bool has_ahead;
    bool failed; // the current policy has an error, which was reported
    unsigned depth;
    struct arena *arena;
    struct diags *diags;
    struct span file;
    const struct pol_options *options;
    bool two_texts; // @filter may have them although annotations are free
};

// Parses all of a text; the list of what parsed, in order. Errors go to `diags`; look at their count.
struct pol_ast_policy *pol_parse(struct arena *arena, const struct pol_source *source,
                                 const struct pol_options *options, struct diags *diags);

// As Cedar has it, for who lays texts out (format.h): annotations are free. Only @filter may have two texts, as our policies have it.
struct pol_ast_policy *pol_parse_any(struct arena *arena, const struct pol_source *source, struct diags *diags);

// The rest is between parse.c, parse_expr.c and parse_member.c.
struct pol_node *pol_parse_expr(struct pol_parser *p); // NULL after an error
struct pol_node *pol_parse_sum(struct pol_parser *p);  // an expression that binds at least as + does
struct pol_node *pol_parse_member(struct pol_parser *p);
struct pol_node *pol_parse_number(struct pol_parser *p, bool negative);
bool pol_parse_accessible(enum pol_token_kind kind); // starts an accessor: . [ (

// A list of children under construction.
struct pol_node_list {
    struct pol_node *parent, *last;
};
struct pol_node *pol_parse_node(struct pol_parser *p, enum pol_node_kind kind, struct pol_place at);
struct pol_node *pol_parse_add(struct pol_node_list *l, struct pol_node *child);
// Turns `first` into the first child of a new node, where a chain continues.
struct pol_node_list pol_parse_chain(struct pol_parser *p, enum pol_node_kind kind, struct pol_node *first,
                                     struct pol_place at);

void pol_parse_next(struct pol_parser *p);
const struct pol_token *pol_parse_ahead(struct pol_parser *p);
// Takes a token of this kind; else an error: "expected <what>, found …".
bool pol_parse_take(struct pol_parser *p, enum pol_token_kind kind, const char *what);
// Marks the policy as failed and reports, once.
void pol_parse_fail(struct pol_parser *p, struct pol_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pol_parse_unexpected(struct pol_parser *p, const char *wanted);
bool pol_parse_word(const struct pol_parser *p, const char *word);
// IDENT {"::" IDENT}; the current token is the first. Stops before a "::" that no identifier follows. SPAN_NONE after
// an error.
struct span pol_parse_path(struct pol_parser *p);
// A string token, unescaped; SPAN_NONE after an error.
struct span pol_parse_string(struct pol_parser *p, bool pattern, const bool **wild);
void *pol_parse_alloc(struct pol_parser *p, size_t n); // NULL after an error
bool pol_parse_ident_ok(struct pol_parser *p);         // the current identifier is not a reserved word
static inline struct pol_place pol_parse_place(const struct pol_parser *p)
{
    return (struct pol_place){ p->token.line, p->token.column };
}

// annotation.c: rule 37. Whether the name is accepted under strict_annotations; reports it if not.
bool pol_annotation_obliges(struct span name);
bool pol_annotation_check(const struct pol_ast_annotation *a, struct span file, struct diags *diags);
// The value, of one whose name is; reports one that would oblige to something else.
void pol_annotation_check_value(const struct pol_ast_annotation *a, struct span file, struct diags *diags);

// obligation_parse.c: the rest of @filter, @limit, @audit behind the name; the current token is what follows it. False after an error.
bool pol_parse_obligation(struct pol_parser *p, struct pol_ast_policy *policy, struct pol_ast_annotation *a);
// Once the effect is known. Reports what a forbid cannot oblige to.
void pol_parse_obligations_check(struct pol_parser *p, const struct pol_ast_policy *policy);

#endif
