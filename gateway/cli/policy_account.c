// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/policy_account.h"

#include "gateway/base/err.h"
#include "gateway/cli/argument.h"
#include "policy/explain.h"
#include "policy/print.h"

#define NEAREST 3

// One request, answered and accounted for.
struct told {
    const struct pol_request *r;
    struct pol_answer answer;
    const struct pol_account *accounts;
    size_t n;
    uint32_t nearest[NEAREST];
    size_t n_nearest;
};

static const struct span became_names[] = {
    [POL_HELD] = SPAN("held"),
    [POL_FALSE] = SPAN("false"),
    [POL_ERRED] = SPAN("error"),
    [POL_ELSEWHERE] = SPAN("elsewhere"),
};

// ---------------------------------------------------------------------------------------------------------------- text

static void text_question(FILE *out, const struct pol_request *r)
{
    struct buf b;

    buf_init(&b, 0);
    pol_print_question(&b, r);
    gw_cli_print(out, buf_span(&b));
    buf_fini(&b);
}

static void text_because(struct gw_cli *cli, const struct pol_because *b)
{
    FILE *out = cli->out;
    bool error = !span_is_none(b->failed);

    fputs("    ", out);
    if (b->line)
        fprintf(out, "%u:%u  ", b->line, b->column);
    gw_cli_print(out, b->expr);
    fprintf(out, "  %s%s", gw_cli_style(cli, error ? GW_STYLE_WARN : GW_STYLE_BOLD),
            error   ? "error: "
            : b->is ? "is true"
                    : "is false");
    if (error)
        gw_cli_print(out, b->failed);
    fprintf(out, "%s\n", gw_cli_style(cli, GW_STYLE_PLAIN));
    for (size_t i = 0; i < b->n_saw; i++) {
        // The whole said once is enough.
        if (span_eq(b->saw[i].expr, b->expr))
            continue;
        fprintf(out, "      %s", gw_cli_style(cli, GW_STYLE_DIM));
        gw_cli_print(out, b->saw[i].expr);
        fputs(" = ", out);
        gw_cli_print(out, b->saw[i].value);
        fprintf(out, "%s\n", gw_cli_style(cli, GW_STYLE_PLAIN));
    }
}

static void text_policy(struct gw_cli *cli, const struct told *t, uint32_t i)
{
    static const char *const words[] = {
        [POL_HELD] = "holds",
        [POL_FALSE] = "a condition does not hold",
        [POL_ERRED] = "a condition could not be evaluated",
        [POL_ELSEWHERE] = "is about something else",
    };
    const struct pol_policy_info *p = pol_set_policy(t->r->set, i);
    const struct pol_account *a = &t->accounts[i];
    FILE *out = cli->out;

    fprintf(out, "  %s%s%s ", gw_cli_style(cli, GW_STYLE_BOLD), p->effect == POL_PERMIT ? "permit" : "forbid",
            gw_cli_style(cli, GW_STYLE_PLAIN));
    gw_cli_print(out, p->id);
    fputs(" (", out);
    gw_cli_print(out, p->file);
    fprintf(out, ":%u): %s%s%s\n", p->line, p->shadow ? "tried out, has no say: " : "", words[a->became],
            a->n_because == 0 && a->became == POL_HELD ? ", it has no condition" : "");
    for (size_t k = 0; k < a->n_because; k++)
        text_because(cli, &a->because[k]);
}

static bool is_nearest(const struct told *t, uint32_t i)
{
    for (size_t k = 0; k < t->n_nearest; k++)
        if (t->nearest[k] == i)
            return true;
    return false;
}

static void text_failure(FILE *out, const struct told *t, const struct pol_failure *f)
{
    const struct pol_policy_info *p = pol_set_policy(t->r->set, f->policy);

    fputs("  error   ", out);
    gw_cli_print(out, p->id);
    fputs("  ", out);
    gw_cli_print(out, p->file);
    fprintf(out, ":%u:%u: ", f->line, f->column);
    gw_cli_print(out, f->text);
    fputc('\n', out);
}

static void text_head(struct gw_cli *cli, const struct told *t)
{
    FILE *out = cli->out;

    fprintf(out, "%s%s%s  %.*s\n", gw_cli_style(cli, t->answer.allow ? GW_STYLE_GOOD : GW_STYLE_BAD),
            t->answer.allow ? "allow" : "deny", gw_cli_style(cli, GW_STYLE_PLAIN),
            SPAN_FMT(gw_policy_reason(t->answer.err)));
    fputs("  ", out);
    text_question(out, t->r);
    fputc('\n', out);
    gw_policy_print_obligations(cli, t->r, &t->answer, "  oblige  ");
    // What failed of a permit that holds is none of its conditions.
    for (size_t i = 0; t->answer.err == ERR_POLICY_OBLIGATION && i < t->answer.n_failures; i++)
        text_failure(out, t, &t->answer.failures[i]);
}

