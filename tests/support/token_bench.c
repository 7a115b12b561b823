// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/token_bench.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/base64url.h"
#include "pki/jws.h"
#include "tests/support/jose.h"

#define KEEP(e)       \
    do {              \
        bool ok_ = e; \
        assert(ok_);  \
        (void)ok_;    \
    } while (0)

const char token_bench_permissive[] = "permit(principal, action, resource);";

static const char entities[] =
    "[{\"uid\":{\"type\":\"Workload\",\"id\":\"" BENCH_RAG "\"},\"attrs\":{\"tenant\":\"acme\"},"
    "\"parents\":[{\"type\":\"Role\",\"id\":\"reader\"}]},"
    "{\"uid\":{\"type\":\"Role\",\"id\":\"reader\"},\"attrs\":{},\"parents\":[{\"type\":\"Role\",\"id\":\"any\"}]}]";

void token_bench_policies(struct token_bench *b, const char *policies)
{
    struct pol_source p = { SPAN("p.cedar"), span_str(policies) }, e = { SPAN("e.json"), span_str(entities) };
    pol_set_free(b->snapshot.authority.policies);
    b->snapshot.authority.policies =
        pol_set_new(&p, 1, &e, 1, &(struct pol_options){ .strict_annotations = true, .hash_key = 9 }, &b->diags);
    assert(b->snapshot.authority.policies);
}

static struct pki_jwks *jwks_of(struct token_bench *b, const struct pki_key *key)
{
    const enum pki_alg alg = PKI_ES256;
    struct buf text;
    buf_init(&text, 0);
    KEEP(pki_jwks_write(&key, &alg, 1, &text) == 0);
    struct pki_jwks *keys = pki_jwks_read(buf_span(&text), PKI_ALG_BIT(PKI_ES256), SPAN("keys"), &b->diags);
    assert(keys);
    buf_fini(&text);
    return keys;
}

static struct gw_config_text text(const char *s)
{
    return (struct gw_config_text){ .v = span_str(s) };
}

static void make_subjects(struct token_bench *b)
{
    static const struct span ours[] = { { BENCH_ISSUER, sizeof BENCH_ISSUER - 1 } }, any[] = { { "*", 1 } };
    struct pki_issuer issuer = {
        .name = SPAN("idp"),
        .iss = SPAN(BENCH_IDP),
        .algs = PKI_ALG_BIT(PKI_ES256),
        .audiences = { ours, 1 },
        .typ = SPAN_NONE,
        .binding = PKI_BIND_UNBOUND_ALLOWED,
        .claims = { .tenant = SPAN("tenant"), .workload = SPAN("workload"), .scope = SPAN("scope") },
        .workload_match = PKI_WORKLOAD_UNCHECKED,
        .assert_tenants = { any, 1 },
        .assert_trust_domains = { any, 1 },
    };
    b->snapshot.subjects = pki_issuers_new();
    KEEP(pki_issuers_add(b->snapshot.subjects, &issuer, jwks_of(b, b->idp)) == 0);
    issuer.name = SPAN("cluster");
    issuer.iss = SPAN("https://kubernetes.default.svc");
    issuer.scopeless = true;
    KEEP(pki_issuers_add(b->snapshot.subjects, &issuer, jwks_of(b, b->idp)) == 0);
}

static void make_config(struct token_bench *b)
{
    struct gw_config_authority *c = &b->config.authority;
    b->audiences[0] = text(BENCH_AUDIENCE);
    b->audiences[1] = text("https://gw2.example");
    b->followers[0] = text("spiffe://prod.example/gateway/*");
    b->clients[0] = (struct gw_config_client){ .id = text("signer"),
                                               .workload = text(BENCH_RAG),
                                               .jwks = text("signer.jwks"),
                                               .algorithms = PKI_ALG_BIT(PKI_ES256) };
    b->clients[1] =
        (struct gw_config_client){ .id = text("named"), .workload = text(BENCH_RAG), .san_dns = text("rag.example") };
    b->clients[2] = (struct gw_config_client){ .id = text("odd"),
                                               .workload = text(BENCH_OTHER),
                                               .subject = text("CN=odd,O=Example") };
    *c = (struct gw_config_authority){
        .present = true,
        .issuer = text(BENCH_ISSUER),
        .audiences = { .v = b->audiences, .n = 2 },
        .lifetime = 300000,
        .refresh_lifetime = 86400000,
        .clients = b->clients,
        .clients_n = 3,
        .followers = { .v = b->followers, .n = 1 },
        .signing = { .publish = 120000 },
    };
    b->client_keys[0] = jwks_of(b, b->client);
}

