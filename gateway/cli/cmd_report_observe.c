// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport report observe: what the gates that only observe would have refused, by workload, and what to do about it.
#include "gateway/base/clock.h"
#include "gateway/base/map.h"
#include "gateway/cli/advice.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_scan.h"

#include <stdlib.h>

#define SHOWN 12 // of a workload's rows, as text; JSON has them all

// The first and the last time, as records have it. In place: a log may be long.
struct moments {
    char first[CLOCK_TEXT], last[CLOCK_TEXT];
};

// One thing that would have been refused. At the token gate it is nobody's business what was asked for.
struct finding {
    struct span gate, code, rule, action, resource;
    size_t n, hidden;
    struct moments seen;
    struct span example; // an id
};

struct workload {
    struct span id;
    size_t requests, observed, refused; // refused: that already counted
    struct moments seen;                // of what was observed
    struct map by;
    struct finding **findings;
    size_t n, cap;
};

struct tally {
    struct gw_cli *cli;
    const char *only;     // the beginning of workloads, or one; NULL: all
    struct arena scratch; // of one record
    struct map by;
    struct workload **workloads;
    size_t n, cap;
    size_t requests, observed;
};

static const uint64_t any_key[2] = { 0x5a11, 0x0b5e }; // a log is the operator's own

static bool out_of_memory(struct gw_cli *cli)
{
    gw_cli_usage(cli, "out of memory");
    return false;
}

// `*all` with room for one more, from the arena.
static bool room(struct arena *a, void *all, size_t n, size_t *cap)
{
    void **at = *(void ***)all, **more;

    if (n < *cap)
        return true;
    size_t wanted = *cap ? 2 * *cap : 16;
    more = arena_array(a, wanted, sizeof *more);
    if (!more)
        return false;
    if (n > 0)
        memcpy(more, at, n * sizeof *more);
    *(void ***)all = more;
    *cap = wanted;
    return true;
}

static struct workload *workload_of(struct tally *t, struct span id)
{
    struct arena *a = &t->cli->arena;
    struct workload *w = map_get(&t->by, id);

    if (w)
        return w;
    w = arena_alloc(a, sizeof *w);
    if (!w || !room(a, &t->workloads, t->n, &t->cap))
        return NULL;
    w->id = arena_dup(a, id);
    map_init(&w->by, any_key);
    if (span_is_none(w->id) || !map_put(&t->by, w->id, w, NULL))
        return NULL;
    return t->workloads[t->n++] = w;
}

static void see(struct moments *m, json record)
{
    struct span time = json_string(json_get(record, SPAN("time")));

    if (time.n != CLOCK_TEXT - 1)
        return;
    memcpy(m->last, time.p, time.n);
    if (!m->first[0])
        memcpy(m->first, time.p, time.n);
}

static bool add(struct tally *t, struct workload *w, const struct finding *what, json record, uint64_t hidden)
{
    struct arena *a = &t->cli->arena;
    struct span key = arena_printf(&t->scratch, "%.*s\n%.*s\n%.*s\n%.*s", SPAN_FMT(what->gate), SPAN_FMT(what->rule),
                                   SPAN_FMT(what->action), SPAN_FMT(what->resource));
    struct finding *f;

    if (span_is_none(key))
        return false;
    f = map_get(&w->by, key);
    if (!f) {
        f = arena_alloc(a, sizeof *f);
        key = arena_dup(a, key);
        if (!f || span_is_none(key) || !room(a, &w->findings, w->n, &w->cap) || !map_put(&w->by, key, f, NULL))
            return false;
        *f = (struct finding){
            .gate = arena_dup(a, what->gate),
            .code = arena_dup(a, what->code),
            .rule = arena_dup(a, what->rule),
            .action = arena_dup(a, what->action),
            .resource = arena_dup(a, what->resource),
            .example = arena_dup(a, json_string(json_get(record, SPAN("request_id")))),
        };
        w->findings[w->n++] = f;
    }
    f->n++;
    f->hidden += hidden;
    see(&f->seen, record);
    return !a->failed;
}

// "acme/main/docs", or the part of it that there is.
static struct span resource_of(struct arena *a, json access)
{
    static const struct span parts[] = { SPAN("tenant"), SPAN("database"), SPAN("collection") };
    struct span all = SPAN_NONE;

    for (size_t i = 0; i < 3; i++) {
        struct span part = json_string(json_get(access, parts[i]));
        if (!span_is_none(part))
            all = span_is_none(all) ? part : arena_join(a, all, '/', part);
    }
    return all;
}

