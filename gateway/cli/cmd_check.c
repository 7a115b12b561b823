// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport check: reads a configuration and everything it names exactly as `run` does, and says what is wrong with it.
#include "gateway/cli/argument.h"
#include "gateway/cli/cmd_check_live.h"
#include "gateway/config/policy_bundle.h"
#include "gateway/config/routing.h"
#include "gateway/config/revoked_source.h"

#define WITHIN_MS 5000 // a question to a server

static void place(struct json_writer *w, struct span name, unsigned v)
{
    json_w_key(w, name);
    if (v)
        json_w_uint(w, v);
    else
        json_w_null(w);
}

static void json_diag(struct json_writer *w, const struct diag *d)
{
    json_w_object(w);
    json_w_key(w, SPAN("severity"));
    json_w_string(w, d->warning ? SPAN("warning") : SPAN("error"));
    json_w_key(w, SPAN("file"));
    json_w_string(w, d->file);
    place(w, SPAN("line"), d->line);
    place(w, SPAN("column"), d->column);
    json_w_key(w, SPAN("text"));
    json_w_string(w, d->text);
    json_w_end(w);
}

// Of the gateway and of the authority; either may be NULL.
struct bundles {
    const char *role;
    struct span file;
    const struct gw_policy_bundle *bundle;
};

static void find_bundles(const struct gw_snapshot *s, struct bundles out[static 2])
{
    out[0] = (struct bundles){ "gateway", s->config->policy.bundle.file.v, s->policy_bundle };
    out[1] = (struct bundles){ "authority", s->config->authority.policy.bundle.file.v, s->authority.policy_bundle };
}

static void bundles_json(struct json_writer *w, const struct gw_snapshot *s)
{
    struct bundles b[2];
    find_bundles(s, b);
    json_w_key(w, SPAN("policy_bundles"));
    json_w_array(w);
    for (size_t i = 0; i < 2; i++) {
        if (!b[i].bundle)
            continue;
        json_w_object(w);
        json_w_key(w, SPAN("role"));
        json_w_string(w, span_str(b[i].role));
        json_w_key(w, SPAN("file"));
        json_w_string(w, b[i].file);
        json_w_key(w, SPAN("version"));
        json_w_uint(w, b[i].bundle->manifest.version);
        json_w_key(w, SPAN("kid"));
        json_w_string(w, b[i].bundle->kid);
        json_w_key(w, SPAN("alg"));
        json_w_string(w, pki_alg_name(b[i].bundle->alg));
        json_w_end(w);
    }
    json_w_end(w);
}

static void bundles_text(struct gw_cli *cli, const struct gw_snapshot *s)
{
    struct bundles b[2];
    find_bundles(s, b);
    for (size_t i = 0; i < 2; i++) {
        if (!b[i].bundle)
            continue;
        fprintf(cli->out, "%.*s: policy bundle of the %s: version %llu, signed by ", SPAN_FMT(b[i].file), b[i].role,
                (unsigned long long)b[i].bundle->manifest.version);
        gw_cli_print(cli->out, b[i].bundle->kid);
        fprintf(cli->out, " (%.*s)\n", SPAN_FMT(pki_alg_name(b[i].bundle->alg)));
    }
}

// `live`: what servers said, as JSON; SPAN_NONE: none was asked.
static int answer_json(struct gw_cli *cli, const struct gw_snapshot *s, bool good, const struct diags *diags,
                       struct span live)
{
    struct buf b;

    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("ok"));
    json_w_bool(&w, good);
    json_w_key(&w, SPAN("errors"));
    json_w_uint(&w, diags->errors);
    json_w_key(&w, SPAN("warnings"));
    json_w_uint(&w, diags->warnings);
    json_w_key(&w, SPAN("diagnostics"));
    json_w_array(&w);
    for (const struct diag *d = diags->first; d; d = d->next)
        json_diag(&w, d);
    json_w_end(&w);
    json_w_key(&w, SPAN("files"));
    json_w_array(&w);
    for (size_t i = 0; s && i < s->n_files; i++)
        json_w_string(&w, span_str(s->files[i]));
    json_w_end(&w);
    if (s)
        bundles_json(&w, s);
    if (!span_is_none(live)) {
        json_w_key(&w, SPAN("live"));
        json_w_raw(&w, live);
    }
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return ok ? 0 : gw_cli_usage(cli, "out of memory");
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

// `s` NULL: there are errors. `asked`: the configuration itself is good.
static void answer_text(struct gw_cli *cli, const char *path, const struct gw_snapshot *s, bool asked,
                        const struct diags *diags)
{
    size_t fetched = 0;
    gw_cli_diags(cli, cli->out, diags);
    for (size_t i = 0; s && i < s->config->issuers_n; i++)
        fetched += s->key_servers[i].n_endpoints > 0;
    if (fetched > 0 && !gw_cli_has(cli, "live"))
        fprintf(cli->out, "%s: the keys of %zu issuer%s are fetched when the gateway runs, and were not looked at\n",
                path, fetched, plural(fetched));
    if (s)
        bundles_text(cli, s);
    if (s && s->connect.config)
        fprintf(cli->out, "%s: %sok%s: connect to %zu gateway%s, tokens from %s, %zu file%s read, %zu warning%s\n",
                path, gw_cli_style(cli, GW_STYLE_GOOD), gw_cli_style(cli, GW_STYLE_PLAIN),
                s->connect.config->gateways_n, plural(s->connect.config->gateways_n),
                s->connect.token.n_endpoints > 0 ? "an endpoint" : "a file", s->n_files, plural(s->n_files),
                diags->warnings, plural(diags->warnings));
    else if (s)
        fprintf(cli->out, "%s: %sok%s: %zu trust domain%s, %zu issuer%s, %zu shard%s, %zu file%s read, %zu warning%s\n",
                path, gw_cli_style(cli, GW_STYLE_GOOD), gw_cli_style(cli, GW_STYLE_PLAIN), s->config->trust_domains_n,
                plural(s->config->trust_domains_n), s->config->issuers_n, plural(s->config->issuers_n), s->n_shards,
                plural(s->n_shards), s->n_files, plural(s->n_files), diags->warnings, plural(diags->warnings));
    else
        fprintf(cli->out, "%s: %s%s%s: %zu error%s, %zu warning%s\n", path, gw_cli_style(cli, GW_STYLE_BAD),
                asked ? "not everything is as it should be" : "not usable", gw_cli_style(cli, GW_STYLE_PLAIN),
                diags->errors, plural(diags->errors), diags->warnings, plural(diags->warnings));
}

