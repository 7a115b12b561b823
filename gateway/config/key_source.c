// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/key_source.h"

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/config/fault.h"
#include "gateway/config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FLOOR_MS 30000      // a server that says "no-store" is not asked for every token
#define METADATA_MS 3600000 // how long discovery holds
#define RETRY_MS 1000       // after the first failure, doubled with each
#define RETRY_MOST_MS 60000 // up to this
#define RETRY_AFTER_MOST_S 300

enum step { METADATA, KEYS };
enum place { RFC8414, OPENID, PLACES };

struct gw_key_source {
    struct arena arena; // of the configuration
    struct span iss, url;
    enum gw_config_discovery discovery;
    struct gw_config_endpoint first; // of `url`
    struct span places[PLACES];      // targets that metadata may be at; with URL only the first
    unsigned algorithms;
    int64_t refresh_ms, max_stale_ms;
    uint64_t random;

    enum step step;
    bool asking; // a round is under way
    enum place place;
    // What discovery found.
    struct arena found;
    bool found_it;
    int64_t found_ms;
    struct gw_config_endpoint keys_at;
    struct span keys_target;

    struct pki_jwks *keys;
    struct buf text, etag;    // of the last good set
    uint8_t (*published)[32]; // of a later one that could not be used; NULL: all of `keys` are
    size_t published_n;
    int64_t read_s, read_mono_ms; // by both clocks
    uint64_t version;

    int64_t due_ms;
    unsigned failures; // in a row
    char fault[GW_KEY_FAULT_MAX];
};

// ------------------------------------------------------------------------------------------------------------ life

// RFC 8414 §3.1: the well-known part goes between host and path, whose trailing '/' is left out.
static void set_places(struct gw_key_source *s, struct span target)
{
    if (s->discovery == GW_DISCOVERY_URL) {
        s->places[RFC8414] = arena_dup(&s->arena, target);
        return;
    }
    struct span path = span_ends(target, SPAN("/")) ? span_sub(target, 0, target.n - 1) : target;
    s->places[RFC8414] = arena_printf(&s->arena, "/.well-known/oauth-authorization-server%.*s", SPAN_FMT(path));
    s->places[OPENID] = arena_printf(&s->arena, "%.*s/.well-known/openid-configuration", SPAN_FMT(path));
}

struct gw_key_source *gw_key_source_new(const struct gw_config_issuer *config, uint64_t seed)
{
    struct gw_key_source *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    const struct gw_config_endpoint *e = &config->keys.endpoint;
    arena_init(&s->arena, 0);
    arena_init(&s->found, 64 << 10);
    buf_init(&s->text, 0);
    buf_init(&s->etag, 0);
    s->iss = arena_dup(&s->arena, config->issuer.v);
    s->url = arena_dup(&s->arena, config->keys.url.v);
    s->discovery = config->discovery;
    s->first = *e;
    s->first.host = arena_dup(&s->arena, e->host);
    s->first.authority = arena_dup(&s->arena, e->authority);
    if (s->discovery == GW_DISCOVERY_NONE) {
        s->keys_at = s->first;
        s->keys_target = arena_dup(&s->arena, config->keys.target);
    } else {
        set_places(s, config->keys.target);
    }
    s->random = seed | 1;
    s->due_ms = INT64_MIN;
    gw_key_source_set(s, config);
    if (!s->arena.failed)
        return s;
    gw_key_source_free(s);
    return NULL;
}

void gw_key_source_free(struct gw_key_source *s)
{
    if (!s)
        return;
    pki_jwks_free(s->keys);
    free(s->published);
    buf_fini(&s->text);
    buf_fini(&s->etag);
    arena_fini(&s->found);
    arena_fini(&s->arena);
    free(s);
}

bool gw_key_source_is(const struct gw_key_source *s, const struct gw_config_issuer *config)
{
    return span_eq(s->iss, config->issuer.v) && span_eq(s->url, config->keys.url.v) &&
           s->discovery == config->discovery;
}

