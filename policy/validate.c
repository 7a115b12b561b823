// SPDX-License-Identifier: GPL-3.0-or-later
// Policies against a schema: the names they use, whether their scope can ever apply, and the type of their conditions in
// every environment that the schema allows and the scope does not exclude.
#include "policy/validate.h"

#include "policy/parse.h"
#include "policy/table.h"

struct template
{
    const struct pol_ast_policy *ast;
    struct span file;
};

POL_VEC(templates, struct template);

struct validator {
    const struct pol_schema *s;
    const struct pol_options *options;
    struct diags *diags;
    struct arena arena; // trees
    struct span file;
    struct pol_uids template_ids; // as types; numbers are indexes of templates
    struct templates templates;
    bool several;
    uint32_t policies, in_file;
};

static bool no_memory(struct validator *v)
{
    diag_error(v->diags, v->file, 0, 0, "out of memory while validating; make the policy set smaller");
    return false;
}

// ---------------------------------------------------------------------------------------------------------------- names

static void type_known(struct validator *v, struct span type, struct pol_place at)
{
    struct span near;

    if (pol_schema_action_type(type) || pol_schema_entity(v->s, type))
        return;
    near = pol_schema_near_type(v->s, type);
    if (span_is_none(near))
        diag_error(v->diags, v->file, at.line, at.column, "there is no entity type '%.*s' in the schema; declare it",
                   SPAN_FMT(span_sub(type, 0, 96)));
    else
        diag_error(v->diags, v->file, at.line, at.column,
                   "there is no entity type '%.*s' in the schema; did you mean '%.*s'?",
                   SPAN_FMT(span_sub(type, 0, 96)), SPAN_FMT(span_sub(near, 0, 96)));
}

static void action_known(struct validator *v, struct span type, struct span id, struct pol_place at)
{
    struct span near;

    if (pol_schema_action(v->s, type, id))
        return;
    near = pol_schema_near_action(v->s, type, id);
    if (span_is_none(near))
        diag_error(v->diags, v->file, at.line, at.column, "there is no action %.*s::\"%.*s\" in the schema; declare it",
                   SPAN_FMT(span_sub(type, 0, 96)), SPAN_FMT(span_sub(id, 0, 96)));
    else
        diag_error(v->diags, v->file, at.line, at.column,
                   "there is no action %.*s::\"%.*s\" in the schema; did you mean %.*s::\"%.*s\"?",
                   SPAN_FMT(span_sub(type, 0, 96)), SPAN_FMT(span_sub(id, 0, 96)), SPAN_FMT(span_sub(type, 0, 96)),
                   SPAN_FMT(span_sub(near, 0, 96)));
}

static void uid_known(struct validator *v, struct span type, struct span id, struct pol_place at)
{
    const struct pol_schema_entity *e = pol_schema_entity(v->s, type);
    struct span near;

    if (pol_schema_action_type(type)) {
        action_known(v, type, id, at);
        return;
    }
    type_known(v, type, at);
    if (!e || pol_schema_chosen(e, id))
        return;
    near = diag_suggest(id, e->choices, e->n_choices);
    diag_error(v->diags, v->file, at.line, at.column, "there is no \"%.*s\" in the enumeration %.*s%s%.*s%s",
               SPAN_FMT(span_sub(id, 0, 96)), SPAN_FMT(span_sub(type, 0, 96)),
               span_is_none(near) ? "; it has others" : "; did you mean \"", SPAN_FMT(near),
               span_is_none(near) ? "" : "\"?");
}

static void names_in(struct validator *v, const struct pol_node *n)
{
    if (n->kind == NODE_ENTITY)
        uid_known(v, n->type, n->text, n->place);
    if (n->kind == NODE_IS)
        type_known(v, n->type, n->place);
    for (const struct pol_node *child = n->first; child; child = child->next)
        names_in(v, child);
}

static void names_in_scope(struct validator *v, const struct pol_ast_scope *s, struct pol_place at)
{
    if (s->op == SCOPE_IS || s->op == SCOPE_IS_IN)
        type_known(v, s->type, at);
    for (const struct pol_ast_uid *u = s->uids; u; u = u->next)
        uid_known(v, u->type, u->id, at);
}