static void text_told(struct gw_cli *cli, const struct told *t)
{
    bool all = gw_cli_has(cli, "all"), head = false;
    size_t elsewhere = 0;
    FILE *out = cli->out;

    text_head(cli, t);
    if (t->n_nearest)
        fprintf(out, "\nnearest to permitting:\n");
    for (size_t i = 0; i < t->n_nearest; i++)
        text_policy(cli, t, t->nearest[i]);
    for (uint32_t i = 0; i < t->n; i++) {
        if (is_nearest(t, i))
            continue;
        elsewhere += t->accounts[i].became == POL_ELSEWHERE;
        if (t->accounts[i].became == POL_ELSEWHERE && !all)
            continue;
        if (!head)
            fprintf(out, "\n%s:\n", all ? "policies" : "candidates");
        head = true;
        text_policy(cli, t, i);
    }
    if (!all && elsewhere)
        fprintf(out, "\n%zu polic%s about something else (--all shows them)\n", elsewhere,
                elsewhere == 1 ? "y is" : "ies are");
}

// ---------------------------------------------------------------------------------------------------------------- JSON

static void string(struct json_writer *w, struct span name, struct span value)
{
    json_w_key(w, name);
    json_w_string(w, value);
}

static void json_because(struct json_writer *w, const struct pol_because *b)
{
    json_w_object(w);
    string(w, SPAN("expr"), b->expr);
    if (span_is_none(b->failed)) {
        json_w_key(w, SPAN("is"));
        json_w_bool(w, b->is);
    } else {
        string(w, SPAN("error"), b->failed);
    }
    if (b->line) {
        json_w_key(w, SPAN("line"));
        json_w_uint(w, b->line);
        json_w_key(w, SPAN("column"));
        json_w_uint(w, b->column);
    }
    json_w_key(w, SPAN("saw"));
    json_w_array(w);
    for (size_t i = 0; i < b->n_saw; i++) {
        json_w_object(w);
        string(w, SPAN("expr"), b->saw[i].expr);
        string(w, SPAN("value"), b->saw[i].value);
        json_w_end(w);
    }
    json_w_end(w);
    json_w_end(w);
}

static void json_told(struct gw_cli *cli, struct json_writer *w, const struct told *t)
{
    bool all = gw_cli_has(cli, "all");

    json_w_object(w);
    gw_policy_json_answer(w, t->r, &t->answer);
    json_w_key(w, SPAN("nearest"));
    json_w_array(w);
    for (size_t i = 0; i < t->n_nearest; i++)
        json_w_string(w, pol_set_policy(t->r->set, t->nearest[i])->id);
    json_w_end(w);
    json_w_key(w, SPAN("policies"));
    json_w_array(w);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct pol_account *a = &t->accounts[i];
        const struct pol_policy_info *p = pol_set_policy(t->r->set, i);

        if (a->became == POL_ELSEWHERE && !all && !is_nearest(t, i))
            continue;
        json_w_object(w);
        string(w, SPAN("policy"), p->id);
        string(w, SPAN("effect"), p->effect == POL_PERMIT ? SPAN("permit") : SPAN("forbid"));
        string(w, SPAN("file"), p->file);
        json_w_key(w, SPAN("line"));
        json_w_uint(w, p->line);
        if (p->shadow) {
            json_w_key(w, SPAN("shadow"));
            json_w_bool(w, true);
        }
        string(w, SPAN("became"), became_names[a->became]);
        json_w_key(w, SPAN("because"));
        json_w_array(w);
        for (size_t k = 0; k < a->n_because; k++)
            json_because(w, &a->because[k]);
        json_w_end(w);
        json_w_end(w);
    }
    json_w_end(w);
    json_w_end(w);
}

// ------------------------------------------------------------------------------------------------------------- running

// GW_EXIT_OK or GW_EXIT_NO as decided.
static int explain_one(struct gw_cli *cli, const struct gw_policy_input *in, struct pol_set *set,
                       const struct gw_policy_questions *q, size_t i, struct json_writer *w)
{
    struct told t = { .n = pol_set_count(set) };
    struct pol_request r;

    if (!gw_policy_ask(cli, q, i, set, &cli->arena, &r))
        return GW_EXIT_USAGE;
    pol_decide(&r, in->mode, 0, &t.answer);
    if (r.err)
        return gw_cli_usage(cli, "the request cannot be decided: %s", r.why);
    if (!pol_explain(set, in->policies, in->n_policies, &in->options, &r, &t.accounts))
        return gw_cli_usage(cli, "out of memory");
    t.r = &r;
    // Where a forbid decides, it is the forbid that matters.
    if (t.answer.err == ERR_POLICY_NO_PERMIT)
        t.n_nearest = pol_nearest(set, t.accounts, t.nearest, NEAREST);
    if (w) {
        json_told(cli, w, &t);
    } else {
        if (i > 0)
            fputc('\n', cli->out);
        text_told(cli, &t);
    }
    return t.answer.allow ? GW_EXIT_OK : GW_EXIT_NO;
}

int gw_policy_account(struct gw_cli *cli, const struct gw_policy_input *in, struct pol_set *set,
                      const struct gw_policy_questions *q, struct json_writer *w)
{
    int rc = GW_EXIT_OK;

    if (w && q->list)
        json_w_array(w);
    for (size_t i = 0; i < q->n && rc != GW_EXIT_USAGE; i++) {
        int one = explain_one(cli, in, set, q, i, w);
        rc = one == GW_EXIT_OK ? rc : one;
    }
    if (w && q->list)
        json_w_end(w);
    return rc;
}
