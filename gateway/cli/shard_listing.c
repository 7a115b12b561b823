// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/shard_listing.h"

#include "gateway/base/json.h"
#include "gateway/config/discover.h"
#include "gateway/http/writer.h"
#include "gateway/net/errand.h"
#include "gateway/net/locate.h"
#include "gateway/tls/engine.h"

#include <time.h>

#define ANSWER_MAX (64u << 20)
#define PAGE 1000
#define CONNECT_MS 10000
#define IDLE_MS 60000

struct asker {
    const struct gw_shard_listing *l;
    struct gw_endpoints *endpoints;
    struct gw_tls_context *tls;
    struct gw_tls_trust own;
    unsigned status;
    struct buf answer;
    struct json_doc *doc; // the last answer
};

static bool complain(const struct asker *a, const char *what)
{
    gw_cli_usage(a->l->cli, "shard %.*s: %s", SPAN_FMT(a->l->shard->name), what);
    return false;
}

// --------------------------------------------------------------------------------------------------------- asking

static void on_head(void *ctx, const struct gw_response *r)
{
    struct asker *a = ctx;
    a->status = r->status;
}

static void on_body(void *ctx, struct span piece)
{
    struct asker *a = ctx;
    buf_append(&a->answer, piece);
}

static int write_request(const struct asker *a, const struct gw_endpoint *e, enum gw_method method, struct span target,
                         struct span body, struct buf *out)
{
    const struct gw_shard *shard = a->l->shard;
    struct span query = target, path = span_cut(&query, '?');
    struct gw_head h = gw_head_request(out, method, path, query);
    gw_head_field(&h, SPAN("host"), e->authority);
    gw_head_field(&h, SPAN("accept"), SPAN("application/json"));
    gw_head_field(&h, SPAN("connection"), SPAN("close"));
    if (!span_is_none(shard->credential_name))
        gw_head_field(&h, shard->credential_name, shard->credential);
    if (!span_is_none(body)) {
        gw_head_field(&h, SPAN("content-type"), SPAN("application/json"));
        gw_head_framing(&h, GW_FRAMING_LENGTH, body.n);
    }
    int rc = gw_head_end(&h);
    return rc == 0 && !span_is_none(body) && !buf_append(out, body) ? ERR_NOMEM : rc;
}

static int ask_one(struct asker *a, const struct gw_endpoint *e, enum gw_method method, struct span target,
                   struct span body, const char **what)
{
    const struct gw_remote *remote = &a->l->shard->remote;
    struct gw_tls_target known = { .spiffe_id = remote->spiffe_id };
    struct buf request;
    buf_init(&request, 0);
    if (span_is_none(remote->spiffe_id))
        known.dns = span_is_none(remote->server_name) ? e->name : remote->server_name;
    int rc = write_request(a, e, method, target, body, &request);
    const struct gw_errand errand = {
        .host = e->host,
        .port = e->port,
        .tls = a->tls,
        .trust = remote->trust ? &a->own : a->l->bundles,
        .target = &known,
        .request = buf_span(&request),
        .connect_ms = CONNECT_MS,
        .idle_ms = IDLE_MS,
        .on_head = on_head,
        .on_body = on_body,
        .ctx = a,
    };
    buf_fini(&a->answer);
    buf_init(&a->answer, ANSWER_MAX);
    *what = NULL;
    if (rc == 0)
        rc = gw_errand_run(&errand, what);
    buf_wipe(&request); // the credential was in it
    return rc;
}

