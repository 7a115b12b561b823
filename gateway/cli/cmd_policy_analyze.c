// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy analyze: what is questionable about a policy set without looking at any request.
#include "gateway/api/action.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"
#include "policy/analyze.h"

static const struct {
    struct span name;
    const char *what; // behind the policy's name
} kinds[] = {
    [POL_NEVER] = { SPAN("never"), "never holds: its condition is constantly false" },
    [POL_NO_ACTION] = { SPAN("no_action"), "never holds: its list of actions is empty" },
    [POL_SAME] = { SPAN("same"), "says the same as" },
    [POL_COVERED] = { SPAN("covered"), "changes nothing beside" },
    [POL_FORBIDDEN] = { SPAN("forbidden"), "never permits: whatever it permits is forbidden by" },
    [POL_EVERYBODY] = { SPAN("everybody"), "everybody may" },
    [POL_ANYBODY] = { SPAN("anybody"), "whoever it is may" },
    [POL_DOMAIN] = { SPAN("domain"), "every workload of" },
    [POL_NOWHERE] = { SPAN("nowhere"), "can never apply: no request has" },
    [POL_ROLE] = { SPAN("role"), "nobody has the role" },
};

static void action_list(FILE *out, uint32_t mask)
{
    const char *comma = "";

    for (unsigned i = 0; i < GW_ACTION_COUNT; i++) {
        if (!(mask & GW_ACTION_BIT(i)))
            continue;
        fprintf(out, "%s%.*s", comma, SPAN_FMT(gw_action_name((enum gw_action)i)));
        comma = ", ";
    }
}

static void uid(FILE *out, struct span type, struct span id)
{
    gw_cli_print(out, type);
    fputs("::\"", out);
    gw_cli_print(out, id);
    fputc('"', out);
}

// `… write, delete in Tenant::"acme" (a, b and 3 more), where its conditions about the request hold`
static void grant(FILE *out, const struct pol_finding *f)
{
    fputc(' ', out);
    if (f->kind == POL_DOMAIN) {
        uid(out, SPAN("TrustDomain"), f->role);
        fputs(" may ", out);
    }
    action_list(out, f->actions);
    if (span_is_none(f->type)) {
        fputs(" everywhere", out);
    } else {
        fputs(" on ", out);
        uid(out, f->type, f->id);
    }
    for (uint32_t i = 0; i < f->n_within && i < POL_WITHIN_MAX; i++) {
        fputs(i ? ", " : " (", out);
        gw_cli_print(out, f->within[i]);
    }
    if (f->n_within > POL_WITHIN_MAX)
        fprintf(out, " and %u more", f->n_within - POL_WITHIN_MAX);
    if (f->n_within)
        fputc(')', out);
    if (f->conditions)
        fputs(", by conditions that do not ask who it is", out);
}

static void text_finding(struct gw_cli *cli, const struct pol_set *set, const struct pol_finding *f)
{
    const struct pol_policy_info *p = pol_set_policy(set, f->policy), *o = pol_set_policy(set, f->other);
    FILE *out = cli->out;

    gw_cli_print(out, p->file);
    fprintf(out, ":%u:%u: %s", p->line, p->column, gw_cli_style(cli, GW_STYLE_BOLD));
    gw_cli_print(out, p->id);
    fprintf(out, "%s: %s", gw_cli_style(cli, GW_STYLE_PLAIN), kinds[f->kind].what);
    if (f->kind == POL_SAME || f->kind == POL_COVERED || f->kind == POL_FORBIDDEN) {
        fputc(' ', out);
        gw_cli_print(out, o->id);
        fputs(" (", out);
        gw_cli_print(out, o->file);
        fprintf(out, ":%u)", o->line);
    } else if (f->kind == POL_EVERYBODY) {
        fputc(' ', out);
        action_list(out, f->actions);
        fputs(" everywhere", out);
    } else if (f->kind == POL_ANYBODY || f->kind == POL_DOMAIN) {
        grant(out, f);
    } else if (f->kind == POL_NOWHERE && span_is_none(f->id)) {
        fputs(" a principal or resource of the type ", out);
        gw_cli_print(out, f->type);
    } else if (f->kind == POL_NOWHERE) {
        fputs(" the action ", out);
        uid(out, f->type, f->id);
        fputs("; a group stands behind `in`", out);
    } else if (f->kind == POL_ROLE) {
        fputs(" Role::\"", out);
        gw_cli_print(out, f->role);
        fputc('"', out);
    }
    fputc('\n', out);
}

static void json_grant(struct json_writer *w, const struct pol_finding *f)
{
    json_w_key(w, SPAN("conditions"));
    json_w_bool(w, f->conditions);
    if (f->kind == POL_DOMAIN) {
        json_w_key(w, SPAN("trust_domain"));
        json_w_string(w, f->role);
    }
    if (span_is_none(f->type))
        return;
    json_w_key(w, SPAN("resource"));
    json_w_object(w);
    json_w_key(w, SPAN("type"));
    json_w_string(w, f->type);
    json_w_key(w, SPAN("id"));
    json_w_string(w, f->id);
    json_w_end(w);
    json_w_key(w, SPAN("within"));
    json_w_array(w);
    for (uint32_t i = 0; i < f->n_within && i < POL_WITHIN_MAX; i++)
        json_w_string(w, f->within[i]);
    json_w_end(w);
    json_w_key(w, SPAN("within_count"));
    json_w_uint(w, f->n_within);
}

