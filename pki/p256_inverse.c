// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/p256_inverse.h"

#if PKI_P256_FIELD

enum { LIMBS = 5, STEPS = 62 };

// Σ limb[i]·2^(62·i): all limbs but the last are in [0, 2^62), the last has the sign.
struct wide {
    int64_t limb[LIMBS];
};

struct modulus {
    struct wide m;
    uint64_t inverse; // 1 / m mod 2^62
};

static const struct modulus modulus_n = {
    { { 0x33b9cac2fc632551, 0x339beab69c5e7a13, 0x3ffffffffffffffb, 0x3fffffc00000003f, 0xff } },
    0x332e375511ff43b1,
};
static const struct modulus modulus_p = {
    { { 0x3fffffffffffffff, 0x3ffffffff, 0, 0x3fffffc000000040, 0xff } },
    0x3fffffffffffffff,
};

static const uint64_t low_bits = UINT64_MAX >> (64 - STEPS);

static int64_t low(__int128 a)
{
    return (int64_t)((uint64_t)a & low_bits);
}

static struct wide widen(const struct fe *a)
{
    const uint64_t *l = a->limb;
    return (struct wide){ { (int64_t)(l[0] & low_bits), (int64_t)((l[0] >> 62 | l[1] << 2) & low_bits),
                            (int64_t)((l[1] >> 60 | l[2] << 4) & low_bits),
                            (int64_t)((l[2] >> 58 | l[3] << 6) & low_bits), (int64_t)(l[3] >> 56) } };
}

// Of a number in [0, 2^256).
static void narrow(const struct wide *a, struct fe *out)
{
    uint64_t l[LIMBS];
    memcpy(l, a->limb, sizeof l);
    *out = (struct fe){ { l[0] | l[1] << 62, l[1] >> 2 | l[2] << 60, l[2] >> 4 | l[3] << 58, l[3] >> 6 | l[4] << 56 } };
}

// Carries what is outside of [0, 2^62) upwards.
static void carry(struct wide *a)
{
    for (int i = 0; i < LIMBS - 1; i++) {
        a->limb[i + 1] += a->limb[i] >> STEPS;
        a->limb[i] &= (int64_t)low_bits;
    }
}

// 2^62·(f', g') = (u·f + v·g, q·f + r·g)
struct matrix {
    int64_t u, v, q, r;
};

