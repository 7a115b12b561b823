// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/enrol.h"

#include "gateway/base/json.h"
#include "gateway/config/enrolment.h"
#include "gateway/endpoint/enrol_inside.h"
#include "pki/digest.h"
#include "pki/pem.h"
#include "pki/spiffe.h"

static int refuse(struct gw_enrolling *x, int err, struct span detail)
{
    x->err = err;
    x->detail = detail;
    return err;
}

static const struct gw_config_enrolment *config(const struct gw_enrolling *x)
{
    return &x->e->snapshot->authority.config->enrolment;
}

// ------------------------------------------------------------------------------------------------------- the request

// What is asked for: one SPIFFE ID or none, and DNS names; anything else is refused.
static int read_request(struct gw_enrolling *x)
{
    const char *why = "";
    struct pki_spiffe id;
    int rc = pki_csr_parse(x->v->body, x->v->arena, &x->csr, &why);
    if (rc == ERR_NOMEM)
        return refuse(x, rc, SPAN_NONE);
    if (rc != 0)
        return refuse(x, ERR_CSR_INVALID, span_str(why));
    if (x->csr.asks_ca)
        return refuse(x, ERR_CSR_EXTENSION, SPAN("it asks to be a CA, or to sign certificates or CRLs"));
    if (x->csr.asks_other)
        return refuse(x, ERR_CSR_EXTENSION, SPAN("it asks for an extension that no workload's certificate has"));
    if (x->csr.more_names)
        return refuse(x, ERR_CSR_NAME, SPAN("it has too many names"));
    x->asked_id = SPAN_NONE;
    for (size_t i = 0; i < x->csr.n_names; i++) {
        struct span name = x->csr.names[i];
        if (span_starts(name, SPAN("CN=")))
            continue; // many tools write one; no certificate of ours has it
        if (span_starts(name, SPAN("URI:")) && span_is_none(x->asked_id)) {
            x->asked_id = span_sub(name, 4, name.n);
            if (pki_spiffe_parse_workload(x->asked_id, &id, &why) != 0)
                return refuse(x, ERR_CSR_NAME, span_str(why));
        } else if (span_starts(name, SPAN("DNS:")) && x->n_dns < PKI_CA_DNS_MAX) {
            x->dns[x->n_dns++] = span_sub(name, 4, name.n);
        } else {
            return refuse(x, ERR_CSR_NAME, SPAN("it has a name that is neither the one SPIFFE ID nor a DNS name"));
        }
    }
    return 0;
}

// ------------------------------------------------------------------------------------------------------ who asks it

// Waits once, for what the control thread fetches or a cluster answers.
static int wait(struct gw_enrolling *x, int otherwise)
{
    struct gw_visit *v = x->v;
    if (!v->again)
        v->wait_until_ms = v->now.mono_ms + GW_ENROL_WAIT_MS;
    return v->now.mono_ms < v->wait_until_ms ? GW_VISIT_WAITS : refuse(x, otherwise, SPAN_NONE);
}

static int join(struct gw_enrolling *x, struct span text)
{
    struct pki_api_key key;
    uint8_t hash[PKI_SHA256];
    if (!config(x)->join_tokens)
        return refuse(x, ERR_JOIN_UNKNOWN, SPAN("join tokens are not taken here"));
    if (pki_api_key_parse(text, &key) != 0 || !span_eq(key.env, PKI_CA_JOIN_ENV))
        return refuse(x, ERR_JOIN_UNKNOWN, SPAN("not a join token, or one with a typing error"));
    pki_api_key_hash(text, hash);
    int rc = pki_ca_join_find(pki_ca_store(x->e->ca), key.id, x->v->arena, &x->join);
    x->v->record.jti = arena_dup(x->v->arena, key.id);
    if (rc == ERR_STORE_ABSENT)
        rc = ERR_JOIN_UNKNOWN;
    if (rc == 0)
        rc = pki_ca_join_check(&x->join, hash, x->now_s);
    if (rc != 0)
        return refuse(x, rc, SPAN_NONE);
    x->by = GW_ENROL_JOIN;
    return 0;
}

static const struct gw_config_cluster *cluster_of(const struct gw_enrolling *x, struct span iss, size_t *at)
{
    const struct gw_config_enrolment *c = config(x);
    for (size_t i = 0; i < c->clusters_n; i++) {
        const struct gw_config_cluster *cluster = &c->clusters[i];
        struct span its = cluster->review.present ? cluster->review.issuer.v
                                                  : x->e->snapshot->config->issuers[cluster->issuer_index].issuer.v;
        if (span_eq(its, iss)) {
            *at = i;
            return cluster;
        }
    }
    return NULL;
}

