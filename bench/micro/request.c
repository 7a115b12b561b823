// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of one request without sockets, TLS or kernel: the gateway of tests/support/rig.h takes a Qdrant search of 4 KiB with a fresh DPoP
// proof, and one step of it is measured at a time; those before it are done off the clock.
#include "bench/support/bodies.h"
#include "bench/support/micro.h"
#include "gateway/audit/chain.h"
#include "gateway/http/forward.h"
#include "gateway/stages/account.h"
#include "gateway/stages/pipeline.h"
#include "tests/support/rig.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH "/collections/docs/points/search"
#define FILLING 4096

// Stages of the pipeline keep their numbers.
enum step { PARSE = GW_STAGE_COUNT, FORWARD, RECORD, RECORD_BARE, CHAIN, FREE };

struct setting {
    struct rig rig;
    struct gw_services services;
    struct gw_config bare; // with audit.inputs: denied
    struct gw_snapshot bare_snapshot;
    struct gw_chain chain;
    struct pki_token_cache *no_tokens; // never filled
    struct gw_tls_facts facts;
    struct gw_tls_peer *peer;
    char *token;
    struct arena arena;
    struct span body;
    // of the present request
    struct gw_exchange x;
    struct gw_h1 h1;
    struct buf head, up, line;
    bool freed;
};

static int (*const stages[GW_STAGE_COUNT])(struct gw_exchange *x) = {
#define X(name) [GW_STAGE_##name] = gw_stage_##name,
    GW_STAGE_TABLE(X)
#undef X
};

static void step(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    struct gw_exchange *x = &s->x;
    size_t used;
    switch (which) {
    case PARSE:
        gw_h1_begin_request(&s->h1, &x->arena, &x->request);
        micro_must(gw_h1_feed(&s->h1, buf_span(&s->head), &used) == GW_H1_HEAD, "parse");
        break;
    case FORWARD: {
        struct gw_to_shard to = gw_to_shard(&x->request, &x->to);
        struct gw_body body;
        to.host = SPAN("127.0.0.1:6333");
        to.request_id = span_str(x->id);
        micro_must(gw_forward_request(&to, &s->up, &body) == 0, "forward");
        break;
    }
    case RECORD: micro_must(gw_account(x, GW_AUDIT_REQUEST, &s->line), "record"); break;
    case RECORD_BARE:
        x->snapshot = &s->bare_snapshot;
        micro_must(gw_account(x, GW_AUDIT_REQUEST, &s->line), "record");
        break;
    case CHAIN: micro_must(gw_chain_add(&s->chain, buf_span(&s->line), SPAN(""), &s->up), "chain"); break;
    case FREE: gw_exchange_fini(x); break;
    default: micro_must(stages[which](x) == GW_PASS, gw_stage_name(which).p);
    }
}

static void write_head(struct setting *s)
{
    char *credentials = rig_credentials(&s->rig, s->token, "POST", PATH);
    buf_printf(&s->head,
               "POST " PATH " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\nAccept: */*\r\nUser-Agent: bench\r\n%s"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               credentials, s->body.n);
    free(credentials);
}

// A new request, up to the step that is measured.
static void before(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    const struct gw_core *core = &s->rig.core;
    s->freed = which == FREE;
    s->x = (struct gw_exchange){
        .snapshot = core->view->snapshot,
        .services = &s->services,
        .peer = s->peer,
        .tls = &s->facts,
        .remote = "192.0.2.7:4711",
        .now = core->now,
        .id = "0123456789abcdef0123456789abcdef",
        .body = s->body,
        .body_asked = true,
    };
    arena_init(&s->x.arena, 0);
    buf_clear(&s->head);
    buf_clear(&s->up);
    buf_clear(&s->line);
    write_head(s);
    gw_h1_init_server(&s->h1, &s->x.snapshot->request_limits);
    if (which == PARSE)
        return;
    step(s, PARSE);
    for (unsigned k = 0; k < which && k < GW_STAGE_COUNT; k++) {
        step(s, k);
        s->x.stage = k + 1;
        s->x.stage_ns[k] = 1000;
    }
    s->x.verdict = which < GW_STAGE_COUNT ? GW_DENY : GW_ALLOW;
    s->x.status = 200;
    if (which == CHAIN)
        step(s, RECORD);
}

static void after(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    (void)which;
    if (!s->freed)
        gw_exchange_fini(&s->x);
}

static void before_new_token(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    before(s, which);
    s->services.tokens = s->no_tokens;
}

static void after_new_token(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    after(s, which);
    s->services.tokens = s->rig.core.view->services.tokens;
}

