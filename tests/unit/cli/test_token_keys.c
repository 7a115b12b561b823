// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/cli/cmd_run.h"

#include "gateway/base/clock.h"
#include "pki/signing_keys.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, cmd_init, cmd_fini)
#define PASSPHRASE "correct horse battery"
#define ROTATE "token keys rotate --state state --passphrase-file phrase "
#define LIST "token keys list --state state "

// What the authority makes at its start.
static struct pki_signing_keys *authority(void)
{
    struct pki_signing_keys *k = NULL;
    struct pki_signing_options o = { .path = "state/signing-keys.db",
                                     .alg = PKI_ES256,
                                     .passphrase = SPAN(PASSPHRASE),
                                     .pkcs11 = SPAN_NONE,
                                     .rotate_s = 86400,
                                     .publish_s = 3600,
                                     .linger_s = 300 };
    mkdir("state", 0700);
    assert_int_equal(0, pki_signing_keys_open(&o, clock_read().wall_ms / 1000, &k));
    cmd_put("phrase", PASSPHRASE "\n", 0600);
    return k;
}

static struct span member(json keys, size_t i, const char *name)
{
    return json_string(json_get(json_at(keys, i), span_str(name)));
}

// The states, newest first, as JSON tells them.
static void assert_states(const char *const *expected, size_t n)
{
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    json keys = json_root(doc);
    assert_int_equal(n, json_count(keys));
    for (size_t i = 0; i < n; i++) {
        assert_true(span_eq(member(keys, i, "state"), span_str(expected[i])));
        assert_int_equal(43, member(keys, i, "kid").n);
        assert_true(span_eq(member(keys, i, "alg"), SPAN("ES256")));
        assert_int_equal(20, member(keys, i, "created_at").n);
        assert_true(json_type(json_get(json_at(keys, i), SPAN("pkcs11"))) == JSON_NULL);
    }
    json_free(doc);
}
#define ASSERT_STATES(...)                                        \
    do {                                                          \
        static const char *const states_[] = { __VA_ARGS__ };     \
        assert_states(states_, sizeof states_ / sizeof *states_); \
    } while (0)

static void keys_are_listed_without_a_passphrase(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    cmd_expect(0, LIST);
    cmd_says("ES256  active    signs since 20");
    cmd_says(", until 20");
    cmd_expect(0, LIST "--json");
    ASSERT_STATES("active");
    cmd_keeps_quiet_of("PRIVATE KEY");
    pki_signing_keys_close(k);
}

static void rotation_makes_the_next_key_and_the_authority_follows(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    bool changed = false;
    cmd_expect(0, ROTATE);
    cmd_says("next      signs some time after the authority has published it\n");
    cmd_expect(0, ROTATE "--json"); // once more makes no second one
    ASSERT_STATES("next", "active");
    assert_int_equal(0, pki_signing_keys_look(k, clock_read().wall_ms / 1000, &changed));
    assert_true(changed);
    cmd_expect(0, LIST);
    cmd_says("next      signs from 20");
    cmd_says("in 59 minutes");
    pki_signing_keys_close(k);
}

static void rotation_now_signs_at_once_and_says_what_remains(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    struct span before = pki_signing_keys_active(k)->kid;
    char old[44] = { 0 };
    memcpy(old, before.p, 43);
    cmd_expect(0, ROTATE "--now");
    cmd_complains("what the old key signed is good until it expires");
    cmd_says("retiring  published until 20");
    assert_int_equal(0, pki_signing_keys_look(k, clock_read().wall_ms / 1000, NULL));
    assert_false(span_eq(pki_signing_keys_active(k)->kid, span_str(old)));
    assert_true(pki_key_is_private(pki_signing_keys_active(k)->key));
    cmd_expect(0, ROTATE "--now --forget --json");
    ASSERT_STATES("active");
    pki_signing_keys_close(k);
}

static void a_wrong_passphrase_changes_nothing(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    cmd_put("wrong", "battery staple\n", 0600);
    cmd_expect(2, "token keys rotate --state state --passphrase-file wrong --now");
    cmd_complains("the passphrase is wrong");
    cmd_keeps_quiet_of("battery");
    cmd_expect(0, LIST "--json");
    ASSERT_STATES("active");
    pki_signing_keys_close(k);
}

static void a_folder_without_keys_gets_none(void **state)
{
    (void)state;
    assert_int_equal(0, mkdir("state", 0700));
    cmd_put("phrase", PASSPHRASE "\n", 0600);
    cmd_expect(2, LIST);
    cmd_complains("there are no signing keys; the authority makes them");
    cmd_expect(2, ROTATE "--now");
    cmd_complains("there are no signing keys");
    assert_int_not_equal(0, access("state/signing-keys.db", F_OK));
    cmd_put("state/signing-keys.db", "something else", 0600);
    cmd_expect(2, LIST);
    cmd_keeps_quiet_of("there are no");
}

static void a_full_set_is_a_no(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    for (int i = 1; i < PKI_SIGNING_MAX; i++)
        assert_int_equal(0, pki_signing_keys_rotate(k, true, clock_read().wall_ms / 1000));
    cmd_expect(1, ROTATE "--now");
    cmd_complains("16 keys are published");
    pki_signing_keys_close(k);
}

static void words_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "list",
        "list --state state --config c.yaml",
        "rotate",
        "rotate --state state --passphrase-file phrase --forget",
        "rotate --config c.yaml --passphrase-file phrase",
        "list --state state surplus",
        "list --config nowhere.yaml",
    };
    pki_signing_keys_close(authority());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cmd_expect(2, "token keys %s", bad[i]);
    cmd_put("c.yaml", "listener: {}\n", 0600);
    cmd_expect(2, "token keys list --config c.yaml");
    cmd_complains("c.yaml is not usable");
}

static void the_configuration_names_folder_and_passphrase(void **state)
{
    (void)state;
    struct pki_signing_keys *k = authority();
    static const char rest[] = "trust_domains: [ { name: example.org, bundle: b.pem } ]\n"
                               "audit: { file: audit.log }\n";
    static const char role[] = "authority:\n"
                               "  issuer: https://auth.example:8443\n"
                               "  addresses: [ 127.0.0.1:8443 ]\n"
                               "  tls: { certificate: c.pem, key: k.pem }\n"
                               "  state: state\n"
                               "  signing: { passphrase_file: phrase }\n"
                               "  audiences: [ vectors ]\n"
                               "  policy: { files: [ p.cedar ] }\n";
    char text[1024];
    snprintf(text, sizeof text, "%s%s", rest, role);
    assert_int_equal(0, mkdir("etc", 0700)); // paths are relative to the configuration
    assert_int_equal(0, rename("state", "etc/state"));
    assert_int_equal(0, rename("phrase", "etc/phrase"));
    cmd_put("etc/a.yaml", text, 0600);
    cmd_expect(0, "token keys rotate --config etc/a.yaml --now");
    cmd_expect(0, "token keys list --config etc/a.yaml --json");
    ASSERT_STATES("active", "retiring");
    pki_signing_keys_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_listed_without_a_passphrase),
        TEST(rotation_makes_the_next_key_and_the_authority_follows),
        TEST(rotation_now_signs_at_once_and_says_what_remains),
        TEST(the_configuration_names_folder_and_passphrase),
        TEST(a_wrong_passphrase_changes_nothing),
        TEST(a_folder_without_keys_gets_none),
        TEST(a_full_set_is_a_no),
        TEST(words_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
