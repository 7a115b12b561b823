// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/decide.h"

#include "gateway/base/err.h"
#include "policy/eval.h"
#include "policy/facts.h"
#include "policy/oblige.h"
#include "policy/residual.h"

enum { STACK_FEW = 16 };        // values; a deeper machine's are in the arena
#define TRY_OUT_MAX (16u << 20) // bytes that shadow policies may take for their values

// Policy indexes as they are found; in the arena.
struct found {
    uint32_t *at, n, cap;
};

struct decision {
    struct pol_request *request;
    const struct pol_set *set;
    struct pol_eval eval;
    struct found permits, forbids;
    struct pol_undecided *undecided; // partly only
    uint32_t n_undecided, cap_undecided;
    bool partly;
    struct pol_failure *failures;
    uint32_t n_failures, cap_failures;
    struct pol_answer *answer;
    bool spent;
};

// Nearly every decision finds something.
static inline __attribute__((always_inline)) bool note(struct decision *d, struct found *f, uint32_t policy)
{
    if (!pol_request_room(d->request, (void **)&f->at, f->n, &f->cap, sizeof *f->at))
        return false;
    f->at[f->n++] = policy;
    return true;
}

static bool note_failure(struct decision *d, uint32_t policy)
{
    const struct pol_policy *p = &d->set->policies.at[policy];

    if (!pol_request_room(d->request, (void **)&d->failures, d->n_failures, &d->cap_failures, sizeof *d->failures))
        return false;
    d->failures[d->n_failures++] = (struct pol_failure){
        .policy = policy, .line = d->eval.at.line, .column = d->eval.at.column, .text = d->eval.what
    };
    d->answer->permit_errors += p->effect == POL_PERMIT;
    d->answer->forbid_errors += p->effect == POL_FORBID;
    return true;
}

// ------------------------------------------------------------------------------------------------------------- scopes

static bool scope_holds(struct decision *d, const struct pol_scope *s, const struct pol_entity *e)
{
    switch ((enum pol_scope_op)s->op) {
    case SCOPE_ANY: return true;
    case SCOPE_EQ: return e->number == s->entity;
    case SCOPE_IN: return pol_facts_in(d->request, e->number, s->entity);
    case SCOPE_IS: return pol_facts_type(d->set, d->request, e->number) == s->type;
    case SCOPE_IS_IN:
        return pol_facts_type(d->set, d->request, e->number) == s->type &&
               pol_facts_in(d->request, e->number, s->entity);
    }
    return false;
}

// The first of the policy's actions that the request's action is or is in; POL_ID_NONE: none.
static uint32_t action_of(struct decision *d, const struct pol_policy *p)
{
    uint32_t action = d->request->action->number;

    if (p->action_op == SCOPE_EQ)
        return p->actions[0] == action ? action : POL_ID_NONE;
    for (uint32_t i = 0; i < p->n_actions; i++) {
        if (d->eval.steps > 1)
            d->eval.steps--;
        else
            d->spent = true;
        if (pol_facts_in(d->request, action, p->actions[i]))
            return p->actions[i];
    }
    return POL_ID_NONE;
}

// ----------------------------------------------------------------------------------------------------------- policies

// It waits for its context.
__attribute__((cold)) static bool note_undecided(struct decision *d, uint32_t policy)
{
    if (!pol_request_room(d->request, (void **)&d->undecided, d->n_undecided, &d->cap_undecided, sizeof *d->undecided))
        return false;
    d->eval.steps = d->eval.left_steps;
    d->undecided[d->n_undecided++] = (struct pol_undecided){ policy, d->eval.left_at };
    return true;
}

