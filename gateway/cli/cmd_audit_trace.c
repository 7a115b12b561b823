// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport audit trace: where a credential was used, for whoever has to say what a leaked one was good for.
#include "gateway/audit/files.h"
#include "gateway/audit/read.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_row.h"

#include <stdlib.h>

enum { PLACES = 32 };

// What is asked for, and the members of a record that answer it.
static const struct wanted {
    const char *option;
    struct span members[2];
} wanted[] = {
    { "jti", { SPAN("jti") } },
    { "thumbprint", { SPAN("proof_thumbprint"), SPAN("certificate_sha256") } },
    { "workload", { SPAN("workload") } },
    { "request", { SPAN("request_id") } },
};
enum { WANTED = sizeof wanted / sizeof *wanted };

// Different values of something, with how often each was seen.
struct tally {
    struct span value[PLACES];
    size_t n[PLACES], used, more;
};

// An intent whose request has not come yet.
struct begun {
    struct span id, text;
    struct begun *next;
};

struct trace {
    struct gw_cli *cli;
    const char *values[WANTED];
    struct json_writer *w; // NULL: for people
    struct tally remotes, workloads;
    struct begun *begun;
    char first[40], last[40];
    size_t uses, allowed, unreadable;
};

static bool is_value(struct span member, const char *value)
{
    struct span v = span_str(value);

    if (v.n && v.p[v.n - 1] == '*')
        return span_starts(member, span_sub(v, 0, v.n - 1));
    return span_ieq(member, v);
}

// A token that a gate let through without believing it is named where it was observed, and not among what the request was decided by.
static bool observed_has(json r, const struct wanted *what, const char *value)
{
    struct json_iter it = json_iter(json_get(r, SPAN("observed")));
    struct span name;
    json o;

    while (json_next(&it, &name, &o)) {
        struct span member = json_string(json_get(o, what->members[0]));
        if (!span_is_none(member) && is_value(member, value))
            return true;
    }
    return false;
}

static bool matches(const struct trace *t, json r)
{
    for (size_t i = 0; i < WANTED; i++) {
        bool any = t->values[i] == NULL;
        for (size_t k = 0; k < 2 && !any; k++) {
            struct span member = wanted[i].members[k].n ? json_string(json_get(r, wanted[i].members[k])) : SPAN_NONE;
            any = !span_is_none(member) && is_value(member, t->values[i]);
        }
        any = any || observed_has(r, &wanted[i], t->values[i]);
        if (!any)
            return false;
    }
    return true;
}

static void count(struct trace *t, struct tally *tally, struct span value)
{
    if (value.n == 0)
        return;
    for (size_t i = 0; i < tally->used; i++) {
        if (span_eq(tally->value[i], value)) {
            tally->n[i]++;
            return;
        }
    }
    struct span kept = tally->used < PLACES ? arena_dup(&t->cli->arena, value) : SPAN_NONE;
    if (span_is_none(kept)) {
        tally->more++;
        return;
    }
    tally->value[tally->used] = kept;
    tally->n[tally->used++] = 1;
}

// The address without its port, which is another one with each connection.
static struct span host_of(struct span remote)
{
    const char *colon = remote.n ? memrchr(remote.p, ':', remote.n) : NULL;

    return colon ? span_sub(remote, 0, (size_t)(colon - remote.p)) : remote;
}

static void row_json(struct trace *t, json r, const struct gw_audit_reader *at)
{
    static const struct span members[] = {
        SPAN("time"),
        SPAN("kind"),
        SPAN("request_id"),
        SPAN("remote"),
        SPAN("workload"),
        SPAN("subject"),
        SPAN("jti"),
        SPAN("proof_thumbprint"),
        SPAN("certificate_sha256"),
        SPAN("method"),
        SPAN("path"),
        SPAN("accesses"),
        SPAN("decision"),
        SPAN("error"),
        SPAN("observed"),
        SPAN("policies"),
        SPAN("shard"),
        SPAN("status"),
        SPAN("bytes_out"),
    };

    json_w_object(t->w);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json v = json_get(r, members[i]);
        if (!v)
            continue;
        json_w_key(t->w, members[i]);
        json_w_value(t->w, v);
    }
    json_w_key(t->w, SPAN("file"));
    json_w_string(t->w, span_str(at->file));
    json_w_key(t->w, SPAN("line"));
    json_w_uint(t->w, at->number);
    json_w_end(t->w);
}

