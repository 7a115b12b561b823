// SPDX-License-Identifier: GPL-3.0-or-later
// A gateway that does not hear its revocation feed any more, as whole requests meet it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/revoked_source.h"
#include "gateway/net/sweep.h"
#include "tests/support/rig.h"

#define POINT "/collections/docs/points/1"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
#define LONG_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"

struct world {
    struct rig r;
    struct gw_revoked_source *source;
    struct gw_revoked_term *term; // of the set in force
    char *token;
};

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

// Another set is in force, with a term of its own.
static void take_up(struct world *w, struct pki_revoked *set, int64_t until_ms)
{
    w->term = gw_revoked_term_new(until_ms);
    assert_non_null(w->term);
    gw_revoked_source_put_feed(w->source, set, w->term);
    struct gw_revocations *v = gw_revocations_derive(w->r.core.revocations, w->r.core.revocations->generation + 1);
    assert_non_null(v);
    gw_revoked_source_give(w->source, v);
    gw_core_adopt_revocations(&w->r.core, v);
    gw_sweep(&w->r.core);
    rig_run(&w->r);
}

static void world_init(struct world *w)
{
    rig_init(&w->r, "", NULL);
    w->source = gw_revoked_source_new(true);
    w->token = rig_token(&w->r, RIG_RAG, NULL);
}

static void world_fini(struct world *w)
{
    free(w->token);
    rig_fini(&w->r);
    gw_revoked_source_free(w->source);
}

static void ask(struct world *w, struct rig_client *c)
{
    char request[8192];
    char *credentials = rig_credentials(&w->r, w->token, "GET", POINT);
    snprintf(request, sizeof request, "GET " POINT " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n%s\r\n", credentials);
    buf_clear(&c->received);
    rig_send(c, request);
    free(credentials);
    rig_run(&w->r);
}

static void a_feed_that_was_not_heard_refuses_every_request_and_reaches_no_shard(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w);
    take_up(&w, NULL, 0);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c);
    assert_true(has(rig_received(&c), "503 Service Unavailable"));
    assert_true(has(rig_received(&c), "\"code\":\"revocation_stale\""));
    assert_true(has(rig_received(&c), "retry-after: ") || has(rig_received(&c), "Retry-After: "));
    assert_string_equal("", rig_shard_got(&w.r, 0));
    assert_true(rig_audited(&w.r, "REVOCATIONS_STALE"));
    // Heard, the same connection is served.
    atomic_store(&w.term->until_ms, INT64_MAX);
    ask(&w, &c);
    rig_shard_say(&w.r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "200 OK"));
    rig_shard_forget(&w.r, 0);
    // And from the very moment on not any more, although its token is in the cache.
    atomic_store(&w.term->until_ms, w.r.core.now.mono_ms);
    ask(&w, &c);
    assert_true(has(rig_received(&c), "revocation_stale"));
    assert_string_equal("", rig_shard_got(&w.r, 0));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_term_belongs_to_its_set_and_to_no_older_one(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    struct pki_revoked *set = pki_revoked_new();
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) };
    assert_int_equal(0, pki_revoked_add(set, &e));
    world_init(&w);
    take_up(&w, NULL, 0);
    rig_client_init(&c, &w.r, "rag");
    // The control thread has a newer set, which is fresh; this loop has not taken it up yet.
    struct gw_revoked_term *newer = gw_revoked_term_new(INT64_MAX);
    gw_revoked_source_put_feed(w.source, pki_revoked_ref(set), gw_revoked_term_ref(newer));
    ask(&w, &c);
    assert_true(has(rig_received(&c), "revocation_stale"));
    take_up(&w, set, INT64_MAX);
    ask(&w, &c);
    assert_true(has(rig_received(&c), "token_revoked"));
    gw_revoked_term_unref(newer);
    rig_client_fini(&c);
    world_fini(&w);
}

static void what_is_stale_ends_no_answer_and_what_is_revoked_does(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    struct pki_revoked *set = pki_revoked_new();
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN(RIG_RAG) };
    assert_int_equal(0, pki_revoked_add(set, &e));
    world_init(&w);
    take_up(&w, NULL, INT64_MAX);
    rig_client_init(&c, &w.r, "rag");
    ask(&w, &c);
    rig_shard_say(&w.r, 0, LONG_ANSWER);
    assert_true(has(rig_received(&c), "200 OK"));
    atomic_store(&w.term->until_ms, 0);
    gw_sweep(&w.r.core);
    rig_run(&w.r);
    assert_false(c.cut);
    take_up(&w, set, 0);
    assert_true(c.cut);
    assert_int_equal(1, rig_audit_lines(&w.r, "TOKEN_REVOKED"));
    rig_client_fini(&c);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feed_that_was_not_heard_refuses_every_request_and_reaches_no_shard),
        cmocka_unit_test(a_term_belongs_to_its_set_and_to_no_older_one),
        cmocka_unit_test(what_is_stale_ends_no_answer_and_what_is_revoked_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
