// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca join-token`: makes, lists and revokes what a machine enrols with the first time (pki/ca_join.h).
#include "gateway/base/secret.h"
#include "gateway/cli/cmd_ca.h"
#include "pki/ca_join.h"
#include "pki/spiffe.h"

#define WHEN "%.16s" // of CMD_CA_TIME: to the minute

// ---- create

// What the CA would sign for; better refused here than where the token is used.
static int check_names(struct gw_cli *cli, struct pki_ca *ca, struct span id, struct span *dns)
{
    struct pki_spiffe name;
    const char *why = "", *v;
    struct span all = SPAN("");
    size_t n = 0;
    if (pki_spiffe_parse_workload(id, &name, &why) != 0)
        return gw_cli_usage(cli, "--spiffe-id: '%.*s' is no SPIFFE ID of a workload: %s", SPAN_FMT(id), why);
    if (!span_eq(name.trust_domain, pki_ca_trust_domain(ca)))
        return gw_cli_no(cli, "the ID is in trust domain '%.*s'; this CA is for '%.*s'", SPAN_FMT(name.trust_domain),
                         SPAN_FMT(pki_ca_trust_domain(ca)));
    for (size_t i = 0; (v = gw_cli_next(cli, "dns", &i));) {
        if (++n > PKI_CA_DNS_MAX)
            return gw_cli_no(cli, "more than %d DNS names", PKI_CA_DNS_MAX);
        all = all.n ? arena_join(&cli->arena, all, '\n', span_str(v)) : span_str(v);
    }
    *dns = all;
    return 0;
}

static void put(struct json_writer *w, struct span key, struct span v)
{
    json_w_key(w, key);
    json_w_string(w, v);
}

static void put_when(struct json_writer *w, struct span key, int64_t v)
{
    char text[CMD_CA_TIME];
    if (v == 0)
        return;
    cmd_ca_time(v, text);
    put(w, key, span_str(text));
}

static int create(struct gw_cli *cli, struct pki_ca *ca)
{
    struct pki_ca_join join = { .spiffe_id = span_str(gw_cli_get(cli, "spiffe-id")), .created_at = cmd_ca_now() };
    char text[PKI_API_KEY_MAX + 1], end[CMD_CA_TIME];
    int64_t ttl_ms = PKI_CA_JOIN_TTL * 1000;
    int status = check_names(cli, ca, join.spiffe_id, &join.dns);
    if (status)
        return status;
    if (!gw_cli_duration(cli, "ttl", &ttl_ms))
        return GW_EXIT_USAGE;
    if (ttl_ms < 1000 || ttl_ms / 1000 > PKI_CA_JOIN_TTL_MAX)
        return gw_cli_no(cli, "--ttl: a join token lives for a second at least and seven days at most");
    join.expires_at = join.created_at + ttl_ms / 1000;
    if (pki_ca_join_add(pki_ca_store(ca), &join, text) != 0)
        return gw_cli_usage(cli, "%s", pki_ca_store_what(pki_ca_store(ca)));
    cmd_ca_time(join.expires_at, end);
    if (cli->json) {
        struct buf b;
        buf_init(&b, 0);
        struct json_writer w = json_writer(&b);
        json_w_object(&w);
        put(&w, SPAN("token"), span_str(text));
        put(&w, SPAN("id"), join.id);
        put(&w, SPAN("spiffe_id"), join.spiffe_id);
        json_w_key(&w, SPAN("dns"));
        cmd_ca_json_names(&w, join.dns);
        put_when(&w, SPAN("expires_at"), join.expires_at);
        json_w_end(&w);
        cmd_ca_print(cli, &b);
        buf_wipe(&b);
    } else {
        // By itself on standard output, so that it can go to a file.
        fprintf(cli->out, "%s\n", text);
        gw_cli_note(cli, "good once, until %s, for %.*s; its id is %.*s", end, SPAN_FMT(join.spiffe_id),
                    SPAN_FMT(join.id));
    }
    secret_wipe(text, sizeof text);
    return GW_EXIT_OK;
}

// ---- list, revoke

struct listing {
    struct gw_cli *cli;
    struct json_writer *w; // NULL: for people
    int64_t now_s;
};

