// SPDX-License-Identifier: GPL-3.0-or-later
// The token stage's other credential: an API key, in `Authorization: Bearer` or in a field of its own, as the configuration says, and never
// in both (checklist 26). It is looked up, not verified: there is no signature to remember, so no cache either, and what was revoked or has
// expired is refused at the next use. Of a key only its id goes into x->detail or anywhere else that lasts.
#ifndef SALLYPORT_STAGES_API_KEY_H
#define SALLYPORT_STAGES_API_KEY_H

#include "gateway/stages/exchange.h"

enum { GW_API_KEY = 1 };

// GW_API_KEY and `*key` when the request has the field `api-key`, and it counts here. 0 when not; ERR_TOKEN_WAYS.
int gw_api_key_in_field(struct gw_exchange *x, struct span *key);
// Whether the credentials of `Authorization` are an API key: by their beginning, with the Bearer scheme, where keys are accepted there.
bool gw_api_key_is_one(const struct gw_exchange *x, struct span credentials);
// x->token for the key. 0, or what pki_api_keys_use says.
int gw_api_key_use(struct gw_exchange *x, struct span key);

#endif
