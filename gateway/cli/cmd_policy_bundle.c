// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy bundle: `verify` and the table; cmd_policy_bundle_create.c makes them.
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/config/policy_load.h"

extern const struct gw_cli_command gw_cmd_policy_bundle_create;

static void hex(const uint8_t digest[static 32], char out[static 65])
{
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void number(struct json_writer *w, struct span key, uint64_t v)
{
    json_w_key(w, key);
    json_w_uint(w, v);
}

static void answer_json(struct gw_cli *cli, const struct gw_policy_bundle *b, size_t policies)
{
    char digest[65];
    struct buf out;
    hex(b->digest, digest);
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    json_w_key(&w, SPAN("valid"));
    json_w_bool(&w, true);
    number(&w, SPAN("version"), b->manifest.version);
    json_w_key(&w, SPAN("created"));
    json_w_string(&w, b->manifest.created);
    json_w_key(&w, SPAN("kid"));
    json_w_string(&w, b->kid);
    json_w_key(&w, SPAN("alg"));
    json_w_string(&w, pki_alg_name(b->alg));
    json_w_key(&w, SPAN("sha256"));
    json_w_string(&w, span_str(digest));
    number(&w, SPAN("policy_files"), policies);
    number(&w, SPAN("owners"), b->manifest.owners_n);
    number(&w, SPAN("entities_files"), !span_is_none(b->manifest.entities));
    number(&w, SPAN("links_files"), b->manifest.links.n);
    number(&w, SPAN("schema_files"), b->manifest.schema.n);
    json_w_key(&w, SPAN("members"));
    json_w_array(&w);
    for (size_t i = 0; i < b->members.n; i++) {
        json_w_object(&w);
        json_w_key(&w, SPAN("name"));
        json_w_string(&w, b->members.v[i].name);
        number(&w, SPAN("bytes"), b->members.v[i].content.n);
        json_w_end(&w);
    }
    json_w_end(&w);
    json_w_end(&w);
    fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&out)));
    buf_fini(&out);
}

static void answer_text(struct gw_cli *cli, const char *path, const struct gw_policy_bundle *b, size_t policies)
{
    char digest[65];
    hex(b->digest, digest);
    fprintf(cli->out, "%s: %sgood%s\n", path, gw_cli_style(cli, GW_STYLE_GOOD), gw_cli_style(cli, GW_STYLE_PLAIN));
    fprintf(cli->out, "version    %llu\n", (unsigned long long)b->manifest.version);
    if (!span_is_none(b->manifest.created))
        fprintf(cli->out, "created    %.*s\n", SPAN_FMT(b->manifest.created));
    fputs("signed by  ", cli->out);
    gw_cli_print(cli->out, b->kid);
    fprintf(cli->out, " (%.*s)\n", SPAN_FMT(pki_alg_name(b->alg)));
    fprintf(cli->out, "sha256     %s\n", digest);
    fprintf(cli->out, "holds      policies %zu, entities %d, links %zu, schema %zu; owners %zu\n", policies,
            !span_is_none(b->manifest.entities), b->manifest.links.n, b->manifest.schema.n, b->manifest.owners_n);
    for (size_t i = 0; i < b->members.n; i++)
        fprintf(cli->out, "%10zu  %.*s\n", b->members.v[i].content.n, SPAN_FMT(b->members.v[i].name));
}

// The complaints of a bundle that is not good, as one object.
static void refuse_json(struct gw_cli *cli, const struct diags *diags)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    json_w_object(&w);
    json_w_key(&w, SPAN("valid"));
    json_w_bool(&w, false);
    json_w_key(&w, SPAN("errors"));
    json_w_array(&w);
    for (const struct diag *d = diags->first; d; d = d->next)
        json_w_string(&w, d->text);
    json_w_end(&w);
    json_w_end(&w);
    fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&out)));
    buf_fini(&out);
}

static int run(struct gw_cli *cli)
{
    struct diags diags;
    struct pki_jwks *keys = gw_cli_key_set(cli, gw_cli_get(cli, "keys"), gw_bundle_algs());
    if (!keys)
        return GW_EXIT_USAGE;
    diags_init(&diags);
    struct gw_policy_bundle *b = gw_policy_bundle_read(cli->args[0], keys, &diags);
    size_t policies = b ? b->manifest.policies.n : 0;
    for (size_t i = 0; b && i < b->manifest.owners_n; i++)
        policies += b->manifest.owners[i].files.n;
    if (b && cli->json)
        answer_json(cli, b, policies);
    else if (b)
        answer_text(cli, cli->args[0], b, policies);
    else if (cli->json)
        refuse_json(cli, &diags);
    else
        gw_cli_diags(cli, cli->out, &diags);
    int rc = b ? GW_EXIT_OK : GW_EXIT_NO;
    gw_policy_bundle_free(b);
    pki_jwks_free(keys);
    diags_fini(&diags);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "keys", .value = "FILE", .help = "a JWK set: the public keys that may sign", .required = true },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_command gw_cmd_policy_bundle_verify = {
    .name = "verify",
    .summary = "check the signature of a bundle, and say what is in it",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .about = "The signature is in FILE.sig. Whether the policies are good is for `policy check`; the gateway looks at "
             "both.\n"
             "Exit status: 0 it is good, 1 it is not, 2 the keys cannot be read.",
    .options = options,
    .run = run,
};

static const struct gw_cli_command *const sub[] = {
    &gw_cmd_policy_bundle_create,
    &gw_cmd_policy_bundle_verify,
    NULL,
};

const struct gw_cli_command gw_cmd_policy_bundle = {
    .name = "bundle",
    .summary = "put policies into one signed, versioned file, and check one",
    .sub = sub,
};
