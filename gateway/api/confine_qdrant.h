// SPDX-License-Identifier: GPL-3.0-or-later
// What Qdrant's rows of changing requests are rewritten by (confine_qdrant_change.c), and the filter both files write.
#ifndef SALLYPORT_API_CONFINE_QDRANT_H
#define SALLYPORT_API_CONFINE_QDRANT_H

#include "gateway/api/confine_table.h"

#define GW_CONFINE_QDRANT_CLEAR "to clear a payload takes away the field that says whose the point is: overwrite it"

// {"must":[ours…, {"has_id":ids}, client]}; `ids` and `client` may be absent.
void gw_confine_qdrant_filter(struct gw_confine *c, json ids, json client);

int gw_confine_qdrant_upsert(struct gw_confine *c, json body);
int gw_confine_qdrant_update_vectors(struct gw_confine *c, json body);
int gw_confine_qdrant_set_payload(struct gw_confine *c, json body);
int gw_confine_qdrant_overwrite_payload(struct gw_confine *c, json body);
int gw_confine_qdrant_delete_payload(struct gw_confine *c, json body);
// Whatever needs nothing but its points to be confined.
int gw_confine_qdrant_select(struct gw_confine *c, json body);
int gw_confine_qdrant_batch(struct gw_confine *c, json body);

#endif
