// SPDX-License-Identifier: GPL-3.0-or-later
// Batches of the revocation feed: what an authority signs is what a gateway reads, and nothing else is read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pki/revocation_feed.h"
#include "tests/support/jose.h"

enum { NOW = 1800000000, NONCE = 0x1234 };
#define ISS "https://authority.test"

struct bench {
    char dir[64];
    struct pki_revoked_store *store;
    struct pki_key *key;
    struct pki_jwks *keys;
    struct pki_feed_signer signer;
    struct pki_feed_rules rules;
    struct arena arena;
    struct buf text;
    struct pki_feed_batch batch;
};

static void bench_init(struct bench *b)
{
    struct diags diags;
    struct buf set;
    char path[128];
    *b = (struct bench){ .dir = "/tmp/sallyport-feed-XXXXXX" };
    assert_non_null(mkdtemp(b->dir));
    snprintf(path, sizeof path, "%s/revoked.db", b->dir);
    assert_int_equal(0, pki_revoked_store_create(path, &b->store));
    diags_init(&diags);
    buf_init(&set, 0);
    b->key = pki_key_generate(PKI_KEY_P256, 0);
    enum pki_alg alg = PKI_ES256;
    assert_int_equal(0, pki_jwks_write((const struct pki_key *const *)&b->key, &alg, 1, &set));
    b->keys = pki_jwks_read(buf_span(&set), PKI_ALG_BIT(PKI_ES256), SPAN("k"), &diags);
    assert_non_null(b->keys);
    buf_fini(&set);
    diags_fini(&diags);
    b->signer = (struct pki_feed_signer){
        .iss = SPAN(ISS), .key = b->key, .alg = PKI_ES256, .kid = pki_jwks_at(b->keys, 0)->kid
    };
    b->rules = (struct pki_feed_rules){ .iss = SPAN(ISS),
                                        .algs = PKI_ALG_BIT(PKI_ES256),
                                        .keys = b->keys,
                                        .skew_s = 5,
                                        .oldest_s = NOW - 30,
                                        .nonce = NONCE };
    arena_init(&b->arena, 0);
    buf_init(&b->text, 0);
}

static void bench_fini(struct bench *b)
{
    char command[128];
    arena_fini(&b->arena);
    buf_fini(&b->text);
    pki_jwks_free(b->keys);
    pki_key_free(b->key);
    pki_revoked_store_close(b->store);
    snprintf(command, sizeof command, "rm -rf %s", b->dir);
    assert_int_equal(0, system(command));
}

static void add(struct bench *b, struct pki_revoked_entry e)
{
    assert_int_equal(0, pki_revoked_store_add(b->store, &e, 1, NOW));
}

static struct pki_revoked_entry jti(const char *value)
{
    return (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI, .value = span_str(value), .revoked_s = NOW };
}

static size_t make(struct bench *b, struct pki_feed_ask ask)
{
    size_t n = 0;
    ask.nonce = NONCE;
    buf_clear(&b->text);
    assert_int_equal(0, pki_feed_make(b->store, &ask, &b->signer, NOW, &b->text, &n));
    return n;
}

static int read_batch(struct bench *b)
{
    return pki_feed_read(buf_span(&b->text), &b->rules, NOW, &b->arena, &b->batch);
}

static int read_text(struct bench *b, const char *text)
{
    return pki_feed_read(span_str(text), &b->rules, NOW, &b->arena, &b->batch);
}

// ---- what is meant to be

