// SPDX-License-Identifier: GPL-3.0-or-later
// The keys whose values have a shape of their own: scopes, endpoints and URLs.
#include "gateway/api/action.h"
#include "gateway/base/clock.h"
#include "gateway/config/discover.h"
#include "gateway/config/fault.h"
#include "gateway/config/schema.h"

static void unknown_action(struct gw_reader *r, const struct gw_yaml *node)
{
    struct span names[GW_ACTION_COUNT + GW_ACTION_GROUPS], near;
    size_t n = 0;

    for (unsigned i = 0; i < GW_ACTION_COUNT; i++)
        names[n++] = gw_action_name((enum gw_action)i);
    for (size_t i = 0; i < GW_ACTION_GROUPS; i++)
        names[n++] = gw_action_groups[i].name;
    near = diag_suggest(node->text, names, n);
    if (span_is_none(near))
        gw_config_complain(r, node,
                           "unknown action '%.*s'; write search, read, list, meta, write, delete, create, alter, drop, "
                           "export, ops, or a group: "
                           "readonly, readwrite, admin",
                           SPAN_FMT(span_sub(node->text, 0, 64)));
    else
        gw_config_complain(r, node, "unknown action '%.*s'; did you mean '%.*s'?",
                           SPAN_FMT(span_sub(node->text, 0, 64)), SPAN_FMT(near));
}

static unsigned actions(struct gw_reader *r, const struct gw_yaml *node)
{
    unsigned mask = 0;

    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list of actions: [search, read]"))
        return 0;
    if (node->count == 0)
        gw_config_complain(r, node, "scope '%.*s' has no action; name at least one, or remove the scope",
                           SPAN_FMT(span_sub(node->key, 0, 64)));
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        unsigned bits;
        if (!gw_config_read_is(r, item, GW_YAML_SCALAR, "an action's name"))
            continue;
        bits = gw_action_mask(item->text);
        if (!bits)
            unknown_action(r, item);
        mask |= bits;
    }
    return mask;
}

// RFC 6749 §3.3: printable ASCII without space, '"' and '\'.
static bool scope_holds(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

void gw_config_read_scopes(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    static const char shape[] = "a map 'scope: [actions]', or the word none for an issuer without scopes";
    struct gw_config_issuer *issuer = at;
    struct gw_config_scope *scopes;
    size_t n = 0;

    if (node->kind == GW_YAML_SCALAR && !node->quoted && span_eq(node->text, SPAN("none"))) {
        issuer->scopeless = true;
        return;
    }
    if (!gw_config_read_is(r, node, GW_YAML_MAP, shape))
        return;
    if (node->count == 0)
        gw_config_complain(r, node, "'scopes' is empty; write %s", shape);
    scopes = arena_array(r->arena, node->count, sizeof *scopes);
    if (!scopes) {
        r->failed = true;
        return;
    }
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        if (!scope_holds(item->key))
            diag_error(r->diags, r->file, item->key_line, item->key_column,
                       "'%.*s' is not a scope; use printable characters without spaces and quotes",
                       SPAN_FMT(span_sub(item->key, 0, 64)));
        scopes[n++] = (struct gw_config_scope){ { item->key, { item->key_line, item->key_column } }, actions(r, item) };
    }
    issuer->scopes = scopes;
    issuer->scopes_n = n;
}

void gw_config_read_api_key_scopes(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_api_keys *keys = at;
    struct gw_config_issuer shape = { .scopes_n = 0 };

    gw_config_read_scopes(r, node, &shape);
    keys->scopeless = shape.scopeless;
    keys->scopes = shape.scopes;
    keys->scopes_n = shape.scopes_n;
}

struct span gw_config_authority(struct arena *a, const struct gw_config_endpoint *e)
{
    return gw_endpoint_authority(a, e->host, e->port, e->tls);
}