// The answer as JSON; NULL after the complaint. `absent`: 404 is an empty answer, not an error (JSON null).
static json ask(struct asker *a, enum gw_method method, struct span target, struct span body, bool absent, bool *ok)
{
    const char *what = NULL;
    int rc = ERR_SHARD_CONNECT;
    *ok = false;
    if (span_is_none(target)) {
        complain(a, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < a->endpoints->n && (rc == ERR_SHARD_CONNECT || rc == ERR_SHARD_TLS); i++)
        rc = ask_one(a, &a->endpoints->v[i], method, target, body, &what);
    json_free(a->doc);
    a->doc = NULL;
    if (rc != 0) {
        gw_cli_usage(a->l->cli, "shard %.*s: %.*s%s%s", SPAN_FMT(a->l->shard->name), SPAN_FMT(err_info(rc)->reason),
                     what ? ": " : "", what ? what : "");
        return NULL;
    }
    if (absent && a->status == 404) {
        *ok = true;
        return NULL;
    }
    const struct json_limits limits = { .bytes = ANSWER_MAX };
    a->doc = a->answer.failed || a->status != 200 ? NULL : json_parse(buf_span(&a->answer), &limits, NULL);
    if (!a->doc) {
        gw_cli_usage(a->l->cli, "shard %.*s: GET or POST %.*s: answered %u, which is no list that can be used",
                     SPAN_FMT(a->l->shard->name), SPAN_FMT(target), a->status);
        return NULL;
    }
    *ok = true;
    return json_root(a->doc);
}

static struct span keep(const struct asker *a, struct span s)
{
    return span_is_none(s) ? SPAN_NONE : arena_dup(&a->l->cli->arena, s);
}

static void tell(const struct asker *a, struct span database, struct span tenant, struct span collection)
{
    const struct gw_listed c = { database, tenant, keep(a, collection) };
    a->l->on_collection(a->l->ctx, &c);
}

// A path segment (RFC 3986 §3.3), everything but unreserved characters encoded.
static struct span segment(const struct asker *a, struct span s)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain)
            buf_byte(&b, (char)c);
        else
            buf_printf(&b, "%%%02X", c);
    }
    struct span out = b.failed ? SPAN_NONE : keep(a, buf_span(&b));
    buf_fini(&b);
    return out;
}

// The names in a list, of its elements or of a member of them. False when one has none.
static bool names_in(struct asker *a, json list, const char *member, struct span *out, size_t max, size_t *n)
{
    struct json_iter it = json_iter(list);
    struct span key;
    json v;
    *n = 0;
    if (json_type(list) != JSON_ARRAY)
        return complain(a, "it answered something else than a list");
    while (json_next(&it, &key, &v)) {
        struct span name = json_string(member ? json_get(v, span_str(member)) : v);
        if (span_is_none(name) || *n == max)
            return complain(a, "a list of it has something without a name, or too much in it");
        out[(*n)++] = keep(a, name);
    }
    return true;
}

static struct span *room_for(struct asker *a, json list)
{
    return arena_array(&a->l->cli->arena, json_count(list) + 1, sizeof(struct span));
}

// ------------------------------------------------------------------------------------------------- database by database

static bool list_qdrant(struct asker *a)
{
    bool ok;
    size_t n = 0;
    json root = ask(a, GW_METHOD_GET, SPAN("/collections"), SPAN_NONE, false, &ok);
    json list = json_get(json_get(root, SPAN("result")), SPAN("collections"));
    struct span *names = ok ? room_for(a, list) : NULL;
    if (!names || !names_in(a, list, "name", names, json_count(list), &n))
        return false;
    for (size_t i = 0; i < n; i++)
        tell(a, SPAN_NONE, SPAN_NONE, names[i]);
    return true;
}

static bool list_chroma_database(struct asker *a, struct span tenant, struct span database)
{
    struct span t = segment(a, tenant), d = segment(a, database);
    for (size_t offset = 0;; offset += PAGE) {
        bool ok;
        size_t n = 0;
        json list =
            ask(a, GW_METHOD_GET,
                arena_printf(&a->l->cli->arena, "/api/v2/tenants/%.*s/databases/%.*s/collections?limit=%d&offset=%zu",
                             SPAN_FMT(t), SPAN_FMT(d), PAGE, offset),
                SPAN_NONE, true, &ok);
        if (!ok || !list)
            return ok;
        struct span *names = room_for(a, list);
        if (!names || !names_in(a, list, "name", names, json_count(list), &n))
            return false;
        for (size_t i = 0; i < n; i++)
            tell(a, database, tenant, names[i]);
        if (n < PAGE)
            return true;
    }
}

static bool list_chroma(struct asker *a)
{
    for (size_t i = 0; i < a->l->n_tenants; i++) {
        struct span tenant = a->l->tenants[i], t = segment(a, tenant);
        bool ok;
        size_t n = 0;
        json list =
            ask(a, GW_METHOD_GET, arena_printf(&a->l->cli->arena, "/api/v2/tenants/%.*s/databases", SPAN_FMT(t)),
                SPAN_NONE, true, &ok);
        if (!ok)
            return false;
        if (!list) // a tenant need not be on every shard
            continue;
        struct span *names = room_for(a, list);
        if (!names || !names_in(a, list, "name", names, json_count(list), &n))
            return false;
        for (size_t k = 0; k < n; k++)
            if (!list_chroma_database(a, tenant, names[k]))
                return false;
    }
    return true;
}

