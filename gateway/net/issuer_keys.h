// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps the keys of issuers that are fetched by URL: asks when config/key_source.h says so, on the control thread, and tells when the next revocation
// generation has something to carry. No request ever waits for it but one whose token names a key nobody knows (config/key_bell.h).
//
// A fetch has connections of its own, made from the configuration that is in force then, and none is kept: minutes lie between two.
#ifndef SALLYPORT_NET_ISSUER_KEYS_H
#define SALLYPORT_NET_ISSUER_KEYS_H

#include "gateway/base/log.h"
#include "gateway/config/snapshot.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/net/origin.h"

struct gw_issuer_keys;

struct gw_issuer_keys_options {
    struct gw_origin_ground ground;
    struct log *log;
    void (*on_news)(void *ctx); // keys, their age, or the answer to a bell: publish another generation
    void (*on_rung)(void *ctx); // from any thread: call gw_issuer_keys_rung on this one
    void *ctx;
};

// NULL: out of memory.
struct gw_issuer_keys *gw_issuer_keys_new(const struct gw_issuer_keys_options *options);
// Ends what is under way without a word. Its connections close in their own time.
void gw_issuer_keys_free(struct gw_issuer_keys *k); // NULL is fine
// A configuration is in force (a reference is taken): issuers that are new begin, those that are gone end, the others go on with what they have.
// False when out of memory: some are not kept.
bool gw_issuer_keys_adopt(struct gw_issuer_keys *k, struct gw_snapshot *s);
// Puts keys and bells into a generation that nobody has seen yet; `config` is the one it is for, in force or about to be. False when out of memory.
bool gw_issuer_keys_give(const struct gw_issuer_keys *k, const struct gw_config *config, struct gw_revocations *r);
void gw_issuer_keys_rung(struct gw_issuer_keys *k);
// Why the last fetch failed; SPAN_NONE: it did not.
struct span gw_issuer_keys_fault(const struct gw_issuer_keys *k, struct span iss);
// Rows for the metrics, at most `most`; how many there are.
size_t gw_issuer_keys_count(const struct gw_issuer_keys *k, struct gw_metrics_issuer *rows, size_t most);

#endif
