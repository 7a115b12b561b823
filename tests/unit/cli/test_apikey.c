// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport apikey, as a person and a script use it.
#include "tests/unit/cli/cmd_run.h"

#include "pki/api_key_store.h"

#define WORKLOAD "--workload spiffe://example.org/legacy "

static char key[PKI_API_KEY_MAX + 2], id[PKI_API_KEY_ID + 1];

// The last command's first line, which is a key and nothing else.
static void take_key(void)
{
    struct pki_api_key parsed;
    size_t n = strcspn(cmd.out, "\n");
    assert_int_equal(n + 1, strlen(cmd.out));
    assert_int_equal(0, pki_api_key_parse(span_of(cmd.out, n), &parsed));
    snprintf(key, sizeof key, "%.*s", (int)n, cmd.out);
    snprintf(id, sizeof id, "%.*s", SPAN_FMT(parsed.id));
}

static struct json_doc *answer(void)
{
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    return doc;
}

static void says(json v, const char *name, const char *value)
{
    struct span s = json_string(json_get(v, span_str(name)));
    if (!span_eq(s, span_str(value)))
        fail_msg("%s is '%.*s', not '%s'", name, SPAN_FMT(s), value);
}

static void a_key_is_shown_once_and_never_listed(void **state)
{
    (void)state;
    cmd_expect(0, "apikey create " WORKLOAD "--scope vectors.read --note 'nightly job'");
    take_key();
    cmd_complains("made the registry apikeys.db");
    cmd_complains("the only time the key is shown");
    cmd_expect(0, "apikey list");
    cmd_says(id);
    cmd_says("nightly job");
    cmd_says("never");
    cmd_keeps_quiet_of(key + strlen(key) - 20);
    cmd_expect(0, "apikey list --json");
    cmd_keeps_quiet_of(key + strlen(key) - 20);
    char *file = cmd_get("apikeys.db");
    assert_null(strstr(file, key + strlen(key) - 20));
    free(file);
}

static void everything_about_a_key_is_in_json(void **state)
{
    (void)state;
    cmd_expect(0,
               "apikey create --json " WORKLOAD "--scope a --scope 'b c' --role reader --role 'night shift' --tenant "
               "acme --ttl 1h --quota 1000/1h --env test --note 'what for'");
    struct json_doc *doc = answer();
    json v = json_root(doc);
    struct pki_api_key parsed;
    assert_int_equal(0, pki_api_key_parse(json_string(json_get(v, SPAN("key"))), &parsed));
    assert_true(span_eq(parsed.env, SPAN("test")));
    says(v, "workload", "spiffe://example.org/legacy");
    says(v, "tenant", "acme");
    says(v, "state", "valid");
    says(v, "note", "what for");
    assert_int_equal(3, json_count(json_get(v, SPAN("scopes"))));
    assert_int_equal(2, json_count(json_get(v, SPAN("roles"))));
    json quota = json_get(v, SPAN("quota"));
    int64_t n = 0;
    assert_true(json_i64(json_get(quota, SPAN("requests")), &n) && n == 1000);
    assert_true(json_i64(json_get(quota, SPAN("period_seconds")), &n) && n == 3600);
    json_free(doc);
}

static void rotation_keeps_the_rights_and_ends_the_old_key(void **state)
{
    (void)state;
    cmd_expect(0, "apikey create " WORKLOAD "--scope 'a b' --role reader --ttl 7d");
    take_key();
    cmd_expect(0, "apikey rotate %s --overlap 5m --json", id);
    struct json_doc *doc = answer();
    json v = json_root(doc), old = json_get(v, SPAN("replaces"));
    says(v, "workload", "spiffe://example.org/legacy");
    says(v, "state", "valid");
    assert_int_equal(2, json_count(json_get(v, SPAN("scopes"))));
    says(old, "id", id);
    says(old, "state", "rotated");
    json_free(doc);
    cmd_expect(1, "apikey rotate %s", id);
    cmd_complains("was rotated already; its successor is ");
    cmd_expect(0, "apikey create " WORKLOAD);
    cmd_complains("good for nothing unless");
    take_key();
    cmd_expect(0, "apikey rotate %s --overlap 0s", id);
    cmd_expect(0, "apikey list --all");
    cmd_says("expired");
}

