// SPDX-License-Identifier: GPL-3.0-or-later
// A hole on purpose. A gate that only observes what a workload does (config/modes.h) lets through what it refuses: the refusal is recorded,
// counted and told in a field of the answer, and the request goes on. This is the one place where a refusal may not count, and the table
// in observe.c the list of the refusals that may be so: certificates, revocations, HTTP, unknown requests, limits, and whatever is not
// in the table always count. The verdict still is ALLOW only behind the last stage.
//
//   token gate   Nothing is believed of the token: the request goes on as the workload alone, and policies see a token without any facts
//                (bound_to "nothing"). A token that holds but for its scopes is believed, and its scopes bound nothing.
//                A token that was revoked, or that its issuer calls inactive, is refused in every mode, and one in the query: a shard
//                would get it.
//   policy gate  What no policy permits, or one forbids, goes on whole. Where the request needs several authorisations, what holds of the
//                others still obliges: their @filter confines, or refuses what it cannot confine. Entries of a list that would be
//                hidden are shown.
#ifndef SALLYPORT_STAGES_OBSERVE_H
#define SALLYPORT_STAGES_OBSERVE_H

#include "gateway/stages/exchange.h"

enum { GW_AGAIN = 3 }; // the stage runs once more

// `rc`, a refusal of the present stage, if it counts. GW_PASS: it goes on to the next stage; GW_AGAIN, GW_BODY: as from a stage.
// Otherwise another refusal, which counts.
int gw_observe(struct gw_exchange *x, int rc);

// The gate whose refusal `rc` is; GW_GATE_COUNT: one that counts in every mode.
enum gw_gate gw_refusal_gate(int rc);

// An entry of a list that policies hide: whether it is shown all the same.
bool gw_observe_hidden(struct gw_exchange *x);

// Some gate would have refused it.
bool gw_observed(const struct gw_exchange *x);

#endif
