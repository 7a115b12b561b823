// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy test: runs files in the format of Cedar's public integration tests. One file is one policy set with its entities and
// schema, and requests with the decision, the determining policies and the policies with errors that are expected; policies are called
// policy0, policy1, ... by position, as that format has it.
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/policy_files.h"
#include "policy/request_json.h"
#include "policy/schema.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

struct tests {
    struct gw_cli *cli;
    const char *root; // --root, or NULL
    size_t files, requests, validations, failed;
    struct json_writer *w; // the list of failures under --json; NULL: as text
};

// One file, while it runs.
struct one {
    struct tests *t;
    const char *path;
    struct json_doc *doc;
    json root;
    struct buf text, policies, entities, schema;
};

static const struct json_limits limits = { .bytes = POL_TEXT_MAX, .depth = POL_VALUE_DEPTH + 16, .nul_names = true };

// ------------------------------------------------------------------------------------------------------------ failures

static void failure(struct one *o, struct span request, struct span what)
{
    struct tests *t = o->t;

    t->failed++;
    if (t->w) {
        json_w_object(t->w);
        json_w_key(t->w, SPAN("file"));
        json_w_string(t->w, span_str(o->path));
        if (!span_is_none(request)) {
            json_w_key(t->w, SPAN("request"));
            json_w_string(t->w, request);
        }
        json_w_key(t->w, SPAN("what"));
        json_w_string(t->w, what);
        json_w_end(t->w);
        return;
    }
    fprintf(t->cli->out, "%s%s%s: ", gw_cli_style(t->cli, GW_STYLE_BAD), o->path, gw_cli_style(t->cli, GW_STYLE_PLAIN));
    if (!span_is_none(request)) {
        gw_cli_print(t->cli->out, request);
        fputs(": ", t->cli->out);
    }
    gw_cli_print(t->cli->out, what);
    fputc('\n', t->cli->out);
}

// The first complaint says it; the others are of the same file.
static void complaint(struct one *o, struct span request, const struct diags *d)
{
    struct arena a;

    arena_init(&a, 0);
    failure(o, request, d->first ? diag_format(&a, d->first) : SPAN("could not be read"));
    arena_fini(&a);
}

// ----------------------------------------------------------------------------------------------------------- the files

// `name` in --root; else in the file's folder, or the nearest folder above it that has it: the public tests name their files from the
// folder that holds them all.
static bool locate(const struct one *o, struct span name, char out[static PATH_SIZE])
{
    struct span folder = span_str(o->t->root ? o->t->root : o->path);

    if (name.n == 0 || memchr(name.p, 0, name.n))
        return false;
    if (o->t->root || name.p[0] == '/')
        return snprintf(out, PATH_SIZE, "%s%s%.*s", name.p[0] == '/' ? "" : o->t->root, name.p[0] == '/' ? "" : "/",
                        SPAN_FMT(name)) < PATH_SIZE;
    while (folder.n > 0) {
        while (folder.n > 0 && folder.p[folder.n - 1] != '/')
            folder.n--;
        if (snprintf(out, PATH_SIZE, "%.*s%.*s", SPAN_FMT(folder), SPAN_FMT(name)) < PATH_SIZE &&
            access(out, R_OK) == 0)
            return true;
        if (folder.n > 0)
            folder.n--;
    }
    return false;
}

static bool read_member(struct one *o, struct span member, struct buf *out)
{
    struct span name = json_string(json_get(o->root, member));
    char path[PATH_SIZE], why[PATH_SIZE + 128];
    int rc = locate(o, name, path) ? file_read(path, POL_TEXT_MAX, out) : -ENOENT;

    if (rc == 0)
        return true;
    snprintf(why, sizeof why, "%.*s '%.*s': %s", SPAN_FMT(member), SPAN_FMT(span_sub(name, 0, 256)), strerror(-rc));
    failure(o, SPAN_NONE, span_str(why));
    return false;
}

