// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/p256_table.h"

#include <stdlib.h>

#include "pki/key_wc.h"

struct pki_p256_table {
    struct pki_key *key;
};

int pki_p256_table_new(const uint8_t point[static 64], struct pki_p256_table **out)
{
    struct pki_p256_table *t = malloc(sizeof *t);
    if (!t)
        return ERR_NOMEM;
    t->key = pki_key_alloc_(PKI_KEY_P256, false);
    int rc = ERR_NOMEM;
    if (t->key && pki_key_set_ec_(t->key, span_of(point, 32), span_of(point + 32, 32), true) != 0)
        rc = ERR_PROOF_KEY;
    else if (t->key)
        rc = 0;
    if (rc != 0) {
        pki_p256_table_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void pki_p256_table_free(struct pki_p256_table *t)
{
    if (!t)
        return;
    pki_key_free(t->key);
    free(t);
}

int pki_p256_table_verify(const struct pki_p256_table *t, const uint8_t hash[static 32],
                          const uint8_t signature[static 64])
{
    return pki_key_verify_ec_(t->key, span_of(hash, 32), span_of(signature, 64));
}
