// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport check --live`: after everything was read, the servers that the configuration names are asked, with its credentials and
// certificates, whether they are what it takes them to be. cmd_check_live.c: shards, their collections, and the filters that hold there
// (api/survey.h); cmd_check_servers.c: where issuers' keys, introspection and the revocation feed come from.
#ifndef SALLYPORT_CLI_CMD_CHECK_LIVE_H
#define SALLYPORT_CLI_CMD_CHECK_LIVE_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/ask.h"

struct gw_check_live {
    // Given.
    struct gw_cli *cli;
    struct gw_snapshot *snapshot;
    const struct gw_tls_trust *bundles; // of the trust domains
    int64_t within_ms;                  // of each question
    struct diags *diags;                // findings go there
    struct json_writer *w;              // NULL: lines on cli->out instead
};

// Asks one server; with GW_CHECK_ANSWER_MAX bytes of answer in `body` (initialised), which the caller frees.
#define GW_CHECK_ANSWER_MAX (16u << 20)
void gw_check_ask(const struct gw_check_live *l, const struct gw_ask_question *q, struct gw_ask_reply *reply,
                  struct buf *body);
// "unreachable: …", or what is wrong with the status; in the cli's arena.
struct span gw_check_fault(const struct gw_check_live *l, const struct gw_ask_reply *reply);

void gw_check_shards(const struct gw_check_live *l);  // the member "shards", or a line for each endpoint and shard
void gw_check_servers(const struct gw_check_live *l); // the member "servers", or a line each

#endif
