// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca`: init, list, revoke, crl, bundle. What signs workloads is in cmd_ca_issue.c.
#include "gateway/cli/cmd_ca.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/passphrase.h"
#include "pki/crl_make.h"
#include "pki/pem.h"
#include <errno.h>
#include <stdlib.h>

#define BUSY_MS 10000
#define CERTIFICATE_MAX (1 << 20)

// ---- shared

const char *cmd_ca_dir(const struct gw_cli *cli) {
    const char *dir = gw_cli_get(cli, "dir");
    const char *env = getenv("SALLYPORT_CA_DIR");
    return dir ? dir : env && *env ? env : "ca";
}

int64_t cmd_ca_now(void) {
    return clock_read().wall_ms / 1000;
}

int cmd_ca_exit(int rc) {
    switch (rc) {
    case 0: return GW_EXIT_OK;
    case ERR_CA_REFUSED:
    case ERR_CERT_WEAK:
    case ERR_STORE_ABSENT:
    case ERR_STORE_EXISTS: return GW_EXIT_NO;
    default: return GW_EXIT_USAGE;
    }
}

int cmd_ca_open(struct gw_cli *cli, struct pki_ca **ca) {
    char what[512];
    int rc = pki_ca_open(cmd_ca_dir(cli), BUSY_MS, ca, what, sizeof what);
    return rc ? gw_cli_usage(cli, "%s", what) : 0;
}

int cmd_ca_unlock(struct gw_cli *cli, struct pki_ca *ca, enum pki_ca_kind kind, const char *file, struct buf *passphrase) {
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

void cmd_ca_time(int64_t seconds, char out[static CMD_CA_TIME]) {
    char text[CLOCK_TEXT];
    clock_format(seconds * 1000, text);
    memcpy(out, text, 19);
    memcpy(out + 19, "Z", 2);
}

void cmd_ca_json_names(struct json_writer *w, struct span dns) {
    struct span rest = dns.n ? dns : SPAN_NONE;
    json_w_array(w);
    while (!span_is_none(rest)) {
        json_w_string(w, span_cut(&rest, '\n'));
    }
    json_w_end(w);
}

void cmd_ca_print(struct gw_cli *cli, const struct buf *b) {
    fwrite(buf_span(b).p, 1, buf_len(b), cli->out);
    fputc('\n', cli->out);
}

int cmd_ca_write(struct gw_cli *cli, const char *path, struct span content, unsigned mode) {
    if (!path || strcmp(path, "-") == 0) {
        fwrite(content.p, 1, content.n, cli->out);
        return 0;
    }
    int e = file_write(path, content, mode);
    return e ? gw_cli_usage(cli, "%s: %s", path, strerror(-e)) : 0;
}

// ---- which certificate

struct finding {
    struct gw_cli *cli;
    struct cmd_ca_found found;
    size_t cap;
};

static int keep_record(void *ctx, const struct pki_ca_record *r) {
    struct finding *f = ctx;
    struct arena *a = &f->cli->arena;
    if (f->found.n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct pki_ca_record *list = arena_array(a, cap, sizeof *list);
        if (!list) {
            return ERR_NOMEM;
        }
        if (f->found.n) {
            memcpy(list, f->found.list, f->found.n * sizeof *list);
        }
        f->found.list = list;
        f->cap = cap;
    }
    struct pki_ca_record copy = *r;
    copy.serial = arena_dup(a, r->serial);
    copy.spiffe_id = arena_dup(a, r->spiffe_id);
    copy.dns = arena_dup(a, r->dns);
    copy.certificate = arena_dup(a, r->certificate);
    f->found.list[f->found.n++] = copy;
    return a->failed ? ERR_NOMEM : 0;
}

// The first certificate of a file, PEM or DER.
static int read_certificate(struct gw_cli *cli, const char *path, struct span *der) {
    struct span text = gw_cli_read(cli, path, CERTIFICATE_MAX), rest = text, label;
    struct buf block;
    int rc = 0;
    if (span_is_none(text)) {
        return GW_EXIT_USAGE;
    }
    *der = text;
    buf_init(&block, 0);
    if (pki_pem_looks_like(text)) {
        *der = SPAN_NONE;
        while (span_is_none(*der) && (rc = pki_pem_next(&rest, &label, &block)) == 1) {
            if (span_eq(label, SPAN("CERTIFICATE"))) {
                *der = arena_dup(&cli->arena, buf_span(&block));
            }
        }
    }
    buf_fini(&block);
    return span_is_none(*der) ? gw_cli_usage(cli, "%s holds no certificate", path) : 0;
}

static int serial_of_file(struct gw_cli *cli, const char *path, struct span *der, char serial[static PKI_SERIAL_TEXT]) {
    struct pki_x509_view view;
    int status = read_certificate(cli, path, der);
    if (status) {
        return status;
    }
    if (pki_x509_view(*der, &view) != 0) {
        return gw_cli_usage(cli, "%s holds no certificate", path);
    }
    if (view.serial.n > PKI_SERIAL) {
        return gw_cli_no(cli, "%s was not issued by this CA", path);
    }
    char hex[2 * PKI_SERIAL + 1];
    for (size_t i = 0; i < view.serial.n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)view.serial.p[i]);
    }
    return pki_serial_parse(span_of(hex, 2 * view.serial.n), serial) ? 0 : gw_cli_no(cli, "%s was not issued by this CA", path);
}

