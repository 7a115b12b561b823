// SPDX-License-Identifier: GPL-3.0-or-later
// An ES256 verification with our tables against wolfSSL's own. The input is three scalars of a signature that is made from them (tests/support/p256.h),
// so that the sum can be driven into any case, then what is changed of key, hash and signature: pairs of a place and what is XORed there. An
// input of 160 bytes is key, hash and signature as they are.
#include <stdlib.h>
#include <string.h>

#include "gateway/base/err.h"
#include "tests/support/p256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct p256_claim claim;
    if (size == sizeof claim) {
        memcpy(&claim, data, sizeof claim);
    } else {
        if (size < 96)
            return 0;
        bool finite = p256_forge(data, data + 32, data + 64, &claim);
        if (size < 98 && p256_verify_table(&claim) != (finite ? 0 : ERR_TOKEN_SIGNATURE))
            abort();
        for (size_t i = 96; i + 1 < size; i += 2)
            ((uint8_t *)&claim)[data[i] % sizeof claim] ^= data[i + 1];
    }
    if (p256_verify_table(&claim) != p256_verify_wolfssl(&claim))
        abort();
    return 0;
}
