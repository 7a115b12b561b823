// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport audit, over a log that a gateway would have written.
#include "cmd_run.h"

#include "gateway/audit/journal.h"

static struct pki_key *write_log(unsigned records, bool stop)
{
    struct clock_now now = { .wall_ms = 1763769600000, .mono_ms = 1 };
    struct gw_chain_key signer;
    struct gw_journal j;
    struct buf pem;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);

    buf_init(&pem, 0);
    assert_int_equal(pki_key_write_public(key, &pem), 0);
    assert_int_equal(file_write("key.pem", buf_span(&pem), 0600), 0);
    buf_fini(&pem);
    gw_chain_key_init(&signer, key);
    struct gw_journal_options o = {
        .file = "audit.log", .key = &signer, .sign_every_ms = 1000, .sign_lines = 8, .rotate_size = 4000
    };
    assert_int_equal(gw_journal_open(&j, &o, now), 0);
    for (unsigned i = 0; i < records; i++) {
        char line[600];
        int n =
            snprintf(line, sizeof line,
                     "{\"time\":\"2026-11-22T10:00:%02u.000Z\",\"kind\":\"request\",\"request_id\":\"r%u\",\"remote\":"
                     "\"192.0.2.%u:%u\",\"workload\":\"spiffe://a.example/%s\",\"jti\":\"t%u\",\"proof_thumbprint\":"
                     "\"thumb%u\",\"accesses\":[{\"action\":\"search\",\"collection\":\"docs\"}],\"decision\":\"%s\","
                     "\"status\":%u}\n",
                     i % 60, i, i % 2, 1000 + i, i % 3 ? "app" : "batch", i % 5, i % 4, i % 7 ? "allow" : "deny",
                     i % 7 ? 200 : 403);
        assert_true(gw_journal_add(&j, span_of(line, (size_t)n), SPAN(""), now));
        assert_int_equal(gw_journal_flush(&j, now), 0);
    }
    if (stop) {
        gw_journal_close(&j, now);
    } else {
        close(j.sink.fd);
        buf_fini(&j.out);
        buf_fini(&j.torn);
        buf_fini(&j.unread);
        free(j.path);
    }
    return key;
}

static void a_log_as_it_was_written_is_valid_with_its_rotated_files(void **state)
{
    (void)state;
    pki_key_free(write_log(40, true));
    cmd_expect(0, "audit verify audit.log");
    cmd_says("✓ the chain is whole");
    cmd_says("signatures were not looked at");
    cmd_expect(0, "audit verify audit.log --key key.pem");
    cmd_says("✓ signed up to audit.log:");
    cmd_says("40 records");
    cmd_says("ended in order");
    cmd_expect(0, "audit verify audit.log --key key.pem --json");
    cmd_says("\"valid\":true");
    cmd_says("\"unsigned\":0");
    cmd_expect(0, "audit verify audit.log.000001");
}

static void a_changed_line_is_named_and_the_answer_is_no(void **state)
{
    (void)state;
    pki_key_free(write_log(40, true));
    char *text = cmd_get("audit.log.000001");
    char *at = strstr(text, "\"r3\"");
    assert_non_null(at);
    at[2] = '4';
    cmd_put("audit.log.000001", text, 0600);
    free(text);
    cmd_expect(1, "audit verify audit.log --key key.pem");
    cmd_says("audit.log.000001:6: altered: its hash is not the one that the next line, audit.log.000001:7, names");
    cmd_says("✗ not as it was written: first at audit.log.000001:6");
    cmd_expect(1, "audit verify audit.log --json");
    cmd_says("\"valid\":false");
    cmd_says("\"kind\":\"altered\"");
    assert_int_equal(unlink("audit.log.000001"), 0);
    cmd_expect(0, "audit verify audit.log --key key.pem");
    cmd_says("the log begins here with number");
    assert_int_equal(unlink("audit.log.000003"), 0);
    cmd_expect(1, "audit verify audit.log");
    cmd_says("audit.log:1: removed: number ");
}