// Each stripe of the store has been used: the first use of one takes longer.
static void fill(struct setting *s)
{
    const uint8_t jkt[32] = { 0 };
    int64_t now_ms = s->rig.core.now.wall_ms;
    char jti[16];
    for (unsigned i = 0; i < FILLING; i++) {
        snprintf(jti, sizeof jti, "%u", i);
        struct pki_replay_entry e = { .jkt = jkt,
                                      .jti = span_str(jti),
                                      .htm = SPAN("POST"),
                                      .htu = SPAN("https://" RIG_AUTHORITY PATH),
                                      .workload = SPAN(RIG_RAG),
                                      .iat_ms = now_ms,
                                      .keep_until_ms = now_ms + 65000 };
        micro_must(pki_replay_insert(s->services.replay, &e, now_ms) == 0, "replay");
    }
}

static void set_up(void *ctx)
{
    struct setting *s = ctx;
    rig_init(&s->rig, NULL, NULL);
    arena_init(&s->arena, 0);
    buf_init(&s->head, 0);
    buf_init(&s->up, 0);
    buf_init(&s->line, 0);
    s->services = s->rig.core.view->services;
    s->bare_snapshot = *s->rig.core.view->snapshot;
    s->bare = *s->bare_snapshot.config;
    s->bare.audit.inputs = GW_CONFIG_INPUTS_DENIED;
    s->bare_snapshot.config = &s->bare;
    gw_chain_begin(&s->chain);
    s->services.replay = pki_replay_new(&(struct pki_replay_options){ .share_percent = 100 });
    s->no_tokens = pki_token_cache_new(16, 1 << 20, 0);
    s->facts = (struct gw_tls_facts){ .version = SPAN("TLSv1.3"),
                                      .group = SPAN("X25519MLKEM768"),
                                      .cipher = SPAN("TLS_AES_128_GCM_SHA256"),
                                      .alpn = SPAN("http/1.1") };
    struct buf der = certs_der(&s->rig.certs, "rag");
    micro_must(s->services.replay && s->no_tokens &&
                   gw_tls_peer_verify(&s->rig.core.present.trust, PKI_PURPOSE_CLIENT, SPAN_NONE, buf_span(&der), NULL,
                                      0, gw_core_now_s(&s->rig.core), &s->peer) == 0,
               "set up");
    buf_fini(&der);
    s->token = rig_token(&s->rig, RIG_RAG, NULL);
    s->body = bodies_search(&s->arena);
    fill(s);
    // The token and the header of its proofs are in their caches from here on.
    before(s, FORWARD);
    after(s, FORWARD);
}

static void tear_down(void *ctx)
{
    struct setting *s = ctx;
    buf_fini(&s->head);
    buf_fini(&s->up);
    buf_fini(&s->line);
    pki_replay_free(s->services.replay);
    pki_token_cache_free(s->no_tokens);
    gw_tls_peer_unref(s->peer);
    free(s->token);
    arena_fini(&s->arena);
    rig_fini(&s->rig);
}

#define STEP(called, number, says)                                                                                 \
    {                                                                                                              \
        .name = called, .what = says, .counted = 100, .arg = number, .before = before, .run = step, .after = after \
    }

int main(int argc, char **argv)
{
    static struct setting s;
    static const struct micro all[] = {
        STEP("parse", PARSE, "the head of the request (HTTP/1.1)"),
        STEP("identity", GW_STAGE_identity, "the certificate still stands"),
        STEP("target", GW_STAGE_target, "one reading of host and path"),
        STEP("token-cached", GW_STAGE_token, "a token that was verified before"),
        { .name = "token-uncached",
          .what = "a token that no cache knows: one P-256 signature",
          .counted = 100,
          .arg = GW_STAGE_token,
          .before = before_new_token,
          .run = step,
          .after = after_new_token },
        STEP("binding", GW_STAGE_binding, "token, certificate and a fresh proof belong together; the proof is used up"),
        STEP("read", GW_STAGE_api, "what a search of 4 KiB asks for"),
        STEP("policy", GW_STAGE_policy, "scopes and policies, and the request built for them"),
        STEP("limits", GW_STAGE_limits, "no limit is reached"),
        STEP("route", GW_STAGE_route, "where it goes"),
        STEP("forward", FORWARD, "the head for the shard"),
        STEP("record", RECORD, "the audit record"),
        STEP("record-bare", RECORD_BARE, "the audit record without what was decided by"),
        STEP("chain", CHAIN, "the record as a link of the chain, by the writer's thread"),
        STEP("free", FREE, "all that the request held"),
    };
    return micro_main(
        argc, argv,
        &(struct micro_program){
            .stages = all, .n = sizeof all / sizeof *all, .ctx = &s, .set_up = set_up, .tear_down = tear_down });
}
