// SPDX-License-Identifier: GPL-3.0-or-later
// Batches of the revocation feed. A first byte 's' signs what follows with the authority's key, so that everything behind the signature is reached; 'q' reads
// it as a question; anything else is taken as a batch as it came. What is accepted keeps the promises of the header.
#include <assert.h>
#include <stdlib.h>

#include "pki/jws.h"
#include "pki/revocation_feed.h"

#define JWK                                                                                    \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define D ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}" // RFC 7515 A.3

static struct pki_key *key;
static struct pki_jwks *keys;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct json_doc *doc = json_parse(SPAN(JWK D), NULL, NULL);
    struct diags diags;
    int rc = pki_key_from_jwk(json_root(doc), false, &key, NULL);
    json_free(doc);
    diags_init(&diags);
    keys = pki_jwks_read(SPAN("{\"keys\":[" JWK "}]}"), PKI_ALG_BIT(PKI_ES256), SPAN("f"), &diags);
    assert(rc == 0 && keys);
    return rc;
}

static void look(struct span compact)
{
    struct pki_feed_rules rules = {
        .iss = SPAN("i"), .algs = PKI_ALG_BIT(PKI_ES256), .keys = keys, .skew_s = 5, .oldest_s = 900, .nonce = 1
    };
    struct pki_feed_batch b;
    struct arena arena;
    arena_init(&arena, 0);
    if (pki_feed_read(compact, &rules, 1000, &arena, &b) == 0) {
        if (b.iat_s < 900 || b.iat_s > 1005 || b.n > PKI_FEED_CHANGES || b.head < b.to.sequence)
            abort();
        if (b.reset ? b.next > 0 && b.next <= b.from : b.to.sequence - b.from != b.n)
            abort(); // a gap, or a circle
        for (size_t i = 0; i < b.n; i++)
            if (pki_revoked_fault(&b.changes[i].entry) || (b.reset && b.changes[i].lifted) ||
                (!b.reset && b.changes[i].sequence != b.from + 1 + i))
                abort();
    }
    arena_fini(&arena);
}

static void ask(struct span query)
{
    struct pki_feed_ask one, two;
    struct buf text;
    if (!pki_feed_ask_read(query, &one))
        return;
    buf_init(&text, 0);
    pki_feed_ask_write(&one, &text);
    if (!pki_feed_ask_read(buf_span(&text), &two) || one.reset != two.reset || one.place != two.place ||
        one.nonce != two.nonce || !pki_revoked_point_eq(&one.after, &two.after))
        abort();
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct span rest = span_of(data + 1, n - 1);
    if (data[0] == 's') {
        struct buf out;
        buf_init(&out, 0);
        if (pki_jws_sign(SPAN("{\"typ\":\"sallyport-revocations+jwt\",\"alg\":\"ES256\"}"), rest, key, PKI_ES256,
                         &out) == 0)
            look(buf_span(&out));
        buf_fini(&out);
    } else if (data[0] == 'q') {
        ask(rest);
    } else {
        look(span_of(data, n));
    }
    return 0;
}
