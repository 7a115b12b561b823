// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy suggest: the policies that the traffic of an audit log needs, and no more, for review.
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_scan.h"
#include "gateway/cli/suggestion.h"
#include "policy/format.h"

struct reading {
    struct gw_cli *cli;
    struct gw_suggestions all;
    bool missing, bad_tokens;
    size_t records; // that count
    size_t refused, bad, forbidden, without, hidden;
};

static struct span of(json v, const char *name)
{
    return json_string(json_get(v, span_str(name)));
}

// What a gate would have refused it for; SPAN_NONE: nothing.
static struct span observed_by(json record, struct span gate)
{
    json all = json_get(record, SPAN("observed")), one;
    struct span none;

    for (struct json_iter it = json_iter(all); json_next(&it, &none, &one);)
        if (span_eq(of(one, "gate"), gate))
            return of(one, "rule");
    return SPAN_NONE;
}

// A decision about something that the request did not need in the end – it was made as a lesser one – permits nothing.
static bool was_needed(json record, json request)
{
    json accesses = json_get(record, SPAN("accesses")), a, e, attrs = NULL;
    json resource = json_get(request, SPAN("resource"));
    struct span none;

    for (struct json_iter it = json_iter(json_get(request, SPAN("entities"))); json_next(&it, &none, &e);) {
        json uid = json_get(e, SPAN("uid"));
        if (span_eq(of(uid, "type"), of(resource, "type")) && span_eq(of(uid, "id"), of(resource, "id")))
            attrs = json_get(e, SPAN("attrs"));
    }
    for (struct json_iter it = json_iter(accesses); json_next(&it, &none, &a);)
        if (span_eq(of(a, "action"), of(json_get(request, SPAN("action")), "id")) &&
            span_eq(of(a, "collection"), of(attrs, "name")) && span_eq(of(a, "database"), of(attrs, "database")) &&
            span_eq(of(a, "tenant"), of(attrs, "tenant")))
            return true;
    return false;
}

static bool counts(struct reading *r, json record)
{
    struct span token = observed_by(record, SPAN("token")), policy = observed_by(record, SPAN("policy"));
    bool none = span_is_none(token) || span_eq(token, SPAN("TOKEN_MISSING")) || span_eq(token, SPAN("SCOPE"));

    if (span_eq(of(record, "decision"), SPAN("deny"))) {
        r->refused++;
        return false;
    }
    if (!none && !r->bad_tokens) {
        r->bad++;
        return false;
    }
    // No permit helps against a forbid, which is somebody's will.
    if (span_starts(policy, SPAN("POLICY_FORBID"))) {
        r->forbidden++;
        return false;
    }
    if (json_count(json_get(record, SPAN("inputs"))) == 0) {
        r->without += json_count(json_get(record, SPAN("accesses"))) > 0;
        return false;
    }
    return !r->missing || !span_is_none(policy);
}

static bool hides(json record)
{
    json all = json_get(record, SPAN("observed")), one;
    struct span none;
    bool any = false;

    for (struct json_iter it = json_iter(all); json_next(&it, &none, &one);)
        any = any || json_get(one, SPAN("hidden"));
    return any;
}

static bool on_record(void *ctx, json record, const char *file, size_t line)
{
    struct reading *r = ctx;
    json request;
    struct span none;

    (void)file;
    (void)line;
    if (!span_eq(of(record, "kind"), SPAN("request")) || span_is_none(of(record, "workload")) || !counts(r, record))
        return true;
    r->records++;
    r->hidden += hides(record);
    for (struct json_iter it = json_iter(json_get(record, SPAN("inputs"))); json_next(&it, &none, &request);)
        if (was_needed(record, request) &&
            !gw_suggestions_see(&r->all, request, of(record, "time"), of(record, "request_id"))) {
            gw_cli_usage(r->cli, "out of memory");
            return false;
        }
    return true;
}

