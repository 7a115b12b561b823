// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport verify cert: the first gate offline. pki_trust_verify decides; the account is told from the pieces it is made of, in its
// order, and from the error it ends with.
#include "gateway/base/base64url.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/cli/report.h"
#include "pki/cert.h"

#define FILE_MAX (16u << 20)
#define CHAIN_MAX 64

struct subject {
    struct gw_cli *cli;
    struct pki_trust *trust;
    struct pki_revocation *crls; // NULL: none was given
    struct span leaf;
    struct span intermediates[CHAIN_MAX];
    size_t n;
    struct pki_verify_options options;
    struct span server_name; // SPAN_NONE: a workload's certificate
    struct pki_identity_map map;
    struct pki_identity_rule rule; // of `map`
    int64_t now_ms;
};

// ---- reading

static int read_chain(struct subject *s, const char *path, bool leaf_first)
{
    struct span *ders;
    size_t n;
    int rc = gw_cli_certificates(s->cli, path, &ders, &n);

    if (rc != 0)
        return rc;
    if (leaf_first)
        s->leaf = ders[0];
    for (size_t i = leaf_first ? 1 : 0; i < n; i++) {
        if (s->n == CHAIN_MAX)
            return gw_cli_usage(s->cli, "%s: more than %d certificates below the bundle", path, CHAIN_MAX);
        s->intermediates[s->n++] = ders[i];
    }
    return 0;
}

static int read_bundle(struct subject *s, struct span domain, struct diags *diags)
{
    const char *path = gw_cli_get(s->cli, "bundle");
    struct span text = gw_cli_read(s->cli, path, FILE_MAX);

    if (span_is_none(text))
        return GW_EXIT_USAGE;
    bool is_jwks = span_starts(span_trim(text), SPAN("{"));
    int rc = is_jwks ? pki_trust_add_jwks(s->trust, domain, text, span_str(path), diags)
                     : pki_trust_add_pem(s->trust, domain, text, span_str(path), diags);
    return rc == 0 && diags->errors == 0 ? 0 : GW_EXIT_USAGE;
}

static int read_crls(struct subject *s, struct span domain, struct diags *diags)
{
    const char *path;

    for (size_t i = 0; (path = gw_cli_next(s->cli, "crl", &i));) {
        struct span text = gw_cli_read(s->cli, path, FILE_MAX);
        if (span_is_none(text))
            return GW_EXIT_USAGE;
        if (!s->crls && !(s->crls = pki_revocation_new()))
            return gw_cli_usage(s->cli, "out of memory");
        if (pki_revocation_add_crl(s->crls, domain, text, span_str(path), diags) != 0)
            return GW_EXIT_USAGE;
    }
    return 0;
}

// The rule of `identities` that fits this leaf, whatever is in it.
static int read_identity(struct subject *s)
{
    const char *id = gw_cli_get(s->cli, "identity"), *why = NULL;
    struct pki_cert leaf;
    struct pki_spiffe parsed;

    if (!id)
        return 0;
    if (pki_spiffe_parse(span_str(id), &parsed, &why) != 0)
        return gw_cli_usage(s->cli, "--identity %s: %s", id, why);
    if (pki_cert_parse(s->leaf, &s->cli->arena, &leaf, &why) != 0)
        return 0; // which is what the answer will be
    s->rule =
        (struct pki_identity_rule){ .subject = pki_dn_text(leaf.subject, &s->cli->arena), .spiffe_id = span_str(id) };
    s->map = (struct pki_identity_map){ &s->rule, 1 };
    s->options.map = &s->map;
    return 0;
}

