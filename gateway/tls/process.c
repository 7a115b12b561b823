// SPDX-License-Identifier: GPL-3.0-or-later
// What a process does once before its loops start. wolfSSL chooses its assembly when an algorithm is first used, by writing function pointers and flags
// without a lock; so each algorithm that two loops could first use at once is used here, by the one thread there is.
#include "gateway/tls/context.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/wc_mlkem.h>

static bool warm_hashes(void)
{
    static const enum wc_HashType types[] = { WC_HASH_TYPE_SHA256,   WC_HASH_TYPE_SHA384,   WC_HASH_TYPE_SHA512,
                                              WC_HASH_TYPE_SHA3_256, WC_HASH_TYPE_SHA3_512, WC_HASH_TYPE_SHAKE128,
                                              WC_HASH_TYPE_SHAKE256 };
    unsigned char in[512] = { 0 }, out[WC_MAX_DIGEST_SIZE];
    bool ok = true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        wc_HashAlg h;
        int n = wc_HashGetDigestSize(types[i]);
        ok &= wc_HashInit(&h, types[i]) == 0 && wc_HashUpdate(&h, types[i], in, sizeof in) == 0;
        // The extendable ones have no digest size of their own; absorbing was what counts.
        if (n > 0 && types[i] != WC_HASH_TYPE_SHAKE128 && types[i] != WC_HASH_TYPE_SHAKE256)
            ok &= wc_HashFinal(&h, types[i], out) == 0;
        wc_HashFree(&h, types[i]);
    }
    return ok;
}

static bool warm_ciphers(void)
{
    Aes aes;
    unsigned char key[32] = { 0 }, iv[12] = { 0 }, data[256] = { 0 }, tag[16];
    bool ok = wc_AesInit(&aes, NULL, INVALID_DEVID) == 0;
    ok = ok && wc_AesGcmSetKey(&aes, key, sizeof key) == 0 &&
         wc_AesGcmEncrypt(&aes, data, data, sizeof data, iv, sizeof iv, tag, sizeof tag, NULL, 0) == 0;
    wc_AesFree(&aes);
    return ok && wc_ChaCha20Poly1305_Encrypt(key, iv, NULL, 0, data, sizeof data, data, tag) == 0;
}

static bool warm_key_exchange(WC_RNG *rng)
{
    curve25519_key a, b;
    unsigned char shared[WC_ML_KEM_SS_SZ];
    unsigned char sealed[WC_ML_KEM_MAX_CIPHER_TEXT_SIZE];
    word32 n = sizeof shared, sealed_n = 0;
    bool ok = wc_curve25519_init(&a) == 0 && wc_curve25519_init(&b) == 0 &&
              wc_curve25519_make_key(rng, CURVE25519_KEYSIZE, &a) == 0 &&
              wc_curve25519_make_key(rng, CURVE25519_KEYSIZE, &b) == 0 &&
              wc_curve25519_shared_secret(&a, &b, shared, &n) == 0;
    wc_curve25519_free(&a);
    wc_curve25519_free(&b);
    MlKemKey kem;
    if (!ok || wc_MlKemKey_Init(&kem, WC_ML_KEM_768, NULL, INVALID_DEVID) != 0)
        return false;
    ok = wc_MlKemKey_MakeKey(&kem, rng) == 0 && wc_MlKemKey_CipherTextSize(&kem, &sealed_n) == 0 &&
         sealed_n <= sizeof sealed && wc_MlKemKey_Encapsulate(&kem, sealed, shared, rng) == 0 &&
         wc_MlKemKey_Decapsulate(&kem, shared, sealed, sealed_n) == 0;
    wc_MlKemKey_Free(&kem);
    return ok;
}

static bool warm_ec(WC_RNG *rng, int curve, int bytes)
{
    ecc_key key;
    unsigned char hash[32] = { 1 }, sig[ECC_MAX_SIG_SIZE];
    word32 n = sizeof sig;
    int valid = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    bool ok = wc_ecc_make_key_ex(rng, bytes, &key, curve) == 0 &&
              wc_ecc_sign_hash(hash, sizeof hash, sig, &n, rng, &key) == 0 &&
              wc_ecc_verify_hash(sig, n, hash, sizeof hash, &valid, &key) == 0 && valid;
    wc_ecc_free(&key);
    return ok;
}

static bool warm_ed25519(WC_RNG *rng)
{
    ed25519_key key;
    unsigned char message[8] = { 1 }, sig[ED25519_SIG_SIZE];
    word32 n = sizeof sig;
    int valid = 0;
    if (wc_ed25519_init(&key) != 0)
        return false;
    bool ok = wc_ed25519_make_key(rng, ED25519_KEY_SIZE, &key) == 0 &&
              wc_ed25519_sign_msg(message, sizeof message, sig, &n, &key) == 0 &&
              wc_ed25519_verify_msg(sig, n, message, sizeof message, &valid, &key) == 0 && valid;
    wc_ed25519_free(&key);
    return ok;
}

int gw_tls_process_init(void)
{
    WC_RNG rng;
    if (wolfSSL_Init() != WOLFSSL_SUCCESS)
        return ERR_INTERNAL;
    if (wc_InitRng(&rng) != 0) {
        wolfSSL_Cleanup();
        return ERR_INTERNAL;
    }
    bool ok = warm_hashes() && warm_ciphers() && warm_key_exchange(&rng) && warm_ec(&rng, ECC_SECP256R1, 32) &&
              warm_ec(&rng, ECC_SECP384R1, 48) && warm_ec(&rng, ECC_SECP521R1, 66) && warm_ed25519(&rng);
    wc_FreeRng(&rng);
    if (!ok)
        wolfSSL_Cleanup();
    return ok ? 0 : ERR_INTERNAL;
}

void gw_tls_process_fini(void)
{
    wolfSSL_Cleanup();
}
