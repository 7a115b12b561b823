// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/remote.h"

#include "gateway/base/secret.h"
#include "gateway/config/snapshot_files.h"
#include "gateway/tls/context.h"
#include "pki/spiffe.h"

// Connections of one loop to a server that answers the gateway's own questions, and how long an unused one stays.
#define CONNECTIONS 16
#define IDLE 2
#define KEEP_MS 30000

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

// ---------------------------------------------------------------------------------------------------------- check

static void domain_must_be_known(const struct gw_config *c, struct span name, struct gw_config_place at,
                                 struct diags *diags)
{
    struct span names[64], near;
    size_t n = 0;
    for (size_t i = 0; i < c->trust_domains_n; i++) {
        if (span_eq(c->trust_domains[i].name.v, name))
            return;
        if (n < sizeof names / sizeof *names)
            names[n++] = c->trust_domains[i].name.v;
    }
    near = diag_suggest(name, names, n);
    if (span_is_none(near))
        gw_config_error(c, at, diags, "trust domain '%.*s' is not among trust_domains; add it there", SPAN_FMT(name));
    else
        gw_config_error(c, at, diags, "trust domain '%.*s' is not among trust_domains; did you mean '%.*s'?",
                        SPAN_FMT(name), SPAN_FMT(near));
}

void gw_config_remote_tls_check(const struct gw_config *c, const struct gw_config_remote_tls *tls,
                                struct gw_config_place at, const char *what, struct diags *diags)
{
    struct pki_spiffe id;
    if (is_set(tls->spiffe_id) && is_set(tls->server_name))
        gw_config_error(c, tls->server_name.at, diags, "spiffe_id and server_name exclude each other; keep one");
    if (!is_set(tls->ca) && !is_set(tls->spiffe_id))
        gw_config_error(c, at, diags,
                        "%s is https and nothing vouches for it; set tls.ca, or tls.spiffe_id of a known trust domain",
                        what);
    if (!is_set(tls->ca) && is_set(tls->spiffe_id) && pki_spiffe_parse_workload(tls->spiffe_id.v, &id, NULL) == 0)
        domain_must_be_known(c, id.trust_domain, tls->spiffe_id.at, diags);
    if (is_set(tls->certificate) != is_set(tls->key))
        gw_config_error(c, tls->at, diags, "certificate and key belong together; set both or none");
    if (is_set(tls->key_passphrase_file) && !is_set(tls->key))
        gw_config_error(c, tls->key_passphrase_file.at, diags, "key_passphrase_file without key; set key or remove it");
}

static bool any_tls(const struct gw_config_remote_tls *t)
{
    return is_set(t->ca) || is_set(t->spiffe_id) || is_set(t->server_name) || is_set(t->certificate) || is_set(t->key);
}

void gw_config_remote_check(const struct gw_config *c, const struct gw_config_remote *r, const char *what,
                            struct diags *diags)
{
    struct gw_config_place at = r->url.at.line ? r->url.at : r->at;
    if (!is_set(r->url))
        return;
    if (r->endpoint.tls)
        gw_config_remote_tls_check(c, &r->tls, at, what, diags);
    else if (any_tls(&r->tls))
        gw_config_error(c, r->tls.at.line ? r->tls.at : at, diags,
                        "tls is set, but %s is not https; write https:// or remove tls", what);
}

// ----------------------------------------------------------------------------------------------------------- load

// Whether that file is written by enrolment in this process, which replaces it in time.
static bool is_enrolled(const struct gw_config_enrol *e, struct span file)
{
    if (!e->present || !is_set(e->state) || !span_starts(file, e->state.v))
        return false;
    struct span rest = span_sub(file, e->state.v.n, file.n);
    return span_eq(rest, SPAN("/cert.pem")) || span_eq(rest, SPAN("cert.pem"));
}

void gw_remote_load_tls(struct gw_snapshot *s, const struct gw_config_remote_tls *tls, struct gw_remote *out,
                        int64_t now_s, struct diags *diags)
{
    out->cert_file = tls->certificate.v;
    out->key_file = tls->key.v;
    out->renewed = is_enrolled(&s->config->listener.tls.enrol, out->cert_file);
    out->cert_pem = gw_snapshot_read(s, &tls->certificate, GW_PEM_MAX, diags);
    out->key_pem = gw_snapshot_read(s, &tls->key, GW_SECRET_MAX, diags);
    out->passphrase = gw_snapshot_read_secret(s, &tls->key_passphrase_file, diags);
    // Whoever connects makes a context of the same bytes; this one only finds out whether it can be made.
    struct gw_tls_config config = {
        .cert_pem = out->cert_pem,
        .cert_file = out->cert_file,
        .key_pem = out->key_pem,
        .key_file = out->key_file,
        .passphrase = out->passphrase,
        .renewed = out->renewed,
    };
    if (!is_set(tls->certificate) || (!span_is_none(out->cert_pem) && !span_is_none(out->key_pem)))
        gw_tls_context_unref(gw_tls_context_client(&config, now_s, diags));
    gw_remote_load_trust(s, tls, out, diags);
}

void gw_remote_load_trust(struct gw_snapshot *s, const struct gw_config_remote_tls *tls, struct gw_remote *out,
                          struct diags *diags)
{
    out->spiffe_id = tls->spiffe_id.v;
    out->server_name = tls->server_name.v;
    struct span ca = gw_snapshot_read(s, &tls->ca, GW_PEM_MAX, diags);
    if (span_is_none(ca))
        return;
    out->trust = pki_trust_new();
    if (!out->trust) {
        gw_config_error(s->config, tls->ca.at, diags, "out of memory");
        return;
    }
    struct span domain = PKI_TRUST_SERVERS;
    struct pki_spiffe id;
    if (is_set(tls->spiffe_id) && pki_spiffe_parse(tls->spiffe_id.v, &id, NULL) == 0)
        domain = id.trust_domain;
    pki_trust_add_pem(out->trust, domain, ca, tls->ca.v, diags);
}

void gw_remote_load(struct gw_snapshot *s, const struct gw_config_remote *r, struct gw_remote *out, int64_t now_s,
                    struct diags *diags)
{
    struct gw_endpoint *endpoint = arena_alloc(&s->arena, sizeof *endpoint);
    if (!endpoint) {
        gw_config_error(s->config, r->url.at, diags, "out of memory");
        return;
    }
    *endpoint = (struct gw_endpoint){ arena_dup(&s->arena, r->endpoint.host).p, r->endpoint.port, r->endpoint.authority,
                                      r->endpoint.host };
    *out = (struct gw_remote){
        .endpoints = endpoint,
        .n_endpoints = 1,
        .tls = r->endpoint.tls,
        .connect_ms = r->timeouts.connect,
        .first_byte_ms = r->timeouts.first_byte,
        .idle_ms = r->timeouts.idle,
        .keep_ms = KEEP_MS,
        .max_connections = CONNECTIONS,
        .max_idle = IDLE,
    };
    if (out->tls)
        gw_remote_load_tls(s, &r->tls, out, now_s, diags);
}

void gw_remote_fini(struct gw_remote *r)
{
    pki_trust_free(r->trust);
    r->trust = NULL;
    secret_wipe((void *)(uintptr_t)r->key_pem.p, r->key_pem.n);
    secret_wipe((void *)(uintptr_t)r->passphrase.p, r->passphrase.n);
}
