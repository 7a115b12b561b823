// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/policy_archive.h"

#include "gateway/base/err.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK 512u

// A header block: fields and the number of their bytes.
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

// ---------------------------------------------------------------------------------------------------------- names

bool gw_archive_is_name(struct span name)
{
    if (name.n == 0 || name.n > 255)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 0x20 || name.p[i] > 0x7e || name.p[i] == '\\')
            return false;
    for (struct span rest = name; !span_is_none(rest);) {
        struct span segment = span_cut(&rest, '/');
        if (segment.n == 0 || span_eq(segment, SPAN(".")) || span_eq(segment, SPAN("..")))
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return span_cmp((*(const struct gw_archive_member *const *)a)->name,
                    (*(const struct gw_archive_member *const *)b)->name);
}

const struct gw_archive_member *gw_archive_find(const struct gw_archive *a, struct span name)
{
    const struct gw_archive_member wanted = { .name = name }, *key = &wanted, **found = NULL;
    if (a->n > 0)
        found = bsearch(&key, a->by_name, a->n, sizeof *a->by_name, by_name);
    return found ? *found : NULL;
}

// NULL, or what is wrong with them together.
static const char *together(struct gw_archive *a, struct arena *arena)
{
    a->by_name = arena_array(arena, a->n + 1, sizeof *a->by_name);
    if (!a->by_name)
        return NULL; // the arena is marked
    for (size_t i = 0; i < a->n; i++)
        a->by_name[i] = &a->v[i];
    qsort(a->by_name, a->n, sizeof *a->by_name, by_name);
    for (size_t i = 1; i < a->n; i++)
        if (span_eq(a->by_name[i - 1]->name, a->by_name[i]->name))
            return "two members have the same name";
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 1; k < a->v[i].name.n; k++)
            if (a->v[i].name.p[k] == '/' && gw_archive_find(a, span_sub(a->v[i].name, 0, k)))
                return "a member has the name of another one's folder";
    return NULL;
}

// -------------------------------------------------------------------------------------------------------- reading

static bool zeros(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

// A text that fills its field or has nothing but NUL behind it.
static bool field_text(const char *field, size_t cap, struct span *out)
{
    size_t n = strnlen(field, cap);
    *out = span_of(field, n);
    return zeros(field + n, cap - n);
}

// Octal digits, then NUL or spaces to the end of the field, at least one of them.
static bool field_number(const char *field, size_t cap, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < cap && field[i] >= '0' && field[i] <= '7'; i++)
        v = v * 8 + (uint64_t)(field[i] - '0'); // at most 12 digits: 36 bits
    if (i == 0 || i == cap)
        return false;
    for (; i < cap; i++)
        if (field[i] != 0 && field[i] != ' ')
            return false;
    *out = v;
    return true;
}

// Of the header's bytes, with the checksum's own taken as spaces.
static uint64_t sum(const struct header *h)
{
    const unsigned char *p = (const unsigned char *)h;
    uint64_t s = 0;
    for (size_t i = 0; i < BLOCK; i++)
        s += i >= offsetof(struct header, checksum) && i < offsetof(struct header, type) ? ' ' : p[i];
    return s;
}

#define NUMBER(h, field, out) field_number((h)->field, sizeof(h)->field, out)
#define TEXT(h, field, out) field_text((h)->field, sizeof(h)->field, out)

// NULL, or what is wrong. `*name` is in the bytes, or in `arena` when it has two parts.
static const char *read_header(const struct header *h, struct arena *arena, struct span *name, uint64_t *size)
{
    uint64_t checksum, ignored;
    struct span tail, prefix, link;
    if (memcmp(h->magic, "ustar\0", 6) != 0 || memcmp(h->version, "00", 2) != 0)
        return "not a header of a tar archive (ustar)";
    if (!NUMBER(h, checksum, &checksum) || checksum != sum(h))
        return "the checksum of a header is wrong";
    if (h->type != '0')
        return "a member is not a regular file";
    if (!NUMBER(h, mode, &ignored) || !NUMBER(h, uid, &ignored) || !NUMBER(h, gid, &ignored) ||
        !NUMBER(h, mtime, &ignored) || !NUMBER(h, size, size))
        return "a number of a header is not octal";
    bool no_device = (zeros(h->major, sizeof h->major) || (NUMBER(h, major, &ignored) && ignored == 0)) &&
                     (zeros(h->minor, sizeof h->minor) || (NUMBER(h, minor, &ignored) && ignored == 0));
    if (!TEXT(h, link, &link) || link.n > 0 || !no_device || !zeros(h->rest, sizeof h->rest))
        return "a header says more than a regular file has";
    if (!TEXT(h, name, &tail) || !TEXT(h, prefix, &prefix))
        return "there are bytes behind the end of a name";
    *name = prefix.n ? arena_printf(arena, "%.*s/%.*s", SPAN_FMT(prefix), SPAN_FMT(tail)) : tail;
    if (!span_is_none(*name) && !gw_archive_is_name(*name))
        return "a member's name is not a relative path in printable ASCII without '..'";
    return *size > GW_ARCHIVE_MEMBER_MAX ? "a member is too large" : NULL;
}