static const char *state_of(const struct pki_ca_join *j, int64_t now_s)
{
    return j->used_at ? "used" : j->revoked_at ? "revoked" : j->expires_at <= now_s ? "expired" : "unused";
}

static int show(void *ctx, const struct pki_ca_join *j)
{
    struct listing *l = ctx;
    const char *state = state_of(j, l->now_s);
    char end[CMD_CA_TIME];
    cmd_ca_time(j->expires_at, end);
    if (!l->w) {
        fprintf(l->cli->out, "%.*s  %-8s " WHEN "  %.*s%s%.*s\n", SPAN_FMT(j->id), state, end, SPAN_FMT(j->spiffe_id),
                j->serial.n ? "  certificate " : "", SPAN_FMT(j->serial));
        return 0;
    }
    json_w_object(l->w);
    put(l->w, SPAN("id"), j->id);
    put(l->w, SPAN("state"), span_str(state));
    put(l->w, SPAN("spiffe_id"), j->spiffe_id);
    json_w_key(l->w, SPAN("dns"));
    cmd_ca_json_names(l->w, j->dns);
    put_when(l->w, SPAN("created_at"), j->created_at);
    put_when(l->w, SPAN("expires_at"), j->expires_at);
    put_when(l->w, SPAN("used_at"), j->used_at);
    put_when(l->w, SPAN("revoked_at"), j->revoked_at);
    if (j->serial.n)
        put(l->w, SPAN("serial"), j->serial);
    json_w_end(l->w);
    return 0;
}

static int list(struct gw_cli *cli, struct pki_ca *ca)
{
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    struct listing l = { cli, cli->json ? &w : NULL, cmd_ca_now() };
    if (cli->json)
        json_w_array(&w);
    int rc = pki_ca_join_each(pki_ca_store(ca), show, &l);
    if (rc == 0 && cli->json) {
        json_w_end(&w);
        cmd_ca_print(cli, &b);
    }
    buf_fini(&b);
    return rc == 0 ? GW_EXIT_OK : gw_cli_usage(cli, "%s", pki_ca_store_what(pki_ca_store(ca)));
}

static int revoke(struct gw_cli *cli, struct pki_ca *ca, const char *id)
{
    int rc = pki_ca_join_revoke(pki_ca_store(ca), span_str(id), cmd_ca_now());
    const char *what = pki_ca_store_what(pki_ca_store(ca));
    if (rc != 0)
        return cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s: %s", id, what) : gw_cli_usage(cli, "%s", what);
    if (!cli->json)
        fprintf(cli->out, "revoked %s\n", id);
    return GW_EXIT_OK;
}

static int run_join(struct gw_cli *cli)
{
    struct pki_ca *ca;
    const char *revoked = gw_cli_get(cli, "revoke");
    bool listed = gw_cli_has(cli, "list"), named = gw_cli_has(cli, "spiffe-id");
    if (listed + (revoked != NULL) + named != 1)
        return gw_cli_usage(cli, "say one of --spiffe-id, --list and --revoke");
    int status = cmd_ca_open(cli, &ca);
    if (status)
        return status;
    status = named ? create(cli, ca) : listed ? list(cli, ca) : revoke(cli, ca, revoked);
    pki_ca_close(ca);
    return status;
}

static const struct gw_cli_option options[] = {
    CMD_CA_DIR_OPTION,
    { .name = "spiffe-id", .value = "ID", .help = "makes a token that is good for this ID, once" },
    { .name = "dns", .value = "NAME", .help = "a DNS name that the certificate may have", .repeat = true },
    { .name = "ttl", .value = "TIME", .help = "how long it may be used (default: 10m; at most 7d)" },
    { .name = "list", .help = "shows what was made, and what became of it" },
    { .name = "revoke", .value = "ID", .help = "takes a token back that was not used yet, by its id" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command cmd_ca_join_token = {
    .name = "join-token",
    .summary = "A token that a machine gets its first certificate with, at the authority.",
    .about = "The token is printed once, and kept as a hash. Where a platform can say who a workload is (Kubernetes), "
             "none is\n"
             "needed: docs/enrolment.md.",
    .options = options,
    .run = run_join,
};
