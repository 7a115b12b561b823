// SPDX-License-Identifier: GPL-3.0-or-later
// Commands run as main() runs them, on streams of memory, in a folder of the test's own (which is the working directory until
// cmd_fini): `cmd_run("token keygen --out k.pem --no-passphrase")`. Words are split at spaces; '…' holds one together.
#ifndef SALLYPORT_TESTS_CMD_RUN_H
#define SALLYPORT_TESTS_CMD_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/cli/cli.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct gw_cli_command gw_cmd_apikey, gw_cmd_audit, gw_cmd_check, gw_cmd_explain, gw_cmd_policy,
    gw_cmd_report, gw_cmd_token, gw_cmd_verify;

static struct {
    char dir[64], before[4096];
    char *out, *err; // of the last command
} cmd;

static inline int cmd_init(void **state)
{
    (void)state;
    assert_non_null(getcwd(cmd.before, sizeof cmd.before));
    snprintf(cmd.dir, sizeof cmd.dir, "/tmp/sallyport-cmd-XXXXXX");
    assert_non_null(mkdtemp(cmd.dir));
    assert_int_equal(0, chdir(cmd.dir));
    unsetenv("SALLYPORT_PASSPHRASE_FILE");
    return 0;
}

static inline int cmd_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int cmd_fini(void **state)
{
    (void)state;
    free(cmd.out);
    free(cmd.err);
    cmd.out = cmd.err = NULL;
    assert_int_equal(0, chdir(cmd.before));
    return nftw(cmd.dir, cmd_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int cmd_run(const char *fmt, ...)
{
    static const struct gw_cli_command *const commands[] = { &gw_cmd_apikey,  &gw_cmd_audit,  &gw_cmd_check,
                                                             &gw_cmd_explain, &gw_cmd_policy, &gw_cmd_report,
                                                             &gw_cmd_token,   &gw_cmd_verify, NULL };
    char *line, *argv[64] = { "sallyport" };
    int argc = 1, n;
    size_t out_n, err_n;
    va_list ap;

    va_start(ap, fmt);
    n = vasprintf(&line, fmt, ap);
    va_end(ap);
    assert_true(n >= 0);
    for (char *p = line; *p;) {
        char end = *p == '\'' ? '\'' : ' ';
        p += end == '\'';
        assert_true(argc < 63);
        argv[argc++] = p;
        while (*p && *p != end)
            p++;
        while (*p == end || *p == ' ')
            *p++ = 0;
    }
    free(cmd.out);
    free(cmd.err);
    FILE *out = open_memstream(&cmd.out, &out_n), *err = open_memstream(&cmd.err, &err_n);
    int rc = gw_cli_main("sallyport", "1.2.3", commands, argc, argv, out, err);
    fclose(out);
    fclose(err);
    free(line);
    return rc;
}

// Fails with all that the command said.
#define cmd_expect(status, ...)                                                         \
    do {                                                                                \
        int got_ = cmd_run(__VA_ARGS__);                                                \
        if (got_ != (status))                                                           \
            fail_msg("exit status %d, not %d\n%s%s", got_, (status), cmd.out, cmd.err); \
    } while (0)
#define cmd_says(text)                                                      \
    do {                                                                    \
        if (!strstr(cmd.out, (text)))                                       \
            fail_msg("does not say '%s':\n%s%s", (text), cmd.out, cmd.err); \
    } while (0)
#define cmd_complains(text)                                                      \
    do {                                                                         \
        if (!strstr(cmd.err, (text)))                                            \
            fail_msg("does not complain '%s':\n%s%s", (text), cmd.out, cmd.err); \
    } while (0)
#define cmd_keeps_quiet_of(text) assert_null(strstr(cmd.out, (text))), assert_null(strstr(cmd.err, (text)))

static inline void cmd_put(const char *path, const char *text, mode_t mode)
{
    assert_int_equal(0, file_write(path, span_str(text), mode));
}

// NUL-terminated, malloc'ed.
static inline char *cmd_get(const char *path)
{
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(0, file_read(path, 1u << 20, &b));
    assert_true(buf_byte(&b, 0));
    char *text = strdup(buf_span(&b).p);
    buf_fini(&b);
    return text;
}

static inline void cmd_keep_output(const char *path)
{
    cmd_put(path, cmd.out, 0600);
}

// The standard input of what follows.
static inline void cmd_stdin(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    close(fd);
}

#endif
