// SPDX-License-Identifier: GPL-3.0-or-later
// What a decision costs: 10 to 100,000 policies over 10,000 entities, the same two candidates for each request – a role with a condition on
// tenants, and a forbid on how the token is bound. bench/micro/policy.mjs runs it beside Cedar itself.
//
//   policy [--json] [N…]     a line for each number of policies
//   policy --write DIR N     the same policies, entities and requests as files, for who else wants to decide them
//   policy --calls K N       nothing but about K decisions of each kind, for an instruction counter: decide_built, decide_whole, decide_kept
//
// A request is decided once, as in the gateway, so what a first decision does for later ones is in every figure. "warm": pol_decide of requests
// that one workload makes of one collection, fresh each and in the caches. "cold": of requests by 4,000 workloads on 5,000 collections in turn,
// none of which are in the caches. "whole": warm, and the request is built first from the facts that the gateway has, and freed. "kept": the same
// where principal, action, resource and token came together before (policy/partial.h): looked up, given its context, decided, freed.
#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "policy/decide.h"
#include "policy/partial.h"
#include "policy/request_json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TENANTS = 100,
    ROLES = 400,
    TEAMS = 500,
    WORKLOADS = 4000,
    COLLECTIONS = 10000 - TENANTS - ROLES - TEAMS - WORKLOADS - 11,
    REQUESTS = 4096,
    WARM_BATCH = 64,
    WARM_BATCHES = 2001,
    COLD_BATCHES = 15,
    PER_TEXT = 10000,
    TEXTS = 16,
};

struct world {
    struct buf entities, policies[TEXTS];
    size_t n_texts;
    struct pol_set *set;
    struct pol_partials *partials;
    int64_t load_ns;
};

// ------------------------------------------------------------------------------------------------------ policies, entities

static void write_policies(struct world *w, unsigned n)
{
    w->n_texts = 0;
    for (unsigned i = 0; i < n; i++) {
        struct buf *b = &w->policies[i / PER_TEXT];

        if (i % PER_TEXT == 0) {
            buf_init(b, 0);
            w->n_texts++;
        }
        if (i == 0)
            buf_printf(b, "@id(\"own-tenant\")\npermit (principal in Role::\"corp/reader\", action in "
                          "Action::\"readonly\", resource is "
                          "Collection)\nwhen { principal has tenant && resource has tenant && principal.tenant == "
                          "resource.tenant };\n");
        else if (i == 1)
            buf_printf(b, "@id(\"bound-only\")\nforbid (principal, action, resource)\n"
                          "unless { [\"dpop\", \"both\"].contains(context.token.bound_to) };\n");
        else
            buf_printf(
                b,
                "@id(\"team-%u\")\npermit (principal in Team::\"team-%u-%u\", action in Action::\"%s\", resource in "
                "Tenant::\"tenant-%u\")\nwhen { context has request && context.request has limit && "
                "context.request.limit <= "
                "%u };\n",
                i, i % TEAMS, i / TEAMS, i % 3 ? "readonly" : "readwrite", i % TENANTS, 10 + i % 90);
    }
}

static void entity(struct buf *b, const char *type, const char *id, unsigned n)
{
    buf_printf(b, "%s{\"uid\":{\"type\":\"%s\",\"id\":\"%s-%u\"},", buf_len(b) > 1 ? ",\n" : "", type, id, n);
}

static void write_entities(struct buf *b)
{
    static const char *const groups[][2] = {
        { "search", "readonly" }, { "read", "readonly" },    { "list", "readonly" },      { "meta", "readonly" },
        { "write", "readwrite" }, { "delete", "readwrite" }, { "readonly", "readwrite" }, { "readwrite", NULL },
    };

    buf_init(b, 0);
    buf_printf(b, "[");
    for (unsigned i = 0; i < TENANTS; i++) {
        entity(b, "Tenant", "tenant", i);
        buf_printf(b, "\"attrs\":{},\"parents\":[{\"type\":\"Server\",\"id\":\"qdrant\"}]}");
    }
    for (unsigned i = 0; i < ROLES; i++) {
        entity(b, "Role", "corp/role", i);
        buf_printf(b, "\"attrs\":{},\"parents\":[{\"type\":\"Role\",\"id\":\"corp/reader\"}]}");
    }
    for (unsigned i = 0; i < TEAMS; i++) {
        entity(b, "Team", "team", i);
        buf_printf(b, "\"attrs\":{\"tier\":%u},\"parents\":[]}", i % 3);
    }
    for (unsigned i = 0; i < WORKLOADS; i++) {
        entity(b, "Workload", "spiffe://prod.example/workload", i);
        buf_printf(b,
                   "\"attrs\":{\"tenant\":\"tenant-%u\",\"team\":\"team-%u\"},\"parents\":[{\"type\":\"Team\",\"id\":"
                   "\"team-%u\"}]}",
                   i % TENANTS, i % TEAMS, i % TEAMS);
    }
    for (unsigned i = 0; i < COLLECTIONS; i++) {
        entity(b, "Collection", "collection", i);
        buf_printf(b, "\"attrs\":{\"tenant\":\"tenant-%u\"},\"parents\":[{\"type\":\"Tenant\",\"id\":\"tenant-%u\"}]}",
                   i % TENANTS, i % TENANTS);
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        buf_printf(b, ",\n{\"uid\":{\"type\":\"Action\",\"id\":\"%s\"},\"attrs\":{},\"parents\":[", groups[i][0]);
        if (groups[i][1])
            buf_printf(b, "{\"type\":\"Action\",\"id\":\"%s\"}", groups[i][1]);
        buf_printf(b, "]}");
    }
    buf_printf(b, ",\n{\"uid\":{\"type\":\"Server\",\"id\":\"qdrant\"},\"attrs\":{},\"parents\":[]}"
                  ",\n{\"uid\":{\"type\":\"Role\",\"id\":\"corp/reader\"},\"attrs\":{},\"parents\":[]}"
                  ",\n{\"uid\":{\"type\":\"TrustDomain\",\"id\":\"prod.example\"},\"attrs\":{},\"parents\":[]}]");
}

