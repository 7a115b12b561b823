// SPDX-License-Identifier: GPL-3.0-or-later
// What the reader's file (json.c, the one that knows yyjson) does for the writer's (json_writer.c).
#ifndef SALLYPORT_BASE_JSON_INSIDE_H
#define SALLYPORT_BASE_JSON_INSIDE_H

#include "gateway/base/json.h"

// Appends the shortest text that reads as the same number; null for infinities and not-a-numbers.
void json_real_write_(struct buf *out, double v);

#endif
