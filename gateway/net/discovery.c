// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/discovery.h"

#include "gateway/base/clock.h"
#include "gateway/config/discover.h"
#include "gateway/net/locate.h"
#include "gateway/net/resolver.h"
#include "gateway/net/watch.h"

#include <stdlib.h>

#define LOOK_MS 200 // how often it is seen what is due
#define FILE_MS 1000
#define EARLIEST_MS 1000
#define PATIENCE_MS 30000 // between two questions that fail

// One look-up.
struct source {
    struct gw_discovery *d;
    const struct gw_config_discover *config; // of the snapshot in force
    struct span name;                        // of the first shard that has it, for the log
    struct source *next;
    struct gw_endpoints *endpoints; // what was found last; NULL: nothing yet
    struct gw_resolver *question;   // under way
    int64_t due_ms, backoff_ms;
    uint64_t look; // fingerprint of the file
    uint64_t found, failed;
    int64_t found_s; // when something was found last
    bool said;       // that it fails
    bool more;       // than are used, and that was said
    bool wanted;
};

struct gw_discovery {
    struct gw_discovery_options options;
    struct gw_snapshot *snapshot; // counted
    struct source *sources;
    uv_timer_t tick;
    bool adopting, ended;
};

// --------------------------------------------------------------------------------------------------- what was found

static void say_change(const struct source *s, const struct gw_endpoints *found)
{
    struct arena arena;
    arena_init(&arena, 64 << 10);
    struct span list = SPAN("");
    for (size_t i = 0; i < found->n; i++) {
        const struct gw_endpoint *e = &found->v[i];
        bool v6 = span_find(span_str(e->host), ':') < strlen(e->host);
        list = arena_printf(&arena, v6 ? "%.*s%s[%s]:%u" : "%.*s%s%s:%u", SPAN_FMT(list), i > 0 ? ", " : "", e->host,
                            (unsigned)e->port);
    }
    log_info(s->d->options.log, "shard %.*s: %zu endpoint%s: %.*s", SPAN_FMT(s->name), found->n,
             found->n == 1 ? "" : "s", SPAN_FMT(list));
    arena_fini(&arena);
}

// Takes the reference.
static void found(struct source *s, struct gw_endpoints *endpoints)
{
    bool news = !gw_endpoints_same(s->endpoints, endpoints);
    s->found++;
    s->found_s = clock_read().wall_ms / 1000;
    s->backoff_ms = 0;
    if (s->said && !news)
        log_info(s->d->options.log, "shard %.*s: its endpoints are found again", SPAN_FMT(s->name));
    s->said = false;
    if (!news) {
        gw_endpoints_unref(endpoints);
        return;
    }
    say_change(s, endpoints);
    gw_endpoints_unref(s->endpoints);
    s->endpoints = endpoints;
    if (!s->d->adopting)
        s->d->options.on_news(s->d->options.ctx);
}

static void not_found(struct source *s, const char *what)
{
    const struct gw_config_discover *c = s->config;
    struct span where = c->kind == GW_DISCOVER_FILE ? c->file.v : c->host;
    s->failed++;
    if (!s->said && s->endpoints)
        log_warn(s->d->options.log, "shard %.*s: %.*s: %s; the endpoints found before (%zu) stay", SPAN_FMT(s->name),
                 SPAN_FMT(where), what, s->endpoints->n);
    else if (!s->said)
        log_warn(s->d->options.log, "shard %.*s: %.*s: %s; it has no endpoint yet", SPAN_FMT(s->name), SPAN_FMT(where),
                 what);
    s->said = true;
}

// ------------------------------------------------------------------------------------------------------------- DNS

static void ask_again(struct source *s, int64_t in_ms)
{
    int64_t latest = s->config->refresh;
    in_ms = in_ms < EARLIEST_MS ? EARLIEST_MS : in_ms;
    s->due_ms = clock_read().mono_ms + (in_ms > latest ? latest : in_ms);
}

static void failed(struct source *s, const char *what)
{
    not_found(s, what);
    s->backoff_ms = s->backoff_ms == 0 ? EARLIEST_MS : s->backoff_ms * 2;
    s->backoff_ms = s->backoff_ms > PATIENCE_MS ? PATIENCE_MS : s->backoff_ms;
    ask_again(s, s->backoff_ms);
}

static void on_answer(void *ctx, const struct gw_resolver_answer *a)
{
    struct source *s = ctx;
    s->question = NULL;
    if (a->what) {
        failed(s, a->what);
        return;
    }
    struct gw_endpoints *e = gw_locate_endpoints(s->config, a);
    if (!e) {
        failed(s, "out of memory");
        return;
    }
    if (a->more && !s->more)
        log_warn(s->d->options.log, "shard %.*s: there are more endpoints than the %d that are used", SPAN_FMT(s->name),
                 GW_ENDPOINTS_MAX);
    s->more = a->more;
    ask_again(s, (int64_t)a->ttl_s * 1000);
    found(s, e);
}

static void ask(struct source *s)
{
    const struct gw_config_discover *c = s->config;
    const struct gw_resolver_request r = {
        .uv = s->d->options.uv,
        .name = c->host.p,
        .service = c->kind == GW_DISCOVER_SERVICE,
        .servers = c->server_list,
        .on_answer = on_answer,
        .ctx = s,
    };
    s->question = gw_resolver_ask(&r);
    if (!s->question)
        failed(s, "the resolver cannot be set up");
}

