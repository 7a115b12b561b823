// SPDX-License-Identifier: GPL-3.0-or-later
// What this loop's own requests say of an endpoint. One that failed GW_OUTLIER_FAILURES of them in a row is an outlier: it is ejected, which is
// to say passed over while another can be asked, for GW_OUTLIER_BASE_MS times the number of its ejections. When it comes back, however it was
// away, it is given a growing part of the load for GW_OUTLIER_SLOW_START_MS.
//
// A failure is what the endpoint did: no answer in time, an answer that broke off or was none, or one of 502, 503 and 504. A 500 is no failure here,
// because one client's request may be what causes it, nor is anything that our client did. Connections are the breaker's (breaker.h).
// Who may be ejected, so that no more than half of a shard is at once, is decided by who knows them all: pool.h.
#ifndef SALLYPORT_NET_OUTLIER_H
#define SALLYPORT_NET_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

#define GW_OUTLIER_FAILURES 5
#define GW_OUTLIER_BASE_MS 10000
#define GW_OUTLIER_LONGEST_MS 300000
#define GW_OUTLIER_SLOW_START_MS 10000
#define GW_OUTLIER_WEIGHT 100 // of an endpoint that is not new

struct gw_outlier { // zeroed: nothing was heard yet
    unsigned failures;
    unsigned ejections; // that are not forgotten
    int64_t until_ms;   // ejected until then; 0: never was
    int64_t back_ms;    // when it came back; 0: never was away
};

static inline bool gw_outlier_is_out(const struct gw_outlier *o, int64_t now_ms)
{
    return now_ms < o->until_ms;
}

// True: it has failed so often that it should be ejected.
bool gw_outlier_failed(struct gw_outlier *o);
void gw_outlier_succeeded(struct gw_outlier *o, int64_t now_ms);
// For how long, is its own affair.
void gw_outlier_eject(struct gw_outlier *o, int64_t now_ms);
// It was away for another reason (checks, the breaker), and takes requests again.
void gw_outlier_is_back(struct gw_outlier *o, int64_t now_ms);
// Its part of the load, in percent of an endpoint that was there all the time.
unsigned gw_outlier_weight(const struct gw_outlier *o, int64_t now_ms);
// Of the answer's status.
static inline bool gw_outlier_is_failure(unsigned status)
{
    return status == 502 || status == 503 || status == 504;
}

#endif
