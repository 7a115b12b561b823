// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy bench: what a policy set costs: time to compile, memory, time to decide.
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"

#include <inttypes.h>
#include <stdlib.h>

enum { REQUESTS_MOST = 100000, DECISIONS_MOST = 5000000, DECISIONS = 500000, COMPILES = 5 };

struct bench {
    struct gw_cli *cli;
    struct pol_set *set;
    enum pol_mode mode;
    struct pol_request *requests;
    size_t n, cap;
    int64_t *cold, *warm; // ns of each decision, ascending: the first of a request, and those after it
    size_t n_warm;
    int64_t compile_ns; // the fastest of some
    size_t allowed, candidates;
};

static bool add(struct bench *b, const struct gw_policy_questions *q, size_t i)
{
    if (json_type(gw_policy_question(q, i)) == JSON_NULL || b->n == REQUESTS_MOST)
        return true;
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        struct pol_request *requests = realloc(b->requests, cap * sizeof *requests);
        if (!requests)
            return gw_cli_usage(b->cli, "out of memory"), false;
        b->requests = requests;
        b->cap = cap;
    }
    return gw_policy_ask(b->cli, q, i, b->set, &b->cli->arena, &b->requests[b->n]) && ++b->n;
}

static bool on_record(void *ctx, json record, json inputs, size_t line)
{
    struct bench *b = ctx;
    struct gw_policy_questions q = { .name = SPAN("audit log") };

    (void)record;
    (void)line;
    if (!gw_policy_questions_of(b->cli, inputs, &q))
        return false;
    for (size_t i = 0; i < q.n; i++)
        if (!add(b, &q, i))
            return false;
    return true;
}

// An audit log (by its name: .jsonl, .log), or a request or a list of them.
static bool read_requests(struct bench *b, const char *path)
{
    struct span name = span_str(path);
    struct gw_policy_questions q = { .name = name };
    struct json_limits limits = { .bytes = POL_TEXT_MAX, .depth = POL_VALUE_DEPTH + 16, .nul_names = true };
    struct json_error error;
    bool ok;

    if (span_ends(name, SPAN(".jsonl")) || span_ends(name, SPAN(".log")))
        return gw_policy_audit(b->cli, path, on_record, b);
    struct span text = gw_cli_read(b->cli, path, POL_TEXT_MAX);
    if (span_is_none(text))
        return false;
    if (!(q.doc = json_parse(text, &limits, &error)))
        return gw_cli_usage(b->cli, "%s:%u:%u: not valid JSON: %s", path, error.line, error.column, error.what), false;
    ok = gw_policy_questions_of(b->cli, json_root(q.doc), &q);
    for (size_t i = 0; ok && i < q.n; i++)
        ok = add(b, &q, i);
    json_free(q.doc);
    return ok;
}

// ------------------------------------------------------------------------------------------------------------ measuring

