// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport verify token: the second gate offline, under one issuer put together from options, or under those of a configuration.
#include "gateway/base/base64url.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/cli/report.h"
#include "gateway/config/snapshot.h"
#include "pki/cert.h"
#include "pki/digest.h"
#include "pki/token.h"

#define JWKS_MAX (1u << 20)

struct verifier {
    struct gw_cli *cli;
    struct pki_issuers *own;      // put together from options
    struct gw_snapshot *snapshot; // of --config
    const struct pki_issuers *issuers;
    struct span token;
    uint8_t sha256[PKI_SHA256];
    uint8_t certificate[PKI_SHA256];
    bool has_certificate, has_scheme;
    size_t scheme; // 0 bearer, 1 dpop
    struct span workload;
    int64_t now_ms;
};

static const char *const schemes[] = { "bearer", "dpop", NULL };
static const char *const bindings[] = { "either", "dpop", "certificate", "both", "none", NULL };
static const enum pki_binding binding_of[] = { PKI_BIND_EITHER, PKI_BIND_DPOP, PKI_BIND_CERTIFICATE, PKI_BIND_BOTH,
                                               PKI_BIND_UNBOUND_ALLOWED };
static const char *const matches[] = { "exact", "prefix", NULL };

// ---- the issuers

static int algorithms(struct gw_cli *cli, unsigned *algs)
{
    struct span rest = span_str(gw_cli_get(cli, "algorithms"));
    const unsigned symmetric = PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512);

    *algs = ~(symmetric | PKI_ALG_BIT(PKI_ALG_NONE));
    if (span_is_none(rest))
        return 0;
    *algs = 0;
    while (!span_is_none(rest)) {
        struct span name = span_trim(span_cut(&rest, ','));
        enum pki_alg alg = pki_alg_parse(name);
        if (alg == PKI_ALG_NONE || (PKI_ALG_BIT(alg) & symmetric))
            return gw_cli_usage(
                cli,
                "--algorithms: '%.*s' is not one of ES256, ES384, ES512, EdDSA, RS256, RS384, RS512, PS256, PS384, "
                "PS512 (separated by commas)",
                SPAN_FMT(name));
        *algs |= PKI_ALG_BIT(alg);
    }
    return 0;
}

static struct pki_names audiences(struct gw_cli *cli)
{
    struct span *at = arena_array(&cli->arena, cli->n_values + 1, sizeof *at);
    const char *v;
    size_t n = 0;

    for (size_t i = 0; at && (v = gw_cli_next(cli, "audience", &i));)
        at[n++] = span_str(v);
    return (struct pki_names){ at, n };
}

static int describe(struct gw_cli *cli, struct pki_issuer *issuer)
{
    static const struct span anything = { "*", 1 };
    const struct pki_names any = { &anything, 1 };
    struct span typ = span_str(gw_cli_get(cli, "typ")), claim = span_str(gw_cli_get(cli, "workload-claim"));
    size_t binding = 0, match = 0;
    int64_t lifetime = 3600 * 1000, leeway = 30 * 1000;

    if (!gw_cli_choice(cli, "binding", bindings, &binding) || !gw_cli_choice(cli, "workload-match", matches, &match) ||
        !gw_cli_duration(cli, "max-lifetime", &lifetime) || !gw_cli_duration(cli, "leeway", &leeway))
        return GW_EXIT_USAGE;
    *issuer = (struct pki_issuer){
        .name = SPAN("command-line"),
        .iss = span_str(gw_cli_get(cli, "issuer")),
        .audiences = audiences(cli),
        .typ = span_is_none(typ)           ? SPAN("at+jwt")
               : span_eq(typ, SPAN("any")) ? SPAN_NONE
                                           : typ,
        .binding = binding_of[binding],
        .max_lifetime_s = lifetime / 1000,
        .skew_s = leeway / 1000,
        .claims = { .roles = SPAN("roles"), .groups = SPAN("groups"), .tenant = SPAN("tenant"), .workload = SPAN_NONE },
        .workload_match = PKI_WORKLOAD_UNCHECKED,
        .scopeless = true,
        .assert_roles = any,
        .assert_groups = any,
        .assert_tenants = any,
        .assert_trust_domains = any,
    };
    // Without a workload to compare with, which claim would name it is of no concern.
    if (gw_cli_has(cli, "workload")) {
        issuer->claims.workload = span_is_none(claim) ? SPAN("sub") : claim;
        issuer->workload_match = match == 0 ? PKI_WORKLOAD_EXACT : PKI_WORKLOAD_PREFIX;
    }
    return algorithms(cli, &issuer->algs);
}

