// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport route: what the API tables make of a request, and where it would go.
#include "gateway/api/api.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/cmd_route_moved.h"
#include "gateway/config/routing.h"
#include "gateway/http/target.h"

#define BODY_MAX ((size_t)64 << 20)

// What is known of a request; `error` is why it is denied.
struct route {
    struct gw_cli *cli;
    struct gw_api_request request;
    struct gw_api_meaning meaning;
    struct span why;
    int error;
    struct gw_config *config; // NULL: not asked for
    size_t api;               // gw_config_api_at
    struct gw_shard_set shards;
    bool unresolved; // a UUID: the shard that has it is found by asking
};

static int read_url(struct route *r, const char *method, const char *url)
{
    struct span text = span_str(url);
    const struct gw_target_options options = { .scheme =
                                                   span_starts(text, SPAN("http://")) ? SPAN("http") : SPAN("https"),
                                               .any_authority = true };
    struct gw_target *target = arena_alloc(&r->cli->arena, sizeof(*target));
    const char *what = NULL;
    enum gw_method m = gw_method_parse(span_str(method));
    if (!target)
        return ERR_NOMEM;
    if (m == GW_METHOD_NONE)
        return ERR_HTTP_METHOD;
    int rc = gw_target_parse(m, text, SPAN("localhost"), &options, &r->cli->arena, target, &what);
    if (rc < 0) {
        r->why = span_str(what);
        return rc;
    }
    if (target->asterisk)
        return ERR_API_UNKNOWN;
    r->request.method = span_str(method);
    r->request.segments = target->segments;
    r->request.n_segments = target->n_segments;
    r->request.query = target->query;
    return 0;
}

// With one API named (else SIZE_MAX), or the first that knows the method and path.
static int match(struct route *r, size_t only)
{
    int rc = ERR_API_UNKNOWN;
    const struct gw_api_def *def;
    for (size_t i = 0; rc == ERR_API_UNKNOWN && (def = gw_config_api_at(r->config, i)); i++) {
        if (only != SIZE_MAX && i != only)
            continue;
        struct gw_api *api = gw_api_new(def);
        if (!api)
            return ERR_NOMEM;
        rc = gw_api_match(api, &r->request, &r->cli->arena, &r->meaning, &r->why);
        r->api = i;
        gw_api_free(api);
    }
    return rc;
}

// The routes that lead to shards of this API, as the gateway reads them.
static int place(struct route *r)
{
    const struct gw_config *c = r->config;
    const struct gw_api_authorisation *first = &r->meaning.authorisations[0];
    struct gw_placement placement;
    if (gw_config_placement(c, r->api, &r->cli->arena, &placement) != 0)
        return ERR_NOMEM;
    for (size_t i = 0; i < r->meaning.n_authorisations; i++)
        r->unresolved = r->unresolved || r->meaning.authorisations[i].collection_is_uuid;
    if (r->meaning.fan != GW_API_FAN_ONE || r->unresolved)
        return gw_placement_candidates(&placement, first->database, first->tenant, &r->shards) > 0 ? 0 : ERR_ROUTE_NONE;
    unsigned shard;
    int rc = gw_placement_shard(&placement, &r->meaning, &shard);
    if (rc == 0)
        gw_shard_set_add(&r->shards, shard);
    return rc;
}

static const char *fan_name(const struct route *r)
{
    switch (r->meaning.fan) {
    case GW_API_FAN_MERGE: return "merge";
    case GW_API_FAN_ALL: return "all";
    case GW_API_FAN_ONE: break;
    }
    return r->unresolved ? "ask" : "one";
}

// ------------------------------------------------------------------------------------------------------------ JSON

static void member(struct json_writer *w, struct span name, struct span value)
{
    json_w_key(w, name);
    json_w_string(w, value);
}

static void flag(struct json_writer *w, struct span name, bool value)
{
    json_w_key(w, name);
    json_w_bool(w, value);
}

static void count(struct json_writer *w, struct span name, bool has, uint64_t value)
{
    json_w_key(w, name);
    if (has)
        json_w_uint(w, value);
    else
        json_w_null(w);
}

