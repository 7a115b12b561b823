// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/digest.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

// In software SHA-256 fails for bad arguments only; a gateway that cannot hash must not go on.
static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void update(wc_Sha256 *h, struct span s)
{
    assert(s.n <= UINT32_MAX);
    if (s.n > 0)
        must(wc_Sha256Update(h, (const byte *)s.p, (word32)s.n));
}

void pki_sha256(struct span s, uint8_t out[static PKI_SHA256])
{
    pki_sha256_2(s, SPAN_NONE, out);
}

void pki_sha256_2(struct span a, struct span b, uint8_t out[static PKI_SHA256])
{
    wc_Sha256 h;
    must(wc_InitSha256(&h));
    update(&h, a);
    update(&h, b);
    must(wc_Sha256Final(&h, out));
    wc_Sha256Free(&h);
}

// RFC 2104, on the hash itself: wolfSSL's own refuses keys below 112 bits under some build options.
void pki_hmac_sha256(struct span key, struct span s, uint8_t out[static PKI_SHA256])
{
    uint8_t block[WC_SHA256_BLOCK_SIZE] = { 0 }, pad[WC_SHA256_BLOCK_SIZE], inner[PKI_SHA256];
    if (key.n > sizeof block)
        pki_sha256(key, block);
    else if (key.n > 0)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x36;
    pki_sha256_2(span_of(pad, sizeof pad), s, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x5c;
    pki_sha256_2(span_of(pad, sizeof pad), span_of(inner, sizeof inner), out);
    wc_ForceZero(block, sizeof block);
    wc_ForceZero(pad, sizeof pad);
    wc_ForceZero(inner, sizeof inner);
}

void pki_random(void *out, size_t n)
{
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}