void gw_config_read_url(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_remote *remote = at;
    struct gw_config_endpoint *e = &remote->endpoint;
    struct gw_config_text text;
    const char *fault;

    if (!gw_config_read_text(r, node, &text))
        return;
    remote->url.at = text.at;
    fault = gw_fault_url(text.v, &e->tls, &e->host, &e->port, &remote->target);
    if (fault) {
        gw_config_complain(r, node, "'%.*s' for '%.*s': %s", SPAN_FMT(span_sub(text.v, 0, 200)), SPAN_FMT(node->key),
                           fault);
        return;
    }
    remote->url = text;
    e->at = text.at;
    e->host = arena_dup(r->arena, e->host);
    e->authority = gw_config_authority(r->arena, e);
    r->failed |= span_is_none(e->host) || span_is_none(e->authority);
}

void gw_config_read_hedge_after(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_hedge *hedge = at;
    struct gw_config_text text;
    uint64_t quantile;
    int64_t ms;

    if (!gw_config_read_text(r, node, &text))
        return;
    if (span_starts(text.v, SPAN("p")) && span_to_u64(span_sub(text.v, 1, text.v.n), &quantile) && quantile >= 50 &&
        quantile <= 99)
        hedge->quantile = (unsigned)quantile;
    else if (clock_parse_duration(text.v, &ms) && ms >= 10 && ms <= 300000)
        hedge->after = ms;
    else
        gw_config_complain(r, node, "'%.*s' for 'after': write p50 to p99, or a time from 10ms to 5m",
                           SPAN_FMT(span_sub(text.v, 0, 64)));
}

void gw_config_read_discovery(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_issuer *issuer = at;
    bool word = node->kind == GW_YAML_SCALAR && !node->quoted;

    if (word && span_eq(node->text, SPAN("false")))
        return;
    if (issuer->keys.url.at.line != 0) {
        gw_config_complain(r, node, "'jwks_url' and 'discovery' exclude each other; write one of them");
        return;
    }
    issuer->discovery = word && span_eq(node->text, SPAN("true")) ? GW_DISCOVERY_WELL_KNOWN : GW_DISCOVERY_URL;
    if (issuer->discovery == GW_DISCOVERY_URL) // else it follows from `issuer`: check.c
        gw_config_read_url(r, node, &issuer->keys);
}

void gw_config_read_endpoints(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_shard *shard = at;
    struct gw_config_endpoint *endpoints;
    size_t n = 0;

    shard->endpoints_at = (struct gw_config_place){ node->line, node->column };
    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list: [http://127.0.0.1:6333]"))
        return;
    if (node->count == 0)
        gw_config_complain(r, node, "'endpoints' is an empty list; name at least one");
    if (node->count > GW_ENDPOINTS_MAX)
        gw_config_complain(r, node, "a shard has at most %d endpoints", GW_ENDPOINTS_MAX);
    endpoints = arena_array(r->arena, node->count, sizeof *endpoints);
    if (!endpoints) {
        r->failed = true;
        return;
    }
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        struct gw_config_endpoint *e = &endpoints[n];
        struct gw_config_text text;
        const char *fault;

        if (!gw_config_read_text(r, item, &text))
            continue;
        fault = gw_fault_endpoint(text.v, &e->tls, &e->host, &e->port);
        if (fault) {
            gw_config_complain(r, item, "'%.*s' for 'endpoints': %s", SPAN_FMT(span_sub(text.v, 0, 200)), fault);
            continue;
        }
        e->at = text.at;
        e->host = arena_dup(r->arena, e->host);
        e->authority = gw_config_authority(r->arena, e);
        r->failed |= span_is_none(e->host) || span_is_none(e->authority);
        for (size_t i = 0; i < n; i++)
            if (endpoints[i].tls == e->tls && span_ieq(endpoints[i].authority, e->authority))
                gw_config_complain(r, item, "'%.*s' is in the list already; remove one of the two",
                                   SPAN_FMT(span_sub(text.v, 0, 200)));
        n++;
    }
    shard->endpoints = endpoints;
    shard->endpoints_n = n;
}