static void json_authorisation(struct json_writer *w, const struct gw_api_authorisation *a)
{
    json_w_object(w);
    member(w, SPAN("action"), gw_action_name(a->action));
    member(w, SPAN("database"), a->database);
    member(w, SPAN("tenant"), a->tenant);
    member(w, SPAN("collection"), a->collection);
    flag(w, SPAN("uuid"), a->collection_is_uuid);
    flag(w, SPAN("new"), a->collection_is_new);
    json_w_end(w);
}

static void json_facts(struct json_writer *w, const struct gw_api_facts *f)
{
    json_w_object(w);
    count(w, SPAN("limit"), f->has_limit, f->limit);
    count(w, SPAN("queries"), f->has_queries, f->queries);
    count(w, SPAN("points"), f->has_points, f->points);
    flag(w, SPAN("has_filter"), f->has_filter);
    flag(w, SPAN("by_id"), f->by_id);
    flag(w, SPAN("with_vectors"), f->with_vectors);
    flag(w, SPAN("with_payload"), f->with_payload);
    json_w_key(w, SPAN("shard_keys"));
    json_w_array(w);
    for (size_t i = 0; i < f->n_shard_keys; i++)
        json_w_string(w, f->shard_keys[i]);
    json_w_end(w);
    json_w_end(w);
}

static void json_meaning(struct json_writer *w, const struct route *r)
{
    const struct gw_api_meaning *m = &r->meaning;
    const struct gw_api_authorisation *first = &m->authorisations[0];
    member(w, SPAN("api"), m->api);
    member(w, SPAN("operation"), m->operation);
    member(w, SPAN("action"), gw_action_name(first->action));
    member(w, SPAN("database"), first->database);
    member(w, SPAN("tenant"), first->tenant);
    json_w_key(w, SPAN("collections"));
    json_w_array(w);
    for (size_t i = 0; i < m->n_authorisations; i++) {
        struct span name = m->authorisations[i].collection;
        bool again = span_is_none(name);
        for (size_t k = 0; k < i && !again; k++)
            again = span_eq(m->authorisations[k].collection, name);
        if (!again)
            json_w_string(w, name);
    }
    json_w_end(w);
    json_w_key(w, SPAN("authorisations"));
    json_w_array(w);
    for (size_t i = 0; i < m->n_authorisations; i++)
        json_authorisation(w, &m->authorisations[i]);
    json_w_end(w);
    json_w_key(w, SPAN("facts"));
    json_facts(w, &m->facts);
    flag(w, SPAN("changes_data"), m->changes_data);
    if (m->alternative.present) {
        json_w_key(w, SPAN("alternative"));
        json_w_object(w);
        member(w, SPAN("action"), gw_action_name(m->alternative.authorisation.action));
        member(w, SPAN("method"), m->alternative.method);
        member(w, SPAN("target"), m->alternative.target);
        json_w_end(w);
    }
    if (!r->config)
        return;
    member(w, SPAN("fan"), span_str(fan_name(r)));
    json_w_key(w, SPAN("shards"));
    json_w_array(w);
    for (unsigned i = 0; i < r->config->shards_n && i < GW_PLACEMENT_SHARDS_MAX; i++)
        if (gw_shard_set_has(&r->shards, i))
            json_w_string(w, r->config->shards[i].name.v);
    json_w_end(w);
}

