// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/passphrase.h"
#include "gateway/base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

// Reads up to a newline or the end. False on errors, an empty line, or one over the bound.
static bool read_line(int fd, struct buf *line)
{
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);
        if (n < 0) {
            return false;
        }
        if (n == 0 || c == '\n') {
            break;
        }
        if (buf_len(line) >= GW_PASSPHRASE_MAX || !buf_byte(line, c)) {
            errno = EFBIG;
            return false;
        }
    }
    // A file written on another system: the CR is no part of what was meant.
    if (buf_len(line) > 0 && line->base[line->end - 1] == '\r') {
        line->end--;
    }
    errno = 0;
    return buf_len(line) > 0;
}

// Its owner alone reads it; or, where somebody else mounts it for us (a Secret in a pod: root's, for the pod's group), our group.
static bool others_read(const struct stat *st)
{
    bool mounted = st->st_uid == 0 && geteuid() != 0 && st->st_gid == getegid();
    return S_ISREG(st->st_mode) && (st->st_mode & (mounted ? 037u : 077u)) != 0;
}

static int from_file(struct gw_cli *cli, const char *path, struct buf *line)
{
    struct stat st;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = gw_cli_usage(cli, "cannot read the passphrase file %s: %s", path, strerror(errno));
    } else if (others_read(&st)) {
        rc = gw_cli_usage(cli, "others may read the passphrase file %s; run: chmod 600 %s", path, path);
    } else if (!read_line(fd, line)) {
        rc = gw_cli_usage(cli, "passphrase file %s: %s", path, errno ? strerror(errno) : "the first line is empty");
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static bool ask(int tty, const char *prompt, struct buf *line)
{
    struct termios before, quiet;
    sigset_t hold, old;
    if (tcgetattr(tty, &before) != 0 || write(tty, prompt, strlen(prompt)) < 0) {
        return false;
    }
    // Ctrl-C waits until the echo is back: a killed prompt must not leave a terminal that shows nothing.
    sigemptyset(&hold);
    sigaddset(&hold, SIGINT);
    sigaddset(&hold, SIGTSTP);
    sigaddset(&hold, SIGQUIT);
    sigprocmask(SIG_BLOCK, &hold, &old);
    quiet = before;
    quiet.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
    quiet.c_lflag |= ECHONL;
    tcsetattr(tty, TCSAFLUSH, &quiet);
    bool ok = read_line(tty, line);
    tcsetattr(tty, TCSAFLUSH, &before);
    sigprocmask(SIG_SETMASK, &old, NULL);
    // With ISIG off the interrupt character arrives as a byte.
    if (ok && memchr(buf_span(line).p, before.c_cc[VINTR], buf_len(line))) {
        errno = EINTR;
        ok = false;
    }
    return ok;
}

static int from_terminal(struct gw_cli *cli, const struct gw_passphrase_from *from, struct buf *line)
{
    int rc = 0, tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct buf again;
    buf_init(&again, 0);
    if (tty < 0) {
        rc = gw_cli_usage(cli,
                          "a passphrase is needed and there is no terminal to ask on; use --passphrase-file FILE%s%s",
                          from->env ? " or set " : "", from->env ? from->env : "");
    } else if (!ask(tty, from->prompt, line)) {
        rc = gw_cli_usage(cli, "no passphrase was entered");
    } else if (from->confirm && (!ask(tty, "Once more: ", &again) || !secret_eq(buf_span(line), buf_span(&again)))) {
        rc = gw_cli_usage(cli, "the two entries differ");
    }
    buf_wipe(&again);
    if (tty >= 0) {
        close(tty);
    }
    return rc;
}

int gw_cli_passphrase(struct gw_cli *cli, const struct gw_passphrase_from *from, struct buf *out)
{
    const char *path = from->file;
    if (!path && from->env) {
        path = getenv(from->env);
    }
    struct buf line;
    buf_init(&line, 0);
    // One allocation: growing would leave copies behind.
    int rc = buf_reserve(&line, GW_PASSPHRASE_MAX + 1) ? 0 : gw_cli_usage(cli, "out of memory");
    if (!rc) {
        rc = path && *path ? from_file(cli, path, &line) : from_terminal(cli, from, &line);
    }
    if (!rc && from->confirm && buf_len(&line) < GW_PASSPHRASE_MIN) {
        rc = gw_cli_usage(cli, "the passphrase is shorter than %d characters", GW_PASSPHRASE_MIN);
    }
    if (!rc && !buf_append(out, buf_span(&line))) {
        rc = gw_cli_usage(cli, "out of memory");
    }
    buf_wipe(&line);
    return rc;
}
