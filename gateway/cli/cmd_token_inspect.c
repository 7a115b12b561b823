// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token inspect: what a token says, which anyone could have written. Nothing is verified here, and the answer says so first.
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "pki/jws.h"
#include "pki/token.h"

struct parts {
    struct json_doc *header, *claims;
    size_t signature; // bytes
};

// ---- taking it apart

static int decode_object(struct gw_cli *cli, struct span segment, const char *which, struct json_doc **out)
{
    struct json_error error = { .what = "" };
    struct span text;

    if (pki_jws_decode(segment, &cli->arena, &text) != 0)
        return gw_cli_usage(cli, "the %s is not base64url", which);
    struct json_doc *doc = json_parse(text, NULL, &error);
    if (!doc)
        return gw_cli_usage(cli, "the %s is not JSON: %s", which, error.what);
    if (json_type(json_root(doc)) != JSON_OBJECT) {
        json_free(doc);
        return gw_cli_usage(cli, "the %s is not a JSON object", which);
    }
    *out = doc;
    return 0;
}

static int take_apart(struct gw_cli *cli, struct span token, struct parts *p)
{
    struct pki_jws jws;
    struct span signature;
    int rc = pki_jws_split(token, PKI_TOKEN_MAX, &jws);

    if (rc == ERR_TOKEN_ENCRYPTED)
        return gw_cli_usage(cli, "the token is encrypted (JWE): only its recipient can read it");
    if (rc != 0 && span_ends(token, SPAN(".")))
        return gw_cli_usage(cli, "not a signed JWT: nothing stands after the last dot");
    if (rc != 0)
        return gw_cli_usage(cli, "not a JWT: a token is three base64url segments with a dot between");
    rc = decode_object(cli, jws.header, "header", &p->header);
    if (rc == 0)
        rc = decode_object(cli, jws.payload, "payload", &p->claims);
    if (rc != 0)
        return rc;
    if (pki_jws_decode(jws.signature, &cli->arena, &signature) != 0)
        return gw_cli_usage(cli, "the signature is not base64url");
    p->signature = signature.n;
    return 0;
}

// ---- for people

// A whole number of seconds; NumericDate may have a fraction.
static bool date(json v, int64_t *s)
{
    double real;

    if (json_i64(v, s))
        return true;
    if (!json_real(v, &real) || !(real > -1e15 && real < 1e15))
        return false;
    *s = (int64_t)real;
    return true;
}

static bool is_date_name(struct span name)
{
    return span_eq(name, SPAN("exp")) || span_eq(name, SPAN("iat")) || span_eq(name, SPAN("nbf")) ||
           span_eq(name, SPAN("auth_time"));
}

static void print_value(struct gw_cli *cli, struct span name, json v, int64_t now_ms)
{
    char moment[GW_CLI_MOMENT];
    struct buf b;
    int64_t s;

    if (json_type(v) == JSON_STRING) {
        gw_cli_print(cli->out, json_string(v));
        return;
    }
    buf_init(&b, 0);
    json_write(&b, v);
    gw_cli_print(cli->out, buf_span(&b));
    buf_fini(&b);
    if (is_date_name(name) && date(v, &s)) {
        gw_cli_moment(s, now_ms, moment);
        fprintf(cli->out, "  %s", moment);
    }
}

static void print_object(struct gw_cli *cli, const char *title, json object, int64_t now_ms)
{
    struct span name;
    json v;

    fprintf(cli->out, "%s%s%s\n", gw_cli_style(cli, GW_STYLE_BOLD), title, gw_cli_style(cli, GW_STYLE_PLAIN));
    for (struct json_iter it = json_iter(object); json_next(&it, &name, &v);) {
        fputs("  ", cli->out);
        gw_cli_print(cli->out, name);
        fprintf(cli->out, "%*s  ", name.n < 10 ? 10 - (int)name.n : 0, "");
        print_value(cli, name, v, now_ms);
        fputc('\n', cli->out);
    }
}

