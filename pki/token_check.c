// SPDX-License-Identifier: GPL-3.0-or-later
// What must be looked at on every presentation of a token, verified now or an hour ago.
#include "pki/token_check.h"

#include "pki/spiffe.h"

int pki_token_check_time_(const struct pki_token *t, int64_t now_s, const struct pki_trace *trace)
{
    const struct pki_issuer *issuer = t->issuer;
    // RFC 7519 §4.1.4: "on or after which the JWT MUST NOT be accepted".
    if (!pki_trace_rule(trace, now_s < t->exp + issuer->skew_s, "25", "exp is ahead"))
        return ERR_TOKEN_EXPIRED;
    if (!pki_trace_rule(trace, t->nbf <= now_s + issuer->skew_s, "25", "nbf is past"))
        return ERR_TOKEN_NOT_YET;
    if (!pki_trace_rule(trace, t->iat <= now_s + issuer->skew_s, "25", "iat is not ahead"))
        return ERR_TOKEN_NOT_YET;
    bool young = issuer->max_age_s <= 0 || now_s - t->iat <= issuer->max_age_s + issuer->skew_s;
    if (!pki_trace_rule(trace, young, "25", "it was issued within the issuer's max_age"))
        return ERR_TOKEN_EXPIRED;
    return 0;
}

bool pki_workload_matches(enum pki_workload_match match, struct span claim, struct span workload)
{
    struct pki_spiffe id;
    switch (match) {
    case PKI_WORKLOAD_EXACT: return claim.n > 0 && span_eq(claim, workload);
    case PKI_WORKLOAD_PREFIX:
        // A claim that parses holds its whole trust domain, so "spiffe://example.org" cannot be a prefix of another domain's ID
        // once the next byte is known to be a slash.
        return pki_spiffe_parse(claim, &id, NULL) == 0 && span_starts(workload, claim) &&
               (workload.n == claim.n || workload.p[claim.n] == '/');
    case PKI_WORKLOAD_UNCHECKED: return true;
    }
    return false;
}

static int check_scheme(const struct pki_token *t, const struct pki_token_use *use, const struct pki_trace *trace)
{
    if (!pki_trace_rule(trace, !(t->has_jkt && use->scheme != PKI_SCHEME_DPOP), "14",
                        "a token with cnf.jkt comes with the DPoP scheme"))
        return ERR_BOUND_AS_BEARER;
    // RFC 9449 §7.1: the scheme says that the token is bound; one that is not must not pass for it.
    if (!pki_trace_rule(trace, !(use->scheme == PKI_SCHEME_DPOP && !t->has_jkt), "12",
                        "a token with the DPoP scheme has cnf.jkt"))
        return ERR_TOKEN_UNBOUND;
    return 0;
}

int pki_token_check_key(const struct pki_token *t, const struct pki_key_view *keys, int64_t now_s)
{
    return t->introspected ? 0 : pki_key_view_check(keys, t->issuer, t->key_thumbprint, now_s);
}

int pki_token_check(const struct pki_token *t, const struct pki_token_use *use, const struct pki_trace *trace)
{
    int rc = pki_token_check_time_(t, use->now_s, trace);
    if (rc != 0)
        return rc;
    rc = pki_token_check_key(t, use->keys, use->now_s);
    if (!pki_trace_rule(trace, rc == 0, "caches", "the key is still published and was read within max_stale"))
        return rc;
    rc = check_scheme(t, use, trace);
    if (rc != 0)
        return rc;
    bool same_certificate =
        !t->has_x5t || (use->certificate_sha256 && memcmp(use->certificate_sha256, t->x5t, 32) == 0);
    if (!pki_trace_rule(trace, same_certificate, "18", "cnf.x5t#S256 is the hash of this connection's certificate"))
        return ERR_CNF_CERTIFICATE;
    bool link = t->issuer->workload_match == PKI_WORKLOAD_UNCHECKED ||
                pki_workload_matches(t->issuer->workload_match, t->workload, use->workload);
    if (!pki_trace_rule(trace, link, "26c", "the token belongs to the presenting workload"))
        return ERR_TOKEN_WORKLOAD;
    return 0;
}

int pki_token_check_scope(const struct pki_token *t, uint64_t actions, const struct pki_trace *trace)
{
    bool covered = actions != 0 && (actions & ~t->actions) == 0;
    return pki_trace_rule(trace, covered, "26a", "the scopes cover the action") ? 0 : ERR_SCOPE;
}
