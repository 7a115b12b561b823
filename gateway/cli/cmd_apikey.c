// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport apikey: keys for what can do no better. Here is what its files share: cmd_apikey_create.c, cmd_apikey_list.c.
#include "gateway/cli/cmd_apikey.h"

#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/secret.h"
#include "gateway/cli/argument.h"

#define BUSY_MS 10000

const char *cmd_apikey_file(const struct gw_cli *cli)
{
    const char *file = gw_cli_get(cli, "file"), *env = getenv("SALLYPORT_APIKEYS");
    return file ? file : env && *env ? env : "apikeys.db";
}

int64_t cmd_apikey_now(void)
{
    return clock_read().wall_ms / 1000;
}

void cmd_apikey_time(int64_t seconds, char out[static CMD_APIKEY_TIME])
{
    char text[CLOCK_TEXT];
    clock_format(seconds * 1000, text);
    memcpy(out, text, 19);
    memcpy(out + 19, "Z", 2);
}

int cmd_apikey_fail(struct gw_cli *cli, int rc, struct pki_api_key_store *store)
{
    switch (rc) {
    case ERR_STORE_ABSENT:
    case ERR_STORE_EXISTS:
    case ERR_APIKEY_REVOKED:
    case ERR_APIKEY_EXPIRED: return gw_cli_no(cli, "%s", pki_api_key_store_what(store));
    default:
        return gw_cli_usage(cli, "%s: %s", cmd_apikey_file(cli),
                            rc == ERR_NOMEM ? "out of memory" : pki_api_key_store_what(store));
    }
}

int cmd_apikey_open(struct gw_cli *cli, bool make, struct pki_api_key_store **store)
{
    const char *file = cmd_apikey_file(cli);
    *store = NULL;
    int rc = pki_api_key_store_open(file, BUSY_MS, store);
    if (rc == ERR_STORE_ABSENT && make) {
        pki_api_key_store_close(*store);
        rc = pki_api_key_store_create(file, store);
        if (rc == 0) {
            gw_cli_note(cli, "made the registry %s", file);
        } else if (rc == ERR_STORE_EXISTS) { // somebody was faster
            pki_api_key_store_close(*store);
            rc = pki_api_key_store_open(file, BUSY_MS, store);
        }
    }
    if (rc == ERR_STORE_ABSENT)
        rc = gw_cli_usage(cli, "%s: there is no such registry; sallyport apikey create makes it", file);
    else if (rc != 0)
        rc = gw_cli_usage(cli, "%s", pki_api_key_store_what(*store));
    if (rc != 0) {
        pki_api_key_store_close(*store);
        *store = NULL;
    }
    return rc;
}

void cmd_apikey_make(struct cmd_apikey *k, struct span env)
{
    struct pki_api_key key;
    pki_api_key_make(env, k->text);
    if (pki_api_key_parse(span_str(k->text), &key) != 0)
        abort(); // what we made ourselves has the form
    k->record.id = key.id;
    k->record.env = key.env;
    pki_api_key_hash(span_str(k->text), k->record.hash);
}

void cmd_apikey_wipe(struct cmd_apikey *k)
{
    secret_wipe(k, sizeof *k);
}

const char *cmd_apikey_state(const struct pki_api_key_record *r, int64_t now_s)
{
    if (r->revoked_at != 0)
        return "revoked";
    if (now_s >= r->expires_at)
        return "expired";
    if (now_s < r->not_before)
        return "not yet";
    return r->replaced_by.n > 0 ? "rotated" : "valid";
}

static void put_time(struct json_writer *w, struct span name, int64_t seconds)
{
    char text[CMD_APIKEY_TIME];
    json_w_key(w, name);
    if (seconds == 0) {
        json_w_null(w);
        return;
    }
    cmd_apikey_time(seconds, text);
    json_w_string(w, span_str(text));
}

static void put_text(struct json_writer *w, struct span name, struct span v)
{
    json_w_key(w, name);
    json_w_string(w, v.n > 0 ? v : SPAN_NONE);
}

static void put_words(struct json_writer *w, struct span name, struct span text, char sep)
{
    json_w_key(w, name);
    json_w_array(w);
    for (struct span rest = text, one; !span_is_none(rest);)
        if ((one = span_cut(&rest, sep)).n > 0)
            json_w_string(w, one);
    json_w_end(w);
}

void cmd_apikey_json(struct json_writer *w, const struct pki_api_key_record *r, int64_t now_s)
{
    put_text(w, SPAN("id"), r->id);
    put_text(w, SPAN("env"), r->env);
    put_text(w, SPAN("state"), span_str(cmd_apikey_state(r, now_s)));
    put_text(w, SPAN("workload"), r->owner);
    put_words(w, SPAN("scopes"), r->scopes, ' ');
    put_words(w, SPAN("roles"), r->roles, '\n');
    put_text(w, SPAN("tenant"), r->tenant);
    put_text(w, SPAN("note"), r->note);
    put_time(w, SPAN("created_at"), r->created_at);
    put_time(w, SPAN("not_before"), r->not_before);
    put_time(w, SPAN("expires_at"), r->expires_at);
    put_time(w, SPAN("revoked_at"), r->revoked_at);
    put_time(w, SPAN("last_used"), r->last_used);
    put_text(w, SPAN("replaced_by"), r->replaced_by);
    json_w_key(w, SPAN("quota"));
    if (r->quota == 0) {
        json_w_null(w);
        return;
    }
    bool running = now_s / r->quota_period == r->quota_window;
    json_w_object(w);
    json_w_key(w, SPAN("requests"));
    json_w_uint(w, r->quota);
    json_w_key(w, SPAN("period_seconds"));
    json_w_int(w, r->quota_period);
    json_w_key(w, SPAN("used"));
    json_w_uint(w, running ? r->quota_used : 0);
    json_w_end(w);
}