// In a text without __entity the schema says what is a reference; there every {"type", "id"} among the attributes is one.
static void mark_entities(struct json_writer *w, json v, bool value)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json child;
    bool is = value && json_count(v) == 2 && json_get(v, SPAN("type")) && json_get(v, SPAN("id"));

    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY) {
        json_w_value(w, v);
        return;
    }
    if (is) {
        json_w_object(w);
        json_w_key(w, SPAN("__entity"));
    }
    if (json_type(v) == JSON_OBJECT)
        json_w_object(w);
    else
        json_w_array(w);
    while (json_next(&it, &name, &child)) {
        if (json_type(v) == JSON_OBJECT)
            json_w_key(w, name);
        mark_entities(w, child, value || span_eq(name, SPAN("attrs")) || span_eq(name, SPAN("tags")));
    }
    json_w_end(w);
    if (is)
        json_w_end(w);
}

static void schema_marks_entities(struct one *o)
{
    struct span text = buf_span(&o->entities);
    struct json_doc *doc;
    struct buf marked;

    if (!json_get(o->root, SPAN("schema")) || memmem(text.p, text.n, "\"__entity\"", 10) ||
        !(doc = json_parse(text, &limits, NULL)))
        return;
    buf_init(&marked, 0);
    struct json_writer w = json_writer(&marked);
    mark_entities(&w, json_root(doc), false);
    json_free(doc);
    if (marked.failed) {
        buf_fini(&marked);
        return;
    }
    buf_fini(&o->entities);
    o->entities = marked;
}

// ------------------------------------------------------------------------------------------------------------ requests

static bool listed(json list, struct span id)
{
    struct json_iter it = json_iter(list);
    struct span name;
    json v;

    while (json_next(&it, &name, &v))
        if (span_eq(json_string(v), id))
            return true;
    return false;
}

static bool as_expected(const struct pol_request *r, const struct pol_answer *a, json expected)
{
    json reason = json_get(expected, SPAN("reason")), errors = json_get(expected, SPAN("errors"));

    if (a->allow != span_eq(json_string(json_get(expected, SPAN("decision"))), SPAN("allow")))
        return false;
    // What a file does not say is not compared.
    if ((reason && a->n_determining != json_count(reason)) || (errors && a->n_failures != json_count(errors)))
        return false;
    for (size_t i = 0; reason && i < a->n_determining; i++)
        if (!listed(reason, pol_answer_id(r, a, i)))
            return false;
    for (size_t i = 0; errors && i < a->n_failures; i++)
        if (!listed(errors, pol_set_policy(r->set, a->failures[i].policy)->id))
            return false;
    return true;
}

static void expected_text(struct buf *b, json v)
{
    static const struct span names[] = { SPAN("reason"), SPAN("errors") };

    buf_append(b, json_string(json_get(v, SPAN("decision"))));
    for (size_t i = 0; i < 2; i++) {
        json list = json_get(v, names[i]);
        struct json_iter it = json_iter(list);
        struct span name;
        json e;

        if (json_count(list))
            buf_append(b, i == 0 ? SPAN(" by") : SPAN(", errors in"));
        while (json_next(&it, &name, &e)) {
            buf_byte(b, ' ');
            buf_append(b, json_string(e));
        }
    }
}

static void got_text(struct buf *b, const struct pol_request *r, const struct pol_answer *a)
{
    buf_append(b, a->allow ? SPAN("allow") : SPAN("deny"));
    for (size_t i = 0; i < a->n_determining; i++)
        buf_printf(b, "%s %.*s", i ? "" : " by", SPAN_FMT(pol_answer_id(r, a, i)));
    for (size_t i = 0; i < a->n_failures; i++)
        buf_printf(b, "%s %.*s (%.*s)", i ? "" : ", errors in",
                   SPAN_FMT(pol_set_policy(r->set, a->failures[i].policy)->id), SPAN_FMT(a->failures[i].text));
}

static void differs(struct one *o, struct span request, const struct pol_request *r, const struct pol_answer *a, json v)
{
    struct buf b;

    buf_init(&b, 0);
    buf_append(&b, SPAN("expected "));
    expected_text(&b, v);
    buf_append(&b, SPAN("; got "));
    got_text(&b, r, a);
    failure(o, request, buf_span(&b));
    buf_fini(&b);
}