// From the instruction `at` on.
static inline __attribute__((always_inline)) bool conclude(struct decision *d, uint32_t index,
                                                           const struct pol_policy *p, uint32_t at)
{
    struct pol_value v = pol_bool(true);
    enum pol_outcome o = POL_DONE;

    if (at != p->code_end && !d->partly)
        o = pol_eval_run(&d->eval, at, p->code_end, &v);
    else if (at != p->code_end)
        o = pol_eval_pause(&d->eval, at, p->code_end, &v);
    if (o == POL_PAUSED)
        return note_undecided(d, index);
    if (o == POL_FAILED)
        return note_failure(d, index);
    if (o == POL_SPENT)
        d->spent = true;
    else if (o == POL_MEMORY)
        pol_request_fail(d->request, ERR_NOMEM, "out of memory for the decision");
    if (o != POL_DONE)
        return false;
    return v.kind != POL_BOOL || !v.b || note(d, p->effect == POL_FORBID ? &d->forbids : &d->permits, index);
}

// `via`: the entity under which the policy was found, if that is by action.
static bool consider(struct decision *d, uint32_t index, uint32_t via)
{
    const struct pol_policy *p = &d->set->policies.at[index];

    if (d->eval.steps <= 1) {
        d->spent = true;
        return false;
    }
    d->eval.steps--;
    if (p->action_op != SCOPE_ANY) {
        uint32_t action = action_of(d, p);

        // A policy is filed under each of its actions; it counts once, under the first that fits.
        if (d->spent)
            return false;
        if (action == POL_ID_NONE || (via != POL_ID_NONE && action != via))
            return true;
    }
    if (!scope_holds(d, &p->principal, d->request->principal) || !scope_holds(d, &p->resource, d->request->resource))
        return true;
    d->answer->candidates++;
    return conclude(d, index, p, p->code);
}

static bool search_file(struct decision *d, unsigned dim, uint32_t entity)
{
    const struct pol_file *f = &d->set->files[dim];

    if (!pol_file_has(f, entity))
        return true;
    for (uint32_t i = f->start[entity]; i < f->start[entity + 1]; i++)
        if (!consider(d, f->items[i], dim == DIM_ACTION ? entity : POL_ID_NONE))
            return false;
    return true;
}

static bool search(struct decision *d, unsigned dim, const struct pol_entity *e)
{
    uint32_t known = d->set->uids.uids.n;

    if (e->number < known && !search_file(d, dim, e->number))
        return false;
    for (uint32_t i = 0; i < e->n_ancestors && e->ancestors[i] < known; i++)
        if (!search_file(d, dim, e->ancestors[i]))
            return false;
    return true;
}

static bool all(struct decision *d)
{
    const struct pol_request *r = d->request;

    for (uint32_t i = 0; i < d->set->n_rest; i++)
        if (!consider(d, d->set->rest[i], POL_ID_NONE))
            return false;
    return search(d, DIM_PRINCIPAL, r->principal) && search(d, DIM_ACTION, r->action) &&
           search(d, DIM_RESOURCE, r->resource);
}

// ------------------------------------------------------------------------------------------- what is decided beforehand

static const uint32_t *sorted(struct found *f)
{
    f->n = pol_ids_sort(f->at, f->n);
    return f->at;
}

void pol_decide_partly(struct pol_request *r, const struct pol_value *known, struct pol_residual *out)
{
    static const struct pol_value nothing = { .kind = POL_RECORD };
    struct pol_answer a = { 0 };
    struct decision d = { .request = r,
                          .set = r->set,
                          .eval = { .set = r->set,
                                    .request = r,
                                    .arena = r->arena,
                                    .steps = POL_STEPS_DEFAULT,
                                    .known = known ? known : &nothing },
                          .answer = &a,
                          .partly = true };

    d.eval.stack = arena_array(r->arena, (size_t)r->set->code.stack_most + 1, sizeof *d.eval.stack);
    if (!d.eval.stack) {
        pol_request_fail(r, ERR_NOMEM, "out of memory for the decision");
        return;
    }
    if (!all(&d))
        return;
    *out = (struct pol_residual){ .known = true,
                                  .steps = POL_STEPS_DEFAULT - d.eval.steps,
                                  .candidates = a.candidates,
                                  .permit_errors = a.permit_errors,
                                  .forbid_errors = a.forbid_errors,
                                  .permits = sorted(&d.permits),
                                  .n_permits = d.permits.n,
                                  .forbids = sorted(&d.forbids),
                                  .n_forbids = d.forbids.n,
                                  .failures = d.failures,
                                  .n_failures = d.n_failures,
                                  .undecided = d.undecided,
                                  .n_undecided = d.n_undecided };
}

