// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/observe.h"

#include "gateway/http/query.h"
#include "gateway/stages/pipeline.h"
#include "gateway/stages/standing.h"

// Which gate a refusal is of; GW_GATE_COUNT: of none that could only observe. What is about the credential, and what policies said.
// Not: what was taken back (TOKEN_REVOKED, TOKEN_INACTIVE, APIKEY_REVOKED), what is over a bound (APIKEY_QUOTA, REPLAY_FULL), and an
// obligation that cannot be met: the permit behind it holds only together with it.
enum gw_gate gw_refusal_gate(int rc)
{
    switch (rc) {
    case ERR_TOKEN_MISSING:
    case ERR_TOKEN_WAYS:
    case ERR_TOKEN_SCHEME:
    case ERR_TOKEN_MALFORMED:
    case ERR_TOKEN_ENCRYPTED:
    case ERR_TOKEN_ISSUER:
    case ERR_TOKEN_ALG:
    case ERR_TOKEN_TYP:
    case ERR_TOKEN_CRIT:
    case ERR_TOKEN_HEADER_KEY:
    case ERR_TOKEN_KEY:
    case ERR_TOKEN_SIGNATURE:
    case ERR_TOKEN_CLAIM:
    case ERR_TOKEN_AUDIENCE:
    case ERR_TOKEN_EXPIRED:
    case ERR_TOKEN_NOT_YET:
    case ERR_TOKEN_LIFETIME:
    case ERR_TOKEN_ASSERTS:
    case ERR_TOKEN_WORKLOAD:
    case ERR_TOKEN_UNBOUND:
    case ERR_APIKEY_MALFORMED:
    case ERR_APIKEY_UNKNOWN:
    case ERR_APIKEY_EXPIRED:
    case ERR_APIKEY_WORKLOAD:
    case ERR_CNF_UNKNOWN:
    case ERR_CNF_CERTIFICATE:
    case ERR_BOUND_AS_BEARER:
    case ERR_PROOF_MISSING:
    case ERR_PROOF_REPEATED:
    case ERR_PROOF_MALFORMED:
    case ERR_PROOF_TYP:
    case ERR_PROOF_ALG:
    case ERR_PROOF_KEY:
    case ERR_PROOF_PRIVATE:
    case ERR_PROOF_CRIT:
    case ERR_PROOF_CLAIM:
    case ERR_PROOF_SIGNATURE:
    case ERR_PROOF_HTM:
    case ERR_PROOF_HTU:
    case ERR_PROOF_IAT:
    case ERR_PROOF_NONCE:
    case ERR_PROOF_NONCE_INVENTED:
    case ERR_PROOF_ATH:
    case ERR_PROOF_JKT:
    case ERR_PROOF_REPLAYED:
    case ERR_PROOF_BEFORE_START:
    case ERR_KEYS_STALE:
    case ERR_INTROSPECTION:
    case ERR_SCOPE: return GW_GATE_TOKEN;
    case ERR_POLICY_NO_PERMIT:
    case ERR_POLICY_FORBID:
    case ERR_POLICY_FORBID_ERROR:
    case ERR_POLICY_BUDGET: return GW_GATE_POLICY;
    default: return GW_GATE_COUNT;
    }
}

static bool observes(const struct gw_exchange *x, enum gw_gate gate)
{
    return gate < GW_GATE_COUNT && x->peer &&
           gw_gate_observes(x->snapshot->config, gate, x->peer->identity.spiffe_id, x->now.wall_ms);
}

// The field of the answer: codes, which are the interface, and nothing of policies.
static void tell(struct gw_exchange *x)
{
    struct span codes = SPAN_NONE;
    for (size_t i = 0; i < GW_GATE_COUNT; i++) {
        if (x->observed[i].error == 0)
            continue;
        struct span code = err_info(x->observed[i].error)->code;
        codes = span_is_none(codes) ? code : arena_printf(&x->arena, "%.*s, %.*s", SPAN_FMT(codes), SPAN_FMT(code));
    }
    if (!span_is_none(codes))
        x->fields[GW_ANSWER_OBSERVED] = (struct gw_answer_field){ SPAN("sallyport-observed"), codes };
}

static void note(struct gw_exchange *x, enum gw_gate gate, int rc)
{
    x->observed[gate].error = rc;
    x->observed[gate].why = x->detail;
    x->detail = SPAN_NONE;
    x->retry_after_s = 0;
    tell(x);
}

// A token that was taken back is refused for it, whatever else is wrong with it.
static int revoked(struct gw_exchange *x)
{
    struct span detail = x->detail;
    int rc = x->token ? gw_standing_token(x) : 0;
    if (rc == 0 && x->token)
        rc = pki_token_check_key(x->token, x->services->present->keys, x->now.wall_ms / 1000);
    if (rc != 0 && gw_refusal_gate(rc) == GW_GATE_COUNT)
        return rc;
    x->detail = detail;
    return 0;
}

// What was decided with the token's facts is decided again without them.
static void disbelieve(struct gw_exchange *x)
{
    x->observed[GW_GATE_TOKEN].token = x->token;
    x->token = NULL;
    if (x->proven)
        pki_proof_fini(&x->proof);
    x->proven = false;
    if (x->verdict == GW_ALLOW)
        return;
    x->permitted = false;
    gw_decisions_release(x);
    x->token_facts = NULL;
}

// Fields with credentials never reach a shard (rule 35); a query does as it is.
static bool is_in_query(struct gw_exchange *x)
{
    struct span token;
    return !span_is_none(x->to.query) &&
           (gw_query_get(x->to.query, SPAN("access_token"), &x->arena, &token) != 0 || !span_is_none(token));
}

static int observe_token(struct gw_exchange *x, int rc)
{
    if (rc == ERR_TOKEN_WAYS && is_in_query(x))
        return rc;
    int taken_back = revoked(x);
    if (taken_back != 0)
        return taken_back;
    note(x, GW_GATE_TOKEN, rc);
    if (rc == ERR_SCOPE) {
        x->unscoped = true;
        return GW_AGAIN;
    }
    disbelieve(x);
    return GW_PASS;
}

static int observe_policy(struct gw_exchange *x, int rc)
{
    note(x, GW_GATE_POLICY, rc);
    rc = gw_policy_rest(x);
    // The rest may ask for what the token's scopes do not cover.
    return rc == ERR_SCOPE ? gw_observe(x, rc) : rc;
}

int gw_observe(struct gw_exchange *x, int rc)
{
    enum gw_gate gate = gw_refusal_gate(rc);
    if (!observes(x, gate))
        return rc;
    return gate == GW_GATE_TOKEN ? observe_token(x, rc) : observe_policy(x, rc);
}

bool gw_observe_hidden(struct gw_exchange *x)
{
    if (!observes(x, GW_GATE_POLICY))
        return false;
    x->observed[GW_GATE_POLICY].hidden++;
    if (x->observed[GW_GATE_POLICY].error == 0)
        note(x, GW_GATE_POLICY, ERR_POLICY_NO_PERMIT);
    return true;
}

bool gw_observed(const struct gw_exchange *x)
{
    return x->observed[GW_GATE_TOKEN].error != 0 || x->observed[GW_GATE_POLICY].error != 0;
}
