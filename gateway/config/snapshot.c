// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot.h"

#include "gateway/base/file.h"
#include "gateway/base/secret.h"
#include "gateway/config/modes.h"
#include "gateway/config/policy_load.h"
#include "gateway/config/snapshot_files.h"
#include "gateway/tls/context.h"

#include <stdatomic.h>
#include <stdlib.h>

// What the listener of a configuration is: see struct gw_target_options.
static const struct span scheme = { "https", 5 };

// ---------------------------------------------------------------------------------------------------------- trust

static void load_trust(struct gw_snapshot *s, struct diags *diags)
{
    const struct gw_config *c = s->config;
    s->trust = pki_trust_new();
    for (size_t i = 0; s->trust && i < c->trust_domains_n; i++) {
        const struct gw_config_trust_domain *d = &c->trust_domains[i];
        struct span bundle = gw_snapshot_read(s, &d->bundle, GW_PEM_MAX, diags);
        if (span_is_none(bundle))
            continue;
        if (d->bundle_is_jwks)
            pki_trust_add_jwks(s->trust, d->name.v, bundle, d->bundle.v, diags);
        else
            pki_trust_add_pem(s->trust, d->name.v, bundle, d->bundle.v, diags);
        for (size_t k = 0; k < d->crls.n; k++)
            gw_snapshot_note(s, d->crls.v[k].v.p);
    }
    struct pki_identity_rule *rules = arena_array(&s->arena, c->identities_n + 1, sizeof *rules);
    struct pki_identity_map *map = arena_alloc(&s->arena, sizeof *map);
    if (!s->trust || !rules || !map) {
        gw_config_error(c, c->listener.at, diags, "out of memory");
        return;
    }
    for (size_t i = 0; i < c->identities_n; i++)
        rules[i] = (struct pki_identity_rule){ c->identities[i].dns.v, c->identities[i].subject.v,
                                               c->identities[i].spiffe_id.v };
    *map = (struct pki_identity_map){ rules, c->identities_n };
    s->verify = (struct pki_verify_options){ .purpose = PKI_PURPOSE_CLIENT, .map = map };
}

static void load_listener(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config *c = s->config;
    const struct gw_config_listener *l = &c->listener;
    s->cert_pem = gw_snapshot_read(s, &l->tls.certificate, GW_PEM_MAX, diags);
    s->key_pem = gw_snapshot_read(s, &l->tls.key, GW_SECRET_MAX, diags);
    s->passphrase = gw_snapshot_read_secret(s, &l->tls.key_passphrase_file, diags);
    if (!span_is_none(s->cert_pem) && !span_is_none(s->key_pem)) {
        struct span groups[16];
        size_t n = l->tls.groups.n < 16 ? l->tls.groups.n : 16;
        for (size_t i = 0; i < n; i++)
            groups[i] = l->tls.groups.v[i].v;
        // Each loop makes its own context from the same bytes; this one only finds out whether it can be made.
        struct gw_tls_config config = {
            .cert_pem = s->cert_pem,
            .cert_file = l->tls.certificate.v,
            .key_pem = s->key_pem,
            .key_file = l->tls.key.v,
            .passphrase = s->passphrase,
            .groups = groups,
            .groups_n = n,
        };
        struct gw_tls_context *context = gw_tls_context_server(&config, now_s, diags);
        s->certificate_not_after_s = context ? gw_tls_context_not_after(context) : 0;
        gw_tls_context_unref(context);
    }
    struct span *authorities = arena_array(&s->arena, l->authorities.n + 1, sizeof *authorities);
    for (size_t i = 0; authorities && i < l->authorities.n; i++)
        if (gw_authority_normalise(l->authorities.v[i].v, scheme, &s->arena, &authorities[i]) != 0)
            gw_config_error(c, l->authorities.v[i].at, diags, "'%.*s' is not host or host:port",
                            SPAN_FMT(l->authorities.v[i].v));
    s->target =
        (struct gw_target_options){ .scheme = scheme, .authorities = authorities, .n_authorities = l->authorities.n };
    s->request_limits = s->response_limits = gw_h1_default_limits;
    s->request_limits.line = (size_t)l->limits.request_line;
    s->request_limits.header_bytes = (size_t)l->limits.header_bytes;
    s->request_limits.header_count = (size_t)l->limits.header_count;
    s->request_limits.body = l->limits.body_bytes;
    s->inspected_body = l->limits.inspected_body_bytes;
    s->response_limits.body = 0; // streamed, however long
}

