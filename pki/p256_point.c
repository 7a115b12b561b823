// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/p256_point.h"

#if PKI_P256_FIELD

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/err.h"
#include "pki/p256_inverse.h"

static const struct fe zero;
static const struct fe one = { { 0x0000000000000001, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe } };
static const struct fe b = { { 0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6, 0xdc30061d04874834 } };

static bool read_coordinate(const uint8_t bytes[static 32], struct fe *out)
{
    fe_load(out, bytes);
    if (!fe_is_below(out, &fe_p))
        return false;
    fe_mul(out, out, &fe_r_squared);
    return true;
}

bool pki_p256_point_read_(const uint8_t bytes[static 64], struct pki_p256_affine *out)
{
    struct pki_p256_affine p;
    struct fe left, right, three_x;
    if (!read_coordinate(bytes, &p.x) || !read_coordinate(bytes + 32, &p.y))
        return false;
    fe_sqr(&left, &p.y);
    fe_sqr(&right, &p.x);
    fe_mul(&right, &right, &p.x);
    fe_dbl(&three_x, &p.x);
    fe_add(&three_x, &three_x, &p.x);
    fe_sub(&right, &right, &three_x);
    fe_add(&right, &right, &b);
    fe_sub(&left, &left, &right);
    if (!fe_is_zero(&left))
        return false;
    *out = p;
    return true;
}

// ---- sums
//
// The order of the steps is free where none waits for another; this one was the fastest of some hundred that were measured, by a tenth.

// No point has y = 0 (the order is odd), so twice a point is a point.
void pki_p256_double_(struct pki_p256_sum *sum)
{
    struct fe u, v, w, s, m, t, wy;
    if (sum->infinity)
        return;
    fe_dbl(&u, &sum->y);
    fe_sub(&m, &sum->x, &sum->zz); // M = 3·X² - 3·ZZ² = 3·(X - ZZ)·(X + ZZ)
    fe_add(&t, &sum->x, &sum->zz);
    fe_sqr(&v, &u);
    fe_mul(&m, &m, &t);
    fe_mul(&w, &u, &v);
    fe_mul(&s, &sum->x, &v);
    fe_dbl(&t, &m);
    fe_add(&m, &m, &t);
    fe_sqr(&sum->x, &m);
    fe_dbl(&t, &s);
    fe_mul(&sum->zz, &sum->zz, &v);
    fe_mul(&wy, &w, &sum->y);
    fe_sub(&sum->x, &sum->x, &t);
    fe_sub(&s, &s, &sum->x);
    fe_mul(&sum->zzz, &sum->zzz, &w);
    fe_mul(&sum->y, &m, &s);
    fe_sub(&sum->y, &sum->y, &wy);
}

// The x of both are the same: it is the same point, or the opposite one. `y_difference` is 0 for the same.
static void add_same_x(struct pki_p256_sum *sum, const struct fe *y_difference)
{
    if (fe_is_zero(y_difference))
        pki_p256_double_(sum);
    else
        sum->infinity = true;
}

void pki_p256_add_(struct pki_p256_sum *sum, const struct pki_p256_affine *point, bool negative)
{
    struct fe y[2], p, r, pp, rr, ppp, q, two_q, y_ppp;
    y[0] = point->y;
    fe_sub(&y[1], &zero, &point->y);
    if (sum->infinity) {
        *sum = (struct pki_p256_sum){ point->x, y[negative], one, one, false };
        return;
    }
    fe_mul(&p, &point->x, &sum->zz);
    fe_mul(&r, &y[negative], &sum->zzz);
    fe_sub(&p, &p, &sum->x);
    fe_sub(&r, &r, &sum->y);
    if (fe_is_zero(&p)) {
        add_same_x(sum, &r);
        return;
    }
    fe_sqr(&pp, &p);
    fe_sqr(&rr, &r);
    fe_mul(&q, &sum->x, &pp);
    fe_mul(&ppp, &p, &pp);
    fe_dbl(&two_q, &q);
    fe_sub(&sum->x, &rr, &ppp);
    fe_mul(&sum->zz, &sum->zz, &pp);
    fe_sub(&sum->x, &sum->x, &two_q);
    fe_sub(&q, &q, &sum->x);
    fe_mul(&y_ppp, &sum->y, &ppp);
    fe_mul(&sum->zzz, &sum->zzz, &ppp);
    fe_mul(&sum->y, &r, &q);
    fe_sub(&sum->y, &sum->y, &y_ppp);
}

