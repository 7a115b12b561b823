// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport apikey create` and `rotate`: what ends with a new key, shown once, after it is in the registry.
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/cmd_apikey.h"
#include "pki/spiffe.h"

#define TTL_DEFAULT_S (90 * 86400)
#define TTL_MOST_MS (INT64_C(731) * 86400 * 1000)
#define OVERLAP_DEFAULT_MS (INT64_C(3600) * 1000)
#define QUOTA_MOST 1000000000
#define TEXT_MOST 256

// ---- what the options say

// RFC 6749 §3.3, as in the gateway's configuration.
static bool is_scope(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0 && s.n <= TEXT_MOST;
}

// One line of UTF-8 without controls.
static bool is_line(struct span s)
{
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = span_utf8(s, i)) == 0 || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= TEXT_MOST;
}

// The values of a repeated option with `sep` between them.
static int join(struct gw_cli *cli, const char *name, char sep, bool (*ok)(struct span), struct span *out)
{
    struct buf all;
    const char *value;
    buf_init(&all, 0);
    for (size_t i = 0; (value = gw_cli_next(cli, name, &i));) {
        // "--scope 'a b'" is two scopes, as a token has them.
        for (struct span rest = span_str(value), one; !span_is_none(rest);) {
            one = sep == ' ' ? span_cut(&rest, ' ') : rest;
            rest = sep == ' ' ? rest : SPAN_NONE;
            if (!ok(one)) {
                buf_fini(&all);
                return gw_cli_usage(cli, "--%s: that is no %s; at most %d printable characters are expected", name,
                                    name, TEXT_MOST);
            }
            if (buf_len(&all) > 0)
                buf_byte(&all, sep);
            buf_append(&all, one);
        }
    }
    *out = arena_dup(&cli->arena, buf_span(&all));
    bool failed = all.failed || span_is_none(*out);
    buf_fini(&all);
    return failed ? gw_cli_usage(cli, "out of memory") : 0;
}

static int read_owner(struct gw_cli *cli, struct pki_api_key_record *r)
{
    const char *id = gw_cli_get(cli, "workload"), *why = "";
    struct pki_spiffe parsed;
    if (!!id == gw_cli_has(cli, "any-workload"))
        return gw_cli_usage(cli, id ? "--workload and --any-workload exclude each other"
                                    : "whose key is it? --workload SPIFFE-ID; or, if there is no way around it, "
                                      "--any-workload");
    if (id && pki_spiffe_parse_workload(span_str(id), &parsed, &why) != 0)
        return gw_cli_usage(cli, "--workload: '%s' is no SPIFFE ID of a workload: %s", id, why);
    r->owner = id ? span_str(id) : SPAN("");
    return 0;
}

// "1000/1h"
static int read_quota(struct gw_cli *cli, struct pki_api_key_record *r)
{
    const char *text = gw_cli_get(cli, "quota");
    int64_t ms;
    if (!text)
        return 0;
    struct span rest = span_str(text), number = span_cut(&rest, '/');
    if (!span_to_u64(number, &r->quota) || r->quota == 0 || r->quota > QUOTA_MOST || span_is_none(rest) ||
        !clock_parse_duration(rest, &ms) || ms < 1000 || ms % 1000 != 0 || ms > TTL_MOST_MS)
        return gw_cli_usage(cli, "--quota: '%s' is no quota; write requests/time, such as 1000/1h", text);
    r->quota_period = ms / 1000;
    return 0;
}

// `*ttl_s` stays when it is not given.
static int read_ttl(struct gw_cli *cli, int64_t *ttl_s)
{
    int64_t ms = *ttl_s * 1000;
    if (!gw_cli_duration(cli, "ttl", &ms))
        return GW_EXIT_USAGE;
    if (ms < 1000 || ms > TTL_MOST_MS)
        return gw_cli_usage(cli, "--ttl: between 1s and 731d is expected; a key that should last longer is rotated");
    *ttl_s = ms / 1000;
    return 0;
}

static int read_times(struct gw_cli *cli, struct pki_api_key_record *r)
{
    int64_t now_s = cmd_apikey_now(), ttl_s = TTL_DEFAULT_S, from_ms = now_s * 1000;
    if (gw_cli_has(cli, "not-before") && !gw_cli_time(cli, "not-before", &from_ms))
        return GW_EXIT_USAGE;
    int status = read_ttl(cli, &ttl_s);
    if (status != 0)
        return status;
    r->created_at = now_s;
    r->not_before = from_ms / 1000 > now_s ? from_ms / 1000 : now_s;
    r->expires_at = r->not_before + ttl_s;
    return 0;
}

static int read_record(struct gw_cli *cli, struct pki_api_key_record *r)
{
    const char *tenant = gw_cli_get(cli, "tenant"), *note = gw_cli_get(cli, "note");
    int status = read_owner(cli, r);
    if (status == 0)
        status = read_quota(cli, r);
    if (status == 0)
        status = read_times(cli, r);
    if (status == 0)
        status = join(cli, "scope", ' ', is_scope, &r->scopes);
    if (status == 0)
        status = join(cli, "role", '\n', is_line, &r->roles);
    if (status != 0)
        return status;
    r->tenant = span_str(tenant ? tenant : "");
    r->note = span_str(note ? note : "");
    r->replaced_by = SPAN("");
    if (tenant && !is_line(r->tenant))
        return gw_cli_usage(cli, "--tenant: one line of at most %d characters is expected", TEXT_MOST);
    if (note && !is_line(r->note))
        return gw_cli_usage(cli, "--note: one line of at most %d characters is expected", TEXT_MOST);
    return 0;
}

