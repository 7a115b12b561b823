// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy bundle create: reads policies as a gateway does, refuses what a gateway would refuse, and writes one file and its signature.
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/key_file.h"
#include "gateway/config/policy_load.h"
#include "pki/hsm.h"
#include "pki/mint.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>

struct making {
    struct gw_cli *cli;
    struct gw_policy_texts texts;
    struct gw_policy_bundle *again; // whose content it is; NULL: files
    struct gw_config *config;       // may be NULL
    const struct gw_config_policy *policy;
    struct gw_config_policy given; // by arguments
    struct gw_bundle_manifest m;
    struct gw_archive_member *members;
    size_t n;
    int64_t mtime_s;
};

// --------------------------------------------------------------------------------------------------------- reading

static struct gw_config_texts paths(struct gw_cli *cli, const char *const *v, size_t n)
{
    struct gw_config_text *at = arena_array(&cli->arena, n + 1, sizeof *at);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (struct gw_config_text){ .v = span_str(v[i]) };
    return (struct gw_config_texts){ .v = at, .n = at ? n : 0 };
}

static struct gw_config_texts repeated(struct gw_cli *cli, const char *option)
{
    const char **v = arena_array(&cli->arena, cli->n_values + 1, sizeof *v), *value;
    size_t n = 0;
    for (size_t i = 0; v && (value = gw_cli_next(cli, option, &i));)
        v[n++] = value;
    return paths(cli, v, n);
}

static void no_file(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
}

static bool read_files(struct making *k, struct diags *diags)
{
    static const struct gw_config nothing = { .file = { "command line", 12 } };
    struct gw_cli *cli = k->cli;
    const char *config = gw_cli_get(cli, "config"), *entities = gw_cli_get(cli, "entities");
    const struct gw_config *c = &nothing;
    k->policy = &k->given;
    if (config) {
        if (gw_config_load(config, &k->config, diags) != 0)
            return false;
        c = k->config;
        k->policy = gw_cli_has(cli, "authority") ? &c->authority.policy : &c->policy;
        if (!k->policy->present)
            diag_error(diags, span_str(config), 0, 0, "the configuration has no such policies");
        else if (k->policy->bundle.present)
            diag_error(diags, span_str(config), 0, 0,
                       "its policies are in a bundle already: give that as --bundle, to sign its content anew");
        if (diags->errors > 0)
            return false;
    } else {
        k->given = (struct gw_config_policy){
            .present = true,
            .files = paths(cli, cli->args, cli->n_args),
            .entities = { .v = entities ? span_str(entities) : SPAN_NONE },
            .links = repeated(cli, "links"),
            .schema = repeated(cli, "schema"),
            .validate = !gw_cli_has(cli, "no-schema"),
        };
    }
    return gw_policy_files_read(c, k->policy, no_file, NULL, &k->texts, diags);
}

// ----------------------------------------------------------------------------------------------------------- names

// The file's folder as it is, with the file's own name: a link to a file is the file, whatever it points to.
static struct span absolute(struct gw_cli *cli, struct span path)
{
    char folder[PATH_MAX], *copy = strndup(path.p, path.n), *copy2 = strndup(path.p, path.n);
    struct span out = SPAN_NONE;
    if (copy && copy2 && realpath(dirname(copy), folder))
        out = arena_printf(&cli->arena, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, basename(copy2));
    free(copy);
    free(copy2);
    return out;
}

// Names texts by where they stand below the innermost folder that holds them all, so that a bundle is the same wherever it is made.
static bool take(struct making *k, const struct gw_policy_list *list, const char *folder, struct gw_bundle_names *names)
{
    struct gw_cli *cli = k->cli;
    struct span *full = arena_array(&cli->arena, list->n + 1, sizeof *full);
    names->v = arena_array(&cli->arena, list->n + 1, sizeof *names->v);
    size_t common = 0;
    for (size_t i = 0; full && names->v && i < list->n; i++) {
        if (span_is_none(full[i] = absolute(cli, list->v[i].name)))
            return gw_cli_usage(cli, "%.*s: where it is cannot be told", SPAN_FMT(list->v[i].name)), false;
        size_t same = 0, end = i == 0 ? full[0].n : common;
        while (same < end && same < full[i].n && full[i].p[same] == full[0].p[same])
            same++;
        while (same > 0 && full[i].p[same - 1] != '/')
            same--;
        common = same;
    }
    for (size_t i = 0; full && names->v && i < list->n; i++) {
        names->v[i] = arena_printf(&cli->arena, "%s%.*s", folder, SPAN_FMT(span_sub(full[i], common, full[i].n)));
        k->members[k->n++] = (struct gw_archive_member){ names->v[i], list->v[i].text };
    }
    names->n = list->n;
    return !cli->arena.failed || (gw_cli_usage(cli, "out of memory"), false);
}

