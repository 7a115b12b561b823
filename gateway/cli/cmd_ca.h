// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of `sallyport ca` share: the directory, the keys, and how a certificate is named on the command line.
#ifndef SALLYPORT_CLI_CMD_CA_H
#define SALLYPORT_CLI_CMD_CA_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include "pki/ca.h"

#define CMD_CA_DIR_OPTION                                                                                \
    {                                                                                                    \
        .name = "dir", .value = "DIR", .help = "the CA's folder (default: $SALLYPORT_CA_DIR, else ./ca)" \
    }
#define CMD_CA_PASSPHRASE_OPTION                                                                           \
    {                                                                                                      \
        .name = "passphrase-file", .value = "FILE",                                                        \
        .help = "where the passphrase of the keys is (default: $SALLYPORT_CA_PASSPHRASE_FILE, else asked)" \
    }

extern const struct gw_cli_command cmd_ca_issue, cmd_ca_sign, cmd_ca_renew, cmd_ca_list, cmd_ca_revoke, cmd_ca_crl,
    cmd_ca_bundle, cmd_ca_join_token;

const char *cmd_ca_dir(const struct gw_cli *cli);
int64_t cmd_ca_now(void);
// Exit status for a failed pki_ca call: 1 where the answer is no, else 2.
int cmd_ca_exit(int rc);
// Opens the CA of --dir. 0, or an exit status after the complaint. The caller closes.
int cmd_ca_open(struct gw_cli *cli, struct pki_ca **ca);
// Unlocks; asks for the passphrase when the key is encrypted and `passphrase` is empty, and leaves it there for the
// next key. The caller wipes `passphrase`. `file` NULL: the key in the folder.
int cmd_ca_unlock(struct gw_cli *cli, struct pki_ca *ca, enum pki_ca_kind kind, const char *file,
                  struct buf *passphrase);

// The certificates that --serial, --cert FILE or --spiffe-id name, in the arena, oldest first; of an ID those of
// workloads and in `filter` only. At least one, or an exit status after the complaint.
struct cmd_ca_found {
    struct pki_ca_record *list;
    size_t n;
};
int cmd_ca_find(struct gw_cli *cli, struct pki_ca *ca, unsigned filter, struct cmd_ca_found *out);

// "2026-11-22T00:04:11Z"; seconds since the epoch.
#define CMD_CA_TIME 21
void cmd_ca_time(int64_t seconds, char out[static CMD_CA_TIME]);
void cmd_ca_json_names(struct json_writer *w, struct span dns);
// Writes a buffer that holds JSON, and a newline, to cli->out.
void cmd_ca_print(struct gw_cli *cli, const struct buf *b);
// Writes `content` to `path` whole, or to cli->out for NULL and "-". 0 or an exit status.
int cmd_ca_write(struct gw_cli *cli, const char *path, struct span content, unsigned mode);

#endif
