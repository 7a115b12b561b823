// SPDX-License-Identifier: GPL-3.0-or-later
// Who failed how often of late: workloads, whose requests are refused at the token, its binding or the proof; and addresses, whose handshakes are
// refused. Each failure takes a token out of a bucket of its author's (quota.h); with none left he is turned away before anything is looked at that costs
// more than reading his request, until some came back (docs/limits.md). Who does not fail is never counted, and an IPv6 address counts as its /64.
//
// One table for all loops, bounded. Unlike with limits, whoever finds no place in it is let through: what he sends is judged as ever, and only costs its
// price. So nobody who is good is refused for want of a place that others fill. Failures count when they are refused, not where a gate only observes.
#ifndef SALLYPORT_STAGES_FAILURES_H
#define SALLYPORT_STAGES_FAILURES_H

#include "gateway/config/config.h"
#include "gateway/stages/quota.h"

struct gw_failures;

// `key`: random. NULL: out of memory.
struct gw_failures *gw_failures_new(const uint64_t key[static 2]);
void gw_failures_free(struct gw_failures *f); // NULL is fine

// Whether this refusal is a failure in that sense: of a credential that was sent. Not: none was sent, a bound of ours, or what is seen before a signature
// is verified and may be nobody's malice (time, a key or a nonce that is not known here yet).
bool gw_failures_counts(int error);

// How long, in ms, until the workload may be heard again; 0: now.
int64_t gw_failures_workload(struct gw_failures *f, const struct gw_config_failure *bound, struct span spiffe_id,
                             int64_t now_ms);
void gw_failures_add_workload(struct gw_failures *f, const struct gw_config_failure *bound, struct span spiffe_id,
                              int64_t now_ms);
// The same of an address ("host:port").
int64_t gw_failures_source(struct gw_failures *f, const struct gw_config_failure *bound, struct span remote,
                           int64_t now_ms);
void gw_failures_add_source(struct gw_failures *f, const struct gw_config_failure *bound, struct span remote,
                            int64_t now_ms);

#endif
