// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport ca list` and `revoke`: what is in the registry, and how a certificate in it is named.
#include "gateway/cli/cmd_ca.h"
#include "pki/crl_make.h"
#include "pki/pem.h"

#define CERTIFICATE_MAX (1 << 20)

// ---- which certificates

struct finding {
    struct gw_cli *cli;
    struct cmd_ca_found found;
    size_t cap;
    bool by_id;
};

static int keep_record(void *ctx, const struct pki_ca_record *r)
{
    struct finding *f = ctx;
    struct arena *a = &f->cli->arena;
    // The issuing CAs carry the trust domain's own ID: nobody who names an ID means them.
    if (r->ca && f->by_id) {
        return 0;
    }
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
static int read_certificate(struct gw_cli *cli, const char *path, struct span *der)
{
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

static int serial_of_file(struct gw_cli *cli, const char *path, struct span *der, char serial[static PKI_SERIAL_TEXT])
{
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
    return pki_serial_parse(span_of(hex, 2 * view.serial.n), serial)
               ? 0
               : gw_cli_no(cli, "%s was not issued by this CA", path);
}

int cmd_ca_find(struct gw_cli *cli, struct pki_ca *ca, unsigned filter, struct cmd_ca_found *out)
{
    const char *serial = gw_cli_get(cli, "serial"), *file = gw_cli_get(cli, "cert"), *id = gw_cli_get(cli, "spiffe-id");
    char text[PKI_SERIAL_TEXT];
    struct span der = SPAN_NONE;
    struct pki_ca_query query = {
        .filter = PKI_CA_ALL, .now_s = cmd_ca_now(), .serial = SPAN_NONE, .spiffe_id = SPAN_NONE
    };
    struct finding f = { .cli = cli, .by_id = id != NULL };
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

// ---- list

static const char *state_of(const struct pki_ca_record *r, int64_t now_s)
{
    return r->revoked_at ? "revoked" : r->not_after < now_s ? "expired" : "valid";
}

static void put_time(struct json_writer *w, struct span name, int64_t seconds)
{
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

static void list_json(const struct listing *l, const struct pki_ca_record *r)
{
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

static int list_one(void *ctx, const struct pki_ca_record *r)
{
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

static int run_list(struct gw_cli *cli)
{
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

static int revoke_found(struct gw_cli *cli, struct pki_ca *ca, const struct cmd_ca_found *found, int reason)
{
    struct span *serials = arena_array(&cli->arena, found->n, sizeof *serials);
    if (!serials) {
        return gw_cli_usage(cli, "out of memory");
    }
    for (size_t i = 0; i < found->n; i++) {
        serials[i] = found->list[i].serial;
    }
    int rc = pki_ca_revoke(ca, serials, found->n, reason, cmd_ca_now());
    if (rc) {
        return cmd_ca_exit(rc) == GW_EXIT_NO ? gw_cli_no(cli, "%s", pki_ca_what(ca))
                                             : gw_cli_usage(cli, "%s", pki_ca_what(ca));
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
        fprintf(cli->out, "gateways learn it from the next CRL: sallyport ca crl --dir %s --out FILE\n",
                cmd_ca_dir(cli));
    }
    buf_fini(&b);
    return 0;
}

static int run_revoke(struct gw_cli *cli)
{
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

// ---- the table

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

const struct gw_cli_command cmd_ca_list = { .name = "list",
                                            .summary =
                                                "Lists the certificates that were issued; valid ones by default.",
                                            .options = list_options,
                                            .run = run_list };
const struct gw_cli_command cmd_ca_revoke = {
    .name = "revoke",
    .summary = "Revokes certificates.",
    .about = "Verifiers learn of it from a CRL: publish one with `sallyport ca crl` afterwards.",
    .options = revoke_options,
    .run = run_revoke,
};
