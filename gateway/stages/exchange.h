// SPDX-License-Identifier: GPL-3.0-or-later
// One request on its way through the gateway, and everything that was found out about it. Each stage reads what those before it wrote and
// adds its own; the pipeline (pipeline.h) runs them in order. The verdict starts as DENY because zero is DENY.
//
// An exchange belongs to a stream of a connection, lives on one loop and owns one arena, in which all of it is allocated and
// which is freed once, after audit. It knows no socket: net/ moves the bytes, and does what a stage that returned WAIT described.
#ifndef SALLYPORT_STAGES_EXCHANGE_H
#define SALLYPORT_STAGES_EXCHANGE_H

#include "gateway/api/list.h"
#include "gateway/api/answer_code.h"
#include "gateway/api/resolve.h"
#include "gateway/base/clock.h"
#include "gateway/config/modes.h"
#include "gateway/config/snapshot.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/http/answer.h"
#include "gateway/stages/introspection.h"
#include "gateway/stages/failures.h"
#include "gateway/stages/quota.h"
#include "gateway/tls/engine.h"
#include "gateway/trace/context.h"
#include "pki/nonce_demand.h"
#include "pki/proof_cache.h"
#include "pki/replay.h"
#include "pki/token_cache.h"
#include "policy/decide.h"
#include "policy/partial.h"

struct gw_sightings;

// What is in force on a loop at this moment, whatever snapshot an exchange began under: the loop overwrites it on its own thread.
struct gw_present {
    struct gw_tls_trust trust;           // bundles and certificate revocations
    const struct pki_key_view *keys;     // issuer keys that remain; may be NULL
    const struct pki_api_keys *api_keys; // may be NULL
    struct pki_revoked *const *revoked;  // GW_REVOKED_FROM_COUNT sets, each of which may be NULL; NULL: none
    const struct gw_issuer_bell *bells;  // of issuers whose keys are fetched
    size_t n_bells;
    const struct gw_revoked_term *fresh; // of the feed's set; may be NULL
};

// What the stages of one loop work with. The caches are the loop's own; `replay`, `nonces`, `demands`, `quota` and `failures` are the process's.
struct gw_services {
    struct pki_token_cache *tokens;
    struct pki_proof_cache *proofs;
    struct pki_replay *replay;
    const struct pki_nonce_keys *nonces;
    struct pki_nonce_demands *demands;
    struct gw_quota *quota;
    struct gw_failures *failures; // may be NULL: nobody counts them
    struct gw_name_map *names;
    struct gw_introspection *introspection;
    const struct gw_present *present;
    struct gw_metrics *metrics;
    struct pol_partials *partials;  // of the snapshot's policies; may be NULL
    struct gw_sightings *sightings; // the process's; may be NULL: nobody asks how shards take filters
};

enum gw_verdict { GW_DENY, GW_ALLOW };

// What an exchange that a stage suspended with GW_WAIT waits for.
enum gw_wait_kind {
    GW_WAIT_LISTING,       // `wait`: of the collections of a shard
    GW_WAIT_INTROSPECTION, // `asked`: the answer about its opaque token
    GW_WAIT_KEYS,          // `key_wait`: a refetch of its issuer's keys
};

struct gw_key_wait {
    struct span iss; // of the snapshot
    uint64_t ticket; // key_bell.h; 0: nothing was waited for yet, and there is no second time
};

// One authorisation with its decision.
struct gw_decision {
    const struct gw_api_authorisation *authorisation;
    struct pol_request request;
    struct pol_answer answer;
    bool decided;
};

// What a gate that only observes would have refused (observe.h).
struct gw_observed {
    int error;               // 0: nothing
    struct span why;         // more about it, as gw_exchange.detail
    size_t hidden;           // policy: entries of a list that would not have been shown
    struct pki_token *token; // token: the genuine token that was not believed, for the record only. Counted; NULL: none
};

