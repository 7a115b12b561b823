// SPDX-License-Identifier: GPL-3.0-or-later
// Between decide.c and obligation.c: what an answer that allows obliges to.
#ifndef SALLYPORT_POLICY_OBLIGE_H
#define SALLYPORT_POLICY_OBLIGE_H

#include "policy/decide.h"
#include "policy/eval.h"

// Gathers the obligations of all determining permits into the answer, with the steps that the machine has left. 0, or the answer becomes a denial:
//   ERR_POLICY_OBLIGATION  a filter's value failed, or is none that a field can have; the failure is the answer's, too
//   ERR_POLICY_BUDGET      out of steps
//   ERR_NOMEM              is the request's error, too
int pol_oblige(struct pol_eval *e, struct pol_answer *a);

#endif
