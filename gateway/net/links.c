// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/links.h"

#include "gateway/net/relay.h"
#include "pki/digest.h"
#include "pki/dpop.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (64u << 10)
#define ANSWER_MS 10000

// -------------------------------------------------------------------------------------------------------- the end

static void links_free(struct gw_links *l)
{
    for (size_t i = 0; i < l->n; i++) {
        gw_origin_fini(&l->gateways[i].origin);
        buf_fini(&l->gateways[i].nonce);
    }
    gw_origin_fini(&l->endpoint);
    gw_token_source_fini(&l->source);
    buf_wipe(&l->fetch.answer);
    gw_fetch_fini(&l->fetch);
    buf_fini(&l->form);
    buf_wipe(&l->proof);
    gw_snapshot_unref(l->snapshot);
    l->connector->n_links--;
    free(l->gateways);
    free(l);
}

static void settle(struct gw_links *l)
{
    if (l->retired && l->busy == 0)
        links_free(l);
}

static void on_empty(struct gw_origin *o)
{
    struct gw_links *l = o->owner;
    l->busy--;
    settle(l);
}

struct gw_links *gw_links_ref(struct gw_links *l)
{
    l->refs++;
    return l;
}

void gw_links_unref(struct gw_links *l)
{
    if (!l || --l->refs > 0)
        return;
    l->retired = true;
    gw_deadline_remove(&l->due);
    gw_fetch_fini(&l->fetch);
    l->busy = l->n + l->asks + 1;
    for (size_t i = 0; i < l->n; i++)
        gw_origin_retire(&l->gateways[i].origin);
    if (l->asks)
        gw_origin_retire(&l->endpoint);
    l->busy--;
    settle(l);
}

// ------------------------------------------------------------------------------------------------------- the token

static void arm(struct gw_links *l)
{
    const struct gw_token_source *s = &l->source;
    int64_t now_ms = gw_connector_mono(l->connector);
    if (!l->asks || l->retired || s->asking)
        return;
    int64_t due_ms = buf_len(&s->token) > 0 && s->refresh_ms > s->again_ms ? s->refresh_ms : s->again_ms;
    gw_deadline_set(l->connector->ground.wheel, &l->due, due_ms > now_ms ? due_ms : now_ms);
}

static void on_due(struct gw_deadline *d)
{
    gw_links_look((struct gw_links *)((char *)d - offsetof(struct gw_links, due)));
}

static void on_answer(struct gw_fetch *f)
{
    struct gw_links *l = f->owner;
    struct gw_connector *c = l->connector;
    unsigned before = l->source.serial;
    char why[GW_TOKEN_WHY];
    uint8_t random;
    pki_random(&random, sizeof random);
    snprintf(why, sizeof why, "%s", l->source.why);
    if (f->error != 0) {
        char what[160];
        snprintf(what, sizeof what, "the token endpoint cannot be asked: %s%s%.80s",
                 f->error == ERR_SHARD_TLS       ? "TLS failed"
                 : f->error == ERR_SHARD_TIMEOUT ? "no answer in time"
                                                 : "no connection",
                 f->what ? ": " : "", f->what ? f->what : "");
        gw_token_source_failed(&l->source, what, gw_connector_mono(c));
    } else {
        gw_token_source_answered(&l->source, f->status, buf_span(&f->answer), gw_fetch_header(f, SPAN("dpop-nonce")),
                                 gw_links_prove(l), *c->ground.now, random);
    }
    buf_wipe(&f->answer);
    if (l->source.serial != before)
        log_debug(c->log, "a token was taken");
    else if (l->source.why[0] != '\0' && strcmp(why, l->source.why) != 0)
        log_warn(c->log, "no token: %s", l->source.why);
    arm(l);
    gw_links_ref(l); // who waits may let go of it
    gw_connector_progress(c);
    gw_links_unref(l);
}

static int make_proof(struct gw_links *l)
{
    const struct gw_config_text *url = &l->snapshot->connect.config->token.endpoint.server.url;
    struct span uri = span_sub(url->v, 0, span_find(url->v, '?'));
    buf_wipe(&l->proof);
    return pki_dpop_make(l->connector->key, PKI_ALG_NONE, SPAN("POST"), uri, NULL,
                         buf_len(&l->source.nonce) > 0 ? buf_span(&l->source.nonce) : SPAN_NONE,
                         l->connector->ground.now->wall_ms / 1000, &l->proof);
}

void gw_links_look(struct gw_links *l)
{
    const struct gw_config_token_endpoint *e = &l->snapshot->connect.config->token.endpoint;
    if (!l->asks || l->retired || !gw_token_source_due(&l->source, gw_connector_mono(l->connector))) {
        arm(l);
        return;
    }
    bool proves = gw_links_prove(l);
    gw_token_source_asked(&l->source);
    if (proves && make_proof(l) != 0) {
        gw_token_source_failed(&l->source, "a proof could not be made", gw_connector_mono(l->connector));
        arm(l);
        return;
    }
    l->proof_field = (struct gw_fetch_field){ SPAN("dpop"), buf_span(&l->proof) };
    gw_fetch_fini(&l->fetch);
    l->fetch = (struct gw_fetch){
        .origin = &l->endpoint,
        .method = GW_METHOD_POST,
        .target = e->server.target,
        .body = buf_span(&l->form),
        .content_type = SPAN("application/x-www-form-urlencoded"),
        .accept = SPAN_NONE,
        .fields = &l->proof_field,
        .n_fields = proves,
        .answer_max = ANSWER_MAX,
        .within_ms = ANSWER_MS,
        .on_done = on_answer,
        .owner = l,
    };
    gw_fetch_start(&l->fetch);
}

