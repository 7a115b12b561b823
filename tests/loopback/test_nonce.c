// SPDX-License-Identifier: GPL-3.0-or-later
// Adaptive nonces (RFC 9449 §8, checklist 10): who has shown a suspicious proof needs one for a time, and nobody else does.
#include "pki/digest.h"
#include "pki/dpop.h"
#include "tests/support/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ADAPTIVE "dpop: { nonce: adaptive, nonce_adaptive: 90s }\n"
#define INVENTED "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// A proof, and what is wrong with it.
struct how {
    const char *nonce; // NULL: none
    int64_t late_s;    // its iat is this far in the past
    bool other_key, bad_signature;
    bool other_method;
};

static char *proof_of(struct rig *r, const char *token, struct how how)
{
    uint8_t ath[PKI_SHA256];
    struct buf out;
    struct pki_key *other = how.other_key ? pki_key_generate(PKI_KEY_P256, 0) : NULL;
    buf_init(&out, 0);
    pki_sha256(span_str(token), ath);
    assert_int_equal(pki_dpop_make(other ? other : r->dpop, PKI_ALG_NONE, how.other_method ? SPAN("PUT") : SPAN("POST"),
                                   SPAN("https://" RIG_AUTHORITY COUNT), ath, span_str(how.nonce),
                                   gw_core_now_s(&r->core) - how.late_s, &out),
                     0);
    pki_key_free(other);
    assert_true(buf_byte(&out, 0));
    char *text = strdup(buf_span(&out).p);
    assert_non_null(text);
    if (how.bad_signature) { // of the right length, and in the middle of it
        char *p = text + strlen(text) - 40;
        *p = *p == 'A' ? 'B' : 'A';
    }
    buf_fini(&out);
    return text;
}

// Sends a request of the workload and gives back the answer; the shard answers what reaches it.
static const char *send_proof(struct rig_client *c, const char *token, const char *proof)
{
    char request[8192];
    buf_fini(&c->received);
    buf_init(&c->received, 0);
    snprintf(request, sizeof request,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY
             "\r\nAuthorization: DPoP %s\r\nDPoP: %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
             token, proof);
    rig_send(c, request);
    rig_run(c->rig);
    if (c->rig->n_shards > 0 && rig_shard_got(c->rig, 0)[0] != '\0') {
        rig_shard_forget(c->rig, 0);
        rig_shard_say(c->rig, 0, OK_ANSWER);
    }
    return rig_received(c);
}

static const char *ask_with(struct rig_client *c, const char *workload, struct how how)
{
    char *token = rig_token(c->rig, workload, NULL), *proof = proof_of(c->rig, token, how);
    const char *answer = send_proof(c, token, proof);
    free(token);
    free(proof);
    return answer;
}

// The nonce that an answer gives; "" if it gives none.
static void nonce_of(const char *answer, char out[static PKI_NONCE_TEXT + 1])
{
    const char *at = strstr(answer, "dpop-nonce: ");
    snprintf(out, PKI_NONCE_TEXT + 1, "%s", at ? at + 12 : "");
}

static bool allowed(const char *answer)
{
    return has(answer, "HTTP/1.1 200 OK\r\n");
}

static bool demands(const char *answer)
{
    return has(answer, "HTTP/1.1 401 ") && has(answer, "error=\"use_dpop_nonce\"") && has(answer, "\"proof_nonce\"") &&
           has(answer, "dpop-nonce: ");
}

// By accident, one time in some thousands. Told by a demand that ended long ago.
static bool share_a_slot(struct rig *r)
{
    struct pki_nonce_demands *probe = r->shared.demands;
    pki_nonce_demand(probe, SPAN(RIG_RAG), 1);
    return pki_nonce_demanded(probe, SPAN(RIG_THIEF), 0);
}

