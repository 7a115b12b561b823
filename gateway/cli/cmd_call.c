// SPDX-License-Identifier: GPL-3.0-or-later
// curl with certificate, token and a fresh proof. The gateway is pinned: by its SPIFFE ID, or by its name.
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/cli/passphrase.h"
#include "gateway/http/target.h"
#include "gateway/http/writer.h"
#include "gateway/net/errand.h"
#include "gateway/tls/engine.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/hsm.h"
#include "pki/spiffe.h"
#include "pki/token.h"

#define PEM_MAX (1u << 20)
#define BODY_MAX (64u << 20)

struct call {
    struct gw_cli *cli;
    // the request
    enum gw_method method;
    struct span authority, path, query, uri; // uri: without the query, for htu
    struct span body;                        // SPAN_NONE: none
    const char *host;
    uint16_t port;
    struct span token, proof, nonce;
    struct pki_key *dpop_key;
    // TLS
    struct pki_trust *trust;
    struct gw_tls_trust tls_trust;
    struct gw_tls_target target;
    struct gw_tls_context *tls;
    // the answer
    bool include, wants_nonce;
    unsigned status;
};

static int read_url(struct call *c, const char *text)
{
    struct span url = span_str(text);
    if (!span_starts(url, SPAN("https://")))
        return gw_cli_usage(c->cli, "%s: the URL must start with https://", text);
    struct span rest = span_sub(url, 8, url.n);
    size_t slash = span_find(rest, '/'), mark = span_find(rest, '?');
    size_t end = slash < mark ? slash : mark;
    struct span target = span_sub(rest, end, rest.n);
    if (gw_authority_normalise(span_sub(rest, 0, end), SPAN("https"), &c->cli->arena, &c->authority) != 0)
        return gw_cli_usage(c->cli, "%s: what follows https:// is not host or host:port", text);
    c->query = target;
    c->path = span_cut(&c->query, '?');
    if (c->path.n == 0)
        c->path = SPAN("/");
    c->uri = arena_printf(&c->cli->arena, "https://%.*s%.*s", SPAN_FMT(c->authority), SPAN_FMT(c->path));
    size_t colon = c->authority.n;
    while (colon > 0 && c->authority.p[colon - 1] != ':' && c->authority.p[colon - 1] != ']')
        colon--;
    uint64_t port = 443;
    struct span host = c->authority;
    if (colon > 0 && c->authority.p[colon - 1] == ':') {
        span_to_u64(span_sub(c->authority, colon, c->authority.n), &port); // the normaliser saw to it
        host = span_sub(c->authority, 0, colon - 1);
    }
    if (host.n > 2 && host.p[0] == '[')
        host = span_sub(host, 1, host.n - 1);
    c->host = arena_dup(&c->cli->arena, host).p;
    c->port = (uint16_t)port;
    return 0;
}

static int read_request(struct call *c)
{
    struct gw_cli *cli = c->cli;
    const char *data = gw_cli_get(cli, "data");
    const char *method = gw_cli_get(cli, "method");
    c->method = gw_method_parse(span_str(method ? method : data ? "POST" : "GET"));
    if (c->method == GW_METHOD_NONE)
        return gw_cli_usage(cli, "--method %s: not a method that is served", method);
    if (data) {
        c->body = data[0] == '@' ? gw_cli_read(cli, data + 1, BODY_MAX) : span_str(data);
        if (span_is_none(c->body))
            return GW_EXIT_USAGE;
    }
    return read_url(c, cli->args[0]);
}

static int read_credentials(struct call *c)
{
    struct gw_cli *cli = c->cli;
    const char *token = gw_cli_get(cli, "token"), *proof = gw_cli_get(cli, "proof"), *key = gw_cli_get(cli, "dpop-key");
    if (token && span_is_none(c->token = gw_cli_text(cli, token, PKI_TOKEN_MAX)))
        return GW_EXIT_USAGE;
    if (proof && span_is_none(c->proof = gw_cli_text(cli, proof, PKI_PROOF_MAX)))
        return GW_EXIT_USAGE;
    if (proof && key)
        return gw_cli_usage(cli, "--proof and --dpop-key exclude each other: a proof is sent as it is, or made fresh");
    return key ? gw_cli_private_key(cli, key, gw_cli_get(cli, "passphrase-file"), &c->dpop_key) : 0;
}

