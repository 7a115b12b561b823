// SPDX-License-Identifier: GPL-3.0-or-later
// What no single key can tell: names that must be unique or must exist, pairs that belong together. Values that the reader refused are
// SPAN_NONE or zero here and are not complained about twice.
#include "gateway/api/placement.h"
#include "gateway/config/discover.h"
#include "gateway/config/fault.h"
#include "gateway/config/introspector.h"
#include "gateway/config/schema.h"
#include "gateway/config/snapshot_audit.h"
#include "gateway/config/snapshot_feed.h"
#include "gateway/config/snapshot_tracing.h"
#include "pki/key.h"
#include "pki/spiffe.h"

struct checker {
    struct gw_config *c;
    struct diags *diags;
};

#define ERROR(k, at, ...) gw_config_error((k)->c, (at), (k)->diags, __VA_ARGS__)
#define WARNING(k, where, ...) diag_warning((k)->diags, (k)->c->file, (where).line, (where).column, __VA_ARGS__)

enum { SHARDS_MOST = GW_PLACEMENT_SHARDS_MAX };

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

static bool ends_in(struct span path, struct span suffix)
{
    return path.n > suffix.n && span_ieq(span_sub(path, path.n - suffix.n, path.n), suffix);
}

static bool is_loopback(struct span host)
{
    return span_eq(host, SPAN("localhost")) || span_eq(host, SPAN("::1")) || span_starts(host, SPAN("127."));
}

// The host of a host:port that the reader accepted.
static struct span host_of(struct span address)
{
    struct span rest = address;

    if (address.n && address.p[0] == '[')
        return span_sub(address, 1, span_find(address, ']'));
    return span_cut(&rest, ':');
}

static bool domain_known(const struct checker *k, struct span name)
{
    for (size_t i = 0; i < k->c->trust_domains_n; i++)
        if (span_eq(k->c->trust_domains[i].name.v, name))
            return true;
    return false;
}

static struct span domain_near(const struct checker *k, struct span name)
{
    struct span names[64];
    size_t n = 0;

    for (; n < k->c->trust_domains_n && n < sizeof names / sizeof *names; n++)
        names[n] = k->c->trust_domains[n].name.v;
    return diag_suggest(name, names, n);
}

static void domain_must_be_known(struct checker *k, struct span name, struct gw_config_place at)
{
    struct span near;

    if (domain_known(k, name))
        return;
    near = domain_near(k, name);
    if (span_is_none(near))
        ERROR(k, at, "trust domain '%.*s' is not among trust_domains; add it there", SPAN_FMT(name));
    else
        ERROR(k, at, "trust domain '%.*s' is not among trust_domains; did you mean '%.*s'?", SPAN_FMT(name),
              SPAN_FMT(near));
}

// A workload's trust domain must have a bundle, or nothing could vouch for it.
static void id_must_be_vouched_for(struct checker *k, struct gw_config_text id)
{
    struct pki_spiffe parsed;

    if (is_set(id) && pki_spiffe_parse_workload(id.v, &parsed, NULL) == 0)
        domain_must_be_known(k, parsed.trust_domain, id.at);
}

static void trust_domains(struct checker *k)
{
    struct gw_config_trust_domain *domains = (void *)(uintptr_t)k->c->trust_domains;

    for (size_t i = 0; i < k->c->trust_domains_n; i++) {
        struct gw_config_trust_domain *d = &domains[i];
        d->bundle_is_jwks = ends_in(d->bundle.v, SPAN(".json")) || ends_in(d->bundle.v, SPAN(".jwks"));
        if (d->crl_required && d->crls.n == 0)
            ERROR(k, d->at, "crl_required without crls refuses every certificate of '%.*s'; name its CRL files",
                  SPAN_FMT(d->name.v));
        for (size_t j = 0; j < i && is_set(d->name); j++)
            if (span_eq(domains[j].name.v, d->name.v)) {
                ERROR(k, d->name.at, "trust domain '%.*s' is already in line %u; a bundle file may hold several CAs",
                      SPAN_FMT(d->name.v), domains[j].name.at.line);
                break;
            }
    }
}