static bool note_all(struct decision *d, struct found *f, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!note(d, f, ids[i]))
            return false;
    return true;
}

static bool note_failures(struct decision *d, const struct pol_residual *from)
{
    for (uint32_t i = 0; i < from->n_failures; i++) {
        if (!pol_request_room(d->request, (void **)&d->failures, d->n_failures, &d->cap_failures, sizeof *d->failures))
            return false;
        d->failures[d->n_failures++] = from->failures[i];
    }
    d->answer->permit_errors = from->permit_errors;
    d->answer->forbid_errors = from->forbid_errors;
    return true;
}

// The rest of what was begun without the context. False: not begun, or broken off.
static bool rest(struct decision *d, const struct pol_residual *from)
{
    if (d->eval.steps <= from->steps) {
        d->spent = true;
        return false;
    }
    d->eval.steps -= from->steps;
    d->answer->candidates = from->candidates;
    if (!note_all(d, &d->permits, from->permits, from->n_permits) ||
        !note_all(d, &d->forbids, from->forbids, from->n_forbids) || !note_failures(d, from))
        return false;
    for (uint32_t i = 0; i < from->n_undecided; i++) {
        const struct pol_undecided *u = &from->undecided[i];

        if (!conclude(d, u->policy, &d->set->policies.at[u->policy], u->at))
            return false;
    }
    return true;
}

// The cost of each instruction is the same in whatever order policies are looked at: either way is over the budget, or neither. What was
// found until then is not, so it is found once more, in the order without.
static bool decided(struct decision *d, uint32_t steps)
{
    const struct pol_residual *from = d->request->residual;

    if (!from || !from->known)
        return all(d);
    if (rest(d, from))
        return true;
    if (!d->spent)
        return false;
    d->permits = d->forbids = (struct found){ 0 };
    d->failures = NULL;
    d->n_failures = d->cap_failures = 0;
    d->answer->candidates = d->answer->permit_errors = d->answer->forbid_errors = 0;
    d->eval.steps = steps;
    d->spent = false;
    return all(d);
}

// ------------------------------------------------------------------------------------------------------------- answers

// Found through several files: put into the order of the policies. Nothing stands twice.
static void sort_failures(struct pol_failure *f, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            struct pol_failure t = f[i];
            uint32_t j = i;

            for (; j >= gap && f[j - gap].policy > t.policy; j -= gap)
                f[j] = f[j - gap];
            f[j] = t;
        }
    }
}

static void answer(struct decision *d, enum pol_mode mode)
{
    struct pol_answer *a = d->answer;
    struct found *f = d->forbids.n ? &d->forbids : &d->permits;

    sort_failures(d->failures, d->n_failures);
    a->failures = d->failures;
    a->n_failures = d->n_failures;
    if (d->spent) {
        a->err = ERR_POLICY_BUDGET;
        return;
    }
    if (d->forbids.n) {
        a->err = ERR_POLICY_FORBID;
    } else if (mode == POL_MODE_GATEWAY && a->forbid_errors) {
        a->err = ERR_POLICY_FORBID_ERROR;
        return;
    } else if (d->permits.n) {
        a->err = 0;
        a->allow = true;
    }
    a->n_determining = pol_ids_sort(f->at, f->n);
    a->determining = f->at;
}

// ------------------------------------------------------------------------------------------------------------- shadows

// Asks each; the place in `shadows` of the one that it broke off at, or how many there are.
__attribute__((cold)) static uint32_t shadows(struct decision *d)
{
    uint32_t i = 0;

    while (i < d->set->n_shadows && consider(d, d->set->shadows[i], POL_ID_NONE))
        i++;
    return i;
}

static void note_failed_forbids(struct decision *s, struct found *f)
{
    for (uint32_t i = 0; i < s->n_failures; i++)
        if (s->set->policies.at[s->failures[i].policy].effect == POL_FORBID)
            note(s, f, s->failures[i].policy);
}

