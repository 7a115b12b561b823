// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/digest_memo.h"

#include <stdlib.h>

#include "gateway/base/buf.h"

struct place {
    struct buf text;
    uint8_t sha256[PKI_SHA256];
};

struct pki_digest_memo {
    struct place places[PKI_DIGEST_MEMO_PLACES];
};

_Static_assert(PKI_DIGEST_MEMO_PLACES == 256, "place_of takes eight bits");

// The last bytes, of the signature.
static uint64_t last_of(struct span text)
{
    uint64_t last;
    memcpy(&last, text.p + text.n - sizeof last, sizeof last);
    return last;
}

static size_t place_of(struct span text)
{
    return (size_t)((last_of(text) * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static bool is_kept(struct span text)
{
    return text.n >= sizeof(uint64_t) && text.n <= PKI_DIGEST_MEMO_TEXT;
}

struct pki_digest_memo *pki_digest_memo_new(void)
{
    struct pki_digest_memo *m = calloc(1, sizeof *m);
    for (size_t i = 0; m && i < PKI_DIGEST_MEMO_PLACES; i++)
        buf_init(&m->places[i].text, PKI_DIGEST_MEMO_TEXT);
    return m;
}

void pki_digest_memo_free(struct pki_digest_memo *m)
{
    for (size_t i = 0; m && i < PKI_DIGEST_MEMO_PLACES; i++)
        buf_wipe(&m->places[i].text);
    free(m);
}

bool pki_digest_memo_get(const struct pki_digest_memo *m, struct span text, uint8_t out[static PKI_SHA256])
{
    if (!is_kept(text))
        return false;
    const struct place *p = &m->places[place_of(text)];
    struct span kept = buf_span(&p->text);
    // The last bytes first, at once: the time of the whole tells how much of a text is right, but only to whoever knows those of its signature
    // already. To have its place, of which there are few, is not enough.
    if (kept.n != text.n || last_of(kept) != last_of(text) || memcmp(kept.p, text.p, text.n) != 0)
        return false;
    memcpy(out, p->sha256, sizeof p->sha256);
    return true;
}

void pki_digest_memo_put(struct pki_digest_memo *m, struct span text, const uint8_t sha256[static PKI_SHA256])
{
    if (!is_kept(text))
        return;
    struct place *p = &m->places[place_of(text)];
    buf_wipe(&p->text);
    if (!buf_append(&p->text, text)) {
        buf_clear(&p->text);
        return;
    }
    memcpy(p->sha256, sha256, sizeof p->sha256);
}