// -------------------------------------------------------------------------------------------------------- issuers

static struct pki_names names(struct gw_snapshot *s, const struct gw_config_texts *texts)
{
    struct span *at = arena_array(&s->arena, texts->n + 1, sizeof *at);
    for (size_t i = 0; at && i < texts->n; i++)
        at[i] = texts->v[i].v;
    return (struct pki_names){ at, at ? texts->n : 0 };
}

// The secret of a symmetric key stays in the key, which wipes it.
static struct pki_jwks *load_symmetric(struct gw_snapshot *s, const struct gw_config_issuer *i, struct diags *diags)
{
    const struct gw_config_text *path = &i->symmetric_key_file;
    struct pki_jwks *keys = NULL;
    struct buf secret;
    buf_init(&secret, 0);
    gw_snapshot_note(s, path->v.p);
    int rc = file_read(path->v.p, GW_SECRET_MAX, &secret);
    if (rc != 0)
        gw_config_error(s->config, path->at, diags, "%.*s: %s", SPAN_FMT(path->v), strerror(-rc));
    else
        keys = pki_jwks_read_symmetric(buf_span(&secret), i->algorithms, path->v, diags);
    buf_wipe(&secret);
    return keys;
}

static struct pki_jwks *load_keys(struct gw_snapshot *s, const struct gw_config_issuer *i, struct diags *diags)
{
    if (!span_is_none(i->symmetric_key_file.v))
        return load_symmetric(s, i, diags);
    struct span text = gw_snapshot_read(s, &i->jwks, GW_PEM_MAX, diags);
    return span_is_none(text) ? NULL : pki_jwks_read(text, i->algorithms, i->jwks.v, diags);
}

// Takes a reference of `keys`, which may be NULL.
static bool add_issuer(struct pki_issuers *set, const struct pki_issuer *issuer, struct pki_jwks *keys)
{
    struct pki_jwks *own = keys ? pki_jwks_ref(keys) : NULL;
    if (set && pki_issuers_add(set, issuer, own) == 0)
        return true;
    pki_jwks_free(own);
    return false;
}

