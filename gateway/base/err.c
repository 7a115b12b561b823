// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/err.h"

static const struct err_info table[ERR_INDEX_COUNT] = {
#define X(name_, status_, oauth_, code_, reason_)   \
    [ERR_INDEX_##name_] = {                         \
        .name = { #name_, sizeof(#name_) - 1 },     \
        .status = (status_),                        \
        .oauth = { oauth_, sizeof(oauth_) - 1 },    \
        .code = { code_, sizeof(code_) - 1 },       \
        .reason = { reason_, sizeof(reason_) - 1 }, \
    },
    ERR_TABLE(X)
#undef X
};

const struct err_info *err_info(int e)
{
    if (e >= 0 || e < -(int)ERR_INDEX_COUNT)
        return &table[ERR_INDEX_INTERNAL];
    return &table[-1 - e];
}
