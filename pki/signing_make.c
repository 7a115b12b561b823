// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/signing_make.h"

#include <stdio.h>

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/hsm.h"

#define PRIVATE_MAX 16384

static enum pki_key_type type_for(enum pki_alg alg)
{
    switch (alg) {
    case PKI_ES256: return PKI_KEY_P256;
    case PKI_ES384: return PKI_KEY_P384;
    case PKI_ES512: return PKI_KEY_P521;
    case PKI_EDDSA: return PKI_KEY_ED25519;
    default: return 0;
    }
}

static void kid_of(const struct pki_key *key, char out[static PKI_SIGNING_KID + 1])
{
    uint8_t thumbprint[PKI_SHA256];
    pki_key_thumbprint(key, thumbprint);
    out[base64url_encode(span_of(thumbprint, sizeof thumbprint), out)] = '\0';
}

// ---- making

// Entered before it is made: a kill in between leaves no key pair that nobody knows of.
static int make_in_token(struct pki_sql *s, const struct pki_signing_rule *rule, int64_t now_s,
                         struct pki_signing_fresh *f)
{
    uint64_t random;
    char name[32];
    const char *what = "";
    pki_random(&random, sizeof random);
    snprintf(name, sizeof name, "sallyport-%016llx", (unsigned long long)random);
    int rc = pki_hsm_with_object(rule->pkcs11, span_str(name), &f->uri, &what);
    if (rc != 0)
        return pki_sql_say(s, rc, "%s", what);
    if ((rc = pki_sql_begin(s)) != 0 || (rc = pki_sql_end(s, pki_signing_stray_add(s, buf_span(&f->uri), now_s))) != 0)
        return rc;
    f->row.pkcs11 = buf_span(&f->uri);
    rc = pki_hsm_generate(f->row.pkcs11, type_for(rule->alg), &f->pair, &what);
    return rc == 0 ? 0 : pki_sql_say(s, rc, "making a signing key in the PKCS#11 token: %s", what);
}

static int make_in_file(struct pki_sql *s, const struct pki_signing_rule *rule, struct span passphrase,
                        struct pki_signing_fresh *f)
{
    f->pair = pki_key_generate(type_for(rule->alg), 0);
    int rc = f->pair ? pki_key_write_private(f->pair, passphrase, &f->private_half) : ERR_NOMEM;
    return rc == 0 ? 0 : pki_sql_say(s, rc, "making a signing key: out of memory or entropy");
}

int pki_signing_make(struct pki_sql *s, const struct pki_signing_rule *rule, struct span passphrase, int64_t now_s,
                     struct pki_signing_fresh *out)
{
    *out = (struct pki_signing_fresh){ .row = { .alg = rule->alg, .pkcs11 = SPAN_NONE } };
    buf_init(&out->public_half, 0);
    buf_init(&out->private_half, PRIVATE_MAX);
    buf_init(&out->uri, 0);
    if (type_for(rule->alg) == 0)
        return pki_sql_say(s, ERR_INTERNAL, "signing keys cannot be of this algorithm");
    int rc = span_is_none(rule->pkcs11) ? make_in_file(s, rule, passphrase, out) : make_in_token(s, rule, now_s, out);
    if (rc != 0)
        return rc;
    if ((rc = pki_key_write_public(out->pair, &out->public_half)) != 0)
        return pki_sql_say(s, rc, "making a signing key: out of memory");
    out->row.public_half = buf_span(&out->public_half);
    kid_of(out->pair, out->row.kid);
    return 0;
}

int pki_signing_keep(struct pki_sql *s, const struct pki_signing_fresh *f)
{
    bool entered = true;
    int rc = span_is_none(f->row.pkcs11) ? 0 : pki_signing_stray_drop(s, f->row.pkcs11, &entered);
    if (rc == 0 && !entered)
        return pki_sql_say(s, ERR_STORE_BUSY, "the PKCS#11 token took too long to make a key; try again");
    return rc;
}