static int from_options(struct verifier *v)
{
    struct gw_cli *cli = v->cli;
    const char *path = gw_cli_get(cli, "jwks");
    struct pki_issuer issuer;
    struct diags diags;

    if (!path || !gw_cli_has(cli, "issuer") || !gw_cli_has(cli, "audience"))
        return gw_cli_usage(cli, "--jwks, --issuer and --audience are required, or --config");
    int rc = describe(cli, &issuer);
    struct span text = rc == 0 ? gw_cli_read(cli, path, JWKS_MAX) : SPAN_NONE;
    if (span_is_none(text))
        return GW_EXIT_USAGE;
    diags_init(&diags);
    struct pki_jwks *keys = pki_jwks_read(text, issuer.algs, span_str(path), &diags);
    gw_cli_diags(cli, cli->err, &diags);
    diags_fini(&diags);
    if (!keys)
        return GW_EXIT_USAGE;
    issuer.keys_read_s = v->now_ms / 1000;
    v->own = pki_issuers_new();
    int e = v->own ? pki_issuers_add(v->own, &issuer, keys) : ERR_NOMEM;
    if (e != 0) {
        pki_jwks_free(keys);
        return gw_cli_usage(cli, e == ERR_NOMEM ? "out of memory" : "--issuer is empty");
    }
    v->issuers = v->own;
    return 0;
}

static int from_config(struct verifier *v, const char *path)
{
    static const char *const own[] = { "jwks",    "issuer",         "audience",       "algorithms",   "typ",
                                       "binding", "workload-claim", "workload-match", "max-lifetime", "leeway" };
    struct diags diags;

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (gw_cli_has(v->cli, own[i]))
            return gw_cli_usage(v->cli, "--config says it already: leave out --%s", own[i]);
    diags_init(&diags);
    v->snapshot = gw_snapshot_load(path, 1, v->now_ms / 1000, &diags);
    gw_cli_diags(v->cli, v->cli->err, &diags);
    diags_fini(&diags);
    if (!v->snapshot)
        return GW_EXIT_USAGE;
    v->issuers = v->snapshot->issuers;
    return 0;
}

// ---- how it is presented

static int read_presentation(struct verifier *v)
{
    struct gw_cli *cli = v->cli;
    const char *cert = gw_cli_get(cli, "cert"), *why = "";
    struct pki_spiffe id;
    struct span *ders;
    size_t n;

    v->workload = span_str(gw_cli_get(cli, "workload"));
    v->has_scheme = gw_cli_has(cli, "scheme");
    if (!gw_cli_choice(cli, "scheme", schemes, &v->scheme) || !gw_cli_time(cli, "at", &v->now_ms))
        return GW_EXIT_USAGE;
    if (!span_is_none(v->workload) && pki_spiffe_parse_workload(v->workload, &id, &why) != 0)
        return gw_cli_usage(cli, "--workload %.*s: %s", SPAN_FMT(v->workload), why);
    if (cert) {
        if (gw_cli_certificates(cli, cert, &ders, &n) != 0)
            return GW_EXIT_USAGE;
        pki_sha256(ders[0], v->certificate);
        v->has_certificate = true;
    }
    v->token = gw_cli_text(cli, cli->args[0], PKI_TOKEN_MAX);
    if (span_is_none(v->token))
        return GW_EXIT_USAGE;
    pki_sha256(v->token, v->sha256);
    return 0;
}

// ---- the checks

// What was not given is taken to be what the token wants, and reported as not looked at.
static struct pki_token_use use_of(const struct verifier *v, const struct pki_token *t, struct gw_report *r)
{
    struct pki_token_use use = {
        .now_s = v->now_ms / 1000,
        .scheme = v->has_scheme ? (v->scheme == 1 ? PKI_SCHEME_DPOP : PKI_SCHEME_BEARER)
                  : t->has_jkt  ? PKI_SCHEME_DPOP
                                : PKI_SCHEME_BEARER,
        .certificate_sha256 = v->has_certificate ? v->certificate
                              : t->has_x5t       ? t->x5t
                                                 : NULL,
        .workload = !span_is_none(v->workload) ? v->workload : t->workload,
    };
    if (!v->has_scheme) {
        gw_report_assume(r, "14", "no scheme was given (--scheme)");
        gw_report_assume(r, "12", "no scheme was given (--scheme)");
    }
    if (!v->has_certificate && t->has_x5t)
        gw_report_assume(r, "18", "no certificate was given (--cert)");
    if (!v->own && span_is_none(v->workload))
        gw_report_assume(r, "26c", "no workload was given (--workload)");
    return use;
}