static void what_an_authority_signs_a_gateway_reads(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct pki_revoked_point start;
    assert_int_equal(0, pki_revoked_log_head(b.store, &start));
    struct pki_revoked_entry e = {
        .kind = PKI_REVOKED_SUBJECT,
        .value = SPAN("al\"i\\ce \xc3\xa9"),
        .issuer = SPAN("https://i.test"),
        .before_s = NOW - 5,
        .expires_s = NOW + 1000,
        .revoked_s = NOW - 1,
        .reason = SPAN("left"),
    };
    add(&b, e);
    add(&b, (struct pki_revoked_entry){ .kind = PKI_REVOKED_ALL, .before_s = NOW, .revoked_s = NOW });
    assert_int_equal(0, pki_revoked_store_lift(b.store, &e));
    assert_int_equal(3, make(&b, (struct pki_feed_ask){ .after = start }));
    assert_int_equal(0, read_batch(&b));
    const struct pki_revoked_change *c = b.batch.changes;
    assert_int_equal(3, b.batch.n);
    assert_false(b.batch.reset);
    assert_int_equal(0, b.batch.from);
    assert_int_equal(3, b.batch.to.sequence);
    assert_int_equal(3, b.batch.head);
    assert_int_equal(NOW, b.batch.iat_s);
    assert_true(c[0].sequence == 1 && c[1].sequence == 2 && c[2].sequence == 3);
    assert_int_equal(PKI_REVOKED_SUBJECT, c[0].entry.kind);
    assert_true(span_eq(e.value, c[0].entry.value) && span_eq(e.issuer, c[0].entry.issuer));
    assert_true(span_eq(e.reason, c[0].entry.reason));
    assert_true(c[0].entry.before_s == NOW - 5 && c[0].entry.expires_s == NOW + 1000 &&
                c[0].entry.revoked_s == NOW - 1);
    assert_int_equal(PKI_REVOKED_ALL, c[1].entry.kind);
    assert_true(c[2].lifted && span_eq(e.value, c[2].entry.value) && c[2].entry.before_s == NOW - 5);
    // Nothing new is said as well.
    assert_int_equal(0, make(&b, (struct pki_feed_ask){ .after = b.batch.to }));
    assert_int_equal(0, read_batch(&b));
    assert_int_equal(0, b.batch.n);
    assert_int_equal(3, b.batch.from);
    assert_int_equal(3, b.batch.to.sequence);
    bench_fini(&b);
}

static void a_batch_is_bounded_and_the_next_goes_on_behind_it(void **state)
{
    (void)state;
    enum { N = PKI_FEED_CHANGES + 10 };
    struct bench b;
    bench_init(&b);
    struct pki_revoked_point start;
    assert_int_equal(0, pki_revoked_log_head(b.store, &start));
    static char names[N][16];
    static struct pki_revoked_entry many[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        many[i] = jti(names[i]);
    }
    assert_int_equal(0, pki_revoked_store_add(b.store, many, N, NOW));
    assert_int_equal(PKI_FEED_CHANGES, make(&b, (struct pki_feed_ask){ .after = start }));
    assert_int_equal(0, read_batch(&b));
    assert_int_equal(PKI_FEED_CHANGES, b.batch.to.sequence);
    assert_int_equal(N, b.batch.head);
    assert_int_equal(10, make(&b, (struct pki_feed_ask){ .after = b.batch.to }));
    assert_int_equal(0, read_batch(&b));
    assert_int_equal(N, b.batch.to.sequence);
    // The whole set likewise.
    assert_int_equal(PKI_FEED_CHANGES, make(&b, (struct pki_feed_ask){ .reset = true }));
    assert_int_equal(0, read_batch(&b));
    assert_true(b.batch.reset && b.batch.from == 0 && b.batch.next > 0 && b.batch.to.sequence == N);
    struct pki_feed_ask on = { .reset = true, .place = b.batch.next, .after = b.batch.to };
    assert_int_equal(10, make(&b, on));
    assert_int_equal(0, read_batch(&b));
    assert_true(b.batch.reset && b.batch.from == on.place && b.batch.next == 0);
    assert_true(pki_revoked_point_eq(&b.batch.to, &on.after));
    bench_fini(&b);
}

static void the_largest_entries_still_make_batches_that_are_read(void **state)
{
    (void)state;
    enum { N = 400 };
    struct bench b;
    bench_init(&b);
    struct pki_revoked_point at;
    assert_int_equal(0, pki_revoked_log_head(b.store, &at));
    static char values[N][PKI_REVOKED_VALUE], issuer[PKI_REVOKED_VALUE], reason[PKI_REVOKED_REASON];
    static struct pki_revoked_entry many[N];
    memset(issuer, '"', sizeof issuer); // written as two bytes
    memset(reason, '\\', sizeof reason);
    for (size_t i = 0; i < N; i++) {
        memset(values[i], '"', sizeof values[i]);
        snprintf(values[i], sizeof values[i], "%zu", i);
        values[i][strlen(values[i])] = '"';
        many[i] = (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI,
                                              .value = span_of(values[i], sizeof values[i]),
                                              .issuer = span_of(issuer, sizeof issuer),
                                              .reason = span_of(reason, sizeof reason) };
    }
    assert_int_equal(0, pki_revoked_store_add(b.store, many, N, NOW));
    size_t batches = 0;
    while (at.sequence < N) {
        make(&b, (struct pki_feed_ask){ .after = at });
        assert_true(buf_len(&b.text) <= PKI_FEED_MOST);
        assert_int_equal(0, read_batch(&b));
        assert_true(b.batch.to.sequence > at.sequence);
        at = b.batch.to;
        batches++;
    }
    assert_true(batches > 1);
    bench_fini(&b);
}