static const char *read_members(struct span bytes, struct arena *arena, struct gw_archive *a, size_t *at)
{
    uint64_t total = 0, size = 0;
    for (;;) {
        if (bytes.n - *at < 2 * BLOCK)
            return "it ends before its two empty blocks";
        const struct header *h = (const void *)(bytes.p + *at); // of chars only: no alignment to mind
        if (zeros(bytes.p + *at, BLOCK))
            break;
        if (a->n == GW_ARCHIVE_MEMBERS_MAX)
            return "too many members";
        struct span name;
        const char *what = read_header(h, arena, &name, &size);
        if (what)
            return what;
        if (size > bytes.n - *at - BLOCK)
            return "a member is longer than the archive";
        total += size;
        if (total > GW_ARCHIVE_CONTENT_MAX)
            return "the members are too large together";
        a->v[a->n++] = (struct gw_archive_member){ name, span_of(bytes.p + *at + BLOCK, (size_t)size) };
        size_t end = *at + BLOCK + (size_t)size, next = (end + BLOCK - 1) / BLOCK * BLOCK;
        if (next > bytes.n)
            return "it ends in the middle of a block";
        if (!zeros(bytes.p + end, next - end))
            return "there are bytes behind the end of a member";
        *at = next;
    }
    return zeros(bytes.p + *at, bytes.n - *at) ? NULL : "there are bytes behind the archive's end";
}

int gw_archive_read(struct span bytes, struct arena *arena, struct gw_archive *out, struct gw_archive_fault *fault)
{
    struct gw_archive a = { .n = 0 };
    size_t at = 0, headers = bytes.n / BLOCK < GW_ARCHIVE_MEMBERS_MAX ? bytes.n / BLOCK : GW_ARCHIVE_MEMBERS_MAX;
    const char *what = NULL;
    if (bytes.n > GW_ARCHIVE_MAX)
        what = "it is too large";
    else if (bytes.n % BLOCK)
        what = "its size is not a multiple of 512 bytes; it was cut off, or is compressed";
    if (!what && !(a.v = arena_array(arena, headers + 1, sizeof *a.v)))
        return ERR_NOMEM;
    what = what ? what : read_members(bytes, arena, &a, &at);
    what = what || arena->failed ? what : together(&a, arena);
    if (arena->failed)
        return ERR_NOMEM;
    if (what) {
        *fault = (struct gw_archive_fault){ what, at };
        return ERR_CONFIG;
    }
    *out = a;
    return 0;
}

// -------------------------------------------------------------------------------------------------------- writing

// The last '/' that leaves at most 100 bytes behind it and 155 before it; 0 when the name needs none; SIZE_MAX: there is none.
static size_t split(struct span name)
{
    if (name.n <= sizeof((struct header *)0)->name)
        return 0;
    for (size_t i = name.n - 1; i > 0; i--)
        if (name.p[i] == '/' && i <= sizeof((struct header *)0)->prefix)
            return name.n - i - 1 <= sizeof((struct header *)0)->name ? i : SIZE_MAX;
    return SIZE_MAX;
}

static void put_number(char *field, size_t cap, uint64_t v)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%0*llo", (int)cap - 1, (unsigned long long)v);
    memcpy(field, digits, cap); // with its NUL
}

static void make_header(struct header *h, const struct gw_archive_member *m, int64_t mtime_s)
{
    size_t cut = split(m->name);
    struct span tail = cut ? span_sub(m->name, cut + 1, m->name.n) : m->name;
    *h = (struct header){ .type = '0', .magic = "ustar", .version = { '0', '0' } };
    memcpy(h->name, tail.p, tail.n);
    memcpy(h->prefix, m->name.p, cut);
    put_number(h->mode, sizeof h->mode, 0644);
    put_number(h->uid, sizeof h->uid, 0);
    put_number(h->gid, sizeof h->gid, 0);
    put_number(h->size, sizeof h->size, m->content.n);
    put_number(h->mtime, sizeof h->mtime, (uint64_t)mtime_s);
    put_number(h->major, sizeof h->major, 0);
    put_number(h->minor, sizeof h->minor, 0);
    put_number(h->checksum, sizeof h->checksum - 1, sum(h));
    h->checksum[sizeof h->checksum - 1] = ' ';
}

static bool padded(struct buf *out, struct span s)
{
    static const char empty[BLOCK];
    return buf_append(out, s) && buf_append(out, span_of(empty, (BLOCK - s.n % BLOCK) % BLOCK));
}

int gw_archive_write(const struct gw_archive_member *v, size_t n, int64_t mtime_s, struct buf *out, size_t *bad)
{
    static const char end[2 * BLOCK];
    uint64_t total = 0;
    assert(mtime_s >= 0 && mtime_s < (1LL << 33));
    for (size_t i = 0; i < n; i++) {
        total += v[i].content.n;
        if (i >= GW_ARCHIVE_MEMBERS_MAX || !gw_archive_is_name(v[i].name) || split(v[i].name) == SIZE_MAX ||
            v[i].content.n > GW_ARCHIVE_MEMBER_MAX || total > GW_ARCHIVE_CONTENT_MAX) {
            if (bad)
                *bad = i;
            return ERR_CONFIG;
        }
    }
    size_t before = buf_len(out);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        struct header h;
        make_header(&h, &v[i], mtime_s);
        ok = buf_append(out, span_of(&h, sizeof h)) && padded(out, v[i].content);
    }
    if (ok && buf_append(out, span_of(end, sizeof end)))
        return 0;
    out->end = out->start + before;
    return ERR_NOMEM;
}