static void report_facts(const struct verifier *v, const struct pki_token *t, struct gw_report *r)
{
    char jkt[BASE64URL_ENCODED(32)], x5t[BASE64URL_ENCODED(32)];

    if (v->snapshot)
        gw_report_fact(r, "issuer", t->issuer->name);
    gw_report_fact(r, "subject", t->subject);
    gw_report_fact(r, "client", t->client_id);
    gw_report_fact(r, "workload", t->workload);
    gw_report_fact(r, "tenant", t->tenant);
    gw_report_fact(r, "scope", t->scope);
    gw_report_fact(r, "jti", t->jti);
    if (t->has_jkt)
        gw_report_fact(r, "jkt", span_of(jkt, base64url_encode(span_of(t->jkt, 32), jkt)));
    if (t->has_x5t)
        gw_report_fact(r, "x5t#S256", span_of(x5t, base64url_encode(span_of(t->x5t, 32), x5t)));
    gw_report_moment(r, "expires", t->exp, v->now_ms);
}

static int check(const struct verifier *v, struct gw_report *r)
{
    const struct pki_trace trace = gw_report_trace(r);
    struct pki_token *token;

    if (v->own) {
        gw_report_assume(r, "26b", "options do not say what the issuer may assert (--config does)");
        if (span_is_none(v->workload))
            gw_report_assume(r, "26c", "no workload was given (--workload)");
    }
    int rc = pki_token_verify(v->issuers, NULL, v->token, v->sha256, v->now_ms / 1000, &trace, &token);

    if (rc != 0)
        return rc;
    struct pki_token_use use = use_of(v, token, r);
    rc = pki_token_check(token, &use, &trace);
    if (rc == 0 && token->has_jkt)
        gw_report_skip(r, "12", "a proof with the key of cnf.jkt comes with the token", "see `sallyport verify proof`");
    if (rc == 0)
        report_facts(v, token, r);
    pki_token_unref(token);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct verifier v = { .cli = cli };
    const char *config = gw_cli_get(cli, "config");
    struct gw_report report;
    int rc = read_presentation(&v);

    if (rc == 0)
        rc = config ? from_config(&v, config) : from_options(&v);
    if (rc == 0) {
        gw_report_init(&report, cli);
        rc = gw_report_finish(&report, check(&v, &report));
    }
    pki_issuers_free(v.own);
    gw_snapshot_unref(v.snapshot);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "config", .value = "FILE", .help = "under the issuers of this gateway configuration; or:" },
    { .name = "jwks", .value = "FILE", .help = "the issuer's public keys" },
    { .name = "issuer", .value = "URL", .help = "what iss must be, exactly" },
    { .name = "audience", .value = "A", .help = "what aud must contain (one of them)", .repeat = true },
    { .name = "algorithms", .value = "LIST", .help = "allowed, separated by commas (all but HS256, HS384, HS512)" },
    { .name = "typ", .value = "TYP", .help = "what typ must be (at+jwt); `any`: not looked at" },
    { .name = "binding",
      .value = "B",
      .help = "what it must be bound to: either (the default), dpop, certificate, both, none" },
    { .name = "max-lifetime", .value = "DURATION", .help = "longest time from iat to exp (1h)" },
    { .name = "leeway", .value = "DURATION", .help = "how far the issuer's clock may be off (30s)" },
    { .name = "workload-claim", .value = "CLAIM", .help = "which claim names the workload (sub)" },
    { .name = "workload-match", .value = "M", .help = "how: exact (the default) or prefix" },
    { .name = "scheme", .value = "S", .help = "how it is presented: dpop or bearer" },
    { .name = "cert", .value = "FILE", .help = "the certificate it is presented under" },
    { .name = "workload", .value = "SPIFFE-ID", .help = "the workload that presents it" },
    { .name = "at", .value = "TIME", .help = "as seen at this moment: 2026-11-21T23:52:55Z, seconds, +5m" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_verify_token = {
    .name = "token",
    .summary = "verify an access token under an issuer's keys, or a gateway's configuration",
    .args = "TOKEN",
    .min_args = 1,
    .max_args = 1,
    .about = "TOKEN is the token itself, @FILE, or - for standard input. Other users of the machine can read the\n"
             "arguments of a command (ps), so prefer @FILE and -.\n"
             "Without --scheme, --cert or --workload what they would be compared with is not looked at, and the\n"
             "answer says so. Scopes are a ceiling of actions and are not asked for here.",
    .options = options,
    .run = run,
};
