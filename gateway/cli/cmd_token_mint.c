// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token mint: an RFC 9068 access token from a local issuer key, bound to a DPoP key, a certificate or both.
#include "gateway/base/clock.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "pki/cert.h"
#include "pki/digest.h"
#include "pki/jws.h"
#include "pki/mint.h"
#include "pki/token.h"

#define DEFAULT_TTL_MS (5 * 60 * 1000)

struct minting {
    struct pki_mint m;
    uint8_t jkt[32], x5t[32];
    struct pki_key *issuer_key;
    enum pki_alg alg;
};

// ---- what it says

static struct pki_names names(struct gw_cli *cli, const char *option)
{
    struct span *at = arena_array(&cli->arena, cli->n_values + 1, sizeof *at);
    const char *v;
    size_t n = 0;

    for (size_t i = 0; at && (v = gw_cli_next(cli, option, &i));)
        at[n++] = span_str(v);
    return (struct pki_names){ at, n };
}

static int add_claim(struct gw_cli *cli, const char *claim, struct json_writer *w)
{
    struct span value = span_str(claim), name = span_cut(&value, '=');
    struct json_error error;

    if (name.n == 0 || span_is_none(value))
        return gw_cli_usage(cli, "--claim '%s': write NAME=JSON", claim);
    struct json_doc *doc = json_parse(value, NULL, &error);
    if (!doc)
        return gw_cli_usage(
            cli, "--claim %.*s: the value is not JSON (%s); a string needs its quotes: --claim '%.*s=\"...\"'",
            SPAN_FMT(name), error.what, SPAN_FMT(name));
    json_w_key(w, name);
    json_w_value(w, json_root(doc));
    json_free(doc);
    return 0;
}

static int extra_claims(struct gw_cli *cli, struct pki_mint *m)
{
    struct json_error error;
    struct buf b;
    const char *v;
    int rc = 0;

    buf_init(&b, PKI_TOKEN_MAX);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    for (size_t i = 0; rc == 0 && (v = gw_cli_next(cli, "claim", &i));)
        rc = add_claim(cli, v, &w);
    json_w_end(&w);
    if (rc == 0 && b.failed)
        rc = gw_cli_usage(cli, "the claims make the token longer than %d bytes", PKI_TOKEN_MAX);
    struct json_doc *doc = rc == 0 ? json_parse(buf_span(&b), NULL, &error) : NULL;
    if (rc == 0 && !doc)
        rc = gw_cli_usage(cli, "--claim: %s", error.what);
    if (rc == 0 && json_count(json_root(doc)) > 0)
        m->extra = arena_dup(&cli->arena, buf_span(&b));
    json_free(doc);
    buf_fini(&b);
    return rc;
}

static int workload(struct gw_cli *cli, struct pki_mint *m)
{
    const char *id = gw_cli_get(cli, "workload"), *why = "";
    struct pki_spiffe parsed;

    if (!id)
        return span_is_none(m->subject) ? gw_cli_usage(cli, "--subject S or --workload SPIFFE-ID is required") : 0;
    if (pki_spiffe_parse(span_str(id), &parsed, &why) != 0)
        return gw_cli_usage(cli, "--workload %s: %s", id, why);
    // Gateways read the workload from `sub` unless they are told otherwise.
    if (span_is_none(m->subject)) {
        m->subject = span_str(id);
    } else {
        m->workload_claim = SPAN("workload");
        m->workload = span_str(id);
    }
    return 0;
}

