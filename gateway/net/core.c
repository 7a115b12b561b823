// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/core.h"

#include "gateway/base/log.h"
#include "gateway/base/secret.h"
#include "gateway/net/accepted.h"
#include "gateway/net/gather.h"
#include "gateway/net/introspect.h"
#include "gateway/net/sweep.h"
#include "pki/digest.h"

#include <stdlib.h>

// Bounds of the loop's caches. A verified token is about 2 KiB, with what policies see of it 4, and what was decided partly 4, POL_PARTIAL_MAX at
// most. No proof header takes less than a KiB with its key.
#define TOKENS 16384
#define TOKEN_BYTES (64u << 20)
#define PROOF_LEAST 1024
#define PARTIALS 4096

struct gw_origin_ground gw_core_ground(struct gw_core *c)
{
    return (
        struct gw_origin_ground){ c->dialler, &c->wheel, &c->now, c->metrics, &c->present.trust, c->shared->health };
}

static size_t share(uint64_t all, size_t loops)
{
    return (size_t)((all + loops - 1) / loops);
}

static void view_free(struct gw_view *v)
{
    gw_tls_context_unref(v->tls);
    for (size_t i = 0; i < v->n_shards; i++)
        gw_origin_fini(&v->shards[i].origin);
    for (size_t i = 0; i < v->n_introspectors; i++)
        gw_origin_fini(&v->introspectors[i]);
    free(v->introspectors);
    gw_introspection_free(v->services.introspection);
    gw_name_map_free(v->services.names);
    pol_partials_free(v->services.partials);
    gw_snapshot_unref(v->snapshot);
    free(v->shards);
    free(v);
}

static void view_settle(struct gw_view *v)
{
    if (v->retired && v->refs == 0 && v->busy_origins == 0)
        view_free(v);
}

struct gw_view *gw_view_ref(struct gw_view *v)
{
    v->refs++;
    return v;
}

static void on_origin_empty(struct gw_origin *o)
{
    struct gw_view *v = o->owner;
    v->busy_origins--;
    view_settle(v);
}

void gw_view_unref(struct gw_view *v)
{
    if (--v->refs > 0)
        return;
    // Nobody begins anything on it any more; its pools close what they still keep.
    v->retired = true;
    v->busy_origins = v->n_shards + v->n_introspectors + 1;
    for (size_t i = 0; i < v->n_shards; i++)
        gw_origin_retire(&v->shards[i].origin);
    for (size_t i = 0; i < v->n_introspectors; i++)
        gw_origin_retire(&v->introspectors[i]);
    v->busy_origins--;
    view_settle(v);
}

static struct gw_tls_context *server_context(struct gw_core *c, const struct gw_snapshot *s, struct diags *diags)
{
    const struct gw_config_tls *t = &s->config->listener.tls;
    struct span groups[16];
    size_t n = t->groups.n < 16 ? t->groups.n : 16;
    for (size_t i = 0; i < n; i++)
        groups[i] = t->groups.v[i].v;
    struct gw_tls_config config = {
        .cert_pem = c->own ? buf_span(&c->own->e.chain) : s->cert_pem,
        .cert_file = c->own ? SPAN("the certificate that was enrolled") : t->certificate.v,
        .key_pem = c->own ? buf_span(&c->own->e.key) : s->key_pem,
        .key_file = c->own ? SPAN("its key") : t->key.v,
        .passphrase = c->own ? SPAN_NONE : s->passphrase,
        .renewed = c->own != NULL,
        .min_version = t->tls12 ? GW_TLS_1_2 : GW_TLS_1_3,
        .groups = groups,
        .groups_n = n,
        .listener = 1,
        .tickets = t->tickets.enabled ? c->shared->tickets : NULL,
        .peers = t->tickets.enabled ? c->shared->peers : NULL,
    };
    return gw_tls_context_server(&config, gw_core_now_s(c), diags);
}

static int put_endpoints(const struct gw_core *c, struct gw_view_shard *vs)
{
    const struct gw_config_discover *discover = &vs->shard->config->discover;
    struct gw_endpoints *set = discover->present ? gw_directory_get(c->directory, discover->key) : NULL;
    // Another configuration's directory may be here before its snapshot is: what it does not know of stays.
    return set ? gw_pool_set(&vs->origin.pool, set) : 0;
}

