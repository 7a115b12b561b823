// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport verify proof: a DPoP proof against the request it was sent with. What only a running gateway can know (its nonces, which
// proofs were used) is said not to have been looked at.
#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/report.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/htu.h"
#include "pki/jws.h"
#include "pki/token.h"

// The defaults of the configuration's `dpop:`.
#define WINDOW_MS 60000
#define AHEAD_MS 5000

struct presented {
    struct span proof, nonce;
    struct pki_dpop_params params;
    struct pki_dpop_request request;
    uint8_t ath[PKI_SHA256], jkt[32];
    bool token_unbound; // a token was given, and has no cnf.jkt
};

// ---- reading

// cnf.jkt of a token that nobody verified here: that is `verify token`'s part.
static int read_token(struct gw_cli *cli, struct presented *p)
{
    const char *arg = gw_cli_get(cli, "token");
    struct span token, payload, text;
    struct pki_jws jws;
    size_t n = 0;

    if (!arg)
        return 0;
    if (strcmp(arg, "-") == 0 && strcmp(cli->args[0], "-") == 0)
        return gw_cli_usage(cli, "the proof and the token cannot both come from standard input");
    token = gw_cli_text(cli, arg, PKI_TOKEN_MAX);
    if (span_is_none(token))
        return GW_EXIT_USAGE;
    struct json_doc *doc = NULL;
    if (pki_jws_split(token, PKI_TOKEN_MAX, &jws) == 0 && pki_jws_decode(jws.payload, &cli->arena, &payload) == 0)
        doc = json_parse(payload, NULL, NULL);
    if (!doc)
        return gw_cli_usage(cli, "--token is not a JWT");
    pki_sha256(token, p->ath);
    p->request.ath = p->ath;
    text = json_string(json_get(json_get(json_root(doc), SPAN("cnf")), SPAN("jkt")));
    if (text.n == BASE64URL_ENCODED(32) && base64url_decode(text, p->jkt, &n) && n == 32)
        p->request.jkt = p->jkt;
    p->token_unbound = !p->request.jkt;
    json_free(doc);
    return 0;
}

static int read_all(struct gw_cli *cli, struct presented *p)
{
    const char *url = gw_cli_get(cli, "url");

    *p = (struct presented){
        .proof = SPAN_NONE,
        .nonce = span_str(gw_cli_get(cli, "nonce")),
        .params = { .algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_ES384) | PKI_ALG_BIT(PKI_EDDSA) |
                            PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_PS256),
                    .window_ms = WINDOW_MS,
                    .ahead_ms = AHEAD_MS },
        .request = { .method = span_str(gw_cli_get(cli, "method")),
                     .htu = pki_htu_normalise_dup(&cli->arena, span_str(url)) },
    };
    if (span_is_none(p->request.htu))
        return gw_cli_usage(cli, "--url %s: not an absolute http or https URL", url);
    if (!gw_cli_time(cli, "at", &p->request.now_ms))
        return GW_EXIT_USAGE;
    p->proof = gw_cli_text(cli, cli->args[0], PKI_PROOF_MAX);
    return span_is_none(p->proof) ? GW_EXIT_USAGE : read_token(cli, p);
}

// ---- the checks

// A gateway's nonces cannot be told without its keys: here the proof's is compared with the one the gateway is known to have given.
static int check_nonce(struct gw_cli *cli, const struct presented *p, struct gw_report *r)
{
    static const char none[] = "the proof has no nonce", given[] = "nonce is the one the gateway gave";
    struct pki_jws jws;
    struct span payload;

    if (span_is_none(p->nonce)) {
        gw_report_skip(r, "10", given, "no nonce to compare with (--nonce)");
        return 0;
    }
    if (pki_jws_split(p->proof, PKI_PROOF_MAX, &jws) != 0 || pki_jws_decode(jws.payload, &cli->arena, &payload) != 0)
        return ERR_PROOF_MALFORMED;
    struct json_doc *doc = json_parse(payload, NULL, NULL);
    json claim = json_get(json_root(doc), SPAN("nonce"));
    bool want_none = span_eq(p->nonce, SPAN("none"));
    bool ok = want_none ? claim == NULL : span_eq(json_string(claim), p->nonce);
    json_free(doc);
    gw_report_rule(r, "10", want_none ? none : given, ok, NULL);
    return ok ? 0 : ERR_PROOF_NONCE;
}

static int check(struct gw_cli *cli, const struct presented *p, struct gw_report *r)
{
    const struct pki_trace trace = gw_report_trace(r);
    char jkt[BASE64URL_ENCODED(32)];
    struct pki_proof proof;

    if (p->token_unbound) {
        gw_report_rule(r, "12", "a token with the DPoP scheme has cnf.jkt", false,
                       "the token is not bound to a key, so that a proof adds nothing");
        return ERR_TOKEN_UNBOUND;
    }
    int rc = pki_dpop_verify(&p->params, &p->request, p->proof, NULL, &cli->arena, &trace, &proof);
    if (rc != 0)
        return rc;
    rc = check_nonce(cli, p, r);
    if (!p->request.ath)
        gw_report_skip(r, "12", "ath and the key are those of the access token", "no token was given (--token)");
    if (rc == 0)
        gw_report_skip(r, "16", "the proof was not used before", "only a running gateway knows");
    gw_report_fact(r, "key", span_of(jkt, base64url_encode(span_of(proof.jkt, 32), jkt)));
    gw_report_fact(r, "algorithm", pki_alg_name(proof.alg));
    gw_report_fact(r, "jti", proof.jti);
    gw_report_moment(r, "issued", proof.iat_ms / 1000, p->request.now_ms);
    pki_proof_fini(&proof);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct presented p;
    struct gw_report report;
    int rc = read_all(cli, &p);

    if (rc != 0)
        return rc;
    gw_report_init(&report, cli);
    return gw_report_finish(&report, check(cli, &p, &report));
}

static const struct gw_cli_option options[] = {
    { .name = "method", .value = "M", .help = "the request's method: POST", .required = true },
    { .name = "url", .value = "URL", .help = "the request's URL, as the client sees the gateway", .required = true },
    { .name = "token", .value = "TOKEN", .help = "the access token it was sent with; @FILE, or - for standard input" },
    { .name = "nonce", .value = "NONCE", .help = "the nonce that the gateway gave; `none`: there must not be one" },
    { .name = "at", .value = "TIME", .help = "as seen at this moment: 2026-11-21T23:52:55Z, seconds, -30s" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_verify_proof = {
    .name = "proof",
    .summary = "verify a DPoP proof against the request it was made for",
    .args = "PROOF",
    .min_args = 1,
    .max_args = 1,
    .about =
        "PROOF is the proof itself, @FILE, or - for standard input. iat may be 60 seconds old and 5 ahead; a proof\n"
        "from a record is verified with --at. The token's own signature is `verify token`'s business.",
    .options = options,
    .run = run,
};
