// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/standing.h"

#include "gateway/stages/observe.h"

// What the record says: the kind, and the operator's own words. The value is in the record anyway, in the field it is from.
static struct span words(struct gw_exchange *x, const struct pki_revoked_entry *by)
{
    struct span kind = by->kind == PKI_REVOKED_ALL ? SPAN("issue date") : pki_revoked_kind_name(by->kind);
    return by->reason.n > 0 ? arena_printf(&x->arena, "by %.*s: %.*s", SPAN_FMT(kind), SPAN_FMT(by->reason))
                            : arena_printf(&x->arena, "by %.*s", SPAN_FMT(kind));
}

int gw_standing_certificate(struct gw_exchange *x)
{
    struct pki_revoked *const *revoked = x->services->present->revoked;
    const struct pki_revoked_entry *by;
    for (size_t i = 0; revoked && i < GW_REVOKED_FROM_COUNT; i++) {
        int rc = pki_revoked_certificate(revoked[i], &x->peer->identity, x->now.wall_ms / 1000, &by);
        if (rc != 0)
            return gw_refuse(x, rc, words(x, by));
    }
    return 0;
}

int gw_standing_token(struct gw_exchange *x)
{
    int stands = x->token->issuer->api_keys ? pki_api_keys_stands(x->services->present->api_keys, x->token) : 0;
    if (stands != 0)
        return stands;
    struct pki_revoked *const *revoked = x->services->present->revoked;
    const struct pki_revoked_entry *by;
    for (size_t i = 0; revoked && i < GW_REVOKED_FROM_COUNT; i++) {
        int rc = pki_revoked_token(revoked[i], x->token, x->now.wall_ms / 1000, &by);
        if (rc != 0)
            return gw_refuse(x, rc, words(x, by));
    }
    return 0;
}

// CRLs, bundles, mapping. Expiry is looked at apart, so here the certificate has not ended yet.
static int recheck_certificate(const struct gw_exchange *x, int64_t now_s)
{
    int64_t end_s = x->peer->identity.path_not_after;
    int rc = gw_tls_peer_recheck(x->peer, &x->services->present->trust, now_s < end_s ? now_s : end_s);
    return rc == ERR_CERT_REVOKED || rc == ERR_CERT_UNTRUSTED ? rc : 0;
}

static bool token_over(const struct pki_token *t, int64_t now_ms, int64_t grace_ms)
{
    int64_t skew_s = t->issuer->skew_s, max_age_s = t->issuer->max_age_s;
    return now_ms >= (t->exp + skew_s) * 1000 + grace_ms ||
           (max_age_s > 0 && now_ms > (t->iat + max_age_s + skew_s) * 1000 + grace_ms);
}

static int standing_under_way(struct gw_exchange *x, struct clock_now now, int64_t grace_ms)
{
    int rc = gw_standing_token(x);
    if (rc == 0 && pki_token_check_key(x->token, x->services->present->keys, now.wall_ms / 1000) == ERR_TOKEN_REVOKED)
        rc = gw_refuse(x, ERR_TOKEN_REVOKED, SPAN("the issuer's key is gone"));
    if (rc == 0 && token_over(x->token, now.wall_ms, grace_ms))
        rc = gw_refuse(x, ERR_TOKEN_EXPIRED, SPAN("while the answer was under way"));
    return rc;
}

int gw_standing(struct gw_exchange *x, struct clock_now now, int64_t grace_ms)
{
    int64_t now_s = now.wall_ms / 1000;
    x->now = now;
    int rc = gw_standing_certificate(x);
    if (rc == 0)
        rc = recheck_certificate(x, now_s);
    if (rc != 0)
        return rc;
    // path_not_after is the last second in which it is valid.
    if (now.wall_ms >= (x->peer->identity.path_not_after + 1) * 1000 + grace_ms)
        return gw_refuse(x, ERR_CERT_EXPIRED, SPAN("while the answer was under way"));
    rc = x->token ? standing_under_way(x, now, grace_ms) : 0;
    return rc < 0 ? gw_observe(x, rc) : rc;
}
