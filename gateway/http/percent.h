// SPDX-License-Identifier: GPL-3.0-or-later
// Percent-encoding (RFC 3986 §2.1), UTF-8 (RFC 3629) and the character classes of a URI, for target.c and query.c.
#ifndef SALLYPORT_HTTP_PERCENT_H
#define SALLYPORT_HTTP_PERCENT_H

#include "gateway/base/span.h"

// RFC 3986 §2.3, and pchar of §3.3 without the percent sign.
bool gw_is_unreserved(char c);
bool gw_is_pchar(char c);
// The byte that "%XX" at s.p[i] stands for, or -1.
int gw_percent_byte(struct span s, size_t i);
// No overlong forms, no surrogates, nothing above U+10FFFF.
bool gw_is_utf8(struct span s);
// UTF-8 without control characters: C0, DEL and C1.
bool gw_is_text(struct span s);

#endif