static void rule_10_a_nonce_is_demanded_after_a_suspicious_proof(void **state)
{
    (void)state;
    static const struct {
        struct how how;
        const char *code, *error;
    } rows[] = {
        { { .bad_signature = true }, "\"proof_invalid\"", "error=\"invalid_dpop_proof\"" },
        { { .other_key = true }, "\"token_not_yours\"", "error=\"invalid_token\"" },
        // A clock that is wrong: told the nonce at once (RFC 9449 §8).
        { { .late_s = 1000 }, "\"proof_nonce\"", "error=\"use_dpop_nonce\"" },
        { { .late_s = -1000 }, "\"proof_nonce\"", "error=\"use_dpop_nonce\"" },
        { { .nonce = INVENTED }, "\"proof_nonce\"", "error=\"use_dpop_nonce\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        struct rig_client a, b, other;
        char nonce[PKI_NONCE_TEXT + 1];
        rig_init(&r, ADAPTIVE, NULL);
        rig_client_init(&a, &r, "rag");
        rig_client_init(&b, &r, "rag");
        rig_client_init(&other, &r, "thief");
        const char *answer = ask_with(&a, RIG_RAG, (struct how){ 0 });
        assert_true(allowed(answer) && !has(answer, "dpop-nonce"));
        answer = ask_with(&a, RIG_RAG, rows[i].how);
        if (!has(answer, "401 ") || !has(answer, rows[i].code) || !has(answer, rows[i].error))
            fail_msg("row %zu: %s", i, answer);
        nonce_of(answer, nonce);
        assert_int_equal(strlen(nonce), PKI_NONCE_TEXT);
        // Whatever connection the workload comes on.
        assert_true(demands(ask_with(&a, RIG_RAG, (struct how){ 0 })));
        assert_true(demands(ask_with(&b, RIG_RAG, (struct how){ 0 })));
        answer = ask_with(&b, RIG_RAG, (struct how){ .nonce = nonce });
        assert_true(allowed(answer) && !has(answer, "dpop-nonce"));
        // Nobody else. (Denied by the policy, so behind the proof.)
        answer = ask_with(&other, RIG_THIEF, (struct how){ 0 });
        assert_true(share_a_slot(&r) || (has(answer, "HTTP/1.1 403 ") && has(answer, "\"denied\"")));
        // And it ends.
        rig_client_fini(&a);
        rig_client_fini(&b);
        rig_client_fini(&other);
        rig_sleep(&r, 89000);
        rig_client_init(&a, &r, "rag");
        assert_true(demands(ask_with(&a, RIG_RAG, (struct how){ 0 })));
        rig_sleep(&r, 1000);
        assert_true(allowed(ask_with(&a, RIG_RAG, (struct how){ 0 })));
        // A client that goes on with its nonce, however old, has done nothing wrong.
        rig_client_fini(&a);
        rig_sleep(&r, 400000);
        rig_client_init(&a, &r, "rag");
        assert_true(allowed(ask_with(&a, RIG_RAG, (struct how){ .nonce = nonce })));
        rig_client_fini(&a);
        rig_fini(&r);
    }
}

static void rule_10_a_replay_demands_a_nonce_of_its_workload(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client a, b;
    char nonce[PKI_NONCE_TEXT + 1];
    rig_init(&r, ADAPTIVE, NULL);
    rig_client_init(&a, &r, "rag");
    rig_client_init(&b, &r, "rag");
    char *token = rig_token(&r, RIG_RAG, NULL), *proof = proof_of(&r, token, (struct how){ 0 });
    assert_true(allowed(send_proof(&a, token, proof)));
    const char *answer = send_proof(&b, token, proof);
    assert_true(has(answer, "\"proof_replayed\"") && has(answer, "error=\"invalid_dpop_proof\""));
    nonce_of(answer, nonce);
    assert_int_equal(strlen(nonce), PKI_NONCE_TEXT);
    assert_true(demands(send_proof(&a, token, proof))); // not even looked for among the used ones
    assert_true(demands(ask_with(&a, RIG_RAG, (struct how){ 0 })));
    free(proof);
    proof = proof_of(&r, token, (struct how){ .nonce = nonce });
    assert_true(allowed(send_proof(&a, token, proof)));
    answer = send_proof(&b, token, proof);
    assert_true(has(answer, "\"proof_replayed\""));
    free(proof);
    free(token);
    rig_client_fini(&a);
    rig_client_fini(&b);
    rig_fini(&r);
}

// A demanded nonce excuses no clock (rule 11), and the client is not sent round in circles.
static void rule_11_holds_with_a_nonce_too(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    char nonce[PKI_NONCE_TEXT + 1];
    rig_init(&r, ADAPTIVE, NULL);
    rig_client_init(&c, &r, "rag");
    const char *answer = ask_with(&c, RIG_RAG, (struct how){ .late_s = 1000 });
    assert_true(demands(answer));
    nonce_of(answer, nonce);
    assert_true(rig_audited(&r, "iat is outside the window"));
    answer = ask_with(&c, RIG_RAG, (struct how){ .late_s = 1000, .nonce = nonce });
    assert_true(has(answer, "\"proof_stale\"") && has(answer, "error=\"invalid_dpop_proof\""));
    assert_true(allowed(ask_with(&c, RIG_RAG, (struct how){ .nonce = nonce })));
    rig_client_fini(&c);
    rig_fini(&r);
}

// An answer to a client without a fault of this kind says nothing of nonces: what a bug in it looks like is no suspicion.
static void a_mistake_is_no_suspicion(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, ADAPTIVE, NULL);
    rig_client_init(&c, &r, "rag");
    const char *answer = ask_with(&c, RIG_RAG, (struct how){ .other_method = true });
    assert_true(has(answer, "\"proof_invalid\"") && !has(answer, "dpop-nonce"));
    char *token = rig_token(&r, RIG_RAG, NULL);
    answer = send_proof(&c, token, "no.proof.here");
    assert_true(has(answer, "\"proof_invalid\"") && !has(answer, "dpop-nonce"));
    free(token);
    assert_true(allowed(ask_with(&c, RIG_RAG, (struct how){ 0 })));
    rig_client_fini(&c);
    rig_fini(&r);
}

