// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/facts.h"

#include "gateway/base/json.h"
#include "pki/claims.h"

static struct span join(struct arena *arena, struct span a, struct span b)
{
    char *p = arena_alloc(arena, a.n + b.n + 1);
    if (!p)
        return SPAN_NONE;
    if (a.n > 0)
        memcpy(p, a.p, a.n);
    p[a.n] = '/';
    if (b.n > 0)
        memcpy(p + a.n + 1, b.p, b.n);
    return span_of(p, a.n + b.n + 1);
}

static void add_text(struct pol_request *r, struct pol_record *rec, const char *name, struct span v)
{
    if (!span_is_none(v))
        pol_record_put(r, rec, span_str(name), pol_string(v));
}

static void add_count(struct pol_request *r, struct pol_record *rec, const char *name, bool known, uint64_t v)
{
    if (known)
        pol_record_put(r, rec, span_str(name), pol_long(v > INT64_MAX ? INT64_MAX : (int64_t)v));
}

static void add_flag(struct pol_request *r, struct pol_record *rec, const char *name, bool v)
{
    pol_record_put(r, rec, span_str(name), pol_bool(v));
}

static void add_principal(struct gw_exchange *x, struct pol_request *r)
{
    const struct pki_identity *id = &x->peer->identity;
    struct pol_entity *p = pol_request_principal(r, SPAN("Workload"), id->spiffe_id);
    pol_request_attr(r, p, SPAN("trust_domain"), pol_string(id->trust_domain));
    pol_request_attr(r, p, SPAN("path"), pol_string(id->path));
    pol_request_attr(r, p, SPAN("serial"), pol_string(id->serial));
    if (!span_is_none(id->dns))
        pol_request_attr(r, p, SPAN("dns"), pol_string(id->dns));
    pol_request_parent(r, p, SPAN("TrustDomain"), id->trust_domain);
    const struct pki_token *t = x->token;
    for (size_t i = 0; i < t->roles.n; i++)
        pol_request_parent(r, p, SPAN("Role"), join(&x->arena, t->issuer->name, t->roles.at[i]));
}

static void add_resource(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r)
{
    struct span api = x->meaning.api;
    struct span database =
        span_is_none(a->tenant) || span_is_none(a->database) ? a->database : join(&x->arena, a->tenant, a->database);
    struct pol_entity *e;
    if (!span_is_none(a->collection))
        e = pol_request_resource(r, SPAN("Collection"),
                                 span_is_none(database) ? a->collection : join(&x->arena, database, a->collection));
    else if (!span_is_none(database))
        e = pol_request_resource(r, SPAN("Database"), database);
    else if (!span_is_none(a->tenant))
        e = pol_request_resource(r, SPAN("Tenant"), a->tenant);
    else
        e = pol_request_resource(r, SPAN("Server"), api);
    pol_request_attr(r, e, SPAN("api"), pol_string(api));
    if (!span_is_none(a->collection))
        pol_request_attr(r, e, SPAN("name"), pol_string(a->collection));
    if (!span_is_none(a->database)) {
        pol_request_attr(r, e, SPAN("database"), pol_string(a->database));
        if (!span_is_none(a->collection))
            pol_request_parent(r, e, SPAN("Database"), database);
    }
    if (!span_is_none(a->tenant)) {
        pol_request_attr(r, e, SPAN("tenant"), pol_string(a->tenant));
        if (!span_is_none(a->collection) || !span_is_none(a->database))
            pol_request_parent(r, e, SPAN("Tenant"), a->tenant);
    }
    if (!span_is_none(a->collection) || !span_is_none(a->database) || !span_is_none(a->tenant))
        pol_request_parent(r, e, SPAN("Server"), api);
}

static struct pol_value claim(struct pol_request *r, json v, unsigned depth);

// Sorted at once: put one by one, many claims would cost the square of their number.
static struct pol_value claims(struct pol_request *r, json v, unsigned depth)
{
    struct pol_field *fields = arena_array(r->arena, json_count(v) + 1, sizeof *fields);
    size_t n = 0;
    struct span name;
    json item;
    if (!fields)
        return (struct pol_value){ .kind = POL_NONE };
    for (struct json_iter it = json_iter(v); json_next(&it, &name, &item);) {
        fields[n] = (struct pol_field){ arena_dup(r->arena, name), claim(r, item, depth) };
        n += fields[n].value.kind != POL_NONE;
    }
    return pol_value_record(fields, n, NULL);
}

// A claim as a Cedar value. What Cedar has no value for (null, fractions) is POL_NONE and left out by the caller.
static struct pol_value claim(struct pol_request *r, json v, unsigned depth)
{
    const struct pol_value none = { .kind = POL_NONE };
    bool b;
    int64_t i;
    switch (json_type(v)) {
    case JSON_BOOL: return json_bool(v, &b) ? pol_bool(b) : none;
    case JSON_INT:
    case JSON_UINT: return json_i64(v, &i) ? pol_long(i) : none;
    case JSON_STRING: return pol_string(arena_dup(r->arena, json_string(v)));
    case JSON_ARRAY: {
        struct pol_value *items = arena_array(r->arena, json_count(v) + 1, sizeof *items);
        if (!items || depth == 0)
            return none;
        size_t n = 0;
        struct span name;
        json item;
        for (struct json_iter it = json_iter(v); json_next(&it, &name, &item);)
            if ((items[n] = claim(r, item, depth - 1)).kind != POL_NONE)
                n++;
        return pol_request_set(r, items, n);
    }
    case JSON_OBJECT: return depth == 0 ? none : claims(r, v, depth - 1);
    default: return none;
    }
}