static void keep_moment(struct trace *t, json r)
{
    struct span time = gw_audit_text(r, SPAN("time"));
    char text[40];

    snprintf(text, sizeof text, "%.*s", (int)(time.n < 39 ? time.n : 39), time.p);
    // RFC 3339 in UTC sorts as it is; loops write what they decided in an order of their own.
    if (!t->first[0] || strcmp(text, t->first) < 0)
        memcpy(t->first, text, sizeof text);
    if (strcmp(text, t->last) > 0)
        memcpy(t->last, text, sizeof text);
}

static void use(struct trace *t, json r, const struct gw_audit_reader *at)
{
    t->uses++;
    t->allowed += !span_eq(gw_audit_text(r, SPAN("decision")), SPAN("deny"));
    keep_moment(t, r);
    count(t, &t->remotes, host_of(gw_audit_text(r, SPAN("remote"))));
    count(t, &t->workloads, gw_audit_text(r, SPAN("workload")));
    if (t->w)
        row_json(t, r, at);
    else
        gw_audit_row(t->cli, r);
}

// The same request once more, when it ended: then its intent says nothing new.
static void forget_intent(struct trace *t, struct span id)
{
    for (struct begun **b = &t->begun; *b; b = &(*b)->next) {
        if (span_eq((*b)->id, id)) {
            *b = (*b)->next;
            return;
        }
    }
}

static bool keep_intent(struct trace *t, json r, struct span line)
{
    struct begun *b = arena_alloc(&t->cli->arena, sizeof *b);

    if (!b)
        return false;
    b->id = arena_dup(&t->cli->arena, gw_audit_text(r, SPAN("request_id")));
    b->text = arena_dup(&t->cli->arena, line);
    b->next = t->begun;
    t->begun = b;
    return !span_is_none(b->text);
}

static bool look(struct trace *t, struct gw_audit_reader *r)
{
    json record = gw_audit_reader_json(r, NULL);

    if (!record)
        t->unreadable++;
    else if (gw_audit_is_record(record) && matches(t, record)) {
        if (span_eq(gw_audit_text(record, SPAN("kind")), SPAN("intent")))
            return keep_intent(t, record, r->line) || (gw_cli_usage(t->cli, "out of memory"), false);
        forget_intent(t, gw_audit_text(record, SPAN("request_id")));
        use(t, record, r);
    }
    return true;
}

// What was begun, and of which nobody recorded how it ended.
static void unfinished(struct trace *t)
{
    struct gw_audit_reader nowhere = { .file = "" };

    for (struct begun *b = t->begun; b; b = b->next) {
        struct json_limits limits = { .bytes = GW_AUDIT_LINE_MAX, .depth = 200, .nul_names = true };
        struct json_doc *doc = json_parse(b->text, &limits, NULL);
        if (doc)
            use(t, json_root(doc), &nowhere);
        json_free(doc);
    }
}

static bool read_all(struct trace *t)
{
    struct gw_audit_list files;
    struct gw_audit_reader r;
    enum gw_audit_read is;
    bool ok = true;

    if (gw_audit_list((const char *const *)t->cli->args, t->cli->n_args, &files) != 0)
        return gw_cli_usage(t->cli, "out of memory"), false;
    gw_audit_reader_init(&r, files.paths, files.n);
    while (ok && (is = gw_audit_reader_next(&r)) != GW_AUDIT_END)
        ok = is == GW_AUDIT_LINE ? look(t, &r) : (gw_cli_usage(t->cli, "%s: %s", r.file, r.what), false);
    gw_audit_reader_fini(&r);
    gw_audit_list_fini(&files);
    if (ok)
        unfinished(t);
    return ok;
}

