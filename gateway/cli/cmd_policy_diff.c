// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy diff: decides every request of an audit log by an old and a new policy set, and shows each decision that would change.
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"
#include "policy/print.h"

struct diff {
    struct gw_cli *cli;
    const char *path;
    struct pol_set *sets[2];                              // old, new
    size_t records, requests, unreadable, changed, other; // other: the same decision by other policies
    struct json_writer *w;                                // --json: the list of changes
};

// One request by one of the sets.
struct side {
    struct pol_request r;
    struct pol_answer a;
};

static bool same_policies(const struct side s[2])
{
    bool same = s[0].a.n_determining == s[1].a.n_determining;

    // In the order of each set; the same names in another order are the same policies.
    for (size_t i = 0; same && i < s[0].a.n_determining; i++) {
        struct span id = pol_answer_id(&s[0].r, &s[0].a, i);
        bool found = false;
        for (size_t k = 0; k < s[1].a.n_determining && !found; k++)
            found = span_eq(id, pol_answer_id(&s[1].r, &s[1].a, k));
        same = found;
    }
    return same;
}

// What both oblige to, whichever policy does, in whatever order.
static bool obliges(const struct side *s, struct span text)
{
    bool found = false;

    for (size_t i = 0; i < s->a.n_obligations && !found; i++) {
        struct buf b;

        buf_init(&b, 0);
        pol_print_obligation(&b, &s->r, &s->a.obligations[i], SIZE_MAX / 2);
        found = span_eq(buf_span(&b), text);
        buf_fini(&b);
    }
    return found;
}

static bool within(const struct side *inner, const struct side *outer)
{
    bool all = true;

    for (size_t i = 0; i < inner->a.n_obligations && all; i++) {
        struct buf b;

        buf_init(&b, 0);
        pol_print_obligation(&b, &inner->r, &inner->a.obligations[i], SIZE_MAX / 2);
        all = !b.failed && obliges(outer, buf_span(&b));
        buf_fini(&b);
    }
    return all;
}

static bool same_obligations(const struct side s[2])
{
    return within(&s[0], &s[1]) && within(&s[1], &s[0]);
}

// ------------------------------------------------------------------------------------------------------------- changes

static void text_side(struct gw_cli *cli, const char *which, const struct side *s)
{
    FILE *out = cli->out;

    fprintf(out, "  %s  %s%s%s  %.*s", which, gw_cli_style(cli, s->a.allow ? GW_STYLE_GOOD : GW_STYLE_BAD),
            s->a.allow ? "allow" : "deny ", gw_cli_style(cli, GW_STYLE_PLAIN), SPAN_FMT(gw_policy_reason(s->a.err)));
    for (size_t i = 0; i < s->a.n_determining; i++) {
        fputs(i ? ", " : ": ", out);
        gw_cli_print(out, pol_answer_id(&s->r, &s->a, i));
    }
    fputc('\n', out);
    gw_policy_print_obligations(cli, &s->r, &s->a, "       ");
    for (size_t i = 0; i < s->a.n_failures; i++) {
        fputs("       error in ", out);
        gw_cli_print(out, pol_set_policy(s->r.set, s->a.failures[i].policy)->id);
        fputs(": ", out);
        gw_cli_print(out, s->a.failures[i].text);
        fputc('\n', out);
    }
}

static void text_change(struct diff *d, json record, size_t line, const struct side s[2])
{
    FILE *out = d->cli->out;
    struct buf b;

    buf_init(&b, 0);
    pol_print_question(&b, &s[0].r);
    fprintf(out, "%s:%zu: ", d->path, line);
    gw_cli_print(out, json_string(json_get(record, SPAN("request_id"))));
    fputs("  ", out);
    gw_cli_print(out, buf_span(&b));
    fputc('\n', out);
    buf_fini(&b);
    text_side(d->cli, "old", &s[0]);
    text_side(d->cli, "new", &s[1]);
}

static void json_change(struct diff *d, json record, size_t line, const struct side s[2])
{
    static const struct span names[] = { SPAN("old"), SPAN("new") };
    struct json_writer *w = d->w;
    struct buf b;

    json_w_object(w);
    json_w_key(w, SPAN("line"));
    json_w_uint(w, line);
    json_w_key(w, SPAN("request_id"));
    json_w_string(w, json_string(json_get(record, SPAN("request_id"))));
    buf_init(&b, 0);
    pol_print_question(&b, &s[0].r);
    json_w_key(w, SPAN("request"));
    json_w_string(w, buf_span(&b));
    buf_fini(&b);
    for (size_t i = 0; i < 2; i++) {
        json_w_key(w, names[i]);
        json_w_object(w);
        gw_policy_json_answer(w, &s[i].r, &s[i].a);
        json_w_end(w);
    }
    json_w_end(w);
}

// -------------------------------------------------------------------------------------------------------------- replay