static void load(struct world *w)
{
    static const struct pol_options options = { .hash_key = 0x243f6a8885a308d3u };
    struct pol_source policies[TEXTS], entities = { SPAN("entities.json"), buf_span(&w->entities) };
    static const char *const names[TEXTS] = { "a", "b", "c", "d", "e", "f", "g", "h",
                                              "i", "j", "k", "l", "m", "n", "o", "p" };
    struct diags d;
    int64_t began;

    for (size_t i = 0; i < w->n_texts; i++)
        policies[i] = (struct pol_source){ span_str(names[i]), buf_span(&w->policies[i]) };
    diags_init(&d);
    began = clock_mono_ns();
    w->set = pol_set_new(policies, w->n_texts, &entities, 1, &options, &d);
    w->load_ns = clock_mono_ns() - began;
    w->partials = w->set ? pol_partials_new(w->set, 4096, 7) : NULL;
    if (!w->set) {
        struct arena a;

        arena_init(&a, 0);
        fprintf(stderr, "%s\n", diag_format(&a, d.first).p);
        exit(1);
    }
    diags_fini(&d);
}

// ------------------------------------------------------------------------------------------------------------- requests

// What one request of many says; texts that are the gateway's before a request is built.
struct asked {
    char workload[64], collection[48], tenant[24];
    struct pol_request request;
    struct arena arena;
};

static void choose(struct asked *q, unsigned i)
{
    unsigned workload = i * 2654435761u % WORKLOADS;
    // Of the workload's tenant; one in eight of another's.
    unsigned collection = i * 40503u % (COLLECTIONS / TENANTS) * TENANTS + (workload + (i % 8 == 7)) % TENANTS;

    snprintf(q->workload, sizeof q->workload, "spiffe://prod.example/workload-%u", workload);
    snprintf(q->collection, sizeof q->collection, "collection-%u", collection);
    snprintf(q->tenant, sizeof q->tenant, "tenant-%u", collection % TENANTS);
}

static void build_entities(struct pol_request *r, const struct asked *q)
{
    struct pol_entity *e;

    e = pol_request_principal(r, SPAN("Workload"), span_str(q->workload));
    pol_request_attr(r, e, SPAN("trust_domain"), pol_string(SPAN("prod.example")));
    pol_request_attr(r, e, SPAN("path"), pol_string(SPAN("/workload")));
    pol_request_attr(r, e, SPAN("serial"), pol_string(SPAN("4f9ac1d2e3")));
    pol_request_parent(r, e, SPAN("TrustDomain"), SPAN("prod.example"));
    pol_request_parent(r, e, SPAN("Role"), SPAN("corp/reader"));
    pol_request_action(r, SPAN("Action"), SPAN("search"));
    e = pol_request_resource(r, SPAN("Collection"), span_str(q->collection));
    pol_request_attr(r, e, SPAN("api"), pol_string(SPAN("qdrant")));
    pol_request_attr(r, e, SPAN("name"), pol_string(span_str(q->collection)));
    pol_request_parent(r, e, SPAN("Server"), SPAN("qdrant"));
}

static void build_request(struct pol_request *r)
{
    struct pol_record *rec = pol_record_new(r);

    pol_record_put(r, rec, SPAN("limit"), pol_long(10));
    pol_record_put(r, rec, SPAN("with_vectors"), pol_bool(false));
    pol_request_context(r, SPAN("request"), pol_record_value(rec));
}