// Not in a transaction.
static int remove_stray(struct pki_sql *s, struct span uri)
{
    const char *what = "";
    bool was_there;
    int rc = pki_hsm_remove(uri, &what);
    if (rc != 0)
        return pki_sql_say(s, rc, "removing a signing key from the PKCS#11 token: %s", what);
    rc = pki_sql_begin(s);
    return rc != 0 ? rc : pki_sql_end(s, pki_signing_stray_drop(s, uri, &was_there));
}

void pki_signing_fresh_fini(struct pki_sql *s, struct pki_signing_fresh *f, bool kept)
{
    pki_key_free(f->pair);
    // When this fails it stays a stray, which the next sweep finds; the reason of the failure before it is kept.
    if (!kept && !span_is_none(f->row.pkcs11)) {
        char what[sizeof s->what];
        memcpy(what, s->what, sizeof what);
        remove_stray(s, f->row.pkcs11);
        memcpy(s->what, what, sizeof what);
    }
    buf_fini(&f->public_half);
    buf_wipe(&f->private_half);
    buf_fini(&f->uri);
}

int pki_signing_sweep(struct pki_sql *s, int64_t now_s)
{
    struct arena a;
    struct span uri = SPAN_NONE;
    int rc;
    arena_init(&a, 0);
    do {
        rc = pki_signing_stray_next(s, &a, now_s, &uri);
    } while (rc == 0 && !span_is_none(uri) && (rc = remove_stray(s, uri)) == 0);
    arena_fini(&a);
    return rc;
}

// ---- opening

static int open_private(struct pki_sql *s, const struct pki_signing_row *row, struct span passphrase,
                        struct pki_key **out)
{
    struct buf pem;
    buf_init(&pem, PRIVATE_MAX);
    int rc = pki_signing_private(s, row->kid, &pem);
    if (rc == 0 && (rc = pki_key_read_private(buf_span(&pem), passphrase, out)) != 0) {
        bool encrypted = span_starts(buf_span(&pem), SPAN("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        if (rc == ERR_NOMEM)
            pki_sql_say(s, rc, "out of memory");
        else if (encrypted && span_is_none(passphrase))
            rc = pki_sql_say(s, ERR_STORE_FAILED, "signing key %s is encrypted, and there is no passphrase", row->kid);
        else if (encrypted)
            rc = pki_sql_say(s, ERR_STORE_FAILED,
                             "signing key %s cannot be opened: the passphrase is wrong, or the key is damaged",
                             row->kid);
        else
            rc = pki_sql_say(s, ERR_STORE_FAILED, "the private half of signing key %s is missing or damaged", row->kid);
    }
    buf_wipe(&pem);
    return rc;
}

int pki_signing_open(struct pki_sql *s, const struct pki_signing_row *row, bool pair, struct span passphrase,
                     struct pki_key **out)
{
    struct pki_key *key = NULL;
    const char *what = "";
    char kid[PKI_SIGNING_KID + 1];
    int rc;
    if (!pair) {
        rc = pki_key_read_public(row->public_half, &key);
        if (rc != 0)
            rc = pki_sql_say(s, rc == ERR_NOMEM ? rc : ERR_STORE_FAILED, "signing key %s is damaged", row->kid);
    } else if (span_is_none(row->pkcs11)) {
        rc = open_private(s, row, passphrase, &key);
    } else {
        rc = pki_hsm_open(row->pkcs11, &key, &what);
        if (rc != 0)
            pki_sql_say(s, rc, "signing key %s in the PKCS#11 token: %s", row->kid, what);
    }
    if (rc != 0)
        return rc;
    kid_of(key, kid);
    if (strcmp(kid, row->kid) != 0 || !(pki_key_algs(key) & PKI_ALG_BIT(row->alg))) {
        pki_key_free(key);
        return pki_sql_say(s, ERR_STORE_FAILED, "signing key %s is damaged: it is another key", row->kid);
    }
    *out = key;
    return 0;
}