static bool replay(struct diff *d, const struct gw_policy_questions *q, size_t i, json record, size_t line)
{
    struct side s[2];
    struct arena arena;
    bool ok = true;

    // A request that could not even be built was refused without policies.
    if (json_type(gw_policy_question(q, i)) == JSON_NULL) {
        d->unreadable++;
        return true;
    }
    arena_init(&arena, 0);
    for (size_t k = 0; k < 2 && ok; k++) {
        ok = gw_policy_ask(d->cli, q, i, d->sets[k], &arena, &s[k].r);
        if (ok)
            pol_decide(&s[k].r, POL_MODE_GATEWAY, 0, &s[k].a);
    }
    if (ok) {
        d->requests++;
        // Who loses a filter sees more, though both say yes.
        if (s[0].a.allow != s[1].a.allow || !same_obligations(s)) {
            d->changed++;
            if (d->w)
                json_change(d, record, line, s);
            else
                text_change(d, record, line, s);
        } else if (!same_policies(s)) {
            d->other++;
        }
    }
    arena_fini(&arena);
    return ok;
}

static bool on_record(void *ctx, json record, json inputs, size_t line)
{
    struct diff *d = ctx;
    char name[64];
    struct gw_policy_questions q;

    snprintf(name, sizeof name, "line %zu", line);
    q = (struct gw_policy_questions){ .name = span_str(name) };
    if (!gw_policy_questions_of(d->cli, inputs, &q))
        return false;
    d->records++;
    for (size_t i = 0; i < q.n; i++)
        if (!replay(d, &q, i, record, line))
            return false;
    return true;
}

static void count(struct json_writer *w, struct span name, size_t n)
{
    json_w_key(w, name);
    json_w_uint(w, n);
}

static bool answer_json(struct diff *d)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("changes"));
    json_w_array(&w);
    d->w = &w;
    bool ok = gw_policy_audit(d->cli, d->path, on_record, d);
    json_w_end(&w);
    count(&w, SPAN("records"), d->records);
    count(&w, SPAN("requests"), d->requests);
    count(&w, SPAN("changed"), d->changed);
    count(&w, SPAN("by_other_policies"), d->other);
    json_w_end(&w);
    if (ok && b.failed)
        ok = (gw_cli_usage(d->cli, "out of memory"), false);
    if (ok)
        fprintf(d->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok;
}

static bool answer_text(struct diff *d)
{
    if (!gw_policy_audit(d->cli, d->path, on_record, d))
        return false;
    fprintf(d->cli->out, "%zu request%s of %zu record%s: %s%zu would change%s", d->requests,
            d->requests == 1 ? "" : "s", d->records, d->records == 1 ? "" : "s",
            gw_cli_style(d->cli, d->changed ? GW_STYLE_BAD : GW_STYLE_GOOD), d->changed,
            gw_cli_style(d->cli, GW_STYLE_PLAIN));
    fprintf(d->cli->out, ", %zu would be decided the same by other policies\n", d->other);
    if (d->unreadable)
        gw_cli_note(d->cli, "%zu request%s could not be recorded when asked, and %s passed over", d->unreadable,
                    d->unreadable == 1 ? "" : "s", d->unreadable == 1 ? "was" : "were");
    return true;
}

static struct pol_set *load(struct gw_cli *cli, const char *path)
{
    struct gw_policy_input in;
    const char *v;

    // A configuration has brought its own entities; those named here are added to both.
    if (!gw_policy_input_init(&in, cli) || !gw_policy_input_add(&in, path))
        return NULL;
    for (size_t i = 0; (v = gw_cli_next(cli, "entities", &i));)
        if (!gw_policy_input_entities(&in, v))
            return NULL;
    return gw_policy_input_gateway(&in) ? gw_policy_input_compile(&in) : NULL;
}

static int run(struct gw_cli *cli)
{
    struct diff d = { .cli = cli, .path = gw_cli_get(cli, "requests") };
    int rc = GW_EXIT_USAGE;

    d.sets[0] = load(cli, cli->args[0]);
    d.sets[1] = d.sets[0] ? load(cli, cli->args[1]) : NULL;
    if (d.sets[1] && (cli->json ? answer_json(&d) : answer_text(&d)))
        rc = d.changed ? GW_EXIT_NO : GW_EXIT_OK;
    pol_set_free(d.sets[0]);
    pol_set_free(d.sets[1]);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "requests", .value = "FILE", .help = "an audit log; - is standard input", .required = true },
    { .name = "entities", .value = "FILE", .help = "entities for both: JSON, or YAML by its name", .repeat = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_diff = {
    .name = "diff",
    .summary = "decide an audit log again by an old and a new policy set: what would change",
    .args = "OLD NEW",
    .min_args = 2,
    .max_args = 2,
    .about =
        "OLD and NEW are .cedar files, folders of them, or configurations of a gateway. Every record holds the facts "
        "that\n"
        "its decision saw, and these win over the entities of a configuration: diff compares policies, not entities.\n"
        "Decisions are the gateway's: a forbid that cannot be evaluated denies. Where both allow, but oblige the "
        "gateway\n"
        "to something else (@filter, @limit, @audit), that is a change, too.\n"
        "Exit status: 0 nothing would change, 1 something would, 2 unreadable input.\n"
        "\n"
        "  sallyport policy diff policies/ proposed/ --requests audit.jsonl",
    .options = options,
    .run = run,
};