// ----------------------------------------------------------------------------------------------------------- files

static void look(struct source *s)
{
    const char *path = s->config->file.v.p;
    char what[GW_ENDPOINT_FILE_WHAT];
    s->due_ms = clock_read().mono_ms + FILE_MS;
    uint64_t now = gw_watch_look(&path, 1);
    if (now == s->look)
        return;
    s->look = now;
    struct gw_endpoints *e = gw_endpoint_file_read(path, s->config->tls, what);
    if (e) {
        found(s, e);
    } else {
        s->said = false; // another file, another fault
        not_found(s, what);
    }
}

// -------------------------------------------------------------------------------------------------------- all of it

static void on_tick(uv_timer_t *t)
{
    struct gw_discovery *d = t->data;
    int64_t now_ms = clock_read().mono_ms;
    for (struct source *s = d->sources; s && !d->ended; s = s->next) {
        if (s->question || now_ms < s->due_ms)
            continue;
        if (s->config->kind == GW_DISCOVER_FILE)
            look(s);
        else
            ask(s);
    }
}

static struct source *source_of(const struct gw_discovery *d, struct span key)
{
    for (struct source *s = d->sources; s; s = s->next)
        if (span_eq(s->config->key, key))
            return s;
    return NULL;
}

static void source_free(struct source *s)
{
    gw_resolver_cancel(s->question);
    gw_endpoints_unref(s->endpoints);
    free(s);
}

static void drop_unwanted(struct gw_discovery *d)
{
    for (struct source **link = &d->sources; *link;) {
        struct source *s = *link;
        if (s->wanted) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        source_free(s);
    }
}

static void want(struct gw_discovery *d, const struct gw_shard *shard)
{
    const struct gw_config_discover *config = &shard->config->discover;
    struct source *s = source_of(d, config->key);
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s) {
            log_error(d->options.log, "out of memory: the endpoints of shard %.*s are not looked up",
                      SPAN_FMT(shard->name));
            return;
        }
        s->d = d;
        s->next = d->sources;
        d->sources = s;
    }
    if (!s->wanted) {
        s->config = config;
        s->name = shard->name;
    }
    s->wanted = true;
}

void gw_discovery_adopt(struct gw_discovery *d, struct gw_snapshot *snapshot)
{
    struct gw_snapshot *old = d->snapshot;
    d->snapshot = gw_snapshot_ref(snapshot);
    d->adopting = true;
    // Keys are compared while the old snapshot, whose configuration they are in, is still there.
    for (struct source *s = d->sources; s; s = s->next)
        s->wanted = false;
    for (size_t i = 0; i < snapshot->n_shards; i++)
        if (snapshot->shards[i].config->discover.present)
            want(d, &snapshot->shards[i]);
    drop_unwanted(d);
    gw_snapshot_unref(old);
    for (struct source *s = d->sources; s; s = s->next)
        if (s->config->kind == GW_DISCOVER_FILE)
            look(s);
    d->adopting = false;
    if (!d->ended)
        uv_timer_start(&d->tick, on_tick, 0, LOOK_MS);
}

struct gw_discovery *gw_discovery_new(const struct gw_discovery_options *options)
{
    struct gw_discovery *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->options = *options;
    uv_timer_init(options->uv, &d->tick);
    d->tick.data = d;
    return d;
}

struct gw_directory *gw_discovery_directory(const struct gw_discovery *d)
{
    size_t n = 0;
    for (const struct source *s = d->sources; s; s = s->next)
        n++;
    struct gw_directory_entry *v = calloc(n + 1, sizeof *v);
    n = 0;
    for (const struct source *s = d->sources; v && s; s = s->next)
        v[n++] = (struct gw_directory_entry){ s->config->key, s->endpoints };
    struct gw_directory *all = v ? gw_directory_new(v, n) : NULL;
    free(v);
    return all;
}

size_t gw_discovery_describe(const struct gw_discovery *d, struct gw_metrics_shard *rows, size_t max)
{
    size_t n = d && d->snapshot ? d->snapshot->n_shards : 0;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        const struct gw_shard *shard = &d->snapshot->shards[i];
        const struct source *s = shard->config->discover.present ? source_of(d, shard->config->discover.key) : NULL;
        rows[i] = (struct gw_metrics_shard){ .name = shard->name,
                                             .discovered = shard->config->discover.present,
                                             .endpoints = shard->remote.n_endpoints };
        if (!s)
            continue;
        rows[i].endpoints = s->endpoints ? s->endpoints->n : 0;
        rows[i].found = s->found;
        rows[i].failed = s->failed;
        rows[i].found_s = s->found_s;
    }
    return n;
}

void gw_discovery_retire(struct gw_discovery *d)
{
    if (!d || d->ended)
        return;
    d->ended = true;
    for (struct source *s = d->sources; s; s = s->next) {
        gw_resolver_cancel(s->question);
        s->question = NULL;
    }
    uv_close((uv_handle_t *)&d->tick, NULL);
}

void gw_discovery_free(struct gw_discovery *d)
{
    if (!d)
        return;
    while (d->sources) {
        struct source *s = d->sources;
        d->sources = s->next;
        source_free(s);
    }
    gw_snapshot_unref(d->snapshot);
    free(d);
}