void gw_links_read_token(struct gw_links *l, struct span content)
{
    unsigned before = l->source.serial;
    const struct gw_snapshot_connect *c = &l->snapshot->connect;
    if (gw_token_source_read(&l->source, content, c->leaf_sha256, *l->connector->ground.now) != 0)
        log_warn(l->connector->log, "%s: %s; not taken", c->config->token.file.v.p, l->source.why);
    if (l->source.serial == before)
        return;
    gw_links_ref(l);
    gw_connector_progress(l->connector);
    gw_links_unref(l);
}

struct span gw_links_token(const struct gw_links *l)
{
    return gw_token_source_get(&l->source, gw_connector_mono(l->connector));
}

bool gw_links_token_refused(struct gw_links *l, unsigned serial)
{
    if (!l->asks || l->retired)
        return false;
    bool first = gw_token_source_refused(&l->source, serial, gw_connector_mono(l->connector));
    if (first)
        arm(l);
    return true;
}

// -------------------------------------------------------------------------------------------------------- the start

void gw_link_learn(struct gw_link *k, struct span nonce)
{
    if (span_is_none(nonce) || nonce.n == 0 || nonce.n > GW_TOKEN_NONCE || span_eq(nonce, buf_span(&k->nonce)))
        return;
    buf_clear(&k->nonce);
    buf_append(&k->nonce, nonce);
}

static bool same_endpoint(const struct gw_links *a, const struct gw_links *b)
{
    const struct gw_config_token_endpoint *x = &a->snapshot->connect.config->token.endpoint,
                                          *y = &b->snapshot->connect.config->token.endpoint;
    bool same =
        span_eq(x->server.url.v, y->server.url.v) && span_eq(x->scope.v, y->scope.v) && x->audience.n == y->audience.n;
    for (size_t i = 0; same && i < x->audience.n; i++)
        same = span_eq(x->audience.v[i].v, y->audience.v[i].v);
    return same;
}

// Gateways of one name, each at an address of its own, have nonces of their own, too.
static bool same_place(const struct gw_endpoint *a, const struct gw_endpoint *b)
{
    return span_eq(a->authority, b->authority) && gw_endpoint_same(a, b);
}

void gw_links_inherit(struct gw_links *l, struct gw_links *from)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < from->n; j++)
            if (same_place(l->gateways[i].origin.remote->endpoints, from->gateways[j].origin.remote->endpoints))
                gw_link_learn(&l->gateways[i], buf_span(&from->gateways[j].nonce));
    const struct gw_config_connect *c = l->snapshot->connect.config, *old = from->snapshot->connect.config;
    bool free_of_certificate = c->binding == GW_BINDING_DPOP && old->binding == GW_BINDING_DPOP;
    // One that is to be replaced, because it ends soon or a gateway refused it, is not worth it.
    bool fresh = from->source.refresh_ms > gw_connector_mono(l->connector);
    if (l->asks && from->asks && free_of_certificate && fresh && same_endpoint(l, from) &&
        !span_is_none(gw_links_token(from)))
        gw_token_source_copy(&l->source, &from->source);
}

static int init(struct gw_links *l, struct gw_origin *o, const struct gw_remote *remote, struct diags *diags)
{
    const struct gw_origin_ground *g = &l->connector->ground;
    int rc = gw_origin_init(o, remote, &l->limits, g, g->now->wall_ms / 1000, diags);
    o->owner = l;
    o->on_empty = on_empty;
    return rc;
}

static bool write_form(struct gw_links *l)
{
    const struct gw_config_token_endpoint *e = &l->snapshot->connect.config->token.endpoint;
    struct span audiences[64];
    size_t n = e->audience.n < 64 ? e->audience.n : 64;
    for (size_t i = 0; i < n; i++)
        audiences[i] = e->audience.v[i].v;
    return gw_token_request(&l->form, e->scope.v, audiences, n, e->client_id.v);
}

struct gw_links *gw_links_new(struct gw_connector *c, struct gw_snapshot *snapshot, struct diags *diags)
{
    const struct gw_snapshot_connect *s = &snapshot->connect;
    struct gw_links *l = calloc(1, sizeof *l);
    if (!l) {
        gw_snapshot_unref(snapshot);
        return NULL;
    }
    l->refs = 1;
    l->connector = c;
    l->snapshot = snapshot;
    l->limits = gw_h1_default_limits;
    l->limits.body = 0; // streamed, however long
    l->due.on_due = on_due;
    c->n_links++;
    gw_token_source_init(&l->source);
    buf_init(&l->form, 0);
    buf_init(&l->proof, 0);
    buf_init(&l->fetch.answer, 0);
    l->gateways = calloc(s->config->gateways_n + 1, sizeof *l->gateways);
    bool ok = l->gateways != NULL;
    for (size_t i = 0; ok && i < s->config->gateways_n; i++) {
        buf_init(&l->gateways[i].nonce, GW_TOKEN_NONCE);
        ok = init(l, &l->gateways[i].origin, &s->gateways[i], diags) == 0;
        l->n += ok;
    }
    if (ok && s->token.n_endpoints > 0) {
        ok = write_form(l) && init(l, &l->endpoint, &s->token, diags) == 0;
        l->asks = ok;
    }
    if (ok)
        return l;
    links_free(l);
    return NULL;
}