static void build(struct pol_request *r, const struct pol_set *set, struct arena *arena, const struct asked *q)
{
    struct pol_record *rec;

    pol_request_init(r, set, arena);
    build_entities(r, q);
    rec = pol_record_new(r);
    pol_record_put(r, rec, SPAN("issuer"), pol_string(SPAN("https://issuer.example")));
    pol_record_put(r, rec, SPAN("subject"), pol_string(SPAN("agent-7")));
    pol_record_put(r, rec, SPAN("bound_to"), pol_string(SPAN("dpop")));
    pol_request_context(r, SPAN("token"), pol_record_value(rec));
    build_request(r);
}

static struct asked *requests(const struct world *w)
{
    struct asked *all = calloc(REQUESTS, sizeof *all);

    for (unsigned i = 0; all && i < REQUESTS; i++) {
        choose(&all[i], i);
        arena_init(&all[i].arena, 0);
        build(&all[i].request, w->set, &all[i].arena, &all[i]);
    }
    if (!all)
        abort();
    return all;
}

static void forget(struct asked *all)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        arena_fini(&all[i].arena);
    free(all);
}

// ------------------------------------------------------------------------------------------------------------ the clock

__attribute__((noinline)) static int decide_built(struct pol_request *r, struct pol_answer *a)
{
    return pol_decide(r, POL_MODE_GATEWAY, 0, a);
}

__attribute__((noinline)) static int decide_whole(const struct pol_set *set, const struct asked *q,
                                                  struct pol_answer *a)
{
    struct arena arena;
    struct pol_request r;
    int rc;

    arena_init(&arena, 0);
    build(&r, set, &arena, q);
    rc = pol_decide(&r, POL_MODE_GATEWAY, 0, a);
    arena_fini(&arena);
    return rc;
}