static void names(struct validator *v, const struct pol_ast_policy *p)
{
    names_in_scope(v, &p->principal, p->place);
    names_in_scope(v, &p->action, p->place);
    names_in_scope(v, &p->resource, p->place);
    for (const struct pol_ast_condition *c = p->conditions; c; c = c->next)
        names_in(v, c->expr);
    for (const struct pol_ast_obligation *o = p->obligations; o; o = o->next)
        if (o->value)
            names_in(v, o->value);
}

// --------------------------------------------------------------------------------------------------------------- scopes

static bool type_named(const struct pol_schema_entity *e, struct span name)
{
    return span_eq(e->name, name);
}

// Whether an entity of this type can fit. A type that the schema does not have fits nothing; with `lenient` anything,
// since it was complained about.
static bool fits(const struct validator *v, const struct pol_ast_scope *s, const struct pol_schema_entity *e,
                 bool lenient)
{
    uint32_t number = (uint32_t)(e - v->s->entities), outer;

    if ((s->op == SCOPE_IS || s->op == SCOPE_IS_IN) && !type_named(e, s->type))
        return lenient && !pol_schema_entity(v->s, s->type);
    if (s->op == SCOPE_ANY || s->op == SCOPE_IS || s->slot || !s->uids)
        return true;
    outer = pol_uids_find_type(&v->s->names, s->uids->type);
    if (outer == POL_ID_NONE)
        return lenient;
    return s->op == SCOPE_EQ ? outer == number : pol_schema_type_in(v->s, number, outer);
}

static const struct pol_schema_action *named(const struct validator *v, const struct pol_ast_uid *u)
{
    return pol_schema_action(v->s, u->type, u->id);
}

static bool action_fits(const struct validator *v, const struct pol_ast_scope *s, const struct pol_schema_action *a,
                        bool lenient)
{
    bool unknown = false, fit = s->op == SCOPE_ANY;

    for (const struct pol_ast_uid *u = s->uids; u; u = u->next) {
        const struct pol_schema_action *o = named(v, u);

        unknown = unknown || !o;
        fit = fit ||
              (o && (o == a || (s->op == SCOPE_IN && pol_numbers_have(&a->ancestors, (uint32_t)(o - v->s->actions)))));
    }
    return unknown ? lenient : fit;
}

static bool any_fits(const struct validator *v, const struct pol_ast_scope *s, const struct pol_numbers *types)
{
    for (uint32_t i = 0; i < types->n; i++)
        if (fits(v, s, &v->s->entities[types->at[i]], false))
            return true;
    return false;
}

// Whether the scope allows any principal, action and resource that the schema lets meet.
static bool applies(const struct validator *v, const struct pol_ast_policy *p)
{
    for (uint32_t i = 0; i < v->s->names.uids.n; i++) {
        const struct pol_schema_action *a = &v->s->actions[i];

        if (a->declared && action_fits(v, &p->action, a, false) && any_fits(v, &p->principal, &a->principals) &&
            any_fits(v, &p->resource, &a->resources))
            return true;
    }
    return false;
}

// An `==` with a type that is only above those that the action applies to was probably meant to be an `in`.
static bool only_above(const struct validator *v, const struct pol_ast_policy *p, bool resource)
{
    const struct pol_ast_scope *s = resource ? &p->resource : &p->principal;
    uint32_t outer = s->op == SCOPE_EQ && s->uids ? pol_uids_find_type(&v->s->names, s->uids->type) : POL_ID_NONE;
    bool above = false;

    for (uint32_t i = 0; i < v->s->names.uids.n && outer != POL_ID_NONE; i++) {
        const struct pol_schema_action *a = &v->s->actions[i];
        const struct pol_numbers *types = resource ? &a->resources : &a->principals;

        if (!a->declared || !action_fits(v, &p->action, a, false))
            continue;
        if (pol_numbers_have(types, outer))
            return false;
        for (uint32_t k = 0; k < types->n; k++)
            above = above || pol_schema_type_in(v->s, types->at[k], outer);
    }
    return above;
}

static void applicable(struct validator *v, const struct pol_ast_policy *p, struct span file, struct pol_place at)
{
    if (applies(v, p))
        return;
    diag_error(v->diags, file, at.line, at.column,
               "the scope fits no principal, action and resource that the schema lets meet%s",
               only_above(v, p, false)  ? "; did you mean 'principal in'?"
               : only_above(v, p, true) ? "; did you mean 'resource in'?"
                                        : "; see 'appliesTo' of the actions");
}

