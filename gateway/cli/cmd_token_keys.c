// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport token keys list | rotate: the keys that a token service signs with, in the folder that authority.state names.
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/passphrase.h"
#include "gateway/config/config.h"
#include "pki/signing_keys.h"

#define FILE_NAME "signing-keys.db"
#define SECRET_MAX (64u << 10)

// Where the keys are, in the cli's arena.
struct place {
    const char *path, *passphrase_file;
};

// ---- finding them

static int from_config(struct gw_cli *cli, const char *file, struct place *out)
{
    struct gw_config *c = NULL;
    struct diags diags;
    int status = 0;
    diags_init(&diags);
    if (gw_config_load(file, &c, &diags) != 0) {
        gw_cli_diags(cli, cli->err, &diags);
        status = gw_cli_usage(cli, "%s is not usable", file);
    } else if (!c->authority.present) {
        status = gw_cli_usage(cli, "%s has no 'authority': this gateway issues no tokens", file);
    } else {
        const struct gw_config_authority *a = &c->authority;
        out->path = arena_printf(&cli->arena, "%.*s/" FILE_NAME, SPAN_FMT(a->state.v)).p;
        out->passphrase_file = arena_dup(&cli->arena, a->signing.passphrase_file.v).p;
    }
    gw_config_free(c);
    diags_fini(&diags);
    return status == 0 && cli->arena.failed ? gw_cli_usage(cli, "out of memory") : status;
}

static int find(struct gw_cli *cli, struct place *out)
{
    const char *config = gw_cli_get(cli, "config"), *state = gw_cli_get(cli, "state");
    if (!config == !state)
        return gw_cli_usage(cli, "name the authority by --config FILE or by --state DIR");
    if (config)
        return from_config(cli, config, out);
    out->path = arena_printf(&cli->arena, "%s/" FILE_NAME, state).p;
    return cli->arena.failed ? gw_cli_usage(cli, "out of memory") : 0;
}

// 0, or an exit status after the complaint.
static int open_as(struct gw_cli *cli, const char *path, enum pki_signing_use use, struct span passphrase,
                   struct pki_signing_keys **out)
{
    struct pki_signing_options o = { .path = path, .use = use, .passphrase = passphrase, .pkcs11 = SPAN_NONE };
    struct pki_signing_keys *k = NULL;
    int rc = pki_signing_keys_open(&o, clock_read().wall_ms / 1000, &k);
    if (rc == 0) {
        *out = k;
        return 0;
    }
    if (rc == ERR_STORE_ABSENT)
        gw_cli_usage(cli, "%s: there are no signing keys; the authority makes them at its start", path);
    else
        gw_cli_usage(cli, "%s: %s", path, pki_signing_keys_what(k));
    pki_signing_keys_close(k);
    return GW_EXIT_USAGE;
}

// ---- telling of them

static const char *const states[] = { "next", "active", "retiring", "gone" };

static void put_moment(struct json_writer *w, struct span name, int64_t s)
{
    char text[CLOCK_TEXT];
    json_w_key(w, name);
    if (s == 0) {
        json_w_null(w);
        return;
    }
    clock_format(s * 1000, text);
    text[19] = 'Z'; // without the milliseconds, which it does not have
    json_w_string(w, span_of(text, 20));
}

static void put_keys(struct json_writer *w, const struct pki_signing_keys *keys)
{
    json_w_array(w);
    for (size_t i = 0; i < pki_signing_keys_count(keys); i++) {
        const struct pki_signing_key *k = pki_signing_keys_at(keys, i);
        json_w_object(w);
        json_w_key(w, SPAN("kid"));
        json_w_string(w, k->kid);
        json_w_key(w, SPAN("alg"));
        json_w_string(w, pki_alg_name(k->alg));
        json_w_key(w, SPAN("state"));
        json_w_string(w, span_str(states[k->state]));
        put_moment(w, SPAN("created_at"), k->created_s);
        put_moment(w, SPAN("active_at"), k->active_s);
        put_moment(w, SPAN("retire_at"), k->retire_s);
        put_moment(w, SPAN("gone_at"), k->gone_s);
        json_w_key(w, SPAN("pkcs11"));
        json_w_string(w, k->pkcs11);
        json_w_end(w);
    }
    json_w_end(w);
}

