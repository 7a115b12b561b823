// SPDX-License-Identifier: GPL-3.0-or-later
// Where the values of a JSON document stand in its text. The JSON library reads the document, and the text is walked along
// in the same order, since that is what knows lines and columns. Columns count characters.
#ifndef SALLYPORT_POLICY_JSON_WALK_H
#define SALLYPORT_POLICY_JSON_WALK_H

#include "gateway/base/json.h"

struct pol_cursor {
    struct span text; // valid JSON
    size_t at;
    unsigned line, column;
};

struct pol_json_node {
    json v;
    struct pol_cursor at;
};

// The children of an array or object, each with its place; an object's names stand at `name_at`.
struct pol_json_walk {
    struct json_iter it;
    struct pol_cursor c;
    struct pol_cursor name_at;
    bool object, started;
};

// The root of what `text` was parsed into.
struct pol_json_node pol_json_node(struct span text, const struct json_doc *doc);
struct pol_json_walk pol_json_walk(const struct pol_json_node *n); // of nothing, if it has no children
bool pol_json_step(struct pol_json_walk *w, struct span *name, struct pol_json_node *child);

#endif