static void a_point_that_is_not_known_gets_the_whole_set(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    add(&b, jti("a"));
    struct pki_revoked_point head, other;
    assert_int_equal(0, pki_revoked_log_head(b.store, &head));
    for (int i = 0; i < 3; i++) {
        other = head;
        if (i == 0)
            other.feed[3] ^= 1;
        else if (i == 1)
            other.mark ^= 1;
        else
            other.sequence++;
        assert_int_equal(1, make(&b, (struct pki_feed_ask){ .after = other }));
        assert_int_equal(0, read_batch(&b));
        assert_true(b.batch.reset && b.batch.from == 0 && b.batch.next == 0);
        assert_int_equal(1, make(&b, (struct pki_feed_ask){ .reset = true, .place = 7, .after = other }));
        assert_int_equal(0, read_batch(&b));
        assert_true(b.batch.reset && b.batch.from == 0);
    }
    bench_fini(&b);
}

// ---- who may have signed

static const char header[] = "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\"}";
static const char sound[] =
    "{\"iss\":\"" ISS "\",\"iat\":1800000000,\"feed\":\"000102030405060708090a0b0c0d0e0f\",\"from\":7,\"to\":9,"
    "\"mark\":\"0000000000000001\",\"head\":9,\"nonce\":\"0000000000001234\",\"changes\":["
    "{\"kind\":\"jti\",\"value\":\"a\",\"issuer\":\"i\",\"expires\":1900000000,\"revoked\":5,\"reason\":\"r\"},"
    "{\"kind\":\"subject\",\"value\":\"b\",\"before\":3,\"lifted\":true}]}";

static int read_signed(struct bench *b, const char *head, const char *payload, const struct pki_key *key,
                       enum pki_alg alg)
{
    char *text = jose_sign(head, payload, key, alg);
    int rc = read_text(b, text);
    free(text);
    return rc;
}

static void only_the_issuers_keys_and_this_type_count(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int rc;
    } rows[] = {
        { header, 0 },
        { "{\"typ\":\"at+jwt\",\"alg\":\"ES256\"}", ERR_TOKEN_TYP }, // an access token with such claims
        { "{\"alg\":\"ES256\"}", ERR_TOKEN_TYP },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"none\"}", ERR_TOKEN_ALG },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"HS256\"}", ERR_TOKEN_ALG },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES384\"}", ERR_TOKEN_ALG },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\",\"kid\":\"another\"}", ERR_TOKEN_KEY },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\",\"jwk\":{}}", ERR_TOKEN_HEADER_KEY },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\",\"jku\":\"https://evil.test\"}",
          ERR_TOKEN_HEADER_KEY },
        { "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\",\"crit\":[\"x\"],\"x\":1}", ERR_TOKEN_CRIT },
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(rows[i].rc, read_signed(&b, rows[i].header, sound, b.key, PKI_ES256));
    struct pki_key *other = pki_key_generate(PKI_KEY_P256, 0);
    assert_int_equal(ERR_TOKEN_SIGNATURE, read_signed(&b, header, sound, other, PKI_ES256));
    pki_key_free(other);
    assert_int_equal(ERR_TOKEN_MALFORMED, read_text(&b, "a.b"));
    assert_int_equal(ERR_TOKEN_MALFORMED, read_text(&b, ""));
    bench_fini(&b);
}

static void a_changed_byte_of_a_batch_is_noticed(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    char *text = jose_sign(header, sound, b.key, PKI_ES256);
    for (size_t i = 0; i < strlen(text); i += 3) {
        char c = text[i];
        text[i] = c == 'A' ? 'B' : 'A';
        if (text[i] != c)
            assert_int_not_equal(0, read_text(&b, text));
        text[i] = c;
    }
    assert_int_equal(0, read_text(&b, text));
    free(text);
    bench_fini(&b);
}

static void a_key_that_was_removed_signs_no_batch_any_more(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct pki_key_view *view = pki_key_view_new();
    struct pki_issuer issuer = { .iss = SPAN(ISS), .keys = b.keys };
    b.rules.issuer = &issuer;
    b.rules.view = view;
    assert_int_equal(0, read_signed(&b, header, sound, b.key, PKI_ES256));
    assert_int_equal(0, pki_key_view_add(view, SPAN(ISS), NULL, NOW));
    assert_int_equal(ERR_TOKEN_REVOKED, read_signed(&b, header, sound, b.key, PKI_ES256));
    pki_key_view_free(view);
    bench_fini(&b);
}

