// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/chain.h"

#include <assert.h>
#include <stdio.h>

#include "gateway/base/base64url.h"
#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/jws.h"
#include "pki/mint.h"

#define TYP "audit-checkpoint+jws"

#define SEQ_MAX ((int64_t)1 << 53) // what every reader of JSON can tell from the next one

enum { CHECKPOINT_MAX = 8192 };

static const struct span causes[] = {
    [GW_CHAIN_START] = { "start", 5 }, [GW_CHAIN_ROTATE] = { "rotate", 6 }, [GW_CHAIN_REOPEN] = { "reopen", 6 },
    [GW_CHAIN_TORN] = { "torn", 4 },   [GW_CHAIN_STOP] = { "stop", 4 },     [GW_CHAIN_TAKEOVER] = { "takeover", 8 },
};

void gw_chain_begin(struct gw_chain *c)
{
    uint8_t name[(GW_CHAIN_LOG - 1) / 2];

    *c = (struct gw_chain){ 0 };
    pki_random(name, sizeof name);
    for (size_t i = 0; i < sizeof name; i++)
        snprintf(c->log + 2 * i, 3, "%02x", name[i]);
}

bool gw_chain_is_log(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!memchr("0123456789abcdef", name.p[i], 16))
            return false;
    return name.n == GW_CHAIN_LOG - 1;
}

static void follow(struct gw_chain *c, struct span line)
{
    c->seq++;
    c->linked = true;
    pki_sha256(line, c->head);
}

void gw_chain_follow(struct gw_chain *c, struct span line)
{
    follow(c, line);
}

static void hash_text(const uint8_t hash[static GW_CHAIN_HASH], char text[static GW_CHAIN_TEXT + 1])
{
    text[base64url_encode(span_of(hash, GW_CHAIN_HASH), text)] = '\0';
}

static bool hash_read(struct span text, uint8_t hash[static GW_CHAIN_HASH])
{
    uint8_t decoded[BASE64URL_DECODED(GW_CHAIN_TEXT)];
    size_t n;

    if (text.n != GW_CHAIN_TEXT || !base64url_decode(text, decoded, &n) || n != GW_CHAIN_HASH)
        return false;
    memcpy(hash, decoded, GW_CHAIN_HASH);
    return true;
}

// Back to where `out` was.
static bool undo(struct buf *out, size_t before)
{
    out->end = out->start + before;
    out->failed = false;
    return false;
}

bool gw_chain_add(struct gw_chain *c, struct span a, struct span b, struct buf *out)
{
    size_t before = buf_len(out);
    char prev[GW_CHAIN_TEXT + 1];

    if (out->failed)
        return false;
    buf_append(out, a);
    buf_append(out, b);
    if (out->failed)
        return undo(out, before);
    struct span record = span_sub(buf_span(out), before, buf_len(out));
    // "{}" has no member to put a comma behind, and nobody writes such a record.
    assert(record.n > 4 && record.p[0] == '{' && memcmp(record.p + record.n - 2, "}\n", 2) == 0);
    out->end -= 2;
    buf_append(out, SPAN(",\"seq\":"));
    buf_uint(out, c->seq + 1);
    if (c->linked) {
        hash_text(c->head, prev);
        buf_append(out, SPAN(",\"prev\":\""));
        buf_append(out, span_of(prev, GW_CHAIN_TEXT));
        buf_byte(out, '"');
    }
    buf_append(out, SPAN("}\n"));
    if (out->failed)
        return undo(out, before);
    follow(c, span_sub(buf_span(out), before, buf_len(out) - 1));
    return true;
}

static void begin_line(struct json_writer *w, struct span kind, int64_t wall_ms)
{
    char when[CLOCK_TEXT];

    clock_format(wall_ms, when);
    json_w_object(w);
    json_w_key(w, SPAN("time"));
    json_w_string(w, span_str(when));
    json_w_key(w, SPAN("kind"));
    json_w_string(w, kind);
}

static bool end_line(struct gw_chain *c, struct json_writer *w, struct buf *out)
{
    bool ok;

    json_w_end(w);
    buf_byte(w->out, '\n');
    ok = !w->out->failed && gw_chain_add(c, buf_span(w->out), SPAN(""), out);
    buf_fini(w->out);
    return ok;
}

bool gw_chain_mark(struct gw_chain *c, enum gw_chain_cause cause, uint32_t file, struct span torn, int64_t wall_ms,
                   struct buf *out)
{
    struct buf line;
    uint8_t hash[GW_CHAIN_HASH];
    char text[GW_CHAIN_TEXT + 1];

    buf_init(&line, 0);
    struct json_writer w = json_writer(&line);
    begin_line(&w, SPAN("chain"), wall_ms);
    json_w_key(&w, SPAN("log"));
    json_w_string(&w, span_str(c->log));
    json_w_key(&w, SPAN("cause"));
    json_w_string(&w, causes[cause]);
    json_w_key(&w, SPAN("file"));
    json_w_uint(&w, file);
    if (cause == GW_CHAIN_TAKEOVER) {
        json_w_key(&w, SPAN("before"));
        json_w_object(&w);
        json_w_key(&w, SPAN("log"));
        json_w_string(&w, span_str(c->before));
        json_w_key(&w, SPAN("seq"));
        json_w_uint(&w, c->before_seq);
        json_w_end(&w);
    }
    if (torn.n) {
        pki_sha256(torn, hash);
        hash_text(hash, text);
        json_w_key(&w, SPAN("torn"));
        json_w_object(&w);
        json_w_key(&w, SPAN("bytes"));
        json_w_uint(&w, torn.n);
        json_w_key(&w, SPAN("sha256"));
        json_w_string(&w, span_str(text));
        json_w_end(&w);
    }
    return end_line(c, &w, out);
}