static void identities(struct checker *k)
{
    for (size_t i = 0; i < k->c->identities_n; i++) {
        const struct gw_config_identity *rule = &k->c->identities[i];
        if (is_set(rule->dns) == is_set(rule->subject))
            ERROR(k, rule->at, "a rule has either 'dns' or 'subject'; write one of them");
        id_must_be_vouched_for(k, rule->spiffe_id);
    }
}

// RFC 8414 §2: the issuer is an https URL without query or fragment. Where its metadata are follows from it.
static void discovery(struct checker *k, struct gw_config_issuer *s)
{
    struct gw_config_endpoint *e = &s->keys.endpoint;

    if (s->discovery != GW_DISCOVERY_WELL_KNOWN || !is_set(s->issuer))
        return;
    const char *fault = gw_fault_url(s->issuer.v, &e->tls, &e->host, &e->port, &s->keys.target);
    if (fault || span_find(s->keys.target, '?') < s->keys.target.n) {
        ERROR(k, s->issuer.at,
              "'discovery: true' needs an issuer whose name is an https URL without query; or write the "
              "URL of its metadata");
        return;
    }
    s->keys.url = s->issuer;
    e->at = s->issuer.at;
    e->host = arena_dup(&k->c->arena, e->host);
    e->authority = gw_config_authority(&k->c->arena, e);
}

static bool any_tls(const struct gw_config_remote_tls *t)
{
    return is_set(t->ca) || is_set(t->spiffe_id) || is_set(t->server_name) || is_set(t->certificate) || is_set(t->key);
}

static void fetched(struct checker *k, const struct gw_config_issuer *s)
{
    gw_config_remote_check(k->c, &s->keys, s->discovery == GW_DISCOVERY_NONE ? "jwks_url" : "discovery", k->diags);
    if (!is_set(s->keys.url) && s->discovery == GW_DISCOVERY_NONE && any_tls(&s->keys.tls))
        ERROR(k, s->keys.tls.at, "fetch.tls is set, but nothing is fetched; write jwks_url or discovery, or remove it");
    if (is_set(s->keys.url) && s->max_stale > 0 && s->refresh > s->max_stale / 2)
        ERROR(k, s->at,
              "fetch.refresh is more than half of max_stale, so one failed fetch would make the keys stale; "
              "lower it");
}

// Where the keys of an issuer come from decides which algorithms it can have: a public key must never be a MAC key (RFC 8725 §2.1).
static void source_of_keys(struct checker *k, struct gw_config_issuer *s)
{
    const unsigned hmac = PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512);
    bool symmetric = is_set(s->symmetric_key_file);
    bool by_url = s->discovery != GW_DISCOVERY_NONE || s->keys.url.at.line != 0;
    int sources = symmetric + is_set(s->jwks) + by_url;

    discovery(k, s);
    fetched(k, s);
    if (s->introspection.present && sources == 0)
        return; // it is asked about every token
    if (sources != 1)
        ERROR(k, s->at,
              "an issuer has one of 'jwks', 'jwks_url', 'discovery' and 'symmetric_key_file'; write one of them");
    else if (symmetric && ((s->algorithms & ~hmac) || (s->algorithms & (s->algorithms - 1)) || s->algorithms == 0))
        ERROR(k, s->at,
              "with 'symmetric_key_file' an issuer has one algorithm of HS256, HS384, HS512 and no other; write "
              "'algorithms: [HS256]'");
    else if (!symmetric && (s->algorithms & hmac))
        ERROR(k, s->at,
              "HS256, HS384 and HS512 need 'symmetric_key_file'; with 'jwks' anybody could sign with the public key");
}