static void one_request(struct one *o, const struct pol_set *set, json v, size_t i)
{
    struct arena arena;
    struct diags d;
    struct pol_request r;
    struct pol_answer a;

    arena_init(&arena, 0);
    diags_init(&d);
    o->t->requests++;
    struct span called = json_string(json_get(v, SPAN("description")));
    called =
        arena_printf(&arena, "request %zu%s%.*s%s", i, called.n ? " (" : "", SPAN_FMT(called), called.n ? ")" : "");
    pol_request_init(&r, set, &arena);
    if (!pol_request_from_value(&r, span_str(o->path), v, true, &d)) {
        complaint(o, called, &d);
    } else {
        pol_decide(&r, POL_MODE_CEDAR, 0, &a);
        if (!as_expected(&r, &a, v))
            differs(o, called, &r, &a, v);
    }
    diags_fini(&d);
    arena_fini(&arena);
}

static void one_set(struct one *o)
{
    static const struct pol_options options = { .ids_by_position = true };
    struct pol_source p = { json_string(json_get(o->root, SPAN("policies"))), buf_span(&o->policies) };
    struct pol_source e = { json_string(json_get(o->root, SPAN("entities"))), buf_span(&o->entities) };
    struct json_iter it = json_iter(json_get(o->root, SPAN("requests")));
    struct span name;
    struct diags d;
    json v;

    diags_init(&d);
    struct pol_set *set = pol_set_new(&p, 1, &e, span_is_none(e.name) ? 0 : 1, &options, &d);
    if (!set)
        complaint(o, SPAN_NONE, &d);
    for (size_t i = 0; set && json_next(&it, &name, &v); i++)
        one_request(o, set, v, i);
    pol_set_free(set);
    diags_fini(&d);
}

// ---------------------------------------------------------------------------------------------------------- validation

static void validation(struct one *o, bool expected)
{
    static const struct pol_options options = { .ids_by_position = true };
    struct pol_source p = { json_string(json_get(o->root, SPAN("policies"))), buf_span(&o->policies) };
    struct pol_source s = { json_string(json_get(o->root, SPAN("schema"))), buf_span(&o->schema) };
    struct diags d;

    diags_init(&d);
    o->t->validations++;
    struct pol_schema *schema = pol_schema_new(&s, 1, &d);
    if (!schema)
        complaint(o, SPAN("schema"), &d);
    else if (pol_schema_validate(schema, &p, 1, &options, &d) != expected && expected)
        complaint(o, SPAN("expected to validate"), &d);
    else if (d.errors == 0 && !expected)
        failure(o, SPAN_NONE, SPAN("expected not to validate; it does"));
    pol_schema_free(schema);
    diags_fini(&d);
}

// ------------------------------------------------------------------------------------------------------------- running

static void members(struct one *o)
{
    if (!read_member(o, SPAN("policies"), &o->policies) ||
        (json_get(o->root, SPAN("entities")) && !read_member(o, SPAN("entities"), &o->entities)))
        return;
    schema_marks_entities(o);
    one_set(o);
    bool expected;
    if (json_get(o->root, SPAN("schema")) && json_bool(json_get(o->root, SPAN("shouldValidate")), &expected) &&
        read_member(o, SPAN("schema"), &o->schema))
        validation(o, expected);
}

// `named`: by the user, so that a file of another kind is an error; in a folder it is passed over.
static bool run_file(struct tests *t, const char *path, bool named)
{
    struct one o = { .t = t, .path = path };
    struct json_error error;
    bool ok = true;

    buf_init(&o.text, 0);
    buf_init(&o.policies, 0);
    buf_init(&o.entities, 0);
    buf_init(&o.schema, 0);
    int rc = file_read(path, POL_TEXT_MAX, &o.text);
    if (rc == 0)
        o.doc = json_parse(buf_span(&o.text), &limits, &error);
    o.root = o.doc ? json_root(o.doc) : NULL;
    if (rc != 0)
        ok = (gw_cli_usage(t->cli, "%s: %s", path, strerror(-rc)), false);
    else if (!o.doc && named)
        ok = (gw_cli_usage(t->cli, "%s:%u:%u: not valid JSON: %s", path, error.line, error.column, error.what), false);
    else if (!json_get(o.root, SPAN("policies")) || json_type(json_get(o.root, SPAN("requests"))) != JSON_ARRAY)
        ok = !named || (gw_cli_usage(t->cli, "%s: no test file; it has no `policies` and `requests`", path), false);
    else
        t->files++, members(&o);
    json_free(o.doc);
    buf_fini(&o.text);
    buf_fini(&o.policies);
    buf_fini(&o.entities);
    buf_fini(&o.schema);
    return ok;
}

