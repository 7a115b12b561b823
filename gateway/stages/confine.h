// SPDX-License-Identifier: GPL-3.0-or-later
// What `@filter` obliges to, done to a request that the policies permit (checklist 37): gw_api_confine rewrites it, or it is refused. What an
// action is decides what a filter has to do with it:
//
//   search read write delete  see or change records: confined
//   meta                      describes a collection, and counts its records; gw_api_confine refuses what tells more than that
//   list                      names what there is: nothing is to be done, unless gw_api_confine refuses what names parts of a collection
//   create                    makes an empty collection: nothing is to be done. What it makes of one that is there (an alias, a partition) is as below
//   alter drop export ops     are about all records of a collection, or about the server: no such request can be confined, so it is refused
#ifndef SALLYPORT_STAGES_CONFINE_H
#define SALLYPORT_STAGES_CONFINE_H

#include "gateway/stages/exchange.h"

// After every authorisation of x->meaning was allowed. GW_PASS, GW_BODY, or
//   ERR_POLICY_OBLIGATION  the request cannot be confined
//   what gw_api_confine says of its body
int gw_confine(struct gw_exchange *x);

#endif