static bool name_files(struct making *k)
{
    struct gw_policy_texts *t = &k->texts;
    struct gw_bundle_names all;
    size_t n = t->policies.n + t->links.n + t->schemas.n + t->entities.n;
    k->members = arena_array(&k->cli->arena, n + 1, sizeof *k->members);
    k->m.owners = arena_array(&k->cli->arena, t->owners_n + 1, sizeof *k->m.owners);
    if (!k->members || !k->m.owners)
        return gw_cli_usage(k->cli, "out of memory"), false;
    if (!take(k, &t->policies, "", &all) || !take(k, &t->links, "links/", &k->m.links) ||
        !take(k, &t->schemas, "schema/", &k->m.schema))
        return false;
    // Owners' texts stand behind the others (policy_files.h).
    k->m.policies = (struct gw_bundle_names){ all.v, t->owners_n ? t->owners[0].first : all.n };
    for (size_t i = 0; i < t->owners_n; i++)
        k->m.owners[i] = (struct gw_bundle_owner){ .name = t->owners[i].name,
                                                   .scope = k->policy->owners[i].scope.v,
                                                   .files = { all.v + t->owners[i].first, t->owners[i].n } };
    k->m.owners_n = t->owners_n;
    if (t->entities.n == 0)
        return true;
    // JSON by now, whatever it was written in.
    k->m.entities = SPAN("entities.json");
    k->members[k->n++] = (struct gw_archive_member){ k->m.entities, t->entities.v[0].text };
    return true;
}

// The content of a bundle: how one goes back to an older one.
static bool read_again(struct making *k, struct diags *diags)
{
    struct pki_jwks *keys = gw_cli_key_set(k->cli, gw_cli_get(k->cli, "keys"), gw_bundle_algs());
    if (keys)
        k->again = gw_policy_bundle_read(gw_cli_get(k->cli, "bundle"), keys, diags);
    pki_jwks_free(keys);
    if (!k->again || !gw_policy_bundle_texts(k->again, &k->texts, diags))
        return false;
    k->m = k->again->manifest;
    k->members = k->again->members.v + 1;
    k->n = k->again->members.n - 1;
    k->given.validate = !gw_cli_has(k->cli, "no-schema");
    k->policy = &k->given;
    return true;
}

// Whether a gateway would take it.
static bool compiles(struct making *k, struct diags *diags)
{
    enum gw_policy_role role = gw_cli_has(k->cli, "authority") ? GW_POLICY_AUTHORITY : GW_POLICY_GATEWAY;
    struct pol_set *set = gw_policy_texts_compile(&k->texts, role, k->policy->validate, diags);
    pol_set_free(set);
    return set != NULL;
}

// --------------------------------------------------------------------------------------------------------- writing

static bool moment(struct making *k)
{
    char text[CLOCK_TEXT];
    int64_t ms;
    k->m.created = SPAN_NONE;
    if (!gw_cli_has(k->cli, "created"))
        return true;
    if (!gw_cli_time(k->cli, "created", &ms))
        return false;
    if (ms < 0 || ms / 1000 >= 1LL << 33)
        return gw_cli_usage(k->cli, "--created: too early, or too late"), false;
    clock_format(ms, text);
    k->m.created = arena_printf(&k->cli->arena, "%.19sZ", text); // whole seconds
    k->mtime_s = ms / 1000;
    return true;
}

// The signature first: a gateway that looks in between finds it beside the old file, and goes on with what it has.
static int write_out(struct gw_cli *cli, const char *out, struct span archive, struct span signature)
{
    struct span sig = arena_printf(&cli->arena, "%s.sig", out);
    if (span_is_none(sig))
        return gw_cli_usage(cli, "out of memory");
    int rc = file_write(sig.p, signature, 0644);
    if (rc != 0)
        return gw_cli_usage(cli, "%s: %s", sig.p, strerror(-rc));
    rc = file_write(out, archive, 0644);
    return rc == 0 ? 0 : gw_cli_usage(cli, "%s: %s", out, strerror(-rc));
}