// The token's facts are kept with the token, in the gateway.
__attribute__((noinline)) static int decide_kept(const struct world *w, const struct asked *q, struct pol_answer *a)
{
    static const struct pol_field fields[] = {
        { { "issuer", 6 }, { .kind = POL_STRING, .n = 22, .s = "https://issuer.example" } },
        { { "subject", 7 }, { .kind = POL_STRING, .n = 7, .s = "agent-7" } },
        { { "bound_to", 8 }, { .kind = POL_STRING, .n = 4, .s = "dpop" } },
    };
    const struct pol_field token = { SPAN("token"), { .kind = POL_RECORD, .n = 3, .fields = fields } };
    const struct pol_value known = { .kind = POL_RECORD, .n = 1, .fields = &token };
    const struct span parts[] = {
        span_str(q->workload), SPAN("prod.example"), SPAN("/workload"), SPAN("4f9ac1d2e3"), SPAN_NONE,
        SPAN("qdrant"),        span_str("s"),        SPAN_NONE,         SPAN_NONE,          span_str(q->collection)
    };
    const struct pol_partial_key key = { NULL, parts, sizeof parts / sizeof *parts };
    enum pol_partial_found found;
    struct arena arena;
    struct pol_request r;
    int rc;

    arena_init(&arena, 0);
    found = pol_partials_get(w->partials, &key, &r, &arena);
    if (found != POL_PARTIAL_FOUND)
        build_entities(&r, q);
    if (found == POL_PARTIAL_AGAIN)
        pol_partials_keep(w->partials, &key, &known, &r);
    pol_request_context(&r, SPAN("token"), token.value);
    build_request(&r);
    rc = pol_decide(&r, POL_MODE_GATEWAY, 0, a);
    pol_partial_release(&r);
    arena_fini(&arena);
    return rc;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

enum how { WARM, COLD, WHOLE, KEPT };
struct result {
    double ns;
    unsigned allowed, candidates;
};

// One batch: off the clock requests are built, each in an arena of its own. A warm batch is small enough for the caches.
static double batch(const struct world *w, enum how how, struct asked *all, unsigned n, struct result *r)
{
    struct pol_answer a;
    int64_t began, took;

    for (unsigned i = 0; i < n && how < WHOLE; i++) {
        arena_fini(&all[i].arena);
        build(&all[i].request, w->set, &all[i].arena, &all[how == WARM ? 0 : i]);
    }
    began = clock_mono_ns();
    for (unsigned i = 0; i < n; i++) {
        int rc = how == WHOLE  ? decide_whole(w->set, &all[0], &a)
                 : how == KEPT ? decide_kept(w, &all[0], &a)
                               : decide_built(&all[i].request, &a);

        r->allowed += rc == 0;
        r->candidates += a.candidates;
    }
    took = clock_mono_ns() - began;
    return (double)took / n;
}

// Ns a decision, of the batch that one in ten undercuts: what else runs on a machine makes batches slower, and nothing makes them faster.
static struct result run(const struct world *w, enum how how, struct asked *all)
{
    unsigned n = how == COLD ? REQUESTS : WARM_BATCH, batches = how == COLD ? COLD_BATCHES : WARM_BATCHES;
    struct result r = { 0 };
    double ns[WARM_BATCHES];

    for (unsigned i = 0; i < batches; i++)
        ns[i] = batch(w, how, all, n, &r);
    qsort(ns, batches, sizeof *ns, compare);
    r.ns = ns[batches / 10];
    r.allowed = (unsigned)((uint64_t)r.allowed * 100 / ((uint64_t)n * batches));
    r.candidates /= n * batches;
    return r;
}

static void measure(struct world *w, unsigned n, bool as_json)
{
    struct result warm, cold, whole, kept;
    struct asked *all;

    write_policies(w, n);
    load(w);
    all = requests(w);
    warm = run(w, WARM, all);
    whole = run(w, WHOLE, all);
    kept = run(w, KEPT, all);
    cold = run(w, COLD, all);
    forget(all);
    if (as_json)
        printf("{\"policies\":%u,\"entities\":%zu,\"load_ms\":%.1f,\"bytes\":%zu,\"warm_ns\":%.0f,\"cold_ns\":%.0f,"
               "\"whole_ns\":%.0f,\"kept_ns\":%.0f,"
               "\"candidates\":%u,\"allowed_percent\":%u}\n",
               n, pol_set_entities(w->set), (double)w->load_ns / 1e6, pol_set_bytes(w->set), warm.ns, cold.ns, whole.ns,
               kept.ns, cold.candidates, cold.allowed);
    else
        printf("%8u %10zu %10.1f %12zu %8.0f %8.0f %8.0f %8.0f %10u %8u%%\n", n, pol_set_entities(w->set),
               (double)w->load_ns / 1e6, pol_set_bytes(w->set), warm.ns, cold.ns, whole.ns, kept.ns, cold.candidates,
               cold.allowed);
    fflush(stdout);
    pol_partials_free(w->partials);
    pol_set_free(w->set);
    for (size_t i = 0; i < w->n_texts; i++)
        buf_fini(&w->policies[i]);
}

// ---------------------------------------------------------------------------------------------------------- other modes

static void save(const char *dir, const char *name, struct span text)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

// Requests as Cedar has them: each with the entities that the decision can see, and our answer.
static void write_files(struct world *w, const char *dir, unsigned n)
{
    struct buf all, lines;
    struct asked *asked;

    write_policies(w, n);
    load(w);
    buf_init(&all, 0);
    buf_init(&lines, 0);
    for (size_t i = 0; i < w->n_texts; i++)
        buf_append(&all, buf_span(&w->policies[i]));
    save(dir, "policies.cedar", buf_span(&all));
    save(dir, "entities.json", buf_span(&w->entities));
    asked = requests(w);
    for (unsigned i = 0; i < 64; i++) {
        struct pol_answer a;
        int rc = pol_decide(&asked[i].request, POL_MODE_GATEWAY, 0, &a);

        buf_printf(&lines, "{\"allow\":%s,\"request\":", rc == 0 ? "true" : "false");
        pol_request_to_json(&asked[i].request, &lines);
        buf_printf(&lines, "}\n");
    }
    save(dir, "requests.jsonl", buf_span(&lines));
    forget(asked);
}

static void calls(struct world *w, unsigned k, unsigned n)
{
    struct asked *all;
    struct result r = { 0 };

    write_policies(w, n);
    load(w);
    all = requests(w);
    for (unsigned i = 0; i < k / WARM_BATCH; i++) {
        batch(w, WARM, all, WARM_BATCH, &r);
        batch(w, WHOLE, all, WARM_BATCH, &r);
        batch(w, KEPT, all, WARM_BATCH, &r);
    }
    forget(all);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 10, 1000, 10000, 100000 };
    struct world w = { 0 };
    bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    int first = as_json ? 2 : 1;

    write_entities(&w.entities);
    if (argc == 4 && strcmp(argv[1], "--write") == 0) {
        write_files(&w, argv[2], (unsigned)atoi(argv[3]));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--calls") == 0) {
        calls(&w, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
        return 0;
    }
    if (!as_json)
        printf("%8s %10s %10s %12s %8s %8s %8s %8s %10s %9s\n", "policies", "entities", "load ms", "bytes", "warm ns",
               "cold ns", "whole ns", "kept ns", "candidates", "allowed");
    for (int i = first; i < argc; i++)
        measure(&w, (unsigned)atoi(argv[i]), as_json);
    for (size_t i = 0; first == argc && i < sizeof sizes / sizeof *sizes; i++)
        measure(&w, sizes[i], as_json);
    return 0;
}