// Another workload's certificate with a stolen token never gets as far as the proof: the owner is left alone.
static void nobody_has_a_nonce_demanded_of_somebody_else(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c, thief;
    rig_init(&r, ADAPTIVE, NULL);
    rig_client_init(&c, &r, "rag");
    rig_client_init(&thief, &r, "thief");
    const char *answer = ask_with(&thief, RIG_RAG, (struct how){ .bad_signature = true });
    assert_true(has(answer, "\"token_not_yours\"") && !has(answer, "dpop-nonce"));
    assert_true(allowed(ask_with(&c, RIG_RAG, (struct how){ 0 })));
    rig_client_fini(&c);
    rig_client_fini(&thief);
    rig_fini(&r);
}

// The default: a suspicious proof is refused, and that is all.
static void without_nonces_none_is_demanded(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    assert_false(has(ask_with(&c, RIG_RAG, (struct how){ .bad_signature = true }), "dpop-nonce"));
    assert_true(has(ask_with(&c, RIG_RAG, (struct how){ .late_s = 1000 }), "\"proof_stale\""));
    assert_true(allowed(ask_with(&c, RIG_RAG, (struct how){ .nonce = INVENTED })));
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_10_a_nonce_is_demanded_after_a_suspicious_proof),
        cmocka_unit_test(rule_10_a_replay_demands_a_nonce_of_its_workload),
        cmocka_unit_test(rule_11_holds_with_a_nonce_too),
        cmocka_unit_test(a_mistake_is_no_suspicion),
        cmocka_unit_test(nobody_has_a_nonce_demanded_of_somebody_else),
        cmocka_unit_test(without_nonces_none_is_demanded),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
