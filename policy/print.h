// SPDX-License-Identifier: GPL-3.0-or-later
// Trees and values back as Cedar text, for explanations: on one line, with the parentheses that are needed and no others. Comments and
// layout of the original are gone; format.h keeps them.
#ifndef SALLYPORT_POLICY_PRINT_H
#define SALLYPORT_POLICY_PRINT_H

#include "gateway/base/buf.h"
#include "policy/ast.h"
#include "policy/obligation.h"
#include "policy/request.h"

// Each appends; a buffer without room is marked failed.
void pol_print_expr(struct buf *out, const struct pol_node *n);
void pol_print_string(struct buf *out, struct span s); // quoted and escaped
// Entity numbers are those of the request and its set.
void pol_print_uid(struct buf *out, const struct pol_request *r, uint32_t entity);
// Who asks to do what on what: `User::"a"  Action::"read"  Doc::"d"`.
void pol_print_question(struct buf *out, const struct pol_request *r);
// At most about `max` bytes; what is left out is "…".
void pol_print_value(struct buf *out, const struct pol_request *r, const struct pol_value *v, size_t max);
// What an answer obliges to: `filter tenant_id = "acme"`, `limit 1000/min`, `audit full`. A value as above.
void pol_print_obligation(struct buf *out, const struct pol_request *r, const struct pol_obligation *o, size_t max);

#endif