static int view_shard_init(struct gw_view *v, size_t i, struct diags *diags)
{
    struct gw_core *c = v->core;
    struct gw_view_shard *vs = &v->shards[i];
    const struct gw_shard *shard = vs->shard = &v->snapshot->shards[i];
    const struct gw_origin_ground ground = gw_core_ground(c);
    if (!span_is_none(shard->credential_name)) {
        vs->credential = (struct gw_fetch_field){ shard->credential_name, shard->credential };
        vs->n_credential = 1;
    }
    int rc =
        gw_origin_init(&vs->origin, &shard->remote, &v->snapshot->response_limits, &ground, gw_core_now_s(c), diags);
    if (rc == 0 && (rc = put_endpoints(c, vs)) != 0)
        gw_origin_fini(&vs->origin);
    vs->origin.owner = v;
    vs->origin.on_empty = on_origin_empty;
    if (v->snapshot->shard_rows)
        vs->origin.pool.counts = &c->metrics->shard[v->snapshot->shard_rows[i]];
    return rc;
}

static bool view_introspection_init(struct gw_view *v, struct diags *diags)
{
    const struct gw_snapshot *s = v->snapshot;
    const struct gw_origin_ground ground = gw_core_ground(v->core);
    struct gw_introspection_limits *limits = calloc(s->n_introspectors + 1, sizeof *limits);
    v->introspectors = calloc(s->n_introspectors + 1, sizeof *v->introspectors);
    bool ok = limits && v->introspectors;
    for (size_t i = 0; ok && i < s->n_introspectors; i++) {
        const struct gw_config_introspection *config = s->introspectors[i].config;
        struct gw_origin *o = &v->introspectors[i];
        limits[i] = (struct gw_introspection_limits){ config->calls, config->refusals, config->breaker.failures,
                                                      config->breaker.open };
        v->n_introspectors = i + 1;
        ok = gw_origin_init(o, &s->introspectors[i].remote, &s->response_limits, &ground, gw_core_now_s(v->core),
                            diags) == 0;
        o->owner = v;
        o->on_empty = on_origin_empty;
    }
    if (ok)
        v->services.introspection = gw_introspection_new(limits, s->n_introspectors, v->core->metrics);
    free(limits);
    return ok && v->services.introspection;
}

// The snapshot's reference goes to the view, or is dropped.
static struct gw_view *view_new(struct gw_core *c, struct gw_snapshot *snapshot, struct diags *diags)
{
    struct gw_view *v = calloc(1, sizeof *v);
    if (!v) {
        gw_snapshot_unref(snapshot);
        return NULL;
    }
    v->core = c;
    v->refs = 1;
    v->snapshot = snapshot;
    uint64_t key[2];
    pki_random(key, sizeof key);
    v->services = (struct gw_services){
        .tokens = c->tokens,
        .proofs = c->proofs,
        .replay = c->shared->replay,
        .nonces = c->shared->nonces,
        .demands = c->shared->demands,
        .quota = c->shared->quota,
        .failures = c->shared->failures,
        .sightings = c->shared->sightings,
        .names = gw_name_map_new(&(struct gw_name_map_limits){ 0 }, key),
        .present = &c->present,
        .metrics = c->metrics,
        .partials = pol_partials_new(snapshot->policies, share(PARTIALS, c->loops), key[0]),
    };
    if (v->services.partials && snapshot->config->audit.inputs == GW_CONFIG_INPUTS_ALWAYS)
        pol_partials_keep_text(v->services.partials);
    if (v->services.names)
        gw_name_map_share(v->services.names, c->shared->names);
    v->tls = server_context(c, snapshot, diags);
    v->shards = calloc(snapshot->n_shards + 1, sizeof *v->shards);
    bool ok = v->services.names && v->tls && v->shards;
    for (size_t i = 0; ok && i < snapshot->n_shards; i++) {
        v->n_shards = i + 1;
        ok = view_shard_init(v, i, diags) == 0;
    }
    if (ok && view_introspection_init(v, diags))
        return v;
    view_free(v);
    return NULL;
}

static void set_present(struct gw_core *c)
{
    const struct gw_snapshot *s = c->view->snapshot;
    c->present = (struct gw_present){
        .trust = {
            .trust = s->trust,
            .revocation = c->revocations->certificates,
            .options = s->verify,
            .trust_generation = (uint32_t)s->generation,
            .revocation_generation = (uint32_t)c->revocations->generation,
        },
        .keys = c->revocations->keys,
        .revoked = c->revocations->revoked,
        .api_keys = c->revocations->api_keys,
        .bells = c->revocations->bells,
        .n_bells = c->revocations->n_bells,
        .fresh = c->revocations->fresh,
    };
}

static void log_diags(struct gw_core *c, const struct diags *diags)
{
    struct arena arena;
    arena_init(&arena, 0);
    for (const struct diag *d = diags->first; d; d = d->next)
        log_write(c->shared->log, d->warning ? LOG_WARN : LOG_ERROR, "%.*s", SPAN_FMT(diag_format(&arena, d)));
    arena_fini(&arena);
}

