// SPDX-License-Identifier: GPL-3.0-or-later
// Asks Kubernetes clusters about service-account tokens (TokenReview), for the enrolment endpoint, on the authority's thread. A question is one request over a
// connection of its own; visits with the same token share it, and its answer is kept for a few seconds, for those who waited. The number of
// questions is bounded. Tokens are compared by SHA-256, and what holds one is wiped.
#ifndef SALLYPORT_NET_TOKEN_REVIEW_H
#define SALLYPORT_NET_TOKEN_REVIEW_H

#include "gateway/base/log.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/origin.h"

#define GW_REVIEWS_MAX 256
#define GW_REVIEW_KEPT_MS 5000

struct gw_review;

// Zeroed but for what is above the line.
struct gw_reviews {
    struct gw_origin_ground ground;
    struct log *log;
    void (*on_answer)(void *ctx); // visits that wait are to be asked again
    void *ctx;
    // ----
    struct gw_review *first;
    size_t n;
    bool asking; // a question is being sent: its answer may be there before that is over
};

// 0 and the body of a good answer, until the next call; GW_VISIT_WAITS; ERR_REVIEW_FAILED, ERR_OVERLOADED, ERR_NOMEM. `s` is the present snapshot.
int gw_reviews_ask(struct gw_reviews *r, struct gw_snapshot *s, size_t cluster, struct span token,
                   const uint8_t sha256[static 32], struct span *answer);
// Once a second: forgets old answers.
void gw_reviews_look(struct gw_reviews *r);
// Ends all of them. Connections close in their own time.
void gw_reviews_end(struct gw_reviews *r);

#endif
