// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/facts.h"

#include "gateway/base/err.h"
#include "gateway/stages/token_facts.h"

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

static void add_principal(struct gw_exchange *x, const struct span *roles, struct pol_request *r)
{
    const struct pki_identity *id = &x->peer->identity;
    struct pol_entity *p = pol_request_principal(r, SPAN("Workload"), id->spiffe_id);
    pol_request_attr(r, p, SPAN("trust_domain"), pol_string(id->trust_domain));
    pol_request_attr(r, p, SPAN("path"), pol_string(id->path));
    pol_request_attr(r, p, SPAN("serial"), pol_string(id->serial));
    if (!span_is_none(id->dns))
        pol_request_attr(r, p, SPAN("dns"), pol_string(id->dns));
    pol_request_parent(r, p, SPAN("TrustDomain"), id->trust_domain);
    for (size_t i = 0; x->token && i < x->token->roles.n; i++)
        pol_request_parent(r, p, SPAN("Role"), roles[i]);
}

void gw_facts_resource(struct span api, const struct gw_api_authorisation *a, struct pol_request *r)
{
    struct span database = span_is_none(a->tenant) || span_is_none(a->database)
                               ? a->database
                               : arena_join(r->arena, a->tenant, '/', a->database);
    struct pol_entity *e;
    if (!span_is_none(a->collection))
        e = pol_request_resource(r, SPAN("Collection"),
                                 span_is_none(database) ? a->collection
                                                        : arena_join(r->arena, database, '/', a->collection));
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

// Members are put in the order that records have them in, shorter names first: then none has to move.
static void add_context(struct gw_exchange *x, const struct gw_token_facts *token, struct pol_request *r)
{
    struct pol_record *rec = pol_record_new(r);
    add_text(r, rec, "group", x->tls->group);
    add_text(r, rec, "cipher", x->tls->cipher);
    add_flag(r, rec, "resumed", x->tls->resumed);
    add_text(r, rec, "version", x->tls->version);
    pol_request_context(r, SPAN("tls"), pol_record_value(rec));

    rec = pol_record_new(r);
    add_text(r, rec, "api", x->meaning.api);
    add_text(r, rec, "path", x->to.path);
    add_text(r, rec, "method", gw_method_name(x->request.method));
    add_text(r, rec, "operation", x->meaning.operation);
    pol_request_context(r, SPAN("http"), pol_record_value(rec));

    rec = pol_record_new(r);
    pol_record_put(r, rec, SPAN("now"), pol_datetime(x->now.wall_ms));
    pol_record_put(r, rec, SPAN("weekday"), pol_string(clock_weekday(x->now.wall_ms)));
    pol_request_context(r, SPAN("time"), pol_record_value(rec));

    pol_request_context(r, SPAN("token"), token->value);
    if (!span_is_none(token->text))
        pol_request_context_text(r, token->value, token->text);

    const struct gw_api_facts *f = &x->meaning.facts;
    rec = pol_record_new(r);
    if (!f->unread)
        add_flag(r, rec, "by_id", f->by_id);
    add_count(r, rec, "limit", f->has_limit, f->limit);
    add_count(r, rec, "points", f->has_points, f->points);
    add_count(r, rec, "queries", f->has_queries, f->queries);
    if (!f->unread) {
        add_flag(r, rec, "has_filter", f->has_filter);
        pol_record_put(r, rec, SPAN("shard_keys"), pol_request_strings(r, f->shard_keys, f->n_shard_keys));
        add_flag(r, rec, "with_payload", f->with_payload);
        add_flag(r, rec, "with_vectors", f->with_vectors);
    }
    pol_request_context(r, SPAN("request"), pol_record_value(rec));
}

static bool add_entities(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r)
{
    const struct gw_token_facts *token = gw_token_facts_of(x, r);
    if (!token) {
        // The decision is refused: principal, action and resource are missing.
        r->err = r->err != 0 ? r->err : ERR_NOMEM;
        return false;
    }
    add_principal(x, token->roles, r);
    pol_request_action(r, SPAN("Action"), gw_action_name(a->action));
    gw_facts_resource(x->meaning.api, a, r);
    return true;
}

void gw_facts(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r)
{
    pol_request_init(r, x->snapshot->policies, &x->arena);
    if (add_entities(x, a, r))
        add_context(x, gw_token_facts_of(x, r), r);
}

void gw_facts_partial(struct gw_exchange *x, const struct gw_api_authorisation *a, struct pol_request *r)
{
    struct pol_partials *partials = x->services->partials;
    struct gw_token_facts *token = x->token ? gw_token_facts_kept(x->token) : NULL;
    if (!partials || !token || pol_partials_set(partials) != x->snapshot->policies) {
        gw_facts(x, a, r);
        return;
    }
    // All that add_entities uses, but for what never changes about the token.
    const struct pki_identity *id = &x->peer->identity;
    const uint8_t action = (uint8_t)a->action;
    const struct span parts[] = {
        id->spiffe_id,  id->trust_domain,    id->path,  id->serial,  id->dns,
        x->meaning.api, span_of(&action, 1), a->tenant, a->database, a->collection,
    };
    const struct pol_partial_key key = { &token->counted, parts, sizeof parts / sizeof *parts };
    enum pol_partial_found found = pol_partials_get(partials, &key, r, &x->arena);
    gw_count(x->services->metrics, found == POL_PARTIAL_FOUND ? GW_METRIC_PARTIAL_HIT : GW_METRIC_PARTIAL_MISS, 1);
    if (found != POL_PARTIAL_FOUND && !add_entities(x, a, r))
        return;
    if (found == POL_PARTIAL_AGAIN) {
        const struct pol_field field = { SPAN("token"), token->value };
        const struct pol_value known = { .kind = POL_RECORD, .n = 1, .fields = &field };
        pol_partials_keep(partials, &key, &known, r);
    }
    add_context(x, token, r);
}
