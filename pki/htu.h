// SPDX-License-Identifier: GPL-3.0-or-later
// The one spelling of an HTTP URI for RFC 9449 §4.3 (9): syntax-based and scheme-based normalisation of RFC 3986 §6.2.2–6.2.3, query
// and fragment left off. Scheme and host in lower case, default or empty port dropped, percent-encoding in upper case and undone for
// unreserved characters, dot segments removed, an empty path becomes "/".
#ifndef SALLYPORT_PKI_HTU_H
#define SALLYPORT_PKI_HTU_H

#include "gateway/base/arena.h"

#define PKI_HTU_MAX 8192

// `uri` is absolute, http or https, without userinfo. Writes at most uri.n + 1 bytes to `out`, returns how many; 0 when it is not such a
// URI (bad escape, control or non-ASCII byte, percent-encoding in the host, port out of range, over PKI_HTU_MAX).
size_t pki_htu_normalise(struct span uri, char *out);
// Into an arena; SPAN_NONE for the same reasons, or without memory.
struct span pki_htu_normalise_dup(struct arena *a, struct span uri);

#endif
