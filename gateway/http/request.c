// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/request.h"

static const struct span names[] = { [GW_METHOD_NONE] = { NULL, 0 },
#define X(name) [GW_METHOD_##name] = { #name, sizeof(#name) - 1 },
                                     GW_METHOD_TABLE(X)
#undef X
};

enum gw_method gw_method_parse(struct span s)
{
    for (size_t m = GW_METHOD_NONE + 1; m < sizeof(names) / sizeof(names[0]); m++)
        if (span_eq(s, names[m]))
            return (enum gw_method)m;
    return GW_METHOD_NONE;
}

struct span gw_method_name(enum gw_method m)
{
    return names[m];
}

bool gw_method_is_idempotent(enum gw_method m)
{
    return m != GW_METHOD_NONE && m != GW_METHOD_POST && m != GW_METHOD_PATCH;
}
