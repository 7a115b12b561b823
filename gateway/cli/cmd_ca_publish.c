// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca crl` and `bundle`: what relying parties fetch.
#include "gateway/cli/cmd_ca.h"

// ---- crl

// Signs the root's CRL too when it is due and the key is within reach. What cannot be done is said, loudly where
// gateways will refuse.
static int root_crl(struct gw_cli *cli, struct pki_ca *ca, int64_t now_s, struct buf *passphrase, bool *stale)
{
    const char *file = gw_cli_get(cli, "root-key");
    bool due = false, encrypted;
    int64_t next = 0, life_ms = PKI_CA_ROOT_CRL_TTL * 1000;
    char end[CMD_CA_TIME];
    if (!gw_cli_duration(cli, "root-next-update", &life_ms)) {
        return GW_EXIT_USAGE;
    }
    if (pki_ca_root_crl_due(ca, now_s, &due, &next) != 0) {
        return gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    if (!due && !file && !gw_cli_has(cli, "root-next-update")) {
        return 0;
    }
    if (!file && pki_ca_key_encrypted(ca, PKI_CA_ROOT, NULL, &encrypted) == ERR_STORE_ABSENT) {
        cmd_ca_time(next, end);
        gw_cli_note(cli,
                    "warning: the root's CRL (until %s) should be renewed, and the root's key is not here; give it "
                    "with --root-key",
                    end);
        *stale = true;
        return 0;
    }
    int status = cmd_ca_unlock(cli, ca, PKI_CA_ROOT, file, passphrase);
    if (!status && pki_ca_sign_crl(ca, PKI_CA_ROOT, life_ms / 1000, now_s) != 0) {
        status = gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    return status;
}

static int sign_crls(struct gw_cli *cli, struct pki_ca *ca, int64_t life_ms, size_t authority, bool *stale)
{
    struct buf passphrase;
    int64_t now_s = cmd_ca_now();
    int status = 0;
    buf_init(&passphrase, 0);
    if (authority != 2) {
        status = cmd_ca_unlock(cli, ca, PKI_CA_ISSUING, NULL, &passphrase);
        int rc = status ? 0 : pki_ca_sign_crl(ca, PKI_CA_ISSUING, life_ms / 1000, now_s);
        if (rc) {
            status = cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", pki_ca_what(ca))
                                                   : gw_cli_usage(cli, "%s", pki_ca_what(ca));
        }
    }
    if (!status && authority != 1) {
        status = root_crl(cli, ca, now_s, &passphrase, stale);
    }
    buf_wipe(&passphrase);
    return status;
}

static int run_crl(struct gw_cli *cli)
{
    static const char *const formats[] = { "pem", "der", NULL }, *const authorities[] = { "all", "issuing", "root",
                                                                                          NULL };
    static const unsigned kinds[] = { PKI_CA_ISSUING | PKI_CA_ROOT, PKI_CA_ISSUING, PKI_CA_ROOT };
    size_t format = 0, authority = 0;
    int64_t life_ms = 86400000;
    bool stale = false;
    struct pki_ca *ca = NULL;
    struct buf out;
    if (!gw_cli_choice(cli, "format", formats, &format) || !gw_cli_choice(cli, "authority", authorities, &authority) ||
        !gw_cli_duration(cli, "next-update", &life_ms)) {
        return GW_EXIT_USAGE;
    }
    if (format == 1 && authority == 0) {
        return gw_cli_usage(cli, "a DER file holds one CRL; say which with --authority issuing or --authority root");
    }
    int status = cmd_ca_open(cli, &ca);
    if (status) {
        return status;
    }
    buf_init(&out, 0);
    if (!(status = sign_crls(cli, ca, life_ms, authority, &stale))) {
        int rc = format ? pki_ca_crl_der(ca, (enum pki_ca_kind)kinds[authority], &out)
                        : pki_ca_crl_pem(ca, kinds[authority], cmd_ca_now(), &out);
        status = rc ? gw_cli_usage(cli, "%s", pki_ca_what(ca))
                    : cmd_ca_write(cli, gw_cli_get(cli, "out"), buf_span(&out), 0644);
    }
    buf_fini(&out);
    pki_ca_close(ca);
    return !status && stale ? GW_EXIT_NO : status;
}

// ---- bundle

static int run_bundle(struct gw_cli *cli)
{
    static const char *const formats[] = { "pem", "jwks", NULL };
    size_t format = 0;
    int64_t hint_ms = 300000;
    struct pki_ca *ca = NULL;
    struct buf out;
    if (!gw_cli_choice(cli, "format", formats, &format) || !gw_cli_duration(cli, "refresh-hint", &hint_ms)) {
        return GW_EXIT_USAGE;
    }
    int status = cmd_ca_open(cli, &ca);
    if (status) {
        return status;
    }
    buf_init(&out, 0);
    int rc = format ? pki_ca_bundle_jwks(ca, (uint64_t)hint_ms / 1000, &out) : pki_ca_bundle_pem(ca, &out);
    if (!rc && format) {
        buf_byte(&out, '\n');
    }
    status =
        rc ? gw_cli_usage(cli, "%s", pki_ca_what(ca)) : cmd_ca_write(cli, gw_cli_get(cli, "out"), buf_span(&out), 0644);
    buf_fini(&out);
    pki_ca_close(ca);
    return status;
}

// ---- the table

static const struct gw_cli_option crl_options[] = {
    CMD_CA_DIR_OPTION,
    CMD_CA_PASSPHRASE_OPTION,
    { .name = "out", .value = "FILE", .help = "where to write it (default: standard output)" },
    { .name = "next-update", .value = "TIME", .help = "how long it counts (default: 24h)" },
    { .name = "format", .value = "pem|der", .help = "default: pem" },
    { .name = "authority", .value = "all|issuing|root", .help = "whose CRLs (default: all)" },
    { .name = "root-key",
      .value = "FILE",
      .help = "the root's key (a file or a pkcs11: URI), when it is kept elsewhere; signs the root's CRL" },
    { .name = "root-next-update",
      .value = "TIME",
      .help = "how long the root's CRL counts (default: 90d); signs it now" },
    { .name = NULL },
};

static const struct gw_cli_option bundle_options[] = {
    CMD_CA_DIR_OPTION,
    { .name = "out", .value = "FILE", .help = "where to write it (default: standard output)" },
    { .name = "format", .value = "pem|jwks", .help = "certificates, or a SPIFFE bundle (default: pem)" },
    { .name = "refresh-hint", .value = "TIME", .help = "spiffe_refresh_hint of a SPIFFE bundle (default: 5m)" },
    { .name = NULL },
};

const struct gw_cli_command cmd_ca_crl = {
    .name = "crl",
    .summary = "Signs and writes the CRLs of the issuing CA and of the root.",
    .about = "The root's CRL is signed anew when it is past half of its life or lacks a revocation, if the root's key "
             "is here or given with\n"
             "--root-key; otherwise the last one is written. Exit status 1: written, but the root's CRL should have "
             "been renewed.",
    .options = crl_options,
    .run = run_crl,
};
const struct gw_cli_command cmd_ca_bundle = { .name = "bundle",
                                              .summary = "Writes what relying parties trust: the root's certificate.",
                                              .options = bundle_options,
                                              .run = run_bundle };