static void print_key(struct gw_cli *cli, const struct pki_signing_key *k, int64_t now_ms)
{
    static const enum gw_cli_style styles[] = { GW_STYLE_WARN, GW_STYLE_GOOD, GW_STYLE_DIM, GW_STYLE_DIM };
    char moment[GW_CLI_MOMENT];
    fprintf(cli->out, "%.*s  %-5.*s  %s%-8s%s  ", SPAN_FMT(k->kid), SPAN_FMT(pki_alg_name(k->alg)),
            gw_cli_style(cli, styles[k->state]), states[k->state], gw_cli_style(cli, GW_STYLE_PLAIN));
    if (k->state == PKI_SIGNING_NEXT && k->active_s == 0) {
        fputs("signs some time after the authority has published it", cli->out);
    } else if (k->state == PKI_SIGNING_NEXT) {
        gw_cli_moment(k->active_s, now_ms, moment);
        fprintf(cli->out, "signs from %s", moment);
    } else if (k->state == PKI_SIGNING_RETIRING) {
        gw_cli_moment(k->gone_s, now_ms, moment);
        fprintf(cli->out, "published until %s", moment);
    } else {
        gw_cli_moment(k->active_s, now_ms, moment);
        fprintf(cli->out, "signs since %.20s", moment);
        if (k->retire_s != 0) {
            gw_cli_moment(k->retire_s, now_ms, moment);
            fprintf(cli->out, ", until %s", moment);
        }
    }
    if (!span_is_none(k->pkcs11)) {
        fputs("; in ", cli->out);
        gw_cli_print(cli->out, k->pkcs11);
    }
    fputc('\n', cli->out);
}

static int print_keys(struct gw_cli *cli, const struct pki_signing_keys *keys)
{
    struct buf b;
    if (!cli->json) {
        int64_t now_ms = clock_read().wall_ms;
        for (size_t i = 0; i < pki_signing_keys_count(keys); i++)
            print_key(cli, pki_signing_keys_at(keys, i), now_ms);
        return 0;
    }
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    put_keys(&w, keys);
    int status = b.failed ? gw_cli_usage(cli, "out of memory") : 0;
    if (status == 0)
        fprintf(cli->out, "%.*s\n", SPAN_FMT(buf_span(&b)));
    buf_fini(&b);
    return status;
}

// ---- list

static int run_list(struct gw_cli *cli)
{
    struct place place = { 0 };
    struct pki_signing_keys *keys = NULL;
    int status = find(cli, &place);
    if (status == 0)
        status = open_as(cli, place.path, PKI_SIGNING_READ, SPAN_NONE, &keys);
    if (status == 0)
        status = print_keys(cli, keys);
    pki_signing_keys_close(keys);
    return status;
}

// ---- rotate

// As the authority reads it.
static int read_configured(struct gw_cli *cli, const char *path, struct buf *out)
{
    int rc = file_read(path, SECRET_MAX, out);
    if (rc != 0)
        return gw_cli_usage(cli, "cannot read the passphrase file %s: %s", path, strerror(-rc));
    while (buf_len(out) > 0 && (out->base[out->end - 1] == '\n' || out->base[out->end - 1] == '\r'))
        out->end--;
    return 0;
}

static int passphrase_for(struct gw_cli *cli, const struct place *place, struct buf *out, bool *needed)
{
    struct pki_signing_keys *keys = NULL;
    int status = open_as(cli, place->path, PKI_SIGNING_READ, SPAN_NONE, &keys);
    if (status != 0)
        return status;
    *needed = span_is_none(pki_signing_keys_active(keys)->pkcs11) || place->passphrase_file ||
              gw_cli_get(cli, "passphrase-file");
    pki_signing_keys_close(keys);
    if (!*needed)
        return 0;
    if (place->passphrase_file)
        return read_configured(cli, place->passphrase_file, out);
    struct gw_passphrase_from from = { .file = gw_cli_get(cli, "passphrase-file"),
                                       .env = "SALLYPORT_PASSPHRASE_FILE",
                                       .prompt = "Passphrase of the signing keys: " };
    return gw_cli_passphrase(cli, &from, out);
}