static int revoked(const struct gw_enrolling *x)
{
    const struct gw_revocations *r = x->e->revocations;
    int rc = 0;
    for (size_t i = 0; r && rc == 0 && i < GW_REVOKED_FROM_COUNT; i++)
        rc = pki_revoked_token(r->revoked[i], x->token, x->now_s, NULL);
    return rc;
}

// The control thread is asked for keys that are not there yet; true when they may still come.
static bool ring(struct gw_enrolling *x, struct span text)
{
    const struct gw_revocations *r = x->e->revocations;
    const struct pki_issuer *issuer = pki_token_unknown_key(x->e->snapshot->attestors, r ? r->keys : NULL, text);
    for (size_t i = 0; issuer && i < r->n_bells; i++)
        if (span_eq(r->bells[i].iss, issuer->iss))
            return gw_key_bell_ring(r->bells[i].bell, r->bells[i].answered, x->v->now.mono_ms) != 0;
    return false;
}

static int verify(struct gw_enrolling *x, struct span text, const uint8_t sha256[static PKI_SHA256])
{
    const struct pki_key_view *keys = x->e->revocations ? x->e->revocations->keys : NULL;
    int rc = pki_token_verify(x->e->snapshot->attestors, keys, text, sha256, x->now_s, NULL, &x->token);
    if (rc == ERR_TOKEN_KEY && ring(x, text))
        return wait(x, rc);
    const struct pki_token_use use = {
        .now_s = x->now_s, .scheme = PKI_SCHEME_BEARER, .workload = SPAN_NONE, .keys = keys
    };
    if (rc == 0)
        rc = pki_token_check(x->token, &use, NULL);
    if (rc == 0)
        rc = revoked(x);
    if (rc == 0)
        rc = gw_attest_claims(x->token->claims, x->v->arena, &x->account);
    if (rc != 0)
        return refuse(x, rc, SPAN_NONE);
    x->by = GW_ENROL_TOKEN;
    x->v->record.issuer = x->token->issuer->iss;
    x->v->record.jti = x->token->jti;
    return 0;
}

static int review(struct gw_enrolling *x, size_t at, struct span text, const uint8_t sha256[static PKI_SHA256])
{
    struct span answer;
    int rc = x->e->review(x->e->ctx, at, text, sha256, &answer);
    if (rc == GW_VISIT_WAITS)
        return wait(x, ERR_REVIEW_FAILED);
    if (rc == 0)
        rc = gw_attest_review(answer, x->cluster->review.audience.v, x->v->arena, &x->account);
    if (rc != 0)
        return refuse(x, rc, SPAN_NONE);
    x->by = GW_ENROL_REVIEW;
    x->v->record.issuer = x->cluster->review.issuer.v;
    return 0;
}

static int account(struct gw_enrolling *x, struct span text)
{
    uint8_t sha256[PKI_SHA256];
    size_t at = 0;
    if (text.n > PKI_TOKEN_MAX)
        return refuse(x, ERR_TOKEN_MALFORMED, SPAN("the token is too long"));
    struct span iss = gw_attest_issuer(text, x->v->arena);
    if (span_is_none(iss))
        return refuse(x, ERR_TOKEN_MALFORMED, SPAN_NONE);
    x->cluster = cluster_of(x, iss, &at);
    if (!x->cluster)
        return refuse(x, ERR_TOKEN_ISSUER, SPAN_NONE);
    pki_sha256(text, sha256);
    int rc = x->cluster->review.present ? review(x, at, text, sha256) : verify(x, text, sha256);
    if (rc != 0)
        return rc;
    x->v->record.subject = arena_printf(x->v->arena, "system:serviceaccount:%.*s:%.*s", SPAN_FMT(x->account.namespace),
                                        SPAN_FMT(x->account.account_name));
    rc = gw_attest_check(x->cluster, &x->account);
    return rc == 0 ? 0 : refuse(x, rc, x->v->record.subject);
}

struct registered {
    const struct pki_identity *who;
    struct span dns; // as registered, in the arena
    struct arena *arena;
    bool found;
};

static int note_registered(void *ctx, const struct pki_ca_record *r)
{
    struct registered *g = ctx;
    g->found = !r->ca && span_eq(r->spiffe_id, g->who->spiffe_id);
    g->dns = arena_dup(g->arena, r->dns);
    return 0;
}

static bool among(struct span names, struct span name)
{
    while (!span_is_none(names))
        if (span_eq(span_cut(&names, '\n'), name))
            return true;
    return false;
}

