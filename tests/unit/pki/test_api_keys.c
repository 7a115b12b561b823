// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/pki/api_key_fixture.h"

#include <pthread.h>

static const struct pki_scope scopes[] = { { { "read", 4 }, 1 }, { { "write", 5 }, 6 }, { { "drop", 4 }, 8 } };
static const struct span any[] = { { "*", 1 } };
static const struct span readers[] = { { "reader", 6 } };
static const struct span domains[] = { { "example.org", 11 } };

static struct pki_issuer issuer(void)
{
    return (struct pki_issuer){
        .name = SPAN("keys"),
        .iss = SPAN("apikey:keys"),
        .workload_match = PKI_WORKLOAD_EXACT,
        .scopes = scopes,
        .scopes_n = 3,
        .assert_roles = { any, 1 },
        .assert_tenants = { any, 1 },
        .assert_trust_domains = { domains, 1 },
        .api_keys = true,
    };
}

static struct pki_api_keys *load(struct place *p, const struct pki_api_keys *previous)
{
    struct pki_api_keys *k = NULL;
    assert_int_equal(0, pki_api_keys_load(p->store, previous, NOW, &k));
    return k;
}

static int use_at(const struct pki_api_keys *k, const struct pki_issuer *i, const char *text, const char *workload,
                  int64_t now_s)
{
    struct pki_api_key_result result;
    struct pki_api_key_use use = { span_str(text), span_str(workload), now_s, 0 };
    int rc = pki_api_keys_use(k, i, &use, &result);
    assert_true((rc == 0) == (result.token != NULL));
    pki_token_unref(result.token);
    return rc;
}

static int use(const struct pki_api_keys *k, const char *text)
{
    struct pki_issuer i = issuer();
    return use_at(k, &i, text, OWNER, NOW);
}

static void a_key_ends_as_a_token(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    struct pki_issuer i = issuer();
    struct pki_api_key_result result;
    place_init(&p);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(1, pki_api_keys_count(k));
    struct pki_api_key_use u = { span_str(m.text), SPAN(OWNER), NOW, 0 };
    assert_int_equal(0, pki_api_keys_use(k, &i, &u, &result));
    assert_true(result.known && span_eq(result.id, m.r.id));
    pki_api_keys_unref(k); // the token stands by itself
    struct pki_token *t = result.token;
    assert_true(t->issuer == &i && !t->has_jkt && !t->has_x5t);
    assert_true(span_eq(t->subject, SPAN(OWNER)) && span_eq(t->workload, SPAN(OWNER)));
    assert_true(span_eq(t->client_id, m.r.id) && span_is_none(t->jti));
    assert_true(span_eq(t->tenant, SPAN("acme")) && span_eq(t->scope, SPAN("read write")));
    assert_int_equal(2, t->roles.n);
    assert_true(span_eq(t->roles.at[1], SPAN("writer")));
    assert_int_equal(7, t->actions);
    assert_int_equal(NOW + 90 * DAY, t->exp);
    assert_null(memmem(t->claims.p, t->claims.n, m.r.id.p + PKI_API_KEY_ID + 1, 8));
    // The second look, which every token gets, holds and refuses alike.
    struct pki_token_use again = { .now_s = NOW, .scheme = PKI_SCHEME_BEARER, .workload = SPAN(OWNER) };
    assert_int_equal(0, pki_token_check(t, &again, NULL));
    again.workload = SPAN("spiffe://example.org/other");
    assert_int_equal(ERR_TOKEN_WORKLOAD, pki_token_check(t, &again, NULL));
    pki_token_unref(t);
    place_fini(&p);
}