// ---- create

static int run_create(struct gw_cli *cli)
{
    const char *env = gw_cli_get(cli, "env");
    struct cmd_apikey key = { .record = { .quota = 0 } };
    struct pki_api_key_store *store;
    if (env && !pki_api_key_env_ok(span_str(env)))
        return gw_cli_usage(cli, "--env: 1 to %d of a-z and 0-9 are expected", PKI_API_KEY_ENV_MAX);
    int status = read_record(cli, &key.record);
    if (status == 0)
        status = cmd_apikey_open(cli, true, &store);
    if (status != 0)
        return status;
    cmd_apikey_make(&key, span_str(env ? env : "live"));
    int rc = pki_api_key_store_add(store, &key.record);
    status = rc != 0 ? cmd_apikey_fail(cli, rc, store) : cmd_apikey_tell(cli, &key, NULL);
    if (status == 0 && key.record.scopes.n == 0)
        gw_cli_note(cli, "it has no --scope: it is good for nothing unless the gateway's api_keys.scopes is none");
    cmd_apikey_wipe(&key);
    pki_api_key_store_close(store);
    return status;
}

// ---- rotate

static int rotate(struct gw_cli *cli, struct pki_api_key_store *store, int64_t overlap_s)
{
    struct pki_api_key_record old;
    int64_t now_s = cmd_apikey_now();
    int status = cmd_apikey_get(cli, store, cli->args[0], &old);
    if (status != 0)
        return status;
    // As long again as the old one was meant to be.
    int64_t ttl_s = old.expires_at - old.not_before;
    if ((status = read_ttl(cli, &ttl_s)) != 0)
        return status;
    struct cmd_apikey key = { .record = old };
    key.record.created_at = key.record.not_before = now_s;
    key.record.expires_at = now_s + ttl_s;
    key.record.revoked_at = key.record.last_used = key.record.quota_window = 0;
    key.record.quota_used = 0;
    key.record.replaced_by = SPAN("");
    cmd_apikey_make(&key, old.env);
    int rc = pki_api_key_store_rotate(store, old.id, &key.record, now_s + overlap_s, now_s);
    old.replaced_by = key.record.id;
    if (old.expires_at > now_s + overlap_s)
        old.expires_at = now_s + overlap_s;
    status = rc != 0 ? cmd_apikey_fail(cli, rc, store) : cmd_apikey_tell(cli, &key, &old);
    cmd_apikey_wipe(&key);
    return status;
}

static int run_rotate(struct gw_cli *cli)
{
    struct pki_api_key_store *store;
    int64_t overlap_ms = OVERLAP_DEFAULT_MS;
    if (!gw_cli_duration(cli, "overlap", &overlap_ms))
        return GW_EXIT_USAGE;
    if (overlap_ms > TTL_MOST_MS)
        return gw_cli_usage(cli, "--overlap: at most 731d is expected");
    int status = cmd_apikey_open(cli, false, &store);
    if (status != 0)
        return status;
    status = rotate(cli, store, overlap_ms / 1000);
    pki_api_key_store_close(store);
    return status;
}

// ---- the table

static const struct gw_cli_option create_options[] = {
    CMD_APIKEY_FILE_OPTION,
    { .name = "workload",
      .value = "SPIFFE-ID",
      .help = "whose key it is: good under this workload's certificate only" },
    { .name = "any-workload", .help = "good under any certificate, where the gateway says api_keys.workload: any" },
    { .name = "scope", .value = "SCOPE", .help = "what it may do, as api_keys.scopes has it", .repeat = true },
    { .name = "role", .value = "ROLE", .help = "a role it has in policies", .repeat = true },
    { .name = "tenant", .value = "TENANT", .help = "the tenant it is for" },
    { .name = "ttl", .value = "TIME", .help = "how long it is good (default: 90d, at most 731d)" },
    { .name = "not-before", .value = "TIME", .help = "good from then on (default: now)" },
    { .name = "quota", .value = "N/TIME", .help = "requests in a time: 1000/1h (default: no bound)" },
    { .name = "env", .value = "ENV", .help = "second part of the key (default: live)" },
    { .name = "note", .value = "TEXT", .help = "what it is for" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

static const struct gw_cli_option rotate_options[] = {
    CMD_APIKEY_FILE_OPTION,
    { .name = "overlap", .value = "TIME", .help = "how long the old key still works (default: 1h; 0s: not at all)" },
    { .name = "ttl", .value = "TIME", .help = "how long the new one is good (default: as long as the old one was)" },
    GW_CLI_OPTION_JSON,
    { .name = NULL },
};

const struct gw_cli_command cmd_apikey_create = {
    .name = "create",
    .summary = "Makes a key, and the registry if there is none yet.",
    .about = "The key is printed once, alone on standard output; the registry keeps its hash only.",
    .options = create_options,
    .run = run_create,
};
const struct gw_cli_command cmd_apikey_rotate = {
    .name = "rotate",
    .summary = "Makes a successor with the same rights; the old key works on for a while.",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .options = rotate_options,
    .run = run_rotate,
};
