// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/last_good.h"

#include "gateway/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX SPAN("bundle-")
#define ARCHIVE SPAN(".tar")
#define SIGNATURE SPAN(".tar.sig")

static bool version_of(struct span name, struct span suffix, uint64_t *out)
{
    return span_starts(name, PREFIX) && span_ends(name, suffix) && name.n > PREFIX.n + suffix.n &&
           span_to_u64(span_sub(name, PREFIX.n, name.n - suffix.n), out) && *out > 0;
}

static int paths(const char *folder, uint64_t version, struct gw_last_good *out)
{
    int n = snprintf(out->archive, sizeof out->archive, "%s/bundle-%llu.tar", folder, (unsigned long long)version);
    int m = snprintf(out->signature, sizeof out->signature, "%s.sig", out->archive);
    return n < 0 || m < 0 || (size_t)n >= sizeof out->archive || (size_t)m >= sizeof out->signature ? -ENAMETOOLONG : 0;
}

int gw_last_good_look(const char *folder, struct gw_last_good *out)
{
    struct dirent *e;
    uint64_t newest = 0, v;
    DIR *d = opendir(folder);
    if (!d && errno != ENOENT)
        return -errno;
    errno = 0;
    while (d && (e = readdir(d)))
        if (version_of(span_str(e->d_name), ARCHIVE, &v) && v > newest)
            newest = v;
    int rc = d ? -errno : 0;
    if (d)
        closedir(d);
    if (rc == 0 && newest > 0)
        rc = paths(folder, newest, out);
    if (rc == 0)
        out->version = newest;
    return rc;
}

static bool holds(const char *path, struct span content)
{
    struct buf b;
    buf_init(&b, 0);
    bool same = file_read(path, content.n, &b) == 0 && span_eq(buf_span(&b), content);
    buf_fini(&b);
    return same;
}

// Older versions, signatures without an archive, and what a crash left half written.
static void sweep(const char *folder, uint64_t version)
{
    struct dirent *e;
    uint64_t v;
    DIR *d = opendir(folder);
    while (d && (e = readdir(d))) {
        struct span name = span_str(e->d_name);
        bool named = version_of(name, ARCHIVE, &v) || version_of(name, SIGNATURE, &v);
        if (span_starts(name, PREFIX) && (!named || v != version))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

int gw_last_good_keep(const char *folder, const struct gw_policy_bundle *b)
{
    struct gw_last_good at;
    int rc = mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -errno;
    rc = rc == 0 ? paths(folder, b->manifest.version, &at) : rc;
    if (rc == 0 && !holds(at.signature, buf_span(&b->signature)))
        rc = file_write(at.signature, buf_span(&b->signature), 0600);
    if (rc == 0 && !holds(at.archive, buf_span(&b->archive)))
        rc = file_write(at.archive, buf_span(&b->archive), 0600);
    if (rc == 0)
        sweep(folder, b->manifest.version);
    return rc;
}