// Paths below a folder, in order.
struct paths {
    char **v;
    size_t n, cap;
};

static bool paths_add(struct paths *p, const char *path)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;
        char **v = realloc(p->v, cap * sizeof *v);
        if (!v)
            return false;
        p->v = v;
        p->cap = cap;
    }
    return (p->v[p->n] = strdup(path)) && ++p->n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool run_folder(struct tests *t, const char *folder)
{
    struct paths p = { 0 };
    bool ok = true;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s", folder);
    char *const roots[] = { path, NULL };
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e; walk && ok && (e = fts_read(walk));) {
        struct span name = span_str(e->fts_name);
        if (e->fts_info == FTS_F && span_ends(name, SPAN(".json")) && !span_ends(name, SPAN(".entities.json")))
            ok = paths_add(&p, e->fts_path);
    }
    if (!walk || !ok)
        ok = (gw_cli_usage(t->cli, "%s: %s", folder, strerror(errno)), false);
    if (walk)
        fts_close(walk);
    if (p.n)
        qsort(p.v, p.n, sizeof *p.v, by_name);
    for (size_t i = 0; ok && i < p.n; i++)
        ok = run_file(t, p.v[i], false);
    for (size_t i = 0; i < p.n; i++)
        free(p.v[i]);
    free(p.v);
    return ok;
}

static bool run_all(struct tests *t)
{
    struct stat st;
    bool ok = true;

    for (size_t i = 0; ok && i < t->cli->n_args; i++) {
        const char *path = t->cli->args[i];
        bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
        ok = folder ? run_folder(t, path) : run_file(t, path, true);
    }
    if (ok && t->files == 0)
        ok = (gw_cli_usage(t->cli, "no test file was found"), false);
    return ok;
}

static void count(struct json_writer *w, struct span name, size_t n)
{
    json_w_key(w, name);
    json_w_uint(w, n);
}

static int answer_json(struct tests *t)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("failures"));
    json_w_array(&w);
    t->w = &w;
    bool ok = run_all(t);
    json_w_end(&w);
    count(&w, SPAN("files"), t->files);
    count(&w, SPAN("requests"), t->requests);
    count(&w, SPAN("validations"), t->validations);
    count(&w, SPAN("failed"), t->failed);
    json_w_end(&w);
    if (ok && b.failed)
        ok = (gw_cli_usage(t->cli, "out of memory"), false);
    if (ok)
        fprintf(t->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok ? 0 : GW_EXIT_USAGE;
}

static int run(struct gw_cli *cli)
{
    struct tests t = { .cli = cli, .root = gw_cli_get(cli, "root") };

    if (cli->json) {
        if (answer_json(&t) != 0)
            return GW_EXIT_USAGE;
    } else {
        if (!run_all(&t))
            return GW_EXIT_USAGE;
        fprintf(cli->out, "%zu file%s, %zu request%s, %zu validation%s: %s%zu failed%s\n", t.files,
                t.files == 1 ? "" : "s", t.requests, t.requests == 1 ? "" : "s", t.validations,
                t.validations == 1 ? "" : "s", gw_cli_style(cli, t.failed ? GW_STYLE_BAD : GW_STYLE_GOOD), t.failed,
                gw_cli_style(cli, GW_STYLE_PLAIN));
    }
    return t.failed ? GW_EXIT_NO : GW_EXIT_OK;
}

static const struct gw_cli_option options[] = {
    { .name = "root", .value = "DIR", .help = "the folder that the paths in the files start from" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_test = {
    .name = "test",
    .summary = "run test files in the format of Cedar's public integration tests",
    .args = "FILE|DIR...",
    .min_args = 1,
    .max_args = 4096,
    .about =
        "A file holds `policies`, `entities` and `schema` (paths), `shouldValidate`, and `requests`, each with the\n"
        "`decision`, `reason` and `errors` that are expected. Folders are searched for such files, all the way down.\n"
        "Paths are taken from --root, or from the file's folder or the nearest one above it that has them.\n"
        "Exit status: 0 everything is as expected, 1 something is not, 2 unreadable input.",
    .options = options,
    .run = run,
};