static bool add_observed(struct tally *t, struct workload *w, json record, json observed)
{
    struct finding what = {
        .gate = json_string(json_get(observed, SPAN("gate"))),
        .code = json_string(json_get(observed, SPAN("code"))),
        .rule = json_string(json_get(observed, SPAN("rule"))),
    };
    json accesses = json_get(record, SPAN("accesses")), access;
    struct span none;
    int64_t hidden = 0;

    json_i64(json_get(observed, SPAN("hidden")), &hidden);
    if (!span_eq(what.gate, SPAN("policy")) || json_count(accesses) == 0)
        return add(t, w, &what, record, (uint64_t)hidden);
    for (struct json_iter it = json_iter(accesses); json_next(&it, &none, &access); hidden = 0) {
        what.action = json_string(json_get(access, SPAN("action")));
        what.resource = resource_of(&t->scratch, access);
        if (!add(t, w, &what, record, (uint64_t)hidden))
            return false;
    }
    return true;
}

static bool is_meant(const struct tally *t, struct span workload)
{
    struct span only = span_str(t->only);

    if (!t->only)
        return true;
    return span_ends(only, SPAN("/")) ? span_starts(workload, only) : span_eq(workload, only);
}

static bool on_record(void *ctx, json record, const char *file, size_t line)
{
    struct tally *t = ctx;
    struct span id = json_string(json_get(record, SPAN("workload")));
    json all = json_get(record, SPAN("observed")), one;
    struct span none;

    (void)file;
    (void)line;
    if (!span_eq(json_string(json_get(record, SPAN("kind"))), SPAN("request")) || span_is_none(id) || !is_meant(t, id))
        return true;
    struct workload *w = workload_of(t, id);
    if (!w)
        return out_of_memory(t->cli);
    t->requests++;
    w->requests++;
    // Who was refused anyway loses nothing when more is enforced.
    if (span_eq(json_string(json_get(record, SPAN("decision"))), SPAN("deny")))
        w->refused++;
    if (!span_eq(json_string(json_get(record, SPAN("decision"))), SPAN("observed")))
        return true;
    t->observed++;
    w->observed++;
    see(&w->seen, record);
    bool ok = true;
    for (struct json_iter it = json_iter(all); ok && json_next(&it, &none, &one);)
        ok = add_observed(t, w, record, one);
    arena_fini(&t->scratch);
    return ok || out_of_memory(t->cli);
}

static int by_count(const void *a, const void *b)
{
    const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->seen.first, y->seen.first);
}

static int by_observed(const void *a, const void *b)
{
    const struct workload *x = *(struct workload *const *)a, *y = *(struct workload *const *)b;

    return x->observed != y->observed ? (x->observed < y->observed ? 1 : -1) : span_cmp(x->id, y->id);
}

static void text_finding(FILE *out, const struct finding *f)
{
    struct gw_advice advice = gw_advice_of(f->rule);

    fprintf(out, "  %6zu  ", f->n);
    gw_cli_print(out, f->gate);
    fputs(" gate: ", out);
    gw_cli_print(out, f->code);
    fputs(" (", out);
    gw_cli_print(out, f->rule);
    fputc(')', out);
    if (!span_is_none(f->action)) {
        fputs("  ", out);
        gw_cli_print(out, f->action);
        fputc(' ', out);
        gw_cli_print(out, span_is_none(f->resource) ? SPAN("the server") : f->resource);
    }
    if (f->hidden)
        fprintf(out, ", %zu entries of lists", f->hidden);
    fputs("\n          ", out);
    gw_cli_print(out, span_str(f->seen.first));
    fputs(" to ", out);
    gw_cli_print(out, span_str(f->seen.last));
    fputs(", such as ", out);
    gw_cli_print(out, f->example);
    fputc('\n', out);
    if (!span_is_none(advice.todo))
        fprintf(out, "          → %.*s\n", SPAN_FMT(advice.todo));
}

static void text(struct tally *t)
{
    struct gw_cli *cli = t->cli;
    size_t broken = 0;

    for (size_t i = 0; i < t->n; i++) {
        const struct workload *w = t->workloads[i];
        const char *style = gw_cli_style(cli, w->observed ? GW_STYLE_BAD : GW_STYLE_GOOD);
        broken += w->observed > 0;
        gw_cli_print(cli->out, w->id);
        fprintf(cli->out, "\n  %zu request%s: %s%zu would be refused%s", w->requests, w->requests == 1 ? "" : "s",
                style, w->observed, gw_cli_style(cli, GW_STYLE_PLAIN));
        if (w->refused)
            fprintf(cli->out, ", %zu %s refused already", w->refused, w->refused == 1 ? "is" : "are");
        fputc('\n', cli->out);
        for (size_t k = 0; k < w->n && k < SHOWN; k++)
            text_finding(cli->out, w->findings[k]);
        if (w->n > SHOWN)
            fprintf(cli->out, "  and %zu more (--json has them)\n", w->n - SHOWN);
        fputc('\n', cli->out);
    }
    fprintf(cli->out, "%zu request%s of %zu workload%s: enforcing would refuse %zu, and break %zu workload%s\n",
            t->requests, t->requests == 1 ? "" : "s", t->n, t->n == 1 ? "" : "s", t->observed, broken,
            broken == 1 ? "" : "s");
}

