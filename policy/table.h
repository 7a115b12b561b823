// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of a compiled set, between set.c (builds), request.c (looks names up), decide.c and eval.c (read). Nothing
// here changes once pol_set_new has returned.
//
// A policy is its scope as data and its condition as a run of instructions for a stack machine. Policies are filed
// under one of the entities that their scope names: a decision looks only at the files of its principal, action and
// resource and of their ancestors, and at those policies whose scope names no entity. Conditions are not split by what
// they depend on: the machine finds out, when a decision is made without its context (partial.h, residual.h).
//
// Ancestors are sorted arrays. An entity has a handful, so a bit set of all entities a policy names would be as long to
// read and much longer to keep; which entities have policies at all is a bit set (pol_file).
#ifndef SALLYPORT_POLICY_TABLE_H
#define SALLYPORT_POLICY_TABLE_H

#include "policy/ast.h"
#include "policy/uid.h"

enum pol_op {
    OP_CONST,       // push consts[arg]
    OP_VAR,         // push variable arg
    OP_GET,         // replace the top by its attribute arg
    OP_HAS,         // replace the top by whether it has attribute arg
    OP_HAS_STEP,    // as GET where it has attribute arg; else replace by false and jump (the next instruction's arg)
    OP_AND,         // the top is false: jump to arg and keep it; true: pop
    OP_OR,          // the same for true
    OP_BOOL,        // the top must be a boolean
    OP_UNLESS_JUMP, // pop a boolean; false: jump to arg
    OP_JUMP,        // to arg
    OP_NOT,
    OP_NEG,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_CONTAINS,
    OP_CONTAINS_ALL,
    OP_CONTAINS_ANY,
    OP_IS_EMPTY,
    OP_GET_TAG,
    OP_HAS_TAG,
    OP_CALL,       // the extension function arg, of the top
    OP_CALL_TWO,   // of the two on top
    OP_ARITY,      // fails: the extension function arg & 0xff was called with arg >> 8 arguments
    OP_LIKE,       // patterns[arg]
    OP_IS,         // type arg
    OP_IS_STEP,    // keeps the entity if it is of type arg; else replace by false and jump (the next instruction's arg)
    OP_SET_NEW,    // push an empty set with room for arg elements
    OP_SET_ADD,    // pop an element into the set below it
    OP_SET_END,    // sort and dedupe
    OP_RECORD_NEW, // push an empty record with room for arg fields
    OP_RECORD_ADD, // pop a value into the record below it, under the name arg; names come in order
};

struct pol_insn {
    uint32_t op : 8;
    uint32_t column : 24;
    uint32_t line;
    uint32_t arg;
};

// A like pattern: the literal runs between wildcards. `runs[0]` stands at the start, the last one at the end; either
// may be empty.
struct pol_pattern {
    const struct span *runs;
    uint32_t n; // wildcards + 1
};

POL_VEC(pol_insns, struct pol_insn);
POL_VEC(pol_values, struct pol_value);
POL_VEC(pol_patterns, struct pol_pattern);

// What instructions refer to. Heap vectors; strings and values in the set's arena.
struct pol_code {
    struct pol_insns insns;
    struct pol_values consts;
    struct pol_patterns patterns;
    uint32_t stack_most; // of any policy
};

struct pol_scope {
    uint8_t op;      // enum pol_scope_op
    uint32_t type;   // IS, IS_IN
    uint32_t entity; // EQ, IN, IS_IN
};

// An obligation of a permit.
struct pol_duty {
    enum pol_obligation_kind kind;
    struct span field;       // FILTER
    uint32_t code, code_end; // FILTER: the value
    struct pol_place place;
    uint64_t count;    // LIMIT
    int64_t period_ms; // LIMIT
};

struct pol_policy {
    struct pol_scope principal, resource;
    uint8_t action_op; // ANY, EQ, IN
    uint8_t effect;
    bool never;  // the condition is constantly false: filed nowhere
    bool shadow; // filed nowhere but among the shadows
    bool owned;  // by a team: filed by its resource, so that it costs no request about another's a step
    bool principal_slot, resource_slot; // of a template
    const uint32_t *actions;            // n_actions, ascending
    uint32_t n_actions;
    uint32_t code, code_end; // equal: no condition
    uint32_t text;           // which of the policy texts it stands in
    uint32_t n_duties;
    const struct pol_duty *duties;
    struct pol_policy_info info;
};

