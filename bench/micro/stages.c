// SPDX-License-Identifier: GPL-3.0-or-later
// What the steps of one request cost, in nanoseconds, without sockets, TLS or kernel: the gateway of tests/support/rig.h takes a Qdrant
// search of 4 KiB with a fresh DPoP proof through parser, stages and audit record, and each step is timed on its own. Below the table, what
// caches save: the same steps without them.
#include "gateway/http/forward.h"
#include "gateway/stages/account.h"
#include "gateway/stages/pipeline.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "tests/support/rig.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 2000
#define KEYS 256 // more than any cache of curve tables holds
#define PATH "/collections/docs/points/search"

enum step { HEAD, DECIDE, FORWARD, ACCOUNT, FREE, PROOF_COLD, TOKEN_COLD, REPLAY, STEPS };

static const char *const names[STEPS] = {
    [HEAD] = "parse the head (h1)",
    [DECIDE] = "all stages",
    [FORWARD] = "write the head for the shard",
    [ACCOUNT] = "write the audit record",
    [FREE] = "free the exchange",
    [PROOF_COLD] = "proof of a key never seen",
    [TOKEN_COLD] = "token verified, not cached",
    [REPLAY] = "replay insert",
};

struct times {
    int64_t steps[STEPS][ROUNDS];
    int64_t stages[GW_STAGE_COUNT][ROUNDS];
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *name, int64_t *of)
{
    qsort(of, ROUNDS, sizeof *of, compare);
    printf("%-32s %8lld %8lld\n", name, (long long)of[ROUNDS / 2], (long long)of[ROUNDS * 9 / 10]);
}

static struct span search_body(struct arena *a)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "{\"limit\":10,\"with_payload\":true,\"vector\":[0.5");
    for (unsigned seed = 7; buf_len(&b) < 4094 - 12; seed = seed * 1103515245 + 12345)
        buf_printf(&b, ",%s0.%08u", seed & 1 ? "-" : "", seed % 100000000);
    buf_printf(&b, "]}");
    struct span s = arena_dup(a, buf_span(&b));
    buf_fini(&b);
    return s;
}

struct setting {
    struct rig rig;
    struct gw_services services;
    struct gw_tls_facts facts;
    struct gw_tls_peer *peer;
    char *token;
    struct span body;
    struct arena arena;
};

static void set_up(struct setting *s)
{
    rig_init(&s->rig, NULL, NULL);
    arena_init(&s->arena, 0);
    s->services = s->rig.core.view->services;
    s->services.replay = pki_replay_new(&(struct pki_replay_options){ .share_percent = 100 });
    s->facts = (struct gw_tls_facts){ .version = SPAN("TLSv1.3"),
                                      .group = SPAN("X25519MLKEM768"),
                                      .cipher = SPAN("TLS_AES_128_GCM_SHA256"),
                                      .alpn = SPAN("http/1.1") };
    struct buf der = certs_der(&s->rig.certs, "rag");
    int rc = gw_tls_peer_verify(&s->rig.core.present.trust, PKI_PURPOSE_CLIENT, SPAN_NONE, buf_span(&der), NULL, 0,
                                gw_core_now_s(&s->rig.core), &s->peer);
    assert(rc == 0 && s->services.replay);
    (void)rc;
    buf_fini(&der);
    s->token = rig_token(&s->rig, RIG_RAG, NULL);
    s->body = search_body(&s->arena);
}

static int64_t lap(int64_t *began)
{
    int64_t now = clock_mono_ns(), took = now - *began;
    *began = now;
    return took;
}

// One request from its first byte to its record.
static void request(struct setting *s, struct times *t, int i)
{
    struct gw_core *core = &s->rig.core;
    char *credentials = rig_credentials(&s->rig, s->token, "POST", PATH);
    struct gw_exchange x = {
        .snapshot = core->view->snapshot,
        .services = &s->services,
        .peer = s->peer,
        .tls = &s->facts,
        .remote = "192.0.2.7:4711",
        .now = core->now,
        .id = "0123456789abcdef0123456789abcdef",
    };
    struct buf head, up, line;
    struct gw_h1 h1;
    struct gw_body body;
    size_t used;
    buf_init(&head, 0);
    buf_init(&up, 0);
    buf_init(&line, 0);
    buf_printf(&head,
               "POST " PATH " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\nAccept: */*\r\nUser-Agent: bench\r\n%s"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               credentials, s->body.n);
    gw_h1_init_server(&h1, &x.snapshot->request_limits);
    arena_init(&x.arena, 0);

    int64_t began = x.started_ns = clock_mono_ns();
    gw_h1_begin_request(&h1, &x.arena, &x.request);
    enum gw_h1_event event = gw_h1_feed(&h1, buf_span(&head), &used);
    t->steps[HEAD][i] = lap(&began);
    int rc = gw_pipeline_run(&x);
    assert(event == GW_H1_HEAD && rc == GW_BODY);
    x.body = s->body;
    rc = gw_pipeline_run(&x);
    t->steps[DECIDE][i] = lap(&began);
    assert(rc == GW_PASS);
    struct gw_to_shard to = gw_to_shard(&x.request, &x.to);
    to.host = SPAN("127.0.0.1:6333");
    to.request_id = span_str(x.id);
    rc = gw_forward_request(&to, &up, &body);
    t->steps[FORWARD][i] = lap(&began);
    assert(rc == 0);
    x.status = 200;
    x.upstream_ns = x.done_ns = began;
    bool written = gw_account(&x, GW_AUDIT_REQUEST, &line);
    t->steps[ACCOUNT][i] = lap(&began);
    assert(written);
    gw_exchange_fini(&x);
    t->steps[FREE][i] = lap(&began);
    for (unsigned k = 0; k < GW_STAGE_COUNT; k++)
        t->stages[k][i] = x.stage_ns[k];
    (void)event, (void)written;
    buf_fini(&head);
    buf_fini(&up);
    buf_fini(&line);
    free(credentials);
}

