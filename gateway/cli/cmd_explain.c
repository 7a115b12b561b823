// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport explain: what became of a request, for whoever was given its id: which gate, which rule, which value, and what the nearest permit lacked.
#include "gateway/base/err.h"
#include "gateway/cli/advice.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_scan.h"
#include "gateway/cli/policy_account.h"

struct search {
    struct gw_cli *cli;
    struct span id;
    struct gw_policy_input in;
    struct pol_set *set; // NULL: no policies at hand
    bool found;
    int rc;
};

static struct span of(json v, const char *name)
{
    return json_string(json_get(v, span_str(name)));
}

static void line(FILE *out, const char *name, struct span value)
{
    if (span_is_none(value))
        return;
    fprintf(out, "  %-11s ", name);
    gw_cli_print(out, value);
    fputc('\n', out);
}

// "qdrant search: search docs, delete docs".
static void line_asked(FILE *out, json r)
{
    static const char *const parts[] = { "tenant", "database", "collection" };
    json accesses = json_get(r, SPAN("accesses")), a;
    struct span none;
    size_t i = 0;

    if (!span_is_none(of(r, "operation"))) {
        fputs("  meant       ", out);
        gw_cli_print(out, of(r, "api"));
        fputc(' ', out);
        gw_cli_print(out, of(r, "operation"));
    }
    for (struct json_iter it = json_iter(accesses); json_next(&it, &none, &a); i++) {
        fputs(i == 0 ? ": " : ", ", out);
        gw_cli_print(out, of(a, "action"));
        for (size_t k = 0, n = 0; k < 3; k++) {
            struct span part = of(a, parts[k]);
            if (span_is_none(part))
                continue;
            fputc(n++ == 0 ? ' ' : '/', out);
            gw_cli_print(out, part);
        }
    }
    if (!span_is_none(of(r, "operation")))
        fputc('\n', out);
}

// Which gate, which rule, which value, what to do.
static void text_refusal(struct gw_cli *cli, struct span gate, struct span rule, struct span reason, struct span value)
{
    struct gw_advice advice = gw_advice_of(rule);
    FILE *out = cli->out;

    line(out, "gate", span_is_none(gate) ? advice.gate : gate);
    fprintf(out, "  %-11s %s", "rule", gw_cli_style(cli, GW_STYLE_BOLD));
    gw_cli_print(out, rule);
    fprintf(out, "%s: ", gw_cli_style(cli, GW_STYLE_PLAIN));
    gw_cli_print(out, reason);
    fputc('\n', out);
    line(out, "value", value);
    line(out, "to do", advice.todo);
}

static void text_record(struct gw_cli *cli, json r)
{
    struct span decision = of(r, "decision"), kind = of(r, "kind");
    bool deny = span_eq(decision, SPAN("deny"));
    FILE *out = cli->out;
    json observed;
    struct span none;
    int64_t status = 0;

    fprintf(out, "%s", gw_cli_style(cli, deny ? GW_STYLE_BAD : GW_STYLE_GOOD));
    gw_cli_print(out, deny                                  ? SPAN("refused")
                      : span_eq(decision, SPAN("observed")) ? SPAN("let through, observed")
                                                            : SPAN("allowed"));
    fprintf(out, "%s", gw_cli_style(cli, GW_STYLE_PLAIN));
    if (json_i64(json_get(r, SPAN("status")), &status))
        fprintf(out, ", answered %lld", (long long)status);
    if (!span_is_none(of(r, "code"))) {
        fputc(' ', out);
        gw_cli_print(out, of(r, "code"));
    }
    fputs(" at ", out);
    gw_cli_print(out, of(r, "time"));
    fputs(span_eq(kind, SPAN("intent")) ? ", not finished\n" : "\n", out);
    line(out, "workload", of(r, "workload"));
    line(out, "certificate", of(r, "certificate_serial"));
    line(out, "from", of(r, "remote"));
    line(out, "subject", of(r, "subject"));
    line(out, "issuer", of(r, "issuer"));
    line(out, "token", of(r, "jti"));
    line(out, "asked", arena_printf(&cli->arena, "%.*s %.*s", SPAN_FMT(of(r, "method")), SPAN_FMT(of(r, "path"))));
    line_asked(out, r);
    line(out, "shard", of(r, "shard"));
    if (!span_is_none(of(r, "error")))
        text_refusal(cli, SPAN_NONE, of(r, "error"), of(r, "reason"), of(r, "detail"));
    for (struct json_iter it = json_iter(json_get(r, SPAN("observed"))); json_next(&it, &none, &observed);) {
        fputs("  – would have been refused:\n", out);
        text_refusal(cli, of(observed, "gate"), of(observed, "rule"), of(observed, "reason"), of(observed, "why"));
        line(out, "token", of(observed, "jti"));
    }
}

static void json_member(struct json_writer *w, const char *name, struct span v)
{
    if (span_is_none(v))
        return;
    json_w_key(w, span_str(name));
    json_w_string(w, v);
}

static void json_refusal(struct json_writer *w, struct span gate, json r, const char *rule, const char *value)
{
    struct gw_advice advice = gw_advice_of(of(r, rule));

    json_w_object(w);
    json_member(w, "gate", span_is_none(gate) ? advice.gate : gate);
    json_member(w, "rule", of(r, rule));
    json_member(w, "code", of(r, "code"));
    json_member(w, "reason", of(r, "reason"));
    json_member(w, "value", of(r, value));
    json_member(w, "todo", advice.todo);
    json_w_end(w);
}

