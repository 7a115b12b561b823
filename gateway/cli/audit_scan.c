// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/audit_scan.h"

#include "gateway/audit/files.h"
#include "gateway/audit/read.h"
#include "gateway/base/clock.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_row.h"

#include <string.h>

struct scan {
    struct gw_cli *cli;
    char since[CLOCK_TEXT]; // as records write it: then order of texts is order of times
    gw_audit_on_record on_record;
    void *ctx;
};

static bool line(struct scan *s, struct gw_audit_reader *r)
{
    struct json_error error;
    json record = gw_audit_reader_json(r, &error);

    if (!record && !r->whole)
        return true; // the writer is at it
    if (!record) {
        gw_cli_usage(s->cli, "%s:%zu:%u: not valid JSON: %s", r->file, r->number, error.column, error.what);
        return false;
    }
    struct span time = json_string(json_get(record, SPAN("time")));
    if (!gw_audit_is_record(record) || span_cmp(time, span_str(s->since)) < 0)
        return true;
    return s->on_record(s->ctx, record, r->file, r->number);
}

bool gw_audit_scan(struct gw_cli *cli, const char *const *paths, size_t n, bool since, gw_audit_on_record on_record,
                   void *ctx)
{
    struct scan s = { .cli = cli, .since = "", .on_record = on_record, .ctx = ctx };
    struct gw_audit_list list;
    struct gw_audit_reader r;
    int64_t from_ms;
    enum gw_audit_read is;
    bool ok = true;

    if (since && gw_cli_has(cli, "since")) {
        if (!gw_cli_time(cli, "since", &from_ms))
            return false;
        clock_format(from_ms, s.since);
    }
    int rc = gw_audit_list(paths, n, &list);
    if (rc != 0) {
        gw_cli_usage(cli, "%s: %s", n ? paths[0] : "audit log", strerror(-rc));
        return false;
    }
    gw_audit_reader_init(&r, list.paths, list.n);
    while (ok && (is = gw_audit_reader_next(&r)) != GW_AUDIT_END) {
        ok = is == GW_AUDIT_LINE && line(&s, &r);
        if (is == GW_AUDIT_FAULT)
            gw_cli_usage(cli, "%s: %s", r.file, r.what);
    }
    gw_audit_reader_fini(&r);
    gw_audit_list_fini(&list);
    return ok;
}
