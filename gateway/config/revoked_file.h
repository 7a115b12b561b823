// SPDX-License-Identifier: GPL-3.0-or-later
// A file of revocations that other tools maintain: YAML (a list of maps) when its name ends in .yaml or .yml, else JSON lines (one object a line).
// An entry has exactly one of `jti`, `subject`, `client`, `workload`, `thumbprint` and `serial`, or `issued_before` alone; and it may have `issuer`,
// `issued_before`, `until` and `reason`, with the meaning they have in pki/revoked.h. An entry without `until` is in force as long as it is in
// the file.
//
//   {"jti":"0b3c…","issuer":"https://issuer.example","reason":"found in a log"}
//   {"subject":"spiffe://example.org/planner","issued_before":"2026-11-21T23:52:55Z"}
//
// It is read strictly and whole: an unknown member, a repeated one or a value of another type makes the file one that cannot be used. So does an
// empty file, which is what a writer leaves that was interrupted: nothing revoked is `[]`, or one empty line.
#ifndef SALLYPORT_CONFIG_REVOKED_FILE_H
#define SALLYPORT_CONFIG_REVOKED_FILE_H

#include "gateway/base/diag.h"
#include "gateway/base/json.h"
#include "pki/revoked.h"

#define GW_REVOKED_FILE_BYTES (64u << 20) // YAML: GW_YAML_BYTES_MAX

// `path` chooses the format and names the file in complaints. 0 and one reference; or ERR_CONFIG with the reasons in `diags`, or ERR_NOMEM.
int gw_revoked_file_read(struct span text, struct span path, struct diags *diags, struct pki_revoked **out);

// The same entries as a JSON array, from elsewhere than a file. `put` gets each, and what it returns other than 0 ends it and is returned; the entry
// lives during the call. ERR_CONFIG: one is wrong, and `diags` says which (by its place in the list, as a line) and why; those before it were put.
int gw_revoked_json_read(json list, struct diags *diags, int (*put)(void *ctx, const struct pki_revoked_entry *e),
                         void *ctx);

#endif
