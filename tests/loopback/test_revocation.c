// SPDX-License-Identifier: GPL-3.0-or-later
// Revocations as whole requests meet them: cached tokens, answers under way, expiry under way. The registry is a real one.
#include "gateway/config/revoked_source.h"
#include "gateway/net/flow.h"
#include "gateway/net/sweep.h"
#include "pki/digest.h"
#include "pki/key.h"
#include "pki/revoked_store.h"
#include "tests/support/rig.h"

#include "gateway/base/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define POINT "/collections/docs/points/1"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
#define LONG_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"

// A rig whose gateway has a registry, and the control thread's part of noticing it.
struct world {
    struct rig r;
    struct gw_revoked_source *source;
    struct pki_revoked_store *store; // as another process has it
    char *token;                     // one of the workload's, used again and again
};

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

// What the control thread does five times a second, and each loop when it hears of it.
static void notice(struct world *w)
{
    struct rig *r = &w->r;
    struct diags diags;
    diags_init(&diags);
    bool news = gw_revoked_source_look(w->source, r->core.view->snapshot->config, gw_core_now_s(&r->core), &diags);
    assert_int_equal(0, diags.errors);
    diags_fini(&diags);
    if (!news)
        return;
    struct gw_revocations *v = gw_revocations_derive(r->core.revocations, r->core.revocations->generation + 1);
    assert_non_null(v);
    gw_revoked_source_give(w->source, v);
    gw_core_adopt_revocations(&r->core, v);
    gw_sweep(&r->core);
    rig_run(r);
}

static void world_init_shards(struct world *w, const char *shards, const char *grace)
{
    char extra[256], path[128];
    snprintf(extra, sizeof extra, "revocations: { store: revoked.db%s%s }\n", grace ? ", grace: " : "",
             grace ? grace : "");
    if (shards)
        rig_init_shards(&w->r, shards, extra, NULL);
    else
        rig_init(&w->r, extra, NULL);
    w->source = gw_revoked_source_new(true);
    w->token = rig_token(&w->r, RIG_RAG, NULL);
    notice(w);
    snprintf(path, sizeof path, "%s/revoked.db", w->r.dir);
    w->store = NULL;
    assert_int_equal(0, pki_revoked_store_open(path, 1000, &w->store));
}

static void world_init(struct world *w, const char *grace)
{
    world_init_shards(w, NULL, grace);
}

static void world_fini(struct world *w)
{
    pki_revoked_store_close(w->store);
    gw_revoked_source_free(w->source);
    free(w->token);
    rig_fini(&w->r);
}

static void revoke(struct world *w, struct pki_revoked_entry e)
{
    assert_null(pki_revoked_fault(&e));
    assert_int_equal(0, pki_revoked_store_add(w->store, &e, 1, gw_core_now_s(&w->r.core)));
    notice(w);
}

static void ask(struct world *w, struct rig_client *c, const char *method, const char *path, const char *body)
{
    char request[8192];
    char *credentials = rig_credentials(&w->r, w->token, method, path);
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: " RIG_AUTHORITY
             "\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, credentials, body ? strlen(body) : 0, body ? body : "");
    rig_send(c, request);
    free(credentials);
    rig_run(&w->r);
}