static int answer_json(const struct route *r)
{
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    flag(&w, SPAN("denied"), r->error != 0);
    if (r->error != 0) {
        const struct err_info *info = err_info(r->error);
        member(&w, SPAN("error"), info->name);
        json_w_key(&w, SPAN("status"));
        json_w_int(&w, info->status);
        member(&w, SPAN("code"), info->code);
        member(&w, SPAN("reason"), info->reason);
        member(&w, SPAN("detail"), r->why);
    } else {
        json_meaning(&w, r);
    }
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        fprintf(r->cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok ? GW_EXIT_OK : gw_cli_usage(r->cli, "out of memory");
}

// ------------------------------------------------------------------------------------------------------------ text

static void line(FILE *out, const char *label, struct span value)
{
    fprintf(out, "%-12s", label);
    gw_cli_print(out, value);
    fputc('\n', out);
}

static void named(FILE *out, const char *what, struct span name)
{
    if (span_is_none(name))
        return;
    fprintf(out, "  %s ", what);
    gw_cli_print(out, name);
}

static void text_facts(FILE *out, const struct gw_api_facts *f)
{
    fprintf(out, "%-12s%s", "facts", f->has_filter ? "filtered" : "unfiltered");
    if (f->has_limit)
        fprintf(out, "  limit %llu", (unsigned long long)f->limit);
    if (f->has_queries)
        fprintf(out, "  queries %llu", (unsigned long long)f->queries);
    if (f->has_points)
        fprintf(out, "  points %llu", (unsigned long long)f->points);
    fprintf(out, "%s%s%s", f->by_id ? "  by id" : "", f->with_vectors ? "  with vectors" : "",
            f->with_payload ? "  with payload" : "");
    for (size_t i = 0; i < f->n_shard_keys; i++)
        named(out, "shard_key", f->shard_keys[i]);
    fputc('\n', out);
}

static void text_shards(const struct route *r)
{
    FILE *out = r->cli->out;
    fprintf(out, "%-11s", "shard");
    for (unsigned i = 0; i < r->config->shards_n && i < GW_PLACEMENT_SHARDS_MAX; i++)
        if (gw_shard_set_has(&r->shards, i)) {
            fputc(' ', out);
            gw_cli_print(out, r->config->shards[i].name.v);
        }
    if (r->meaning.fan == GW_API_FAN_MERGE)
        fputs(" (every one of them is asked, the answers are merged)", out);
    else if (r->meaning.fan == GW_API_FAN_ALL)
        fputs(" (every one of them carries it out)", out);
    else if (r->unresolved)
        fputs(" (the one of them that has the UUID)", out);
    fputc('\n', out);
}

static void answer_text(const struct route *r)
{
    FILE *out = r->cli->out;
    const struct gw_api_meaning *m = &r->meaning;
    if (r->error != 0) {
        const struct err_info *info = err_info(r->error);
        fprintf(out, "%sdenied%s      %.*s (%d %.*s)\n", gw_cli_style(r->cli, GW_STYLE_BAD),
                gw_cli_style(r->cli, GW_STYLE_PLAIN), SPAN_FMT(info->reason), info->status, SPAN_FMT(info->code));
        if (!span_is_none(r->why))
            line(out, "because", r->why);
        return;
    }
    line(out, "api", m->api);
    line(out, "operation", m->operation);
    for (size_t i = 0; i < m->n_authorisations; i++) {
        const struct gw_api_authorisation *a = &m->authorisations[i];
        fprintf(out, "%-12s%-7.*s", i == 0 ? "needs" : "", SPAN_FMT(gw_action_name(a->action)));
        named(out, "tenant", a->tenant);
        named(out, "database", a->database);
        named(out, "collection", a->collection);
        fputs(a->collection_is_uuid ? " (a UUID; policy sees its name)" : a->collection_is_new ? " (new)" : "", out);
        fputc('\n', out);
    }
    if (m->alternative.present) {
        fprintf(out, "%-12s%.*s alone makes it ", "or", SPAN_FMT(gw_action_name(m->alternative.authorisation.action)));
        fprintf(out, "%.*s ", SPAN_FMT(m->alternative.method));
        gw_cli_print(out, m->alternative.target);
        fputc('\n', out);
    }
    text_facts(out, &m->facts);
    if (r->config)
        text_shards(r);
}

// --------------------------------------------------------------------------------------------------------- command

static int read_config(struct route *r, const char *path)
{
    struct diags diags;
    diags_init(&diags);
    int rc = gw_config_load(path, &r->config, &diags);
    gw_cli_diags(r->cli, r->cli->err, &diags);
    diags_fini(&diags);
    return rc;
}

// False after the complaint.
static bool name_api(struct route *r, const char *name, size_t *only)
{
    const struct gw_api_def *def;
    *only = gw_config_api_find(r->config, span_str(name));
    if (*only != SIZE_MAX)
        return true;
    struct buf names;
    buf_init(&names, 0);
    for (size_t i = 0; (def = gw_config_api_at(r->config, i)); i++) {
        buf_append(&names, i ? SPAN(", ") : SPAN(""));
        buf_append(&names, gw_api_def_name(def));
    }
    gw_cli_usage(r->cli, "--api: %s is not one of %.*s%s", name, SPAN_FMT(buf_span(&names)),
                 r->config ? "" : "; APIs of a configuration need --config");
    buf_fini(&names);
    return false;
}

static int run(struct gw_cli *cli)
{
    struct route r = { .cli = cli };
    const char *body = gw_cli_get(cli, "body"), *config = gw_cli_get(cli, "config");
    size_t only = SIZE_MAX;

    if (gw_cli_has(cli, "moved"))
        return gw_cmd_route_moved(cli);
    if (gw_cli_has(cli, "collections") || gw_cli_has(cli, "tenant"))
        return gw_cli_usage(cli, "--collections and --tenant go with --moved");
    if (config && read_config(&r, config) != 0)
        return GW_EXIT_USAGE;
    if (gw_cli_has(cli, "api") && !name_api(&r, gw_cli_get(cli, "api"), &only)) {
        gw_config_free(r.config);
        return GW_EXIT_USAGE;
    }
    if (body) {
        r.request.body = gw_cli_read(cli, body, BODY_MAX);
        if (span_is_none(r.request.body)) {
            gw_config_free(r.config);
            return GW_EXIT_USAGE;
        }
        r.request.has_body = r.request.body.n > 0;
    }
    r.request.body_ready = true;
    r.error = read_url(&r, cli->args[0], cli->args[1]);
    if (r.error == 0)
        r.error = match(&r, only);
    if (r.error == 0 && r.config)
        r.error = place(&r);
    int rc = r.error == ERR_NOMEM ? gw_cli_usage(cli, "out of memory") : r.error == 0 ? GW_EXIT_OK : GW_EXIT_NO;
    if (rc == GW_EXIT_USAGE || (cli->json && answer_json(&r) != GW_EXIT_OK))
        rc = GW_EXIT_USAGE;
    else if (!cli->json)
        answer_text(&r);
    gw_config_free(r.config);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "api",
      .value = "NAME",
      .help = "qdrant, chroma, milvus, weaviate or, with --config, one of its apis; without it, the first that knows "
              "the path" },
    { .name = "body", .value = "FILE", .help = "the request's body; - is standard input" },
    { .name = "config", .value = "FILE", .help = "the gateway's configuration: its API tables, and which shard" },
    { .name = "moved", .help = "instead: what has to move, from the configuration OLD to NEW" },
    { .name = "collections",
      .value = "FILE",
      .help =
          "with --moved: database/tenant/collection a line, instead of asking the shards of OLD; - is standard input" },
    { .name = "tenant",
      .value = "NAME",
      .help = "with --moved: a tenant of Chroma, which cannot list them; default_tenant without it",
      .repeat = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_route = {
    .name = "route",
    .summary = "what the API tables make of a request: action, collection, tenant, shard",
    .args = "METHOD URL, or --moved OLD NEW",
    .min_args = 2,
    .max_args = 2,
    .about =
        "Everything in `needs` must be allowed by policy, or the request is denied. URL is a path or a whole URL.\n"
        "Exit status: 0 the request has a meaning, 1 it is denied before policy is asked, 2 unreadable input.\n"
        "\n"
        "  sallyport route POST /collections/docs/points/query --body query.json --config gateway.yaml\n"
        "\n"
        "With --moved: no data moves when a rule changes. The shards of OLD are asked, with their credentials, which\n"
        "collections they have; each that NEW looks for on a shard of another name is printed. Exit status: 0 nothing\n"
        "has to move, 1 something has, 2 not every shard could be asked.\n"
        "\n"
        "  sallyport route --moved gateway.yaml gateway.new.yaml",
    .options = options,
    .run = run,
};
