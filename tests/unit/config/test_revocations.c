// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/config/snapshot.h"
#include "tests/support/jose.h"

#define T INT64_C(1700000000)
#define ISS SPAN("https://idp.example")
#define BROKEN "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"b\",\"x\":\"AA\",\"y\":\"AA\"}"

static char path[] = "/tmp/revocations-XXXXXX";
static struct pki_key *keys[2];
static uint8_t thumbprints[2][32];
static const struct pki_issuer issuer = { .iss = ISS, .max_stale_s = 1000, .keys_read_s = T };

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

// {"keys":[…]}: a '0' or '1' in `which` is that key, 'x' one that is broken, 'p' the private half of key 0.
static void write_set(const char *which)
{
    struct buf text;
    buf_init(&text, 0);
    buf_append(&text, SPAN("{\"keys\":["));
    for (size_t i = 0; which[i]; i++) {
        buf_append(&text, i ? SPAN(",") : SPAN(""));
        if (which[i] == 'x') {
            buf_append(&text, SPAN(BROKEN));
            continue;
        }
        char *jwk = jose_jwk(keys[which[i] == '1'], which[i] == 'p');
        buf_printf(&text, "%.*s,\"kid\":\"k%d\"}", (int)strlen(jwk) - 1, jwk, which[i] == '1');
        free(jwk);
    }
    buf_append(&text, SPAN("]}"));
    buf_byte(&text, 0);
    write_text(buf_span(&text).p);
    buf_fini(&text);
}

static struct gw_revocations *load(const struct gw_revocations *previous, int64_t now_s, size_t *errors)
{
    struct gw_config_issuer one = {
        .issuer = { .v = ISS },
        .jwks = { .v = span_str(path) },
        .algorithms = PKI_ALG_BIT(PKI_ES256),
    };
    struct gw_config config = { .file = SPAN("f"), .issuers = &one, .issuers_n = 1 };
    struct diags diags;
    diags_init(&diags);
    struct gw_revocations *r = gw_revocations_load(&config, previous, 1, now_s, &diags);
    assert_non_null(r);
    *errors = diags.errors;
    diags_fini(&diags);
    return r;
}

static int state_of(const struct gw_revocations *r, int key, int64_t now_s)
{
    return pki_key_view_check(r->keys, &issuer, thumbprints[key], now_s);
}

// Removals apply although the set they are made in is refused for something else.
static void a_removed_key_is_gone_though_another_of_its_file_is_broken(void **state)
{
    (void)state;
    size_t errors;
    write_set("01");
    struct gw_revocations *first = load(NULL, T, &errors);
    assert_int_equal(errors, 0);
    assert_int_equal(state_of(first, 0, T), 0);
    assert_int_equal(state_of(first, 1, T), 0);
    static const char *const faulty[] = { "1x", "x1", "1p", "p1", "11" };
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        write_set(faulty[i]);
        struct gw_revocations *r = load(first, T + 10, &errors);
        assert_int_not_equal(errors, 0);
        assert_int_equal(state_of(r, 0, T + 10), ERR_TOKEN_REVOKED);
        assert_int_equal(state_of(r, 1, T + 10), 0);
        // Nothing is fresh about a file that cannot be used.
        assert_int_equal(state_of(r, 1, T + 1001), ERR_KEYS_STALE);
        // It stays gone as long as the file says so, and comes back with a good one.
        struct gw_revocations *again = load(r, T + 20, &errors);
        assert_int_equal(state_of(again, 0, T + 20), ERR_TOKEN_REVOKED);
        write_set("01");
        struct gw_revocations *good = load(again, T + 30, &errors);
        assert_int_equal(errors, 0);
        assert_int_equal(state_of(good, 0, T + 30), 0);
        assert_int_equal(state_of(good, 1, T + 1030), 0);
        gw_revocations_unref(r), gw_revocations_unref(again), gw_revocations_unref(good);
    }
    gw_revocations_unref(first);
}

static void a_file_that_is_no_set_removes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{", "[]", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "no json" };
    size_t errors;
    write_set("01");
    struct gw_revocations *first = load(NULL, T, &errors);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(texts[i]);
        struct gw_revocations *r = load(first, T + 10, &errors);
        assert_int_not_equal(errors, 0);
        assert_int_equal(state_of(r, 0, T + 10), 0);
        assert_int_equal(state_of(r, 1, T + 1001), ERR_KEYS_STALE);
        gw_revocations_unref(r);
    }
    gw_revocations_unref(first);
}

