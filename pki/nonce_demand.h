// SPDX-License-Identifier: GPL-3.0-or-later
// Of whom a nonce is demanded at present, where it is not demanded of everybody (`dpop.nonce: adaptive`; RFC 9449 §8, checklist 10). Who
// has shown a suspicious proof gets a nonce with the answer, and without one none of its proofs counts until the demand ends.
//
// One table of the process, shared by all loops without a lock and older than any configuration: a fixed number of slots, each the
// moment until which it demands. A workload's slot is a keyed hash of its SPIFFE ID. Two workloads in one slot share their demands, which
// costs the other one a round trip and lets nobody in; so nothing is ever evicted and the table cannot be full.
#ifndef SALLYPORT_PKI_NONCE_DEMAND_H
#define SALLYPORT_PKI_NONCE_DEMAND_H

#include "gateway/base/span.h"

struct pki_nonce_demands;

struct pki_nonce_demands *pki_nonce_demands_new(void); // NULL: out of memory
void pki_nonce_demands_free(struct pki_nonce_demands *d);

// Both from any thread. Times are of the monotonic clock, so that a clock that is set back or ahead ends no demand.
// Demands until then; never less long than before.
void pki_nonce_demand(struct pki_nonce_demands *d, struct span workload, int64_t until_ms);
bool pki_nonce_demanded(const struct pki_nonce_demands *d, struct span workload, int64_t now_ms);

#endif
