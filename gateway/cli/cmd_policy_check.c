// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy check: policies, entities and links, parsed, compiled and validated against a schema.
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"
#include "gateway/config/policy_texts.h"
#include "policy/schema.h"

#include <stdlib.h>

// ------------------------------------------------------------------------------------------------------------ the report

static struct span line_of(const struct span text, unsigned line)
{
    struct span rest = text, s = SPAN_NONE;

    for (unsigned i = 0; i < line && !span_is_none(rest); i++)
        s = span_cut(&rest, '\n');
    return s.n && s.p[s.n - 1] == '\r' ? span_sub(s, 0, s.n - 1) : s;
}

static const struct pol_source *source_named(const struct pol_source *at, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(at[i].name, name))
            return &at[i];
    return NULL;
}

static bool wordy(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

// The line, and a mark under the word or sign that the complaint is about.
static void underline(FILE *out, struct span line, unsigned column)
{
    size_t at = 0, end;

    for (unsigned c = 1; c < column && at < line.n; c++)
        at += span_utf8(line, at) ? span_utf8(line, at) : 1;
    for (end = at; end < line.n && wordy((unsigned char)line.p[end]); end++)
        ;
    fprintf(out, "    %.*s\n    ", SPAN_FMT(line));
    for (size_t i = 0; i < at; i++)
        if (((unsigned char)line.p[i] & 0xc0) != 0x80)
            fputc(line.p[i] == '\t' ? '\t' : ' ', out);
    fputc('^', out);
    for (size_t i = at + 1; i < end; i++)
        if (((unsigned char)line.p[i] & 0xc0) != 0x80)
            fputc('~', out);
    fputc('\n', out);
}

static void print_findings(struct gw_cli *cli, const struct gw_policy_input *in,
                           const struct gw_policy_schemas *schemas, const struct diags *diags)
{
    for (const struct diag *d = diags->first; d; d = d->next) {
        const struct pol_source *s = source_named(in->policies, in->n_policies, d->file);
        struct span text = diag_format(&cli->arena, d), line;

        s = s ? s : source_named(in->entities, in->n_entities, d->file);
        s = s ? s : source_named(schemas->at, schemas->n, d->file);
        fprintf(cli->out, "%.*s\n", SPAN_FMT(text));
        line = s && d->line ? line_of(s->text, d->line) : SPAN_NONE;
        if (!span_is_none(line) && line.n <= 400 && d->column)
            underline(cli->out, line, d->column);
    }
    if (diags->dropped)
        fprintf(cli->out, "%zu more\n", diags->dropped);
}

static void json_findings(struct gw_cli *cli, const struct diags *diags, size_t policies)
{
    struct buf out;

    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    json_w_key(&w, SPAN("valid"));
    json_w_bool(&w, diags->errors == 0);
    json_w_key(&w, SPAN("policies"));
    json_w_uint(&w, policies);
    json_w_key(&w, SPAN("findings"));
    json_w_array(&w);
    for (const struct diag *d = diags->first; d; d = d->next) {
        json_w_object(&w);
        json_w_key(&w, SPAN("severity"));
        json_w_string(&w, d->warning ? SPAN("warning") : SPAN("error"));
        json_w_key(&w, SPAN("file"));
        json_w_string(&w, d->file);
        json_w_key(&w, SPAN("line"));
        json_w_uint(&w, d->line);
        json_w_key(&w, SPAN("column"));
        json_w_uint(&w, d->column);
        json_w_key(&w, SPAN("text"));
        json_w_string(&w, d->text);
        json_w_end(&w);
    }
    json_w_end(&w);
    json_w_end(&w);
    buf_append(&out, SPAN("\n"));
    fwrite(buf_span(&out).p, 1, buf_len(&out), cli->out);
    buf_fini(&out);
}

// ----------------------------------------------------------------------------------------------------------------- run

static void validate(const struct gw_policy_input *in, const struct gw_policy_schemas *texts, struct diags *diags)
{
    struct pol_schema *s = pol_schema_new(texts->at, texts->n, diags);

    if (!s)
        return;
    // Neither role is ever asked about the other's actions, so a policy for all actions is one for all of its own.
    if (!gw_cli_has(in->cli, "schema") || in->authority || in->mode == POL_MODE_GATEWAY)
        gw_policy_confine(s, in->authority ? GW_POLICY_AUTHORITY : GW_POLICY_GATEWAY);
    pol_schema_validate(s, in->policies, in->n_policies, &in->options, diags);
    // The gateway's own actions are made here, not by whoever wrote the schema.
    for (size_t i = 0; i < in->n_entities; i++)
        if (!span_eq(in->entities[i].name, GW_POLICY_ACTIONS))
            pol_schema_validate_entities(s, &in->entities[i], 1, false, diags);
    pol_schema_free(s);
}

static int run(struct gw_cli *cli)
{
    struct gw_policy_schemas *texts = arena_alloc(&cli->arena, sizeof *texts);
    struct gw_policy_input in;
    struct pol_set *set;
    struct diags diags;

    if (gw_cli_has(cli, "print-schema")) {
        fwrite(pol_schema_shipped.text.p, 1, pol_schema_shipped.text.n, cli->out);
        return GW_EXIT_OK;
    }
    if (!texts || !gw_policy_input_init(&in, cli))
        return GW_EXIT_USAGE;
    if (gw_cli_has(cli, "no-schema") && (gw_cli_has(cli, "schema") || gw_cli_has(cli, "authority")))
        return gw_cli_usage(cli, "--no-schema and --schema or --authority exclude each other");
    in.authority = gw_cli_has(cli, "authority");
    for (size_t i = 0; i < cli->n_args; i++)
        if (!gw_policy_input_add(&in, cli->args[i]))
            return GW_EXIT_USAGE;
    if (!gw_policy_input_options(&in) || !gw_policy_schemas_read(cli, &in, texts))
        return GW_EXIT_USAGE;
    in.options.no_obligations = gw_cli_has(cli, "authority");
    diags_init(&diags);
    set = pol_set_new(in.policies, in.n_policies, in.entities, in.n_entities, &in.options, &diags);
    // What does not parse is not complained about twice.
    bool asked = gw_cli_has(cli, "schema") || gw_cli_has(cli, "authority");
    if (set && !gw_cli_has(cli, "no-schema") && (asked || !in.unvalidated))
        validate(&in, texts, &diags);
    if (cli->json) {
        json_findings(cli, &diags, set ? pol_set_count(set) : 0);
    } else {
        print_findings(cli, &in, texts, &diags);
        if (diags.errors == 0)
            fprintf(cli->out, "%zu %s: good%s\n", pol_set_count(set), pol_set_count(set) == 1 ? "policy" : "policies",
                    diags.warnings ? ", with warnings" : "");
    }
    int rc = diags.errors == 0 ? GW_EXIT_OK : GW_EXIT_NO;
    pol_set_free(set);
    diags_fini(&diags);
    return rc;
}

static const struct gw_cli_option options[] = {
    GW_POLICY_OPTIONS,
    { .name = "schema",
      .value = "FILE",
      .help = "the schema, in Cedar's syntax or JSON; several are one",
      .repeat = true },
    { .name = "authority",
      .help = "policies of the authority: of a configuration, its own; validate against what it is asked about" },
    { .name = "no-schema", .help = "parse and compile only" },
    { .name = "print-schema", .help = "print the schema of the gateway's own facts, to be extended" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_check = {
    .name = "check",
    .summary = "parse policies and validate them against a schema",
    .args = "[PATH...]",
    .min_args = 0,
    .max_args = 4096,
    .about = "PATH is as --policies. Without --schema, the schema is the configuration's, or that of the gateway's own "
             "facts, actions and "
             "entities;\n"
             "an entities file may leave out the attributes that requests bring.\n"
             "Exit status: 0 no errors, 1 errors (on standard output, each with its line), 2 something cannot be read.",
    .options = options,
    .run = run,
};
