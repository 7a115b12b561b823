// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca issue`, `sign` and `renew`: what ends in a new certificate.
#include "gateway/base/file.h"
#include "gateway/cli/cmd_ca.h"
#include "pki/pem.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_TTL_MS (24 * 3600 * 1000LL)

// One certificate on its way: what was asked for, and what came of it.
struct order {
    struct gw_cli *cli;
    struct pki_ca *ca;
    struct pki_ca_request request;
    struct span dns[PKI_CA_DNS_MAX + 1];
    struct pki_key *key; // owned
    struct pki_ca_issued issued;
    struct buf chain; // PEM: leaf, issuing CA
};

static void order_init(struct order *o, struct gw_cli *cli)
{
    *o = (struct order){ .cli = cli };
    o->request.dns = o->dns;
    buf_init(&o->chain, 0);
}

static void order_fini(struct order *o)
{
    pki_key_free(o->key);
    buf_fini(&o->chain);
    pki_ca_close(o->ca);
}

static void take_names(struct order *o)
{
    const char *name;
    o->request.spiffe_id = span_str(gw_cli_get(o->cli, "spiffe-id"));
    for (size_t i = 0; (name = gw_cli_next(o->cli, "dns", &i));) {
        if (o->request.n_dns > PKI_CA_DNS_MAX) {
            break; // refused by pki_ca_issue
        }
        o->dns[o->request.n_dns++] = span_str(name);
    }
}

static int take_ttl(struct order *o, int64_t otherwise_ms)
{
    int64_t ms = otherwise_ms;
    if (!gw_cli_duration(o->cli, "ttl", &ms)) {
        return GW_EXIT_USAGE;
    }
    o->request.ttl = ms / 1000;
    return 0;
}

static int open_unlocked(struct order *o)
{
    struct buf passphrase;
    int status = cmd_ca_open(o->cli, &o->ca);
    if (status) {
        return status;
    }
    buf_init(&passphrase, 0);
    status = cmd_ca_unlock(o->cli, o->ca, PKI_CA_ISSUING, NULL, &passphrase);
    buf_wipe(&passphrase);
    return status;
}

static int make_key(struct order *o)
{
    static const char *const words[] = { "p256", "p384", "ed25519", NULL };
    static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_ED25519 };
    size_t at = 0;
    if (!gw_cli_choice(o->cli, "key-type", words, &at)) {
        return GW_EXIT_USAGE;
    }
    o->key = pki_key_generate(types[at], 0);
    o->request.key = o->key;
    return o->key ? 0 : gw_cli_usage(o->cli, "no memory or entropy for a key");
}

// Signs and records; the chain is PEM then.
static int issue(struct order *o)
{
    struct buf der;
    buf_init(&der, 0);
    o->request.now_s = cmd_ca_now();
    int rc = pki_ca_issue(o->ca, &o->request, &der, &o->issued);
    if (!rc) {
        pki_pem_write(&o->chain, SPAN("CERTIFICATE"), buf_span(&der));
        rc = pki_ca_chain_pem(o->ca, &o->chain);
    }
    buf_fini(&der);
    if (rc) {
        return cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(o->cli, "%s", pki_ca_what(o->ca))
                                             : gw_cli_usage(o->cli, "%s", pki_ca_what(o->ca));
    }
    if (o->issued.shortened) {
        char end[CMD_CA_TIME];
        cmd_ca_time(o->issued.not_after, end);
        gw_cli_note(o->cli, "the certificate ends with the issuing CA, at %s, before the lifetime asked for", end);
    }
    return 0;
}

// ---- the folder that receives it

static struct span path_in(struct order *o, const char *name)
{
    return arena_printf(&o->cli->arena, "%s/%s", gw_cli_get(o->cli, "out"), name);
}

// Before anything is signed: a certificate that cannot be written down should not be in the registry either.
static int prepare_folder(struct order *o, bool may_replace)
{
    const char *out = gw_cli_get(o->cli, "out");
    struct span key = path_in(o, "key.pem");
    if (mkdir(out, 0700) != 0 && errno != EEXIST) {
        return gw_cli_usage(o->cli, "%s: %s", out, strerror(errno));
    }
    if (access(out, W_OK | X_OK) != 0) {
        return gw_cli_usage(o->cli, "%s: %s", out, strerror(errno));
    }
    if (span_is_none(key)) {
        return gw_cli_usage(o->cli, "out of memory");
    }
    if (!may_replace && access(key.p, F_OK) == 0) {
        return gw_cli_no(o->cli, "%s exists; name another --out, say --force, or use `sallyport ca renew`", key.p);
    }
    return 0;
}

