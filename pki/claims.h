// SPDX-License-Identifier: GPL-3.0-or-later
// Reading claims by type (RFC 7519 §4): each function tells "absent", "there" and "there but of another type" apart, so that a claim
// of the wrong type is never taken for a missing one.
#ifndef SALLYPORT_PKI_CLAIMS_H
#define SALLYPORT_PKI_CLAIMS_H

#include "gateway/base/arena.h"
#include "gateway/base/json.h"
#include "pki/issuer.h"

// A member by name, or by JSON Pointer when the name begins with '/' (RFC 6901; members of objects only). NULL: absent.
json pki_claim(json claims, struct span name);
// False: there, but not a string (or holding a NUL). Absent: true and SPAN_NONE.
bool pki_claim_string(json v, struct span *out);
// NumericDate (RFC 7519 §2): an integer or a fraction, from 1970 up to the year 9999, in milliseconds. False when absent or anything else.
bool pki_claim_date(json v, int64_t *ms);
// A string or an array of strings → list in the arena; `split` cuts each at spaces. Absent: true and empty. False: another type, or
// the arena failed (then arena->failed).
bool pki_claim_list(json v, bool split, struct arena *arena, struct pki_names *out);

#endif
