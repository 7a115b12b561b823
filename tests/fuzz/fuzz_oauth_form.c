// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a form, at any of the token service's endpoints: every answer has a status, nothing that is issued comes without an answer of 200,
// and what is refused is refused by one of RFC 6749's codes.
//
// The first byte chooses the endpoint and who asks; the rest is the body.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/endpoint/introspect.h"
#include "gateway/endpoint/oauth_form.h"
#include "gateway/endpoint/revoke.h"
#include "gateway/endpoint/token.h"
#include "tests/support/token_bench.h"

static struct token_bench bench;
static bool there;

static void remove_bench(void)
{
    token_bench_fini(&bench);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const token_bench_endpoint endpoints[] = { gw_token_visit, gw_revoke_visit, gw_introspect_visit };
    if (!there) {
        token_bench_init(&bench, token_bench_permissive);
        atexit(remove_bench);
        there = true;
    }
    if (size == 0)
        return 0;
    char *body = malloc(size);
    assert(body);
    memcpy(body, data + 1, size - 1);
    body[size - 1] = 0;
    bench.certificate = data[0] & 0x80 ? NULL : data[0] & 0x40 ? &bench.other : &bench.rag;
    if (data[0] & 0x20)
        token_bench_prove(&bench, bench.proof_key, NULL);
    unsigned status = token_bench_post(&bench, endpoints[data[0] % 3], body, NULL);
    assert(status == 200 || status == 400 || status == 401 || status == 429 || status == 503);
    assert(bench.v.audited && bench.v.no_store);
    assert(bench.v.record.allowed == (status == 200) && (bench.v.record.err == 0) == (status == 200));
    assert((token_bench_text(&bench, "error") != NULL) == (status != 200));
    assert(!token_bench_text(&bench, "access_token") || (status == 200 && data[0] % 3 == 0));
    // No text of the form comes back in a refusal.
    assert(status == 200 || bench.v.answer.n < 200);
    free(body);
    return 0;
}
