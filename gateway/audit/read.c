// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/read.h"

#include <errno.h>

enum {
    CHUNK = 64 * 1024,
    DEPTH = 200, // a record holds values of policies, which nest on their own
};

void gw_audit_reader_init(struct gw_audit_reader *r, char *const *paths, size_t n)
{
    *r = (struct gw_audit_reader){ .paths = paths, .n = n, .line_max = GW_AUDIT_LINE_MAX };
    buf_init(&r->in, 0);
}

void gw_audit_reader_of(struct gw_audit_reader *r, FILE *f, const char *name)
{
    gw_audit_reader_init(r, NULL, 0);
    r->f = f;
    r->file = name;
}

static void forget(struct gw_audit_reader *r)
{
    json_free(r->doc);
    r->doc = NULL;
    buf_consume(&r->in, r->taken);
    r->taken = 0;
}

static void close_file(struct gw_audit_reader *r)
{
    // Without paths it is somebody else's.
    if (r->f && r->f != stdin && r->paths)
        fclose(r->f);
    r->f = NULL;
}

static enum gw_audit_read fault(struct gw_audit_reader *r, const char *what)
{
    close_file(r);
    r->next = r->n;
    r->what = what;
    return GW_AUDIT_FAULT;
}

// The next file. False: there is none, or it cannot be opened (`what`).
static bool open_next(struct gw_audit_reader *r)
{
    r->file = r->paths[r->next++];
    r->f = strcmp(r->file, "-") == 0 ? stdin : fopen(r->file, "re");
    r->number = 0;
    r->eof = false;
    buf_clear(&r->in);
    return r->f != NULL;
}

static const char *fill(struct gw_audit_reader *r)
{
    char *room = buf_reserve(&r->in, CHUNK);
    size_t n;

    if (!room)
        return "out of memory";
    errno = 0;
    n = fread(room, 1, CHUNK, r->f);
    if (n < CHUNK && ferror(r->f))
        return strerror(errno ? errno : EIO);
    buf_commit(&r->in, n);
    r->eof = n < CHUNK;
    return NULL;
}

static enum gw_audit_read give(struct gw_audit_reader *r, size_t n, bool whole)
{
    r->line = span_of(buf_span(&r->in).p, n);
    r->whole = whole;
    r->taken = n + whole;
    r->first = r->number++ == 0;
    return GW_AUDIT_LINE;
}

enum gw_audit_read gw_audit_reader_next(struct gw_audit_reader *r)
{
    size_t looked = 0;

    forget(r);
    for (;;) {
        if (!r->f) {
            if (r->next >= r->n)
                return GW_AUDIT_END;
            if (!open_next(r))
                return fault(r, strerror(errno));
        }
        struct span have = buf_span(&r->in);
        const char *end = looked < have.n ? memchr(have.p + looked, '\n', have.n - looked) : NULL;
        if (end)
            return give(r, (size_t)(end - have.p), true);
        looked = have.n;
        if (looked > r->line_max)
            return fault(r, "a line is too long to be a record");
        if (!r->eof) {
            const char *what = fill(r);
            if (what)
                return fault(r, what);
            continue;
        }
        close_file(r);
        if (have.n)
            return give(r, have.n, false);
        looked = 0;
    }
}

json gw_audit_reader_json(struct gw_audit_reader *r, struct json_error *error)
{
    struct json_limits limits = { .bytes = GW_AUDIT_LINE_MAX + 1, .depth = DEPTH, .nul_names = true };

    if (!r->doc)
        r->doc = json_parse(r->line, &limits, error);
    if (r->doc && json_type(json_root(r->doc)) != JSON_OBJECT) {
        if (error)
            *error = (struct json_error){ .what = "no object", .line = 1, .column = 1 };
        return NULL;
    }
    return r->doc ? json_root(r->doc) : NULL;
}

void gw_audit_reader_fini(struct gw_audit_reader *r)
{
    forget(r);
    close_file(r);
    buf_fini(&r->in);
}