static void an_emptied_set_removes_all(void **state)
{
    (void)state;
    size_t errors;
    write_set("0");
    struct gw_revocations *first = load(NULL, T, &errors);
    write_set("");
    struct gw_revocations *r = load(first, T + 10, &errors);
    assert_int_equal(state_of(r, 0, T + 10), ERR_TOKEN_REVOKED);
    gw_revocations_unref(r);
    gw_revocations_unref(first);
}

// ---- a secret

#define SECRET_A "0123456789abcdef0123456789ABCDEF"
#define SECRET_B "fedcba98765432100123456789ABCDEF"

static struct gw_revocations *load_secret(const struct gw_revocations *previous, int64_t now_s, size_t *errors)
{
    struct gw_config_issuer one = {
        .issuer = { .v = ISS },
        .symmetric_key_file = { .v = span_str(path) },
        .algorithms = PKI_ALG_BIT(PKI_HS256),
    };
    struct gw_config config = { .file = SPAN("f"), .issuers = &one, .issuers_n = 1 };
    struct diags diags;
    diags_init(&diags);
    struct gw_revocations *r = gw_revocations_load(&config, previous, 1, now_s, &diags);
    assert_non_null(r);
    *errors = diags.errors;
    diags_fini(&diags);
    return r;
}

static int state_of_secret(const struct gw_revocations *r, const char *secret, int64_t now_s)
{
    struct pki_key *k;
    uint8_t thumbprint[32];
    assert_int_equal(pki_key_symmetric(span_str(secret), &k), 0);
    pki_key_thumbprint(k, thumbprint);
    pki_key_free(k);
    return pki_key_view_check(r->keys, &issuer, thumbprint, now_s);
}

static void a_secret_that_was_replaced_is_gone(void **state)
{
    (void)state;
    static const char *const replacements[] = { SECRET_B "\n", "", "too short", "{\"kty\":\"oct\"}", "two\nlines" };
    size_t errors;
    write_text(SECRET_A "\n");
    struct gw_revocations *first = load_secret(NULL, T, &errors);
    assert_int_equal(errors, 0);
    assert_true(first->whole);
    assert_int_equal(state_of_secret(first, SECRET_A, T), 0);
    assert_int_equal(state_of_secret(first, SECRET_B, T), ERR_TOKEN_REVOKED);
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        write_text(replacements[i]);
        struct gw_revocations *r = load_secret(first, T + 10, &errors);
        assert_int_equal(errors, i == 0 ? 0 : 1);
        assert_int_equal(state_of_secret(r, SECRET_A, T + 10), ERR_TOKEN_REVOKED);
        assert_int_equal(state_of_secret(r, SECRET_B, T + 10), i == 0 ? 0 : ERR_TOKEN_REVOKED);
        // Gone stays gone when the file cannot be read any more.
        unlink(path);
        struct gw_revocations *again = load_secret(r, T + 20, &errors);
        assert_int_equal(errors, 1);
        assert_int_equal(state_of_secret(again, SECRET_A, T + 20), ERR_TOKEN_REVOKED);
        gw_revocations_unref(r), gw_revocations_unref(again);
    }
    gw_revocations_unref(first);
}

static void a_secret_that_cannot_be_read_goes_stale(void **state)
{
    (void)state;
    size_t errors;
    write_text(SECRET_A);
    struct gw_revocations *first = load_secret(NULL, T + 5, &errors);
    unlink(path);
    struct gw_revocations *r = load_secret(first, T + 500, &errors), *again = load_secret(r, T + 600, &errors);
    assert_int_equal(errors, 1);
    assert_true(again->whole);
    assert_int_equal(state_of_secret(again, SECRET_A, T + 1005), 0);
    assert_int_equal(state_of_secret(again, SECRET_A, T + 1006), ERR_KEYS_STALE);
    assert_int_equal(state_of_secret(again, SECRET_B, T + 600), ERR_TOKEN_REVOKED);
    struct gw_revocations *never = load_secret(NULL, T, &errors);
    assert_false(never->whole);
    gw_revocations_unref(first), gw_revocations_unref(r), gw_revocations_unref(again), gw_revocations_unref(never);
}

static int make(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    for (int i = 0; i < 2; i++) {
        if (!(keys[i] = pki_key_generate(PKI_KEY_P256, 0)))
            return -1;
        pki_key_thumbprint(keys[i], thumbprints[i]);
    }
    return 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(path);
    pki_key_free(keys[0]);
    pki_key_free(keys[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_key_is_gone_though_another_of_its_file_is_broken),
        cmocka_unit_test(a_file_that_is_no_set_removes_nothing),
        cmocka_unit_test(an_emptied_set_removes_all),
        cmocka_unit_test(a_secret_that_was_replaced_is_gone),
        cmocka_unit_test(a_secret_that_cannot_be_read_goes_stale),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