// The PEM of an option's file in the cli's arena; SPAN_NONE without the option, or after the complaint (`*failed`).
static struct span read_pem(struct call *c, const char *option, bool *failed)
{
    const char *path = gw_cli_get(c->cli, option);
    struct span pem = path ? gw_cli_read(c->cli, path, PEM_MAX) : SPAN_NONE;
    *failed = *failed || (path && span_is_none(pem));
    return pem;
}

static int read_tls(struct call *c, int64_t now_s)
{
    struct gw_cli *cli = c->cli;
    const char *spiffe_id = gw_cli_get(cli, "spiffe-id"), *name = gw_cli_get(cli, "server-name"),
               *key = gw_cli_get(cli, "key");
    if (spiffe_id && name)
        return gw_cli_usage(cli, "--spiffe-id and --server-name exclude each other");
    struct pki_spiffe id = { 0 };
    const char *why = NULL;
    if (spiffe_id && pki_spiffe_parse(span_str(spiffe_id), &id, &why) != 0)
        return gw_cli_usage(cli, "--spiffe-id %s: %s", spiffe_id, why);
    bool failed = false;
    struct span ca = read_pem(c, "ca", &failed), cert = read_pem(c, "cert", &failed);
    if (failed)
        return GW_EXIT_USAGE;
    if (!!key != !span_is_none(cert))
        return gw_cli_usage(cli, "--cert and --key go together");
    if (key && pki_hsm_is_uri(span_str(key)))
        return gw_cli_usage(cli, "--key: TLS needs the certificate's key in a file; only --dpop-key may be in a token");
    struct pki_key *private = NULL;
    struct buf key_pem;
    buf_init(&key_pem, 0);
    int rc = key ? gw_cli_private_key(cli, key, gw_cli_get(cli, "passphrase-file"), &private) : 0;
    if (rc == 0 && private && pki_key_write_private(private, SPAN_NONE, &key_pem) != 0)
        rc = gw_cli_usage(cli, "--key %s: this key cannot be used", key);
    pki_key_free(private);
    struct diags diags;
    diags_init(&diags);
    if (rc == 0) {
        c->trust = pki_trust_new();
        // What the gateway is known by decides which kind of CA may vouch for it.
        struct span domain = spiffe_id ? id.trust_domain : PKI_TRUST_SERVERS;
        if (!c->trust || pki_trust_add_pem(c->trust, domain, ca, span_str(gw_cli_get(cli, "ca")), &diags) != 0)
            rc = GW_EXIT_USAGE;
    }
    if (rc == 0) {
        struct gw_tls_config config = {
            .cert_pem = cert,
            .cert_file = span_str(gw_cli_get(cli, "cert")),
            .key_pem = key ? buf_span(&key_pem) : SPAN_NONE,
            .key_file = span_str(key),
        };
        c->tls = gw_tls_context_client(&config, now_s, &diags);
        if (!c->tls)
            rc = GW_EXIT_USAGE;
    }
    gw_cli_diags(cli, cli->err, &diags);
    diags_fini(&diags);
    buf_wipe(&key_pem);
    c->tls_trust = (struct gw_tls_trust){ .trust = c->trust };
    c->target = (struct gw_tls_target){ .spiffe_id = span_str(spiffe_id) };
    if (!spiffe_id)
        c->target.dns = name ? span_str(name) : span_str(c->host);
    return rc;
}

static int make_proof(struct call *c, struct buf *out)
{
    uint8_t ath[PKI_SHA256];
    pki_sha256(c->token, ath);
    return pki_dpop_make(c->dpop_key, PKI_ALG_NONE, gw_method_name(c->method), c->uri,
                         span_is_none(c->token) ? NULL : ath, c->nonce, clock_read().wall_ms / 1000, out);
}