static bool as_text(struct reading *r)
{
    struct buf text, formatted;
    struct diags diags;

    buf_init(&text, 0);
    buf_init(&formatted, 0);
    diags_init(&diags);
    buf_printf(&text,
               "// Suggested by sallyport policy suggest from %zu requests. To be reviewed: what was seen is not what "
               "should be.\n\n",
               r->records);
    gw_suggestions_text(&r->all, &text);
    const struct pol_source source = { SPAN("suggestion"), buf_span(&text) };
    bool ok = !text.failed && pol_format(&source, &formatted, &diags);
    if (ok)
        fprintf(r->cli->out, "%.*s", SPAN_FMT(buf_span(&formatted)));
    else
        gw_cli_usage(r->cli, "out of memory, or names that Cedar has no text for");
    gw_cli_diags(r->cli, r->cli->err, &diags);
    diags_fini(&diags);
    buf_fini(&formatted);
    buf_fini(&text);
    return ok;
}

static void count(struct json_writer *w, const char *name, size_t n)
{
    json_w_key(w, span_str(name));
    json_w_uint(w, n);
}

static bool as_json(struct reading *r)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    count(&w, "requests", r->records);
    json_w_key(&w, SPAN("passed_over"));
    json_w_object(&w);
    count(&w, "refused", r->refused);
    count(&w, "bad_tokens", r->bad);
    count(&w, "forbidden", r->forbidden);
    count(&w, "without_inputs", r->without);
    json_w_end(&w);
    count(&w, "shorter_lists", r->hidden);
    json_w_key(&w, SPAN("policies"));
    gw_suggestions_json(&r->all, &w);
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        fprintf(r->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    else
        gw_cli_usage(r->cli, "out of memory");
    buf_fini(&b);
    return ok;
}

static void note(struct gw_cli *cli, size_t n, const char *what)
{
    if (n > 0)
        gw_cli_note(cli, "%zu request%s passed over: %s", n, n == 1 ? "" : "s", what);
}

static int run(struct gw_cli *cli)
{
    struct reading r = { .cli = cli,
                         .missing = gw_cli_has(cli, "missing"),
                         .bad_tokens = gw_cli_has(cli, "bad-tokens") };

    gw_suggestions_init(&r.all, &cli->arena);
    r.all.by_folder = gw_cli_has(cli, "by-folder");
    r.all.by_tenant = gw_cli_has(cli, "by-tenant");
    bool ok = gw_audit_scan(cli, cli->args, cli->n_args, true, on_record, &r);
    if (ok) {
        gw_suggestions_close(&r.all);
        ok = cli->json ? as_json(&r) : as_text(&r);
    }
    if (ok) {
        note(cli, r.refused, "they were refused");
        note(cli, r.bad, "their token was bad, so who knows whose they were (--bad-tokens takes them)");
        note(cli, r.forbidden, "a policy forbids them, and no permit changes that");
        note(cli, r.without, "their records do not hold what policies saw (audit.inputs)");
        if (r.all.foreign > 0)
            gw_cli_note(cli, "%zu decision%s passed over: not of a workload, an action and a resource of the gateway's",
                        r.all.foreign, r.all.foreign == 1 ? "" : "s");
        if (r.hidden > 0)
            gw_cli_note(
                cli,
                "%zu list%s will be shorter: to be shown, a collection needs a permit of `list` on itself, and which "
                "should be shown nobody can tell from the traffic",
                r.hidden, r.hidden == 1 ? "" : "s");
        if (r.records == 0)
            gw_cli_note(cli, "nothing is left to make policies of");
    }
    gw_suggestions_fini(&r.all);
    return ok ? GW_EXIT_OK : GW_EXIT_USAGE;
}

static const struct gw_cli_option options[] = {
    GW_AUDIT_OPTION_SINCE,
    { .name = "missing", .help = "only of requests that no policy permitted while the policy gate observed" },
    { .name = "by-tenant", .help = "wider: all collections of a tenant of which one was used" },
    { .name = "by-folder", .help = "wider: all workloads whose SPIFFE ID begins as one's does, up to its last '/'" },
    { .name = "bad-tokens", .help = "also of requests whose token was bad while the token gate observed" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_suggest = {
    .name = "suggest",
    .summary = "write the policies that the traffic of an audit log needs",
    .args = "AUDIT...",
    .min_args = 1,
    .max_args = 64,
    .about = "For each workload the actions and resources that its requests needed, each by its name: what was let "
             "through, by policies\n"
             "or because the policy gate only observed. Reading and changing are policies of their own. Each has a "
             "comment that says\n"
             "which requests it was made of. They are for review, and come formatted.\n"
             "\n"
             "  sallyport policy suggest audit.jsonl --missing > policies/suggested.cedar",
    .options = options,
    .run = run,
};