int cmd_ca_find(struct gw_cli *cli, struct pki_ca *ca, unsigned filter, struct cmd_ca_found *out) {
    const char *serial = gw_cli_get(cli, "serial"), *file = gw_cli_get(cli, "cert"), *id = gw_cli_get(cli, "spiffe-id");
    char text[PKI_SERIAL_TEXT];
    struct span der = SPAN_NONE;
    struct pki_ca_query query = { .filter = PKI_CA_ALL, .now_s = cmd_ca_now(), .serial = SPAN_NONE, .spiffe_id = SPAN_NONE };
    struct finding f = { .cli = cli };
    int status = 0;
    if (!!serial + !!file + !!id != 1) {
        return gw_cli_usage(cli, "name the certificate with one of --serial, --cert or --spiffe-id");
    }
    if (serial && !pki_serial_parse(span_str(serial), text)) {
        return gw_cli_usage(cli, "--serial: '%s' is no serial number (hex, at most 32 digits)", serial);
    }
    if (file && (status = serial_of_file(cli, file, &der, text))) {
        return status;
    }
    if (id) {
        query.spiffe_id = span_str(id);
        query.filter = filter;
    } else {
        query.serial = span_str(text);
    }
    int rc = pki_ca_store_each(pki_ca_store(ca), &query, keep_record, &f);
    if (rc) {
        return gw_cli_usage(cli, "%s", rc == ERR_NOMEM ? "out of memory" : pki_ca_store_what(pki_ca_store(ca)));
    }
    if (f.found.n == 0 && id) {
        return gw_cli_no(cli, "this CA has no such certificate for %s", id);
    }
    // Somebody else's certificate may carry the same number.
    if (f.found.n == 0 || (file && !span_eq(f.found.list[0].certificate, der))) {
        return gw_cli_no(cli, "%s%s was not issued by this CA", serial ? "serial " : "", serial ? serial : file);
    }
    *out = f.found;
    return 0;
}

// ---- init

static int new_passphrase(struct gw_cli *cli, struct buf *passphrase) {
    if (gw_cli_has(cli, "no-passphrase")) {
        return gw_cli_get(cli, "passphrase-file") ? gw_cli_usage(cli, "--no-passphrase and --passphrase-file exclude each other") : 0;
    }
    return gw_cli_passphrase(cli,
                             &(struct gw_passphrase_from){ .file = gw_cli_get(cli, "passphrase-file"),
                                                           .env = "SALLYPORT_CA_PASSPHRASE_FILE",
                                                           .prompt = "New passphrase for the CA's keys: ",
                                                           .confirm = true },
                             passphrase);
}

