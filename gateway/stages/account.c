// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/account.h"

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/stages/observe.h"
#include "gateway/stages/pipeline.h"
#include "policy/request_json.h"
#include "policy/value_json.h"

#define ACCOUNT_MAX (4u << 20)
#define RECORD_USUAL 4096

// RFC 7638 and RFC 8705 thumbprints are base64url everywhere a person meets them.
static struct span thumbprint(struct arena *a, const uint8_t hash[static 32])
{
    char *p = arena_alloc(a, BASE64URL_ENCODED(32) + 1);
    return p ? span_of(p, base64url_encode(span_of(hash, 32), p)) : SPAN_NONE;
}

static void add_identity(struct gw_exchange *x, struct gw_audit_record *r)
{
    if (!x->peer)
        return;
    r->workload = x->peer->identity.spiffe_id;
    r->certificate_serial = x->peer->identity.serial;
    r->certificate_sha256 = thumbprint(&x->arena, x->peer->identity.leaf_sha256);
}

static void add_token(struct gw_exchange *x, struct gw_audit_record *r)
{
    if (!x->token)
        return;
    r->subject = x->token->subject;
    r->issuer = x->token->issuer->iss;
    r->client_id = x->token->client_id;
    r->jti = x->token->jti;
    if (x->proven)
        r->proof_thumbprint = thumbprint(&x->arena, x->proof.jkt);
}

static void add_observed(const struct gw_exchange *x, struct gw_audit_record *r,
                         struct gw_audit_observed observed[static GW_GATE_COUNT])
{
    for (size_t i = 0; i < GW_GATE_COUNT; i++) {
        const struct gw_observed *o = &x->observed[i];
        const struct pki_token *t = o->token;
        if (o->error == 0)
            continue;
        observed[r->observed_n++] = (struct gw_audit_observed){
            .gate = gw_gate_name((enum gw_gate)i),
            .err = o->error,
            .why = o->why,
            .hidden = o->hidden,
            .issuer = t ? t->issuer->iss : SPAN_NONE,
            .subject = t ? t->subject : SPAN_NONE,
            .jti = t ? t->jti : SPAN_NONE,
        };
    }
    r->observed = observed;
}

static void add_meaning(struct gw_exchange *x, struct gw_audit_record *r)
{
    if (!x->meant)
        return;
    const struct gw_api_meaning *m = &x->meaning;
    r->api = m->api;
    r->operation = m->operation;
    struct gw_audit_access *accesses = arena_array(&x->arena, m->n_authorisations, sizeof *accesses);
    if (!accesses)
        return;
    for (size_t i = 0; i < m->n_authorisations; i++) {
        const struct gw_api_authorisation *a = &m->authorisations[i];
        accesses[i] = (struct gw_audit_access){ gw_action_name(a->action), a->database, a->tenant, a->collection };
    }
    r->accesses = accesses;
    r->accesses_n = m->n_authorisations;
}

// Whether some policy obliges to the full record.
static bool in_full(const struct gw_exchange *x)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        for (size_t k = 0; k < x->decisions[i].answer.n_obligations; k++)
            if (x->decisions[i].answer.obligations[k].kind == POL_OBLIGATION_AUDIT)
                return true;
    return false;
}

// Whether the record holds what was decided by.
static bool with_inputs(const struct gw_exchange *x)
{
    const struct gw_config *config = x->snapshot ? x->snapshot->config : NULL;
    enum gw_config_audit_inputs inputs = config ? config->audit.inputs : GW_CONFIG_INPUTS_ALWAYS;
    if (inputs == GW_CONFIG_INPUTS_NEVER)
        return in_full(x);
    return inputs != GW_CONFIG_INPUTS_DENIED || x->verdict != GW_ALLOW || gw_observed(x) || in_full(x);
}

static void add_obligations(const struct gw_exchange *x, struct gw_audit_record *r, struct buf *out)
{
    struct json_writer w = json_writer(out);
    size_t n = 0;
    for (size_t i = 0; i < x->n_decisions; i++) {
        const struct gw_decision *d = &x->decisions[i];
        for (size_t k = 0; k < d->answer.n_obligations; k++) {
            if (n++ == 0)
                json_w_array(&w);
            pol_json_write_obligation(&w, &d->request, &d->answer.obligations[k]);
        }
    }
    if (n == 0)
        return;
    json_w_end(&w);
    r->obligations = buf_span(out);
}

static void add_failures(const struct gw_exchange *x, struct gw_audit_record *r, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_array(&w);
    for (size_t i = 0; i < x->n_decisions; i++) {
        const struct gw_decision *d = &x->decisions[i];
        for (size_t k = 0; k < d->answer.n_failures; k++) {
            const struct pol_failure *f = &d->answer.failures[k];
            json_w_object(&w);
            json_w_key(&w, SPAN("policy"));
            json_w_string(&w, pol_set_policy(d->request.set, f->policy)->id);
            json_w_key(&w, SPAN("error"));
            json_w_string(&w, f->text);
            json_w_end(&w);
        }
    }
    json_w_end(&w);
    r->policy_errors = buf_span(out);
}

// Each request as it was evaluated, in the form that `policy authorize --request` reads.
static bool write_inputs(const void *ctx, struct buf *out)
{
    const struct gw_exchange *x = ctx;
    const size_t limit = out->limit, most = buf_len(out) + ACCOUNT_MAX;
    if (limit == 0 || limit > most)
        out->limit = most;
    buf_byte(out, '[');
    for (size_t i = 0; i < x->n_decisions; i++) {
        struct pol_request *request = &x->decisions[i].request;
        if (i > 0)
            buf_byte(out, ',');
        if (request->err != 0 || !pol_request_to_json(request, out))
            buf_append(out, SPAN("null"));
    }
    buf_byte(out, ']');
    out->limit = limit;
    return !out->failed;
}

