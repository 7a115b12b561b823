// SPDX-License-Identifier: GPL-3.0-or-later
// Private keys that never leave a PKCS#11 token (a hardware security module, or SoftHSM). A key is named by an RFC 7512 URI:
//
//   pkcs11:token=sallyport;object=ca?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/sallyport/pin
//
// and becomes a struct pki_key like any other: its public half is ours, pki_key_sign asks the token. `pin-value` is refused: a PIN does not
// belong into a command line or a configuration. P-256, P-384 and Ed25519 where the token has it.
//
// Path attributes: token, serial, manufacturer, model (which token; token or serial must be there), object, id (which key),
// type=private. Query: module-path (absolute), pin-source (a path, or file:/path; the file is read anew at every login, its PIN never kept; others may not read it). Any other
// attribute is refused, and so is one that is there twice.
// One thread at a time opens, generates and removes (a module's start is not safe beside itself); the keys may then be used by different
// threads, each key by one. A module that somebody else has initialised is used as it is, and none is finalised. A session that was lost (token pulled and put back) is opened anew
// once for each signature; a wrong PIN is never tried twice. A child made by fork cannot use its parent's keys: ERR_HSM.
#ifndef SALLYPORT_PKI_HSM_H
#define SALLYPORT_PKI_HSM_H

#include "pki/key.h"

bool pki_hsm_is_uri(struct span s); // begins with "pkcs11:"
// 0; ERR_HSM with the reason in `*what` (static, never the PIN); ERR_NOMEM. The key holds a session of its own until it is freed.
int pki_hsm_open(struct span uri, struct pki_key **out, const char **what);
// Makes a key pair in the token under the URI's object name (refused when there is one), not extractable, and opens it.
int pki_hsm_generate(struct span uri, enum pki_key_type type, struct pki_key **out, const char **what);
// Removes a key pair. 0 also when there is none.
int pki_hsm_remove(struct span uri, const char **what);
// Appends the URI with its object name replaced by `object` and its id dropped: where a caller names the keys of a token itself.
// 0, ERR_HSM, ERR_NOMEM.
int pki_hsm_with_object(struct span uri, struct span object, struct buf *out, const char **what);
// Parses and checks a URI without a look at the token. `key`: it must name one (object or id), else it must not. 0, ERR_HSM, ERR_NOMEM.
int pki_hsm_check_uri(struct span uri, bool key, const char **what);
// Why the last pki_key_sign with this key gave ERR_HSM: static text. "" for a key in no token.
const char *pki_hsm_why(const struct pki_key *k);

#endif
