// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic modulo p, the prime of P-256, and modulo n, the order of its group: wolfSSL's assembly for x86-64 with BMI2 and ADX, called
// directly. wolfSSL exports these symbols from sp_x86_64_asm.S but has no header for them, and no public function between them and a whole
// verification; deploy/deps pins its version and links it statically, so a version without them does not link, and the tests compare every
// answer with wolfSSL's own verification.
//
// Numbers are four 64-bit limbs, the least significant first, in Montgomery form (x·R mod p with R = 2^256) where nothing else is said. They are not fully reduced: all
// functions take and give any number below 2^256, of which at most two stand for the same residue (2^256 < 2p, 2n). So never compare two with
// memcmp: fe_is_zero of their difference. Results may be written over operands.
//
// VARIABLE TIME where it is used: signatures, hashes and public keys only. Nothing here may see a private key or a nonce.
//
// For the files p256_*.c.
#ifndef SALLYPORT_PKI_P256_FIELD_H
#define SALLYPORT_PKI_P256_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/cpuid.h>

#if defined(__x86_64__) && defined(WOLFSSL_SP_X86_64_ASM) && defined(HAVE_CPUID_INTEL)
#define PKI_P256_FIELD 1

// The names say avx2 because wolfSSL uses them where it found AVX2 too; they need BMI2 and ADX only. `m` is not read.
void sp_256_mont_mul_avx2_4(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *m, uint64_t mp);
void sp_256_mont_sqr_avx2_4(uint64_t *r, const uint64_t *a, const uint64_t *m, uint64_t mp);
void sp_256_mont_add_4(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *m);
void sp_256_mont_sub_4(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *m);
void sp_256_mont_dbl_4(uint64_t *r, const uint64_t *a, const uint64_t *m);
void sp_256_mont_mul_order_avx2_4(uint64_t *r, const uint64_t *a, const uint64_t *b);

struct fe {
    uint64_t limb[4];
};

static const struct fe fe_p = { { 0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001 } };
static const struct fe fe_n = { { 0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000 } };

// R², which makes the Montgomery form of a number.
static const struct fe fe_r_squared = { { 0x0000000000000003, 0xfffffffbffffffff, 0xfffffffffffffffe,
                                          0x00000004fffffffd } };

static inline void fe_mul(struct fe *r, const struct fe *a, const struct fe *b)
{
    sp_256_mont_mul_avx2_4(r->limb, a->limb, b->limb, fe_p.limb, 1);
}

static inline void fe_sqr(struct fe *r, const struct fe *a)
{
    sp_256_mont_sqr_avx2_4(r->limb, a->limb, fe_p.limb, 1);
}

static inline void fe_add(struct fe *r, const struct fe *a, const struct fe *b)
{
    sp_256_mont_add_4(r->limb, a->limb, b->limb, fe_p.limb);
}

static inline void fe_sub(struct fe *r, const struct fe *a, const struct fe *b)
{
    sp_256_mont_sub_4(r->limb, a->limb, b->limb, fe_p.limb);
}

static inline void fe_dbl(struct fe *r, const struct fe *a)
{
    sp_256_mont_dbl_4(r->limb, a->limb, fe_p.limb);
}

// Zero has two forms: 0 and p.
static inline bool fe_is_zero(const struct fe *a)
{
    const uint64_t *l = a->limb, *p = fe_p.limb;
    if ((l[0] | l[1] | l[2] | l[3]) == 0)
        return true;
    return ((l[0] ^ p[0]) | (l[1] ^ p[1]) | l[2] | (l[3] ^ p[3])) == 0;
}

// Of plain numbers, not residues.
static inline bool fe_is_below(const struct fe *a, const struct fe *b)
{
    for (int i = 3; i > 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i];
    return a->limb[0] < b->limb[0];
}

// The carry.
static inline uint64_t fe_plain_add(struct fe *r, const struct fe *a, const struct fe *b)
{
    unsigned __int128 sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (unsigned __int128)a->limb[i] + b->limb[i];
        r->limb[i] = (uint64_t)sum;
        sum >>= 64;
    }
    return (uint64_t)sum;
}

// 32 bytes, big-endian, as they are: neither reduced nor in Montgomery form.
static inline void fe_load(struct fe *r, const uint8_t bytes[static 32])
{
    for (int i = 0; i < 4; i++) {
        uint64_t limb;
        memcpy(&limb, bytes + 24 - 8 * i, sizeof limb);
        r->limb[i] = __builtin_bswap64(limb);
    }
}

// Modulo n: a·b / R.
static inline void scalar_mul(struct fe *r, const struct fe *a, const struct fe *b)
{
    sp_256_mont_mul_order_avx2_4(r->limb, a->limb, b->limb);
}

// What wolfSSL itself asks before it calls them.
static inline bool fe_is_usable(void)
{
    cpuid_flags_t flags = cpuid_get_flags();
    return IS_INTEL_BMI2(flags) && IS_INTEL_ADX(flags) && IS_INTEL_AVX2(flags);
}

#else
#define PKI_P256_FIELD 0
#endif

#endif
