// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/file.h"
#include "gateway/config/schema.h"

enum { FILE_MOST = 4 * 1024 * 1024 };

static struct span folder_of(struct span file)
{
    size_t n = file.n;

    while (n && file.p[n - 1] != '/')
        n--;
    return span_sub(file, 0, n);
}

// Reads into `c`, whose arena stands.
static int fill(struct gw_config *c, struct span text, struct diags *diags)
{
    struct gw_reader r = { .arena = &c->arena, .diags = diags, .file = c->file, .folder = folder_of(c->file) };
    size_t errors = diags->errors;
    struct gw_yaml *root = NULL;
    int e = gw_yaml_parse_on(text, c->file, &c->arena, diags, &root);

    if (e && (e == ERR_NOMEM || !root))
        return e;
    if (!root) {
        diag_error(diags, c->file, 0, 0, "the configuration is empty; docs/config.md shows a complete one");
        return ERR_CONFIG;
    }
    if (!gw_config_read_is(&r, root, GW_YAML_MAP, "a map: 'key: value'"))
        return ERR_CONFIG;
    gw_config_read(&r, &gw_config_schema, root, (struct gw_config_place){ 1, 1 }, c);
    if (r.failed || c->arena.failed)
        return ERR_NOMEM;
    gw_config_check(c, diags);
    if (c->arena.failed)
        return ERR_NOMEM;
    return diags->errors > errors ? ERR_CONFIG : 0;
}

int gw_config_parse(struct span text, struct span file, struct gw_config **out, struct diags *diags)
{
    struct gw_config *c = calloc(1, sizeof *c);
    int e = ERR_NOMEM;

    if (!c)
        return ERR_NOMEM;
    arena_init(&c->arena, 0);
    c->file = arena_dup(&c->arena, file);
    if (!span_is_none(c->file))
        e = fill(c, text, diags);
    if (e) {
        gw_config_free(c);
        return e;
    }
    *out = c;
    return 0;
}

int gw_config_load(const char *path, struct gw_config **out, struct diags *diags)
{
    struct span file = span_str(path);
    struct buf text;
    int e;

    buf_init(&text, 0);
    e = file_read(path, FILE_MOST, &text);
    if (e == -ENOMEM) {
        e = ERR_NOMEM;
    } else if (e) {
        diag_error(diags, file, 0, 0, "cannot be read: %s; check the path and its permissions", strerror(-e));
        e = ERR_CONFIG;
    } else {
        e = gw_config_parse(buf_span(&text), file, out, diags);
    }
    buf_fini(&text);
    return e;
}

void gw_config_free(struct gw_config *c)
{
    struct arena arena;

    if (!c)
        return;
    arena = c->arena;
    arena_fini(&arena);
    free(c);
}

void gw_config_error(const struct gw_config *c, struct gw_config_place at, struct diags *diags, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diag_error(diags, c->file, at.line, at.column, "%s", text);
}
