// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_connect.h"

#include "gateway/base/secret.h"
#include "gateway/config/enrolment.h"
#include "gateway/config/snapshot.h"
#include "gateway/config/snapshot_files.h"
#include "gateway/tls/context.h"
#include "pki/digest.h"
#include "pki/pem.h"
#include "pki/spiffe.h"

// Connections to one gateway. An unused one goes before the gateway, whose listener keeps them for 75 seconds, would close it.
#define CONNECTIONS 64
#define IDLE 16
#define KEEP_MS 50000
#define RETRY_PERCENT 20
#define RETRIES_PER_SECOND 3

// The pair that all of them are shown; read once.
static struct gw_remote own(struct gw_snapshot *s, const struct gw_enrolled *e, struct diags *diags)
{
    const struct gw_config_connect *c = &s->config->connect;
    bool enrols = c->enrol.present;
    return (struct gw_remote){
        .cert_file = enrols ? SPAN("the enrolled certificate") : c->certificate.v,
        .key_file = enrols ? SPAN("its key") : c->key.v,
        .cert_pem = !enrols ? gw_snapshot_read(s, &c->certificate, GW_PEM_MAX, diags)
                    : e     ? arena_dup(&s->arena, buf_span(&e->chain))
                            : SPAN_NONE,
        .key_pem = !enrols ? gw_snapshot_read(s, &c->key, GW_SECRET_MAX, diags)
                   : e     ? arena_dup(&s->arena, buf_span(&e->key))
                           : SPAN_NONE,
        .passphrase = gw_snapshot_read_secret(s, &c->key_passphrase_file, diags),
        .tls = true,
        .connect_ms = c->timeouts.connect,
        .first_byte_ms = c->timeouts.first_byte,
        .idle_ms = c->timeouts.idle,
        .keep_ms = KEEP_MS,
        .max_connections = CONNECTIONS,
        .max_idle = IDLE,
    };
}

static void look_at_pair(struct gw_snapshot *s, const struct gw_remote *pair, int64_t now_s, struct diags *diags)
{
    if (span_is_none(pair->cert_pem) || span_is_none(pair->key_pem))
        return;
    struct gw_tls_config config = {
        .cert_pem = pair->cert_pem,
        .cert_file = pair->cert_file,
        .key_pem = pair->key_pem,
        .key_file = pair->key_file,
        .passphrase = pair->passphrase,
    };
    struct gw_tls_context *context = gw_tls_context_client(&config, now_s, diags);
    s->connect.certificate_not_after_s = context ? gw_tls_context_not_after(context) : 0;
    gw_tls_context_unref(context);
    struct span rest = pair->cert_pem, label;
    struct buf der;
    buf_init(&der, 0);
    if (pki_pem_next(&rest, &label, &der) == 1)
        pki_sha256(buf_span(&der), s->connect.leaf_sha256);
    buf_fini(&der);
}

// Who names no CA is vouched for by the bundle that the certificate came with, which is that of our own trust domain.
static void trust_bundle(struct gw_snapshot *s, const struct gw_config_remote *r, const struct gw_enrolled *e,
                         struct gw_remote *out, struct diags *diags)
{
    struct span domain = PKI_TRUST_SERVERS;
    struct pki_spiffe server, ours;
    if (!span_is_none(r->tls.spiffe_id.v) && pki_spiffe_parse(r->tls.spiffe_id.v, &server, NULL) == 0) {
        domain = server.trust_domain;
        if (pki_spiffe_parse(span_str(e->spiffe_id), &ours, NULL) != 0 || !span_eq(domain, ours.trust_domain)) {
            gw_config_error(s->config, r->tls.spiffe_id.at, diags,
                            "it is of another trust domain than this workload; set its ca");
            return;
        }
    }
    out->trust = pki_trust_new();
    if (!out->trust)
        gw_config_error(s->config, r->url.at, diags, "out of memory");
    else
        pki_trust_add_pem(out->trust, domain, buf_span(&e->bundle), SPAN("the bundle of the enrolment"), diags);
}

static void load(struct gw_snapshot *s, const struct gw_config_remote *r, const struct gw_enrolled *enrolled,
                 struct span host, uint16_t port, const struct gw_remote *pair, struct gw_remote *out,
                 struct diags *diags)
{
    struct gw_endpoint *e = arena_alloc(&s->arena, sizeof *e);
    *out = *pair;
    if (!e) {
        gw_config_error(s->config, r->url.at, diags, "out of memory");
        return;
    }
    *e = (struct gw_endpoint){ arena_dup(&s->arena, host).p, port, r->endpoint.authority, r->endpoint.host };
    out->endpoints = e;
    out->n_endpoints = 1;
    gw_remote_load_trust(s, &r->tls, out, diags);
    if (span_is_none(r->tls.ca.v) && enrolled)
        trust_bundle(s, r, enrolled, out, diags);
}

void gw_snapshot_connect_load(struct gw_snapshot *s, const struct gw_enrolled *enrolled, int64_t now_s,
                              struct diags *diags)
{
    const struct gw_config_connect *c = &s->config->connect;
    struct gw_snapshot_connect *o = &s->connect;
    if (!c->present)
        return;
    o->config = c;
    o->gateways = arena_array(&s->arena, c->gateways_n + 1, sizeof *o->gateways);
    struct gw_remote pair = own(s, enrolled, diags);
    look_at_pair(s, &pair, now_s, diags);
    if (c->token.endpoint.present) {
        const struct gw_config_remote *r = &c->token.endpoint.server;
        load(s, r, enrolled, r->endpoint.host, r->endpoint.port, &pair, &o->token, diags);
    }
    pair.care =
        (struct gw_remote_care){ .on = true, .retry_percent = RETRY_PERCENT, .retries_per_second = RETRIES_PER_SECOND };
    pair.care.checked_as = SPAN_NONE;
    for (size_t i = 0; o->gateways && i < c->gateways_n; i++) {
        const struct gw_config_gateway *g = &c->gateways[i];
        bool elsewhere = g->port != 0;
        load(s, &g->server, enrolled, elsewhere ? g->host : g->server.endpoint.host,
             elsewhere ? g->port : g->server.endpoint.port, &pair, &o->gateways[i], diags);
    }
}

void gw_snapshot_connect_fini(struct gw_snapshot_connect *c)
{
    for (size_t i = 0; c->gateways && i < c->config->gateways_n; i++)
        gw_remote_fini(&c->gateways[i]);
    gw_remote_fini(&c->token);
}

size_t gw_connect_files(const struct gw_config_connect *c, const char **out, size_t n)
{
    const struct gw_config_text *own_files[] = { &c->certificate, &c->key, &c->key_passphrase_file,
                                                 &c->token.endpoint.server.tls.ca };
    size_t k = 0;
    for (size_t i = 0; i < sizeof own_files / sizeof *own_files && k < n; i++)
        if (!span_is_none(own_files[i]->v))
            out[k++] = own_files[i]->v.p;
    for (size_t i = 0; i < c->gateways_n && k < n; i++)
        if (!span_is_none(c->gateways[i].server.tls.ca.v))
            out[k++] = c->gateways[i].server.tls.ca.v.p;
    return k;
}
