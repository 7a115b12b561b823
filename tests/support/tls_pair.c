// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/tls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_pair: %s\n", what);
    abort();
}

static void require_clean(struct diags *d)
{
    for (const struct diag *x = d->first; x; x = x->next)
        fprintf(stderr, "tls_pair: %.*s\n", SPAN_FMT(x->text));
    require(d->errors == 0, "unexpected complaint");
    diags_fini(d);
}

int64_t tls_now(void)
{
    return (int64_t)time(NULL);
}

void tls_config_init(struct tls_config *t, struct certs *c, const char *name)
{
    *t = (struct tls_config){ 0 };
    t->config.cert_pem = t->config.key_pem = t->config.passphrase = SPAN_NONE;
    t->config.cert_file = SPAN("cert.pem");
    t->config.key_file = SPAN("key.pem");
    if (!name)
        return;
    t->cert = certs_pem(c, name);
    t->key = certs_key(c, name);
    t->config.cert_pem = buf_span(&t->cert);
    t->config.key_pem = buf_span(&t->key);
}

void tls_config_fini(struct tls_config *t)
{
    buf_fini(&t->cert);
    buf_wipe(&t->key);
}

void tls_side_init(struct tls_side *s, bool server, const struct gw_tls_config *config)
{
    struct diags diags;
    diags_init(&diags);
    *s = (struct tls_side){ .bundles = pki_trust_new() };
    s->context =
        server ? gw_tls_context_server(config, tls_now(), &diags) : gw_tls_context_client(config, tls_now(), &diags);
    s->trust.trust = s->bundles;
    s->trust.trust_generation = 1;
    require_clean(&diags);
    require(s->context && s->bundles, "no context");
}

void tls_side_trust(struct tls_side *s, struct certs *c, const char *domain, const char *ca)
{
    struct diags diags;
    struct buf pem = certs_pem(c, ca);
    diags_init(&diags);
    pki_trust_add_pem(s->bundles, span_str(domain), buf_span(&pem), span_str(ca), &diags);
    buf_fini(&pem);
    require_clean(&diags);
}

void tls_side_crl(struct tls_side *s, struct certs *c, const char *domain, const char *crl)
{
    struct diags diags;
    struct buf pem = certs_read_crl(c, crl);
    diags_init(&diags);
    if (!s->revocation)
        s->revocation = pki_revocation_new();
    pki_revocation_add_crl(s->revocation, span_str(domain), buf_span(&pem), span_str(crl), &diags);
    buf_fini(&pem);
    require_clean(&diags);
    s->trust.revocation = s->revocation;
    s->trust.revocation_generation++;
}

void tls_side_fini(struct tls_side *s)
{
    gw_tls_context_unref(s->context);
    pki_trust_free(s->bundles);
    pki_revocation_free(s->revocation);
}

void tls_pair_init(struct tls_pair *p, struct tls_side *server, struct tls_side *client, const char *server_id,
                   int64_t now_s)
{
    *p = (struct tls_pair){ 0 };
    p->target.spiffe_id = p->target.dns = p->target.sni = SPAN_NONE;
    if (strncmp(server_id, "spiffe:", 7) == 0)
        p->target.spiffe_id = span_str(server_id);
    else
        p->target.dns = span_str(server_id);
    require(gw_tls_server_init(&p->server, server->context, &server->trust) == 0, "server_init");
    require(gw_tls_client_init(&p->client, client->context, &client->trust, &p->target, now_s) == 0, "client_init");
}

void tls_pair_fini(struct tls_pair *p)
{
    gw_tls_fini(&p->server);
    gw_tls_fini(&p->client);
}

static bool move(struct gw_tls_engine *from, struct gw_tls_engine *to, int64_t now_s)
{
    struct span out = gw_tls_output(from);
    if (out.n == 0)
        return false;
    gw_tls_feed(to, out, now_s);
    gw_tls_sent(from, out.n);
    return true;
}

void tls_pair_pump(struct tls_pair *p, int64_t now_s)
{
    bool moved;
    do {
        moved = move(&p->client, &p->server, now_s);
        moved |= move(&p->server, &p->client, now_s);
    } while (moved);
}