// Fields of an answer, whatever it is; those without a name are not there. In the arena.
enum { GW_ANSWER_LIMIT_POLICY, GW_ANSWER_LIMIT, GW_ANSWER_OBSERVED, GW_ANSWER_FIELDS };

// Where the request stands in a trace.
struct gw_exchange_trace {
    bool known; // it is in one
    bool own;   // the gateway has a span in it, `context`; else that is the caller's
    struct gw_trace_context context;
    char parent[17];      // of the own span; "": the trace begins here
    char to_shard[17];    // the span of the request to the shard; "": there is none
    struct span state;    // tracestate, or SPAN_NONE
    struct span endpoint; // "host:port" that it went to; SPAN_NONE: not known
};

struct gw_exchange {
    // Given by the connection, before the first stage.
    struct arena arena;
    const struct gw_snapshot *snapshot;
    const struct gw_services *services;
    const struct gw_tls_peer *peer;
    const struct gw_tls_facts *tls;
    const char *remote; // "address:port"
    struct gw_request request;
    struct clock_now now; // of the present wake-up
    char id[33];          // request id: 128 random bits in hex
    struct gw_exchange_trace trace;

    // target: the one truth about what is asked for
    struct gw_target to;
    int64_t until_ms; // no answer is wanted after this, says the client; monotonic. 0: it does not say
    // token
    enum pki_scheme scheme;
    struct pki_token
        *token;        // counted. NULL behind the token gate: it only observed, and nothing of a token is believed
    bool token_cached; // from a table, and not to be put into one
    struct gw_key_wait key_wait;
    struct gw_introspection_wait asked;
    struct span opaque; // that is asked about; as long as it is waited for. In the arena
    // binding
    bool proven; // `proof` holds
    struct pki_proof proof;
    bool nonce_due; // answer with a DPoP-Nonce
    // api
    size_t api; // index into snapshot->apis, once it is known
    struct gw_api_meaning meaning;
    bool meant;      // `meaning` holds
    bool body_asked; // the api or policy stage needs the body; `body` then holds all of it
    struct span body;
    unsigned shard;              // with fan ONE: where its names are placed
    struct gw_resolve_wait wait; // the listings that the api stage waits for
    // policy
    struct gw_decision *decisions;
    size_t n_decisions;
    bool permitted; // by all of them; what they oblige to may still be due
    bool shadow_differs,
        shadow_allows; // with its shadow policies in force the request would have been decided otherwise: so
    const struct gw_token_facts *token_facts; // once they were made, if the token does not keep them (token_facts.h)
    // limits
    bool never; // the refusal is for good: no Retry-After
    // route
    struct gw_shard_set shards; // where it goes: one, or those to ask

    // the outcome
    enum gw_verdict verdict;
    struct gw_observed observed[GW_GATE_COUNT];
    bool unscoped; // the scopes of the token bound nothing
    struct gw_answer_field fields[GW_ANSWER_FIELDS];
    int error;                   // enum err of the refusal, or of what failed later
    struct span detail;          // more for audit; may be SPAN_NONE. Never a token, proof, key or body
    uint64_t retry_after_s;      // with a 429 or 503; 0: not known
    unsigned stage;              // enum gw_stage_id of the stage that is due, or that refused
    enum gw_wait_kind waits_for; // with GW_WAIT
    int64_t stage_ns[GW_STAGE_COUNT];
    int64_t started_ns;
    bool close; // the connection must not be used again

    // filled while forwarding
    unsigned status;
    bool hedged;                          // it was on its way to two endpoints at a time
    char answer_head[GW_API_ANSWER_HEAD]; // how the shard's answer begins, where that says more than its status
    size_t answer_head_n;
    uint64_t bytes_in, bytes_out; // bodies
    int64_t upstream_ns, done_ns; // handed to the shard; answer whole
};

// Text behind `error`; static or in the arena.
static inline int gw_refuse(struct gw_exchange *x, int error, struct span detail)
{
    x->detail = detail;
    return error;
}

#endif