// What Cedar would find in the types of `action in [ … ]`.
static void action_list(struct validator *v, const struct pol_ast_policy *p)
{
    const struct pol_ast_uid *first = p->action.uids;

    if (p->action.op != SCOPE_IN)
        return;
    if (!first)
        diag_error(v->diags, v->file, p->place.line, p->place.column,
                   "a list of no actions; name at least one, or remove the policy");
    for (const struct pol_ast_uid *u = first; u; u = u->next) {
        if (span_eq(u->type, first->type))
            continue;
        diag_error(v->diags, v->file, p->place.line, p->place.column,
                   "a list of actions of several namespaces; write a policy for each");
        return;
    }
}

// ---------------------------------------------------------------------------------------------------------- conditions

struct conditions {
    struct pol_core **at;
    uint32_t n;
    struct pol_core **values; // of filters, which are evaluated where all conditions hold
    uint32_t n_values;
};

static struct pol_core *core(struct validator *v, struct pol_shapes *shapes, const struct pol_node *node)
{
    const struct pol_node *wrong = NULL;
    struct pol_core *e = pol_core_make(shapes, node, &wrong);

    if (!e && wrong)
        diag_error(v->diags, v->file, wrong->place.line, wrong->place.column,
                   "too long a path to be validated; split it");
    else if (!e)
        no_memory(v);
    return e;
}

static bool lower(struct validator *v, struct pol_shapes *shapes, const struct pol_ast_policy *p,
                  struct conditions *out)
{
    uint32_t n = 0;

    for (const struct pol_ast_condition *c = p->conditions; c; c = c->next)
        n++;
    out->at = arena_array(shapes->arena, n ? n : 1, sizeof(struct pol_core *));
    out->values = arena_array(shapes->arena, p->n_obligations ? p->n_obligations : 1, sizeof(struct pol_core *));
    if (!out->at || !out->values)
        return no_memory(v);
    for (const struct pol_ast_condition *c = p->conditions; c; c = c->next) {
        struct pol_core *e = core(v, shapes, c->expr);

        if (!e)
            return false;
        if (c->unless && !(e = pol_core_not(shapes, e)))
            return no_memory(v);
        out->at[out->n++] = e;
    }
    for (const struct pol_ast_obligation *o = p->obligations; o; o = o->next) {
        if (!o->value)
            continue;
        if (!(out->values[out->n_values] = core(v, shapes, o->value)))
            return false;
        out->n_values++;
    }
    return true;
}

// False when the condition is known to be false in this environment.
static bool environment(struct validator *v, struct pol_check *c, const struct conditions *conditions)
{
    const struct pol_known *known = NULL;
    bool possible = true;

    for (uint32_t i = 0; i < conditions->n && possible; i++) {
        struct pol_typed t = pol_check_condition(c, conditions->at[i], known);

        possible = !t.type || t.type->kind != TYPE_FALSE;
        known = pol_known_both(c->scratch, known, t.known);
    }
    for (uint32_t i = 0; i < conditions->n_values && possible; i++)
        pol_check_field_value(c, conditions->values[i], known);
    if (c->scratch->failed || c->shapes->arena->failed)
        no_memory(v);
    return possible;
}

static bool environments_of(struct validator *v, struct pol_check *c, const struct pol_ast_policy *p,
                            const struct conditions *conditions)
{
    const struct pol_schema_action *a = c->action;
    bool possible = false;

    for (uint32_t i = 0; i < a->principals.n; i++) {
        c->principal = &v->s->entities[a->principals.at[i]];
        if (!fits(v, &p->principal, c->principal, true))
            continue;
        for (uint32_t k = 0; k < a->resources.n; k++) {
            c->resource = &v->s->entities[a->resources.at[k]];
            if (!fits(v, &p->resource, c->resource, true))
                continue;
            possible = environment(v, c, conditions) || possible;
            if (c->scratch->used > 1u << 20) {
                arena_fini(c->scratch);
                arena_init(c->scratch, 0);
            }
        }
    }
    return possible;
}

