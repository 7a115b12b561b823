// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Nobody listens there any more.
static bool is_left_behind(const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(a->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool dead = s >= 0 && connect(s, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
    if (s >= 0)
        close(s);
    return dead;
}

int gw_unix_bind(const char *path, int *fd, const char **what)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path) {
        *what = "is too long for a socket";
        return -ENAMETOOLONG;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (is_left_behind(&a))
        unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0177);
    int rc = s >= 0 && bind(s, (const struct sockaddr *)&a, sizeof a) == 0 ? 0 : -errno;
    umask(mask);
    if (rc != 0) {
        *what = rc == -EADDRINUSE ? "is in use by another process, or is no socket" : strerror(-rc);
        if (s >= 0)
            close(s);
        return rc;
    }
    *fd = s;
    return 0;
}

bool gw_unix_peer_is(int fd, unsigned uid)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && n == sizeof peer && peer.uid == uid;
}
