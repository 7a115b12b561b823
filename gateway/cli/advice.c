// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/advice.h"

#define ROW(name_, gate_, todo_)                                      \
    {                                                                 \
        .name = SPAN(name_), .gate = SPAN(gate_), .todo = SPAN(todo_) \
    }
#define GATE(name_, gate_)                                            \
    {                                                                 \
        .name = SPAN(name_), .gate = SPAN(gate_), .todo = { NULL, 0 } \
    }

// The first row whose name the rule is, or, where the name ends in '_', begins with.
static const struct {
    struct span name, gate, todo;
} rows[] = {
    ROW("CERT_MISSING", "certificate", "give the workload a certificate of its trust domain (docs/pki.md)"),
    ROW("CERT_EXPIRED", "certificate", "renew the workload's certificate; let it be renewed by itself"),
    ROW("CERT_REVOKED", "certificate", "its certificate or workload was revoked; ask who revoked it"),
    ROW("CERT_", "certificate", "sallyport verify cert says which rule the certificate breaks"),
    ROW("TOKEN_MISSING", "token",
        "give the workload a token and a proof key (docs/tokens.md), or an API key of the registry"),
    ROW("TOKEN_SCHEME", "token", "send the token as Authorization: DPoP, with a proof"),
    ROW("TOKEN_WAYS", "token", "send one credential, in Authorization alone"),
    ROW("TOKEN_ISSUER", "token", "add the issuer to issuers, or have the workload ask one that is there"),
    ROW("TOKEN_AUDIENCE", "token", "have the token issued for an audience of issuers[].audiences"),
    ROW("TOKEN_KEY", "token", "the issuer's keys may have rotated: see issuers[].keys"),
    ROW("TOKEN_EXPIRED", "token", "have the workload fetch a new token before the old one ends"),
    ROW("TOKEN_NOT_YET", "token", "compare the clocks of issuer and gateway"),
    ROW("TOKEN_LIFETIME", "token", "have shorter tokens issued, or raise issuers[].max_lifetime"),
    ROW("TOKEN_REVOKED", "token", "the token was revoked; ask who revoked it"),
    ROW("TOKEN_INACTIVE", "token", "the issuer does not vouch for it any more: get a new token"),
    ROW("TOKEN_WORKLOAD", "token", "another workload's token is in use here: find out how it came there"),
    ROW("TOKEN_UNBOUND", "token", "have the token bound to a key (DPoP) or certificate (docs/tokens.md)"),
    ROW("TOKEN_", "token", "sallyport verify token says which rule the token breaks"),
    ROW("APIKEY_EXPIRED", "token", "rotate the key: sallyport apikey rotate"),
    ROW("APIKEY_UNKNOWN", "token", "the database's own key is none of the registry: sallyport apikey create"),
    ROW("APIKEY_WORKLOAD", "token", "each workload needs a key of its own: sallyport apikey create"),
    GATE("APIKEY_", "token"),
    ROW("CNF_CERTIFICATE", "token", "fetch a token after each change of the certificate, or bind by DPoP"),
    GATE("CNF_", "token"),
    ROW("BOUND_AS_BEARER", "token", "send the token as Authorization: DPoP, with a proof"),
    ROW("PROOF_MISSING", "proof", "send a DPoP proof with each request"),
    ROW("PROOF_NONCE", "proof", "a client that honours DPoP-Nonce tries again by itself: see that this one does"),
    ROW("PROOF_IAT", "proof", "compare the clocks of client and gateway; make a proof for each request"),
    ROW("PROOF_BEFORE_START", "proof", "make a proof for each request, not before"),
    ROW("PROOF_REPLAYED", "proof", "make a proof for each request; if the client does, somebody copied it"),
    ROW("PROOF_HTU", "proof", "the client signs another URL than it calls: see listener.authorities"),
    ROW("PROOF_JKT", "proof", "token and proof key do not belong together: find out whose token it is"),
    ROW("PROOF_", "proof", "sallyport verify proof says which rule the proof breaks"),
    ROW("KEYS_STALE", "token", "the gateway could not fetch the issuer's keys: see its log"),
    ROW("INTROSPECTION", "token", "the gateway could not ask the issuer: see its log"),
    GATE("REPLAY_FULL", "proof"),
    ROW("SCOPE", "token", "have the token issued with the scope, or map the scope to the action in issuers[].scopes"),
    ROW("POLICY_NO_PERMIT", "policy", "permit it, if it is to be: sallyport policy suggest writes what is needed"),
    ROW("POLICY_FORBID", "policy",
        "a policy forbids it, and no permit changes that: change what is asked, or the forbid"),
    ROW("POLICY_FORBID_ERROR", "policy", "a forbid reads what is not there: ask with `has` first"),
    ROW("POLICY_OBLIGATION", "policy", "the permit's @filter cannot be kept by this request: see docs/tenancy.md"),
    GATE("POLICY_", "policy"),
    ROW("API_UNKNOWN", "request", "sallyport route METHOD URL says what the tables know"),
    ROW("API_", "request", "sallyport route METHOD URL --body FILE says what the tables make of it"),
    ROW("RATE", "limits", "slow down, or raise the limit that is named"),
    ROW("ROUTE_", "shard", "add a route for the collection"),
    GATE("SHARD_", "shard"),
    GATE("HTTP_", "request"),
    GATE("REVOCATIONS_", "gateway"),
};

struct gw_advice gw_advice_of(struct span rule)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_ends(rows[i].name, SPAN("_")) ? span_starts(rule, rows[i].name) : span_eq(rule, rows[i].name))
            return (struct gw_advice){ rows[i].gate, rows[i].todo };
    return (struct gw_advice){ SPAN("gateway"), SPAN_NONE };
}
