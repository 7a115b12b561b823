// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cmd_check_live.h"

#include "gateway/cli/argument.h"
#include "gateway/config/key_source.h"

#define ROUNDS_MAX 4 // metadata at either place, then the keys

static void say(const struct gw_check_live *l, const char *what, struct span name, struct span url,
                struct gw_config_place at, struct span fault)
{
    const struct gw_config *c = l->snapshot->config;
    if (!span_is_none(fault))
        diag_error(l->diags, c->file, at.line, at.column, "%s %.*s: %.*s: %.*s", what, SPAN_FMT(name), SPAN_FMT(url),
                   SPAN_FMT(fault));
    if (!l->w) {
        fprintf(l->cli->out, "%s ", what);
        gw_cli_print(l->cli->out, name);
        fprintf(l->cli->out, ": ");
        gw_cli_print(l->cli->out, url);
        fprintf(l->cli->out, " %s\n", span_is_none(fault) ? "answers" : "does not answer as it should");
        return;
    }
    const struct span texts[][2] = { { SPAN("what"), span_str(what) }, { SPAN("name"), name }, { SPAN("url"), url } };
    json_w_object(l->w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_w_key(l->w, texts[i][0]);
        json_w_string(l->w, texts[i][1]);
    }
    json_w_key(l->w, SPAN("ok"));
    json_w_bool(l->w, span_is_none(fault));
    json_w_end(l->w);
}

// One request of a round, as net/issuer_keys.c sends it.
static enum gw_key_step step(const struct gw_check_live *l, const struct gw_remote *configured,
                             struct gw_key_source *source)
{
    struct gw_key_question asked;
    struct gw_ask_reply reply = { .error = ERR_INTERNAL, .what = "nothing vouches for it: the metadata are not https" };
    struct buf body;
    gw_key_source_ask(source, &asked);
    struct gw_remote remote = *configured;
    remote.tls = asked.tls;
    const struct gw_endpoint at = {
        .host = asked.host, .port = asked.port, .authority = asked.authority, .name = span_str(asked.host)
    };
    struct gw_endpoints *endpoints = gw_endpoints_new(&at, 1);
    const struct gw_ask_question q = {
        .remote = &remote,
        .endpoints = endpoints,
        .credential = { SPAN_NONE, SPAN_NONE },
        .method = GW_METHOD_GET,
        .target = asked.target,
        .body = SPAN_NONE,
    };
    buf_init(&body, GW_CHECK_ANSWER_MAX);
    if (endpoints && (!asked.tls || configured->tls))
        gw_check_ask(l, &q, &reply, &body);
    const struct gw_key_answer answer = {
        .error = reply.error,
        .what = reply.what,
        .status = reply.status,
        .freshness = { SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE },
        .etag = SPAN_NONE,
        .retry_after = SPAN_NONE,
        .body = buf_span(&body),
    };
    enum gw_key_step next = gw_key_source_take(source, &answer, clock_read());
    buf_fini(&body);
    gw_endpoints_unref(endpoints);
    return next;
}

static void look_at_keys(const struct gw_check_live *l, size_t i)
{
    const struct gw_config_issuer *c = &l->snapshot->config->issuers[i];
    struct gw_key_source *source = gw_key_source_new(c, 1);
    enum gw_key_step next = GW_KEYS_MORE;
    for (int n = 0; source && next == GW_KEYS_MORE && n < ROUNDS_MAX; n++)
        next = step(l, &l->snapshot->key_servers[i], source);
    struct span fault = !source                  ? SPAN("out of memory")
                        : next == GW_KEYS_MORE   ? SPAN("it leads from one place to another")
                        : next == GW_KEYS_FAILED ? gw_key_source_fault(source)
                                                 : SPAN_NONE;
    say(l, "keys of issuer", c->name.v, c->keys.url.v, c->keys.at, fault);
    gw_key_source_free(source);
}

// A server that is spoken to otherwise than by GET: that it answers at all, with the TLS that is configured.
static void look_at_server(const struct gw_check_live *l, const char *what, struct span name,
                           const struct gw_config_remote *c, const struct gw_remote *remote)
{
    struct gw_endpoints *endpoints = gw_endpoints_new(remote->endpoints, remote->n_endpoints);
    struct gw_ask_reply reply = { .error = ERR_NOMEM };
    struct buf body;
    const struct gw_ask_question q = {
        .remote = remote,
        .endpoints = endpoints,
        .credential = { SPAN_NONE, SPAN_NONE },
        .method = GW_METHOD_GET,
        .target = c->target,
        .body = SPAN_NONE,
    };
    buf_init(&body, GW_CHECK_ANSWER_MAX);
    if (endpoints)
        gw_check_ask(l, &q, &reply, &body);
    bool good = reply.error == 0 && reply.status < 500;
    say(l, what, name, c->url.v, c->at, good ? SPAN_NONE : gw_check_fault(l, &reply));
    buf_fini(&body);
    gw_endpoints_unref(endpoints);
}

void gw_check_servers(const struct gw_check_live *l)
{
    const struct gw_snapshot *s = l->snapshot;
    if (l->w) {
        json_w_key(l->w, SPAN("servers"));
        json_w_array(l->w);
    }
    for (size_t i = 0; i < s->config->issuers_n; i++)
        if (s->key_servers[i].n_endpoints > 0)
            look_at_keys(l, i);
    for (size_t i = 0; i < s->n_introspectors; i++)
        look_at_server(l, "introspection at", s->introspectors[i].config->server.url.v,
                       &s->introspectors[i].config->server, &s->introspectors[i].remote);
    if (s->feed.config)
        look_at_server(l, "revocation feed of", s->feed.config->issuer.v, &s->feed.config->remote, &s->feed.remote);
    if (l->w)
        json_w_end(l->w);
}
