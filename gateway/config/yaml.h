// SPDX-License-Identifier: GPL-3.0-or-later
// YAML as people who write configuration understand it: maps, lists and scalars with the place each stood at. What makes YAML say something else than it
// seems to is refused: anchors, aliases, merge keys, tags, directives, several documents, duplicate keys, keys that are no
// plain words, a byte order mark, NUL. A scalar stays the text it was; what type it is, is the reader's to say (gw_yaml_to_json says it for JSON).
#ifndef SALLYPORT_CONFIG_YAML_H
#define SALLYPORT_CONFIG_YAML_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/diag.h"
#include "gateway/base/err.h"

#define GW_YAML_BYTES_MAX (16u * 1024 * 1024)
#define GW_YAML_DEPTH_MAX 32

enum gw_yaml_kind { GW_YAML_SCALAR, GW_YAML_LIST, GW_YAML_MAP };

// In a map the children are the values, each with its key. All of it lives in the arena given to gw_yaml_parse.
struct gw_yaml {
    enum gw_yaml_kind kind;
    unsigned line, column; // from 1
    struct span text;      // scalars; NUL-terminated
    bool quoted;           // 'x', "x" or a block scalar: a text whatever it looks like
    struct span key;       // in a map; SPAN_NONE else
    unsigned key_line, key_column;
    struct gw_yaml *first, *next;
    size_t count; // children
};

// `file` names the text in complaints. 0 and `*root` (NULL for an empty text), or ERR_CONFIG with the reasons in `diags`, or ERR_NOMEM.
int gw_yaml_parse(struct span text, struct span file, struct arena *arena, struct diags *diags, struct gw_yaml **root);
// As above, but where reading could go on after an error the tree is given all the same (`*root` set, ERR_CONFIG returned), so that more can be
// complained about.
int gw_yaml_parse_on(struct span text, struct span file, struct arena *arena, struct diags *diags,
                     struct gw_yaml **root);
// A plain (unquoted) scalar that means "no value": empty, ~ or null.
bool gw_yaml_is_null(const struct gw_yaml *node);
// The value of a key, or NULL.
const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, struct span key);

// Appends the same thing as JSON. Plain scalars are null, true, false, a decimal number as JSON writes it, or a string; those that some YAML reader
// takes for something else (yes, On, NULL, 0777, 0x1f, 1_000, .inf) are refused with the advice to quote them. Every value stands on
// the line it had in the YAML text, so that the line of a later complaint about the JSON is right for the YAML. Returns as gw_yaml_parse; on failure
// `out` is unchanged.
int gw_yaml_to_json(struct span yaml, struct span file, struct buf *out, struct diags *diags);

#endif
