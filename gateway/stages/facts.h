// SPDX-License-Identifier: GPL-3.0-or-later
// What policies see. One authorisation of an exchange becomes one Cedar request:
//
//   principal  Workload::"spiffe://example.org/rag"  in TrustDomain::"example.org", in Role::"issuer-name/role" for each role of the token
//              attributes: trust_domain, path, serial, dns when there is one
//   action     Action::"search" …, in Action::"readonly", "readwrite", "admin" as docs/policy.md has it
//   resource   the most precise thing the request names:
//              Collection::"tenant/database/name" (Chroma) or Collection::"name" (Qdrant), in its Database, Tenant and Server
//              Database::"tenant/database", Tenant::"tenant", or Server::"chroma" for what belongs to the server alone
//              attributes: api, and name, database, tenant as far as there are any
//   context    token { issuer, subject, client_id, scopes, roles, groups, tenant, bound_to, claims }, tls { version, group, cipher, resumed },
//              http { method, path, api, operation }, request { limit, queries, points, has_filter, by_id, with_vectors, with_payload,
//              shard_keys }, time { now } in seconds
//
// A fact that is not known is absent, so that a policy which reads it errs: an erring permit does not permit, an erring forbid denies.
#ifndef SALLYPORT_STAGES_FACTS_H
#define SALLYPORT_STAGES_FACTS_H

#include "gateway/stages/exchange.h"

// Fills an uninitialised request for one authorisation. What went wrong sticks in r->err.
void gw_facts(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r);
// The same request, for a question that may come again: with what was kept of it the last time (policy/partial.h), if the token keeps its facts.
// Owes a pol_partial_release; those of x->decisions get it from gw_decisions_release (policy.c).
void gw_facts_partial(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r);

// The resource alone: what an authorisation is about, of the API of this name. In the request's arena.
void gw_facts_resource(struct span api, const struct gw_api_authorisation *a, struct pol_request *r);

#endif