static void member(struct json_writer *w, struct span name, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, name);
    json_w_string(w, value);
}

static void count(struct json_writer *w, struct span name, size_t n)
{
    json_w_key(w, name);
    json_w_uint(w, n);
}

static void json_seen(struct json_writer *w, const struct moments *m)
{
    if (!m->first[0])
        return;
    member(w, SPAN("first"), span_str(m->first));
    member(w, SPAN("last"), span_str(m->last));
}

static void json_workload(struct json_writer *w, const struct workload *one)
{
    json_w_object(w);
    member(w, SPAN("workload"), one->id);
    count(w, SPAN("requests"), one->requests);
    count(w, SPAN("would_be_refused"), one->observed);
    count(w, SPAN("refused"), one->refused);
    json_seen(w, &one->seen);
    json_w_key(w, SPAN("findings"));
    json_w_array(w);
    for (size_t i = 0; i < one->n; i++) {
        const struct finding *f = one->findings[i];
        json_w_object(w);
        member(w, SPAN("gate"), f->gate);
        member(w, SPAN("code"), f->code);
        member(w, SPAN("rule"), f->rule);
        member(w, SPAN("action"), f->action);
        member(w, SPAN("resource"), f->resource);
        count(w, SPAN("requests"), f->n);
        if (f->hidden)
            count(w, SPAN("hidden"), f->hidden);
        json_seen(w, &f->seen);
        member(w, SPAN("example"), f->example);
        member(w, SPAN("todo"), gw_advice_of(f->rule).todo);
        json_w_end(w);
    }
    json_w_end(w);
    json_w_end(w);
}

static bool as_json(struct tally *t)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    count(&w, SPAN("requests"), t->requests);
    count(&w, SPAN("would_be_refused"), t->observed);
    json_w_key(&w, SPAN("workloads"));
    json_w_array(&w);
    for (size_t i = 0; i < t->n; i++)
        json_workload(&w, t->workloads[i]);
    json_w_end(&w);
    json_w_end(&w);
    bool ok = !b.failed || out_of_memory(t->cli);
    if (ok)
        fprintf(t->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok;
}

static int run(struct gw_cli *cli)
{
    struct tally t = { .cli = cli, .only = gw_cli_get(cli, "workload") };

    map_init(&t.by, any_key);
    bool ok = gw_audit_scan(cli, cli->args, cli->n_args, true, on_record, &t);
    for (size_t i = 0; i < t.n; i++) {
        if (ok && t.workloads[i]->n > 0)
            qsort(t.workloads[i]->findings, t.workloads[i]->n, sizeof *t.workloads[i]->findings, by_count);
        map_fini(&t.workloads[i]->by);
    }
    map_fini(&t.by);
    if (ok && t.n > 0)
        qsort(t.workloads, t.n, sizeof *t.workloads, by_observed);
    if (ok && cli->json)
        ok = as_json(&t);
    else if (ok)
        text(&t);
    if (ok && t.requests == 0)
        gw_cli_note(cli, "there is no request in it, so nothing is known");
    return !ok ? GW_EXIT_USAGE : t.observed > 0 ? GW_EXIT_NO : GW_EXIT_OK;
}

static const struct gw_cli_option options[] = {
    GW_AUDIT_OPTION_SINCE,
    { .name = "workload", .value = "ID", .help = "only this one, or with a '/' at its end those that begin so" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_report_observe = {
    .name = "observe",
    .summary = "say what enforcing would break, by workload",
    .args = "AUDIT...",
    .min_args = 1,
    .max_args = 64,
    .about =
        "Reads what a gateway recorded while gates only observed (`modes` of the configuration): for each workload "
        "its\n"
        "requests, what would have been refused, and what to do about it. Files that were rotated from AUDIT are read "
        "too.\n"
        "Exit status: 0 enforcing would break nothing, 1 it would, 2 unreadable input.\n"
        "\n"
        "  sallyport report observe audit.jsonl --workload spiffe://example.org/ns/team-a/ --since -24h",
    .options = options,
    .run = run,
};
