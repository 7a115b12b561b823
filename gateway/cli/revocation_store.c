// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/revocation_store.h"

#include "gateway/base/clock.h"
#include "gateway/cli/argument.h"

// Somebody else may be writing.
#define BUSY_MS 5000

int gw_revocation_store_open(struct gw_cli *cli, bool create, struct pki_revoked_store **out)
{
    const char *path = gw_cli_get(cli, "store");
    struct pki_revoked_store *s = NULL;
    int rc = pki_revoked_store_open(path, BUSY_MS, &s);
    if (rc == ERR_STORE_ABSENT && create) {
        pki_revoked_store_close(s);
        s = NULL;
        rc = pki_revoked_store_create(path, &s);
    }
    if (rc == 0) {
        *out = s;
        return 0;
    }
    // A revocation that is written where no gateway reads is none: so a name that is mistyped is no new store.
    if (rc == ERR_STORE_ABSENT)
        gw_cli_usage(cli,
                     "%s: there is no store of revocations; a gateway makes its own at its start, `token revoke "
                     "--create` makes one",
                     path);
    else
        gw_cli_usage(cli, "%s: %s", path, pki_revoked_store_what(s));
    pki_revoked_store_close(s);
    return GW_EXIT_USAGE;
}

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

static void put_text(struct json_writer *w, struct span name, struct span v)
{
    json_w_key(w, name);
    json_w_string(w, v.n > 0 ? v : SPAN_NONE);
}

void gw_revocation_json(struct json_writer *w, const struct pki_revoked_entry *e)
{
    json_w_object(w);
    put_text(w, SPAN("kind"), pki_revoked_kind_name(e->kind));
    put_text(w, SPAN("value"), e->value);
    put_text(w, SPAN("issuer"), e->issuer);
    put_moment(w, SPAN("issued_before"), e->before_s);
    put_moment(w, SPAN("until"), e->expires_s);
    put_moment(w, SPAN("revoked_at"), e->revoked_s);
    put_text(w, SPAN("reason"), e->reason);
    json_w_end(w);
}

void gw_revocation_print(struct gw_cli *cli, const struct pki_revoked_entry *e, int64_t now_ms)
{
    char moment[GW_CLI_MOMENT];
    fprintf(cli->out, "%.*s", SPAN_FMT(pki_revoked_kind_name(e->kind)));
    if (e->value.n > 0) {
        fputs(" ", cli->out);
        gw_cli_print(cli->out, e->value);
    }
    if (e->issuer.n > 0) {
        fputs(", of ", cli->out);
        gw_cli_print(cli->out, e->issuer);
    }
    if (e->before_s > 0) {
        gw_cli_moment(e->before_s, now_ms, moment);
        fprintf(cli->out, ", issued before %.20s", moment);
    }
    if (e->expires_s > 0) {
        gw_cli_moment(e->expires_s, now_ms, moment);
        fprintf(cli->out, "; until %s", moment);
    } else {
        fputs("; for ever", cli->out);
    }
    if (e->reason.n > 0) {
        fputs(": ", cli->out);
        gw_cli_print(cli->out, e->reason);
    }
    fputc('\n', cli->out);
}