static struct pki_identity identity(const char *id, uint8_t mark)
{
    struct pki_identity i = { .spiffe_id = span_str(id),
                              .trust_domain = SPAN("prod.example"),
                              .path = span_sub(span_str(id), 21, strlen(id)),
                              .serial = SPAN("3c00ca"),
                              .dns = SPAN_NONE,
                              .path_not_after = BENCH_NOW + 3600 };
    memset(i.leaf_sha256, mark, sizeof i.leaf_sha256);
    return i;
}

static const char *file(struct token_bench *b, const char *name)
{
    return arena_printf(&b->arena, "%s/%s", b->dir, name).p;
}

static void make_stores(struct token_bench *b)
{
    struct pki_signing_options signing = { .use = PKI_SIGNING_SERVE,
                                           .alg = PKI_ES256,
                                           .passphrase = SPAN_NONE,
                                           .pkcs11 = SPAN_NONE,
                                           .publish_s = 120,
                                           .linger_s = 900 };
    strcpy(b->dir, "/tmp/sallyport-token-XXXXXX");
    KEEP(mkdtemp(b->dir) != NULL);
    signing.path = file(b, "keys.db");
    KEEP(pki_signing_keys_open(&signing, BENCH_NOW - 1000, &b->a.keys) == 0);
    KEEP(pki_grants_open(file(b, "grants.db"), 1000, &b->a.grants) == 0);
    KEEP(pki_revoked_store_create(file(b, "revoked.db"), &b->a.revoked) == 0);
    KEEP(pki_api_key_store_create(file(b, "apikeys.db"), &b->key_store) == 0);
    b->a.replay = pki_replay_new(
        &(struct pki_replay_options){ .entries = 4096, .stripes = 1, .not_before_ms = (BENCH_NOW - 3600) * 1000 });
    b->a.assertions = pki_replay_new(
        &(struct pki_replay_options){ .entries = 4096, .stripes = 1, .not_before_ms = (BENCH_NOW - 3600) * 1000 });
    b->a.proofs = pki_proof_cache_new(64, 1 << 20, 0);
    pki_nonce_keys_init(&b->nonces, 60000, 180000);
    b->a.nonces = &b->nonces;
    assert(b->a.replay && b->a.assertions && b->a.proofs);
}

void token_bench_init(struct token_bench *b, const char *policies)
{
    *b = (struct token_bench){ .now_ms = BENCH_NOW * 1000, .content_type = "application/x-www-form-urlencoded" };
    arena_init(&b->arena, 0);
    diags_init(&b->diags);
    b->idp = pki_key_generate(PKI_KEY_P256, 0);
    b->client = pki_key_generate(PKI_KEY_P256, 0);
    b->proof_key = pki_key_generate(PKI_KEY_P256, 0);
    b->proof_key2 = pki_key_generate(PKI_KEY_P256, 0);
    make_stores(b);
    make_config(b);
    make_subjects(b);
    b->rag = identity(BENCH_RAG, 1);
    b->other = identity(BENCH_OTHER, 2);
    b->certificate = &b->rag;
    b->snapshot.config = &b->config;
    b->snapshot.authority = (struct gw_snapshot_authority){
        .config = &b->config.authority,
        .issuer = SPAN(BENCH_ISSUER),
        .base = SPAN(BENCH_ISSUER),
        .dpop = { .algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_EDDSA), .window_ms = 60000, .ahead_ms = 5000 },
        .clients = b->client_keys,
    };
    token_bench_policies(b, policies);
    b->a.snapshot = &b->snapshot;
    b->a.revocations = &b->revocations;
}

static void forget_answer(struct token_bench *b)
{
    json_free(b->doc);
    b->doc = NULL;
    arena_fini(&b->visit_arena);
}

void token_bench_fini(struct token_bench *b)
{
    char command[96];
    forget_answer(b);
    for (size_t i = 0; i < 2; i++)
        free(b->proofs[i]);
    pki_signing_keys_close(b->a.keys);
    pki_grants_close(b->a.grants);
    pki_revoked_store_close(b->a.revoked);
    pki_api_key_store_close(b->key_store);
    pki_replay_free(b->a.replay);
    pki_replay_free(b->a.assertions);
    gw_authority_forget(&b->a);
    pki_proof_cache_free(b->a.proofs);
    pki_issuers_free(b->snapshot.subjects);
    for (size_t i = 0; i < 3; i++)
        pki_jwks_free(b->client_keys[i]);
    for (size_t i = 0; i < GW_REVOKED_FROM_COUNT; i++)
        pki_revoked_unref(b->revocations.revoked[i]);
    pki_api_keys_unref(b->revocations.api_keys);
    pol_set_free(b->snapshot.authority.policies);
    pki_key_free(b->idp);
    pki_key_free(b->client);
    pki_key_free(b->proof_key);
    pki_key_free(b->proof_key2);
    diags_fini(&b->diags);
    arena_fini(&b->arena);
    snprintf(command, sizeof command, "rm -rf %s", b->dir);
    KEEP(system(command) == 0);
}

