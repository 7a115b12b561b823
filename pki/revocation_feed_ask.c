// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revocation_feed.h"

#include <inttypes.h>

#define WAIT_MOST 3600

void pki_feed_ask_write(const struct pki_feed_ask *ask, struct buf *query)
{
    if (!ask->reset || ask->place > 0) {
        buf_printf(query, "feed=");
        for (size_t i = 0; i < sizeof ask->after.feed; i++)
            buf_printf(query, "%02x", ask->after.feed[i]);
        buf_printf(query, "&after=%" PRIu64 "&mark=%016" PRIx64 "&", ask->after.sequence, ask->after.mark);
    }
    if (ask->reset && ask->place > 0)
        buf_printf(query, "place=%" PRIu64 "&", ask->place);
    buf_printf(query, "nonce=%016" PRIx64 "&wait=%u", ask->nonce, ask->wait_s);
}

static bool read_hex(struct span s, uint8_t *out, size_t n)
{
    if (s.n != 2 * n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
    }
    return true;
}

static bool read_hex64(struct span s, uint64_t *out)
{
    uint8_t bytes[8];
    if (!read_hex(s, bytes, sizeof bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *out = *out << 8 | bytes[i];
    return true;
}

enum name { FEED, AFTER, MARK, PLACE, NONCE, WAIT };
static const struct span names[] = {
    [FEED] = { "feed", 4 },   [AFTER] = { "after", 5 }, [MARK] = { "mark", 4 },
    [PLACE] = { "place", 5 }, [NONCE] = { "nonce", 5 }, [WAIT] = { "wait", 4 },
};

static bool take(enum name name, struct span value, struct pki_feed_ask *ask)
{
    uint64_t n = 0;
    switch (name) {
    case FEED: return read_hex(value, ask->after.feed, sizeof ask->after.feed);
    case AFTER: return span_to_u64(value, &ask->after.sequence) && ask->after.sequence <= INT64_MAX;
    case MARK: return read_hex64(value, &ask->after.mark) && ask->after.mark <= INT64_MAX;
    case PLACE: return span_to_u64(value, &ask->place) && ask->place > 0 && ask->place <= INT64_MAX;
    case NONCE: return read_hex64(value, &ask->nonce);
    case WAIT: break;
    }
    bool ok = span_to_u64(value, &n) && n <= WAIT_MOST;
    ask->wait_s = ok ? (unsigned)n : 0;
    return ok;
}

bool pki_feed_ask_read(struct span query, struct pki_feed_ask *out)
{
    const unsigned point = 1u << FEED | 1u << AFTER | 1u << MARK;
    struct pki_feed_ask ask = { .reset = false };
    unsigned seen = 0;
    for (struct span rest = query; query.n > 0 && !span_is_none(rest);) {
        struct span value = span_cut(&rest, '&'), name = span_cut(&value, '=');
        size_t i = 0;
        while (i < sizeof names / sizeof *names && !span_eq(names[i], name))
            i++;
        if (i == sizeof names / sizeof *names || seen & 1u << i || !take((enum name)i, value, &ask))
            return false;
        seen |= 1u << i;
    }
    bool pointed = (seen & point) == point;
    if (!(seen & 1u << NONCE) || (!pointed && (seen & point)) || (!pointed && seen & 1u << PLACE))
        return false;
    ask.reset = !pointed || seen & 1u << PLACE;
    *out = ask;
    return true;
}
