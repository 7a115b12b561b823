// SPDX-License-Identifier: GPL-3.0-or-later
// What `token revoke` and `token revoked` share: the registry that --store names, and an entry in words.
#ifndef SALLYPORT_CLI_REVOCATION_STORE_H
#define SALLYPORT_CLI_REVOCATION_STORE_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"
#include "pki/revoked_store.h"

// Opens the --store, and makes it with `create` where it is not there. 0, or the exit status after the complaint.
int gw_revocation_store_open(struct gw_cli *cli, bool create, struct pki_revoked_store **out);
// One entry: a JSON object, or a line for people.
void gw_revocation_json(struct json_writer *w, const struct pki_revoked_entry *e);
void gw_revocation_print(struct gw_cli *cli, const struct pki_revoked_entry *e, int64_t now_ms);

#endif
