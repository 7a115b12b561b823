// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int gw_sink_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    char *folder = slash ? strndup(path, n ? n : 1) : strdup(".");
    int fd, e = 0;

    if (!folder)
        return -ENOMEM;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0 && errno != EINVAL)
        e = -errno;
    close(fd);
    return e;
}

static int look(struct gw_sink *s, bool created, const char *path)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    s->size = (uint64_t)st.st_size;
    return created ? gw_sink_sync_folder(path) : 0;
}

int gw_sink_open(struct gw_sink *s, const char *path)
{
    struct gw_sink opened = { 0 };
    bool created = false;
    int e;

    // Not to hang on a FIFO that stands in its place.
    opened.fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK);
    if (opened.fd < 0 && errno == ENOENT) {
        opened.fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_CREAT, 0600);
        created = true;
    }
    if (opened.fd < 0)
        return -errno;
    e = look(&opened, created, path);
    if (e) {
        close(opened.fd);
        return e;
    }
    *s = opened;
    return 0;
}

void gw_sink_stream(struct gw_sink *s, int fd, int wait_ms)
{
    *s = (struct gw_sink){ .fd = fd, .stream = true, .wait_ms = wait_ms };
}

void gw_sink_close(struct gw_sink *s)
{
    if (!s->stream)
        close(s->fd);
    s->fd = -1;
}

// Nobody reads the other end: a write would hang for as long. A pipe that is writable takes PIPE_BUF at once.
static bool await_room(const struct gw_sink *s)
{
    struct pollfd on = { .fd = s->fd, .events = POLLOUT };
    int n;

    do
        n = poll(&on, 1, s->wait_ms);
    while (n < 0 && errno == EINTR);
    return n != 0;
}

int gw_sink_write(struct gw_sink *s, struct span text, size_t *written)
{
    *written = 0;
    while (*written < text.n) {
        size_t n = text.n - *written;
        if (s->stream && n > PIPE_BUF)
            n = PIPE_BUF;
        if (s->stream && !await_room(s))
            return -EAGAIN;
        ssize_t out = write(s->fd, text.p + *written, n);
        if (out < 0 && errno == EINTR)
            continue;
        if (out <= 0)
            return out < 0 ? -errno : -EIO;
        s->size += (size_t)out;
        *written += (size_t)out;
    }
    return 0;
}

bool gw_sink_cut(struct gw_sink *s, uint64_t n)
{
    struct stat st;

    if (s->stream || fstat(s->fd, &st) < 0 || (uint64_t)st.st_size != s->size || n > s->size)
        return false;
    if (ftruncate(s->fd, (off_t)(s->size - n)) < 0)
        return false;
    s->size -= n;
    return true;
}

int gw_sink_sync(struct gw_sink *s)
{
    return !s->stream && fdatasync(s->fd) < 0 ? -errno : 0;
}

bool gw_sink_is(const struct gw_sink *s, const char *path)
{
    struct stat ours, theirs;

    return fstat(s->fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}