static int write_one(struct order *o, const char *name, struct span content, unsigned mode)
{
    struct span path = path_in(o, name);
    int e = span_is_none(path) ? -ENOMEM : file_write(path.p, content, mode);
    if (e) {
        return gw_cli_usage(o->cli, "%s/%s: %s; certificate %s is in the registry and was not written whole: revoke it",
                            gw_cli_get(o->cli, "out"), name, strerror(-e), o->issued.serial);
    }
    return 0;
}

static int write_folder(struct order *o, bool with_key)
{
    struct buf pem;
    int status = 0;
    buf_init(&pem, 0);
    if (with_key) {
        int rc = pki_key_write_private(o->key, SPAN_NONE, &pem);
        status = rc ? gw_cli_usage(o->cli, "the key cannot be written as PEM")
                    : write_one(o, "key.pem", buf_span(&pem), 0600);
        buf_wipe(&pem);
    }
    if (!status) {
        status = write_one(o, "cert.pem", buf_span(&o->chain), 0644);
    }
    if (!status && pki_ca_bundle_pem(o->ca, &pem) == 0) {
        status = write_one(o, "bundle.pem", buf_span(&pem), 0644);
    }
    buf_fini(&pem);
    return status;
}

static void put_file(struct order *o, struct json_writer *w, const char *name, struct span file)
{
    json_w_key(w, span_str(name));
    json_w_string(w, path_in(o, file.p));
}

static void report_json(struct order *o, bool with_key)
{
    char text[CMD_CA_TIME];
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("serial"));
    json_w_string(&w, span_str(o->issued.serial));
    json_w_key(&w, SPAN("spiffe_id"));
    json_w_string(&w, o->request.spiffe_id);
    json_w_key(&w, SPAN("dns"));
    json_w_array(&w);
    for (size_t i = 0; i < o->request.n_dns; i++) {
        json_w_string(&w, o->request.dns[i]);
    }
    json_w_end(&w);
    cmd_ca_time(o->issued.not_before, text);
    json_w_key(&w, SPAN("not_before"));
    json_w_string(&w, span_str(text));
    cmd_ca_time(o->issued.not_after, text);
    json_w_key(&w, SPAN("not_after"));
    json_w_string(&w, span_str(text));
    if (gw_cli_get(o->cli, "out")) {
        if (with_key) {
            put_file(o, &w, "key", SPAN("key.pem"));
        }
        put_file(o, &w, "certificate", SPAN("cert.pem"));
        put_file(o, &w, "bundle", SPAN("bundle.pem"));
    } else {
        json_w_key(&w, SPAN("chain"));
        json_w_string(&w, buf_span(&o->chain));
    }
    json_w_end(&w);
    cmd_ca_print(o->cli, &b);
    buf_fini(&b);
}

static void report(struct order *o, bool with_key)
{
    const char *out = gw_cli_get(o->cli, "out");
    char end[CMD_CA_TIME];
    if (o->cli->json) {
        report_json(o, with_key);
        return;
    }
    if (!out) { // the chain itself is the answer
        fwrite(buf_span(&o->chain).p, 1, buf_len(&o->chain), o->cli->out);
        return;
    }
    cmd_ca_time(o->issued.not_after, end);
    fprintf(o->cli->out, "%.*s\n  serial   %s\n  until    %s\n  written  %s/{%scert.pem,bundle.pem}\n",
            SPAN_FMT(o->request.spiffe_id), o->issued.serial, end, out, with_key ? "key.pem," : "");
}

// ---- issue

static int run_issue(struct gw_cli *cli)
{
    struct order o;
    order_init(&o, cli);
    take_names(&o);
    int status = take_ttl(&o, DEFAULT_TTL_MS);
    if (!status && !(status = prepare_folder(&o, gw_cli_has(cli, "force"))) && !(status = open_unlocked(&o)) &&
        !(status = make_key(&o)) && !(status = issue(&o)) && !(status = write_folder(&o, true))) {
        report(&o, true);
    }
    order_fini(&o);
    return status;
}

// ---- sign

static bool granted(const struct order *o, struct span asked)
{
    if (span_starts(asked, SPAN("URI:"))) {
        return span_eq(span_sub(asked, 4, asked.n), o->request.spiffe_id);
    }
    size_t prefix = span_starts(asked, SPAN("DNS:")) ? 4 : span_starts(asked, SPAN("CN=")) ? 3 : 0;
    for (size_t i = 0; prefix && i < o->request.n_dns; i++) {
        if (span_eq(span_sub(asked, prefix, asked.n), o->request.dns[i])) {
            return true;
        }
    }
    return false;
}

static void say_what_was_not_granted(const struct order *o, const struct pki_csr *csr)
{
    for (size_t i = 0; i < csr->n_names; i++) {
        if (!granted(o, csr->names[i])) {
            gw_cli_note(o->cli, "the request asks for %.*s, which is not granted: names come from the options",
                        SPAN_FMT(csr->names[i]));
        }
    }
    if (csr->more_names) {
        gw_cli_note(o->cli, "the request asks for more names, which are not granted");
    }
}

