// SPDX-License-Identifier: GPL-3.0-or-later
// API keys as text: what is accepted has the form and its own checksum, and one changed character is noticed.
#include "pki/api_key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    struct pki_api_key key, again;
    char copy[PKI_API_KEY_MAX];
    if (pki_api_key_parse(text, &key) != 0)
        return 0;
    if (!pki_api_key_looks_like(text) || size > sizeof copy || !pki_api_key_env_ok(key.env) ||
        !pki_api_key_id_ok(key.id) || key.env.p != text.p + 3 || key.id.p != key.env.p + key.env.n + 1)
        abort();
    for (size_t i = 0; i < size; i++) {
        memcpy(copy, data, size);
        copy[i] = copy[i] == 'a' ? 'b' : 'a';
        if (pki_api_key_parse(span_of(copy, size), &again) == 0)
            abort();
    }
    return 0;
}
