// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/action.h"

#include <assert.h>

#define WORD(action, word) [GW_ACTION_##action] = { word, sizeof word - 1 },
static const struct span names[GW_ACTION_COUNT] = { GW_ACTION_WORDS(WORD) };

#define GROUP(group, word) { { word, sizeof word - 1 }, GW_ACTIONS_##group },
const struct gw_action_group gw_action_groups[GW_ACTION_GROUPS] = { GW_ACTION_GROUP_WORDS(GROUP) };

struct span gw_action_name(enum gw_action action)
{
    assert(action >= 0 && action < GW_ACTION_COUNT);
    return names[action];
}

unsigned gw_action_mask(struct span name)
{
    for (unsigned i = 0; i < GW_ACTION_COUNT; i++)
        if (span_eq(names[i], name))
            return GW_ACTION_BIT(i);
    for (unsigned i = 0; i < GW_ACTION_GROUPS; i++)
        if (span_eq(gw_action_groups[i].name, name))
            return gw_action_groups[i].mask;
    return 0;
}