static void issuers(struct checker *k)
{
    struct gw_config_issuer *all = (void *)(uintptr_t)k->c->issuers;

    for (size_t i = 0; i < k->c->issuers_n; i++) {
        struct gw_config_issuer *s = &all[i];
        for (size_t j = 0; j < i; j++) {
            const struct gw_config_issuer *other = &k->c->issuers[j];
            if (is_set(s->name) && span_eq(other->name.v, s->name.v))
                ERROR(k, s->name.at,
                      "the name '%.*s' is already in line %u; names of issuers must differ, or their roles would mix",
                      SPAN_FMT(s->name.v), other->name.at.line);
            if (is_set(s->issuer) && span_eq(other->issuer.v, s->issuer.v))
                ERROR(k, s->issuer.at, "the issuer '%.*s' is already in line %u; one entry describes one issuer",
                      SPAN_FMT(s->issuer.v), other->issuer.at.line);
        }
        source_of_keys(k, s);
        if (is_set(s->bearer_token_file) && !is_set(s->keys.url) && s->discovery == GW_DISCOVERY_NONE)
            ERROR(k, s->bearer_token_file.at, "fetch.bearer_token_file is set, but nothing is fetched; remove it");
        if (s->uses == GW_ISSUER_ENROLMENT)
            continue; // what is below is about access tokens
        if (s->binding == GW_BINDING_NONE && !s->unbound_bearer)
            ERROR(k, s->at,
                  "binding: none lets anyone who sees a token use it; say 'unbound_bearer: allow' if that is meant");
        if (s->binding && s->binding != GW_BINDING_NONE && s->unbound_bearer)
            ERROR(k, s->at, "unbound_bearer: allow goes with binding: none only; remove one of the two");
        if (span_eq(s->typ.v, SPAN("none")) && (s->uses & GW_ISSUER_REQUESTS))
            ERROR(k, s->typ.at,
                  "typ: none cannot tell an access token from another JWT of '%.*s'; write the typ of its access "
                  "tokens, or "
                  "'uses: [exchange]' or [enrolment]",
                  SPAN_FMT(s->name.v));
        if (s->workload_match == GW_WORKLOAD_UNCHECKED)
            WARNING(k, s->at, "workload_match: unchecked lets any workload use a token of '%.*s'", SPAN_FMT(s->name.v));
        else if (s->asserts.trust_domains.n == 0 && s->workload_match)
            ERROR(k, s->at,
                  "asserts.trust_domains is empty, so no token of '%.*s' could belong to a workload; list the trust "
                  "domains",
                  SPAN_FMT(s->name.v));
        for (size_t t = 0; t < s->asserts.trust_domains.n; t++)
            domain_must_be_known(k, s->asserts.trust_domains.v[t].v, s->asserts.trust_domains.v[t].at);
        if (s->max_age && s->max_lifetime && s->max_age > s->max_lifetime)
            WARNING(k, s->at, "max_age is longer than max_lifetime and has no effect");
    }
}

static void api_keys(struct checker *k)
{
    const struct gw_config_api_keys *a = &k->c->api_keys;

    if (!a->present)
        return;
    for (size_t i = 0; i < k->c->issuers_n; i++) {
        const struct gw_config_issuer *s = &k->c->issuers[i];
        if (is_set(a->name) && span_eq(s->name.v, a->name.v))
            ERROR(k, a->name.at.line ? a->name.at : a->at,
                  "the name '%.*s' is an issuer's, in line %u; choose another, or their roles would mix",
                  SPAN_FMT(a->name.v), s->name.at.line);
        if (span_starts(s->issuer.v, SPAN("apikey:")))
            ERROR(k, s->issuer.at, "'apikey:' begins what policies know API keys by; an issuer has a URL");
    }
    if (a->any_workload)
        WARNING(k, a->at, "workload: any lets whoever has a certificate use a key that was created without an owner");
    else if (a->asserts.trust_domains.n == 0)
        ERROR(k, a->at,
              "asserts.trust_domains is empty, so no key could have an owner; list the trust domains of the workloads");
    for (size_t t = 0; t < a->asserts.trust_domains.n; t++)
        domain_must_be_known(k, a->asserts.trust_domains.v[t].v, a->asserts.trust_domains.v[t].at);
}

