// SPDX-License-Identifier: GPL-3.0-or-later
// A small policy set with its entities and requests, as files in the test's folder.
#ifndef SALLYPORT_TESTS_POLICY_CASE_H
#define SALLYPORT_TESTS_POLICY_CASE_H

#include "tests/unit/cli/cmd_run.h"

#define ASKED                                                                                         \
    "--principal 'Workload::\"spiffe://prod.example/rag\"' --action 'Action::\"search\"' --resource " \
    "'Collection::\"docs\"'"

static const char policies_text[] =
    "// who reads\n"
    "@id(\"readers\")\n"
    "permit (principal in Role::\"corp/reader\", action in Action::\"readonly\", resource in Tenant::\"acme\");\n"
    "\n"
    "@id(\"own-tenant\")\n"
    "permit (principal is Workload, action in Action::\"readwrite\", resource is Collection)\n"
    "when { principal has tenant && resource has tenant && principal.tenant == resource.tenant };\n"
    "\n"
    "@id(\"small\")\n"
    "permit (principal in TrustDomain::\"prod.example\", action == Action::\"search\", resource == "
    "Collection::\"docs\")\n"
    "when { context has request.limit && context.request.limit <= 100 }\n"
    "unless { context.request.with_vectors };\n"
    "\n"
    "@id(\"bound-only\")\n"
    "forbid (principal, action, resource)\n"
    "unless { [\"dpop\", \"both\"].contains(context.token.bound_to) };\n";

static const char entities_text[] =
    "[{\"uid\":{\"type\":\"Workload\",\"id\":\"spiffe://prod.example/rag\"},\"attrs\":{\"tenant\":\"acme\"},"
    "\"parents\":[{\"type\":\"TrustDomain\",\"id\":\"prod.example\"}]},"
    "{\"uid\":{\"type\":\"Collection\",\"id\":\"docs\"},\"attrs\":{\"tenant\":\"globex\"},\"parents\":[]}]";

#define CONTEXT(bound, limit) \
    "{\"token\":{\"bound_to\":\"" bound "\"},\"request\":{\"limit\":" #limit ",\"with_vectors\":false}}"

// One line of an audit log, as the gateway writes it.
#define RECORD(id, bound, limit)                                                                                    \
    "{\"time\":\"2026-11-22T04:00:00.000Z\",\"kind\":\"request\",\"request_id\":\"" id "\",\"decision\":\"allow\"," \
    "\"inputs\":[{\"principal\":{\"type\":\"Workload\",\"id\":\"spiffe://prod.example/rag\"},"                      \
    "\"action\":{\"type\":\"Action\",\"id\":\"search\"},\"resource\":{\"type\":\"Collection\",\"id\":\"docs\"},"    \
    "\"context\":" CONTEXT(                                                                                         \
        bound, limit) ",\"entities\":["                                                                             \
                      "{\"uid\":{\"type\":\"Workload\",\"id\":\"spiffe://prod.example/"                             \
                      "rag\"},\"attrs\":{\"tenant\":\"acme\"},"                                                     \
                      "\"parents\":[{\"type\":\"TrustDomain\",\"id\":\"prod.example\"}]},"                          \
                      "{\"uid\":{\"type\":\"Action\",\"id\":\"search\"},\"attrs\":{},\"parents\":"                  \
                      "[{\"type\":\"Action\",\"id\":\"readonly\"},{\"type\":\"Action\",\"id\":\"readwrite\"}]}]}]}\n"

static inline int case_init(void **state)
{
    cmd_init(state);
    cmd_put("p.cedar", policies_text, 0600);
    cmd_put("e.json", entities_text, 0600);
    cmd_put("small.json", CONTEXT("dpop", 50), 0600);
    cmd_put("large.json", CONTEXT("dpop", 500), 0600);
    cmd_put("none.json", "{}", 0600);
    return 0;
}

#endif