// The entries that each hit the token or the certificate of `c`. The texts live until the next call.
static size_t entries_for(struct world *w, struct rig_client *c, struct pki_revoked_entry out[8])
{
    static char jkt[BASE64URL_ENCODED(32)], serial[64], jti[128];
    uint8_t hash[32];
    (void)c;
    const struct pki_identity *id = &w->r.core.clients->conn.tls.peer->identity;
    snprintf(serial, sizeof serial, "%.*s", SPAN_FMT(id->serial));
    pki_key_thumbprint(w->r.dpop, hash);
    base64url_encode(span_of(hash, 32), jkt);
    // The jti is what the audit record of the first request says.
    uint8_t sha256[32];
    pki_sha256(span_str(w->token), sha256);
    struct pki_token *t =
        pki_token_cache_get(w->r.core.tokens, sha256, w->r.core.view->snapshot->generation, gw_core_now_s(&w->r.core));
    assert_non_null(t); // it is a cached token that is about to be revoked
    snprintf(jti, sizeof jti, "%.*s", SPAN_FMT(t->jti));
    int64_t iat = t->iat;
    pki_token_unref(t);
    struct span issuer = SPAN("https://issuer.test");
    const struct pki_revoked_entry all[] = {
        { .kind = PKI_REVOKED_JTI, .value = span_str(jti), .issuer = issuer },
        { .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) },
        { .kind = PKI_REVOKED_CLIENT, .value = SPAN("test") },
        { .kind = PKI_REVOKED_THUMBPRINT, .value = span_of(jkt, sizeof jkt) },
        { .kind = PKI_REVOKED_ALL, .value = SPAN(""), .issuer = issuer, .before_s = iat + 1 },
        { .kind = PKI_REVOKED_WORKLOAD, .value = SPAN(RIG_RAG) },
        { .kind = PKI_REVOKED_SERIAL, .value = span_str(serial), .issuer = SPAN("example.org") },
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static bool of_certificate(const struct pki_revoked_entry *e)
{
    return e->kind == PKI_REVOKED_WORKLOAD || e->kind == PKI_REVOKED_SERIAL;
}

static void a_cached_token_is_refused_at_the_next_request_by_each_kind(void **state)
{
    (void)state;
    struct pki_revoked_entry entries[8];
    size_t n = 1;
    for (size_t i = 0; i < n; i++) {
        struct world w;
        struct rig_client c;
        world_init(&w, NULL);
        rig_client_init(&c, &w.r, "rag");
        ask(&w, &c, "GET", POINT, NULL);
        rig_shard_say(&w.r, 0, OK_ANSWER);
        assert_true(has(rig_received(&c), "200 OK"));
        rig_shard_forget(&w.r, 0);
        buf_fini(&c.received);
        n = entries_for(&w, &c, entries);
        struct pki_revoked_entry e = entries[i];
        e.reason = SPAN("leaked");
        revoke(&w, e);
        ask(&w, &c, "GET", POINT, NULL);
        if (!has(rig_received(&c), of_certificate(&e) ? "403 Forbidden" : "401 Unauthorized") ||
            !has(rig_received(&c), of_certificate(&e) ? "certificate_revoked" : "token_revoked"))
            fail_msg("row %zu: %s", i, rig_received(&c));
        assert_string_equal("", rig_shard_got(&w.r, 0));
        assert_int_equal(1, rig_audit_lines(&w.r, of_certificate(&e) ? "CERT_REVOKED" : "TOKEN_REVOKED"));
        assert_true(rig_audited(&w.r, "leaked"));
        assert_false(has(rig_received(&c), "leaked")); // the reason is the operator's
        rig_client_fini(&c);
        world_fini(&w);
    }
    assert_int_equal(7, n);
}

static void what_is_lifted_counts_again(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) };
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    revoke(&w, e);
    ask(&w, &c, "GET", POINT, NULL);
    assert_true(has(rig_received(&c), "token_revoked"));
    assert_int_equal(0, pki_revoked_store_lift(w.store, &e));
    notice(&w);
    ask(&w, &c, "GET", POINT, NULL);
    rig_shard_say(&w.r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "200 OK"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void an_answer_under_way_is_cut_and_recorded_by_each_kind(void **state)
{
    (void)state;
    struct pki_revoked_entry entries[8];
    size_t n = 1;
    for (size_t i = 0; i < n; i++) {
        struct world w;
        struct rig_client c;
        world_init(&w, NULL);
        rig_client_init(&c, &w.r, "rag");
        ask(&w, &c, "GET", POINT, NULL);
        rig_shard_say(&w.r, 0, LONG_ANSWER);
        assert_true(has(rig_received(&c), "200 OK"));
        n = entries_for(&w, &c, entries);
        assert_false(c.cut);
        revoke(&w, entries[i]);
        assert_true(c.cut);
        assert_false(c.closed);               // no close_notify: it must not pass for a whole answer
        assert_true(w.r.shards[0]->near_end); // the shard need not go on, either
        assert_int_equal(1, rig_audit_lines(&w.r, of_certificate(&entries[i]) ? "CERT_REVOKED" : "TOKEN_REVOKED"));
        assert_int_equal(1, rig_audit_lines(&w.r, "\"kind\":\"request\""));
        rig_client_fini(&c);
        world_fini(&w);
    }
    assert_int_equal(7, n);
}

static void answers_to_others_go_on(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c, "GET", POINT, NULL);
    rig_shard_say(&w.r, 0, LONG_ANSWER);
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_SUBJECT, .value = SPAN("alice") });
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_WORKLOAD, .value = SPAN(RIG_THIEF) });
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_ALL, .value = SPAN(""), .before_s = 1000 });
    rig_revoke(&w.r, "thief");
    rig_run(&w.r);
    assert_false(c.cut);
    rig_client_fini(&c);
    world_fini(&w);
}

