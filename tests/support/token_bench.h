// SPDX-License-Identifier: GPL-3.0-or-later
// A token service without its listener: the stores in a folder of their own, a snapshot put together by hand, and requests as text. Each test changes
// what it is about.
#ifndef SALLYPORT_TESTS_TOKEN_BENCH_H
#define SALLYPORT_TESTS_TOKEN_BENCH_H

#include "gateway/endpoint/authority.h"
#include "pki/jws.h"
#include "pki/mint.h"
#include "pki/proof_cache.h"

#define BENCH_NOW INT64_C(1800000000)
#define BENCH_ISSUER "https://authority.example"
#define BENCH_TOKEN_URL BENCH_ISSUER "/oauth2/token"
#define BENCH_RAG "spiffe://prod.example/ns/rag/sa/api"
#define BENCH_OTHER "spiffe://prod.example/ns/other/sa/job"
#define BENCH_AUDIENCE "https://gw.example"
#define BENCH_IDP "https://idp.example"
#define BENCH_TYPE "urn:ietf:params:oauth:token-type:"
#define BENCH_EXCHANGE "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"

struct token_bench {
    char dir[64];
    struct arena arena;
    struct diags diags;
    struct gw_config config;
    struct gw_config_client
        clients[3]; // "signer" (rag, by assertion), "named" (rag, by DNS name), "odd" (other, by subject)
    struct pki_jwks *client_keys[3];
    struct gw_config_text audiences[2], followers[1];
    struct gw_snapshot snapshot;
    struct gw_revocations revocations;
    struct gw_authority a;
    struct pki_nonce_keys nonces;
    struct pki_identity rag, other; // certificates; without a chain
    struct pki_key *idp, *client, *proof_key, *proof_key2;
    struct pki_issuer registry; // what API keys are tokens of
    struct pki_api_key_store *key_store;
    // Of the next request.
    int64_t now_ms;
    const struct pki_identity *certificate;
    const char *authorization, *content_type, *query;
    char *proofs[2];
    // Of the last one.
    struct arena visit_arena;
    struct gw_visit v;
    struct json_doc *doc; // of the answer; NULL: no JSON
};

extern const char token_bench_permissive[]; // policies: anything

void token_bench_init(struct token_bench *b, const char *policies);
void token_bench_fini(struct token_bench *b);
void token_bench_policies(struct token_bench *b, const char *policies); // in place of those there are

typedef int (*token_bench_endpoint)(struct gw_authority *a, struct gw_visit *v);
// POSTs a form, and returns the status. The parts are joined as they are; NULL ends them. Proofs are used up by it.
unsigned token_bench_post(struct token_bench *b, token_bench_endpoint endpoint, ...) __attribute__((sentinel));
// A member of the answer; NULL: absent or no string. Lives until the next request.
const char *token_bench_text(struct token_bench *b, const char *name);
bool token_bench_says(struct token_bench *b, const char *name, const char *value);
const char *token_bench_field(struct token_bench *b, const char *name); // of the head; NULL: absent
// A claim of a compact token as compact JSON text, malloc'ed; NULL: absent.
char *token_bench_claim(const char *token, const char *name);
bool token_bench_claims(const char *token, const char *name, const char *text);

// A proof for the token endpoint, put into the next request. `nonce` may be NULL.
void token_bench_prove(struct token_bench *b, const struct pki_key *key, const char *nonce);
// A client assertion of "signer" with `changes` as jose_with takes them: name and JSON text, NULL name ends them. malloc'ed.
char *token_bench_assertion(struct token_bench *b, const char *jti, ...) __attribute__((sentinel));
// The form parameters of an assertion. malloc'ed
char *token_bench_assertion_form(const char *assertion);
// A token of the identity provider about `sub` with further members ("\"scope\":\"a\""; "" for none). malloc'ed.
char *token_bench_subject(struct token_bench *b, const char *sub, const char *more);
// Revokes something, in the present generation.
void token_bench_revoke(struct token_bench *b, enum pki_revoked_kind kind, const char *value, int64_t before_s);
// An API key of `owner` (NULL: nobody's) with these scopes, in the registry and in the present generation.
void token_bench_api_key(struct token_bench *b, const char *owner, const char *scopes,
                         char out[static PKI_API_KEY_MAX + 1]);

#endif