// Reads --csr and takes its key.
static int take_csr(struct order *o)
{
    const char *path = gw_cli_get(o->cli, "csr"), *why = "";
    struct pki_csr csr;
    struct span text = gw_cli_read(o->cli, path, PKI_CSR_MAX * 2);
    if (span_is_none(text)) {
        return GW_EXIT_USAGE;
    }
    int rc = pki_csr_parse(text, &o->cli->arena, &csr, &why);
    if (rc) {
        return gw_cli_no(o->cli, "%s: %s", path, why);
    }
    o->key = csr.key;
    o->request.key = csr.key;
    o->request.from_csr = true;
    say_what_was_not_granted(o, &csr);
    return 0;
}

static int run_sign(struct gw_cli *cli)
{
    struct order o;
    bool folder = gw_cli_get(cli, "out") != NULL;
    order_init(&o, cli);
    take_names(&o);
    int status = take_ttl(&o, DEFAULT_TTL_MS);
    if (!status && !(status = take_csr(&o)) && !(status = folder ? prepare_folder(&o, true) : 0) &&
        !(status = open_unlocked(&o)) && !(status = issue(&o)) && !(status = folder ? write_folder(&o, false) : 0)) {
        report(&o, false);
    }
    order_fini(&o);
    return status;
}

// ---- renew

static int run_renew_issuing(struct gw_cli *cli)
{
    struct pki_ca *ca = NULL;
    struct buf passphrase;
    bool encrypted;
    int64_t ms = PKI_CA_ISSUING_TTL * 1000;
    if (gw_cli_get(cli, "serial") || gw_cli_get(cli, "cert") || gw_cli_get(cli, "spiffe-id") ||
        gw_cli_get(cli, "csr") || gw_cli_get(cli, "out")) {
        return gw_cli_usage(cli, "--issuing takes none of --serial, --cert, --spiffe-id, --csr, --out");
    }
    if (!gw_cli_duration(cli, "ttl", &ms)) {
        return GW_EXIT_USAGE;
    }
    int status = cmd_ca_open(cli, &ca);
    buf_init(&passphrase, 0);
    if (!status) {
        status = cmd_ca_unlock(cli, ca, PKI_CA_ROOT, gw_cli_get(cli, "root-key"), &passphrase);
    }
    // The new key is encrypted as the old one is; an issuing key that was lost is no obstacle.
    if (!status && pki_ca_key_encrypted(ca, PKI_CA_ISSUING, NULL, &encrypted) == 0) {
        status = cmd_ca_unlock(cli, ca, PKI_CA_ISSUING, NULL, &passphrase);
    }
    if (!status) {
        int rc =
            pki_ca_renew_issuing(ca, ms / 1000, buf_len(&passphrase) ? buf_span(&passphrase) : SPAN_NONE, cmd_ca_now());
        if (rc) {
            status = cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", pki_ca_what(ca))
                                                   : gw_cli_usage(cli, "%s", pki_ca_what(ca));
        } else {
            fprintf(cli->out, "%s\n",
                    cli->json
                        ? "{\"issuing\":\"renewed\"}"
                        : "a new issuing CA signs from now on; the old one's certificates stay valid until they end");
        }
    }
    buf_wipe(&passphrase);
    pki_ca_close(ca);
    return status;
}

// The newest certificate that was named, whose names the new one gets.
static int take_record(struct order *o, struct pki_ca_record *out)
{
    struct cmd_ca_found found;
    int status = cmd_ca_find(o->cli, o->ca, PKI_CA_VALID | PKI_CA_EXPIRED, &found);
    if (status) {
        return status;
    }
    *out = found.list[found.n - 1];
    if (out->ca) {
        return gw_cli_usage(o->cli, "that is an issuing CA; use --issuing");
    }
    if (out->revoked_at) {
        return gw_cli_no(o->cli, "certificate %.*s is revoked; what is revoked is not renewed, issue a new one",
                         SPAN_FMT(out->serial));
    }
    o->request.spiffe_id = out->spiffe_id;
    for (struct span rest = out->dns.n ? out->dns : SPAN_NONE;
         !span_is_none(rest) && o->request.n_dns < PKI_CA_DNS_MAX;) {
        o->dns[o->request.n_dns++] = span_cut(&rest, '\n');
    }
    return take_ttl(o, (out->not_after - out->issued_at) * 1000);
}