static void who_has_had_nothing_of_the_answer_is_told(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c, "GET", POINT, NULL);
    assert_true(has(rig_shard_got(&w.r, 0), "GET "));
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) });
    assert_true(has(rig_received(&c), "401 Unauthorized"));
    assert_true(has(rig_received(&c), "token_revoked"));
    assert_false(c.cut);
    assert_true(w.r.shards[0]->near_end);
    assert_int_equal(1, rig_audit_lines(&w.r, "TOKEN_REVOKED"));
    // The connection is still good for a request with another token.
    free(w.token);
    w.token = rig_token(&w.r, RIG_RAG, NULL);
    ask(&w, &c, "GET", POINT, NULL);
    assert_true(has(rig_received(&c), "401 Unauthorized"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_request_to_several_shards_ends_as_well(void **state)
{
    (void)state;
    static const char two[] = "shards:\n"
                              "  - { name: a, api: qdrant, endpoints: [\"http://127.0.0.1:2\"] }\n"
                              "  - { name: b, api: qdrant, endpoints: [\"http://127.0.0.1:3\"] }\n"
                              "routes:\n"
                              "  - { collection: docs, shard: a }\n"
                              "  - { shard: b }\n";
    struct world w;
    struct rig_client c;
    world_init_shards(&w, two, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c, "GET", "/collections", NULL);
    assert_int_equal(2, w.r.n_shards);
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_WORKLOAD, .value = SPAN(RIG_RAG) });
    assert_true(has(rig_received(&c), "403 Forbidden"));
    assert_true(has(rig_received(&c), "certificate_revoked"));
    assert_true(w.r.shards[0]->near_end && w.r.shards[1]->near_end);
    assert_int_equal(1, rig_audit_lines(&w.r, "CERT_REVOKED"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void an_upload_under_way_ends_as_well(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    char request[8192];
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    char *credentials = rig_credentials(&w.r, w.token, "PUT", "/collections/docs/points");
    snprintf(request, sizeof request,
             "PUT /collections/docs/points HTTP/1.1\r\nHost: " RIG_AUTHORITY
             "\r\n%sContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n{\"points\":[",
             credentials);
    free(credentials);
    rig_send(&c, request);
    rig_run(&w.r);
    assert_true(has(rig_shard_got(&w.r, 0), "PUT "));
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) });
    assert_true(has(rig_received(&c), "token_revoked"));
    assert_true(w.r.shards[0]->near_end);
    assert_int_equal(1, rig_audit_lines(&w.r, "TOKEN_REVOKED"));
    rig_client_fini(&c);
    world_fini(&w);
}

// Lets time pass while the shard still has something to say.
static void stream_for(struct world *w, int64_t seconds)
{
    while (seconds-- > 0) {
        rig_sleep(&w->r, 1000);
        if (!w->r.shards[0]->near_end)
            rig_shard_say(&w->r, 0, "x");
    }
}