static bool add_header(struct call *c, struct gw_head *h, const char *text)
{
    struct span value = span_str(text), name = span_cut(&value, ':');
    char *lower = arena_alloc(&c->cli->arena, name.n + 1);
    if (span_is_none(value) || !lower || !gw_is_token(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    gw_head_field(h, span_of(lower, name.n), span_trim(value));
    return true;
}

static int write_request(struct call *c, struct buf *out)
{
    struct gw_cli *cli = c->cli;
    struct buf field;
    buf_init(&field, 0);
    struct gw_head h = gw_head_request(out, c->method, c->path, c->query);
    gw_head_field(&h, SPAN("host"), c->authority);
    gw_head_field(&h, SPAN("user-agent"), SPAN("sallyport/" SALLYPORT_VERSION));
    bool typed = false;
    const char *text;
    for (size_t i = 0; (text = gw_cli_next(cli, "header", &i));) {
        if (!add_header(c, &h, text)) {
            buf_fini(&field);
            return gw_cli_usage(cli, "--header '%s': not NAME: VALUE", text);
        }
        typed = typed || span_ieq(span_sub(span_str(text), 0, 13), SPAN("content-type:"));
    }
    if (!span_is_none(c->token)) {
        buf_printf(&field, "%s %.*s", c->dpop_key || !span_is_none(c->proof) ? "DPoP" : "Bearer", SPAN_FMT(c->token));
        gw_head_field(&h, SPAN("authorization"), buf_span(&field));
        buf_clear(&field);
    }
    int rc = 0;
    if (!span_is_none(c->proof)) {
        gw_head_field(&h, SPAN("dpop"), c->proof);
    } else if (c->dpop_key) {
        rc = make_proof(c, &field);
        gw_head_field(&h, SPAN("dpop"), buf_span(&field));
    }
    if (!span_is_none(c->body)) {
        if (!typed)
            gw_head_field(&h, SPAN("content-type"), SPAN("application/json"));
        gw_head_framing(&h, GW_FRAMING_LENGTH, c->body.n);
    }
    gw_head_field(&h, SPAN("connection"), SPAN("close"));
    if (rc == 0)
        rc = gw_head_end(&h);
    if (rc == 0 && !span_is_none(c->body) && !buf_append(out, c->body))
        rc = ERR_NOMEM;
    buf_wipe(&field);
    return rc == 0
               ? 0
               : gw_cli_usage(
                     cli,
                     "the request cannot be written: is there a space or control character in the URL or a header?");
}

static void on_head(void *ctx, const struct gw_response *r)
{
    struct call *c = ctx;
    struct gw_cli *cli = c->cli;
    c->status = r->status;
    struct span nonce = gw_headers_get(&r->headers, GW_FIELD_DPOP_NONCE);
    // RFC 9449 §8 and §9: the server says which nonce it wants, with 400 at a token endpoint and 401 elsewhere; the request is made
    // once more with it.
    c->wants_nonce =
        (r->status == 400 || r->status == 401) && !span_is_none(nonce) && span_is_none(c->nonce) && c->dpop_key;
    if (c->wants_nonce) {
        c->nonce = arena_dup(&cli->arena, nonce);
        return;
    }
    if (!c->include)
        return;
    fprintf(cli->out, "HTTP/1.%u %u %.*s\n", r->minor, r->status, SPAN_FMT(gw_status_reason(r->status)));
    for (size_t i = 0; i < r->headers.n; i++) {
        gw_cli_print(cli->out, r->headers.v[i].name);
        fputs(": ", cli->out);
        gw_cli_print(cli->out, r->headers.v[i].value);
        fputc('\n', cli->out);
    }
    fputc('\n', cli->out);
}

static void on_body(void *ctx, struct span piece)
{
    struct call *c = ctx;
    if (!c->wants_nonce)
        fwrite(piece.p, 1, piece.n, c->cli->out);
}

static int send_once(struct call *c)
{
    struct buf request;
    buf_init(&request, 0);
    int rc = write_request(c, &request);
    if (rc == 0) {
        struct gw_errand e = {
            .host = c->host,
            .port = c->port,
            .tls = c->tls,
            .trust = &c->tls_trust,
            .target = &c->target,
            .request = buf_span(&request),
            .head_request = c->method == GW_METHOD_HEAD,
            .connect_ms = 10000,
            .idle_ms = 60000,
            .on_head = on_head,
            .on_body = on_body,
            .ctx = c,
        };
        int64_t timeout;
        if (gw_cli_has(c->cli, "timeout") && !gw_cli_duration(c->cli, "timeout", &timeout)) {
            rc = GW_EXIT_USAGE;
        } else {
            const char *what = NULL;
            if (gw_cli_has(c->cli, "timeout"))
                e.connect_ms = e.idle_ms = timeout;
            int err = gw_errand_run(&e, &what);
            if (err != 0)
                rc = gw_cli_no(
                    c->cli, "%s:%u: %.*s%s%s", c->host, (unsigned)c->port,
                    SPAN_FMT(err == ERR_SHARD_TLS
                                 ? SPAN("the gateway's TLS identity did not verify, or it refused our certificate")
                             : err == ERR_SHARD_CONNECT ? SPAN("cannot be connected to")
                             : err == ERR_SHARD_TIMEOUT ? SPAN("no answer in time")
                                                        : SPAN("the answer was not whole")),
                    what ? ": " : "", what ? what : "");
        }
    }
    buf_wipe(&request);
    return rc;
}

static int print_proof(struct call *c)
{
    struct buf proof;
    if (!c->dpop_key)
        return gw_cli_usage(c->cli, "--print-proof needs --dpop-key FILE");
    buf_init(&proof, 0);
    int rc = make_proof(c, &proof);
    if (rc == 0)
        fprintf(c->cli->out, "%.*s\n", SPAN_FMT(buf_span(&proof)));
    buf_wipe(&proof);
    return rc == 0 ? 0 : gw_cli_usage(c->cli, "the proof could not be made");
}

static int run(struct gw_cli *cli)
{
    struct call c = { .cli = cli, .include = gw_cli_has(cli, "include") };
    int rc = read_request(&c);
    if (rc == 0)
        rc = read_credentials(&c);
    if (rc == 0 && gw_cli_has(cli, "print-proof")) {
        rc = print_proof(&c);
    } else if (rc == 0) {
        gw_tls_process_init();
        rc = read_tls(&c, clock_read().wall_ms / 1000);
        if (rc == 0)
            rc = send_once(&c);
        if (rc == 0 && c.wants_nonce) {
            c.wants_nonce = false;
            rc = send_once(&c);
        }
        if (rc == 0 && c.status >= 400)
            rc = GW_EXIT_NO;
        gw_tls_context_unref(c.tls);
        pki_trust_free(c.trust);
        gw_tls_process_fini();
    }
    pki_key_free(c.dpop_key);
    return rc;
}

// clang-format off
static const struct gw_cli_option options[] = {
    { .name = "ca", .value = "FILE", .help = "who may vouch for the gateway: CA certificates, PEM", .required = true },
    { .name = "spiffe-id", .value = "ID", .help = "the gateway's SPIFFE ID (default: the URL's host is its name)" },
    { .name = "server-name", .value = "NAME", .help = "the gateway's name, where it is not the URL's host" },
    { .name = "cert", .value = "FILE", .help = "our certificate chain, PEM" },
    { .name = "key", .value = "FILE", .help = "its private key, PEM" },
    { .name = "token", .value = "TOKEN", .help = "access token: itself, @FILE, or - for standard input" },
    { .name = "dpop-key", .value = "FILE", .help = "makes a fresh proof with this private key (a file or a pkcs11: URI)" },
    { .name = "proof", .value = "PROOF", .help = "sends this proof instead: itself, @FILE, or -" },
    { .name = "print-proof", .help = "prints the proof that would be sent, and sends nothing" },
    { .name = "passphrase-file", .value = "FILE", .help = "opens encrypted keys" },
    { .name = "method", .value = "METHOD", .help = "default: GET, or POST with --data" },
    { .name = "data", .value = "TEXT", .help = "the body: itself, @FILE, or @- for standard input; JSON unless --header says otherwise" },
    { .name = "header", .value = "'N: V'", .help = "one more header field", .repeat = true },
    { .name = "include", .help = "prints the answer's head as well" },
    { .name = "timeout", .value = "TIME", .help = "for connecting, and for each wait for bytes (default: 10s, 60s)" },
    { .name = NULL },
};
// clang-format on

const struct gw_cli_command gw_cmd_call = {
    .name = "call",
    .summary = "like curl, with certificate, token and a fresh proof added",
    .args = "URL",
    .min_args = 1,
    .max_args = 1,
    .about = "Sends one request to a gateway and prints the answer's body. A gateway that demands a nonce is answered "
             "with one. A token on the command line "
             "can be read by every user of the machine: prefer @FILE.\n\n"
             "Exit status: 0 for an answer below 400, 1 for a refusal or no answer, 2 for bad usage.",
    .options = options,
    .run = run,
};