static void tally_text(FILE *out, const char *what, const struct tally *tally)
{
    for (size_t i = 0; i < tally->used; i++) {
        fprintf(out, "  %s ", what);
        gw_cli_print(out, tally->value[i]);
        fprintf(out, "  %zu\n", tally->n[i]);
    }
    if (tally->more)
        fprintf(out, "  and %zu more\n", tally->more);
}

static void summary_text(const struct trace *t)
{
    FILE *out = t->cli->out;

    if (t->uses == 0) {
        fputs("no record of it\n", out);
        return;
    }
    fprintf(out, "%zu use%s, %zu allowed, from %s to %s\n", t->uses, t->uses == 1 ? "" : "s", t->allowed, t->first,
            t->last);
    tally_text(out, "from", &t->remotes);
    tally_text(out, "by", &t->workloads);
}

static void tally_json(struct json_writer *w, struct span key, const struct tally *tally)
{
    json_w_key(w, key);
    json_w_array(w);
    for (size_t i = 0; i < tally->used; i++) {
        json_w_object(w);
        json_w_key(w, SPAN("value"));
        json_w_string(w, tally->value[i]);
        json_w_key(w, SPAN("uses"));
        json_w_uint(w, tally->n[i]);
        json_w_end(w);
    }
    json_w_end(w);
}

static bool answer_json(struct trace *t)
{
    struct buf b;
    bool ok;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("uses"));
    json_w_array(&w);
    t->w = &w;
    ok = read_all(t);
    json_w_end(&w);
    json_w_key(&w, SPAN("allowed"));
    json_w_uint(&w, t->allowed);
    tally_json(&w, SPAN("remotes"), &t->remotes);
    tally_json(&w, SPAN("workloads"), &t->workloads);
    json_w_end(&w);
    if (ok && b.failed)
        ok = (gw_cli_usage(t->cli, "out of memory"), false);
    if (ok)
        fprintf(t->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok;
}

static int run(struct gw_cli *cli)
{
    struct trace t = { .cli = cli };
    size_t asked = 0;
    bool ok;

    for (size_t i = 0; i < WANTED; i++) {
        t.values[i] = gw_cli_get(cli, wanted[i].option);
        asked += t.values[i] != NULL;
    }
    if (asked == 0)
        return gw_cli_usage(cli, "say what to look for: --jti, --thumbprint, --workload or --request");
    if (cli->json) {
        ok = answer_json(&t);
    } else {
        ok = read_all(&t);
        if (ok)
            summary_text(&t);
    }
    if (ok && t.unreadable)
        gw_cli_note(cli, "%zu line%s no JSON and could not be looked at; see sallyport audit verify", t.unreadable,
                    t.unreadable == 1 ? " is" : "s are");
    return !ok ? GW_EXIT_USAGE : t.uses ? GW_EXIT_OK : GW_EXIT_NO;
}

static const struct gw_cli_option options[] = {
    { .name = "jti", .value = "ID", .help = "a token's jti, or an API key's id" },
    { .name = "thumbprint", .value = "T", .help = "of a DPoP key (RFC 7638) or a certificate (SHA-256)" },
    { .name = "workload",
      .value = "SPIFFE-ID",
      .help = "whose certificate was shown; ends in * for all that begin so" },
    { .name = "request", .value = "ID", .help = "a request id, as the client got it" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_audit_trace = {
    .name = "trace",
    .summary = "find where a credential was used: when, from where, for what",
    .args = "FILE...",
    .min_args = 1,
    .max_args = 10000,
    .about = "With more than one option all must hold. Requests that were refused count as uses.\n"
             "Exit status: 0 it was used, 1 no record of it, 2 unreadable.\n"
             "\n"
             "  sallyport audit trace audit.log --thumbprint NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    .options = options,
    .run = run,
};
