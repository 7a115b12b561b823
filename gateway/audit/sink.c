// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_folder_of(const char *path)
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
    char last;

    if (fstat(s->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    s->size = (uint64_t)st.st_size;
    if (s->size && pread(s->fd, &last, 1, st.st_size - 1) != 1)
        return -EIO;
    s->torn = s->size && last != '\n';
    return created ? sync_folder_of(path) : 0;
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

void gw_sink_close(struct gw_sink *s)
{
    close(s->fd);
    s->fd = -1;
}

static int write_some(struct gw_sink *s, const struct iovec *pieces, int n, size_t *written)
{
    ssize_t out;

    do
        out = writev(s->fd, pieces, n);
    while (out < 0 && errno == EINTR);
    if (out <= 0)
        return out < 0 ? -errno : -EIO;
    s->size += (size_t)out;
    *written = (size_t)out;
    return 0;
}

int gw_sink_write(struct gw_sink *s, const struct iovec *pieces, int n, size_t *written)
{
    struct iovec left[2];
    size_t some, total = 0;
    int e = 0, first = 0;

    if (s->torn) {
        e = write_some(s, &(struct iovec){ (char[]){ '\n' }, 1 }, 1, &some);
        if (e) {
            *written = 0;
            return e;
        }
        s->torn = false;
    }
    for (int i = 0; i < n; i++)
        left[i] = pieces[i];
    while (first < n && !e) {
        e = write_some(s, left + first, n - first, &some);
        if (e)
            break;
        total += some;
        for (; first < n && some >= left[first].iov_len; first++)
            some -= left[first].iov_len;
        if (some) {
            left[first].iov_base = (char *)left[first].iov_base + some;
            left[first].iov_len -= some;
        }
    }
    *written = total;
    return e;
}

bool gw_sink_cut(struct gw_sink *s, uint64_t n)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0 || (uint64_t)st.st_size != s->size || n > s->size)
        return false;
    if (ftruncate(s->fd, (off_t)(s->size - n)) < 0)
        return false;
    s->size -= n;
    return true;
}

int gw_sink_sync(struct gw_sink *s)
{
    return fdatasync(s->fd) < 0 ? -errno : 0;
}
