// SPDX-License-Identifier: GPL-3.0-or-later
// A refusal in the words of whoever has to do something about it: which gate it was, and what to do.
#ifndef SALLYPORT_CLI_ADVICE_H
#define SALLYPORT_CLI_ADVICE_H

#include "gateway/base/span.h"

struct gw_advice {
    struct span gate; // "certificate", "token", "proof", "request", "policy", "limits", "shard", "gateway"
    struct span todo; // SPAN_NONE: there is nothing to say beyond the reason
};

// Of an error by the name that records have it by ("TOKEN_MISSING").
struct gw_advice gw_advice_of(struct span rule);

#endif
