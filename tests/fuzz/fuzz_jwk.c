// SPDX-License-Identifier: GPL-3.0-or-later
// Keys and sets of keys as JSON. A key that is taken must come out as it went in, and a public import must never hold a private half.
#include <assert.h>

#include "pki/jwks.h"

static void key_of(json jwk, bool public_only)
{
    struct pki_key *key, *again;
    uint8_t a[32], b[32];
    struct buf text;
    if (pki_key_from_jwk(jwk, public_only, &key, NULL) != 0)
        return;
    assert(!public_only || !pki_key_is_private(key));
    pki_key_thumbprint(key, a);
    buf_init(&text, 0);
    struct json_writer w = json_writer(&text);
    json_w_object(&w);
    pki_key_to_jwk(key, true, &w);
    json_w_end(&w);
    struct json_doc *doc = json_parse(buf_span(&text), NULL, NULL);
    int rc = pki_key_from_jwk(json_root(doc), public_only, &again, NULL);
    assert(rc == 0 && pki_key_is_private(again) == pki_key_is_private(key));
    pki_key_thumbprint(again, b);
    assert(memcmp(a, b, sizeof a) == 0);
    assert(pki_key_verify(key, PKI_ES256, SPAN("m"), SPAN("s")) != 0);
    json_free(doc);
    buf_fini(&text);
    pki_key_free(again);
    pki_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct json_doc *doc = json_parse(in, NULL, NULL);
    if (doc) {
        key_of(json_root(doc), true);
        key_of(json_root(doc), false);
        json_free(doc);
    }
    struct diags diags;
    diags_init(&diags);
    unsigned algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_PS256) | PKI_ALG_BIT(PKI_EDDSA);
    struct pki_jwks *set = pki_jwks_read(in, algs, SPAN("f"), &diags);
    assert((set != NULL) == (diags.errors == 0));
    for (size_t i = 0; set && i < pki_jwks_count(set); i++) {
        const struct pki_jwks_key *k = pki_jwks_at(set, i);
        assert(!pki_key_is_private(k->key) && (algs & PKI_ALG_BIT(k->alg)) &&
               (pki_key_algs(k->key) & PKI_ALG_BIT(k->alg)));
        if (!span_is_none(k->kid))
            assert(pki_jwks_find(set, k->kid, k->alg) == k);
    }
    pki_jwks_free(set);
    diags_fini(&diags);

    diags_init(&diags);
    set = pki_jwks_read_symmetric(in, PKI_ALG_BIT(PKI_HS384), SPAN("f"), &diags);
    assert((set != NULL) == (diags.errors == 0));
    const struct pki_jwks_key *secret = set ? pki_jwks_find(set, SPAN_NONE, PKI_HS384) : NULL;
    assert(!set || (secret && (pki_key_algs(secret->key) & PKI_ALG_BIT(PKI_HS384))));
    pki_jwks_free(set);
    diags_fini(&diags);
    return 0;
}
