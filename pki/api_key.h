// SPDX-License-Identifier: GPL-3.0-or-later
// An API key as text: `sp_<env>_<id>_<secret><checksum>`, so that secret scanners can recognise one wherever it leaked to:
//
//   sp_[a-z0-9]{1,12}_[0-9a-f]{16}_[0-9A-Za-z]{38}
//
//   env       where it is good ("live", "test"); for people and scanners, nothing is decided by it alone
//   id        names the key in lists, records and commands; not secret
//   secret    32 characters of base62, 190 random bits
//   checksum  CRC-32 of everything before it as 6 characters of base62: a typing error is told from a wrong key without a look-up
//
// What is stored is SHA-256 of the whole text. A slow hash is for what people choose: it makes each guess dear where few guesses are
// needed. Against 190 random bits no number of guesses helps, and a fast hash costs a request nothing.
#ifndef SALLYPORT_PKI_API_KEY_H
#define SALLYPORT_PKI_API_KEY_H

#include "gateway/base/err.h"
#include "pki/digest.h"

#define PKI_API_KEY_PREFIX "sp_"
#define PKI_API_KEY_ENV_MAX 12
#define PKI_API_KEY_ID 16
#define PKI_API_KEY_SECRET 32
#define PKI_API_KEY_CHECKSUM 6
// Bytes of the longest.
#define PKI_API_KEY_MAX (3 + PKI_API_KEY_ENV_MAX + 1 + PKI_API_KEY_ID + 1 + PKI_API_KEY_SECRET + PKI_API_KEY_CHECKSUM)

// Borrowed from the text. Neither is secret.
struct pki_api_key {
    struct span env, id;
};

// Whether the text claims to be an API key: it begins with "sp_".
bool pki_api_key_looks_like(struct span text);
// Strict: every character and the checksum. 0 or ERR_APIKEY_MALFORMED.
int pki_api_key_parse(struct span text, struct pki_api_key *out);
// 1 to 12 of [a-z0-9]; 16 of [0-9a-f].
bool pki_api_key_env_ok(struct span env);
bool pki_api_key_id_ok(struct span id);
// A new key with a NUL behind it; the caller wipes it. `env` is ok (asserted).
void pki_api_key_make(struct span env, char out[static PKI_API_KEY_MAX + 1]);
// What is stored of a key.
void pki_api_key_hash(struct span text, uint8_t out[static PKI_SHA256]);
// Whether the stored hash is this key's; takes the same time whatever it finds.
bool pki_api_key_matches(const uint8_t hash[static PKI_SHA256], const uint8_t stored[static PKI_SHA256]);

#endif
