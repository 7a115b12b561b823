// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/confine.h"

#include <assert.h>

#include "gateway/api/confine.h"
#include "gateway/stages/pipeline.h"
#include "gateway/stages/sightings.h"

enum reach { CANNOT_BE_CONFINED, SHOWS_NOTHING, DESCRIBES, CONFINED };

static const uint8_t reaches[GW_ACTION_COUNT] = {
    [GW_ACTION_SEARCH] = CONFINED,         [GW_ACTION_READ] = CONFINED,
    [GW_ACTION_WRITE] = CONFINED,          [GW_ACTION_DELETE] = CONFINED,
    [GW_ACTION_META] = DESCRIBES,          [GW_ACTION_LIST] = SHOWS_NOTHING,
    [GW_ACTION_CREATE] = SHOWS_NOTHING,    [GW_ACTION_ALTER] = CANNOT_BE_CONFINED,
    [GW_ACTION_DROP] = CANNOT_BE_CONFINED, [GW_ACTION_EXPORT] = CANNOT_BE_CONFINED,
    [GW_ACTION_OPS] = CANNOT_BE_CONFINED,
};

// In a collection that is there: a name that is bound to it shows all its records under another one, a partition or an index is of all of
// them, and a list of what it has describes it.
static enum reach reach_of(const struct gw_api_authorisation *a)
{
    bool inside = !span_is_none(a->collection) && !a->collection_is_new;
    if (inside && a->action == GW_ACTION_CREATE)
        return CANNOT_BE_CONFINED;
    return inside && a->action == GW_ACTION_LIST ? DESCRIBES : (enum reach)reaches[a->action];
}

// What there is to be met.
struct filters {
    struct gw_api_filter *at;
    size_t n;
    bool records; // some of them confine records
};

static const struct gw_decision *decision_of(const struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    for (size_t i = 0; i < x->n_decisions; i++)
        if (x->decisions[i].authorisation == a && x->decisions[i].decided)
            return &x->decisions[i];
    return NULL;
}

static struct gw_api_value value_of(const struct pol_value *v)
{
    switch (v->kind) {
    case POL_STRING: return (struct gw_api_value){ .kind = GW_API_TEXT, .text = pol_value_span(*v) };
    case POL_LONG: return (struct gw_api_value){ .kind = GW_API_NUMBER, .number = v->i };
    default: assert(v->kind == POL_BOOL); return (struct gw_api_value){ .kind = GW_API_FLAG, .flag = v->b };
    }
}

static int add(struct gw_exchange *x, size_t authorisation, const struct pol_obligation *o, struct filters *f)
{
    const struct pol_value *v = o->value.kind == POL_SET ? o->value.items : &o->value;
    size_t n = o->value.kind == POL_SET ? o->value.n : 1;
    struct gw_api_value *values = arena_array(&x->arena, n + 1, sizeof *values);
    if (!values)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        values[i] = value_of(&v[i]);
    f->at[f->n++] =
        (struct gw_api_filter){ .authorisation = authorisation, .field = o->field, .values = values, .n_values = n };
    return 0;
}

static int gather_one(struct gw_exchange *x, size_t i, const struct gw_decision *d, struct filters *f)
{
    const struct gw_api_authorisation *a = &x->meaning.authorisations[i];
    enum reach reach = reach_of(a);
    int rc = 0;
    for (size_t k = 0; k < d->answer.n_obligations && rc == 0; k++) {
        const struct pol_obligation *o = &d->answer.obligations[k];
        if (o->kind != POL_OBLIGATION_FILTER || reach == SHOWS_NOTHING)
            continue;
        if (reach == CANNOT_BE_CONFINED)
            return gw_refuse(x, ERR_POLICY_OBLIGATION,
                             arena_printf(&x->arena, "a filter holds, and %.*s cannot be confined to records",
                                          SPAN_FMT(gw_action_name(a->action))));
        f->records = f->records || reach == CONFINED;
        rc = add(x, i, o, f);
    }
    return rc;
}

static int gather(struct gw_exchange *x, struct filters *f)
{
    size_t most = 0;
    int rc = 0;
    for (size_t i = 0; i < x->n_decisions; i++)
        most += x->decisions[i].answer.n_obligations;
    *f = (struct filters){ .at = most ? arena_array(&x->arena, most, sizeof *f->at) : NULL };
    if (most && !f->at)
        return ERR_NOMEM;
    for (size_t i = 0; i < x->meaning.n_authorisations && rc == 0; i++) {
        const struct gw_decision *d = decision_of(x, &x->meaning.authorisations[i]);
        // One that was refused is here only where that is no more than observed, and obliges to nothing.
        if (d && !d->answer.allow && x->observed[GW_GATE_POLICY].error != 0)
            continue;
        rc = d && d->answer.allow ? gather_one(x, i, d, f)
                                  : gw_refuse(x, ERR_INTERNAL, SPAN("an authorisation that was not decided"));
    }
    return rc;
}

// Whether the shard is made for these filters is asked by another thread, and once.
static void tell(const struct gw_exchange *x, const struct filters *f)
{
    const struct gw_served_api *served = &x->snapshot->apis[x->api];
    for (size_t i = 0; i < f->n; i++) {
        const struct gw_api_authorisation *a = &x->meaning.authorisations[f->at[i].authorisation];
        bool counts = reach_of(a) == CONFINED && !span_is_none(a->collection);
        unsigned aspects = counts ? gw_survey_aspects(x->meaning.api, a->action) : 0;
        for (unsigned aspect = 0; aspect < GW_SURVEY_ASPECTS; aspect++) {
            bool server = aspect == GW_SURVEY_SERVER, field = aspect == GW_SURVEY_FIELD;
            const struct gw_survey_subject subject = {
                .api = x->meaning.api,
                .aspect = (enum gw_survey_aspect)aspect,
                .database = server ? SPAN_NONE : a->database,
                .tenant = server ? SPAN_NONE : a->tenant,
                .collection = server ? SPAN_NONE : a->collection,
                .field = field ? f->at[i].field : SPAN_NONE,
                .of = field && f->at[i].n_values > 0 ? f->at[i].values[0].kind : GW_API_TEXT,
                .confined_writes = server,
            };
            if (aspects >> aspect & 1)
                gw_sightings_tell(x->services->sightings, x->snapshot->generation, served->shards[x->shard], &subject,
                                  x->now.mono_ms);
        }
    }
}

int gw_confine(struct gw_exchange *x)
{
    struct filters f;
    int rc = gather(x, &f);
    if (rc != 0 || f.n == 0)
        return rc;
    // A HEAD is judged as the GET that it stands for, but could not be sent as another request.
    if (f.records && (x->meaning.fan != GW_API_FAN_ONE || x->request.method == GW_METHOD_HEAD))
        return gw_refuse(x, ERR_POLICY_OBLIGATION,
                         SPAN("a filter holds, and a request of this kind cannot be confined"));
    struct gw_api_request request = gw_api_question(x);
    request.assured = x->snapshot->apis[x->api].assured;
    struct span why = SPAN_NONE;
    rc = gw_api_confine(x->snapshot->apis[x->api].api, &request, f.at, f.n, &x->arena, &x->meaning, &why);
    if (rc == GW_API_NEED_BODY)
        return gw_api_need_body(x);
    if (rc != 0)
        return gw_refuse(x, rc, why);
    if (f.records && x->services->sightings)
        tell(x, &f);
    return GW_PASS;
}
