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
#include "pki/revoked.h"

#define GW_REVOKED_FILE_BYTES (64u << 20) // YAML: GW_YAML_BYTES_MAX

// `path` chooses the format and names the file in complaints. 0 and one reference; or ERR_CONFIG with the reasons in `diags`, or ERR_NOMEM.
int gw_revoked_file_read(struct span text, struct span path, struct diags *diags, struct pki_revoked **out);

#endif
