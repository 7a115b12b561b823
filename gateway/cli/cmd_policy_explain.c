// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy explain: why a request is allowed or denied, and what the nearest permit lacked; of a request as `authorize` takes it,
// or of one in an audit log.
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_account.h"

static int explain_all(struct gw_cli *cli, const struct gw_policy_input *in, struct pol_set *set,
                       const struct gw_policy_questions *q)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    int rc = gw_policy_account(cli, in, set, q, cli->json ? &w : NULL);
    if (b.failed)
        rc = gw_cli_usage(cli, "out of memory");
    if (cli->json && rc != GW_EXIT_USAGE)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return rc;
}

// The record of --request-id.
struct wanted {
    struct gw_cli *cli;
    const struct gw_policy_input *in;
    struct pol_set *set;
    struct span id, file;
    bool found;
    int rc;
};

static bool on_record(void *ctx, json record, json inputs, size_t line)
{
    struct wanted *s = ctx;
    struct gw_policy_questions q = { .name = arena_printf(&s->cli->arena, "%.*s:%zu", SPAN_FMT(s->file), line) };

    if (!span_eq(json_string(json_get(record, SPAN("request_id"))), s->id))
        return true;
    s->found = true;
    if (!s->cli->json) {
        fputs("recorded ", s->cli->out);
        gw_cli_print(s->cli->out, json_string(json_get(record, SPAN("time"))));
        fputs(": ", s->cli->out);
        gw_cli_print(s->cli->out, json_string(json_get(record, SPAN("decision"))));
        struct span error = json_string(json_get(record, SPAN("error")));
        if (!span_is_none(error)) {
            fputs(", ", s->cli->out);
            gw_cli_print(s->cli->out, error);
        }
        fputs("\n\n", s->cli->out);
    }
    s->rc = gw_policy_questions_of(s->cli, inputs, &q) ? explain_all(s->cli, s->in, s->set, &q) : GW_EXIT_USAGE;
    return false;
}

static int from_audit(struct gw_cli *cli, const struct gw_policy_input *in, struct pol_set *set, const char *path)
{
    const char *id = gw_cli_get(cli, "request-id");
    struct wanted s = { .cli = cli, .in = in, .set = set, .file = span_str(path), .id = span_str(id) };

    if (!gw_policy_audit(cli, path, on_record, &s) && !s.found)
        return GW_EXIT_USAGE;
    return s.found ? s.rc : gw_cli_usage(cli, "%s: no record of request %s that policies were asked about", path, id);
}

static int run(struct gw_cli *cli)
{
    const char *audit = gw_cli_get(cli, "audit");
    struct gw_policy_questions q = { .doc = NULL };
    struct gw_policy_input in;
    int rc = GW_EXIT_USAGE;

    if (!audit != !gw_cli_has(cli, "request-id"))
        return gw_cli_usage(cli, "--audit and --request-id belong together");
    if (!gw_policy_input_init(&in, cli) || !gw_policy_input_options(&in) || (audit && !gw_policy_input_gateway(&in)) ||
        (!audit && !gw_policy_questions(cli, &q)))
        return GW_EXIT_USAGE;
    struct pol_set *set = gw_policy_input_compile(&in);
    if (set)
        rc = audit ? from_audit(cli, &in, set, audit) : explain_all(cli, &in, set, &q);
    pol_set_free(set);
    json_free(q.doc);
    return rc;
}

static const struct gw_cli_option options[] = {
    GW_POLICY_OPTIONS,
    GW_POLICY_REQUEST_OPTIONS,
    { .name = "audit", .value = "FILE", .help = "take the request from this audit log; implies --gateway" },
    { .name = "request-id", .value = "ID", .help = "which of its records" },
    { .name = "all", .help = "also the policies whose scope does not fit" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_explain = {
    .name = "explain",
    .summary = "say why a request is allowed or denied, and what the nearest permit lacked",
    .about = "Each policy whose scope fits is shown with what its condition came to, and the values that it saw; on a "
             "denial\n"
             "first the permits that came nearest. The policies are those of now: of an audit record only the facts "
             "are used.\n"
             "Exit status: 0 allow, 1 deny, 2 bad input.\n"
             "\n"
             "  sallyport policy explain --config gateway.yaml --audit audit.jsonl --request-id 01J9ZK3V",
    .options = options,
    .run = run,
};
