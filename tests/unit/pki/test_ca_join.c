// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/ca_join.h"
#include "tests/unit/pki/ca_fixture.h"

#define ID SPAN("spiffe://example.org/vm/one")

static struct pki_ca_join make(struct pki_ca *ca, char text[static PKI_API_KEY_MAX + 1], int64_t ttl)
{
    struct pki_ca_join join = { .spiffe_id = ID, .dns = SPAN(""), .created_at = NOW, .expires_at = NOW + ttl };
    assert_int_equal(0, pki_ca_join_add(pki_ca_store(ca), &join, text));
    return join;
}

static int show(struct pki_ca *ca, const char *text, int64_t now_s)
{
    struct pki_api_key key;
    struct pki_ca_join join;
    struct arena a;
    uint8_t hash[PKI_SHA256];
    arena_init(&a, 0);
    assert_int_equal(0, pki_api_key_parse(span_str(text), &key));
    pki_api_key_hash(span_str(text), hash);
    int rc = pki_ca_join_find(pki_ca_store(ca), key.id, &a, &join);
    if (rc == 0) {
        rc = pki_ca_join_check(&join, hash, now_s);
    }
    arena_fini(&a);
    return rc;
}

static int issue_with(struct pki_ca *ca, struct span join_id)
{
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_ca_request request = request_for(ID, key);
    struct pki_ca_issued issued;
    struct buf der;
    buf_init(&der, 0);
    request.join_id = join_id;
    int rc = pki_ca_issue(ca, &request, &der, &issued);
    assert_true((rc == 0) == (buf_len(&der) > 0));
    buf_fini(&der);
    pki_key_free(key);
    return rc;
}

static void a_token_is_good_once_and_the_certificate_is_recorded_with_it(void **state)
{
    struct place p, again;
    char text[PKI_API_KEY_MAX + 1];
    (void)state;
    struct pki_ca *ca = new_ca(&p), *other;
    struct pki_ca_join join = make(ca, text, 600);
    assert_true(span_starts(span_str(text), SPAN("sp_join_")));
    assert_int_equal(0, show(ca, text, NOW));
    // Another process, which looked before the first one used it.
    again = p;
    other = open_unlocked(&again, 10000);
    assert_int_equal(0, issue_with(ca, join.id));
    size_t before = count(ca, PKI_CA_ALL);
    assert_int_equal(ERR_JOIN_USED, issue_with(other, join.id));
    assert_int_equal(ERR_JOIN_USED, issue_with(ca, join.id));
    assert_int_equal(before, count(ca, PKI_CA_ALL));
    assert_int_equal(ERR_JOIN_USED, show(ca, text, NOW));
    assert_int_equal(ERR_STORE_EXISTS, pki_ca_join_revoke(pki_ca_store(ca), join.id, NOW));
    pki_ca_close(other);
    pki_ca_close(ca);
    place_fini(&p);
}

static void a_token_ends_and_can_be_taken_back(void **state)
{
    struct place p;
    char text[PKI_API_KEY_MAX + 1], second[PKI_API_KEY_MAX + 1];
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    make(ca, text, 600);
    assert_int_equal(0, show(ca, text, NOW + 599));
    assert_int_equal(ERR_JOIN_EXPIRED, show(ca, text, NOW + 600));
    struct pki_ca_join join = make(ca, second, 600);
    assert_int_equal(0, pki_ca_join_revoke(pki_ca_store(ca), join.id, NOW));
    assert_int_equal(ERR_JOIN_REVOKED, show(ca, second, NOW));
    assert_int_equal(ERR_JOIN_USED, issue_with(ca, join.id));
    assert_int_equal(ERR_STORE_ABSENT, pki_ca_join_revoke(pki_ca_store(ca), SPAN("0123456789abcdef"), NOW));
    pki_ca_close(ca);
    place_fini(&p);
}

static void another_secret_under_the_same_id_is_refused(void **state)
{
    struct place p;
    char text[PKI_API_KEY_MAX + 1];
    struct pki_ca_join found;
    struct arena a;
    uint8_t hash[PKI_SHA256];
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_ca_join join = make(ca, text, 600);
    arena_init(&a, 0);
    assert_int_equal(0, pki_ca_join_find(pki_ca_store(ca), join.id, &a, &found));
    assert_true(span_eq(found.spiffe_id, ID));
    memcpy(hash, found.hash, sizeof hash);
    hash[31] ^= 1;
    assert_int_equal(ERR_JOIN_UNKNOWN, pki_ca_join_check(&found, hash, NOW));
    arena_fini(&a);
    pki_ca_close(ca);
    place_fini(&p);
}

static int never_the_text(void *ctx, const struct pki_ca_join *j)
{
    size_t *n = ctx;
    ++*n;
    assert_int_equal(PKI_API_KEY_ID, j->id.n);
    return 0;
}

static void the_registry_keeps_a_hash_and_forgets_old_ones(void **state)
{
    struct place p;
    char text[PKI_API_KEY_MAX + 1], later[PKI_API_KEY_MAX + 1];
    size_t n = 0;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_ca_join join = make(ca, text, 600);
    struct buf db;
    pki_ca_close(ca);
    db = file_of(&p, "ca.db");
    struct span secret = span_sub(span_str(text), (size_t)(join.id.p + join.id.n - text) + 1, strlen(text));
    assert_null(memmem(buf_span(&db).p, buf_len(&db), secret.p, secret.n));
    buf_fini(&db);
    ca = open_unlocked(&p, 10000);
    struct pki_ca_join next = { .spiffe_id = ID,
                                .dns = SPAN(""),
                                .created_at = NOW + 601 + PKI_CA_JOIN_KEEP,
                                .expires_at = NOW + 700 + PKI_CA_JOIN_KEEP };
    assert_int_equal(0, pki_ca_join_add(pki_ca_store(ca), &next, later));
    assert_int_equal(0, pki_ca_join_each(pki_ca_store(ca), never_the_text, &n));
    assert_int_equal(1, n);
    pki_ca_close(ca);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_good_once_and_the_certificate_is_recorded_with_it),
        cmocka_unit_test(a_token_ends_and_can_be_taken_back),
        cmocka_unit_test(another_secret_under_the_same_id_is_refused),
        cmocka_unit_test(the_registry_keeps_a_hash_and_forgets_old_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
