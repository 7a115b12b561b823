// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cmd_check_live.h"

#include "gateway/api/survey.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/shard_listing.h"
#include "gateway/net/health_check.h"
#include "gateway/stages/facts.h"
#include "policy/scope.h"

#define COLLECTIONS_MAX 1000 // of one shard that are looked at
#define POLICIES_MAX 4096    // with filters
#define FIELDS_MAX 32        // of one collection
#define TENANTS_MAX 1024
#define FAILURES_MAX 3 // questions about collections in a row, after which the rest of them is not asked

// A shard under way.
struct visit {
    const struct gw_check_live *live;
    const struct gw_shard *shard;
    struct span api;
    unsigned index;
    struct gw_endpoints *well; // endpoints that are ready
    const uint32_t *policies;  // that have filters
    size_t n_policies;
    struct span versions[GW_ENDPOINTS_MAX]; // answers about SERVER, of those that are ready
    size_t n_versions;
    size_t collections, failures;
    bool writes, cut;
};

// What is asked of one collection once, although several policies have it.
struct asked {
    struct span fields[FIELDS_MAX];
    unsigned kinds[FIELDS_MAX];
    size_t n;
    bool ids;
};

void gw_check_ask(const struct gw_check_live *l, const struct gw_ask_question *q, struct gw_ask_reply *reply,
                  struct buf *body)
{
    struct gw_ask_question question = *q;
    question.answer_max = GW_CHECK_ANSWER_MAX;
    question.within_ms = l->within_ms;
    question.repeatable = true;
    gw_ask_now(l->snapshot, l->bundles, &question, reply, body);
}

struct span gw_check_fault(const struct gw_check_live *l, const struct gw_ask_reply *reply)
{
    if (reply->error == 0)
        return arena_printf(&l->cli->arena, "it answers with the status %u", reply->status);
    return arena_printf(&l->cli->arena, "%.*s%s%s", SPAN_FMT(err_info(reply->error)->reason), reply->what ? ": " : "",
                        reply->what ? reply->what : "");
}

// ---------------------------------------------------------------------------------------------------------- saying

static void json_text(struct json_writer *w, struct span key, struct span text)
{
    json_w_key(w, key);
    json_w_string(w, text);
}

// At a place of the configuration; texts of findings are longer than its own complaints.
static void complain(const struct visit *v, bool warning, struct span text)
{
    const struct gw_config_place at = v->shard->config->at;
    (warning ? diag_warning : diag_error)(v->live->diags, v->live->snapshot->config->file, at.line, at.column,
                                          "shard %.*s: %.*s", SPAN_FMT(v->shard->name), SPAN_FMT(text));
}

static void note(const struct visit *v, struct span text)
{
    const struct gw_cli *cli = v->live->cli;
    if (v->live->w)
        return;
    fprintf(cli->out, "shard ");
    gw_cli_print(cli->out, v->shard->name);
    fprintf(cli->out, ": ");
    gw_cli_print(cli->out, text);
    fputc('\n', cli->out);
}

// ------------------------------------------------------------------------------------------------------- endpoints

static struct gw_ask_question question_of(const struct visit *v, struct gw_endpoints *endpoints)
{
    return (struct gw_ask_question){
        .remote = &v->shard->remote,
        .endpoints = endpoints,
        .credential = { v->shard->credential_name, v->shard->credential },
        .method = GW_METHOD_GET,
        .target = SPAN("/"),
        .body = SPAN_NONE,
    };
}