POL_VEC(pol_policies, struct pol_policy);

// What the entities texts say of a uid, by its number.
struct pol_facts {
    const struct pol_field *attrs, *tags; // sorted
    uint32_t n_attrs;
    uint32_t n_tags;
    uint32_t n_ancestors;
    const uint32_t *ancestors; // transitive, ascending
    uint32_t n_parents;
    const uint32_t *parents; // those it was given itself, ascending
    bool exists;
};

enum pol_dimension { DIM_PRINCIPAL, DIM_ACTION, DIM_RESOURCE, DIMS };

// Policies by the entity they are filed under: of entity e, items[start[e]] .. items[start[e + 1]]. Most of a request's
// entities have none, which `some`, a bit an entity, says from memory that is always at hand.
struct pol_file {
    uint32_t *start, *items;
    uint64_t *some;
};
static inline bool pol_file_has(const struct pol_file *f, uint32_t entity)
{
    return f->some[entity / 64] >> (entity % 64) & 1;
}

struct pol_set {
    struct arena arena;
    struct pol_uids uids;
    struct pol_uids names;   // attribute names that conditions ask for, as its types
    struct pol_facts *facts; // as many as uids
    struct pol_code code;
    struct pol_policies policies;
    struct pol_policies templates; // linked policies share their code
    struct pol_file files[DIMS];
    uint32_t *rest; // policies under no entity
    uint32_t n_rest;
    uint32_t *shadows; // policies that are tried out only, ascending
    uint32_t n_shadows;
    uint32_t n_defined;
    bool obliges; // some policy that decides has a duty
    size_t bytes;
};

static inline bool pol_ids_have(const uint32_t *ids, uint32_t n, uint32_t id)
{
    uint32_t lo = 0, hi = n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (ids[mid] == id)
            return true;
        if (ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

// Sorts ascending and drops repetitions; how many are left.
uint32_t pol_ids_sort(uint32_t *ids, uint32_t n);

// index.c: files every policy. False when out of memory.
bool pol_index_build(struct pol_set *s);

// hierarchy.c. parents[e] .. of every uid, as read; fills facts[].ancestors. A cycle, or too many ancestors, is
// reported.
struct pol_parents {
    const uint32_t *ids;
    uint32_t n;
    struct span file; // where it was said
    struct pol_place place;
};
bool pol_hierarchy_close(struct pol_set *s, const struct pol_parents *parents, struct diags *diags);

// compile.c: the condition of one policy, appended to the set's code. A condition that is always true has no code;
// out->never is set when it is always false. Errors go to diags.
bool pol_compile(struct pol_set *s, const struct pol_ast_policy *ast, struct span file, struct pol_policy *out,
                 struct diags *diags);
// One expression, for who wants its value (explain.c): appended code that leaves it on the stack.
bool pol_compile_value(struct pol_set *s, const struct pol_node *n, struct span file, uint32_t *from, uint32_t *to,
                       struct diags *diags);

// obligation.c: what a permit obliges to, after its condition. Errors go to diags.
bool pol_duties_compile(struct pol_set *s, const struct pol_ast_policy *ast, struct span file, struct pol_policy *out,
                        struct diags *diags);

// link.c: appends a policy for each link; needs the templates. Errors go to diags, and so do templates without a link.
void pol_links_apply(struct pol_set *s, const struct pol_options *options, struct diags *diags);

// owner.c: that every policy of an owner's texts, template and link is confined as pol_options.owners says; needs the entities. `n_static`: of the
// policies, how many are no links, which stand first. Errors go to diags.
void pol_owners_check(const struct pol_set *s, const struct pol_options *options, uint32_t n_static,
                      struct diags *diags);
// Of the text of this number; NULL: the platform's.
const struct pol_owner *pol_owner_of(const struct pol_options *o, uint32_t text);

// entities.c: reads the entities texts into uids and facts. Errors go to diags; with any beyond `errors_before` the set
// stays unusable.
void pol_entities_read(struct pol_set *s, const struct pol_source *texts, size_t n, size_t errors_before,
                       struct diags *diags);

#endif
