// SPDX-License-Identifier: GPL-3.0-or-later
// The words of a Weaviate query, one at a time, and the text that is written of those that were taken: nothing else of the query goes on. What is not read
// here (variables, directives, comments, block strings) is refused by name.
#ifndef SALLYPORT_API_GRAPHQL_TOKEN_H
#define SALLYPORT_API_GRAPHQL_TOKEN_H

#include "gateway/base/buf.h"

enum gw_graphql_token {
    GW_GRAPHQL_END,
    GW_GRAPHQL_NAME,
    GW_GRAPHQL_NUMBER,
    GW_GRAPHQL_STRING,
    GW_GRAPHQL_SPREAD, // ...
    GW_GRAPHQL_MARK,   // one of ( ) [ ] { } :
};

// Begin with `at`, `end` and `out`, all else zero, and gw_graphql_next.
struct gw_graphql_tokens {
    const char *at, *end;
    struct buf *out;
    // The current token; of a string what is between the quotes.
    enum gw_graphql_token token;
    struct span text;
    bool escaped; // the string has escapes
    int error;    // the first; 0: none
    const char *problem;
};

// Each returns false after an error. This one notes ERR_API_BODY with a static text, unless there is an error already.
bool gw_graphql_fail(struct gw_graphql_tokens *t, const char *problem);
// Reads on, past the current token.
bool gw_graphql_next(struct gw_graphql_tokens *t);
// Writes the current token, and reads on.
bool gw_graphql_advance(struct gw_graphql_tokens *t);
// Whether the current token is this mark.
bool gw_graphql_at(const struct gw_graphql_tokens *t, char c);
// Advances past this mark, or a name; fails when it is something else.
bool gw_graphql_take(struct gw_graphql_tokens *t, char c, const char *problem);
bool gw_graphql_take_name(struct gw_graphql_tokens *t, struct span *name);

#endif
