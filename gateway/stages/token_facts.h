// SPDX-License-Identifier: GPL-3.0-or-later
// What policies see of a token: context.token, and the names of its roles. Neither depends on anything but the token and its issuer, so a token
// that is in the loop's cache keeps them from its second use on, packed, and counted among what its entry takes
// (pki_token_cache_attach); for any other they are made once an exchange.
#ifndef SALLYPORT_STAGES_TOKEN_FACTS_H
#define SALLYPORT_STAGES_TOKEN_FACTS_H

#include "pki/token.h"
#include "policy/request.h"

struct gw_exchange;

struct gw_token_facts {
    struct pki_token_extra extra;
    struct pol_value value;   // context.token: strings, numbers, sets and records, no entity
    const struct span *roles; // "issuer/role", as many as the token has
    unsigned refs;            // 0: in the exchange's arena
};

// As long as the exchange's arena, or the token. NULL with r->err set.
const struct gw_token_facts *gw_token_facts_of(struct gw_exchange *x, struct pol_request *r);
// Only of such that a token keeps. They stay the same as long as anybody holds them.
void gw_token_facts_ref(struct gw_token_facts *f);
void gw_token_facts_unref(struct gw_token_facts *f);

#endif
