// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/framing.h"

enum { CONNECTION_OPTIONS = 16 }; // more are nobody's honest need

// What one walk over the fields gathers.
struct facts {
    struct span length, coding, expect;
    unsigned lengths, codings, hosts, expects, types;
    bool upgrade, close;
    const char *bad; // the first rule broken, with its error
    int error;
};

static void refuse(struct facts *f, int error, const char *what)
{
    if (!f->bad) {
        f->bad = what;
        f->error = error;
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// "Content_Length", "Transfer--Encoding": some servers fold such names onto the real ones, so they may be an
// attempt at a second framing.
static bool is_framing_lookalike(struct span name)
{
    static const struct span squeezed[] = { { "contentlength", 13 }, { "transferencoding", 16 } };
    for (size_t w = 0; w < 2; w++) {
        size_t at = 0;
        bool same = true;
        for (size_t i = 0; i < name.n && same; i++) {
            bool alnum = (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9');
            if (alnum)
                same = at < squeezed[w].n && name.p[i] == squeezed[w].p[at++];
        }
        if (same && at == squeezed[w].n)
            return true;
    }
    return false;
}

static void connection_option(struct gw_headers *h, struct span option, struct facts *f)
{
    char text[64];
    if (!gw_is_token(option) || option.n > sizeof(text)) {
        refuse(f, ERR_HTTP_MALFORMED, "invalid Connection option");
        return;
    }
    for (size_t i = 0; i < option.n; i++)
        text[i] = lower(option.p[i]);
    struct span name = span_of(text, option.n);
    if (span_eq(name, SPAN("close"))) {
        f->close = true;
        return;
    }
    enum gw_field id = gw_field_id(name);
    if (gw_field_flags(id) & GW_HOP && !(gw_field_flags(id) & GW_SECRET)) {
        f->upgrade |= id == GW_FIELD_UPGRADE;
        return;
    }
    if (id != GW_FIELD_OTHER || gw_field_is_reserved(name)) {
        refuse(f, ERR_HTTP_MALFORMED, "Connection names a field that is not hop-by-hop");
        return;
    }
    for (size_t i = 0; i < h->n; i++)
        h->v[i].hop |= span_eq(h->v[i].name, name);
}

static void connection(struct gw_headers *h, struct span value, struct facts *f, unsigned *options)
{
    for (struct span rest = value; !span_is_none(rest);) {
        struct span option = span_trim(span_cut(&rest, ','));
        if (option.n == 0) // empty list elements are allowed (RFC 9110 §5.6.1)
            continue;
        if (++*options > CONNECTION_OPTIONS) {
            refuse(f, ERR_HTTP_MALFORMED, "too many Connection options");
            return;
        }
        connection_option(h, option, f);
    }
}

static struct facts gather(struct gw_headers *h)
{
    struct facts f = { 0 };
    unsigned options = 0;
    for (size_t i = 0; i < h->n; i++) {
        struct gw_header *field = &h->v[i];
        field->hop |= (gw_field_flags(field->id) & GW_HOP) != 0;
        switch (field->id) {
        case GW_FIELD_CONTENT_LENGTH:
            f.lengths++;
            f.length = field->value;
            break;
        case GW_FIELD_TRANSFER_ENCODING:
            f.codings++;
            f.coding = field->value;
            break;
        case GW_FIELD_HOST: f.hosts++; break;
        case GW_FIELD_EXPECT:
            f.expects++;
            f.expect = field->value;
            break;
        case GW_FIELD_CONTENT_TYPE: f.types++; break;
        case GW_FIELD_UPGRADE: f.upgrade = true; break;
        case GW_FIELD_CONNECTION: connection(h, field->value, &f, &options); break;
        case GW_FIELD_OTHER:
            if (is_framing_lookalike(field->name))
                refuse(&f, ERR_HTTP_FRAMING, "a field that resembles Content-Length or Transfer-Encoding");
            break;
        default: break;
        }
    }
    if (f.types > 1)
        refuse(&f, ERR_HTTP_MALFORMED, "more than one Content-Type");
    return f;
}

// RFC 9112 §6.3 without its leniencies: what a careful recipient MAY refuse is refused. `minor` 0 is HTTP/1.0.
static const char *body_framing(const struct facts *f, unsigned minor, enum gw_framing *framing, uint64_t *length)
{
    if (f->codings && f->lengths)
        return "Transfer-Encoding with Content-Length";
    if (f->codings > 1)
        return "more than one Transfer-Encoding";
    if (f->lengths > 1)
        return "more than one Content-Length";
    if (f->codings && minor == 0)
        return "Transfer-Encoding in HTTP/1.0";
    if (f->codings && !span_ieq(f->coding, SPAN("chunked")))
        return "Transfer-Encoding is not exactly chunked";
    if (f->lengths && !span_to_u64(f->length, length))
        return "invalid Content-Length";
    *framing = f->codings ? GW_FRAMING_CHUNKED : f->lengths ? GW_FRAMING_LENGTH : GW_FRAMING_NONE;
    return NULL;
}

static int refused(const char **what, const char *text, int error)
{
    *what = text;
    return error;
}

int gw_framing_request(struct gw_request *r, const char **what)
{
    struct facts f = gather(&r->headers);
    enum gw_framing framing = GW_FRAMING_NONE;
    uint64_t length = 0;
    const char *bad = body_framing(&f, r->minor, &framing, &length);
    if (bad)
        return refused(what, bad, ERR_HTTP_FRAMING);
    if (f.bad)
        return refused(what, f.bad, f.error);
    if (f.upgrade)
        return refused(what, "Upgrade", ERR_HTTP_UPGRADE);
    if (f.hosts != 1)
        return refused(what, f.hosts ? "more than one Host" : "no Host", ERR_HTTP_HOST);
    bool has_body = framing == GW_FRAMING_CHUNKED || length > 0;
    // A body there has no defined meaning (RFC 9110 §9.3.1), and servers differ in whether they read it.
    if (has_body && (r->method == GW_METHOD_GET || r->method == GW_METHOD_HEAD))
        return refused(what, "GET or HEAD with a body", ERR_HTTP_FRAMING);
    if (f.expects > 1 || (f.expects && !span_ieq(f.expect, SPAN("100-continue"))))
        return refused(what, "an expectation other than 100-continue", ERR_HTTP_EXPECT);

    r->framing = framing;
    r->content_length = length;
    r->keep_alive = r->minor > 0 && !f.close;
    r->expect_continue = f.expects && has_body && r->minor > 0; // HTTP/1.0: ignored, RFC 9110 §10.1.1
    return 0;
}

int gw_framing_response(struct gw_response *r, bool head_request, const char **what)
{
    struct facts f = gather(&r->headers);
    enum gw_framing framing = GW_FRAMING_NONE;
    uint64_t length = 0;
    const char *bad = body_framing(&f, r->minor, &framing, &length);
    if (bad || f.bad)
        return refused(what, bad ? bad : f.bad, ERR_SHARD_ANSWER);
    bool bodiless = r->status < 200 || r->status == 204;
    // RFC 9112 §6.1, RFC 9110 §8.6: neither field belongs there. A length of zero says nothing false.
    if (bodiless && (framing == GW_FRAMING_CHUNKED || length > 0))
        return refused(what, "a body announced with a status that has none", ERR_SHARD_ANSWER);
    if (r->status == 101)
        return refused(what, "101 Switching Protocols", ERR_SHARD_ANSWER);

    r->has_length = framing == GW_FRAMING_LENGTH;
    r->content_length = length;
    r->keep_alive = r->minor > 0 && !f.close;
    if (bodiless || head_request || r->status == 304) {
        r->framing = GW_FRAMING_NONE;
    } else if (framing == GW_FRAMING_NONE) {
        r->framing = GW_FRAMING_CLOSE;
        r->keep_alive = false;
    } else {
        r->framing = framing;
    }
    return 0;
}