#define CLAIM_DEPTH 16 // of a token's JSON: pki/token.c

// From the claims, where a string of scopes and a list of them are both there whole.
static void add_scopes(struct pol_request *r, struct pol_record *rec, const struct pki_token *t, json root)
{
    struct pki_names scopes = { NULL, 0 };
    bool ok = pki_claim_list(pki_claim(root, t->issuer->claims.scope), true, r->arena, &scopes);
    struct span *copies = arena_array(r->arena, scopes.n + 1, sizeof *copies);
    for (size_t i = 0; copies && i < scopes.n; i++)
        copies[i] = arena_dup(r->arena, scopes.at[i]);
    // Without a value the request is refused.
    pol_record_put(r, rec, SPAN("scopes"),
                   ok && copies ? pol_request_strings(r, copies, scopes.n) : (struct pol_value){ .kind = POL_NONE });
}

static struct span bound_to(const struct pki_token *t)
{
    if (t->has_jkt)
        return t->has_x5t ? SPAN("both") : SPAN("dpop");
    if (t->has_x5t)
        return SPAN("certificate");
    // An API key with an owner is good under every certificate of that workload, and under no other.
    return t->issuer->api_keys && !span_is_none(t->workload) ? SPAN("workload") : SPAN("nothing");
}

static struct pol_value token_facts(const struct pki_token *t, struct pol_request *r)
{
    struct pol_record *rec = pol_record_new(r);
    add_text(r, rec, "issuer", t->issuer->iss);
    add_text(r, rec, "subject", t->subject);
    add_text(r, rec, "client_id", t->client_id);
    add_text(r, rec, "tenant", t->tenant);
    add_text(r, rec, "bound_to", bound_to(t));
    pol_record_put(r, rec, SPAN("roles"), pol_request_strings(r, t->roles.at, t->roles.n));
    pol_record_put(r, rec, SPAN("groups"), pol_request_strings(r, t->groups.at, t->groups.n));
    // It was read as JSON before: what cannot be read now leaves claims without a value, and the request is refused.
    struct json_doc *doc = json_parse(t->claims, NULL, NULL);
    add_scopes(r, rec, t, json_root(doc));
    pol_record_put(r, rec, SPAN("claims"), claim(r, json_root(doc), CLAIM_DEPTH));
    json_free(doc);
    return pol_record_value(rec);
}

// The same for each authorisation and each entry of a list, so it is made once for an exchange.
static void add_token(struct gw_exchange *x, struct pol_request *r)
{
    if (x->token_facts.kind == POL_NONE) {
        struct pol_value v = token_facts(x->token, r);
        if (r->err != 0)
            return;
        x->token_facts = v;
    }
    pol_request_context(r, SPAN("token"), x->token_facts);
}

static void add_context(struct gw_exchange *x, struct pol_request *r)
{
    add_token(x, r);

    struct pol_record *rec = pol_record_new(r);
    add_text(r, rec, "version", x->tls->version);
    add_text(r, rec, "group", x->tls->group);
    add_text(r, rec, "cipher", x->tls->cipher);
    add_flag(r, rec, "resumed", x->tls->resumed);
    pol_request_context(r, SPAN("tls"), pol_record_value(rec));

    rec = pol_record_new(r);
    add_text(r, rec, "method", gw_method_name(x->request.method));
    add_text(r, rec, "path", x->to.path);
    add_text(r, rec, "api", x->meaning.api);
    add_text(r, rec, "operation", x->meaning.operation);
    pol_request_context(r, SPAN("http"), pol_record_value(rec));

    const struct gw_api_facts *f = &x->meaning.facts;
    rec = pol_record_new(r);
    add_count(r, rec, "limit", f->has_limit, f->limit);
    add_count(r, rec, "queries", f->has_queries, f->queries);
    add_count(r, rec, "points", f->has_points, f->points);
    if (!f->unread) {
        add_flag(r, rec, "has_filter", f->has_filter);
        add_flag(r, rec, "by_id", f->by_id);
        add_flag(r, rec, "with_vectors", f->with_vectors);
        add_flag(r, rec, "with_payload", f->with_payload);
        pol_record_put(r, rec, SPAN("shard_keys"), pol_request_strings(r, f->shard_keys, f->n_shard_keys));
    }
    pol_request_context(r, SPAN("request"), pol_record_value(rec));

    rec = pol_record_new(r);
    pol_record_put(r, rec, SPAN("now"), pol_datetime(x->now.wall_ms));
    pol_record_put(r, rec, SPAN("weekday"), pol_string(clock_weekday(x->now.wall_ms)));
    pol_request_context(r, SPAN("time"), pol_record_value(rec));
}

void gw_facts(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r)
{
    pol_request_init(r, x->snapshot->policies, &x->arena);
    add_principal(x, r);
    pol_request_action(r, SPAN("Action"), gw_action_name(a->action));
    add_resource(x, a, r);
    add_context(x, r);
}
