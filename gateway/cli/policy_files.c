// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/policy_files.h"

#include "gateway/audit/read.h"
#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/config/policy_load.h"
#include "gateway/config/yaml.h"
#include "policy/links_json.h"
#include "policy/print.h"
#include "policy/request_json.h"
#include "policy/value_json.h"
#include "policy/schema.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

#define OBLIGATION_SHOWN 400 // bytes of a filter's value

// ------------------------------------------------------------------------------------------------------------- reading

static bool keep(struct gw_cli *cli, struct pol_source **v, size_t *n, size_t *cap, struct span name, struct span text)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        struct pol_source *grown = arena_array(&cli->arena, more, sizeof *grown);
        if (!grown)
            return gw_cli_usage(cli, "out of memory"), false;
        if (*n)
            memcpy(grown, *v, *n * sizeof *grown);
        *v = grown;
        *cap = more;
    }
    (*v)[(*n)++] = (struct pol_source){ name, text };
    return true;
}

static bool add_file(struct gw_policy_input *in, const char *path)
{
    struct span name = arena_dup(&in->cli->arena, span_str(path)), text = gw_cli_read(in->cli, path, POL_TEXT_MAX);

    return !span_is_none(name) && !span_is_none(text) &&
           keep(in->cli, &in->policies, &in->n_policies, &in->cap_policies, name, text);
}

static int is_policy(const struct dirent *e)
{
    return span_ends(span_str(e->d_name), SPAN(".cedar")) && e->d_name[0] != '.';
}

