// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/api_key.h"

#include <assert.h>
#include <stdio.h>

#include "gateway/base/secret.h"

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// CRC-32 as in ISO 3309, PNG and zip, a bit at a time: sixty bytes are not worth a table.
static uint32_t crc32(struct span s)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (unsigned char)s.p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

static void checksum(struct span s, char out[static PKI_API_KEY_CHECKSUM])
{
    uint32_t crc = crc32(s);
    for (size_t i = PKI_API_KEY_CHECKSUM; i-- > 0; crc /= 62)
        out[i] = base62[crc % 62];
}

static bool only(struct span s, const char *first, size_t n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!memchr(first, s.p[i], n))
            return false;
    return true;
}

bool pki_api_key_looks_like(struct span text)
{
    return span_starts(text, SPAN(PKI_API_KEY_PREFIX));
}

bool pki_api_key_env_ok(struct span env)
{
    return env.n > 0 && env.n <= PKI_API_KEY_ENV_MAX && only(env, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
}

bool pki_api_key_id_ok(struct span id)
{
    return id.n == PKI_API_KEY_ID && only(id, "0123456789abcdef", 16);
}

int pki_api_key_parse(struct span text, struct pki_api_key *out)
{
    char expected[PKI_API_KEY_CHECKSUM];
    if (!pki_api_key_looks_like(text) || text.n > PKI_API_KEY_MAX)
        return ERR_APIKEY_MALFORMED;
    struct span rest = span_sub(text, 3, text.n), env = span_cut(&rest, '_');
    if (span_is_none(rest))
        return ERR_APIKEY_MALFORMED;
    struct span id = span_cut(&rest, '_');
    if (!pki_api_key_env_ok(env) || !pki_api_key_id_ok(id) || span_is_none(rest) ||
        rest.n != PKI_API_KEY_SECRET + PKI_API_KEY_CHECKSUM || !only(rest, base62, 62))
        return ERR_APIKEY_MALFORMED;
    size_t body = text.n - PKI_API_KEY_CHECKSUM;
    checksum(span_sub(text, 0, body), expected);
    if (memcmp(expected, text.p + body, sizeof expected) != 0)
        return ERR_APIKEY_MALFORMED;
    *out = (struct pki_api_key){ env, id };
    return 0;
}

// Each character as likely as any other: of the 256 values of a byte the last 8 would favour the first characters.
static void draw(char *out, size_t n)
{
    uint8_t random[64];
    for (size_t at = 0, i = sizeof random; at < n; i++) {
        if (i == sizeof random) {
            pki_random(random, sizeof random);
            i = 0;
        }
        if (random[i] < 4 * 62)
            out[at++] = base62[random[i] % 62];
    }
    secret_wipe(random, sizeof random);
}

void pki_api_key_make(struct span env, char out[static PKI_API_KEY_MAX + 1])
{
    uint8_t id[PKI_API_KEY_ID / 2];
    assert(pki_api_key_env_ok(env));
    pki_random(id, sizeof id);
    size_t at = (size_t)snprintf(out, PKI_API_KEY_MAX + 1, PKI_API_KEY_PREFIX "%.*s_", SPAN_FMT(env));
    for (size_t i = 0; i < sizeof id; i++)
        at += (size_t)snprintf(out + at, 3, "%02x", id[i]);
    out[at++] = '_';
    draw(out + at, PKI_API_KEY_SECRET);
    at += PKI_API_KEY_SECRET;
    checksum(span_of(out, at), out + at);
    out[at + PKI_API_KEY_CHECKSUM] = '\0';
}

void pki_api_key_hash(struct span text, uint8_t out[static PKI_SHA256])
{
    pki_sha256(text, out);
}

bool pki_api_key_matches(const uint8_t hash[static PKI_SHA256], const uint8_t stored[static PKI_SHA256])
{
    return secret_eq(span_of(hash, PKI_SHA256), span_of(stored, PKI_SHA256));
}
