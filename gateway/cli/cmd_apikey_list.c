// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport apikey list` and `revoke`.
#include <stdlib.h>

#include "gateway/cli/argument.h"
#include "gateway/cli/cmd_apikey.h"

// ---- which keys

struct finding {
    struct gw_cli *cli;
    int64_t now_s;
    bool all; // also those that are no good any more
    struct pki_api_key_record *list;
    size_t n, cap;
};

static int keep(void *ctx, const struct pki_api_key_record *r)
{
    struct finding *f = ctx;
    if (!f->all && (r->revoked_at != 0 || r->expires_at <= f->now_s))
        return 0;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct pki_api_key_record *list = arena_array(&f->cli->arena, cap, sizeof *list);
        if (!list)
            return ERR_NOMEM;
        if (f->n > 0)
            memcpy(list, f->list, f->n * sizeof *list);
        f->list = list;
        f->cap = cap;
    }
    return cmd_apikey_keep(&f->cli->arena, r, &f->list[f->n++]);
}

// The keys of --workload or --any-workload; of everybody without them.
static int find(struct finding *f, struct pki_api_key_store *store)
{
    const char *id = gw_cli_get(f->cli, "workload");
    bool nobody = gw_cli_has(f->cli, "any-workload");
    struct pki_api_key_query query = { .id = SPAN_NONE, .owner = id ? span_str(id) : nobody ? SPAN("") : SPAN_NONE };
    if (id && nobody)
        return gw_cli_usage(f->cli, "--workload and --any-workload exclude each other");
    int rc = pki_api_key_store_each(store, &query, keep, f);
    return rc != 0 ? cmd_apikey_fail(f->cli, rc, store) : 0;
}

static int print_json(struct gw_cli *cli, const struct finding *f)
{
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_array(&w);
    for (size_t i = 0; i < f->n; i++) {
        json_w_object(&w);
        cmd_apikey_json(&w, &f->list[i], f->now_s);
        json_w_end(&w);
    }
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        cmd_apikey_print(cli, &b);
    buf_fini(&b);
    return ok ? 0 : gw_cli_usage(cli, "out of memory");
}

// ---- list

static void print_one(struct gw_cli *cli, const struct pki_api_key_record *r, int64_t now_s)
{
    char end[CMD_APIKEY_TIME], used[CMD_APIKEY_TIME] = "never";
    const char *state = cmd_apikey_state(r, now_s);
    enum gw_cli_style style = r->revoked_at                 ? GW_STYLE_BAD
                              : now_s >= r->expires_at      ? GW_STYLE_DIM
                              : strcmp(state, "valid") == 0 ? GW_STYLE_GOOD
                                                            : GW_STYLE_WARN;
    cmd_apikey_time(r->expires_at, end);
    if (r->last_used != 0)
        cmd_apikey_time(r->last_used, used);
    fprintf(cli->out, "%.*s  %s%-7s%s  until %s  used %-20s  ", SPAN_FMT(r->id), gw_cli_style(cli, style), state,
            gw_cli_style(cli, GW_STYLE_PLAIN), end, used);
    gw_cli_print(cli->out, r->owner.n > 0 ? r->owner : SPAN("any workload"));
    if (r->scopes.n > 0) {
        fputs("  ", cli->out);
        gw_cli_print(cli->out, r->scopes);
    }
    if (r->note.n > 0) {
        fputs("  # ", cli->out);
        gw_cli_print(cli->out, r->note);
    }
    fputc('\n', cli->out);
}

static int run_list(struct gw_cli *cli)
{
    struct pki_api_key_store *store;
    struct finding f = { .cli = cli, .now_s = cmd_apikey_now(), .all = gw_cli_has(cli, "all") };
    int status = cmd_apikey_open(cli, false, &store);
    if (status != 0)
        return status;
    status = find(&f, store);
    pki_api_key_store_close(store);
    if (status != 0)
        return status;
    if (cli->json)
        return print_json(cli, &f);
    for (size_t i = 0; i < f.n; i++)
        print_one(cli, &f.list[i], f.now_s);
    if (f.n == 0)
        gw_cli_note(cli, "no such keys");
    return 0;
}

// ---- revoke

// Those named as arguments, each of which must be there.
static int find_named(struct finding *f, struct pki_api_key_store *store)
{
    f->list = arena_array(&f->cli->arena, f->cli->n_args, sizeof *f->list);
    if (!f->list)
        return gw_cli_usage(f->cli, "out of memory");
    for (size_t i = 0; i < f->cli->n_args; i++) {
        int status = cmd_apikey_get(f->cli, store, f->cli->args[i], &f->list[i]);
        if (status != 0)
            return status;
        f->n++;
    }
    return 0;
}

static int revoke(struct gw_cli *cli, struct pki_api_key_store *store, struct finding *f)
{
    struct span *ids = arena_array(&cli->arena, f->n, sizeof *ids);
    if (!ids)
        return gw_cli_usage(cli, "out of memory");
    for (size_t i = 0; i < f->n; i++)
        ids[i] = f->list[i].id;
    int rc = pki_api_key_store_revoke(store, ids, f->n, f->now_s);
    if (rc != 0)
        return cmd_apikey_fail(cli, rc, store);
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].revoked_at == 0)
            f->list[i].revoked_at = f->now_s;
    if (cli->json)
        return print_json(cli, f);
    for (size_t i = 0; i < f->n; i++) {
        fprintf(cli->out, "revoked %.*s  ", SPAN_FMT(ids[i]));
        gw_cli_print(cli->out, f->list[i].owner.n > 0 ? f->list[i].owner : SPAN("any workload"));
        fputc('\n', cli->out);
    }
    return 0;
}

static int run_revoke(struct gw_cli *cli)
{
    struct pki_api_key_store *store;
    struct finding f = { .cli = cli, .now_s = cmd_apikey_now() };
    bool by_owner = gw_cli_get(cli, "workload") || gw_cli_has(cli, "any-workload");
    if (by_owner == (cli->n_args > 0))
        return gw_cli_usage(cli, "name keys by their ids, or all of a workload with --workload SPIFFE-ID");
    int status = cmd_apikey_open(cli, false, &store);
    if (status != 0)
        return status;
    status = by_owner ? find(&f, store) : find_named(&f, store);
    if (status == 0)
        status = f.n == 0 ? gw_cli_no(cli, "there is no key of that workload to revoke") : revoke(cli, store, &f);
    pki_api_key_store_close(store);
    return status;
}

// ---- the table

static const struct gw_cli_option list_options[] = {
    CMD_APIKEY_FILE_OPTION,
    { .name = "all", .help = "also what is expired or revoked" },
    { .name = "workload", .value = "SPIFFE-ID", .help = "of this workload only" },
    { .name = "any-workload", .help = "those without an owner only" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option revoke_options[] = {
    CMD_APIKEY_FILE_OPTION,
    { .name = "workload", .value = "SPIFFE-ID", .help = "every key of this workload" },
    { .name = "any-workload", .help = "every key without an owner" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command cmd_apikey_list = {
    .name = "list",
    .summary = "Lists keys: whose they are, until when, when last used; never the keys themselves.",
    .options = list_options,
    .run = run_list,
};
const struct gw_cli_command cmd_apikey_revoke = {
    .name = "revoke",
    .summary = "Ends keys at once.",
    .args = "[ID...]",
    .max_args = 1000,
    .about =
        "Gateways that read this registry refuse them within a second. A successor of a rotation is a key of its own\n"
        "and stays.",
    .options = revoke_options,
    .run = run_revoke,
};
