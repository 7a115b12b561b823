// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/connect/token_source.h"

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/base/secret.h"
#include "gateway/http/percent.h"
#include "pki/digest.h"

#include <stdio.h>

#define PAUSE_MS 250
#define PAUSE_MOST_MS 30000
#define REFUSED_MS 2000 // between two requests that gateways' refusals led to
#define UNSAID_S 60     // life of a token that does not tell it
#define LIFE_MOST_S 31536000

void gw_token_source_init(struct gw_token_source *s)
{
    *s = (struct gw_token_source){ .ends_ms = INT64_MAX };
    buf_init(&s->token, GW_TOKEN_BYTES);
    buf_init(&s->nonce, GW_TOKEN_NONCE);
    snprintf(s->why, sizeof s->why, "none was asked for yet");
}

void gw_token_source_fini(struct gw_token_source *s)
{
    buf_wipe(&s->token);
    buf_wipe(&s->nonce);
}

struct span gw_token_source_get(const struct gw_token_source *s, int64_t mono_ms)
{
    return buf_len(&s->token) > 0 && mono_ms < s->ends_ms ? buf_span(&s->token) : SPAN_NONE;
}

bool gw_token_source_due(const struct gw_token_source *s, int64_t mono_ms)
{
    if (s->asking || mono_ms < s->again_ms)
        return false;
    return buf_len(&s->token) == 0 || mono_ms >= s->refresh_ms;
}

void gw_token_source_asked(struct gw_token_source *s)
{
    s->asking = true;
}

// What comes from elsewhere is shown as one line of ASCII.
static void explain(struct gw_token_source *s, const char *format, unsigned status, struct span a, struct span b)
{
    size_t n = (size_t)snprintf(s->why, sizeof s->why, format, status);
    const struct span parts[] = { a, b };
    for (size_t k = 0; k < 2; k++) {
        if (span_is_none(parts[k]) || n + 4 >= sizeof s->why)
            continue;
        n += (size_t)snprintf(s->why + n, sizeof s->why - n, k == 0 ? " " : ": ");
        n += span_show(span_sub(parts[k], 0, 160), s->why + n, sizeof s->why - n);
    }
}

static void pause(struct gw_token_source *s, int64_t mono_ms)
{
    int64_t ms = PAUSE_MS;
    for (unsigned i = 0; i < s->failures && ms < PAUSE_MOST_MS; i++)
        ms *= 2;
    s->failures++;
    s->asking = s->nonce_tried = false;
    s->again_ms = mono_ms + (ms < PAUSE_MOST_MS ? ms : PAUSE_MOST_MS);
}

void gw_token_source_failed(struct gw_token_source *s, const char *what, int64_t mono_ms)
{
    snprintf(s->why, sizeof s->why, "%s", what);
    pause(s, mono_ms);
}