static void a_wrong_secret_is_unknown_and_a_typing_error_malformed(void **state)
{
    (void)state;
    struct place p;
    struct made m, stranger;
    place_init(&p);
    make(&m);
    make(&stranger);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(ERR_APIKEY_UNKNOWN, use(k, stranger.text));
    // The right id with somebody else's secret, and a right checksum.
    struct pki_api_key_record wrong = m.r;
    memcpy(wrong.hash, stranger.r.hash, sizeof wrong.hash);
    struct made renamed = stranger;
    wrong.id = stranger.r.id;
    memcpy(wrong.hash, m.r.hash, sizeof wrong.hash);
    assert_int_equal(0, pki_api_key_store_add(p.store, &wrong));
    struct pki_api_keys *k2 = load(&p, k);
    assert_int_equal(ERR_APIKEY_UNKNOWN, use(k2, renamed.text));
    char typo[PKI_API_KEY_MAX + 1];
    strcpy(typo, m.text);
    typo[strlen(typo) - 1] = typo[strlen(typo) - 1] == 'a' ? 'b' : 'a';
    assert_int_equal(ERR_APIKEY_MALFORMED, use(k2, typo));
    assert_int_equal(0, use(k2, m.text));
    pki_api_keys_unref(k);
    pki_api_keys_unref(k2);
    place_fini(&p);
}