static void say_what_remains(struct gw_cli *cli, const struct pki_signing_keys *keys)
{
    char moment[GW_CLI_MOMENT];
    int64_t last_s = 0;
    for (size_t i = 0; i < pki_signing_keys_count(keys); i++) {
        const struct pki_signing_key *k = pki_signing_keys_at(keys, i);
        if (k->state == PKI_SIGNING_RETIRING && k->gone_s > last_s)
            last_s = k->gone_s;
    }
    gw_cli_moment(last_s, clock_read().wall_ms, moment);
    gw_cli_note(cli,
                "what the old key signed is good until it expires, and the key is published until %s; with --forget "
                "as well it is not",
                moment);
}

static int run_rotate(struct gw_cli *cli)
{
    struct place place = { 0 };
    struct pki_signing_keys *keys = NULL;
    struct buf passphrase;
    bool needed = false, at_once = gw_cli_has(cli, "now"), forget = gw_cli_has(cli, "forget");
    buf_init(&passphrase, 0);
    int rc, status = find(cli, &place);
    if (status == 0 && forget && !at_once)
        status = gw_cli_usage(cli, "--forget goes with --now");
    if (status == 0 && gw_cli_get(cli, "config") && gw_cli_get(cli, "passphrase-file"))
        status = gw_cli_usage(cli, "--passphrase-file goes with --state; with --config the configuration names it");
    if (status == 0)
        status = passphrase_for(cli, &place, &passphrase, &needed);
    if (status == 0)
        status = open_as(cli, place.path, PKI_SIGNING_TELL, needed ? buf_span(&passphrase) : SPAN_NONE, &keys);
    buf_wipe(&passphrase);
    if (status == 0 && (rc = pki_signing_keys_rotate(keys, at_once, clock_read().wall_ms / 1000)) != 0)
        status = rc == ERR_STORE_EXISTS ? gw_cli_no(cli, "%s", pki_signing_keys_what(keys))
                                        : gw_cli_usage(cli, "%s", pki_signing_keys_what(keys));
    if (status == 0 && forget && pki_signing_keys_forget(keys, clock_read().wall_ms / 1000) != 0)
        status = gw_cli_usage(cli, "rotated, but the old keys are still published: %s", pki_signing_keys_what(keys));
    if (status == 0)
        status = print_keys(cli, keys);
    if (status == 0 && at_once && !forget)
        say_what_remains(cli, keys);
    pki_signing_keys_close(keys);
    return status;
}

// ---- the table

#define OPTION_CONFIG                                                                               \
    {                                                                                               \
        .name = "config", .value = "FILE", .help = "the authority's configuration: authority.state" \
    }
#define OPTION_STATE                                                                              \
    {                                                                                             \
        .name = "state", .value = "DIR", .help = "or the folder itself that the keys are kept in" \
    }

static const struct gw_cli_option list_options[] = {
    OPTION_CONFIG,
    OPTION_STATE,
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option rotate_options[] = {
    OPTION_CONFIG,
    OPTION_STATE,
    { .name = "passphrase-file", .value = "FILE", .help = "with --state: file whose first line is the passphrase" },
    { .name = "now", .help = "the new key signs at once, without having been published before" },
    { .name = "forget", .help = "with --now: the old keys are published no longer, and their tokens end" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_command list = {
    .name = "list",
    .summary = "which keys are published, and which signs",
    .options = list_options,
    .run = run_list,
};

static const struct gw_cli_command rotate = {
    .name = "rotate",
    .summary = "make the next key before its time",
    .about =
        "The authority takes it up within a second. The new key is published first, and signs when everybody\n"
        "can have heard of it; with --now it signs at once, and who keeps the old set meets a key he does not\n"
        "know. Keys rotate by themselves; --now is for one that was lost, --now --forget for one that fell into the\n"
        "wrong hands.",
    .options = rotate_options,
    .run = run_rotate,
};

static const struct gw_cli_command *const sub[] = { &list, &rotate, NULL };

const struct gw_cli_command gw_cmd_token_keys = {
    .name = "keys",
    .summary = "the keys that a token service signs with: list, rotate",
    .sub = sub,
};
