// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token revoke: an entry in a gateway's registry of revocations. When the command has succeeded the entry is on the disk, and every gateway
// that reads the registry acts on it within a second.
#include "gateway/base/clock.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/revocation_store.h"
#include "pki/jws.h"

// Year 9999: past it there is no text for a moment.
#define LAST_SECOND 253402300799LL

// ---- what is revoked

// issuer and jti of a token, which is not verified: whoever made it up revokes nothing but a name that nobody has.
static int from_token(struct gw_cli *cli, const char *arg, struct pki_revoked_entry *e)
{
    struct span token = gw_cli_text(cli, arg, PKI_TOKEN_MAX), payload;
    struct pki_jws jws;
    if (span_is_none(token))
        return GW_EXIT_USAGE;
    if (pki_jws_split(token, PKI_TOKEN_MAX, &jws) != 0 || pki_jws_decode(jws.payload, &cli->arena, &payload) != 0)
        return gw_cli_usage(cli, "--token: not a signed JWT; name what is to be revoked with --jti or --subject");
    struct json_doc *doc = json_parse(payload, NULL, NULL);
    struct span jti = arena_dup(&cli->arena, json_string(json_get(json_root(doc), SPAN("jti"))));
    struct span iss = arena_dup(&cli->arena, json_string(json_get(json_root(doc), SPAN("iss"))));
    json_free(doc);
    if (jti.n == 0 || iss.n == 0)
        return gw_cli_usage(cli, "--token: it has no %s; use --subject with --issued-before",
                            jti.n == 0 ? "jti" : "iss");
    e->kind = PKI_REVOKED_JTI;
    e->value = jti;
    e->issuer = iss;
    return 0;
}

static int take_value(struct gw_cli *cli, struct pki_revoked_entry *e)
{
    static const struct {
        const char *option;
        enum pki_revoked_kind kind;
    } kinds[] = {
        { "jti", PKI_REVOKED_JTI },       { "subject", PKI_REVOKED_SUBJECT },
        { "client", PKI_REVOKED_CLIENT }, { "workload", PKI_REVOKED_WORKLOAD },
        { "serial", PKI_REVOKED_SERIAL }, { "thumbprint", PKI_REVOKED_THUMBPRINT },
    };
    const char *token = gw_cli_get(cli, "token"), *v;
    size_t given = token != NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((v = gw_cli_get(cli, kinds[i].option)) != NULL) {
            given++;
            e->kind = kinds[i].kind;
            e->value = span_str(v);
        }
    if (given > 1)
        return gw_cli_usage(cli, "one command revokes by one thing; it was given %zu", given);
    if (given == 0 && !gw_cli_has(cli, "issued-before"))
        return gw_cli_usage(cli, "say what to revoke: --jti, --subject, --client, --workload, --thumbprint, --serial, "
                                 "--token or --issued-before");
    if (given == 0)
        e->kind = PKI_REVOKED_ALL;
    if (e->kind == PKI_REVOKED_SERIAL) {
        struct span serial = pki_revoked_serial(&cli->arena, e->value);
        e->value = span_is_none(serial) ? e->value : serial;
    }
    return token ? from_token(cli, token, e) : 0;
}

static int take_entry(struct gw_cli *cli, int64_t now_s, struct pki_revoked_entry *e)
{
    const char *issuer = gw_cli_get(cli, "issuer"), *reason = gw_cli_get(cli, "reason");
    int64_t before_ms, for_ms = 0;
    int rc = take_value(cli, e);
    if (rc != 0)
        return rc;
    if (issuer && gw_cli_has(cli, "token"))
        return gw_cli_usage(cli, "--token says the issuer itself; leave --issuer out");
    if (!gw_cli_time(cli, "issued-before", &before_ms) || !gw_cli_duration(cli, "for", &for_ms))
        return GW_EXIT_USAGE;
    if (issuer)
        e->issuer = span_str(issuer);
    if (reason)
        e->reason = span_str(reason);
    // To the next second: who says "now" means what was issued in this one, too.
    if (gw_cli_has(cli, "issued-before"))
        e->before_s = (before_ms + 999) / 1000;
    e->revoked_s = now_s;
    const char *fault = pki_revoked_fault(e);
    if (fault)
        return gw_cli_usage(cli, "%s", fault);
    if (gw_cli_has(cli, "for") && (for_ms < 1000 || for_ms / 1000 > LAST_SECOND - now_s))
        return gw_cli_usage(cli, "--for: a second at least, and nothing beyond the calendar");
    e->expires_s = for_ms ? now_s + for_ms / 1000 : pki_revoked_until(e, now_s);
    return 0;
}

