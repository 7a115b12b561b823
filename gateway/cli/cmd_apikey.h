// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of `sallyport apikey` share: the registry, and how a key is shown.
#ifndef SALLYPORT_CLI_CMD_APIKEY_H
#define SALLYPORT_CLI_CMD_APIKEY_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include "pki/api_key_store.h"

#define CMD_APIKEY_FILE_OPTION                                                                                   \
    {                                                                                                            \
        .name = "file", .value = "FILE", .help = "the registry (default: $SALLYPORT_APIKEYS, else ./apikeys.db)" \
    }

extern const struct gw_cli_command cmd_apikey_create, cmd_apikey_list, cmd_apikey_rotate, cmd_apikey_revoke;

const char *cmd_apikey_file(const struct gw_cli *cli);
int64_t cmd_apikey_now(void);
// 0, or an exit status after the complaint. The caller closes. With `make` a registry that is not there is made.
int cmd_apikey_open(struct gw_cli *cli, bool make, struct pki_api_key_store **store);
// An exit status for what the store refused, after the complaint: 1 where the answer is no, else 2.
int cmd_apikey_fail(struct gw_cli *cli, int rc, struct pki_api_key_store *store);

// A new key with its record, to be added to the registry: the record's id, env and hash are the key's. Wiped with cmd_apikey_wipe.
struct cmd_apikey {
    char text[PKI_API_KEY_MAX + 1];
    struct pki_api_key_record record;
};
void cmd_apikey_make(struct cmd_apikey *k, struct span env);
void cmd_apikey_wipe(struct cmd_apikey *k);
// Tells the key, once: alone on cli->out for scripts, with what it is on cli->err, or all of it in JSON. `replaces` is the record it was
// rotated from; NULL: none.
int cmd_apikey_tell(struct gw_cli *cli, const struct cmd_apikey *k, const struct pki_api_key_record *replaces);

// "valid", "not yet", "rotated", "expired", "revoked".
const char *cmd_apikey_state(const struct pki_api_key_record *r, int64_t now_s);
// The members of one key, into an open object; nothing secret.
void cmd_apikey_json(struct json_writer *w, const struct pki_api_key_record *r, int64_t now_s);
// "2026-11-22T00:04:11Z"
#define CMD_APIKEY_TIME 21
void cmd_apikey_time(int64_t seconds, char out[static CMD_APIKEY_TIME]);
// A record as it is in the registry, in the cli's arena. 0, or an exit status after the complaint.
int cmd_apikey_get(struct gw_cli *cli, struct pki_api_key_store *store, const char *id, struct pki_api_key_record *out);
// Copies a record into the arena.
int cmd_apikey_keep(struct arena *a, const struct pki_api_key_record *r, struct pki_api_key_record *out);
void cmd_apikey_print(struct gw_cli *cli, const struct buf *b);

#endif