// True: it is ready, or at least answers.
static bool is_ready(struct visit *v, struct gw_endpoints *one)
{
    const struct gw_config_shard *config = v->shard->config;
    struct gw_health_check check = gw_health_check_of(v->api, config->health.path.v);
    struct gw_ask_question q = question_of(v, one);
    struct gw_ask_reply reply;
    struct buf body;
    struct arena *arena = &v->live->cli->arena;
    bool known = !span_is_none(check.target);
    if (known) {
        q.method = check.method;
        q.target = check.target;
        q.body = check.body;
    }
    buf_init(&body, GW_CHECK_ANSWER_MAX);
    gw_check_ask(v->live, &q, &reply, &body);
    enum gw_health_answer answer = GW_HEALTH_WELL;
    if (reply.error != 0)
        answer = GW_HEALTH_SICK;
    else if (known)
        answer = gw_health_answer(&check, reply.status, buf_span(&body));
    buf_fini(&body);
    struct span at = one->v[0].authority, fault = gw_check_fault(v->live, &reply);
    if (answer == GW_HEALTH_SICK)
        complain(v, false,
                 arena_printf(arena,
                              "the endpoint %.*s (%s) is not ready: %.*s; start it, or look at `endpoints`, `tls` and "
                              "what is between",
                              SPAN_FMT(at), one->v[0].host, SPAN_FMT(fault)));
    else if (answer == GW_HEALTH_ODD)
        complain(v, true,
                 arena_printf(arena,
                              "the endpoint %.*s (%s) cannot be asked whether it is ready: %.*s; look at `credential`, "
                              "or set `health.path`",
                              SPAN_FMT(at), one->v[0].host, SPAN_FMT(fault)));
    return answer != GW_HEALTH_SICK;
}

static struct gw_survey_subject about(const struct visit *v, enum gw_survey_aspect aspect)
{
    return (struct gw_survey_subject){ .api = v->api,
                                       .aspect = aspect,
                                       .database = SPAN_NONE,
                                       .tenant = SPAN_NONE,
                                       .collection = SPAN_NONE,
                                       .field = SPAN_NONE };
}

// Asks what a subject is asked by. 0, with the answer in `body`; or an error, and nothing is known.
static int ask(const struct visit *v, const struct gw_survey_subject *subject, struct gw_endpoints *endpoints,
               struct gw_ask_reply *reply, struct buf *body)
{
    struct gw_survey_question asked;
    struct gw_ask_question q = question_of(v, endpoints);
    int rc = gw_survey_ask(subject, &v->live->cli->arena, &asked);
    if (rc != 0)
        return rc;
    q.method = asked.method;
    q.target = asked.target;
    q.body = asked.body;
    gw_check_ask(v->live, &q, reply, body);
    return reply->error;
}

// SPAN_NONE: it is not told.
static struct span version_of(struct visit *v, struct gw_endpoints *one)
{
    const struct gw_survey_subject subject = about(v, GW_SURVEY_SERVER);
    struct arena *arena = &v->live->cli->arena;
    struct gw_ask_reply reply;
    struct span version = SPAN_NONE;
    struct buf body;
    buf_init(&body, GW_CHECK_ANSWER_MAX);
    if (ask(v, &subject, one, &reply, &body) == 0 && reply.status == 200) {
        version = gw_survey_version(v->api, buf_span(&body), arena);
        if (!span_is_none(version) && v->n_versions < GW_ENDPOINTS_MAX)
            v->versions[v->n_versions++] = arena_dup(arena, buf_span(&body));
    }
    buf_fini(&body);
    return version;
}

static void say_endpoint(const struct visit *v, const struct gw_endpoint *e, bool ready, struct span version)
{
    struct json_writer *w = v->live->w;
    if (w) {
        json_w_object(w);
        json_text(w, SPAN("endpoint"), e->authority);
        json_text(w, SPAN("address"), span_str(e->host));
        json_w_key(w, SPAN("ready"));
        json_w_bool(w, ready);
        json_text(w, SPAN("version"), version);
        json_w_end(w);
        return;
    }
    note(v, arena_printf(&v->live->cli->arena, "endpoint %.*s: %s, %.*s %.*s", SPAN_FMT(e->authority),
                         ready ? "ready" : "not ready", SPAN_FMT(v->api),
                         SPAN_FMT(span_is_none(version) ? SPAN("of an unknown version") : version)));
}

// Each of them, and keeps those that can be asked for more.
static bool look_at_endpoints(struct visit *v)
{
    char what[GW_ENDPOINT_FILE_WHAT];
    struct gw_endpoint well[GW_ENDPOINTS_MAX];
    size_t n = 0;
    struct gw_endpoints *all = gw_shard_endpoints(v->shard, what);
    if (!all) {
        complain(v, false, arena_printf(&v->live->cli->arena, "its endpoints are not found: %s", what));
        return false;
    }
    for (size_t i = 0; i < all->n; i++) {
        struct gw_endpoints *one = gw_endpoints_new(&all->v[i], 1);
        bool ready = one && is_ready(v, one);
        say_endpoint(v, &all->v[i], ready, ready ? version_of(v, one) : SPAN_NONE);
        if (ready)
            well[n++] = all->v[i];
        gw_endpoints_unref(one);
    }
    v->well = n > 0 ? gw_endpoints_new(well, n) : NULL;
    gw_endpoints_unref(all);
    return v->well != NULL;
}