// What a key that no cache knows costs: parsed, checked, no table of its curve point.
static void proof_cold(struct setting *s, struct times *t)
{
    static struct pki_key *keys[KEYS];
    const struct gw_snapshot *snapshot = s->rig.core.view->snapshot;
    uint8_t jkt[32];
    for (int i = 0; i < ROUNDS; i++) {
        struct pki_key **key = &keys[i % KEYS];
        struct arena arena;
        struct buf text;
        struct pki_proof proof;
        if (!*key)
            *key = pki_key_generate(PKI_KEY_P256, 0);
        pki_key_thumbprint(*key, jkt);
        buf_init(&text, 0);
        arena_init(&arena, 0);
        pki_dpop_make(*key, PKI_ALG_NONE, SPAN("POST"), SPAN("https://" RIG_AUTHORITY PATH), NULL, SPAN_NONE,
                      gw_core_now_s(&s->rig.core), &text);
        struct pki_dpop_request r = { .method = SPAN("POST"),
                                      .htu = SPAN("https://" RIG_AUTHORITY PATH),
                                      .jkt = jkt,
                                      .now_ms = s->rig.core.now.wall_ms };
        int64_t began = clock_mono_ns();
        int rc = pki_dpop_verify(&snapshot->dpop, &r, buf_span(&text), NULL, &arena, NULL, &proof);
        t->steps[PROOF_COLD][i] = lap(&began);
        assert(rc == 0);
        (void)rc;
        pki_proof_fini(&proof);
        arena_fini(&arena);
        buf_fini(&text);
    }
    for (int i = 0; i < KEYS; i++)
        pki_key_free(keys[i]);
}

static void token_cold(struct setting *s, struct times *t)
{
    uint8_t hash[PKI_SHA256];
    for (int i = 0; i < ROUNDS; i++) {
        struct pki_token *token;
        int64_t began = clock_mono_ns();
        pki_sha256(span_str(s->token), hash);
        int rc = pki_token_verify(s->rig.core.view->snapshot->issuers, NULL, span_str(s->token), hash,
                                  gw_core_now_s(&s->rig.core), NULL, &token);
        t->steps[TOKEN_COLD][i] = lap(&began);
        assert(rc == 0);
        (void)rc;
        pki_token_unref(token);
    }
}

static void replay(struct setting *s, struct times *t)
{
    uint8_t jkt[32] = { 1 };
    int64_t now_ms = s->rig.core.now.wall_ms;
    for (int i = 0; i < ROUNDS; i++) {
        char jti[32];
        snprintf(jti, sizeof jti, "proof number %d", i);
        struct pki_replay_entry e = { .jkt = jkt,
                                      .jti = span_str(jti),
                                      .htm = SPAN("POST"),
                                      .htu = SPAN("https://" RIG_AUTHORITY PATH),
                                      .workload = SPAN(RIG_RAG),
                                      .iat_ms = now_ms,
                                      .keep_until_ms = now_ms + 65000 };
        int64_t began = clock_mono_ns();
        int rc = pki_replay_insert(s->services.replay, &e, now_ms);
        t->steps[REPLAY][i] = lap(&began);
        assert(rc == 0);
        (void)rc;
    }
}

int main(void)
{
    static struct setting s;
    static struct times t;
    set_up(&s);
    for (int i = -100; i < ROUNDS; i++) // some to warm up
        request(&s, &t, i < 0 ? 0 : i);
    proof_cold(&s, &t);
    token_cold(&s, &t);
    replay(&s, &t);

    printf("%-32s %8s %8s\n", "ns", "median", "90 %");
    print(names[HEAD], t.steps[HEAD]);
    print(names[DECIDE], t.steps[DECIDE]);
    for (unsigned k = 0; k < GW_STAGE_COUNT; k++) {
        char name[64];
        snprintf(name, sizeof name, "  %.*s", SPAN_FMT(gw_stage_name(k)));
        print(name, t.stages[k]);
    }
    print(names[FORWARD], t.steps[FORWARD]);
    print(names[ACCOUNT], t.steps[ACCOUNT]);
    print(names[FREE], t.steps[FREE]);
    printf("\n");
    for (unsigned k = PROOF_COLD; k < STEPS; k++)
        print(names[k], t.steps[k]);

    pki_replay_free(s.services.replay);
    gw_tls_peer_unref(s.peer);
    free(s.token);
    arena_fini(&s.arena);
    rig_fini(&s.rig);
    return 0;
}
