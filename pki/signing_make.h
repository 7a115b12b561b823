// SPDX-License-Identifier: GPL-3.0-or-later
// A signing key comes into being, and is opened again: in the file, encrypted, or in a PKCS#11 token. Making one takes a fifth of a second, or
// what the token takes, so it is done outside of the transaction that enters it.
#ifndef SALLYPORT_PKI_SIGNING_MAKE_H
#define SALLYPORT_PKI_SIGNING_MAKE_H

#include "pki/signing_rows.h"

struct pki_signing_fresh {
    struct pki_signing_row row; // kid, alg, halves; no state and no times
    struct pki_key *pair;
    struct buf public_half, private_half, uri;
};

// The reason of a failure is in `s`. To be finished in any case.
int pki_signing_make(struct pki_sql *s, const struct pki_signing_rule *rule, struct span passphrase, int64_t now_s,
                     struct pki_signing_fresh *out);
// In the transaction that inserts its row: it is no stray any more. ERR_STORE_BUSY when it took so long that it was swept away.
int pki_signing_keep(struct pki_sql *s, const struct pki_signing_fresh *f);
// `kept`: it was committed. Otherwise a key pair in a token is removed again.
void pki_signing_fresh_fini(struct pki_sql *s, struct pki_signing_fresh *f, bool kept);

// The key of a row: the pair, or its public half. What does not fit its kid is damaged.
int pki_signing_open(struct pki_sql *s, const struct pki_signing_row *row, bool pair, struct span passphrase,
                     struct pki_key **out);
// Removes key pairs that no row names; those that cannot be now stay entered.
int pki_signing_sweep(struct pki_sql *s, int64_t now_s);

#endif