// A token lives for 300 s here, and its issuer's clock may be off by 30 s.
static void a_token_that_expires_under_way_ends_the_answer_after_the_grace(void **state)
{
    (void)state;
    static const struct {
        const char *grace;
        int64_t seconds;
    } rows[] = { { NULL, 5 }, { "0s", 0 }, { "90s", 90 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct rig_client c;
        world_init(&w, rows[i].grace);
        rig_client_init(&c, &w.r, "rag");
        ask(&w, &c, "GET", POINT, NULL);
        rig_shard_say(&w.r, 0, LONG_ANSWER);
        stream_for(&w, 330 + rows[i].seconds - 2);
        assert_false(c.cut);
        stream_for(&w, 4);
        assert_true(c.cut);
        assert_false(c.closed);
        assert_int_equal(1, rig_audit_lines(&w.r, "TOKEN_EXPIRED"));
        rig_client_fini(&c);
        world_fini(&w);
    }
}

static void a_certificate_that_expires_under_way_ends_the_answer_after_the_grace(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    // Ten seconds before its end.
    w.r.core.now.wall_ms = (w.r.core.clients->conn.tls.peer->identity.path_not_after - 10) * 1000;
    free(w.token);
    w.token = rig_token(&w.r, RIG_RAG, NULL);
    ask(&w, &c, "GET", POINT, NULL);
    rig_shard_say(&w.r, 0, LONG_ANSWER);
    stream_for(&w, 14);
    assert_false(c.cut);
    stream_for(&w, 4);
    assert_true(c.cut);
    assert_int_equal(1, rig_audit_lines(&w.r, "CERT_EXPIRED"));
    rig_client_fini(&c);
    world_fini(&w);
}

// Within the grace a certificate still can be revoked: its end must not hide that.
static void what_is_revoked_within_the_grace_ends_at_once(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, "1h");
    rig_client_init(&c, &w.r, "rag");
    w.r.core.now.wall_ms = (w.r.core.clients->conn.tls.peer->identity.path_not_after - 5) * 1000;
    free(w.token);
    w.token = rig_token(&w.r, RIG_RAG, NULL);
    ask(&w, &c, "GET", POINT, NULL);
    rig_shard_say(&w.r, 0, LONG_ANSWER);
    stream_for(&w, 20);
    assert_false(c.cut);
    revoke(&w, (struct pki_revoked_entry){ .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) });
    assert_true(c.cut);
    assert_int_equal(1, rig_audit_lines(&w.r, "TOKEN_REVOKED"));
    rig_client_fini(&c);
    world_fini(&w);
}

// Newer than the answer, so from the future as seen from the moment it was allowed.
static void a_fresh_crl_does_not_end_an_older_answer(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c, "GET", POINT, NULL);
    rig_shard_say(&w.r, 0, LONG_ANSWER);
    w.r.core.clients->flow->x.now.wall_ms -= 1200 * 1000; // it was, twenty minutes ago
    rig_revoke(&w.r, "thief");
    rig_run(&w.r);
    assert_false(c.cut);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_restart_forgets_nothing(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) };
    assert_int_equal(0, pki_revoked_store_add(w.store, &e, 1, gw_core_now_s(&w.r.core)));
    // Whoever held the store is gone; another one reads it.
    pki_revoked_store_close(w.store);
    w.store = NULL;
    gw_revoked_source_free(w.source);
    w.source = gw_revoked_source_new(true);
    notice(&w);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c, "GET", POINT, NULL);
    assert_true(has(rig_received(&c), "token_revoked"));
    rig_client_fini(&c);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cached_token_is_refused_at_the_next_request_by_each_kind),
        cmocka_unit_test(what_is_lifted_counts_again),
        cmocka_unit_test(an_answer_under_way_is_cut_and_recorded_by_each_kind),
        cmocka_unit_test(answers_to_others_go_on),
        cmocka_unit_test(who_has_had_nothing_of_the_answer_is_told),
        cmocka_unit_test(a_request_to_several_shards_ends_as_well),
        cmocka_unit_test(an_upload_under_way_ends_as_well),
        cmocka_unit_test(a_token_that_expires_under_way_ends_the_answer_after_the_grace),
        cmocka_unit_test(a_certificate_that_expires_under_way_ends_the_answer_after_the_grace),
        cmocka_unit_test(what_is_revoked_within_the_grace_ends_at_once),
        cmocka_unit_test(a_fresh_crl_does_not_end_an_older_answer),
        cmocka_unit_test(a_restart_forgets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