// The record but for its inputs, which are told by the account of them.
static void json_record(struct json_writer *w, json r)
{
    struct span name, none;
    json v;

    json_w_key(w, SPAN("record"));
    json_w_object(w);
    for (struct json_iter it = json_iter(r); json_next(&it, &name, &v);) {
        if (span_eq(name, SPAN("inputs")))
            continue;
        json_w_key(w, name);
        json_w_value(w, v);
    }
    json_w_end(w);
    if (!span_is_none(of(r, "error"))) {
        json_w_key(w, SPAN("refused"));
        json_refusal(w, SPAN_NONE, r, "error", "detail");
    }
    if (json_count(json_get(r, SPAN("observed"))) == 0)
        return;
    json_w_key(w, SPAN("observed"));
    json_w_array(w);
    for (struct json_iter it = json_iter(json_get(r, SPAN("observed"))); json_next(&it, &none, &v);)
        json_refusal(w, of(v, "gate"), v, "rule", "why");
    json_w_end(w);
}

// The policies are those of now, so what they say need not be what was decided. False after the complaint.
static bool account(struct search *s, json r, struct span name, struct json_writer *w)
{
    struct gw_policy_questions q = { .name = name };
    json inputs = json_get(r, SPAN("inputs"));

    if (!s->set || json_count(inputs) == 0) {
        if (!w && json_count(inputs) > 0)
            gw_cli_note(s->cli, "with --config or --policies it is said what each policy came to");
        if (!w && s->set)
            gw_cli_note(s->cli, "policies were not asked about it, or the record does not hold what they saw");
        return true;
    }
    if (!gw_policy_questions_of(s->cli, inputs, &q))
        return false;
    if (w)
        json_w_key(w, SPAN("policies"));
    else
        fputs("\nwith the policies of now:\n", s->cli->out);
    return gw_policy_account(s->cli, &s->in, s->set, &q, w) != GW_EXIT_USAGE;
}

static bool as_json(struct search *s, json r, struct span name)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_record(&w, r);
    bool ok = account(s, r, name, &w);
    json_w_end(&w);
    if (ok && b.failed)
        ok = (gw_cli_usage(s->cli, "out of memory"), false);
    if (ok)
        fprintf(s->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok;
}

static bool on_record(void *ctx, json r, const char *file, size_t at)
{
    struct search *s = ctx;

    // An intent is followed by the request that it announces.
    if (!span_eq(of(r, "request_id"), s->id) || span_eq(of(r, "kind"), SPAN("intent")))
        return true;
    struct span name = arena_printf(&s->cli->arena, "%s:%zu", file, at);
    bool ok;
    if (s->cli->json) {
        ok = as_json(s, r, name);
    } else {
        text_record(s->cli, r);
        ok = account(s, r, name, NULL);
    }
    s->found = true;
    s->rc = !ok ? GW_EXIT_USAGE : span_eq(of(r, "decision"), SPAN("deny")) ? GW_EXIT_NO : GW_EXIT_OK;
    return false;
}

static int run(struct gw_cli *cli)
{
    struct search s = { .cli = cli, .id = span_str(cli->args[0]), .rc = GW_EXIT_USAGE };
    const char **files = arena_array(&cli->arena, cli->n_values + 1, sizeof *files), *v;
    size_t n = 0;

    for (size_t i = 0; files && (v = gw_cli_next(cli, "audit", &i));)
        files[n++] = v;
    if (gw_cli_has(cli, "config") || gw_cli_has(cli, "policies")) {
        if (!gw_policy_input_init(&s.in, cli) || !gw_policy_input_options(&s.in) || !gw_policy_input_gateway(&s.in))
            return GW_EXIT_USAGE;
        s.set = gw_policy_input_compile(&s.in);
        if (!s.set)
            return GW_EXIT_USAGE;
    }
    if (gw_audit_scan(cli, files, n, false, on_record, &s))
        gw_cli_usage(cli, "no record of request %s in %s%s", cli->args[0], files[0], n > 1 ? " and the others" : "");
    pol_set_free(s.set);
    return s.rc;
}

static const struct gw_cli_option options[] = {
    { .name = "audit",
      .value = "FILE",
      .help = "an audit log, and what was rotated from it",
      .repeat = true,
      .required = true },
    GW_POLICY_OPTIONS,
    { .name = "all", .help = "also the policies whose scope does not fit" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_explain = {
    .name = "explain",
    .summary = "say what became of a request, and why, by the id that its answer had",
    .args = "REQUEST-ID",
    .min_args = 1,
    .max_args = 1,
    .about = "The id is in the answer, as x-request-id and, of a refusal, in its body. Which gate refused it, by which "
             "rule, over\n"
             "which value, and what to do comes from the record; with --config or --policies each policy is accounted "
             "for, and\n"
             "what the permits that came nearest lacked. The policies are those of now.\n"
             "Exit status: 0 it was let through, 1 refused, 2 no such record, or bad input.\n"
             "\n"
             "  sallyport explain 9f2c8d6f0c5b4a1e8d7a6b5c4d3e2f10 --audit audit.jsonl --config gateway.yaml",
    .options = options,
    .run = run,
};