static void print_binding(struct gw_cli *cli, json claims)
{
    json cnf = json_get(claims, SPAN("cnf"));
    bool key = json_type(json_get(cnf, SPAN("jkt"))) == JSON_STRING;
    bool certificate = json_type(json_get(cnf, SPAN("x5t#S256"))) == JSON_STRING;

    if (key || certificate)
        fprintf(cli->out, "bound to %s%s%s\n", key ? "a DPoP key" : "", key && certificate ? " and " : "",
                certificate ? "a certificate" : "");
    else
        fprintf(cli->out, "%snot bound: whoever has it can use it%s\n", gw_cli_style(cli, GW_STYLE_WARN),
                gw_cli_style(cli, GW_STYLE_PLAIN));
}

static void print_expiry(struct gw_cli *cli, json claims, int64_t now_ms)
{
    char words[GW_CLI_WORDS];
    int64_t exp;

    if (!date(json_get(claims, SPAN("exp")), &exp) || exp < 0 || exp > INT64_MAX / 2000) {
        fprintf(cli->out, "does not say when it expires\n");
        return;
    }
    int64_t left = exp * 1000 - now_ms;
    gw_cli_words(left, words);
    if (left > 0)
        fprintf(cli->out, "expires in %s\n", words);
    else
        fprintf(cli->out, "%sexpired %s ago%s\n", gw_cli_style(cli, GW_STYLE_WARN), words,
                gw_cli_style(cli, GW_STYLE_PLAIN));
}

static void print_text(struct gw_cli *cli, const struct parts *p, int64_t now_ms)
{
    json claims = json_root(p->claims);

    fprintf(cli->out, "%snot verified%s: anyone could have written this; `sallyport verify token` checks it\n",
            gw_cli_style(cli, GW_STYLE_WARN), gw_cli_style(cli, GW_STYLE_PLAIN));
    print_object(cli, "header", json_root(p->header), now_ms);
    print_object(cli, "claims", claims, now_ms);
    fprintf(cli->out, "signature of %zu bytes, not verified\n", p->signature);
    print_binding(cli, claims);
    print_expiry(cli, claims, now_ms);
}

// ---- for programs

static int print_json(struct gw_cli *cli, const struct parts *p, int64_t now_ms)
{
    struct buf b;
    int64_t exp;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("verified"));
    json_w_bool(&w, false);
    json_w_key(&w, SPAN("header"));
    json_w_value(&w, json_root(p->header));
    json_w_key(&w, SPAN("claims"));
    json_w_value(&w, json_root(p->claims));
    if (date(json_get(json_root(p->claims), SPAN("exp")), &exp)) {
        json_w_key(&w, SPAN("expires_in"));
        json_w_int(&w, exp - now_ms / 1000);
    }
    json_w_end(&w);
    int rc = b.failed ? gw_cli_usage(cli, "out of memory") : GW_EXIT_OK;
    if (rc == GW_EXIT_OK)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct parts p = { .header = NULL };
    struct span token = gw_cli_text(cli, cli->args[0], PKI_TOKEN_MAX);
    int64_t now_ms = clock_read().wall_ms;

    if (span_is_none(token))
        return GW_EXIT_USAGE;
    int rc = take_apart(cli, token, &p);
    if (rc == 0 && cli->json)
        rc = print_json(cli, &p, now_ms);
    else if (rc == 0)
        print_text(cli, &p, now_ms);
    json_free(p.header);
    json_free(p.claims);
    return rc;
}

static const struct gw_cli_option options[] = { GW_CLI_OPTION_JSON, { .name = NULL } };

const struct gw_cli_command gw_cmd_token_inspect = {
    .name = "inspect",
    .summary = "show what a token says, without verifying it",
    .args = "TOKEN",
    .min_args = 1,
    .max_args = 1,
    .about = "TOKEN is the token itself, @FILE, or - for standard input. Other users of the machine can read the\n"
             "arguments of a command (ps), so prefer @FILE and -. DPoP proofs can be shown as well.",
    .options = options,
    .run = run,
};