// 62 steps on the lowest bits of f and g. `eta` is minus Bernstein and Yang's delta: where g is odd and eta negative, f and g change places; each step
// takes one from it. As many steps are taken at once as g has zeros at its end, and up to six of those that follow: f stays for eta + 1 steps, so the
// multiple of f is added that gives g so many more zeros. It is -g/f mod 64, and -1/f is f·(f² - 2), since (f² - 1)² is a multiple of 64.
static int64_t divide(int64_t eta, uint64_t f, uint64_t g, struct matrix *out)
{
    uint64_t u = 1, v = 0, q = 0, r = 1;
    for (int left = STEPS;;) {
        int zeros = __builtin_ctzll(g | UINT64_MAX << left);
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= zeros;
        left -= zeros;
        if (left == 0)
            break;
        if (eta < 0) {
            uint64_t old_f = f, old_u = u, old_v = v;
            eta = -eta;
            f = g, g = -old_f;
            u = q, q = -old_u;
            v = r, r = -old_v;
        }
        int bits = eta + 1 > left ? left : (int)eta + 1;
        if (bits > 6)
            bits = 6;
        uint64_t times = f * (f * f - 2) * g & ((UINT64_C(1) << bits) - 1);
        g += f * times;
        q += u * times;
        r += v * times;
    }
    *out = (struct matrix){ (int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r };
    return eta;
}

// (f, g) = matrix · (f, g) / 2^62, which leaves nothing behind.
static void apply(const struct matrix *t, struct wide *f, struct wide *g)
{
    __int128 a = 0, b = 0;
    for (int i = 0; i < LIMBS; i++) {
        int64_t fi = f->limb[i], gi = g->limb[i];
        a += (__int128)t->u * fi + (__int128)t->v * gi;
        b += (__int128)t->q * fi + (__int128)t->r * gi;
        if (i > 0) {
            f->limb[i - 1] = low(a);
            g->limb[i - 1] = low(b);
        }
        a >>= STEPS;
        b >>= STEPS;
    }
    f->limb[LIMBS - 1] = (int64_t)a;
    g->limb[LIMBS - 1] = (int64_t)b;
}

// (d, e) = matrix · (d, e) / 2^62 mod m: multiples of m are added, one where d or e is negative, and as many as make the lowest 62 bits zero. Both
// stay between -2m and m.
static void apply_mod(const struct matrix *t, const struct modulus *m, struct wide *d, struct wide *e)
{
    int64_t d_negative = d->limb[LIMBS - 1] >> 63, e_negative = e->limb[LIMBS - 1] >> 63;
    int64_t md = (t->u & d_negative) + (t->v & e_negative), me = (t->q & d_negative) + (t->r & e_negative);
    __int128 a = (__int128)t->u * d->limb[0] + (__int128)t->v * e->limb[0];
    __int128 b = (__int128)t->q * d->limb[0] + (__int128)t->r * e->limb[0];
    md -= (int64_t)((m->inverse * (uint64_t)a + (uint64_t)md) & low_bits);
    me -= (int64_t)((m->inverse * (uint64_t)b + (uint64_t)me) & low_bits);
    a = (a + (__int128)m->m.limb[0] * md) >> STEPS;
    b = (b + (__int128)m->m.limb[0] * me) >> STEPS;
    for (int i = 1; i < LIMBS; i++) {
        int64_t di = d->limb[i], ei = e->limb[i], mi = m->m.limb[i];
        a += (__int128)t->u * di + (__int128)t->v * ei + (__int128)mi * md;
        b += (__int128)t->q * di + (__int128)t->r * ei + (__int128)mi * me;
        d->limb[i - 1] = low(a);
        e->limb[i - 1] = low(b);
        a >>= STEPS;
        b >>= STEPS;
    }
    d->limb[LIMBS - 1] = (int64_t)a;
    e->limb[LIMBS - 1] = (int64_t)b;
}

static void add_if_negative(struct wide *a, const struct wide *m)
{
    if (a->limb[LIMBS - 1] >= 0)
        return;
    for (int i = 0; i < LIMBS; i++)
        a->limb[i] += m->limb[i];
    carry(a);
}

static bool is_zero(const struct wide *a)
{
    int64_t any = 0;
    for (int i = 0; i < LIMBS; i++)
        any |= a->limb[i];
    return any == 0;
}

static void invert(const struct modulus *m, const struct fe *a, struct fe *out)
{
    struct wide f = m->m, g = widen(a), d = { { 0 } }, e = { { 1 } };
    struct matrix t;
    int64_t eta = -1;
    do {
        eta = divide(eta, (uint64_t)f.limb[0], (uint64_t)g.limb[0], &t);
        apply_mod(&t, m, &d, &e);
        apply(&t, &f, &g);
    } while (!is_zero(&g));
    // f is 1 or -1 now, and d the same times 1/a.
    add_if_negative(&d, &m->m);
    if (f.limb[LIMBS - 1] < 0) {
        for (int i = 0; i < LIMBS; i++)
            d.limb[i] = -d.limb[i];
        carry(&d);
    }
    add_if_negative(&d, &m->m);
    narrow(&d, out);
}

void pki_p256_invert_mod_n_(const struct fe *a, struct fe *out)
{
    invert(&modulus_n, a, out);
}

void pki_p256_invert_mod_p_(const struct fe *a, struct fe *out)
{
    invert(&modulus_p, a, out);
}

#endif
