// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/revocation_feed.h"

#include <stdio.h>

#include "pki/jws.h"

// The list of a batch as it grows.
struct list {
    struct buf text;
    struct json_writer w;
    size_t n;
};

static void put_text(struct json_writer *w, struct span name, struct span value)
{
    if (value.n == 0)
        return;
    json_w_key(w, name);
    json_w_string(w, value);
}

static void put_moment(struct json_writer *w, struct span name, int64_t seconds)
{
    if (seconds == 0)
        return;
    json_w_key(w, name);
    json_w_int(w, seconds);
}

static void put_hex(struct json_writer *w, struct span name, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * 16];
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_w_key(w, name);
    json_w_string(w, span_of(text, 2 * n));
}

static void put_hex64(struct json_writer *w, struct span name, uint64_t v)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(v >> (56 - 8 * i));
    put_hex(w, name, bytes, sizeof bytes);
}

static void put_number(struct json_writer *w, struct span name, uint64_t v)
{
    json_w_key(w, name);
    json_w_uint(w, v);
}

// True when it has no place in this batch.
static bool put_entry(struct list *l, const struct pki_revoked_entry *e, bool lifted)
{
    if (l->n >= PKI_FEED_CHANGES || buf_len(&l->text) >= PKI_FEED_PAYLOAD)
        return true;
    json_w_object(&l->w);
    put_text(&l->w, SPAN("kind"), pki_revoked_kind_name(e->kind));
    put_text(&l->w, SPAN("value"), e->value);
    put_text(&l->w, SPAN("issuer"), e->issuer);
    put_moment(&l->w, SPAN("before"), e->before_s);
    if (lifted) {
        json_w_key(&l->w, SPAN("lifted"));
        json_w_bool(&l->w, true);
    } else {
        put_moment(&l->w, SPAN("expires"), e->expires_s);
        put_moment(&l->w, SPAN("revoked"), e->revoked_s);
        put_text(&l->w, SPAN("reason"), e->reason);
    }
    json_w_end(&l->w);
    l->n++;
    return false;
}

static bool on_change(void *ctx, const struct pki_revoked_change *c)
{
    return put_entry(ctx, &c->entry, c->lifted);
}

static bool on_entry(void *ctx, const struct pki_revoked_entry *e)
{
    return put_entry(ctx, e, false);
}

// What is in the list, as it is known now.
struct reach {
    bool reset;
    uint64_t from, next, head;
    struct pki_revoked_point to;
};

static void list_begin(struct list *l)
{
    buf_init(&l->text, 0);
    l->w = json_writer(&l->text);
    l->n = 0;
    json_w_array(&l->w);
}

static int fill_whole(struct pki_revoked_store *s, uint64_t place, const struct pki_revoked_point *at, int64_t now_s,
                      struct list *l, struct reach *r)
{
    *r = (struct reach){ .reset = true, .from = place, .to = *at };
    return pki_revoked_log_part(s, place, now_s, &r->to, on_entry, l, &r->next, &r->head);
}

static int fill(struct pki_revoked_store *s, const struct pki_feed_ask *ask, int64_t now_s, struct list *l,
                struct reach *r)
{
    int rc;
    if (ask->reset) {
        rc = fill_whole(s, ask->place, &ask->after, now_s, l, r);
    } else {
        *r = (struct reach){ .from = ask->after.sequence };
        rc = pki_revoked_log_since(s, &ask->after, on_change, l, &r->to, &r->head);
    }
    return rc == ERR_STORE_ABSENT ? fill_whole(s, 0, &ask->after, now_s, l, r) : rc;
}

static void put_batch(struct json_writer *w, const struct pki_feed_signer *signer, const struct reach *r,
                      uint64_t nonce, int64_t now_s, struct span list)
{
    json_w_object(w);
    put_text(w, SPAN("iss"), signer->iss);
    json_w_key(w, SPAN("iat"));
    json_w_int(w, now_s);
    put_hex(w, SPAN("feed"), r->to.feed, sizeof r->to.feed);
    if (r->reset) {
        json_w_key(w, SPAN("reset"));
        json_w_bool(w, true);
        put_number(w, SPAN("next"), r->next);
    }
    put_number(w, SPAN("from"), r->from);
    put_number(w, SPAN("to"), r->to.sequence);
    put_hex64(w, SPAN("mark"), r->to.mark);
    put_number(w, SPAN("head"), r->head);
    put_hex64(w, SPAN("nonce"), nonce);
    json_w_key(w, SPAN("changes"));
    json_w_raw(w, list);
    json_w_end(w);
}

static int sign(const struct pki_feed_signer *signer, struct span payload, struct buf *out)
{
    struct buf header;
    buf_init(&header, 0);
    struct json_writer w = json_writer(&header);
    json_w_object(&w);
    put_text(&w, SPAN("typ"), PKI_FEED_TYP);
    put_text(&w, SPAN("alg"), pki_alg_name(signer->alg));
    put_text(&w, SPAN("kid"), signer->kid);
    json_w_end(&w);
    int rc = header.failed ? ERR_NOMEM : pki_jws_sign(buf_span(&header), payload, signer->key, signer->alg, out);
    buf_fini(&header);
    return rc;
}

int pki_feed_make(struct pki_revoked_store *s, const struct pki_feed_ask *ask, const struct pki_feed_signer *signer,
                  int64_t now_s, struct buf *out, size_t *changes)
{
    struct list list;
    struct reach reach;
    struct buf payload;
    buf_init(&payload, 0);
    list_begin(&list);
    int rc = fill(s, ask, now_s, &list, &reach);
    json_w_end(&list.w);
    struct json_writer w = json_writer(&payload);
    if (rc == 0)
        put_batch(&w, signer, &reach, ask->nonce, now_s, buf_span(&list.text));
    if (rc == 0 && (list.text.failed || payload.failed))
        rc = ERR_NOMEM;
    if (rc == 0)
        rc = sign(signer, buf_span(&payload), out);
    if (rc == 0 && changes)
        *changes = list.n;
    buf_fini(&list.text);
    buf_fini(&payload);
    return rc;
}
