// SPDX-License-Identifier: GPL-3.0-or-later
// API keys through the whole gateway, without a socket.
#include "tests/support/rig.h"

#include "gateway/net/sweep.h"
#include "pki/api_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
#define COUNT "/collections/docs/points/count"
#define DAY INT64_C(86400)

// A gateway with a registry beside it.
struct world {
    struct rig rig;
    char dir[64], file[96], extra[512];
    struct pki_api_key_store *store;
};

struct key {
    char text[PKI_API_KEY_MAX + 1], id[PKI_API_KEY_ID + 1];
    struct pki_api_key_record r;
};

// `more` stands in the braces of api_keys.
static void world_init(struct world *w, const char *more)
{
    strcpy(w->dir, "/tmp/sallyport-apikey-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->file, sizeof w->file, "%s/keys.db", w->dir);
    assert_int_equal(0, pki_api_key_store_create(w->file, &w->store));
    snprintf(w->extra, sizeof w->extra,
             "api_keys: { name: legacy, file: %s, scopes: { read: [readonly], write: [readwrite] }, asserts: { roles: "
             "[reader], trust_domains: [example.org] }%s%s }\n",
             w->file, more ? ", " : "", more ? more : "");
    rig_init(&w->rig, w->extra, NULL);
}

static void world_fini(struct world *w)
{
    char command[128];
    rig_fini(&w->rig);
    pki_api_key_store_close(w->store);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(0, system(command));
}

// What the control thread does when the registry's version has grown.
static void refresh(struct world *w)
{
    struct diags diags;
    struct gw_core *c = &w->rig.core;
    diags_init(&diags);
    struct gw_revocations *r = gw_revocations_load(c->view->snapshot->config, c->revocations,
                                                   c->revocations->generation + 1, gw_core_now_s(c), &diags);
    assert_non_null(r);
    diags_fini(&diags);
    gw_core_adopt_revocations(c, r);
    gw_sweep(c);
}

static void make(struct world *w, struct key *k)
{
    struct pki_api_key parsed;
    int64_t now_s = gw_core_now_s(&w->rig.core);
    pki_api_key_make(SPAN("test"), k->text);
    assert_int_equal(0, pki_api_key_parse(span_str(k->text), &parsed));
    snprintf(k->id, sizeof k->id, "%.*s", SPAN_FMT(parsed.id));
    k->r = (struct pki_api_key_record){
        .id = parsed.id,
        .env = parsed.env,
        .owner = SPAN(RIG_RAG),
        .scopes = SPAN("read"),
        .roles = SPAN("reader"),
        .tenant = SPAN(""),
        .note = SPAN(""),
        .created_at = now_s,
        .not_before = now_s,
        .expires_at = now_s + 30 * DAY,
    };
    pki_api_key_hash(span_str(k->text), k->r.hash);
}

static void add(struct world *w, const struct key *k)
{
    assert_int_equal(0, pki_api_key_store_add(w->store, &k->r));
    refresh(w);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

// One request on a connection of its own; the answer is in `received` until the next.
static char received[8192];

static void ask_with(struct world *w, const char *workload, const char *fields)
{
    struct rig_client c;
    char request[2048];
    size_t before = w->rig.n_shards;
    rig_client_init(&c, &w->rig, workload);
    snprintf(request, sizeof request,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n%sContent-Type: application/json\r\n"
             "Content-Length: 2\r\n\r\n{}",
             fields);
    if (before > 0)
        rig_shard_forget(&w->rig, 0);
    rig_send(&c, request);
    rig_run(&w->rig);
    if (has(rig_shard_got(&w->rig, 0), "POST"))
        rig_shard_say(&w->rig, 0, OK_ANSWER);
    snprintf(received, sizeof received, "%s", rig_received(&c));
    rig_client_fini(&c);
}

static void ask(struct world *w, const char *workload, const char *key)
{
    char fields[256];
    snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", key);
    ask_with(w, workload, fields);
}

static void answers(const char *status, const char *code)
{
    if (!has(received, status) || (code && !has(received, code)))
        fail_msg("not %s %s: %s", status, code ? code : "", received);
}

// Nothing secret of the key is in the audit log, whatever became of it.
static void never_audited(struct world *w, const struct key *k)
{
    char secret[PKI_API_KEY_SECRET + 1];
    memcpy(secret, k->r.id.p + PKI_API_KEY_ID + 1, PKI_API_KEY_SECRET);
    secret[PKI_API_KEY_SECRET] = '\0';
    assert_false(rig_audited(&w->rig, secret));
    secret[12] = '\0';
    assert_false(rig_audited(&w->rig, secret));
}

static void a_key_works_under_its_owners_certificate(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    world_init(&w, NULL);
    make(&w, &k);
    add(&w, &k);
    ask(&w, "rag", k.text);
    answers("HTTP/1.1 200 OK", NULL);
    const char *got = rig_shard_got(&w.rig, 0);
    assert_true(has(got, "POST " COUNT));
    assert_false(has(got, "sp_test") || has(got, "uthorization"));
    // As a token: issuer, subject, client; and what policies are asked with.
    assert_true(rig_audited(&w.rig, "\"issuer\":\"apikey:legacy\""));
    assert_true(rig_audited(&w.rig, k.id));
    assert_true(rig_audited(&w.rig, "\"subject\":\"" RIG_RAG "\""));
    assert_true(rig_audited(&w.rig, "\"bound_to\":\"workload\""));
    assert_true(rig_audited(&w.rig, "legacy/reader"));
    assert_true(rig_audited(&w.rig, "\"scopes\":[\"read\"]"));
    never_audited(&w, &k);
    world_fini(&w);
}

static void rule_26c_a_stolen_key_under_another_certificate_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    world_init(&w, NULL);
    make(&w, &k);
    add(&w, &k);
    ask(&w, "thief", k.text);
    answers("HTTP/1.1 401", "\"token_not_yours\"");
    assert_int_equal(w.rig.n_shards, 0);
    assert_true(rig_audited(&w.rig, "APIKEY_WORKLOAD"));
    assert_true(rig_audited(&w.rig, k.id));
    never_audited(&w, &k);
    world_fini(&w);
}

static void every_refusal_has_its_code_and_reaches_no_shard(void **state)
{
    (void)state;
    struct world w;
    struct key k, unknown, expired, early, revoked, foreign, free_one;
    world_init(&w, NULL);
    struct key *all[] = { &k, &unknown, &expired, &early, &revoked, &foreign, &free_one };
    for (size_t i = 0; i < 7; i++)
        make(&w, all[i]);
    expired.r.expires_at = k.r.created_at;
    early.r.not_before += 3600;
    foreign.r.roles = SPAN("admin"); // not among asserts.roles
    free_one.r.owner = SPAN("");
    for (size_t i = 0; i < 7; i++)
        if (all[i] != &unknown)
            assert_int_equal(0, pki_api_key_store_add(w.store, &all[i]->r));
    assert_int_equal(0, pki_api_key_store_revoke(w.store, &revoked.r.id, 1, k.r.created_at));
    refresh(&w);
    char typo[PKI_API_KEY_MAX + 1], cut[PKI_API_KEY_MAX + 1];
    strcpy(typo, k.text);
    typo[strlen(typo) - 10] ^= 1;
    strcpy(cut, k.text);
    cut[strlen(cut) - 1] = '\0';
    const struct {
        const char *key, *status, *code, *name;
    } rows[] = {
        { typo, "401", "\"api_key_invalid\"", "APIKEY_MALFORMED" },
        { cut, "401", "\"api_key_invalid\"", "APIKEY_MALFORMED" },
        { "sp_", "401", "\"api_key_invalid\"", "APIKEY_MALFORMED" },
        { unknown.text, "401", "\"api_key_invalid\"", "APIKEY_UNKNOWN" },
        { expired.text, "401", "\"api_key_expired\"", "APIKEY_EXPIRED" },
        { early.text, "401", "\"token_invalid\"", "TOKEN_NOT_YET" },
        { revoked.text, "401", "\"api_key_revoked\"", "APIKEY_REVOKED" },
        { foreign.text, "401", "\"token_invalid\"", "TOKEN_ASSERTS" },
        { free_one.text, "401", "\"token_not_yours\"", "APIKEY_WORKLOAD" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask(&w, "rag", rows[i].key);
        answers(rows[i].status, rows[i].code);
        assert_true(has(received, "WWW-Authenticate: Bearer") || has(received, "www-authenticate: Bearer"));
        assert_true(has(received, "error=\"invalid_token\""));
        assert_true(rig_audited(&w.rig, rows[i].name));
    }
    assert_int_equal(w.rig.n_shards, 0);
    for (size_t i = 0; i < 7; i++)
        never_audited(&w, all[i]);
    world_fini(&w);
}

static void a_key_revoked_between_two_requests_is_refused_on_the_open_connection(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    struct rig_client c;
    char request[1024];
    world_init(&w, NULL);
    make(&w, &k);
    add(&w, &k);
    rig_client_init(&c, &w.rig, "rag");
    snprintf(request, sizeof request,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
             k.text);
    rig_send(&c, request);
    rig_run(&w.rig);
    rig_shard_say(&w.rig, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "200 OK"));
    rig_shard_forget(&w.rig, 0);
    assert_int_equal(0, pki_api_key_store_revoke(w.store, &k.r.id, 1, gw_core_now_s(&w.rig.core)));
    refresh(&w);
    rig_send(&c, request);
    rig_run(&w.rig);
    assert_true(has(rig_received(&c), "\"api_key_revoked\""));
    assert_string_equal(rig_shard_got(&w.rig, 0), "");
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_key_revoked_while_an_answer_streams_ends_it(void **state)
{
    (void)state;
    struct world w;
    struct key k, other;
    struct rig_client c;
    char request[1024];
    world_init(&w, NULL);
    make(&w, &k);
    make(&w, &other);
    add(&w, &k);
    add(&w, &other);
    rig_client_init(&c, &w.rig, "rag");
    snprintf(request, sizeof request,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
             k.text);
    rig_send(&c, request);
    rig_run(&w.rig);
    rig_shard_say(&w.rig, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"a");
    assert_true(has(rig_received(&c), "200 OK"));
    // Somebody else's revocation changes nothing.
    assert_int_equal(0, pki_api_key_store_revoke(w.store, &other.r.id, 1, gw_core_now_s(&w.rig.core)));
    refresh(&w);
    rig_run(&w.rig);
    assert_false(c.closed || c.cut);
    assert_int_equal(0, pki_api_key_store_revoke(w.store, &k.r.id, 1, gw_core_now_s(&w.rig.core)));
    refresh(&w);
    rig_run(&w.rig);
    assert_true(c.closed || c.cut);
    assert_true(rig_audited(&w.rig, "APIKEY_REVOKED"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_rotated_key_works_until_its_overlap_ends_and_its_successor_on(void **state)
{
    (void)state;
    struct world w;
    struct key old, fresh;
    world_init(&w, NULL);
    make(&w, &old);
    make(&w, &fresh);
    add(&w, &old);
    int64_t now_s = gw_core_now_s(&w.rig.core);
    assert_int_equal(0, pki_api_key_store_rotate(w.store, old.r.id, &fresh.r, now_s + 60, now_s));
    refresh(&w);
    ask(&w, "rag", old.text);
    answers("200 OK", NULL);
    ask(&w, "rag", fresh.text);
    answers("200 OK", NULL);
    rig_sleep(&w.rig, 61000);
    ask(&w, "rag", old.text);
    answers("401", "\"api_key_expired\"");
    ask(&w, "rag", fresh.text);
    answers("200 OK", NULL);
    world_fini(&w);
}

static void over_its_quota_a_key_is_told_when_to_come_again(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    world_init(&w, NULL);
    make(&w, &k);
    k.r.quota = 2;
    k.r.quota_period = 300;
    add(&w, &k);
    ask(&w, "thief", k.text); // does not count
    answers("401", NULL);
    ask(&w, "rag", k.text);
    answers("200 OK", NULL);
    ask(&w, "rag", k.text);
    answers("200 OK", NULL);
    ask(&w, "rag", k.text);
    answers("429", "\"quota_exceeded\"");
    const char *field = strstr(received, "retry-after: ");
    assert_non_null(field);
    long wait = strtol(field + strlen("retry-after: "), NULL, 10);
    assert_int_equal(wait, 300 - gw_core_now_s(&w.rig.core) % 300);
    refresh(&w); // a reload gives nothing back
    ask(&w, "rag", k.text);
    answers("429", "\"quota_exceeded\"");
    rig_sleep(&w.rig, wait * 1000);
    ask(&w, "rag", k.text);
    answers("200 OK", NULL);
    world_fini(&w);
}

static void scopes_are_a_ceiling_for_keys_too(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    world_init(&w, NULL);
    make(&w, &k);
    k.r.scopes = SPAN("unlisted");
    add(&w, &k);
    ask(&w, "rag", k.text);
    answers("403", "\"insufficient_scope\"");
    world_fini(&w);
}

static void rule_26_a_key_is_read_where_it_is_configured_and_in_one_place(void **state)
{
    (void)state;
    static const struct {
        const char *header, *fields, *status, *code; // %s: the key
    } rows[] = {
        { "authorization", "Authorization: Bearer %s\r\n", "200", NULL },
        { "authorization", "Authorization: bearer %s\r\n", "200", NULL },
        { "authorization", "api-key: %s\r\n", "401", "\"token_missing\"" },
        { "authorization", "Authorization: DPoP %s\r\n", "401", "\"token_invalid\"" },
        { "authorization", "Authorization: Bearer %s\r\nAuthorization: Bearer %s\r\n", "400", "\"token_ways\"" },
        { "api-key", "api-key: %s\r\n", "200", NULL },
        { "api-key", "Api-Key: %s\r\n", "200", NULL },
        { "api-key", "Authorization: Bearer %s\r\n", "401", "\"token_invalid\"" },
        { "api-key", "api-key: %s\r\napi-key: %s\r\n", "400", "\"token_ways\"" },
        { "api-key", "api-key: %s\r\nAuthorization: Bearer x\r\n", "400", "\"token_ways\"" },
        { "api-key", "api-key: secret\r\n", "401", "\"api_key_invalid\"" },
        { "api-key", "api-key:\r\n", "401", "\"api_key_invalid\"" },
        { "either", "Authorization: Bearer %s\r\n", "200", NULL },
        { "either", "api-key: %s\r\n", "200", NULL },
        { "either", "api-key: %s\r\nAuthorization: Bearer %s\r\n", "400", "\"token_ways\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct key k;
        char fields[512], more[64];
        snprintf(more, sizeof more, "header: %s", rows[i].header);
        world_init(&w, more);
        make(&w, &k);
        add(&w, &k);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(fields, sizeof fields, rows[i].fields, k.text, k.text);
#pragma GCC diagnostic pop
        ask_with(&w, "rag", fields);
        if (!has(received, rows[i].status) || (rows[i].code && !has(received, rows[i].code)))
            fail_msg("row %zu: %s", i, received);
        assert_true((rows[i].code == NULL) == (w.rig.n_shards == 1));
        if (w.rig.n_shards == 1)
            assert_false(has(rig_shard_got(&w.rig, 0), "sp_test"));
        never_audited(&w, &k);
        world_fini(&w);
    }
}

static void a_key_in_the_query_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, "header: api-key");
    rig_client_init(&c, &w.rig, "rag");
    rig_send(&c, "POST " COUNT "?access_token=x HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\napi-key: y\r\n"
                 "Content-Length: 2\r\n\r\n{}");
    rig_run(&w.rig);
    assert_true(has(rig_received(&c), "400") && has(rig_received(&c), "\"token_ways\""));
    rig_client_fini(&c);
    world_fini(&w);
}

static void keys_without_an_owner_need_an_operators_word(void **state)
{
    (void)state;
    struct world w;
    struct key free_one, owned;
    world_init(&w, "workload: any");
    make(&w, &free_one);
    make(&w, &owned);
    free_one.r.owner = SPAN("");
    owned.r.owner = SPAN(RIG_THIEF);
    add(&w, &free_one);
    add(&w, &owned);
    ask(&w, "rag", free_one.text);
    answers("200 OK", NULL);
    assert_true(rig_audited(&w.rig, "\"bound_to\":\"nothing\""));
    ask(&w, "rag", owned.text);
    answers("401", "\"token_not_yours\"");
    world_fini(&w);
}

static void a_registry_that_cannot_be_read_ages_and_then_refuses(void **state)
{
    (void)state;
    struct world w;
    struct key k;
    char away[128];
    world_init(&w, "max_stale: 10m");
    make(&w, &k);
    add(&w, &k);
    snprintf(away, sizeof away, "%s.away", w.file);
    assert_int_equal(0, rename(w.file, away));
    rig_sleep(&w.rig, 300000);
    refresh(&w);
    ask(&w, "rag", k.text);
    answers("200 OK", NULL);
    rig_sleep(&w.rig, 301000);
    refresh(&w);
    ask(&w, "rag", k.text);
    answers("503", "\"keys_stale\"");
    assert_int_equal(0, rename(away, w.file));
    refresh(&w);
    ask(&w, "rag", k.text);
    answers("200 OK", NULL);
    world_fini(&w);
}

static void without_api_keys_in_the_configuration_a_key_is_no_token(void **state)
{
    (void)state;
    struct world w;
    rig_init(&w.rig, NULL, NULL);
    char text[PKI_API_KEY_MAX + 1];
    pki_api_key_make(SPAN("test"), text);
    ask(&w, "rag", text);
    answers("401", "\"token_invalid\"");
    rig_fini(&w.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_works_under_its_owners_certificate),
        cmocka_unit_test(rule_26c_a_stolen_key_under_another_certificate_is_refused),
        cmocka_unit_test(every_refusal_has_its_code_and_reaches_no_shard),
        cmocka_unit_test(a_key_revoked_between_two_requests_is_refused_on_the_open_connection),
        cmocka_unit_test(a_key_revoked_while_an_answer_streams_ends_it),
        cmocka_unit_test(a_rotated_key_works_until_its_overlap_ends_and_its_successor_on),
        cmocka_unit_test(over_its_quota_a_key_is_told_when_to_come_again),
        cmocka_unit_test(scopes_are_a_ceiling_for_keys_too),
        cmocka_unit_test(rule_26_a_key_is_read_where_it_is_configured_and_in_one_place),
        cmocka_unit_test(a_key_in_the_query_is_refused),
        cmocka_unit_test(keys_without_an_owner_need_an_operators_word),
        cmocka_unit_test(a_registry_that_cannot_be_read_ages_and_then_refuses),
        cmocka_unit_test(without_api_keys_in_the_configuration_a_key_is_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