// ----------------------------------------------------------------------------------------------------- collections

// Whether what is wrong is less bad here than it is in general.
static bool is_mild(const struct visit *v, const struct gw_survey_finding *f, const struct pol_filter *filter)
{
    unsigned assures = v->shard->config->assures;
    switch (f->kind) {
    // Without the assurance the gateway refuses such requests.
    case GW_FINDING_BY_WORDS: return !(assures & GW_CONFIG_EXACT_TEXT);
    // A policy that is about many collections need not have all of them in mind; nor is every one of them deleted from.
    case GW_FINDING_MISSING:
    case GW_FINDING_NO_TENANTS: return !filter->one_resource;
    case GW_FINDING_CHOSEN_IDS: return !filter;
    default: return false;
    }
}

static void tell(const struct visit *v, const struct gw_survey_finding *f, const struct pol_filter *filter,
                 const struct pol_policy_info *policy)
{
    struct diags *d = v->live->diags;
    bool warning = f->weight == GW_SURVEY_WARNING || is_mild(v, f, filter);
    if (f->weight == GW_SURVEY_NOTE)
        note(v, f->text);
    else if (policy)
        (warning ? diag_warning : diag_error)(d, policy->file, filter->line, filter->column, "shard %.*s: %.*s",
                                              SPAN_FMT(v->shard->name), SPAN_FMT(f->text));
    else
        complain(v, warning, f->text);
}

static void survey(struct visit *v, const struct gw_survey_subject *subject, const struct pol_filter *filter,
                   const struct pol_policy_info *policy)
{
    struct arena *arena = &v->live->cli->arena;
    struct gw_survey_finding f[GW_SURVEY_FINDINGS_MAX];
    struct gw_ask_reply reply = { .error = 0 };
    struct buf body;
    size_t n = 0;
    if (v->failures >= FAILURES_MAX)
        return;
    buf_init(&body, GW_CHECK_ANSWER_MAX);
    int rc = ask(v, subject, v->well, &reply, &body);
    if (rc == 0)
        rc = gw_survey_read(subject, reply.status, buf_span(&body), arena, f, &n);
    buf_fini(&body);
    if (rc == ERR_API_UNKNOWN)
        return;
    v->failures = rc != 0 ? v->failures + 1 : 0;
    if (rc != 0)
        complain(
            v, false,
            arena_printf(arena, "how %.*s is made cannot be told: %.*s%s", SPAN_FMT(subject->collection),
                         SPAN_FMT(gw_check_fault(v->live, &reply)),
                         v->failures >= FAILURES_MAX ? "; it is not asked about the rest of its collections" : ""));
    for (size_t i = 0; rc == 0 && i < n; i++)
        tell(v, &f[i], filter, policy);
}

// True the first time.
static bool is_new(struct asked *a, struct span field, unsigned kind)
{
    for (size_t i = 0; i < a->n; i++)
        if (span_eq(a->fields[i], field) && a->kinds[i] == kind)
            return false;
    if (a->n == FIELDS_MAX)
        return false;
    a->fields[a->n] = field;
    a->kinds[a->n++] = kind;
    return true;
}

// What filters of the policy say of the collection.
static void look_at_filters(struct visit *v, const struct gw_listed *c, uint32_t policy, bool deletes,
                            struct asked *asked)
{
    const struct pol_set *set = v->live->snapshot->policies;
    struct pol_filter filter;
    for (size_t i = 0; pol_filter_at(set, policy, i, &filter); i++) {
        struct gw_survey_subject subject = about(v, GW_SURVEY_FIELD);
        subject.database = c->database;
        subject.tenant = c->tenant;
        subject.collection = c->collection;
        subject.field = filter.field;
        subject.any_kind = filter.kind != POL_STRING && filter.kind != POL_LONG && filter.kind != POL_BOOL;
        subject.of = filter.kind == POL_LONG ? GW_API_NUMBER : filter.kind == POL_BOOL ? GW_API_FLAG : GW_API_TEXT;
        if (is_new(asked, filter.field, subject.any_kind ? UINT32_MAX : (unsigned)subject.of))
            survey(v, &subject, &filter, pol_set_policy(set, policy));
        subject.aspect = GW_SURVEY_IDS;
        if (deletes && !asked->ids && (v->shard->config->assures & GW_CONFIG_ASSIGNED_IDS)) {
            asked->ids = true;
            survey(v, &subject, &filter, NULL);
        }
    }
}