static void load_issuer(struct gw_snapshot *s, const struct gw_config_issuer *i, int64_t now_s, struct diags *diags)
{
    static const enum pki_binding bindings[] = {
        [GW_BINDING_DPOP] = PKI_BIND_DPOP,
        [GW_BINDING_CERTIFICATE] = PKI_BIND_CERTIFICATE,
        [GW_BINDING_BOTH] = PKI_BIND_BOTH,
        [GW_BINDING_EITHER] = PKI_BIND_EITHER,
        [GW_BINDING_NONE] = PKI_BIND_UNBOUND_ALLOWED,
    };
    static const enum pki_workload_match matches[] = {
        [GW_WORKLOAD_EXACT] = PKI_WORKLOAD_EXACT,
        [GW_WORKLOAD_PREFIX] = PKI_WORKLOAD_PREFIX,
        [GW_WORKLOAD_UNCHECKED] = PKI_WORKLOAD_UNCHECKED,
    };
    const struct pki_introspection introspection = gw_config_introspection_of(i);
    bool fetched = !span_is_none(i->keys.url.v);
    struct pki_jwks *keys = introspection.alone || fetched ? NULL : load_keys(s, i, diags);
    if (!keys && !introspection.alone && !fetched)
        return;
    struct pki_scope *scopes = arena_array(&s->arena, i->scopes_n + 1, sizeof *scopes);
    for (size_t k = 0; scopes && k < i->scopes_n; k++)
        scopes[k] = (struct pki_scope){ i->scopes[k].scope.v, i->scopes[k].actions };
    struct pki_issuer issuer = {
        .name = i->name.v,
        .iss = i->issuer.v,
        .algs = i->algorithms,
        .audiences = names(s, &i->audiences),
        .typ = span_eq(i->typ.v, SPAN("none")) ? SPAN("") : i->typ.v,
        .binding = bindings[i->binding],
        .max_lifetime_s = i->max_lifetime / 1000,
        .max_age_s = i->max_age / 1000,
        .skew_s = i->leeway / 1000,
        .required = names(s, &i->required_claims),
        .claims = { i->claims.roles.v, i->claims.groups.v, i->claims.tenant.v, i->claims.workload.v,
                    i->claims.scope.v },
        .workload_match = matches[i->workload_match],
        .scopes = scopes,
        .scopes_n = i->scopes_n,
        .scopeless = i->scopeless,
        .assert_roles = names(s, &i->asserts.roles),
        .assert_groups = names(s, &i->asserts.groups),
        .assert_tenants = names(s, &i->asserts.tenants),
        .assert_trust_domains = names(s, &i->asserts.trust_domains),
        .max_stale_s = i->max_stale / 1000,
        .keys_read_s = now_s,
        .fetched = fetched,
        .introspection = introspection,
    };
    bool taken = !s->arena.failed;
    if (i->uses & GW_ISSUER_REQUESTS)
        taken = taken && add_issuer(s->issuers, &issuer, keys);
    if (i->uses & GW_ISSUER_EXCHANGE)
        taken = taken && add_issuer(s->subjects, &issuer, keys);
    if (i->uses & GW_ISSUER_ENROLMENT) {
        // A service account's token is nobody's access token: it names no workload, has no roles, and is bound to nothing but a pod.
        issuer.binding = PKI_BIND_UNBOUND_ALLOWED;
        issuer.workload_match = PKI_WORKLOAD_UNCHECKED;
        issuer.claims = (struct pki_claim_names){ .scope = SPAN_NONE };
        taken = taken && add_issuer(s->attestors, &issuer, keys);
    }
    pki_jwks_free(keys);
    if (!taken)
        gw_config_error(s->config, i->at, diags, "the issuer '%.*s' cannot be taken up", SPAN_FMT(i->issuer.v));
    if (!taken || !(i->uses & GW_ISSUER_REQUESTS))
        return;
    // A token with cnf.jkt needs the DPoP scheme; one that is bound to the certificate only, or to nothing, comes as Bearer.
    s->accepts_dpop = s->accepts_dpop || i->binding == GW_BINDING_DPOP || i->binding == GW_BINDING_BOTH ||
                      i->binding == GW_BINDING_EITHER;
    s->accepts_bearer = s->accepts_bearer || i->binding == GW_BINDING_CERTIFICATE || i->binding == GW_BINDING_EITHER ||
                        i->binding == GW_BINDING_NONE;
}

static void load_issuers(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config *c = s->config;
    s->issuers = pki_issuers_new();
    for (size_t i = 0; i < c->issuers_n; i++) {
        if ((c->issuers[i].uses & GW_ISSUER_EXCHANGE) && !s->subjects)
            s->subjects = pki_issuers_new();
        if ((c->issuers[i].uses & GW_ISSUER_ENROLMENT) && !s->attestors)
            s->attestors = pki_issuers_new();
    }
    s->key_servers = arena_array(&s->arena, c->issuers_n + 1, sizeof *s->key_servers);
    for (size_t i = 0; s->issuers && s->key_servers && i < c->issuers_n; i++) {
        load_issuer(s, &c->issuers[i], now_s, diags);
        if (!span_is_none(c->issuers[i].keys.url.v))
            gw_remote_load(s, &c->issuers[i].keys, &s->key_servers[i], now_s, diags);
    }
    s->dpop = (struct pki_dpop_params){
        .algs = c->dpop.algorithms,
        .window_ms = c->dpop.past,
        .ahead_ms = c->dpop.future,
        .nonce_required = c->dpop.nonce == GW_NONCE_REQUIRED,
        .nonce_ours = c->dpop.nonce == GW_NONCE_ADAPTIVE,
    };
    for (enum pki_alg a = PKI_ALG_NONE + 1; a < PKI_ALG_COUNT; a++)
        if (c->dpop.algorithms & PKI_ALG_BIT(a))
            s->algs = span_is_none(s->algs)
                          ? pki_alg_name(a)
                          : arena_printf(&s->arena, "%.*s %.*s", SPAN_FMT(s->algs), SPAN_FMT(pki_alg_name(a)));
}