// Again, on a copy of the request: what deciding allocates is freed with its arena.
static int64_t again(struct bench *b, size_t i)
{
    struct pol_request r = b->requests[i];
    struct arena scratch;
    struct pol_answer a;

    arena_init(&scratch, 0);
    r.arena = &scratch;
    int64_t before = clock_mono_ns();
    pol_decide(&r, b->mode, 0, &a);
    int64_t took = clock_mono_ns() - before;
    arena_fini(&scratch);
    return took;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool measure(struct bench *b, uint64_t decisions)
{
    size_t rounds = (size_t)decisions / b->n + 1;
    struct pol_answer a;

    b->cold = calloc(b->n, sizeof *b->cold);
    b->warm = calloc(b->n * rounds, sizeof *b->warm);
    if (!b->cold || !b->warm)
        return gw_cli_usage(b->cli, "out of memory"), false;
    for (size_t i = 0; i < b->n; i++) {
        int64_t before = clock_mono_ns();
        pol_decide(&b->requests[i], b->mode, 0, &a);
        b->cold[i] = clock_mono_ns() - before;
        b->allowed += a.allow;
        b->candidates += a.candidates;
    }
    for (size_t k = 0; k < rounds; k++)
        for (size_t i = 0; i < b->n; i++)
            b->warm[b->n_warm++] = again(b, i);
    qsort(b->cold, b->n, sizeof *b->cold, ascending);
    qsort(b->warm, b->n_warm, sizeof *b->warm, ascending);
    return true;
}

// The set of the last of some compilations.
static bool compile(struct bench *b, const struct gw_policy_input *in)
{
    for (int i = 0; i < COMPILES; i++) {
        pol_set_free(b->set);
        int64_t before = clock_mono_ns();
        b->set = gw_policy_input_compile(in);
        int64_t took = clock_mono_ns() - before;
        if (!b->set)
            return false;
        if (i == 0 || took < b->compile_ns)
            b->compile_ns = took;
    }
    return true;
}

// -------------------------------------------------------------------------------------------------------------- answer

static int64_t percentile(const int64_t *sorted, size_t n, size_t percent)
{
    return sorted[(n - 1) * percent / 100];
}

static void answer_text(const struct bench *b)
{
    FILE *out = b->cli->out;

    fprintf(out, "compile   %.3f ms: %zu policies, %zu entities\n", (double)b->compile_ns / 1e6, pol_set_count(b->set),
            pol_set_entities(b->set));
    fprintf(out, "memory    %zu bytes\n", pol_set_bytes(b->set));
    fprintf(out, "requests  %zu: %zu allowed, %.1f candidates each\n", b->n, b->allowed,
            (double)b->candidates / (double)b->n);
    fprintf(out, "first     median %" PRId64 " ns, 99%% within %" PRId64 " ns\n", percentile(b->cold, b->n, 50),
            percentile(b->cold, b->n, 99));
    fprintf(out, "again     median %" PRId64 " ns, 99%% within %" PRId64 " ns, %zu decisions\n",
            percentile(b->warm, b->n_warm, 50), percentile(b->warm, b->n_warm, 99), b->n_warm);
}

static int answer_json(const struct bench *b)
{
    const struct {
        struct span name;
        int64_t value;
    } rows[] = {
        { SPAN("policies"), (int64_t)pol_set_count(b->set) },
        { SPAN("entities"), (int64_t)pol_set_entities(b->set) },
        { SPAN("compile_ns"), b->compile_ns },
        { SPAN("bytes"), (int64_t)pol_set_bytes(b->set) },
        { SPAN("requests"), (int64_t)b->n },
        { SPAN("allowed"), (int64_t)b->allowed },
        { SPAN("candidates"), (int64_t)b->candidates },
        { SPAN("first_p50_ns"), percentile(b->cold, b->n, 50) },
        { SPAN("first_p99_ns"), percentile(b->cold, b->n, 99) },
        { SPAN("again_p50_ns"), percentile(b->warm, b->n_warm, 50) },
        { SPAN("again_p99_ns"), percentile(b->warm, b->n_warm, 99) },
        { SPAN("decisions"), (int64_t)b->n_warm },
    };
    struct buf out;

    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_w_key(&w, rows[i].name);
        json_w_int(&w, rows[i].value);
    }
    json_w_end(&w);
    bool ok = !out.failed;
    if (ok)
        fprintf(b->cli->out, "%.*s\n", SPAN_FMT(buf_span(&out)));
    buf_fini(&out);
    return ok ? 0 : gw_cli_usage(b->cli, "out of memory");
}

static int run(struct gw_cli *cli)
{
    struct bench b = { .cli = cli };
    struct gw_policy_input in;
    uint64_t decisions = DECISIONS;
    int rc = GW_EXIT_USAGE;

    if (!gw_cli_uint(cli, "decisions", DECISIONS_MOST, &decisions) || !gw_policy_input_init(&in, cli) ||
        !gw_policy_input_options(&in))
        return GW_EXIT_USAGE;
    b.mode = in.mode;
    if (!compile(&b, &in) || !read_requests(&b, gw_cli_get(cli, "requests"))) {
        // complained
    } else if (b.n == 0) {
        gw_cli_usage(cli, "%s: no requests", gw_cli_get(cli, "requests"));
    } else if (measure(&b, decisions)) {
        rc = 0;
        if (cli->json)
            rc = answer_json(&b);
        else
            answer_text(&b);
    }
    pol_set_free(b.set);
    free(b.requests);
    free(b.cold);
    free(b.warm);
    return rc;
}

static const struct gw_cli_option options[] = {
    GW_POLICY_OPTIONS,
    { .name = "requests",
      .value = "FILE",
      .help = "an audit log (.jsonl, .log), or a request or a list of them (JSON)",
      .required = true },
    { .name = "decisions", .value = "N", .help = "how many to measure; 500000 without it" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_bench = {
    .name = "bench",
    .summary = "measure what a policy set costs: to compile, to hold, to decide by",
    .about = "`first` is the first decision of a request, with the ancestors of its entities; `again` the same one "
             "once more,\n"
             "in a warm cache. Building the request from its facts is in neither, reading the clock is in both.",
    .options = options,
    .run = run,
};