static bool may_hold(const struct visit *v, const struct gw_listed *c, enum gw_action action, uint32_t policy)
{
    struct arena arena;
    struct pol_request r;
    const struct gw_api_authorisation a = {
        .action = action, .database = c->database, .tenant = c->tenant, .collection = c->collection
    };
    arena_init(&arena, 1 << 20);
    pol_request_init(&r, v->live->snapshot->policies, &arena);
    pol_request_action(&r, SPAN("Action"), gw_action_name(action));
    gw_facts_resource(v->api, &a, &r);
    bool may = pol_filter_may_hold(&r, policy);
    arena_fini(&arena);
    return may;
}

static bool is_placed_here(const struct visit *v, const struct gw_listed *c)
{
    const struct gw_served_api *served = &v->live->snapshot->apis[v->shard->api];
    unsigned local;
    return gw_placement_find(&served->placement, c->database, c->tenant, c->collection, &local) == 0 &&
           served->shards[local] == v->index;
}

static void on_collection(void *ctx, const struct gw_listed *c)
{
    static const enum gw_action actions[] = { GW_ACTION_SEARCH, GW_ACTION_READ, GW_ACTION_WRITE, GW_ACTION_DELETE };
    struct visit *v = ctx;
    struct asked asked = { .n = 0 };
    // Weaviate's tenants come with their class, which was there already.
    bool again = span_eq(v->api, SPAN("weaviate")) && !span_is_none(c->tenant);
    if (again || !is_placed_here(v, c))
        return;
    if (v->collections++ >= COLLECTIONS_MAX) {
        v->cut = true;
        return;
    }
    for (size_t i = 0; i < v->n_policies; i++) {
        bool any = false, deletes = false;
        for (size_t k = 0; k < sizeof actions / sizeof *actions; k++) {
            bool may = may_hold(v, c, actions[k], v->policies[i]);
            any = any || may;
            v->writes = v->writes || (may && actions[k] == GW_ACTION_WRITE);
            deletes = deletes || (may && actions[k] == GW_ACTION_DELETE);
        }
        if (any)
            look_at_filters(v, c, v->policies[i], deletes, &asked);
    }
    // The assurance is for all of them, whatever policies say today.
    struct gw_survey_subject subject = about(v, GW_SURVEY_IDS);
    subject.database = c->database;
    subject.tenant = c->tenant;
    subject.collection = c->collection;
    if (!asked.ids && (v->shard->config->assures & GW_CONFIG_ASSIGNED_IDS))
        survey(v, &subject, NULL, NULL);
}

static void on_complaint(void *ctx, const char *what)
{
    struct visit *v = ctx;
    complain(v, false,
             arena_printf(&v->live->cli->arena, "its collections cannot be listed: %s; look at `credential`", what));
}

static size_t add_tenant(struct span *out, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(out[i], name))
            return n;
    if (n < TENANTS_MAX)
        out[n++] = name;
    return n;
}

// Chroma does not list its tenants: those that are given, and those that routes name.
static size_t tenants_of(const struct gw_check_live *l, struct span out[static TENANTS_MAX])
{
    const struct gw_config *c = l->snapshot->config;
    const char *name;
    size_t n = add_tenant(out, 0, SPAN("default_tenant"));
    for (size_t i = 0; (name = gw_cli_next(l->cli, "tenant", &i));)
        n = add_tenant(out, n, span_str(name));
    for (size_t i = 0; i < c->routes_n; i++) {
        struct span t = c->routes[i].tenant.v;
        if (!span_is_none(t) && span_find(t, '*') == t.n && span_find(t, '?') == t.n)
            n = add_tenant(out, n, t);
    }
    return n;
}

