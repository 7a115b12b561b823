// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/token_facts.h"

#include <stddef.h>
#include <stdlib.h>

#include "gateway/base/json.h"
#include "gateway/stages/exchange.h"
#include "pki/claims.h"
#include "policy/pack.h"
#include "policy/value_json.h"

static void add_text(struct pol_request *r, struct pol_record *rec, const char *name, struct span v)
{
    if (!span_is_none(v))
        pol_record_put(r, rec, span_str(name), pol_string(v));
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

#define TEXT_MAX 4096  // of a token with more to say no text is kept
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

static struct pol_value token_value(const struct pki_token *t, struct pol_request *r)
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

// Of no token: what is asked of every token has an answer, and the answer is nothing.
static struct pol_value nothing(struct pol_request *r)
{
    struct pol_record *rec = pol_record_new(r);
    add_text(r, rec, "bound_to", SPAN("nothing"));
    pol_record_put(r, rec, SPAN("roles"), pol_request_strings(r, NULL, 0));
    pol_record_put(r, rec, SPAN("groups"), pol_request_strings(r, NULL, 0));
    pol_record_put(r, rec, SPAN("scopes"), pol_request_strings(r, NULL, 0));
    pol_record_put(r, rec, SPAN("claims"), pol_record_value(pol_record_new(r)));
    return pol_record_value(rec);
}

static const struct span *role_names(const struct pki_token *t, struct pol_request *r)
{
    struct span *names = arena_array(r->arena, t->roles.n + 1, sizeof *names), issuer = t->issuer->name;
    for (size_t i = 0; names && i < t->roles.n; i++) {
        names[i] = arena_join(r->arena, issuer, '/', t->roles.at[i]);
        if (span_is_none(names[i]))
            return NULL;
    }
    return names;
}

// ---- kept with the token

static void facts_free(struct pol_counted *c)
{
    free((char *)c - offsetof(struct gw_token_facts, counted));
}

static void on_drop(struct pki_token_extra *e)
{
    pol_counted_unref(&((struct gw_token_facts *)e)->counted);
}

static void pack(struct pol_pack *p, const struct gw_token_facts *from, size_t n_roles, struct span text,
                 struct gw_token_facts *to)
{
    *to = (struct gw_token_facts){ .extra.on_drop = on_drop, .counted = { 1, 0, facts_free } };
    struct span *roles = pol_pack_array(p, from->roles, n_roles, sizeof *roles);
    for (size_t i = 0; i < n_roles; i++) {
        struct span role = pol_pack_text(p, from->roles[i]);
        if (roles)
            roles[i] = role;
    }
    to->roles = roles;
    to->value = pol_pack_value(p, &from->value);
    to->text = pol_pack_text(p, text);
}

// NULL where the token cannot keep them.
static const struct gw_token_facts *keep_with(struct gw_exchange *x, const struct gw_token_facts *made,
                                              struct span text)
{
    struct pol_pack measured = { 0 };
    struct gw_token_facts unplaced;
    size_t n = x->token->roles.n;
    pack(&measured, made, n, text, &unplaced);
    size_t size = sizeof *made + pol_pack_size(&measured);
    struct gw_token_facts *kept = size <= PKI_TOKEN_EXTRA_MAX ? malloc(size) : NULL;
    if (!kept)
        return NULL;
    struct pol_pack p = pol_pack_into(&measured, kept + 1);
    pack(&p, made, n, text, kept);
    kept->counted.bytes = size;
    if (pki_token_cache_attach(x->services->tokens, x->token, &kept->extra, size))
        return kept;
    free(kept);
    return NULL;
}

// With their text, if that is what each record holds.
static const struct gw_token_facts *keep(struct gw_exchange *x, const struct gw_token_facts *made,
                                         const struct pol_request *r)
{
    const struct gw_config *config = x->snapshot->config;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    struct json_writer w = json_writer(&text);
    if (config && config->audit.inputs == GW_CONFIG_INPUTS_ALWAYS)
        pol_json_write(&w, r, &made->value);
    bool whole = !text.failed && buf_len(&text) > 0;
    const struct gw_token_facts *kept = keep_with(x, made, whole ? buf_span(&text) : SPAN_NONE);
    buf_fini(&text);
    return kept;
}

static const struct gw_token_facts *make(struct gw_exchange *x, struct pol_request *r)
{
    struct gw_token_facts *f = arena_alloc(r->arena, sizeof *f);
    if (!f)
        return NULL;
    *f = x->token ? (struct gw_token_facts){ .value = token_value(x->token, r), .roles = role_names(x->token, r) }
                  : (struct gw_token_facts){ .value = nothing(r) };
    if (r->err != 0 || r->arena->failed || f->value.kind == POL_NONE)
        return NULL;
    // What was used once may never be used again. An API key is no token of the cache.
    const struct gw_token_facts *kept =
        x->token && x->token_cached && !x->token->issuer->api_keys ? keep(x, f, r) : NULL;
    return kept ? kept : f;
}

struct gw_token_facts *gw_token_facts_kept(const struct pki_token *t)
{
    return (struct gw_token_facts *)t->extra;
}

const struct gw_token_facts *gw_token_facts_of(struct gw_exchange *x, struct pol_request *r)
{
    const struct gw_token_facts *kept = x->token ? gw_token_facts_kept(x->token) : NULL;
    if (kept)
        return kept;
    if (!x->token_facts)
        x->token_facts = make(x, r);
    return x->token_facts;
}