static void json_finding(struct json_writer *w, const struct pol_set *set, const struct pol_finding *f)
{
    const struct pol_policy_info *p = pol_set_policy(set, f->policy);

    json_w_object(w);
    json_w_key(w, SPAN("kind"));
    json_w_string(w, kinds[f->kind].name);
    json_w_key(w, SPAN("policy"));
    json_w_string(w, p->id);
    json_w_key(w, SPAN("file"));
    json_w_string(w, p->file);
    json_w_key(w, SPAN("line"));
    json_w_uint(w, p->line);
    if (f->kind == POL_SAME || f->kind == POL_COVERED || f->kind == POL_FORBIDDEN) {
        json_w_key(w, SPAN("other"));
        json_w_string(w, pol_set_policy(set, f->other)->id);
    } else if (f->kind == POL_EVERYBODY || f->kind == POL_ANYBODY || f->kind == POL_DOMAIN) {
        json_w_key(w, SPAN("actions"));
        json_w_array(w);
        for (unsigned i = 0; i < GW_ACTION_COUNT; i++)
            if (f->actions & GW_ACTION_BIT(i))
                json_w_string(w, gw_action_name((enum gw_action)i));
        json_w_end(w);
        if (f->kind != POL_EVERYBODY)
            json_grant(w, f);
    } else if (f->kind == POL_NOWHERE) {
        json_w_key(w, SPAN("type"));
        json_w_string(w, f->type);
        if (!span_is_none(f->id)) {
            json_w_key(w, SPAN("id"));
            json_w_string(w, f->id);
        }
    } else if (f->kind == POL_ROLE) {
        json_w_key(w, SPAN("role"));
        json_w_string(w, f->role);
    }
    json_w_end(w);
}

static int answer_json(struct gw_cli *cli, const struct pol_set *set, const struct pol_analysis *a)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("policies"));
    json_w_uint(&w, pol_set_count(set));
    json_w_key(&w, SPAN("complete"));
    json_w_bool(&w, !a->bounded);
    json_w_key(&w, SPAN("findings"));
    json_w_array(&w);
    for (size_t i = 0; i < a->n; i++)
        json_finding(&w, set, &a->findings[i]);
    json_w_end(&w);
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok ? 0 : gw_cli_usage(cli, "out of memory");
}

static void answer_text(struct gw_cli *cli, const struct pol_set *set, const struct pol_analysis *a)
{
    for (size_t i = 0; i < a->n; i++)
        text_finding(cli, set, &a->findings[i]);
    fprintf(cli->out, "%zu polic%s, %zu finding%s\n", pol_set_count(set), pol_set_count(set) == 1 ? "y" : "ies", a->n,
            a->n == 1 ? "" : "s");
    if (a->bounded)
        gw_cli_note(cli, "there are too many policies to compare all of them with each other; analyze them in parts");
}

// What requests are made of: gateway/stages/facts.c.
static const struct span principals[] = { SPAN("Workload") };
static const struct span resources[] = { SPAN("Collection"), SPAN("Database"), SPAN("Tenant"), SPAN("Server") };

static int run(struct gw_cli *cli)
{
    struct span actions[GW_ACTION_COUNT];
    struct gw_policy_input in;
    int rc = GW_EXIT_USAGE;

    if (!gw_policy_input_init(&in, cli) || !gw_policy_input_options(&in) || !gw_policy_input_gateway(&in))
        return GW_EXIT_USAGE;
    for (unsigned i = 0; i < GW_ACTION_COUNT; i++)
        actions[i] = gw_action_name((enum gw_action)i);
    struct pol_analysis a = { .actions = actions,
                              .n_actions = GW_ACTION_COUNT,
                              .changing = (GW_ACTION_BIT(GW_ACTION_COUNT) - 1) & ~(uint32_t)GW_ACTIONS_READONLY,
                              .administrative = (uint32_t)GW_ACTIONS_ADMIN | GW_ACTION_BIT(GW_ACTION_OPS),
                              .principals = principals,
                              .n_principals = 1,
                              .resources = resources,
                              .n_resources = sizeof resources / sizeof *resources,
                              .issuers = in.issuers,
                              .n_issuers = in.n_issuers };
    struct pol_set *set = gw_policy_input_compile(&in);
    if (set && !pol_analyze(set, &a, &cli->arena)) {
        gw_cli_usage(cli, "out of memory");
    } else if (set) {
        rc = a.n ? GW_EXIT_NO : GW_EXIT_OK;
        if (!cli->json)
            answer_text(cli, set, &a);
        else if (answer_json(cli, set, &a) != 0)
            rc = GW_EXIT_USAGE;
    }
    pol_set_free(set);
    return rc;
}

static const struct gw_cli_option options[] = {
    GW_POLICY_OPTIONS,
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_analyze = {
    .name = "analyze",
    .summary = "find policies that decide nothing, roles nobody has, and grants to everybody",
    .about =
        "Policies that never hold, repeat or are covered by another; permits that a forbid makes vain; permits that "
        "let\n"
        "everybody act everywhere, whoever it is write or more, or a whole trust domain administrate; scopes that no\n"
        "request can have; roles that no entity has and no issuer of the configuration brings (without --config: that\n"
        "no entity has). What is said is so for every request; what two conditions mean is not compared unless they\n"
        "are the same, so not all that could be said is. The gateway's rules are implied.\n"
        "Exit status: 0 nothing was found, 1 something was, 2 bad input.",
    .options = options,
    .run = run,
};
