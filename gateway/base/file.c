// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(const char *path, size_t max, struct buf *out)
{
    size_t before = buf_len(out), got = 0;
    struct stat st;
    // Not to hang on a FIFO that somebody put there; regular files do not care.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), e = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        e = -errno;
    else if (S_ISDIR(st.st_mode))
        e = -EISDIR;
    else if (!S_ISREG(st.st_mode))
        e = -EINVAL;
    else if ((uint64_t)st.st_size > max)
        e = -EFBIG;
    while (!e) {
        size_t want = got == 0 && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
        char *at = buf_reserve(out, want);
        ssize_t n = at ? read(fd, at, want) : 0;
        if (!at)
            e = -ENOMEM;
        else if (n < 0 && errno != EINTR)
            e = -errno;
        else if (n == 0)
            break;
        else if (n > 0 && (size_t)n > max - got)
            e = -EFBIG;
        else if (n > 0) {
            buf_commit(out, (size_t)n);
            got += (size_t)n;
        }
    }
    close(fd);
    if (e)
        out->end = out->start + before;
    return e;
}

static int write_all(int fd, struct span s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            s = span_sub(s, (size_t)n, s.n);
    }
    return 0;
}

// The rename is durable only once the folder is.
static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    char *folder = slash ? strndup(path, n ? n : 1) : strdup(".");
    int e = 0, fd;

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

int file_write(const char *path, struct span content, unsigned mode)
{
    char *temporary;
    int fd, e;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        e = -errno;
        free(temporary);
        return e;
    }
    e = write_all(fd, content);
    if (!e && fchmod(fd, (mode_t)mode) < 0)
        e = -errno;
    if (!e && fsync(fd) < 0)
        e = -errno;
    if (close(fd) < 0 && !e)
        e = -errno;
    if (!e && rename(temporary, path) < 0)
        e = -errno;
    if (e)
        unlink(temporary);
    else
        e = sync_folder_of(path);
    free(temporary);
    return e;
}