// The registry itself belongs to the other generation; here is what its keys may be good for.
static void load_api_keys(struct gw_snapshot *s, struct diags *diags)
{
    const struct gw_config_api_keys *a = &s->config->api_keys;
    if (!a->present)
        return;
    struct pki_scope *scopes = arena_array(&s->arena, a->scopes_n + 1, sizeof *scopes);
    struct pki_issuer *issuer = arena_alloc(&s->arena, sizeof *issuer);
    struct span iss = arena_printf(&s->arena, "apikey:%.*s", SPAN_FMT(a->name.v));
    if (!scopes || !issuer || span_is_none(iss)) {
        gw_config_error(s->config, a->at, diags, "out of memory");
        return;
    }
    for (size_t k = 0; k < a->scopes_n; k++)
        scopes[k] = (struct pki_scope){ a->scopes[k].scope.v, a->scopes[k].actions };
    *issuer = (struct pki_issuer){
        .name = a->name.v,
        .iss = iss,
        .claims = { .scope = SPAN("scope") },
        .binding = PKI_BIND_UNBOUND_ALLOWED, // the link to the workload stands in for it
        .workload_match = a->any_workload ? PKI_WORKLOAD_UNCHECKED : PKI_WORKLOAD_EXACT,
        .scopes = scopes,
        .scopes_n = a->scopes_n,
        .scopeless = a->scopeless,
        .assert_roles = names(s, &a->asserts.roles),
        .assert_tenants = names(s, &a->asserts.tenants),
        .assert_trust_domains = names(s, &a->asserts.trust_domains),
        .api_keys = true,
    };
    s->api_keys = issuer;
    s->accepts_bearer = s->accepts_bearer || (a->header & GW_API_KEY_AUTHORIZATION);
}

// --------------------------------------------------------------------------------------------------------- shards

static void load_shard(struct gw_snapshot *s, size_t i, int64_t now_s, struct diags *diags)
{
    struct gw_shard *shard = &s->shards[i];
    const struct gw_config_shard *config = &s->config->shards[i];
    shard->config = config;
    shard->name = config->name.v;
    struct gw_endpoint *endpoints = arena_array(&s->arena, config->endpoints_n + 1, sizeof *endpoints);
    for (size_t k = 0; endpoints && k < config->endpoints_n; k++) {
        const struct gw_config_endpoint *e = &config->endpoints[k];
        if (e->tls != config->has_tls)
            gw_config_error(s->config, e->at, diags, "the endpoints of a shard are equivalent: all http or all https");
        endpoints[k] = (struct gw_endpoint){ arena_dup(&s->arena, e->host).p, e->port, e->authority, e->host };
    }
    size_t n = endpoints ? config->endpoints_n : 0;
    shard->remote = (struct gw_remote){
        .endpoints = endpoints,
        .n_endpoints = n,
        .tls = config->has_tls,
        .connect_ms = config->timeouts.connect,
        .first_byte_ms = config->timeouts.first_byte,
        .idle_ms = config->timeouts.idle,
        .keep_ms = config->pool.idle_timeout,
        .max_connections = (size_t)config->pool.max_connections,
        .max_idle = (size_t)config->pool.max_idle,
        .care = { .on = true,
                  .retry_percent = config->retries.percent,
                  .retries_per_second = config->retries.per_second,
                  .hedge = { .percent = config->has_hedge ? config->hedge.percent : 0,
                             .quantile = config->hedge.quantile,
                             .after_ms = config->hedge.after },
                  .adaptive = config->adaptive,
                  .checked_as = config->health.interval > 0 ? shard->name : SPAN_NONE },
    };
    if (config->has_credential) {
        struct span secret = gw_snapshot_read_secret(s, &config->credential.file, diags);
        shard->credential_name = config->credential.header.v;
        shard->credential =
            span_is_none(config->credential.scheme.v)
                ? secret
                : arena_printf(&s->arena, "%.*s %.*s", SPAN_FMT(config->credential.scheme.v), SPAN_FMT(secret));
        if (!span_is_none(secret) && !gw_is_field_value(shard->credential))
            gw_config_error(s->config, config->credential.file.at, diags,
                            "%.*s: not a secret that fits into a header field", SPAN_FMT(config->credential.file.v));
    }
    if (config->has_tls)
        gw_remote_load_tls(s, &config->tls, &shard->remote, now_s, diags);
}

