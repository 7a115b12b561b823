// SPDX-License-Identifier: GPL-3.0-or-later
// HTTP framing: requests and responses, cut where the input says. How a message is cut must not matter, and what is accepted must be
// forwarded as exactly one message of the same meaning. The first byte chooses the role, the second the seed of the cuts.
#include <stdlib.h>

#include "tests/support/http_run.h"

static size_t random_piece(void *ctx)
{
    uint32_t *seed = ctx;
    *seed = *seed * 1664525u + 1013904223u;
    return 1 + (*seed >> 24) % 40;
}

// Small bounds, so that the fuzzer finds their edges.
static const struct gw_h1_limits limits = {
    .line = 128,
    .header_bytes = 400,
    .header_count = 10,
    .body = 256,
    .chunk_line = 40,
    .extensions = 64,
    .trailer_bytes = 64,
    .trailer_count = 4,
};

static void run(struct http_run *r, struct span in, uint8_t role, http_split split, void *ctx)
{
    if (role % 3 == 0)
        http_run_requests(r, in, &limits, split, ctx);
    else
        http_run_response(r, in, &limits, role % 3 == 2, split, ctx);
    if (r->broken)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct http_run whole, bytes, pieces;
    struct span in = span_of(data + 2, size - 2);
    uint32_t seed = data[1];
    run(&whole, in, data[0], http_split_whole, NULL);
    run(&bytes, in, data[0], http_split_bytes, NULL);
    run(&pieces, in, data[0], random_piece, &seed);
    if (!span_eq(buf_span(&whole.text), buf_span(&bytes.text)) ||
        !span_eq(buf_span(&whole.text), buf_span(&pieces.text)))
        abort();
    http_run_fini(&whole);
    http_run_fini(&bytes);
    http_run_fini(&pieces);
    return 0;
}
