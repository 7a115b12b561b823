// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport verify jws: one compact JWS (RFC 7515) under a key that is given, with the functions that tokens and proofs go through. What it
// says is nobody's business here, so that this answers the one question of a signature apart from all rules about claims.
#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "gateway/base/secret.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/report.h"
#include "pki/jws.h"

#define JWS_MAX (1u << 20)
#define KEYS_MAX (1u << 20)

static const char is_compact[] = "one compact JWS in strict base64url with a JSON header";

struct verifier {
    struct gw_cli *cli;
    struct json_doc *keys; // a JWK, or a set
    enum pki_alg wanted;   // PKI_ALG_NONE: whatever the key is for
    struct span text;
    struct pki_jws jws;
    struct pki_jws_header header;
    struct pki_key *key;
};

// ---- reading

// Keys may be private or symmetric: nothing of the file stays but in `keys`, which `fini` wipes.
static int read_keys(struct verifier *v)
{
    const char *path = gw_cli_get(v->cli, "jwk");
    struct json_error error = { .what = "" };
    struct buf text;

    buf_init(&text, 0);
    int rc = file_read(path, KEYS_MAX, &text);
    if (rc == 0)
        v->keys = json_parse(buf_span(&text), NULL, &error);
    buf_wipe(&text);
    if (rc != 0)
        return gw_cli_usage(v->cli, "%s: %s", path, strerror(-rc));
    if (!v->keys)
        return gw_cli_usage(v->cli, "%s:%u:%u: not JSON: %s", path, error.line, error.column, error.what);
    json root = json_root(v->keys), set = json_get(root, SPAN("keys"));
    if (json_type(root) != JSON_OBJECT || (set && json_type(set) != JSON_ARRAY) ||
        (!set && !json_get(root, SPAN("kty"))))
        return gw_cli_usage(v->cli, "%s: not a JWK, and not a set of them", path);
    return 0;
}

static int read_all(struct verifier *v)
{
    struct gw_cli *cli = v->cli;
    const char *alg = gw_cli_get(cli, "alg"), *in = gw_cli_get(cli, "in");

    if (alg && (v->wanted = pki_alg_parse(span_str(alg))) == PKI_ALG_NONE)
        return gw_cli_usage(cli, "--alg %s: not an algorithm that is served (ES256, EdDSA, PS256, HS256, …)", alg);
    int rc = read_keys(v);
    if (rc != 0)
        return rc;
    v->text = gw_cli_read(cli, in ? in : "-", JWS_MAX);
    if (span_is_none(v->text))
        return GW_EXIT_USAGE;
    v->text = span_trim(v->text);
    return 0;
}

static void wipe_members(json jwk)
{
    static const struct span secrets[] = { { "d", 1 },  { "p", 1 },  { "q", 1 }, { "dp", 2 },
                                           { "dq", 2 }, { "qi", 2 }, { "k", 1 } };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct span s = json_string(json_get(jwk, secrets[i]));
        secret_wipe((void *)(uintptr_t)s.p, s.n);
    }
}

static void fini(struct verifier *v)
{
    json root = v->keys ? json_root(v->keys) : NULL, jwk;
    struct span name;

    wipe_members(root);
    for (struct json_iter it = json_iter(json_get(root, SPAN("keys"))); json_next(&it, &name, &jwk);)
        wipe_members(jwk);
    json_free(v->keys);
    pki_key_free(v->key);
    pki_jws_header_fini(&v->header);
}

// ---- the checks

static int hold(struct gw_report *r, bool ok, int error, const char *rule, const char *what, const char *detail)
{
    gw_report_rule(r, rule, what, ok, ok ? NULL : detail);
    return ok ? 0 : error;
}

static int check_header(struct verifier *v, struct gw_report *r)
{
    int rc = pki_jws_split(v->text, JWS_MAX, &v->jws);
    const char *why = rc == ERR_TOKEN_ENCRYPTED                               ? "five segments: encrypted (JWE)"
                      : rc != 0 && span_starts(v->text, SPAN("{"))            ? "a JSON serialisation"
                      : rc != 0 && span_ends(v->text, SPAN("."))              ? "nothing stands after the last dot"
                      : rc != 0                                               ? "not three segments with a dot between"
                      : (rc = pki_jws_header_read(v->jws.header, &v->header)) ? "the header cannot be read"
                                                                              : NULL;
    if (rc == ERR_NOMEM)
        return rc;
    if (hold(r, rc == 0 || rc == ERR_TOKEN_CRIT, rc, "26", is_compact, why) != 0)
        return rc;
    rc = hold(r, rc == 0, rc, "23", "no critical header parameter that is not understood", NULL);
    if (rc == 0 && v->header.brings_key)
        gw_report_skip(r, "23", "the key that the header brings (jwk, jku, x5u, x5c)", "the key is the one of --jwk");
    if (rc == 0)
        rc = hold(r, v->header.alg != PKI_ALG_NONE, ERR_TOKEN_ALG, "21", "alg is known, and not none", NULL);
    if (rc == 0 && v->wanted != PKI_ALG_NONE)
        rc = hold(r, v->header.alg == v->wanted, ERR_TOKEN_ALG, "21", "alg is the one of --alg",
                  pki_alg_name(v->header.alg).p);
    return rc;
}