// ---- affine again

// 1 / a, both in Montgomery form: R / a = 1/(a·R) · R².
static void invert(struct fe *r, const struct fe *a)
{
    pki_p256_invert_mod_p_(a, r);
    fe_mul(r, r, &fe_r_squared);
    fe_mul(r, r, &fe_r_squared);
}

// With one inversion for all (Montgomery's trick, algorithm 2.26 of the Guide): `products` gets those of the first zzz. None of the points is
// infinity.
static void to_affine(const struct pki_p256_sum *points, size_t n, struct fe *products, struct pki_p256_affine *out)
{
    struct fe inverse, z, t;
    products[0] = points[0].zzz;
    for (size_t i = 1; i < n; i++)
        fe_mul(&products[i], &products[i - 1], &points[i].zzz);
    invert(&inverse, &products[n - 1]);
    for (size_t i = n; i-- > 0;) {
        assert(!points[i].infinity);
        z = inverse;
        if (i > 0) {
            fe_mul(&z, &inverse, &products[i - 1]);
            fe_mul(&inverse, &inverse, &points[i].zzz);
        }
        // z = 1 / ZZZ; ZZ · z is 1 / Z, and its square 1 / ZZ.
        fe_mul(&out[i].y, &points[i].y, &z);
        fe_mul(&t, &points[i].zz, &z);
        fe_sqr(&t, &t);
        fe_mul(&out[i].x, &points[i].x, &t);
    }
}

// ---- combs

// The sums that a table of `rows` rows holds, of the points `row[0]` … and their doubles: entry v has + in row i where v has bit i, and in the
// last. Each entry is an earlier one with one sign changed: plus twice that row.
static void fill(const struct pki_p256_affine *row, const struct pki_p256_affine *twice, unsigned rows,
                 struct pki_p256_sum *out)
{
    out[0].infinity = true;
    pki_p256_add_(&out[0], &row[rows - 1], false);
    for (unsigned i = 0; i < rows - 1; i++)
        pki_p256_add_(&out[0], &row[i], true);
    for (unsigned i = 0; i < rows - 1; i++)
        for (size_t v = 0; v < (size_t)1 << i; v++) {
            struct pki_p256_sum *e = &out[v + ((size_t)1 << i)];
            *e = out[v];
            pki_p256_add_(e, &twice[i], false);
        }
}

int pki_p256_comb_(const struct pki_p256_affine *point, unsigned rows, unsigned tables, struct pki_p256_affine *out)
{
    // Of each row i: 2^(22·i)·P, and twice that.
    struct pki_p256_sum chain[2 * PKI_P256_ROWS], at = { .infinity = true };
    struct pki_p256_affine affine[2 * PKI_P256_ROWS];
    size_t n_rows = (size_t)rows * tables, entries = (size_t)1 << (rows - 1), n = entries * tables;
    assert(n_rows <= PKI_P256_ROWS && n >= 2 * n_rows);
    struct pki_p256_sum *sums = malloc(n * sizeof *sums);
    struct fe *products = malloc(n * sizeof *products);
    int rc = ERR_NOMEM;
    if (!sums || !products)
        goto done;
    pki_p256_add_(&at, point, false);
    for (size_t i = 0; i < n_rows; i++) {
        chain[i] = at;
        pki_p256_double_(&at);
        chain[n_rows + i] = at;
        for (int times = 1; times < PKI_P256_COLUMNS && i + 1 < n_rows; times++)
            pki_p256_double_(&at);
    }
    to_affine(chain, 2 * n_rows, products, affine);
    for (size_t t = 0; t < tables; t++)
        fill(&affine[t * rows], &affine[n_rows + t * rows], rows, &sums[t * entries]);
    to_affine(sums, n, products, out);
    rc = 0;
done:
    free(sums);
    free(products);
    return rc;
}

#endif
