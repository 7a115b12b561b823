// SPDX-License-Identifier: GPL-3.0-or-later
// The keys that a token service signs with, in one SQLite file, rotating unattended:
//
//   next (published, not used) ──▶ active (signs) ──▶ retiring (published until the last token it signed has ended) ──▶ gone
//
// A key is published for `publish_s` before it signs, so that nobody meets a kid he cannot have heard of. Private keys are in the file
// encrypted (PKCS#8, PBES2), or not at all: they stay in a PKCS#11 token and the file has their URIs (hsm.h).
// Whoever opens it loads it whole; `look` takes up what another process changed (`sallyport token keys rotate`).
//
// Whose time it is, the file says, not the clock alone: a clock that was set back neither brings a key back nor makes one twice. The two
// periods begin when a process that serves took the key up, so one that was made while no authority ran waits until it was published.
// A key's private half is removed when it has signed its last, and of a set that is full (PKI_SIGNING_MAX) no more are made.
//
// One thread uses a set. Functions return 0 or ERR_STORE_*, ERR_NOMEM, ERR_HSM and what else they say; after a failure the set is as it was.
#ifndef SALLYPORT_PKI_SIGNING_KEYS_H
#define SALLYPORT_PKI_SIGNING_KEYS_H

#include "pki/jwks.h"

#define PKI_SIGNING_MAX 16 // keys that are published at once

struct pki_signing_keys;

enum pki_signing_use {
    PKI_SIGNING_SERVE, // publishes and signs
    PKI_SIGNING_TELL, // an administrator's process that may rotate; the file must be there, and the clock alone changes nothing
    PKI_SIGNING_READ, // public halves only, without a passphrase; only reads, and the file must be there
};

struct pki_signing_options {
    const char *path;
    enum pki_signing_use use;
    enum pki_alg
        alg; // of keys made from now on: ES256 or EdDSA; PKI_ALG_NONE: alg and periods are those that the file has
    struct span passphrase; // copied; SPAN_NONE: keys are in a token, or (tests) not encrypted
    struct span pkcs11;     // RFC 7512 URI without `object`; SPAN_NONE: in the file
    int64_t rotate_s;       // how long a key signs; 0: until told
    int64_t publish_s;
    int64_t linger_s; // how long a token that was signed last may live
};

enum pki_signing_state { PKI_SIGNING_NEXT, PKI_SIGNING_ACTIVE, PKI_SIGNING_RETIRING, PKI_SIGNING_GONE };

struct pki_signing_key {
    struct span kid; // the thumbprint
    enum pki_alg alg;
    enum pki_signing_state state;
    int64_t created_s, active_s, retire_s, gone_s; // when it becomes, or became, that; 0: not known yet
    // A pair as long as it signs or will (PKI_SIGNING_TELL: as long as it signs; PKI_SIGNING_READ: never), else the public half.
    const struct pki_key *key;
    struct span pkcs11; // where it is; SPAN_NONE: in the file
};

// Makes the file (0600) with a first, active key when it is not there. On failure `*out` may be set: it has the reason, and wants closing.
int pki_signing_keys_open(const struct pki_signing_options *o, int64_t now_s, struct pki_signing_keys **out);
void pki_signing_keys_close(struct pki_signing_keys *k); // NULL is fine
const char *pki_signing_keys_what(const struct pki_signing_keys *k);

// Takes up what other processes changed, and does what is due by the clock: makes the next key, promotes, retires, forgets. Committed when
// it returns. `*changed` (may be NULL): what is published or what signs is different now. To be called every second or so; cheap when nothing is due, a fifth of a
// second when a key is made or opened. After a failure it is tried again 10 s later; a look before that gives the same error.
int pki_signing_keys_look(struct pki_signing_keys *k, int64_t now_s, bool *changed);
// The one that signs; never NULL after a successful open. Borrowed until the next look.
const struct pki_signing_key *pki_signing_keys_active(const struct pki_signing_keys *k);
// All that are published, newest first.
size_t pki_signing_keys_count(const struct pki_signing_keys *k);
const struct pki_signing_key *pki_signing_keys_at(const struct pki_signing_keys *k, size_t i);
// Appends the JWK set that is published.
int pki_signing_keys_publish(const struct pki_signing_keys *k, struct buf *out);
// A new key: it becomes active after publish_s (a next one that waits already is brought forward), or with `at_once`, when a key was lost, as
// it is made (a next one that waits may be lost with the active one, and is thrown away).
int pki_signing_keys_rotate(struct pki_signing_keys *k, bool at_once, int64_t now_s);
// Publishes the retiring keys no longer, after one of them fell into the wrong hands: tokens that they signed end as soon as others fetch the set.
int pki_signing_keys_forget(struct pki_signing_keys *k, int64_t now_s);

#endif