// What would have been decided, from what was found in force and among the shadows.
static void compare(const struct decision *d, struct decision *s, uint32_t broke_off, struct pol_shadow *out)
{
    struct found more = { 0 }, *f = &more;
    int err = ERR_POLICY_NO_PERMIT;

    if (broke_off < d->set->n_shadows) {
        err = ERR_POLICY_BUDGET;
        note(s, f, d->set->shadows[broke_off]);
    } else if (d->forbids.n || s->forbids.n) {
        err = ERR_POLICY_FORBID;
        f = &s->forbids;
    } else if (d->answer->forbid_errors || s->answer->forbid_errors) {
        err = ERR_POLICY_FORBID_ERROR;
        note_failed_forbids(s, f);
    } else if (d->permits.n || s->permits.n) {
        // What could not be met of the permits in force stays so.
        err = d->answer->err == ERR_POLICY_OBLIGATION ? ERR_POLICY_OBLIGATION : 0;
        f = &s->permits;
    }
    *out = (struct pol_shadow){ .differs = (err == 0) != d->answer->allow,
                                .err = err,
                                .policies = f->at,
                                .n = pol_ids_sort(f->at, f->n),
                                .errors = s->n_failures };
}

// Nothing of it comes to bear on the request: neither its steps, nor its memory, nor that it failed. Only the entities
// that it looked at stay noted, so that the request can be decided again once these policies are in force.
__attribute__((noinline, cold)) static void try_out(const struct decision *d, uint32_t steps)
{
    struct pol_request *r = d->request;
    struct arena own;
    struct pol_answer answer = { 0 };
    struct decision s = {
        .request = r,
        .set = d->set,
        .eval = { .set = d->set, .request = r, .arena = &own, .stack = d->eval.stack, .steps = steps },
        .answer = &answer,
    };
    const char *why = r->why;
    bool failed = r->arena->failed;

    if (d->spent)
        return;
    arena_init(&own, TRY_OUT_MAX);
    compare(d, &s, shadows(&s), &d->answer->shadow);
    arena_fini(&own);
    r->err = 0;
    r->why = why;
    r->arena->failed = failed;
}

static int ready(struct pol_request *r)
{
    if (!r->principal || !r->action || !r->resource)
        pol_request_fail(r, ERR_INTERNAL, "principal, action or resource is missing");
    if (!r->err)
        pol_facts_close(r);
    return r->err;
}

int pol_decide(struct pol_request *r, enum pol_mode mode, uint32_t budget, struct pol_answer *a)
{
    uint32_t steps = budget ? budget : POL_STEPS_DEFAULT;
    struct pol_value few[STACK_FEW];
    struct decision d = {
        .request = r,
        .set = r->set,
        .eval = { .set = r->set, .request = r, .arena = r->arena, .steps = steps },
        .answer = a,
    };

    *a = (struct pol_answer){ .err = ERR_POLICY_NO_PERMIT };
    if (ready(r) != 0)
        return a->err = r->err;
    d.eval.stack = few;
    if (r->set->code.stack_most >= STACK_FEW)
        d.eval.stack = arena_array(r->arena, (size_t)r->set->code.stack_most + 1, sizeof *d.eval.stack);
    if (!d.eval.stack)
        pol_request_fail(r, ERR_NOMEM, "out of memory for the decision");
    if (!r->err && decided(&d, steps) && mode == POL_MODE_CEDAR && r->set->n_shadows)
        shadows(&d);
    if (!r->err)
        answer(&d, mode);
    if (a->allow && r->set->obliges && mode == POL_MODE_GATEWAY)
        d.spent = pol_oblige(&d.eval, a) == ERR_POLICY_BUDGET;
    a->steps = steps - d.eval.steps;
    if (r->err)
        *a = (struct pol_answer){ .err = r->err };
    if (r->set->n_shadows && mode == POL_MODE_GATEWAY && !r->err)
        try_out(&d, steps);
    return a->err;
}