static void look_at_collections(struct visit *v)
{
    struct span *tenants = arena_array(&v->live->cli->arena, TENANTS_MAX, sizeof *tenants);
    const struct gw_shard_listing listing = {
        .arena = &v->live->cli->arena,
        .snapshot = v->live->snapshot,
        .shard = v->shard,
        .endpoints = v->well,
        .api = v->api,
        .bundles = v->live->bundles,
        .tenants = tenants,
        .n_tenants = tenants ? tenants_of(v->live, tenants) : 0,
        .within_ms = v->live->within_ms,
        .on_collection = on_collection,
        .on_complaint = on_complaint,
        .ctx = v,
    };
    // Nobody knows how to list what speaks a table of the operator's own, nor what fields are there.
    if (gw_survey_aspects(v->api, GW_ACTION_READ) == 0)
        return;
    bool all = gw_shard_list(&listing);
    if (v->cut)
        complain(v, true,
                 arena_printf(&v->live->cli->arena, "it has %zu collections, of which the first %d were looked at",
                              v->collections, COLLECTIONS_MAX));
    if (!all && v->collections == 0)
        v->writes = v->n_policies > 0;
}

static void look_at_versions(struct visit *v)
{
    struct gw_survey_subject subject = about(v, GW_SURVEY_SERVER);
    struct gw_survey_finding f[GW_SURVEY_FINDINGS_MAX];
    subject.confined_writes = v->writes;
    for (size_t i = 0; i < v->n_versions; i++) {
        size_t n = 0;
        if (gw_survey_read(&subject, 200, v->versions[i], &v->live->cli->arena, f, &n) == 0 && n > 0) {
            tell(v, &f[0], NULL, NULL);
            return;
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- all

static size_t policies_with_filters(const struct gw_check_live *l, uint32_t out[static POLICIES_MAX])
{
    const struct pol_set *set = l->snapshot->policies;
    struct pol_filter filter;
    size_t n = 0;
    for (uint32_t i = 0; set && i < pol_set_count(set); i++) {
        if (!pol_filter_at(set, i, 0, &filter))
            continue;
        if (n < POLICIES_MAX) {
            out[n++] = i;
            continue;
        }
        diag_warning(l->diags, pol_set_policy(set, i)->file, filter.line, filter.column,
                     "more than %d policies have filters; those from here on are not looked at", POLICIES_MAX);
        break;
    }
    return n;
}

static void look_at_shard(const struct gw_check_live *l, unsigned i, const uint32_t *policies, size_t n_policies)
{
    struct visit *v = arena_alloc(&l->cli->arena, sizeof *v);
    struct json_writer *w = l->w;
    if (!v)
        return;
    *v = (struct visit){ .live = l,
                         .shard = &l->snapshot->shards[i],
                         .api = l->snapshot->shards[i].config->api_name.v,
                         .index = i,
                         .policies = policies,
                         .n_policies = n_policies };
    if (w) {
        json_w_object(w);
        json_text(w, SPAN("name"), v->shard->name);
        json_text(w, SPAN("api"), v->api);
        json_w_key(w, SPAN("endpoints"));
        json_w_array(w);
    }
    bool reached = look_at_endpoints(v);
    if (w)
        json_w_end(w);
    if (reached) {
        look_at_collections(v);
        look_at_versions(v);
        note(v, arena_printf(&l->cli->arena, "%zu collection%s of this configuration's", v->collections,
                             v->collections == 1 ? "" : "s"));
    }
    if (w) {
        json_w_key(w, SPAN("collections"));
        reached ? json_w_uint(w, v->collections) : json_w_null(w);
        json_w_end(w);
    }
    gw_endpoints_unref(v->well);
}

void gw_check_shards(const struct gw_check_live *l)
{
    uint32_t *policies = arena_array(&l->cli->arena, POLICIES_MAX, sizeof *policies);
    size_t n = policies ? policies_with_filters(l, policies) : 0;
    if (l->w) {
        json_w_key(l->w, SPAN("shards"));
        json_w_array(l->w);
    }
    for (unsigned i = 0; i < l->snapshot->n_shards; i++)
        look_at_shard(l, i, policies, n);
    if (l->w)
        json_w_end(l->w);
}