// `use`, `key_ops` and `alg` say what a key is for (RFC 7517 §4.2–4.4).
static bool is_for(json jwk, enum pki_alg alg)
{
    json use = json_get(jwk, SPAN("use")), ops = json_get(jwk, SPAN("key_ops")), own = json_get(jwk, SPAN("alg")), op;
    bool verifies = !ops;
    struct span name;

    for (struct json_iter it = json_iter(ops); json_next(&it, &name, &op);)
        verifies = verifies || span_eq(json_string(op), SPAN("verify"));
    return verifies && (!use || span_eq(json_string(use), SPAN("sig"))) &&
           (!own || span_eq(json_string(own), pki_alg_name(alg)));
}

static bool fits(json jwk, enum pki_alg alg)
{
    struct pki_key *key;
    bool ok = is_for(jwk, alg) && pki_key_from_jwk(jwk, false, &key, NULL) == 0;
    if (!ok)
        return false;
    ok = (pki_key_algs(key) & PKI_ALG_BIT(alg)) != 0;
    pki_key_free(key);
    return ok;
}

// Of a set the one key with the header's kid, or without a kid the only one of the alg: as the gateway finds an issuer's key.
static json choose(const struct verifier *v)
{
    json set = json_get(json_root(v->keys), SPAN("keys")), jwk, found = NULL;
    struct span name;

    if (!set)
        return json_root(v->keys);
    for (struct json_iter it = json_iter(set); json_next(&it, &name, &jwk);) {
        bool named = span_is_none(v->header.kid) ||
                     (json_get(jwk, SPAN("kid")) && span_eq(json_string(json_get(jwk, SPAN("kid"))), v->header.kid));
        if (!named || !fits(jwk, v->header.alg))
            continue;
        if (found)
            return NULL;
        found = jwk;
    }
    return found;
}

static int check_key(struct verifier *v, struct gw_report *r)
{
    enum pki_alg alg = v->header.alg;
    json jwk = choose(v);
    const char *what = NULL;

    int rc = hold(r, jwk != NULL, ERR_TOKEN_KEY, "21", "one key has this kid and this alg", "none, or more than one");
    if (rc != 0)
        return rc;
    rc = pki_key_from_jwk(jwk, false, &v->key, &what);
    if (rc == ERR_NOMEM)
        return rc;
    rc = hold(r, rc == 0, ERR_TOKEN_KEY, "22", "the key is sound", what);
    if (rc == 0)
        rc = hold(r, (pki_key_algs(v->key) & PKI_ALG_BIT(alg)) != 0, ERR_TOKEN_ALG, "21",
                  "alg is of the key's kind and size", pki_alg_name(alg).p);
    if (rc == 0)
        rc = hold(r, is_for(jwk, alg), ERR_TOKEN_ALG, "21",
                  "the key is for signatures with this alg (use, key_ops, alg)", NULL);
    return rc;
}

static void report_facts(const struct verifier *v, struct span payload, struct gw_report *r)
{
    char text[BASE64URL_ENCODED(32)], size[32];
    uint8_t thumbprint[32];

    gw_report_fact(r, "algorithm", pki_alg_name(v->header.alg));
    gw_report_fact(r, "typ", v->header.typ);
    gw_report_fact(r, "kid", v->header.kid);
    if (pki_key_type(v->key) != PKI_KEY_SYMMETRIC) { // else it is a hash of the secret
        pki_key_thumbprint(v->key, thumbprint);
        gw_report_fact(r, "key", span_of(text, base64url_encode(span_of(thumbprint, sizeof thumbprint), text)));
    }
    snprintf(size, sizeof size, "%zu bytes", payload.n);
    gw_report_fact(r, "payload", span_str(size));
}

static int check(struct verifier *v, struct gw_report *r)
{
    struct span payload = SPAN_NONE;
    int rc = check_header(v, r);

    if (rc == 0)
        rc = check_key(v, r);
    if (rc != 0)
        return rc;
    rc = pki_jws_decode(v->jws.payload, &v->cli->arena, &payload);
    if (rc != ERR_NOMEM)
        rc = hold(r, rc == 0, rc, "26", "the payload is strict base64url", NULL);
    if (rc == 0)
        rc = pki_jws_verify(&v->jws, v->key, v->header.alg);
    else
        return rc;
    if (rc == ERR_NOMEM)
        return rc;
    rc = hold(r, rc == 0, rc, rc == ERR_TOKEN_MALFORMED ? "26" : "22",
              rc == ERR_TOKEN_MALFORMED ? "the signature is strict base64url" : "the signature verifies with that key",
              NULL);
    if (rc == 0)
        report_facts(v, payload, r);
    return rc;
}

static int run(struct gw_cli *cli)
{
    struct verifier v = { .cli = cli, .wanted = PKI_ALG_NONE };
    struct gw_report report;
    int rc = read_all(&v);

    if (rc == 0) {
        gw_report_init(&report, cli);
        rc = gw_report_finish(&report, check(&v, &report));
    }
    fini(&v);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "jwk", .value = "FILE", .help = "the key: a JWK, or a set of them", .required = true },
    { .name = "alg", .value = "A", .help = "what alg must be; without it, what the key is for" },
    { .name = "in", .value = "FILE", .help = "the JWS (standard input)" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_verify_jws = {
    .name = "jws",
    .summary = "verify the signature of a compact JWS, whatever it says",
    .about = "The key may be public, private or symmetric (kty oct, for HS256, HS384 and HS512); of a set it is the "
             "one with the\n"
             "header's kid. A key in the header is not used. Claims are not looked at: for an access token and a DPoP "
             "proof\n"
             "there are `verify token` and `verify proof`.",
    .options = options,
    .run = run,
};