void gw_chain_key_init(struct gw_chain_key *k, const struct pki_key *key)
{
    uint8_t thumbprint[32];

    k->key = key;
    pki_key_thumbprint(key, thumbprint);
    hash_text(thumbprint, k->kid);
}

static void header(const struct gw_chain_key *key, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_w_object(&w);
    json_w_key(&w, SPAN("typ"));
    json_w_string(&w, SPAN(TYP));
    json_w_key(&w, SPAN("alg"));
    json_w_string(&w, pki_alg_name(pki_mint_alg(key->key)));
    json_w_key(&w, SPAN("kid"));
    json_w_string(&w, span_str(key->kid));
    json_w_end(&w);
}

static void payload(const struct gw_chain *c, int64_t wall_ms, struct buf *out)
{
    struct json_writer w = json_writer(out);
    char when[CLOCK_TEXT], head[GW_CHAIN_TEXT + 1];

    clock_format(wall_ms, when);
    hash_text(c->head, head);
    json_w_object(&w);
    json_w_key(&w, SPAN("log"));
    json_w_string(&w, span_str(c->log));
    json_w_key(&w, SPAN("seq"));
    json_w_uint(&w, c->seq);
    json_w_key(&w, SPAN("head"));
    json_w_string(&w, span_str(head));
    json_w_key(&w, SPAN("time"));
    json_w_string(&w, span_str(when));
    json_w_end(&w);
}

int gw_chain_sign(struct gw_chain *c, const struct gw_chain_key *key, int64_t wall_ms, struct buf *out)
{
    struct buf head, claims, jws, line;
    int rc;

    buf_init(&head, 0);
    buf_init(&claims, 0);
    buf_init(&jws, 0);
    header(key, &head);
    payload(c, wall_ms, &claims);
    rc = head.failed || claims.failed
             ? ERR_NOMEM
             : pki_jws_sign(buf_span(&head), buf_span(&claims), key->key, pki_mint_alg(key->key), &jws);
    if (rc == 0) {
        buf_init(&line, 0);
        struct json_writer w = json_writer(&line);
        begin_line(&w, SPAN("checkpoint"), wall_ms);
        json_w_key(&w, SPAN("checkpoint"));
        json_w_string(&w, buf_span(&jws));
        if (!end_line(c, &w, out))
            rc = ERR_NOMEM;
    }
    buf_fini(&head);
    buf_fini(&claims);
    buf_fini(&jws);
    return rc;
}

bool gw_chain_read(json line, uint64_t *seq, uint8_t prev[static GW_CHAIN_HASH])
{
    json link = json_get(line, SPAN("prev"));
    uint8_t hash[GW_CHAIN_HASH] = { 0 };
    int64_t number;

    if (!json_i64(json_get(line, SPAN("seq")), &number) || number < 1 || number > SEQ_MAX)
        return false;
    if (link ? !hash_read(json_string(link), hash) : number != 1)
        return false;
    *seq = (uint64_t)number;
    memcpy(prev, hash, sizeof hash);
    return true;
}

// --------------------------------------------------------------------------------------------------------- checkpoints

static int verify(const struct pki_jws *jws, const struct pki_jws_header *h, const struct gw_chain_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(h->kid, span_str(keys[i].kid)))
            return h->alg == pki_mint_alg(keys[i].key) ? pki_jws_verify(jws, keys[i].key, h->alg) : ERR_TOKEN_SIGNATURE;
    return ERR_TOKEN_KEY;
}

static bool read_claims(struct span text, struct arena *arena, struct gw_checkpoint *c)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    int64_t seq = -1;
    bool ok = json_i64(json_get(root, SPAN("seq")), &seq) && seq >= 0 &&
              hash_read(json_string(json_get(root, SPAN("head"))), c->head);

    c->seq = (uint64_t)seq;
    c->log = arena_dup(arena, json_string(json_get(root, SPAN("log"))));
    c->time = arena_dup(arena, json_string(json_get(root, SPAN("time"))));
    json_free(doc);
    return ok && !span_is_none(c->log) && !span_is_none(c->time);
}

int gw_checkpoint_read(struct span compact, const struct gw_chain_key *keys, size_t n, struct arena *arena,
                       struct gw_checkpoint *out)
{
    struct gw_checkpoint c = { 0 };
    struct pki_jws_header h;
    struct pki_jws jws;
    struct span text;
    int rc = pki_jws_split(compact, CHECKPOINT_MAX, &jws);

    if (rc == 0)
        rc = pki_jws_header_read(jws.header, &h);
    if (rc != 0)
        return rc;
    if (!span_eq(h.typ, SPAN(TYP)))
        rc = ERR_TOKEN_TYP;
    c.kid = arena_dup(arena, h.kid);
    if (rc == 0 && n > 0)
        rc = verify(&jws, &h, keys, n);
    pki_jws_header_fini(&h);
    if (rc == 0)
        rc = pki_jws_decode(jws.payload, arena, &text);
    if (rc == 0 && !read_claims(text, arena, &c))
        rc = ERR_TOKEN_MALFORMED;
    if (rc != 0)
        return rc;
    c.trusted = n > 0;
    *out = c;
    return 0;
}
