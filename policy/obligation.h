// SPDX-License-Identifier: GPL-3.0-or-later
// What a permit obliges the gateway to do with a request that it permits (checklist rule 37): every obligation of every
// determining policy applies. They are written as annotations, and only under pol_options.strict_annotations:
//
//   @filter("tenant_id", "principal.tenant")  the request sees and changes only records whose field has that value. The second text is a
//                                             Cedar expression, evaluated for the request; it yields a String, Long or Bool, or a set of
//                                             those: any of them. As one text, which Cedar's own tools can read, too:
//                                             @filter("tenant_id == principal.tenant"), several joined by &&
//   @limit("1000/min")                        so many requests a period (s, min, h, day) for the policy and the principal
//   @audit("full")                            the audit record holds everything, whatever the configuration leaves out, and stands in the log
//                                             before the request is forwarded
//
// On a forbid they are load errors, and so is what cannot be read. A filter whose expression fails, or yields something else, denies.
#ifndef SALLYPORT_POLICY_OBLIGATION_H
#define SALLYPORT_POLICY_OBLIGATION_H

#include "policy/value.h"

enum pol_obligation_kind { POL_OBLIGATION_FILTER, POL_OBLIGATION_LIMIT, POL_OBLIGATION_AUDIT };

// One of an answer. `field` lives as long as the set, `value` as long as the request's arena.
struct pol_obligation {
    enum pol_obligation_kind kind;
    uint32_t policy;        // index; pol_set_policy
    struct span field;      // FILTER
    struct pol_value value; // FILTER
    uint64_t count;         // LIMIT: at least 1
    int64_t period_ms;      // LIMIT
};

// "s", "min", "h", "day": what a limit calls this period.
struct span pol_obligation_period(int64_t period_ms);
// What they stand for; 0: another text.
int64_t pol_obligation_period_ms(struct span name);

#endif
