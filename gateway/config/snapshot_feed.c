// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_feed.h"

#include "gateway/config/snapshot.h"

#define ISSUERS_NAMED 64 // that a suggestion is looked for among

static const struct gw_config_issuer *find(const struct gw_config *c, struct span name)
{
    for (size_t i = 0; i < c->issuers_n; i++)
        if (span_eq(c->issuers[i].name.v, name))
            return &c->issuers[i];
    return NULL;
}

static void issuer_must_sign(const struct gw_config *c, const struct gw_config_feed *f, struct diags *diags)
{
    struct span names[ISSUERS_NAMED];
    size_t n = 0;
    const struct gw_config_issuer *issuer = find(c, f->issuer.v);
    if (span_is_none(f->issuer.v))
        return;
    if (issuer) {
        if (span_is_none(issuer->jwks.v) && span_is_none(issuer->keys.url.v))
            gw_config_error(
                c, f->issuer.at, diags,
                "issuer '%.*s' has no public keys, so it could sign no feed; name one with jwks or jwks_url",
                SPAN_FMT(f->issuer.v));
        return;
    }
    for (; n < c->issuers_n && n < ISSUERS_NAMED; n++)
        names[n] = c->issuers[n].name.v;
    struct span near = diag_suggest(f->issuer.v, names, n);
    if (span_is_none(near))
        gw_config_error(c, f->issuer.at, diags, "no issuer is called '%.*s'; add it to issuers", SPAN_FMT(f->issuer.v));
    else
        gw_config_error(c, f->issuer.at, diags, "no issuer is called '%.*s'; did you mean '%.*s'?",
                        SPAN_FMT(f->issuer.v), SPAN_FMT(near));
}

void gw_config_feed_check(const struct gw_config *c, struct diags *diags)
{
    const struct gw_config_feed *f = &c->revocations.feed;
    if (!f->present)
        return;
    gw_config_remote_check(c, &f->remote, "revocations.feed", diags);
    issuer_must_sign(c, f, diags);
    if (span_is_none(f->remote.url.v))
        return;
    if (!f->remote.endpoint.tls || span_is_none(f->remote.tls.certificate.v))
        gw_config_error(c, f->remote.url.at, diags,
                        "the authority gives its feed to certificates it knows; write https:// and set tls.certificate "
                        "and tls.key");
    if (span_find(f->remote.target, '?') < f->remote.target.n)
        gw_config_error(c, f->remote.url.at, diags, "the gateway writes the query of this URL itself; leave it out");
}

static const struct pki_issuer *find_loaded(const struct gw_snapshot *s, struct span iss)
{
    const struct pki_issuer *issuer = s->issuers ? pki_issuers_find(s->issuers, iss) : NULL;
    return issuer || !s->subjects ? issuer : pki_issuers_find(s->subjects, iss);
}

void gw_snapshot_feed_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config_feed *f = &s->config->revocations.feed;
    const struct gw_config_issuer *issuer = f->present ? find(s->config, f->issuer.v) : NULL;
    if (!issuer)
        return;
    s->feed.config = f;
    s->feed.issuer = find_loaded(s, issuer->issuer.v);
    gw_remote_load(s, &f->remote, &s->feed.remote, now_s, diags);
    if (!s->feed.issuer && diags->errors == 0)
        gw_config_error(s->config, f->issuer.at, diags, "the keys of issuer '%.*s' are not loaded",
                        SPAN_FMT(f->issuer.v));
}
