// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of one issuer that are fetched by URL: when to fetch, what to ask, and what to make of an answer. No I/O and no clock: whoever can send
// requests (net/issuer_keys.h) asks when it is due and hands the answer back, and a test can stand at any moment.
//
//   due ─▶ ask ─▶ … answer … ─▶ take ─▶ MORE: ask again, at once (discovery named the URL of the keys)
//                                 └───▶ NEW, SAME, FAILED: the round is over; due says when the next begins
//
// With discovery (RFC 8414 §3) a round begins with the issuer's metadata: at `/.well-known/oauth-authorization-server` in front of the path of its
// name, or, where that is not found, at `/.well-known/openid-configuration` behind it. `issuer` in them must be the configured one, byte for byte,
// and `jwks_uri` is https; its host may be another. Metadata are kept for an hour, or until something fails.
//
// A good answer is kept as long as it says itself (RFC 9111), within [30 s, refresh], and never longer than a third of max_stale. What fails is tried
// again soon, and then ever less often up to once a minute. Both with jitter, so that gateways that began together do not stay together.
//
// What fails takes nothing away, but for one thing: a well-formed set that cannot be used still says which keys are not published any more.
#ifndef SALLYPORT_CONFIG_KEY_SOURCE_H
#define SALLYPORT_CONFIG_KEY_SOURCE_H

#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/http/freshness.h"
#include "pki/issuer.h"

#define GW_KEY_ANSWER_MAX (512u << 10) // bytes of an answer that are read
#define GW_KEY_FAULT_MAX 512

struct gw_key_source;

// Where one request goes. Spans and texts belong to the source, until the answer is taken.
struct gw_key_question {
    bool tls;
    const char *host;
    uint16_t port;
    struct span authority, target;
    struct span etag; // for If-None-Match; SPAN_NONE: none
};

struct gw_key_answer {
    int error;        // enum err when there is none …
    const char *what; // … with a static text; may be NULL
    unsigned status;
    struct gw_freshness freshness;
    struct span etag, retry_after; // fields
    struct span body;
};

enum gw_key_step {
    GW_KEYS_MORE,   // ask again
    GW_KEYS_NEW,    // another set than before
    GW_KEYS_SAME,   // the same, read again now
    GW_KEYS_FAILED, // gw_key_source_fault says why
};

// `config` is the issuer's, with keys.url; copied. `seed` is of the jitter, and random. NULL: out of memory.
struct gw_key_source *gw_key_source_new(const struct gw_config_issuer *config, uint64_t seed);
void gw_key_source_free(struct gw_key_source *s); // NULL is fine
// Whether this is the source of that issuer: same name, same URL.
bool gw_key_source_is(const struct gw_key_source *s, const struct gw_config_issuer *config);
// Takes up what else a new configuration says: algorithms, refresh, max_stale. A set that has no key for the new algorithms is due again.
void gw_key_source_set(struct gw_key_source *s, const struct gw_config_issuer *config);

// When the next round is due, monotonic; a moment that is past: now.
int64_t gw_key_source_due_ms(const struct gw_key_source *s);
// The next round is due now.
void gw_key_source_hurry(struct gw_key_source *s);
void gw_key_source_ask(struct gw_key_source *s, struct gw_key_question *q);
enum gw_key_step gw_key_source_take(struct gw_key_source *s, const struct gw_key_answer *a, struct clock_now now);

// The keys in force under the algorithms of `config`, read anew from their text if those are others. One reference; NULL: none yet, or none that can
// be used.
struct pki_jwks *gw_key_source_keys(const struct gw_key_source *s, const struct gw_config_issuer *config);
// Puts them into a view, narrowed to what is still published. 0 (also when there are none) or ERR_NOMEM.
int gw_key_source_put(const struct gw_key_source *s, const struct gw_config_issuer *config, struct pki_key_view *view);
// Counts what changes keys or their age: another number, another generation is worth publishing.
uint64_t gw_key_source_version(const struct gw_key_source *s);
size_t gw_key_source_count(const struct gw_key_source *s);   // keys; 0: none yet
int64_t gw_key_source_read_s(const struct gw_key_source *s); // when they were read last
// Why the last round failed, for operators: our own words, and the URL, which metadata may have given (printable ASCII without quotes, cut short).
// SPAN_NONE: it did not fail.
struct span gw_key_source_fault(const struct gw_key_source *s);

#endif