static void shard_tls(struct checker *k, const struct gw_config_shard *s)
{
    const struct gw_config_remote_tls *tls = &s->tls;
    bool any = is_set(tls->ca) || is_set(tls->spiffe_id) || is_set(tls->server_name) || is_set(tls->certificate) ||
               is_set(tls->key);

    if (!s->has_tls) {
        if (any)
            ERROR(k, tls->at, "tls is set, but no endpoint of shard '%.*s' is https; write https:// or remove tls",
                  SPAN_FMT(s->name.v));
        return;
    }
    struct span what = arena_printf(&k->c->arena, "shard '%.*s'", SPAN_FMT(s->name.v));
    gw_config_remote_tls_check(k->c, tls, s->at, span_is_none(what) ? "a shard" : what.p, k->diags);
}

static void credential(struct checker *k, const struct gw_config_shard *s)
{
    static const struct span reserved[] = {
        { "host", 4 },
        { "content-length", 14 },
        { "transfer-encoding", 17 },
        { "connection", 10 },
        { "content-type", 12 },
        { "keep-alive", 10 },
        { "upgrade", 7 },
        { "te", 2 },
        { "trailer", 7 },
        { "expect", 6 },
    };
    struct span header = s->credential.header.v;

    if (!s->has_credential)
        return;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (span_eq(header, reserved[i]))
            ERROR(k, s->credential.header.at,
                  "'%.*s' is a field of HTTP itself and carries no credential; see docs/config.md", SPAN_FMT(header));
    for (size_t i = 0; i < s->endpoints_n; i++)
        if (!s->endpoints[i].tls && !is_loopback(s->endpoints[i].host))
            WARNING(k, s->endpoints[i].at,
                    "the credential of shard '%.*s' goes to this endpoint unencrypted; use https", SPAN_FMT(s->name.v));
}

static void shards(struct checker *k)
{
    struct gw_config_shard *all = (void *)(uintptr_t)k->c->shards;

    if (k->c->shards_n > SHARDS_MOST)
        ERROR(k, all[SHARDS_MOST].at, "more than %d shards; a gateway serves at most that many", SHARDS_MOST);
    for (size_t i = 0; i < k->c->shards_n; i++) {
        struct gw_config_shard *s = &all[i];
        for (size_t j = 0; j < i && is_set(s->name); j++)
            if (span_eq(all[j].name.v, s->name.v)) {
                ERROR(k, s->name.at, "shard '%.*s' is already in line %u; equivalent endpoints go into one shard",
                      SPAN_FMT(s->name.v), all[j].name.at.line);
                break;
            }
        for (size_t j = 0; j < s->endpoints_n; j++) {
            if (s->endpoints[j].tls != s->endpoints[0].tls)
                ERROR(k, s->endpoints[j].at, "http and https endpoints in one shard; make them alike");
            s->has_tls |= s->endpoints[j].tls;
        }
        if (s->pool.max_idle > s->pool.max_connections)
            ERROR(k, s->at, "pool.max_idle is above pool.max_connections; lower it");
        gw_config_discover_check(k->c, s, k->diags);
        if (s->endpoints_n || s->discover.kind != GW_DISCOVER_NONE)
            shard_tls(k, s);
        credential(k, s);
    }
}

static bool find_shard(struct checker *k, struct gw_config_text name, unsigned *index)
{
    struct span names[SHARDS_MOST], near;
    size_t n = 0;

    for (; n < k->c->shards_n && n < SHARDS_MOST; n++) {
        names[n] = k->c->shards[n].name.v;
        if (!span_is_none(names[n]) && span_eq(names[n], name.v)) {
            *index = (unsigned)n;
            return true;
        }
    }
    near = diag_suggest(name.v, names, n);
    if (span_is_none(near))
        ERROR(k, name.at, "no shard is called '%.*s'; add it to shards", SPAN_FMT(name.v));
    else
        ERROR(k, name.at, "no shard is called '%.*s'; did you mean '%.*s'?", SPAN_FMT(name.v), SPAN_FMT(near));
    return false;
}