static int run_init(struct gw_cli *cli) {
    const char *dir = cmd_ca_dir(cli), *zone;
    struct span zones[64];
    size_t n = 0;
    int64_t root_ms = PKI_CA_ROOT_TTL * 1000, issuing_ms = PKI_CA_ISSUING_TTL * 1000;
    char what[512];
    struct buf passphrase;
    if (!gw_cli_duration(cli, "root-ttl", &root_ms) || !gw_cli_duration(cli, "issuing-ttl", &issuing_ms)) {
        return GW_EXIT_USAGE;
    }
    for (size_t i = 0; (zone = gw_cli_next(cli, "dns-zone", &i));) {
        if (n == 64) {
            return gw_cli_usage(cli, "more than 64 DNS zones");
        }
        zones[n++] = span_str(zone);
    }
    buf_init(&passphrase, 0);
    int status = new_passphrase(cli, &passphrase);
    if (!status) {
        int rc = pki_ca_init(&(struct pki_ca_init){ .dir = dir,
                                                    .trust_domain = span_str(gw_cli_get(cli, "trust-domain")),
                                                    .dns_zones = zones,
                                                    .n_dns_zones = n,
                                                    .passphrase = buf_len(&passphrase) ? buf_span(&passphrase) : SPAN_NONE,
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
        json_w_bool(&w, !gw_cli_has(cli, "no-passphrase"));
        json_w_end(&w);
        cmd_ca_print(cli, &b);
        buf_fini(&b);
    } else if (!status) {
        fprintf(cli->out, "CA for %s in %s\n", gw_cli_get(cli, "trust-domain"), dir);
        fprintf(cli->out, "  root     %s/root/cert.pem      key %s; can be kept offline\n", dir,
                gw_cli_has(cli, "no-passphrase") ? "NOT encrypted" : "encrypted");
        fprintf(cli->out, "  issuing  %s/issuing/cert.pem   signs workloads\n", dir);
        fprintf(cli->out, "  bundle   %s/bundle.pem         what relying parties trust\n", dir);
    }
    return status;
}

// ---- list

static const char *state_of(const struct pki_ca_record *r, int64_t now_s) {
    return r->revoked_at ? "revoked" : r->not_after < now_s ? "expired" : "valid";
}

static void put_time(struct json_writer *w, struct span name, int64_t seconds) {
    char text[CMD_CA_TIME];
    cmd_ca_time(seconds, text);
    json_w_key(w, name);
    json_w_string(w, span_str(text));
}

struct listing {
    struct gw_cli *cli;
    struct json_writer *w; // NULL: for people
    int64_t now_s;
    size_t n;
};

static void list_json(const struct listing *l, const struct pki_ca_record *r) {
    struct json_writer *w = l->w;
    json_w_object(w);
    json_w_key(w, SPAN("serial"));
    json_w_string(w, r->serial);
    json_w_key(w, SPAN("state"));
    json_w_string(w, span_str(state_of(r, l->now_s)));
    json_w_key(w, SPAN("spiffe_id"));
    json_w_string(w, r->spiffe_id);
    json_w_key(w, SPAN("dns"));
    cmd_ca_json_names(w, r->dns);
    json_w_key(w, SPAN("ca"));
    json_w_bool(w, r->ca);
    json_w_key(w, SPAN("from_csr"));
    json_w_bool(w, r->from_csr);
    put_time(w, SPAN("issued_at"), r->issued_at);
    put_time(w, SPAN("not_before"), r->not_before);
    put_time(w, SPAN("not_after"), r->not_after);
    if (r->revoked_at) {
        put_time(w, SPAN("revoked_at"), r->revoked_at);
        json_w_key(w, SPAN("reason"));
        json_w_string(w, span_str(pki_crl_reason_name(r->reason)));
    }
    json_w_end(w);
}

static int list_one(void *ctx, const struct pki_ca_record *r) {
    struct listing *l = ctx;
    char end[CMD_CA_TIME];
    l->n++;
    if (l->w) {
        list_json(l, r);
        return 0;
    }
    const char *state = state_of(r, l->now_s);
    enum gw_cli_style style = r->revoked_at ? GW_STYLE_BAD : *state == 'v' ? GW_STYLE_GOOD : GW_STYLE_DIM;
    cmd_ca_time(r->not_after, end);
    fprintf(l->cli->out, "%.*s  %s%-7s%s  %s  %.*s", SPAN_FMT(r->serial), gw_cli_style(l->cli, style), state,
            gw_cli_style(l->cli, GW_STYLE_PLAIN), end, SPAN_FMT(r->spiffe_id));
    if (r->ca) {
        fprintf(l->cli->out, "  (issuing CA)");
    }
    for (struct span rest = r->dns.n ? r->dns : SPAN_NONE; !span_is_none(rest);) {
        struct span name = span_cut(&rest, '\n');
        fprintf(l->cli->out, "  %.*s", SPAN_FMT(name));
    }
    if (r->revoked_at) {
        fprintf(l->cli->out, "  %s", pki_crl_reason_name(r->reason));
    }
    fputc('\n', l->cli->out);
    return 0;
}

static int run_list(struct gw_cli *cli) {
    struct pki_ca *ca = NULL;
    struct buf b;
    struct json_writer w;
    struct listing l = { .cli = cli, .now_s = cmd_ca_now() };
    unsigned filter = gw_cli_has(cli, "all") ? PKI_CA_ALL : 0;
    filter |= gw_cli_has(cli, "revoked") ? PKI_CA_REVOKED : 0u;
    filter |= gw_cli_has(cli, "expired") ? PKI_CA_EXPIRED : 0u;
    int status = cmd_ca_open(cli, &ca);
    if (status) {
        return status;
    }
    const char *id = gw_cli_get(cli, "spiffe-id");
    buf_init(&b, 0);
    w = json_writer(&b);
    if (cli->json) {
        l.w = &w;
        json_w_array(&w);
    }
    int rc = pki_ca_store_each(pki_ca_store(ca),
                               &(struct pki_ca_query){ .filter = filter ? filter : PKI_CA_VALID,
                                                       .now_s = l.now_s,
                                                       .serial = SPAN_NONE,
                                                       .spiffe_id = id ? span_str(id) : SPAN_NONE },
                               list_one, &l);
    if (rc) {
        status = gw_cli_usage(cli, "%s", pki_ca_store_what(pki_ca_store(ca)));
    } else if (cli->json) {
        json_w_end(&w);
        if (b.failed) {
            status = gw_cli_usage(cli, "out of memory");
        } else {
            cmd_ca_print(cli, &b);
        }
    } else if (l.n == 0) {
        gw_cli_note(cli, "no such certificates");
    }
    buf_fini(&b);
    pki_ca_close(ca);
    return status;
}

// ---- revoke

static int revoke_found(struct gw_cli *cli, struct pki_ca *ca, const struct cmd_ca_found *found, int reason) {
    struct span *serials = arena_array(&cli->arena, found->n, sizeof *serials);
    if (!serials) {
        return gw_cli_usage(cli, "out of memory");
    }
    for (size_t i = 0; i < found->n; i++) {
        serials[i] = found->list[i].serial;
    }
    int rc = pki_ca_revoke(ca, serials, found->n, reason, cmd_ca_now());
    if (rc) {
        return cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", pki_ca_what(ca)) : gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_array(&w);
    for (size_t i = 0; i < found->n; i++) {
        json_w_object(&w);
        json_w_key(&w, SPAN("serial"));
        json_w_string(&w, serials[i]);
        json_w_key(&w, SPAN("spiffe_id"));
        json_w_string(&w, found->list[i].spiffe_id);
        json_w_end(&w);
        if (!cli->json) {
            fprintf(cli->out, "revoked %.*s  %.*s\n", SPAN_FMT(serials[i]), SPAN_FMT(found->list[i].spiffe_id));
        }
    }
    json_w_end(&w);
    if (cli->json) {
        cmd_ca_print(cli, &b);
    } else {
        fprintf(cli->out, "gateways learn it from the next CRL: sallyport ca crl --dir %s --out FILE\n", cmd_ca_dir(cli));
    }
    buf_fini(&b);
    return 0;
}

static int run_revoke(struct gw_cli *cli) {
    struct pki_ca *ca = NULL;
    struct cmd_ca_found found;
    const char *word = gw_cli_get(cli, "reason");
    int reason = word ? pki_crl_reason_parse(span_str(word)) : 0;
    if (reason < 0) {
        size_t unused;
        (void)gw_cli_choice(cli, "reason", pki_crl_reasons, &unused);
        return GW_EXIT_USAGE;
    }
    int status = cmd_ca_open(cli, &ca);
    if (!status && !(status = cmd_ca_find(cli, ca, PKI_CA_VALID, &found))) {
        status = revoke_found(cli, ca, &found, reason);
    }
    pki_ca_close(ca);
    return status;
}

// ---- crl

// Signs the root's CRL too when it is due and the key is within reach. What cannot be done is said, loudly where gateways will refuse.
static int root_crl(struct gw_cli *cli, struct pki_ca *ca, int64_t now_s, struct buf *passphrase, bool *stale) {
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
        gw_cli_note(cli, "warning: the root's CRL (until %s) should be renewed, and the root's key is not here; give it with --root-key", end);
        *stale = true;
        return 0;
    }
    int status = cmd_ca_unlock(cli, ca, PKI_CA_ROOT, file, passphrase);
    if (!status && pki_ca_sign_crl(ca, PKI_CA_ROOT, life_ms / 1000, now_s) != 0) {
        status = gw_cli_usage(cli, "%s", pki_ca_what(ca));
    }
    return status;
}

static int sign_crls(struct gw_cli *cli, struct pki_ca *ca, int64_t life_ms, size_t authority, bool *stale) {
    struct buf passphrase;
    int64_t now_s = cmd_ca_now();
    int status = 0;
    buf_init(&passphrase, 0);
    if (authority != 2) {
        status = cmd_ca_unlock(cli, ca, PKI_CA_ISSUING, NULL, &passphrase);
        int rc = status ? 0 : pki_ca_sign_crl(ca, PKI_CA_ISSUING, life_ms / 1000, now_s);
        if (rc) {
            status = cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", pki_ca_what(ca)) : gw_cli_usage(cli, "%s", pki_ca_what(ca));
        }
    }
    if (!status && authority != 1) {
        status = root_crl(cli, ca, now_s, &passphrase, stale);
    }
    buf_wipe(&passphrase);
    return status;
}

static int run_crl(struct gw_cli *cli) {
    static const char *const formats[] = { "pem", "der", NULL }, *const authorities[] = { "all", "issuing", "root", NULL };
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
        int rc = format ? pki_ca_crl_der(ca, (enum pki_ca_kind)kinds[authority], &out) : pki_ca_crl_pem(ca, kinds[authority], cmd_ca_now(), &out);
        status = rc ? gw_cli_usage(cli, "%s", pki_ca_what(ca)) : cmd_ca_write(cli, gw_cli_get(cli, "out"), buf_span(&out), 0644);
    }
    buf_fini(&out);
    pki_ca_close(ca);
    return !status && stale ? GW_EXIT_NO : status;
}

// ---- bundle

static int run_bundle(struct gw_cli *cli) {
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
    status = rc ? gw_cli_usage(cli, "%s", pki_ca_what(ca)) : cmd_ca_write(cli, gw_cli_get(cli, "out"), buf_span(&out), 0644);
    buf_fini(&out);
    pki_ca_close(ca);
    return status;
}

// ---- the table

static const struct gw_cli_option init_options[] = {
    { .name = "trust-domain", .value = "NAME", .help = "whose workloads it names, like example.org", .required = true },
    { .name = "dir", .value = "DIR", .help = "the folder to make (default: $SALLYPORT_CA_DIR, else ./ca)" },
    { .name = "passphrase-file", .value = "FILE", .help = "encrypts the keys (default: $SALLYPORT_CA_PASSPHRASE_FILE, else asked)" },
    { .name = "no-passphrase", .help = "leaves the keys unencrypted" },
    { .name = "dns-zone", .value = "ZONE", .help = "DNS names only in this zone (default: any)", .repeat = true },
    { .name = "root-ttl", .value = "TIME", .help = "life of the root (default: 3650d)" },
    { .name = "issuing-ttl", .value = "TIME", .help = "life of the issuing CA (default: 730d)" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option list_options[] = {
    CMD_CA_DIR_OPTION,
    { .name = "all", .help = "also what is expired or revoked" },
    { .name = "revoked", .help = "what is revoked" },
    { .name = "expired", .help = "what is expired" },
    { .name = "spiffe-id", .value = "ID", .help = "of this workload only" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option revoke_options[] = {
    CMD_CA_DIR_OPTION,
    { .name = "serial", .value = "HEX", .help = "the certificate with this serial number" },
    { .name = "spiffe-id", .value = "ID", .help = "every valid certificate of this workload" },
    { .name = "cert", .value = "FILE", .help = "the first certificate in this file" },
    { .name = "reason", .value = "WORD", .help = "unspecified, keyCompromise, superseded, cessationOfOperation, ..." },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option crl_options[] = {
    CMD_CA_DIR_OPTION,
    CMD_CA_PASSPHRASE_OPTION,
    { .name = "out", .value = "FILE", .help = "where to write it (default: standard output)" },
    { .name = "next-update", .value = "TIME", .help = "how long it counts (default: 24h)" },
    { .name = "format", .value = "pem|der", .help = "default: pem" },
    { .name = "authority", .value = "all|issuing|root", .help = "whose CRLs (default: all)" },
    { .name = "root-key", .value = "FILE", .help = "the root's key, when it is kept elsewhere; signs the root's CRL" },
    { .name = "root-next-update", .value = "TIME", .help = "how long the root's CRL counts (default: 90d); signs it now" },
    { .name = NULL },
};

static const struct gw_cli_option bundle_options[] = {
    CMD_CA_DIR_OPTION,
    { .name = "out", .value = "FILE", .help = "where to write it (default: standard output)" },
    { .name = "format", .value = "pem|jwks", .help = "certificates, or a SPIFFE bundle (default: pem)" },
    { .name = "refresh-hint", .value = "TIME", .help = "spiffe_refresh_hint of a SPIFFE bundle (default: 5m)" },
    { .name = NULL },
};

static const struct gw_cli_command cmd_init = {
    .name = "init",
    .summary = "Makes a root and an issuing CA for a trust domain.",
    .about = "The folder is made whole or not at all, with mode 0700. Only `renew --issuing` and the root's CRL need root/key.pem\n"
             "again: move it away after init.",
    .options = init_options,
    .run = run_init,
};
static const struct gw_cli_command cmd_list = {
    .name = "list", .summary = "Lists the certificates that were issued; valid ones by default.", .options = list_options, .run = run_list
};
static const struct gw_cli_command cmd_revoke = {
    .name = "revoke",
    .summary = "Revokes certificates.",
    .about = "Verifiers learn of it from a CRL: publish one with `sallyport ca crl` afterwards.",
    .options = revoke_options,
    .run = run_revoke,
};
static const struct gw_cli_command cmd_crl = {
    .name = "crl",
    .summary = "Signs and writes the CRLs of the issuing CA and of the root.",
    .about = "The root's CRL is signed anew when it is past half of its life or lacks a revocation, if the root's key is here or given with\n"
             "--root-key; otherwise the last one is written. Exit status 1: written, but the root's CRL should have been renewed.",
    .options = crl_options,
    .run = run_crl,
};
static const struct gw_cli_command cmd_bundle = {
    .name = "bundle", .summary = "Writes what relying parties trust: the root's certificate.", .options = bundle_options, .run = run_bundle
};

static const struct gw_cli_command *const commands[] = {
    &cmd_init, &cmd_ca_issue, &cmd_ca_sign, &cmd_ca_renew, &cmd_revoke, &cmd_list, &cmd_crl, &cmd_bundle, NULL,
};

extern const struct gw_cli_command gw_cmd_ca;
const struct gw_cli_command gw_cmd_ca = {
    .name = "ca",
    .summary = "The workload CA: issues and revokes the certificates of workloads.",
    .sub = commands,
};