static int read_all(struct subject *s)
{
    static const char *const purposes[] = { "client", "server", NULL };
    const char *path, *name = gw_cli_get(s->cli, "server-name"), *given = gw_cli_get(s->cli, "trust-domain");
    struct span domain = name ? PKI_TRUST_SERVERS : span_str(given);
    size_t purpose = 0;
    struct diags diags;

    if (!gw_cli_time(s->cli, "at", &s->now_ms) || !gw_cli_choice(s->cli, "purpose", purposes, &purpose))
        return GW_EXIT_USAGE;
    s->server_name = name ? span_str(name) : SPAN_NONE;
    if (!name == !given)
        return gw_cli_usage(s->cli, "give --trust-domain for a workload's certificate, or --server-name for a server "
                                    "that is known by name");
    if (name && (gw_cli_has(s->cli, "identity") || gw_cli_has(s->cli, "purpose")))
        return gw_cli_usage(s->cli, "--server-name goes with neither --identity nor --purpose");
    if (!name && !pki_spiffe_trust_domain_ok(domain))
        return gw_cli_usage(s->cli, "--trust-domain '%.*s': write it as in example.org, lower case, without spiffe://",
                            SPAN_FMT(domain));
    s->options = (struct pki_verify_options){ .purpose = purpose == 0 ? PKI_PURPOSE_CLIENT : PKI_PURPOSE_SERVER,
                                              .crl_required = gw_cli_has(s->cli, "crl-required") };
    if (!(s->trust = pki_trust_new()))
        return gw_cli_usage(s->cli, "out of memory");
    int rc = read_chain(s, s->cli->args[0], true);
    for (size_t i = 0; rc == 0 && (path = gw_cli_next(s->cli, "chain", &i));)
        rc = read_chain(s, path, false);
    diags_init(&diags);
    if (rc == 0)
        rc = read_bundle(s, domain, &diags);
    if (rc == 0)
        rc = read_crls(s, domain, &diags);
    gw_cli_diags(s->cli, s->cli->err, &diags);
    diags_fini(&diags);
    return rc == 0 ? read_identity(s) : rc;
}

// ---- the account

// The leaf alone. True when all of it held; then whatever failed is in the path.
static bool report_leaf(const struct subject *s, struct gw_report *r)
{
    const char *why = NULL;
    struct pki_cert leaf;
    struct pki_spiffe id;

    int e = pki_cert_parse(s->leaf, &s->cli->arena, &leaf, &why);
    gw_report_rule(r, "27", "the certificate is well-formed, without critical extensions that are not understood",
                   e != ERR_CERT_MALFORMED, why);
    if (e == ERR_CERT_MALFORMED)
        return false;
    gw_report_rule(r, "22", "its key is of an accepted kind and size", e != ERR_CERT_WEAK, why);
    if (e != 0)
        return false;
    if (!span_is_none(s->server_name)) {
        bool named = pki_cert_has_host(&leaf, s->server_name);
        gw_report_rule(r, "27", "the name is among the certificate's SANs", named, NULL);
        e = pki_cert_server_profile(&leaf);
        if (named)
            gw_report_rule(r, "29", "the leaf is no CA, and what it may be used for includes a server", e == 0, NULL);
        return named && e == 0;
    }
    e = pki_cert_workload(&leaf, s->options.map, &s->cli->arena, &id);
    gw_report_rule(r, "28", "exactly one URI SAN, with a SPIFFE ID", e != ERR_CERT_SAN && e != ERR_CERT_UNMAPPED,
                   e == ERR_CERT_UNMAPPED
                       ? "it has no SPIFFE ID; only a configuration's `identities` can name its workload (--identity)"
                       : NULL);
    if (e == ERR_CERT_SAN || e == ERR_CERT_UNMAPPED)
        return false;
    gw_report_rule(r, "30", "the SPIFFE ID is well-formed and names a workload", e == 0, NULL);
    if (e != 0)
        return false;
    e = pki_cert_leaf_profile(&leaf, s->options.purpose);
    gw_report_rule(r, "29", "the leaf is no CA and may sign neither certificates nor CRLs", e != ERR_CERT_IS_CA, NULL);
    if (e == ERR_CERT_IS_CA)
        return false;
    gw_report_rule(r, "29",
                   "key usage is critical with digitalSignature, and extended key usage, if there, is for this use",
                   e == 0, NULL);
    return e == 0;
}

static const struct {
    int error;
    const char *rule, *what;
} path_rules[] = {
    { ERR_CERT_TRUST_DOMAIN, "27", "the ID is of the trust domain whose bundle was given" },
    { ERR_CERT_UNTRUSTED, "27", "a path of CAs leads to that bundle, and to no other" },
    { ERR_CERT_WEAK, "27", "its signatures are of accepted algorithms" },
    { ERR_CERT_NOT_YET, "30", "every certificate of the path is valid already" },
    { ERR_CERT_EXPIRED, "30", "no certificate of the path has expired" },
    { ERR_CERT_USAGE, "29", "no CA of the path is meant for other uses" },
    { ERR_CERT_NAME_CONSTRAINT, "27", "the name constraints of every CA allow the names" },
    { ERR_CRL_STALE, "30", "the CRLs that are needed are there and fresh" },
    { ERR_CERT_REVOKED, "30", "no certificate of the path was revoked" },
};

