// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_authority.h"

#include "gateway/base/secret.h"
#include "gateway/config/policy_load.h"
#include "gateway/config/snapshot_files.h"
#include "gateway/tls/context.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct span scheme = { "https", 5 };

// What the authority keeps secret gives away everybody's tokens: nobody but its owner, and the group that a container mounts it for, may read it.
static struct span read_private(struct gw_snapshot *s, const struct gw_config_text *path, bool line,
                                struct diags *diags)
{
    struct stat st;
    struct span text = line ? gw_snapshot_read_secret(s, path, diags) : gw_snapshot_read(s, path, GW_SECRET_MAX, diags);
    if (!span_is_none(text) && stat(path->v.p, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        gw_config_error(s->config, path->at, diags, "%.*s: others may read it or write to it; chmod 600 it",
                        SPAN_FMT(path->v));
    return text;
}

// The start makes the last folder of the path: on a volume that is empty at first there is nobody else to do it.
static bool can_be_made(struct span folder)
{
    char parent[4096] = ".";
    while (folder.n > 1 && folder.p[folder.n - 1] == '/')
        folder.n--;
    size_t n = folder.n;
    while (n > 0 && folder.p[n - 1] != '/')
        n--;
    if (n >= sizeof parent)
        return false;
    if (n > 0) {
        memcpy(parent, folder.p, n);
        parent[n] = '\0';
    }
    return access(parent, W_OK | X_OK) == 0;
}

static void load_state(struct gw_snapshot *s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    const struct gw_config_text *state = &a->config->state;
    struct stat st;
    int why = stat(state->v.p, &st) == 0 ? 0 : errno;
    if (why != 0 && (why != ENOENT || !can_be_made(state->v)))
        gw_config_error(s->config, state->at, diags, "%.*s: %s; make the folder: mkdir -m 700", SPAN_FMT(state->v),
                        strerror(why));
    else if (why == 0 && !S_ISDIR(st.st_mode))
        gw_config_error(s->config, state->at, diags, "%.*s: this is no folder; name one", SPAN_FMT(state->v));
    else if (why == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        gw_config_error(s->config, state->at, diags, "%.*s: others may look into it or write to it; chmod 700 it",
                        SPAN_FMT(state->v));
    else if (why == 0 && access(state->v.p, R_OK | W_OK | X_OK) != 0)
        gw_config_error(s->config, state->at, diags, "%.*s: %s; give it to the user that the authority runs as",
                        SPAN_FMT(state->v), strerror(errno));
    a->keys_path = arena_printf(&s->arena, "%.*s/signing-keys.db", SPAN_FMT(state->v)).p;
    a->grants_path = arena_printf(&s->arena, "%.*s/grants.db", SPAN_FMT(state->v)).p;
}

static void load_tls(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    const struct gw_config_tls *t = &a->config->tls;
    a->cert_pem = gw_snapshot_read(s, &t->certificate, GW_PEM_MAX, diags);
    a->key_pem = read_private(s, &t->key, false, diags);
    a->key_passphrase = read_private(s, &t->key_passphrase_file, true, diags);
    if (span_is_none(a->cert_pem) || span_is_none(a->key_pem))
        return;
    // The thread makes its own; this one only finds out whether it can be made.
    struct gw_tls_context *context = gw_snapshot_authority_tls(s, NULL, NULL, now_s, diags);
    a->certificate_not_after_s = context ? gw_tls_context_not_after(context) : 0;
    gw_tls_context_unref(context);
}

static struct gw_tls_context *context(const struct gw_snapshot *s, struct gw_tls_ticket_keys *tickets,
                                      struct gw_tls_peers *peers, bool optional, int64_t now_s, struct diags *diags)
{
    const struct gw_snapshot_authority *a = &s->authority;
    const struct gw_config_tls *t = &a->config->tls;
    struct span groups[16];
    size_t n = t->groups.n < 16 ? t->groups.n : 16;
    for (size_t i = 0; i < n; i++)
        groups[i] = t->groups.v[i].v;
    bool resumption = t->tickets.enabled && !optional;
    struct gw_tls_config config = {
        .cert_pem = a->cert_pem,
        .cert_file = t->certificate.v,
        .key_pem = a->key_pem,
        .key_file = t->key.v,
        .passphrase = a->key_passphrase,
        .min_version = t->tls12 ? GW_TLS_1_2 : GW_TLS_1_3,
        .groups = groups,
        .groups_n = n,
        .listener = GW_AUTHORITY_LISTENER,
        .tickets = resumption ? tickets : NULL,
        .peers = resumption ? peers : NULL,
        .certificate_optional = optional,
    };
    return gw_tls_context_server(&config, now_s, diags);
}

struct gw_tls_context *gw_snapshot_authority_tls(const struct gw_snapshot *s, struct gw_tls_ticket_keys *tickets,
                                                 struct gw_tls_peers *peers, int64_t now_s, struct diags *diags)
{
    return context(s, tickets, peers, !s->authority.config->certificates_required, now_s, diags);
}

struct gw_tls_context *gw_snapshot_enrolment_tls(const struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    return context(s, NULL, NULL, true, now_s, diags);
}

static void load_clients(struct gw_snapshot *s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    a->clients = arena_array(&s->arena, a->config->clients_n + 1, sizeof *a->clients);
    for (size_t i = 0; a->clients && i < a->config->clients_n; i++) {
        const struct gw_config_client *c = &a->config->clients[i];
        struct span text = gw_snapshot_read(s, &c->jwks, GW_PEM_MAX, diags);
        a->clients[i] = span_is_none(text) ? NULL : pki_jwks_read(text, c->algorithms, c->jwks.v, diags);
    }
}

// What `url` (https://host[:port][/]) says of the requests that it leads to.
static struct gw_target_options target(struct gw_snapshot *s, const struct gw_config_text *url, struct diags *diags)
{
    struct span base = url->v;
    if (span_ends(base, SPAN("/")))
        base.n--;
    struct span *authority = arena_array(&s->arena, 1, sizeof *authority);
    if (authority && gw_authority_normalise(span_sub(base, scheme.n + 3, base.n), scheme, &s->arena, authority) != 0)
        gw_config_error(s->config, url->at, diags, "'%.*s' has no host that can be used", SPAN_FMT(url->v));
    return (struct gw_target_options){ .scheme = scheme, .authorities = authority, .n_authorities = 1 };
}

static void load_target(struct gw_snapshot *s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    a->issuer = a->base = a->config->issuer.v;
    if (span_ends(a->base, SPAN("/")))
        a->base.n--;
    a->target = target(s, &a->config->issuer, diags);
}

static void load_enrolment(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    const struct gw_config_enrolment *e = &a->config->enrolment;
    if (!e->present)
        return;
    a->enrol_target = target(s, &e->url, diags);
    a->ca_passphrase = read_private(s, &e->ca_passphrase_file, true, diags);
    // A new issuing CA is taken up when its certificate is there (`ca renew --issuing`).
    struct span issuing = arena_printf(&s->arena, "%.*s/issuing/cert.pem", SPAN_FMT(e->ca.v));
    if (!span_is_none(issuing))
        gw_snapshot_note(s, issuing.p);
    a->reviewers = arena_array(&s->arena, e->clusters_n + 1, sizeof *a->reviewers);
    for (size_t i = 0; a->reviewers && i < e->clusters_n; i++)
        if (e->clusters[i].review.present)
            gw_remote_load(s, &e->clusters[i].review.server, &a->reviewers[i], now_s, diags);
}

void gw_snapshot_authority_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    struct gw_snapshot_authority *a = &s->authority;
    const struct gw_config *c = s->config;
    a->passphrase = a->cert_pem = a->key_pem = a->key_passphrase = a->ca_passphrase = SPAN_NONE;
    if (!c->authority.present)
        return;
    a->config = &c->authority;
    a->dpop = s->dpop;
    a->dpop.nonce_required = c->authority.nonce_required;
    a->dpop.nonce_ours = false;
    a->policy_budget = (uint32_t)c->authority.policy.budget;
    load_target(s, diags);
    load_tls(s, now_s, diags);
    load_state(s, diags);
    a->passphrase = read_private(s, &a->config->signing.passphrase_file, true, diags);
    load_clients(s, diags);
    load_enrolment(s, now_s, diags);
    a->policies =
        gw_policy_load(c, &c->authority.policy, GW_POLICY_AUTHORITY, s->start ? GW_POLICY_START : GW_POLICY_RELOAD,
                       gw_snapshot_note, s, &a->policy_bundle, diags);
}

void gw_snapshot_authority_fini(struct gw_snapshot_authority *a)
{
    const struct span secrets[] = { a->passphrase, a->key_pem, a->key_passphrase, a->ca_passphrase };
    for (size_t i = 0; a->config && i < sizeof secrets / sizeof *secrets; i++)
        secret_wipe((void *)(uintptr_t)secrets[i].p, secrets[i].n);
    for (size_t i = 0; a->clients && i < a->config->clients_n; i++)
        pki_jwks_free(a->clients[i]);
    for (size_t i = 0; a->reviewers && i < a->config->enrolment.clusters_n; i++)
        gw_remote_fini(&a->reviewers[i]);
    pol_set_free(a->policies);
    gw_policy_bundle_free(a->policy_bundle);
}
