// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy authorize: asks a policy set one question, and says what Cedar's authoriser would.
#include "gateway/base/err.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"
#include "policy/schema.h"

static void place(FILE *out, const struct pol_policy_info *p, unsigned line, unsigned column)
{
    gw_cli_print(out, p->file);
    fprintf(out, ":%u:%u", line, column);
}

static void answer_text(struct gw_cli *cli, const struct pol_request *r, const struct pol_answer *a)
{
    FILE *out = cli->out;

    fprintf(out, "%s%s%s", gw_cli_style(cli, a->allow ? GW_STYLE_GOOD : GW_STYLE_BAD), a->allow ? "allow" : "deny",
            gw_cli_style(cli, GW_STYLE_PLAIN));
    if (!a->allow)
        fprintf(out, "  %.*s", SPAN_FMT(gw_policy_reason(a->err)));
    fputc('\n', out);
    for (size_t i = 0; i < a->n_determining; i++) {
        const struct pol_policy_info *p = pol_set_policy(r->set, a->determining[i]);

        fputs(p->effect == POL_PERMIT ? "  permit  " : "  forbid  ", out);
        gw_cli_print(out, p->id);
        fputs("  ", out);
        place(out, p, p->line, p->column);
        fputc('\n', out);
    }
    gw_policy_print_obligations(cli, r, a, "  oblige  ");
    for (size_t i = 0; i < a->n_failures; i++) {
        const struct pol_policy_info *p = pol_set_policy(r->set, a->failures[i].policy);

        fprintf(out, "  %serror%s   ", gw_cli_style(cli, GW_STYLE_WARN), gw_cli_style(cli, GW_STYLE_PLAIN));
        gw_cli_print(out, p->id);
        fputs("  ", out);
        place(out, p, a->failures[i].line, a->failures[i].column);
        fputs(": ", out);
        gw_cli_print(out, a->failures[i].text);
        fputc('\n', out);
    }
}

// A request that the schema does not have is answered by nobody: the policies were written for those that it has.
static bool conforms(struct gw_cli *cli, const struct pol_schema *schema, struct pol_request *r, struct span name)
{
    struct diags d;

    diags_init(&d);
    bool ok = pol_schema_validate_request(schema, r, false, name, &d);
    gw_cli_diags(cli, cli->err, &d);
    diags_fini(&d);
    return ok;
}

// Everything that was asked; `w` NULL: as text.
static int answer_all(struct gw_cli *cli, const struct gw_policy_input *in, const struct pol_set *set,
                      const struct pol_schema *schema, const struct gw_policy_questions *q, struct json_writer *w)
{
    bool allowed = true;

    for (size_t i = 0; i < q->n; i++) {
        struct pol_request r;
        struct pol_answer a;

        if (!gw_policy_ask(cli, q, i, set, &cli->arena, &r))
            return GW_EXIT_USAGE;
        if (schema && !conforms(cli, schema, &r, q->name))
            return GW_EXIT_USAGE;
        pol_decide(&r, in->mode, 0, &a);
        if (r.err)
            return gw_cli_usage(cli, "the request cannot be decided: %s", r.why);
        allowed = allowed && a.allow;
        if (!w) {
            answer_text(cli, &r, &a);
            continue;
        }
        if (q->list)
            json_w_object(w);
        gw_policy_json_answer(w, &r, &a);
        if (q->list)
            json_w_end(w);
    }
    return allowed ? GW_EXIT_OK : GW_EXIT_NO;
}

static int answer_json(struct gw_cli *cli, const struct gw_policy_input *in, const struct pol_set *set,
                       const struct pol_schema *schema, const struct gw_policy_questions *q)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    if (q->list) {
        json_w_key(&w, SPAN("requests"));
        json_w_array(&w);
    }
    int rc = answer_all(cli, in, set, schema, q, &w);
    if (q->list) {
        json_w_end(&w);
        json_w_key(&w, SPAN("decision"));
        json_w_string(&w, rc == GW_EXIT_OK ? SPAN("allow") : SPAN("deny"));
    }
    json_w_end(&w);
    if (b.failed)
        rc = gw_cli_usage(cli, "out of memory");
    if (rc != GW_EXIT_USAGE)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return rc;
}

// NULL after the complaints.
static struct pol_schema *schema_of(struct gw_cli *cli, const struct gw_policy_input *in)
{
    struct gw_policy_schemas texts;
    struct pol_schema *schema = NULL;
    struct diags d;

    if (!gw_policy_schemas_read(cli, in, &texts))
        return NULL;
    diags_init(&d);
    schema = pol_schema_new(texts.at, texts.n, &d);
    gw_cli_diags(cli, cli->err, &d);
    diags_fini(&d);
    return schema;
}

static int run(struct gw_cli *cli)
{
    struct gw_policy_input in;
    struct gw_policy_questions q;
    struct pol_schema *schema = NULL;
    bool held = gw_cli_get(cli, "schema") != NULL;
    int rc = GW_EXIT_USAGE;

    if (!gw_policy_input_init(&in, cli) || !gw_policy_input_options(&in) || !gw_policy_questions(cli, &q))
        return GW_EXIT_USAGE;
    struct pol_set *set = gw_policy_input_compile(&in);
    if (set && held)
        schema = schema_of(cli, &in);
    if (set && (schema || !held))
        rc = cli->json ? answer_json(cli, &in, set, schema, &q) : answer_all(cli, &in, set, schema, &q, NULL);
    pol_schema_free(schema);
    pol_set_free(set);
    json_free(q.doc);
    return rc;
}

static const struct gw_cli_option options[] = {
    GW_POLICY_OPTIONS,
    GW_POLICY_REQUEST_OPTIONS,
    { .name = "schema",
      .value = "FILE",
      .help = "a schema that the request is held to, in Cedar's syntax or JSON; several are one",
      .repeat = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_authorize = {
    .name = "authorize",
    .summary = "decide a request: allow or deny, by which policies, with which errors",
    .about =
        "The request's form is that of the `inputs` of audit records: principal, action, resource, context, entities.\n"
        "Of a list of requests all must be allowed.\n"
        "Exit status: 0 allow, 1 deny, 2 bad input.\n"
        "\n"
        "  sallyport policy authorize --policies policies/ --entities entities.json --gateway \\\n"
        "      --principal 'Workload::\"spiffe://prod.example/rag\"' --action 'Action::\"search\"' \\\n"
        "      --resource 'Collection::\"docs\"' --context context.json",
    .options = options,
    .run = run,
};
