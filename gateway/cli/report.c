// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/report.h"

#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"

static const struct {
    enum gw_cli_style style;
    const char *sign;
} states[] = {
    [GW_RULE_HELD] = { GW_STYLE_GOOD, "✓" },
    [GW_RULE_FAILED] = { GW_STYLE_BAD, "✗" },
    [GW_RULE_SKIPPED] = { GW_STYLE_DIM, "–" },
};

// ---- collecting

void gw_report_init(struct gw_report *r, struct gw_cli *cli)
{
    memset(r, 0, sizeof *r);
    r->cli = cli;
}

static void add(struct gw_report *r, const char *rule, const char *what, enum gw_report_state state, const char *detail)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct gw_report_line *l = &r->lines[i];
        if (l->state == state && strcmp(l->rule, rule) == 0 && strcmp(l->what, what) == 0)
            return;
    }
    // The last place is for the rule that fails: an account without it would be none.
    if (r->n < GW_REPORT_RULES - 1 || (r->n < GW_REPORT_RULES && state == GW_RULE_FAILED))
        r->lines[r->n++] = (struct gw_report_line){ rule, what, arena_dup(&r->cli->arena, span_str(detail)), state };
}

void gw_report_rule(struct gw_report *r, const char *rule, const char *what, bool ok, const char *detail)
{
    for (size_t i = 0; ok && i < r->assumed_n; i++)
        if (strcmp(r->assumed[i].rule, rule) == 0) {
            gw_report_skip(r, rule, what, r->assumed[i].why);
            return;
        }
    add(r, rule, what, ok ? GW_RULE_HELD : GW_RULE_FAILED, detail);
}

void gw_report_skip(struct gw_report *r, const char *rule, const char *what, const char *why)
{
    add(r, rule, what, GW_RULE_SKIPPED, why);
}

void gw_report_assume(struct gw_report *r, const char *rule, const char *why)
{
    if (r->assumed_n < sizeof r->assumed / sizeof *r->assumed) {
        r->assumed[r->assumed_n].rule = rule;
        r->assumed[r->assumed_n++].why = why;
    }
}

static void on_rule(void *ctx, const char *rule, const char *what, bool ok, const char *detail)
{
    gw_report_rule(ctx, rule, what, ok, detail);
}

struct pki_trace gw_report_trace(struct gw_report *r)
{
    return (struct pki_trace){ .on_rule = on_rule, .ctx = r };
}

void gw_report_fact(struct gw_report *r, const char *name, struct span value)
{
    if (span_is_none(value))
        return;
    struct gw_report_fact *f = arena_alloc(&r->cli->arena, sizeof *f);
    if (!f)
        return;
    *f = (struct gw_report_fact){ .name = name, .value = arena_dup(&r->cli->arena, value) };
    if (r->last)
        r->last->next = f;
    else
        r->first = f;
    r->last = f;
}

void gw_report_moment(struct gw_report *r, const char *name, int64_t s, int64_t now_ms)
{
    char text[GW_CLI_MOMENT];

    gw_cli_moment(s, now_ms, text);
    struct span whole = span_str(text);
    gw_report_fact(r, name, r->cli->json ? span_sub(whole, 0, span_find(whole, ',')) : whole);
}

// ---- the answer

static const char *failed_rule(const struct gw_report *r)
{
    for (size_t i = r->n; i-- > 0;)
        if (r->lines[i].state == GW_RULE_FAILED)
            return r->lines[i].rule;
    return "";
}

static void text_lines(const struct gw_report *r)
{
    FILE *out = r->cli->out;

    for (size_t i = 0; i < r->n; i++) {
        const struct gw_report_line *l = &r->lines[i];
        fprintf(out, "%s%s%s %-6s  %s", gw_cli_style(r->cli, states[l->state].style), states[l->state].sign,
                gw_cli_style(r->cli, GW_STYLE_PLAIN), l->rule, l->what);
        if (!span_is_none(l->detail)) {
            fputs(": ", out);
            gw_cli_print(out, l->detail);
        }
        fputc('\n', out);
    }
}

static void text_verdict(const struct gw_report *r, int rc)
{
    FILE *out = r->cli->out;

    fprintf(out, "%s%s%s", gw_cli_style(r->cli, rc == 0 ? GW_STYLE_GOOD : GW_STYLE_BAD), rc == 0 ? "valid" : "invalid",
            gw_cli_style(r->cli, GW_STYLE_PLAIN));
    if (rc != 0) {
        const struct err_info *e = err_info(rc);
        const char *rule = failed_rule(r);
        fprintf(out, ": %.*s: %.*s", SPAN_FMT(e->name), SPAN_FMT(e->reason));
        if (*rule)
            fprintf(out, " (rule %s)", rule);
    }
    fputc('\n', out);
    for (const struct gw_report_fact *f = rc == 0 ? r->first : NULL; f; f = f->next) {
        fprintf(out, "  %-12s  ", f->name);
        gw_cli_print(out, f->value);
        fputc('\n', out);
    }
}

static void string(struct json_writer *w, struct span name, struct span value)
{
    json_w_key(w, name);
    json_w_string(w, value);
}

static void json_rule(struct json_writer *w, const struct gw_report_line *l)
{
    json_w_object(w);
    string(w, SPAN("rule"), span_str(l->rule));
    string(w, SPAN("what"), span_str(l->what));
    json_w_key(w, SPAN("ok"));
    if (l->state == GW_RULE_SKIPPED)
        json_w_null(w);
    else
        json_w_bool(w, l->state == GW_RULE_HELD);
    if (!span_is_none(l->detail))
        string(w, SPAN("detail"), l->detail);
    json_w_end(w);
}

static int json_answer(const struct gw_report *r, int rc)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("valid"));
    json_w_bool(&w, rc == 0);
    if (rc != 0) {
        const struct err_info *e = err_info(rc);
        string(&w, SPAN("error"), e->name);
        string(&w, SPAN("code"), e->code);
        string(&w, SPAN("reason"), e->reason);
        string(&w, SPAN("rule"), span_str(failed_rule(r)));
    }
    json_w_key(&w, SPAN("rules"));
    json_w_array(&w);
    for (size_t i = 0; i < r->n; i++)
        json_rule(&w, &r->lines[i]);
    json_w_end(&w);
    if (rc == 0) {
        json_w_key(&w, SPAN("facts"));
        json_w_object(&w);
        for (const struct gw_report_fact *f = r->first; f; f = f->next)
            string(&w, span_str(f->name), f->value);
        json_w_end(&w);
    }
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        fprintf(r->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok ? 0 : gw_cli_usage(r->cli, "out of memory");
}

int gw_report_finish(struct gw_report *r, int rc)
{
    if (rc == ERR_NOMEM || rc == ERR_INTERNAL || r->cli->arena.failed)
        return gw_cli_usage(r->cli, "the check could not be carried out: %.*s",
                            SPAN_FMT(err_info(rc ? rc : ERR_NOMEM)->reason));
    // Something said no without naming a rule: the account says so all the same.
    if (rc != 0 && !*failed_rule(r))
        add(r, "", "", GW_RULE_FAILED, err_info(rc)->reason.p);
    if (r->cli->json) {
        int e = json_answer(r, rc);
        if (e != 0)
            return e;
    } else {
        text_lines(r);
        text_verdict(r, rc);
    }
    return rc == 0 ? GW_EXIT_OK : GW_EXIT_NO;
}
