// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's filters: boolean expressions in a string of the body ("year > 2020 and lang in ['en', 'de']"). This reads the language that the servers'
// own grammar has (Plan.g4 of 2.5 and 2.6) and refuses the rest, so that a text that is put into parentheses stays in them: every token is one that the
// server's lexer would cut the same way, every bracket is closed by its own kind, and operands and operators take turns. How tightly operators
// bind is left to the server, which gets the same tokens in the same order, a space between any two.
//
// Refused, though the newest servers have them: random_sample and element_filter, which are no conditions on a record and cannot stand below an AND;
// match_any and its like, `$[x]`; functions that are not known; the escaped line end in a string. A server that does not know what is read here (raw
// strings, `is null`, `{names}`) answers with an error.
//
// Pure; no memory but the buffer's.
#ifndef SALLYPORT_API_MILVUS_EXPR_H
#define SALLYPORT_API_MILVUS_EXPR_H

#include "gateway/base/buf.h"

#define GW_MILVUS_EXPR_DEPTH 32u

// Appends the expression as it may go on to `out`; nothing for one that is empty or blank. No template parameter in it begins with `reserved` (SPAN_NONE:
// any may). 0, ERR_API_BODY with static text in `*problem`, or ERR_NOMEM; `out` is then to be thrown away.
int gw_milvus_expr_read(struct span text, struct span reserved, struct buf *out, const char **problem);

// What can be written into an expression as a field: a plain name that is no word of the language.
bool gw_milvus_expr_is_field(struct span name);

#endif
