// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/bearer.h"

#include "gateway/base/file.h"

#define TOKEN_BYTES (16u << 10)

bool gw_bearer_read(const char *path, struct buf *out)
{
    struct buf text;
    buf_init(&text, 0);
    bool ok = file_read(path, TOKEN_BYTES, &text) == 0;
    struct span rest = buf_span(&text), token = span_trim(span_cut(&rest, '\n'));
    ok = ok && token.n > 0;
    for (size_t i = 0; ok && i < token.n; i++)
        ok = token.p[i] > 0x20 && token.p[i] < 0x7f;
    if (ok) {
        buf_append(out, SPAN("Bearer "));
        buf_append(out, token);
        ok = !out->failed;
    }
    buf_wipe(&text);
    return ok;
}
