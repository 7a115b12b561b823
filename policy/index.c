// SPDX-License-Identifier: GPL-3.0-or-later
// Files policies under the entity of their scope that fewest other policies name; a team's under their resource, which is the team's. A policy that lists several actions
// is filed under each of them, if actions are what it is filed by. decide.c makes sure that it is looked at once all
// the same. Policies that are tried out are listed apart: who decides never meets them.
#include "policy/table.h"

static uint32_t named(const struct pol_scope *s)
{
    return s->op == SCOPE_EQ || s->op == SCOPE_IN || s->op == SCOPE_IS_IN ? s->entity : POL_ID_NONE;
}

// How many policies name each entity, by dimension.
struct counts {
    uint32_t *of[DIMS];
};

static void count(const struct counts *c, const struct pol_policy *p)
{
    if (named(&p->principal) != POL_ID_NONE)
        c->of[DIM_PRINCIPAL][p->principal.entity]++;
    if (named(&p->resource) != POL_ID_NONE)
        c->of[DIM_RESOURCE][p->resource.entity]++;
    for (uint32_t i = 0; i < p->n_actions; i++)
        c->of[DIM_ACTION][p->actions[i]]++;
}

// The dimension to file the policy by; DIMS: none of its scopes names an entity.
static unsigned choose(const struct counts *c, const struct pol_policy *p)
{
    uint64_t best = UINT64_MAX, n = 0;
    unsigned dim = DIMS;

    if (p->owned)
        return DIM_RESOURCE;
    if (named(&p->principal) != POL_ID_NONE) {
        best = c->of[DIM_PRINCIPAL][p->principal.entity];
        dim = DIM_PRINCIPAL;
    }
    if (named(&p->resource) != POL_ID_NONE && c->of[DIM_RESOURCE][p->resource.entity] < best) {
        best = c->of[DIM_RESOURCE][p->resource.entity];
        dim = DIM_RESOURCE;
    }
    for (uint32_t i = 0; i < p->n_actions; i++)
        n += c->of[DIM_ACTION][p->actions[i]];
    return p->action_op != SCOPE_ANY && n < best ? DIM_ACTION : dim;
}

// Every place the policy goes to: 1 for each file, none for the rest.
static uint32_t places(const struct pol_policy *p, unsigned dim, const uint32_t **ids)
{
    if (dim == DIM_ACTION) {
        *ids = p->actions;
        return p->n_actions;
    }
    *ids = dim == DIM_PRINCIPAL ? &p->principal.entity : &p->resource.entity;
    return dim == DIMS ? 0 : 1;
}

static bool fill(struct pol_set *s, const uint8_t *dims)
{
    uint32_t n = s->uids.uids.n;

    for (unsigned d = 0; d < DIMS; d++) {
        struct pol_file *f = &s->files[d];

        f->start = arena_array(&s->arena, (size_t)n + 2, sizeof *f->start);
        f->some = arena_array(&s->arena, (size_t)n / 64 + 1, sizeof *f->some);
        if (!f->start || !f->some)
            return false;
        // Counted two places up: after the sums start[e + 1] is where e begins, and moves to where e ends while
        // filling.
        for (int pass = 0; pass < 2; pass++) {
            for (uint32_t i = 0; i < s->policies.n; i++) {
                const uint32_t *ids;
                uint32_t k = dims[i] == d ? places(&s->policies.at[i], d, &ids) : 0;

                while (k-- > 0) {
                    if (pass == 0) {
                        f->start[ids[k] + 2]++;
                        f->some[ids[k] / 64] |= (uint64_t)1 << (ids[k] % 64);
                    } else {
                        f->items[f->start[ids[k] + 1]++] = i;
                    }
                }
            }
            if (pass == 1)
                break;
            for (uint32_t e = 2; e < n + 2; e++)
                f->start[e] += f->start[e - 1];
            f->items = arena_array(&s->arena, f->start[n + 1] ? f->start[n + 1] : 1, sizeof *f->items);
            if (!f->items)
                return false;
        }
    }
    return true;
}

bool pol_index_build(struct pol_set *s)
{
    enum { NEVER = DIMS + 1 };
    uint32_t n = s->uids.uids.n;
    uint8_t *dims = calloc(s->policies.n ? s->policies.n : 1, 1);
    uint32_t *counted = calloc((size_t)n * DIMS + 1, sizeof *counted);
    struct counts c = { .of = { counted, counted + n, counted + 2 * (size_t)n } };
    bool ok = dims && counted;

    for (uint32_t i = 0; ok && i < s->policies.n; i++)
        if (!s->policies.at[i].never && !s->policies.at[i].shadow)
            count(&c, &s->policies.at[i]);
    for (uint32_t i = 0; ok && i < s->policies.n; i++) {
        const struct pol_policy *p = &s->policies.at[i];

        dims[i] = p->never || p->shadow ? NEVER : (uint8_t)choose(&c, p);
        s->n_rest += dims[i] == DIMS;
        s->n_shadows += p->shadow && !p->never;
    }
    ok = ok && (s->shadows = arena_array(&s->arena, s->n_shadows ? s->n_shadows : 1, sizeof *s->shadows));
    ok = ok && (s->rest = arena_array(&s->arena, s->n_rest ? s->n_rest : 1, sizeof *s->rest)) && fill(s, dims);
    for (uint32_t i = 0, k = 0; ok && i < s->policies.n; i++)
        if (dims[i] == DIMS)
            s->rest[k++] = i;
    for (uint32_t i = 0, k = 0; ok && i < s->policies.n; i++)
        if (s->policies.at[i].shadow && !s->policies.at[i].never)
            s->shadows[k++] = i;
    free(dims);
    free(counted);
    return ok;
}