// A certificate in hand is good for the same names again: the connection proved its key, the listener its standing; here it is looked up in the registry, which
// knows of a revocation before any CRL does.
static int renewal(struct gw_enrolling *x)
{
    struct registered g = { .who = x->v->certificate, .arena = x->v->arena };
    const struct pki_ca_query query = { .filter = PKI_CA_VALID, .now_s = x->now_s, .serial = g.who->serial };
    if (!config(x)->renewal)
        return refuse(x, ERR_ENROL_CREDENTIAL, SPAN("renewal by certificate is switched off"));
    int rc = pki_ca_store_each(pki_ca_store(x->e->ca), &query, note_registered, &g);
    if (rc == 0 && !g.found)
        rc = ERR_CERT_REVOKED;
    if (rc != 0)
        return refuse(x, rc,
                      rc == ERR_CERT_REVOKED ? SPAN("this CA has no such certificate that is valid") : SPAN_NONE);
    x->by = GW_ENROL_CERTIFICATE;
    x->join.dns = g.dns;
    x->v->record.subject = g.who->spiffe_id;
    return 0;
}

static int attest(struct gw_enrolling *x)
{
    const struct gw_headers *h = &x->v->request->headers;
    struct span rest = gw_headers_get(h, GW_FIELD_AUTHORIZATION), scheme;
    if (gw_headers_count(h, GW_FIELD_AUTHORIZATION) > 1)
        return refuse(x, ERR_TOKEN_WAYS, SPAN_NONE);
    if (span_is_none(rest))
        return x->v->certificate ? renewal(x) : refuse(x, ERR_ENROL_CREDENTIAL, SPAN_NONE);
    scheme = span_cut(&rest, ' ');
    struct span text = span_trim(rest);
    if (!span_ieq(scheme, SPAN("Bearer")) || text.n == 0)
        return refuse(x, ERR_TOKEN_SCHEME, SPAN_NONE);
    return pki_api_key_looks_like(text) ? join(x, text) : account(x, text);
}

// ---------------------------------------------------------------------------------------------------- what it may be

static bool dns_allowed(const struct gw_enrolling *x, struct span name)
{
    return x->by == GW_ENROL_TOKEN || x->by == GW_ENROL_REVIEW
               ? gw_attest_dns(x->cluster, &x->account, name, x->v->arena)
               : among(x->join.dns, name);
}

static int name(struct gw_enrolling *x)
{
    struct pki_spiffe id;
    struct span own = x->by == GW_ENROL_JOIN ? x->join.spiffe_id
                      : x->by == GW_ENROL_CERTIFICATE
                          ? x->v->certificate->spiffe_id
                          : gw_attest_id(x->cluster, &x->account, pki_ca_trust_domain(x->e->ca), x->v->arena);
    if (span_is_none(own))
        return refuse(x, ERR_NOMEM, SPAN_NONE);
    x->id = span_is_none(x->asked_id) ? own : x->asked_id;
    x->derived = span_eq(x->id, own);
    if (!x->derived && (x->by == GW_ENROL_JOIN || x->by == GW_ENROL_CERTIFICATE))
        return refuse(x, ERR_CSR_NAME, SPAN("the credential is for another SPIFFE ID"));
    if (pki_spiffe_parse_workload(x->id, &id, NULL) != 0 || !span_eq(id.trust_domain, pki_ca_trust_domain(x->e->ca)))
        return refuse(x, ERR_CSR_NAME, SPAN("not a workload of this CA's trust domain"));
    for (size_t i = 0; i < x->n_dns; i++)
        if (!dns_allowed(x, x->dns[i]))
            return refuse(x, ERR_CSR_NAME, SPAN("it asks for a DNS name that it may not have"));
    int rc = gw_enrol_decide(x);
    return rc == 0 ? 0 : refuse(x, rc, x->id);
}

// -------------------------------------------------------------------------------------------------------- the answer

static void put_text(struct json_writer *w, struct span key, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, key);
    json_w_string(w, value);
}

static void put_time(struct json_writer *w, struct span key, int64_t value)
{
    json_w_key(w, key);
    json_w_int(w, value);
}