// ---- the command

static int answer(struct gw_cli *cli, const struct pki_revoked_entry *e, bool lift, int64_t now_ms)
{
    if (!cli->json) {
        fputs(lift ? "lifted " : "revoked ", cli->out);
        gw_revocation_print(cli, e, now_ms);
        return GW_EXIT_OK;
    }
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    gw_revocation_json(&w, e);
    int rc = b.failed ? gw_cli_usage(cli, "out of memory") : GW_EXIT_OK;
    if (rc == GW_EXIT_OK)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct pki_revoked_entry e = { .kind = 0 };
    struct pki_revoked_store *s = NULL;
    int64_t now_ms = clock_read().wall_ms;
    bool lift = gw_cli_has(cli, "lift");
    int status = take_entry(cli, now_ms / 1000, &e);
    if (status == 0 && lift && (gw_cli_has(cli, "for") || gw_cli_has(cli, "create")))
        status = gw_cli_usage(cli, "--lift takes an entry back; --for and --create make one");
    if (status == 0)
        status = gw_revocation_store_open(cli, gw_cli_has(cli, "create"), &s);
    if (status != 0)
        return status;
    int rc = lift ? pki_revoked_store_lift(s, &e) : pki_revoked_store_add(s, &e, 1, now_ms / 1000);
    if (rc == ERR_STORE_ABSENT)
        status = gw_cli_no(cli, "%s", pki_revoked_store_what(s));
    else if (rc != 0)
        status = gw_cli_usage(cli, "nothing was %s: %s", lift ? "lifted" : "revoked", pki_revoked_store_what(s));
    else
        status = answer(cli, &e, lift, now_ms);
    pki_revoked_store_close(s);
    return status;
}

static const struct gw_cli_option options[] = {
    { .name = "store", .value = "FILE", .help = "the registry: revocations.store of the gateway", .required = true },
    { .name = "jti", .value = "V", .help = "the token with this jti" },
    { .name = "token",
      .value = "TOKEN",
      .help = "this token, by its iss and jti: itself, @FILE, or - for standard input" },
    { .name = "subject", .value = "V", .help = "tokens with this sub" },
    { .name = "client", .value = "V", .help = "tokens with this client_id" },
    { .name = "workload", .value = "SPIFFE-ID", .help = "a workload's certificates, and the tokens that belong to it" },
    { .name = "thumbprint", .value = "V", .help = "tokens bound to this proof key (RFC 7638)" },
    { .name = "serial", .value = "HEX", .help = "the certificate with this serial number" },
    { .name = "issued-before",
      .value = "TIME",
      .help = "tokens issued before; alone, or with subject, client, thumbprint" },
    { .name = "issuer", .value = "ISS", .help = "only of this issuer; of a serial: only of this trust domain" },
    { .name = "for", .value = "TIME", .help = "how long it stays, such as 90d; see above" },
    { .name = "reason", .value = "TEXT", .help = "for people; audit records repeat it" },
    { .name = "lift", .help = "take the same revocation back" },
    { .name = "create", .help = "make the store if it is not there" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_token_revoke = {
    .name = "revoke",
    .summary = "revoke tokens, subjects, keys or certificates at once",
    .about = "Gateways that read the store refuse the next request within a second, and cut answers under way.\n"
             "\n"
             "  sallyport token revoke --store revoked.db --token @leaked --reason 'found in a log'\n"
             "  sallyport token revoke --store revoked.db --subject alice --issued-before +0s\n"
             "  sallyport token revoke --store revoked.db --workload spiffe://example.org/planner\n"
             "\n"
             "A token (--jti, --token) and what was issued before a moment stay revoked for 31 days, longer than such\n"
             "a token can live. Everything else also meets new tokens and certificates, and stays until it is lifted,\n"
             "unless --for says otherwise.",
    .options = options,
    .run = run,
};
