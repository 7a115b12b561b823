// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// The number behind `base` and a dot, or 0.
static uint32_t number_of(struct span name, struct span base)
{
    uint64_t v = 0;

    if (name.n <= base.n + 1 || !span_starts(name, base) || name.p[base.n] != '.')
        return 0;
    name = span_sub(name, base.n + 1, name.n);
    if (name.n < GW_AUDIT_DIGITS || (name.n > GW_AUDIT_DIGITS && name.p[0] == '0'))
        return 0;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9')
            return 0;
        v = v * 10 + (uint64_t)(name.p[i] - '0');
        if (v > GW_AUDIT_NUMBER_MAX)
            return 0;
    }
    return (uint32_t)v;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int collect(DIR *d, struct span base, struct gw_audit_numbers *out)
{
    size_t cap = 0;

    for (struct dirent *e; (errno = 0, e = readdir(d));) {
        uint32_t number = number_of(span_str(e->d_name), base);
        if (number == 0)
            continue;
        if (out->n == cap) {
            cap = cap ? cap * 2 : 16;
            uint32_t *more = realloc(out->v, cap * sizeof *more);
            if (!more)
                return -ENOMEM;
            out->v = more;
        }
        out->v[out->n++] = number;
    }
    return -errno;
}

int gw_audit_numbers(const char *path, struct gw_audit_numbers *out)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    struct gw_audit_numbers found = { 0 };
    DIR *d = folder ? opendir(folder) : NULL;
    int e = !folder ? -ENOMEM : d ? 0 : -errno;

    free(folder);
    if (e)
        return e;
    e = collect(d, span_str(slash ? slash + 1 : path), &found);
    closedir(d);
    if (e) {
        gw_audit_numbers_fini(&found);
        return e;
    }
    if (found.n)
        qsort(found.v, found.n, sizeof *found.v, by_number);
    *out = found;
    return 0;
}

void gw_audit_numbers_fini(struct gw_audit_numbers *n)
{
    free(n->v);
    *n = (struct gw_audit_numbers){ 0 };
}

char *gw_audit_file_name(const char *path, uint32_t number)
{
    char *name = NULL;

    if (number == 0)
        return strdup(path);
    return asprintf(&name, "%s.%0*u", path, GW_AUDIT_DIGITS, number) < 0 ? NULL : name;
}

// --------------------------------------------------------------------------------------------------- what a person means

// Takes `path` over. False: out of memory, and it is freed.
static bool add(struct gw_audit_list *l, char *path)
{
    char **more;

    if (!path)
        return false;
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->paths[i], path) == 0) {
            free(path);
            return true;
        }
    }
    more = realloc(l->paths, (l->n + 1) * sizeof *more);
    if (!more) {
        free(path);
        return false;
    }
    l->paths = more;
    l->paths[l->n++] = path;
    return true;
}

// Cuts a number of ours off. 0: it has none.
static uint32_t number_at_end(struct span path, struct span *base)
{
    size_t dot = path.n;

    while (dot > 0 && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
        dot--;
    if (dot < 2 || path.p[dot - 1] != '.')
        return 0;
    *base = span_sub(path, 0, dot - 1);
    return number_of(path, *base);
}

static bool add_with_rotated(struct gw_audit_list *l, const char *path)
{
    struct gw_audit_numbers numbers = { 0 };
    bool ok = true;

    // A folder that cannot be read is a complaint of whoever opens the file.
    if (strcmp(path, "-") != 0)
        (void)gw_audit_numbers(path, &numbers);
    for (size_t i = 0; ok && i < numbers.n; i++)
        ok = add(l, gw_audit_file_name(path, numbers.v[i]));
    gw_audit_numbers_fini(&numbers);
    return ok && add(l, strdup(path));
}

// Rotated files of the same log are put in order, since a shell sorts audit.log before audit.log.000001.
static void sort_rotated(struct gw_audit_list *l)
{
    for (size_t i = 1; i < l->n; i++) {
        for (size_t k = i; k > 0; k--) {
            struct span a = SPAN_NONE, b = SPAN_NONE;
            uint32_t x = number_at_end(span_str(l->paths[k - 1]), &a), y = number_at_end(span_str(l->paths[k]), &b);
            if (x == 0 || y == 0 || !span_eq(a, b) || x <= y)
                break;
            char *swap = l->paths[k];
            l->paths[k] = l->paths[k - 1];
            l->paths[k - 1] = swap;
        }
    }
}

int gw_audit_list(const char *const *paths, size_t n, struct gw_audit_list *out)
{
    struct gw_audit_list l = { 0 };
    bool ok = true;

    // Those with a number first: they are the older ones of whatever else is named.
    for (int current = 0; current < 2; current++) {
        for (size_t i = 0; ok && i < n; i++) {
            struct span base;
            bool rotated = number_at_end(span_str(paths[i]), &base) != 0;
            if (rotated == (current != 0))
                continue;
            ok = rotated ? add(&l, strdup(paths[i])) : add_with_rotated(&l, paths[i]);
        }
        if (current == 0)
            sort_rotated(&l);
    }
    if (!ok) {
        gw_audit_list_fini(&l);
        return -ENOMEM;
    }
    *out = l;
    return 0;
}

void gw_audit_list_fini(struct gw_audit_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->paths[i]);
    free(l->paths);
    *l = (struct gw_audit_list){ 0 };
}
