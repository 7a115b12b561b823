// SPDX-License-Identifier: GPL-3.0-or-later
// Token buckets that all loops of the process draw from: how much of a limit somebody has used up. A bucket is one number, the time at which
// it will be full again (the generic cell rate algorithm, GCRA: a bucket of `burst` tokens that gets one back every `unit_ns` is full, or
// fills up until that time), so taking from it is one compare-and-exchange and there is nothing to lease or to refill. What is admitted
// never exceeds burst + time / unit_ns, over any time and any number of threads.
//
// A bucket is known by a 64-bit keyed hash of what it is for. It takes up a place in the table from the first charge until it is full again:
// a full bucket says nothing that a missing one does not, so its place is free for the next. The table is bounded twice. All the buckets of one
// owner (a workload) take up its share at most, however many names and subjects it comes with; beyond it new ones are refused, of that owner
// only. And a group of 32 places, in one of which a bucket has to be, may be full, of several owners' then: refused too. What cannot be counted
// is never let through.
//
// From any thread. Only the first charge of a bucket that has no place takes a lock, of its group and for a few stores. Pure: time is an argument,
// monotonic; the loops' clocks may differ.
#ifndef SALLYPORT_STAGES_QUOTA_H
#define SALLYPORT_STAGES_QUOTA_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

#define GW_QUOTA_GROUP 32 // places

struct gw_quota;

struct gw_quota_options {
    size_t buckets;         // how many there can be; rounded up to a power of two, at least one group
    unsigned share_percent; // of them, of one owner: 1 to 100
    uint64_t key[2];        // secret, so that nobody can make buckets collide
};

// NULL: out of memory. What is never used is never touched: an idle table costs address space.
struct gw_quota *gw_quota_new(const struct gw_quota_options *o);
void gw_quota_free(struct gw_quota *q); // NULL is fine
size_t gw_quota_buckets(const struct gw_quota *q);
// Places that are taken up now, those of buckets that have become full since included.
size_t gw_quota_used(const struct gw_quota *q);

struct gw_quota_rate {
    int64_t unit_ns; // in which one token comes back, rounded up
    int64_t full_ns; // in which an empty bucket fills up
    uint64_t burst;  // what a full one holds
};

// So many tokens a period. `count`, `period_ms` and `burst` are at least 1. A burst that would take longer than 2^61 ns to come back is cut off
// there, and a rate of more than one token a nanosecond is one a nanosecond.
struct gw_quota_rate gw_quota_rate(uint64_t count, int64_t period_ms, uint64_t burst);

enum gw_quota_outcome {
    GW_QUOTA_OK,
    GW_QUOTA_WAIT,   // not enough is left; it will be after wait_ns
    GW_QUOTA_NEVER,  // the cost is more than the bucket ever holds
    GW_QUOTA_SHARE,  // the owner has its share of buckets in use already
    GW_QUOTA_CROWDED // no place for the bucket
};

struct gw_quota_charge {
    uint64_t bucket; // gw_quota_bucket
    struct gw_quota_rate rate;
    uint64_t cost; // tokens, at least 1
    // Out. After GW_QUOTA_OK as it is with the charge, else without.
    enum gw_quota_outcome outcome;
    uint64_t remaining;        // tokens
    int64_t reset_ns, wait_ns; // until the bucket is full; until the charge could be taken (GW_QUOTA_WAIT), else 0
};

// The hash of what a bucket is for. The rate is part of it: a limit that gets another rate begins with full buckets.
uint64_t gw_quota_bucket(const struct gw_quota *q, const struct span *parts, size_t n,
                         const struct gw_quota_rate *rate);

// What taking the charge would come to now, without taking it.
void gw_quota_look(struct gw_quota *q, struct gw_quota_charge *charge, int64_t now_ms);

// Takes all charges, or none of them. `owner`: any hash of the workload. 0; ERR_RATE, or ERR_OVERLOADED (some GW_QUOTA_CROWDED); the outcomes
// say which of them it was.
int gw_quota_take(struct gw_quota *q, struct gw_quota_charge *charges, size_t n, uint64_t owner, int64_t now_ms);

#endif