// ---- a request

static void add_header(struct gw_headers *h, enum gw_field id, const char *value)
{
    if (!value)
        return;
    h->v[h->n++] = (struct gw_header){ .name = gw_field_name(id), .value = span_str(value), .id = id };
    h->present |= UINT64_C(1) << id;
}

unsigned token_bench_post(struct token_bench *b, token_bench_endpoint endpoint, ...)
{
    struct gw_header fields[8];
    struct gw_request request = { .method = GW_METHOD_POST, .minor = 1, .headers = { .v = fields } };
    struct buf body;
    va_list parts;
    forget_answer(b);
    arena_init(&b->visit_arena, 1u << 20);
    buf_init(&body, 0);
    va_start(parts, endpoint);
    for (const char *part; (part = va_arg(parts, const char *));)
        buf_append(&body, span_str(part));
    va_end(parts);
    add_header(&request.headers, GW_FIELD_CONTENT_TYPE, b->content_type);
    add_header(&request.headers, GW_FIELD_AUTHORIZATION, b->authorization);
    for (size_t i = 0; i < 2; i++)
        add_header(&request.headers, GW_FIELD_DPOP, b->proofs[i]);
    b->v = (struct gw_visit){ .arena = &b->visit_arena,
                              .request = &request,
                              .to = { .path = SPAN("/oauth2/token"), .query = span_str(b->query) },
                              .body = arena_dup(&b->visit_arena, buf_span(&body)),
                              .certificate = b->certificate,
                              .remote = "192.0.2.1:1",
                              .now = { .wall_ms = b->now_ms, .mono_ms = 1 } };
    buf_fini(&body);
    KEEP(endpoint(&b->a, &b->v) == 0);
    b->v.request = NULL;
    if (b->v.answer.n > 0)
        b->doc = json_parse(b->v.answer, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        free(b->proofs[i]);
        b->proofs[i] = NULL;
    }
    return b->v.status;
}

const char *token_bench_text(struct token_bench *b, const char *name)
{
    json v = json_get(b->doc ? json_root(b->doc) : NULL, span_str(name));
    return arena_dup(&b->visit_arena, json_string(v)).p;
}

bool token_bench_says(struct token_bench *b, const char *name, const char *value)
{
    const char *is = token_bench_text(b, name);
    if (!is || strcmp(is, value) != 0)
        fprintf(stderr, "%s is %s, not %s: %.*s (%s)\n", name, is ? is : "absent", value, SPAN_FMT(b->v.answer),
                b->v.record.detail ? b->v.record.detail : "");
    return is && strcmp(is, value) == 0;
}

const char *token_bench_field(struct token_bench *b, const char *name)
{
    for (size_t i = 0; i < b->v.n_fields; i++)
        if (span_eq(b->v.fields[i].name, span_str(name)))
            return arena_dup(&b->visit_arena, b->v.fields[i].value).p;
    return NULL;
}

char *token_bench_claim(const char *token, const char *name)
{
    struct pki_jws jws;
    struct arena arena;
    struct span payload;
    char *out = NULL;
    arena_init(&arena, 0);
    KEEP(pki_jws_split(span_str(token), PKI_TOKEN_MAX, &jws) == 0);
    KEEP(pki_jws_decode(jws.payload, &arena, &payload) == 0);
    struct json_doc *doc = json_parse(payload, NULL, NULL);
    json v = json_get(json_root(doc), span_str(name));
    struct buf text;
    buf_init(&text, 0);
    if (v && json_write(&text, v) && buf_byte(&text, 0))
        out = strdup(buf_span(&text).p);
    buf_fini(&text);
    json_free(doc);
    arena_fini(&arena);
    return out;
}

bool token_bench_claims(const char *token, const char *name, const char *wanted)
{
    char *is = token_bench_claim(token, name);
    bool same = wanted ? is && strcmp(is, wanted) == 0 : !is;
    if (!same)
        fprintf(stderr, "claim %s is %s, not %s\n", name, is ? is : "absent", wanted ? wanted : "absent");
    free(is);
    return same;
}

// ---- what goes into one