static void rule_26c_a_key_is_good_for_its_owner_only(void **state)
{
    (void)state;
    struct place p;
    struct made owned, free_one;
    place_init(&p);
    make(&owned);
    make(&free_one);
    free_one.r.owner = SPAN("");
    assert_int_equal(0, pki_api_key_store_add(p.store, &owned.r));
    assert_int_equal(0, pki_api_key_store_add(p.store, &free_one.r));
    struct pki_api_keys *k = load(&p, NULL);
    struct pki_issuer strict = issuer(), loose = issuer();
    loose.workload_match = PKI_WORKLOAD_UNCHECKED;
    assert_int_equal(ERR_APIKEY_WORKLOAD, use_at(k, &strict, owned.text, "spiffe://example.org/thief", NOW));
    assert_int_equal(ERR_APIKEY_WORKLOAD, use_at(k, &strict, owned.text, OWNER "/below", NOW));
    assert_int_equal(ERR_APIKEY_WORKLOAD, use_at(k, &strict, free_one.text, OWNER, NOW));
    // `any` is for keys that have no owner; the owner of another still counts.
    assert_int_equal(0, use_at(k, &loose, free_one.text, "spiffe://example.org/thief", NOW));
    assert_int_equal(ERR_APIKEY_WORKLOAD, use_at(k, &loose, owned.text, "spiffe://example.org/thief", NOW));
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void rule_26b_a_registry_asserts_only_what_is_its_own(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    place_init(&p);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    struct pki_issuer i = issuer();
    i.assert_roles = (struct pki_names){ readers, 1 };
    assert_int_equal(ERR_TOKEN_ASSERTS, use_at(k, &i, m.text, OWNER, NOW));
    i = issuer();
    i.assert_tenants.n = 0;
    assert_int_equal(ERR_TOKEN_ASSERTS, use_at(k, &i, m.text, OWNER, NOW));
    i = issuer();
    i.assert_trust_domains.n = 0;
    assert_int_equal(ERR_TOKEN_ASSERTS, use_at(k, &i, m.text, OWNER, NOW));
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void times_are_looked_at_on_each_use(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    struct pki_issuer i = issuer();
    place_init(&p);
    make(&m);
    m.r.not_before = NOW + 60;
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(ERR_TOKEN_NOT_YET, use_at(k, &i, m.text, OWNER, NOW + 59));
    assert_int_equal(0, use_at(k, &i, m.text, OWNER, NOW + 60));
    assert_int_equal(0, use_at(k, &i, m.text, OWNER, NOW + 90 * DAY - 1));
    assert_int_equal(ERR_APIKEY_EXPIRED, use_at(k, &i, m.text, OWNER, NOW + 90 * DAY));
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void a_rotated_key_works_until_its_overlap_ends(void **state)
{
    (void)state;
    struct place p;
    struct made old, fresh;
    struct pki_issuer i = issuer();
    place_init(&p);
    make(&old);
    make(&fresh);
    assert_int_equal(0, pki_api_key_store_add(p.store, &old.r));
    assert_int_equal(0, pki_api_key_store_rotate(p.store, old.r.id, &fresh.r, NOW + 3600, NOW));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(0, use_at(k, &i, old.text, OWNER, NOW + 3599));
    assert_int_equal(0, use_at(k, &i, fresh.text, OWNER, NOW));
    assert_int_equal(ERR_APIKEY_EXPIRED, use_at(k, &i, old.text, OWNER, NOW + 3600));
    assert_int_equal(0, use_at(k, &i, fresh.text, OWNER, NOW + 3600));
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void a_revoked_key_stops_with_the_next_generation_and_version_tells(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    uint64_t version;
    place_init(&p);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(0, use(k, m.text));
    assert_int_equal(0, pki_api_key_store_version(p.store, &version));
    assert_int_equal(version, pki_api_keys_version(k));
    assert_int_equal(0, pki_api_key_store_revoke(p.store, &m.r.id, 1, NOW + 1000)); // by a clock that is ahead
    assert_int_equal(0, pki_api_key_store_version(p.store, &version));
    assert_true(version > pki_api_keys_version(k));
    struct pki_api_keys *k2 = load(&p, k);
    assert_int_equal(ERR_APIKEY_REVOKED, use(k2, m.text));
    pki_api_keys_unref(k);
    pki_api_keys_unref(k2);
    place_fini(&p);
}

static void a_stale_registry_refuses_everything(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    struct pki_issuer i = issuer();
    struct pki_api_key_result result;
    place_init(&p);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    struct pki_api_key_use u = { span_str(m.text), SPAN(OWNER), NOW + 61, 60 };
    assert_int_equal(ERR_KEYS_STALE, pki_api_keys_use(k, &i, &u, &result));
    assert_int_equal(ERR_KEYS_STALE, pki_api_keys_use(NULL, &i, &u, &result));
    u.now_s = NOW + 60;
    assert_int_equal(0, pki_api_keys_use(k, &i, &u, &result));
    pki_token_unref(result.token);
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void a_quota_is_exact_tells_when_to_come_again_and_survives_a_reload(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    struct pki_issuer i = issuer();
    struct pki_api_key_result result;
    place_init(&p);
    make(&m);
    m.r.quota = 3;
    m.r.quota_period = 100;
    m.r.not_before = NOW - 1000;
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(0, NOW % 100);
    // What is refused for another reason does not count.
    assert_int_equal(ERR_APIKEY_WORKLOAD, use_at(k, &i, m.text, "spiffe://example.org/thief", NOW));
    assert_int_equal(0, use_at(k, &i, m.text, OWNER, NOW));
    assert_int_equal(0, use_at(k, &i, m.text, OWNER, NOW + 10));
    struct pki_api_keys *k2 = load(&p, k);
    pki_api_keys_unref(k);
    assert_int_equal(0, use_at(k2, &i, m.text, OWNER, NOW + 20));
    struct pki_api_key_use u = { span_str(m.text), SPAN(OWNER), NOW + 30, 0 };
    assert_int_equal(ERR_APIKEY_QUOTA, pki_api_keys_use(k2, &i, &u, &result));
    assert_int_equal(70, result.retry_after_s);
    // A clock that is set back begins no period anew.
    u.now_s = NOW - 150;
    assert_int_equal(ERR_APIKEY_QUOTA, pki_api_keys_use(k2, &i, &u, &result));
    assert_true(result.retry_after_s > 0 && result.retry_after_s <= 100);
    // Nor does a restart, once it was written.
    assert_int_equal(0, pki_api_keys_flush(k2, p.store));
    pki_api_keys_unref(k2);
    struct pki_api_keys *k3 = load(&p, NULL);
    assert_int_equal(ERR_APIKEY_QUOTA, use_at(k3, &i, m.text, OWNER, NOW + 99));
    assert_int_equal(0, use_at(k3, &i, m.text, OWNER, NOW + 100));
    pki_api_keys_unref(k3);
    place_fini(&p);
}

static void use_is_flushed_once_and_without_a_new_version(void **state)
{
    (void)state;
    struct place p;
    struct made a, b;
    struct pki_issuer i = issuer();
    uint64_t before, after;
    place_init(&p);
    make(&a);
    make(&b);
    a.r.quota = 10;
    a.r.quota_period = 60;
    assert_int_equal(0, pki_api_key_store_add(p.store, &a.r));
    assert_int_equal(0, pki_api_key_store_add(p.store, &b.r));
    assert_int_equal(0, pki_api_key_store_version(p.store, &before));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(0, use_at(k, &i, a.text, OWNER, NOW + 1));
    assert_int_equal(0, use_at(k, &i, a.text, OWNER, NOW + 2));
    assert_int_equal(0, pki_api_keys_flush(k, p.store));
    assert_int_equal(0, pki_api_keys_flush(k, p.store));
    struct got g = get(p.store, a.r.id);
    assert_true(g.r.last_used == NOW + 2 && g.r.quota_used == 2 && g.r.quota_window == NOW / 60);
    assert_int_equal(0, get(p.store, b.r.id).r.last_used);
    assert_int_equal(0, use_at(k, &i, a.text, OWNER, NOW + 3));
    // Handed on: the meter of the next generation knows what was written.
    struct pki_api_keys *k2 = load(&p, k);
    pki_api_keys_unref(k);
    assert_int_equal(0, pki_api_keys_flush(k2, p.store));
    g = get(p.store, a.r.id);
    assert_true(g.r.last_used == NOW + 3 && g.r.quota_used == 3);
    assert_int_equal(0, pki_api_key_store_version(p.store, &after));
    assert_int_equal(before, after);
    pki_api_keys_unref(k2);
    place_fini(&p);
}

struct worker {
    const struct pki_api_keys *keys;
    const char *text;
    size_t granted;
};

static void *work(void *ctx)
{
    struct worker *w = ctx;
    struct pki_issuer i = issuer();
    struct pki_api_key_result result;
    struct pki_api_key_use u = { span_str(w->text), SPAN(OWNER), NOW, 0 };
    for (int n = 0; n < 2000; n++)
        if (pki_api_keys_use(w->keys, &i, &u, &result) == 0) {
            w->granted++;
            pki_token_unref(result.token);
        }
    return NULL;
}

static void loops_at_once_get_the_quota_and_not_one_more(void **state)
{
    (void)state;
    enum { N = 4 };
    struct place p;
    struct made m;
    pthread_t threads[N];
    struct worker workers[N];
    size_t granted = 0;
    place_init(&p);
    make(&m);
    m.r.quota = 5000;
    m.r.quota_period = 3600;
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    struct pki_api_keys *k = load(&p, NULL);
    for (int i = 0; i < N; i++) {
        workers[i] = (struct worker){ k, m.text, 0 };
        assert_int_equal(0, pthread_create(&threads[i], NULL, work, &workers[i]));
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        granted += workers[i].granted;
    }
    assert_int_equal(5000, granted);
    pki_api_keys_unref(k);
    place_fini(&p);
}

static void long_expired_keys_are_not_remembered(void **state)
{
    (void)state;
    struct place p;
    struct made old, older;
    place_init(&p);
    make(&old);
    make(&older);
    old.r.expires_at = NOW - 29 * DAY;
    older.r.expires_at = NOW - 31 * DAY;
    assert_int_equal(0, pki_api_key_store_add(p.store, &old.r));
    assert_int_equal(0, pki_api_key_store_add(p.store, &older.r));
    struct pki_api_keys *k = load(&p, NULL);
    assert_int_equal(ERR_APIKEY_EXPIRED, use(k, old.text));
    assert_int_equal(ERR_APIKEY_UNKNOWN, use(k, older.text));
    pki_api_keys_unref(k);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_ends_as_a_token),
        cmocka_unit_test(a_wrong_secret_is_unknown_and_a_typing_error_malformed),
        cmocka_unit_test(rule_26c_a_key_is_good_for_its_owner_only),
        cmocka_unit_test(rule_26b_a_registry_asserts_only_what_is_its_own),
        cmocka_unit_test(times_are_looked_at_on_each_use),
        cmocka_unit_test(a_rotated_key_works_until_its_overlap_ends),
        cmocka_unit_test(a_revoked_key_stops_with_the_next_generation_and_version_tells),
        cmocka_unit_test(a_stale_registry_refuses_everything),
        cmocka_unit_test(a_quota_is_exact_tells_when_to_come_again_and_survives_a_reload),
        cmocka_unit_test(use_is_flushed_once_and_without_a_new_version),
        cmocka_unit_test(loops_at_once_get_the_quota_and_not_one_more),
        cmocka_unit_test(long_expired_keys_are_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