static void another_key_vouches_for_nothing(void **state)
{
    struct pki_key *other = pki_key_generate(PKI_KEY_P256, 0);
    struct buf pem;

    (void)state;
    pki_key_free(write_log(10, true));
    buf_init(&pem, 0);
    assert_int_equal(pki_key_write_public(other, &pem), 0);
    assert_int_equal(file_write("other.pem", buf_span(&pem), 0600), 0);
    buf_fini(&pem);
    pki_key_free(other);
    cmd_expect(1, "audit verify audit.log --key other.pem");
    cmd_says("signed with a key that was not given");
    cmd_expect(0, "audit verify audit.log --key other.pem --key key.pem");
}

static void what_cannot_be_read_is_no_answer(void **state)
{
    (void)state;
    cmd_expect(2, "audit verify nowhere.log");
    cmd_complains("nowhere.log: No such file or directory");
    cmd_put("old.log", "{\"kind\":\"request\"}\n", 0600);
    cmd_expect(1, "audit verify old.log");
    cmd_says("no line of a chain");
    cmd_expect(2, "audit trace old.log");
    cmd_complains("say what to look for");
}

static void a_credential_is_traced_to_each_of_its_uses(void **state)
{
    (void)state;
    pki_key_free(write_log(40, true));
    cmd_expect(0, "audit trace audit.log --jti t3");
    cmd_says("8 uses, 7 allowed, from 2026-11-22T10:00:03.000Z to 2026-11-22T10:00:38.000Z");
    cmd_says("from 192.0.2.0  4");
    cmd_says("from 192.0.2.1  4");
    cmd_says("search docs");
    cmd_expect(0, "audit trace audit.log --thumbprint thumb1 --jti t1");
    cmd_says("2 uses");
    cmd_expect(0, "audit trace audit.log --workload 'spiffe://a.example/*' --json");
    json uses = NULL;
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    uses = json_get(json_root(doc), SPAN("uses"));
    assert_int_equal(json_count(uses), 40);
    json_free(doc);
    cmd_expect(0, "audit trace audit.log --request r17");
    cmd_says("1 use,");
    cmd_expect(1, "audit trace audit.log --request r99");
    cmd_expect(1, "audit trace audit.log --jti nobody");
    cmd_says("no record of it");
}

static void a_request_that_never_ended_is_a_use(void **state)
{
    (void)state;
    cmd_put("audit.log",
            "{\"kind\":\"intent\",\"request_id\":\"a\",\"jti\":\"x\",\"decision\":\"allow\"}\n"
            "{\"kind\":\"intent\",\"request_id\":\"b\",\"jti\":\"x\",\"decision\":\"allow\"}\n"
            "{\"kind\":\"request\",\"request_id\":\"a\",\"jti\":\"x\",\"decision\":\"allow\"}\n",
            0600);
    cmd_expect(0, "audit trace audit.log --jti x");
    cmd_says("2 uses");
    cmd_says("intent");
}

static void the_end_is_shown_for_people_and_no_terminal_obeys_a_record(void **state)
{
    (void)state;
    pki_key_free(write_log(4, true));
    cmd_expect(0, "audit tail audit.log --no-follow --lines 3");
    cmd_says("chain  stop");
    cmd_expect(0, "audit tail audit.log --no-follow --denied");
    cmd_says("deny");
    assert_null(strstr(cmd.out, "allow"));
    cmd_expect(0, "audit tail audit.log --no-follow --json --lines 1");
    assert_true(cmd.out[0] == '{' && strchr(cmd.out, '\n') == cmd.out + strlen(cmd.out) - 1);
    cmd_put("odd.log",
            "{\"kind\":\"request\",\"decision\":\"deny\",\"path\":\"/\\u001b[2J\",\"method\":\"GET\"}\nrubbish\n",
            0600);
    cmd_expect(0, "audit tail odd.log --no-follow");
    assert_null(strchr(cmd.out, '\x1b'));
    cmd_says("a line that is no record");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, cmd_init, cmd_fini)
    const struct CMUnitTest tests[] = {
        CASE(a_log_as_it_was_written_is_valid_with_its_rotated_files),
        CASE(a_changed_line_is_named_and_the_answer_is_no),
        CASE(another_key_vouches_for_nothing),
        CASE(what_cannot_be_read_is_no_answer),
        CASE(a_credential_is_traced_to_each_of_its_uses),
        CASE(a_request_that_never_ended_is_a_use),
        CASE(the_end_is_shown_for_people_and_no_terminal_obeys_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
