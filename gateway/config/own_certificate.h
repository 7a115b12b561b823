// SPDX-License-Identifier: GPL-3.0-or-later
// A certificate that was enrolled (enrolment.h), as the loops share it: it never changes, and each holds it while its TLS context may be made of it again.
#ifndef SALLYPORT_CONFIG_OWN_CERTIFICATE_H
#define SALLYPORT_CONFIG_OWN_CERTIFICATE_H

#include "gateway/config/enrolment.h"

#include <stdatomic.h>

struct gw_own_certificate {
    _Atomic(unsigned) refs;
    struct gw_enrolled e;
};

// A copy, with one reference. NULL: out of memory.
struct gw_own_certificate *gw_own_certificate_new(const struct gw_enrolled *e);
struct gw_own_certificate *gw_own_certificate_ref(struct gw_own_certificate *o); // NULL is fine, and gives NULL
void gw_own_certificate_unref(struct gw_own_certificate *o);                     // wipes with the last; NULL is fine

#endif