// What a gateway that runs with the other configuration would refuse of this one.
static void against(struct gw_cli *cli, const struct gw_config *config, struct diags *diags)
{
    const char *path = gw_cli_get(cli, "against");
    struct gw_config *now = NULL;
    if (path && gw_config_load(path, &now, diags) == 0)
        gw_config_hashes_follow(now, config, diags);
    gw_config_free(now);
}

// Asks the servers; what they say goes to `diags`, and with --json to `out`.
static void ask_servers(struct gw_cli *cli, struct gw_snapshot *s, const struct gw_revocations *r, int64_t within_ms,
                        struct diags *diags, struct buf *out)
{
    struct json_writer w = json_writer(out);
    const struct gw_tls_trust bundles = {
        .trust = s->trust, .revocation = r->certificates, .options = s->verify, .trust_generation = 1
    };
    const struct gw_check_live live = { .cli = cli,
                                        .snapshot = s,
                                        .bundles = &bundles,
                                        .within_ms = within_ms,
                                        .diags = diags,
                                        .w = cli->json ? &w : NULL };
    json_w_object(&w);
    gw_check_shards(&live);
    gw_check_servers(&live);
    json_w_end(&w);
}

static int run(struct gw_cli *cli)
{
    const char *path = gw_cli_get(cli, "config");
    struct diags diags;
    int64_t now_ms;

    int64_t within_ms = WITHIN_MS;
    struct buf answers;
    bool live = gw_cli_has(cli, "live");

    if (!gw_cli_time(cli, "at", &now_ms) || !gw_cli_duration(cli, "within", &within_ms))
        return GW_EXIT_USAGE;
    if (live && gw_cli_has(cli, "at"))
        return gw_cli_usage(cli, "--live is about now: it does not go with --at");
    if (!live && (gw_cli_has(cli, "within") || gw_cli_has(cli, "tenant")))
        return gw_cli_usage(cli, "--within and --tenant go with --live");
    if (within_ms < 1 || (live && gw_tls_process_init() != 0))
        return gw_cli_usage(cli, "--within: a duration of at least a millisecond is wanted");
    diags_init(&diags);
    buf_init(&answers, 0);
    struct gw_snapshot *s = gw_snapshot_load(path, 1, now_ms / 1000, &diags);
    // CRLs belong to the other generation; a gateway starts only with both.
    struct gw_revocations *r = s ? gw_revocations_load(s->config, NULL, 1, now_ms / 1000, &diags) : NULL;
    struct gw_revoked_source *revoked = r ? gw_revoked_source_new(false) : NULL;
    if (revoked)
        gw_revoked_source_look(revoked, s->config, now_ms / 1000, &diags);
    if (s)
        against(cli, s->config, &diags);
    bool good = revoked && diags.errors == 0, readable = good;
    if (live && readable) {
        ask_servers(cli, s, r, within_ms, &diags, &answers);
        good = diags.errors == 0;
    }
    gw_revoked_source_free(revoked);
    gw_revocations_unref(r);
    int rc = good ? GW_EXIT_OK : live && !readable ? GW_EXIT_USAGE : GW_EXIT_NO;
    if (cli->json) {
        int e = answer_json(cli, s, good, &diags, live && readable ? buf_span(&answers) : SPAN_NONE);
        rc = e ? e : rc;
    } else {
        answer_text(cli, path, good ? s : NULL, live && readable, &diags);
    }
    buf_fini(&answers);
    gw_snapshot_unref(s);
    diags_fini(&diags);
    return rc;
}

static const struct gw_cli_option options[] = {
    { .name = "config", .value = "FILE", .help = "the gateway's configuration", .required = true },
    { .name = "against",
      .value = "OLD",
      .help = "the configuration in force: also refuse a hash set that changed without moved_from" },
    { .name = "live",
      .help = "also ask the shards, and the servers of issuers, whether they are as it takes them to be" },
    { .name = "within", .value = "DURATION", .help = "with --live: of each question to a server (5s)" },
    { .name = "tenant",
      .value = "NAME",
      .help = "with --live: a tenant of Chroma, which cannot list them, beside default_tenant and those of routes",
      .repeat = true },
    { .name = "at", .value = "TIME", .help = "as seen at this moment: what will have expired in +30d?" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_check = {
    .name = "check",
    .summary = "validate a configuration with its policies, certificates and keys",
    .about = "Everything the configuration names is read as `run` reads it; nothing is changed, and without --live "
             "nothing is\n"
             "opened to the network. Each fault is one line, `file:line:column: error: what; what to do`.\n"
             "Exit status: 0 it can be served, 1 it cannot; with --live 1 a server is not as it should be, 2 there is "
             "nothing\n"
             "to ask servers by, because the configuration cannot be served.",
    .options = options,
    .run = run,
};
