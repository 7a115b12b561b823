// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca`: the table, `init`, and what the other files of the command share.
#include "gateway/cli/cmd_ca.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/passphrase.h"
#include "pki/hsm.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 10000

// ---- shared

const char *cmd_ca_dir(const struct gw_cli *cli)
{
    const char *dir = gw_cli_get(cli, "dir");
    const char *env = getenv("SALLYPORT_CA_DIR");
    return dir ? dir : env && *env ? env : "ca";
}

int64_t cmd_ca_now(void)
{
    return clock_read().wall_ms / 1000;
}

int cmd_ca_exit(int rc)
{
    switch (rc) {
    case 0: return GW_EXIT_OK;
    case ERR_CA_REFUSED:
    case ERR_CERT_WEAK:
    case ERR_STORE_ABSENT:
    case ERR_STORE_EXISTS: return GW_EXIT_NO;
    default: return GW_EXIT_USAGE;
    }
}

int cmd_ca_open(struct gw_cli *cli, struct pki_ca **ca)
{
    char what[512];
    int rc = pki_ca_open(cmd_ca_dir(cli), BUSY_MS, ca, what, sizeof what);
    return rc ? gw_cli_usage(cli, "%s", what) : 0;
}

int cmd_ca_unlock(struct gw_cli *cli, struct pki_ca *ca, enum pki_ca_kind kind, const char *file,
                  struct buf *passphrase)
{
    bool encrypted = false;
    if (pki_ca_key_encrypted(ca, kind, file, &encrypted) != 0) {
        return gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    if (encrypted && buf_len(passphrase) == 0) {
        int status = gw_cli_passphrase(cli,
                                       &(struct gw_passphrase_from){ .file = gw_cli_get(cli, "passphrase-file"),
                                                                     .env = "SALLYPORT_CA_PASSPHRASE_FILE",
                                                                     .prompt = "Passphrase of the CA's keys: " },
                                       passphrase);
        if (status) {
            return status;
        }
    }
    if (pki_ca_unlock(ca, kind, file, encrypted ? buf_span(passphrase) : SPAN_NONE, cmd_ca_now()) != 0) {
        return gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    return 0;
}

void cmd_ca_time(int64_t seconds, char out[static CMD_CA_TIME])
{
    char text[CLOCK_TEXT];
    clock_format(seconds * 1000, text);
    memcpy(out, text, 19);
    memcpy(out + 19, "Z", 2);
}

void cmd_ca_json_names(struct json_writer *w, struct span dns)
{
    struct span rest = dns.n ? dns : SPAN_NONE;
    json_w_array(w);
    while (!span_is_none(rest)) {
        json_w_string(w, span_cut(&rest, '\n'));
    }
    json_w_end(w);
}

void cmd_ca_print(struct gw_cli *cli, const struct buf *b)
{
    fwrite(buf_span(b).p, 1, buf_len(b), cli->out);
    fputc('\n', cli->out);
}

int cmd_ca_write(struct gw_cli *cli, const char *path, struct span content, unsigned mode)
{
    if (!path || strcmp(path, "-") == 0) {
        fwrite(content.p, 1, content.n, cli->out);
        return 0;
    }
    int e = file_write(path, content, mode);
    return e ? gw_cli_usage(cli, "%s: %s", path, strerror(-e)) : 0;
}

// ---- init

// Where the keys are to be: a token's URI, or SPAN_NONE for a file.
struct key_places {
    struct span root, issuing;
};

static struct span key_place(const struct gw_cli *cli, const char *option)
{
    const char *own = gw_cli_get(cli, option), *both = gw_cli_get(cli, "key");
    return own ? span_str(own) : both ? span_str(both) : SPAN_NONE;
}

static int key_places(struct gw_cli *cli, struct key_places *out)
{
    static const char *const options[] = { "key", "root-key", "issuing-key" };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *value = gw_cli_get(cli, options[i]), *why;
        if (value && pki_hsm_check_uri(span_str(value), false, &why) != 0) {
            return gw_cli_usage(cli, "--%s: %s", options[i], why);
        }
    }
    *out = (struct key_places){ key_place(cli, "root-key"), key_place(cli, "issuing-key") };
    return 0;
}

static const char *kept(const struct gw_cli *cli, struct span place)
{
    return !span_is_none(place)               ? "in its PKCS#11 token"
           : gw_cli_has(cli, "no-passphrase") ? "NOT encrypted"
                                              : "encrypted";
}

static int new_passphrase(struct gw_cli *cli, const struct key_places *keys, struct buf *passphrase)
{
    if (!span_is_none(keys->root) && !span_is_none(keys->issuing)) {
        return gw_cli_get(cli, "passphrase-file")
                   ? gw_cli_usage(
                         cli, "both keys are made in a token, which has its PIN; --passphrase-file encrypts key files")
                   : 0;
    }
    if (gw_cli_has(cli, "no-passphrase")) {
        return gw_cli_get(cli, "passphrase-file")
                   ? gw_cli_usage(cli, "--no-passphrase and --passphrase-file exclude each other")
                   : 0;
    }
    return gw_cli_passphrase(cli,
                             &(struct gw_passphrase_from){ .file = gw_cli_get(cli, "passphrase-file"),
                                                           .env = "SALLYPORT_CA_PASSPHRASE_FILE",
                                                           .prompt = "New passphrase for the CA's keys: ",
                                                           .confirm = true },
                             passphrase);
}

// With --if-absent: 0 when the CA is there and of this trust domain, GW_EXIT_NO when it is of another. -1 when there is none.
static int is_there(struct gw_cli *cli, const char *dir)
{
    struct span wanted = span_str(gw_cli_get(cli, "trust-domain"));
    struct pki_ca *ca;
    if (!gw_cli_has(cli, "if-absent") || access(dir, F_OK) != 0) {
        return -1;
    }
    int status = cmd_ca_open(cli, &ca);
    if (status) {
        return status;
    }
    struct span own = pki_ca_trust_domain(ca);
    if (!span_eq(own, wanted)) {
        status = gw_cli_no(cli, "the CA in %s is for %.*s, not for %.*s", dir, SPAN_FMT(own), SPAN_FMT(wanted));
    } else if (cli->json) {
        struct buf b;
        buf_init(&b, 0);
        struct json_writer w = json_writer(&b);
        json_w_object(&w);
        json_w_key(&w, SPAN("trust_domain"));
        json_w_string(&w, own);
        json_w_key(&w, SPAN("dir"));
        json_w_string(&w, span_str(dir));
        json_w_key(&w, SPAN("present"));
        json_w_bool(&w, true);
        json_w_end(&w);
        cmd_ca_print(cli, &b);
        buf_fini(&b);
    } else {
        fprintf(cli->out, "the CA for %.*s is there: %s\n", SPAN_FMT(own), dir);
    }
    pki_ca_close(ca);
    return status;
}

static int run_init(struct gw_cli *cli)
{
    const char *dir = cmd_ca_dir(cli), *zone;
    struct span zones[64];
    size_t n = 0;
    int64_t root_ms = PKI_CA_ROOT_TTL * 1000, issuing_ms = PKI_CA_ISSUING_TTL * 1000;
    char what[512];
    struct buf passphrase;
    struct key_places keys;
    if (!gw_cli_duration(cli, "root-ttl", &root_ms) || !gw_cli_duration(cli, "issuing-ttl", &issuing_ms)) {
        return GW_EXIT_USAGE;
    }
    for (size_t i = 0; (zone = gw_cli_next(cli, "dns-zone", &i));) {
        if (n == 64) {
            return gw_cli_usage(cli, "more than 64 DNS zones");
        }
        zones[n++] = span_str(zone);
    }
    if (key_places(cli, &keys) != 0) {
        return GW_EXIT_USAGE;
    }
    int there = is_there(cli, dir);
    if (there >= 0) {
        return there;
    }
    buf_init(&passphrase, 0);
    int status = new_passphrase(cli, &keys, &passphrase);
    if (!status) {
        int rc =
            pki_ca_init(&(struct pki_ca_init){ .dir = dir,
                                               .trust_domain = span_str(gw_cli_get(cli, "trust-domain")),
                                               .dns_zones = zones,
                                               .n_dns_zones = n,
                                               .passphrase = buf_len(&passphrase) ? buf_span(&passphrase) : SPAN_NONE,
                                               .root_token = keys.root,
                                               .issuing_token = keys.issuing,
                                               .root_ttl = root_ms / 1000,
                                               .issuing_ttl = issuing_ms / 1000,
                                               .now_s = cmd_ca_now() },
                        what, sizeof what);
        if (rc) {
            status = cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", what) : gw_cli_usage(cli, "%s", what);
        }
    }
    buf_wipe(&passphrase);
    if (!status && cli->json) {
        struct buf b;
        buf_init(&b, 0);
        struct json_writer w = json_writer(&b);
        json_w_object(&w);
        json_w_key(&w, SPAN("trust_domain"));
        json_w_string(&w, span_str(gw_cli_get(cli, "trust-domain")));
        json_w_key(&w, SPAN("dir"));
        json_w_string(&w, span_str(dir));
        json_w_key(&w, SPAN("encrypted"));
        json_w_bool(&w, !gw_cli_has(cli, "no-passphrase") || (!span_is_none(keys.root) && !span_is_none(keys.issuing)));
        json_w_end(&w);
        cmd_ca_print(cli, &b);
        buf_fini(&b);
    } else if (!status) {
        fprintf(cli->out, "CA for %s in %s\n", gw_cli_get(cli, "trust-domain"), dir);
        fprintf(cli->out, "  root     %s/root/cert.pem      key %s; can be kept offline\n", dir, kept(cli, keys.root));
        fprintf(cli->out, "  issuing  %s/issuing/cert.pem   %ssigns workloads\n", dir,
                span_is_none(keys.issuing) ? "" : "key in its PKCS#11 token; ");
        fprintf(cli->out, "  bundle   %s/bundle.pem         what relying parties trust\n", dir);
    }
    return status;
}

// ---- the table

static const struct gw_cli_option init_options[] = {
    { .name = "trust-domain", .value = "NAME", .help = "whose workloads it names, like example.org", .required = true },
    { .name = "dir", .value = "DIR", .help = "the folder to make (default: $SALLYPORT_CA_DIR, else ./ca)" },
    { .name = "passphrase-file",
      .value = "FILE",
      .help = "encrypts the keys (default: $SALLYPORT_CA_PASSPHRASE_FILE, else asked)" },
    { .name = "no-passphrase", .help = "leaves the keys unencrypted" },
    { .name = "key",
      .value = "URI",
      .help = "makes both keys in a PKCS#11 token: pkcs11:token=…?module-path=…&pin-source=FILE" },
    { .name = "root-key", .value = "URI", .help = "makes the root's key there" },
    { .name = "issuing-key", .value = "URI", .help = "makes the issuing CA's key there" },
    { .name = "dns-zone", .value = "ZONE", .help = "DNS names only in this zone (default: any)", .repeat = true },
    { .name = "root-ttl", .value = "TIME", .help = "life of the root (default: 3650d)" },
    { .name = "issuing-ttl", .value = "TIME", .help = "life of the issuing CA (default: 730d)" },
    { .name = "if-absent", .help = "leaves a CA for this trust domain that is there as it is, and succeeds" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_command cmd_init = {
    .name = "init",
    .summary = "Makes a root and an issuing CA for a trust domain.",
    .about = "The folder is made whole or not at all, with mode 0700. Only `renew --issuing` and the root's CRL need "
             "root/key.pem\n"
             "again: move it away after init.",
    .options = init_options,
    .run = run_init,
};
static const struct gw_cli_command *const commands[] = {
    &cmd_init,    &cmd_ca_issue, &cmd_ca_sign,   &cmd_ca_renew,      &cmd_ca_revoke,
    &cmd_ca_list, &cmd_ca_crl,   &cmd_ca_bundle, &cmd_ca_join_token, NULL,
};

extern const struct gw_cli_command gw_cmd_ca;
const struct gw_cli_command gw_cmd_ca = {
    .name = "ca",
    .summary = "The workload CA: issues and revokes the certificates of workloads.",
    .sub = commands,
};
