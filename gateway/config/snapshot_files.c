// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_files.h"

#include "gateway/base/file.h"

#include <string.h>

void gw_snapshot_note(void *snapshot, const char *path)
{
    struct gw_snapshot *s = snapshot;
    struct span copy = arena_dup(&s->arena, span_str(path));
    if (s->n_files < s->max_files && !span_is_none(copy))
        s->files[s->n_files++] = copy.p;
}

struct span gw_snapshot_read(struct gw_snapshot *s, const struct gw_config_text *path, size_t max, struct diags *diags)
{
    if (span_is_none(path->v))
        return SPAN_NONE;
    struct buf content;
    buf_init(&content, 0);
    gw_snapshot_note(s, path->v.p);
    int rc = file_read(path->v.p, max, &content);
    struct span copy = SPAN_NONE;
    if (rc != 0)
        gw_config_error(s->config, path->at, diags, "%.*s: %s", SPAN_FMT(path->v), strerror(-rc));
    else if (span_is_none(copy = arena_dup(&s->arena, buf_span(&content))))
        gw_config_error(s->config, path->at, diags, "out of memory");
    buf_wipe(&content);
    return copy;
}

struct span gw_snapshot_read_secret(struct gw_snapshot *s, const struct gw_config_text *path, struct diags *diags)
{
    struct span secret = gw_snapshot_read(s, path, GW_SECRET_MAX, diags);
    while (secret.n > 0 && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
        secret.n--;
    if (!span_is_none(secret) && secret.n == 0)
        gw_config_error(s->config, path->at, diags, "%.*s: the file is empty", SPAN_FMT(path->v));
    return secret;
}
