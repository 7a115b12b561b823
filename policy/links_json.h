// SPDX-License-Identifier: GPL-3.0-or-later
// Links of templates as JSON, in both of Cedar's forms: the command line's
//
//   [ { "template_id": "t", "link_id": "l", "args": { "?principal": "User::\"ann\"" } } ]
//
// and the policy set's, bare or as the member "templateLinks" of an object:
//
//   [ { "templateId": "t", "newId": "l", "values": { "?principal": { "type": "User", "id": "ann" } } } ]
#ifndef SALLYPORT_POLICY_LINKS_JSON_H
#define SALLYPORT_POLICY_LINKS_JSON_H

#include "policy/set.h"

#define POL_LINKS_MAX 1000000u

// Reads a text into `*links` and `*n`; all strings in the arena. False with errors in `diags`.
bool pol_links_read(const struct pol_source *source, struct arena *arena, const struct pol_link **links, size_t *n,
                    struct diags *diags);

#endif