void cmd_apikey_print(struct gw_cli *cli, const struct buf *b)
{
    fwrite(buf_span(b).p, 1, buf_len(b), cli->out);
    fputc('\n', cli->out);
}

static int tell_json(struct gw_cli *cli, const struct cmd_apikey *k, const struct pki_api_key_record *replaces)
{
    int64_t now_s = cmd_apikey_now();
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer(&b);
    json_w_object(&w);
    put_text(&w, SPAN("key"), span_str(k->text));
    cmd_apikey_json(&w, &k->record, now_s);
    if (replaces) {
        json_w_key(&w, SPAN("replaces"));
        json_w_object(&w);
        cmd_apikey_json(&w, replaces, now_s);
        json_w_end(&w);
    }
    json_w_end(&w);
    bool ok = !b.failed;
    if (ok)
        cmd_apikey_print(cli, &b);
    buf_wipe(&b);
    return ok ? 0 : gw_cli_usage(cli, "out of memory");
}

int cmd_apikey_tell(struct gw_cli *cli, const struct cmd_apikey *k, const struct pki_api_key_record *replaces)
{
    char end[CMD_APIKEY_TIME];
    const struct pki_api_key_record *r = &k->record;
    if (cli->json)
        return tell_json(cli, k, replaces);
    fprintf(cli->out, "%s\n", k->text);
    cmd_apikey_time(r->expires_at, end);
    fprintf(cli->err, "key %.*s until %s for ", SPAN_FMT(r->id), end);
    gw_cli_print(cli->err, r->owner.n > 0 ? r->owner : SPAN("any workload"));
    fputc('\n', cli->err);
    if (replaces) {
        cmd_apikey_time(replaces->expires_at, end);
        fprintf(cli->err, "key %.*s, which it replaces, works until %s\n", SPAN_FMT(replaces->id), end);
    }
    gw_cli_note(cli, "this is the only time the key is shown; the registry keeps its hash");
    return 0;
}

int cmd_apikey_keep(struct arena *a, const struct pki_api_key_record *r, struct pki_api_key_record *out)
{
    *out = *r;
    out->id = arena_dup(a, r->id);
    out->env = arena_dup(a, r->env);
    out->owner = arena_dup(a, r->owner);
    out->scopes = arena_dup(a, r->scopes);
    out->roles = arena_dup(a, r->roles);
    out->tenant = arena_dup(a, r->tenant);
    out->note = arena_dup(a, r->note);
    out->replaced_by = arena_dup(a, r->replaced_by);
    return a->failed ? ERR_NOMEM : 0;
}

struct getting {
    struct arena *arena;
    struct pki_api_key_record *out;
    bool found;
};

static int get_one(void *ctx, const struct pki_api_key_record *r)
{
    struct getting *g = ctx;
    g->found = true;
    return cmd_apikey_keep(g->arena, r, g->out);
}

int cmd_apikey_get(struct gw_cli *cli, struct pki_api_key_store *store, const char *id, struct pki_api_key_record *out)
{
    struct getting g = { &cli->arena, out, false };
    struct pki_api_key key;
    // A whole key on the command line is in the shell's history by now.
    if (pki_api_key_parse(span_str(id), &key) == 0)
        return gw_cli_usage(cli, "that is a whole key; name it by its id, %.*s, and rotate it: it was seen",
                            SPAN_FMT(key.id));
    if (!pki_api_key_id_ok(span_str(id)))
        return gw_cli_usage(cli, "'%s' is no id of an API key; it is the 16 characters in the middle: sp_live_ID_...",
                            strlen(id) <= 32 ? id : "that");
    struct pki_api_key_query query = { .id = span_str(id), .owner = SPAN_NONE };
    int rc = pki_api_key_store_each(store, &query, get_one, &g);
    if (rc != 0)
        return cmd_apikey_fail(cli, rc, store);
    return g.found ? 0 : gw_cli_no(cli, "there is no API key %s", id);
}

// ---- the table

static const struct gw_cli_command *const sub[] = { &cmd_apikey_create, &cmd_apikey_list, &cmd_apikey_rotate,
                                                    &cmd_apikey_revoke, NULL };

extern const struct gw_cli_command gw_cmd_apikey;
const struct gw_cli_command gw_cmd_apikey = {
    .name = "apikey",
    .summary = "API keys for what cannot do better: create, list, rotate, revoke",
    .about = "  sallyport apikey create --workload spiffe://example.org/legacy --scope vectors.read --quota 1000/1h\n"
             "  sallyport apikey list\n"
             "  sallyport apikey rotate 0123456789abcdef --overlap 1h\n"
             "  sallyport apikey revoke 0123456789abcdef\n"
             "\n"
             "A running gateway that has the registry in its configuration learns of every change within a second.",
    .sub = sub,
};