void gw_core_adopt_own(struct gw_core *c, struct gw_own_certificate *own)
{
    struct diags diags;
    struct gw_own_certificate *old = c->own;
    diags_init(&diags);
    c->own = own;
    struct gw_tls_context *tls = server_context(c, c->view->snapshot, &diags);
    if (tls) {
        gw_tls_context_unref(c->view->tls);
        c->view->tls = tls;
        gw_own_certificate_unref(old);
    } else {
        log_diags(c, &diags);
        c->own = old;
        gw_own_certificate_unref(own);
    }
    diags_fini(&diags);
}

int gw_core_adopt(struct gw_core *c, struct gw_snapshot *snapshot)
{
    struct diags diags;
    diags_init(&diags);
    struct gw_view *v = view_new(c, snapshot, &diags);
    if (c->index == 0 || !v)
        log_diags(c, &diags);
    diags_fini(&diags);
    if (!v)
        return ERR_NOMEM;
    struct gw_view *old = c->view;
    c->view = v;
    set_present(c);
    if (old)
        gw_view_unref(old);
    return 0;
}

void gw_core_adopt_revocations(struct gw_core *c, struct gw_revocations *revocations)
{
    struct gw_revocations *old = c->revocations;
    c->revocations = revocations;
    set_present(c);
    gw_revocations_unref(old);
}

void gw_core_adopt_directory(struct gw_core *c, struct gw_directory *directory)
{
    struct gw_directory *old = c->directory;
    struct gw_view *v = gw_view_ref(c->view); // a request that waited may be answered and end
    c->directory = directory;
    for (size_t i = 0; i < v->n_shards; i++)
        if (put_endpoints(c, &v->shards[i]) != 0)
            log_error(c->shared->log, "loop %u: out of memory: the endpoints of shard %.*s stay as they were", c->index,
                      SPAN_FMT(v->shards[i].shard->name));
    gw_view_unref(v);
    gw_directory_unref(old);
}

int gw_core_init(struct gw_core *c, const struct gw_shared *shared, unsigned index, size_t loops,
                 struct gw_dialler dialler, struct gw_metrics *metrics, struct gw_snapshot *snapshot,
                 struct gw_revocations *revocations)
{
    *c = (struct gw_core){ .shared = shared,
                           .own = gw_own_certificate_ref(shared->own),
                           .index = index,
                           .loops = loops,
                           .dialler = dialler,
                           .metrics = metrics,
                           .revocations = revocations };
    c->now = clock_read();
    gw_wheel_init(&c->wheel, c->now.mono_ms);
    gw_sweep_begin(c);
    c->tokens = pki_token_cache_new(share(TOKENS, loops), share(TOKEN_BYTES, loops), 0);
    size_t key_memory = (size_t)snapshot->config->dpop.key_memory;
    c->proofs = pki_proof_cache_new(key_memory / PROOF_LEAST, key_memory, 0);
    c->room = malloc(GW_ACCEPTED_ROOM);
    c->handshakes = calloc(GW_CORE_SOURCES, sizeof *c->handshakes);
    pki_random(c->source_key, sizeof c->source_key);
    if (!c->tokens || !c->proofs || !c->room || !c->handshakes)
        gw_snapshot_unref(snapshot);
    else if (gw_core_adopt(c, snapshot) == 0)
        return 0;
    pki_token_cache_free(c->tokens);
    pki_proof_cache_free(c->proofs);
    free(c->room);
    free(c->handshakes);
    gw_revocations_unref(revocations);
    return ERR_NOMEM;
}

void gw_core_fini(struct gw_core *c)
{
    gw_sweep_end(c);
    gw_inquiries_end(c);
    gw_listings_end(c); // they would hold their view, and its connections, until a shard answers
    gw_view_unref(c->view);
    c->view = NULL;
    pki_token_cache_free(c->tokens);
    pki_proof_cache_free(c->proofs);
    secret_wipe(c->room, GW_ACCEPTED_ROOM);
    free(c->room);
    c->room = NULL;
    gw_revocations_unref(c->revocations);
    c->revocations = NULL;
    gw_directory_unref(c->directory);
    c->directory = NULL;
    gw_own_certificate_unref(c->own);
    c->own = NULL;
    free(c->handshakes);
    c->handshakes = NULL;
    buf_fini(&c->record);
}

void gw_core_random_id(struct gw_core *c, char out[static 33])
{
    static const char hex[] = "0123456789abcdef";
    if (c->randoms_left < 16) {
        pki_random(c->randoms, sizeof c->randoms);
        c->randoms_left = sizeof c->randoms;
    }
    const uint8_t *p = c->randoms + sizeof c->randoms - c->randoms_left;
    c->randoms_left -= 16;
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = hex[p[i] >> 4];
        out[2 * i + 1] = hex[p[i] & 15];
    }
    out[32] = '\0';
}