static int sign(struct making *k)
{
    struct gw_cli *cli = k->cli;
    struct pki_key *key = NULL;
    struct buf archive, signature;
    const char *why = "", *kid = gw_cli_get(cli, "kid"), *out = gw_cli_get(cli, "out");
    int rc = gw_cli_private_key(cli, gw_cli_get(cli, "key"), gw_cli_get(cli, "passphrase-file"), &key);
    if (rc != 0)
        return rc;
    buf_init(&archive, 0);
    buf_init(&signature, 0);
    int e = gw_policy_bundle_make(&k->m, k->members, k->n, k->mtime_s, key, pki_mint_alg(key),
                                  kid ? span_str(kid) : SPAN_NONE, &cli->arena, &archive, &signature, &why);
    if (e == ERR_CONFIG)
        rc = gw_cli_usage(cli, "%s", why ? why : "out of memory");
    else if (e == ERR_HSM)
        rc = gw_cli_usage(cli, "the key in the PKCS#11 token: %s", pki_hsm_why(key));
    else if (e != 0)
        rc = gw_cli_usage(cli, e == ERR_NOMEM ? "out of memory" : "the key cannot sign a bundle");
    else
        rc = write_out(cli, out, buf_span(&archive), buf_span(&signature));
    if (rc == 0)
        fprintf(cli->out, "%s: version %llu, %zu file%s, %zu bytes; signature in %s.sig\n", out,
                (unsigned long long)k->m.version, k->n, k->n == 1 ? "" : "s", buf_len(&archive), out);
    buf_fini(&archive);
    buf_fini(&signature);
    pki_key_free(key);
    return rc;
}

static bool usable(struct gw_cli *cli)
{
    int ways = (cli->n_args > 0) + gw_cli_has(cli, "config") + gw_cli_has(cli, "bundle");
    bool extra = gw_cli_has(cli, "entities") || gw_cli_has(cli, "links") || gw_cli_has(cli, "schema");
    if (ways != 1)
        return gw_cli_usage(cli, "name the policies in one way: PATH..., --config or --bundle"), false;
    if (extra && cli->n_args == 0)
        return gw_cli_usage(cli, "--entities, --links and --schema go with PATH..."), false;
    if (gw_cli_has(cli, "bundle") != gw_cli_has(cli, "keys"))
        return gw_cli_usage(cli, "--bundle and --keys go together: the signature of the old one is checked"), false;
    return true;
}

static int run(struct gw_cli *cli)
{
    struct making k = { .cli = cli };
    struct diags diags;
    uint64_t version = 0;
    if (!usable(cli) || !gw_cli_uint(cli, "version", GW_BUNDLE_VERSION_MAX, &version))
        return GW_EXIT_USAGE;
    if (version == 0)
        return gw_cli_usage(cli, "versions begin with 1");
    gw_policy_texts_init(&k.texts);
    diags_init(&diags);
    bool bundle = gw_cli_has(cli, "bundle"), read = bundle ? read_again(&k, &diags) : read_files(&k, &diags);
    bool named = read && (bundle || name_files(&k));
    bool good = named && compiles(&k, &diags);
    int rc = !read || !named ? GW_EXIT_USAGE : good ? GW_EXIT_OK : GW_EXIT_NO;
    gw_cli_diags(cli, cli->err, &diags);
    k.m.version = version;
    if (rc == 0)
        rc = moment(&k) ? sign(&k) : GW_EXIT_USAGE;
    else if (rc == GW_EXIT_NO)
        gw_cli_note(cli, "no bundle was made: a gateway would refuse it");
    diags_fini(&diags);
    gw_policy_texts_fini(&k.texts);
    gw_policy_bundle_free(k.again);
    gw_config_free(k.config);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "config", .value = "FILE", .help = "a configuration: the files of its `policy`" },
    { .name = "bundle", .value = "FILE", .help = "the content of this bundle, under the new version" },
    { .name = "keys", .value = "FILE", .help = "with --bundle: a JWK set, who may have signed that one" },
    { .name = "authority", .help = "policies of the authority (with --config: of `authority.policy`)" },
    { .name = "entities", .value = "FILE", .help = "entities: JSON, or YAML by its name" },
    { .name = "links", .value = "FILE", .help = "links of templates: JSON", .repeat = true },
    { .name = "schema", .value = "FILE", .help = "a schema in place of the shipped one", .repeat = true },
    { .name = "no-schema", .help = "do not validate; for gateways with `validate: false`" },
    { .name = "version", .value = "N", .help = "above that of the last one", .required = true },
    { .name = "created", .value = "TIME", .help = "a moment to write into it (default: none)" },
    { .name = "key", .value = "FILE", .help = "the private key: a file or a pkcs11: URI", .required = true },
    { .name = "passphrase-file",
      .value = "FILE",
      .help = "its first line opens the key (default: $SALLYPORT_PASSPHRASE_FILE, else asked)" },
    { .name = "kid", .value = "ID", .help = "what the key is called in the gateways' set (default: its thumbprint)" },
    { .name = "out", .value = "FILE", .help = "the bundle; its signature goes to FILE.sig", .required = true },
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_bundle_create = {
    .name = "create",
    .summary = "check policies, put them into one file and sign it",
    .args = "[PATH...]",
    .min_args = 0,
    .max_args = 4096,
    .about = "PATH is a .cedar file or a folder of them. What a gateway would refuse is not signed. The same files and "
             "version\n"
             "are the same bytes, wherever they are put together. The file is a tar archive.\n"
             "Exit status: 0 done, 1 the policies are not good, 2 something cannot be read or written.",
    .options = options,
    .run = run,
};
