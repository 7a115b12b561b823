// SPDX-License-Identifier: GPL-3.0-or-later
// What the typechecker (validate_type.c) complains about, in words: each fault of a node once, whatever the number of
// environments it is checked in, with the first of them. Nothing here decides what is a fault.
#ifndef SALLYPORT_POLICY_VALIDATE_FAULT_H
#define SALLYPORT_POLICY_VALIDATE_FAULT_H

#include "policy/validate.h"

// A node complains about each of these once.
enum pol_fault {
    FAULT_TYPE_A = 1,
    FAULT_TYPE_B = 2,
    FAULT_JOIN = 4,
    FAULT_ATTR = 8,
    FAULT_OPTIONAL = 16,
    FAULT_EMPTY = 32,
    FAULT_CALL = 64,
    FAULT_LITERAL = 128,
};

// What an operator takes, a bit a kind; beside those of enum pol_type_kind a set of entities.
#define TAKES(kind) (1u << (kind))
#define TAKES_BOOL (TAKES(TYPE_BOOL) | TAKES(TYPE_TRUE) | TAKES(TYPE_FALSE))
#define TAKES_ENTITIES (1u << 31)
#define TAKES_FIELDS (TAKES(TYPE_ENTITY) | TAKES(TYPE_RECORD))

// None of their texts is part of the frames that nest as deep as the expression.
#define POL_FAULT __attribute__((noinline, cold))

POL_FAULT __attribute__((format(printf, 4, 5))) void pol_fault(struct pol_check *c, struct pol_core *e,
                                                               enum pol_fault kind, const char *fmt, ...);
// `operand` of `op` is of the type, and not of one that it takes.
POL_FAULT void pol_fault_type(struct pol_check *c, struct pol_core *op, struct pol_core *operand, enum pol_fault kind,
                              const struct pol_type_of *type, unsigned takes);
// Two that belong together are of types that do not. `what` NULL: that they have no order.
POL_FAULT void pol_fault_join(struct pol_check *c, struct pol_core *e, const struct pol_type_of *x,
                              const struct pol_type_of *y, const char *what);
// The type, whose attributes are those of `record`, has no such attribute.
POL_FAULT void pol_fault_attr(struct pol_check *c, struct pol_core *e, const struct pol_type_of *t,
                              const struct pol_type_of *record);

#endif
