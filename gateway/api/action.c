// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/action.h"

#include <assert.h>

static const struct span names[GW_ACTION_COUNT] = {
    [GW_ACTION_SEARCH] = { "search", 6 }, [GW_ACTION_READ] = { "read", 4 },   [GW_ACTION_LIST] = { "list", 4 },
    [GW_ACTION_META] = { "meta", 4 },     [GW_ACTION_WRITE] = { "write", 5 }, [GW_ACTION_DELETE] = { "delete", 6 },
    [GW_ACTION_CREATE] = { "create", 6 }, [GW_ACTION_ALTER] = { "alter", 5 }, [GW_ACTION_DROP] = { "drop", 4 },
    [GW_ACTION_EXPORT] = { "export", 6 }, [GW_ACTION_OPS] = { "ops", 3 },
};

const struct gw_action_group gw_action_groups[GW_ACTION_GROUPS] = {
    { { "readonly", 8 }, GW_ACTIONS_READONLY },
    { { "readwrite", 9 }, GW_ACTIONS_READWRITE },
    { { "admin", 5 }, GW_ACTIONS_ADMIN },
};

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
