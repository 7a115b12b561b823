// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/challenge.h"

size_t gw_challenge(struct gw_exchange *x, struct span out[static 2])
{
    const struct err_info *info = err_info(x->error);
    // Without credentials there is no error code (RFC 6750 §3.1); elsewhere only an OAuth error is worth a challenge.
    if (info->status != 401 && info->oauth.n == 0)
        return 0;
    struct span error =
        info->oauth.n > 0 ? arena_printf(&x->arena, ", error=\"%.*s\"", SPAN_FMT(info->oauth)) : SPAN("");
    bool about_proof = span_eq(info->oauth, SPAN("invalid_dpop_proof")) || span_eq(info->oauth, SPAN("use_dpop_nonce"));
    size_t n = 0;
    if (x->snapshot->accepts_dpop)
        out[n++] = arena_printf(&x->arena, "DPoP algs=\"%.*s\"%.*s", SPAN_FMT(x->snapshot->algs), SPAN_FMT(error));
    if (x->snapshot->accepts_bearer)
        out[n++] = about_proof ? SPAN("Bearer realm=\"sallyport\"")
                               : arena_printf(&x->arena, "Bearer realm=\"sallyport\"%.*s", SPAN_FMT(error));
    return n;
}