void token_bench_prove(struct token_bench *b, const struct pki_key *key, const char *nonce)
{
    struct buf proof;
    buf_init(&proof, 0);
    KEEP(pki_dpop_make(key, PKI_ALG_NONE, SPAN("POST"), SPAN(BENCH_TOKEN_URL), NULL, span_str(nonce), b->now_ms / 1000,
                       &proof) == 0);
    buf_byte(&proof, 0);
    b->proofs[b->proofs[0] ? 1 : 0] = strdup(buf_span(&proof).p);
    buf_fini(&proof);
}

char *token_bench_assertion(struct token_bench *b, const char *jti, ...)
{
    char claims[512], *text, *header = strdup("{\"alg\":\"ES256\"}");
    va_list changes;
    snprintf(claims, sizeof claims,
             "{\"iss\":\"signer\",\"sub\":\"signer\",\"aud\":\"" BENCH_ISSUER
             "\",\"jti\":\"%s\",\"iat\":%lld,\"exp\":%lld}",
             jti, (long long)(b->now_ms / 1000), (long long)(b->now_ms / 1000 + 60));
    text = strdup(claims);
    va_start(changes, jti);
    for (const char *name; (name = va_arg(changes, const char *));) {
        const char *value = va_arg(changes, const char *);
        bool of_header = strcmp(name, "header") == 0;
        char *next = of_header ? strdup(value) : jose_with(text, name, value);
        free(of_header ? header : text);
        *(of_header ? &header : &text) = next;
    }
    va_end(changes);
    char *assertion = jose_sign(header, text, b->client, PKI_ES256);
    free(text);
    free(header);
    return assertion;
}

char *token_bench_assertion_form(const char *assertion)
{
    static const char type[] = "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    size_t n = strlen(assertion) + sizeof type + 32;
    char *form = malloc(n);
    snprintf(form, n, "%s&client_assertion=%s", type, assertion);
    return form;
}

char *token_bench_subject(struct token_bench *b, const char *sub, const char *more)
{
    char claims[1024];
    snprintf(claims, sizeof claims,
             "{%s\"sub\":\"%s\",\"aud\":\"" BENCH_ISSUER "\",\"jti\":\"s1\",\"iat\":%lld,\"exp\":%lld%s%s}",
             strncmp(more, "\"iss\"", 5) == 0 ? "" : "\"iss\":\"" BENCH_IDP "\",", sub,
             (long long)(b->now_ms / 1000 - 1), (long long)(b->now_ms / 1000 + 200), *more ? "," : "", more);
    return jose_sign("{\"alg\":\"ES256\"}", claims, b->idp, PKI_ES256);
}

void token_bench_revoke(struct token_bench *b, enum pki_revoked_kind kind, const char *value, int64_t before_s)
{
    struct pki_revoked_entry e = { .kind = kind, .value = span_str(value), .before_s = before_s };
    struct pki_revoked **set = &b->revocations.revoked[GW_REVOKED_STORE];
    if (!*set)
        *set = pki_revoked_new();
    KEEP(pki_revoked_add(*set, &e) == 0);
}

void token_bench_api_key(struct token_bench *b, const char *owner, const char *scopes,
                         char out[static PKI_API_KEY_MAX + 1])
{
    static const struct span any[] = { { "*", 1 } };
    struct pki_api_key key;
    b->registry = (struct pki_issuer){ .name = SPAN("keys"),
                                       .iss = SPAN("apikey:keys"),
                                       .api_keys = true,
                                       .workload_match = owner ? PKI_WORKLOAD_EXACT : PKI_WORKLOAD_UNCHECKED,
                                       .assert_trust_domains = { any, 1 } };
    b->snapshot.api_keys = &b->registry;
    pki_api_key_make(SPAN("live"), out);
    KEEP(pki_api_key_parse(span_str(out), &key) == 0);
    struct pki_api_key_record r = { .id = key.id,
                                    .env = key.env,
                                    .owner = owner ? span_str(owner) : SPAN(""),
                                    .scopes = span_str(scopes),
                                    .roles = SPAN(""),
                                    .tenant = SPAN(""),
                                    .note = SPAN(""),
                                    .replaced_by = SPAN(""),
                                    .created_at = BENCH_NOW - 10,
                                    .not_before = BENCH_NOW - 10,
                                    .expires_at = BENCH_NOW + 86400 };
    pki_api_key_hash(span_str(out), r.hash);
    KEEP(pki_api_key_store_add(b->key_store, &r) == 0);
    pki_api_keys_unref(b->revocations.api_keys);
    b->revocations.api_keys = NULL;
    KEEP(pki_api_keys_load(b->key_store, NULL, BENCH_NOW, &b->revocations.api_keys) == 0);
}
