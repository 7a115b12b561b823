// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token keygen: a key pair that signs access tokens (an issuer's) or proofs (a client's), and its public half as a JWK set.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/cli/passphrase.h"
#include "pki/jwks.h"
#include "pki/mint.h"

#define JWKS_MAX (256 * 1024)
#define ALL_ALGS (~PKI_ALG_BIT(PKI_ALG_NONE))

static const char *const type_names[] = { "p256", "p384", "p521", "ed25519", "rsa", NULL };
static const enum pki_key_type types[] = { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_P521, PKI_KEY_ED25519, PKI_KEY_RSA };

struct keygen {
    const char *key_path, *jwks_path;
    struct pki_key *key;
    enum pki_alg alg;
    struct buf passphrase;
    bool encrypted;
    struct buf jwks;
    size_t keys; // in the set
};

// ---- where it goes

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int set_paths(struct gw_cli *cli, struct keygen *k)
{
    const char *out = gw_cli_get(cli, "out"), *jwks = gw_cli_get(cli, "jwks");
    struct span path = span_str(out), key = path, set;

    if (path.n == 0)
        return gw_cli_usage(cli, "--out is empty");
    if (span_ends(path, SPAN("/")) || is_folder(out)) {
        if (mkdir(out, 0700) != 0 && errno != EEXIST)
            return gw_cli_usage(cli, "%s: %s", out, strerror(errno));
        while (path.n > 1 && path.p[path.n - 1] == '/')
            path.n--;
        key = arena_printf(&cli->arena, "%.*s/key.pem", SPAN_FMT(path));
        set = arena_printf(&cli->arena, "%.*s/jwks.json", SPAN_FMT(path));
    } else {
        size_t stem = span_ends(path, SPAN(".pem")) ? path.n - 4 : path.n;
        set = arena_printf(&cli->arena, "%.*s.jwks.json", SPAN_FMT(span_sub(path, 0, stem)));
    }
    if (cli->arena.failed)
        return gw_cli_usage(cli, "out of memory");
    k->key_path = key.p;
    k->jwks_path = jwks ? jwks : set.p;
    if (access(k->key_path, F_OK) == 0)
        return gw_cli_usage(cli, "%s exists; a key is never overwritten, choose another name", k->key_path);
    return 0;
}

// ---- the set

// A set that is there keeps its keys: with the old ones gone, every token they signed would be refused at once.
static int add_old_keys(struct gw_cli *cli, struct keygen *k, struct span old, struct json_writer *w)
{
    struct diags diags;
    struct span name;
    json jwk;
    int rc = 0;

    diags_init(&diags);
    struct pki_jwks *set = pki_jwks_read(old, ALL_ALGS, span_str(k->jwks_path), &diags);
    struct json_doc *doc = set ? json_parse(old, NULL, NULL) : NULL;
    if (!doc) {
        gw_cli_diags(cli, cli->err, &diags);
        rc = gw_cli_usage(cli, "%s is there and is not a set that a key can be added to", k->jwks_path);
    }
    for (struct json_iter it = json_iter(json_get(json_root(doc), SPAN("keys")));
         rc == 0 && json_next(&it, &name, &jwk); k->keys++)
        json_w_value(w, jwk);
    json_free(doc);
    pki_jwks_free(set);
    diags_fini(&diags);
    return rc;
}

static int make_set(struct gw_cli *cli, struct keygen *k)
{
    const struct pki_key *keys[] = { k->key };
    struct json_writer w = json_writer(&k->jwks);
    struct buf old, fresh;
    int rc = 0;

    buf_init(&old, 0);
    buf_init(&fresh, 0);
    int e = file_read(k->jwks_path, JWKS_MAX, &old);
    if (e != 0 && e != -ENOENT)
        rc = gw_cli_usage(cli, "%s: %s", k->jwks_path, strerror(-e));
    json_w_object(&w);
    json_w_key(&w, SPAN("keys"));
    json_w_array(&w);
    if (rc == 0 && e == 0)
        rc = add_old_keys(cli, k, buf_span(&old), &w);
    if (rc == 0) {
        pki_jwks_write(keys, &k->alg, 1, &fresh);
        struct json_doc *doc = json_parse(buf_span(&fresh), NULL, NULL);
        json_w_value(&w, json_at(json_get(json_root(doc), SPAN("keys")), 0));
        json_w_end(&w);
        json_w_end(&w);
        buf_byte(&k->jwks, '\n');
        k->keys++;
        if (!doc || k->jwks.failed)
            rc = gw_cli_usage(cli, "out of memory");
        json_free(doc);
    }
    buf_fini(&fresh);
    buf_fini(&old);
    return rc;
}