static int claims(struct gw_cli *cli, struct pki_mint *m)
{
    int64_t ttl_ms = DEFAULT_TTL_MS;

    if (!gw_cli_duration(cli, "ttl", &ttl_ms))
        return GW_EXIT_USAGE;
    if (ttl_ms < 1000)
        return gw_cli_usage(cli, "--ttl: a token lives for a second at least");
    *m = (struct pki_mint){
        .iss = span_str(gw_cli_get(cli, "issuer")),
        .subject = span_str(gw_cli_get(cli, "subject")),
        .client_id = span_str(gw_cli_get(cli, "client-id")),
        .audiences = names(cli, "audience"),
        .scope = span_str(gw_cli_get(cli, "scope")),
        .iat_s = clock_read().wall_ms / 1000,
        .lifetime_s = ttl_ms / 1000,
        .roles_claim = SPAN("roles"),
        .groups_claim = SPAN("groups"),
        .roles = names(cli, "role"),
        .groups = names(cli, "group"),
        .tenant = span_str(gw_cli_get(cli, "tenant")),
    };
    // An empty list would still be a claim, and an issuer may not be allowed to make it.
    if (m->roles.n == 0)
        m->roles_claim = SPAN_NONE;
    if (m->groups.n == 0)
        m->groups_claim = SPAN_NONE;
    if (!span_is_none(m->tenant))
        m->tenant_claim = SPAN("tenant");
    int rc = workload(cli, m);
    if (rc == 0 && (m->iss.n == 0 || m->subject.n == 0))
        rc = gw_cli_usage(cli, "--%s is empty", m->iss.n == 0 ? "issuer" : "subject");
    if (span_is_none(m->client_id))
        m->client_id = m->subject;
    return rc == 0 ? extra_claims(cli, m) : rc;
}

// ---- what it is bound to

static int bind_to_key(struct gw_cli *cli, const char *path, struct minting *t)
{
    struct pki_key *key;
    uint8_t own[32];
    int rc = gw_cli_public_key(cli, path, &key);

    if (rc != 0)
        return rc;
    pki_key_thumbprint(key, t->jkt);
    pki_key_thumbprint(t->issuer_key, own);
    // Who can prove that key can also sign tokens: it is not the client's.
    if (memcmp(own, t->jkt, sizeof own) == 0)
        rc = gw_cli_usage(cli, "--dpop-key %s is the issuer's own key; give the client's", path);
    else
        t->m.jkt = t->jkt;
    pki_key_free(key);
    return rc;
}

static int bind_to_certificate(struct gw_cli *cli, const char *path, struct minting *t)
{
    struct pki_cert cert;
    struct span *ders;
    const char *why = "";
    size_t n;
    int rc = gw_cli_certificates(cli, path, &ders, &n);

    if (rc != 0)
        return rc;
    // The first is the leaf; hashing something else would make a token that nobody can use.
    if (pki_cert_parse(ders[0], &cli->arena, &cert, &why) != 0)
        return gw_cli_usage(cli, "%s: not a certificate%s%s", path, why && *why ? ": " : "", why ? why : "");
    memcpy(t->x5t, cert.sha256, sizeof t->x5t);
    t->m.x5t = t->x5t;
    return 0;
}

static int bind_token(struct gw_cli *cli, struct minting *t)
{
    const char *key = gw_cli_get(cli, "dpop-key"), *cert = gw_cli_get(cli, "cert");
    bool unbound = gw_cli_has(cli, "unbound");

    if (unbound && (key || cert))
        return gw_cli_usage(cli, "--unbound and --%s exclude each other", key ? "dpop-key" : "cert");
    if (!unbound && !key && !cert)
        return gw_cli_usage(cli,
                            "whoever steals an unbound token can use it: give --dpop-key or --cert, or say --unbound");
    int rc = key ? bind_to_key(cli, key, t) : 0;
    return rc == 0 && cert ? bind_to_certificate(cli, cert, t) : rc;
}

// ---- the answer

static int answer_json(struct gw_cli *cli, const struct minting *t, struct span token)
{
    struct pki_jws jws;
    struct span payload;
    struct buf b;

    if (pki_jws_split(token, PKI_TOKEN_MAX, &jws) != 0 || pki_jws_decode(jws.payload, &cli->arena, &payload) != 0)
        return gw_cli_usage(cli, "out of memory");
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("access_token"));
    json_w_string(&w, token);
    json_w_key(&w, SPAN("token_type"));
    json_w_string(&w, t->m.jkt ? SPAN("DPoP") : SPAN("Bearer"));
    json_w_key(&w, SPAN("expires_in"));
    json_w_int(&w, t->m.lifetime_s);
    json_w_key(&w, SPAN("claims"));
    json_w_raw(&w, payload);
    json_w_end(&w);
    int rc = b.failed ? gw_cli_usage(cli, "out of memory") : GW_EXIT_OK;
    if (rc == GW_EXIT_OK)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return rc;
}

