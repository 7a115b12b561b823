// SPDX-License-Identifier: GPL-3.0-or-later
// What no single key of the connect role's can tell.
#include "gateway/config/fault.h"
#include "gateway/config/remote.h"
#include "gateway/config/schema.h"

#include <stdlib.h>

#define GATEWAYS_MOST 16

struct checker {
    struct gw_config *c;
    struct diags *diags;
};

#define ERROR(k, at, ...) gw_config_error((k)->c, (at), (k)->diags, __VA_ARGS__)

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

// The keys of other roles would be read and mean nothing.
static void alone(struct checker *k)
{
    const struct gw_config *c = k->c;
    const struct {
        const char *key;
        bool there;
    } others[] = {
        { "listener", c->listener.present },
        { "authority", c->authority.present },
        { "trust_domains", c->trust_domains_n > 0 },
        { "issuers", c->issuers_n > 0 },
        { "policy", c->policy.present },
        { "shards", c->shards_n > 0 },
        { "routes", c->routes_n > 0 },
        { "api_keys", c->api_keys.present },
        { "audit", c->audit.present },
        { "tracing", c->tracing.present },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].there)
            ERROR(k, c->connect.at,
                  "'%s' belongs to a gateway or an authority, and connect has a file of its own; split it",
                  others[i].key);
}

// Whoever names no CA has that of all.
static void server(struct checker *k, struct gw_config_remote *r, const char *what)
{
    if (!is_set(r->url))
        return;
    if (!is_set(r->tls.ca))
        r->tls.ca = k->c->connect.ca;
    bool vouched =
        is_set(r->tls.ca) || k->c->connect.enrol.present; // else by the bundle that comes with the certificate
    if (!r->endpoint.tls)
        ERROR(k, r->url.at, "%s is not https; write https://", what);
    else if (!vouched)
        ERROR(k, r->url.at, "nothing vouches for %s; set connect.ca, or its own ca", what);
    else if (is_set(r->tls.ca))
        gw_config_remote_tls_check(k->c, &r->tls, r->url.at, what, k->diags);
    r->timeouts = k->c->connect.timeouts;
}

static void address(struct checker *k, struct gw_config_gateway *g)
{
    struct span rest = g->address.v, host = SPAN_NONE, url;
    struct arena *a = &k->c->arena;
    bool tls;
    uint16_t port;

    if (span_is_none(rest))
        return;
    if (span_starts(rest, SPAN("$"))) {
        struct span name = span_cut(&rest, ':');
        const char *variable = arena_dup(a, span_sub(name, 1, name.n)).p;
        host = span_str(variable ? getenv(variable) : NULL);
        if (span_is_none(host) || host.n == 0) {
            ERROR(k, g->address.at, "the environment variable %.*s is not set", SPAN_FMT(name));
            return;
        }
        bool v6 = span_find(host, ':') < host.n && host.p[0] != '[';
        url = arena_printf(a, v6 ? "http://[%.*s]:%.*s" : "http://%.*s:%.*s", SPAN_FMT(host), SPAN_FMT(rest));
    } else {
        url = arena_printf(a, "http://%.*s", SPAN_FMT(rest));
    }
    if (span_is_none(url))
        return; // the arena is marked
    if (gw_fault_endpoint(url, &tls, &host, &port) != NULL) {
        ERROR(k, g->address.at, "'%.*s' is no host:port", SPAN_FMT(span_sub(url, 7, 207)));
        return;
    }
    g->host = arena_dup(a, host);
    g->port = port;
}

static void gateways(struct checker *k)
{
    struct gw_config_gateway *all = (void *)(uintptr_t)k->c->connect.gateways;
    size_t n = k->c->connect.gateways_n;

    if (n > GATEWAYS_MOST)
        ERROR(k, all[GATEWAYS_MOST].server.at, "more than %d gateways; keep the nearest ones", GATEWAYS_MOST);
    for (size_t i = 0; i < n; i++) {
        struct gw_config_gateway *g = &all[i];
        server(k, &g->server, "the gateway");
        if (is_set(g->server.url) && !span_eq(g->server.target, SPAN("/")))
            ERROR(k, g->server.url.at, "a gateway's URL has no path; write https://host[:port]");
        address(k, g);
    }
}

static void token(struct checker *k)
{
    struct gw_config_connect *c = &k->c->connect;
    struct gw_config_token_endpoint *e = &c->token.endpoint;
    struct gw_config_place at = is_set(c->token.file) ? c->token.file.at : c->at;

    if (is_set(c->token.file) == e->present)
        ERROR(k, at, "token has either 'endpoint' or 'file'; write one of them");
    else if (is_set(c->token.file) && c->binding != GW_BINDING_CERTIFICATE)
        ERROR(k, at,
              "the token of a file cannot be bound to connect's key, which is made at each start and never leaves its "
              "memory; write binding: certificate, or token.endpoint");
    if (e->present)
        server(k, &e->server, "the token endpoint");
    for (struct span rest = e->present && is_set(e->scope) ? e->scope.v : SPAN_NONE; !span_is_none(rest);)
        if (span_cut(&rest, ' ').n == 0) {
            ERROR(k, e->scope.at, "scopes are words with one space between them");
            break;
        }
}

void gw_config_check_connect(struct gw_config *c, struct diags *diags)
{
    struct checker k = { c, diags };

    if (!c->connect.present)
        return;
    alone(&k);
    gateways(&k);
    gw_config_check_enrol(c, &c->connect.enrol, &c->connect.certificate, &c->connect.key,
                          &c->connect.key_passphrase_file, diags);
    token(&k);
}
