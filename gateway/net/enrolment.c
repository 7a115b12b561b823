// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/enrolment.h"

#include "gateway/base/file.h"
#include "gateway/base/secret.h"
#include "gateway/config/bearer.h"
#include "gateway/config/fault.h"
#include "gateway/net/fetch.h"
#include "pki/digest.h"
#include "pki/spiffe.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WITHIN_MS 15000 // one question, whatever its parts take
#define CONNECT_MS 5000
#define LOOK_MS 10000 // between two looks at the clock
#define KEY "key.pem"
#define KEY_BEFORE "key-before.pem"
#define FILES_MS 5000 // between two looks at files that lack something
#define FILE_BYTES (256u << 10)
#define WHAT GW_ENROLMENT_WHAT

// The connections of one question. It frees itself when they are closed, and may outlive the rest.
struct hop {
    struct gw_origin origin;
    struct gw_remote remote;
    struct gw_endpoint endpoint;
    struct gw_h1_limits limits;
    struct gw_fetch_field authorization;
    struct buf ca, csr, key, bearer; // the last two are secret
    struct buf old_chain, old_key;   // the certificate that it is asked with; likewise
    struct arena arena;              // copies of what the endpoint is called
};

struct gw_enrolment {
    struct gw_enrolment_options o; // texts in the arena
    struct arena arena;
    bool tls;
    struct span host, target, authority;
    uint16_t port;
    struct hop *hop; // under way; NULL: none
    struct gw_fetch fetch;
    struct gw_deadline deadline;
    struct gw_enrolled held;
    int64_t due_ms;                 // monotonic: the next question
    bool has, by_join;              // there is a certificate; the question under way spends the join token
    bool spent;                     // a join token was …
    uint8_t spent_hash[PKI_SHA256]; // … this one
    unsigned failures;
    char what[WHAT], said[WHAT]; // why it failed; and what was said of that last
};

// ------------------------------------------------------------------------------------------------------------- a hop

static void hop_close(struct gw_origin *o)
{
    struct hop *h = o->owner;
    gw_origin_fini(&h->origin);
    pki_trust_free(h->remote.trust);
    buf_fini(&h->ca);
    buf_fini(&h->csr);
    buf_wipe(&h->key);
    buf_wipe(&h->bearer);
    buf_fini(&h->old_chain);
    buf_wipe(&h->old_key);
    arena_fini(&h->arena);
    free(h);
}