static void revocation_is_by_id_or_of_all_of_a_workload(void **state)
{
    (void)state;
    cmd_expect(0, "apikey create " WORKLOAD);
    take_key();
    cmd_expect(0, "apikey create --any-workload");
    cmd_expect(0, "apikey revoke %s", id);
    cmd_says("revoked ");
    cmd_expect(0, "apikey list --workload spiffe://example.org/legacy");
    cmd_complains("no such keys");
    cmd_expect(0, "apikey list --all --workload spiffe://example.org/legacy");
    cmd_says("revoked");
    cmd_expect(1, "apikey rotate %s", id);
    cmd_complains("is revoked; create a new one");
    cmd_expect(0, "apikey list");
    cmd_says("any workload");
    cmd_expect(0, "apikey revoke --any-workload");
    cmd_expect(1, "apikey revoke --any-workload");
    cmd_expect(1, "apikey revoke 0123456789abcdef");
}

static void bad_usage_is_told_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } rows[] = {
        { "apikey create", "whose key is it?" },
        { "apikey create " WORKLOAD "--any-workload", "exclude each other" },
        { "apikey create --workload legacy", "is no SPIFFE ID of a workload" },
        { "apikey create --workload spiffe://example.org", "is no SPIFFE ID of a workload" },
        { "apikey create " WORKLOAD "--quota 10", "is no quota" },
        { "apikey create " WORKLOAD "--quota 0/1h", "is no quota" },
        { "apikey create " WORKLOAD "--quota 10/10", "is no quota" },
        { "apikey create " WORKLOAD "--quota 10/100ms", "is no quota" },
        { "apikey create " WORKLOAD "--quota 10/1500ms", "is no quota" },
        { "apikey create " WORKLOAD "--ttl 0s", "between 1s and 731d" },
        { "apikey create " WORKLOAD "--ttl 800d", "between 1s and 731d" },
        { "apikey create " WORKLOAD "--env Live", "a-z and 0-9" },
        { "apikey create " WORKLOAD "--env abcdefghijklm", "a-z and 0-9" },
        { "apikey create " WORKLOAD "--scope 'a\"b'", "that is no scope" },
        { "apikey create " WORKLOAD "--role 'a\nb'", "that is no role" },
        { "apikey create " WORKLOAD "--note 'a\x1b[2Jb'", "--note: one line" },
        { "apikey list", "there is no such registry" },
        { "apikey revoke", "name keys by their ids" },
        { "apikey rotate abc", "there is no such registry" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cmd_expect(2, "%s", rows[i].line);
        cmd_complains(rows[i].says);
    }
    assert_int_not_equal(0, access("apikeys.db", F_OK));
    cmd_expect(0, "apikey create " WORKLOAD);
    take_key();
    cmd_expect(2, "apikey rotate abc");
    cmd_complains("is no id of an API key");
    cmd_expect(2, "apikey revoke %s", key);
    cmd_complains("that is a whole key; name it by its id");
    cmd_keeps_quiet_of(key + strlen(key) - 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_shown_once_and_never_listed, cmd_init, cmd_fini),
        cmocka_unit_test_setup_teardown(everything_about_a_key_is_in_json, cmd_init, cmd_fini),
        cmocka_unit_test_setup_teardown(rotation_keeps_the_rights_and_ends_the_old_key, cmd_init, cmd_fini),
        cmocka_unit_test_setup_teardown(revocation_is_by_id_or_of_all_of_a_workload, cmd_init, cmd_fini),
        cmocka_unit_test_setup_teardown(bad_usage_is_told_and_changes_nothing, cmd_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
