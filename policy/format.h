// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar text in one canonical layout: lines of up to 100 characters, two spaces, operators at the ends of lines, a blank line between
// policies. Every comment is kept, beside or before what it stood beside or before. Tokens stay as they were written, but for trailing
// commas, which go. Formatting what was formatted changes nothing, and the policies mean what they meant.
#ifndef SALLYPORT_POLICY_FORMAT_H
#define SALLYPORT_POLICY_FORMAT_H

#include "gateway/base/buf.h"
#include "policy/set.h"

#define POL_FORMAT_WIDTH 100u

// Appends the formatted text. False with errors in `diags` for what is no Cedar text (or when out of memory); then nothing was appended.
bool pol_format(const struct pol_source *source, struct buf *out, struct diags *diags);

#endif
