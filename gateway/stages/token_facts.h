// SPDX-License-Identifier: GPL-3.0-or-later
// What policies see of a token: context.token, and the names of its roles. Neither depends on anything but the token and its issuer, so a token
// that is in the loop's cache keeps them from its second use on, packed, and counted among what its entry takes
// (pki_token_cache_attach); for any other they are made once an exchange.
#ifndef SALLYPORT_STAGES_TOKEN_FACTS_H
#define SALLYPORT_STAGES_TOKEN_FACTS_H

#include "pki/token.h"
#include "policy/partial.h"

struct gw_exchange;

struct gw_token_facts {
    struct pki_token_extra extra;
    struct pol_counted counted; // refs 0: in the exchange's arena
    struct pol_value value;     // context.token: strings, numbers, sets and records, no entity
    struct span text;           // of the value, where audit records have it; else SPAN_NONE
    const struct span *roles;   // "issuer/role", as many as the token has
};

// As long as the exchange's arena, or the token. NULL with r->err set.
const struct gw_token_facts *gw_token_facts_of(struct gw_exchange *x, struct pol_request *r);
// Those that the token keeps, which never change and may be held longer than it; NULL: it keeps none.
struct gw_token_facts *gw_token_facts_kept(const struct pki_token *t);

#endif
