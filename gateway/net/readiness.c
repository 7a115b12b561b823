// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/readiness.h"

#include <stdio.h>

static struct span stale_issuer(const struct gw_readiness *r, const struct pki_issuers *issuers, int64_t now_s,
                                char text[static GW_READINESS_TEXT])
{
    for (size_t i = 0; issuers && i < pki_issuers_count(issuers); i++) {
        const struct pki_issuer *issuer = pki_issuers_at(issuers, i);
        if ((!issuer->keys && !issuer->fetched) || !pki_key_view_stale(r->revocations->keys, issuer, now_s))
            continue;
        bool never = issuer->fetched && !pki_key_view_keys(r->revocations->keys, issuer);
        struct span fault = issuer->fetched ? gw_issuer_keys_fault(r->issuer_keys, issuer->iss) : SPAN_NONE;
        snprintf(text, GW_READINESS_TEXT, "the keys of issuer %.*s %s%s%.*s", SPAN_FMT(issuer->name),
                 never ? "were not fetched yet" : "are older than max_stale", span_is_none(fault) ? "" : ": ",
                 (int)fault.n, span_is_none(fault) ? "" : fault.p);
        return span_str(text);
    }
    return SPAN_NONE;
}

static struct span stale_registry(const struct gw_readiness *r, int64_t now_s)
{
    const struct gw_config_api_keys *keys = &r->snapshot->config->api_keys;
    const struct pki_api_keys *read = r->revocations->api_keys;
    bool stale =
        keys->present && (!read || (keys->max_stale > 0 && now_s - pki_api_keys_read_s(read) > keys->max_stale / 1000));
    return stale ? SPAN("the registry of API keys was last read longer than max_stale ago") : SPAN_NONE;
}

static struct span stale_crl(const struct gw_readiness *r, int64_t now_s, char text[static GW_READINESS_TEXT])
{
    struct span domain = pki_revocation_stale(r->revocations->certificates, now_s);
    if (span_is_none(domain))
        return SPAN_NONE;
    snprintf(text, GW_READINESS_TEXT, "the CRL of trust domain %.*s is missing or too old", SPAN_FMT(domain));
    return span_str(text);
}

struct span gw_not_ready(const struct gw_readiness *r, int64_t now_s, char text[static GW_READINESS_TEXT])
{
    const struct gw_snapshot *s = r->snapshot;
    if (r->draining)
        return SPAN("draining");
    int64_t end_s = r->own_not_after_s != 0 ? r->own_not_after_s : s->certificate_not_after_s;
    if (end_s != 0 && end_s <= now_s)
        return SPAN("the gateway's certificate has expired");
    if (s->authority.config && s->authority.certificate_not_after_s <= now_s)
        return SPAN("the authority's certificate has expired");
    if (r->audit && !s->config->audit.drop_when_full && gw_audit_failing(r->audit))
        return SPAN("the audit log cannot be written");
    if (r->audit && gw_audit_refuses(r->audit))
        return SPAN("the audit log's collector is too far behind (audit.http.spool)");
    struct span why = gw_revoked_source_fault(r->revoked);
    if (span_is_none(why))
        why = gw_follower_fault(r->follower, text);
    if (span_is_none(why))
        why = stale_issuer(r, s->issuers, now_s, text);
    if (span_is_none(why))
        why = stale_issuer(r, s->subjects, now_s, text);
    if (span_is_none(why))
        why = stale_registry(r, now_s);
    return span_is_none(why) ? stale_crl(r, now_s, text) : why;
}