static int issue(struct gw_enrolling *x)
{
    struct gw_visit *v = x->v;
    const struct pki_ca_request request = {
        .spiffe_id = x->id,
        .dns = x->dns,
        .n_dns = x->n_dns,
        .ttl = config(x)->lifetime / 1000,
        .key = x->csr.key,
        .from_csr = true,
        .join_id = x->by == GW_ENROL_JOIN ? x->join.id : SPAN_NONE,
        .now_s = x->now_s,
    };
    struct buf der, chain, bundle, body;
    buf_init(&der, 0);
    buf_init(&chain, 0);
    buf_init(&bundle, 0);
    buf_init(&body, GW_ENROL_ANSWER_MAX);
    // What can fail for want of memory comes first: behind the commit the certificate counts as issued, and a join token as used.
    int rc = pki_ca_bundle_pem(x->e->ca, &bundle);
    if (rc == 0)
        rc = pki_ca_issue(x->e->ca, &request, &der, &x->issued);
    if (rc == 0) {
        pki_pem_write(&chain, SPAN("CERTIFICATE"), buf_span(&der));
        rc = pki_ca_chain_pem(x->e->ca, &chain);
    }
    struct json_writer w = json_writer(&body);
    json_w_object(&w);
    put_text(&w, SPAN("spiffe_id"), x->id);
    put_text(&w, SPAN("serial"), span_str(x->issued.serial));
    put_time(&w, SPAN("not_before"), x->issued.not_before);
    put_time(&w, SPAN("not_after"), x->issued.not_after);
    put_time(&w, SPAN("renew_after"), x->now_s + (x->issued.not_after - x->now_s) * 2 / 3);
    put_text(&w, SPAN("certificate"), buf_span(&chain));
    put_text(&w, SPAN("bundle"), buf_span(&bundle));
    json_w_end(&w);
    struct span answer = rc != 0 || body.failed ? SPAN_NONE : arena_dup(v->arena, buf_span(&body));
    if (rc == 0 && span_is_none(answer))
        rc = ERR_NOMEM;
    buf_fini(&der);
    buf_fini(&chain);
    buf_fini(&bundle);
    buf_fini(&body);
    if (rc != 0)
        return refuse(x, rc, rc == ERR_NOMEM ? SPAN_NONE : arena_dup(v->arena, span_str(pki_ca_what(x->e->ca))));
    v->status = 200;
    v->content_type = SPAN("application/json");
    v->answer = answer;
    return 0;
}

// What was attested and what was issued, for audit. Without policy inputs, which may be switched off.
static void record(struct gw_enrolling *x)
{
    struct gw_audit_record *r = &x->v->record;
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    put_text(&w, SPAN("attested_by"), x->by == GW_ENROL_NOTHING ? SPAN_NONE : gw_enrol_by_name(x->by));
    if (x->by == GW_ENROL_TOKEN || x->by == GW_ENROL_REVIEW) {
        put_text(&w, SPAN("cluster"), x->cluster->name.v);
        put_text(&w, SPAN("namespace"), x->account.namespace);
        put_text(&w, SPAN("service_account"), x->account.account_name);
        put_text(&w, SPAN("pod"), x->account.pod);
        put_text(&w, SPAN("pod_uid"), x->account.pod_uid);
        put_text(&w, SPAN("node"), x->account.node);
    }
    put_text(&w, SPAN("join_token"), x->by == GW_ENROL_JOIN ? x->join.id : SPAN_NONE);
    put_text(&w, SPAN("spiffe_id"), span_is_none(x->id) ? x->asked_id : x->id);
    if (x->err == 0) {
        put_text(&w, SPAN("serial"), span_str(x->issued.serial));
        put_time(&w, SPAN("not_after"), x->issued.not_after);
    }
    json_w_end(&w);
    r->enrolment = out.failed ? SPAN_NONE : arena_dup(x->v->arena, buf_span(&out));
    buf_fini(&out);
    r->api = SPAN("enrolment");
    r->operation = GW_SVID_ISSUE;
    r->err = x->err;
    r->allowed = x->err == 0;
    if (!span_is_none(x->detail))
        r->detail = arena_dup(x->v->arena, x->detail).p;
    x->v->audited = true;
}

static void answer_fault(struct gw_enrolling *x)
{
    struct gw_visit *v = x->v;
    gw_visit_problem(v, x->err);
    if (v->status == 401)
        v->fields[v->n_fields++] =
            (struct gw_visit_field){ SPAN("www-authenticate"), SPAN("Bearer realm=\"sallyport\"") };
}

