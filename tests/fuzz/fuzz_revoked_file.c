// SPDX-License-Identifier: GPL-3.0-or-later
// The file of revocations, in both formats: the first byte chooses. What is read well hits what it says, and nothing crashes.
#include <stdlib.h>

#include "gateway/config/revoked_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct pki_issuer issuer = { .iss = { "https://issuer.example", 22 } };
    struct pki_token t = { .issuer = &issuer, .jti = SPAN("t-1"), .subject = SPAN("alice"), .iat = 1 };
    struct pki_revoked *r = NULL;
    const struct pki_revoked_entry *by = NULL;
    struct diags diags;

    if (n == 0)
        return 0;
    diags_init(&diags);
    int rc =
        gw_revoked_file_read(span_of(data + 1, n - 1), data[0] == 'y' ? SPAN("r.yaml") : SPAN("r.jsonl"), &diags, &r);
    if ((rc == 0) != (r != NULL) || (rc == 0) == (diags.errors > 0))
        abort(); // read with errors, or refused without a reason
    if (pki_revoked_token(r, &t, 1, &by) != 0 && pki_revoked_fault(by))
        abort(); // an entry that makes no sense was taken
    for (const struct diag *d = diags.first; d; d = d->next)
        for (size_t i = 0; i < d->text.n; i++)
            if ((unsigned char)d->text.p[i] < 0x20)
                abort(); // a log line that moves the cursor
    pki_revoked_unref(r);
    diags_fini(&diags);
    return 0;
}