// Several paths may have been tried, so the order in which they failed says nothing: what is known is whether signatures
// lead to the bundle, and the error that the search ended with.
static void report_path(const struct subject *s, struct gw_report *r, int rc)
{
    const size_t n = sizeof path_rules / sizeof *path_rules, signatures = 3;

    for (size_t i = 0; i < n; i++) {
        bool about_crls = path_rules[i].error == ERR_CRL_STALE || path_rules[i].error == ERR_CERT_REVOKED;
        if (path_rules[i].error == rc) {
            gw_report_rule(r, path_rules[i].rule, path_rules[i].what, false, NULL);
            return;
        }
        if (rc == 0 && about_crls && !s->crls)
            gw_report_skip(r, path_rules[i].rule, path_rules[i].what, "no CRL was given (--crl)");
        else if (rc == 0 || i < signatures)
            gw_report_rule(r, path_rules[i].rule, path_rules[i].what, true, NULL);
    }
}

static void report_identity(const struct subject *s, struct gw_report *r, const struct pki_identity *id)
{
    char hash[BASE64URL_ENCODED(32)];
    struct span x5t = span_of(hash, base64url_encode(span_of(id->leaf_sha256, 32), hash));

    gw_report_fact(r, "workload", id->spiffe_id);
    gw_report_fact(r, "dns", id->dns);
    gw_report_fact(r, "serial", id->serial);
    gw_report_fact(r, "issuer", id->issuer);
    gw_report_fact(r, "x5t#S256", x5t);
    gw_report_moment(r, "not before", id->not_before, s->now_ms);
    gw_report_moment(r, "not after", id->not_after, s->now_ms);
    if (id->path_not_after < id->not_after)
        gw_report_moment(r, "path ends", id->path_not_after, s->now_ms);
}

static int run(struct gw_cli *cli)
{
    struct subject s = { .cli = cli };
    struct pki_identity id;
    struct gw_report report;
    int rc = read_all(&s);

    if (rc == 0) {
        gw_report_init(&report, cli);
        int e = span_is_none(s.server_name)
                    ? pki_trust_verify(s.trust, s.crls, &s.options, s.leaf, s.intermediates, s.n, s.now_ms / 1000,
                                       &cli->arena, &id)
                    : pki_trust_verify_server(s.trust, s.crls, &s.options, s.server_name, s.leaf, s.intermediates, s.n,
                                              s.now_ms / 1000, &cli->arena, &id);
        if (report_leaf(&s, &report))
            report_path(&s, &report, e);
        if (e == 0)
            report_identity(&s, &report, &id);
        rc = gw_report_finish(&report, e);
    }
    pki_revocation_free(s.crls);
    pki_trust_free(s.trust);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "bundle",
      .value = "FILE",
      .help = "the CAs that may vouch: PEM, or a SPIFFE bundle (JSON)",
      .required = true },
    { .name = "trust-domain", .value = "TD", .help = "the trust domain of that bundle: example.org" },
    { .name = "identity",
      .value = "ID",
      .help = "a certificate without a SPIFFE ID is this workload's, as a rule of `identities` would say" },
    { .name = "server-name",
      .value = "NAME",
      .help =
          "instead of a trust domain: a server's certificate, for this DNS name or IP address, as the gateway judges "
          "shards and issuers" },
    { .name = "chain",
      .value = "FILE",
      .help = "intermediate certificates, if they do not follow the leaf in its file",
      .repeat = true },
    { .name = "crl",
      .value = "FILE",
      .help = "CRLs, PEM or DER; without it revocation is not looked at",
      .repeat = true },
    { .name = "crl-required", .help = "refuse when the CRL of an issuer is missing (`crl_required: true`)" },
    { .name = "purpose", .value = "USE", .help = "client (the default) or server" },
    { .name = "at", .value = "TIME", .help = "as seen at this moment: 2026-11-21T23:52:55Z, seconds, -1h, +30d" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_verify_cert = {
    .name = "cert",
    .summary = "verify a workload's certificate (X.509-SVID), or a server's, against the CAs that may vouch for it",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .about = "FILE is PEM, the leaf first and its intermediates after it, or DER; - is standard input.",
    .options = options,
    .run = run,
};
