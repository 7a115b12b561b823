// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/assertion.h"

#include "gateway/base/base64url.h"
#include "pki/claims.h"
#include "pki/spiffe.h"

#define LIST_MAX 1024 // roles, groups, scopes of one token

static bool required_are_there(const struct pki_assertion *a)
{
    const struct pki_issuer *issuer = a->token.issuer;
    for (size_t i = 0; i < issuer->required.n; i++) {
        json claim = pki_claim(a->claims, issuer->required.at[i]);
        if (!claim || json_type(claim) == JSON_NULL)
            return false;
    }
    return true;
}

static bool read_lists(struct pki_assertion *a)
{
    const struct pki_claim_names *names = &a->token.issuer->claims;
    struct pki_names scopes;
    json scope = pki_claim(a->claims, names->scope);
    if (!pki_claim_list(pki_claim(a->claims, names->roles), false, &a->arena, &a->token.roles) ||
        !pki_claim_list(pki_claim(a->claims, names->groups), false, &a->arena, &a->token.groups) ||
        !pki_claim_list(scope, true, &a->arena, &scopes))
        return false;
    if (a->token.roles.n > LIST_MAX || a->token.groups.n > LIST_MAX || scopes.n > LIST_MAX)
        return false;
    a->token.scope = json_string(scope);
    const struct pki_issuer *issuer = a->token.issuer;
    a->token.actions = issuer->scopeless ? UINT64_MAX : 0;
    for (size_t i = 0; i < scopes.n; i++)
        for (size_t j = 0; j < issuer->scopes_n; j++)
            if (span_eq(scopes.at[i], issuer->scopes[j].name))
                a->token.actions |= issuer->scopes[j].actions;
    return true;
}

static bool read_strings(struct pki_assertion *a)
{
    const struct pki_claim_names *names = &a->token.issuer->claims;
    struct pki_token *t = &a->token;
    return pki_claim_string(json_get(a->claims, SPAN("sub")), &t->subject) &&
           pki_claim_string(json_get(a->claims, SPAN("client_id")), &t->client_id) &&
           pki_claim_string(json_get(a->claims, SPAN("jti")), &t->jti) &&
           pki_claim_string(pki_claim(a->claims, names->tenant), &t->tenant) &&
           pki_claim_string(pki_claim(a->claims, names->workload), &t->workload);
}

bool pki_assertion_read(struct pki_assertion *a)
{
    return required_are_there(a) && read_strings(a) && read_lists(a);
}

bool pki_assertion_audience(struct pki_assertion *a)
{
    struct pki_names aud;
    const struct pki_names *ours = &a->token.issuer->audiences;
    if (!pki_claim_list(json_get(a->claims, SPAN("aud")), false, &a->arena, &aud))
        return false;
    for (size_t i = 0; i < aud.n; i++)
        for (size_t j = 0; j < ours->n; j++)
            if (span_eq(aud.at[i], ours->at[j]))
                return true;
    return false;
}

// ---- cnf

static bool read_hash(json v, uint8_t out[static 32])
{
    struct span text = json_string(v);
    size_t n;
    return text.n == BASE64URL_ENCODED(32) && base64url_decode(text, out, &n) && n == 32;
}

static bool bound_enough(enum pki_binding binding, bool jkt, bool x5t)
{
    switch (binding) {
    case PKI_BIND_EITHER: return jkt || x5t;
    case PKI_BIND_DPOP: return jkt;
    case PKI_BIND_CERTIFICATE: return x5t;
    case PKI_BIND_BOTH: return jkt && x5t;
    case PKI_BIND_UNBOUND_ALLOWED: return true;
    }
    return false;
}

int pki_assertion_cnf(struct pki_assertion *a)
{
    struct pki_token *t = &a->token;
    json cnf = json_get(a->claims, SPAN("cnf")), member;
    bool known = true, formed = !cnf || json_type(cnf) == JSON_OBJECT;
    struct span name;
    for (struct json_iter it = json_iter(formed ? cnf : NULL); json_next(&it, &name, &member);) {
        if (span_eq(name, SPAN("jkt")))
            formed = (t->has_jkt = read_hash(member, t->jkt)) && formed;
        else if (span_eq(name, SPAN("x5t#S256")))
            formed = (t->has_x5t = read_hash(member, t->x5t)) && formed;
        else
            known = false;
    }
    int rc = pki_assertion_hold(a, known, ERR_CNF_UNKNOWN, "18", "every member of cnf is understood (jkt, x5t#S256)");
    if (rc != 0)
        return rc;
    rc = pki_assertion_hold(a, formed, ERR_TOKEN_CLAIM, "18", "the members of cnf are SHA-256 hashes in base64url");
    if (rc != 0)
        return rc;
    return pki_assertion_hold(a, bound_enough(t->issuer->binding, t->has_jkt, t->has_x5t), ERR_TOKEN_UNBOUND, "18",
                              "it is bound as its issuer's configuration demands");
}

// ---- containment

static bool listed(struct pki_names patterns, struct span s)
{
    for (size_t i = 0; i < patterns.n; i++)
        if (pki_pattern_match(patterns.at[i], s))
            return true;
    return false;
}

static bool all_listed(struct pki_names patterns, struct pki_names values)
{
    for (size_t i = 0; i < values.n; i++)
        if (!listed(patterns, values.at[i]))
            return false;
    return true;
}

int pki_assertion_containment(struct pki_assertion *a)
{
    const struct pki_issuer *issuer = a->token.issuer;
    struct pki_token *t = &a->token;
    struct pki_spiffe id;
    bool named = !span_is_none(t->workload) && pki_spiffe_parse(t->workload, &id, NULL) == 0;
    bool unchecked = issuer->workload_match == PKI_WORKLOAD_UNCHECKED;
    // Its `sub` is a person, say, and names no workload.
    if (!named && unchecked)
        t->workload = SPAN_NONE;
    bool formed = named || unchecked;
    int rc = pki_assertion_hold(a, formed, ERR_TOKEN_CLAIM, "26c", "the workload claim is a SPIFFE ID");
    if (rc != 0)
        return rc;
    rc = pki_assertion_hold(a, !named || listed(issuer->assert_trust_domains, id.trust_domain), ERR_TOKEN_ASSERTS,
                            "26b", "the workload's trust domain is one the issuer may name");
    if (rc != 0)
        return rc;
    rc = pki_assertion_hold(a,
                            all_listed(issuer->assert_roles, t->roles) && all_listed(issuer->assert_groups, t->groups),
                            ERR_TOKEN_ASSERTS, "26b", "every role and group is one the issuer may assert");
    if (rc != 0)
        return rc;
    return pki_assertion_hold(a, span_is_none(t->tenant) || listed(issuer->assert_tenants, t->tenant),
                              ERR_TOKEN_ASSERTS, "26b", "the tenant is one the issuer may assert");
}
