// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/cedar_cases.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/file.h"

#define FILE_MAX (16u << 20)

static const char *vectors(void)
{
    const char *dir = getenv("SALLYPORT_VECTORS");

    return dir ? dir : "../shared/vectors";
}

bool cedar_read(struct buf *b, const char *root, struct span path)
{
    char full[4096];

    snprintf(full, sizeof full, "%s/%.*s", root, SPAN_FMT(path));
    return file_read(full, FILE_MAX, b) == 0;
}

static void each_of(const char *root, const char *sub, cedar_case one, void *ctx)
{
    char path[4096], file[4096];
    struct dirent *e;

    snprintf(path, sizeof path, "%s/%s", root, sub);
    DIR *dir = opendir(path);
    assert(dir);
    while ((e = readdir(dir))) {
        struct span name = span_str(e->d_name);

        if (!span_ends(name, SPAN(".json")) || span_ends(name, SPAN(".entities.json")))
            continue;
        snprintf(file, sizeof file, "%s/%s", sub, e->d_name);
        one(ctx, root, file);
    }
    closedir(dir);
}

bool cedar_hand_written(cedar_case one, void *ctx)
{
    static const char *const folders[] = { "tests/example_use_cases", "tests/multi", "tests/ip", "tests/decimal" };
    char root[4096];

    snprintf(root, sizeof root, "%s/cedar", vectors());
    if (access(root, R_OK) != 0)
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        each_of(root, folders[i], one, ctx);
    return true;
}

static void run(const char *command)
{
    int status = system(command);

    assert(status == 0);
    (void)status;
}

bool cedar_machine_made(cedar_case one, void *ctx)
{
    char archive[4096], dir[] = "/tmp/sallyport-cedar-XXXXXX", command[8300];

    snprintf(archive, sizeof archive, "%s/cedar/corpus.tar.xz", vectors());
    if (access(archive, R_OK) != 0)
        return false;
    bool made = mkdtemp(dir);
    assert(made);
    (void)made;
    snprintf(command, sizeof command, "tar -xJf '%s' -C '%s'", archive, dir);
    run(command);
    each_of(dir, "corpus-tests", one, ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    run(command);
    return true;
}