static bool add_folder(struct gw_policy_input *in, const char *path)
{
    struct dirent **found;
    int n = scandir(path, &found, is_policy, alphasort);
    size_t len = strlen(path);
    bool ok = n > 0;

    if (n < 0)
        return gw_cli_usage(in->cli, "%s: %s", path, strerror(errno)), false;
    if (n == 0)
        gw_cli_usage(in->cli, "%s: no .cedar file in this folder", path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    for (int i = 0; i < n; i++) {
        struct span full = arena_printf(&in->cli->arena, "%.*s/%s", (int)len, path, found[i]->d_name);
        ok = ok && !span_is_none(full) && add_file(in, full.p);
        free(found[i]);
    }
    free(found);
    return ok;
}

bool gw_policy_input_entities(struct gw_policy_input *in, const char *path)
{
    struct span name = span_str(path), text = gw_cli_read(in->cli, path, POL_TEXT_MAX);

    if (span_is_none(text))
        return false;
    if (span_ends(name, SPAN(".yaml")) || span_ends(name, SPAN(".yml"))) {
        struct diags diags;
        struct buf converted;

        diags_init(&diags);
        buf_init(&converted, 0);
        bool ok = gw_yaml_to_json(text, name, &converted, &diags) == 0;
        text = ok ? arena_dup(&in->cli->arena, buf_span(&converted)) : SPAN_NONE;
        gw_cli_diags(in->cli, in->cli->err, &diags);
        diags_fini(&diags);
        buf_fini(&converted);
        if (!ok)
            return false;
    }
    name = arena_dup(&in->cli->arena, name);
    return !span_is_none(name) && !span_is_none(text) &&
           keep(in->cli, &in->entities, &in->n_entities, &in->cap_entities, name, text);
}

static bool add_issuers(struct gw_policy_input *in, const struct gw_config *c)
{
    struct span *names = arena_array(&in->cli->arena, c->issuers_n + 1, sizeof *names);
    size_t n = 0;

    for (size_t i = 0; names && i < c->issuers_n; i++)
        names[n++] = arena_dup(&in->cli->arena, c->issuers[i].name.v);
    if (names && c->api_keys.present)
        names[n++] = arena_dup(&in->cli->arena, c->api_keys.name.v);
    if (!names || in->cli->arena.failed)
        return gw_cli_usage(in->cli, "out of memory"), false;
    in->issuers = names;
    in->n_issuers = n;
    return true;
}

static struct span dup(struct gw_policy_input *in, struct span s)
{
    return span_is_none(s) ? SPAN_NONE : arena_dup(&in->cli->arena, s);
}

static bool add_links(struct gw_policy_input *in, const struct pol_link *links, size_t n)
{
    struct pol_options *o = &in->options;
    struct pol_link *all = arena_array(&in->cli->arena, o->n_links + n + 1, sizeof *all);

    if (!all)
        return gw_cli_usage(in->cli, "out of memory"), false;
    if (o->n_links > 0)
        memcpy(all, o->links, o->n_links * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        struct pol_link *l = &all[o->n_links + i];
        *l = links[i];
        l->template_id = dup(in, l->template_id);
        l->id = dup(in, l->id);
        l->principal.type = dup(in, l->principal.type);
        l->principal.id = dup(in, l->principal.id);
        l->resource.type = dup(in, l->resource.type);
        l->resource.id = dup(in, l->resource.id);
        l->file = dup(in, l->file);
    }
    o->links = all;
    o->n_links += n;
    return !in->cli->arena.failed;
}

static bool add_list(struct gw_policy_input *in, const struct gw_policy_list *list, struct pol_source **v, size_t *n,
                     size_t *cap)
{
    for (size_t i = 0; i < list->n; i++)
        if (!keep(in->cli, v, n, cap, dup(in, list->v[i].name), dup(in, list->v[i].text)))
            return false;
    return !in->cli->arena.failed;
}

// What a configuration names, beside what was there.
static bool take(struct gw_policy_input *in, const struct gw_policy_texts *t, const struct pol_options *o)
{
    size_t before = in->n_policies;
    struct pol_owner *owners = arena_array(&in->cli->arena, in->options.n_owners + t->owners_n + 1, sizeof *owners);

    if (!owners)
        return gw_cli_usage(in->cli, "out of memory"), false;
    if (in->options.n_owners > 0)
        memcpy(owners, in->options.owners, in->options.n_owners * sizeof *owners);
    for (size_t i = 0; i < t->owners_n; i++) {
        struct pol_owner *to = &owners[in->options.n_owners + i];
        *to = t->owners[i];
        to->first += before;
        to->name = dup(in, to->name);
        to->within.type = dup(in, to->within.type);
        to->within.id = dup(in, to->within.id);
    }
    in->options.owners = owners;
    in->options.n_owners += t->owners_n;
    in->options.strict_annotations = in->options.declared_actions = in->options.linked_templates = true;
    in->mode = POL_MODE_GATEWAY;
    return add_list(in, &t->policies, &in->policies, &in->n_policies, &in->cap_policies) &&
           add_list(in, &t->entities, &in->entities, &in->n_entities, &in->cap_entities) &&
           add_list(in, &t->schemas, &in->schemas, &in->n_schemas, &in->cap_schemas) &&
           add_links(in, o->links, o->n_links);
}

static void on_file(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
}

static bool add_config(struct gw_policy_input *in, const char *path)
{
    struct gw_policy_texts t;
    struct gw_config *c = NULL;
    struct pol_options options;
    struct diags diags;

    gw_policy_texts_init(&t);
    diags_init(&diags);
    bool ok = gw_config_load(path, &c, &diags) == 0;
    in->authority |= ok && !c->policy.present;
    enum gw_policy_role role = in->authority ? GW_POLICY_AUTHORITY : GW_POLICY_GATEWAY;
    const struct gw_config_policy *policy = ok ? in->authority ? &c->authority.policy : &c->policy : NULL;
    if (ok && !policy->present)
        ok = (gw_cli_usage(in->cli, "%s: there is no authority in this configuration", path), false);
    ok = ok && gw_policy_read(c, policy, on_file, NULL, &t, &diags) &&
         gw_policy_texts_options(&t, role, &options, &diags);
    gw_cli_diags(in->cli, in->cli->err, &diags);
    diags_fini(&diags);
    in->unvalidated |= ok && !policy->validate;
    ok = ok && take(in, &t, &options) && add_issuers(in, c);
    gw_policy_texts_fini(&t);
    gw_config_free(c);
    return ok;
}

bool gw_policy_input_add(struct gw_policy_input *in, const char *path)
{
    struct span name = span_str(path);
    struct stat st;

    if (span_ends(name, SPAN(".yaml")) || span_ends(name, SPAN(".yml")) || span_ends(name, SPAN(".json")))
        return add_config(in, path);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? add_folder(in, path) : add_file(in, path);
}

// ---------------------------------------------------------------------------------------------------------- the gateway

bool gw_policy_input_gateway(struct gw_policy_input *in)
{
    struct buf out;
    struct span text;

    if (in->mode == POL_MODE_GATEWAY)
        return true;
    in->mode = POL_MODE_GATEWAY;
    in->options.strict_annotations = in->options.declared_actions = true;
    buf_init(&out, 0);
    text = gw_policy_actions(in->authority ? GW_POLICY_AUTHORITY : GW_POLICY_GATEWAY, &out)
               ? arena_dup(&in->cli->arena, buf_span(&out))
               : SPAN_NONE;
    buf_fini(&out);
    if (span_is_none(text))
        return gw_cli_usage(in->cli, "out of memory"), false;
    return keep(in->cli, &in->entities, &in->n_entities, &in->cap_entities, GW_POLICY_ACTIONS, text);
}

// ------------------------------------------------------------------------------------------------------------- options

bool gw_policy_input_init(struct gw_policy_input *in, struct gw_cli *cli)
{
    *in = (struct gw_policy_input){ .cli = cli, .mode = POL_MODE_CEDAR };
    if (getrandom(&in->options.hash_key, sizeof in->options.hash_key, 0) != sizeof in->options.hash_key)
        return gw_cli_usage(cli, "the system gives no random bytes"), false;
    return true;
}

static bool read_links(struct gw_policy_input *in, const char *path)
{
    struct pol_source source = { arena_dup(&in->cli->arena, span_str(path)), gw_cli_read(in->cli, path, POL_TEXT_MAX) };
    const struct pol_link *links;
    struct diags diags;
    size_t n;

    if (span_is_none(source.text) || span_is_none(source.name))
        return false;
    diags_init(&diags);
    bool ok = pol_links_read(&source, &in->cli->arena, &links, &n, &diags);
    gw_cli_diags(in->cli, in->cli->err, &diags);
    diags_fini(&diags);
    return ok && add_links(in, links, n);
}

bool gw_policy_input_options(struct gw_policy_input *in)
{
    struct gw_cli *cli = in->cli;
    const char *v, *config = gw_cli_get(cli, "config"), *links = gw_cli_get(cli, "links");

    if (config && !add_config(in, config))
        return false;
    for (size_t i = 0; (v = gw_cli_next(cli, "policies", &i));)
        if (!gw_policy_input_add(in, v))
            return false;
    if (in->n_policies == 0)
        return gw_cli_usage(cli, "no policies: name them with --policies or --config"), false;
    for (size_t i = 0; (v = gw_cli_next(cli, "entities", &i));)
        if (!gw_policy_input_entities(in, v))
            return false;
    return (!links || read_links(in, links)) && (!gw_cli_has(cli, "gateway") || gw_policy_input_gateway(in));
}

struct pol_set *gw_policy_input_compile(const struct gw_policy_input *in)
{
    struct diags diags;

    diags_init(&diags);
    struct pol_set *set = pol_set_new(in->policies, in->n_policies, in->entities, in->n_entities, &in->options, &diags);
    gw_cli_diags(in->cli, in->cli->err, &diags);
    diags_fini(&diags);
    return set;
}

bool gw_policy_schemas_read(struct gw_cli *cli, const struct gw_policy_input *in, struct gw_policy_schemas *out)
{
    const char *v;

    out->n = 0;
    for (size_t i = 0; (v = gw_cli_next(cli, "schema", &i));) {
        struct span text = gw_cli_read(cli, v, POL_SCHEMA_TEXT_MAX);
        if (span_is_none(text))
            return false;
        if (out->n == GW_POLICY_SCHEMAS_MOST)
            return gw_cli_usage(cli, "more than %d schema files", GW_POLICY_SCHEMAS_MOST), false;
        out->at[out->n++] = (struct pol_source){ span_str(v), text };
    }
    if (out->n == 0 && in->n_schemas > GW_POLICY_SCHEMAS_MOST)
        return gw_cli_usage(cli, "more than %d schema files", GW_POLICY_SCHEMAS_MOST), false;
    for (size_t i = 0, given = out->n; given == 0 && i < in->n_schemas; i++)
        out->at[out->n++] = in->schemas[i];
    if (out->n == 0)
        out->at[out->n++] = pol_schema_shipped;
    return true;
}

// ------------------------------------------------------------------------------------------------------------ requests

static const struct json_limits request_limits = { .bytes = POL_TEXT_MAX,
                                                   .depth = POL_VALUE_DEPTH + 16,
                                                   .nul_names = true };

static struct json_doc *parse(struct gw_cli *cli, struct span name, struct span text)
{
    struct json_error error;
    struct json_doc *doc = json_parse(text, &request_limits, &error);

    if (!doc)
        gw_cli_usage(cli, "%.*s:%u:%u: not valid JSON: %s", SPAN_FMT(name), error.line, error.column, error.what);
    return doc;
}

bool gw_policy_questions_of(struct gw_cli *cli, json v, struct gw_policy_questions *q)
{
    q->v = v;
    q->list = json_type(v) == JSON_ARRAY;
    q->n = q->list ? json_count(v) : 1;
    if (q->n == 0)
        gw_cli_usage(cli, "%.*s: an empty list of requests", SPAN_FMT(q->name));
    return q->n > 0;
}

json gw_policy_question(const struct gw_policy_questions *q, size_t i)
{
    return q->list ? json_at(q->v, i) : q->v;
}

// The three and the context as one JSON text.
static bool composed(struct gw_cli *cli, struct buf *out)
{
    static const char *const roles[] = { "principal", "action", "resource" };
    struct json_writer w = json_writer(out);
    const char *context = gw_cli_get(cli, "context");
    struct json_doc *doc = NULL;

    json_w_object(&w);
    for (size_t i = 0; i < 3; i++) {
        if (!gw_cli_get(cli, roles[i]))
            return gw_cli_usage(
                       cli, "--%s is missing: a request is --request, or all of --principal, --action and --resource",
                       roles[i]),
                   false;
        json_w_key(&w, span_str(roles[i]));
        json_w_string(&w, span_str(gw_cli_get(cli, roles[i])));
    }
    if (context) {
        struct span text = gw_cli_read(cli, context, POL_TEXT_MAX);
        if (span_is_none(text) || !(doc = parse(cli, span_str(context), text)))
            return false;
        json_w_key(&w, SPAN("context"));
        json_w_value(&w, json_root(doc));
    }
    json_w_end(&w);
    json_free(doc);
    return true;
}

bool gw_policy_questions(struct gw_cli *cli, struct gw_policy_questions *q)
{
    const char *file = gw_cli_get(cli, "request");
    struct buf b;

    *q = (struct gw_policy_questions){ .name = file ? span_str(file) : SPAN("request") };
    if (file && (gw_cli_has(cli, "principal") || gw_cli_has(cli, "action") || gw_cli_has(cli, "resource") ||
                 gw_cli_has(cli, "context")))
        return gw_cli_usage(
                   cli, "--request holds the whole request; leave --principal, --action, --resource, --context out"),
               false;
    buf_init(&b, 0);
    struct span text = file ? gw_cli_read(cli, file, POL_TEXT_MAX) : SPAN_NONE;
    bool ok = file ? !span_is_none(text) : composed(cli, &b);
    if (ok)
        q->doc = parse(cli, q->name, file ? text : buf_span(&b));
    buf_fini(&b);
    ok = q->doc && gw_policy_questions_of(cli, json_root(q->doc), q);
    if (!ok) {
        json_free(q->doc);
        q->doc = NULL;
    }
    return ok;
}

bool gw_policy_ask(struct gw_cli *cli, const struct gw_policy_questions *q, size_t i, const struct pol_set *set,
                   struct arena *arena, struct pol_request *r)
{
    struct diags diags;

    diags_init(&diags);
    pol_request_init(r, set, arena);
    bool ok = pol_request_from_value(r, q->name, gw_policy_question(q, i), false, &diags);
    gw_cli_diags(cli, cli->err, &diags);
    diags_fini(&diags);
    return ok;
}

// ----------------------------------------------------------------------------------------------------------- audit logs

static bool audit_line(struct gw_cli *cli, struct gw_audit_reader *reader, gw_policy_on_record on_record, void *ctx)
{
    struct json_error error;

    // Before parsing: most lines of a log of refused handshakes hold no request.
    if (!memmem(reader->line.p, reader->line.n, "\"inputs\"", 8))
        return true;
    json root = gw_audit_reader_json(reader, &error), inputs = json_get(root, SPAN("inputs"));
    if (!root)
        return gw_cli_usage(cli, "%s:%zu:%u: not valid JSON: %s", reader->file, reader->number, error.column,
                            error.what),
               false;
    // An intent is followed by the request that it announces, with the same inputs.
    if (json_count(inputs) > 0 && !span_eq(json_string(json_get(root, SPAN("kind"))), SPAN("intent")))
        return on_record(ctx, root, inputs, reader->number);
    return true;
}

bool gw_policy_audit(struct gw_cli *cli, const char *path, gw_policy_on_record on_record, void *ctx)
{
    char *paths[] = { (char *)path };
    struct gw_audit_reader reader;
    enum gw_audit_read is;
    bool ok = true;

    gw_audit_reader_init(&reader, paths, 1);
    while (ok && (is = gw_audit_reader_next(&reader)) != GW_AUDIT_END)
        ok = is == GW_AUDIT_LINE ? audit_line(cli, &reader, on_record, ctx)
                                 : (gw_cli_usage(cli, "%s: %s", path, reader.what), false);
    gw_audit_reader_fini(&reader);
    return ok;
}

// ------------------------------------------------------------------------------------------------------------- answers

struct span gw_policy_reason(int err)
{
    return err ? err_info(err)->reason : SPAN("a policy permits it");
}

void gw_policy_print_obligations(struct gw_cli *cli, const struct pol_request *r, const struct pol_answer *a,
                                 const char *indent)
{
    for (size_t i = 0; i < a->n_obligations; i++) {
        struct buf b;

        buf_init(&b, 0);
        pol_print_obligation(&b, r, &a->obligations[i], OBLIGATION_SHOWN);
        fputs(indent, cli->out);
        gw_cli_print(cli->out, buf_span(&b));
        fputs("  (", cli->out);
        gw_cli_print(cli->out, pol_set_policy(r->set, a->obligations[i].policy)->id);
        fputs(")\n", cli->out);
        buf_fini(&b);
    }
}

void gw_policy_json_answer(struct json_writer *w, const struct pol_request *r, const struct pol_answer *a)
{
    json_w_key(w, SPAN("decision"));
    json_w_string(w, a->allow ? SPAN("allow") : SPAN("deny"));
    if (a->err) {
        json_w_key(w, SPAN("error"));
        json_w_string(w, err_info(a->err)->name);
    }
    json_w_key(w, SPAN("reason"));
    json_w_array(w);
    for (size_t i = 0; i < a->n_determining; i++)
        json_w_string(w, pol_answer_id(r, a, i));
    json_w_end(w);
    json_w_key(w, SPAN("errors"));
    json_w_array(w);
    for (size_t i = 0; i < a->n_failures; i++) {
        const struct pol_failure *f = &a->failures[i];
        const struct pol_policy_info *p = pol_set_policy(r->set, f->policy);

        json_w_object(w);
        json_w_key(w, SPAN("policy"));
        json_w_string(w, p->id);
        json_w_key(w, SPAN("file"));
        json_w_string(w, p->file);
        json_w_key(w, SPAN("line"));
        json_w_uint(w, f->line);
        json_w_key(w, SPAN("column"));
        json_w_uint(w, f->column);
        json_w_key(w, SPAN("text"));
        json_w_string(w, f->text);
        json_w_end(w);
    }
    json_w_end(w);
    if (a->n_obligations == 0)
        return;
    json_w_key(w, SPAN("obligations"));
    json_w_array(w);
    for (size_t i = 0; i < a->n_obligations; i++)
        pol_json_write_obligation(w, r, &a->obligations[i]);
    json_w_end(w);
}