static void conditions(struct validator *v, const struct pol_ast_policy *p)
{
    struct arena tree, scratch;
    struct pol_shapes shapes;
    struct conditions list = { 0 };
    size_t before = v->diags->errors;
    bool possible = false;

    arena_init(&tree, 0);
    arena_init(&scratch, 0);
    pol_shapes_init(&shapes, &tree);
    if (lower(v, &shapes, p, &list)) {
        struct pol_check c = { .s = v->s, .shapes = &shapes, .scratch = &scratch, .diags = v->diags, .file = v->file };

        for (uint32_t i = 0; i < v->s->names.uids.n; i++) {
            c.action = &v->s->actions[i];
            if (c.action->declared && action_fits(v, &p->action, c.action, true))
                possible = environments_of(v, &c, p, &list) || possible;
        }
        if (!possible && v->diags->errors == before && applies(v, p))
            diag_warning(v->diags, v->file, p->place.line, p->place.column,
                         "the policy can never apply: its conditions are false for every request the schema allows; "
                         "correct it, or remove it");
    }
    arena_fini(&scratch);
    arena_fini(&tree);
}

// ---------------------------------------------------------------------------------------------------- templates and links

static bool keep_template(struct validator *v, const struct pol_ast_policy *p)
{
    struct span id = SPAN_NONE;
    struct template *t;
    uint32_t number;

    for (const struct pol_ast_annotation *a = p->annotations; a; a = a->next)
        if (span_eq(a->name, SPAN("id")) && !v->options->ids_by_position && a->value.n)
            id = a->value;
    if (span_is_none(id))
        id = v->options->ids_by_position ? arena_printf(&v->arena, "policy%u", v->policies)
             : v->several                ? arena_printf(&v->arena, "%.*s#policy%u", SPAN_FMT(v->file), v->in_file)
                                         : arena_printf(&v->arena, "policy%u", v->in_file);
    number = span_is_none(id) ? POL_ID_NONE : pol_uids_add_type(&v->template_ids, id);
    if (number == POL_ID_NONE)
        return no_memory(v);
    if (number < v->templates.n)
        return true;
    if (!(t = pol_vec_add(&v->templates)))
        return no_memory(v);
    *t = (struct template){ p, v->file };
    return true;
}

static void fill(struct pol_ast_scope *s, struct pol_ast_uid *uid)
{
    if (!s->slot)
        return;
    s->slot = false;
    s->uids = uid;
    s->n = 1;
}

static void link_is_good(struct validator *v, const struct pol_link *l)
{
    uint32_t number = pol_uids_find_type(&v->template_ids, l->template_id);
    struct pol_ast_uid principal = { .type = l->principal.type, .id = l->principal.id },
                       resource = { .type = l->resource.type, .id = l->resource.id };
    struct pol_place at = { l->line, l->column };
    struct pol_ast_policy linked;

    // That there is no such template is for whoever makes the set to say.
    if (number == POL_ID_NONE)
        return;
    v->file = l->file;
    linked = *v->templates.at[number].ast;
    if (linked.principal.slot && !span_is_none(principal.type))
        type_known(v, principal.type, at);
    if (linked.resource.slot && !span_is_none(resource.type))
        type_known(v, resource.type, at);
    fill(&linked.principal, span_is_none(principal.type) ? NULL : &principal);
    fill(&linked.resource, span_is_none(resource.type) ? NULL : &resource);
    applicable(v, &linked, l->file, at);
}

// --------------------------------------------------------------------------------------------------------------- the whole

static bool one_source(struct validator *v, const struct pol_source *source)
{
    const struct pol_ast_policy *p = pol_parse(&v->arena, source, v->options, v->diags);

    v->file = source->name;
    v->in_file = 0;
    for (; p; p = p->next, v->policies++, v->in_file++) {
        names(v, p);
        action_list(v, p);
        applicable(v, p, v->file, p->place);
        conditions(v, p);
        if ((p->principal.slot || p->resource.slot) && !keep_template(v, p))
            return false;
    }
    return !v->arena.failed;
}

bool pol_schema_validate(const struct pol_schema *s, const struct pol_source *policies, size_t n,
                         const struct pol_options *options, struct diags *diags)
{
    struct validator v = { .s = s, .options = options, .diags = diags, .several = n > 1 };
    size_t before = diags->errors;
    bool ok = true;

    arena_init(&v.arena, 0);
    pol_uids_init(&v.template_ids, &v.arena, options->hash_key);
    for (size_t i = 0; i < n && ok; i++)
        ok = one_source(&v, &policies[i]);
    for (size_t i = 0; i < options->n_links && ok; i++)
        link_is_good(&v, &options->links[i]);
    if (!ok && diags->errors == before)
        no_memory(&v);
    pol_uids_fini(&v.template_ids);
    pol_vec_free(&v.templates);
    arena_fini(&v.arena);
    return diags->errors == before;
}