static int say(struct gw_enrolment *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(struct gw_enrolment *e, int rc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(e->what, sizeof e->what, fmt, args);
    va_end(args);
    return rc;
}

static int read_file(struct gw_enrolment *e, struct span path, size_t most, struct buf *out)
{
    int rc = file_read(path.p, most, out);
    return rc == 0 ? 0 : say(e, ERR_CONFIG, "%.*s: %s", SPAN_FMT(path), strerror(-rc));
}

static int read_token(struct gw_enrolment *e, struct span path, struct buf *out)
{
    return gw_bearer_read(path.p, out) ? 0 : say(e, ERR_CONFIG, "%.*s: there is no token in it", SPAN_FMT(path));
}

// What it is asked with: the token file, or the certificate in hand, or the join token.
static int add_credential(struct gw_enrolment *e, struct hop *h)
{
    e->by_join = false;
    if (!span_is_none(e->o.token_file))
        return read_token(e, e->o.token_file, &h->bearer);
    if (gw_enrolment_held(e)) {
        bool ok =
            buf_append(&h->old_chain, buf_span(&e->held.chain)) && buf_append(&h->old_key, buf_span(&e->held.key));
        h->remote.cert_pem = buf_span(&h->old_chain);
        h->remote.key_pem = buf_span(&h->old_key);
        h->remote.cert_file = h->remote.key_file = SPAN("the certificate in hand");
        return ok ? 0 : say(e, ERR_NOMEM, "out of memory");
    }
    if (span_is_none(e->o.join_token_file))
        return say(e, ERR_CONFIG, "there is no credential: neither a token file, nor a join token, nor a certificate");
    uint8_t hash[PKI_SHA256];
    int rc = read_token(e, e->o.join_token_file, &h->bearer);
    if (rc != 0)
        return rc;
    pki_sha256(buf_span(&h->bearer), hash);
    if (e->spent && memcmp(hash, e->spent_hash, sizeof hash) == 0)
        return say(e, ERR_CONFIG, "the join token was used and the certificate has expired; put another one in %.*s",
                   SPAN_FMT(e->o.join_token_file));
    e->by_join = true;
    return 0;
}

static int add_trust(struct gw_enrolment *e, struct hop *h)
{
    struct pki_spiffe id;
    struct span domain = PKI_TRUST_SERVERS;
    struct diags diags;
    int rc = read_file(e, e->o.ca, FILE_BYTES, &h->ca);
    if (rc != 0)
        return rc;
    if (!span_is_none(e->o.authority) && pki_spiffe_parse(e->o.authority, &id, NULL) == 0)
        domain = id.trust_domain;
    diags_init(&diags);
    h->remote.trust = pki_trust_new();
    rc = h->remote.trust ? pki_trust_add_pem(h->remote.trust, domain, buf_span(&h->ca), e->o.ca, &diags) : ERR_NOMEM;
    if (rc != 0)
        say(e, rc, "%.*s: %.*s", SPAN_FMT(e->o.ca), SPAN_FMT(diags.first ? diags.first->text : SPAN("out of memory")));
    diags_fini(&diags);
    return rc;
}

static int hop_fill(struct gw_enrolment *e, struct hop *h)
{
    const struct gw_origin_ground *ground = &e->o.ground;
    struct diags diags;
    h->endpoint = (struct gw_endpoint){ .host = arena_dup(&h->arena, e->host).p,
                                        .port = e->port,
                                        .authority = arena_dup(&h->arena, e->authority),
                                        .name = arena_dup(&h->arena, e->host) };
    h->remote = (struct gw_remote){
        .endpoints = &h->endpoint,
        .n_endpoints = 1,
        .tls = e->tls,
        .spiffe_id = arena_dup(&h->arena, e->o.authority),
        .server_name = arena_dup(&h->arena, e->o.server_name),
        .connect_ms = CONNECT_MS,
        .first_byte_ms = WITHIN_MS,
        .idle_ms = WITHIN_MS,
        .max_connections = 1,
    };
    h->limits = gw_h1_default_limits;
    h->limits.body = GW_ENROL_ANSWER_MAX;
    int rc = h->arena.failed ? say(e, ERR_NOMEM, "out of memory") : add_trust(e, h);
    if (rc == 0)
        rc = add_credential(e, h);
    if (rc == 0 && (rc = gw_enrol_ask(e->o.spiffe_id, e->o.dns, e->o.n_dns, &h->key, &h->csr)) != 0)
        say(e, rc, "no key could be made");
    if (rc != 0)
        return rc;
    h->authorization = (struct gw_fetch_field){ SPAN("authorization"), buf_span(&h->bearer) };
    diags_init(&diags);
    rc = gw_origin_init(&h->origin, &h->remote, &h->limits, ground, ground->now->wall_ms / 1000, &diags);
    if (rc != 0)
        say(e, rc, "TLS towards the authority cannot be used: %.*s",
            SPAN_FMT(diags.first ? diags.first->text : SPAN("out of memory")));
    diags_fini(&diags);
    return rc;
}

static struct hop *hop_new(struct gw_enrolment *e)
{
    struct hop *h = calloc(1, sizeof *h);
    if (!h) {
        say(e, ERR_NOMEM, "out of memory");
        return NULL;
    }
    struct buf *bufs[] = { &h->ca, &h->csr, &h->key, &h->bearer, &h->old_chain, &h->old_key };
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_init(bufs[i], 0);
    arena_init(&h->arena, 64 << 10);
    int rc = hop_fill(e, h);
    h->origin.owner = h;
    h->origin.on_empty = hop_close;
    if (rc == 0)
        return h;
    hop_close(&h->origin);
    return NULL;
}

// ------------------------------------------------------------------------------------------------------------ rounds

static void end_hop(struct gw_enrolment *e)
{
    struct hop *h = e->hop;
    e->hop = NULL;
    gw_fetch_fini(&e->fetch);
    if (h)
        gw_origin_retire(&h->origin);
}

// Not only when it is due: a clock that was set, or a machine that slept, ends a certificate without the monotonic clock knowing.
static void look_later(struct gw_enrolment *e)
{
    const struct gw_origin_ground *g = &e->o.ground;
    int64_t at_ms = g->now->mono_ms + LOOK_MS;
    gw_deadline_set(g->wheel, &e->deadline, e->due_ms < at_ms ? e->due_ms : at_ms);
}

static void schedule(struct gw_enrolment *e)
{
    const struct gw_origin_ground *g = &e->o.ground;
    uint64_t random;
    pki_random(&random, sizeof random);
    int64_t wait = gw_enrol_wait_ms(gw_enrolment_held(e), e->failures, g->now->wall_ms / 1000, random);
    e->due_ms = g->now->mono_ms + wait;
    look_later(e);
}

// `asked`: the authority was. Else only our own files lack something, which somebody may put there any moment.
static void failed(struct gw_enrolment *e, bool asked)
{
    const struct gw_enrolled *held = gw_enrolment_held(e);
    int64_t left = held ? held->not_after_s - e->o.ground.now->wall_ms / 1000 : 0;
    bool again = e->failures++ > 0 && strcmp(e->said, e->what) == 0;
    snprintf(e->said, sizeof e->said, "%s", e->what);
    if (again && !asked)
        log_debug(e->o.log, "enrolment: still: %s", e->what);
    else if (held)
        log_warn(e->o.log, "enrolment: no new certificate: %s; the present one is good for another %lld s", e->what,
                 (long long)left);
    else
        log_error(e->o.log, "enrolment: no certificate: %s", e->what);
    schedule(e);
    if (!asked && e->due_ms > e->o.ground.now->mono_ms + FILES_MS) {
        e->due_ms = e->o.ground.now->mono_ms + FILES_MS;
        look_later(e);
    }
    if (e->o.on_failed)
        e->o.on_failed(e->o.ctx, e->what);
}

static bool path_of(const struct gw_enrolment *e, const char *name, struct buf *path)
{
    buf_init(path, 0);
    return buf_printf(path, "%.*s/%s", SPAN_FMT(e->o.state), name) && buf_byte(path, '\0');
}

static void move(const struct gw_enrolment *e, const char *from, const char *to)
{
    struct buf old, new;
    bool ok = path_of(e, from, &old);
    ok = path_of(e, to, &new) && ok;
    if (ok)
        (void)!rename(buf_span(&old).p, buf_span(&new).p); // not there: the first one is written
    buf_fini(&old);
    buf_fini(&new);
}

static void remove_one(const struct gw_enrolment *e, const char *name)
{
    struct buf path;
    if (path_of(e, name, &path))
        unlink(buf_span(&path).p);
    buf_fini(&path);
}

static bool write_one(struct gw_enrolment *e, const char *name, const struct buf *content, unsigned mode)
{
    struct buf path;
    int rc = path_of(e, name, &path) ? file_write(buf_span(&path).p, buf_span(content), mode) : -ENOMEM;
    if (rc != 0)
        log_error(e->o.log, "enrolment: %.*s/%s cannot be written: %s; a restart must enrol anew", SPAN_FMT(e->o.state),
                  name, strerror(-rc));
    buf_fini(&path);
    return rc == 0;
}

// The key first: whoever finds a certificate without its key finds out when the two are held against each other. Until the certificate is there too, the
// key of the one before is kept: whoever is killed in between may have nothing else to enrol with.
static void write_state(struct gw_enrolment *e)
{
    if (span_is_none(e->o.state))
        return;
    move(e, KEY, KEY_BEFORE);
    if (!write_one(e, KEY, &e->held.key, 0600)) {
        move(e, KEY_BEFORE, KEY);
        return;
    }
    if (write_one(e, "cert.pem", &e->held.chain, 0644))
        remove_one(e, KEY_BEFORE);
    write_one(e, "bundle.pem", &e->held.bundle, 0644);
}

static void got(struct gw_enrolment *e, struct gw_enrolled *fresh)
{
    gw_enrolled_fini(&e->held);
    e->held = *fresh;
    e->has = true;
    e->failures = 0;
    e->what[0] = '\0';
    log_info(e->o.log, "enrolment: certificate %s for %s, good for %lld s", fresh->serial, fresh->spiffe_id,
             (long long)(fresh->not_after_s - e->o.ground.now->wall_ms / 1000));
}

static void on_done(struct gw_fetch *f)
{
    struct gw_enrolment *e = f->owner;
    struct gw_enrolled fresh;
    int64_t now_s = e->o.ground.now->wall_ms / 1000;
    int rc = f->error;
    if (rc != 0)
        say(e, rc, "%.*s: %s", SPAN_FMT(e->o.url), f->what ? f->what : err_info(rc)->reason.p);
    else
        rc = gw_enrol_take(f->status, buf_span(&f->answer), buf_span(&e->hop->key), e->o.spiffe_id, now_s, &fresh,
                           e->what, sizeof e->what);
    // One that was shown may have been spent whatever came back; asking again is for the authority to refuse.
    if (rc == 0 && e->by_join) {
        e->spent = true;
        pki_sha256(buf_span(&e->hop->bearer), e->spent_hash);
    }
    end_hop(e);
    if (rc != 0) {
        failed(e, true);
        return;
    }
    got(e, &fresh);
    write_state(e);
    schedule(e);
    e->o.on_certificate(e->o.ctx, &e->held);
}

static void begin(struct gw_enrolment *e)
{
    gw_deadline_remove(&e->deadline);
    if (e->hop)
        return;
    e->hop = hop_new(e);
    if (!e->hop) {
        failed(e, false);
        return;
    }
    e->fetch = (struct gw_fetch){
        .origin = &e->hop->origin,
        .method = GW_METHOD_POST,
        .target = e->target,
        .body = buf_span(&e->hop->csr),
        .content_type = SPAN("application/x-pem-file"),
        .fields = &e->hop->authorization,
        .n_fields = buf_len(&e->hop->bearer) > 0 ? 1 : 0,
        .answer_max = GW_ENROL_ANSWER_MAX,
        .within_ms = WITHIN_MS,
        .on_done = on_done,
        .owner = e,
    };
    gw_fetch_start(&e->fetch);
}

static void on_due(struct gw_deadline *d)
{
    struct gw_enrolment *e = (struct gw_enrolment *)((char *)d - offsetof(struct gw_enrolment, deadline));
    const struct clock_now *now = e->o.ground.now;
    if (now->mono_ms >= e->due_ms || gw_enrol_overtaken(e->has ? &e->held : NULL, e->failures, now->wall_ms / 1000))
        begin(e);
    else
        look_later(e);
}

// -------------------------------------------------------------------------------------------------------------- life

static struct span keep(struct arena *a, struct span s)
{
    if (span_is_none(s))
        return SPAN_NONE;
    struct span z = arena_printf(a, "%.*s", SPAN_FMT(s)); // ends in NUL
    return z;
}

static bool copy_options(struct gw_enrolment *e, const struct gw_enrolment_options *o)
{
    struct span *dns = arena_array(&e->arena, o->n_dns + 1, sizeof *dns);
    e->o = *o;
    struct span *texts[] = { &e->o.url,         &e->o.ca,         &e->o.authority,
                             &e->o.server_name, &e->o.token_file, &e->o.join_token_file,
                             &e->o.state,       &e->o.spiffe_id };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(&e->arena, *texts[i]);
    for (size_t i = 0; dns && i < o->n_dns; i++)
        dns[i] = keep(&e->arena, o->dns[i]);
    e->o.dns = dns;
    return !e->arena.failed;
}

static int take_url(struct gw_enrolment *e)
{
    const char *fault = gw_fault_url(e->o.url, &e->tls, &e->host, &e->port, &e->target);
    if (fault)
        return say(e, ERR_CONFIG, "'%.*s': %s", SPAN_FMT(e->o.url), fault);
    if (!e->tls)
        return say(e, ERR_CONFIG, "'%.*s': an authority is https", SPAN_FMT(e->o.url));
    if (span_eq(e->target, SPAN("/")))
        e->target = GW_ENROL_PATH;
    const char *open = memchr(e->host.p, ':', e->host.n) ? "[" : "", *close = *open ? "]" : "";
    e->authority = e->port == 443
                       ? arena_printf(&e->arena, "%s%.*s%s", open, SPAN_FMT(e->host), close)
                       : arena_printf(&e->arena, "%s%.*s%s:%u", open, SPAN_FMT(e->host), close, (unsigned)e->port);
    e->host = keep(&e->arena, e->host);
    return e->arena.failed ? say(e, ERR_NOMEM, "out of memory") : 0;
}

static int make_state(struct gw_enrolment *e)
{
    struct stat st;
    if (span_is_none(e->o.state))
        return 0;
    if (mkdir(e->o.state.p, 0700) != 0 && errno != EEXIST)
        return say(e, ERR_CONFIG, "%.*s: %s", SPAN_FMT(e->o.state), strerror(errno));
    if (stat(e->o.state.p, &st) != 0 || !S_ISDIR(st.st_mode))
        return say(e, ERR_CONFIG, "%.*s: this is no folder; name one", SPAN_FMT(e->o.state));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return say(e, ERR_CONFIG, "%.*s: it belongs to another user, who could read the key; chown it, or name another",
                   SPAN_FMT(e->o.state));
    if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return say(e, ERR_CONFIG, "%.*s: others may look into it or write to it; chmod 700 it", SPAN_FMT(e->o.state));
    return 0;
}

static int check(struct gw_enrolment *e)
{
    struct pki_spiffe id;
    if (span_is_none(e->o.ca))
        return say(e, ERR_CONFIG, "nothing vouches for the authority; name its CA");
    if (!span_is_none(e->o.token_file) && !span_is_none(e->o.join_token_file))
        return say(e, ERR_CONFIG, "a token file and a join token exclude each other; keep one");
    if (!span_is_none(e->o.spiffe_id) && pki_spiffe_parse_workload(e->o.spiffe_id, &id, NULL) != 0)
        return say(e, ERR_CONFIG, "'%.*s' is no SPIFFE ID of a workload", SPAN_FMT(e->o.spiffe_id));
    int rc = take_url(e);
    return rc == 0 ? make_state(e) : rc;
}

void gw_enrolment_configure(struct gw_enrolment_options *o, const struct gw_config_enrol *e,
                            struct span dns[static GW_ENROLMENT_DNS])
{
    o->url = e->url.v;
    o->ca = e->ca.v;
    o->authority = e->authority.v;
    o->server_name = e->server_name.v;
    o->token_file = e->token_file.v;
    o->join_token_file = e->join_token_file.v;
    o->state = e->state.v;
    o->spiffe_id = e->spiffe_id.v;
    o->dns = dns;
    o->n_dns = e->dns.n < GW_ENROLMENT_DNS ? e->dns.n : GW_ENROLMENT_DNS;
    for (size_t i = 0; i < o->n_dns; i++)
        dns[i] = e->dns.v[i].v;
}

struct gw_enrolment *gw_enrolment_new(const struct gw_enrolment_options *options, char *what, size_t what_n)
{
    struct gw_enrolment *e = calloc(1, sizeof *e);
    snprintf(what, what_n, "out of memory");
    if (!e)
        return NULL;
    arena_init(&e->arena, 1 << 20);
    e->deadline.on_due = on_due;
    if (copy_options(e, options)) {
        if (check(e) == 0)
            return e;
        snprintf(what, what_n, "%s", e->what);
    }
    gw_enrolment_free(e);
    return NULL;
}

static bool read_state(struct gw_enrolment *e, const char *name, struct buf *out)
{
    struct span path = arena_printf(&e->arena, "%.*s/%s", SPAN_FMT(e->o.state), name);
    return !span_is_none(path) && file_read(path.p, FILE_BYTES, out) == 0;
}

static bool take_with(struct gw_enrolment *e, const char *key_name)
{
    struct gw_enrolled old;
    struct buf chain, key, bundle;
    buf_init(&chain, 0);
    buf_init(&key, 0);
    buf_init(&bundle, 0);
    bool good = false;
    if (read_state(e, "cert.pem", &chain) && read_state(e, key_name, &key) && read_state(e, "bundle.pem", &bundle)) {
        good = gw_enrol_keep(buf_span(&chain), buf_span(&key), buf_span(&bundle), e->o.spiffe_id,
                             e->o.ground.now->wall_ms / 1000, &old, e->what, sizeof e->what) == 0;
        if (!good)
            log_warn(e->o.log, "enrolment: %.*s: what an earlier process left is of no use: %s", SPAN_FMT(e->o.state),
                     e->what);
    }
    if (good)
        got(e, &old);
    buf_fini(&chain);
    buf_wipe(&key);
    buf_fini(&bundle);
    return good;
}

// What an earlier process left, if it is still good.
static bool take_state(struct gw_enrolment *e)
{
    return !span_is_none(e->o.state) && (take_with(e, KEY) || take_with(e, KEY_BEFORE));
}

bool gw_enrolment_seed(struct gw_enrolment *e, const struct gw_enrolled *held)
{
    e->has = gw_enrolled_copy(&e->held, held);
    return e->has;
}

void gw_enrolment_start(struct gw_enrolment *e)
{
    if (e->has) {
        schedule(e);
        return;
    }
    if (!take_state(e)) {
        begin(e);
        return;
    }
    schedule(e);
    e->o.on_certificate(e->o.ctx, &e->held);
}

const struct gw_enrolled *gw_enrolment_held(const struct gw_enrolment *e)
{
    return e->has && e->held.not_after_s > e->o.ground.now->wall_ms / 1000 ? &e->held : NULL;
}

const char *gw_enrolment_fault(const struct gw_enrolment *e)
{
    return e->what[0] != '\0' && e->failures > 0 ? e->what : NULL;
}

void gw_enrolment_free(struct gw_enrolment *e)
{
    if (!e)
        return;
    end_hop(e);
    gw_deadline_remove(&e->deadline);
    gw_enrolled_fini(&e->held);
    arena_fini(&e->arena);
    free(e);
}