static void a_secret_shared_with_gateways_signs_no_batch(void **state)
{
    (void)state;
    struct bench b;
    struct diags diags;
    bench_init(&b);
    diags_init(&diags);
    struct pki_jwks *secret =
        pki_jwks_read_symmetric(SPAN("0123456789abcdef0123456789abcdef"), PKI_ALG_BIT(PKI_HS256), SPAN("k"), &diags);
    assert_non_null(secret);
    b.rules.keys = secret;
    b.rules.algs = PKI_ALG_BIT(PKI_HS256);
    struct pki_key *key;
    assert_int_equal(0, pki_key_symmetric(SPAN("0123456789abcdef0123456789abcdef"), &key));
    assert_int_equal(ERR_TOKEN_KEY, read_signed(&b, "{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"HS256\"}", sound,
                                                key, PKI_HS256));
    pki_key_free(key);
    pki_jwks_free(secret);
    diags_fini(&diags);
    bench_fini(&b);
}

// ---- what is in it

static void a_batch_that_says_anything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value; // NULL: the member is left out
        int rc;
    } rows[] = {
        { "iss", "\"https://other.test\"", ERR_TOKEN_ISSUER },
        { "iss", "\"" ISS "/\"", ERR_TOKEN_ISSUER },
        { "iss", NULL, ERR_TOKEN_ISSUER },
        { "iat", "1800000006", ERR_TOKEN_NOT_YET },
        { "iat", "1799999969", ERR_TOKEN_EXPIRED },
        { "iat", "1800000000.5", ERR_TOKEN_CLAIM },
        { "iat", "\"1800000000\"", ERR_TOKEN_CLAIM },
        { "iat", "-1", ERR_TOKEN_CLAIM },
        { "iat", NULL, ERR_TOKEN_CLAIM },
        { "nonce", "\"0000000000001235\"", ERR_TOKEN_EXPIRED },
        { "nonce", "\"1234\"", ERR_TOKEN_CLAIM },
        { "nonce", NULL, ERR_TOKEN_CLAIM },
        { "feed", "\"00\"", ERR_TOKEN_CLAIM },
        { "feed", "\"000102030405060708090A0B0C0D0E0F\"", ERR_TOKEN_CLAIM },
        { "feed", NULL, ERR_TOKEN_CLAIM },
        { "from", "8", ERR_TOKEN_CLAIM }, // one change too many
        { "from", "6", ERR_TOKEN_CLAIM }, // one too few
        { "from", "10", ERR_TOKEN_CLAIM },
        { "from", NULL, ERR_TOKEN_CLAIM },
        { "to", "10", ERR_TOKEN_CLAIM },
        { "to", "9223372036854775808", ERR_TOKEN_CLAIM },
        { "to", NULL, ERR_TOKEN_CLAIM },
        { "head", "8", ERR_TOKEN_CLAIM },
        { "head", NULL, ERR_TOKEN_CLAIM },
        { "mark", "\"8000000000000000\"", ERR_TOKEN_CLAIM },
        { "mark", NULL, ERR_TOKEN_CLAIM },
        { "next", "0", ERR_TOKEN_CLAIM },     // without reset
        { "reset", "true", ERR_TOKEN_CLAIM }, // without next
        { "reset", "false", ERR_TOKEN_CLAIM },
        { "changes", "[]", ERR_TOKEN_CLAIM },
        { "changes", "{}", ERR_TOKEN_CLAIM },
        { "changes", NULL, ERR_TOKEN_CLAIM },
        { "exp", "1900000000", ERR_TOKEN_CLAIM },
        { "x", "1", ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jtj\",\"value\":\"a\"}]", ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\"}]", ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"value\":\"a\"}]", ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\",\"value\":\"b\",\"x\":1}]",
          ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"all\"}]", ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\",\"value\":\"a\\u0000\"}]",
          ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\",\"value\":\"b\",\"lifted\":false}]",
          ERR_TOKEN_CLAIM },
        { "changes",
          "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\",\"value\":\"b\",\"lifted\":true,\"expires\":9}]",
          ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},{\"kind\":\"jti\",\"value\":\"b\",\"expires\":253402300800}]",
          ERR_TOKEN_CLAIM },
        { "changes", "[{\"kind\":\"jti\",\"value\":\"a\"},1]", ERR_TOKEN_CLAIM },
        { "iat", "1800000005", 0 }, // within the skew
        { "iat", "1799999970", 0 },
        { "head", "12", 0 },
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *payload = jose_with(sound, rows[i].name, rows[i].value);
        int rc = read_signed(&b, header, payload, b.key, PKI_ES256);
        if (rc != rows[i].rc)
            fail_msg("%s: %d, not %d", payload, rc, rows[i].rc);
        free(payload);
    }
    // Twice the same member: jose_with cannot.
    assert_int_equal(ERR_TOKEN_MALFORMED,
                     read_signed(&b, header, "{\"iss\":\"" ISS "\",\"iss\":\"" ISS "\"}", b.key, PKI_ES256));
    bench_fini(&b);
}

