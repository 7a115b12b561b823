// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/discover.h"

#include "gateway/base/file.h"
#include "gateway/config/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

struct span gw_endpoint_authority(struct arena *a, struct span host, uint16_t port, bool tls)
{
    bool v6 = span_find(host, ':') < host.n;
    if (port == (tls ? 443 : 80))
        return arena_printf(a, v6 ? "[%.*s]" : "%.*s", SPAN_FMT(host));
    return arena_printf(a, v6 ? "[%.*s]:%u" : "%.*s:%u", SPAN_FMT(host), (unsigned)port);
}

// ---------------------------------------------------------------------------------------------------------- check

static bool is_address(struct span host)
{
    bool digits = host.n > 0;
    for (size_t i = 0; i < host.n; i++)
        digits = digits && ((host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '.');
    return digits || span_find(host, ':') < host.n;
}

static const char *read_name(struct gw_config_discover *d)
{
    const char *fault = gw_fault_endpoint(d->dns.v, &d->tls, &d->host, &d->port);
    if (fault)
        return fault;
    return is_address(d->host) ? "an address needs no looking up; write it under 'endpoints'" : NULL;
}

static const char *read_service(struct gw_config_discover *d)
{
    struct span rest = d->srv.v;
    uint16_t port;
    const char *fault = gw_fault_endpoint(d->srv.v, &d->tls, &d->host, &port);
    if (fault)
        return "http:// or https:// and a service are expected, like https://_qdrant._tcp.db.internal";
    span_cut(&rest, ':');
    if (span_find(rest, ':') < rest.n)
        return "a service has no port here: its records say it";
    return d->host.p[0] == '_' ? NULL : "a service begins with '_'; a plain name goes under 'dns'";
}

static void check_source(struct gw_config *c, struct gw_config_shard *s, struct diags *diags)
{
    struct gw_config_discover *d = &s->discover;
    const struct gw_config_text *source = is_set(d->dns) ? &d->dns : is_set(d->srv) ? &d->srv : &d->file;
    const char *fault = NULL;
    if (is_set(d->dns) + is_set(d->srv) + is_set(d->file) != 1) {
        gw_config_error(c, d->at, diags, "'discover' has one of 'dns', 'srv' and 'file'; write one of them");
        return;
    }
    d->kind = is_set(d->dns) ? GW_DISCOVER_NAME : is_set(d->srv) ? GW_DISCOVER_SERVICE : GW_DISCOVER_FILE;
    if (d->kind == GW_DISCOVER_FILE)
        d->tls = !d->plain;
    else
        fault = d->kind == GW_DISCOVER_NAME ? read_name(d) : read_service(d);
    if (fault) {
        gw_config_error(c, source->at, diags, "'%.*s': %s", SPAN_FMT(span_sub(source->v, 0, 200)), fault);
        return;
    }
    if (d->kind == GW_DISCOVER_FILE && d->servers.n > 0)
        gw_config_error(c, d->servers.at, diags, "'servers' are asked about names; remove it, or write 'dns' or 'srv'");
    if (d->kind == GW_DISCOVER_SERVICE && d->tls && !is_set(s->tls.spiffe_id) && !is_set(s->tls.server_name))
        gw_config_error(c, d->srv.at, diags,
                        "the DNS names the servers, so whoever forges it would choose whom to trust; set "
                        "tls.spiffe_id or tls.server_name");
    if (s->has_credential && !d->tls)
        diag_warning(diags, c->file, source->at.line, source->at.column,
                     "the credential of shard '%.*s' goes to what is found there unencrypted; use https",
                     SPAN_FMT(s->name.v));
    // What is looked up, and of whom: equal keys are one look-up.
    struct span servers = SPAN("");
    for (size_t i = 0; i < d->servers.n && !span_is_none(servers); i++)
        servers =
            arena_printf(&c->arena, "%.*s%s%.*s", SPAN_FMT(servers), i > 0 ? "," : "", SPAN_FMT(d->servers.v[i].v));
    d->server_list = servers;
    d->key = arena_printf(&c->arena, "%d %d %.*s %.*s", (int)d->kind, d->tls, SPAN_FMT(source->v), SPAN_FMT(servers));
    // Both are looked at with a NUL behind them.
    d->host = span_is_none(d->host) ? SPAN_NONE : arena_dup(&c->arena, d->host);
    d->authority = d->kind == GW_DISCOVER_NAME ? gw_endpoint_authority(&c->arena, d->host, d->port, d->tls) : SPAN_NONE;
}

void gw_config_discover_check(struct gw_config *c, struct gw_config_shard *s, struct diags *diags)
{
    if (!s->discover.present)
        return;
    if (s->endpoints_at.line != 0)
        gw_config_error(c, s->discover.at, diags, "'endpoints' and 'discover' exclude each other; keep one");
    check_source(c, s, diags);
    s->has_tls = s->discover.tls;
}

// ----------------------------------------------------------------------------------------------------------- file

struct list {
    struct gw_endpoint v[GW_ENDPOINTS_MAX];
    size_t n;
    struct arena arena;
};

static struct span trim(struct span s)
{
    size_t comment = span_find(s, '#');
    s = span_sub(s, 0, comment);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_sub(s, 1, s.n);
    return s;
}

static bool add_line(struct list *l, struct span line, bool tls)
{
    struct span url = arena_printf(&l->arena, "http://%.*s", SPAN_FMT(line)), host;
    bool secure;
    uint16_t port;
    size_t colon = line.n;
    while (colon > 0 && line.p[colon - 1] != ':' && line.p[colon - 1] != ']')
        colon--;
    // The port is part of a line, and nothing is behind it.
    if (colon == 0 || line.p[colon - 1] != ':' || line.p[line.n - 1] == '/' || span_find(line, '\0') < line.n ||
        span_is_none(url) || gw_fault_endpoint(url, &secure, &host, &port))
        return false;
    struct span text = arena_dup(&l->arena, host);
    struct span authority = gw_endpoint_authority(&l->arena, host, port, tls);
    if (span_is_none(text) || span_is_none(authority))
        return false;
    l->v[l->n++] = (struct gw_endpoint){ text.p, port, authority, text };
    return true;
}

struct gw_endpoints *gw_endpoint_file_parse(struct span text, bool tls, char what[static GW_ENDPOINT_FILE_WHAT])
{
    struct list *l = calloc(1, sizeof *l);
    struct gw_endpoints *found = NULL;
    unsigned number = 0;
    snprintf(what, GW_ENDPOINT_FILE_WHAT, "out of memory");
    if (!l)
        return NULL;
    arena_init(&l->arena, 1 << 20);
    for (struct span rest = text; !span_is_none(rest);) {
        struct span line = trim(span_cut(&rest, '\n'));
        number++;
        if (line.n == 0)
            continue;
        if (l->n == GW_ENDPOINTS_MAX) {
            snprintf(what, GW_ENDPOINT_FILE_WHAT, "line %u: more than %d endpoints", number, GW_ENDPOINTS_MAX);
            goto end;
        }
        if (!add_line(l, line, tls)) {
            snprintf(what, GW_ENDPOINT_FILE_WHAT, "line %u: host:port is expected", number);
            goto end;
        }
    }
    if (l->n == 0)
        snprintf(what, GW_ENDPOINT_FILE_WHAT, "it names no endpoint");
    else
        found = gw_endpoints_new(l->v, l->n);
end:
    arena_fini(&l->arena);
    free(l);
    return found;
}

struct gw_endpoints *gw_endpoint_file_read(const char *path, bool tls, char what[static GW_ENDPOINT_FILE_WHAT])
{
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read(path, GW_ENDPOINT_FILE_MAX, &text);
    struct gw_endpoints *found = NULL;
    if (rc != 0)
        snprintf(what, GW_ENDPOINT_FILE_WHAT, "%s", strerror(-rc));
    else
        found = gw_endpoint_file_parse(buf_span(&text), tls, what);
    buf_fini(&text);
    return found;
}