// RFC 6750 §2.1: b64token.
static bool is_token(struct span t)
{
    size_t n = t.n;
    while (n > 0 && t.p[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        if (!gw_is_unreserved(t.p[i]) && t.p[i] != '+' && t.p[i] != '/')
            return false;
    return n > 0 && t.n <= GW_TOKEN_BYTES;
}

// What a JWT says of itself. Nobody relies on it but for when to ask again, and which certificate it belongs to.
struct said {
    bool ends, bound;
    int64_t exp; // seconds since the epoch
    uint8_t x5t[32];
};

static struct said look_into(struct span token)
{
    struct said said = { .ends = false };
    struct span rest = token;
    span_cut(&rest, '.');
    struct span payload = span_is_none(rest) ? SPAN_NONE : span_cut(&rest, '.');
    char text[BASE64URL_DECODED(GW_TOKEN_BYTES)];
    size_t n;
    if (span_is_none(payload) || span_is_none(rest) || !base64url_decode(payload, text, &n))
        return said;
    struct json_doc *doc = json_parse(span_of(text, n), NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    struct span x5t = json_string(json_get(json_get(root, SPAN("cnf")), SPAN("x5t#S256")));
    said.ends = json_i64(json_get(root, SPAN("exp")), &said.exp);
    said.bound = !span_is_none(x5t) && x5t.n == BASE64URL_ENCODED(32) && base64url_decode(x5t, said.x5t, &n);
    json_free(doc);
    secret_wipe(text, sizeof text);
    return said;
}

static int64_t clip(int64_t s)
{
    return s < 0 ? 0 : s > LIFE_MOST_S ? LIFE_MOST_S : s;
}

// Taken: `life_s` from now, INT64_MAX for ever.
static int take(struct gw_token_source *s, struct span token, int64_t life_s, int64_t mono_ms, uint8_t random)
{
    struct buf fresh;
    buf_init(&fresh, GW_TOKEN_BYTES);
    if (!buf_append(&fresh, token))
        return ERR_NOMEM;
    buf_wipe(&s->token);
    s->token = fresh;
    pki_sha256(token, s->ath);
    s->serial++;
    s->got_ms = mono_ms;
    s->failures = 0;
    s->asking = s->nonce_tried = false;
    s->again_ms = 0;
    s->why[0] = '\0';
    s->ends_ms = s->refresh_ms = INT64_MAX;
    if (life_s != INT64_MAX) {
        int64_t life_ms = life_s * 1000;
        s->ends_ms = mono_ms + life_ms;
        s->refresh_ms = mono_ms + life_ms * 2 / 3 - life_ms / 8 * random / 255;
    }
    return 0;
}

static int take_answer(struct gw_token_source *s, json root, bool proven, struct clock_now now, uint8_t random)
{
    struct span token = json_string(json_get(root, SPAN("access_token")));
    struct span type = json_string(json_get(root, SPAN("token_type")));
    int64_t life_s = UNSAID_S;
    if (span_is_none(token) || !is_token(token) || span_is_none(type)) {
        gw_token_source_failed(s, "the token endpoint's answer has no usable access_token and token_type", now.mono_ms);
        return ERR_TOKEN_MALFORMED;
    }
    if (!span_ieq(type, proven ? SPAN("DPoP") : SPAN("Bearer"))) {
        gw_token_source_failed(
            s,
            proven ? "the token endpoint gave a token that is not bound to the key of the proof; does it support "
                     "DPoP? Else set binding: certificate"
                   : "the token endpoint gave a token that wants proofs; set binding: dpop",
            now.mono_ms);
        return ERR_TOKEN_UNBOUND;
    }
    struct said said = look_into(token);
    if (!json_i64(json_get(root, SPAN("expires_in")), &life_s) && said.ends)
        life_s = said.exp - now.wall_ms / 1000;
    return take(s, token, clip(life_s), now.mono_ms, random);
}

int gw_token_source_answered(struct gw_token_source *s, unsigned status, struct span content, struct span nonce,
                             bool proven, struct clock_now now, uint8_t random)
{
    struct json_doc *doc = json_parse(content, NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    struct span error = json_string(json_get(root, SPAN("error")));
    int rc = ERR_TOKEN_MISSING;
    if (!span_is_none(nonce) && nonce.n > 0 && nonce.n <= GW_TOKEN_NONCE) {
        buf_clear(&s->nonce);
        buf_append(&s->nonce, nonce);
    }
    if (status == 200) {
        rc = take_answer(s, root, proven, now, random);
    } else if (!span_is_none(error) && span_eq(error, SPAN("use_dpop_nonce")) && !s->nonce_tried &&
               buf_len(&s->nonce) > 0) {
        s->asking = false;
        s->nonce_tried = true;
        s->again_ms = 0;
    } else {
        explain(s, "the token endpoint answered %u", status, error,
                json_string(json_get(root, SPAN("error_description"))));
        pause(s, now.mono_ms);
    }
    json_free(doc);
    return rc;
}

int gw_token_source_read(struct gw_token_source *s, struct span content, const uint8_t *leaf_sha256,
                         struct clock_now now)
{
    struct span token = content;
    while (token.n > 0 && (token.p[token.n - 1] == '\n' || token.p[token.n - 1] == '\r' || token.p[token.n - 1] == ' '))
        token.n--;
    if (span_starts(token, SPAN("Bearer ")))
        token = span_sub(token, 7, token.n);
    if (!is_token(token)) {
        snprintf(s->why, sizeof s->why, "the token's file does not hold one token and nothing else");
        return ERR_TOKEN_MALFORMED;
    }
    struct said said = look_into(token);
    if (leaf_sha256 && said.bound && memcmp(said.x5t, leaf_sha256, sizeof said.x5t) != 0) {
        snprintf(s->why, sizeof s->why,
                 "the token in the file is bound to another certificate than the workload's present one");
        return ERR_CNF_CERTIFICATE;
    }
    int rc = take(s, token, said.ends ? clip(said.exp - now.wall_ms / 1000) : INT64_MAX, now.mono_ms, 0);
    if (rc == 0 && said.ends)
        snprintf(s->why, sizeof s->why, "the token in the file has ended, and no newer one was put there");
    return rc;
}

void gw_token_source_copy(struct gw_token_source *s, const struct gw_token_source *from)
{
    if (take(s, buf_span(&from->token), INT64_MAX, from->got_ms, 0) != 0)
        return;
    s->ends_ms = from->ends_ms;
    s->refresh_ms = from->refresh_ms;
    buf_clear(&s->nonce);
    buf_append(&s->nonce, buf_span(&from->nonce));
}

bool gw_token_source_refused(struct gw_token_source *s, unsigned serial, int64_t mono_ms)
{
    if (serial != s->serial)
        return false;
    int64_t at_ms = s->got_ms + REFUSED_MS;
    s->refresh_ms = mono_ms;
    if (s->again_ms < at_ms)
        s->again_ms = at_ms;
    return true;
}

static void encode(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (gw_is_unreserved(s.p[i]))
            buf_byte(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
}

bool gw_token_request(struct buf *out, struct span scope, const struct span *audiences, size_t n, struct span client_id)
{
    buf_append(out, SPAN("grant_type=client_credentials"));
    if (!span_is_none(client_id)) {
        buf_append(out, SPAN("&client_id="));
        encode(out, client_id);
    }
    if (!span_is_none(scope)) {
        buf_append(out, SPAN("&scope="));
        encode(out, scope);
    }
    for (size_t i = 0; i < n; i++) {
        buf_append(out, SPAN("&audience="));
        encode(out, audiences[i]);
    }
    return !out->failed;
}
