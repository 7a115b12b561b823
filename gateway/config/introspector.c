// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/introspector.h"

#include "gateway/base/secret.h"
#include "gateway/config/snapshot_files.h"
#include "pki/pem.h"

#include <string.h>

static bool is_set(struct gw_config_text t)
{
    return !span_is_none(t.v);
}

static bool is_asked(const struct gw_config_issuer *i)
{
    return i->introspection.present && (i->uses == 0 || (i->uses & GW_ISSUER_REQUESTS));
}

static bool has_keys(const struct gw_config_issuer *i)
{
    return is_set(i->jwks) || is_set(i->symmetric_key_file) || is_set(i->keys.url) || i->discovery != GW_DISCOVERY_NONE;
}

// ---------------------------------------------------------------------------------------------------------- check

static void told_apart(const struct gw_config *c, size_t i, struct diags *diags)
{
    const struct gw_config_introspection *in = &c->issuers[i].introspection;
    for (size_t k = 0; k < i; k++) {
        const struct gw_config_issuer *other = &c->issuers[k];
        if (!is_asked(other))
            continue;
        struct span a = in->prefix.v, b = other->introspection.prefix.v;
        if (span_is_none(a) && span_is_none(b))
            gw_config_error(c, in->at, diags,
                            "'%.*s' is asked about opaque tokens already, and nothing tells whose a token is; give one "
                            "of the two a prefix",
                            SPAN_FMT(other->name.v));
        else if (!span_is_none(a) && !span_is_none(b) && (span_starts(a, b) || span_starts(b, a)))
            gw_config_error(c, in->prefix.at, diags,
                            "one of the prefixes '%.*s' and '%.*s' begins with the other; make them differ",
                            SPAN_FMT(a), SPAN_FMT(b));
    }
}

void gw_config_introspection_check(struct gw_config *c, struct diags *diags)
{
    struct gw_config_issuer *issuers = (void *)(uintptr_t)c->issuers;
    for (size_t i = 0; i < c->issuers_n; i++) {
        struct gw_config_introspection *in = &issuers[i].introspection;
        if (!in->present)
            continue;
        in->server.timeouts = (struct gw_config_remote_timeouts){ in->timeout, in->timeout, in->timeout };
        gw_config_remote_check(c, &in->server, "introspection.url", diags);
        if (is_set(in->server.url) && !is_set(in->client_secret_file) && !is_set(in->server.tls.certificate))
            gw_config_error(c, in->at, diags,
                            "nothing authenticates the gateway to the introspection server; set client_secret_file, or "
                            "tls.certificate and tls.key");
        if (is_asked(&issuers[i]))
            told_apart(c, i, diags);
    }
}

struct pki_introspection gw_config_introspection_of(const struct gw_config_issuer *i)
{
    const struct gw_config_introspection *in = &i->introspection;
    return (struct pki_introspection){
        .enabled = is_asked(i),
        .alone = is_asked(i) && !has_keys(i),
        .prefix = in->prefix.v,
        .cache_s = in->cache / 1000,
        .audience_implied = in->audience_implied,
        .expiry_optional = in->expiry_optional,
    };
}

// ----------------------------------------------------------------------------------------------------------- load

void gw_form_encode(struct buf *out, struct span s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain) {
            buf_byte(out, (char)c);
        } else {
            buf_byte(out, '%');
            buf_byte(out, hex[c >> 4]);
            buf_byte(out, hex[c & 15]);
        }
    }
}

// RFC 6749 §2.3.1: both are form-encoded before they become the user and the password.
static struct span basic(struct gw_snapshot *s, struct span id, struct span secret)
{
    struct buf pair, value;
    buf_init(&pair, 0);
    buf_init(&value, 0);
    gw_form_encode(&pair, id);
    buf_byte(&pair, ':');
    gw_form_encode(&pair, secret);
    buf_append(&value, SPAN("Basic "));
    pki_base64(&value, buf_span(&pair));
    struct span out = pair.failed || value.failed ? SPAN_NONE : arena_dup(&s->arena, buf_span(&value));
    buf_wipe(&pair);
    buf_wipe(&value);
    return out;
}

static struct span parameters(struct gw_snapshot *s, const struct gw_config_introspection *in)
{
    struct buf text;
    buf_init(&text, 0);
    buf_append(&text, SPAN("&token_type_hint=access_token"));
    if (!is_set(in->client_secret_file)) { // RFC 8705 §2: the certificate says it is us, this says who we are
        buf_append(&text, SPAN("&client_id="));
        gw_form_encode(&text, in->client_id.v);
    }
    struct span out = text.failed ? SPAN_NONE : arena_dup(&s->arena, buf_span(&text));
    buf_fini(&text);
    return out;
}

static void load(struct gw_snapshot *s, const struct gw_config_issuer *i, struct gw_introspector *out, int64_t now_s,
                 struct diags *diags)
{
    const struct gw_config_introspection *in = &i->introspection;
    out->config = in;
    out->issuer = pki_issuers_find(s->issuers, i->issuer.v);
    gw_remote_load(s, &in->server, &out->remote, now_s, diags);
    out->remote.max_connections = in->calls;
    out->parameters = parameters(s, in);
    if (is_set(in->client_secret_file)) {
        struct span secret = gw_snapshot_read_secret(s, &in->client_secret_file, diags);
        if (!span_is_none(secret))
            out->authorization = basic(s, in->client_id.v, secret);
        secret_wipe((void *)(uintptr_t)secret.p, secret.n);
    }
}

void gw_introspectors_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config *c = s->config;
    s->introspectors = arena_array(&s->arena, c->issuers_n + 1, sizeof *s->introspectors);
    for (size_t i = 0; s->introspectors && s->issuers && i < c->issuers_n; i++) {
        if (!is_asked(&c->issuers[i]) || !pki_issuers_find(s->issuers, c->issuers[i].issuer.v))
            continue;
        struct gw_introspector *out = &s->introspectors[s->n_introspectors++];
        memset(out, 0, sizeof *out);
        load(s, &c->issuers[i], out, now_s, diags);
    }
}

void gw_introspector_fini(struct gw_introspector *i)
{
    gw_remote_fini(&i->remote);
    secret_wipe((void *)(uintptr_t)i->authorization.p, i->authorization.n);
}