void gw_key_source_set(struct gw_key_source *s, const struct gw_config_issuer *config)
{
    bool others = config->algorithms != s->algorithms && s->keys;
    struct pki_jwks *keys = others ? gw_key_source_keys(s, config) : NULL;
    s->refresh_ms = config->refresh;
    s->max_stale_ms = config->max_stale;
    if (others) {
        pki_jwks_free(s->keys);
        s->keys = keys;
        s->version++;
        if (!keys) {
            buf_fini(&s->etag); // "not modified" would be no help
            gw_key_source_hurry(s);
        }
    }
    s->algorithms = config->algorithms;
}

// ---------------------------------------------------------------------------------------------------------- when

static uint64_t next_random(struct gw_key_source *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

// Up to a `part`th less.
static int64_t jittered(struct gw_key_source *s, int64_t ms, int64_t part)
{
    return ms - (int64_t)(next_random(s) % (uint64_t)(ms / part + 1));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t after_success(struct gw_key_source *s, const struct gw_key_answer *a)
{
    int64_t fresh_s = gw_freshness_s(&a->freshness), most = s->refresh_ms;
    if (s->max_stale_ms > 0)
        most = least(most, s->max_stale_ms / 3 > RETRY_MS ? s->max_stale_ms / 3 : RETRY_MS);
    int64_t floor = least(FLOOR_MS, most);
    int64_t ms = fresh_s < 0 || fresh_s > most / 1000 ? most : fresh_s * 1000;
    ms = jittered(s, ms, 10);
    return ms < floor ? floor : ms;
}

static int64_t after_failure(struct gw_key_source *s, const struct gw_key_answer *a)
{
    int64_t most = least(RETRY_MOST_MS, s->refresh_ms);
    int64_t ms = s->failures < 8 ? least(most, (int64_t)RETRY_MS << (s->failures - 1)) : most;
    uint64_t asked_s;
    ms = jittered(s, ms, 2);
    if ((a->status == 429 || a->status == 503) && !span_is_none(a->retry_after) &&
        span_to_u64(a->retry_after, &asked_s) &&
        (int64_t)(asked_s > RETRY_AFTER_MOST_S ? RETRY_AFTER_MOST_S : asked_s) * 1000 > ms)
        ms = (int64_t)(asked_s > RETRY_AFTER_MOST_S ? RETRY_AFTER_MOST_S : asked_s) * 1000;
    return ms;
}

int64_t gw_key_source_due_ms(const struct gw_key_source *s)
{
    return s->due_ms;
}

void gw_key_source_hurry(struct gw_key_source *s)
{
    s->due_ms = INT64_MIN;
}

// ----------------------------------------------------------------------------------------------------------- ask

void gw_key_source_ask(struct gw_key_source *s, struct gw_key_question *q)
{
    if (!s->asking) {
        s->asking = true;
        s->step = s->discovery == GW_DISCOVERY_NONE || s->found_it ? KEYS : METADATA;
        s->place = RFC8414;
    }
    const struct gw_config_endpoint *e = s->step == METADATA ? &s->first : &s->keys_at;
    *q = (struct gw_key_question){
        .tls = e->tls,
        .host = e->host.p,
        .port = e->port,
        .authority = e->authority,
        .target = s->step == METADATA ? s->places[s->place] : s->keys_target,
        .etag = s->step == KEYS && buf_len(&s->etag) > 0 ? buf_span(&s->etag) : SPAN_NONE,
    };
}

// ---------------------------------------------------------------------------------------------------------- take

// The view tells age by the wall clock. When that was set back, keys would look as much younger and outlive max_stale in an outage. They are never
// made younger: that takes an answer.
static void look_at_clocks(struct gw_key_source *s, struct clock_now now)
{
    int64_t read_s = (now.wall_ms - (now.mono_ms - s->read_mono_ms)) / 1000;
    if (!s->keys || read_s >= s->read_s - 1)
        return;
    s->read_s = read_s;
    s->version++;
}

__attribute__((format(printf, 4, 5))) static enum gw_key_step failed(struct gw_key_source *s,
                                                                     const struct gw_key_answer *a,
                                                                     struct clock_now now, const char *fmt, ...)
{
    const struct gw_config_endpoint *e = s->step == METADATA ? &s->first : &s->keys_at;
    struct span target = s->step == METADATA ? s->places[s->place] : s->keys_target;
    char why[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    snprintf(s->fault, sizeof s->fault, "%s://%.*s%.*s: %s", e->tls ? "https" : "http",
             SPAN_FMT(span_sub(e->authority, 0, 100)), SPAN_FMT(span_sub(target, 0, 150)), why);
    s->asking = false;
    s->found_it = false; // perhaps the keys moved
    s->failures++;
    s->due_ms = now.mono_ms + after_failure(s, a);
    look_at_clocks(s, now);
    return GW_KEYS_FAILED;
}

static enum gw_key_step succeeded(struct gw_key_source *s, const struct gw_key_answer *a, struct clock_now now,
                                  enum gw_key_step step)
{
    s->asking = false;
    s->failures = 0;
    s->fault[0] = '\0';
    s->read_s = now.wall_ms / 1000;
    s->read_mono_ms = now.mono_ms;
    s->due_ms = now.mono_ms + after_success(s, a);
    s->version++;
    free(s->published);
    s->published = NULL;
    s->published_n = 0;
    return step;
}

// What of the status is a failure whatever is asked; NULL: none.
static const char *status_fault(unsigned status)
{
    if (status >= 300 && status < 400)
        return "it answers with a redirect, which is not followed";
    return status == 200 ? NULL : "it answers with an error";
}

static enum gw_key_step take_metadata(struct gw_key_source *s, const struct gw_key_answer *a, struct clock_now now)
{
    if (a->status >= 400 && a->status < 500 && s->discovery == GW_DISCOVERY_WELL_KNOWN && s->place == RFC8414) {
        s->place = OPENID;
        return GW_KEYS_MORE;
    }
    const char *fault = status_fault(a->status);
    if (fault)
        return failed(s, a, now, "%s (%u)", fault, a->status);
    struct json_limits limits = { .bytes = GW_KEY_ANSWER_MAX };
    struct json_doc *doc = json_parse(a->body, &limits, NULL);
    json root = json_root(doc);
    struct span iss = json_string(json_get(root, SPAN("issuer"))), uri = json_string(json_get(root, SPAN("jwks_uri")));
    struct gw_config_endpoint at = { .port = 0 };
    struct span target = SPAN_NONE;
    if (!doc || json_type(root) != JSON_OBJECT)
        fault = "no JSON object";
    else if (!span_eq(iss, s->iss)) // RFC 8414 §3.3: else anybody's metadata could speak for anybody
        fault = "`issuer` is not the issuer that is configured";
    else if (span_is_none(uri) || gw_fault_url(uri, &at.tls, &at.host, &at.port, &target) != NULL)
        fault = "`jwks_uri` is missing, or no https URL";
    else if (s->first.tls && !at.tls) // what a foreign server says must not reach the ports of this machine
        fault = "`jwks_uri` is not https";
    if (!fault) {
        arena_fini(&s->found);
        arena_init(&s->found, 64 << 10);
        s->keys_at = at;
        s->keys_at.host = arena_dup(&s->found, at.host);
        s->keys_at.authority = gw_config_authority(&s->found, &s->keys_at);
        s->keys_target = arena_dup(&s->found, target);
        if (s->found.failed)
            fault = "out of memory";
    }
    json_free(doc);
    if (fault)
        return failed(s, a, now, "%s", fault);
    s->found_it = true;
    s->found_ms = now.mono_ms;
    s->step = KEYS;
    return GW_KEYS_MORE;
}

static const char *first_error(const struct diags *diags)
{
    for (const struct diag *d = diags->first; d; d = d->next)
        if (!d->warning)
            return d->text.p;
    return "not a JWK set that can be used";
}

// The set as a whole is no good, but what somebody took out of it is out.
static void narrow(struct gw_key_source *s, struct span text)
{
    uint8_t(*published)[32];
    size_t n;
    if (!s->keys || pki_jwks_published(text, &published, &n) != 0)
        return;
    // What was gone before stays gone.
    size_t both = 0;
    for (size_t i = 0; i < n; i++) {
        bool before = !s->published;
        for (size_t k = 0; k < s->published_n && !before; k++)
            before = memcmp(published[i], s->published[k], sizeof *published) == 0;
        if (before)
            memmove(published[both++], published[i], sizeof *published);
    }
    free(s->published);
    s->published = published;
    s->published_n = both;
    s->version++;
}

static bool keep(struct buf *b, struct span s)
{
    buf_fini(b);
    return span_is_none(s) || buf_append(b, s);
}

static enum gw_key_step take_keys(struct gw_key_source *s, const struct gw_key_answer *a, struct clock_now now)
{
    if (a->status == 304 && s->keys && buf_len(&s->etag) > 0)
        return succeeded(s, a, now, GW_KEYS_SAME);
    const char *fault = status_fault(a->status);
    if (fault)
        return failed(s, a, now, "%s (%u)", fault, a->status);
    bool same = s->keys && span_eq(a->body, buf_span(&s->text));
    if (!same) {
        struct diags diags;
        diags_init(&diags);
        struct pki_jwks *keys = pki_jwks_read(a->body, s->algorithms, s->url, &diags);
        if (!keys || !keep(&s->text, a->body)) {
            narrow(s, a->body);
            failed(s, a, now, "%s", keys ? "out of memory" : first_error(&diags));
            buf_fini(&s->etag);
            pki_jwks_free(keys);
            diags_fini(&diags);
            return GW_KEYS_FAILED;
        }
        diags_fini(&diags);
        pki_jwks_free(s->keys);
        s->keys = keys;
    }
    if (a->etag.n > 256 || !keep(&s->etag, a->etag))
        buf_fini(&s->etag);
    return succeeded(s, a, now, same ? GW_KEYS_SAME : GW_KEYS_NEW);
}

enum gw_key_step gw_key_source_take(struct gw_key_source *s, const struct gw_key_answer *a, struct clock_now now)
{
    if (a->error != 0)
        return failed(s, a, now, "%s", a->what ? a->what : err_info(a->error)->reason.p);
    if (s->step == METADATA)
        return take_metadata(s, a, now);
    enum gw_key_step step = take_keys(s, a, now);
    if (now.mono_ms - s->found_ms >= METADATA_MS)
        s->found_it = false;
    return step;
}

// -------------------------------------------------------------------------------------------------------- what is

struct pki_jwks *gw_key_source_keys(const struct gw_key_source *s, const struct gw_config_issuer *config)
{
    if (!s->keys)
        return NULL;
    if (config->algorithms == s->algorithms)
        return pki_jwks_ref(s->keys);
    struct diags ignored;
    diags_init(&ignored);
    struct pki_jwks *keys = pki_jwks_read(buf_span(&s->text), config->algorithms, s->url, &ignored);
    diags_fini(&ignored);
    return keys;
}

int gw_key_source_put(const struct gw_key_source *s, const struct gw_config_issuer *config, struct pki_key_view *view)
{
    struct pki_jwks *keys = gw_key_source_keys(s, config);
    if (!keys)
        return 0;
    int rc = pki_key_view_put(view, s->iss, keys, (const uint8_t(*)[32])s->published, s->published_n, s->read_s);
    pki_jwks_free(keys);
    return rc;
}

uint64_t gw_key_source_version(const struct gw_key_source *s)
{
    return s->version;
}

size_t gw_key_source_count(const struct gw_key_source *s)
{
    return s->keys ? pki_jwks_count(s->keys) : 0;
}

int64_t gw_key_source_read_s(const struct gw_key_source *s)
{
    return s->read_s;
}

struct span gw_key_source_fault(const struct gw_key_source *s)
{
    return s->fault[0] ? span_str(s->fault) : SPAN_NONE;
}