static void a_part_of_the_whole_set_that_leads_backwards_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    char *reset = jose_with(sound, "reset", "true"), *none = jose_with(reset, "changes", "[]");
    static const struct {
        const char *next;
        int rc;
    } rows[] = { { "0", 0 }, { "8", 0 }, { "7", ERR_TOKEN_CLAIM }, { "6", ERR_TOKEN_CLAIM } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *p = jose_with(none, "next", rows[i].next);
        assert_int_equal(rows[i].rc, read_signed(&b, header, p, b.key, PKI_ES256));
        free(p);
    }
    // Nothing is lifted in a whole set.
    char *lifting = jose_with(reset, "next", "0");
    assert_int_equal(ERR_TOKEN_CLAIM, read_signed(&b, header, lifting, b.key, PKI_ES256));
    free(lifting);
    free(none);
    free(reset);
    bench_fini(&b);
}

// ---- the question

static void a_question_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct pki_feed_ask asks[] = {
        { .reset = true, .nonce = 5 },
        { .after = { { 1, 2, 0xff }, 77, 0x7fffffffffffffff }, .nonce = UINT64_MAX, .wait_s = 30 },
        { .reset = true, .place = 9, .after = { { 9 }, 1, 2 }, .nonce = 1 },
        { .after = { { 0 }, 0, 0 } },
    };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        struct pki_feed_ask got;
        struct buf b;
        buf_init(&b, 0);
        pki_feed_ask_write(&asks[i], &b);
        assert_true(pki_feed_ask_read(buf_span(&b), &got));
        assert_true(got.reset == asks[i].reset && got.place == asks[i].place && got.nonce == asks[i].nonce &&
                    got.wait_s == asks[i].wait_s);
        assert_true(pki_revoked_point_eq(&got.after, &asks[i].after));
        buf_fini(&b);
    }
}

static void a_question_that_is_not_ours_is_refused(void **state)
{
    (void)state;
#define POINT "feed=00000000000000000000000000000000&after=1&mark=0000000000000001"
#define N "&nonce=0000000000000001"
    static const char *const rows[] = {
        "",
        "nonce=1",
        "wait=5",
        POINT,
        POINT N "&wait=-1",
        POINT N "&wait=3601",
        POINT N "&x=1",
        POINT N "&",
        POINT N "&after=1",
        "nonce=0000000000000001&place=3",
        "feed=00000000000000000000000000000000" N,
        "after=1&mark=0000000000000001" N,
        POINT N "&place=0",
        POINT N "&place=9223372036854775808",
        "feed=0000000000000000000000000000000G&after=1&mark=0000000000000001" N,
        "feed=00000000000000000000000000000000&after=01&mark=0000000000000001" N,
        "feed=00000000000000000000000000000000&after=1&mark=ffffffffffffffff" N,
    };
    struct pki_feed_ask ask;
    assert_true(pki_feed_ask_read(SPAN(POINT N), &ask));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (pki_feed_ask_read(span_str(rows[i]), &ask))
            fail_msg("%s was read", rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_authority_signs_a_gateway_reads),
        cmocka_unit_test(a_batch_is_bounded_and_the_next_goes_on_behind_it),
        cmocka_unit_test(the_largest_entries_still_make_batches_that_are_read),
        cmocka_unit_test(a_point_that_is_not_known_gets_the_whole_set),
        cmocka_unit_test(only_the_issuers_keys_and_this_type_count),
        cmocka_unit_test(a_changed_byte_of_a_batch_is_noticed),
        cmocka_unit_test(a_key_that_was_removed_signs_no_batch_any_more),
        cmocka_unit_test(a_secret_shared_with_gateways_signs_no_batch),
        cmocka_unit_test(a_batch_that_says_anything_else_is_refused),
        cmocka_unit_test(a_part_of_the_whole_set_that_leads_backwards_is_refused),
        cmocka_unit_test(a_question_is_read_as_it_was_written),
        cmocka_unit_test(a_question_that_is_not_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