static int sign(struct gw_cli *cli, const struct minting *t)
{
    struct buf token;

    buf_init(&token, 0);
    int e = pki_mint_token(&t->m, t->issuer_key, PKI_ALG_NONE, &token), rc;
    if (e == ERR_TOKEN_CLAIM)
        rc = gw_cli_usage(cli, "--claim repeats a claim that the token has already, or another option is empty");
    else if (e != 0)
        rc = gw_cli_usage(cli, "the key cannot sign a token: %.*s", SPAN_FMT(err_info(e)->reason));
    else if (buf_len(&token) > PKI_TOKEN_MAX)
        rc = gw_cli_usage(cli, "the token is longer than the %d bytes that a gateway takes", PKI_TOKEN_MAX);
    else if (cli->json)
        rc = answer_json(cli, t, buf_span(&token));
    else
        rc = fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&token))) < 0 ? GW_EXIT_USAGE : GW_EXIT_OK;
    buf_fini(&token);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct minting t = { .issuer_key = NULL };
    int rc = claims(cli, &t.m);

    if (rc == 0)
        rc = gw_cli_private_key(cli, gw_cli_get(cli, "key"), gw_cli_get(cli, "passphrase-file"), &t.issuer_key);
    if (rc == 0)
        rc = bind_token(cli, &t);
    if (rc == 0)
        rc = sign(cli, &t);
    pki_key_free(t.issuer_key);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "key", .value = "FILE", .help = "the issuer's private key: a file or a pkcs11: URI", .required = true },
    { .name = "passphrase-file",
      .value = "FILE",
      .help = "its first line opens the key (default: $SALLYPORT_PASSPHRASE_FILE, else asked)" },
    { .name = "issuer", .value = "URL", .help = "iss, as the gateway's configuration has it", .required = true },
    { .name = "audience", .value = "A", .help = "aud: the gateway's", .repeat = true, .required = true },
    { .name = "subject", .value = "S", .help = "sub; without it the workload's SPIFFE ID" },
    { .name = "workload",
      .value = "SPIFFE-ID",
      .help = "the workload it belongs to: sub, or with --subject the claim `workload`" },
    { .name = "client-id", .value = "C", .help = "client_id; without it the subject" },
    { .name = "scope", .value = "\"S T\"", .help = "scopes, separated by spaces" },
    { .name = "ttl", .value = "DURATION", .help = "how long it lives: 5m (the default), 1h, ..." },
    { .name = "dpop-key",
      .value = "FILE",
      .help = "bind to this key (cnf.jkt): PEM or JWK, public or private, or a set of one" },
    { .name = "cert", .value = "FILE", .help = "bind to this certificate (cnf.x5t#S256): the first of the file" },
    { .name = "unbound", .help = "bind to nothing: whoever has the token can use it" },
    { .name = "role", .value = "R", .help = "in `roles`", .repeat = true },
    { .name = "group", .value = "G", .help = "in `groups`", .repeat = true },
    { .name = "tenant", .value = "T", .help = "`tenant`" },
    { .name = "claim", .value = "NAME=JSON", .help = "another claim: --claim 'level=3'", .repeat = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_token_mint = {
    .name = "mint",
    .summary = "make an access token (RFC 9068) and print it",
    .about = "The token is bound to a DPoP key (RFC 9449), to a certificate (RFC 8705), or to both, so that a thief\n"
             "cannot use it. With --json: access_token, token_type, expires_in and the claims.\n"
             "A gateway reads the workload from `sub`; a token with both --subject and --workload needs\n"
             "`claims: {workload: workload}` in the issuer's configuration.",
    .options = options,
    .run = run,
};