// The shards of one API, numbered from 0 as its placement knows them, and the routes that lead to them.
static bool serve_api(struct gw_snapshot *s, size_t api, const struct gw_api_def *def)
{
    const struct gw_config *c = s->config;
    struct gw_served_api *served = &s->apis[s->n_apis];
    unsigned *local = arena_array(&s->arena, c->shards_n + 1, sizeof *local);
    unsigned *global = arena_array(&s->arena, c->shards_n + 1, sizeof *global);
    struct span *shard_names = arena_array(&s->arena, c->shards_n + 1, sizeof *shard_names);
    struct gw_placement_rule *rules = arena_array(&s->arena, c->routes_n + 1, sizeof *rules);
    if (!local || !global || !shard_names || !rules)
        return false;
    unsigned n = 0, assures = GW_CONFIG_EXACT_TEXT | GW_CONFIG_ASSIGNED_IDS;
    for (unsigned i = 0; i < c->shards_n; i++) {
        if (c->shards[i].api != api)
            continue;
        assures &= c->shards[i].assures;
        s->shards[i].api = s->n_apis;
        shard_names[n] = c->shards[i].name.v;
        global[n] = i;
        local[i] = n++;
    }
    if (n == 0)
        return true;
    size_t n_rules = 0;
    for (size_t i = 0; i < c->routes_n; i++) {
        const struct gw_config_route *r = &c->routes[i];
        if (r->shards_n == 0 || c->shards[r->shards[0]].api != api)
            continue;
        unsigned *shards = arena_array(&s->arena, r->shards_n, sizeof *shards);
        if (!shards)
            return false;
        for (size_t k = 0; k < r->shards_n; k++)
            shards[k] = local[r->shards[k]];
        rules[n_rules++] =
            (struct gw_placement_rule){ r->database.v, r->tenant.v, r->collection.v, shards, r->shards_n };
    }
    served->api = gw_api_new(def);
    served->placement = (struct gw_placement){ .names = shard_names, .n_names = n, .rules = rules, .n_rules = n_rules };
    served->shards = global;
    served->assured = (assures & GW_CONFIG_EXACT_TEXT ? (unsigned)GW_API_EXACT_TEXT : 0U) |
                      (assures & GW_CONFIG_ASSIGNED_IDS ? (unsigned)GW_API_ASSIGNED_IDS : 0U);
    s->n_apis++;
    return served->api && gw_placement_init(&served->placement, &s->arena);
}

static void load_shards(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config *c = s->config;
    s->shards = arena_array(&s->arena, c->shards_n + 1, sizeof *s->shards);
    s->apis = arena_array(&s->arena, c->shards_n + 1, sizeof *s->apis);
    if (!s->shards || !s->apis)
        return;
    s->n_shards = c->shards_n;
    for (size_t i = 0; i < c->shards_n; i++)
        load_shard(s, i, now_s, diags);
    const struct gw_api_def *def;
    for (size_t api = 0; (def = gw_config_api_at(c, api)); api++)
        if (!serve_api(s, api, def))
            gw_config_error(c, c->listener.at, diags, "out of memory");
}

// ------------------------------------------------------------------------------------------------------- lifetime

