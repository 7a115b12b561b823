// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token revoked: what is revoked in a gateway's registry.
#include "gateway/base/clock.h"
#include "gateway/cli/revocation_store.h"

struct listing {
    struct gw_cli *cli;
    struct json_writer *w; // NULL: for people
    int64_t now_ms;
    size_t n;
};

static int list_one(void *ctx, const struct pki_revoked_entry *e)
{
    struct listing *l = ctx;
    l->n++;
    if (l->w)
        gw_revocation_json(l->w, e);
    else
        gw_revocation_print(l->cli, e, l->now_ms);
    return 0;
}

static int run(struct gw_cli *cli)
{
    struct pki_revoked_store *s = NULL;
    struct listing l = { .cli = cli, .now_ms = clock_read().wall_ms };
    struct buf b;
    int status = gw_revocation_store_open(cli, false, &s);
    if (status != 0)
        return status;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    if (cli->json) {
        l.w = &w;
        json_w_array(&w);
    }
    if (pki_revoked_store_each(s, l.now_ms / 1000, list_one, &l) != 0) {
        status = gw_cli_usage(cli, "%s", pki_revoked_store_what(s));
    } else if (cli->json) {
        json_w_end(&w);
        if (b.failed)
            status = gw_cli_usage(cli, "out of memory");
        else
            fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    } else if (l.n == 0) {
        gw_cli_note(cli, "nothing is revoked");
    }
    buf_fini(&b);
    pki_revoked_store_close(s);
    return status;
}

static const struct gw_cli_option options[] = {
    { .name = "store", .value = "FILE", .help = "the registry: revocations.store of the gateway", .required = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_token_revoked = {
    .name = "revoked",
    .summary = "list what is revoked",
    .options = options,
    .run = run,
};