static bool list_milvus(struct asker *a)
{
    bool ok;
    size_t n = 0, m = 0;
    json list =
        json_get(ask(a, GW_METHOD_POST, SPAN("/v2/vectordb/databases/list"), SPAN("{}"), false, &ok), SPAN("data"));
    struct span *databases = ok ? room_for(a, list) : NULL;
    if (!databases || !names_in(a, list, NULL, databases, json_count(list), &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct buf body;
        buf_init(&body, 0);
        struct json_writer w = json_writer(&body);
        json_w_object(&w);
        json_w_key(&w, SPAN("dbName"));
        json_w_string(&w, databases[i]);
        json_w_end(&w);
        list = json_get(ask(a, GW_METHOD_POST, SPAN("/v2/vectordb/collections/list"), buf_span(&body), false, &ok),
                        SPAN("data"));
        buf_fini(&body);
        struct span *names = ok ? room_for(a, list) : NULL;
        if (!names || !names_in(a, list, NULL, names, json_count(list), &m))
            return false;
        for (size_t k = 0; k < m; k++)
            tell(a, databases[i], SPAN_NONE, names[k]);
    }
    return true;
}

static bool list_weaviate(struct asker *a)
{
    bool ok;
    size_t n = 0, m = 0;
    json list = json_get(ask(a, GW_METHOD_GET, SPAN("/v1/schema"), SPAN_NONE, false, &ok), SPAN("classes"));
    struct span *classes = ok ? room_for(a, list) : NULL;
    bool *tenants = ok ? arena_array(&a->l->cli->arena, json_count(list) + 1, sizeof *tenants) : NULL;
    if (!classes || !tenants || !names_in(a, list, "class", classes, json_count(list), &n))
        return false;
    for (size_t i = 0; i < n; i++)
        json_bool(json_get(json_get(json_at(list, i), SPAN("multiTenancyConfig")), SPAN("enabled")), &tenants[i]);
    for (size_t i = 0; i < n; i++) {
        tell(a, SPAN_NONE, SPAN_NONE, classes[i]);
        if (!tenants[i])
            continue;
        struct span class = segment(a, classes[i]);
        list = ask(a, GW_METHOD_GET, arena_printf(&a->l->cli->arena, "/v1/schema/%.*s/tenants", SPAN_FMT(class)),
                   SPAN_NONE, false, &ok);
        struct span *names = ok ? room_for(a, list) : NULL;
        if (!names || !names_in(a, list, "name", names, json_count(list), &m))
            return false;
        for (size_t k = 0; k < m; k++)
            tell(a, SPAN_NONE, names[k], classes[i]);
    }
    return true;
}

// ------------------------------------------------------------------------------------------------------------ all

static bool open_shard(struct asker *a)
{
    const struct gw_remote *r = &a->l->shard->remote;
    const struct gw_config_discover *d = &a->l->shard->config->discover;
    char what[GW_ENDPOINT_FILE_WHAT] = "out of memory";
    a->endpoints = d->present ? gw_locate_now(d, what) : gw_endpoints_new(r->endpoints, r->n_endpoints);
    if (!a->endpoints)
        return complain(a, what);
    if (!r->tls)
        return true;
    struct gw_tls_config config = {
        .cert_pem = r->cert_pem,
        .cert_file = r->cert_file,
        .key_pem = r->key_pem,
        .key_file = r->key_file,
        .passphrase = r->passphrase,
    };
    struct diags diags;
    diags_init(&diags);
    a->tls = gw_tls_context_client(&config, time(NULL), &diags);
    a->own = (struct gw_tls_trust){ .trust = r->trust, .options = { .purpose = PKI_PURPOSE_SERVER } };
    diags_fini(&diags);
    return a->tls || complain(a, "its TLS options cannot be used");
}

bool gw_shard_list(const struct gw_shard_listing *l)
{
    struct asker a = { .l = l };
    buf_init(&a.answer, ANSWER_MAX);
    bool ok = open_shard(&a);
    if (ok && span_eq(l->api, SPAN("qdrant")))
        ok = list_qdrant(&a);
    else if (ok && span_eq(l->api, SPAN("chroma")))
        ok = list_chroma(&a);
    else if (ok && span_eq(l->api, SPAN("milvus")))
        ok = list_milvus(&a);
    else if (ok && span_eq(l->api, SPAN("weaviate")))
        ok = list_weaviate(&a);
    else if (ok)
        ok = complain(&a, "its API is a table of your own, which does not say how to list; give --collections");
    json_free(a.doc);
    buf_fini(&a.answer);
    gw_tls_context_unref(a.tls);
    gw_endpoints_unref(a.endpoints);
    return ok;
}