// A workload that brought its own key keeps it (proved when it was signed) unless a new request is given; others get a
// new one.
static int take_renewed_key(struct order *o, const struct pki_ca_record *r)
{
    struct pki_x509_view view;
    if (gw_cli_get(o->cli, "csr")) {
        return take_csr(o);
    }
    if (!r->from_csr) {
        return make_key(o);
    }
    if (pki_x509_view(r->certificate, &view) != 0 || pki_key_read_public(view.spki, &o->key) != 0) {
        return gw_cli_usage(o->cli, "certificate %.*s in the registry is damaged", SPAN_FMT(r->serial));
    }
    o->request.key = o->key;
    o->request.from_csr = true;
    return 0;
}

static int run_renew(struct gw_cli *cli)
{
    struct order o;
    struct pki_ca_record record;
    if (gw_cli_has(cli, "issuing")) {
        return run_renew_issuing(cli);
    }
    if (!gw_cli_get(cli, "out")) {
        return gw_cli_usage(cli, "--out DIR is required");
    }
    order_init(&o, cli);
    int status = prepare_folder(&o, true);
    if (!status && !(status = open_unlocked(&o)) && !(status = take_record(&o, &record)) &&
        !(status = take_renewed_key(&o, &record)) && !(status = issue(&o)) &&
        !(status = write_folder(&o, !o.request.from_csr))) {
        report(&o, !o.request.from_csr);
    }
    order_fini(&o);
    return status;
}

// ---- the table

#define DNS_OPTION                                                                                         \
    {                                                                                                      \
        .name = "dns", .value = "NAME", .help = "a DNS name, for workloads that serve TLS", .repeat = true \
    }
#define TTL_OPTION(text)                             \
    {                                                \
        .name = "ttl", .value = "TIME", .help = text \
    }

static const struct gw_cli_option issue_options[] = {
    { .name = "spiffe-id",
      .value = "ID",
      .help = "the workload, like spiffe://example.org/rag/retriever",
      .required = true },
    DNS_OPTION,
    TTL_OPTION("how long it is valid (default: 24h)"),
    { .name = "out",
      .value = "DIR",
      .help = "gets key.pem, cert.pem (leaf and issuing CA) and bundle.pem",
      .required = true },
    { .name = "key-type", .value = "p256|p384|ed25519", .help = "default: p256" },
    { .name = "force", .help = "replaces what is in --out" },
    CMD_CA_DIR_OPTION,
    CMD_CA_PASSPHRASE_OPTION,
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option sign_options[] = {
    { .name = "csr",
      .value = "FILE",
      .help = "the request (PKCS #10, PEM or DER); - is standard input",
      .required = true },
    { .name = "spiffe-id",
      .value = "ID",
      .help = "the workload; names in the request are never used",
      .required = true },
    DNS_OPTION,
    TTL_OPTION("how long it is valid (default: 24h)"),
    { .name = "out", .value = "DIR", .help = "gets cert.pem and bundle.pem (default: the chain on standard output)" },
    CMD_CA_DIR_OPTION,
    CMD_CA_PASSPHRASE_OPTION,
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option renew_options[] = {
    { .name = "cert", .value = "FILE", .help = "the certificate in this file" },
    { .name = "spiffe-id", .value = "ID", .help = "the newest certificate of this workload" },
    { .name = "serial", .value = "HEX", .help = "the certificate with this serial number" },
    { .name = "out", .value = "DIR", .help = "gets the new files; old ones are replaced" },
    { .name = "csr", .value = "FILE", .help = "a new key, as a request" },
    TTL_OPTION("how long it is valid (default: as long as the old one was)"),
    { .name = "key-type", .value = "p256|p384|ed25519", .help = "of a new key (default: p256)" },
    { .name = "issuing", .help = "renews the issuing CA instead; needs the root's key" },
    { .name = "root-key",
      .value = "FILE",
      .help = "the root's key (a file or a pkcs11: URI), when it is kept elsewhere (with --issuing)" },
    CMD_CA_DIR_OPTION,
    CMD_CA_PASSPHRASE_OPTION,
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command cmd_ca_issue = {
    .name = "issue",
    .summary = "Makes a key and a certificate for a workload.",
    .about = "The certificate is an X.509-SVID: one URI SAN, digitalSignature, clientAuth and serverAuth. It starts "
             "five minutes in the past,\n"
             "for clocks that are slow, and never outlives the issuing CA. It is in the registry before it is written.",
    .options = issue_options,
    .run = run_issue,
};
const struct gw_cli_command cmd_ca_sign = {
    .name = "sign",
    .summary = "Signs a workload's own request.",
    .about = "The request proves that somebody holds the key; that proof is checked. What names the certificate gets "
             "is said here.",
    .options = sign_options,
    .run = run_sign,
};
const struct gw_cli_command cmd_ca_renew = {
    .name = "renew",
    .summary = "Issues the same names again, with a new serial number.",
    .about = "A key that this CA made is replaced by a new one; a key that came in a request stays, unless --csr "
             "brings another.\n"
             "The old certificate stays valid until it ends or is revoked.",
    .options = renew_options,
    .run = run_renew,
};