static void add_decisions(struct gw_exchange *x, struct gw_audit_record *r, struct buf *failures)
{
    size_t n_policies = 0, n_failures = 0, n_shadow = 0;
    for (size_t i = 0; i < x->n_decisions; i++) {
        n_policies += x->decisions[i].answer.n_determining;
        n_failures += x->decisions[i].answer.n_failures;
        n_shadow += x->decisions[i].answer.shadow.n;
    }
    struct span *policies = arena_array(&x->arena, n_policies + 1, sizeof *policies);
    struct span *shadow = arena_array(&x->arena, n_shadow + 1, sizeof *shadow);
    if (!policies || !shadow)
        return;
    for (size_t i = 0; i < x->n_decisions; i++) {
        const struct gw_decision *d = &x->decisions[i];
        for (size_t k = 0; k < d->answer.n_determining; k++)
            policies[r->policies_n++] = pol_answer_id(&d->request, &d->answer, k);
        for (size_t k = 0; d->answer.shadow.differs && k < d->answer.shadow.n; k++)
            shadow[r->shadow_policies_n++] = pol_set_policy(d->request.set, d->answer.shadow.policies[k])->id;
    }
    r->policies = policies;
    r->shadow_policies = shadow;
    r->shadow_differs = x->shadow_differs;
    r->shadow_allows = x->shadow_allows;
    if (n_failures > 0)
        add_failures(x, r, failures);
    if (x->n_decisions > 0 && with_inputs(x)) {
        r->write_inputs = write_inputs;
        r->inputs_ctx = x;
    }
}

static void add_latencies(struct gw_exchange *x, struct gw_audit_record *r,
                          struct gw_audit_latency latencies[static GW_STAGE_COUNT + 2])
{
    for (unsigned i = 0; i < GW_STAGE_COUNT; i++)
        if (x->stage_ns[i] > 0)
            latencies[r->latencies_n++] = (struct gw_audit_latency){ gw_stage_name(i), x->stage_ns[i] / 1000 };
    if (x->done_ns > 0 && x->upstream_ns > 0)
        latencies[r->latencies_n++] = (struct gw_audit_latency){ SPAN("shard"), (x->done_ns - x->upstream_ns) / 1000 };
    if (x->done_ns > 0)
        latencies[r->latencies_n++] = (struct gw_audit_latency){ SPAN("total"), (x->done_ns - x->started_ns) / 1000 };
    r->latencies = latencies;
}

static struct span shard_names(struct gw_exchange *x)
{
    struct span all = SPAN_NONE;
    if (x->verdict != GW_ALLOW || !x->meant)
        return all;
    const struct gw_placement *p = &x->snapshot->apis[x->api].placement;
    for (unsigned i = 0; i < p->n_names; i++)
        if (gw_shard_set_has(&x->shards, i))
            all = span_is_none(all) ? p->names[i]
                                    : arena_printf(&x->arena, "%.*s,%.*s", SPAN_FMT(all), SPAN_FMT(p->names[i]));
    return all;
}

bool gw_account_first(const struct gw_exchange *x)
{
    return x->meaning.changes_data || in_full(x);
}

bool gw_account(struct gw_exchange *x, enum gw_audit_kind kind, struct buf *out)
{
    struct gw_audit_record r = {
        .kind = kind,
        .wall_ms = x->now.wall_ms,
        .request_id = span_str(x->id),
        .trace_id = x->trace.known ? span_str(x->trace.context.trace_id) : SPAN_NONE,
        .remote = span_str(x->remote),
        .method = gw_method_name(x->request.method),
        .path = x->to.path,
        .allowed = x->verdict == GW_ALLOW,
        .err = x->error,
        .detail = span_is_none(x->detail) ? NULL : arena_dup(&x->arena, x->detail).p,
        .shard = shard_names(x),
        .hedged = x->hedged,
        .status = x->status,
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
    };
    r.has_shard_code = gw_api_answer_code(span_of(x->answer_head, x->answer_head_n), &r.shard_code);
    struct gw_audit_latency latencies[GW_STAGE_COUNT + 2];
    struct gw_audit_observed observed[GW_GATE_COUNT];
    struct buf failures, obligations; // of most requests, there are none
    buf_init(&failures, ACCOUNT_MAX);
    buf_init(&obligations, ACCOUNT_MAX);
    // A usual record fits, and nothing is moved while it is written.
    buf_reserve(out, RECORD_USUAL);
    if (x->snapshot)
        r.policy_set = x->snapshot->policy_set;
    add_identity(x, &r);
    add_token(x, &r);
    add_observed(x, &r, observed);
    add_meaning(x, &r);
    add_decisions(x, &r, &failures);
    add_obligations(x, &r, &obligations);
    add_latencies(x, &r, latencies);
    bool ok = !failures.failed && !obligations.failed && gw_audit_record_write(&r, out);
    buf_fini(&failures);
    buf_fini(&obligations);
    return ok;
}

bool gw_account_handshake(int64_t wall_ms, const char *remote, int err, const char *detail, struct buf *out)
{
    struct gw_audit_record r = {
        .kind = GW_AUDIT_HANDSHAKE, .wall_ms = wall_ms, .remote = span_str(remote), .err = err, .detail = detail
    };
    return gw_audit_record_write(&r, out);
}
