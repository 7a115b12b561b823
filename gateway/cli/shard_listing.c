// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/shard_listing.h"

#include "gateway/base/json.h"
#include "gateway/net/ask.h"
#include "gateway/net/locate.h"

#include <stdarg.h>
#include <stdio.h>

#define ANSWER_MAX (64u << 20)
#define PAGE 1000
#define NAMES_MAX 1000000 // of a shard; and of what it is asked for them:
#define QUESTIONS_MAX 10000
#define COMPLAINT_MAX 400

struct asker {
    const struct gw_shard_listing *l;
    struct gw_endpoints *endpoints;
    struct json_doc *doc; // the last answer
    size_t names, questions;
};

__attribute__((format(printf, 2, 3))) static bool complain(const struct asker *a, const char *fmt, ...)
{
    char text[COMPLAINT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    a->l->on_complaint(a->l->ctx, text);
    return false;
}

// --------------------------------------------------------------------------------------------------------- asking

// The answer as JSON; NULL after the complaint. `absent`: 404 is an empty answer, not an error (JSON null).
static json ask(struct asker *a, enum gw_method method, struct span target, struct span body, bool absent, bool *ok)
{
    const struct gw_shard *shard = a->l->shard;
    const struct gw_ask_question q = {
        .remote = &shard->remote,
        .endpoints = a->endpoints,
        .credential = { shard->credential_name, shard->credential },
        .method = method,
        .target = target,
        .body = body,
        .answer_max = ANSWER_MAX,
        .within_ms = a->l->within_ms,
        .repeatable = true,
    };
    struct gw_ask_reply reply;
    struct buf answer;
    *ok = false;
    json_free(a->doc);
    a->doc = NULL;
    if (span_is_none(target) || a->questions++ == QUESTIONS_MAX) {
        complain(a, span_is_none(target) ? "out of memory" : "it has no end");
        return NULL;
    }
    buf_init(&answer, ANSWER_MAX);
    gw_ask_now(a->l->snapshot, a->l->bundles, &q, &reply, &answer);
    const struct json_limits limits = { .bytes = ANSWER_MAX };
    *ok = reply.error == 0 && absent && reply.status == 404;
    if (reply.error == 0 && reply.status == 200)
        a->doc = json_parse(buf_span(&answer), &limits, NULL);
    buf_fini(&answer);
    if (reply.error != 0)
        complain(a, "%.*s%s%s", SPAN_FMT(err_info(reply.error)->reason), reply.what ? ": " : "",
                 reply.what ? reply.what : "");
    else if (!a->doc && !*ok)
        complain(a, "%.*s %.*s: answered %u, which is no list that can be used", SPAN_FMT(gw_method_name(method)),
                 SPAN_FMT(target), reply.status);
    *ok = *ok || a->doc;
    return a->doc ? json_root(a->doc) : NULL;
}

static struct span keep(const struct asker *a, struct span s)
{
    return span_is_none(s) ? SPAN_NONE : arena_dup(a->l->arena, s);
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
        if (span_is_none(name) || *n == max || a->names++ == NAMES_MAX)
            return complain(a, "a list of it has something without a name, or too much in it");
        out[(*n)++] = keep(a, name);
    }
    return true;
}

static struct span *room_for(struct asker *a, json list)
{
    return arena_array(a->l->arena, json_count(list) + 1, sizeof(struct span));
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
    struct span t = segment(a, tenant), d = segment(a, database), first = SPAN_NONE;
    for (size_t offset = 0;; offset += PAGE) {
        bool ok;
        size_t n = 0;
        json list = ask(a, GW_METHOD_GET,
                        arena_printf(a->l->arena, "/api/v2/tenants/%.*s/databases/%.*s/collections?limit=%d&offset=%zu",
                                     SPAN_FMT(t), SPAN_FMT(d), PAGE, offset),
                        SPAN_NONE, true, &ok);
        if (!ok || !list)
            return ok;
        struct span *names = room_for(a, list);
        if (!names || !names_in(a, list, "name", names, json_count(list), &n))
            return false;
        if (n > 0 && span_eq(names[0], first))
            return complain(a, "it gives the same page of them again and again");
        for (size_t i = 0; i < n; i++)
            tell(a, database, tenant, names[i]);
        if (n < PAGE)
            return true;
        first = names[0];
    }
}

static bool list_chroma(struct asker *a)
{
    for (size_t i = 0; i < a->l->n_tenants; i++) {
        struct span tenant = a->l->tenants[i], t = segment(a, tenant);
        bool ok;
        size_t n = 0;
        json list = ask(a, GW_METHOD_GET, arena_printf(a->l->arena, "/api/v2/tenants/%.*s/databases", SPAN_FMT(t)),
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
    bool *tenants = ok ? arena_array(a->l->arena, json_count(list) + 1, sizeof *tenants) : NULL;
    if (!classes || !tenants || !names_in(a, list, "class", classes, json_count(list), &n))
        return false;
    struct json_iter it = json_iter(list);
    struct span none;
    json v;
    for (size_t i = 0; i < n && json_next(&it, &none, &v); i++)
        json_bool(json_get(json_get(v, SPAN("multiTenancyConfig")), SPAN("enabled")), &tenants[i]);
    for (size_t i = 0; i < n; i++) {
        tell(a, SPAN_NONE, SPAN_NONE, classes[i]);
        if (!tenants[i])
            continue;
        struct span class = segment(a, classes[i]);
        list = ask(a, GW_METHOD_GET, arena_printf(a->l->arena, "/v1/schema/%.*s/tenants", SPAN_FMT(class)), SPAN_NONE,
                   false, &ok);
        struct span *names = ok ? room_for(a, list) : NULL;
        if (!names || !names_in(a, list, "name", names, json_count(list), &m))
            return false;
        for (size_t k = 0; k < m; k++)
            tell(a, SPAN_NONE, names[k], classes[i]);
    }
    return true;
}

// ------------------------------------------------------------------------------------------------------------ all

struct gw_endpoints *gw_shard_endpoints(const struct gw_shard *shard, char what[static GW_ENDPOINT_FILE_WHAT])
{
    const struct gw_remote *r = &shard->remote;
    snprintf(what, GW_ENDPOINT_FILE_WHAT, "out of memory");
    return shard->config->discover.present ? gw_locate_now(&shard->config->discover, what)
                                           : gw_endpoints_new(r->endpoints, r->n_endpoints);
}

bool gw_shard_list(const struct gw_shard_listing *l)
{
    struct asker a = { .l = l };
    char what[GW_ENDPOINT_FILE_WHAT];
    a.endpoints = l->endpoints ? gw_endpoints_ref(l->endpoints) : gw_shard_endpoints(l->shard, what);
    bool ok = a.endpoints || complain(&a, "%s", what);
    if (ok && span_eq(l->api, SPAN("qdrant")))
        ok = list_qdrant(&a);
    else if (ok && span_eq(l->api, SPAN("chroma")))
        ok = list_chroma(&a);
    else if (ok && span_eq(l->api, SPAN("milvus")))
        ok = list_milvus(&a);
    else if (ok && span_eq(l->api, SPAN("weaviate")))
        ok = list_weaviate(&a);
    else if (ok)
        ok = complain(&a, "its API is a table of your own, which does not say how to list");
    json_free(a.doc);
    gw_endpoints_unref(a.endpoints);
    return ok;
}
