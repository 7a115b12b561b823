// SPDX-License-Identifier: GPL-3.0-or-later
// What the policy commands read: policies, entities, links and requests, from files, folders or a gateway's configuration. The texts are
// kept, since some commands look at them again after compiling. Everything lives in the command's arena.
//
// Without --gateway (or a configuration, which implies it) the rules are Cedar's: any annotation, any action, and a forbid that cannot be
// evaluated is skipped. With it they are the gateway's: docs/policy.md.
#ifndef SALLYPORT_CLI_POLICY_FILES_H
#define SALLYPORT_CLI_POLICY_FILES_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include "policy/decide.h"

struct gw_policy_input {
    struct gw_cli *cli;
    struct pol_source *policies, *entities;
    size_t n_policies, n_entities, cap_policies, cap_entities;
    struct pol_source *schemas; // of a configuration
    size_t n_schemas, cap_schemas;
    bool unvalidated; // a configuration says `validate: false`
    bool authority; // of a configuration, the authority's policies; set by who wants them, or when there are no others
    struct pol_options options;
    enum pol_mode mode;
    const struct span *issuers; // of a configuration, those of API keys among them; NULL: none was read
    size_t n_issuers;
};

// The options that gw_policy_input_options reads, for a command's table.
#define GW_POLICY_OPTIONS                                                                                              \
    { .name = "policies", .value = "PATH", .help = "a .cedar file, or a folder of them", .repeat = true },             \
        { .name = "entities", .value = "FILE", .help = "entities: JSON, or YAML by its name", .repeat = true },        \
        { .name = "links", .value = "FILE", .help = "links of templates: JSON" },                                      \
        { .name = "config",                                                                                            \
          .value = "FILE",                                                                                             \
          .help = "a gateway's configuration: its policies, owners, entities, links and schemas; implies --gateway" }, \
    {                                                                                                                  \
        .name = "gateway", .help = "by the gateway's rules: its actions and annotations, and its answer to errors"     \
    }

// Each returns false after the complaint.
bool gw_policy_input_init(struct gw_policy_input *in, struct gw_cli *cli);
bool gw_policy_input_options(struct gw_policy_input *in); // the options above; some policy must be named
// A .cedar file, a folder of them, or a configuration (by its name: .yaml, .yml, .json).
bool gw_policy_input_add(struct gw_policy_input *in, const char *path);
bool gw_policy_input_entities(struct gw_policy_input *in, const char *path);
bool gw_policy_input_gateway(struct gw_policy_input *in);                  // once: rules and built-in actions
struct pol_set *gw_policy_input_compile(const struct gw_policy_input *in); // NULL after the complaints; pol_set_free

#define GW_POLICY_SCHEMAS_MOST 64

struct gw_policy_schemas {
    struct pol_source at[GW_POLICY_SCHEMAS_MOST];
    size_t n;
};

// Those of --schema, else of the configuration, else the shipped one.
bool gw_policy_schemas_read(struct gw_cli *cli, const struct gw_policy_input *in, struct gw_policy_schemas *out);

// One or several requests that must all be allowed, as an audit record holds them.
struct gw_policy_questions {
    struct json_doc *doc;
    struct span name; // for complaints
    json v;           // an object, or a list of them
    size_t n;
    bool list;
};

#define GW_POLICY_REQUEST_OPTIONS                                                                                      \
    { .name = "request", .value = "FILE", .help = "the request, or a list of them, as JSON; - is standard input" },    \
        { .name = "principal", .value = "UID", .help = "instead of --request: Workload::\"spiffe://example.org/a\"" }, \
        { .name = "action", .value = "UID", .help = "Action::\"search\"" },                                            \
        { .name = "resource", .value = "UID", .help = "Collection::\"docs\"" },                                        \
    {                                                                                                                  \
        .name = "context", .value = "FILE", .help = "the context record as JSON; - is standard input"                  \
    }

// From the options above. `doc` is to be freed with json_free.
bool gw_policy_questions(struct gw_cli *cli, struct gw_policy_questions *q);
// The members of a JSON list of requests, or of one request.
bool gw_policy_questions_of(struct gw_cli *cli, json v, struct gw_policy_questions *q);
json gw_policy_question(const struct gw_policy_questions *q, size_t i); // i < n
// Builds one request; its strings are in `arena`.
bool gw_policy_ask(struct gw_cli *cli, const struct gw_policy_questions *q, size_t i, const struct pol_set *set,
                   struct arena *arena, struct pol_request *r);

// Calls for each line of an audit log that holds policy requests, in order, until it returns false. False after a complaint, or when the
// callback returned false.
typedef bool (*gw_policy_on_record)(void *ctx, json record, json inputs, size_t line);
bool gw_policy_audit(struct gw_cli *cli, const char *path, gw_policy_on_record on_record, void *ctx);

// "no policy permits the request" … for an answer's err.
struct span gw_policy_reason(int err);
// What it obliges to, a line each behind `indent`, with the policy: `filter tenant_id = "acme"  (own-tenant)`.
void gw_policy_print_obligations(struct gw_cli *cli, const struct pol_request *r, const struct pol_answer *a,
                                 const char *indent);
// Members decision, error, reason, errors of an answer, and obligations if there are any, into an open object.
void gw_policy_json_answer(struct json_writer *w, const struct pol_request *r, const struct pol_answer *a);

#endif