static bool resolve(struct checker *k, struct gw_config_route *r)
{
    const struct gw_config_text *names = is_set(r->shard) ? &r->shard : r->hash.v;
    size_t n = is_set(r->shard) ? 1 : r->hash.n, found = 0;
    unsigned *indexes = arena_array(&k->c->arena, n, sizeof *indexes);

    if (!indexes)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!find_shard(k, names[i], &indexes[found]))
            continue;
        if (k->c->shards[indexes[found]].api != k->c->shards[indexes[0]].api)
            ERROR(k, names[i].at, "shards of different databases in one hash; give each database a rule of its own");
        found++;
    }
    r->shards = indexes;
    r->shards_n = found;
    return true;
}

// False when out of memory.
static bool routes(struct checker *k)
{
    struct gw_config_route *all = (void *)(uintptr_t)k->c->routes;
    const struct gw_config_route *catch_all[SHARDS_MOST] = {
        NULL
    }; // each API has its own list of rules: of its first shard
    bool used[SHARDS_MOST] = { false };

    for (size_t i = 0; i < k->c->routes_n; i++) {
        struct gw_config_route *r = &all[i];
        if (is_set(r->shard) == (r->hash.at.line != 0)) {
            ERROR(k, r->at, "a route has either 'shard' or 'hash'; write one of them");
            continue;
        }
        if (!is_set(r->shard) && r->hash.n == 0)
            ERROR(k, r->hash.at, "'hash' is an empty list; name at least one shard");
        if (!resolve(k, r))
            return false;
        for (size_t j = 0; j < r->shards_n; j++)
            used[r->shards[j]] = true;
        if (r->shards_n == 0)
            continue;
        size_t api = 0;
        while (k->c->shards[api].api != k->c->shards[r->shards[0]].api)
            api++;
        if (catch_all[api])
            WARNING(k, r->at, "never reached: the route in line %u matches everything; move it to the end",
                    catch_all[api]->at.line);
        else if (!is_set(r->database) && !is_set(r->tenant) && !is_set(r->collection))
            catch_all[api] = r;
    }
    for (size_t i = 0; i < k->c->shards_n && i < SHARDS_MOST; i++)
        if (!used[i] && k->c->routes_n)
            WARNING(k, k->c->shards[i].at, "no route leads to shard '%.*s'", SPAN_FMT(k->c->shards[i].name.v));
    return true;
}

static void operations(struct checker *k)
{
    const struct gw_config_text *listen = &k->c->operations.listen;
    const struct gw_config_texts *addresses = &k->c->listener.addresses;

    if (!k->c->operations.enabled || !is_set(*listen))
        return;
    if (!is_loopback(host_of(listen->v)))
        WARNING(k, listen->at, "the operations listener is plain HTTP and open to whoever reaches '%.*s'",
                SPAN_FMT(listen->v));
    for (size_t i = 0; i < addresses->n; i++)
        if (span_eq(addresses->v[i].v, listen->v) && !span_ends(listen->v, SPAN(":0")))
            ERROR(k, listen->at.line ? listen->at : addresses->v[i].at,
                  "operations and listener have the same address '%.*s'; change one", SPAN_FMT(listen->v));
}

void gw_config_check(struct gw_config *c, struct diags *diags)
{
    struct checker k = { c, diags };

    trust_domains(&k);
    identities(&k);
    issuers(&k);
    gw_config_introspection_check(c, diags);
    gw_config_feed_check(c, diags);
    gw_config_audit_check(c, diags);
    gw_config_tracing_check(c, diags);
    api_keys(&k);
    gw_config_check_apis(c, diags);
    shards(&k);
    // The arena is marked when this was out of memory, and the caller looks.
    (void)routes(&k);
    operations(&k);
    gw_config_check_modes(c, diags);
    gw_config_check_limits(c, diags);
    gw_config_check_policy(c, "policy", &c->policy, diags);
    gw_config_check_parts(c, diags);
    gw_config_check_authority(c, diags);
    gw_config_check_enrolment(c, diags);
    gw_config_check_connect(c, diags);
}
