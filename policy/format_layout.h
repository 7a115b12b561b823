// SPDX-License-Identifier: GPL-3.0-or-later
// Items that are printed on as few lines as the width allows: a group stands on one line if it fits there, else each of its own breaks is
// a new line. A comment ends its line, so whatever holds one is broken.
#ifndef SALLYPORT_POLICY_FORMAT_LAYOUT_H
#define SALLYPORT_POLICY_FORMAT_LAYOUT_H

#include "gateway/base/buf.h"
#include "policy/vec.h"

enum pol_layout_kind {
    LAYOUT_TEXT,
    LAYOUT_LINE,    // a space, or a new line
    LAYOUT_BREAK,   // nothing, or a new line
    LAYOUT_NEWLINE, // a new line
    LAYOUT_BLANK,   // a new line and an empty one
    LAYOUT_GROUP,
    LAYOUT_END,
    LAYOUT_INDENT,
    LAYOUT_OUTDENT,
    LAYOUT_COMMENT, // on a line of its own; without text: an empty line
    LAYOUT_BESIDE,  // a comment at the end of the line
};

struct pol_layout_item {
    uint8_t kind; // enum pol_layout_kind
    uint32_t width;
    struct span text;
};

POL_VEC(pol_layout_items, struct pol_layout_item);

struct pol_layout {
    struct pol_layout_items items;
    bool failed;
};

// Texts are borrowed until the layout is printed.
void pol_layout_add(struct pol_layout *l, enum pol_layout_kind kind, struct span text);
// False when out of memory; then nothing was appended.
bool pol_layout_print(const struct pol_layout *l, unsigned width, struct buf *out);
void pol_layout_fini(struct pol_layout *l);

#endif