static int enrol(struct gw_enrol *e, struct gw_visit *v)
{
    // The request is only read for somebody: its signature costs the more the oftener a visit that waits is asked again.
    static int (*const steps[])(struct gw_enrolling *) = { attest, read_request, name, issue };
    struct gw_enrolling x = { .e = e, .v = v, .now_s = v->now.wall_ms / 1000, .asked_id = SPAN_NONE, .id = SPAN_NONE };
    int rc = 0;
    x.detail = SPAN_NONE;
    if (!e->ca)
        rc = refuse(&x, ERR_STORE_FAILED, SPAN("the CA cannot be used now"));
    else if (!v->again && !gw_enrol_rate_take(&e->rate, span_str(v->remote), config(&x)->attempts, v->now.mono_ms))
        rc = refuse(&x, ERR_RATE, SPAN_NONE);
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
        rc = steps[i](&x);
    v->no_store = true;
    if (rc < 0)
        answer_fault(&x);
    if (rc != GW_VISIT_WAITS)
        record(&x);
    if (x.csr.key)
        pki_csr_fini(&x.csr);
    // What the record borrows of the token goes with it.
    v->record.jti = span_is_none(v->record.jti) ? SPAN_NONE : arena_dup(v->arena, v->record.jti);
    pki_token_unref(x.token);
    return rc == GW_VISIT_WAITS ? rc : 0;
}

// ------------------------------------------------------------------------------------------------- what is published

static int publish(struct gw_visit *v, int rc, struct buf *body, struct span type)
{
    struct span copy = rc == 0 ? arena_dup(v->arena, buf_span(body)) : SPAN_NONE;
    buf_fini(body);
    if (span_is_none(copy)) {
        gw_visit_problem(v, rc == 0 ? ERR_NOMEM : rc);
        return 0;
    }
    v->status = 200;
    v->content_type = type;
    v->answer = copy;
    return 0;
}

static int bundle_pem(struct gw_enrol *e, struct gw_visit *v)
{
    struct buf body;
    buf_init(&body, 0);
    return publish(v, e->ca ? pki_ca_bundle_pem(e->ca, &body) : ERR_STORE_FAILED, &body,
                   SPAN("application/x-pem-file"));
}

static int bundle_json(struct gw_enrol *e, struct gw_visit *v)
{
    struct buf body;
    buf_init(&body, 0);
    int rc = e->ca
                 ? pki_ca_bundle_jwks(e->ca, (uint64_t)e->snapshot->authority.config->enrolment.lifetime / 3000, &body)
                 : ERR_STORE_FAILED;
    return publish(v, rc, &body, SPAN("application/json"));
}

// Read from the registry, since `ca crl` signs them in a process of its own.
static int crl_pem(struct gw_enrol *e, struct gw_visit *v)
{
    struct pki_ca_authority *all;
    struct buf body;
    size_t n = 0;
    int rc = e->ca ? pki_ca_store_authorities(pki_ca_store(e->ca), v->arena, &all, &n) : ERR_STORE_FAILED;
    bool any = false;
    buf_init(&body, 0);
    for (size_t i = n; rc == 0 && i-- > 0;)
        if (all[i].crl_number > 0 && all[i].not_after >= v->now.wall_ms / 1000) {
            pki_pem_write(&body, SPAN("X509 CRL"), all[i].crl);
            any = true;
        }
    if (rc == 0)
        rc = !any ? ERR_STORE_ABSENT : body.failed ? ERR_NOMEM : 0;
    return publish(v, rc, &body, SPAN("application/x-pem-file"));
}

static const struct {
    struct span path;
    enum gw_visit_endpoint endpoint;
    enum gw_method method;
    struct span allow;
    int (*visit)(struct gw_enrol *e, struct gw_visit *v);
} table[] = {
    { SPAN("/enrol"), GW_VISIT_enrol, GW_METHOD_POST, SPAN("POST"), enrol },
    { SPAN("/bundle.pem"), GW_VISIT_bundle, GW_METHOD_GET, SPAN("GET, HEAD"), bundle_pem },
    { SPAN("/bundle.json"), GW_VISIT_bundle, GW_METHOD_GET, SPAN("GET, HEAD"), bundle_json },
    { SPAN("/crl.pem"), GW_VISIT_bundle, GW_METHOD_GET, SPAN("GET, HEAD"), crl_pem },
};

int gw_enrol_visit(struct gw_enrol *e, struct gw_visit *v)
{
    // Asked again, it begins anew: nothing of the last time is in the answer.
    v->n_fields = 0;
    v->status = 0;
    v->audited = false;
    v->record = (struct gw_audit_record){ .kind = GW_AUDIT_REQUEST };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!span_eq(v->to.path, table[i].path))
            continue;
        v->endpoint = table[i].endpoint;
        if (v->request->method == table[i].method)
            return table[i].visit(e, v);
        v->fields[v->n_fields++] = (struct gw_visit_field){ SPAN("allow"), table[i].allow };
        gw_visit_problem(v, ERR_HTTP_NOT_ALLOWED);
        return 0;
    }
    gw_visit_problem(v, ERR_HTTP_NOT_FOUND);
    return 0;
}
