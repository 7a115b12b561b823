// SPDX-License-Identifier: GPL-3.0-or-later
// From parents to ancestors, once, at load: a depth-first walk with a stack of its own, each entity finished after its
// parents.
#include "policy/table.h"

static void sift(uint32_t *ids, uint32_t root, uint32_t n)
{
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        uint32_t t;

        if (child + 1 < n && ids[child] < ids[child + 1])
            child++;
        if (ids[root] >= ids[child])
            return;
        t = ids[root];
        ids[root] = ids[child];
        ids[child] = t;
    }
}

uint32_t pol_ids_sort(uint32_t *ids, uint32_t n)
{
    uint32_t kept = 0;

    if (n <= 32) {
        for (uint32_t i = 1; i < n; i++) {
            uint32_t v = ids[i], j = i;

            for (; j > 0 && ids[j - 1] > v; j--)
                ids[j] = ids[j - 1];
            ids[j] = v;
        }
    } else {
        for (uint32_t i = n / 2; i-- > 0;)
            sift(ids, i, n);
        for (uint32_t end = n; end-- > 1;) {
            uint32_t t = ids[0];

            ids[0] = ids[end];
            ids[end] = t;
            sift(ids, 0, end);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

enum color { NEW, OPEN, DONE };

struct frame {
    uint32_t entity, next;
};

POL_VEC(frames, struct frame);
POL_VEC(ids, uint32_t);

struct walk {
    struct pol_set *set;
    const struct pol_parents *parents;
    struct diags *diags;
    uint8_t *colors;
    struct frames stack;
    struct ids scratch;
    uint64_t total;
};

static bool add(struct walk *w, uint32_t id)
{
    uint32_t *p = pol_vec_add(&w->scratch);

    if (p)
        *p = id;
    return p != NULL;
}

// All parents of the entity are finished: its ancestors are they and theirs.
static bool finish(struct walk *w, uint32_t entity)
{
    const struct pol_parents *p = &w->parents[entity];
    struct pol_facts *f = &w->set->facts[entity];
    uint32_t *kept;

    w->scratch.n = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct pol_facts *up = &w->set->facts[p->ids[i]];

        if (!add(w, p->ids[i]))
            return false;
        for (uint32_t k = 0; k < up->n_ancestors; k++)
            if (!add(w, up->ancestors[k]))
                return false;
    }
    w->colors[entity] = DONE;
    if (w->scratch.n == 0)
        return true;
    w->scratch.n = pol_ids_sort(w->scratch.at, w->scratch.n);
    w->total += w->scratch.n;
    if (w->total > POL_ANCESTORS_MAX) {
        diag_error(w->diags, p->file, p->place.line, p->place.column,
                   "more than %u pairs of entity and ancestor; use fewer levels", POL_ANCESTORS_MAX);
        return true;
    }
    kept = arena_array(&w->set->arena, w->scratch.n, sizeof *kept);
    if (!kept)
        return false;
    memcpy(kept, w->scratch.at, w->scratch.n * sizeof *kept);
    f->ancestors = kept;
    f->n_ancestors = w->scratch.n;
    return true;
}

static void cycle(const struct walk *w, uint32_t entity)
{
    const struct pol_uid *u = &w->set->uids.uids.at[entity];
    const struct pol_parents *p = &w->parents[entity];

    diag_error(w->diags, p->file, p->place.line, p->place.column,
               "%.*s::\"%.*s\" is its own ancestor; remove one of the parents",
               SPAN_FMT(w->set->uids.types.at[u->type].name), SPAN_FMT(span_sub(u->id, 0, 160)));
}

static bool enter(struct walk *w, uint32_t entity)
{
    struct frame *f = pol_vec_add(&w->stack);

    if (!f)
        return false;
    *f = (struct frame){ entity, 0 };
    w->colors[entity] = OPEN;
    return true;
}

static bool visit(struct walk *w, uint32_t root)
{
    if (!enter(w, root))
        return false;
    while (w->stack.n) {
        struct frame *f = &w->stack.at[w->stack.n - 1];
        const struct pol_parents *p = &w->parents[f->entity];
        uint32_t up;

        if (f->next == p->n) {
            w->stack.n--;
            if (!finish(w, f->entity))
                return false;
            continue;
        }
        up = p->ids[f->next++];
        if (w->colors[up] == OPEN)
            cycle(w, up);
        else if (w->colors[up] == NEW && !enter(w, up))
            return false;
    }
    return true;
}

bool pol_hierarchy_close(struct pol_set *s, const struct pol_parents *parents, struct diags *diags)
{
    struct walk w = { .set = s, .parents = parents, .diags = diags };
    bool ok;

    w.colors = calloc(s->uids.uids.n ? s->uids.uids.n : 1, 1);
    ok = w.colors != NULL;
    for (uint32_t i = 0; ok && i < s->uids.uids.n; i++)
        if (w.colors[i] == NEW && w.total <= POL_ANCESTORS_MAX)
            ok = visit(&w, i);
    free(w.colors);
    pol_vec_free(&w.stack);
    pol_vec_free(&w.scratch);
    return ok;
}
