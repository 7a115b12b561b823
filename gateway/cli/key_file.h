// SPDX-License-Identifier: GPL-3.0-or-later
// Keys and certificates that a command is given as files. A private key never leaves its pki_key: the file's bytes are wiped, nothing of
// them is printed.
#ifndef SALLYPORT_CLI_KEY_FILE_H
#define SALLYPORT_CLI_KEY_FILE_H

#include "gateway/cli/cli.h"
#include "pki/jwks.h"
#include "pki/key.h"

// The environment variable that may name a passphrase file.
#define GW_PASSPHRASE_ENV "SALLYPORT_PASSPHRASE_FILE"

// A private key in PEM, or, where `path` is a pkcs11: URI, in a token (pki/hsm.h; then its PIN is in the URI's pin-source). An encrypted one is opened with the passphrase in `passphrase_file` (may be NULL), else in the file that the
// environment names, else asked for on the terminal. A key that others may read is used, with a warning. 0, or GW_EXIT_USAGE after the complaint.
int gw_cli_private_key(struct gw_cli *cli, const char *path, const char *passphrase_file, struct pki_key **out);
// A key of which the public half is wanted: a pkcs11: URI, PEM (public, certificate, or private without a passphrase), a JWK, or a JWK set of one key.
int gw_cli_public_key(struct gw_cli *cli, const char *path, struct pki_key **out);

// A JWK set of public keys for these algorithms (pki/jwks.h). NULL after the complaints.
struct pki_jwks *gw_cli_key_set(struct gw_cli *cli, const char *path, unsigned algs);

// Writes a private key, mode 0600, to a file that must not exist yet: there whole or not at all. SPAN_NONE passphrase: unencrypted.
int gw_cli_write_key(struct gw_cli *cli, const char *path, const struct pki_key *key, struct span passphrase);

// The certificates of a PEM file in order, or the one of a DER file, as DER in the cli's arena. At least one.
int gw_cli_certificates(struct gw_cli *cli, const char *path, struct span **ders, size_t *n);

#endif