// ---- the command

static int read_passphrase(struct gw_cli *cli, struct keygen *k)
{
    const char *file = gw_cli_get(cli, "passphrase-file");

    if (gw_cli_has(cli, "no-passphrase"))
        return file ? gw_cli_usage(cli, "--passphrase-file and --no-passphrase exclude each other") : 0;
    struct gw_passphrase_from from = {
        .file = file, .env = GW_PASSPHRASE_ENV, .prompt = "Passphrase for the new key: ", .confirm = true
    };
    k->encrypted = true;
    return gw_cli_passphrase(cli, &from, &k->passphrase);
}

static int store(struct gw_cli *cli, const struct keygen *k)
{
    int rc = gw_cli_write_key(cli, k->key_path, k->key, k->encrypted ? buf_span(&k->passphrase) : SPAN_NONE);
    int e = rc == 0 ? file_write(k->jwks_path, buf_span(&k->jwks), 0644) : 0;

    if (e != 0) {
        unlink(k->key_path);
        rc = gw_cli_usage(cli, "%s: %s", k->jwks_path, strerror(-e));
    }
    return rc;
}

static int answer(struct gw_cli *cli, const struct keygen *k)
{
    uint8_t thumbprint[32];
    char kid[BASE64URL_ENCODED(32)];

    pki_key_thumbprint(k->key, thumbprint);
    size_t kid_n = base64url_encode(span_of(thumbprint, sizeof thumbprint), kid);
    if (!cli->json) {
        fprintf(cli->out, "private key  %s (%s)\n", k->key_path, k->encrypted ? "encrypted" : "not encrypted");
        fprintf(cli->out, "public keys  %s (%zu key%s)\n", k->jwks_path, k->keys, k->keys == 1 ? "" : "s");
        fprintf(cli->out, "algorithm    %.*s\n", SPAN_FMT(pki_alg_name(k->alg)));
        fprintf(cli->out, "thumbprint   %.*s (the kid; of a DPoP key, the jkt)\n", (int)kid_n, kid);
        return GW_EXIT_OK;
    }
    const struct {
        struct span name, value;
    } members[] = { { SPAN("key"), span_str(k->key_path) },
                    { SPAN("jwks"), span_str(k->jwks_path) },
                    { SPAN("alg"), pki_alg_name(k->alg) },
                    { SPAN("kid"), span_of(kid, kid_n) } };
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_w_key(&w, members[i].name);
        json_w_string(&w, members[i].value);
    }
    json_w_key(&w, SPAN("encrypted"));
    json_w_bool(&w, k->encrypted);
    json_w_end(&w);
    fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return GW_EXIT_OK;
}

static int run(struct gw_cli *cli)
{
    struct keygen k = { .alg = PKI_ALG_NONE };
    size_t type = 0;

    if (!gw_cli_choice(cli, "type", type_names, &type))
        return GW_EXIT_USAGE;
    buf_init(&k.passphrase, 0);
    buf_init(&k.jwks, 0);
    int rc = set_paths(cli, &k);
    if (rc == 0)
        rc = read_passphrase(cli, &k);
    if (rc == 0 && !(k.key = pki_key_generate(types[type], 0)))
        rc = gw_cli_usage(cli, "no key could be made: out of memory or entropy");
    if (rc == 0) {
        k.alg = pki_mint_alg(k.key);
        rc = make_set(cli, &k);
    }
    if (rc == 0)
        rc = store(cli, &k);
    if (rc == 0)
        rc = answer(cli, &k);
    pki_key_free(k.key);
    buf_wipe(&k.passphrase);
    buf_fini(&k.jwks);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "out",
      .value = "DIR|FILE",
      .help = "DIR/ gets key.pem and jwks.json; FILE gets the key",
      .required = true },
    { .name = "type", .value = "TYPE", .help = "p256 (the default), p384, p521, ed25519 or rsa (3,072 bits)" },
    { .name = "jwks", .value = "FILE", .help = "where the public key goes; added to a set that is there" },
    { .name = "passphrase-file",
      .value = "FILE",
      .help = "its first line encrypts the key (default: $SALLYPORT_PASSPHRASE_FILE, else asked)" },
    { .name = "no-passphrase", .help = "do not encrypt the key (a client's key, or where nobody can be asked)" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_token_keygen = {
    .name = "keygen",
    .summary = "make a key that signs tokens (an issuer's) or DPoP proofs (a client's)",
    .about = "The private key is PEM with mode 0600. The JWK set is what the configuration's `jwks:` names, and what\n"
             "`token mint --dpop-key` binds to. A key that is there is never overwritten.",
    .options = options,
    .run = run,
};
