// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/passphrase.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- a program to try things on

static struct {
    char ttl[64], names[256], args[256];
    bool force, json, ran;
    int64_t ms;
} seen;

static int run_issue(struct gw_cli *cli)
{
    const char *v;
    memset(&seen, 0, sizeof seen);
    seen.ran = true;
    seen.force = gw_cli_has(cli, "force");
    seen.json = cli->json;
    seen.ms = 5;
    if (!gw_cli_duration(cli, "ttl", &seen.ms)) {
        return GW_EXIT_USAGE;
    }
    for (size_t i = 0; (v = gw_cli_next(cli, "dns", &i));) {
        snprintf(seen.names + strlen(seen.names), sizeof seen.names - strlen(seen.names), "%s,", v);
    }
    for (size_t i = 0; i < cli->n_args; i++) {
        snprintf(seen.args + strlen(seen.args), sizeof seen.args - strlen(seen.args), "%s,", cli->args[i]);
    }
    fprintf(cli->out, "done\n");
    return GW_EXIT_OK;
}

static const struct gw_cli_option issue_options[] = {
    { .name = "ttl", .value = "TIME", .help = "how long" },
    { .name = "dns", .value = "NAME", .help = "a name", .repeat = true },
    { .name = "id", .value = "ID", .help = "who", .required = true },
    { .name = "force", .help = "overwrites" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};
static const struct gw_cli_command issue = {
    .name = "issue", .summary = "Issues.", .args = "WHAT", .max_args = 2, .options = issue_options, .run = run_issue
};
static const struct gw_cli_command *const ca_commands[] = { &issue, NULL };
static const struct gw_cli_command ca = { .name = "ca", .summary = "A CA.", .sub = ca_commands };
static const struct gw_cli_command *const commands[] = { &ca, NULL };

static char out_text[8192], err_text[8192];

// Words after the program's name, ended by NULL. What was written is in out_text and err_text.
static int call(const char *first, ...)
{
    char *argv[32] = { "sallyport" };
    int argc = 1;
    va_list ap;
    va_start(ap, first);
    for (const char *w = first; w; w = va_arg(ap, const char *)) {
        argv[argc++] = (char *)(uintptr_t)w;
    }
    va_end(ap);
    memset(out_text, 0, sizeof out_text);
    memset(err_text, 0, sizeof err_text);
    memset(&seen, 0, sizeof seen);
    FILE *out = fmemopen(out_text, sizeof out_text - 1, "w"), *err = fmemopen(err_text, sizeof err_text - 1, "w");
    int rc = gw_cli_main("sallyport", "1.2.3", commands, argc, argv, out, err);
    fclose(out);
    fclose(err);
    return rc;
}

// ---- tests

static void options_are_read_in_both_spellings(void **state)
{
    (void)state;
    assert_int_equal(0, call("ca", "issue", "--ttl", "24h", "--dns=a", "x", "--dns", "b", "--force", "--json", "--id",
                             "-1", "--", "--y", NULL));
    assert_int_equal(86400000, seen.ms);
    assert_string_equal("a,b,", seen.names);
    assert_string_equal("x,--y,", seen.args);
    assert_true(seen.force && seen.json);
    assert_string_equal("done\n", out_text);
    assert_string_equal("", err_text);
}

static void unknown_option_says_what_was_meant(void **state)
{
    (void)state;
    assert_int_equal(2, call("ca", "issue", "--ttk", "1h", NULL));
    assert_string_equal("sallyport ca issue: unknown option --ttk; did you mean --ttl?\n", err_text);
    assert_false(seen.ran);
    assert_int_equal(2, call("ca", "issue", "--frobnicate", NULL));
    assert_string_equal("sallyport ca issue: unknown option --frobnicate; see --help\n", err_text);
    assert_int_equal(2, call("ca", "issue", "-t", NULL));
    assert_false(seen.ran);
}

static void bad_usage_is_status_2_and_runs_nothing(void **state)
{
    (void)state;
    assert_int_equal(2, call("ca", "issue", NULL)); // --id is required
    assert_string_equal("sallyport ca issue: --id ID is required\n", err_text);
    assert_int_equal(2, call("ca", "issue", "--id", NULL));
    assert_int_equal(
        2, call("ca", "issue", "--id", "--force", NULL)); // a forgotten value does not swallow the next option
    assert_string_equal("sallyport ca issue: --id needs a value (ID)\n", err_text);
    assert_int_equal(2, call("ca", "issue", "--id", "a", "--id", "b", NULL));
    assert_string_equal("sallyport ca issue: --id is given twice\n", err_text);
    assert_int_equal(2, call("ca", "issue", "--id=a", "--force=yes", NULL));
    assert_int_equal(2, call("ca", "issue", "--id=a", "1", "2", "3", NULL));
    assert_string_equal("sallyport ca issue: unexpected argument '3'; see --help\n", err_text);
    assert_false(seen.ran);
    assert_int_equal(2, call("ca", "issue", "--id=a", "--ttl", "24", NULL));
    assert_non_null(strstr(err_text, "24h, 15m or 7d"));
    assert_string_equal("", out_text);
}

static void unknown_command_says_what_was_meant(void **state)
{
    (void)state;
    assert_int_equal(2, call("cb", NULL));
    assert_string_equal("sallyport: unknown command 'cb'; did you mean 'ca'?\n", err_text);
    assert_int_equal(2, call("ca", "isue", NULL));
    assert_string_equal("sallyport ca: unknown command 'isue'; did you mean 'issue'?\n", err_text);
    assert_int_equal(2, call(NULL));
    assert_int_equal(2, call("ca", NULL));
    assert_int_equal(2, call("--frobnicate", NULL));
}

static void help_comes_from_the_table(void **state)
{
    (void)state;
    assert_int_equal(0, call("--help", NULL));
    assert_non_null(strstr(out_text, "ca           A CA."));
    assert_int_equal(0, call("help", "ca", NULL));
    assert_non_null(strstr(out_text, "issue        Issues."));
    assert_int_equal(0, call("ca", "issue", "--help", NULL));
    assert_false(seen.ran);
    for (const struct gw_cli_option *o = issue_options; o->name; o++) {
        assert_non_null(strstr(out_text, o->name));
        assert_non_null(strstr(out_text, o->help));
    }
    assert_string_equal("", err_text);
    assert_int_equal(0, call("--version", NULL));
    assert_string_equal("sallyport 1.2.3\n", out_text);
}

static void full_output_is_not_success(void **state)
{
    char *argv[] = { "sallyport", "ca", "issue", "--id=a" };
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    if (!full) {
        skip();
    }
    FILE *err = fmemopen(err_text, sizeof err_text - 1, "w");
    assert_int_equal(2, gw_cli_main("sallyport", "1", commands, 4, argv, full, err));
    fclose(full);
    fclose(err);
}

// ---- passphrases

static int passphrase_from(const char *content, unsigned mode, bool confirm, struct buf *out)
{
    char path[] = "/tmp/sallyport-passphrase-XXXXXX";
    struct gw_cli cli = { .path = "sallyport x", .out = stdout };
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    assert_int_equal(0, fchmod(fd, mode));
    close(fd);
    memset(err_text, 0, sizeof err_text);
    cli.err = fmemopen(err_text, sizeof err_text - 1, "w");
    int rc =
        gw_cli_passphrase(&cli, &(struct gw_passphrase_from){ .file = path, .prompt = "", .confirm = confirm }, out);
    fclose(cli.err);
    unlink(path);
    return rc;
}

static void passphrase_file_counts_to_the_end_of_the_first_line(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    assert_int_equal(0, passphrase_from("correct horse\nmore\n", 0600, true, &b));
    assert_true(span_eq(buf_span(&b), SPAN("correct horse")));
    buf_clear(&b);
    assert_int_equal(0, passphrase_from("correct horse\r\n", 0400, true, &b));
    assert_true(span_eq(buf_span(&b), SPAN("correct horse")));
    buf_wipe(&b);
}

static void bad_passphrase_files_are_refused_without_showing_them(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    assert_int_equal(2, passphrase_from("correct horse\n", 0644, false, &b)); // others may read it
    assert_non_null(strstr(err_text, "chmod 600"));
    assert_int_equal(2, passphrase_from("\nsecond line\n", 0600, false, &b));
    assert_int_equal(2, passphrase_from("", 0600, false, &b));
    assert_int_equal(2, passphrase_from("short\n", 0600, true, &b)); // too short for a new one
    assert_null(strstr(err_text, "short\n"));
    assert_int_equal(0, buf_len(&b));
    assert_int_equal(0, passphrase_from("short\n", 0600, false, &b)); // but whoever has one may use it
    char longer[GW_PASSPHRASE_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(2, passphrase_from(longer, 0600, false, &b));
    buf_wipe(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_in_both_spellings),
        cmocka_unit_test(unknown_option_says_what_was_meant),
        cmocka_unit_test(bad_usage_is_status_2_and_runs_nothing),
        cmocka_unit_test(unknown_command_says_what_was_meant),
        cmocka_unit_test(help_comes_from_the_table),
        cmocka_unit_test(full_output_is_not_success),
        cmocka_unit_test(passphrase_file_counts_to_the_end_of_the_first_line),
        cmocka_unit_test(bad_passphrase_files_are_refused_without_showing_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
