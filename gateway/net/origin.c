// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/origin.h"

#include <stdlib.h>

// Waiting for a free connection is a sign of overload; a longer queue would only make everybody late.
#define WAITING_MAX 1024

static void on_pool_empty(struct gw_pool *p)
{
    struct gw_origin *o = p->owner;
    if (o->on_empty)
        o->on_empty(o);
}

static int init_tls(struct gw_origin *o, const struct gw_tls_trust *bundles, int64_t now_s, struct diags *diags)
{
    const struct gw_remote *r = o->remote;
    struct gw_tls_config tls = {
        .cert_pem = r->cert_pem,
        .cert_file = r->cert_file,
        .key_pem = r->key_pem,
        .key_file = r->key_file,
        .passphrase = r->passphrase,
        .renewed = r->renewed,
    };
    o->config.target.spiffe_id = r->spiffe_id;
    if (span_is_none(r->spiffe_id))
        o->config.target.dns = r->server_name;
    o->trust = (struct gw_tls_trust){ .trust = r->trust, .options = { .purpose = PKI_PURPOSE_SERVER } };
    o->config.trust = r->trust ? &o->trust : bundles;
    o->config.tls = gw_tls_context_client(&tls, now_s, diags);
    return o->config.tls ? 0 : ERR_INTERNAL;
}

// Those that the configuration names. Where it names a source of them, they are put in later: core.c.
static int set_endpoints(struct gw_origin *o)
{
    struct gw_endpoints *set = gw_endpoints_new(o->remote->endpoints, o->remote->n_endpoints);
    int rc = set ? gw_pool_set(&o->pool, set) : ERR_NOMEM;
    gw_endpoints_unref(set);
    return rc;
}

int gw_origin_init(struct gw_origin *o, const struct gw_remote *remote, const struct gw_h1_limits *limits,
                   const struct gw_origin_ground *ground, int64_t now_s, struct diags *diags)
{
    *o = (struct gw_origin){ .remote = remote };
    o->config = (struct gw_pool_config){
        .limits = limits,
        .connect_ms = remote->connect_ms,
        .first_byte_ms = remote->first_byte_ms,
        .idle_ms = remote->idle_ms,
        .keep_ms = remote->keep_ms,
        .max_connections = remote->max_connections,
        .max_idle = remote->max_idle,
        .max_waiting = WAITING_MAX,
        .health = ground->health,
        .care = remote->care,
    };
    int rc = remote->tls ? init_tls(o, ground->bundles, now_s, diags) : 0;
    if (rc != 0) {
        gw_origin_fini(o);
        return rc;
    }
    gw_pool_init(&o->pool, &o->config, ground->dialler, ground->wheel, ground->now, ground->metrics);
    o->pool.owner = o;
    o->pool.on_empty = on_pool_empty;
    rc = set_endpoints(o);
    if (rc != 0)
        gw_origin_fini(o);
    return rc;
}

void gw_origin_retire(struct gw_origin *o)
{
    gw_pool_retire(&o->pool);
}

void gw_origin_fini(struct gw_origin *o)
{
    gw_tls_context_unref(o->config.tls);
    o->config.tls = NULL;
    gw_pool_fini(&o->pool);
}