static void snapshot_free(struct gw_snapshot *s)
{
    pki_trust_free(s->trust);
    pki_issuers_free(s->issuers);
    pki_issuers_free(s->subjects);
    pki_issuers_free(s->attestors);
    for (size_t i = 0; s->key_servers && i < s->config->issuers_n; i++)
        gw_remote_fini(&s->key_servers[i]);
    pol_set_free(s->policies);
    gw_policy_bundle_free(s->policy_bundle);
    gw_snapshot_authority_fini(&s->authority);
    gw_snapshot_connect_fini(&s->connect);
    for (size_t i = 0; i < s->n_apis; i++)
        gw_api_free(s->apis[i].api);
    for (size_t i = 0; i < s->n_shards; i++) {
        gw_remote_fini(&s->shards[i].remote);
        secret_wipe((void *)(uintptr_t)s->shards[i].credential.p, s->shards[i].credential.n);
    }
    for (size_t i = 0; i < s->n_introspectors; i++)
        gw_introspector_fini(&s->introspectors[i]);
    gw_remote_fini(&s->feed.remote);
    gw_snapshot_audit_fini(&s->audit);
    gw_snapshot_tracing_fini(&s->tracing);
    secret_wipe((void *)(uintptr_t)s->key_pem.p, s->key_pem.n);
    secret_wipe((void *)(uintptr_t)s->passphrase.p, s->passphrase.n);
    arena_fini(&s->arena);
    gw_config_free(s->config);
    free(s);
}

static struct gw_snapshot *load(const char *path, uint64_t generation, bool start, const struct gw_enrolled *enrolled,
                                int64_t now_s, struct diags *diags)
{
    struct gw_config *config;
    if (gw_config_load(path, &config, diags) != 0)
        return NULL;
    struct gw_snapshot *s = calloc(1, sizeof *s);
    if (!s) {
        gw_config_free(config);
        diag_error(diags, span_str(path), 0, 0, "out of memory");
        return NULL;
    }
    s->refs = 1;
    s->generation = generation;
    s->start = start;
    s->config = config;
    s->policy_budget = (uint32_t)config->policy.budget;
    arena_init(&s->arena, 0);
    s->max_files = config->connect.present ? GW_SNAPSHOT_CONNECT_FILES_MAX : GW_SNAPSHOT_FILES_MAX;
    s->files = arena_array(&s->arena, s->max_files, sizeof *s->files);
    if (s->files) {
        gw_snapshot_note(s, path);
        if (config->listener.present)
            load_listener(s, now_s, diags);
        load_trust(s, diags);
        load_issuers(s, now_s, diags);
        gw_introspectors_load(s, now_s, diags);
        gw_snapshot_feed_load(s, now_s, diags);
        gw_snapshot_audit_load(s, now_s, diags);
        gw_snapshot_tracing_load(s, now_s, diags);
        load_api_keys(s, diags);
        load_shards(s, now_s, diags);
        if (config->policy.present)
            s->policies =
                gw_policy_load(config, &config->policy, GW_POLICY_GATEWAY, start ? GW_POLICY_START : GW_POLICY_RELOAD,
                               gw_snapshot_note, s, &s->policy_bundle, diags);
        unsigned long long version = s->policy_bundle ? s->policy_bundle->manifest.version : 0;
        s->policy_set =
            version ? arena_printf(&s->arena, "bundle %llu, generation %llu", version, (unsigned long long)generation)
                    : arena_printf(&s->arena, "generation %llu", (unsigned long long)generation);
        gw_snapshot_authority_load(s, now_s, diags);
        gw_modes_warn(config, now_s * 1000, diags);
        gw_snapshot_connect_load(s, enrolled, now_s, diags);
    }
    if (diags->errors == 0 && (s->arena.failed || !s->issuers || (config->policy.present && !s->policies)))
        diag_error(diags, span_str(path), 0, 0, "out of memory");
    if (diags->errors == 0)
        return s;
    snapshot_free(s);
    return NULL;
}

struct gw_snapshot *gw_snapshot_load(const char *path, uint64_t generation, int64_t now_s, struct diags *diags)
{
    return load(path, generation, false, NULL, now_s, diags);
}

struct gw_snapshot *gw_snapshot_load_enrolled(const char *path, uint64_t generation, const struct gw_enrolled *enrolled,
                                              int64_t now_s, struct diags *diags)
{
    return load(path, generation, false, enrolled, now_s, diags);
}

struct gw_snapshot *gw_snapshot_start(const char *path, int64_t now_s, struct diags *diags)
{
    return load(path, 1, true, NULL, now_s, diags);
}

struct gw_snapshot *gw_snapshot_ref(struct gw_snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void gw_snapshot_unref(struct gw_snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        snapshot_free(s);
}
