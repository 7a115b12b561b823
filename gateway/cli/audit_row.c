// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/audit_row.h"

#include "gateway/cli/argument.h"

struct span gw_audit_text(json record, struct span name)
{
    struct span s = json_string(json_get(record, name));

    return span_is_none(s) ? SPAN("") : s;
}

bool gw_audit_is_record(json line)
{
    struct span kind = gw_audit_text(line, SPAN("kind"));

    return kind.n > 0 && !span_eq(kind, SPAN("chain")) && !span_eq(kind, SPAN("checkpoint"));
}

static void part(FILE *out, const char *before, struct span s)
{
    if (s.n == 0)
        return;
    fputs(before, out);
    gw_cli_print(out, s);
}

static void accesses(FILE *out, json record)
{
    struct json_iter it = json_iter(json_get(record, SPAN("accesses")));
    struct span name;
    json a;

    while (json_next(&it, &name, &a)) {
        part(out, "  ", gw_audit_text(a, SPAN("action")));
        part(out, " ", gw_audit_text(a, SPAN("database")));
        part(out, "/", gw_audit_text(a, SPAN("tenant")));
        part(out, " ", gw_audit_text(a, SPAN("collection")));
    }
}

void gw_audit_row(struct gw_cli *cli, json r)
{
    struct span decision = gw_audit_text(r, SPAN("decision")), kind = gw_audit_text(r, SPAN("kind"));
    bool allowed = span_eq(decision, SPAN("allow")), observed = span_eq(decision, SPAN("observed"));
    FILE *out = cli->out;
    int64_t status;

    fputs(gw_cli_style(cli, GW_STYLE_DIM), out);
    gw_cli_print(out, gw_audit_text(r, SPAN("time")));
    fputs(gw_cli_style(cli, GW_STYLE_PLAIN), out);
    if (!gw_audit_is_record(r)) {
        fputs(gw_cli_style(cli, GW_STYLE_DIM), out);
        part(out, "  ", kind);
        part(out, "  ", gw_audit_text(r, SPAN("cause")));
        fprintf(out, "%s\n", gw_cli_style(cli, GW_STYLE_PLAIN));
        return;
    }
    fprintf(out, "  %s", gw_cli_style(cli, allowed ? GW_STYLE_GOOD : observed ? GW_STYLE_WARN : GW_STYLE_BAD));
    gw_cli_print(out, decision);
    fputs(gw_cli_style(cli, GW_STYLE_PLAIN), out);
    part(out, " ", gw_audit_text(r, SPAN("error")));
    if (!span_eq(kind, SPAN("request")))
        part(out, "  ", kind);
    if (json_i64(json_get(r, SPAN("status")), &status))
        fprintf(out, "  %lld", (long long)status);
    accesses(out, r);
    if (json_count(json_get(r, SPAN("accesses"))) == 0) {
        part(out, "  ", gw_audit_text(r, SPAN("method")));
        part(out, " ", gw_audit_text(r, SPAN("path")));
    }
    part(out, "  ", gw_audit_text(r, SPAN("workload")));
    // Most workloads' tokens are their own.
    if (!span_eq(gw_audit_text(r, SPAN("subject")), gw_audit_text(r, SPAN("workload"))))
        part(out, "  ", gw_audit_text(r, SPAN("subject")));
    part(out, "  ", gw_audit_text(r, SPAN("remote")));
    part(out, "  ", gw_audit_text(r, SPAN("request_id")));
    fputc('\n', out);
}
